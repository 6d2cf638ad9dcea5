"""Balanced accuracy: how much of each class is found, on average."""

from __future__ import annotations

from vedette.statistics.class_shares import ROWS_A_CLASS, averaged
from vedette.statistics.confusion import confusion
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["BalancedAccuracy"]


class BalancedAccuracy:
    """The average over classes of the share of its rows that were predicted as it, however rare the class.

    The plain average of recall over the model's classes that occur as a label, as scikit-learn takes it; of two classes
    (recall + specificity)/2. A model that always says the same has 1/2 of two classes, 1/K of K. The interval is that
    of the macro averages; ``n`` counts rows with a label and a prediction, and fewer than twice the classes are a reason.

    Source: K. H. Brodersen, C. S. Ong, K. E. Stephan and J. M. Buhmann (2010), ICPR, 3121-3124.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], names)
    >>> STATISTICS["balanced_accuracy"].figures(summary).value.tolist()     # (3/4 + 1/2)/2
    [0.625]
    """

    name = "balanced_accuracy"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """Balanced accuracy by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        table, reasons = confusion(current)
        n, classes = table.sum(axis=(1, 2)), (table[:, :-1].sum(axis=2) > 0).sum(axis=1)
        reasons.add(classes == 0, "no labels of the model's classes")
        reasons.add(n < ROWS_A_CLASS * classes, f"fewer than {ROWS_A_CLASS} rows to a class", n)
        return Estimates.of(*averaged(table, "recall", "labelled", level), n, reasons)
