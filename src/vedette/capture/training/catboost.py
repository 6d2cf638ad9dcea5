"""CatBoost: a callback for ``fit(callbacks=[...])``; a metric of each iteration and data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.capture.training.boosters import Iterations
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import need

__all__ = ["callback"]


def callback(
    run: TrainingRun,
    *,
    names: Mapping[str, str] | None = None,
    step: int = 0,
    early_stopping: EarlyStopping | None = None,
) -> Any:
    """An object with ``after_iteration`` as CatBoost asks for; on a GPU CatBoost takes no callbacks.

    Metrics of ``learn`` have their own name (``Logloss``), those of ``validation`` begin with ``val_``; ``names`` says it
    otherwise. ``step`` is the number of iterations before this training. ``early_stopping`` (``run.early_stopping``) ends it.
    """
    need("catboost")
    return _Watching(Iterations(run, "catboost", names, step, early_stopping))


class _Watching:
    """CatBoost calls it after each iteration; nothing of it raises."""

    def __init__(self, iterations: Iterations) -> None:
        self._iterations, self._begun = iterations, False

    @property
    def told(self) -> dict[str, str]:
        """What could not be watched, and why."""
        return dict(self._iterations.told.reasons)

    def after_iteration(self, info: Any) -> bool:
        """Log the metrics; True where the training is to go on."""
        self._iterations.told.guarded("metrics", self._call, info)
        return not self._iterations.stop

    def _call(self, info: Any) -> None:
        if not self._begun:
            self._begun = True
            self._iterations.begins(now=False, framework="catboost", model="CatBoost")
        found = [
            (data, metric, values[-1])
            for data, metrics in (info.metrics or {}).items()
            for metric, values in metrics.items()
            if values
        ]
        self._iterations.log(info.iteration - 1, found)  # it counts from 1 on
