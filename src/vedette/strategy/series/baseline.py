"""What a reference says of a series before it is watched: its middle and spread, whether its numbers hang together in
time or by a season, and what stands behind the evidence in view of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.dependence import LEVEL, ljung_box
from vedette.strategy.series.kruskal import kruskal_p

__all__ = ["Baseline", "baseline", "has_season", "long_run", "note", "season_p", "time_of"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_DAY_S = 86400.0
_LAGS = 20
_TESTED_MIN = 50  # numbers of a reference that is tested
_TIES_MAX, _SAME_MIN = 0.1, 0.9
_FAR = 1e6  # spreads from the middle: what lies beyond counts as there
_WIDEN_MAX = 4.0  # of the variance of sums: what hangs together more is no longer calibrated by widening


@dataclass(frozen=True, slots=True)
class Baseline:
    """The reference of K series in short.

    ``centre`` and ``unit`` [K]: median and spread. ``plain`` [K]: its numbers pass for independent, without a season, or nine
    in ten are the same, which no forecast improves on. ``tied`` [K]: more than a tenth are equal to another. ``burn`` [K]:
    numbers a forecaster sees before its errors count. ``widen`` [K]: variance of sums of scores over that of independent
    ones. ``guarantees``: what stands behind the evidence of each, calibrated or tracked.
    """

    centre: Floats
    unit: Floats
    plain: Bools
    tied: Bools
    burn: Ints
    widen: Floats
    guarantees: tuple[str, ...]

    def normal(self, value: Floats) -> Floats:
        """Numbers [K] around the middle in units of the spread; NaN for those that are not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            x = np.clip((value - self.centre) / self.unit, -_FAR, _FAR)
        return np.where(np.isfinite(value), x, np.nan)

    def back(self, x: Floats) -> Floats:
        """Such numbers as they were."""
        return np.asarray(self.centre + self.unit * x)


def time_of(times: Floats, row: int) -> float | Floats:
    """The time of a row, of times [n] or [n, K]."""
    return float(times[row]) if times.ndim == 1 else times[row]


def baseline(past: Floats, times: Floats) -> Baseline:
    """The baseline of a reference: ``past`` [n, K], NaN where missing, at ``times`` [n] or [n, K]."""
    k = past.shape[1]
    centre, unit = np.zeros(k), np.ones(k)
    plain, tied, burn = np.ones(k, dtype=np.bool_), np.ones(k, dtype=np.bool_), np.zeros(k, dtype=np.int64)
    for column in range(k):
        seen = np.isfinite(past[:, column])
        x = past[seen, column]
        at = times[seen] if times.ndim == 1 else times[seen, column]
        if not len(x):
            continue
        centre[column], unit[column] = float(np.median(x)), _spread(x)
        n_of_each = np.unique(x, return_counts=True)[1]
        tied[column] = len(n_of_each) < (1.0 - _TIES_MAX) * len(x)
        same = bool(n_of_each.max() > _SAME_MIN * len(x))
        plain[column] = len(x) < _TESTED_MIN or same or independent(x, at)
        burn[column] = len(x) // 5
    return Baseline(centre, unit, plain, tied, burn, np.ones(k), ("calibrated",) * k)


def _spread(x: Floats) -> float:
    centre = float(np.median(x))
    spread = float(np.median(np.abs(x - centre)) / special.ndtri(0.75))
    if not spread > 1e-9 * max(abs(centre), 1e-300):
        largest = float(np.abs(x).max())
        spread = float(np.std(x / largest)) * largest if largest > 0.0 else 0.0
    if not spread > 1e-9 * max(abs(centre), 1e-300):
        spread = abs(centre) * 0.01 or 1.0  # a constant: a hundredth of it
    return spread


def independent(x: Floats, at: Floats) -> bool:
    """True where no test at .01 says that numbers depend on those before them or on the time of day, nor do their distances
    from the middle.

    Source for the distances: McLeod and Li (1983), "Diagnostic checking ARMA time series models using squared-residual
    autocorrelations".
    """
    if x.min() == x.max():
        return True
    ranks = np.argsort(np.argsort(x, kind="stable"), kind="stable").astype(np.float64)
    away = np.abs(x - np.median(x))
    level, lags = LEVEL / 5.0, min(_LAGS, len(x) // 5)
    return (
        all(ljung_box(one, lags)[1] >= level for one in (x, _mid(x, ranks), away))
        and min(season_p(x, at), season_p(away, at)) >= level
    )


def _mid(x: Floats, ranks: Floats) -> Floats:
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    total = np.bincount(inverse, weights=ranks)
    return np.asarray((total / counts)[inverse])


def season_p(x: Floats, at: Floats) -> float:
    """The p-value of Kruskal and Wallis' test of the hours of the day; 1 where fewer than two days were seen."""
    if at[-1] - at[0] < 2 * _DAY_S:
        return 1.0
    hour = np.floor((at % _DAY_S) / 3600.0).astype(np.int64)
    return kruskal_p(x, hour)


def has_season(past: Floats, times: Floats) -> Bools:
    """Which series [K] of a reference [n, K] have a season of the day, by that test at .0033."""
    out = np.zeros(past.shape[1], dtype=np.bool_)
    for column in range(past.shape[1]):
        there = np.isfinite(past[:, column])
        at = times if times.ndim == 1 else times[:, column]
        out[column] = there.sum() > 1 and season_p(past[there, column], at[there]) < LEVEL / 3.0
    return out


def long_run(z: Floats) -> float:
    """The variance of sums of scores over that of independent ones, by batches of the root of their number, at least 1.

    Its upper 75 % limit: v (k - 1)/chi2_.25(k - 1) for k batches.
    """
    n = len(z)
    size = max(2, int(np.sqrt(n)))
    k = n // size
    spread = float(z.var())
    if k < 4 or not spread > 0.0:
        return 1.0
    means = z[: k * size].reshape(k, size).mean(axis=1)
    v = size * float(means.var(ddof=1)) / spread
    return max(1.0, v * (k - 1) / float(special.chdtri(k - 1, 0.75)))


def note(base: Baseline, z: Floats) -> Baseline:
    """The baseline after the scores ``z`` [n, K] of the reference's own forecasts, NaN where none: whitened or widened.

    Where Ljung and Box's test says that scores hang together still, evidence is widened by the variance of their sums, and
    where that is more than fourfold the guarantee is "tracked".
    """
    widen, guarantees = base.widen.copy(), list(base.guarantees)
    for column in range(z.shape[1]):
        scores = z[~np.isnan(z[:, column]), column]
        scores = np.clip(scores[len(scores) // 4 :], -4.0, 4.0)  # the first are ranked among few
        if len(scores) < _TESTED_MIN or ljung_box(scores, _LAGS)[1] >= LEVEL:
            continue
        widen[column] = min(long_run(scores), _WIDEN_MAX)
        if widen[column] >= _WIDEN_MAX:
            guarantees[column] = "tracked"
    return replace(base, widen=widen, guarantees=tuple(guarantees))
