"""Bounds of a figure whose missing labels could be anything: the worst and the best that they can make of it.

Where late labels differ from early ones, those that are still missing are no sample of anything. What remains is what
holds whatever they are (Manski): every prediction without a label wrong, and every one right. Accuracy, precision,
recall, specificity, balanced accuracy and F1 of two classes are least with the first and greatest with the second; of more
classes accuracy is. For a share of right rows ``a`` and a share ``m`` without a label that is ``[(1 - m) a, (1 - m) a + m]``.

Source: C. F. Manski (1990), American Economic Review 80, 319-323.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vedette.statistics.confusion import is_binary
from vedette.statistics.summary import Summary

__all__ = ["BOUNDED", "has_bounds", "worst_and_best"]

Integers = npt.NDArray[np.int64]

BOUNDED = frozenset({"accuracy", "precision", "recall", "specificity", "balanced_accuracy", "f1"})
"""Statistics of two classes that are least where all missing labels make their predictions wrong, and greatest where right."""


def has_bounds(name: str, summary: Summary) -> bool:
    """True where ``worst_and_best`` bound the statistic of that name."""
    if summary.grid.kind != "quality":
        return False
    return name in BOUNDED if is_binary(summary) else name == "accuracy" and len(summary.grid.classes) > 2


def worst_and_best(current: Summary, unlabelled: npt.ArrayLike) -> tuple[Summary, Summary]:
    """The summary with all predictions without a label wrong, and with all of them right.

    ``unlabelled`` int64 [W, K + 1] are the rows without a label by predicted class, another class last; those are wrong
    in both. Counts of scores and losses are left as they are. Raises ``ValueError`` for another shape, a grid without two
    classes, or a count below 0.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> some = summarise_quality(quality_grid(["no", "yes"]), [0, 1, 1, 0], [0, 1, 1, 1], ["no", "yes"])
    >>> worst, best = worst_and_best(some, [[2, 4, 0]])      # 3 of 4 right, 6 more without a label
    >>> [STATISTICS["accuracy"].figures(one).value.tolist() for one in (worst, best)]
    [[0.3], [0.9]]
    """
    classes = len(current.grid.classes)
    rows = np.asarray(unlabelled, dtype=np.int64)
    if current.grid.kind != "quality" or classes < 2:
        raise ValueError(
            f"a {current.grid.kind} summary with {classes} classes: must be of quality with two or more"
        )
    if rows.shape != (len(current), classes + 1):
        raise ValueError(f"unlabelled of shape {rows.shape}: must be ({len(current)}, {classes + 1})")
    if (rows < 0).any():
        raise ValueError(f"unlabelled={int(rows.min())}: must be 0 or more")
    found = []
    for right in (False, True):
        counts = current.counts.copy()
        cube = counts[:, : current.grid.row_cells].reshape(len(current), *current.grid.shape)
        for predicted in range(classes):
            label = predicted if right else (predicted + 1) % classes
            cube[:, -1, label, predicted] += rows[:, predicted]
        cube[:, -1, 0, classes] += rows[:, classes]
        n = rows.sum(axis=1)
        found.append(replace(current, counts=counts, rows=current.rows + n))
    return found[0], found[1]
