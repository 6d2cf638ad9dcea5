"""How long a vector of differences is, without the length that noise alone gives it; and whether it is longer than that.

A difference of means d of two samples is near N(delta, V). Its squared length exceeds that of delta by trace(V) on
average, and without change it is a sum of chi-squares weighted by the eigenvalues of V. What is compared may be anything
that is a mean over rows: elements of vectors, their products, Fourier features, shares of n-grams.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.intervals import noncentral_chi_square

__all__ = ["chi_squares_tail", "squared_length"]

Floats = npt.NDArray[np.float64]

STEPS = 60  # of bisection: the place of the saddle is right to 1e-18 of its range
NEAR = 1e-4  # of a standard deviation from the mean: there both parts of the formula are 0/0


def squared_length(difference: Floats, variance: Floats, level: float) -> tuple[float, float, float]:
    """|delta|^2 with its interval, of ``difference`` [K] near N(delta, ``variance`` [K, K]).

    The value is |d|^2 - trace(V), cut at 0. |d|^2 is taken for s times a noncentral chi-square on trace(V)/s degrees of
    freedom; s = trace(V^2)/trace(V) gives it the variance that it has without change, s = d'Vd/|d|^2 the one it has far
    away; the greater is taken, so that where they differ the interval is wider than it had to be.

    Sources: F. E. Satterthwaite (1946), Biometrics Bulletin 2, 110-114; A. Gretton and others (2012), Journal of Machine
    Learning Research 13, 723-773, section 3 (the unbiased estimate, where d are means of features of a kernel).

    >>> value, low, high = squared_length(np.array([3.0, 0.0]), np.eye(2) / 100, 0.95)
    >>> round(value, 2), low < 9 < high     # 9 less the 0.02 that noise adds
    (8.98, True)
    """
    length, noise = float(difference @ difference), float(np.trace(variance))
    if noise <= 0:
        return length, length, length
    along = float(difference @ variance @ difference) / length if length > 0 else 0.0
    scale = max(float((variance * variance).sum()) / noise, along)
    x, free = length / scale, noise / scale
    low = float(noncentral_chi_square(x, free, level)[0]) * scale
    high = float(noncentral_chi_square(max(x, free), free, level)[1]) * scale
    value = max(length - noise, 0.0)
    return value, min(low, value), max(high, value)


def chi_squares_tail(value: float, weights: npt.ArrayLike) -> float:
    """The chance that a sum of squares of independent standard normal numbers times ``weights`` [K] exceeds ``value``.

    By the saddlepoint formula of Lugannani and Rice in Barndorff-Nielsen's form, with the cumulant function
    K(t) = -1/2 sum log(1 - 2 w t): right to some percent of the chance itself, however small it is. Weights are 0 or
    more; 1 where all of them are 0.

    Source: D. Kuonen (1999), Biometrika 86, 929-935.

    >>> round(chi_squares_tail(20.0, [1.0, 1.0, 1.0]), 5)     # scipy.stats.chi2.sf(20, 3) = 0.000170
    0.00017
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.size and (not np.isfinite(w).all() or w.min() < -1e-9 * max(float(w.max()), 1e-300)):
        raise ValueError(f"weights from {w.min()} to {w.max()}: must be finite, and 0 or more")
    most = float(w.max(initial=0.0))
    if most <= 0:
        return 1.0
    w = w[w > 1e-12 * most] / most
    x = value / most
    if x <= 0:
        return 1.0
    mean, sd = float(w.sum()), float(np.sqrt(2 * (w * w).sum()))
    if abs(x - mean) < NEAR * sd:
        skewness = 8 * float((w**3).sum()) / sd**3
        return float(special.ndtr(-skewness / 6))
    low, high = (1 - len(w) / x) / 2, (1 - 1 / x) / 2  # of K'(t) = x
    for _ in range(STEPS):
        t = (low + high) / 2
        if float((w / (1 - 2 * t * w)).sum()) < x:
            low = t
        else:
            high = t
    t = (low + high) / 2
    left = 1 - 2 * t * w
    root = np.sign(t) * np.sqrt(max(2 * (t * x + float(np.log(left).sum()) / 2), 0.0))
    slope = t * np.sqrt(2 * float(np.square(w / left).sum()))
    return float(special.ndtr(-(root + np.log(slope / root) / root)))
