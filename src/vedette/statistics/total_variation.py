"""The total variation distance of a category: the share of rows that would have to change their level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import compared
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["TotalVariation"]

Floats = npt.NDArray[np.float64]


class TotalVariation:
    """The least share of a window's rows that would need another level for it to be like the reference.

    Sum over levels of |p - q|/2, from 0 to 1; levels without a cell of their own count together, unseen ones too.
    Of samples it is never 0: 100 levels differ by chance alone. What chance adds to differences as great as those
    seen, by a normal law for each level, is taken off the value.

    The interval is conservative. The uncorrected distance T is too great by no more than the noise of all levels,
    sum |noise|/2, which by the concentration of normal variables is below its expectation plus z/2 sqrt(1/n + 1/m):
    low = T less that. T is too small by no more than the noise of the levels whose share has grown, taken
    together: high = T + z/2 sqrt(1/n + 1/m). Null has no part: ``n`` counts what was compared. Fewer than 50
    values on either side are a reason.

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
        n, m = np.maximum(counts.sum(axis=1), 1), max(int(base.sum()), 1)
        gap = np.abs(counts / n[:, np.newaxis] - base / m)
        seen, noise = gap.sum(axis=1) / 2, _noise(counts.astype(np.float64), base.astype(np.float64))
        expected = np.sqrt(2 / np.pi) * noise.sum(axis=1) / 2
        spread = z / 2 * np.sqrt(1 / n + 1 / m)
        low, high = np.maximum(seen - expected - spread, 0.0), np.minimum(seen + spread, 1.0)
        value = np.clip(seen - _excess(gap, noise), 0.0, 1.0)
        return Estimates.of(value, low, high, current.used, reasons)


def _noise(counts: Floats, base: Floats) -> Floats:
    """The standard deviation of each level's p - q, [W, cells]; half a count is added, as 0 of n is not certain."""
    held = (counts + base) > 0
    n, m = np.maximum(counts.sum(axis=1, keepdims=True), 1.0), max(float(base.sum()), 1.0)
    p, q = np.minimum((counts + 0.5) / n, 1.0), np.minimum((base + 0.5) / m, 1.0)
    return np.where(held, np.sqrt(p * (1 - p) / n + q * (1 - q) / m), 0.0)


def _excess(gap: Floats, noise: Floats) -> Floats:
    """What normal noise adds to the expectation of each |gap|, summed and halved."""
    away = gap / np.where(noise > 0, noise, 1.0)
    density = np.exp(-(away**2) / 2) / np.sqrt(2 * np.pi)
    excess: Floats = (noise * 2 * (density - away * special.ndtr(-away))).sum(axis=1) / 2
    return excess
