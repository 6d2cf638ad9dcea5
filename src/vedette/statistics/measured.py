"""One figure of a whole set of rows: value, interval, what it rests on, and what is to be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["CONSERVATIVE", "Measured", "unknown"]

CONSERVATIVE = "conservative"
"""What is said of an interval that holds the truth at least as often as its level says, and mostly more often."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its interval, or the reason why there is none.

    ``value``, ``low`` and ``high`` are finite with ``low <= value <= high``, or all NaN where ``reason`` says why.
    ``n`` is the number of rows (queries, images, boxes: the figure says which) that the value rests on. ``note`` is
    ``conservative`` where the interval holds the truth more often than its level says, with more after a semicolon where
    there is more to say; None where it is right.

    >>> Measured.of(0.5, 0.4, 0.6, 100)
    Measured(value=0.5, low=0.4, high=0.6, n=100, reason=None, note=None)
    """

    value: float
    low: float
    high: float
    n: int
    reason: str | None = None
    note: str | None = None

    @classmethod
    def of(cls, value: float, low: float, high: float, n: int, note: str | None = None) -> Measured:
        """The figure; rounding leaves no value outside its interval, and what is not finite is a reason."""
        numbers = float(value), float(low), float(high)
        if not all(math.isfinite(one) for one in numbers):
            return unknown("values too large to compute with", n)
        middle, lower, upper = numbers
        return cls(middle, min(lower, middle), max(upper, middle), int(n), None, note)

    @property
    def known(self) -> bool:
        """True where there is a value."""
        return self.reason is None


def unknown(reason: str, n: int = 0) -> Measured:
    """No value, and why.

    >>> unknown("no rows").value
    nan
    """
    return Measured(math.nan, math.nan, math.nan, int(n), reason)
