"""Slots that hold no row: which, why, and to which time they are counted.

The event time of a row that was lost is lost with it. That it is counted to the nearest whole row before it in its
segment, else to the time at which the segment was made, is an attribution: rows come about in the order of their time.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CUT", "DAMAGED", "GONE", "UNFINISHED", "UNREADABLE", "Lost"]

GONE = "the segment is gone"
CUT = "cut off the segment"
UNFINISHED = "not written to the end"
DAMAGED = "damaged: the checksum does not match"
UNREADABLE = "damaged: a text or an id cannot be read"


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
