"""The mean squared error of a regression."""

from __future__ import annotations

import numpy as np

from vedette.statistics.error_means import EQUAL, OUTWEIGHED, errors_of, farthest, raised, widened
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import unlike
from vedette.statistics.moments import moments_of, of_pilot
from vedette.statistics.summary import Summary

__all__ = ["MeanSquaredError", "mean_square"]

SKEWED = 2.0
"""What a squared skewness says of tails that have not shown. With 0, 30 exponential errors hold 0.85 of the time."""


class MeanSquaredError:
    """The mean of squared errors, large errors counting most, in the square of the label's unit.

    mean (prediction - label)^2, the square of ``rmse``, whose rows, reasons and limits (squared) it has.

    Source: D. G. Bonett (2006), Computational Statistics and Data Analysis 50, 775-782.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["mse"].figures(found).value.tolist()     # by hand: (0.25 + 0.25 + 0 + 1)/4
    [0.375]
    """

    name = "mse"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The mean square by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        return mean_square(current, level)


def mean_square(current: Summary, level: float) -> Estimates:
    """The mean square of the errors of each window with the limits that ``RootMeanSquaredError`` tells of."""
    n, reasons = errors_of(current, 4)
    size = np.maximum(n, 4).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
        square, fourth = np.maximum(current.squares, 0.0) / size, current.fourths / size
        reasons.add(~np.isfinite(fourth), "values too large to compute with")
        excess = fourth - square**2
        equal = excess <= EQUAL * fourth
        kurtosis = fourth / np.where(equal, 1.0, square**2)
        reasons.add(
            ~equal & (kurtosis > OUTWEIGHED * size), "one or two errors outweigh all others, of rows", n
        )
        seen = kurtosis + SKEWED * moments_of(current).skewness ** 2
        half = widened(raised(kurtosis, seen, size) - 1, size, level)
        other = unlike(n, level)
        low = np.where(equal, square * (1 - other), square * np.exp(-half))
        most = square + other * np.maximum(farthest(current) ** 2 - square, 0.0)
        high = square * np.exp(half)
        seen_most = of_pilot(current.grid) and bool(np.isfinite(farthest(current) ** 2))
        high = np.where(equal, most, np.maximum(high, most) if seen_most else high)
        return Estimates.of(square, low, high, n, reasons)
