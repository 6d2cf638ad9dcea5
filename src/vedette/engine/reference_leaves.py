"""What a reference tells by leaf: a tree over its features where labels differ from what scores say, and its rows counted so.

The tree is cut on all labelled rows, and five more for the rehearsal, each on four fifths of its stretches: on rows that
cut it a tree looks better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.columns import codes, scores
from vedette.engine.leaf_columns import LEAVES, leaf_of, read, summarise_leaf_rows, telling
from vedette.engine.rehearsal import FOLDS, Stretches, in_order
from vedette.engine.stored import Increment, score_middles
from vedette.engine.summarise import QUALITY, summarise_levels
from vedette.lake.rows import label_text
from vedette.statistics.grid import Grid
from vedette.statistics.unlabelled import Cut, Levels, Table, counted, cut_leaves, leaf_grid

__all__ = ["BY_LEAF", "NO_SCORES", "ReferenceLeaves", "reference_leaves"]

BY_LEAF = "leaves"
"""The part of the table ``summaries`` that has the labelled rows of a reference by leaf; ``leaves.0`` and so on are those
outside of each fold of its stretches, on leaves of their own, and the fold itself on these."""

ROWS_MIN = 1000
"""Labelled rows that a tree needs: ten leaves of a hundred."""

NO_SCORES = "no labels with probabilities of two classes"
"""Why a reference cut no leaves that has nothing to cut them by."""

ROWS_MAX, VALUES_MAX = 50_000, 2_000_000
"""Rows, and values of all features, that a tree is cut on, at even distances; more would not cut it better, but later."""


@dataclass(frozen=True, slots=True)
class ReferenceLeaves:
    """The leaves of a reference: ``grids`` are that of all rows and those of each fold, ``parts`` the counts on them, by part
    of the table ``summaries``."""

    grids: tuple[Grid, ...]
    parts: Mapping[str, Sequence[Increment]]


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """Labelled rows of two classes, as a tree reads them."""

    frame: pl.DataFrame
    columns: Mapping[str, np.ndarray | Levels]
    bins: np.ndarray
    prediction: np.ndarray
    label: np.ndarray
    known: np.ndarray  # bool: label and prediction are of the classes
    scored: np.ndarray  # bool: known, and with a score

    @classmethod
    def of(cls, frame: pl.DataFrame, features: Sequence[str], grids: Mapping[str, Grid]) -> _Labelled:
        grid = grids[QUALITY]
        label, prediction = (
            codes(label_text(frame, name), grid.classes)[0].astype(np.int64)
            for name in ("label", "prediction")
        )
        score = scores(frame, grid.classes)
        valid = (score >= 0) & (score <= 1)
        bins = np.where(
            valid, np.searchsorted(grid.score_edges, score, side="right"), len(grid.score_edges) + 1
        )
        columns = {name: read(frame, name, grids[name]) for name in features}
        known = (label >= 0) & (prediction >= 0)
        return cls(frame, columns, bins, prediction, label, known, known & valid)

    def cut(self, rows: np.ndarray, middles: np.ndarray) -> Cut | None:
        """Leaves of some of the rows, by mask."""
        at = np.flatnonzero(rows & self.known)
        most = min(ROWS_MAX, VALUES_MAX // max(len(self.columns), 1))
        if len(at) > most:
            at = at[np.arange(most) * len(at) // most]
        some = {
            name: Levels(one.cell[at], one.cells) if isinstance(one, Levels) else one[at]
            for name, one in self.columns.items()
        }
        return cut_leaves(some, self.bins[at], self.prediction[at], self.label[at], middles)


def reference_leaves(
    frame: pl.DataFrame,
    features: Sequence[str],
    grids: Mapping[str, Grid],
    stretches: Stretches | None,
    name: str,
    version: str,
) -> ReferenceLeaves | str:
    """The leaves of the labelled rows of a reference of two classes with scores, or why there are none.

    ``stretches`` are those of the rows; None where they were not cut.
    """
    told = telling(features, grids)
    rows = _Labelled.of(frame, told, grids)
    if not rows.scored.any():
        return NO_SCORES
    if not told:
        return "no feature of numbers or levels that may tell leaves"
    if rows.scored.sum() < ROWS_MIN or stretches is None:
        return f"{rows.scored.sum():,} labelled rows with probabilities: leaves need {ROWS_MIN:,}, and ten stretches of them"
    number, n_stretches = stretches
    middles = score_middles(grids[QUALITY])
    fold = number * FOLDS // n_stretches
    made, parts = [], {}
    for one in (None, *range(FOLDS)):
        learned = np.ones(len(fold), dtype=np.bool_) if one is None else fold != one
        cut = (
            rows.cut(learned, middles)
            if (rows.known & learned).sum() >= ROWS_MIN * (FOLDS - 1) // FOLDS
            else None
        )
        if cut is None:
            return "no feature tells where labels differ from what scores say"
        suffix = "" if one is None else f".{one}"
        table = _table(rows, learned, middles)
        grid = leaf_grid(f"{LEAVES}{suffix}", cut, grids[QUALITY], table, name)
        made.append(grid)
        found = [_by_leaf(frame.filter(pl.Series(learned)), grid, grids, version)]
        if one is not None:
            found.append(_fold(frame.filter(pl.Series(~learned)), number[~learned], grid, grids, version))
        parts[f"{BY_LEAF}{suffix}"] = found
    return ReferenceLeaves(tuple(made), parts)


def _table(rows: _Labelled, learned: np.ndarray, middles: np.ndarray) -> Table:
    """The rows learned from by score bin."""
    kept = rows.known & learned
    bins, prediction, label = (part[kept] for part in (rows.bins, rows.prediction, rows.label))
    return Table(counted(1, len(middles), np.zeros_like(bins), bins, prediction, label)[0], middles)


def _by_leaf(frame: pl.DataFrame, grid: Grid, grids: Mapping[str, Grid], version: str) -> Increment:
    """Labelled rows on the grid of labels, a window for each leaf: their order is all that is told of them."""
    leaf = leaf_of(frame, grid, grids)
    summary = summarise_levels(frame, QUALITY, grids[QUALITY], leaf, grid.length).effective
    order = in_order(frame, np.arange(grid.length))
    return Increment(version, QUALITY, order, order, summary)


def _fold(
    frame: pl.DataFrame, number: np.ndarray, grid: Grid, grids: Mapping[str, Grid], version: str
) -> Increment:
    """The stretches of a fold, by the leaves that the others cut."""
    own, at = np.unique(number, return_inverse=True)
    order = in_order(frame, own)
    return Increment(version, LEAVES, order, order, summarise_leaf_rows(frame, grid, grids, at, len(own)))
