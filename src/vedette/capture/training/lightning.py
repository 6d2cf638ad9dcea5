"""Lightning: a callback for ``Trainer(callbacks=[...])``. The module is watched as any of PyTorch's, metrics are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told, need
from vedette.capture.training.torch import TorchWatch
from vedette.capture.training.torch_modules import check_watch, rows_in, within_copies

__all__ = ["callback"]


def callback(
    run: TrainingRun,
    *,
    every: int = 50,
    timed_every: int = 50,
    activations: bool | Mapping[str, str] = True,
    layers: Sequence[str] | None = None,
    updates_bytes_max: int = 1 << 30,
    early_stopping: EarlyStopping | None = None,
) -> Any:
    """A ``lightning.pytorch.Callback``; with ``pytorch_lightning`` loaded and not ``lightning``, one of its.

    What the module gives to ``self.log`` is kept with the name and the step (``trainer.global_step``) that it has there. The
    arguments are those of ``capture.training.torch.TorchWatch``. Only the process of rank 0 logs, and those that are ranks
    of the run.
    ``early_stopping`` (``run.early_stopping``) ends the training after a validation, or an epoch without one.
    """
    lightning = _loaded()
    check_watch(every, timed_every, activations)
    base: Any = lightning.Callback
    told = Told(run, "lightning")
    options = {
        "every": every,
        "timed_every": timed_every,
        "activations": activations,
        "layers": layers,
        "updates_bytes_max": updates_bytes_max,
    }
    watching = _Watching(run, told, options)

    class Watching(base):  # type: ignore[misc] # its class is known only when it is loaded
        """Hands what the trainer says to the run; nothing of it raises."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            told.guarded("module", watching.begins, trainer, pl_module)

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, *_: Any) -> None:  # noqa: ARG002
            told.guarded("stages", watching.batch_begins, batch)

        def on_before_backward(self, *_: Any) -> None:
            told.guarded("stages", watching.stage, "forward_ends")

        def on_after_backward(self, *_: Any) -> None:
            told.guarded("stages", watching.stage, "pass_ends")

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            told.guarded("metrics", watching.batch_ends, trainer)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            watching.validation_begins(trainer)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            told.guarded("metrics", watching.validation_ends, trainer)
            if early_stopping is not None and not trainer.sanity_checking:
                told.guarded("early_stopping", watching.judges, trainer, pl_module, early_stopping)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            told.guarded("metrics", watching.epoch_ends, trainer)
            if early_stopping is not None:
                told.guarded("early_stopping", watching.judges, trainer, pl_module, early_stopping)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            told.guarded("module", watching.close)
            if early_stopping is not None:
                told.guarded(
                    "early_stopping", early_stopping.ends, pl_module, together=trainer.world_size > 1
                )

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
            told.guarded("module", watching.close)

        @property
        def told(self) -> dict[str, str]:
            """What could not be watched, and why."""
            return {**told.reasons, **(watching.watch.told if watching.watch is not None else {})}

        def close(self) -> None:
            """Take the hooks off the module."""
            told.guarded("module", watching.close)

    return Watching()


def _loaded() -> Any:
    import sys

    if "lightning.pytorch" not in sys.modules and "pytorch_lightning" in sys.modules:
        return sys.modules["pytorch_lightning"]
    return need("lightning.pytorch", "lightning")


class _Watching:
    """What the callback does, apart from Lightning's class."""

    def __init__(self, run: TrainingRun, told: Told, options: dict[str, Any]) -> None:
        self._run, self._told, self._options = run, told, options
        self.watch: TorchWatch | None = None
        self._seen: dict[str, Any] = {}
        self._home: dict[str, str] = {}
        self._judged: dict[str, Any] = {}

    def begins(self, trainer: Any, module: Any) -> None:
        """The training begins: its module and its optimizers are there."""
        if self.watch is not None or not (trainer.is_global_zero or getattr(self._run, "rank", 0)):
            return
        optimizers = list(trainer.optimizers)
        if len(optimizers) != 1:
            self._told.say(
                "steps",
                f"{len(optimizers)} optimizers: the steps are those of the first, run.watch takes the others",
            )
        self.watch = TorchWatch(
            self._run,
            module,
            optimizers[0] if optimizers else None,
            step=trainer.global_step,
            marks_stages=False,
            replicated=within_copies(trainer.strategy.model) is not None,
            **self._options,
        )

    def _log(self, trainer: Any, of: str) -> None:
        """Keep what is new among the metrics that the trainer hands out, the old ones too.

        It makes new tensors of old values between batches, validations and epochs: a metric is kept where it came first.
        """
        if self.watch is None:
            return
        changed = {
            name: one for name, one in trainer.logged_metrics.items() if self._seen.get(name) is not one
        }
        self._seen.update(changed)
        changed.pop("epoch", None)
        found = {name: one for name, one in changed.items() if self._home.setdefault(name, of) == of}
        more = {"epoch": trainer.current_epoch + 1} if of == "epoch" else {}
        if found or more:
            self.watch.log(**{_plain(name): one for name, one in found.items()}, **more)

    def batch_begins(self, batch: Any) -> None:
        """The data of a batch is there."""
        if self.watch is not None:
            self.watch.stage("forward_begins", rows_in(need("torch"), (batch,), {}))

    def stage(self, mark: str) -> None:
        """A stage of a step has ended."""
        if self.watch is not None:
            self.watch.stage(mark)

    def batch_ends(self, trainer: Any) -> None:
        """A batch has been trained; what the module has logged of it is kept."""
        if not trainer.fit_loop._should_accumulate():
            self._log(trainer, "batch")

    def validation_ends(self, trainer: Any) -> None:
        """A validation has ended."""
        if not trainer.sanity_checking:
            self._log(trainer, "validation")

    def epoch_ends(self, trainer: Any) -> None:
        """An epoch has ended; its means are there."""
        self._log(trainer, "epoch")

    def validation_begins(self, trainer: Any) -> None:
        """What is known before a validation is not of it."""
        self._judged.update(trainer.callback_metrics)

    def judges(self, trainer: Any, module: Any, stopping: EarlyStopping) -> None:
        """What is known of a validation or an epoch goes to what says when to stop, and all ranks do what one of them says."""
        own = self._told.guarded("early_stopping", self._judged_now, trainer, module, stopping)
        trainer.should_stop |= bool(trainer.strategy.reduce_boolean_decision(bool(own), all=False))

    def _judged_now(self, trainer: Any, module: Any, stopping: EarlyStopping) -> bool:
        known = trainer.callback_metrics
        new = {name: one for name, one in known.items() if self._judged.get(name) is not one}
        self._judged.update(known)
        # of what is logged by step and by epoch the epoch's is the figure, and the step's is no evaluation
        new = {
            name: one
            for name, one in new.items()
            if not name.endswith("_step") and f"{name}_epoch" not in known
        }
        row = {_plain(name): float(one) for name, one in new.items()}
        return bool(row) and self.watch is not None and stopping.see(self.watch.step, row, module)

    def close(self) -> None:
        """The training has ended."""
        if self.watch is not None:
            self.watch.close()


def _plain(name: str) -> str:
    """``loss_step`` and ``loss_epoch`` as elsewhere: ``batch/loss`` and ``loss``."""
    if name.endswith("_step"):
        return f"batch/{name[:-5]}"
    return name.removesuffix("_epoch")
