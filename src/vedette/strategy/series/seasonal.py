"""A recorded series without the wave of its days and weeks: what is left is what a change of level can be seen in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.kruskal import kruskal_p

__all__ = ["without_season"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 1e-4
"""Level of the test for a season; what is no season must not be taken away."""

_DAY_S, _WEEK_S = 86400.0, 604800.0
_PHASES = ((_DAY_S, 3600.0, "day"), (_WEEK_S, 3600.0, "week"), (_WEEK_S, _DAY_S, "week"))
_PERIODS_MIN = 4  # of a season that is taken away: two for each half
_ROUNDS = 3  # the median of a period is off by some of the wave until that is gone
_ALIKE = 4.0  # standard errors of a correlation of halves that have nothing in common


def without_season(values: Floats, times: Floats) -> tuple[Floats, tuple[str, ...]]:
    """The series ``values`` [n] (NaN where missing) at ``times`` [n] (seconds since 1970) without its seasons, and their
    names, ``day`` and ``week``.

    By hour of the day, then by hour of the week, or by weekday where steps are of days: the median of what each phase is away
    from the median of the period around it, so that levels which change in between are no part of it. A season is taken
    away where four periods or more were seen, the phases differ at 1e-4 (Kruskal and Wallis), and every other period shows
    the same wave as those between: their correlation over P phases is above 4/sqrt(P). A level that changed once makes
    phases differ, but not twice alike. Raises ``ValueError`` for shapes that differ.

    >>> hours = np.arange(24.0 * 20)
    >>> wave = np.where(hours % 24 < 8, 0.0, 5.0) + np.random.default_rng(0).normal(size=480)
    >>> left, found = without_season(wave, 3600.0 * hours)
    >>> found, bool(left.std() < 1.1)
    (('day',), True)
    """
    left, at = np.asarray(values, dtype=np.float64).copy(), np.asarray(times, dtype=np.float64)
    if left.ndim != 1 or left.shape != at.shape:
        raise ValueError(f"values of shape {left.shape}, times of shape {at.shape}: must be [n] both")
    there = np.isfinite(left)
    found: list[str] = []
    if there.sum() < 2 * _PERIODS_MIN:
        return left, ()
    step = float(np.median(np.diff(at[there])))
    span = float(at[there][-1] - at[there][0])
    for period, unit, name in _PHASES:
        fine = step < unit * 1.5 if unit < _DAY_S else step >= _DAY_S / 2
        if not (fine and step > 0 and period > 2 * step and span >= _PERIODS_MIN * period) or name in found:
            continue
        phase = np.floor((at % period) / unit).astype(np.int64)
        away = left - _around(left, at, period)
        half = np.floor(at / period).astype(np.int64) % 2
        if kruskal_p(away[there], phase[there]) < LEVEL and _alike(away, phase, half, there):
            for _ in range(_ROUNDS):
                left = left - _profile(left - _around(left, at, period), phase, there)
            found.append(name)
    return left, tuple(found)


def _around(values: Floats, at: Floats, period: float) -> Floats:
    """The median of the numbers within half a period of each, in blocks of a twelfth of it."""
    block = np.floor((at - at[0]) / (period / 12.0)).astype(np.int64)
    blocks, inverse = np.unique(block, return_inverse=True)
    first = np.searchsorted(block, blocks - 6, side="left")
    last = np.searchsorted(block, blocks + 6, side="right")
    middle = np.full(len(blocks), np.nan)
    for number, (begin, end) in enumerate(zip(first, last, strict=True)):
        part = values[begin:end]
        part = part[np.isfinite(part)]
        if len(part):
            middle[number] = np.median(part)
    return np.asarray(middle[inverse])


def _profile(away: Floats, phase: Ints, there: NDArray[np.bool_]) -> Floats:
    """By row the median of its phase, less the mean of all phases."""
    phases, inverse = np.unique(phase, return_inverse=True)
    middle = np.zeros(len(phases))
    for number in range(len(phases)):
        own = away[(inverse == number) & there]
        middle[number] = np.median(own) if len(own) else 0.0
    return np.asarray((middle - middle.mean())[inverse])


def _alike(away: Floats, phase: Ints, half: Ints, there: NDArray[np.bool_]) -> bool:
    """True where both halves of the periods show the same wave."""
    waves = []
    for number in (0, 1):
        own = there & (half == number)
        wave = np.full(int(phase.max()) + 1, np.nan)
        for one in np.unique(phase[own]).tolist():
            wave[one] = np.median(away[own & (phase == one)])
        waves.append(wave)
    both = np.isfinite(waves[0]) & np.isfinite(waves[1])
    first, second = (one[both] - one[both].mean() for one in waves) if both.any() else waves
    power = float(np.sqrt((first @ first) * (second @ second))) if both.any() else 0.0
    # of few phases that would be more than a correlation can be
    limit = min(_ALIKE / np.sqrt(max(int(both.sum()), 1)), 0.6)
    return power > 0.0 and float(first @ second) / power > limit
