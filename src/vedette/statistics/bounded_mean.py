"""The mean of values that have a least and a greatest: of queries, of rows, of images, each with a value of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import FEW, hall, share, unlike
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["VALUES_MIN", "Powers", "mean_between"]

Floats = npt.NDArray[np.float64]

VALUES_MIN = 10
"""Fewer values than this have no mean to speak of."""

_HIDDEN = 6.0
"""Of 1/n, by how much more skewed than n values what they come from is taken to be, as ``error_means.HIDDEN`` has it."""

_WIDER = 1.05  # times Student's, from which on an interval is said to be conservative
_SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Powers:
    """How many values there are of each of M kinds, [M], and the sums of their first three powers, [3, M].

    Adding two is the powers of all values, whatever their order: sums to rounding, numbers exactly.

    >>> one, two = Powers.of(np.array([[0.5], [1.0]])), Powers.of(np.array([[0.0]]))
    >>> (one + two).n.tolist(), (one + two).sums.tolist()
    ([3], [[1.5], [1.25], [1.125]])
    """

    n: npt.NDArray[np.int64]
    sums: Floats

    @classmethod
    def of(cls, values: Floats) -> Powers:
        """Those of values [N, M]; NaN is no value."""
        there = ~np.isnan(values)
        x = np.where(there, values, 0.0)
        return cls(there.sum(axis=0).astype(np.int64), np.stack([(x**p).sum(axis=0) for p in (1, 2, 3)]))

    def __add__(self, other: Powers) -> Powers:
        """Those of both sets of values."""
        if not isinstance(other, Powers):
            return NotImplemented
        return Powers(self.n + other.n, self.sums + other.sums)

    def mean(self, kind: int, level: float, least: float = 0.0, greatest: float = 1.0) -> Measured:
        """The mean of one kind: ``mean_between``."""
        first, second, third = self.sums[:, kind].tolist()
        return mean_between(int(self.n[kind]), (first, second, third), level, least, greatest)


def mean_between(
    n: int, sums: tuple[float, float, float], level: float, least: float = 0.0, greatest: float = 1.0
) -> Measured:
    """The mean of n independent values from ``least`` to ``greatest``, from the sums of their first three powers.

    Where all values are 0 or 1 the interval is a share's. Else the limits are the furthest out of three: Student's; those
    of Hall's transformation, which follows the skewness, raised by 6/n for what n values have not shown; and what the mean
    would be if a share 1 - (alpha/2)^(1/n) of what comes, which n values may well have missed (Clopper and Pearson), lay at
    either end. In simulations of 11 laws from symmetrical to 97 % zeros, and 10 to 1,000 values, they hold the mean 0.94 of the
    time or more; Student's alone does 0.25 of the time where most values are alike. Where they are wider than Student's by
    5 % on a side they are said to be conservative. Fewer than 10 values are a reason.

    Sources: P. Hall (1992), Journal of the Royal Statistical Society B 54, 221-228, section 2; C. J. Clopper and E. S.
    Pearson (1934), Biometrika 26, 404-413.

    >>> found = mean_between(50, (40.0, 40.0, 40.0), 0.95)     # 40 of 50: Wilson's interval
    >>> found.value, round(found.low, 4), round(found.high, 4), found.note
    (0.8, 0.6696, 0.8876, None)
    """
    check_level(level)
    if n < VALUES_MIN:
        return unknown(f"fewer than {VALUES_MIN}: {n}", n)
    first, second, third = (one / n for one in sums)
    if least == 0.0 and greatest == 1.0 and max(abs(first - second), abs(first - third)) * n < _SAME:
        hits = round(sums[0])
        low, high = share(hits, n, level)
        few = min(hits, n - hits) < FEW
        return Measured.of(hits / n, float(low), float(high), n, CONSERVATIVE if few else None)
    variance = max(second - first**2, 0.0)
    if variance <= _SAME**2 * max(second, 1e-300):
        variance = 0.0
    sd = float(np.sqrt(variance * n / (n - 1)))
    skewness = 0.0
    if variance > _SAME * second:
        central = third - 3 * first * second + 2 * first**3
        skewness = central / variance**1.5 * np.sqrt(n * (n - 1)) / (n - 2) * (1 + _HIDDEN / n)
    below, above = (float(one[0]) * sd for one in hall(np.array([skewness]), np.array([n]), level))
    other = float(unlike(n, level))
    below = max(below, other * (first - least))
    above = max(above, other * (greatest - first))
    student = float(special.stdtrit(n - 1, (1 + level) / 2) / np.sqrt(n)) * sd
    wide = max(below, above) > _WIDER * student
    return Measured.of(
        first, max(first - below, least), min(first + above, greatest), n, CONSERVATIVE if wide else None
    )
