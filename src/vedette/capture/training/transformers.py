"""Hugging Face's Trainer: a callback for ``Trainer(callbacks=[...])``. The model is watched as any of PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette.capture.training.agreed import any_rank
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told, need
from vedette.capture.training.torch import TorchWatch
from vedette.capture.training.torch_modules import check_watch

__all__ = ["callback"]

_NAMES = {"learning_rate": "lr", "grad_norm": "grad_norm_before_clipping"}


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
    """A ``transformers.TrainerCallback``.

    What the trainer logs is kept at its step: ``loss``, ``lr``, ``epoch``, ``eval_...`` as ``val_...``, and the norm of the
    gradients before they were clipped as ``grad_norm_before_clipping``. The arguments are those of
    ``capture.training.torch.TorchWatch``. Only the process of rank 0 logs, and those that are ranks of the run.
    ``early_stopping`` (``run.early_stopping``) ends the training.
    """
    transformers = need("transformers")
    check_watch(every, timed_every, activations)
    base: Any = transformers.TrainerCallback
    told = Told(run, "transformers")
    options = {
        "every": every,
        "timed_every": timed_every,
        "activations": activations,
        "layers": layers,
        "updates_bytes_max": updates_bytes_max,
    }
    watching = _Watching(run, options)

    class Watching(base):  # type: ignore[misc] # its class is known only when it is loaded
        """Hands what the trainer says to the run; nothing of it raises."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            del control
            told.guarded("module", watching.begins, args, state, kwargs)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            row = told.guarded("metrics", watching.logs, state, dict(logs or {}))
            if early_stopping is not None:
                row = row or {}
                if not any(
                    name.startswith("val_") for name in row
                ):  # a log of the training, between evaluations
                    row = {name: one for name, one in row.items() if name in ("loss", early_stopping.by)}
                model = kwargs.get("model")
                keeper = model if state.is_world_process_zero else None
                told.guarded("early_stopping", early_stopping.see, state.global_step, row, keeper)
                over = early_stopping.stopped
                control.should_training_stop |= any_rank(over, model) if args.world_size > 1 else over

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            del state, control
            told.guarded("module", watching.close)
            if early_stopping is not None and kwargs.get("model") is not None:
                together = args.world_size > 1
                told.guarded("early_stopping", early_stopping.ends, kwargs["model"], together=together)

        @property
        def told(self) -> dict[str, str]:
            """What could not be watched, and why."""
            return {**told.reasons, **(watching.watch.told if watching.watch is not None else {})}

        def close(self) -> None:
            """Take the hooks off the model."""
            told.guarded("module", watching.close)

    return Watching()


class _Watching:
    """What the callback does, apart from the trainer's class."""

    def __init__(self, run: TrainingRun, options: dict[str, Any]) -> None:
        self._run, self._options = run, options
        self.watch: TorchWatch | None = None

    def begins(self, args: Any, state: Any, kwargs: Mapping[str, Any]) -> None:
        """The training begins: its model and its optimizer are there."""
        if not self._logs(state):
            return
        self.close()
        self._run.params(
            {
                name: value
                for name, value in args.to_dict().items()
                if isinstance(value, str | int | float | bool)
            }
            if hasattr(args, "to_dict")
            else {}
        )
        self.watch = TorchWatch(
            self._run,
            kwargs["model"],
            kwargs.get("optimizer"),
            step=state.global_step,
            replicated=_replicated(args),
            **self._options,
        )

    def _logs(self, state: Any) -> bool:
        return bool(state.is_world_process_zero or getattr(self._run, "rank", 0))

    def logs(self, state: Any, logs: Mapping[str, Any]) -> dict[str, float]:
        """The trainer logs; what it says by the names that the run has, the same on every rank."""
        row = {_named(name): value for name, value in logs.items() if isinstance(value, int | float)}
        if row and self._logs(state):
            self._run.log(state.global_step, **row)
        return row

    def close(self) -> None:
        """The training has ended."""
        if self.watch is not None:
            self.watch.close()


def _replicated(args: Any) -> bool:
    """Whether each rank has a copy of all weights: the trainer wraps the model itself, and shows what is within."""
    mode = getattr(getattr(args, "parallel_mode", None), "value", "")
    others = ("fsdp", "deepspeed", "parallelism_config")
    return mode == "distributed" and not any(getattr(args, name, None) for name in others)


def _named(name: str) -> str:
    return f"val_{name[5:]}" if name.startswith("eval_") else _NAMES.get(name, name)
