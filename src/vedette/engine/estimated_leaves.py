"""What a reference's labelled rows say by leaf, and windows of which all rows were counted so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.leaf_columns import LEAVES
from vedette.engine.query import Span
from vedette.engine.reference_leaves import BY_LEAF
from vedette.engine.rehearsal import FOLDS
from vedette.engine.stored import labels_by_score, of_frame, score_middles
from vedette.engine.summarise import QUALITY
from vedette.engine.view import View, windows
from vedette.statistics.grid import Grid
from vedette.statistics.unlabelled import Leaves, Measure, Table, Windows, over_bins

__all__ = ["ByLeaf"]

COUNTED = 0.9
"""From this share of a window's rows on that were counted by leaf it has an estimate by leaves."""

_AT_ONCE = 2**21
"""Counts by leaf and score bin that are held at once: 16 MB."""


@dataclass(frozen=True, slots=True)
class ByLeaf:
    """Labelled rows of a reference by leaf, score bin, prediction and label, and the grid of leaves; ``folds`` are those
    outside of each fold of its stretches, on leaves of their own, with the rows of the fold by stretch."""

    table: Table
    grid: Grid
    edges: np.ndarray  # of the score bins
    folds: tuple[tuple[ByLeaf, np.ndarray], ...] = ()

    @classmethod
    def of(cls, seen: View) -> ByLeaf | None:
        """What a model's reference says by leaf; None where it cut no leaves."""
        grid, table = seen.shape.grids.get(LEAVES), _table(seen, BY_LEAF)
        if grid is None or table is None:
            return None
        edges, folds = seen.shape.grids[QUALITY].score_edges, []
        for number in range(FOLDS):
            part = f"{BY_LEAF}.{number}"
            rest, own = _table(seen, part), _rows(seen, part, LEAVES)
            if rest is None or own.is_empty():
                return None
            leaves = seen.grids[own["grid"][0]]
            folds.append((cls(rest, leaves, edges), _shaped(of_frame(own, leaves).counts, leaves)))
        return cls(table, grid, edges, tuple(folds))

    def windows(self, seen: View, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """The starts of windows with rows on these leaves, and their counts [W, leaf, step, prediction]."""
        found, summary = windows(seen, LEAVES, span)
        if summary is None or summary.grid != self.grid:
            return np.zeros(0, dtype=np.int64), _shaped(np.zeros((0, self.grid.cells)), self.grid)
        return found, _shaped(summary.counts, self.grid)

    def measures(
        self,
        by_leaf: np.ndarray,
        every: np.ndarray,
        metrics: Sequence[str],
        otherwise: Mapping[str, Measure],
    ) -> dict[str, Measure]:
        """The measures by leaves of windows by their rows [W, bin, prediction]; of those that were not counted by leaf what
        is said ``otherwise``."""
        if not len(every):
            return dict(otherwise)
        leaves, step = Leaves(self.table), max(_AT_ONCE // self.table.counts[..., 0].size, 1)
        parts = []
        for begin in range(0, len(every), step):
            at = slice(begin, begin + step)
            counts = over_bins(self.grid, by_leaf[at], every[at], self.edges)
            parts.append(leaves.estimate(Windows(counts), metrics))
        counted = by_leaf.sum(axis=(1, 2, 3)) >= COUNTED * every.sum(axis=(1, 2))
        return {
            metric: Measure.joined([part[metric] for part in parts]).where(counted, otherwise[metric])
            for metric in metrics
        }


def _rows(seen: View, part: str, column: str) -> pl.DataFrame:
    is_it = (pl.col("part") == part) & (pl.col("column") == column)
    return seen.summaries.filter(is_it).sort("start")


def _table(seen: View, part: str) -> Table | None:
    """The labelled rows of a part by leaf, where they were counted on the grid in force."""
    rows, grid = _rows(seen, part, QUALITY), seen.shape.grids.get(QUALITY)
    if grid is None or rows.is_empty() or set(rows["grid"]) != {grid.id}:
        return None
    counts = labels_by_score(of_frame(rows, grid))
    return Table(counts.astype(np.int64), score_middles(grid)) if counts.any() else None


def _shaped(counts: np.ndarray, grid: Grid) -> np.ndarray:
    """Counts [W, leaf, step, prediction of the two classes]."""
    steps, _, predictions = grid.shape
    return np.asarray(counts.reshape(-1, grid.length, steps, predictions)[..., :2], dtype=np.float64)
