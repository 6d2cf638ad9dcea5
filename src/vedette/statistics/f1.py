"""F1: precision and recall in one number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.confusion import confusion, is_binary
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import average, share, wilson
from vedette.statistics.summary import Summary

__all__ = ["F1"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class F1:
    """The harmonic mean of precision and recall; of several classes, the average of theirs.

    Two classes: F1 = 2 TP/(2 TP + FP + FN) = 2J/(1 + J), where J = TP/(TP + FP + FN) is a share of the rows
    that are positive by label or prediction; the interval is that of the share J, carried over. ``n`` is the
    number of those rows, and none is a reason. Other numbers of classes: the plain ("macro") average over the
    classes that occur, as scikit-learn takes it. Its interval is the wider on each side of two: the classes'
    own intervals added up (MOVER, Zou and Donner 2008), good with few rows but blind to the ties between
    classes, and Wilson's with as many rows as would give a share the variance of the delta method on the
    table of counts, good with many rows.

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
        table, reasons = confusion(current)
        right = np.diagonal(table, axis1=1, axis2=2)[:, :-1]
        either = table.sum(axis=1)[:, :-1] + table.sum(axis=2)[:, :-1]
        if is_binary(current):
            k, n = right[:, 1], either[:, 1] - right[:, 1]
            reasons.add(n == 0, "no positive labels or predictions")
            low, high = (2 * limit / (1 + limit) for limit in share(k, n, level))
            return Estimates.of(2 * k / np.maximum(n + k, 1), low, high, n, reasons)
        seen = either > 0
        reasons.add(~seen.any(axis=1), "no rows of the model's classes")
        classes = np.maximum(seen.sum(axis=1), 1)
        f1 = 2 * right / np.maximum(either, 1)
        low, high = (2 * limit / (1 + limit) for limit in share(right, either - right, level))
        value, low, high = average(f1, low, high, seen)
        n = table.sum(axis=(1, 2))
        variance = _variance(table, f1, either, classes)
        enough = variance * n > value * (1 - value) * 1e-9
        rows = np.where(enough, value * (1 - value) / np.where(enough, variance, 1.0), n)
        by_delta = wilson(value * rows, rows, level)
        low, high = np.minimum(low, by_delta[0]), np.maximum(high, by_delta[1])
        return Estimates.of(value, low, high, n, reasons)


def _variance(table: Integers, f1: Floats, either: Integers, classes: Integers) -> Floats:
    """The delta method's variance of macro F1 under multinomial sampling of the table.

    The influence of a row with label i and prediction j is (2 [i=j]/e_i - F_i/e_i - F_j/e_j)/K with e the
    number of labels and predictions of a class; rows' influences sum to 0, so the variance is the sum of
    their squares.
    """
    # any other class, last, is in no average and has no influence of its own
    pull = np.pad(f1 / np.maximum(either, 1), ((0, 0), (0, 1)))
    gain = np.pad(2 / np.maximum(either, 1), ((0, 0), (0, 1)))
    influence = -pull[:, :, np.newaxis] - pull[:, np.newaxis, :]
    place = np.arange(pull.shape[1])
    influence[:, place, place] += gain
    total: Floats = (table * influence**2).sum(axis=(1, 2)) / classes**2
    return total
