"""The total variation distance of a category: the share of rows that would have to change their level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import compared
from vedette.statistics.divergence import changed_levels
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["TotalVariation"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class TotalVariation:
    """The least share of a window's rows that would need another level for it to be like the reference.

    Sum over levels of |p - q|/2, from 0 to 1; levels without a cell of their own count together. So do unseen ones, with
    them, where they are no more than a sample may have missed.
    Of samples it is never 0: 100 levels differ by chance alone. What chance adds to differences as great as those
    seen, by a normal law for each level, is taken off the value.

    The interval is conservative. The uncorrected distance T is too great by no more than the noise of all levels,
    sum |noise|/2, which by the concentration of normal variables is below its expectation plus z s, s the greatest
    deviation that the share of any set of levels can have: low = T less that. T is too small by no more than the
    noise of the levels whose share has grown, taken together: high = T + z s. Of n values against m, s is
    sqrt(1/n + 1/m)/2, or less where a single level holds more than half. Null has no part: ``n`` counts what was
    compared. Fewer than 50 values on either side are a reason.

    Sources: D. A. Levin, Y. Peres and E. L. Wilmer (2009), Markov Chains and Mixing Times, proposition 4.7
    (coupling); S. Boucheron, G. Lugosi and P. Massart (2013), Concentration Inequalities, theorem 5.6.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 500, names)
    >>> current = summarise_category(grid, [0] * 700 + [1] * 300, names)
    >>> STATISTICS["total_variation"].figures(current, reference).value.round(4).tolist()     # .7 - .5, by hand
    [0.2]
    """

    name = "total_variation"
    kinds: tuple[str, ...] = ("category",)
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The distance by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or another kind of
        column.
        """
        check_kind(self.name, self.kinds, current)
        z = float(special.ndtri((1 + check_level(level)) / 2))
        counts, base, reasons = compared(current, reference)
        counts, base = _seen(current.grid, counts, base)
        p, by_p = _shares(counts)
        q, by_q = _shares(base)
        gap = np.abs(p - q)
        seen, noise = gap.sum(axis=1) / 2, np.where((counts + base) > 0, np.sqrt(by_p + by_q), 0.0)
        expected = np.sqrt(2 / np.pi) * noise.sum(axis=1) / 2
        spread = z * np.sqrt(_greatest(counts) + _greatest(base))
        low, high = np.maximum(seen - expected - spread, 0.0), np.minimum(seen + spread, 1.0)
        value = np.clip(seen - _excess(gap, noise), 0.0, 1.0)
        return Estimates.of(value, low, high, current.used, reasons)


def _seen(grid: Grid, counts: Integers, base: Integers) -> tuple[Integers, Integers]:
    """Both sides [W, cells]; unseen levels with those that are not told apart, but where they are beyond chance."""
    ours, theirs = counts.copy(), np.repeat(base[np.newaxis], len(counts), axis=0)
    joined = ~changed_levels(grid, counts, base)[:, -1]
    for side in (ours, theirs):
        side[joined, -2] += side[joined, -1]
        side[joined, -1] = 0
    return ours, theirs


def _shares(counts: Integers) -> tuple[Floats, Floats]:
    """The share of each level, [W, cells], and its variance; half a count is added there, as 0 of n is not certain."""
    n = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    p = np.minimum((counts + 0.5) / n, 1.0)
    return counts / n, p * (1 - p) / n


def _greatest(counts: Integers) -> Floats:
    """The greatest variance of the share of any set of levels: that of a half, or of the one level that holds more."""
    n = np.maximum(counts.sum(axis=1), 1.0)
    rest = np.minimum((n - counts.max(axis=1) + 0.5) / n, 0.5)
    variance: Floats = rest * (1 - rest) / n
    return variance


def _excess(gap: Floats, noise: Floats) -> Floats:
    """What normal noise adds to the expectation of each |gap|, summed and halved."""
    away = gap / np.where(noise > 0, noise, 1.0)
    density = np.exp(-(away**2) / 2) / np.sqrt(2 * np.pi)
    excess: Floats = (noise * 2 * (density - away * special.ndtr(-away))).sum(axis=1) / 2
    return excess
