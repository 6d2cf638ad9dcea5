"""Did the share of marked rows change between two samples: an exact e-value from the 2 x 2 table alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, gammaln

from vedette.strategy.records import Floats

__all__ = ["log_e_most", "log_e_value"]

_WIDTH = 5.0
"""The alternative is this many times wider than chance: a segment among 10,000 is named at five deviations or so."""


def log_e_value(
    n_before: ArrayLike, n_after: ArrayLike, marked_before: ArrayLike, marked_after: ArrayLike
) -> Floats:
    """log of the e-value against "rows of before and of after are exchangeable"; 0 where nothing can be said.

    Given n0 rows before, n1 after and k marked ones in all, the number H that falls after is hypergeometric under the
    hypothesis, whatever the share of marked rows is. With any probability Q on the values that H can take

    e = Q(h) / P(H = h),   E[e] = sum over h of Q(h) = 1 exactly.

    Q is half the uniform law (which is what independent uniform shares before and after give) and half a beta-binomial
    law about the mean of H, five times as wide as H, which is better where there are many rows. Both sides of a
    change count. All arguments are counts and broadcast; float64 of their shape.

    >>> float(np.exp(log_e_value(1, 1, 0, 1)).round(12))     # one marked row of two: H is 0 or 1, both likely by a half
    1.0
    >>> float(log_e_value(100, 100, 10, 40).round(2))     # the same from scipy.stats.hypergeom and betabinom
    10.53
    """
    n0, n1, k0, k1 = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (n_before, n_after, marked_before, marked_after))
    )
    if bool(((k0 < 0) | (k1 < 0) | (k0 > n0) | (k1 > n1)).any()):
        raise ValueError("marked rows: must be counts of 0 up to the rows of their side")
    return _log_e(n0, n1, k0 + k1, k1)


def log_e_most(n_before: ArrayLike, n_after: ArrayLike, marked: ArrayLike) -> Floats:
    """The largest ``log_e_value`` that any split of so many marked rows could give; it needs no look at the split."""
    n0, n1, k = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (n_before, n_after, marked)))
    return np.maximum(_log_e(n0, n1, k, np.maximum(0.0, k - n0)), _log_e(n0, n1, k, np.minimum(k, n1)))


def _log_e(n0: Floats, n1: Floats, k: Floats, h: Floats) -> Floats:
    n = n0 + n1
    low, high = np.maximum(0.0, k - n0), np.minimum(k, n1)
    most = high - low
    log_p = _log_choose(n1, h) + _log_choose(n0, k - h) - _log_choose(n, k)
    safe = np.maximum(n, 1.0)
    share = np.where(most > 0, (k * n1 / safe - low) / np.maximum(most, 1.0), 0.5)
    share = np.clip(share, 1e-9, 1 - 1e-9)
    variance = k * (n - k) / safe * n1 * n0 / safe / np.maximum(n - 1.0, 1.0)
    binomial = most * share * (1 - share)
    wanted = _WIDTH**2 * variance
    # of a beta-binomial law: variance = binomial (most + a + b) / (1 + a + b)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = (binomial * most - wanted) / (wanted - binomial)
    both = np.where(wanted <= binomial, 1e6, np.clip(both, 2.0, 1e6))
    a, b = share * both, (1 - share) * both
    j = h - low
    log_wide = _log_choose(most, j) + betaln(j + a, most - j + b) - betaln(a, b)
    log_q = np.logaddexp(-np.log1p(most), log_wide) - np.log(2.0)
    return np.where(most > 0, log_q - log_p, 0.0)


def _log_choose(n: Floats, k: Floats) -> Floats:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
