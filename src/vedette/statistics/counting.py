"""Counting: from rows to the summaries of their windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting_rows import (
    check_grid,
    checked_codes,
    checked_signs,
    count_signed,
    windows_of,
)
from vedette.statistics.grid import Grid
from vedette.statistics.hashes import FREE, KEPT, by_window, hashes_of_names, hashes_of_numbers, smallest
from vedette.statistics.summary import Summary

__all__ = ["summarise_category", "summarise_numeric"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_CHUNK = 32_768  # rows at once: their few arrays stay in the second-level cache
_RUN = 64  # rows of a window from which on sorting them costs less than looking up the cell of each


def summarise_numeric(
    grid: Grid,
    values: npt.ArrayLike,
    present: npt.ArrayLike | None = None,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
    kept: int = KEPT,
) -> Summary:
    """The summary of a numeric column, of latencies in seconds, or of the norms of vectors.

    ``values`` float64 [N]; ``present`` bool [N], false where the value is null; ``window`` int64 [N], the
    number of each row's window, from 0 to ``n_windows - 1`` (None: all in window 0); ``sign`` int64, 1 for a
    row that is added and -1 for one that is taken away; ``kept`` the hashes of distinct values to keep.

    Raises ``ValueError`` where lengths differ, a window is out of range, or the grid is not numeric.
    """
    check_grid(grid, ("numeric", "error", "latency", "vector"))
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    there = np.ones(n, dtype=np.bool_) if present is None else np.asarray(present, dtype=np.bool_)
    if there.shape != x.shape:
        raise ValueError(f"present: {there.shape} for {x.shape} values: must be one for each value")
    into, signs = windows_of(window, n, n_windows), checked_signs(sign, n)
    out = Summary.empty(grid, n_windows, kept)
    if bool((signs == 1).all()):
        _count_numbers(out, x, None if present is None else there, into)
        return out
    added = signs > 0
    gone = Summary.empty(grid, n_windows, 0)
    _count_numbers(out, x[added], there[added], into[added])
    _count_numbers(gone, x[~added], there[~added], into[~added])
    with np.errstate(invalid="ignore"):  # sums of huge values; figures say so
        for name in ("rows", "missing", "nan", "inf", "total", "squares", "cubes", "fourths", "counts"):
            whole = getattr(out, name)
            whole -= getattr(gone, name)
    return out


def _count_numbers(out: Summary, x: Floats, present: Booleans | None, window: Integers) -> None:
    """Count rows into a summary of none: window by window, as many at once as stay in cache."""
    rows = np.bincount(window, minlength=len(out))
    if not (window[1:] >= window[:-1]).all():
        order = by_window(window, len(out))
        x, present = x[order], None if present is None else present[order]
    ends, first = np.cumsum(rows), 0
    while first < len(out):
        begin = ends[first] - rows[first]
        last = max(int(np.searchsorted(ends, begin + _CHUNK, side="right")), first + 1)
        own = slice(begin, ends[last - 1])
        there = None if present is None else present[own]
        if own.stop - begin > _CHUNK:
            _one_window(out, first, x[own], there)
        elif own.stop > begin:
            _some_windows(out, slice(first, last), x[own], there, rows[first:last])
        first = last


def _some_windows(out: Summary, part: slice, x: Floats, present: Booleans | None, rows: Integers) -> None:
    """Count rows that come window by window, ``rows`` each, into neighbouring windows of a summary of none."""
    edges, n = out.grid.edges, len(rows)
    out.rows[part] = rows
    window = np.repeat(np.arange(n), rows)
    finite = np.isfinite(x) if present is None else np.isfinite(x) & present
    y, at = x, window
    if not finite.all():
        y, at = x[finite], window[finite]
        null = np.zeros(len(x), dtype=np.bool_) if present is None else ~present
        out.missing[part] = np.bincount(window[null], minlength=n)
        out.nan[part] = np.bincount(window[np.isnan(x) & ~null], minlength=n)
        out.inf[part] = np.bincount(window[np.isinf(x) & ~null], minlength=n)
    if not len(y):
        return
    y = y + 0.0  # our own, and -0.0 is 0.0
    held = np.bincount(at, minlength=n)
    some = np.flatnonzero(held)
    end = np.cumsum(held)[some]
    begin = end - held[some]
    if len(y) >= _RUN * len(some):  # sorting in cache costs less than looking up each cell
        below = np.empty((len(some), len(edges) + 2), dtype=np.int64)
        below[:, 0], below[:, -1] = 0, end - begin
        for place, (start, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            run = y[start:stop]
            run.sort()
            below[place, 1:-1] = run.searchsorted(edges)
        out.counts[part][some] = np.diff(below, axis=1)
    else:
        cells = at * out.grid.cells + np.searchsorted(edges, y, side="right")
        out.counts[part] = np.bincount(cells, minlength=n * out.grid.cells).reshape(n, out.grid.cells)
    out.minimum[part][some] = np.minimum.reduceat(y, begin)
    out.maximum[part][some] = np.maximum.reduceat(y, begin)
    kept = out.hashes.shape[1]
    if kept:
        out.hashes[part] = smallest(hashes_of_numbers(y), at, n, kept)
    with np.errstate(over="ignore", invalid="ignore"):  # huge values: figures say that there is no mean
        y -= out.grid.centre
        power = y.copy()
        for moment in (out.total, out.squares, out.cubes, out.fourths):
            moment[part][some] = np.add.reduceat(power, begin)
            power *= y


def _one_window(out: Summary, w: int, x: Floats, present: Booleans | None) -> None:
    """Count the rows of one large window into a summary of none."""
    edges, centre, kept = out.grid.edges, out.grid.centre, out.hashes.shape[1]
    out.rows[w] = len(x)
    everyone = np.zeros(_CHUNK + kept, dtype=np.int64)
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        if present is not None:
            there = present[start : start + _CHUNK]
            out.missing[w] += len(there) - np.count_nonzero(there)
            chunk = chunk[there]
        y = np.sort(chunk)
        low, high, known = np.searchsorted(y, [np.nextafter(-np.inf, 0), np.inf, np.nan])
        out.nan[w] += len(y) - known
        out.inf[w] += low + known - high
        y = y[low:high]
        if not len(y):
            continue
        out.counts[w] += np.diff(np.searchsorted(y, edges), prepend=0, append=len(y))
        out.minimum[w], out.maximum[w] = np.fmin(out.minimum[w], y[0]), np.fmax(out.maximum[w], y[-1])
        hashes = hashes_of_numbers(y)
        hashes = hashes[hashes < out.hashes[w, -1]] if kept else hashes[:0]
        if len(hashes):
            held = np.concatenate([out.hashes[w][out.hashes[w] != FREE], hashes])
            out.hashes[w] = smallest(held, everyone[: len(held)], 1, kept)[0]
        with np.errstate(over="ignore", invalid="ignore"):
            y -= centre
            squares = y * y
            out.total[w] += y.sum()
            out.squares[w] += squares.sum()
            y *= squares
            out.cubes[w] += y.sum()
            squares *= squares
            out.fourths[w] += squares.sum()
    out.minimum[w] += 0.0  # -0.0 is 0.0
    out.maximum[w] += 0.0


def summarise_category(
    grid: Grid,
    codes: npt.ArrayLike,
    names: Sequence[str],
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
    kept: int = KEPT,
) -> Summary:
    """The summary of a column of levels.

    ``codes`` int [N] are places in ``names``, -1 where the value is null; the rest as in
    ``summarise_numeric``.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not a
    category's.
    """
    check_grid(grid, ("category",))
    code = checked_codes("codes", codes, len(names))
    n = len(code)
    into, signs = windows_of(window, n, n_windows), checked_signs(sign, n)
    cells = {name: cell for cell, name in enumerate(grid.levels)}
    cells |= dict.fromkeys(grid.known, len(grid.levels))
    cell_of = np.array([cells.get(name, len(grid.levels) + 1) for name in names], dtype=np.int64)
    null = code < 0
    at, by = into[~null], signs[~null]
    out = Summary.empty(grid, n_windows, kept)
    out.rows[:] = count_signed(into, signs, n_windows)
    out.missing[:] = count_signed(into[null], signs[null], n_windows)
    flat = at * grid.cells + cell_of[code[~null]]
    out.counts[:] = count_signed(flat, by, n_windows * grid.cells).reshape(n_windows, grid.cells)
    if kept and len(names):
        pairs = np.unique(at[by > 0] * len(names) + code[~null][by > 0])
        own = hashes_of_names(names)[pairs % len(names)]
        out.hashes[:] = smallest(own, pairs // len(names), n_windows, kept)
    return out
