"""F1: precision and recall in one number."""

from __future__ import annotations

from vedette.statistics.averages import macro
from vedette.statistics.class_shares import by_class
from vedette.statistics.confusion import confusion, is_binary
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["F1"]


class F1:
    """The harmonic mean of precision and recall; of several classes, the average of theirs.

    Two classes: F1 = 2 TP/(2 TP + FP + FN) = 2J/(1 + J), where J = TP/(TP + FP + FN) is a share of the rows
    that are positive by label or prediction; the interval is that of the share J, carried over. ``n`` is the
    number of those rows, and none is a reason. Other numbers of classes: the plain ("macro") average over the classes
    that occur, as scikit-learn takes it, which is ``f1_macro``.

    Source: K. Takahashi, K. Yamamoto, A. Kuchiba and T. Koyama (2022), Applied Intelligence 52, 4961-4972.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1], [0, 1, 1, 0], names)
    >>> STATISTICS["f1"].figures(summary).value.tolist()     # 2 / (2 + 1 + 1)
    [0.5]
    """

    name = "f1"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """F1 by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        if not is_binary(current):
            return macro(current, "f1", level)
        table, reasons = confusion(current)
        parts = by_class(table, "f1", level)
        n = table[:, 1].sum(axis=1) + table[:, 0, 1] + table[:, 2, 1]
        reasons.add(n == 0, "no positive labels or predictions")
        return Estimates.of(parts.value[:, 1], parts.low[:, 1], parts.high[:, 1], n, reasons)
