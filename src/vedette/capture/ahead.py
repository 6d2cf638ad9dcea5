"""A segment that is made while rows go into the one before it, so that none of them waits for a file."""

from __future__ import annotations

from typing import Any

from vedette.capture.core import core
from vedette.capture.segment import SegmentPlan, SegmentWriter

__all__ = ["Ahead"]


class Ahead:
    """One thread makes it (:meth:`make`); another, which has the turn, takes it as soon as its files are there.

    With the core that is seen in the middle of the one call that makes them and faults their pages in: whoever makes it
    needs the interpreter's lock no more.
    """

    def __init__(self, plan: SegmentPlan) -> None:
        self.layout, self.first, self.folder = plan.layout, plan.header.first, plan.path.parent
        self._plan = plan
        self._files: tuple[Any, ...] = plan.files_of_core() if plan.mapped and core is not None else ()
        self._segment: SegmentWriter | None = None
        self._wanted = True

    def make(self) -> None:
        """Make the files and fault their pages in. Raises ``OSError`` where there is no room."""
        if self._files:
            core.make(self._files, True)
        else:
            self._segment = SegmentWriter(self._plan)
            self._segment.fault_in()
        if not self._wanted:
            self.discard()

    def take(self) -> SegmentWriter | None:
        """The segment; None where it is not there yet."""
        if self._segment is None and self._files and self._files[-1].made:
            self._segment = SegmentWriter(self._plan, self._files)
        return self._segment

    def discard(self) -> None:
        """Delete the files now, or once they are made: nothing is in them. Raises ``OSError``."""
        self._wanted = False
        segment = self.take()
        if segment is not None:
            segment.discard()
            segment.close()

    def forget(self) -> None:
        """Let go of it without a change to the files: in a child process, whose parent's they are."""
        if self._segment is not None:
            self._segment.close()
