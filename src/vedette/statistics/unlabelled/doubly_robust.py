"""Doubly robust estimation: a model of labels by leaf, mended by the weighted errors that it makes on the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.importance import Weighting, effective_rows
from vedette.statistics.unlabelled.leaves import DOUBT_ROWS, Leaves, partition
from vedette.statistics.unlabelled.tables import Measure, Rows, Table, Windows, counted, measured

__all__ = ["DoublyRobust"]

Floats = npt.NDArray[np.float64]


class DoublyRobust:
    """The quality that leaves expect of a window, mended by what they get wrong on the reference weighted to look like it.

    With g the chance of label 1 by leaf, step of scores and prediction, and w the ratio of densities, window to
    reference: a cell's chance is that of g over the window's rows in it, and sum w (label - g)/(sum w + 50) over the
    reference's rows of the same step and prediction. Right where *either* g *or* w is. Needs rows.

    Sources: J. M. Robins, A. Rotnitzky and L. P. Zhao (1994), JASA 89, 846-866; M. Dudík, J. Langford and L. Li (2011),
    ICML.
    """

    name = "doubly_robust"
    needs_rows = True

    def __init__(self, reference: Rows, scores: Floats, weighting: Weighting | None = None) -> None:
        self.scores, self.weighting = scores, weighting or Weighting.of(reference)
        self.partition = partition(reference, scores)
        leaf, known = self.partition.leaves(reference.features), reference.label >= 0
        counts = counted(
            len(self.partition),
            len(scores),
            leaf[known],
            reference.bin[known],
            reference.prediction[known],
            reference.label[known],
        )
        self.model = Leaves(Table(counts[0], scores))
        own = self.weighting.rows
        self.expected = self.model.chance[self.partition.leaves(own.features), own.bin, own.prediction]

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        weights = self.weighting.of_each(windows)
        step, n_bins, own = self.model.step, len(self.scores), self.weighting.rows
        n_steps, n_leaves = int(step.max()) + 1, len(self.partition)
        n = np.zeros((len(windows), n_leaves, n_bins, 2))
        moved = np.zeros((len(windows), n_steps, 2))
        noise = np.zeros_like(moved)
        effective = np.zeros(len(windows))
        cell = step[own.bin] * 2 + own.prediction
        off = own.label - self.expected
        for number, (window, weight) in enumerate(zip(windows.rows, weights, strict=True)):
            leaf = self.partition.leaves(window.features)
            n[number] = counted(n_leaves, n_bins, leaf, window.bin, window.prediction)[0]
            total, error, square = (
                np.bincount(cell, part, n_steps * 2).reshape(n_steps, 2)
                for part in (weight, weight * off, (weight * off) ** 2)
            )
            moved[number] = error / (total + DOUBT_ROWS)
            noise[number] = square / (total + DOUBT_ROWS) ** 2
            effective[number] = effective_rows(weight)
        chance = np.clip(self.model.chance + moved[:, np.newaxis, step], 1e-6, 1 - 1e-6)
        held = n.sum(axis=1, keepdims=True)
        chance = (n * chance).sum(axis=1, keepdims=True) / np.maximum(held, 1)
        chance = np.where(held > 0, chance, 0.5)
        return {
            metric: measured(
                metric,
                held,
                chance,
                np.zeros((1, n_steps, 2)),
                self.scores,
                step=step,
                weights=noise[:, np.newaxis],
                effective=effective,
            )
            for metric in metrics
        }
