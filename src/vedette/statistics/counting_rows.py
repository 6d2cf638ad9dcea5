"""What all counting checks first, and how signed rows are counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.grid import Grid
from vedette.statistics.summary import checked_windows

__all__ = ["check_grid", "checked_codes", "checked_signs", "count_signed", "windows_of"]

Integers = npt.NDArray[np.int64]


def check_grid(grid: Grid, kinds: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where the grid is not of one of the kinds."""
    if grid.kind not in kinds:
        raise ValueError(f"grid of {grid.column!r} is of kind {grid.kind!r}: must be {' or '.join(kinds)}")


def windows_of(window: npt.ArrayLike | None, n: int, n_windows: int) -> Integers:
    """The window of each row, 0 where none is given; ``ValueError`` where one is out of range."""
    given = np.zeros(n, dtype=np.int64) if window is None else np.asarray(window, dtype=np.int64)
    return checked_windows(given, n, n_windows)


def checked_signs(sign: npt.ArrayLike, n: int) -> Integers:
    """1 or -1 for each row; ``ValueError`` where it is anything else."""
    given = np.asarray(sign)
    if given.size and not np.isin(given, (-1, 1)).all():
        raise ValueError("sign or weight: must be 1 or -1 for each row")
    if given.shape not in ((), (n,)):
        raise ValueError(
            f"sign or weight: {given.shape} for {n} rows: must be one number or one for each row"
        )
    return np.broadcast_to(given.astype(np.int64), (n,))


def checked_codes(name: str, codes: npt.ArrayLike, n_names: int) -> Integers:
    """Places among so many names, -1 for none; ``ValueError`` where one is out of range."""
    given = np.asarray(codes, dtype=np.int64)
    if given.ndim != 1 or (given.size and (given.min() < -1 or given.max() >= n_names)):
        raise ValueError(f"{name}: must be one-dimensional and lie in -1 to {n_names - 1}")
    return given


def count_signed(at: Integers, sign: Integers, size: int) -> Integers:
    """How often each place comes up, rows that are taken away counted negative."""
    if (sign == 1).all():
        return np.bincount(at, minlength=size).astype(np.int64, copy=False)
    return np.bincount(at[sign > 0], minlength=size) - np.bincount(at[sign < 0], minlength=size)
