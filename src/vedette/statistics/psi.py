"""The population stability index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.divergence import Divergence, psi_groups
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.summary import Summary

__all__ = ["Psi", "psi_groups"]

Floats = npt.NDArray[np.float64]


class Psi:
    """How far the distribution of a column has moved from the reference: 0 is not at all, above 0.25 much.

    PSI = sum over cells of (p - q) ln(p/q), p the share of the window's and q of the reference's values in a
    cell. Cells: ten of about equal counts in the reference, in a discrete column the values that fill more on
    their own and one for values that the grid does not have; in a category the levels that hold 2 % of the
    reference or more, one for the others and the unseen, and one for each of these that changed far beyond chance and
    holds 2 % of either side. Half a count is added to each cell that
    holds anything, so that none makes it infinite. Null, NaN and infinities have no cell: ``n`` counts what
    was compared.

    Without any change PSI is not 0 but about (1/n + 1/m) times a chi-square with B - 1 degrees of freedom (n
    values against m, B cells); after a change the chi-square is noncentral. So the value is corrected by its
    expectation, max(0, PSI - (B - 1)(1/n + 1/m)), and the interval inverts the noncentral chi-square, the
    upper limit never taken from less than its expectation: agreement closer than chance is no proof. For
    large changes its scale is raised from 1/n + 1/m to what gives the variance of the delta method. Where a
    change empties cells, PSI is understated, for the half count. Fewer than 50 values on either side are a
    reason.

    Sources: S. Lewis (1994), An Introduction to Credit Scoring; B. Yurdakul and J. Naranjo (2020), Journal of
    Risk Model Validation 14(4), 89-100; E. S. Venables (1975), Journal of the Royal Statistical Society B 37,
    406-412.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 500, names)
    >>> current = summarise_category(grid, [0] * 700 + [1] * 300, names)
    >>> figures = STATISTICS["psi"].figures(current, reference)
    >>> figures.value.round(4).tolist()     # by hand: 200/1001 ln(700.5/300.5) - 2/1000
    [0.1671]
    """

    name = "psi"
    kinds: tuple[str, ...] = ("numeric", "category", "latency", "vector")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """PSI by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or a summary of
        quality.
        """
        check_kind(self.name, self.kinds, current)
        return _PSI.figures(current, reference, level)


def _terms(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    ratio = np.log(p / q)
    return (p - q) * ratio, ratio + 1 - q / p, 1 - p / q - ratio


_PSI = Divergence(_terms, curvature=1.0, added=0.5, root=False)
