"""What is read off the counts of a column: the figures of each file, the distances, the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vedette.engine.two_files.source import Gaps
from vedette.output.comparison import Estimate, Picture, Side
from vedette.statistics import STATISTICS, Estimates, Statistic
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.strategy import two_samples

__all__ = [
    "KEPT",
    "LEVEL",
    "LEVELS_DRAWN",
    "Compared",
    "distances",
    "drawn",
    "estimate",
    "missing",
    "sides",
    "too_few",
]

KEPT = 4096
"""Hashes kept to count distinct values: right to 1.6 %."""

STRETCHES_MIN = 20
LEVEL = 0.95  # of the intervals that a report tells

GAPS_MIN = (
    5.0  # stretches of missing values that either file should have, for their number to be nearly normal
)
BARS = 36
LEVELS_DRAWN = 40
VALUES_DRAWN = 12
SKEW_MIN = (
    20.0  # upper half over lower half of the range in use: from here on bins are of one ratio, not one width
)

_LEFT_OUT = frozenset({"rows", "throughput_per_s", "error_rate"})  # told beside, or of no meaning for a file


@dataclass(frozen=True, slots=True)
class Compared:
    """What the files hold in a column. ``parts`` are the p-values of what was tested: values, missing, infinite, length,
    directions, ngrams.

    ``levels`` maps the levels of a category to their rows in the current file and in the reference. ``inflated`` is
    how many rows are worth one, since they depend on those before them. ``surest`` is the test of ``number_parts``
    that was least likely, of numbers, and ``unit`` what they count, where that is known: ``s``. ``lengths`` are those of
    vectors, ``fact`` the words of a change that needs no test.
    """

    kind: str
    sides: Sequence[Side]
    distances: Mapping[str, Estimate] = field(default_factory=dict)
    picture: Picture | None = None
    parts: Mapping[str, float | None] = field(default_factory=dict)
    levels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    reason: str | None = None
    inflated: float = 1.0
    surest: str = ""
    unit: str = ""
    lengths: tuple[int, ...] = ()
    fact: str = ""


def sides(both: Sequence[Summary]) -> list[Side]:
    """What each file holds; the figures of both are computed at once."""
    stacked = Summary.stack(both)
    found = {name: one.figures(stacked) for name, one in _statistics(stacked.grid.kind, compares=False)}
    return [
        Side(
            int(one.rows[0]),
            int(one.missing[0]),
            int(one.nan[0]),
            int(one.inf[0]),
            _number(one.minimum[0]),
            _number(one.maximum[0]),
            {name: estimate(figures, place) for name, figures in found.items()},
        )
        for place, one in enumerate(both)
    ]


def distances(both: Sequence[Summary]) -> dict[str, Estimate]:
    """The distances of the first file from the second; none of a file alone."""
    if len(both) < 2:
        return {}
    chosen = _statistics(both[0].grid.kind, compares=True)
    return {name: estimate(one.figures(both[0], both[1]), 0) for name, one in chosen}


def _statistics(kind: str, *, compares: bool) -> list[tuple[str, Statistic]]:
    return [
        (name, one)
        for name, one in STATISTICS.items()
        if kind in one.kinds and one.needs_reference is compares and name not in _LEFT_OUT
    ]


def estimate(figures: Estimates, place: int) -> Estimate:
    """One figure as a record."""
    value, low, high = (_number(part[place]) for part in (figures.value, figures.low, figures.high))
    return Estimate(value, low, high, int(figures.n[place]), figures.reason[place])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def too_few(both: Sequence[Summary], inflated: float = 1.0) -> str | None:
    """Why values cannot be compared, None where they can; ``inflated`` rows are worth one."""
    for where, summary in zip(("", " in the reference"), both, strict=False):
        used = int(summary.used[0])
        if used < two_samples.VALUES_MIN:
            if summary.rows[0] == 0:
                return f"no rows{where}"
            if summary.missing[0] + summary.nan[0] == summary.rows[0]:
                return f"all values missing{where}"
            if not used:
                return f"no finite values{where}"
            return f"fewer than {two_samples.VALUES_MIN} values{where}: {used}"
        if used < two_samples.VALUES_MIN * inflated:
            worth = f"{used:,} are worth {used / inflated:.0f}"
            return f"values{where} are like those before them: {worth} (shuffle the rows if their order means nothing)"
    return None


def missing(both: Sequence[Side], found: Gaps) -> float | None:
    """The p-value of the share of missing values, null and NaN; None where nothing or everything is missing in both.

    Values that are missing in stretches are judged as fewer rows; of under 20 stretches how long they are is not known
    well enough, and it is their number that is judged. None too where so many rows are worth one that either file is
    worth too few.
    """
    inflated = found.inflated
    if inflated > 1 and len(both) > 1 and sum(found.stretches) < STRETCHES_MIN:
        a, b = found.stretches
        return two_samples.share(a, both[0].rows, b, both[1].rows)
    if len(both) < 2 or min(side.rows for side in both) < two_samples.VALUES_MIN * inflated:
        return None
    a, b = (side.missing + side.nan for side in both)
    if inflated > 1 and (a + b) * min(side.rows for side in both) < GAPS_MIN * inflated * sum(
        side.rows for side in both
    ):
        return None
    return two_samples.share(a, both[0].rows, b, both[1].rows, inflated)


def drawn(grid: Grid, both: Sequence[Summary]) -> Picture | None:
    """The counts of a numeric column on bins of one width between the outer half percents of both files."""
    rows = [max(int(one.rows[0]), 1) for one in both]
    counts = np.stack([one.counts[0] for one in both])
    pooled = counts.sum(axis=0)
    if not pooled.sum():
        return None
    lower, upper = grid.bounds
    single = np.flatnonzero((lower == upper) & (pooled > 0))
    if pooled[single].sum() == pooled.sum() and len(single) <= VALUES_DRAWN:
        bars = [rounded(one[single] / n) for one, n in zip(counts, rows, strict=True)]
        return Picture((), tuple(f"{lower[cell]:.6g}" for cell in single), bars[0], *bars[1:] or ((),))
    below = np.cumsum(counts, axis=1)[:, :-1]  # rows below each edge
    share = below / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    first = max(int(np.searchsorted(share.max(axis=0), 0.005)) - 1, 0)
    last = min(int(np.searchsorted(share.min(axis=0), 0.995)) + 1, len(grid.edges) - 1)
    low, high = float(grid.edges[first]), float(grid.edges[last])
    if not (high - low > 0 and np.isfinite(high / 2 - low / 2) and np.isfinite(high - low)):
        return None
    middle = float(grid.edges[int(np.searchsorted(share.max(axis=0), 0.5))])
    if low > 0 and high - middle > SKEW_MIN * max(middle - low, 0.0):
        edges = np.geomspace(low, high, BARS + 1)
    elif grid.discrete and (lower[single] == np.rint(lower[single])).all() and high - low < 1e9:
        # each bin as many whole numbers: of others some bins would hold one more
        wide = int(np.ceil((high - low + 1) / BARS))
        edges = np.arange(np.floor(low) - 0.5, high + wide, wide)
    else:
        edges = np.linspace(low, high, BARS + 1)
    at = [np.interp(edges, grid.edges, one) for one in below]
    if not np.isfinite(at).all():  # cells as narrow as floats can be
        return None
    bars = [rounded(np.diff(one) / n) for one, n in zip(at, rows, strict=True)]
    out = [
        (float(one[0] / n), float((total - one[-1]) / n))
        for one, n, total in zip(at, rows, counts.sum(axis=1), strict=True)
    ]
    beyond = (*out[0], *(out[1] if len(out) > 1 else (0.0, 0.0)))
    return Picture(tuple(edges.tolist()), (), bars[0], bars[1] if len(bars) > 1 else (), beyond)


def rounded(shares: np.ndarray) -> tuple[float, ...]:
    """Shares as they are drawn."""
    return tuple(np.round(np.maximum(shares, 0.0), 6).tolist())
