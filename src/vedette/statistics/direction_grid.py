"""The grid of a column of vectors by their directions: a frozen basis, and cells along each of its axes.

What a summary keeps of a window is not the matrix of products that ``Directions`` has, which is a quarter of a megabyte, but
the sums of the features and of their squares. How features go together is taken from the pilot rows, once, with the basis:
without change that is what it is in every window.
"""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.statistics.directions import Directions, VectorBasis, vector_basis
from vedette.statistics.feature_moments import FeatureMoments
from vedette.statistics.grid import DIRECTION_CELLS, Grid
from vedette.statistics.summary import Summary

__all__ = ["TEXTS", "VECTORS", "basis_of", "directions_grid", "directions_of", "summarise_vectors"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

VECTORS, TEXTS = "vectors", "texts"
"""What a grid of directions is of: the column's own vectors, or the shares of n-grams in its texts."""

_SHARES = np.concatenate([[1 / 64], np.arange(1, 16) / 16, [63 / 64]])  # of the pilot below each edge
_SHRUNK_ROWS = 64.0  # pilot rows that "features do not go together" is worth
_AT_ONCE = 2**20  # numbers of an array: 8 MB


def directions_grid(column: str, pilot: npt.ArrayLike, of: str = VECTORS) -> Grid:
    """The grid of vectors like the ``pilot`` rows [N, length].

    Raises ``ValueError`` where there are fewer than two usable rows: those have no direction.

    >>> rows = np.random.default_rng(0).normal(size=(500, 4))
    >>> grid = directions_grid("emb", rows)
    >>> grid.length, len(grid.levels), Grid.from_json(grid.to_json()) == grid
    (4, 4, True)
    """
    rows = np.asarray(pilot, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < 2:
        raise ValueError(f"pilot of {len(rows)} rows without NaN: must be two or more")
    basis = _rounded(vector_basis(rows))
    features = _chunked(basis, rows)
    places = features[:, basis.parts[0]]
    edges = np.quantile(places, _SHARES, axis=0).T  # [K, edges]
    steps = np.maximum.accumulate(edges, axis=1)
    correlation = _correlation(features)
    content = {
        "of": of,
        "bandwidth": basis.bandwidth,
        "centre": _packed(basis.centre, "<f8"),
        "scale": _packed(basis.scale, "<f8"),
        "axes": _packed(basis.axes, "<f4"),
        "spread": _packed(basis.spread, "<f8"),
        "frequencies": _packed(basis.frequencies, "<f4"),
        "edges": _packed(steps, "<f8"),
        "correlation": _packed(correlation[np.triu_indices(len(correlation), 1)], "<f2"),
    }
    axes = tuple(f"axis {number + 1}" for number in range(basis.axes.shape[1]))
    return Grid(
        column, "directions", levels=axes, length=basis.length, basis=json.dumps(content, sort_keys=True)
    )


def _rounded(basis: VectorBasis) -> VectorBasis:
    """The basis as it comes back from a grid: what is compared must be one and the same."""
    return VectorBasis(
        basis.length,
        basis.centre,
        basis.scale,
        basis.axes.astype("<f4").astype(np.float64),
        basis.spread,
        basis.frequencies.astype("<f4").astype(np.float64),
        basis.bandwidth,
    )


def _correlation(features: Floats) -> Floats:
    """How the pilot's features go together [F, F], drawn towards not at all where rows are few."""
    sd = features.std(axis=0)
    held = sd > 1e-12
    scaled = np.where(held, (features - features.mean(axis=0)) / np.where(held, sd, 1.0), 0.0)
    found = scaled.T @ scaled / len(features)
    found *= len(features) / (len(features) + _SHRUNK_ROWS)
    np.fill_diagonal(found, 1.0)
    return np.asarray(np.clip(found, -1.0, 1.0))


def _packed(numbers: Floats, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers.astype(kind)).tobytes()).decode()


def _unpacked(text: str, kind: str, *shape: int) -> Floats:
    return np.frombuffer(base64.b64decode(text), dtype=kind).astype(np.float64).reshape(*shape)


@lru_cache(maxsize=64)
def _read(grid: Grid) -> tuple[str, VectorBasis, Floats, Floats]:
    """What a grid is of, its basis, the edges [K, E] along its axes, and the correlation [F, F] of its features."""
    content: dict[str, Any] = json.loads(grid.basis)
    axes, length = len(grid.levels), grid.length
    frequencies = _unpacked(content["frequencies"], "<f4", length, -1)
    basis = VectorBasis(
        length,
        _unpacked(content["centre"], "<f8", length),
        _unpacked(content["scale"], "<f8", length),
        _unpacked(content["axes"], "<f4", length, axes),
        _unpacked(content["spread"], "<f8", axes),
        frequencies,
        float(content["bandwidth"]),
    )
    size = basis.parts[2].stop
    correlation = np.eye(size)
    upper = np.triu_indices(size, 1)
    correlation[upper] = _unpacked(content["correlation"], "<f2", -1)
    correlation += np.triu(correlation, 1).T
    return str(content["of"]), basis, _unpacked(content["edges"], "<f8", axes, -1), correlation


def basis_of(grid: Grid) -> tuple[str, VectorBasis]:
    """What a grid of directions is of (``VECTORS`` or ``TEXTS``), and its basis."""
    of, basis, _, _ = _read(grid)
    return of, basis


def _chunked(basis: VectorBasis, rows: Floats) -> Floats:
    step = max(1, _AT_ONCE // max(basis.length, basis.parts[2].stop))
    parts = [basis.features(rows[start : start + step]) for start in range(0, len(rows), step)]
    return np.concatenate(parts) if parts else np.zeros((0, basis.parts[2].stop))


def summarise_vectors(
    grid: Grid,
    vectors: npt.ArrayLike,
    present: npt.ArrayLike,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
) -> Summary:
    """The summary of vectors [N, length] by their directions; ``present`` [N] says which rows have one, ``window`` [N] the
    number of each row's window.

    A row is counted once along each axis. A vector with NaN counts as NaN, else one with an infinite element as infinite.

    Raises ``ValueError`` where shapes do not fit, or the grid is of another kind.

    >>> rows = np.random.default_rng(0).normal(size=(500, 4))
    >>> grid = directions_grid("emb", rows)
    >>> found = summarise_vectors(grid, rows, np.ones(500, bool))
    >>> found.rows.tolist(), found.used.tolist(), int(found.counts.sum())
    ([500], [500], 2000)
    """
    if grid.kind != "directions":
        raise ValueError(f"a grid of kind {grid.kind}: must be of kind directions")
    rows, there = np.asarray(vectors, dtype=np.float64), np.asarray(present, dtype=np.bool_)
    if rows.ndim != 2 or rows.shape[1] != grid.length or there.shape != (len(rows),):
        raise ValueError(
            f"vectors of shape {rows.shape}, present {there.shape}: must be [rows, {grid.length}] and [rows]"
        )
    into = np.zeros(len(rows), dtype=np.int64) if window is None else np.asarray(window, dtype=np.int64)
    out = Summary.empty(grid, n_windows, 0)
    out.rows[:] = np.bincount(into, minlength=n_windows)
    out.missing[:] = np.bincount(into[~there], minlength=n_windows)
    nan = np.isnan(rows).any(axis=1)
    finite = np.isfinite(rows).all(axis=1)
    out.nan[:] = np.bincount(into[there & nan], minlength=n_windows)
    out.inf[:] = np.bincount(into[there & ~nan & ~finite], minlength=n_windows)
    _, basis, edges, _ = _read(grid)
    n_features = basis.parts[2].stop
    used = np.flatnonzero(there & finite)
    step = max(1, _AT_ONCE // max(n_features, edges.size, grid.length))
    axis = np.arange(len(edges)) * DIRECTION_CELLS
    for start in range(0, len(used), step):
        some = used[start : start + step]
        features, own = basis.features(rows[some]), into[some]
        cells = (features[:, basis.parts[0], None] >= edges).sum(axis=2) + axis
        flat = (own[:, None] * grid.cells + cells).ravel()
        out.counts[:] += np.bincount(flat, minlength=n_windows * grid.cells).reshape(n_windows, grid.cells)
        for windows in np.unique(own):
            mine = features[own == windows]
            out.sums[windows, :n_features] += mine.sum(axis=0)
            out.sums[windows, n_features:] += np.square(mine).sum(axis=0)
    return out


def directions_of(summary: Summary, window: int) -> Directions:
    """What is known of the features of one window: their means and variances from it, how they go together from the pilot."""
    _, basis, _, correlation = _read(summary.grid)
    size = basis.parts[2].stop
    n = round(float(summary.used[window]))
    total, squares = summary.sums[window, :size], summary.sums[window, size:]
    mean = total / max(n, 1)
    sd = np.sqrt(np.maximum(squares - n * mean * mean, 0.0) / max(n - 1, 1))
    outer = (n - 1) * correlation * np.outer(sd, sd) + n * np.outer(mean, mean)
    return Directions(basis, FeatureMoments(n, total, outer))
