"""The standard deviation of a column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, check_kind, check_level, reasons_of
from vedette.statistics.grid import Grid
from vedette.statistics.intervals import share, unlike
from vedette.statistics.moments import Moments, moments_of, of_pilot, two_values
from vedette.statistics.summary import Summary

__all__ = ["Sd"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNIFORM = 1.8
"""The kurtosis of a uniform distribution; only what a column has above it is subject to surprise."""

HEAVY, MANY = 6.0, 3000
"""The kurtosis, and the rows, from which on a tail is thought to go on beyond the pilot too."""

VALUES_MIN = 30
"""With fewer values a log-normal sample too often looks as if it had no tail at all."""

CELLS_MANY = 32

FURTHEST = 100.0
"""Standard deviations above which an upper limit tells nothing."""


class Sd:
    """How far the finite values of a window lie from their mean, as the root of the mean square.

    sqrt(sum (x - mean)^2/(n-1)), in the unit of the column. The interval is Bonett's, from the fourth moment: with
    k the kurtosis, z the normal quantile and c = n/(n-z), the variance lies within c s^2 exp(-+ z se), se = c
    sqrt((k - (n-3)/n)/(n-1)). The kurtosis of a sample is too small for heavy tails, the more so the fewer rows
    there are, so k is raised by the factor 1 + (5 + 220/n) h max(k - 1.8, 0)/sqrt(n), where h = 1 + log(max(k/6, 1))
    n/(n + 3000)/1.5 is for tails that no number of rows shows (of Student's t on 3 degrees of freedom). That is
    conservative for most columns, and needed for log-normal ones (Bonett's own holds 0.77 of the time at 100 rows of
    those). Far values that are rare are mostly in no window of few rows: the upper limit is no lower than what the
    greatest share that n rows can all miss, 1 - (alpha/2)^(1/n), would do as far out as the furthest of the pilot.

    A column of two values has the interval that the share of one gives. Where all n values are equal, a share of
    1 - (alpha/2)^(1/n) of what comes could be different, and the upper limit is what that share could do within
    the range of the grid. Reasons: fewer than 30 finite values, in a column of more than two; an upper limit of
    more than 100 times the value, since one row has most of the spread; values that lie so far from the centre of
    the grid, for their spread, that the sums do not tell it.

    Source: D. G. Bonett (2006), Computational Statistics and Data Analysis 50, 775-782.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 10)
    >>> STATISTICS["sd"].figures(summarise_numeric(numeric_grid("x", x), x)).value.round(4).tolist()   # sqrt(100/49)
    [1.4286]
    """

    name = "sd"
    kinds: tuple[str, ...] = ("numeric", "vector")
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The deviation by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        reasons, n, grid = reasons_of(current), current.used, current.grid
        reasons.add(n < 2, "fewer than 2 finite values", n)
        found = moments_of(current)
        hits, small, great, flag = two_values(grid, current.counts)
        constant = current.minimum == current.maximum
        plain = ~flag & ~constant
        reasons.add(plain & (n < VALUES_MIN), f"fewer than {VALUES_MIN} finite values", n)
        with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
            reasons.add(~np.isfinite(found.sd), "values too large to compute with")
            reasons.add(
                plain & ~found.known, "values too close together, for their distance from the grid's centre"
            )
            value = np.where(constant, 0.0, found.sd)
            nearest, furthest = _bonett(found.kurtosis, n, level)
            reasons.add(plain & (furthest > FURTHEST), "too few rows for so heavy tails", n)
            low, high = found.sd * nearest, found.sd * furthest
            if of_pilot(grid):
                unseen = _with_unseen(found, n, grid, level)
                high = np.where(unseen <= FURTHEST * found.sd, np.maximum(high, unseen), high)
            same_low, same_high = _of_share(np.zeros_like(n), n, level)
            reach = np.maximum(current.maximum, grid.edges[-1]) - np.minimum(current.minimum, grid.edges[0])
            low, high = np.where(constant, same_low, low), np.where(constant, same_high * reach, high)
            flag_low, flag_high = _of_share(hits, n, level)
            low = np.where(flag, flag_low * (great - small), low)
            high = np.where(flag, flag_high * (great - small), high)
            return Estimates.of(value, low, high, n, reasons)


def _bonett(kurtosis: Floats, n: Integers, level: float) -> tuple[Floats, Floats]:
    """The limits in standard deviations of the sample."""
    z, size = float(special.ndtri((1 + level) / 2)), np.maximum(n, VALUES_MIN).astype(np.float64)
    heavy = 1 + np.log(np.maximum(kurtosis / HEAVY, 1.0)) * size / (size + MANY) / 1.5
    excess = np.maximum(kurtosis - UNIFORM, 0.0)
    raised = kurtosis * (1 + (5 + 220 / size) * heavy * excess / np.sqrt(size))
    # Bonett's n/(n - z) makes the limits even at few rows; under z of them it has no sense
    even = size / np.maximum(size - z, 1.0)
    se = even * np.sqrt(np.maximum(raised - (size - 3) / size, 0.0) / (size - 1))
    root = np.sqrt(even)
    return root * np.exp(-z * se / 2), root * np.exp(z * se / 2)


def _with_unseen(found: Moments, n: Integers, grid: Grid, level: float) -> Floats:
    """The deviation if the greatest share of rows that ``n`` rows can all miss lay as far out as the pilot's furthest.

    How far that is is told from the nearer end of the middle half of the grid's cells, if there are many: a pilot of two
    files whose values lie far apart is no pilot with far values.
    """
    ends, places = grid.edges[[0, -1]], [len(grid.edges) // 4, 3 * len(grid.edges) // 4]
    inner = grid.edges[places] if len(grid.edges) >= CELLS_MANY else np.array([grid.centre, grid.centre])
    reach = max(inner[0] - ends[0], ends[1] - inner[1])
    missed = unlike(n, level)
    return np.asarray(np.sqrt((1 - missed) * (found.sd**2 + missed * reach**2)))


def _of_share(hits: Integers, n: Integers, level: float) -> tuple[Floats, Floats]:
    """The limits of sqrt(p (1-p)), from those of the share p of ``hits`` in ``n``."""
    size = np.maximum(n, 1)
    low, high = share(np.clip(hits, 0, size), size, level)
    ends = np.sqrt(low * (1 - low)), np.sqrt(high * (1 - high))
    return np.minimum(*ends), np.where((low < 0.5) & (high > 0.5), 0.5, np.maximum(*ends))
