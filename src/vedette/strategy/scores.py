"""From coarse counts to scores: how unusual a window is within the pool of all rows, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.hypergeometric import tails
from vedette.strategy.records import Bools, Floats, Ints, Measure, Rows

__all__ = ["Reference", "Window", "reference_scores", "reference_share", "uniform", "window_scores"]

_EXACT_BELOW = 50.0  # expected rows beside the fullest cell; fewer, and the normal law misjudges the tail
_CHUNK = 512  # rows worked on together: a few arrays of 32 cells of them stay in the processor's cache
_Z_MAX_P = 1e-300  # p-values below are as good as 0, and their normal score (37) is still finite


def _ranks(pool: Ints, measure: NDArray[np.int8]) -> Floats:
    """The score of each cell under a pool: mid-rank / N - 1/2, its square, or 0 and 1."""
    n = np.maximum(pool.sum(axis=1, keepdims=True), 1)
    ranks = (np.cumsum(pool, axis=1) - 0.5 * pool) / n - 0.5
    spread = measure == Measure.SPREAD
    ranks[spread] *= ranks[spread]
    share = measure == Measure.SHARE
    ranks[share] = 0.0
    ranks[share, 1] = 1.0
    return np.asarray(ranks)


@dataclass(frozen=True, slots=True)
class Window:
    """The counts of a window by what is done with them: two numbers of a share, a block of floats where cells are ranked.

    A column's spread counts the same cells as its location, the row before it, so that one row of the block serves
    both.
    """

    share: Ints  # rows that are shares
    n: Ints  # their counts, both cells
    ones: Ints  # those of cell 1
    ranked: Ints  # rows of location and spread
    at: Ints  # where in the block each of them is
    block: Floats
    tied: Ints  # rows of spread whose counts are those of the row before

    @classmethod
    def of(cls, counts: Ints, measure: NDArray[np.int8]) -> Window:
        """The window of counts [S, B]."""
        share = np.flatnonzero(measure == Measure.SHARE)
        ones = counts[share, 1]
        ranked = np.flatnonzero(measure != Measure.SHARE)
        spread = np.flatnonzero((measure[1:] == Measure.SPREAD) & (measure[:-1] == Measure.LOCATION)) + 1
        tied = spread[_alike(counts, spread)]
        head = _heads(len(counts), ranked, tied)
        block = _floats(counts, ranked[head])
        return cls(share, counts[share, 0] + ones, ones, ranked, np.cumsum(head) - 1, block, tied)


def _alike(counts: Ints, rows: Ints) -> Bools:
    """Which of the rows are equal to the row before."""
    out = np.ones(len(rows), dtype=np.bool_)
    for low in range(0, len(rows), _CHUNK):
        part = rows[low : low + _CHUNK]
        one, before = counts.take(part, axis=0), counts.take(part - 1, axis=0)
        if not np.array_equal(one, before):
            out[low : low + _CHUNK] = (one == before).all(axis=1)
    return out


def _heads(n_rows: int, ranked: Ints, tied: Ints) -> Bools:
    """Which of the ranked rows are not tied to the row before."""
    head = np.ones(n_rows, dtype=np.bool_)
    head[tied] = False
    return head[ranked]


def _floats(counts: Ints, rows: Ints) -> Floats:
    out = np.empty((len(rows), counts.shape[1]))
    for low in range(0, len(rows), _CHUNK):
        out[low : low + _CHUNK] = counts.take(rows[low : low + _CHUNK], axis=0)
    return out


def window_scores(
    pool: Ints,
    counts: Ints,
    measure: NDArray[np.int8],
    chance: Callable[[Ints], Floats],
    window: Window | None = None,
) -> tuple[Floats, Bools]:
    """z of each row's window within its pool (which holds the window), and whether the pool can tell at all.

    Given the pool, a window of exchangeable rows is a draw without putting back, so S = sum a c has mean
    n m and variance n v (N - n)/(N - 1), with m and v the moments of the cells' scores a over the pool. z
    = (S - n m)/sd for mid-ranks; for shares, and where fewer than 50 rows of the window are expected
    beside the pool's fullest cell, z = Phi^-1(1 - p) with p = P(H > k) + u P(H = k), H hypergeometric and
    u = ``chance(rows)``: there the normal law is wrong in the tail (methods: "window-conformal z"). Which
    of the two is used depends on the pool alone. z = 0 where all rows of the pool score alike.

    ``pool`` and ``counts`` int64[S, B], ``measure`` int8[S]; ``window`` where the caller has it already.
    """
    window = Window.of(counts, measure) if window is None else window
    z, known = np.zeros(len(pool)), np.zeros(len(pool), dtype=np.bool_)
    ranked, share = window.ranked, window.share
    if len(ranked):
        z[ranked], known[ranked], beside = _ranked(pool, measure[ranked], window)
        exact = ranked[beside < _EXACT_BELOW]
        if len(exact):
            marks = _marks(pool.take(exact, axis=0), counts.take(exact, axis=0), measure[exact])
            z[exact], known[exact] = _exact(marks, lambda some: chance(exact[some]))
            z[exact] *= marks.sign
    ones = pool[share, 1]
    marks = _Marks(pool[share, 0] + ones, ones, window.n, window.ones, np.ones(0))
    z[share], known[share] = _exact(marks, lambda some: chance(share[some]))
    return z, known


def _ranked(pool: Ints, measure: NDArray[np.int8], window: Window) -> tuple[Floats, Bools, Floats]:
    """z, whether the pool can tell, and the rows expected beside the fullest cell, of location and spread."""
    head = _heads(len(pool), window.ranked, window.tied[_alike(pool, window.tied)])
    heads, at = window.ranked[head], np.cumsum(head) - 1
    own = _at(window.block, window.at[head])
    found = _Moments.empty(len(heads))
    for low in range(0, len(heads), _CHUNK):
        part = slice(low, low + _CHUNK)
        found.enter(part, pool.take(heads[part], axis=0), own[part])
    spread = measure == Measure.SPREAD
    n_all, n = _at(found.n_all, at), _at(found.n, at)
    total = np.where(spread, _at(found.square, at), _at(found.linear, at))
    moment = np.where(spread, _at(found.fourth, at), _at(found.second, at))
    variance = n * moment * (n_all - n) / np.maximum(n_all - 1, 1)
    unit = 2.0 * np.maximum(n_all, 1)  # the ranks of ``_Moments`` are as many times too large
    unit = np.where(spread, unit * unit, unit)
    known = variance > 1e-12 * n * (unit * unit)
    z = np.zeros(len(n))
    np.divide(total, np.sqrt(variance, where=known, out=np.ones_like(variance)), out=z, where=known)
    return z, known, _beside(pool, window.ranked, found, at)


def _beside(pool: Ints, ranked: Ints, found: _Moments, at: Ints) -> Floats:
    """Rows of the window expected beside the pool's fullest cell; inf where they are surely 50 or more.

    Mid-ranks have the variance (1 - sum p^3)/12 for shares p of the cells, and the largest p^3 is at most their sum.
    """
    n_all = np.maximum(found.n_all, 1)
    cubes = 1.0 - 3.0 * found.second / (n_all * n_all)
    few = np.maximum(1.0 - _EXACT_BELOW / np.maximum(found.n, 1.0), 0.0) ** 3 < cubes + 1e-9
    beside = np.full(len(at), np.inf)
    rows = np.flatnonzero(few[at])
    if len(rows):
        fullest = pool.take(ranked[rows], axis=0).max(axis=1)
        beside[rows] = found.n[at[rows]] * (1.0 - fullest / n_all[at[rows]])
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
        cells = np.arange(pool.shape[1])
        held, one = pool.astype(np.float64), np.ones(len(cells))
        self.n_all[part] = n_all = held @ one
        self.n[part] = counts @ one
        ranks = held @ np.sign(cells - cells[:, None]).astype(
            np.float64
        )  # rows of lower cells less those of higher
        self.linear[part] = np.einsum("sb,sb->s", ranks, counts)
        ranks *= ranks
        n_all = np.maximum(n_all, 1.0)
        self.second[part] = second = np.einsum("sb,sb->s", ranks, held) / n_all
        ranks -= second[:, None]
        self.square[part] = np.einsum("sb,sb->s", ranks, counts)
        ranks *= ranks
        self.fourth[part] = np.einsum("sb,sb->s", ranks, held) / n_all


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


def _exact(marks: _Marks, chance: Callable[[Ints], Floats]) -> tuple[Floats, Bools]:
    """The randomised normal score of the number of marked rows, where a row is marked or not."""
    known = (marks.marked > 0) & (marks.marked < marks.n_all) & (marks.n < marks.n_all)
    z, rows = np.zeros(len(known)), np.flatnonzero(known)
    if len(rows):
        found = tails(marks.n_all[rows], marks.marked[rows], marks.n[rows], marks.seen[rows])
        u = chance(rows)
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
    n = np.maximum(reference.sum(axis=1), 1)
    scores = _ranks(reference, measure)
    share = measure == Measure.SHARE
    mean = np.einsum("sb,sb->s", scores, reference) / n
    mean[share] = reference_share(reference[share])
    scores -= mean[:, None]
    variance = np.einsum("sb,sb,sb->s", scores, scores, reference) / n
    variance[share] = mean[share] * (1.0 - mean[share])
    least = np.square(np.where(measure == Measure.SPREAD, 0.25, 0.5)) * 0.5 / (n + 1.0)
    return np.asarray(scores / np.sqrt(np.maximum(variance, np.where(share, 0.0, least)))[:, None])


class Reference:
    """The scores of a reference by what is done with them, made anew when another array is handed in."""

    def __init__(self) -> None:
        self._of: Ints | None = None

    def sums(self, reference: Ints, measure: NDArray[np.int8], rows: Rows, window: Window) -> Floats:
        """The sum of ``reference_scores`` over a window of these rows."""
        if self._of is not reference:
            scores = reference_scores(reference, measure)
            self._of, self._zero, self._one = reference, scores[:, 0].copy(), scores[:, 1].copy()
            ranked = np.flatnonzero(measure != Measure.SHARE)
            self._place, self._scores = np.zeros(len(measure), dtype=np.int64), scores.take(ranked, axis=0)
            self._place[ranked] = np.arange(len(ranked))
        share, ranked = (np.arange(len(measure))[rows][some] for some in (window.share, window.ranked))
        zero, one = self._zero[share], self._one[share]
        scores, at = self._scores, self._place[ranked]
        out = np.empty(len(share) + len(ranked))
        out[window.share] = zero * (window.n - window.ones) + one * window.ones
        out[window.ranked] = np.einsum("sb,sb->s", _at(scores, at), _at(window.block, window.at))
        return out


def reference_share(reference: Ints) -> Floats:
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
