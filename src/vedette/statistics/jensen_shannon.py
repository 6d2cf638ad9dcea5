"""The Jensen-Shannon distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.divergence import Divergence
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.summary import Summary

__all__ = ["JensenShannon"]

Floats = npt.NDArray[np.float64]


class JensenShannon:
    """How far the distribution of a column lies from the reference: 0 is not at all, 1 is nothing in common.

    The distance, which is the square root of the divergence: sqrt(H((p + q)/2) - (H(p) + H(q))/2) with H the
    entropy in bits, p the shares of the window and q those of the reference in the groups of cells of ``psi``
    (ten of about equal counts; levels of 2 % or more on their own). Of the divergence's noise without change,
    (B - 1)(1/n + 1/m)/(8 ln 2) for n values against m in B groups, the expectation is taken off before the root,
    so that small differences come out smaller than by the formula alone. The interval inverts the noncentral
    chi-square that the divergence follows and is the root of its limits: it begins at 0 where nothing has to have
    changed, and is wider than it had to be where almost all has. Null, NaN and infinities have no cell: ``n`` counts what
    was compared. Fewer than 50 values on either side are a reason.

    Sources: J. Lin (1991), IEEE Transactions on Information Theory 37, 145-151; D. M. Endres and J. E. Schindelin
    (2003), the same 49, 1858-1860 (the root is a distance).

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 50_000, names)
    >>> current = summarise_category(grid, [0] * 70_000 + [1] * 30_000, names)
    >>> figures = STATISTICS["jensen_shannon"].figures(current, reference)
    >>> figures.value.round(3).tolist()     # scipy.spatial.distance.jensenshannon([.7, .3], [.5, .5], base=2) is 0.1737
    [0.174]
    """

    name = "jensen_shannon"
    kinds: tuple[str, ...] = ("numeric", "category", "latency", "vector")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The distance by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or a summary of
        quality.
        """
        check_kind(self.name, self.kinds, current)
        return _JENSEN_SHANNON.figures(current, reference, level)


def _terms(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    by_p, by_q = (np.log2(np.where(one > 0, 2 * one / (p + q), 1.0)) / 2 for one in (p, q))
    return p * by_p + q * by_q, by_p, by_q


_JENSEN_SHANNON = Divergence(_terms, curvature=1 / (8 * np.log(2)))
