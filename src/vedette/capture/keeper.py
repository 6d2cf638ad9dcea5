"""The keeper: what no row should wait for, done for all recorders of a process by two threads of its own.

One makes the segment that will follow ready and faults its pages in; the other puts what was written on disk and
completes sealed segments, which may take as long as the disk does. The work itself is done in system calls and in the
core, without the interpreter's lock. They begin with the first segment and end with the process. Where no thread can be
had, the rows' own threads do what must be done.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

__all__ = ["end", "keep", "leave_to_parent", "wake"]

_REST_S = 0.2
_END_S = 2.0  # as long as the end of the process waits for a disk that does not answer
_SAY_S = 60.0
_logger = logging.getLogger("vedette")


class _Kept(Protocol):
    """Something that is kept; ``sync_s`` says how often what it wrote is put on disk, 0 never."""

    sync_s: float

    def prepare(self) -> None: ...

    def complete(self) -> None: ...

    def sync(self) -> None: ...


class _Worker:
    """A thread that does one thing for all that are kept, again and again."""

    def __init__(self, name: str, work: Callable[[int, _Kept], float]) -> None:
        self._name, self._work = name, work
        self._thread: threading.Thread | None = None
        self._call = threading.Event()
        self._ended = False
        self._said_at = -math.inf

    def wake(self) -> bool:
        """Have it look now; False where no thread can be had."""
        if self._ended:
            return False
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                self._thread = thread
                thread.start()
            except RuntimeError:  # no further thread may be started, or the interpreter is going down
                self._thread = None
                return False
        self._call.set()
        return True

    def end(self) -> None:
        """End the thread, and wait for it, but not for ever."""
        self._ended = True
        thread = self._thread
        self._call.set()
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(_END_S)

    def _run(self) -> None:
        rest = _REST_S
        while not self._ended:
            self._call.wait(rest)
            self._call.clear()
            rest = _REST_S
            for (
                key,
                reference,
            ) in _kept.copy().items():  # in one step: the collector may take one out at any time
                rest = min(rest, self._do(key, reference()))

    def _do(self, key: int, kept: _Kept | None) -> float:
        """Work for one, holding it no longer than that takes; return how long there is nothing more to do."""
        try:
            return _REST_S if kept is None else self._work(key, kept)
        except Exception as error:  # noqa: BLE001 - the edge: it must go on for the others, and for the next time
            if time.monotonic() >= self._said_at + _SAY_S:
                self._said_at = time.monotonic()
                _logger.warning(
                    "keeping the journal: %s: %s (said once a minute)", type(error).__name__, error
                )
            return _REST_S


_kept: dict[int, weakref.ref[_Kept]] = {}
_due: dict[int, float] = {}


def _prepare(key: int, kept: _Kept) -> float:  # noqa: ARG001 - as the other
    kept.prepare()
    return _REST_S


def _sync(key: int, kept: _Kept) -> float:
    kept.complete()
    now = time.monotonic()
    if now >= _due.get(key, 0.0):
        _due[key] = now + (kept.sync_s or _REST_S)
        kept.sync()
    return max(0.0, _due[key] - time.monotonic())


def _workers() -> tuple[_Worker, _Worker]:
    return _Worker("vedette-keeper", _prepare), _Worker("vedette-sync", _sync)


_keeper, _syncer = _workers()


def keep(kept: _Kept) -> None:
    """Keep this from now on, for as long as anybody else holds it."""
    key = id(kept)

    def forget(_: object) -> None:
        _kept.pop(key, None)
        _due.pop(key, None)

    _kept[key] = weakref.ref(kept, forget)


def wake() -> bool:
    """Have the keeper look now, for a segment was opened or sealed; False where there is none and none can be had."""
    return _keeper.wake() and _syncer.wake()


def end() -> None:
    """End the threads: the interpreter is about to end."""
    _keeper.end()
    _syncer.end()


def leave_to_parent() -> None:
    """In a child process: the threads are the parent's."""
    global _keeper, _syncer
    _keeper, _syncer = _workers()
    _due.clear()
