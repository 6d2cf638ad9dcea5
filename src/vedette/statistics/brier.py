"""The Brier score of a classifier."""

from __future__ import annotations

import numpy as np

from vedette.statistics.confusion import is_binary
from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.losses import mean_loss
from vedette.statistics.summary import Summary

__all__ = ["Brier"]


class Brier:
    """How far the probabilities lie from what came, squared: 0 is certain and right.

    Two classes: the mean of (p - y)^2 with p the score and y 1 where the label is positive, between 0 and 1. More: the
    mean of the sum over classes of (p_c - y_c)^2, between 0 and 2. Both as scikit-learn's ``brier_score_loss`` has it.
    Rows, reasons and the interval are those of ``log_loss``, but that the upper limit is not below what a share
    1 - (alpha/2)^(1/n) of rows, which may be unseen, would add were they as wrong as can be: of scores 0 and 1, of which
    1 % are wrong, it holds 1.00 at 30 rows.

    Sources: G. W. Brier (1950), Monthly Weather Review 78, 1-3; P. Hall (1992), Journal of the Royal Statistical
    Society B 54, 221-228.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 1, 1, 0], [0, 1, 1, 0], names, [0.1, 0.9, 0.8, 0.3])
    >>> STATISTICS["brier"].figures(summary).value.round(5).tolist()     # sklearn.metrics.brier_score_loss
    [0.0375]
    """

    name = "brier"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The Brier score by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        most = 1.0 if is_binary(current) else 2.0
        return mean_loss(current, "brier", most, level, lambda mean: np.full_like(mean, most))
