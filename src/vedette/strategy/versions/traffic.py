"""Does the traffic go where the policy sends it? Sample-ratio mismatch, looked at whenever one likes.

A comparison of versions holds where chance alone decides which of them gets a request. If the shares that arrive are not
those that were set, something else decided too (a crash before the row was recorded, a cache, a bot), and the figures may
differ for that reason alone.

The evidence is the Bayes factor of shares around those that were set against exactly those: for n_i rows of version i, shares
p_i, and k = ``CONCENTRATION``

    E = Gamma(k) / Gamma(k + n) * product of Gamma(k p_i + n_i) / (Gamma(k p_i) p_i^n_i)

(Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", NeurIPS 35). Where the shares were changed on the
way, each stretch has a factor of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["CONCENTRATION", "mismatch"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.number]

CONCENTRATION = 100.0
"""How near to the shares that were set others are looked for: a standard deviation of 0.05 around a half."""


def mismatch(n: Counts, shares: Floats) -> Floats:
    """Logarithm of the evidence that traffic is split by other shares, after each look: an array [looks].

    Parameters
    ----------
    n
        Requests of each version in each look, [looks, versions]. Of sticky versions count identifiers, not their requests:
        those of one identifier go the same way together.
    shares
        The shares that were set, [versions], or [looks, versions] where they changed. Each row adds up to 1.

    Raises ``ValueError`` where a share is not more than 0, where shares do not add up to 1, or a count is negative.

    Examples
    --------
    Of 9,900 requests 1 % more than half went to one version; then of 99,000:

    >>> [bool(mismatch(np.array([[4851, 5049]]) * times, np.array([0.5, 0.5]))[-1] > np.log(1000)) for times in (1, 10)]
    [False, True]
    """
    counts = np.asarray(n, dtype=np.float64)
    if counts.ndim != 2 or np.any(counts < 0):
        raise ValueError(
            f"n of the shape {counts.shape}: must be counts by look and version, [looks, versions]"
        )
    set_to = np.broadcast_to(np.asarray(shares, dtype=np.float64), counts.shape)
    if np.any(set_to <= 0) or np.any(np.abs(set_to.sum(axis=1) - 1) > 1e-9):
        raise ValueError(f"shares={shares!r}: must be more than 0 and add up to 1")
    found, before = np.zeros(len(counts)), 0.0
    changed = np.flatnonzero(np.any(np.diff(set_to, axis=0) != 0, axis=1)) + 1
    for low, high in zip([0, *changed.tolist()], [*changed.tolist(), len(counts)], strict=True):
        found[low:high] = before + _log_factor(np.cumsum(counts[low:high], axis=0), set_to[low])
        before = float(found[high - 1]) if high > low else before
    return found


def _log_factor(n: Floats, shares: Floats) -> Floats:
    prior = CONCENTRATION * shares
    return np.asarray(
        special.gammaln(CONCENTRATION)
        - special.gammaln(CONCENTRATION + n.sum(axis=1))
        + (special.gammaln(prior + n) - special.gammaln(prior) - n * np.log(shares)).sum(axis=1)
    )
