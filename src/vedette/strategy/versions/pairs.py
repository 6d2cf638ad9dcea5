"""Two versions on the same rows (shadow): do their means differ?

Of each row the difference challenger less champion counts, which lies between -1 and 1: of two rates it is -1, 0 or 1. With D the
differences and m what is asked about, for every bet b whose factors stay positive

    E = product of (1 + b (D - m))

has an expectation of at most 1 where the mean of D is at most m, whatever the law of D and however the mean moves below m
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86). Rows on which
both are right, or both wrong, say nothing about m = 0 and cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.strategy.versions.effects import FAR_WEIGHT, POINTS, sizes

__all__ = ["PairedRates"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.number]

_BET_MAX = 0.9  # of the largest bet that cannot lose all


@dataclass(frozen=True, slots=True, eq=False)
class PairedRates:
    """Rows that only the champion hit, that only the challenger hit, and all rows, look by look (not added up): [..., looks].

    ``first`` is the share of rows on which they differ to begin with; it changes how soon something is found, not how often that
    is wrong.

    >>> looks = PairedRates(np.full(20, 12), np.full(20, 4), np.full(20, 200))
    >>> round(float(looks.value[-1]), 2)
    -0.04
    >>> bool(looks.log_evidence(0.0, above=False, smallest=0.02)[-1] > np.log(40))
    True
    """

    only_champion: Counts
    only_challenger: Counts
    n: Counts
    first: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 < self.first <= 1.0:
            raise ValueError(f"first={self.first}: must be a share of rows, more than 0 and at most 1")
        one, other, n = (np.asarray(part) for part in (self.only_champion, self.only_challenger, self.n))
        if np.any(one < 0) or np.any(other < 0) or np.any(one + other > n):
            raise ValueError(
                "only_champion, only_challenger: must be counts that are together at most n in each look"
            )

    @property
    def value(self) -> Floats:
        """Rate of the challenger less that of the champion over all rows up to each look; NaN where there are none."""
        apart = np.asarray(self.only_challenger, dtype=np.float64) - np.asarray(self.only_champion)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.cumsum(apart, axis=-1) / np.cumsum(self.n, axis=-1))

    @property
    def sd(self) -> float:
        """Standard deviation of a row's difference, by ``first``: of what was known before."""
        return float(np.sqrt(self.first))

    @property
    def limits(self) -> tuple[float, float]:
        """What a difference of two rates may be."""
        return -1.0, 1.0

    def log_evidence(self, beyond: float, *, above: bool, smallest: float) -> Floats:
        """Logarithm of the evidence, at each look, that challenger less champion is more (``above``) or less than ``beyond``."""
        gained, lost = np.asarray(self.only_challenger), np.asarray(self.only_champion)
        if not above:
            gained, lost = lost, gained
        margin = beyond if above else -beyond
        same = np.asarray(self.n) - gained - lost
        before_gained, before_lost, before_n = (
            np.cumsum(part, axis=-1) - part for part in (gained, lost, np.asarray(self.n))
        )
        mean = (before_gained - before_lost) / (before_n + 1.0)
        square = (before_gained + before_lost + 10 * self.first) / (
            before_n + 10.0
        )  # E D^2, by what was seen before
        effects = sizes(smallest)
        logs = np.empty((POINTS + 1, *mean.shape))
        for number in range(POINTS + 1):
            apart = effects[number] if number < POINTS else np.maximum(mean - margin, 0.0)
            scale = square - 2 * margin * mean + margin**2  # E (D - m)^2
            bet = np.clip(
                apart / np.maximum(scale + (apart**2 if number < POINTS else 0.0), 1e-12),
                0.0,
                _bet_max(margin),
            )
            gain = (
                special.xlog1py(gained, bet * (1 - margin))
                + special.xlog1py(lost, bet * (-1 - margin))
                + special.xlog1py(same, -bet * margin)
            )
            logs[number] = np.cumsum(gain, axis=-1)
        weights = np.append(np.full(POINTS, (1 - FAR_WEIGHT) / POINTS), FAR_WEIGHT)
        return np.asarray(special.logsumexp(logs, axis=0, b=weights.reshape(-1, *[1] * mean.ndim)))


def _bet_max(margin: float) -> float:
    """The factors are least where a row is lost: 1 + b (-1 - m)."""
    return _BET_MAX / max(1 + margin, 1e-9)
