"""Pearson's chi-square as a size: Cramér's V between the sides of a comparison and the cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.divergence import Divergence
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.summary import Summary

__all__ = ["ChiSquare"]

Floats = npt.NDArray[np.float64]


class ChiSquare:
    """How strongly a value tells which side it came from, the window or the reference: 0 not at all, 1 for sure.

    Pearson's statistic itself grows with the number of rows, so the figure is Cramér's V of the table of side and
    group of cells, sqrt(chi-square / rows), as it would be if both sides had as many rows: sqrt(sum of (p - q)^2 /
    (p + q) / 2), p the shares of the window and q those of the reference in the groups of cells of ``psi`` (ten
    of about equal counts; levels of 2 % or more on their own). It depends on neither number of rows. Of the noise
    of its square without change, (B - 1)(1/n + 1/m)/4 for n values against m in B groups, the expectation is taken
    off before the root. The interval is the root of that of the square, which inverts a noncentral chi-square: it
    begins at 0 where nothing has to have changed, and is wider than it had to be where almost all has. Null, NaN
    and infinities have no cell: ``n`` counts what was compared. Fewer than 50 values on either side are a reason.

    Sources: K. Pearson (1900), Philosophical Magazine 50, 157-175; H. Cramér (1946), Mathematical Methods of
    Statistics, section 21.9; the interval as in ``vedette.statistics.divergence``.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 50_000, names)
    >>> current = summarise_category(grid, [0] * 70_000 + [1] * 30_000, names)
    >>> figures = STATISTICS["chi_square"].figures(current, reference)
    >>> figures.value.round(3).tolist()     # by hand: sqrt((.04/1.2 + .04/.8)/2) = sqrt(1/24) = 0.2041
    [0.204]
    """

    name = "chi_square"
    kinds: tuple[str, ...] = ("numeric", "category", "latency", "vector")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """Cramér's V by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or a summary of
        quality.
        """
        check_kind(self.name, self.kinds, current)
        return _CHI_SQUARE.figures(current, reference, level)


def _terms(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    side = (p - q) / (p + q)
    return (p - q) * side / 2, side - side**2 / 2, -side - side**2 / 2


_CHI_SQUARE = Divergence(_terms, curvature=1 / 4)
