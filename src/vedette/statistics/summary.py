"""Summaries: what is kept of the rows of many windows, so that they can be added and rows forgotten.

Everything in a summary is a count, a sum, a least or a greatest value: rows may come in any order, in any
shards, on any machine. Counts come out the same to the bit; sums of floats to rounding, about 1e-15 of their
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.errors import GridError
from vedette.statistics.grid import Grid

__all__ = ["Summary", "summarise_category", "summarise_numeric", "summarise_quality"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """One column over W windows: counts on its grid and what the cells cannot tell.

    ``rows`` = ``missing`` + ``nan`` + ``inf`` + the sum of ``counts`` (int64, [W]; ``counts`` [W, cells]).
    ``missing`` counts null and absent values (of a quality summary: rows without a label), ``nan`` NaN,
    ``inf`` both infinities. ``total`` and ``squares`` (float64 [W]) are the sums of ``x - grid.centre`` and
    of its square over finite values; ``minimum`` and ``maximum`` (float64 [W]) are NaN where there is none.

    Counts are signed where corrections were summarised: a corrected label takes the old row away and adds the
    new. ``minimum`` and ``maximum`` cannot forget; after a correction they are bounds.

    >>> from vedette.statistics.grid import numeric_grid
    >>> grid = numeric_grid("x", [0.0, 1.0] * 5)
    >>> a = summarise_numeric(grid, np.array([0.0, 1.0, np.nan]), np.array([True, True, True]))
    >>> (a + a).rows.tolist(), (a + a).nan.tolist(), (a + a).counts.tolist()
    ([6], [2], [[0, 2, 0, 2, 0]])
    """

    grid: Grid
    rows: Integers
    missing: Integers
    nan: Integers
    inf: Integers
    total: Floats
    squares: Floats
    minimum: Floats
    maximum: Floats
    counts: Integers

    def __post_init__(self) -> None:
        windows = self.rows.shape
        if len(windows) != 1 or self.counts.shape != (*windows, self.grid.cells):
            raise ValueError(f"counts of shape {self.counts.shape}: must be {(*windows, self.grid.cells)}")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def used(self) -> Integers:
        """The number of rows that are in ``counts``, by window."""
        return cast(Integers, self.counts.sum(axis=1))

    @property
    def cube(self) -> Integers:
        """The counts of a quality summary as [W, score bin, label, prediction]; a view."""
        return self.counts.reshape(len(self), *self.grid.shape)

    @classmethod
    def empty(cls, grid: Grid, n_windows: int = 1) -> Summary:
        """The summary of no rows."""

        def zeros() -> Integers:
            return np.zeros(n_windows, dtype=np.int64)

        return cls(
            grid,
            rows=zeros(),
            missing=zeros(),
            nan=zeros(),
            inf=zeros(),
            total=np.zeros(n_windows),
            squares=np.zeros(n_windows),
            minimum=np.full(n_windows, np.nan),
            maximum=np.full(n_windows, np.nan),
            counts=np.zeros((n_windows, grid.cells), dtype=np.int64),
        )

    def __add__(self, other: Summary) -> Summary:
        """The summary of both sets of rows, window by window.

        Raises ``GridError`` where the grids differ, ``ValueError`` where the numbers of windows do.
        """
        if not isinstance(other, Summary):
            return NotImplemented
        _same_grid(self.grid, other.grid)
        if len(self) != len(other):
            raise ValueError(f"summaries of {len(self)} and {len(other)} windows: must be as many")
        with np.errstate(over="ignore", invalid="ignore"):  # sums of huge values; figures say so
            return Summary(
                self.grid,
                self.rows + other.rows,
                self.missing + other.missing,
                self.nan + other.nan,
                self.inf + other.inf,
                self.total + other.total,
                self.squares + other.squares,
                np.fmin(self.minimum, other.minimum),
                np.fmax(self.maximum, other.maximum),
                self.counts + other.counts,
            )

    def merged(self) -> Summary:
        """All windows as one."""
        return self.grouped(np.zeros(len(self), dtype=np.int64), 1)

    def grouped(self, group: npt.ArrayLike, n_groups: int) -> Summary:
        """Windows added up by group: ``group`` [W] gives each window a number from 0 to ``n_groups - 1``."""
        into = _checked_windows(np.asarray(group, dtype=np.int64), len(self), n_groups)
        out = Summary.empty(self.grid, n_groups)
        with np.errstate(over="ignore", invalid="ignore"):
            for name in ("rows", "missing", "nan", "inf", "total", "squares", "counts"):
                np.add.at(getattr(out, name), into, getattr(self, name))
        np.fmin.at(out.minimum, into, self.minimum)
        np.fmax.at(out.maximum, into, self.maximum)
        return out

    def take(self, index: npt.ArrayLike) -> Summary:
        """Some windows, by their numbers or a mask."""
        chosen = np.atleast_1d(np.asarray(index))
        chosen = chosen if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        return Summary(self.grid, *(part[chosen] for part in _parts(self)))

    @staticmethod
    def stack(summaries: Sequence[Summary]) -> Summary:
        """The windows of several summaries, one after another.

        Raises ``GridError`` where grids differ, ``ValueError`` where there is nothing to stack.
        """
        if not summaries:
            raise ValueError("summaries=[]: must be one or more")
        for summary in summaries[1:]:
            _same_grid(summaries[0].grid, summary.grid)
        joined = (np.concatenate(parts) for parts in zip(*map(_parts, summaries), strict=True))
        return Summary(summaries[0].grid, *joined)


def _parts(summary: Summary) -> tuple[npt.NDArray[np.generic], ...]:
    return (
        summary.rows,
        summary.missing,
        summary.nan,
        summary.inf,
        summary.total,
        summary.squares,
        summary.minimum,
        summary.maximum,
        summary.counts,
    )


def _same_grid(one: Grid, other: Grid) -> None:
    if one != other:
        raise GridError(
            f"summaries of {one.column!r} over grid {one.id} and of {other.column!r} over grid {other.id}: "
            "only summaries over one grid can be added or compared"
        )


def summarise_numeric(
    grid: Grid,
    values: npt.ArrayLike,
    present: npt.ArrayLike | None = None,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summary of a numeric column, or of latencies in seconds.

    ``values`` float64 [N]; ``present`` bool [N], false where the value is null; ``window`` int64 [N], the
    number of each row's window, from 0 to ``n_windows - 1`` (None: all in window 0); ``sign`` int64, 1 for a
    row that is added and -1 for one that is taken away.

    Raises ``ValueError`` where lengths differ, a window is out of range, or the grid is not numeric.
    """
    _check_kind(grid, ("numeric", "latency"))
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    there = np.ones(n, dtype=np.bool_) if present is None else np.asarray(present, dtype=np.bool_)
    if there.shape != x.shape:
        raise ValueError(f"present: {there.shape} for {x.shape} values: must be one for each value")
    into, signs = _windows(window, n, n_windows), _signs(sign, n)
    nan, inf = there & np.isnan(x), there & np.isinf(x)
    finite = there & np.isfinite(x)
    y = x[finite] + 0.0
    at, by = into[finite], signs[finite]
    cell = np.searchsorted(grid.edges, y, side="right")
    out = Summary.empty(grid, n_windows)
    for part, rows in ((out.rows, slice(None)), (out.missing, ~there), (out.nan, nan), (out.inf, inf)):
        part[:] = _count(into[rows], signs[rows], n_windows)
    out.counts[:] = _count(at * grid.cells + cell, by, n_windows * grid.cells).reshape(n_windows, grid.cells)
    with np.errstate(over="ignore", invalid="ignore"):  # huge values: figures say that there is no mean
        away = y - grid.centre
        out.total[:] = np.bincount(at, weights=away * by, minlength=n_windows)
        out.squares[:] = np.bincount(at, weights=away * away * by, minlength=n_windows)
    added = by > 0
    np.fmin.at(out.minimum, at[added], y[added])
    np.fmax.at(out.maximum, at[added], y[added])
    return out


def summarise_category(
    grid: Grid,
    codes: npt.ArrayLike,
    names: Sequence[str],
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summary of a column of levels.

    ``codes`` int [N] are places in ``names``, -1 where the value is null; the rest as in
    ``summarise_numeric``.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not a
    category's.
    """
    _check_kind(grid, ("category",))
    code = _codes("codes", codes, len(names))
    n = len(code)
    into, signs = _windows(window, n, n_windows), _signs(sign, n)
    cells = {name: cell for cell, name in enumerate(grid.levels)}
    cells |= dict.fromkeys(grid.known, len(grid.levels))
    cell_of = np.array([cells.get(name, len(grid.levels) + 1) for name in names], dtype=np.int64)
    null = code < 0
    at, by = into[~null], signs[~null]
    out = Summary.empty(grid, n_windows)
    out.rows[:] = _count(into, signs, n_windows)
    out.missing[:] = _count(into[null], signs[null], n_windows)
    flat = at * grid.cells + cell_of[code[~null]]
    out.counts[:] = _count(flat, by, n_windows * grid.cells).reshape(n_windows, grid.cells)
    return out


def summarise_quality(
    grid: Grid,
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    names: Sequence[str],
    score: npt.ArrayLike | None = None,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    weight: npt.ArrayLike = 1,
) -> Summary:
    """The summary of labels against predictions and scores.

    ``labels`` and ``predictions`` int [N] are places in ``names``, -1 where null; ``score`` float64 [N] is
    the probability of the positive class, NaN where there is none; one outside [0, 1] counts as none.
    ``weight`` int64 is 1 for a row that is added and -1 for one that is taken away: a corrected label is
    both, the old row and the new. Rows without a label are counted in ``missing``.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not one of
    quality.
    """
    _check_kind(grid, ("quality",))
    label, prediction = _codes("labels", labels, len(names)), _codes("predictions", predictions, len(names))
    n = len(label)
    scores = np.full(n, np.nan) if score is None else np.asarray(score, dtype=np.float64)
    if prediction.shape != label.shape or scores.shape != label.shape:
        raise ValueError(f"{n} labels, {len(prediction)} predictions, {len(scores)} scores: must be as many")
    into, signs = _windows(window, n, n_windows), _signs(weight, n)
    n_classes = len(grid.classes)
    places = {name: place for place, name in enumerate(grid.classes)}
    # one place more than names, so that code -1 finds the last: no prediction
    place_of = np.array([*(places.get(name, n_classes) for name in names), n_classes + 1], dtype=np.int64)
    n_scores, n_labels, n_predictions = grid.shape
    valid = (scores >= 0) & (scores <= 1)
    bins = np.searchsorted(grid.score_edges, scores, side="right")
    bins = np.where(valid, bins, n_scores - 1) if n_scores > 1 else np.zeros(n, dtype=np.int64)
    told = label >= 0
    cell = (bins * n_labels + place_of[label]) * n_predictions + place_of[prediction]
    out = Summary.empty(grid, n_windows)
    out.rows[:] = _count(into, signs, n_windows)
    out.missing[:] = _count(into[~told], signs[~told], n_windows)
    flat = (into * grid.cells + cell)[told]
    out.counts[:] = _count(flat, signs[told], n_windows * grid.cells).reshape(n_windows, grid.cells)
    return out


def _check_kind(grid: Grid, kinds: tuple[str, ...]) -> None:
    if grid.kind not in kinds:
        raise ValueError(f"grid of {grid.column!r} is of kind {grid.kind!r}: must be {' or '.join(kinds)}")


def _checked_windows(window: Integers, n: int, n_windows: int) -> Integers:
    if window.shape != (n,):
        raise ValueError(f"window: {window.shape} for {n} rows: must be one for each row")
    if n and (window.min() < 0 or window.max() >= n_windows):
        raise ValueError(f"window from {window.min()} to {window.max()}: must lie in 0 to {n_windows - 1}")
    return window


def _windows(window: npt.ArrayLike | None, n: int, n_windows: int) -> Integers:
    given = np.zeros(n, dtype=np.int64) if window is None else np.asarray(window, dtype=np.int64)
    return _checked_windows(given, n, n_windows)


def _signs(sign: npt.ArrayLike, n: int) -> Integers:
    given = np.asarray(sign)
    if given.size and not np.isin(given, (-1, 1)).all():
        raise ValueError("sign or weight: must be 1 or -1 for each row")
    if given.shape not in ((), (n,)):
        raise ValueError(
            f"sign or weight: {given.shape} for {n} rows: must be one number or one for each row"
        )
    return np.broadcast_to(given.astype(np.int64), (n,))


def _codes(name: str, codes: npt.ArrayLike, n_names: int) -> Integers:
    given = np.asarray(codes, dtype=np.int64)
    if given.ndim != 1 or (given.size and (given.min() < -1 or given.max() >= n_names)):
        raise ValueError(f"{name}: must be one-dimensional and lie in -1 to {n_names - 1}")
    return given


def _count(at: Integers, sign: Integers, size: int) -> Integers:
    """How often each place comes up, rows that are taken away counted negative."""
    if (sign == 1).all():
        return np.bincount(at, minlength=size).astype(np.int64, copy=False)
    return np.bincount(at[sign > 0], minlength=size) - np.bincount(at[sign < 0], minlength=size)
