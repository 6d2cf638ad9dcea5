"""The number of rows of a window."""

from __future__ import annotations

from vedette.statistics.estimates import Estimates, Reasons, check_kind, check_level
from vedette.statistics.grid import LABELLED_KINDS
from vedette.statistics.summary import Summary

__all__ = ["Rows"]


class Rows:
    """How many rows came in; of a summary of quality or errors, how many came with a label.

    A count of what is there: the interval is the count itself, and no rows are 0, not a reason. How much is
    not there is told by the ledger and by the completeness of the figure.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([3.0, np.nan, np.inf])
    >>> STATISTICS["rows"].figures(summarise_numeric(numeric_grid("x", x), x)).value.tolist()
    [3.0]
    """

    name = "rows"
    kinds: tuple[str, ...] = ("numeric", "category", "quality", "error", "latency", "vector")
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The count for each window; raises ``ValueError`` for a level outside (0, 1), or another kind of summary."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        reasons = Reasons(len(current))
        reasons.add(current.rows < 0, "corrections without the rows that they correct")
        labelled = current.grid.kind in LABELLED_KINDS
        n = current.rows - current.missing if labelled else current.rows
        return Estimates.of(n, n, n, n, reasons)
