"""When what grows is full: the time until a level (memory) reaches a limit, as a set with its confidence.

The level is a line through the means of blocks of readings, each so long that readings hardly hang together
(``strategy.training.curves.blocks``: the diagnosis of leaks in trainings reads memory the same way). The set has every time t
from now on at which the line is not surely below or above the limit: with m the level now, b the slope and their error,

    |m + b t - limit| <= q sqrt(var(m) + t^2 var(b) + 2 t cov(m, b)),     q Student's quantile

which is Fieller's set. It has no end where the slope is not surely above 0. Source: E. C. Fieller (1954), J. R. Stat. Soc. B 16,
175-185.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.records import Status
from vedette.statistics.measured import Measured, unknown
from vedette.strategy.training.curves import blocks, slope, thinned
from vedette.strategy.training.memory_leak import MemoryLeak
from vedette.strategy.training.records import Training

__all__ = ["READINGS_MIN", "Exhaustion", "exhaustion"]

READINGS_MIN = 30
"""Readings with fewer of which a slope is not told from noise."""

_LEVEL = 0.001  # at which growth is called a leak: the chance to say so of a process that does not grow
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """The growth of a level, what it is found to be, and the time in seconds until it reaches a limit.

    ``slope_per_day`` is in the level's unit; ``earliest_s`` and ``latest_s`` bound the set of times, ``latest_s`` infinite
    where it may never be reached. ``leak`` is OK, WARN (2 % and more over the span, going on), ALARM (a half) or UNKNOWN.
    """

    slope_per_day: Measured
    earliest_s: float | None
    expected_s: float | None
    latest_s: float | None
    leak: Status
    words: str
    reason: str | None = None


def exhaustion(
    times: npt.ArrayLike, values: npt.ArrayLike, limit: float | None = None, level: float = 0.95
) -> Exhaustion:
    """What readings of one process say of its growth.

    Parameters
    ----------
    times, values
        When each reading was, in seconds, and the level (``rss_bytes``), in one unit; of one process, not over a restart.
    limit
        The level at which it is full (the memory of a container); None where it is not known: then there is no time.
    level
        The confidence of the slope's interval and of the set of times.

    >>> t = np.arange(0.0, 36_000.0, 60.0)
    >>> grown = 1e9 + 1e4 * t + 1e6 * np.sin(t)     # 360 MB in the ten hours, 36 MB an hour
    >>> found = exhaustion(t, grown, limit=2e9)
    >>> found.leak.value, round(found.slope_per_day.value / 24e6), round(found.expected_s / 3600, 1)
    ('WARN', 36, 17.8)
    """
    at, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    good = np.isfinite(at) & np.isfinite(y)
    at, y = at[good], y[good]
    order = np.argsort(at, kind="stable")
    at, y = at[order], y[order]
    if len(y) < READINGS_MIN or at[-1] <= at[0]:
        words = f"{len(y)} readings: {READINGS_MIN} are needed"
        return Exhaustion(unknown(words, len(y)), None, None, None, Status.UNKNOWN, "", words)
    steps = np.arange(len(y), dtype=np.int64)
    finding = MemoryLeak().judge(Training(series={"rss_bytes": (steps, y)}), _LEVEL)
    y = thinned(steps, y)[1]
    grown = slope(y, 1 - level)
    span = float(at[-1] - at[0])
    per_day = _DAY_S / span
    measured = Measured.of(
        grown.value * per_day, grown.low * per_day, grown.high * per_day, int(good.sum()), None
    )
    if limit is None:
        return Exhaustion(measured, None, None, None, finding.verdict, finding.evidence, "no limit is known")
    earliest, expected, latest = _reached(y, limit, span, level)
    return Exhaustion(measured, earliest, expected, latest, finding.verdict, finding.evidence)


def _reached(
    y: npt.NDArray[np.float64], limit: float, span: float, level: float
) -> tuple[float, float | None, float]:
    """The earliest, the expected and the latest time at which the line reaches the limit, in seconds from the last reading."""
    grown = slope(y, 1 - level)
    m = round(grown.df) + 2
    squares = m * (m * m - 1) / 12.0
    across = m * (len(y) - 1) / len(y)  # blocks from the first reading to the last, as slope has it
    noise = (grown.error / across) ** 2 * squares  # of a block
    by, v_slope = grown.value / span, (grown.error / span) ** 2
    middle = float(blocks(y).mean())
    now, v_now = middle + grown.value / 2, noise / m + (grown.error / 2) ** 2
    cov = grown.error**2 / (2 * span)
    q2 = float(special.stdtrit(grown.df, (1 + level) / 2)) ** 2
    room = limit - now
    # (room - b t)^2 <= q2 (v_now + 2 t cov + t^2 v_slope), t >= 0
    a = by * by - q2 * v_slope
    half = room * by + q2 * cov
    c = room * room - q2 * v_now
    expected = room / by if by > 0 and room >= 0 else None
    if c <= 0:  # it may be there already
        root = _roots(a, half, c)
        return 0.0, expected, root[1] if a > 0 and by > 0 else math.inf
    low, high = _roots(a, half, c)
    if a > 0:
        return (low, expected, high) if by > 0 and low >= 0 else (math.inf, expected, math.inf)
    # the slope may be 0 or less: all times from some one on, or none
    after = max(low, high)
    return (after if math.isfinite(after) and after > 0 else math.inf), expected, math.inf


def _roots(a: float, half: float, c: float) -> tuple[float, float]:
    """The roots of a t^2 - 2 half t + c, in order; infinite where there are none."""
    inside = half * half - a * c
    if inside < 0 or a == 0:
        return (math.inf, math.inf) if a != 0 or half == 0 else (c / (2 * half), math.inf)
    root = math.sqrt(inside)
    first, second = (half - root) / a, (half + root) / a
    return min(first, second), max(first, second)
