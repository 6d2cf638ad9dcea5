"""The column of leaves: which features may tell them, and the leaf of each row as rows are summarised.

A model has it where a reference with labels and probabilities of two classes cut a tree (``reference_leaves.py``). It
counts all rows, labelled or not, and no segments. Of levels the tree knows the cells of their own grid, never their texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from vedette.engine.columns import category_texts, codes, numbers, scores
from vedette.lake.rows import label_text
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import Levels, cut_of_grid, summarise_leaves

__all__ = ["LEAVES", "in_force", "leaf_of", "read", "summarise_leaf_rows", "telling"]

LEAVES = "_leaves"
"""The column of the leaf x step of scores x prediction counts of all rows of two classes."""

_HASH = re.compile(r"[0-9a-f]{32}")  # as ``privacy.hashed`` writes them


def telling(features: Iterable[str], grids: Mapping[str, Grid]) -> list[str]:
    """The features that may tell leaves: numbers, and levels that are neither hashes nor encrypted.

    Most levels must have a cell of their own: of identifiers, free texts and times nearly all will be new. What is private in
    a row says nothing that may be kept of it here either.
    """
    return [name for name in features if name in grids and _may_tell(grids[name])]


def _may_tell(grid: Grid) -> bool:
    if grid.kind == "numeric":
        return True
    levels = [*grid.levels, *grid.known]
    if grid.kind != "category" or not levels or len(grid.known) > len(grid.levels):
        return False
    return not all(_HASH.fullmatch(one) for one in levels)


def read(frame: pl.DataFrame, name: str, grid: Grid | None) -> np.ndarray | Levels:
    """A feature of rows as leaves read it: numbers float64 [N], NaN where missing, or the cells of levels."""
    if grid is None or grid.kind != "category":
        values, present = numbers(frame, name)
        return np.where(present, values, np.nan)
    texts = category_texts(frame, name)
    code = codes(texts, [*grid.levels, *grid.known])[0].astype(np.int64)
    cell = np.where(code < 0, len(grid.levels) + 1, np.minimum(code, len(grid.levels)))
    return Levels(np.where(texts.is_null().to_numpy(), -1, cell), grid.cells)


def leaf_of(frame: pl.DataFrame, grid: Grid, grids: Mapping[str, Grid]) -> np.ndarray:
    """The leaf int64 [N] of each row, on a grid of leaves; ``grids`` are those of the features."""
    cut, _ = cut_of_grid(grid)
    return cut.leaves({one.name: read(frame, one.name, grids.get(one.name)) for one in cut.features})


def summarise_leaf_rows(
    frame: pl.DataFrame, grid: Grid, grids: Mapping[str, Grid], windows: np.ndarray, n_windows: int
) -> Summary:
    """The summaries of rows by leaf over windows (the window of each row by number)."""
    code, names = codes(label_text(frame, "prediction"))
    leaf = leaf_of(frame, grid, grids)
    return summarise_leaves(grid, leaf, code, names, scores(frame, grid.classes), windows, n_windows)


def in_force(grids: Mapping[str, Grid], reference: str | None) -> dict[str, Grid]:
    """The grids by column, without leaves that are not of the reference of this name, nor those of its rehearsal."""
    kept = {column: grid for column, grid in grids.items() if not column.startswith(LEAVES)}
    own = grids.get(LEAVES)
    return kept if own is None or cut_of_grid(own)[1] != reference else {**kept, LEAVES: own}
