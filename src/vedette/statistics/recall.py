"""Recall: how much of what is there the model finds."""

from __future__ import annotations

from vedette.statistics.averages import macro
from vedette.statistics.confusion import is_binary, positive_share
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["Recall"]


class Recall:
    """The share of rows labelled positive that were predicted positive; of several classes, their average.

    Two classes: TP/(TP+FN) of the second, with Wilson's interval, or Clopper and Pearson's where either count
    is under 5; ``n`` is the number of rows labelled positive, and none is a reason. Other numbers of classes:
    the plain ("macro") average over the classes that occur as label or prediction, as scikit-learn takes it, which is
    ``recall_macro``; a class that was predicted and never a label counts as 0.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1], [0, 1, 1, 0], names)
    >>> STATISTICS["recall"].figures(summary).value.tolist()     # 1 of 2
    [0.5]
    """

    name = "recall"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """Recall by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        if not is_binary(current):
            return macro(current, "recall", level)
        return positive_share(current, level, of_labels=True, nothing="no positive labels")
