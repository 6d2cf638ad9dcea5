"""The Kolmogorov-Smirnov distance."""

from __future__ import annotations

import numpy as np
from scipy import special

from vedette.statistics.comparison import compared
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["KolmogorovSmirnov"]


class KolmogorovSmirnov:
    """The greatest difference between the distribution functions of a window and the reference, from 0 to 1.

    D = max |F - G| at the edges of the grid: a share D more of the window's values than of the reference's lies
    below (or above) some edge. Between edges F - G is not known; D is a lower bound of the maximum over all
    points, too low by at most the greatest share that a cell holds on either side (1 % where the grid's pilot was
    like the data; nothing in a discrete column). It is not corrected: of n values against m it is about 0.87
    sqrt(1/n + 1/m) without any change.

    The interval is of the maximum over the edges, conservative, and holds for any distribution. D is too great by
    no more than the greatest noise at any edge, which Kolmogorov's law K bounds: low = D - K^-1((1+level)/2) sqrt(1/n +
    1/m). It is too small by no more than the noise at the edge of the true maximum: high = D + z sqrt(1/n + 1/m)/2,
    z the normal quantile. Null, NaN and infinities have no part: ``n`` counts what was compared. Fewer than 50
    values on either side are a reason.

    Sources: A. Kolmogorov (1933), Giornale dell'Istituto Italiano degli Attuari 4, 83-91; N. Smirnov (1948), Annals
    of Mathematical Statistics 19, 279-281.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.repeat(np.arange(10.0), 100)
    >>> grid = numeric_grid("x", x)
    >>> current, reference = summarise_numeric(grid, x[:900]), summarise_numeric(grid, x)
    >>> figures = STATISTICS["kolmogorov_smirnov"].figures(current, reference)
    >>> figures.value.round(6).tolist()     # scipy.stats.ks_2samp: 900/900 - 900/1000 up to the value 8
    [0.1]
    """

    name = "kolmogorov_smirnov"
    kinds: tuple[str, ...] = ("numeric", "latency", "vector")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """D by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or another kind of
        column.
        """
        check_kind(self.name, self.kinds, current)
        tail = (1 - check_level(level)) / 2
        counts, base, reasons = compared(current, reference)
        n, m = np.maximum(counts.sum(axis=1), 1), max(int(base.sum()), 1)
        gap = np.cumsum(counts, axis=1) / n[:, np.newaxis] - np.cumsum(base) / m
        value = np.abs(gap).max(axis=1)
        noise = np.sqrt(1 / n + 1 / m)
        low = np.maximum(value - special.kolmogi(tail) * noise, 0.0)
        high = np.minimum(value - special.ndtri(tail) * noise / 2, 1.0)
        return Estimates.of(value, low, high, current.used, reasons)
