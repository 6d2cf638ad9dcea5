"""Importance-weighted calibration: the reference's rows weighted so that they are distributed like the window's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.confidence import calibrated
from vedette.statistics.unlabelled.tables import Measure, Rows, Windows, measured
from vedette.statistics.unlabelled.trees import Binned, boost, cut_of

__all__ = ["ROWS_MAX", "Importance", "Weighting", "effective_rows"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROWS_MAX = 5000
"""Rows at most of the reference that are weighted, evenly from first to last: for each window a classifier is fitted."""

WEIGHT_MAX = 50.0
"""A row stands for no more than fifty: beyond that a single label would speak for the window."""


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """The rows of a reference with labels, and what tells how much each counts for a window."""

    rows: Rows
    bins: Binned
    codes: Integers
    _last: list[tuple[Windows, list[Floats]]] = field(default_factory=list)

    @classmethod
    def of(cls, reference: Rows) -> Weighting:
        """Of at most ``ROWS_MAX`` labelled rows of the reference, evenly chosen."""
        known = np.flatnonzero(reference.label >= 0)
        if not len(known):
            raise ValueError("reference: no row has a label to weigh")
        n = min(len(known), ROWS_MAX)
        rows = reference.take(known[np.arange(n) * len(known) // n])
        bins = cut_of(rows.features)
        return cls(rows, bins, bins.codes(rows.features))

    def weights(self, window: Rows) -> Floats:
        """The density ratio float64 [N], window to reference, at each row of the reference; its mean is 1.

        A classifier is taught to tell the two apart, and the ratio is its odds (Bickel, Brückner and Scheffer 2009,
        Journal of Machine Learning Research 10, 2137-2155).
        """
        codes = np.concatenate([self.codes, self.bins.codes(window.features)], axis=1)
        label = np.repeat([0, 1], [len(self.rows.bin), len(window.bin)])
        odds = boost(codes, label).log_odds(self.codes)
        weight = np.exp(odds - odds.max())
        return np.asarray(np.minimum(weight / weight.mean(), WEIGHT_MAX))

    def of_each(self, windows: Windows) -> list[Floats]:
        """The weights for each window; asked again of the same windows, those that were found."""
        if len(windows.rows) != len(windows):
            raise ValueError("windows: weighting needs their rows")
        if not (self._last and self._last[0][0] is windows):
            self._last[:] = [(windows, [self.weights(rows) for rows in windows.rows])]
        return self._last[0][1]


class Importance:
    """The quality that is to be expected of a window's scores, calibrated on a reference weighted to look like it.

    As ``confidence``, but the chances are weighted shares: a reference row counts by the ratio of densities, window to
    reference, at its features, which a classifier of the two (boosted trees) tells. Right where labels depend on
    *features* as they did in the reference, so that the distribution of features may change; of no use where the
    window has rows unlike any of the reference. The noise of weights is what is left of the rows of each cell,
    (sum w)^2/sum w^2, as against all of them. Needs rows.

    Sources: H. Shimodaira (2000), Journal of Statistical Planning and Inference 90, 227-244; J. Białek et al. (2024),
    arXiv 2401.08348 (M-CBPE, PAPE).
    """

    name = "importance"
    needs_rows = True

    def __init__(self, reference: Rows, scores: Floats, weighting: Weighting | None = None) -> None:
        self.scores, self.weighting = scores, weighting or Weighting.of(reference)

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        _, base = _chances(self.weighting.rows, self.scores, np.ones(len(self.weighting.rows.bin)))
        chance, noise, effective = (np.stack(parts) for parts in zip(*self._of_each(windows), strict=True))
        n = windows.counts.sum(axis=1, keepdims=True).astype(np.float64)
        return {
            metric: measured(
                metric,
                n,
                chance[:, np.newaxis],
                base,
                self.scores,
                weights=np.maximum(noise - base, 0.0)[:, np.newaxis],
                effective=effective,
            )
            for metric in metrics
        }

    def _of_each(self, windows: Windows) -> Iterator[tuple[Floats, Floats, Floats]]:
        for weight in self.weighting.of_each(windows):
            yield *_chances(self.weighting.rows, self.scores, weight), effective_rows(weight)


def _chances(rows: Rows, scores: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The chance of label 1 [bin, prediction] and its variance, from weighted rows that count as their effective number."""
    shape = (len(scores), 2, 2)
    cell = (rows.bin * 2 + rows.prediction) * 2 + rows.label
    size = int(np.prod(shape))
    sums, squares = (np.bincount(cell, weight**power, size).reshape(shape) for power in (1, 2))
    total, square = sums.sum(axis=-1), squares.sum(axis=-1)
    shrink = total / np.maximum(square, 1e-300)  # effective rows over the sum of weights
    return calibrated(sums[..., 1] * shrink, total * shrink, scores)


def effective_rows(weight: Floats) -> Floats:
    """How many rows of equal weight say as much: (sum w)^2/sum w^2 (L. Kish 1965, Survey Sampling, 11.7)."""
    return np.asarray(weight.sum() ** 2 / (weight**2).sum())
