"""What the callbacks of gradient boosters share: names of data sets, times, and one row of metrics an iteration."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from vedette.capture.arguments import check_mapping
from vedette.capture.training.nan_events import NanEvents
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told

__all__ = ["Iterations", "prefix_of"]

_TRAINED = {"train", "training", "learn"}
_VALIDATED = {"val", "valid", "eval", "validation"}
_NUMBERED = re.compile(r"(valid|validation)_\d+")


def prefix_of(data: str, given: Mapping[str, str] | None = None, n_numbered: int = 1) -> str:
    """What stands before the metrics of a data set: nothing for that of the training, ``val_`` for the one of validation.

    Of several that have numbers alone (``validation_0``) nobody says which is which: they keep their names.

    >>> prefix_of("training"), prefix_of("validation_0"), prefix_of("2024"), prefix_of("validation_0", {"validation_0": ""})
    ('', 'val_', '2024_', '')
    >>> prefix_of("validation_0", None, 2)
    'validation_0_'
    """
    if given is not None and data in given:
        return f"{given[data]}_" if given[data] else ""
    if data.lower() in _TRAINED:
        return ""
    single = n_numbered == 1 and _NUMBERED.fullmatch(data)
    return "val_" if data.lower() in _VALIDATED or single else f"{data}_"


class Iterations:
    """Logs the iterations of one training: the steps are those that the booster counts, from 1 on."""

    def __init__(
        self,
        run: TrainingRun,
        by: str,
        names: Mapping[str, str] | None,
        step: int,
        early_stopping: EarlyStopping | None = None,
    ) -> None:
        if names is not None:
            check_mapping("names", names, "{'validation_0': 'val'}")
        self._run, self._names, self._base = run, names, step
        self._stopping = early_stopping
        self._step = -1
        self.told = Told(run, by)
        self._nan = NanEvents(run)
        self._last: float | None = None

    @property
    def stop(self) -> bool:
        """Whether the training is to end after this iteration."""
        return self._stopping is not None and self._stopping.stopped

    @property
    def best_now(self) -> bool:
        """Whether the last iteration is the best so far."""
        return self._stopping is not None and self._stopping.best_step == self._step

    def begins(self, *, now: bool, **detail: Any) -> None:
        """A training begins, or began (``now`` is False) before its first iteration; ``detail`` is told of the model."""
        self._last = time.perf_counter() if now else None
        self._run.event("architecture", **detail)

    def log(self, iteration: int, values: Iterable[tuple[str, str, float]], **more: float) -> None:
        """The metrics of an iteration (from 0), each with its data set and its name."""
        now = time.perf_counter()
        step = self._base + iteration + 1
        found = list(values)
        n_numbered = len({data for data, _, _ in found if _NUMBERED.fullmatch(data)})
        row = {
            prefix_of(data, self._names, n_numbered) + metric.replace(":", "_"): float(value)
            for data, metric, value in found
        }
        if self._last is not None:
            row["step_s"] = now - self._last
        self._run.log(step, **row, **more)
        for name, value in row.items():
            if self._nan.loss(step, value):
                self.told.say("nan", f"{name} is {value}")
        if self._stopping is not None:
            self._stopping.see(step, row)
            self._step = step
        self._last = time.perf_counter()
