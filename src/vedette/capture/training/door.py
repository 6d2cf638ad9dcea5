"""What a training run offers to frameworks: callbacks, hooks, ``fit``, figures of a data set, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vedette.capture.training.protocol import TrainingRun

if TYPE_CHECKING:
    from vedette.capture.training.checkpoints import Checkpoints
    from vedette.capture.training.torch import TorchWatch

__all__ = ["TrainingDoor"]


class TrainingDoor:
    """A part of a run: each method loads what it needs when it is called, and nothing before.

    ``evaluator`` is what makes figures of labels and predictions (``statistics.evaluation.evaluate``), put into a run by
    whoever makes it: statistics are a room that this one does not know.
    """

    evaluator: Callable[..., dict[str, tuple[float, float, float, int, str | None]]] | None = None

    steps_behind = 0  # of a run that was resumed: the steps that it had before

    def callback(self, framework: str, **arguments: Any) -> Any:
        """The callback of a framework that takes such: keras, lightning, transformers, xgboost, lightgbm, catboost.

        What it is given to and which ``arguments`` it takes is said in ``docs/frameworks_training.md``. Raises
        ``ValueError`` for a name that has none, ``MissingExtraError`` where the framework is not installed.
        """
        from vedette.capture.training import callback

        if framework == "keras":  # the others say themselves at which step they are
            arguments.setdefault("step", self.steps_behind)
        return self._keep(callback(self._run(), framework, **arguments))

    def watch(self, module: Any, optimizer: Any = None, **arguments: Any) -> TorchWatch:
        """Watch a PyTorch module in a loop that one writes oneself, see ``capture.training.torch.TorchWatch``.

        In a run that was resumed steps count on from its last one, unless ``step`` says otherwise.
        """
        from vedette.capture.training.torch import TorchWatch

        arguments.setdefault("step", self.steps_behind)
        found: TorchWatch = self._keep(TorchWatch(self._run(), module, optimizer, **arguments))
        return found

    def fit(
        self,
        model: Any,
        x: Any = None,
        y: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        **arguments: Any,
    ) -> Any:
        """Train a model by its own ``fit``, watched, and return what that returns, see ``capture.training.fit``."""
        from vedette.capture.training.fit import fit

        return fit(self._run(), model, x, y, validation_data=validation_data, **arguments)

    def evaluate(
        self,
        split: str,
        y_true: Any,
        y_pred: Any = None,
        *,
        probability: Any = None,
        task: str = "",
        classes: Sequence[Any] | None = None,
        metrics: Sequence[str] | None = None,
        step: int | None = None,
        level: float = 0.95,
    ) -> dict[str, tuple[float, float, float, int, str | None]]:
        """Figures of a data set, each with its interval: logged as ``val_accuracy``, ``val_accuracy_low``, ``..._high``.

        ``split`` is what stands before their names (``train``, ``val``, ``test``). Returned is for each name the value, the
        limits of its interval, the rows it rests on, and the reason where there is no value. What labels, predictions and
        ``probability`` may be is said in ``statistics.evaluation.evaluate``; ``ValueError`` for what they cannot.
        """
        if self.evaluator is None:
            raise RuntimeError("evaluate: the run was made without a Monitor, which knows of statistics")
        found = self.evaluator(
            y_true, y_pred, probability=probability, task=task, classes=classes, metrics=metrics, level=level
        )
        row: dict[str, float] = {}
        for name, (value, low, high, _, reason) in found.items():
            if reason is None:
                row.update(
                    {f"{split}_{name}": value, f"{split}_{name}_low": low, f"{split}_{name}_high": high}
                )
        if row:
            self._run().log(step, **row)
        detail = {name: {"n": n, "reason": reason} for name, (_, _, _, n, reason) in found.items()}
        self._run().event("evaluated", split=split, level=level, figures=detail)
        return found

    def checkpoints(self, folder: str | Path, **arguments: Any) -> Checkpoints:
        """Keep the best and the last model of a training in a folder, see ``capture.training.checkpoints``."""
        from vedette.capture.training.checkpoints import Checkpoints

        return Checkpoints(self._run(), folder, **arguments)

    def close_callbacks(self) -> None:
        """Take off all hooks that this run has put on; called at the run's end."""
        for one in self.__dict__.pop("_attached", []):
            one.close()

    def _run(self) -> TrainingRun:
        return cast(TrainingRun, self)

    def _keep(self, thing: Any) -> Any:
        if hasattr(thing, "close"):
            self.__dict__.setdefault("_attached", []).append(thing)
        return thing
