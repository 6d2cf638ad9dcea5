"""The grid of leaves: a frozen tree over features, and rows counted by leaf, step of scores and prediction.

What leaves add to score bins is told in steps, so that is how rows of windows are counted: 17 leaves x 9 steps are a few
hundred cells where 17 x 129 bins would be thousands. A reference, of which there is one, is counted by leaf and bin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting_rows import check_grid, checked_codes, windows_of
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled.confidence import calibrated
from vedette.statistics.unlabelled.leaves import DOUBT_ROWS, Partition, partition
from vedette.statistics.unlabelled.tables import Rows, Table, counted, score_steps
from vedette.statistics.unlabelled.trees import Binned, Tree

__all__ = [
    "Cut",
    "LeafFeature",
    "Levels",
    "cut_leaves",
    "cut_of_grid",
    "leaf_grid",
    "over_bins",
    "summarise_leaves",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAF_ROWS = 100
"""Rows of a leaf at least: of fewer neither the leaf nor who is in it should say anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A column of levels: the cell int64 [N] of each row on a grid of so many ``cells``, -1 where it has no value."""

    cell: Integers
    cells: int


@dataclass(frozen=True, slots=True)
class LeafFeature:
    """A feature that leaves are told by; of levels the number that each cell of their grid is taken for, else None."""

    name: str
    ranks: tuple[float, ...] | None = None

    def numbers(self, column: Floats | Levels) -> Floats:
        """The feature as numbers float64 [N], NaN where missing.

        Of levels on another grid than the leaves were cut on none is known, as if all were new.
        """
        if not isinstance(column, Levels):
            return column
        ranks = np.array(self.ranks if self.ranks is not None else (), dtype=np.float64)
        if len(ranks) != column.cells:
            ranks = np.full(column.cells, np.inf)
        return np.append(ranks, np.nan)[column.cell]  # -1: the last


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Leaves that are told by some features, in this order."""

    features: tuple[LeafFeature, ...]
    partition: Partition

    def __len__(self) -> int:
        return len(self.partition)

    def leaves(self, columns: Mapping[str, Floats | Levels]) -> Integers:
        """The leaf int64 [N] of each row; ``KeyError`` where a feature is not among the columns."""
        bins, tree = self.partition.bins, self.partition.tree
        codes, outside = [], np.zeros(0, dtype=np.bool_)
        for number, one in enumerate(self.features):
            column = columns[one.name]
            if isinstance(
                column, Levels
            ):  # of cells there are few: each is looked at once, the last stands for none
                code, new = bins.code(number, one.numbers(Levels(np.arange(-1, column.cells), column.cells)))
                code, new = code[column.cell + 1], new[column.cell + 1]
            else:
                code, new = bins.code(number, column)
            codes.append(code)
            outside = new if not number else outside | new
        leaf = tree.leaves(np.stack(codes))
        leaf[outside] = len(self.partition) - 1
        return leaf


def cut_leaves(
    columns: Mapping[str, Floats | Levels],
    bins: Integers,
    prediction: Integers,
    label: Integers,
    scores: Floats,
) -> Cut | None:
    """Leaves by those of the ``columns`` that tell best where labels differ from what scores say; None where none does.

    ``bins``, ``prediction`` and ``label`` int64 [N] of labelled rows of two classes, as in ``Rows``. Levels are ordered by
    how much more often predictions are right than scores say, those with few rows drawn towards not at all; to tell means
    apart such an order is as good as all ways to part them (W. D. Fisher 1958, JASA 53, 789-798). A level that none of the
    rows has, a value missing where none was, and a number outside of theirs go to the last leaf. Each other leaf has a
    hundred rows or more.

    >>> at = np.arange(2000) % 2
    >>> cut = cut_leaves({"c": Levels(at, 3)}, np.zeros(2000, int), at * 0, 1 - at, np.array([0.5]))
    >>> len(cut), cut.leaves({"c": Levels(np.array([0, 1, 2, -1]), 3)}).tolist()     # a new level, and none
    (3, [0, 1, 2, 2])
    """
    counts = counted(1, len(scores), np.zeros_like(bins), bins, prediction, label)[0, 0].astype(np.float64)
    chance = calibrated(counts[..., 1], counts.sum(axis=-1), scores)[0][bins, prediction]
    off, spread = (label - chance) * (2 * prediction - 1), chance * (1 - chance)
    features = [
        LeafFeature(name, _ranks(column, off, spread) if isinstance(column, Levels) else None)
        for name, column in columns.items()
    ]
    if not features:
        return None
    numbers = np.stack([one.numbers(columns[one.name]) for one in features], axis=1)
    rows = Rows(numbers, bins, prediction, label)
    found = partition(rows, scores, rows_min=max(len(bins) / 100, LEAF_ROWS))
    used = np.unique(found.tree.feature[found.tree.feature >= 0])
    if not len(used):
        return None
    return Cut(tuple(features[one] for one in used), _only(found, used))


def _ranks(column: Levels, off: Floats, spread: Floats) -> tuple[float, ...]:
    """The rank of each cell by how far its rows are off on average; of those without rows a number beyond all."""
    there = column.cell >= 0
    at = column.cell[there]
    rows, own, weight = (
        np.bincount(at, part, column.cells) for part in (np.ones(len(at)), off[there], spread[there])
    )
    held = np.flatnonzero(rows)
    mean = own[held] / (weight[held] + DOUBT_ROWS / 4)
    ranks = np.full(column.cells, float(len(held)))
    ranks[held[np.argsort(mean, kind="stable")]] = np.arange(len(held))
    return tuple(ranks.tolist())


def _only(found: Partition, used: Integers) -> Partition:
    """The same leaves, told by the features that they are cut by; others may have any value."""
    tree, bins = found.tree, found.bins
    feature = np.where(tree.feature >= 0, np.searchsorted(used, tree.feature), -1)
    kept = Binned(*(tuple(part[one] for one in used) for part in (bins.edges, bins.seen, bins.missing)))
    return Partition(kept, Tree(feature, tree.cut, tree.left, tree.right, tree.leaf, tree.value))


def leaf_grid(column: str, cut: Cut, scored: Grid, reference: Table, source: str) -> Grid:
    """The grid that counts rows by leaf, and by step of the scores of a ``scored`` grid.

    Steps are those of ``score_steps`` on the reference. ``source`` names it: leaves of another reference are another grid,
    whatever they are.
    """
    step = score_steps(reference)[:-1]
    content: dict[str, Any] = {
        "reference": source,
        "features": [{"name": one.name, "ranks": one.ranks} for one in cut.features],
        "edges": [one.tolist() for one in cut.partition.bins.edges],
        "seen": [one.tolist() for one in cut.partition.bins.seen],
        "missing": list(cut.partition.bins.missing),
        "tree": {name: getattr(cut.partition.tree, name).tolist() for name in _TREE},
    }
    return Grid(
        column,
        "leaves",
        classes=scored.classes,
        score_edges=scored.score_edges[np.flatnonzero(np.diff(step))],
        length=len(cut),
        basis=json.dumps(content, sort_keys=True),
    )


_TREE = ("feature", "cut", "left", "right", "leaf", "value")


@lru_cache(maxsize=64)
def cut_of_grid(grid: Grid) -> tuple[Cut, str]:
    """The leaves of a grid, and the name of the reference that they were cut on."""
    check_grid(grid, ("leaves",))
    content: dict[str, Any] = json.loads(grid.basis)
    features = tuple(
        LeafFeature(one["name"], None if one["ranks"] is None else tuple(one["ranks"]))
        for one in content["features"]
    )
    edges, seen = (
        tuple(np.array(part, dtype=np.float64) for part in content[name]) for name in ("edges", "seen")
    )
    feature, cut, left, right, leaf = (np.array(content["tree"][name], dtype=np.int64) for name in _TREE[:-1])
    tree = Tree(feature, cut, left, right, leaf, np.array(content["tree"]["value"], dtype=np.float64))
    return Cut(features, Partition(Binned(edges, seen, tuple(content["missing"])), tree)), content[
        "reference"
    ]


def summarise_leaves(
    grid: Grid,
    leaf: npt.ArrayLike,
    predictions: npt.ArrayLike,
    names: Sequence[str],
    score: npt.ArrayLike,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
) -> Summary:
    """The summary of rows by leaf int [N], step of scores and prediction; each is counted, whether its label is known or not.

    ``predictions`` int [N] are places in ``names``, -1 where null; ``score`` float64 [N] the probability of the second
    class, NaN or outside [0, 1] where there is none.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not of the kind.
    """
    check_grid(grid, ("leaves",))
    prediction = checked_codes("predictions", predictions, len(names))
    leaves, scores = checked_codes("leaf", leaf, grid.length), np.asarray(score, dtype=np.float64)
    n = len(prediction)
    if scores.shape != (n,) or leaves.shape != (n,) or (n and leaves.min() < 0):
        raise ValueError(
            f"leaf {leaves.shape}, score {scores.shape}: must be one for each of {n} predictions"
        )
    into = windows_of(window, n, n_windows)
    places = {name: place for place, name in enumerate(grid.classes)}
    place_of = np.array([*(places.get(name, 2) for name in names), 3], dtype=np.int64)
    n_steps, _, n_predictions = grid.shape
    valid = (scores >= 0) & (scores <= 1)
    step = np.where(valid, np.searchsorted(grid.score_edges, scores, side="right"), n_steps - 1)
    flat = ((into * grid.length + leaves) * n_steps + step) * n_predictions + place_of[prediction]
    out = Summary.empty(grid, n_windows, 0)
    out.rows[:] = np.bincount(into, minlength=n_windows)
    out.counts[:] = np.bincount(flat, minlength=n_windows * grid.cells).reshape(n_windows, grid.cells)
    return out


def over_bins(grid: Grid, by_leaf: npt.ArrayLike, every: npt.ArrayLike, edges: Floats) -> Floats:
    """Rows by leaf and score bin, float64 [W, leaf, bin, prediction]: within a step scores of all leaves are taken to be alike.

    ``by_leaf`` [W, leaf, step, prediction] says which share of a step's rows are of a leaf, ``every`` [W, bin, prediction]
    how many rows there are; ``edges`` are those of the bins. Rows of a step of which none is counted by leaf are in the
    last one. What depends on leaves and steps alone is exact.
    """
    counts, rows = np.asarray(by_leaf, dtype=np.float64), np.asarray(every, dtype=np.float64)
    step = np.append(
        np.searchsorted(grid.score_edges, np.append(-np.inf, edges), side="right"), grid.shape[0] - 1
    )
    held = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, held, out=np.zeros_like(counts), where=held > 0)
    share[:, -1] += np.where(held[:, 0] > 0, 0.0, 1.0)
    return np.asarray(share[:, :, step] * rows[:, np.newaxis])
