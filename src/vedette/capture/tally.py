"""The counting of rows that did not become slots, from any thread, signal handler or finaliser of a process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from operator import setitem
from sys import byteorder
from typing import Any

from vedette.capture.counters import OTHER, CounterFile, Key, shorten

__all__ = ["Tally"]

_EARLY_MAX = 4096  # entries that are kept in memory while there is no file
_YEAR_10000_S = 253_402_300_800.0
_NEVER = object()


def _both(*calls: Callable[[], object]) -> Iterator[tuple[object, ...]]:
    """An iterator whose ``next`` makes these calls of C functions, between which no signal comes."""
    return zip(*(iter(call, _NEVER) for call in calls), strict=True)


class Tally:
    """Counts rows that did not become slots; safe for threads, signal handlers and finalisers.

    Additions wait in a queue, and whoever holds the lock empties it, so that a handler which interrupts the holder
    leaves its own behind instead of waiting for itself. What is to be stored for the first of the queue is noted
    before it is stored, and taken off together with it in one call into C: wherever an exception comes in between
    (``KeyboardInterrupt``, the end of the stack), the next one stores the same again, and no row is counted twice.
    While there is no file (no folder could be made yet) rows are counted in memory, and go to the file once there is one.

    A row belongs to the window of its event time where that is known, else of its receipt; ``window_s`` tells how long
    windows are now, ``clock`` what time it is where nobody says.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, window_s: Callable[[], float] = lambda: 3600.0
    ) -> None:
        self.pending: deque[tuple[Any, ...]] = deque()
        self.spilt: list[tuple[Any, ...]] = []  # the core's, which appends without a call
        self.uncounted = bytearray(
            8
        )  # the number of rows that nobody had the memory to append, in the machine's order
        self._taken = [0]  # and how many of those have been counted
        self._clock, self._window_s = clock, window_s
        self.reset()

    def reset(self) -> None:
        """Start from nothing, without a file: in a child process, whose parent keeps its own counts."""
        self._lock, self._draining = threading.RLock(), False
        self._file: CounterFile | None = None
        self._wanted: tuple[CounterFile | None] | None = None
        self._early: dict[Key, int] = {}
        self._step: list[tuple[Callable[[Any, int], None], Any, int]] = []
        self.pending.clear()
        self.spilt.clear()
        self._taken[0] = self._n_uncounted()
        self._counted = _both(self.pending.popleft, self._step.clear)

    def add(
        self, stream: str, part: str, reason: str | None = None, n: int = 1, time: float | None = None
    ) -> None:
        """Add to ``dropped``, ``sampled_out`` or ``rejected``, with its reason, in the window of a time."""
        self.pending.append((stream, part, reason, n, time))
        try:
            self.settle()
        except (RecursionError, MemoryError):
            pass  # it is queued; the next one to come writes it down

    def settle(self) -> None:
        """Write down what is queued. An exception at any place in here leaves a state from which the next one goes on."""
        with self._lock:
            if self._draining:
                return
            self._draining = True
            try:
                while True:
                    if not self._step:
                        while self.spilt:
                            next(_both(partial(self.pending.append, self.spilt[-1]), self.spilt.pop))
                        self._take_uncounted()
                        if not self.pending:
                            if not self._wanted:
                                return
                            self._switch(*self._wanted)  # which may queue what was counted in memory
                            continue
                    self._count_one()
            finally:
                self._draining = False

    def _take_uncounted(self) -> None:
        """Queue the rows that ``log`` had no memory to queue itself."""
        n = self._n_uncounted()
        if n > self._taken[0]:
            entry = ("predictions", "dropped", "out of stack or memory", n - self._taken[0])
            next(_both(partial(self.pending.append, entry), partial(setitem, self._taken, 0, n)))

    def _n_uncounted(self) -> int:
        return int.from_bytes(self.uncounted, byteorder)

    def _count_one(self) -> None:
        try:
            if not self._step:
                self._step.append(self._plan(*self.pending[0]))
            store, at, value = self._step[0]
            store(at, value)
        except ValueError:  # the file was closed by a handler that came in between
            self._file = None
            self._step.clear()
        else:
            next(self._counted)

    def _switch(self, file: CounterFile | None) -> None:
        early = [(*key[:3], n, key[3] / 1e6) for key, n in self._early.items()]
        if file is not None:
            next(_both(partial(self.pending.extend, early), self._early.clear))
        self._file = file
        self._wanted = None

    def attach(self, file: CounterFile | None) -> None:
        """From now on count into this file (None: in memory); what was counted without one is added to it."""
        self._wanted = (file,)
        self.settle()

    @property
    def in_memory(self) -> int:
        """The rows that are counted here alone, for no folder could be made yet."""
        self.settle()
        return sum(self._early.values())

    @property
    def attached(self) -> bool:
        """True while there is a file to count into."""
        return self._file is not None

    def _plan(
        self, stream: str, part: str, reason: str | None, n: int, time: float | None = None
    ) -> tuple[Callable[[Any, int], None], Any, int]:
        """What is to be stored where, with what."""
        length_us = round(self._window_s() * 1e6)
        micros = self._micros(time)
        key = (stream, part, reason or "", micros - micros % length_us, length_us)
        if self._file is not None:
            return self._file.store, *self._file.count(key, n)
        key = (stream, part, shorten(key[2]), *key[3:])
        if len(self._early) >= _EARLY_MAX and key not in self._early:
            alike = (one for one in self._early if one[:2] == key[:2])  # with less said of them, but counted
            key = next(alike, (stream, part, OTHER, *key[3:]))
        return self._early.__setitem__, key, self._early.get(key, 0) + n

    def _micros(self, seconds: float | None) -> int:
        """A time in microseconds since 1970; now where there is none that can be."""
        if seconds is None or not 0.0 <= seconds < _YEAR_10000_S:
            try:
                seconds = float(self._clock())
            except Exception:  # noqa: BLE001 - a clock of the user's
                seconds = time.time()
            if not 0.0 <= seconds < _YEAR_10000_S:
                seconds = time.time()
        return round(seconds * 1e6)
