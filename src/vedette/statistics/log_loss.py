"""The log loss of a classifier."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting_quality import CLIP
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
    Nor is the upper limit below what a share 1 - (alpha/2)^(1/n) of rows, which may be unseen (Clopper and Pearson),
    would add were they as wrong as the others are right, at -ln(1 - exp(-mean)): of scores 0 and 1, of which 1 % are
    wrong, it holds 1.00 at 30 rows, without 0.26.

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
    mean_of_rows = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The log loss by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        most = float(-np.log(CLIP))

        def wrong(mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return -np.log(np.maximum(-np.expm1(-np.maximum(mean, 0.0)), CLIP))

        return mean_loss(current, "log_loss", most, level, wrong)
