"""Rows of classes that are seldom predicted first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vedette.capture.sampling.row import Row, check_rate, key_of, power_of_half

__all__ = ["RareFirst"]

_CLASSES_MAX = 1000
_HALVED_AT = 2**16


@dataclass(frozen=True, slots=True)
class RareFirst:
    """Keeps a share ``rate`` of all rows in all, as many of each predicted class, and so all of those that are rare.

    The probability of a row of a class that made a share ``s`` of the predictions so far is ``rate / (s * K)`` with ``K``
    classes, at most one, rounded up to a power of one half. What failed and predicted nothing is a class of its own.

    >>> sampler = RareFirst(0.25)
    >>> chances = [sampler.chance(Row({}, i % 16 == 15, None, None, 0.0))[0] for i in range(64)]
    >>> chances[-1], chances[-2]
    (1.0, 0.25)
    """

    rate: float
    _seen: dict[Any, int] = field(default_factory=dict, repr=False, compare=False)
    _total: list[int] = field(default_factory=lambda: [0], repr=False, compare=False)

    def __post_init__(self) -> None:
        check_rate("rate", self.rate)

    def chance(self, row: Row) -> tuple[float, Any]:
        """The rate over the share of the row's class."""
        seen = self._seen
        key: Any = ("failed",) if row.error is not None else key_of(row.prediction)
        if key not in seen and len(seen) >= _CLASSES_MAX:
            key = ("others",)
        seen[key] = n = seen.get(key, 0) + 1
        self._total[0] = total = self._total[0] + 1
        if total >= _HALVED_AT:  # what was long ago counts less
            for name, of_it in list(seen.items()):
                seen[name] = of_it // 2 or 1
            self._total[0] = sum(list(seen.values()))
        wanted = self.rate * total / (n * len(seen))
        return power_of_half(wanted), key
