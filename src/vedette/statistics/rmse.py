"""The root mean squared error of a regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.mse import mean_square
from vedette.statistics.summary import Summary

__all__ = ["RootMeanSquaredError"]


class RootMeanSquaredError:
    """How far predictions lie from the labels, large errors counting most, in the unit of the label.

    sqrt(mean (prediction - label)^2). The interval is that of the logarithm of the mean square, as Bonett has it for a
    variance: with k = mean(e^4)/mean(e^2)^2, z the normal quantile and c = n/(n-z), the mean square lies within
    exp(-+ z c sqrt((k-1)/n)) of what was seen. The k of a sample is too small for heavy tails, the more so the fewer
    rows there are, and the more skewed it is; with g the skewness of the errors it is raised by the factor
    1 + (5 + 150/n) max(k + 2 g^2 - 2.5, 0)/sqrt(n). That is conservative for most errors (0.95 to 0.98 hold), and
    needed for those that grow with a log-normal label; errors that are log-normal themselves hold 0.90 at 30 rows.

    Where one or two errors are all there is of the mean square, that is the reason why there is no figure. Where all
    are equal in size, a share 1 - (alpha/2)^(1/n) of what comes could be different, and the limits are what that
    share could do between 0 and the greatest error of the rows that cut the grid; no upper limit is below, for large
    errors that are rare are mostly not among the rows. Four errors at least are needed.

    Source: D. G. Bonett (2006), Computational Statistics and Data Analysis 50, 775-782.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["rmse"].figures(found).value.round(4).tolist()     # sklearn.metrics.root_mean_squared_error
    [0.6124]
    """

    name = "rmse"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The error by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        found = mean_square(current, level)
        return replace(found, **{side: np.sqrt(getattr(found, side)) for side in ("value", "low", "high")})
