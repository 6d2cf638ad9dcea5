"""What a method that watches series has to do, and what it says of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Method", "Told"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """What a method says of one step of K series.

    ``log_e`` [K, M]: logs of the e-values of its M bets on this step (0 where the step says nothing: a missing number).
    ``expected``, ``low``, ``high`` [K]: what it expected before the number came, with its 95 % interval, NaN where it
    does not know yet. ``surprise`` [K]: the number's distance from that in standard deviations, signed. ``value`` [K]: what
    was held against it, where that is not the number that came.
    """

    log_e: Floats
    expected: Floats
    low: Floats
    high: Floats
    surprise: Floats
    value: Floats | None = None


class Method(Protocol):
    """Watches K series side by side; all it remembers is in its state (arrays), which it never changes in place.

    A method may also say ``weights`` [M], the shares of its bets in the evidence (alike where it does not),
    ``guarantees(state)``, a tuple of K guarantees that the reference bears out (``guarantee`` where it does not),
    ``speaks(state)`` [K], whether it ever says anything of a series (its share is the other methods' where not), and
    ``relearn(state, rows)``, the state after which a new level of some series is to be learnt, and ``advance``, which is
    ``step`` in a state that may be written over.
    """

    name: str
    guarantee: str

    def begin(self, past: Floats, times: Floats) -> Any:
        """The state after the reference: ``past`` [n, K] (NaN where missing), at ``times`` [n] or [n, K], seconds since 1970."""

    def step(self, state: Any, value: Floats, time: float | Floats) -> tuple[Told, Any]:
        """What a new number of each series [K] says, and the state after it; ``time`` is one for all or one for each [K]."""
