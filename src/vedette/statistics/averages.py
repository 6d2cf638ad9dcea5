"""Precision, recall and F1 averaged over classes in a way that is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.statistics.class_shares import ROWS_A_CLASS, Average, Which, averaged, by_class
from vedette.statistics.confusion import confusion
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary

__all__ = ["Averaged", "macro"]


@dataclass(frozen=True, slots=True)
class Averaged:
    """Precision, recall or F1 of all classes in one number: ``precision_macro``, ``recall_weighted`` and so on.

    Also of two classes, where ``precision`` alone is that of the positive one. ``macro``: the plain average over the
    classes that occur as label or prediction; ``weighted``: by the labels of each; ``micro``: right rows of all classes
    over their predictions (precision), labels (recall) or the mean of both (F1). As scikit-learn takes them with
    ``labels`` the model's classes that occur and ``zero_division=0``: a class without predictions has precision 0. Where
    every label and prediction is one of the model's classes, all of ``micro`` and ``recall_weighted`` are the accuracy.

    Micro precision, micro recall and weighted recall are shares and have a share's interval. The others have, on each
    side the further out, the limits of two: the classes' own added up (MOVER), good with few rows, and those of the
    delta method on the table of counts, good with many. They are of the average over the classes that occur in the
    window: what another class would be like is not known.

    ``n`` counts the rows of a share, or all rows with label and prediction. No rows to take a share of are a reason,
    for plain averages also fewer rows than twice the classes that occur.

    Sources: M. Sokolova and G. Lapalme (2009), Information Processing and Management 45, 427-437; G. Y. Zou and A.
    Donner (2008), Statistics in Medicine 27, 1693-1702; K. Takahashi, K. Yamamoto, A. Kuchiba and T. Koyama (2022),
    Applied Intelligence 52, 4961-4972.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1], [0, 1, 1, 1], names)
    >>> STATISTICS["precision_macro"].figures(summary).value.round(4).tolist()     # (1 + 2/3)/2
    [0.8333]
    """

    which: Which
    average: Average
    kinds: tuple[str, ...] = ("quality",)
    needs_reference: bool = False

    @property
    def name(self) -> str:
        """What it is called: ``f1_macro``."""
        return f"{self.which}_{self.average}"

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The average by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        if self.average == "macro":
            return macro(current, self.which, level)
        table, reasons = confusion(current)
        parts = by_class(table, self.which, level)
        if self.average == "weighted":
            reasons.add(parts.labels.sum(axis=1) == 0, "no labels of the model's classes")
        rows = parts.rows.sum(axis=1)
        what = {"precision": "predictions", "recall": "labels", "f1": "rows"}[self.which]
        reasons.add(rows == 0, f"no {what} of the model's classes")
        if self.which == "recall" or (self.which, self.average) == ("precision", "micro"):
            right = np.diagonal(table, axis1=1, axis2=2)[:, :-1].sum(axis=1)
            return Estimates.of(right / np.maximum(rows, 1), *share(right, rows, level), rows, reasons)
        found = averaged(table, self.which, self.average, level)
        return Estimates.of(*found, table.sum(axis=(1, 2)), reasons)


def macro(current: Summary, which: Which, level: float) -> Estimates:
    """The plain average over the classes that occur."""
    table, reasons = confusion(current)
    seen, n = by_class(table, which, level).seen, table.sum(axis=(1, 2))
    reasons.add(~seen.any(axis=1), "no rows of the model's classes")
    reasons.add(n < ROWS_A_CLASS * seen.sum(axis=1), f"fewer than {ROWS_A_CLASS} rows to a class", n)
    return Estimates.of(*averaged(table, which, "macro", level), n, reasons)
