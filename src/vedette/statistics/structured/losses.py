"""The part of a summary that is the same for boxes, rankings and sets of labels: labelled rows by what each lost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.grid import Grid
from vedette.statistics.hashes import no_hashes
from vedette.statistics.summary import Summary, checked_windows

__all__ = ["summary_of"]

Floats = npt.NDArray[np.float64]


def summary_of(
    grid: Grid,
    loss: Floats,
    missing: npt.NDArray[np.bool_],
    sums: Floats,
    window: npt.ArrayLike,
    n_windows: int,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summary of N rows by window: each in the cell of its loss, or missing (no prediction), or without one (NaN).

    ``sums`` [W, sums of the grid]. Moments are those of the loss.
    """
    n = len(loss)
    of = checked_windows(np.broadcast_to(np.asarray(window, dtype=np.int64), (n,)), n, n_windows)
    signs = np.broadcast_to(np.asarray(sign, dtype=np.int64), (n,))

    def count(rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        out = np.zeros(n_windows, dtype=np.int64)
        np.add.at(out, of[rows], signs[rows])
        return out

    used = ~missing & ~np.isnan(loss)
    counts = np.zeros((n_windows, grid.cells), dtype=np.int64)
    np.add.at(counts, (of[used], np.searchsorted(grid.edges, loss[used], side="right")), signs[used])
    powers = np.zeros((4, n_windows))
    for power in range(4):
        np.add.at(powers[power], of[used], signs[used] * loss[used] ** (power + 1))
    least, most = np.full(n_windows, np.nan), np.full(n_windows, np.nan)
    np.fmin.at(least, of[used], loss[used])
    np.fmax.at(most, of[used], loss[used])
    return Summary(
        grid,
        rows=count(np.ones(n, dtype=np.bool_)),
        missing=count(missing),
        nan=count(~missing & np.isnan(loss)),
        inf=np.zeros(n_windows, dtype=np.int64),
        total=powers[0],
        squares=powers[1],
        cubes=powers[2],
        fourths=powers[3],
        minimum=least,
        maximum=most,
        counts=counts,
        sums=sums,
        hashes=no_hashes(n_windows, 0),
    )
