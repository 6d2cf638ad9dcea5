"""The interval of an estimate without labels: chance, the reference's own noise, weights, and what the record adds."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import check_level

__all__ = ["BOUNDS", "Reach", "limits"]

Floats = npt.NDArray[np.float64]

BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "brier"), (0.0, 1.0)
    ),
    **dict.fromkeys(("log_loss", "mae", "rmse", "mse"), (0.0, np.inf)),
}
"""What a metric can be."""

RECENT = 200
"""Windows whose errors say how far a limit must reach: as many as tell the 0.9 quantile to 0.02."""

ENOUGH = 20
"""With fewer windows the reach is the normal quantile alone."""


class Reach:
    """How many standard deviations away limits lie, learned from how many the last errors were away.

    The normal quantile at least, and the conformal one of the last 200 windows whose labels have come: the
    ceil((n + 1) level)-th least of their |error|/sd. So limits are never surer than the variances say, and wider where
    errors have longer tails. Windows that are like those before are within at the level at least.

    Source: V. Vovk, A. Gammerman and G. Shafer (2005), Algorithmic Learning in a Random World, 2.2; over a sliding
    window R. F. Barber, E. J. Candès, A. Ramdas and R. J. Tibshirani (2023), Annals of Statistics 51, 816-845.

    >>> reach = Reach(0.9)
    >>> round(reach.now, 3)
    1.645
    >>> for off in range(100):
    ...     reach.add(off / 25)
    >>> reach.now                 # the 91st of 100
    3.6
    """

    def __init__(self, level: float) -> None:
        self.level = check_level(level)
        self._least = float(special.ndtri((1 + level) / 2))
        self._off: deque[float] = deque(maxlen=RECENT)
        self._now: float | None = None  # what the reach is until the next error

    def add(self, off: float) -> None:
        """An error in standard deviations; NaN is none."""
        if np.isfinite(off):
            self._off.append(abs(off))
            self._now = None

    @property
    def now(self) -> float:
        """The reach, in standard deviations."""
        if self._now is None:
            self._now = self._quantile()
        return self._now

    def _quantile(self) -> float:
        n = len(self._off)
        if n < ENOUGH:
            return self._least
        rank = int(np.ceil((n + 1) * self.level))
        if rank > n:
            return max(self._least, max(self._off))
        return max(self._least, float(np.partition(np.array(self._off), rank - 1)[rank - 1]))


def limits(metric: str, value: Floats, variance: Floats, reach: Floats) -> tuple[Floats, Floats, Floats]:
    """A value and its limits, all within what the metric can be."""
    least, most = BOUNDS[metric]
    half = reach * np.sqrt(variance)
    middle = np.clip(value, least, most)
    return middle, np.clip(value - half, least, most), np.clip(value + half, least, most)
