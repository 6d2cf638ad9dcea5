"""Three ways to watch a series of numbers, under one budget of false alarms.

A series is one number a step: a loss, an accuracy, a latency, the mean of a feature, a turnover. A ``Method`` is told each
number after it said what it expected, and answers with e-values: how much more likely the number is under a change
than under none, so that their mean is at most 1 where nothing changed, whatever came before. What they are multiplied
into, and when that is an alarm, is no matter of the method (``budget``), so that all methods share one budget.

To add a method: write a class with what ``Method`` asks for in a file of its own, and enter it in ``METHODS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Method", "Told"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Told:
    """What a method says of one step of K series.

    ``log_e`` [K, M]: logs of the e-values of its M bets on this step (0 where the step says nothing: a missing number).
    ``expected``, ``low``, ``high`` [K]: what it expected before the number came, with its 95 % interval, NaN where it
    does not know yet. ``surprise`` [K]: the number's distance from that in standard deviations, signed.
    """

    log_e: Floats
    expected: Floats
    low: Floats
    high: Floats
    surprise: Floats


class Method(Protocol):
    """Watches K series side by side; all it remembers is in its state (arrays), which it never changes in place."""

    name: str
    guarantee: str

    def begin(self, past: Floats, times: Floats) -> Any:
        """The state after the reference: ``past`` [n, K] (NaN where missing), at ``times`` [n], seconds since 1970."""

    def step(self, state: Any, value: Floats, time: float) -> tuple[Told, Any]:
        """What a new number of each series [K] says, and the state after it."""
