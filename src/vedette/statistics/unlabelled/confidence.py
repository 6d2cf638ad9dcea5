"""Confidence-based estimation: what the scores, calibrated on the reference, say of the labels to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.tables import Measure, Table, Windows, logit_line, measured

__all__ = ["PRIOR_ROWS", "Confidence", "calibrated"]

Floats = npt.NDArray[np.float64]

PRIOR_ROWS = 10.0
"""As many rows of a cell are taken from the smooth line through all bins; cells with hundreds hardly feel it."""


class Confidence:
    """The quality that is to be expected of the scores of a window, once the reference has calibrated them.

    The chance of label 1 in a score bin and prediction is the share of it in the reference, drawn by ten rows towards
    Platt's line through all bins; the expected table of a window is its rows times these chances, and a metric is read
    off that. Its variance: of outcomes sum n c (1 - c) flip^2, of calibration sum (n flip)^2 c (1 - c)/(N + 10), with
    n rows of the window and N of the reference in a cell. Right where labels depend on rows through the scores as they
    did in the reference, whatever else about the rows changes. Leaves are pooled.

    Source: J. Kivimäki, J. Białek, J. K. Nurminen and W. Kuberski (2024), arXiv 2407.08649 (CBPE).

    >>> from vedette.statistics.unlabelled import Table, Windows
    >>> reference = Table(np.array([[[[900, 100], [0, 0]], [[0, 0], [200, 800]]]]), np.array([0.1, 0.8]))
    >>> window = Windows(np.array([[[[50, 0], [0, 150]]]]))
    >>> measure = Confidence(reference).estimate(window, ["accuracy"])["accuracy"]
    >>> measure.value.round(3).tolist()     # (50 * 0.9 + 150 * 0.8)/200
    [0.825]
    """

    name = "confidence"
    needs_rows = False

    def __init__(self, reference: Table) -> None:
        counts = reference.counts.sum(axis=0).astype(np.float64)
        self.scores = reference.scores
        self.chance, self.noise = calibrated(counts[..., 1], counts.sum(axis=-1), reference.scores)

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        n = windows.counts.sum(axis=1, keepdims=True).astype(np.float64)
        return {metric: measured(metric, n, self.chance, self.noise, self.scores) for metric in metrics}


def calibrated(hits: Floats, n: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """The chance of label 1 [bin, prediction] and its variance, from (weighted) counts of label 1 and of all rows."""
    line = logit_line(scores, hits.sum(axis=-1), n.sum(axis=-1))[:, np.newaxis]
    chance = (hits + PRIOR_ROWS * line) / (n + PRIOR_ROWS)
    return chance, chance * (1 - chance) / (n + PRIOR_ROWS)
