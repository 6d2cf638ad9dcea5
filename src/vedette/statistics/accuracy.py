"""Accuracy: the share of predictions that were right."""

from __future__ import annotations

import numpy as np

from vedette.statistics.confusion import confusion
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary

__all__ = ["Accuracy"]


class Accuracy:
    """The share of labelled rows whose prediction was the label.

    right / n over rows with a label and a prediction, with Wilson's interval, or Clopper and Pearson's where
    right or wrong rows are under 5. Where neither the label nor the prediction is one of the model's classes
    the summary cannot tell whether they agree: the value counts such rows as wrong, and the upper limit is
    that of counting them as right, so the interval holds the truth either way.

    Without labelled rows the reason is ``no labels``, without predictions ``no predictions``.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 0, 1, 1], [0, 1, 1, 1], names)
    >>> figures = STATISTICS["accuracy"].figures(summary)  # scipy.stats.binomtest(3, 4).proportion_ci()
    >>> figures.value.tolist(), figures.low.round(4).tolist()
    ([0.75], [0.1941])
    """

    name = "accuracy"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """Accuracy by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        table, reasons = confusion(current)
        n = table.sum(axis=(1, 2))
        right = np.trace(table[:, :-1, :-1], axis1=1, axis2=2)
        unclear = table[:, -1, -1]
        low, high = share(right, n, level)[0], share(right + unclear, n, level)[1]
        return Estimates.of(right / np.maximum(n, 1), low, high, n, reasons)
