"""Looks held against a number in the place of no difference: how often two versions disagree, and by how much too often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.strategy.versions.compared import Looks

__all__ = ["Shifted"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """The same looks, less ``by``.

    >>> from vedette.strategy.versions.pairs import PairedRates
    >>> apart = PairedRates(np.zeros(10, int), np.full(10, 3), np.full(10, 100))
    >>> float(Shifted(apart, 0.05).value[-1].round(3))  # 3 % of rows: 2 points less than 5 %
    -0.02
    """

    looks: Looks
    by: float

    @property
    def value(self) -> Floats:
        """What was seen, less ``by``, up to each look."""
        return np.asarray(self.looks.value - self.by)

    @property
    def sd(self) -> float:
        """About the standard deviation of a row."""
        return self.looks.sd

    @property
    def limits(self) -> tuple[float, float]:
        """The least and largest there can be."""
        low, high = self.looks.limits
        return low - self.by, high - self.by

    def log_evidence(self, beyond: float, *, above: bool, smallest: float) -> Floats:
        """Logarithm of the evidence, at each look, that it is more (``above``) or less than ``beyond`` away from ``by``."""
        return self.looks.log_evidence(beyond + self.by, above=above, smallest=smallest)
