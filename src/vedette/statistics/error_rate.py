"""The rate of failed predictions."""

from __future__ import annotations

from vedette.statistics.estimates import Estimates, Reasons, check_kind
from vedette.statistics.shares import estimates_of_share
from vedette.statistics.summary import Summary

__all__ = ["ErrorRate"]


class ErrorRate:
    """The share of predictions that failed: of the rows that were logged, those without a prediction.

    (null + NaN) / rows of the column ``prediction``, with the interval of ``missing_share``. A model that answers
    an infinity has answered. A window without rows has the reason ``no rows``.

    Source of the intervals: E. B. Wilson (1927), JASA 22, 209-212; C. J. Clopper and E. S. Pearson (1934),
    Biometrika 26, 404-413.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> prediction = summarise_category(category_grid("prediction", {"yes": 9}), [0, -1, 0, 0], ["yes"])
    >>> STATISTICS["error_rate"].figures(prediction).value.tolist()
    [0.25]
    """

    name = "error_rate"
    kinds: tuple[str, ...] = ("numeric", "category")
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        reasons = Reasons(len(current))
        reasons.add(current.rows == 0, "no rows")
        return estimates_of_share(current.missing + current.nan, current.rows, reasons, level)
