"""What a forecast's error is worth: its rank among past errors, and beyond them by the tail, as bets.

The errors of one forecaster are a bag: the last 1,000 of each series. A new error's rank in it, ties broken by a number
drawn beforehand, is uniform where errors are exchangeable, whatever their law. Beyond the largest tenth of the bag the
rank says too little, and a generalised Pareto tail takes over, fitted by probability-weighted moments and made heavier
by its own standard error, so that an error far out of all that was seen weighs what it should.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["N_BETS", "WEIGHTS", "Bag", "bets", "copied", "put_in", "ranked", "refit", "tail_shape", "uniform"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Kept = TypeVar("Kept", bound=Any)

SIZE = 3000  # errors of a bag: a month of hours, three days and a half of five minutes
_REFIT = 25  # errors between fits of the tail: a fortieth of the bag
_TAIL = 0.1  # share of the bag on each side that its tail is fitted to
_TAIL_MIN = 20  # errors of a tail
_SHAPE_MIN, _SHAPE_MAX = 0.0, 1.0  # 0: exponential, never lighter, though normal errors are
_SHAPE_MARGIN = (
    1.5  # standard errors: the least at which tails of normal, exponential and t3 errors are heavy enough
)
_TIES_MAX = 0.1  # share of equal errors from which on a series has no tail, but counts

_LEARNING = 150  # errors of a forecaster that is still learning
SHIFTS = (
    0.5,
    1.0,
    2.0,
    -0.5,
    -1.0,
    -2.0,
)  # standard deviations; under .5 they last longer than the bag can vouch for
SCALES = (2.0,)
RARE = (1e-3, 1e-4, 1e-5, 1e-6)  # probabilities
_RARE_SHARE = 0.9  # of a bet that is on the error being rare; the rest is kept for the next
_Z_MAX = 6.0
N_BETS = len(SHIFTS) + len(SCALES) + len(RARE)

WEIGHTS: Floats = np.concatenate(
    [
        np.full(len(SHIFTS), 0.3 / len(SHIFTS)),
        np.full(len(SCALES), 0.1 / len(SCALES)),
        np.array([0.1, 0.15, 0.2, 0.15]),
    ]
)
"""The share of each bet in the evidence; they sum to 1."""


@dataclass(frozen=True, slots=True)
class Bag:
    """Past errors of K series: ``ring`` [K, N] (NaN: empty), how many were put in, ``n`` [K], and are in it, ``held`` [K],
    and the tails fitted.

    Of each side [K, 2] (above, below): the error ``from_`` which on the tail holds, its ``scale`` (NaN: none), ``shape``, and
    the share of errors ``beyond``. ``low`` and ``high`` [K]: the middle 95 %.
    """

    ring: Floats
    n: Ints
    held: Ints
    from_: Floats
    scale: Floats
    shape: Floats
    beyond: Floats
    low: Floats
    high: Floats

    @classmethod
    def empty(cls, n_series: int, size: int = SIZE) -> Bag:
        """A bag with nothing in it."""
        sides = [np.full((n_series, 2), np.nan) for _ in range(4)]
        middle = [np.full(n_series, np.nan) for _ in range(2)]
        nothing = np.zeros(n_series, dtype=np.int64)
        return cls(np.full((n_series, size), np.nan), nothing, nothing.copy(), *sides, *middle)


def copied(state: Kept) -> Kept:
    """A state with arrays of its own."""
    return replace(
        state,
        **{
            field.name: value.copy()
            for field in fields(state)
            if isinstance(value := getattr(state, field.name), np.ndarray)
        },
    )


def uniform(n: Ints, stream: int) -> Floats:
    """A number in (0, 1) for each count, which looks drawn but is the same each time: SplitMix64.

    >>> uniform(np.array([0, 1]), 7).round(3)
    array([0.781, 0.646])

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", figure 13.
    """
    with np.errstate(over="ignore"):
        x = (
            n.astype(np.uint64) + np.uint64(stream) * np.uint64(0xD1342543DE82EF95) + np.uint64(1)
        ) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def tail_shape(beyond: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto tail, by probability-weighted moments, the shape a standard error up.

    ``beyond`` [k]: how far each error lies beyond the first, sorted upwards. With a0 = mean y and a1 = mean (1 - F) y:
    shape = 2 - a0/(a0 - 2 a1), scale = 2 a0 a1/(a0 - 2 a1), in the sign where a larger shape is a heavier tail; at least 0
    (exponential), at most 1. The scale goes with the shape, so that the mean of the tail stays a0.

    >>> y = -np.log(1.0 - (np.arange(4000) + 0.5)/4000)      # exponential of mean 1: shape 0
    >>> shape, scale = tail_shape(y)
    >>> print(f"{shape:.2f} {scale:.2f}")
    0.02 0.98

    Source: Hosking and Wallis (1987), "Parameter and quantile estimation for the generalized Pareto distribution".
    """
    k = len(beyond)
    a0 = float(beyond.mean())
    a1 = float((beyond * (1.0 - (np.arange(1, k + 1) - 0.35) / k)).mean())
    spread = a0 - 2.0 * a1
    if not (a0 > 0.0 and spread > 0.0):
        return _SHAPE_MAX, max(a0, np.finfo(float).tiny)
    shape = 2.0 - a0 / spread
    shape += _SHAPE_MARGIN * (1.0 + abs(shape)) / np.sqrt(k)
    shape = min(max(shape, _SHAPE_MIN), _SHAPE_MAX)
    return shape, a0 * max(1.0 - shape, 0.1)


def put_in(bag: Bag, error: Floats, counted: Bools, learning: Bools) -> None:
    """Puts errors [K] of the series that are ``counted`` into a bag of one's own, and refits their tails when due.

    Of the first 150 errors of a forecaster that is ``learning`` [K] the oldest third is taken out: as long as a season is not
    known errors are large, and in units of what they were those after look small, and then large.
    """
    rows, size = np.flatnonzero(counted), bag.ring.shape[1]
    place = bag.n[rows] % size
    bag.held[rows] += np.isnan(bag.ring[rows, place])
    bag.ring[rows, place] = error[rows]
    bag.n[rows] += 1
    old = rows[learning[rows] & (bag.n[rows] % 3 == 0) & (bag.n[rows] <= _LEARNING)]
    if len(old):
        bag.ring[old, bag.n[old] // 3 - 1] = np.nan
        bag.held[old] -= 1
    due = rows[(bag.n[rows] % _REFIT == 0) & (bag.n[rows] >= 2 * _TAIL_MIN)]
    if len(due):
        refit(bag, due)


def refit(bag: Bag, rows: Ints) -> None:
    """Fits the tails and the middle of a bag of one's own, of some series."""
    for row in rows.tolist():
        errors = bag.ring[row]
        errors = np.sort(errors[~np.isnan(errors)])
        n = len(errors)
        if not n:
            continue
        bag.low[row], bag.high[row] = _between(errors, 0.025), _between(errors, 0.975)
        k = max(_TAIL_MIN, int(_TAIL * n))
        ties = 1.0 - np.count_nonzero(np.diff(errors)) / max(n - 1, 1)
        bag.scale[row] = np.nan
        if n < 5 * _TAIL_MIN or ties > _TIES_MAX:
            continue
        for side, sorted_ in ((0, errors), (1, -errors[::-1])):
            start = sorted_[-k - 1]
            shape, scale = tail_shape(sorted_[-k:] - start)
            bag.from_[row, side], bag.shape[row, side], bag.scale[row, side] = start, shape, scale
            bag.beyond[row, side] = k / n


def _between(errors: Floats, share: float) -> float:
    place = share * (len(errors) + 1) - 1.0
    low = int(np.clip(np.floor(place), 0, len(errors) - 1))
    high = min(low + 1, len(errors) - 1)
    return float(errors[low] + np.clip(place - low, 0.0, 1.0) * (errors[high] - errors[low]))


def ranked(bag: Bag, error: Floats, stream: int) -> tuple[Floats, Floats]:
    """P(an error is as large or larger) and P(as small or smaller) of new errors [K] in view of a bag; NaN where empty.

    Without a tail: (errors beyond + u (equal ones + 1))/(n + 1), which is exactly uniform for exchangeable errors, u from
    ``uniform``. Beyond the start of a tail: its survival function.
    """
    n = bag.held.astype(np.float64)
    ring = bag.ring[:, : int(np.minimum(bag.n, bag.ring.shape[1]).max(initial=0))]
    above = (ring > error[:, None]).sum(axis=1)
    below = (ring < error[:, None]).sum(axis=1)
    u = uniform(bag.n, stream)
    p = np.empty((len(error), 2))
    p[:, 0] = (above + u * (n - above - below + 1.0)) / (n + 1.0)
    p[:, 1] = 1.0 - p[:, 0]
    far = np.stack([error, -error], axis=1) - bag.from_
    with np.errstate(invalid="ignore", over="ignore"):
        tail = far > 0.0
        tail &= ~np.isnan(bag.scale)
    if tail.any():
        y, shape = far[tail] / bag.scale[tail], bag.shape[tail]
        power = np.where(shape > 1e-6, np.log1p(shape * y) / np.where(shape > 1e-6, shape, 1.0), y)
        p[tail] = np.maximum(bag.beyond[tail] * np.exp(-power), 1e-300)
        p[tail[:, 0], 1] = 1.0 - p[tail[:, 0], 0]
        p[tail[:, 1], 0] = 1.0 - p[tail[:, 1], 1]
    p[(n == 0) | np.isnan(error)] = np.nan
    return p[:, 0], p[:, 1]


def bets(above: Floats, below: Floats, widen: Floats) -> tuple[Floats, Floats]:
    """Logs of e-values [K, M] of errors with such tail probabilities [K], and their normal scores z [K].

    Shifts: lam z - lam^2/2. Wider spread: -ln s + z^2 (1 - 1/s^2)/2. Rare: ln(.1 + .9/alpha) where twice the smaller tail
    is at most alpha, else ln .1. Each has mean 1 or less where the probabilities are uniform. ``widen`` [K] is the variance
    of sums of z over that of independent ones: shifts and spread bet on z/sqrt(widen). Errors without probabilities: 0.

    >>> log_e, z = bets(np.array([0.5]), np.array([0.5]), np.array([1.0]))
    >>> log_e[0, :2], z                              # nothing strange: bets on shifts of .5 and 1 lose .125 and .5
    (array([-0.125, -0.5  ]), array([0.]))
    """
    with np.errstate(invalid="ignore"):
        z = np.where(above < below, -special.ndtri(above), special.ndtri(below))
        z = np.clip(z, -38.0, 38.0)
        bet = np.clip(z / np.sqrt(widen), -_Z_MAX, _Z_MAX)[:, None]
        rare = 2.0 * np.minimum(above, below)
    lam, s, alpha = np.array(SHIFTS), np.array(SCALES), np.array(RARE)
    out = np.empty((len(z), N_BETS))
    out[:, : len(lam)] = lam * bet - 0.5 * lam * lam
    out[:, len(lam) : len(lam) + len(s)] = 0.5 * bet * bet * (1.0 - 1.0 / (s * s)) - np.log(s)
    with np.errstate(invalid="ignore"):
        out[:, len(lam) + len(s) :] = np.log(
            1.0 - _RARE_SHARE + _RARE_SHARE * (rare[:, None] <= alpha) / alpha
        )
    out[np.isnan(z)] = 0.0
    return out, z
