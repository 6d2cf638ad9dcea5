"""Summaries: what is kept of the rows of many windows, so that they can be added and rows forgotten.

Everything in a summary is a count, a sum, a least or a greatest value: rows may come in any order, in any
shards, on any machine. Counts come out the same to the bit; sums of floats to rounding, about 1e-15 of their
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from vedette.errors import GridError
from vedette.statistics.grid import Grid
from vedette.statistics.hashes import FREE, KEPT, no_hashes, smallest

__all__ = ["Summary", "checked_windows"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """One column over W windows: counts on its grid and what the cells cannot tell.

    ``rows`` = ``missing`` + ``nan`` + ``inf`` + the sum of ``counts`` (int64, [W]; ``counts`` [W, cells]), of a
    quality summary that of its first ``grid.row_cells``.
    ``missing`` counts null and absent values (of a quality summary: rows without a label), ``nan`` NaN,
    ``inf`` both infinities. ``total`` and ``squares`` (float64 [W]) are the sums of ``x - grid.centre`` and
    of its square over finite values, ``cubes`` and ``fourths`` of its third and fourth power; ``minimum`` and
    ``maximum`` (float64 [W]) are NaN where there is none. ``sums`` (float64 [W, len(grid.sums)]) are what the kind
    of the grid needs besides: ``Grid.sums`` names them. ``hashes`` (uint64 [W, kept]) are the smallest hashes of
    the distinct values, see ``statistics.hashes``.

    Counts are signed where corrections were summarised: a corrected label takes the old row away and adds the
    new. ``minimum``, ``maximum`` and ``hashes`` cannot forget; after a correction they are bounds.
    ``window_s`` is the length of each window in seconds where it is known; rates need it.

    >>> from vedette.statistics import numeric_grid, summarise_numeric
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
    cubes: Floats
    fourths: Floats
    minimum: Floats
    maximum: Floats
    counts: Integers
    sums: Floats
    hashes: Hashes
    window_s: float | None = None

    def __post_init__(self) -> None:
        windows = self.rows.shape
        if len(windows) != 1 or self.counts.shape != (*windows, self.grid.cells):
            raise ValueError(f"counts of shape {self.counts.shape}: must be {(*windows, self.grid.cells)}")
        if self.sums.shape != (*windows, len(self.grid.sums)):
            raise ValueError(f"sums of shape {self.sums.shape}: must be {(*windows, len(self.grid.sums))}")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def used(self) -> Integers:
        """The number of rows that are in ``counts``, by window."""
        return cast(Integers, self.counts[:, : self.grid.row_cells].sum(axis=1))

    @property
    def cube(self) -> Integers:
        """The counts of a quality summary as [W, score bin, label, prediction]; a view."""
        return self.counts[:, : self.grid.row_cells].reshape(len(self), *self.grid.shape)

    @property
    def one_vs_rest(self) -> Integers:
        """The counts of a quality summary's scores as [W, class, score bin, another class or this one]; a view."""
        return self.counts[:, self.grid.row_cells :].reshape(len(self), *self.grid.one_vs_rest)

    @classmethod
    def empty(cls, grid: Grid, n_windows: int = 1, kept: int = KEPT) -> Summary:
        """The summary of no rows, with room for so many hashes."""

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
            cubes=np.zeros(n_windows),
            fourths=np.zeros(n_windows),
            minimum=np.full(n_windows, np.nan),
            maximum=np.full(n_windows, np.nan),
            counts=np.zeros((n_windows, grid.cells), dtype=np.int64),
            sums=np.zeros((n_windows, len(grid.sums))),
            hashes=no_hashes(n_windows, kept),
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
        kept = min(self.hashes.shape[1], other.hashes.shape[1])
        both = np.concatenate([self.hashes[:, :kept], other.hashes[:, :kept]], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):  # sums of huge values; figures say so
            return Summary(
                self.grid,
                **{name: getattr(self, name) + getattr(other, name) for name in _ADDED},
                minimum=np.fmin(self.minimum, other.minimum),
                maximum=np.fmax(self.maximum, other.maximum),
                hashes=_joined(both, np.arange(len(self)), len(self), kept),
                window_s=self.window_s,
            )

    def merged(self) -> Summary:
        """All windows as one."""
        return self if len(self) == 1 else self.grouped(np.zeros(len(self), dtype=np.int64), 1)

    def grouped(self, group: npt.ArrayLike, n_groups: int) -> Summary:
        """Windows added up by group: ``group`` [W] gives each window a number from 0 to ``n_groups - 1``."""
        into = checked_windows(np.asarray(group, dtype=np.int64), len(self), n_groups)
        kept = self.hashes.shape[1]
        out = Summary.empty(self.grid, n_groups, 0)
        if not len(into):
            return replace(out, hashes=no_hashes(n_groups, kept), window_s=self.window_s)
        order = slice(None) if (into[1:] >= into[:-1]).all() else np.argsort(into, kind="stable")
        some, first = np.unique(into[order], return_index=True)
        added: dict[str, Any] = {}
        with np.errstate(over="ignore", invalid="ignore"):
            for name, add in (
                *((name, np.add) for name in _ADDED),
                ("minimum", np.fmin),
                ("maximum", np.fmax),
            ):
                part = getattr(self, name)  # counts that were scaled are no whole numbers
                added[name] = getattr(out, name).astype(part.dtype)
                added[name][some] = add.reduceat(part[order], first, axis=0)
        return replace(
            out, **added, hashes=_joined(self.hashes, into, n_groups, kept), window_s=self.window_s
        )

    def accumulated(self) -> Summary:
        """Each window with all before it added, without the hashes of distinct values."""
        parts: dict[str, Any] = {name: np.cumsum(getattr(self, name), axis=0) for name in _ADDED}
        parts |= {"minimum": np.fmin.accumulate(self.minimum), "maximum": np.fmax.accumulate(self.maximum)}
        return replace(self, **parts, hashes=no_hashes(len(self), 0))

    def take(self, index: npt.ArrayLike) -> Summary:
        """Some windows, by their numbers or a mask."""
        chosen = np.atleast_1d(np.asarray(index))
        chosen = chosen if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        return replace(self, **{name: getattr(self, name)[chosen] for name in _PARTS})

    def scaled(self, by: npt.ArrayLike) -> Summary:
        """Counts and sums of each window times a number [W] of its own: as float64, for figures alone."""
        factor = np.asarray(by, dtype=np.float64)

        def times(part: npt.NDArray[Any]) -> Any:
            return part * (factor if part.ndim == 1 else factor[:, np.newaxis])

        return replace(self, **{name: times(getattr(self, name)) for name in _ADDED})

    @staticmethod
    def stack(summaries: Sequence[Summary]) -> Summary:
        """The windows of several summaries, one after another.

        Raises ``GridError`` where grids differ, ``ValueError`` where there is nothing to stack.
        """
        if not summaries:
            raise ValueError("summaries=[]: must be one or more")
        for summary in summaries[1:]:
            _same_grid(summaries[0].grid, summary.grid)
        kept = min(summary.hashes.shape[1] for summary in summaries)
        joined = {name: np.concatenate([getattr(one, name) for one in summaries]) for name in _PARTS[:-1]}
        room = np.concatenate([one.hashes[:, :kept] for one in summaries])
        return Summary(summaries[0].grid, **joined, hashes=room, window_s=summaries[0].window_s)


_ADDED = ("rows", "missing", "nan", "inf", "total", "squares", "cubes", "fourths", "counts", "sums")
_PARTS = (*_ADDED, "minimum", "maximum", "hashes")


def _joined(hashes: Hashes, group: Integers, n_groups: int, kept: int) -> Hashes:
    """The smallest hashes of groups of windows."""
    held = hashes != FREE
    return smallest(hashes[held], np.repeat(group, held.sum(axis=1)), n_groups, kept)


def _same_grid(one: Grid, other: Grid) -> None:
    if one != other:
        raise GridError(
            f"summaries of {one.column!r} over grid {one.id} and of {other.column!r} over grid {other.id}: "
            "only summaries over one grid can be added or compared"
        )


def checked_windows(window: Integers, n: int, n_windows: int) -> Integers:
    if window.shape != (n,):
        raise ValueError(f"window: {window.shape} for {n} rows: must be one for each row")
    if n and (window.min() < 0 or window.max() >= n_windows):
        raise ValueError(f"window from {window.min()} to {window.max()}: must lie in 0 to {n_windows - 1}")
    return window
