"""Keras 3 on any backend: a callback for ``fit``, with the losses and metrics that Keras itself computes.

The x axis is the number of batches trained so far. A metric has the name that Keras gives it (``loss``, ``val_loss``,
``accuracy``) and a value for each epoch, as ``History`` has; its running value within an epoch is ``batch/loss``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from vedette.capture.training.keras_layers import KerasLayers, architecture
from vedette.capture.training.nan_events import NanEvents
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told, need

__all__ = ["callback"]


def callback(
    run: TrainingRun,
    *,
    every: int = 50,
    weights: bool = True,
    layers: Sequence[str] | None = None,
    updates_bytes_max: int = 1 << 30,
    step: int = 0,
    early_stopping: EarlyStopping | None = None,
) -> Any:
    """A ``keras.callbacks.Callback`` for ``model.fit(callbacks=[...])``.

    ``every`` so many batches the running metrics, the times and, with ``weights``, the layers' weights and gradients are looked
    at; gradients where the backend keeps them, which PyTorch's does. ``layers`` are patterns of the layers that are told;
    ``updates_bytes_max`` bounds the copy that ``update_ratio`` needs; ``step`` is the number of batches that a training which
    goes on has behind it; ``early_stopping`` (``run.early_stopping``) ends the training. Raises ``MissingExtraError`` without
    Keras, ``ValueError`` for numbers that cannot be.
    """
    keras = need("keras")
    for name, value, least in (("every", every, 1), ("step", step, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}={value!r}: must be a whole number, {least} or more")

    base: Any = keras.callbacks.Callback

    class Watching(base):  # type: ignore[misc] # Keras ships no types
        """Hands what Keras says to the run. Nothing of it raises into ``fit``."""

        # without it Keras waits for the device after each batch, to have its metrics for this callback
        async_safe = True

        def __init__(self) -> None:
            super().__init__()
            self.watching = _Watching(run, keras, every, weights, layers, updates_bytes_max, step)
            self._guarded = self.watching.told.guarded

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            self._guarded("architecture", self.watching.begins, self.model)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            self._guarded("epoch", self.watching.epoch_begins)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            self._guarded("batch", self.watching.batch_begins, batch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._guarded("batch", self.watching.batch_ends, batch, logs)

        def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
            self._guarded("epoch", self.watching.training_pauses)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = self._guarded("epoch", self.watching.epoch_ends, epoch, logs)
            if early_stopping is not None and row:
                self._guarded("early_stopping", early_stopping.see, self.watching.step, row, self.model)
                self.model.stop_training |= early_stopping.stopped

        def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
            self._guarded("epoch", self.watching.ends)
            if early_stopping is not None:
                self._guarded("early_stopping", early_stopping.ends, self.model)

        @property
        def told(self) -> dict[str, str]:
            """What could not be watched, and why."""
            return dict(self.watching.told.reasons)

    return Watching()


class _Watching:
    """What the callback does, apart from Keras's class."""

    def __init__(
        self,
        run: TrainingRun,
        keras: Any,
        every: int,
        weights: bool,
        patterns: Sequence[str] | None,
        updates_bytes_max: int,
        step: int,
    ) -> None:
        self._run, self._keras, self._every, self._weights = run, keras, every, weights
        self._patterns, self._updates_bytes_max = patterns, updates_bytes_max
        self.told = Told(run, "keras")
        self._nan = NanEvents(run)
        self.step = self._base = step
        self._model: Any = None
        self._layers: KerasLayers | None = None
        self._due = False
        self._logs: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._steps: list[float] = []
        self._data: list[float] = []
        # TensorFlow fetches rows within its step, and JAX does while the step before is computed
        self._fetches = keras.backend.backend() == "torch"
        self._samples: float | None = None
        self._open: tuple[int, float] | None = None
        self._stride, self._last = 1, 0
        self._ended: tuple[int, float] | None = None
        self._epoch_begun = self._paused = 0.0

    def begins(self, model: Any) -> None:
        """A training begins; its model is known."""
        self._model = model
        self._layers = None
        self._run.event("architecture", **architecture(model))

    def epoch_begins(self) -> None:
        """An epoch begins; the batches of it are counted from here."""
        self._base, self._last = self.step, 0
        self._epoch_begun, self._paused, self._samples = time.perf_counter(), 0.0, None
        self._open, self._ended = None, (-1, self._epoch_begun)

    def batch_begins(self, batch: int) -> None:
        """The data of a batch is there; the batch before has ended."""
        now = time.perf_counter()
        if self._ended is not None and self._ended[0] == batch - 1:
            self._data.append(now - self._ended[1])
        elif self._fetches:
            self._data.append(0.0)  # no time for the thread that brings the metrics: nobody waited
        if self._open is not None:
            self._stride = max(batch - self._open[0], 1)
            self._close(batch, now)
            now = time.perf_counter()
        before = self._base + batch
        self._due = self._hits(before + self._stride) or not self._nan.looked
        if self._due and self._weights:
            self.told.guarded("weights", self._look)
            now = time.perf_counter()
        self._open = batch, now

    def _hits(self, step: int) -> bool:
        """True where a call of the backend that ends with this step goes over a multiple of ``every``."""
        return step // self._every > (step - self._stride) // self._every

    def _look(self) -> None:
        if self._layers is None:  # a model that is not built has no layers before its first batch
            if not self._model.built:
                return
            self._layers = KerasLayers(
                self._keras, self._model, self._patterns, self._updates_bytes_max, self.told
            )
        self._layers.before()

    def batch_ends(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """Keras has the metrics of a batch: here, or in a thread of its own some time after."""
        step = self._base + batch + 1
        self._last = max(self._last, batch + 1)
        self._ended = batch, time.perf_counter()  # in a thread, which runs at once where rows are waited for
        if self._hits(step) or step == 1:
            self._logs.append((step, dict(logs or {})))

    def _close(self, batches: int, now: float) -> None:
        """So many batches of the epoch have been trained by now."""
        assert self._open is not None
        begun_with, begun = self._open
        self._open = None
        self.step = self._base + batches
        self._steps.append((now - begun) / max(batches - begun_with, 1))
        if self._due:
            self._tell(self.step)

    def _tell(self, step: int) -> None:
        if self._layers is not None:

            def arrived(figures: dict[str, float], bad: dict[str, tuple[float, float]]) -> None:
                self._nan.layers(step, bad, {})
                self._run.log(step, **figures)

            self.told.guarded("weights", self._layers.after, arrived)
        self._log_waiting()  # after the layers: where the first one is known, the loss that follows is no news
        self._nan.looked = (
            True  # where there are no layers too: the first step is looked at, and then each in ``every``
        )
        times: dict[str, float] = {}
        if len(self._steps) > 1:  # the first call of a backend compiles
            times["step_s"] = median(self._steps)
            if self._data and self._fetches:
                times["data_s"] = median(self._data)
        if times:
            self._run.log(step, **times)
        self._steps.clear()
        self._data.clear()

    def _log_waiting(self) -> None:
        """Log the metrics of batches that Keras has by now; threads bring them in any order."""
        waiting = []
        while self._logs:
            waiting.append(self._logs.popleft())
        for step, logs in sorted(waiting, key=lambda one: one[0]):
            found = {name: _number(self._keras, value) for name, value in logs.items()}
            self._run.log(step, **{f"batch/{name}": value for name, value in found.items()})
            self._nan.loss(step, found.get("loss"))

    def training_pauses(self) -> None:
        """A validation within the epoch begins, or whatever else is tested."""
        if self._epoch_begun and not self._paused:
            self._paused = time.perf_counter()
            self._samples = self.told.guarded("samples_per_s", self._seen)

    def _seen(self) -> float:
        """The rows that the loss of this epoch is a mean of."""
        count = getattr(getattr(self._model, "_loss_tracker", None), "count", None)
        return float("nan") if count is None else float(_number(self._keras, count))

    def epoch_ends(self, epoch: int, logs: Mapping[str, Any] | None) -> dict[str, float]:
        """An epoch has ended, its validation too; its metrics."""
        self.training_pauses()
        if self._open is not None:
            self._close(self._last, self._paused)
        self._log_waiting()
        found = {name: _number(self._keras, value) for name, value in (logs or {}).items()}
        row: dict[str, float] = {
            "epoch": epoch + 1,
            "epoch_s": time.perf_counter() - self._epoch_begun,
            **self._rate(),
        }
        if self._samples is not None and self._samples > 0 and self._paused > self._epoch_begun:
            row["samples_per_s"] = self._samples / (self._paused - self._epoch_begun)
        self._run.log(self.step, **{**row, **found})
        self._nan.loss(self.step, found.get("loss"))
        if self._layers is None and self._weights and self._model.built:
            self.told.guarded("weights", self._look)
        if self._layers is not None and not self._layers.live:
            figures, bad = self._layers.at_rest()
            self._nan.layers(self.step, bad, {})
            self._run.log(self.step, **figures)
        self._epoch_begun = 0.0
        return found

    def _rate(self) -> dict[str, float]:
        rate = getattr(getattr(self._model, "optimizer", None), "learning_rate", None)
        return {} if rate is None else {"lr": _number(self._keras, rate)}

    def ends(self) -> None:
        """The training has ended; what still waits is read."""
        self._log_waiting()
        if self._layers is not None:
            self._layers.close()


def _number(keras: Any, value: Any) -> float:
    """A metric as Python's float: numbers, tensors and variables of any backend."""
    if isinstance(value, int | float):
        return float(value)
    return float(keras.ops.convert_to_numpy(getattr(value, "value", value)))
