"""The Hellinger distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.divergence import Divergence
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.summary import Summary

__all__ = ["Hellinger"]

Floats = npt.NDArray[np.float64]


class Hellinger:
    """How far the distribution of a column lies from the reference: 0 is not at all, 1 is nothing in common.

    sqrt(1 - sum of sqrt(p q)), p the shares of the window and q those of the reference in the groups of cells of
    ``psi`` (ten of about equal counts; levels of 2 % or more on their own). Of the noise of its square without
    change, (B - 1)(1/n + 1/m)/8 for n values against m in B groups, the expectation is taken off before the root.
    The interval is the root of that of the square, which inverts a noncentral chi-square: it begins at 0 where
    nothing has to have changed, and is wider than it had to be where almost all has. Null, NaN and infinities have
    no cell: ``n`` counts what was compared. Fewer than 50 values on either side are a reason.

    Source: L. Le Cam and G. L. Yang (2000), Asymptotics in Statistics, section 3.2; the interval as in
    ``vedette.statistics.divergence``.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 50_000, names)
    >>> current = summarise_category(grid, [0] * 98_000 + [1] * 2_000, names)
    >>> figures = STATISTICS["hellinger"].figures(current, reference)
    >>> figures.value.round(3).tolist()     # by hand: sqrt(1 - sqrt(.49) - sqrt(.01)) = sqrt(.2)
    [0.447]
    """

    name = "hellinger"
    kinds: tuple[str, ...] = ("numeric", "category", "latency", "vector")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The distance by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or a summary of
        quality.
        """
        check_kind(self.name, self.kinds, current)
        return _HELLINGER.figures(current, reference, level)


def _terms(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    root_p, root_q = np.sqrt(p), np.sqrt(q)
    by_p = -root_q / np.where(p > 0, 2 * root_p, np.inf)
    by_q = -root_p / np.where(q > 0, 2 * root_q, np.inf)
    return (root_p - root_q) ** 2 / 2, by_p, by_q


_HELLINGER = Divergence(_terms, curvature=1 / 8)
