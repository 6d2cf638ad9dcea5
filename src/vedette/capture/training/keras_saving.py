"""Keras: a callback that saves a checkpoint after each epoch, at the number of batches trained so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.told import Told, need

if TYPE_CHECKING:
    from vedette.capture.training.checkpoints import Checkpoints

__all__ = ["saving"]


def saving(run: TrainingRun, checkpoints: Checkpoints, step: int) -> Any:
    """A ``keras.callbacks.Callback`` for ``model.fit(callbacks=[...])``; nothing of it raises into ``fit``.

    Checkpoints have the steps that ``run.callback("keras")`` has, batches, of which ``step`` were trained before. The training
    ends where a number is none.
    """
    base: Any = need("keras").callbacks.Callback
    told = Told(run, "checkpoints")

    class Saving(base):  # type: ignore[misc] # Keras ships no types
        """Saves the model with the epoch's figures."""

        async_safe = True  # as the callback that watches: else Keras waits for the device after each batch

        def __init__(self) -> None:
            super().__init__()
            self.step, self._batches = step, 0

        @property
        def told(self) -> dict[str, str]:
            """What could not be saved, and why."""
            return dict(told.reasons)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self._batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            self._batches = max(self._batches, batch + 1)  # threads bring them in any order

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self.step += self._batches
            told.guarded("checkpoints", self._save, logs or {})

        def _save(self, logs: Any) -> None:
            figures = {name: float(one) for name, one in logs.items()}
            checkpoints.save(self.model, self.step, figures)
            if checkpoints.stop:
                self.model.stop_training = True

    return Saving()
