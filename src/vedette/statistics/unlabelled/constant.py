"""The plainest estimate: as in the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vedette.statistics.unlabelled.metrics import pull_of
from vedette.statistics.unlabelled.tables import Measure, Table, Windows

__all__ = ["Constant"]


class Constant:
    """The quality of the reference, whatever the window holds: what every other estimator has to beat.

    With p the shares of the reference's cells and d the derivative of the metric by the share of a cell, a row has the
    variance sum p d^2 - (sum p d)^2; outcomes have it over the rows of the window, calibration over those of the
    reference.

    >>> from vedette.statistics.unlabelled import Table, Windows
    >>> reference = Table(np.array([[[[900, 100], [0, 0]], [[0, 0], [200, 800]]]]), np.array([0.1, 0.8]))
    >>> measure = Constant(reference).estimate(Windows(np.array([[[[50, 0], [0, 150]]]])), ["accuracy"])["accuracy"]
    >>> measure.value.round(6).tolist(), measure.outcome.round(6).tolist()     # 0.85 * 0.15/200
    ([0.85], [0.000638])
    """

    name = "constant"
    needs_rows = False

    def __init__(self, reference: Table) -> None:
        self.counts, self.scores = reference.counts.sum(axis=0), reference.scores

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        size = float(self.counts.sum())
        share = self.counts / size
        n = windows.counts.sum(axis=(1, 2, 3)).astype(np.float64)
        out = {}
        for metric in metrics:
            value, pull = pull_of(metric, share, self.scores)
            of_row = float((share * pull**2).sum() - (share * pull).sum() ** 2)
            values = np.where(n > 0, float(value), np.nan)
            none = np.zeros(len(n))
            out[metric] = Measure(
                values, of_row / np.maximum(n, 1), none + of_row / size, none, np.full(len(n), np.inf)
            )
        return out
