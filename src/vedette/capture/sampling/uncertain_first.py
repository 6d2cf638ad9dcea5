"""Rows of uncertain predictions first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette.capture.sampling.row import Row, check_rate

__all__ = ["UncertainFirst"]


@dataclass(frozen=True, slots=True)
class UncertainFirst:
    """Keeps all rows whose prediction is open, and a share ``rate`` of those that are sure.

    The margin of a prediction is the difference of its two largest probabilities (of two classes ``|2p - 1|``). Below
    ``margin`` all are kept, above it fewer by half for each further doubling, down to ``rate``. What has no probability,
    or failed, is kept: nothing says that it is sure.

    >>> sampler = UncertainFirst(0.125, margin=0.1)
    >>> [sampler.chance(Row({}, 1, p, None, 0.0))[0] for p in (0.5, 0.58, 0.65, 0.99, None)]
    [1.0, 0.5, 0.25, 0.125, 1.0]
    """

    rate: float
    margin: float = 0.1

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)
        check_rate("margin", self.margin)

    def chance(self, row: Row) -> tuple[float, None]:
        """One for the uncertain, less for the others."""
        found = None if row.error is not None else margin_of(row.probability)
        if found is None or found < self.margin:
            return 1.0, None
        chance, bound = 0.5, 2.0 * self.margin
        while found >= bound and chance > self.rate:
            chance, bound = 0.5 * chance, 2.0 * bound
        return max(chance, self.rate), None


def margin_of(probability: Any) -> float | None:
    """The difference of the two largest probabilities; None where they are not told."""
    if probability is None:
        return None
    if isinstance(probability, Mapping):
        probability = list(probability.values())
    if hasattr(probability, "__len__"):
        first, second = sorted((float(one) for one in probability), reverse=True)[:2]
        return first - second
    return abs(2.0 * float(probability) - 1.0)
