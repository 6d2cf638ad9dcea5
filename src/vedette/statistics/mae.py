"""The mean absolute error of a regression."""

from __future__ import annotations

from vedette.statistics.error_means import errors_of, farthest, mean_loss, sum_of
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.moments import of_pilot
from vedette.statistics.summary import Summary

__all__ = ["MeanAbsoluteError"]


class MeanAbsoluteError:
    """How far predictions lie from the labels on average, in the unit of the label.

    mean |prediction - label|. The limits are Student's or Hall's, whichever are further out, the latter with a skewness
    that is raised by 1 + 6/n: for skewed errors the interval is up to twice Student's, and conservative from 100 rows
    on (of 30 rows 0.92 and more hold). Where one or two errors are all there is of the spread, that is the reason why
    there is no figure. Where all are equal in size, a share 1 - (alpha/2)^(1/n) of what comes could be different, and
    the limits are what that share could do between 0 and the greatest error of the rows that cut the grid. No interval
    is shorter than this, for large errors that are rare are mostly not among the rows: of errors of N(0, 1) with 1 %
    of N(100, 1) it holds 1.00 at 30 rows, Student's and Hall's alone 0.05. Two errors at least are needed; ``n`` counts
    rows with a label and a prediction.

    Sources: Student (1908), Biometrika 6, 1-25; P. Hall (1992), Journal of the Royal Statistical Society B 54,
    221-228.

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["mae"].figures(found).value.tolist()     # sklearn.metrics.mean_absolute_error
    [0.5]
    """

    name = "mae"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The error by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        absolute = sum_of(current, "over_1") + sum_of(current, "under_1")
        cubes = sum_of(current, "over_3") + sum_of(current, "under_3")
        return mean_loss(
            errors_of(current, 2),
            (absolute, current.squares, cubes),
            (0.0, farthest(current)),
            level,
            of_pilot(current.grid),
        )
