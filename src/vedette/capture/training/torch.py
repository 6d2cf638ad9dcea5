"""PyTorch: hooks for loops that one writes oneself. The loop stays as it is; a module and its optimizer are watched.

What an optimizer's own hooks see is enough to count steps; a module's hooks, which cost more, are there only for the steps
that are looked at: one in ``timed_every`` for its stages, one in ``every`` for gradients, weights and activations.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.training.nan_events import NanEvents
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.told import Told, need
from vedette.capture.training.torch_activations import Activations
from vedette.capture.training.torch_modules import (
    Hook,
    architecture,
    check_watch,
    is_compiled,
    is_compiled_in_place,
    is_sharded,
    learning_rates,
    own_optimizer,
    rows_in,
    within_copies,
)
from vedette.capture.training.torch_parameters import ParameterFigures, named_layers
from vedette.capture.training.torch_pending import Pending
from vedette.capture.training.torch_times import StageMarks, StepTimes

__all__ = ["TorchWatch"]


class TorchWatch:
    """Watches a module while it is trained; ``close`` takes all hooks off again, and so does the end of a ``with``.

    ``optimizer`` is the one that trains it; without it the first that steps one of the module's parameters. ``every`` so many
    steps gradients, weights and activations are looked at, ``timed_every`` so many the stages of a step. ``activations``:
    False for none, or which layers are followed by an activation that is a function, see
    ``torch_activations.Activations``. ``layers`` are patterns (``encoder.*``) of the layers that are told, all by default.
    ``updates_bytes_max``: of larger modules no copy is made for ``update_ratio``. ``name`` stands before the names of layers,
    for a second module of the same run. ``step`` is the number of steps that a training which goes on has behind it, and
    counts on as the optimizer does. With ``marks_stages`` False no hook of the module tells its stages: its trainer, which may
    call another method than the module itself, calls :meth:`stage`. ``replicated`` says whether each rank holds a copy of all
    weights and waits for the others' gradients: by default where DistributedDataParallel is in or around what is given, which a
    trainer that wraps the module itself does not show. ``told`` says what could not be watched, and why.

    Raises ``TypeError`` where the module or the optimizer is none of PyTorch's, ``ValueError`` for numbers that cannot be.
    """

    def __init__(
        self,
        run: TrainingRun,
        module: Any,
        optimizer: Any = None,
        *,
        every: int = 50,
        timed_every: int = 50,
        activations: bool | Mapping[str, str] = True,
        layers: Sequence[str] | None = None,
        updates_bytes_max: int = 1 << 30,
        name: str = "",
        step: int = 0,
        marks_stages: bool = True,
        replicated: bool | None = None,
    ) -> None:
        torch = need("torch")
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"watch: module of type {type(module).__name__}: must be a torch.nn.Module")
        check_watch(every, timed_every, activations, step)
        self._torch, self._run, self._module = torch, run, module
        self._tensor = torch.Tensor
        self._marks_stages = marks_stages
        self._optimizer = None if optimizer is None else own_optimizer(torch, optimizer)
        self._every, self._timed_every = every, timed_every
        self._patterns, self._prefix = layers, f"{name}." if name else ""
        self._told = Told(run, f"torch{f' {name}' if name else ''}")
        self.step = step
        self._handles: list[Any] = []
        self._stage_handles: list[Any] = []
        self._marked: Any = None
        self._first: Any = None
        self._compiling = torch.compiler.is_compiling
        self._next = 0
        self._closed = self._looking = self._due = self._timed = self._late = False
        first = next(module.parameters(), None)
        self._home = first.device if first is not None else torch.device("cpu")
        event = torch.cuda.Event if self._home.type == "cuda" else None
        inner = within_copies(module)
        self._replicated = inner is not None if replicated is None else replicated
        # what it does before and after the module's own pass is waiting for the other ranks
        self._staged = module if inner is None else inner
        self._times = StepTimes(event, synchronises=self._replicated)
        self._marks: list[tuple[int, dict[str, float], StageMarks]] = []
        self._pending = Pending(torch, lambda reason: self._told.say("figures", reason))
        self._figures = ParameterFigures(torch, updates_bytes_max, self._told.say)
        self._kinds = dict(activations) if isinstance(activations, Mapping) else {}
        self._activations: Activations | None = None
        self._compiled = is_compiled(module)
        self._nan = NanEvents(run, self._prefix)
        self._told.guarded(
            "architecture",
            lambda: run.event("architecture", **architecture(module, replicated=self._replicated)),
        )
        if is_sharded(module):
            self._told.say("parameters", "the module is sharded (FSDP): each rank has a part of it alone")
            self._patterns = []
        if self._compiled and activations:
            self._told.say("activations", "the module is compiled: hooks within it would break its graph")
        elif activations:
            self._activations = Activations(torch, module, self._kinds, self._patterns, self._told.failed)
        self._hook_optimizer()
        if self._optimizer is not None:
            self._plan()

    # --- hooks on and off -------------------------------------------------------------------------------------

    def _hook_optimizer(self) -> None:
        if self._optimizer is not None:
            self._handles.append(self._optimizer.register_step_post_hook(self._after))
            return
        own = {id(parameter) for parameter in self._module.parameters()}
        register = need("torch.optim.optimizer").register_optimizer_step_post_hook

        def look(
            optimizer: Any, *_: Any
        ) -> None:  # it stays until the end: hooks are gone through as this is called
            if self._optimizer is None and any(
                id(one) in own for group in optimizer.param_groups for one in group["params"]
            ):
                self._optimizer = optimizer
                self._hook_optimizer()
                self.step += 1
                self._plan()

        self._handles.append(register(look))

    def _plan(self) -> None:
        """Put on the module the hooks that the next step needs."""
        self._due = (self.step + 1) % self._every == 0 or not self._nan.looked
        self._timed = self._to_be_timed()
        self._looking = self._due or self._timed
        if not self._looking:
            self._next = self._next_looked_at(self.step + 1)
        if self._looking and self._optimizer is not None:
            self._stage_handles.append(self._optimizer.register_step_pre_hook(self._before))
        if self._due and self._activations is not None:
            self._activations.attach(Hook, self._home)
        if self._timed:
            self._attach_stages()
            self._times.begin()

    def _to_be_timed(self) -> bool:
        # half-way between the steps whose gradients are looked at: hooks within the module would be timed too
        return (self.step + 1) % self._timed_every == self._timed_every // 2

    def _next_looked_at(self, step: int) -> int:
        """The first step from one on that is looked at or timed."""
        timed = (self._timed_every // 2 - step) % self._timed_every
        return step + min(-step % self._every, timed)

    def stage(self, mark: str, samples: int = 0) -> None:
        """A trainer says that ``forward_begins``, ``forward_ends`` or ``pass_ends``; only steps that are timed take note."""
        if not self._timed or self._closed:
            return
        if mark == "forward_begins":
            self._told.guarded(mark, self._times.forward_begins, samples)
        else:
            self._told.guarded(mark, getattr(self._times, mark))

    def _attach_stages(self) -> None:
        if not self._marks_stages:
            if self._replicated:  # the trainer says only when all ranks' gradients are there
                self._attach_first()
            return
        if is_compiled_in_place(self._staged):
            self._told.say(
                "forward_s", "module.compile() compiles its hooks too; torch.compile(module) does not"
            )
        else:
            self._stage_handles += [
                self._staged.register_forward_pre_hook(Hook(self._forward_begins), with_kwargs=True),
                self._staged.register_forward_hook(Hook(self._forward_ends)),
            ]
        self._attach_first()

    def _attach_first(self) -> None:
        """Have the first parameter, which a backward pass comes to last, tell when this rank's own gradients are there."""
        if self._first is None or not self._first.requires_grad:
            self._first = next((one for one in self._module.parameters() if one.requires_grad), None)
        first = self._first
        if first is not None and hasattr(first, "register_post_accumulate_grad_hook"):
            self._marked = first, first._post_accumulate_grad_hooks
            self._stage_handles.append(first.register_post_accumulate_grad_hook(Hook(self._backward_ends)))

    def _detach(self) -> None:
        if self._activations is not None:
            self._activations.detach()
        for handle in self._stage_handles:
            handle.remove()
        self._stage_handles.clear()
        if self._marked is not None:
            parameter, before = self._marked
            if before is None and not parameter._post_accumulate_grad_hooks:
                parameter._post_accumulate_grad_hooks = None
            self._marked = None

    def close(self) -> None:
        """Take all hooks off, and read what the device still has; the module is as it was."""
        if self._closed:
            return
        self._closed = True
        self._detach()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._told.guarded("figures", self._pending.read, wait=True)
        self._told.guarded("times", self._read_marks)

    def __enter__(self) -> TorchWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def told(self) -> dict[str, str]:
        """What could not be watched, and why."""
        return dict(self._told.reasons)

    @property
    def broken(self) -> bool:
        """True once a loss, a gradient or a weight was seen that is NaN or infinite."""
        return self._nan.broken

    # --- what hooks call --------------------------------------------------------------------------------------

    def _forward_begins(self, module: Any, args: Any, kwargs: Any) -> None:
        if self._compiling():
            return
        try:
            if getattr(module, "_is_replica", False):
                return
            if not self._torch.is_grad_enabled():
                self._times.leave_data_out()
                return
            self._times.forward_begins(rows_in(self._torch, args, kwargs))
        except Exception as error:  # noqa: BLE001 - the training must not feel it
            self._told.failed("forward_s", error)

    def _forward_ends(self, module: Any, *_: Any) -> None:
        if self._compiling():
            return
        try:
            if self._torch.is_grad_enabled() and not getattr(module, "_is_replica", False):
                self._times.forward_ends()
        except Exception as error:  # noqa: BLE001 - as above
            self._told.failed("forward_s", error)

    def _backward_ends(self, _: Any) -> None:
        try:
            self._times.backward_ends()
        except Exception as error:  # noqa: BLE001 - as above
            self._told.failed("backward_s", error)

    def _before(self, optimizer: Any, args: Any = (), kwargs: Any = None) -> None:
        if self._compiling():
            return
        try:
            if self._timed:
                self._times.optimizer_begins()
            if self._due and not self._capturing():
                begun = time.perf_counter()
                closure = bool(args and args[0] is not None) or bool(kwargs and kwargs.get("closure"))
                with self._torch.no_grad():
                    self._figures.before(
                        named_layers(self._module, self._patterns),
                        getattr(optimizer, "grad_scale", None),
                        gradients=not closure,
                    )
                self._late = closure  # gradients are there only after the closure
                self._times.away(time.perf_counter() - begun)
                if self._timed:
                    self._times.optimizer_begins()
        except Exception as error:  # noqa: BLE001 - as above
            self._due = False
            self._told.failed("gradients", error)

    def _after(self, optimizer: Any, *_: Any) -> None:
        if self._compiling():
            return
        try:
            if self._timed:
                self._times.optimizer_ends()
            begun = self._times.step_ends()
            self.step += 1
            if self._looking:
                self._looked(optimizer)
            elif self.step + 1 < self._next:
                return
            else:
                self._plan()
            self._times.away(time.perf_counter() - begun)
        except Exception as error:  # noqa: BLE001 - as above
            self._looking = self._due = self._timed = False
            self._told.failed("step", error)
            self._told.guarded("step", self._detach)

    def _looked(self, optimizer: Any) -> None:
        """A step that was looked at has ended."""
        if self._torch._C._current_graph_task_id() != -1:
            self._told.say("steps", "the optimizer takes its steps within the backward pass")
            return
        self._detach()
        if self._due:
            self._told.guarded("gradients", self._ask)
        if self._timed:
            self._marks.append((self.step, learning_rates(optimizer), self._times.taken()))
            self._told.guarded("times", self._read_marks)
        self._plan()

    def _ask(self) -> None:
        """Ask for the figures of this step; they are logged when they are there."""
        figures, step = self._figures, self.step
        scalars, outputs = self._activations.taken() if self._activations is not None else ([], None)
        if self._capturing() or not (figures.scalars or scalars):
            self._nan.looked = True
            return
        with self._torch.no_grad():
            if self._late:
                figures.gradients()
            figures.after()
        n = len(figures.scalars)

        def arrived(values: list[float]) -> None:
            told, bad = figures.read(values[:n])
            more, bad_outputs = outputs(values[n:]) if outputs is not None else ({}, {})
            self._nan.layers(step, bad, bad_outputs)
            named = {self._named(key): value for key, value in {**told, **more}.items()}
            if named:
                self._run.log(step, **named)

        own, figures.scalars = figures.scalars, []
        self._figures = ParameterFigures(self._torch, figures._most, self._told.say)
        self._nan.looked = True  # on a device the figures come later
        self._pending.ask([*own, *scalars], arrived)

    def _named(self, key: str) -> str:
        metric, _, layer = key.partition("/")
        return (
            f"{metric}/{self._prefix}{layer}"
            if layer
            else (f"{metric}/{self._prefix[:-1]}" if self._prefix else metric)
        )

    def _read_marks(self) -> None:
        while self._marks and self._marks[0][2].ready():
            step, rates, marks = self._marks.pop(0)
            self._run.log(step, **{**marks.read(), **rates})

    def _capturing(self) -> bool:
        return self._home.type == "cuda" and bool(self._torch.cuda.is_current_stream_capturing())

    # --- what a loop calls ------------------------------------------------------------------------------------

    def log(self, **metrics: Any) -> None:
        """Keep metrics of the step that has just ended; call it after ``optimizer.step()``.

        Tensors on a device are read when it has computed them, later than this, so that nothing waits; those on the CPU at
        once. A metric called ``loss`` or ``batch/loss`` that is NaN or infinite makes the next step one that is looked at.
        """
        try:
            later = False
            for name, value in metrics.items():
                if value.__class__ is not float and isinstance(value, self._tensor):
                    if value.is_cpu:
                        metrics[name] = value.item()
                    else:
                        later = True
            if later:
                self._log_later(metrics)
            else:
                step = self.step
                self._run.log(step, **metrics)
                loss = metrics["loss"] if "loss" in metrics else metrics.get("batch/loss")
                if loss is not None and self._nan.loss(step, loss):
                    self._look_closer()
        except Exception as error:  # noqa: BLE001 - the training must not feel it
            self._told.failed("metrics", error)

    def _log_later(self, metrics: dict[str, Any]) -> None:
        later = {name: one.detach() for name, one in metrics.items() if isinstance(one, self._tensor)}
        step = self.step

        def arrived(values: list[float]) -> None:
            found = {**metrics, **dict(zip(later, values, strict=True))}
            self._run.log(step, **found)
            if self._nan.loss(step, found.get("loss", found.get("batch/loss"))):
                self._look_closer()

        self._pending.ask([one.reshape(()) for one in later.values()], arrived)

    def _look_closer(self) -> None:
        """A loss was none for the first time: look at the next step."""
        if self._due or self._closed or self._optimizer is None:
            return
        self._due = True
        if not self._looking:
            self._looking = True
            self._stage_handles.append(self._optimizer.register_step_pre_hook(self._before))
        if self._activations is not None:
            self._activations.attach(Hook, self._home)
