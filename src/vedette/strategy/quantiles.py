"""From Student's t to the normal law, for many values in one call."""

from __future__ import annotations

import numpy as np
from scipy import special

from vedette.strategy.records import Floats, Ints, Rows

__all__ = ["normal_of_t"]

_T_MAX = 8.0  # beyond, the polynomial gives way to the functions themselves
_LEAST_P = 1e-300  # p-values below are as good as 0, and their normal score (37) is still finite
_DEGREE = 12
_ANGLES = np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1)
_NODES = np.cos(_ANGLES)  # Chebyshev's
_TO_CHEBYSHEV = np.cos(np.arange(_DEGREE + 1)[:, None] * _ANGLES) * (2.0 / (_DEGREE + 1))
_TO_CHEBYSHEV[0] *= 0.5
_TO_POWERS = np.zeros((_DEGREE + 1, _DEGREE + 1))
for _k in range(_DEGREE + 1):
    _TO_POWERS[: _k + 1, _k] = np.polynomial.chebyshev.cheb2poly([0.0] * _k + [1.0])


def normal_of_t(t: Floats, degrees: Ints) -> Floats:
    """y = sign(t) Phi^-1(P(T < |t|)), T of Student's law with ``degrees`` of freedom (10 or more), by value.

    With q = log(1 + t^2/d), y / sqrt(d q) is so smooth in q that a polynomial of degree 12 through values of
    ``scipy.special.stdtr`` and ``ndtri`` meets it to 1e-14 of y for |t| <= 8 (measured, d = 10 to 10^6). It is fitted
    anew for each d that occurs. Beyond, the functions themselves are used.

    The form sqrt(d q) as a first guess: Wallace (1959), "Bounds on normal approximations to Student's and the
    chi-square distributions", Annals of Mathematical Statistics 30.

    >>> float(normal_of_t(np.array([2.228138851986274]), np.array([10]))[0].round(12))  # the 97.5 % point of t_10
    1.95996398454
    """
    if not len(t):
        return np.zeros(0)
    low, far = int(degrees.min()), np.abs(t) > _T_MAX
    at: Rows = slice(0, 1)
    some = np.array([float(low)])
    if int(degrees.max()) > low:
        held = np.bincount(degrees - low) > 0
        some, at = low + np.flatnonzero(held).astype(np.float64), (np.cumsum(held) - 1)[degrees - low]
    factors, longest = _fit(some), np.log1p(_T_MAX * _T_MAX / some)
    d = some[at]
    q = np.log1p(t * t / d)
    y = np.copysign(np.sqrt(q * d), t)
    q *= 2.0 / longest[at]
    q -= 1.0
    value = np.full(len(t), factors[-1][at])
    for factor in factors[-2::-1]:
        value *= q
        value += factor[at]
    y *= value
    if bool(far.any()):
        y[far] = _by_functions(t[far], degrees[far])
    return np.asarray(y)


def _fit(degrees: Floats) -> Floats:
    """The factors [13, D] of the powers of 2 q / log(1 + 64/d) - 1, by degrees of freedom."""
    q = 0.5 * np.log1p(_T_MAX * _T_MAX / degrees)[:, None] * (_NODES + 1.0)
    d = degrees[:, None]
    y = _by_functions(np.sqrt(d * np.expm1(q)), np.broadcast_to(d, q.shape))
    # Chebyshev's factors fall off, so that the large whole numbers of the way to powers cost no digits
    values = np.ascontiguousarray((y / np.sqrt(d * q)).T)
    return _product(_TO_POWERS, _product(_TO_CHEBYSHEV, values))


def _product(matrix: Floats, columns: Floats) -> Floats:
    """The matrix product, added up in one order however many columns there are, so that each is what it is alone."""
    return np.asarray((np.ascontiguousarray(matrix.T)[:, :, None] * columns[:, None, :]).sum(axis=0))


def _by_functions(t: Floats, degrees: Ints | Floats) -> Floats:
    tail = special.stdtr(degrees, -np.abs(t))
    return np.asarray(np.copysign(special.ndtri(np.maximum(tail, _LEAST_P)), t))
