"""The slots of a segment that hold no row, found among arrays of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vedette.capture.lost import CUT, DAMAGED, GONE, UNFINISHED, UNREADABLE, Lost

__all__ = ["lost_slots"]

_TORN = (GONE, CUT, UNFINISHED, DAMAGED, UNREADABLE)


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
