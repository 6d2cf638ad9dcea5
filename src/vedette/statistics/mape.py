"""The mean absolute percentage error of a regression."""

from __future__ import annotations

import numpy as np

from vedette.statistics.error_means import errors_of, farthest, mean_loss, sum_of
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.moments import of_pilot
from vedette.statistics.summary import Summary

__all__ = ["MeanAbsolutePercentageError"]


class MeanAbsolutePercentageError:
    """How far predictions lie from the labels on average, as a share of the label: 0.1 is 10 %.

    mean |prediction - label|/|label|. A label of 0 (nearer to it than 2.2e-16) has no such share; where there are
    any, their number is the reason why there is no figure (scikit-learn divides by 2.2e-16 instead). Labels near 0
    make it what they want: it is meant for labels that keep away from 0, and no interval holds where they do not (0.91
    of the time with 30 labels spread evenly from 1 to 100, seldom with labels of both signs). Rows and the interval are
    those of ``mae``; its range is that which the greatest error of the rows that cut the grid would give, over labels
    such as these.

    Sources: Student (1908), Biometrika 6, 1-25; P. Hall (1992), Journal of the Royal Statistical Society B 54,
    221-228.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [4.0, 5.0, 10.0, 20.0], [5.0, 6.0, 8.0, 19.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["mape"].figures(found).value.round(4).tolist()     # sklearn: mean_absolute_percentage_error
    [0.175]
    """

    name = "mape"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        n, reasons = errors_of(current, 2)
        zeros = np.rint(sum_of(current, "zeros")).astype(np.int64)
        reasons.add(zeros != 0, "rows with a label of 0", zeros)
        powers = (sum_of(current, "relative_1"), sum_of(current, "relative_2"), sum_of(current, "relative_3"))
        with np.errstate(over="ignore"):  # the estimates refuse what is not finite
            most = farthest(current) * sum_of(current, "inverse") / np.maximum(n, 1)
        return mean_loss((n, reasons), powers, (0.0, most), level, of_pilot(current.grid))
