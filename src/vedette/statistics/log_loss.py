"""The log loss of a classifier."""

from __future__ import annotations

import numpy as np

from vedette.statistics.estimates import Estimates, check_kind
from vedette.statistics.losses import mean_loss
from vedette.statistics.summary import Summary

__all__ = ["LogLoss"]


class LogLoss:
    """How surprised the model was by the labels, in nats a row: 0 is certain and right, ln 2 a coin.

    The mean of -ln p(label) over rows with probabilities whose label is one of the classes, p clipped to [eps, 1 - eps]
    of float64 as scikit-learn does. Of two classes p comes from the score, of more from the probabilities of all.

    Losses are skewed: a rare row costs as much as hundreds of others. The limits are Student's or Hall's, whichever are
    further out (Hall 1992, which follows the skewness), with a spread no less than if 30 more rows had come whose
    labels were drawn from the square roots of the probabilities: where no surprise is among 30 rows, that says
    little. So the interval is wide with few rows, and holds for models up to twice as sure as they should be.

    ``n`` counts the rows that have a part; ``no probabilities`` is the reason where there are none, and 2 are needed.

    Sources: I. J. Good (1952), Journal of the Royal Statistical Society B 14, 107-114; P. Hall (1992), the same, B 54,
    221-228.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 1, 1, 0], [0, 1, 1, 0], names, [0.1, 0.9, 0.8, 0.35])
    >>> STATISTICS["log_loss"].figures(summary).value.round(5).tolist()     # sklearn.metrics.log_loss
    [0.21616]
    """

    name = "log_loss"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The log loss by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        return mean_loss(current, "log_loss", float(-np.log(np.finfo(np.float64).eps)), level)
