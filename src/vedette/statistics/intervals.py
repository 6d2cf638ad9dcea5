"""Interval formulas that several statistics share, all on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = [
    "FEW",
    "average",
    "clopper_pearson",
    "garwood",
    "hall",
    "noncentral_chi_square",
    "quantile_ranks",
    "share",
    "unlike",
    "wilson",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FEW = 5
"""With fewer rows on either side a share's interval is exact (Clopper-Pearson): Wilson's can hold the truth
only 0.84 of the time there."""

SADDLEPOINT_FROM = 200.0
"""From here on the saddlepoint approximation of a noncentral chi-square is right to 2e-5."""

SADDLEPOINT_STEPS, SECANT_STEPS = 4, 3  # then the tails are within 1e-6 of what was asked for


def _pair(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Floats, Floats]:
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def wilson(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share of ``k`` in ``n``; [0, 1] where ``n`` is 0.

    With z the normal quantile: (k + z^2/2 -+ z sqrt(k (n-k)/n + z^2/4)) / (n + z^2).
    Source: E. B. Wilson (1927), JASA 22, 209-212.

    >>> low, high = wilson(40, 50, 0.95)     # scipy.stats.binomtest(40, 50).proportion_ci(method="wilson")
    >>> round(float(low), 4), round(float(high), 4)
    (0.6696, 0.8876)
    """
    hits, size = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = float(special.ndtri((1 + level) / 2)) ** 2
    spread = np.maximum(hits * (size - hits), 0.0) / np.maximum(size, 1e-300)
    middle, half = (hits + z2 / 2) / (size + z2), np.sqrt(z2 * (spread + z2 / 4)) / (size + z2)
    return _pair(np.where(hits <= 0, 0.0, middle - half), np.where(hits >= size, 1.0, middle + half))


def clopper_pearson(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """The exact interval of a share of ``k`` in ``n``; [0, 1] where ``n`` is 0.

    The limits are quantiles of Beta(k, n-k+1) and Beta(k+1, n-k).
    Source: C. J. Clopper and E. S. Pearson (1934), Biometrika 26, 404-413.

    >>> low, high = clopper_pearson(0, 10, 0.95)     # by hand: 1 - 0.025**(1/10)
    >>> float(low), round(float(high), 4)
    (0.0, 0.3085)
    """
    hits, size = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    tail, rest = (1 - level) / 2, size - hits
    low = special.betaincinv(np.maximum(hits, 1e-9), rest + 1, tail)
    high = special.betaincinv(hits + 1, np.maximum(rest, 1e-9), 1 - tail)
    return _pair(np.where(hits <= 0, 0.0, low), np.where(rest <= 0, 1.0, high))


def share(k: npt.ArrayLike, n: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """The interval of a share: Wilson's, or Clopper and Pearson's where either count is under 5.

    >>> bool(share(3, 100, 0.95)[1] == clopper_pearson(3, 100, 0.95)[1])
    True
    """
    hits, size = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    low, high = wilson(hits, size, level)
    few = np.minimum(hits, size - hits) < FEW
    if few.any():
        exact_low, exact_high = clopper_pearson(hits, size, level)
        low, high = np.where(few, exact_low, low), np.where(few, exact_high, high)
    return low, high


def average(
    value: Floats, low: Floats, high: Floats, counted: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """The plain average over classes, with the interval that the classes' own intervals add up to.

    All arguments are [W, classes]; a class that is not ``counted`` has no part. The distances of limits from
    values are added as squares ("MOVER"): the lower limit is mean(v) - sqrt(sum (v_i - l_i)^2)/K. It keeps
    the skewness of the parts' intervals, and the range [0, 1], where a normal interval does not. The values
    must be independent.
    Source: G. Y. Zou and A. Donner (2008), Statistics in Medicine 27, 1693-1702.

    >>> value, both = np.array([[0.8, 0.8]]), np.array([[True, True]])
    >>> low, high = share([[40, 40]], [[50, 50]], 0.95)
    >>> [round(float(x[0]), 4) for x in average(value, low, high, both)]  # 0.8 - (0.8 - 0.6696)/sqrt(2)
    [0.8, 0.7078, 0.8619]
    """
    classes = np.maximum(counted.sum(axis=1), 1)
    mean = np.where(counted, value, 0.0).sum(axis=1) / classes
    below = np.sqrt((np.where(counted, value - low, 0.0) ** 2).sum(axis=1)) / classes
    above = np.sqrt((np.where(counted, high - value, 0.0) ** 2).sum(axis=1)) / classes
    return mean, np.maximum(mean - below, 0.0), np.minimum(mean + above, 1.0)


def quantile_ranks(n: npt.ArrayLike, p: float, level: float) -> tuple[Integers, Integers]:
    """The ranks, from 1, between which the ``p`` quantile lies at this level or a higher.

    With X binomial(n, p): low is the greatest l with P(X < l) <= (1-level)/2, high the least u with P(X >= u)
    <= (1-level)/2. A low of 0 or a high of n + 1 says that n rows cannot bound the quantile on that side.
    Exact whatever the distribution, and more than exact where values are tied.
    Source: W. R. Thompson (1936), Annals of Mathematical Statistics 7, 122-128; H. A. David and H. N.
    Nagaraja (2003), Order Statistics, section 7.1.

    >>> [int(rank[0]) for rank in quantile_ranks(np.array([100]), 0.5, 0.95)]  # tables of the sign test
    [40, 61]
    """
    size, place = np.unique(np.asarray(n, dtype=np.int64), return_inverse=True)
    tail = (1 - level) / 2
    below, above = _rank(size, p, tail), size + 1 - _rank(size, 1 - p, tail)
    return below[place], above[place]


def _binomial_cdf(k: Integers, n: Integers, p: float) -> Floats:
    """P(X <= k); by the incomplete beta function, which takes any n."""
    inside = special.betainc(np.maximum(n - k, 1), np.maximum(k + 1, 1), 1 - p)
    return np.where(k < 0, 0.0, np.where(k >= n, 1.0, inside))


def _rank(n: Integers, p: float, tail: float) -> Integers:
    """The greatest k in 0..n with P(X < k) <= tail, by bisection between bounds near the Cornish-Fisher quantile."""
    z = float(special.ndtri(tail))
    near = np.floor(n * p + z * np.sqrt(n * p * (1 - p)) + (z * z - 1) * (1 - 2 * p) / 6 + 0.5).astype(
        np.int64
    )
    low, high = np.clip(near - 1, 0, n), np.clip(near + 1, 0, n)
    low = np.where(_binomial_cdf(low - 1, n, p) <= tail, low, 0)
    high = np.where(_binomial_cdf(high, n, p) <= tail, n, high)
    while (low < high).any():
        middle = (low + high + 1) // 2
        true = _binomial_cdf(middle - 1, n, p) <= tail
        low, high = np.where(true, middle, low), np.where(true, high, middle - 1)
    return low


def noncentral_chi_square(x: npt.ArrayLike, df: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """The interval of the noncentrality of a chi-square variable that was seen to be ``x``.

    With F the distribution function: F(x; df, low) = (1+level)/2 and F(x; df, high) = (1-level)/2, or 0 where
    even the central distribution lies too high. F is taken from its saddlepoint approximation, whose error is
    under 2e-5 beyond x = 200, and below that mended with F itself: it is a series, and dear.
    Sources: E. S. Venables (1975), Journal of the Royal Statistical Society B 37, 406-412; O. E.
    Barndorff-Nielsen (1991), Biometrika 78, 557-563 (r*).

    >>> low, high = noncentral_chi_square(20.0, 9, 0.95)     # scipy.stats.ncx2.cdf(20, 9, high) = 0.025
    >>> round(float(low), 4), round(float(high), 4)
    (0.4708, 31.7086)
    """
    seen, free = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(df, dtype=np.float64))
    limits = []
    for p in ((1 + level) / 2, (1 - level) / 2):
        limit = np.zeros(seen.shape)
        possible = special.gammainc(free / 2, seen / 2) > p  # else no noncentrality gives so small an x
        limit[possible] = _noncentrality(seen[possible], free[possible], p)
        limits.append(limit)
    return _pair(*limits)


def _noncentrality(x: Floats, df: Floats, p: float) -> Floats:
    """The solution nc of F(x; df, nc) = p, where there is one.

    In u = sqrt(nc + df/2) the normal quantile of F falls with a slope of nearly -1, so each step adds what the
    quantile is above that of p.
    """
    goal, least = float(special.ndtri(p)), np.sqrt(df / 2)
    u = np.maximum(np.sqrt(np.maximum(x - df / 2, df / 2)) - goal, least)
    for _ in range(SADDLEPOINT_STEPS):
        u = np.maximum(u + _saddlepoint(x, df, np.maximum(u**2 - df / 2, 1e-9)) - goal, least)
    near = x < SADDLEPOINT_FROM
    if near.any():
        u[near] = _mended(x[near], df[near], u[near], goal)
    return np.maximum(u**2 - df / 2, 0.0)


def _saddlepoint(x: Floats, df: Floats, nc: Floats) -> Floats:
    """The normal quantile of F(x; df, nc), nearly: r* = w + ln(v/w)/w, from the cumulant function."""
    s = (df + np.sqrt(df**2 + 4 * x * nc)) / (2 * x)
    t = (1 - s) / 2
    w = np.sqrt(2 * np.maximum(t * x - nc * t / s + df / 2 * np.log(s), 1e-12)) * np.sign(t)
    v = t * np.sqrt(4 * nc / s**3 + 2 * df / s**2)
    away = np.abs(t) > 1e-6  # at the mean both are 0, and so is r* as near as matters
    w, v = np.where(away, w, 1.0), np.where(away, v, 1.0)
    return np.where(away, w + np.log(v / w) / w, 0.0)


def _mended(x: Floats, df: Floats, u: Floats, goal: float) -> Floats:
    """Steps by the slope between the last two points, kept within what slopes there are."""
    least = np.sqrt(df / 2)

    def above(place: Floats) -> Floats:
        chance = special.chndtr(x, df, np.maximum(place**2 - df / 2, 0.0))
        return np.asarray(special.ndtri(np.clip(chance, 1e-300, 1 - 1e-16)) - goal, dtype=np.float64)

    before, was = u, above(u)
    u = np.maximum(u + was, least)
    for _ in range(SECANT_STEPS):
        now = above(u)
        moved = np.where(u == before, 1.0, u - before)
        slope = np.clip(np.where(u == before, -1.0, (now - was) / moved), -4.0, -0.25)
        before, was = u, now
        u = np.maximum(u - now / slope, least)
    return u


def hall(skewness: Floats, n: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """How far below and above a mean of ``n`` skewed values its limits lie, in standard deviations.

    With g the skewness and t Student's quantile on n - 1 degrees of freedom, the limits of Student's interval and
    of Hall's transformation (mean - sd h(t/sqrt n) and mean - sd h(-t/sqrt n), h(y) = ((1 + g (y - g/6n))^(1/3) -
    1) 3/g), whichever is further out. Student's lies too low for the skewness of the t statistic, Hall's follows
    it as far as the skewness is known.
    Source: P. Hall (1992), Journal of the Royal Statistical Society B 54, 221-228, section 2.

    >>> below, above = hall(np.array([0.0]), np.array([5]), 0.95)     # without skewness: 2.7764/sqrt(5)
    >>> round(float(below[0]), 4), round(float(above[0]), 4)
    (1.2417, 1.2417)
    """
    size = np.maximum(np.asarray(n, dtype=np.float64), 2.0)
    student = special.stdtrit(size - 1, (1 + level) / 2) / np.sqrt(size)
    bent = np.where(np.abs(skewness) > 1e-4, skewness, 1.0)

    def away(y: Floats) -> Floats:
        return np.asarray((np.cbrt(1 + bent * (y - bent / (6 * size))) - 1) * 3 / bent)

    straight = np.abs(skewness) <= 1e-4
    below = np.where(straight, student, np.maximum(away(student), student))
    above = np.where(straight, student, np.maximum(-away(-student), student))
    return below, above


def garwood(k: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """The exact interval of the mean of a Poisson count that was seen to be ``k``.

    Half the quantiles of chi-square on 2k and 2k + 2 degrees of freedom.
    Source: F. Garwood (1936), Biometrika 28, 437-442.

    >>> low, high = garwood(10, 0.95)     # his table II
    >>> round(float(low), 3), round(float(high), 3)
    (4.795, 18.39)
    """
    count = np.maximum(np.asarray(k, dtype=np.float64), 0.0)
    tail = (1 - level) / 2
    low = special.gammaincinv(np.maximum(count, 1.0), tail)
    return _pair(np.where(count <= 0, 0.0, low), special.gammaincinv(count + 1, 1 - tail))


def unlike(n: npt.ArrayLike, level: float) -> Floats:
    """The greatest share of rows that can be unlike ``n`` rows that are all alike (Clopper and Pearson).

    >>> round(float(unlike(30, 0.95)), 4)     # scipy.stats.binomtest(0, 30).proportion_ci(method="exact").high
    0.1157
    """
    return np.asarray(1 - ((1 - level) / 2) ** (1 / np.maximum(np.asarray(n, dtype=np.float64), 1.0)))
