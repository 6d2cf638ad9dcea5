"""Intervals of how far shares lie apart: the difference of two, their ratio, and the gap between the ends of several.

All are built from the shares' own limits, whose distances from the value are recovered as variances ("MOVER"): Wilson's, or
Clopper and Pearson's of fewer than 50 rows or where a count is under 5. Computed over all outcomes of two binomial counts, for
shares from 0.01 to 0.99, difference and ratio hold the truth 0.94 of the time or more, but for the difference of shares of 0.01
and 0.99 with 30 rows of either side (0.927); with fewer than 50 rows, or a share near 0 or 1, mostly more than 0.97
(``benchmarks/judgement/coverage_tasks.py``).

Sources: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890 (method 10); A. Donner and G. Y. Zou (2012), Statistical
Methods in Medical Research 21, 347-359 (the ratio).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.intervals import FEW, clopper_pearson, share

__all__ = [
    "ROWS_SURE",
    "Limited",
    "difference",
    "difference_of",
    "largest_difference",
    "largest_of",
    "pairs_level",
    "ratio",
    "ratio_of",
    "smallest_of",
    "smallest_ratio",
    "sure",
]

Floats = npt.NDArray[np.float64]

Limited = tuple[Floats, Floats, Floats]
"""Values with their lower and upper limits."""

ROWS_SURE = 50
"""With fewer rows limits are exact, and intervals of differences and ratios hold the truth more often than they say."""


def difference(
    k: npt.ArrayLike, n: npt.ArrayLike, other_k: npt.ArrayLike, other_n: npt.ArrayLike, level: float
) -> tuple[Floats, Floats]:
    """The interval of p - q, with p = k/n and q = other_k/other_n of independent rows; n and other_n are 1 or more.

    With (l, u) and (l', u') the limits of p and q: p - q - sqrt((p - l)^2 + (u' - q)^2) and p - q + sqrt((u - p)^2 +
    (q - l')^2).

    >>> low, high = difference(56, 70, 48, 80, 0.95)     # Newcombe (1998), table II, case (a), method 10
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    return difference_of(_limits(k, n, level), _limits(other_k, other_n, level))


def difference_of(one: Limited, other: Limited) -> tuple[Floats, Floats]:
    """The interval of the difference of two independent figures, from their own values and limits; as ``difference``.

    >>> low, high = difference_of((np.array(3.0), np.array(2.0), np.array(4.0)), (np.array(1.0), np.array(1.0), np.array(1.0)))
    >>> float(low), float(high)
    (1.0, 3.0)
    """
    (p, low, high), (q, other_low, other_high) = one, other
    return (
        p - q - np.sqrt((p - low) ** 2 + (other_high - q) ** 2),
        p - q + np.sqrt((high - p) ** 2 + (q - other_low) ** 2),
    )


def ratio(
    k: npt.ArrayLike, n: npt.ArrayLike, other_k: npt.ArrayLike, other_n: npt.ArrayLike, level: float
) -> tuple[Floats, Floats]:
    """The interval of p/q, with p = k/n and q = other_k/other_n of independent rows; infinite above where other_k is 0.

    It is what p - r q = 0 leaves of r, the limits of p - r q being those of a difference:
    (p q - sqrt((p q)^2 - l (2p - l) u' (2q - u')))/(u' (2q - u')) and
    (p q + sqrt((p q)^2 - u (2p - u) l' (2q - l')))/(l' (2q - l')).

    >>> low, high = ratio(40, 50, 20, 50, 0.95)
    >>> a, b = share(40, 50, 0.95)[0], share(20, 50, 0.95)[1]     # where p - low q has the lower limit 0
    >>> round(float(0.8 - low * 0.4 - np.sqrt((0.8 - a) ** 2 + (low * (b - 0.4)) ** 2)), 9)
    0.0
    """
    return ratio_of(_limits(k, n, level), _limits(other_k, other_n, level))


def ratio_of(one: Limited, other: Limited) -> tuple[Floats, Floats]:
    """The interval of the ratio of two independent figures of 0 or more, from their own values and limits; as ``ratio``.

    >>> low, high = ratio_of((np.array(3.0), np.array(2.0), np.array(4.0)), (np.array(2.0), np.array(2.0), np.array(2.0)))
    >>> float(low), float(high)
    (1.0, 2.0)
    """
    (p, low, high), (q, other_low, other_high) = one, other
    return _root(p, low, q, other_high, -1.0), _root(p, high, q, other_low, 1.0)


def _limits(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> Limited:
    hits, size = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    low, high = share(hits, size, level)
    few = size < ROWS_SURE
    if few.any():
        exact_low, exact_high = clopper_pearson(hits, size, level)
        low, high = np.where(few, exact_low, low), np.where(few, exact_high, high)
    return hits / size, low, high


def _root(p: Floats, own: Floats, q: Floats, other: Floats, side: float) -> Floats:
    """The greater (1) or lesser (-1) solution r of (p - r q)^2 = (p - own)^2 + r^2 (q - other)^2.

    Written so that nothing cancels where the square's factor, other (2q - other), is near 0 or under it.
    """
    squares, constant = other * (2 * q - other), own * (2 * p - own)
    inner = np.sqrt(np.maximum((p * q) ** 2 - constant * squares, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if side < 0:  # constant/(p q + inner) is the lesser root, whatever the sign of the factor
            return np.where(constant <= 0, 0.0, constant / (p * q + inner))
        return np.where(squares <= 0, np.inf, (p * q + inner) / squares)


def sure(k: npt.ArrayLike, n: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where a share has rows enough for its interval to hold the truth as often as it says, no more."""
    hits, size = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    found: npt.NDArray[np.bool_] = (size >= ROWS_SURE) & (np.minimum(hits, size - hits) >= FEW)
    return found


def pairs_level(groups: int, level: float, of: int = 1) -> float:
    """The level of each interval, so that those of all pairs of groups, of so many rates, hold together (Bonferroni).

    >>> round(pairs_level(3, 0.95), 6)     # three pairs
    0.983333
    """
    return 1.0 - (1.0 - level) / (of * max(groups * (groups - 1) // 2, 1))


def largest_difference(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> tuple[float, float, float]:
    """The greatest share of G groups less the least, with limits; ``level`` is that of each pair, see ``pairs_level``.

    Where the intervals of all pairs hold, the gap lies between the greatest lower limit of any pair (or 0) and the
    greatest upper one. With two groups it is the size of the difference. Conservative.

    >>> [round(x, 4) for x in largest_difference([48, 56], [80, 70], 0.95)]     # Newcombe's table, as above
    [0.2, 0.0524, 0.3339]
    """
    value, low, high = largest_of(_limits(k, n, level))
    return value, low, min(high, 1.0)


def largest_of(each: Limited) -> tuple[float, float, float]:
    """The greatest of G independent figures less the least, with limits, from their own, ``Floats`` [G] each; as
    ``largest_difference``."""
    low, high = difference_of(*_pairs(each))
    return float(each[0].max() - each[0].min()), max(float(low.max()), 0.0), float(high.max())


def smallest_ratio(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> tuple[float, float, float]:
    """The least share of G groups over the greatest, which must not be 0, with limits, as ``largest_difference`` has them.

    >>> value, low, high = smallest_ratio([40, 20], [50, 50], 0.95)     # of two groups that of the smaller to the greater
    >>> value, (low, high) == tuple(map(float, ratio(20, 50, 40, 50, 0.95)))
    (0.5, True)
    """
    return smallest_of(_limits(k, n, level))


def smallest_of(each: Limited) -> tuple[float, float, float]:
    """The least of G independent figures of 0 or more over the greatest, with limits, from their own, ``Floats`` [G] each;
    as ``smallest_ratio``."""
    low, high = ratio_of(*_pairs(each))
    return float(each[0].min() / each[0].max()), float(low.min()), min(float(high.min()), 1.0)


def _pairs(each: Limited) -> tuple[Limited, Limited]:
    """The figures of each group beside those of each other one, in both orders."""
    one, other = np.nonzero(~np.eye(len(each[0]), dtype=np.bool_))
    value, low, high = each
    return (value[one], low[one], high[one]), (value[other], low[other], high[other])
