"""What hands out the slots of a segment: each once, whichever thread asks, whatever comes in between.

``iterator`` yields ``(sequence, offset, buffer)``. With the core it is one of its own, which its ``log`` reads without
asking; without, it is built of C iterators, so that taking a slot cannot be interrupted.
"""

from __future__ import annotations

import itertools
import operator
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from vedette.capture.core import core

__all__ = ["Slots", "slots_of"]

_Slot = tuple[int, int, Any]


class Slots(Protocol):
    """The slots of one segment."""

    @property
    def iterator(self) -> Iterator[_Slot]:
        """Gives the slots."""

    @property
    def next(self) -> int:
        """The sequence that will be handed out next."""

    def stop(self) -> int:
        """Hand out no more; return the first sequence that was not. May be called again."""

    def release(self) -> None:
        """Let the buffer go."""


def slots_of(buffer: Any, guard: Any, at: int, slot_bytes: int, first: int, limit: int) -> Slots:
    """The slots of ``slot_bytes`` each from the byte ``at`` on, for the sequences from ``first`` to before ``limit``.

    ``guard`` is that of the map, None where the file is not mapped.
    """
    if core is not None and guard is not None:
        return _Core(buffer, guard, at, slot_bytes, first, limit)
    plain = _Zipped(buffer, at, slot_bytes, first, limit)
    has_lock = getattr(sys, "_is_gil_enabled", None)
    return plain if has_lock is None or has_lock() else _Locked(plain)


class _Core:
    def __init__(self, buffer: Any, guard: Any, at: int, slot_bytes: int, first: int, limit: int) -> None:
        self.iterator: Any = core.Slots(buffer, guard, at, slot_bytes, first, limit)

    @property
    def next(self) -> int:
        return int(self.iterator.next)

    def stop(self) -> int:
        return int(self.iterator.stop())

    def release(self) -> None:
        self.iterator.release()


class _Zipped:
    def __init__(self, buffer: Any, at: int, slot_bytes: int, first: int, limit: int) -> None:
        self._first, self._limit = first, limit
        self._numbers: Any = iter(range(first, limit))
        self._offsets = iter(range(at, at + (limit - first) * slot_bytes, slot_bytes))
        self.iterator: Iterator[_Slot] = zip(self._numbers, self._offsets, itertools.repeat(buffer))

    @property
    def next(self) -> int:
        return self._limit - operator.length_hint(self._offsets)

    def stop(self) -> int:
        # in one step, whatever is left of them: the numbers end, and the offsets, which come second, stay where they are
        self._numbers.__setstate__(self._limit - self._first)
        return self.next

    def release(self) -> None:
        pass  # whoever has taken a slot still holds the buffer


class _Locked:
    """The same where the interpreter has no lock of its own."""

    def __init__(self, slots: _Zipped) -> None:
        self._slots, self._lock = slots, threading.RLock()
        self.iterator: Iterator[_Slot] = self

    def __iter__(self) -> Iterator[_Slot]:
        return self

    def __next__(self) -> _Slot:
        with self._lock:
            return next(self._slots.iterator)

    @property
    def next(self) -> int:
        with self._lock:
            return self._slots.next

    def stop(self) -> int:
        with self._lock:
            return self._slots.stop()

    def release(self) -> None:
        pass
