"""Specificity: how much of what is not there the model leaves alone."""

from __future__ import annotations

import numpy as np

from vedette.statistics.class_shares import ROWS_A_CLASS, delta_limits, table_variance
from vedette.statistics.confusion import confusion, is_binary
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import average, share
from vedette.statistics.summary import Summary

__all__ = ["Specificity"]


class Specificity:
    """The share of rows labelled negative that were predicted negative; of several classes, their average.

    Two classes: TN/(TN+FP), the recall of the first class, with a share's interval; ``n`` is the number of rows labelled
    so, and none is a reason. Other numbers of classes: the plain average, over the classes that occur, of the share of
    rows with another label that were not predicted as the class. Its limits are, on each side the further out, those of
    the classes' shares added up (MOVER) and of the delta method on the table of counts; ``n`` counts all rows, and
    fewer than twice the classes are a reason.

    Source: J. Yerushalmy (1947), Public Health Reports 62, 1432-1449.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 0, 0, 1], [0, 0, 0, 1, 1], names)
    >>> STATISTICS["specificity"].figures(summary).value.tolist()     # 3 of 4
    [0.75]
    """

    name = "specificity"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """Specificity by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        table, reasons = confusion(current)
        right = np.diagonal(table, axis1=1, axis2=2)[:, :-1]
        predicted, labelled = table.sum(axis=1)[:, :-1], table.sum(axis=2)[:, :-1]
        if is_binary(current):
            k, n = right[:, 0], labelled[:, 0]
            reasons.add(n == 0, "no negative labels")
            return Estimates.of(k / np.maximum(n, 1), *share(k, n, level), n, reasons)
        n = table.sum(axis=(1, 2))
        others = n[:, np.newaxis] - labelled
        counted = (predicted + labelled > 0) & (others > 0)
        reasons.add(~counted.any(axis=1), "no labels of another class")
        scarce = n < ROWS_A_CLASS * counted.sum(axis=1)
        reasons.add(scarce, f"fewer than {ROWS_A_CLASS} rows to a class", n)
        wrong = (predicted - right) / np.maximum(others, 1)
        spared = others - predicted + right
        value, low, high = average(1 - wrong, *share(spared, others, level), counted)
        weight = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1) / np.maximum(others, 1)
        of_label, of_prediction = (np.pad(part, ((0, 0), (0, 1))) for part in (-weight * wrong, -weight))
        variance = table_variance(table.astype(np.float64), of_label, of_prediction, weight)
        by_delta = delta_limits(value, variance, n, level)
        return Estimates.of(value, np.minimum(low, by_delta[0]), np.maximum(high, by_delta[1]), n, reasons)
