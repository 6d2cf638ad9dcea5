"""What a writer knows of one of its streams: the layout, and the segments that are open, made ahead and sealed."""

from __future__ import annotations

import math
from collections import deque

from vedette.capture.ahead import Ahead
from vedette.capture.format import Layout
from vedette.capture.segment import SegmentWriter
from vedette.records import Field

__all__ = ["Stream"]

_TEXT_BYTES_FIRST = 2**18


class Stream:
    """One of the streams: its layout, the segment that is being written, and the one made ready to follow it.

    ``retired`` are the sealed ones with their ends, which are yet to be completed and put on disk.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.layout = Layout((), ids=name == "labels")
        self.declared: frozenset[Field] = frozenset()
        self.segment: SegmentWriter | None = None
        self.spare: Ahead | None = None
        self.retired: deque[tuple[SegmentWriter, int]] = deque()
        self.highest = 0
        self.opened = 0
        self.retry_at = 0.0
        self.text_bytes = _TEXT_BYTES_FIRST
        self.began = 0.0  # when rows began to go into the segment
        self.lasted = math.inf  # and for how long they went into the last one that was filled
