"""What the figures of a regression's errors share: the interval of a mean loss, and how unsure a mean square is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, Reasons, check_level, reasons_of
from vedette.statistics.intervals import hall, unlike
from vedette.statistics.moments import SPREAD_MIN
from vedette.statistics.summary import Summary

__all__ = [
    "EQUAL",
    "OUTWEIGHED",
    "errors_of",
    "farthest",
    "mean_loss",
    "raised",
    "sum_of",
    "widened",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EQUAL = 1e-13
"""Of the mean square. A variance below is what rounding leaves of equal values."""

OUTWEIGHED = 0.64
"""Of kurtosis/n, which is 1 where one row is all there is of the mean square; its root is that of skewness/sqrt(n)."""

HIDDEN = 6.0
"""Of 1/n, by how much more skewed than n losses what they come from is taken to be. With 0, the pinball loss of 30 errors
that grow with a log-normal label is held 0.92 of the time, with 6 it is 0.95; with 1,000 rows it costs nothing."""

LIGHT = 2.5
"""A kurtosis up to which what a sample has is believed: that of 30 normal values is mostly above."""


def errors_of(current: Summary, least: int) -> tuple[Integers, Reasons]:
    """The number of errors of each window; where they are fewer than ``least``, or none, why."""
    reasons, n = reasons_of(current), current.used
    reasons.add(n < least, f"fewer than {least} errors", n)
    return n, reasons


def sum_of(current: Summary, name: str) -> Floats:
    """One of the sums of an error summary, by window."""
    return np.asarray(current.sums[:, current.grid.sums.index(name)])


def farthest(current: Summary) -> np.float64:
    """The greatest error of the pilot, in size: what an error is thought to be able to be though none was seen."""
    edges = current.grid.edges  # its square may be infinite; a Python float would raise
    return np.float64(max(abs(edges[0]), abs(edges[-1])))


def mean_loss(
    rows: tuple[Integers, Reasons],
    sums: tuple[Floats, Floats, Floats],
    span: tuple[float, float | Floats],
    level: float,
    seen: bool,
    floor: float = 0.0,
) -> Estimates:
    """The mean of a loss over the errors of each window, from the sums [W] of its first three powers.

    ``rows`` are the numbers of errors, and the windows that have a reason already: ``errors_of``. The limits are
    Student's or Hall's, whichever are further out, the latter for a skewness raised by ``HIDDEN``. Where the loss of
    all n rows is equal, a share 1 - (alpha/2)^(1/n) of what comes could be different, and the limits are what that
    share could do between the ends of ``span``. Where ``seen``, the ends are losses of a pilot, and no interval is
    shorter: large losses that are rare are mostly not among the rows. No limit lies below ``floor``.
    """
    check_level(level)
    (n, reasons), (least, most) = rows, span
    size = np.maximum(n, 2).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
        mean, square, cube = (part / size for part in sums)
        variance = np.maximum(square - mean**2, 0.0)
        equal = variance <= EQUAL * square
        sd = np.sqrt(variance * size / (size - 1))
        known = variance > SPREAD_MIN * square
        third = cube - 3 * mean * square + 2 * mean**3
        known &= np.isfinite(third) & (variance**1.5 > 0) & (size > 2)
        deviations = third / np.where(known, variance, 1.0) ** 1.5
        skewness = np.where(known, deviations * np.sqrt(size * (size - 1)) / np.maximum(size - 2, 1.0), 0.0)
        lone = ~equal & (np.abs(skewness) > np.sqrt(OUTWEIGHED * size))
        reasons.add(lone, "one or two errors outweigh all others, of rows", n)
        below, above = hall(skewness * (1 + HIDDEN / size), size, level)
        other = unlike(n, level)
        lowest = mean + other * np.minimum(least - mean, 0.0)
        highest = mean + other * np.maximum(most - mean, 0.0)
        low, high = mean - below * sd, mean + above * sd
        low = np.where(equal, lowest, np.minimum(low, lowest) if seen else low)
        high = np.where(equal, highest, np.maximum(high, highest) if seen else high)
        return Estimates.of(mean, np.maximum(low, floor), high, n, reasons)


def raised(kurtosis: Floats, seen: Floats, size: Floats) -> Floats:
    """A kurtosis of n rows, raised for the tails that they have not shown, the more so the heavier those are."""
    return np.asarray(kurtosis * (1 + (5 + 150 / size) * np.maximum(seen - LIGHT, 0.0) / np.sqrt(size)))


def widened(variance: Floats, size: Floats, level: float) -> Floats:
    """Half the width of the interval of a logarithm whose terms have this variance, as Bonett has it for a variance."""
    z = float(special.ndtri((1 + level) / 2))
    return np.asarray(z * size / np.maximum(size - z, 1.0) * np.sqrt(np.maximum(variance, 0.0) / size))
