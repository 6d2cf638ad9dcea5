"""From coarse counts to scores: how unusual a window is within the pool of all rows, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.hypergeometric import tails
from vedette.strategy.records import Bools, Floats, Ints, Measure

__all__ = ["reference_scores", "reference_share", "uniform", "window_scores"]

_EXACT_BELOW = 50.0  # expected rows beside the fullest cell; fewer, and the normal law misjudges the tail
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


def window_scores(
    pool: Ints, counts: Ints, measure: NDArray[np.int8], chance: Floats
) -> tuple[Floats, Bools]:
    """z of each row's window within its pool (which holds the window), and whether the pool can tell at all.

    Given the pool, a window of exchangeable rows is a draw without putting back, so S = sum a c has mean
    n m and variance n v (N - n)/(N - 1), with m and v the moments of the cells' scores a over the pool. z
    = (S - n m)/sd for mid-ranks; for shares, and where fewer than 50 rows of the window are expected
    beside the pool's fullest cell, z = Phi^-1(1 - p) with p = P(H > k) + u P(H = k), H hypergeometric and
    u = ``chance`` [S]: there the normal law is wrong in the tail (methods: "window-conformal z"). Which
    of the two is used depends on the pool alone. z = 0 where all rows of the pool score alike.

    ``pool`` and ``counts`` int64[S, B], ``measure`` int8[S].
    """
    n_all, n = pool.sum(axis=1), counts.sum(axis=1)
    scores = _ranks(pool, measure)
    scores -= (np.einsum("sb,sb->s", scores, pool) / np.maximum(n_all, 1))[:, None]
    spread = np.einsum("sb,sb,sb->s", scores, scores, pool) / np.maximum(n_all, 1)
    variance = n * spread * (n_all - n) / np.maximum(n_all - 1, 1)
    known = variance > 1e-12 * n
    z = np.zeros(len(n))
    np.divide(
        np.einsum("sb,sb->s", scores, counts),
        np.sqrt(variance, where=known, out=np.ones_like(variance)),
        out=z,
        where=known,
    )
    beside = n * (1.0 - pool.max(axis=1) / np.maximum(n_all, 1))
    exact = np.flatnonzero((measure == Measure.SHARE) | (beside < _EXACT_BELOW))
    if len(exact):
        z[exact], known[exact] = _exact(pool[exact], counts[exact], measure[exact], chance[exact])
    return z, known


def _exact(pool: Ints, counts: Ints, measure: NDArray[np.int8], chance: Floats) -> tuple[Floats, Bools]:
    """The randomised normal score of the number of marked rows, where a row is marked or not."""
    marks, sign = _marks(pool, measure)
    n_all, n = pool.sum(axis=1), counts.sum(axis=1)
    marked = np.where(marks, pool, 0).sum(axis=1)
    seen = np.where(marks, counts, 0).sum(axis=1)
    known = (marked > 0) & (marked < n_all) & (n < n_all)
    z = np.zeros(len(n))
    if bool(known.any()):
        found = tails(n_all[known], marked[known], n[known], seen[known])
        u = chance[known]
        upper = np.maximum(found.above + u * found.equal, _Z_MAX_P)
        lower = np.maximum(found.below + (1.0 - u) * found.equal, _Z_MAX_P)
        z[known] = np.where(upper <= lower, -special.ndtri(upper), special.ndtri(lower))
    return z * sign, known


def _marks(pool: Ints, measure: NDArray[np.int8]) -> tuple[Bools, Floats]:
    """The marked cells of each row, and the sign that a surplus of marked rows has in the row's measure.

    Shares: cell 1. Location: all on one side of the fullest cell, the side with more rows. Spread: all
    but the fullest cell.
    """
    cell = np.arange(pool.shape[1])
    fullest = pool.argmax(axis=1)[:, None]
    below, above = cell < fullest, cell > fullest
    upward = np.where(above, pool, 0).sum(axis=1) >= np.where(below, pool, 0).sum(axis=1)
    side = np.where(upward[:, None], above, below)
    kind = measure[:, None]
    marks = np.where(kind == Measure.SHARE, cell == 1, np.where(kind == Measure.SPREAD, below | above, side))
    return marks, np.where((measure == Measure.LOCATION) & ~upward, -1.0, 1.0)


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
