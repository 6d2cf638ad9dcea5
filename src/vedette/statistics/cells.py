"""Sums of a figure by cell before and after, and the variance of whatever is computed from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Cells", "cells_of", "sampling_variance"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Figure = Callable[
    [
        npt.NDArray[np.complex128],
        npt.NDArray[np.complex128],
        npt.NDArray[np.complex128],
        npt.NDArray[np.complex128],
    ],
    npt.NDArray[np.complex128],
]

_STEP = 1e-100  # of a complex step there is no difference to round: it may be as small as it likes
_AT_ONCE = 2**18  # complex numbers of a batch of derivatives: 4 MB


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows, sums and sums of squares of a figure of independent rows, by cell: float64[S] each.

    The mean of all rows is ``total.sum() / n.sum()``. Adding two of them adds the rows.
    """

    n: Floats
    total: Floats
    squares: Floats

    @property
    def mean(self) -> Floats:
        """The mean of each cell, NaN where it has no rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.n > 0, self.total / self.n, np.nan)

    @property
    def variance(self) -> Floats:
        """The variance within each cell; that of the cells together where a cell has fewer than two rows."""
        mean = np.nan_to_num(self.mean)
        within = np.maximum(self.squares - self.total * mean, 0.0)
        spare = np.maximum(self.n - 1.0, 0.0)
        pooled = within.sum() / max(spare.sum(), 1.0)
        return np.where(self.n >= 2, within / np.maximum(spare, 1.0), pooled)

    def __add__(self, other: Cells) -> Cells:
        return Cells(self.n + other.n, self.total + other.total, self.squares + other.squares)


def cells_of(cell: Ints, values: npt.ArrayLike, n_cells: int) -> Cells:
    """The sums of values float[N] by the cell of each row; rows in no cell (-1) or without a finite value are left out.

    Raises ``ValueError`` where a cell is not in -1 to ``n_cells - 1`` or the lengths differ.

    >>> cells_of(np.array([0, 1, 1]), [1.0, 2.0, 4.0], 3).mean
    array([ 1.,  3., nan])
    """
    value, at = np.asarray(values, dtype=np.float64), np.asarray(cell)
    if value.shape != at.shape or value.ndim != 1:
        raise ValueError(
            f"values of shape {value.shape} in cells of shape {at.shape}: must be one of each for a row"
        )
    if len(at) and not -1 <= int(at.min()) <= int(at.max()) < n_cells:
        raise ValueError(f"cells {int(at.min())} to {int(at.max())}: must lie in -1 to {n_cells - 1}")
    kept = (at >= 0) & np.isfinite(value)
    at, value = at[kept], value[kept]
    n, total, squares = (
        np.bincount(at, weights=weight, minlength=n_cells) for weight in (None, value, value * value)
    )
    return Cells(n.astype(np.float64), total.astype(np.float64), squares.astype(np.float64))


def sampling_variance(figure: Figure, before: Cells, after: Cells) -> Floats:
    """Variance of ``figure(n, total, n_after, total_after)`` by the delta method: float64[P] of its P values.

    The rows of either side are taken as independent, their number as given. With g the derivatives by the rows and h
    those by the sum of a cell, a row of cell s moves the figure by g_s + h_s y; so

    variance = sum over sides and s of n_s ((g_s + h_s m_s)^2 + h_s^2 v_s) - (sum_s n_s (g_s + h_s m_s))^2 / N.

    ``figure`` takes arrays [B, S], must be analytic (no comparisons of its arguments) and gives [B, P]; derivatives
    are complex steps, exact to rounding (Squire and Trapp 1998, SIAM Review 40, 110-112).
    """
    parts = (before.n, before.total, after.n, after.total)
    point = np.concatenate(parts).astype(np.complex128)
    size = len(before.n)
    slopes = []
    step = max(_AT_ONCE // max(len(point), 1), 1)
    for low in range(0, len(point), step):
        moved = np.arange(low, min(low + step, len(point)))
        batch = np.repeat(point[None], len(moved), axis=0)
        batch[np.arange(len(moved)), moved] += 1j * _STEP
        slopes.append(figure(*(batch[:, at * size : (at + 1) * size] for at in range(4))).imag / _STEP)
    slope = np.concatenate(slopes)
    found = np.zeros(slope.shape[1])
    for at, side in ((0, before), (2, after)):
        by_n, by_total = slope[at * size : (at + 1) * size], slope[(at + 1) * size : (at + 2) * size]
        mean, variance = np.nan_to_num(side.mean)[:, None], side.variance[:, None]
        moves = by_n + by_total * mean
        n = side.n[:, None]
        found += (n * (moves**2 + by_total**2 * variance)).sum(axis=0)
        found -= (n * moves).sum(axis=0) ** 2 / max(float(side.n.sum()), 1.0)
    return np.asarray(np.maximum(found, 0.0))
