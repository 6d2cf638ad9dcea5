"""Two versions by any figure: evidence from an estimate of the difference and its standard error at each look.

Estimates over all rows so far of almost any figure (means, quantiles, ROC AUC, F1) are, in large samples, a Brownian motion
seen at the times ``1 / se^2`` (Scharfstein, Tsiatis and Robins 1997, "Semiparametric efficiency and its implication on the
design and analysis of group-sequential studies", J. Am. Stat. Assoc. 92). The evidence for a difference above m is the
likelihood ratio of differences beyond m, half-normal around it with the scale s, against m itself: with
z = (estimate - m) / se and r = s^2 / se^2

    E = 2 Phi(z sqrt(r / (1 + r))) exp(z^2 r / (2 (1 + r))) / sqrt(1 + r)

(Robbins 1970, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat. 41; in large samples without
normal rows: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory", Ann. Stat. 52). It
is calibrated rather than proved: looks with fewer than ``ROWS_MIN`` rows of either version say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.strategy.versions.effects import FAR_WEIGHT

__all__ = ["ROWS_MIN", "WINDOWS_MIN", "Estimates", "evidence_of"]

Floats = npt.NDArray[np.float64]

ROWS_MIN = 200
"""Rows of each version with fewer of which an estimate is not taken for normal."""

WINDOWS_MIN = 8
"""Windows of each version with fewer of which it is not known how much rows of a window hang together."""

_FAR = 8.0  # times the smallest difference that matters: the second scale that is bet on


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """The difference challenger less champion over all rows so far, its standard error, and the rows of the version that has
    fewer, at each look: arrays [..., looks]. NaN where there is none yet.

    >>> n = np.arange(1, 31) * 100.0
    >>> looks = Estimates(np.full(30, 0.01), 0.14 / np.sqrt(n), n)
    >>> (looks.log_evidence(0.0, above=True, smallest=0.01)[[9, 29]] > np.log(20)).tolist()
    [False, True]
    """

    value: Floats
    se: Floats
    n: Floats

    def __post_init__(self) -> None:
        if np.any(np.asarray(self.se) < 0):
            raise ValueError("se: standard errors must not be negative")

    @property
    def sd(self) -> float:
        """Standard deviation that a row would have, were the first estimate a mean of the rows of both."""
        rows = np.asarray(self.se) * np.sqrt(np.asarray(self.n) / 2)
        known = rows[np.isfinite(rows) & (rows > 0) & (np.asarray(self.n) >= ROWS_MIN)]
        return float(known[0]) if len(known) else float("nan")

    @property
    def limits(self) -> tuple[float, float]:
        """No limits are known."""
        return -np.inf, np.inf

    def log_evidence(self, beyond: float, *, above: bool, smallest: float) -> Floats:
        """Logarithm of the evidence, at each look, that challenger less champion is more (``above``) or less than ``beyond``."""
        value, se, n = (np.asarray(part, dtype=np.float64) for part in (self.value, self.se, self.n))
        known = (n >= ROWS_MIN) & (se > 0) & np.isfinite(value) & np.isfinite(se)
        width = np.where(known, se, 1.0)
        z = np.where(known, (value - beyond if above else beyond - value), 0.0) / width
        return np.asarray(np.where(known, evidence_of(z, width, smallest), 0.0))


def evidence_of(z: Floats, se: Floats, smallest: float) -> Floats:
    """Log of the evidence that a difference is positive which was found to be z standard errors: of both scales that are bet on.

    >>> evidence_of(np.array([0.0, 3.0]), np.array([0.01, 0.01]), 0.02).round(2).tolist()
    [-0.89, 3.42]
    """
    near, far = (_log_ratio(z, np.square(scale * smallest / se)) for scale in (1.0, _FAR))
    return np.asarray(np.logaddexp(np.log1p(-FAR_WEIGHT) + near, np.log(FAR_WEIGHT) + far))


def _log_ratio(z: Floats, r: Floats) -> Floats:
    share = r / (1 + r)
    return np.asarray(
        np.log(2.0) + special.log_ndtr(z * np.sqrt(share)) + np.square(z) * share / 2 - np.log1p(r) / 2
    )
