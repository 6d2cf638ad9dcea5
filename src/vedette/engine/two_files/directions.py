"""Vectors of two files by their directions: one basis for both, each vector read once, the distances and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from vedette.engine.two_files.source import Source, dependence
from vedette.output.comparison import Estimate
from vedette.statistics.direction_shift import Shift, direction_shifts
from vedette.statistics.directions import (
    PILOT_MAX,
    Directions,
    VectorBasis,
    summarise_directions,
    vector_basis,
)
from vedette.strategy.mean_tests import direction_parts
from vedette.strategy.two_samples import together

__all__ = ["Moved", "compare_directions", "estimate_of", "matrix", "shared"]

LOOKED_AT = 3  # leading axes along which neighbouring rows are looked at: more would find likeness in noise


@dataclass(frozen=True, slots=True)
class Moved:
    """How far vectors moved: ``distances``, one p-value of all tests, and how many rows are worth one."""

    distances: dict[str, Estimate] = field(default_factory=dict)
    p_value: float | None = None
    inflated: float = 1.0


def compare_directions(sources: Sequence[Source], length: int) -> Moved:
    """Compare the vectors of ``length`` elements of the current file with those of the reference."""
    basis = vector_basis(_pilot(sources, length))
    sides = [_count(basis, source) for source in sources]
    places = [_along(basis, matrix(source.stretch(), length)) for source in sources]
    inflated = max(dependence([one[:, axis] for one in places]) for axis in range(places[0].shape[1]))
    parts = direction_parts(sides[0], sides[1], inflated)
    found = direction_shifts(sides[0], sides[1])
    return Moved({name: estimate_of(one) for name, one in found.items()}, together(parts.values()), inflated)


def estimate_of(one: Shift) -> Estimate:
    """A distance as a record."""
    if one.reason is not None:
        return Estimate(None, None, None, one.n, one.reason)
    return Estimate(one.value, one.low, one.high, one.n)


def matrix(column: pl.Series, length: int) -> np.ndarray:
    """The vectors of a column that have this length and no NaN or infinity in them, [N, length]."""
    listed = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    whole = listed.filter(listed.list.len() == length)
    rows = whole.explode().cast(pl.Float64, strict=False).to_numpy().reshape(-1, length)
    return np.asarray(rows[np.isfinite(rows).all(axis=1)])


def shared(rows: Sequence[int], most: int) -> list[int]:
    """How many pilot rows each file gives of ``most``: its share of all rows, so that none is better known than the other.

    >>> shared([1000, 3000], 1024), shared([10, 20], 1024)
    ([256, 768], [10, 20])
    """
    total = sum(rows)
    return list(rows) if total <= most else [round(most * n / total) for n in rows]


def _pilot(sources: Sequence[Source], length: int) -> np.ndarray:
    """Vectors from all over both files, as many of each as its share of the rows.

    Cut on the same number of each, axes would fit the smaller file better, whose vectors then lie along them.
    """
    found = [source.scattered() for source in sources]
    vectors = [
        matrix(one.gather(np.linspace(0, len(one) - 1, n).astype(np.int64)), length)
        for one, n in zip(found, shared([source.rows for source in sources], PILOT_MAX), strict=True)
    ]
    return np.concatenate(vectors)


def _count(basis: VectorBasis, source: Source) -> Directions:
    total = summarise_directions(basis, np.zeros((0, basis.length)))
    for column in source.slices():
        step = max(1, 2**22 // basis.length)
        for start in range(0, len(column), step):  # as float64 a whole slice would take twice its room
            total = total + summarise_directions(basis, matrix(column.slice(start, step), basis.length))
    return total


def _along(basis: VectorBasis, vectors: np.ndarray) -> np.ndarray:
    """The places of consecutive vectors along the leading axes."""
    return basis.features(vectors)[:, : min(LOOKED_AT, basis.axes.shape[1])]
