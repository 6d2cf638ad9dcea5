"""Shares of the rows of a window: of missing values, of infinities, of levels never seen before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import Estimates, Reasons, check_kind, check_level
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary

__all__ = ["InfiniteShare", "MissingShare", "UnseenShare", "estimates_of_share"]


def estimates_of_share(
    hits: npt.NDArray[np.int64], n: npt.NDArray[np.int64], reasons: Reasons, level: float
) -> Estimates:
    """The share of ``hits`` [W] in ``n`` [W] with its interval, after what ``reasons`` there are already."""
    reasons.add((hits < 0) | (n < hits), "corrections without the rows that they correct")
    size = np.maximum(n, 1)
    k = np.clip(hits, 0, size)
    return Estimates.of(k / size, *share(k, size, check_level(level)), n, reasons)


class MissingShare:
    """The share of rows in which the value is missing: null, absent, or NaN.

    (missing + NaN) / rows, with Wilson's interval, or Clopper and Pearson's where either count is under 5. A
    column that is wholly missing has the share 1; a window without rows has the reason ``no rows``.
    Infinities are not missing: ``infinite_share`` counts them.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([3.0, np.nan, np.inf, 4.0])
    >>> summary = summarise_numeric(numeric_grid("x", x), x, present=[True, True, True, False])
    >>> STATISTICS["missing_share"].figures(summary).value.tolist()
    [0.5]
    """

    name = "missing_share"
    kinds: tuple[str, ...] = ("numeric", "category", "latency", "vector")
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for a summary of quality or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        reasons = Reasons(len(current))
        reasons.add(current.rows == 0, "no rows")
        return estimates_of_share(current.missing + current.nan, current.rows, reasons, level)


class InfiniteShare:
    """The share of rows in which the value is infinite, of either sign.

    inf / rows, with the interval of ``missing_share``. Infinities are in no other figure than this and
    ``rows``, so a column in which they begin to come shows here. A window without rows has the reason ``no
    rows``.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([3.0, np.nan, np.inf, 4.0])
    >>> STATISTICS["infinite_share"].figures(summarise_numeric(numeric_grid("x", x), x)).value.tolist()
    [0.25]
    """

    name = "infinite_share"
    kinds: tuple[str, ...] = ("numeric", "latency", "vector")
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        reasons = Reasons(len(current))
        reasons.add(current.rows == 0, "no rows")
        return estimates_of_share(current.inf, current.rows, reasons, level)


class UnseenShare:
    """The share of values whose level was in neither the pilot nor the reference.

    The last cell of a category's grid over the values that are not null, with the interval of
    ``missing_share``. High for columns of identifiers, in the reference as well.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> summary = summarise_category(category_grid("c", {"de": 9}), [0, 0, 0, 1, -1], ["de", "xx"])
    >>> STATISTICS["unseen_share"].figures(summary).value.tolist()
    [0.25]
    """

    name = "unseen_share"
    kinds: tuple[str, ...] = ("category",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        reasons = Reasons(len(current))
        reasons.add(current.rows == 0, "no rows")
        reasons.add(current.missing == current.rows, "all values missing")
        return estimates_of_share(current.counts[:, -1], current.used, reasons, level)
