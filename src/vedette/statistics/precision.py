"""Precision: how often the model is right when it says so."""

from __future__ import annotations

from vedette.statistics.averages import macro
from vedette.statistics.confusion import is_binary, positive_share
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["Precision"]


class Precision:
    """The share of rows predicted positive whose label is positive; of several classes, their average.

    Two classes: TP/(TP+FP) of the second, with Wilson's interval, or Clopper and Pearson's where either count
    is under 5; ``n`` is the number of rows predicted positive, and none is a reason. Other numbers of
    classes: the plain ("macro") average over the classes that occur as label or prediction, as scikit-learn
    takes it, which is ``precision_macro``; a class that is never predicted counts as 0. Rows of a class that is not the
    model's count against it where predicted as one that is.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1], [0, 1, 1, 1], names)
    >>> STATISTICS["precision"].figures(summary).value.round(4).tolist()     # 2 of 3
    [0.6667]
    """

    name = "precision"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """Precision by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        if not is_binary(current):
            return macro(current, "precision", level)
        return positive_share(current, level, of_labels=False, nothing="no positive predictions")
