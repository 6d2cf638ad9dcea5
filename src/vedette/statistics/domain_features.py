"""What a classifier over all columns is given of each: numbers that know nothing of which side a row is from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.directions import vector_basis

__all__ = ["level_features", "number_features", "vector_features"]

Floats = npt.NDArray[np.float64]

DEGREES = 4  # of polynomials in the rank: location, spread, skewness and the weight of the tails
AXES = 8  # of vectors: those of greatest variance


def number_features(values: npt.ArrayLike, degrees: int = DEGREES) -> Floats:
    """Of numbers [N], NaN where there is none: Legendre polynomials of their ranks, and which are missing, [N, F].

    The ranks are those among all rows of both sides, from -1 to 1; so no value is too wild. Infinities are the utmost ranks.

    >>> number_features([1.0, 5.0, 2.0], degrees=1).round(3).ravel().tolist()     # sqrt(3) times -2/3, 2/3, 0
    [-1.155, 1.155, 0.0]
    """
    x = np.asarray(values, dtype=np.float64)
    held = ~np.isnan(x)
    _, place, count = np.unique(x[held], return_inverse=True, return_counts=True)
    rank = np.zeros(len(x))
    if held.any():
        rank[held] = ((np.cumsum(count) - count / 2)[place] / held.sum()) * 2 - 1
    size = np.sqrt(2 * np.arange(1, degrees + 1) + 1)
    out = np.zeros((len(x), degrees))
    out[:] = np.polynomial.legendre.legvander(rank, degrees)[:, 1:] * size
    out[~held] = 0.0
    return out if held.all() else np.concatenate([out, (~held).astype(np.float64)[:, np.newaxis]], axis=1)


def level_features(codes: npt.ArrayLike, most: int = 12) -> Floats:
    """Of levels as numbers [N], below 0 where there is none: a column of 0 and 1 for each of the most frequent ones.

    >>> level_features([0, 1, 0, -1], most=1).tolist()     # the level 0, and none
    [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    code = np.asarray(codes, dtype=np.int64)
    level, count = np.unique(code[code >= 0], return_counts=True)
    chosen = level[np.argsort(-count, kind="stable")[:most]]
    out = (code[:, np.newaxis] == chosen).astype(np.float64)
    return out if (code >= 0).all() else np.concatenate([out, code[:, np.newaxis] < 0], axis=1)


def vector_features(vectors: Floats, present: npt.NDArray[np.bool_], axes: int = AXES) -> Floats:
    """Of vectors [N, length], those that are ``present`` [N] finite: ranks along the main axes, and of their size.

    >>> vector_features(np.eye(3), np.array([True, True, True])).shape     # three axes and the size, two degrees each
    (3, 8)
    """
    rows = np.asarray(vectors, dtype=np.float64)
    basis = vector_basis(rows[present])
    places = np.full((len(rows), min(axes, basis.axes.shape[1]) + 1), np.nan)
    scaled = basis.features(rows[present])[:, : places.shape[1] - 1]
    size = np.log(
        np.maximum(
            np.sqrt(
                np.square(rows[present] / np.maximum(np.abs(rows[present]).max(initial=1.0), 1.0)).sum(axis=1)
            ),
            1e-300,
        )
    )
    places[present] = np.concatenate([scaled, size[:, np.newaxis]], axis=1)
    parts: Sequence[Floats] = [number_features(places[:, at], 2)[:, :2] for at in range(places.shape[1])]
    out = np.concatenate(parts, axis=1)
    return out if present.all() else np.concatenate([out, ~present[:, np.newaxis]], axis=1)
