"""All columns of two files together: rows from all over both, and how well a classifier tells which file they are from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.two_files.described import Compared
from vedette.engine.two_files.directions import estimate_of
from vedette.engine.two_files.source import PILOT_ROWS, Source, as_floats, names_of
from vedette.output.comparison import Column, Together
from vedette.statistics.domain import ROWS_MIN, domain_classifier
from vedette.statistics.domain_features import DEGREES, level_features, number_features, vector_features

__all__ = ["Drawn", "compare_together", "draw"]

COLUMNS_MIN = 2  # of one column its own tests say more
COLUMNS_MAX = 1000
FEATURES_MAX = 600  # of all columns: with more the fit would take minutes
PAIRS_MAX = 200
SHARES_TOLD = 8
SEED = 20261128
_ROLES = ("feature", "prediction", "probability")
_KINDS = ("numeric", "category", "boolean", "vector", "text")


@dataclass(frozen=True, slots=True)
class Drawn:
    """Rows of one column: ``current`` and ``reference`` are numbers [N], levels [N] or vectors, by ``kind``.

    ``inflated`` is how many rows that follow each other are worth one.
    """

    name: str
    kind: str
    current: np.ndarray
    reference: np.ndarray
    inflated: float


def draw(column: Column, found: Compared | None, sources: Sequence[Source | None]) -> Drawn | None:
    """The rows of a column that a classifier is given; None for what both files do not have, or that is not compared."""
    held = [one for one in sources if one is not None]
    if (
        found is None
        or len(held) < 2
        or column.role not in _ROLES
        or column.kind not in _KINDS
        or found.reason is not None
    ):
        return None
    rows = [one.scattered() for one in held]
    if column.kind == "vector":
        sides = [_vectors(one, found.lengths[0]) for one in rows]
    elif column.kind == "numeric":
        sides = [_numbers(one) for one in rows]
    elif column.kind == "text":
        sides = [_sizes(one) for one in rows]
    else:
        sides = _codes(rows)
    return Drawn(column.name, column.kind, sides[0], sides[1], found.inflated)


def _numbers(column: pl.Series) -> np.ndarray:
    return as_floats(column).fill_null(float("nan")).to_numpy()


def _sizes(column: pl.Series) -> np.ndarray:
    """The lengths of texts in bytes."""
    sizes = column.bin.size() if column.dtype == pl.Binary else column.cast(pl.String).str.len_bytes()
    return _numbers(sizes)


def _codes(rows: Sequence[pl.Series]) -> list[np.ndarray]:
    """Levels as numbers, the same in both files; -1 where there is none."""
    names = [names_of(one) for one in rows]
    known = pl.concat(names).drop_nulls().unique().sort()
    codes = np.arange(len(known))
    return [
        one.replace_strict(known, codes, default=-1, return_dtype=pl.Int64).to_numpy().astype(np.int32)
        for one in names
    ]


def _vectors(column: pl.Series, length: int) -> np.ndarray:
    """Vectors as float32 [N, length], NaN where there is none of that length."""
    listed = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    there = (listed.list.len() == length).fill_null(False)
    out = np.full((len(listed), length), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):
        out[there.to_numpy()] = (
            listed.filter(there).explode().cast(pl.Float64, strict=False).to_numpy().reshape(-1, length)
        )
    return out


def compare_together(drawn: Sequence[Drawn], rows: Sequence[int]) -> Together | None:
    """What a classifier over the columns says; None where there are fewer than two, ``rows`` are those of both files.

    Rows like those before them are thinned until what is left is nearly independent: every k-th of the drawn ones, k
    twice the number that are worth one over how far apart they were drawn.
    """
    if len(drawn) < COLUMNS_MIN:
        return None
    random = np.random.default_rng(SEED)
    chosen = list(drawn)
    if len(chosen) > COLUMNS_MAX:
        chosen = [drawn[at] for at in sorted(random.choice(len(drawn), COLUMNS_MAX, replace=False))]
    inflated = max(one.inflated for one in chosen)
    steps = [_step(n, inflated) for n in rows]
    counts = [
        len(range(0, len(side), step))
        for side, step in zip((chosen[0].current, chosen[0].reference), steps, strict=True)
    ]
    degrees = max(1, min(DEGREES, FEATURES_MAX // len(chosen)))
    features = {one.name: _features(one, steps, degrees) for one in chosen}
    current = np.arange(sum(counts)) < counts[0]
    pairs = _pairs([one.name for one in chosen if one.kind == "numeric"], features, random)
    found = domain_classifier(features, current, pairs)
    shares = {name: estimate_of(one) for name, one in [*found.shares.items()][:SHARES_TOLD]}
    reason = found.auc.reason
    if reason is not None and inflated > 1 and min(counts) < ROWS_MIN:
        reason = "rows are like those before them: too few are worth one"
    return Together(
        estimate_of(found.auc), counts[1], len(chosen), found.p_value, None, None, reason, "", shares
    )


def _step(rows: int, inflated: float) -> int:
    apart = max(1.0, rows / PILOT_ROWS)
    return 1 if inflated <= 1 else max(1, int(np.ceil(2 * inflated / apart)))


def _features(one: Drawn, steps: Sequence[int], degrees: int) -> np.ndarray:
    both = np.concatenate([one.current[:: steps[0]], one.reference[:: steps[1]]])
    if one.kind == "vector":
        return vector_features(both, np.isfinite(both).all(axis=1), 2 * degrees)
    if one.kind in ("numeric", "text"):
        return number_features(both, degrees)
    return level_features(both, 3 * degrees)


def _pairs(
    numeric: Sequence[str], features: dict[str, np.ndarray], random: np.random.Generator
) -> list[tuple[str, str]]:
    """Pairs of numeric columns, as many as there is room for: all, or some by chance."""
    every = (
        [(one, other) for at, one in enumerate(numeric) for other in numeric[:at]]
        if len(numeric) <= 200
        else []
    )
    room = min(PAIRS_MAX, FEATURES_MAX - sum(one.shape[1] for one in features.values()))
    if len(every) <= max(room, 0):
        return every
    return [every[at] for at in sorted(random.choice(len(every), max(room, 0), replace=False))]
