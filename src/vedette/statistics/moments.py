"""What mean and standard deviation share: central moments of the finite values, and columns of two values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.grid import Grid, numeric_grid
from vedette.statistics.summary import Summary

__all__ = ["Moments", "moments_of", "of_pilot", "two_values"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SPREAD_MIN = 1e-8
"""Of the squared distance from the grid's centre. Moments of values that lie closer together are lost to rounding:
a column a thousand million times its variance away has a mean, but no skewness."""

FOURTH_MIN = 1e-6
"""The same where the fourth moment is read: beyond a thousand standard deviations its rounding is more than 1 % of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments by window, [W]; of windows without values or with equal ones they are 0.

    ``mean`` is taken from the grid's centre, ``sd`` has the divisor n - 1. ``skewness`` is G1 = g1 sqrt(n (n-1)) /
    (n-2), ``kurtosis`` is b2, 3 for normal values; each 0 where the sums are too coarse for it. They are fine
    enough for the second where ``known``.
    """

    mean: Floats
    sd: Floats
    skewness: Floats
    kurtosis: Floats
    known: npt.NDArray[np.bool_]


def moments_of(summary: Summary) -> Moments:
    """The moments of the finite values of each window, from the sums of their first four powers.

    >>> from vedette.statistics import numeric_grid, summarise_numeric
    >>> found = moments_of(summarise_numeric(numeric_grid("x", [3.0]), [1.0, 2.0, 3.0, 4.0, 10.0]))
    >>> found.mean.tolist(), found.sd.round(4).tolist()     # about the centre 3; statistics.stdev
    ([1.0], [3.5355])
    >>> found.skewness.round(4).tolist()     # scipy.stats.skew(x, bias=False)
    [1.6971]
    """
    n = np.maximum(summary.used, 1).astype(np.float64)
    with np.errstate(all="ignore"):  # huge values, or fewer than the divisor takes; the estimates say so
        mean, second, third, fourth = (
            part / n for part in (summary.total, summary.squares, summary.cubes, summary.fourths)
        )
        m2 = np.maximum(second - mean**2, 0.0)
        m3 = third - 3 * mean * second + 2 * mean**3
        m4 = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
        sd = np.sqrt(m2 * n / np.maximum(n - 1, 1.0))
        bent = (m2 > SPREAD_MIN * second) & np.isfinite(m4) & (m2**2 > 0) & (n > 2)
        known = bent & (m2 > FOURTH_MIN * second)
        skewness = m3 / m2**1.5 * np.sqrt(n * (n - 1)) / np.maximum(n - 2, 1.0)
        kurtosis = m4 / m2**2
    return Moments(mean, sd, np.where(bent, skewness, 0.0), np.where(known, kurtosis, 0.0), known)


def of_pilot(grid: Grid) -> bool:
    """Whether the edges were cut by a pilot, so that the outermost are values that came."""
    return not np.array_equal(grid.edges, numeric_grid("", []).edges)


def two_values(grid: Grid, counts: Integers) -> tuple[Integers, float, float, npt.NDArray[np.bool_]]:
    """How many rows of each window have the greater value of a column of two, the values, and which windows hold no other.

    No window does where the grid's pilot had more than two values, or fewer.

    >>> from vedette.statistics import numeric_grid
    >>> hits, low, high, only = two_values(numeric_grid("flag", [0, 1, 1, 0]), np.array([[0, 7, 0, 3, 0]]))
    >>> hits.tolist(), low, high, only.tolist()
    ([3], 0.0, 1.0, [True])
    """
    lower, upper = grid.bounds
    single = np.flatnonzero(lower == upper)
    if not grid.discrete or len(single) != 2:
        return np.zeros(len(counts), dtype=np.int64), 0.0, 0.0, np.zeros(len(counts), dtype=np.bool_)
    hits = counts[:, single[1]]
    only = counts[:, single].sum(axis=1) == counts.sum(axis=1)
    return hits, float(lower[single[0]]), float(lower[single[1]]), only
