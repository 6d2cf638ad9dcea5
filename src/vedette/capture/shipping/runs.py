"""What the sequences of a part are that hold no row: runs of slots, by the same rules as ``lost_slots.py`` with arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vedette.capture.format import VOID_REASONS
from vedette.capture.lost import CUT, DAMAGED, UNFINISHED, UNREADABLE, Lost

__all__ = ["ROW", "STATES", "gone_before", "lost_runs", "set_aside"]

ROW, STATES = 0, {"unfinished": 1, "damaged": 2, "unreadable": 3, "void": 4, "cut": 5}
_REASONS = {1: UNFINISHED, 2: DAMAGED, 3: UNREADABLE, 5: CUT}
_TIMED = (ROW, STATES["unreadable"])  # of these the event time can be read


def lost_runs(
    first: int,
    states: bytes,
    codes: Mapping[int, int],
    times: Callable[[], Sequence[float]],
    before: Callable[[], float],
) -> list[Lost]:
    """The slots without a row among those from the sequence ``first`` on, as runs of one reason.

    ``states`` has a byte for each slot, ``codes`` the reason of void ones by place, ``times()`` the event times;
    ``before()`` is the time of the last row before the first slot, else that at which the segment was made.
    """
    if not states.strip(b"\0"):
        return []
    found: list[Lost] = []
    moments = times()
    last = before() if states[0] != ROW else 0.0
    for place, state in enumerate(states):
        if state in _TIMED:
            last_before, last = last, moments[place]
        else:
            last_before = last
        if state == ROW:
            continue
        reason = _REASONS.get(state) or VOID_REASONS.get(codes[place], f"reason {codes[place]}")
        part = "void" if state == STATES["void"] else "torn"
        one = Lost(first + place, first + place, part, reason, last_before)
        if found and found[-1].last == one.first - 1 and _alike(found[-1], one):
            found[-1] = Lost(found[-1].first, one.last, part, reason, found[-1].time)
        else:
            found.append(one)
    return found


def _alike(one: Lost, other: Lost) -> bool:
    return (one.part, one.reason) == (other.part, other.reason)


def gone_before(start: int, first: int, reason: str, created: float, acknowledged: int) -> list[Lost]:
    """The sequences from ``start`` to before ``first``, which have no slots any more, for the reason given.

    Those up to ``acknowledged`` went since a server has them, or had.
    """
    taken = max(min(acknowledged + 1, first), start)
    runs = [
        (start, taken - 1, "set_aside", "acknowledged before"),
        (taken, first - 1, "torn", reason),
    ]
    return [Lost(begin, last, part, why, created) for begin, last, part, why in runs if begin <= last]


def set_aside(sequences: Sequence[int], times: Sequence[float], reason: str, window_s: float) -> list[Lost]:
    """Rows that do not come, as runs of sequences whose event times lie in one window."""
    found: list[Lost] = []
    for sequence, moment in zip(sequences, times, strict=True):
        if found and found[-1].last == sequence - 1 and found[-1].time // window_s == moment // window_s:
            found[-1] = Lost(found[-1].first, sequence, "set_aside", reason, found[-1].time)
        else:
            found.append(Lost(sequence, sequence, "set_aside", reason, moment))
    return found
