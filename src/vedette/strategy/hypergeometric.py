"""Exact tail probabilities of the hypergeometric distribution, for many monitors in one call.

Of ``population`` rows ``marked`` carry a mark; ``drawn`` of them are drawn without putting back; H is
the number of marked ones among them. Given the pool of all rows seen, this is the law of a window's
count, if rows are exchangeable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["Tails", "tails"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STIRLING = np.array(  # log(x!) - (x + 1/2) log x + x - log(2 pi)/2; the series is good from 16 on
    [0.0]
    + [
        float(special.gammaln(x + 1.0) - (x + 0.5) * np.log(x) + x - 0.5 * np.log(2 * np.pi))
        for x in range(1, 16)
    ]
)
_SUM_VARIANCE_MAX = (
    1000.0  # above, the sum has more than 270 terms, and the integral is good to 1e-8 of the tail
)
_SUM_DEVIATIONS_MIN = 8.0  # so far out the terms fall so fast that the sum is short at any variance
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_CHUNK = 8192  # rows worked on together: arrays of this length stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Tails:
    """P(H < k), P(H = k) and P(H > k); each tail keeps its relative precision where it is small."""

    below: Floats
    equal: Floats
    above: Floats


def tails(population: ArrayLike, marked: ArrayLike, drawn: ArrayLike, seen: ArrayLike) -> Tails:
    """How likely a window with fewer, as many, or more marked rows was.

    P(H = k) = C(M, k) C(N - M, n - k) / C(N, n) by Stirling's series with deviances, as in Loader (2000),
    "Fast and accurate computation of binomial probabilities", so that nothing cancels at large N. The
    smaller tail is the sum of the following terms, each by its ratio to the one before; where the
    variance exceeds 1,000 and k lies within eight standard deviations, the sum is an integral
    (Gauss-Legendre, 32 nodes) with three terms of Euler-Maclaurin.

    ``population`` N, ``marked`` M, ``drawn`` n and ``seen`` k broadcast; they are counts with M <= N, n
    <= N and max(0, M + n - N) <= k <= min(M, n), else ``ValueError``. A certain k gives 0, 1, 0.

    The number is ``scipy.stats.hypergeom(20, 7, 12).sf(3)``:

    >>> float(tails(20, 7, 12, 3).above[0].round(12))
    0.749226006192
    """
    arrays = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(a)).astype(np.float64) for a in (population, marked, drawn, seen))
    )
    n_all, n_marked, n_drawn, k = (a.ravel() for a in arrays)
    wrong = (n_marked > n_all) | (n_drawn > n_all) | (k > np.minimum(n_marked, n_drawn))
    wrong |= k < np.maximum(0.0, n_marked + n_drawn - n_all)
    if bool(wrong.any()):
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"population={n_all[at]:.0f}, marked={n_marked[at]:.0f}, drawn={n_drawn[at]:.0f}, "
            f"seen={k[at]:.0f}: no such draw exists"
        )
    below, equal, above = (np.empty(len(k)) for _ in range(3))
    for low in range(0, len(k), _CHUNK):
        part = slice(low, low + _CHUNK)
        below[part], equal[part], above[part] = _tails(n_all[part], n_marked[part], n_drawn[part], k[part])
    shape = arrays[0].shape
    return Tails(below.reshape(shape), equal.reshape(shape), above.reshape(shape))


def _tails(population: Floats, marked: Floats, drawn: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
    safe = np.maximum(population, 1.0)
    mean = marked * drawn / safe
    low = seen < mean  # then count the unmarked ones: the lower tail of k is the upper tail of n - k
    m = np.where(low, population - marked, marked)
    k = np.where(low, drawn - seen, seen)
    variance = mean * (population - marked) / safe * (population - drawn) / np.maximum(population - 1.0, 1.0)
    far = np.abs(seen - mean) > _SUM_DEVIATIONS_MIN * np.sqrt(variance)
    summed = (variance <= _SUM_VARIANCE_MAX) | far
    equal = np.exp(_log_pmf(population, m, drawn, k))
    ratio = np.empty_like(k)
    ratio[summed] = _sum(population[summed], m[summed], drawn[summed], k[summed])
    smooth = ~summed
    if bool(smooth.any()):
        ratio[smooth] = _integral(population[smooth], m[smooth], drawn[smooth], k[smooth], variance[smooth])
    tail = np.minimum(equal * ratio, 1.0)
    rest = np.clip(1.0 - equal - tail, 0.0, 1.0)
    return np.where(low, tail, rest), equal, np.where(low, rest, tail)


def _stirling(x: Floats) -> Floats:
    """log(x!) - x log x + x, the part of the factorial beside its entropy."""
    all_large = bool(x.min(initial=16.0) >= 16.0)
    large = x if all_large else np.maximum(x, 16.0)
    inverse = 1.0 / (large * large)
    series = inverse / -1188.0  # 1/12 - i (1/360 - i (1/1260 - i (1/1680 - i/1188))), from within
    for term in (1 / 1680, 1 / 1260, 1 / 360):
        series += term
        series *= -inverse
    series += 1 / 12
    series /= large
    half = np.log(2 * np.pi * np.maximum(x, 1.0))
    half *= 0.5
    if all_large:
        return np.asarray(series + half)
    small = _STIRLING[np.minimum(x, 15.0).astype(np.intp)]
    return np.where(x < 16, small, series) + np.where(x > 0, half, 0.0)


def _cells(
    population: Floats, marked: Floats, drawn: Floats, k: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    return k, marked - k, drawn - k, population - marked - drawn + k


def _xlog1p(d: Floats) -> Floats:
    """(1 + d) log(1 + d), 0 for -1 and what rounding left below it."""
    return np.where(d > -1.0, (1.0 + d) * np.log1p(np.maximum(d, -1.0 + 2.0**-53)), 0.0)


def _deviance(population: Floats, marked: Floats, drawn: Floats, k: Floats) -> Floats:
    """sum of observed log(observed/expected) over the four cells of the 2 x 2 table."""
    safe = np.maximum(population, 1.0)
    excess = k - marked * drawn / safe
    total = np.zeros_like(k)
    signs = (1.0, -1.0, -1.0, 1.0)
    margins = (
        (marked, drawn),
        (marked, population - drawn),
        (population - marked, drawn),
        (population - marked, population - drawn),
    )
    for sign, (row, column) in zip(signs, margins, strict=True):
        expected = row * (column / safe)
        d = sign * excess / np.where(expected > 0, expected, 1.0)
        total += expected * (_xlog1p(d) - d)
    return total


def _log_pmf(population: Floats, marked: Floats, drawn: Floats, k: Floats) -> Floats:
    fixed = (
        _stirling(marked) + _stirling(population - marked) + _stirling(drawn) + _stirling(population - drawn)
    )
    free = np.sum([_stirling(cell) for cell in _cells(population, marked, drawn, k)], axis=0)
    return np.asarray(fixed - _stirling(population) - free - _deviance(population, marked, drawn, k))


def _sum(population: Floats, marked: Floats, drawn: Floats, k: Floats) -> Floats:
    """P(H > k) / P(H = k), term by term, for k at or above the mean."""
    total = np.zeros_like(k)
    index: Ints = np.arange(len(k))
    a, b, c, d = (cell.copy() for cell in _cells(population, marked, drawn, k))
    term, partial = np.ones_like(k), np.zeros_like(k)
    while len(index):
        ratio, under = np.empty_like(a), np.empty_like(a)
        for _ in range(8):  # between two looks at which rows are done
            a += 1.0
            d += 1.0
            np.multiply(b, c, out=ratio)
            ratio /= np.multiply(a, d, out=under)
            term *= ratio  # zero for good once b or c was, whatever becomes of them then
            b -= 1.0
            c -= 1.0
            partial += term
        done = term <= 1e-17 * partial
        if bool(done.any()):
            total[index[done]] = partial[done]
            left = ~done
            index = index[left]
            a, b, c, d, term, partial = (x[left] for x in (a, b, c, d, term, partial))
    return total


def _integral(population: Floats, marked: Floats, drawn: Floats, k: Floats, variance: Floats) -> Floats:
    """P(H > k) / P(H = k) where the probabilities, as a function of a real k, are smooth."""
    deviation = np.sqrt(variance)
    start = k + 0.5
    t = np.maximum(k - marked * drawn / population, 0.0) / deviation
    width = deviation * (np.sqrt(t * t + 80.0) - t)  # beyond, less than e^-40 of the tail is left
    at_k = _shape(population, marked, drawn, k)
    area = np.zeros_like(k)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        x = start + (0.5 * (node + 1.0)) * width
        area += weight * np.exp(_shape(population, marked, drawn, x) - at_k)
    first, second, third = _slopes(population, marked, drawn, start)
    edge = np.exp(_shape(population, marked, drawn, start) - at_k)
    return 0.5 * width * area + edge * (
        first / 24.0 - 7.0 / 5760.0 * (first**3 + 3.0 * first * second + third)
    )


def _shape(population: Floats, marked: Floats, drawn: Floats, x: Floats) -> Floats:
    """The part of log P(H = x) that depends on x, for cells of 100 and more."""
    total = -_deviance(population, marked, drawn, x)
    for cell in _cells(population, marked, drawn, x):
        inverse = 1.0 / (cell * cell)
        total -= 0.5 * np.log(cell) + (1 / 12 - inverse * (1 / 360 - inverse / 1260)) / cell
    return total


def _slopes(population: Floats, marked: Floats, drawn: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    """Three derivatives of log P(H = x) by x, from the asymptotic series of the polygamma functions."""
    first, second, third = (np.zeros_like(x) for _ in range(3))
    for sign, cell in zip((1.0, -1.0, -1.0, 1.0), _cells(population, marked, drawn, x), strict=True):
        first -= sign * (np.log(cell) + 0.5 / cell - 1.0 / (12.0 * cell**2))
        second -= 1.0 / cell - 0.5 / cell**2
        third += sign / cell**2
    return first, second, third
