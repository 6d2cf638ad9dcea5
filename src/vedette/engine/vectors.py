"""Vectors as one number each: the Euclidean norm, which is what windows of them are summarised by."""

from __future__ import annotations

import numpy as np
import polars as pl

__all__ = ["DIGITS", "norms", "usual_length"]

DIGITS = 6
"""Norms are rounded to so many digits: vectors scaled to length one in float32 differ in the eighth, which is no change."""

_AT_ONCE = 2**22  # elements that are in memory as float64: 32 MB


def usual_length(column: pl.Series) -> int:
    """The length that most vectors of a column of lists have, the shorter of two; 0 where there are none."""
    n = column.list.len().drop_nulls()
    counts = (
        n.filter(n > 0)
        .value_counts(sort=False, name="_n")
        .sort(["_n", column.name], descending=[True, False])
    )
    return int(counts[column.name][0]) if counts.height else 0


def norms(column: pl.Series, length: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Norms (float64 [N]) of a column of lists, and which rows have one (bool [N]): not nulls, nor other lengths.

    ``length`` is that of the vectors, 0 for any. A norm is NaN where any element is (or is null), infinite where any is
    and none is NaN.

    >>> norms(pl.Series([[3.0, 4.0], None, [1.0]]), 2)[0].tolist()
    [5.0, 0.0, 0.0]
    """
    n = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    present = n > 0 if not length else n == length
    out = np.zeros(len(column))
    rows = np.flatnonzero(present)
    step = max(1, _AT_ONCE // max(int(n[rows].max(initial=1)), 1))
    for begin in range(0, len(rows), step):
        some = rows[begin : begin + step]
        flat = column.gather(some).explode().to_numpy().astype(np.float64)
        out[some] = _norms(flat, np.concatenate([[0], np.cumsum(n[some])[:-1]]), n[some])
    return out, present


def _norms(flat: np.ndarray, start: np.ndarray, n: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.sqrt(np.add.reduceat(flat * flat, start))
        for place in np.flatnonzero(np.isinf(found) | ((found < 1e-150) & (found >= 0))):
            own = flat[start[place] : start[place] + n[place]]
            most = np.abs(
                own
            ).max()  # squares of great numbers overflow, and of small ones vanish, where these do not
            if np.isfinite(most) and most:
                found[place] = most * np.sqrt(np.square(own / most).sum())
    return _rounded(found)


def _rounded(values: np.ndarray) -> np.ndarray:
    """The values to six digits; what is not finite, or 0, as it is."""
    fine = np.isfinite(values) & (np.abs(values) > 1e-290) & (np.abs(values) < 1e290)
    out = values.copy()
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(values[fine])))
    out[fine] = np.round(values[fine] * scale) / scale
    return out
