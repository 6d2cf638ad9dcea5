"""As many rows as a precision needs, and fewer where the journal fills."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from vedette.capture.sampling.row import Row, check_rate, power_of_half

__all__ = ["Auto"]

_Z = 1.959964
_EASY = 0.5  # share of the journal's room up to which nothing is left out for it
_STEP = 0.08  # and for each further such share half of the rows: 1/64 of them where it is full
_SETTLED = 0.05  # share of a window after which its own pace is trusted


@dataclass(slots=True)
class _Pace:
    """The rows of the window that is going on, and of the last one that was whole."""

    window: float = -math.inf
    began: float = 0.0
    n: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class Auto:
    """Keeps all rows, or as many as an asked precision needs, and fewer where the journal fills up.

    ``within`` is the half width that a 95 % interval of any share (an accuracy, an error rate) over one window shall have at
    most: ``z^2 / (4 within^2)`` rows are kept of each window, 9,604 for 0.01, as few as that where there are more; None: all.
    ``rows_per_s`` is how many a second shall be kept at most; None: any number. Where over half of the journal's room is
    taken (nothing ingests, or a server does not answer), a half is left out, and another half for each further 8 % of the
    room. Probabilities are powers of one half. How many rows a window will have is told from the one before it and from its
    own pace.

    >>> Auto(within=0.01).needed
    9604
    """

    within: float | None = None
    rows_per_s: float | None = None
    _pace: _Pace = field(default_factory=_Pace, repr=False, compare=False)
    _bound: list[tuple[float, Callable[[], float]]] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.within is not None:
            check_rate("within", self.within)
        if self.rows_per_s is not None and not (
            isinstance(self.rows_per_s, int | float) and self.rows_per_s > 0
        ):
            raise ValueError(f"rows_per_s={self.rows_per_s!r}: must be above 0")

    @property
    def needed(self) -> int | None:
        """The rows of a window that the precision needs, whatever the share is."""
        return None if self.within is None else math.ceil((_Z / self.within) ** 2 / 4 - 1e-4)

    def bind(self, window_s: float, pressure: Callable[[], float]) -> None:
        """Told by the recorder: the length of a window, and what says which share of the journal's room is taken."""
        self._bound[:] = [(window_s, pressure)]

    def chance(self, row: Row) -> tuple[float, None]:
        """What the precision needs of what is to be expected, less what the journal cannot take."""
        window_s, pressure = self._bound[0] if self._bound else (3600.0, float)
        pace = self._pace
        window = row.time_s // window_s
        if window > pace.window:
            pace.before = pace.n if window == pace.window + 1 else 0
            pace.window, pace.began, pace.n = window, row.time_s, 0
        if window == pace.window:
            pace.n += 1
        passed = (row.time_s - window * window_s) / window_s
        since = max(row.time_s - pace.began, 0.0)
        expected = max(pace.before, pace.n, pace.n / passed if passed > _SETTLED else 0)
        wanted = 1.0
        if self.needed is not None:
            wanted = self.needed / max(expected, 1)
        if self.rows_per_s is not None and since > 1.0:
            wanted = min(wanted, self.rows_per_s * since / max(pace.n, 1))
        chance = power_of_half(wanted)
        over = pressure() - _EASY
        if over > 0:
            chance *= 0.5 ** math.ceil(over / _STEP)
        return max(chance, 2.0**-20), None
