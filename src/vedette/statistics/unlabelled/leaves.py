"""Recalibration leaf by leaf: counts tell where in the feature space labels differ from what scores say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.confidence import calibrated
from vedette.statistics.unlabelled.tables import Measure, Rows, Table, Windows, measured, score_steps
from vedette.statistics.unlabelled.trees import Binned, Tree, cut_of, grow

__all__ = ["LEAVES", "Leaves", "Partition", "partition"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAVES = 16
"""Few enough that a window of hundreds of rows has some of each."""

DOUBT_ROWS = 50.0
"""As many rows of a leaf and step are taken to be as the scores say: less than that tells nothing of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Leaves of the feature space, cut once and for all, so that counts by leaf add up.

    The last leaf is of rows with a value that the reference has not: below its least or above its greatest, missing where
    none was, or a new value of a feature of few (32) values. The reference has none of those.
    """

    bins: Binned
    tree: Tree

    def __len__(self) -> int:
        return len(self.tree.value) + 1

    def leaves(self, features: npt.ArrayLike) -> Integers:
        """The leaf int64 [N] of rows of features [N, D]."""
        codes = self.bins.codes(features)
        return np.where(self.bins.outside(features), len(self.tree.value), self.tree.leaves(codes))


def partition(rows: Rows, scores: Floats, leaves: int = LEAVES, rows_min: float | None = None) -> Partition:
    """Leaves of the reference that are best at telling errors of the scores apart.

    A regression tree on label - chance, apart for the two predictions: scores that are too sure are off upwards in the one
    and downwards in the other. The chance is that of the row's score bin and prediction over the whole reference; each leaf
    holds a hundredth of the rows or more. Rows without a label are left out.
    """
    known = rows.take(rows.label >= 0)
    n = len(known.bin)
    if not n:
        raise ValueError("rows: none has a label to cut leaves by")
    counts = np.zeros((len(scores), 2, 2))
    np.add.at(counts, (known.bin, known.prediction, known.label), 1.0)
    chance, _ = calibrated(counts[..., 1], counts.sum(axis=-1), scores)
    expected = chance[known.bin, known.prediction]
    bins = cut_of(known.features)
    tree = grow(
        bins.codes(known.features),
        known.label - expected,
        expected * (1 - expected),
        leaves=leaves,
        rows_min=n / 100 if rows_min is None else rows_min,
        ridge=DOUBT_ROWS / 4,
        group=known.prediction,
    )
    return Partition(bins, tree)


class Leaves:
    """The quality that is to be expected of a window's counts by leaf, score bin and prediction.

    The chance of label 1 is that of the score bin and prediction in the whole reference, moved by what the leaf's rows
    are off in that step of scores: sum (label - chance)/(rows + 50) over the reference's rows of the leaf, step and
    prediction. Right where labels depend on rows through the scores *and the leaves* as they did in the reference, so
    also where a window has more rows of a part of the feature space in which the model is too sure. Counts alone are
    needed, they add up over shards, and a leaf that the window has more of weighs more, as in importance weighting.

    Sources: M. Chen, K. Goel, N. S. Sohoni, F. Poms, K. Fatahalian and C. Ré (2021), arXiv 2107.00643 (Mandoline);
    M. P. Kim, C. Kern, S. Goldwasser, F. Kreuter and O. Reingold (2022), PNAS 119 (universal adaptability).

    >>> counts = np.zeros((2, 1, 2, 2), dtype=np.int64)
    >>> counts[0, 0, 1], counts[1, 0, 1] = [100, 9900], [4000, 6000]       # of one score, right 0.99 and 0.6 of the time
    >>> window = Windows(np.array([[[[0, 500]], [[0, 500]]], [[[0, 0]], [[0, 1000]]]]))
    >>> Leaves(Table(counts, np.array([0.8]))).estimate(window, ["accuracy"])["accuracy"].value.round(2).tolist()
    [0.8, 0.6]
    """

    name = "leaves"
    needs_rows = False

    def __init__(self, reference: Table) -> None:
        counts = reference.counts.astype(np.float64)
        whole = counts.sum(axis=0)
        self.scores = reference.scores
        chance, _ = calibrated(whole[..., 1], whole.sum(axis=-1), reference.scores)
        rows, hits = counts.sum(axis=-1), counts[..., 1]
        self.step = score_steps(reference)
        n_steps = int(self.step.max()) + 1
        first = np.searchsorted(self.step, np.arange(n_steps))
        held, off, spread = (
            np.add.reduceat(part, first, axis=1)
            for part in (rows, hits - rows * chance, rows * chance * (1 - chance))
        )
        moved = off / (held + DOUBT_ROWS)
        usual = spread / np.maximum(held, 1)
        self.chance = np.clip(chance + moved[:, self.step], 1e-6, 1 - 1e-6)
        # of a cell without rows nothing is known: its chance may as well be any
        self.noise = np.where(held > 0, usual / (held + DOUBT_ROWS), 0.25)

    def estimate(self, windows: Windows, metrics: Sequence[str]) -> Mapping[str, Measure]:
        """The measures of each metric; see ``ClassEstimator``."""
        if windows.counts.shape[1] != len(self.chance):
            raise ValueError(
                f"windows of {windows.counts.shape[1]} leaves: must be the reference's {len(self.chance)}"
            )
        n = windows.counts.astype(np.float64)
        return {
            metric: measured(metric, n, self.chance, self.noise, self.scores, step=self.step)
            for metric in metrics
        }
