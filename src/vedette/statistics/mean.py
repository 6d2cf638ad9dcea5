"""The mean of a column."""

from __future__ import annotations

import numpy as np

from vedette.statistics.estimates import Estimates, check_kind, check_level, reasons_of
from vedette.statistics.intervals import hall, share, unlike
from vedette.statistics.moments import moments_of, of_pilot, two_values
from vedette.statistics.summary import Summary

__all__ = ["Mean"]

SKEWED_MAX = 0.8
"""Of skewness/sqrt(n), which is 1 where a single row differs from all others: their mean is that row's."""


class Mean:
    """The average of the finite values of a window, in the unit of the column.

    centre + total/n. The limits are those of Student's t interval and of Hall's, which follows the skewness of the
    values, whichever are further out: Student's alone holds the mean of 30 log-normal values only 0.88 of the
    time, both together 0.94. For normal values both are the same; for skewed ones the interval is up to twice
    Student's, and conservative. Of fewer than 20 values the skewness is anyone's guess: of log-normal ones the
    interval holds 0.87 (3 to 5 values) to 0.93 (20). A column of two values has the interval of a share. Where
    skewness/sqrt(n) is above 0.8, so that a row or two are all that there is of the spread, the reason is ``too few
    rows for so skewed a column``.

    ``n`` counts finite values; null, NaN and infinities are in ``missing_share`` and ``infinite_share``. Where all
    n values are equal there is no spread to go by: no more than a share 1 - (alpha/2)^(1/n) of what comes can then
    be different (Clopper and Pearson), and the interval is what that share could do within the range of the grid. Where
    the grid has a pilot no interval is shorter than this: large values that are rare are mostly not among few rows.
    That makes it 1.07 times as long for 30 normal values, 1.6 for log-normal ones, and 1.00 and 1.3 for 100; of
    N(0, 1) with 1 % of N(50, 1) it holds 1.00 at 30 rows, Student's and Hall's alone 0.29. Two values at least are
    needed. The interval is of independent rows.

    Sources: Student (1908), Biometrika 6, 1-25; P. Hall (1992), Journal of the Royal Statistical Society B 54,
    221-228.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> figures = STATISTICS["mean"].figures(summarise_numeric(numeric_grid("x", x), x))
    >>> figures.value.tolist(), figures.high.round(4).tolist()     # by hand: 3 + 2.7764 sqrt(2.5/5)
    ([3.0], [4.9632])
    """

    name = "mean"
    kinds: tuple[str, ...] = ("numeric", "vector")
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The mean by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        reasons, n, grid = reasons_of(current), current.used, current.grid
        reasons.add(n < 2, "fewer than 2 finite values", n)
        size = np.maximum(n, 1)
        found = moments_of(current)
        hits, small, great, flag = two_values(grid, current.counts)
        constant = current.minimum == current.maximum
        lone = (np.abs(found.skewness) > SKEWED_MAX * np.sqrt(size)) & ~flag & ~constant
        reasons.add(lone, "too few rows for so skewed a column", n)
        rare = np.where(constant | of_pilot(grid), unlike(size, level), 0.0)
        below, above = hall(found.skewness, size, level)
        at_least, at_most = share(np.clip(hits, 0, size), size, level)
        with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
            least, most = grid.edges[0] - grid.centre, grid.edges[-1] - grid.centre
            lowest = found.mean + rare * np.minimum(least - found.mean, 0.0)
            highest = found.mean + rare * np.maximum(most - found.mean, 0.0)
            low = np.where(constant, lowest, np.minimum(found.mean - below * found.sd, lowest)) + grid.centre
            high = (
                np.where(constant, highest, np.maximum(found.mean + above * found.sd, highest)) + grid.centre
            )
            low = np.where(flag, small + at_least * (great - small), low)
            high = np.where(flag, small + at_most * (great - small), high)
            return Estimates.of(found.mean + grid.centre, low, high, n, reasons)
