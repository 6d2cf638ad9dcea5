"""Which slots of a segment hold no row, why, and to which time they are counted. Needs numpy, as ``decode.py`` does.

The event time of a row that was lost is lost with it. That it is counted to the nearest whole row before it in its
segment, else to the time at which the segment was made, is an attribution: rows come about in the order of their time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["CUT", "DAMAGED", "GONE", "UNFINISHED", "UNREADABLE", "Lost", "lost_slots"]

GONE = "the segment is gone"
CUT = "cut off the segment"
UNFINISHED = "not written to the end"
DAMAGED = "damaged: the checksum does not match"
UNREADABLE = "damaged: a text or an id cannot be read"
_TORN = (GONE, CUT, UNFINISHED, DAMAGED, UNREADABLE)


@dataclass(frozen=True, slots=True)
class Lost:
    """Slots from sequence ``first`` to ``last`` (inclusive) without a row, for one reason.

    ``part`` is torn, or void for slots that their writer gave up; ``time`` is what they are counted to, in
    seconds since 1970-01-01 UTC.
    """

    first: int
    last: int
    part: str
    reason: str
    time: float

    @property
    def n(self) -> int:
        """The number of slots."""
        return self.last - self.first + 1


def lost_slots(
    start: int,
    first: int,
    stop: int,
    states: NDArray[np.int64],
    times: NDArray[np.float64],
    void: Mapping[int, str],
    *,
    created: float,
    before: Callable[[], float | None],
    gone: str = GONE,
) -> tuple[Lost, ...]:
    """The slots without a row among the sequences from ``start`` to ``stop`` (exclusive).

    ``states`` are those of the slots from ``first`` on: 0 a row, 1 not finished, 2 damaged, 3 unreadable, and 16 more
    than the code of a void slot, whose reasons ``void`` names; ``times`` are their event times, where they have any.
    ``gone`` is why the sequences before ``first`` have no slots; ``before()`` is the time of the last whole row before
    ``first`` in the segment, if it has one.
    """
    found: list[Lost] = []
    if start < first:
        found.append(Lost(start, min(first, stop) - 1, "torn", gone, created))
    edges = np.flatnonzero(np.diff(states, prepend=-1, append=-1))
    lost = [(int(a), int(b)) for a, b in pairwise(edges) if states[a] != 0]
    cut = max(first + len(states), start)
    if cut < stop:
        lost.append((len(states), stop - first))
    timed = (states == 0) | (states == 3)
    last_row = np.maximum.accumulate(np.where(timed, np.arange(len(states)), -1))
    head: float | None = None
    for a, b in lost:
        row = int(last_row[a - 1]) if a else -1
        if row < 0 and head is None:
            earlier = before()
            head = created if earlier is None else earlier
        code = int(states[a]) if a < len(states) else -1
        reason = (
            CUT if code < 0 else void.get(code - 16, f"reason {code - 16}") if code >= 16 else _TORN[code + 1]
        )
        part = "void" if code >= 16 else "torn"
        found.append(
            Lost(first + a, first + b - 1, part, reason, float(times[row]) if row >= 0 else head or 0.0)
        )
    return tuple(found)
