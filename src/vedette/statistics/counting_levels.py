"""The summary of a category whose levels were counted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vedette.statistics.grid import Grid
from vedette.statistics.hashes import KEPT, hashes_of_names, smallest
from vedette.statistics.summary import Summary

__all__ = ["summarise_levels"]


def summarise_levels(grid: Grid, levels: Mapping[str, int], missing: int = 0, kept: int = KEPT) -> Summary:
    """The summary of one window of a category, from how often each of its levels came up.

    The same as ``summarise_category`` on the rows. Raises ``ValueError`` where the grid is not a category's.

    >>> from vedette.statistics import category_grid
    >>> summarise_levels(category_grid("c", {"a": 2, "b": 1}), {"b": 4, "z": 1}).counts.tolist()
    [[0, 4, 0, 1]]
    """
    if grid.kind != "category":
        raise ValueError(f"grid of {grid.column!r} is of kind {grid.kind!r}: must be category")
    cells = {name: cell for cell, name in enumerate(grid.levels)}
    cells |= dict.fromkeys(grid.known, len(grid.levels))
    names, times = list(levels), np.fromiter(levels.values(), dtype=np.int64, count=len(levels))
    at = np.array([cells.get(name, len(grid.levels) + 1) for name in names], dtype=np.int64)
    out = Summary.empty(grid, 1, kept)
    np.add.at(out.counts[0], at, times)
    out.rows[0], out.missing[0] = int(times.sum()) + missing, missing
    held = hashes_of_names(name for name, count in levels.items() if count > 0)
    return replace(out, hashes=smallest(held, np.zeros(len(held), dtype=np.int64), 1, kept))
