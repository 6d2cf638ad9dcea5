"""Columns that are counted by their directions beside what they are: vectors, and texts that are free.

The column ``x`` of vectors or texts has one of its own, ``_directions.x``, for all rows and no segments. It is cut together
with that of ``x`` itself: on the pilot of a reference, or on the first rows of a column that came later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from vedette.engine.vectors import usual_length
from vedette.lake.rows import variants
from vedette.records import RESERVED
from vedette.statistics.direction_grid import TEXTS, VECTORS, basis_of, directions_grid
from vedette.statistics.grid import DIRECTIONS, Grid
from vedette.statistics.text_sketch import BUCKETS, ngram_shares

__all__ = ["along", "derived", "direction_grid_for", "feature_of"]

PILOT_MIN = 50
"""Vectors that a basis is cut on; fewer say nothing of where the others lie."""

LENGTH_MAX = (
    4096  # elements of a vector that are looked at: the axes of more would fill a grid with megabytes
)
CHARACTERS_MAX = 2000  # of each text: its beginning says what it is made of
DISTINCT_MIN = 0.5  # of the texts of a pilot: fewer are levels
WORDS_MIN = 2.0  # on average: a name, a code or a level is one word, or hardly more
CODE = r"^\S{0,64}$"  # without a space
CODES_MAX = 0.5  # of the texts of a pilot


def feature_of(column: str) -> str:
    """The feature whose directions a column counts; of another column itself.

    >>> feature_of("_directions.emb"), feature_of("emb")
    ('emb', 'emb')
    """
    return column.removeprefix(DIRECTIONS)


def derived(columns: Iterable[str], grids: Mapping[str, Grid]) -> list[str]:
    """The columns of directions of some columns: those that have a grid, those of vectors, and of columns that are new."""
    found = []
    for name in columns:
        own = f"{DIRECTIONS}{name}"
        if _may_have(name) and (own in grids or name not in grids or grids[name].kind == "vector"):
            found.append(own)
    return found


def _may_have(name: str) -> bool:
    return name not in RESERVED and not name.startswith(("_", "probability"))


def direction_grid_for(column: str, pilot: pl.DataFrame) -> Grid | None:
    """A grid of directions, cut on pilot rows; None where the column holds no vectors and no free texts."""
    name = feature_of(column)
    names = variants(pilot.columns, name)
    if not names:
        return None
    if isinstance(pilot.schema[names[0]], pl.List):
        length = usual_length(pilot[names[0]])
        if not 2 <= length <= LENGTH_MAX:
            return None
        rows, present = _vectors(pilot, name, length)
        rows, of = rows[present & np.isfinite(rows).all(axis=1)], VECTORS
    elif pilot.schema[names[0]] == pl.String and _is_free(pilot[names[0]].drop_nulls()):
        rows, of = _shares(pilot[names[0]].drop_nulls()), TEXTS
    else:
        return None
    return directions_grid(column, rows, of) if len(rows) >= PILOT_MIN else None


def _is_free(texts: pl.Series) -> bool:
    """True for texts that are seldom the same, of several words, and no codes."""
    if len(texts) < PILOT_MIN or texts.n_unique() < DISTINCT_MIN * len(texts):
        return False
    words = float((texts.str.count_matches(r"\s+") + 1).mean())  # type: ignore[arg-type]
    codes = int(texts.str.contains(CODE).sum())
    return words >= WORDS_MIN and codes <= CODES_MAX * len(texts)


def along(frame: pl.DataFrame, column: str, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The vectors [N, length] that a grid of directions counts, and which rows have one."""
    of, _ = basis_of(grid)
    name = feature_of(column)
    if of == VECTORS:
        return _vectors(frame, name, grid.length)
    out, present = np.zeros((frame.height, BUCKETS)), np.zeros(frame.height, dtype=bool)
    for one in variants(frame.columns, name):
        if frame.schema[one] == pl.String:
            there = frame[one].is_not_null().to_numpy()
            out[there], present = _shares(frame[one].drop_nulls()), present | there
    return out, present


def _vectors(frame: pl.DataFrame, name: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    out, present = np.zeros((frame.height, length)), np.zeros(frame.height, dtype=bool)
    for one in variants(frame.columns, name):
        if isinstance(frame.schema[one], pl.List):
            there = (frame[one].list.len() == length).fill_null(False).to_numpy()
            flat = frame[one].filter(pl.Series(there)).explode().cast(pl.Float64).fill_null(np.nan)
            out[there], present = flat.to_numpy().reshape(-1, length), present | there
    return out, present


def _shares(texts: pl.Series) -> np.ndarray:
    return ngram_shares(texts.str.head(CHARACTERS_MAX).to_list())
