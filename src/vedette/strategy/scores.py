"""From coarse counts to scores: how unusual a window is within the pool of all rows, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.hypergeometric import tails
from vedette.strategy.records import Bools, Floats, Ints, Measure, Rows, State, Tie

__all__ = ["Reference", "Scored", "reference_scores", "reference_share", "ties", "uniform", "window_scores"]

_EXACT_BELOW = 50.0  # expected rows beside the fullest cell; fewer, and the normal law misjudges the tail
_CHUNK = 3072  # rows worked on together: a few arrays of 32 cells of them stay in the processor's cache
_Z_MAX_P = 1e-300  # p-values below are as good as 0, and their normal score (37) is still finite


def _ranks(pool: Floats) -> Floats:
    """2 N (mid-rank / N - 1/2) of each cell, a whole number: the rows of lower cells less those of higher."""
    cells = np.arange(pool.shape[1])
    return np.asarray(pool @ np.sign(cells - cells[:, None]).astype(np.float64))


def ties(pool: Ints, same_cells: Bools) -> NDArray[np.int8]:
    """``Tie`` [S] of each row to the row before, of rows of which ``same_cells`` says whether they count the same."""
    rows = np.flatnonzero(same_cells)
    out = np.zeros(len(pool), dtype=np.int8)
    out[rows] = np.where(
        (pool.take(rows, axis=0) == pool.take(rows - 1, axis=0)).all(axis=1), Tie.POOL, Tie.CELLS
    )
    return out


@dataclass(frozen=True, slots=True)
class Scored:
    """z [S] of a window, whether the pool can tell at all, the pool with the window, and the window by what it is.

    A column's spread counts what its location does, the row before it, and most have the same pool. So one row, the
    head, is worked on for both.
    """

    z: Floats
    known: Bools
    pool: Ints
    share: Ints  # rows that are shares
    n: Ints  # their counts, both cells
    ones: Ints  # those of cell 1
    heads: Ints  # rows of which the counts are in the block
    block: Floats
    followers: Ints  # rows of spread that are tied to the row before, pool and all
    leader: Ints  # where in the block that is


def window_scores(
    pool: Ints,
    counts: Ints,
    measure: NDArray[np.int8],
    tied: NDArray[np.int8],
    chance: Callable[[Ints], Floats],
) -> Scored:
    """How unusual each row's window is within the pool, once the pool has taken the window in.

    Given that pool, a window of exchangeable rows is a draw without putting back, so S = sum a c has mean
    n m and variance n v (N - n)/(N - 1), with m and v the moments of the cells' scores a over the pool. z
    = (S - n m)/sd for mid-ranks; for shares, and where fewer than 50 rows of the window are expected
    beside the pool's fullest cell, z = Phi^-1(1 - p) with p = P(H > k) + u P(H = k), H hypergeometric and
    u = ``chance(rows)``: there the normal law is wrong in the tail (methods: "window-conformal z"). Which
    of the two is used depends on the pool alone. z = 0 where all rows of the pool score alike.

    ``pool`` (before the window) and ``counts`` int64[S, B], ``measure`` and ``tied`` int8[S]; shares have all their
    counts in the first two cells.
    """
    share, followers = np.flatnonzero(measure == Measure.SHARE), np.flatnonzero(tied == Tie.POOL)
    head = (measure != Measure.SHARE) & (tied != Tie.POOL)
    heads, leader = np.flatnonzero(head), (np.cumsum(head) - 1)[followers - 1]
    after, block, found, cells = _sweep(pool, counts, heads, share)
    z, known = np.zeros(len(pool)), np.zeros(len(pool), dtype=np.bool_)
    beside = _beside(after, heads, found)
    for rows, at in ((heads, slice(None)), (followers, leader)):
        spread = measure[rows] == Measure.SPREAD
        z[rows], known[rows] = found.scores(at, spread)
        exact = rows[beside[at] < _EXACT_BELOW]
        if len(exact):
            marks = _marks(after.take(exact, axis=0), counts.take(exact, axis=0), measure[exact])
            z[exact], known[exact] = _exact(marks, chance, exact)
            z[exact] *= marks.sign
    n, ones = cells[0] + cells[1], cells[1]
    marks = _Marks(cells[2] + cells[3], cells[3], n, ones, np.ones(0))
    z[share], known[share] = _exact(marks, chance, share)
    return Scored(z, known, after, share, n, ones, heads, block, followers, leader)


def _sweep(pool: Ints, counts: Ints, heads: Ints, share: Ints) -> tuple[Ints, Floats, _Moments, Ints]:
    """In one way through memory: the pool with the window, the counts of the heads, their moments, and of the shares
    both cells, in the counts and in the pool.
    """
    after, block = np.empty_like(pool), np.empty((len(heads), pool.shape[1]))
    found = _Moments.empty(len(heads))
    cells, edges = np.empty((4, len(share)), dtype=np.int64), np.arange(0, len(pool) + _CHUNK, _CHUNK)
    bounds, share_bounds = np.searchsorted(heads, edges).tolist(), np.searchsorted(share, edges).tolist()
    for number, low in enumerate(range(0, len(pool), _CHUNK)):
        rows, part = slice(low, low + _CHUNK), slice(bounds[number], bounds[number + 1])
        np.add(pool[rows], counts[rows], out=after[rows])
        some = slice(share_bounds[number], share_bounds[number + 1])
        first = (share[some] - low) * pool.shape[1]
        second = first + 1
        for at, array in ((0, counts[rows].ravel()), (2, after[rows].ravel())):
            cells[at, some], cells[at + 1, some] = array.take(first), array.take(second)
        own = heads[part] - low
        block[part] = counts[rows].take(own, axis=0)
        found.enter(part, after[rows].take(own, axis=0), block[part])
    return after, block, found, cells


def _beside(pool: Ints, heads: Ints, found: _Moments) -> Floats:
    """Rows of the window expected beside the pool's fullest cell; inf where they are surely 50 or more.

    Mid-ranks have the variance (1 - sum p^3)/12 for shares p of the cells, and the largest p^3 is at most their sum.
    """
    n_all = np.maximum(found.n_all, 1)
    cubes = 1.0 - 3.0 * found.second / (n_all * n_all)
    few = np.maximum(1.0 - _EXACT_BELOW / np.maximum(found.n, 1.0), 0.0)
    rows = np.flatnonzero(few * few * few < cubes + 1e-9)
    beside = np.full(len(heads), np.inf)
    fullest = pool.take(heads[rows], axis=0).max(axis=1, initial=0)
    beside[rows] = found.n[rows] * (1.0 - fullest / n_all[rows])
    return beside


class _Moments(NamedTuple):
    """Sums over cells, of ranks a = 2 N (mid-rank / N - 1/2), which are whole numbers.

    >>> found = _Moments.empty(1)
    >>> found.enter(slice(0, 1), np.array([[1, 2, 1]]), np.array([[0.0, 0.0, 1.0]]))
    >>> float(found.linear[0])  # of four rows of ranks -3, 0, 0, 3 one of rank 3 was seen
    3.0
    """

    n_all: Floats
    n: Floats
    linear: Floats  # sum c a
    square: Floats  # sum c (a^2 - its mean over the pool)
    second: Floats  # mean over the pool of a^2
    fourth: Floats  # variance over the pool of a^2

    @classmethod
    def empty(cls, n: int) -> _Moments:
        return cls(*(np.zeros(n) for _ in cls._fields))

    def enter(self, part: slice, pool: Ints, counts: Floats) -> None:
        """The sums of some rows."""
        held, one = pool.astype(np.float64), np.ones(pool.shape[1])
        self.n_all[part] = n_all = held @ one
        self.n[part] = counts @ one
        ranks = _ranks(held)
        self.linear[part] = np.einsum("sb,sb->s", ranks, counts)
        ranks *= ranks
        n_all = np.maximum(n_all, 1.0)
        self.second[part] = second = np.einsum("sb,sb->s", ranks, held) / n_all
        ranks -= second[:, None]
        self.square[part] = np.einsum("sb,sb->s", ranks, counts)
        ranks *= ranks
        self.fourth[part] = np.einsum("sb,sb->s", ranks, held) / n_all

    def scores(self, at: Rows, spread: Bools) -> tuple[Floats, Bools]:
        """z, and whether the pool can tell, of some of the rows as spread or as location."""
        n_all, n, total, moment = self.n_all[at], self.n[at], self.linear[at], self.second[at]
        unit = 2.0 * np.maximum(n_all, 1)  # the ranks are as many times too large
        if bool(spread.any()):
            total, moment = (
                np.where(spread, self.square[at], total),
                np.where(spread, self.fourth[at], moment),
            )
            unit = np.where(spread, unit * unit, unit)
        variance = n * moment * (n_all - n) / np.maximum(n_all - 1, 1)
        known = variance > 1e-12 * n * (unit * unit)
        deviation = np.sqrt(variance, where=known, out=np.ones_like(variance))
        return np.where(known, total / deviation, 0.0), known


def _at(values: Floats, at: Ints) -> Floats:
    """values[at], without a copy where that is all of them in their order."""
    return (
        values
        if len(at) == len(values) and bool((at == np.arange(len(at))).all())
        else values.take(at, axis=0)
    )


class _Marks(NamedTuple):
    """How many rows are marked in pool and window, and the sign that a surplus of them has in the row's measure."""

    n_all: Ints
    marked: Ints
    n: Ints
    seen: Ints
    sign: Floats


def _exact(marks: _Marks, chance: Callable[[Ints], Floats], place: Ints) -> tuple[Floats, Bools]:
    """The randomised normal score of the number of marked rows, where a row is marked or not."""
    known = (marks.marked > 0) & (marks.marked < marks.n_all) & (marks.n < marks.n_all)
    z, rows = np.zeros(len(known)), np.flatnonzero(known)
    if len(rows):
        found = tails(marks.n_all[rows], marks.marked[rows], marks.n[rows], marks.seen[rows])
        u = chance(place[rows])
        upper = np.maximum(found.above + u * found.equal, _Z_MAX_P)
        lower = np.maximum(found.below + (1.0 - u) * found.equal, _Z_MAX_P)
        least = np.minimum(upper, lower)
        z[rows] = np.copysign(special.ndtri(least), lower - upper)
    return z, known


def _marks(pool: Ints, counts: Ints, measure: NDArray[np.int8]) -> _Marks:
    """The marked rows where mid-ranks are too coarse.

    Location: all on one side of the fullest cell, the side with more rows. Spread: all but the fullest cell.
    """
    cell = np.arange(pool.shape[1])
    fullest = pool.argmax(axis=1)[:, None]
    below, above = cell < fullest, cell > fullest
    upward = np.where(above, pool, 0).sum(axis=1) >= np.where(below, pool, 0).sum(axis=1)
    side = np.where(upward[:, None], above, below)
    marks = np.where((measure == Measure.SPREAD)[:, None], below | above, side)
    sign = np.where((measure == Measure.LOCATION) & ~upward, -1.0, 1.0)
    marked, seen = (np.where(marks, array, 0).sum(axis=1) for array in (pool, counts))
    return _Marks(pool.sum(axis=1), marked, counts.sum(axis=1), seen, sign)


def reference_scores(reference: Ints, measure: NDArray[np.int8]) -> Floats:
    """The frozen score of each cell in standard deviations of the reference: what the size of a change is
    told in.

    A standard deviation of zero is replaced by that which half a row in another cell would give.
    """
    out = np.empty(reference.shape)
    for low in range(0, len(reference), _CHUNK):
        part = slice(low, low + _CHUNK)
        out[part] = _reference_scores(reference[part].astype(np.float64), measure[part])
    return out


def _reference_scores(reference: Floats, measure: NDArray[np.int8]) -> Floats:
    n = np.maximum(reference.sum(axis=1), 1.0)
    scores = _ranks(reference) / (2.0 * n)[:, None]
    spread, share = measure == Measure.SPREAD, measure == Measure.SHARE
    scores = np.where(spread[:, None], scores * scores, scores)
    scores[share] = np.arange(reference.shape[1]) == 1
    mean = np.where(share, reference_share(reference), np.einsum("sb,sb->s", scores, reference) / n)
    scores -= mean[:, None]
    variance = np.einsum("sb,sb,sb->s", scores, scores, reference) / n
    least = np.square(np.where(spread, 0.25, 0.5)) * 0.5 / (n + 1.0)
    variance = np.where(share, mean * (1.0 - mean), np.maximum(variance, least))
    return np.asarray(scores / np.sqrt(variance)[:, None])


class Reference:
    """The scores of a reference by what is done with them, made anew when another array is handed in."""

    def __init__(self) -> None:
        self._of: tuple[object, object] = (None, None)

    def sums(self, state: State, rows: Rows, found: Scored) -> Floats:
        """The sum of ``reference_scores`` over a window of these rows."""
        if self._of[0] is not state.reference or self._of[1] is not state.tied:
            self._prepare(state)
        groups = found.heads, found.followers, found.share
        blocks = self._blocks
        if not isinstance(rows, slice):
            blocks = [
                block.take(self._place[rows[own]], axis=0) for block, own in zip(blocks, groups, strict=True)
            ]
        out = np.empty(len(found.z))
        out[found.heads] = np.einsum("sb,sb->s", blocks[0], found.block)
        out[found.followers] = np.einsum("sb,sb->s", blocks[1], _at(found.block, found.leader))
        out[found.share] = blocks[2][:, 0] * (found.n - found.ones) + blocks[2][:, 1] * found.ones
        return out

    def _prepare(self, state: State) -> None:
        share, follows = state.measure == Measure.SHARE, state.tied == Tie.POOL
        self._place = np.zeros(len(share), dtype=np.int64)
        self._blocks = []
        for own, cells in ((~share & ~follows, slice(None)), (follows, slice(None)), (share, slice(2))):
            rows = np.flatnonzero(own)
            self._place[rows] = np.arange(len(rows))
            self._blocks.append(
                reference_scores(state.reference[:, cells].take(rows, axis=0), state.measure[rows])
            )
        self._of = state.reference, state.tied


def reference_share(reference: Ints | Floats) -> Floats:
    """The share of cell 1 in the reference with half a row added on either side, so that it is never 0 or
    1.
    """
    return np.asarray((reference[:, 1] + 0.5) / (reference[:, 0] + reference[:, 1] + 1.0))


def uniform(key: NDArray[np.uint64], start: float, judged: Ints) -> Floats:
    """A number in (0, 1) for each row, the same in every run: SplitMix64 of the row's key, the window and
    the step.

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", figure 16 (as
    in Java).
    """
    window = np.array([start], dtype=np.float64).view(np.uint64)
    state = _mix(key ^ _mix(window)) ^ judged.astype(np.uint64)
    return np.asarray(((_mix(state) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
