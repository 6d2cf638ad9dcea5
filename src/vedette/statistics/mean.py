"""The mean of a column."""

from __future__ import annotations

import numpy as np

from vedette.statistics.estimates import Estimates, check_kind, check_level, reasons_of
from vedette.statistics.intervals import mean_t
from vedette.statistics.summary import Summary

__all__ = ["Mean"]


class Mean:
    """The average of the finite values of a window, in the unit of the column.

    centre + total/n, with Student's t interval on n - 1 degrees of freedom. ``n`` counts finite values; null,
    NaN and infinities are in ``missing_share`` and ``infinite_share``. Where all n values are equal there is
    no spread to go by: no more than a share 1 - (alpha/2)^(1/n) of what comes can then be different (Clopper
    and Pearson), and the interval is what that share could do within the range of the grid. Two values at
    least are needed. The interval is of large samples where values are skewed, and of independent rows.

    Source: Student (1908), Biometrika 6, 1-25.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> figures = STATISTICS["mean"].figures(summarise_numeric(numeric_grid("x", x), x))
    >>> figures.value.tolist(), figures.high.round(4).tolist()     # by hand: 3 + 2.7764 sqrt(2.5/5)
    ([3.0], [4.9632])
    """

    name = "mean"
    kinds: tuple[str, ...] = ("numeric",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The mean by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        tail = (1 - check_level(level)) / 2
        reasons, n, grid = reasons_of(current), current.used, current.grid
        reasons.add(n < 2, "fewer than 2 finite values", n)
        mean, low, high = mean_t(current.total, current.squares, n, level)
        constant = current.minimum == current.maximum
        other = 1 - tail ** (1 / np.maximum(n, 1))
        with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
            least, most = grid.edges[0] - grid.centre, grid.edges[-1] - grid.centre
            low = np.where(constant, mean + other * np.minimum(least - mean, 0), low)
            high = np.where(constant, mean + other * np.maximum(most - mean, 0), high)
            return Estimates.of(mean + grid.centre, low + grid.centre, high + grid.centre, n, reasons)
