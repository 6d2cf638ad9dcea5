"""The keeper: one thread a process that does for all recorders what no row should wait for.

It makes the segment that will follow ready and faults its pages in, puts what was written on disk, and completes sealed
segments; the work itself is done in system calls and in the core, without the interpreter's lock. It begins with the
first segment and ends with the process. Where no thread can be had, the rows' own threads do what must be done.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from typing import Protocol

__all__ = ["SYNC_S", "end", "leave_to_parent", "tend", "wake"]

SYNC_S = 0.2
"""Rows are on disk this long after they were logged, at most and about; until then they are in the system's hands."""

_REST_S = 0.2
_END_S = 2.0  # as long as the end of the process waits for a disk that does not answer
_SAY_S = 60.0
_logger = logging.getLogger("vedette")


class _Kept(Protocol):
    """Something that is tended; ``sync_s`` says how often what it wrote is put on disk, 0 never."""

    sync_s: float

    def tend(self, *, sync: bool) -> None: ...


_kept: dict[int, weakref.ref[_Kept]] = {}
_thread: threading.Thread | None = None
_ended = False
_call = threading.Event()
_said_at = -math.inf


def tend(kept: _Kept) -> None:
    """Tend this from now on, for as long as anybody else holds it."""
    key = id(kept)
    _kept[key] = weakref.ref(kept, lambda _: _kept.pop(key, None))


def wake() -> bool:
    """Have the keeper look now; False where there is none and none can be had."""
    global _thread
    if _ended:
        return False
    if _thread is None or not _thread.is_alive():
        thread = threading.Thread(target=_run, name="vedette-keeper", daemon=True)
        try:
            _thread = thread
            thread.start()
        except RuntimeError:  # no further thread may be started, or the interpreter is going down
            _thread = None
            return False
    _call.set()
    return True


def end() -> None:
    """End the thread: the interpreter is about to end."""
    global _ended
    _ended = True
    thread = _thread
    _call.set()
    if thread is not None and thread.is_alive() and thread is not threading.current_thread():
        thread.join(_END_S)


def leave_to_parent() -> None:
    """In a child process: the thread is the parent's."""
    global _thread, _call, _ended
    _thread, _call, _ended = None, threading.Event(), False


def _run() -> None:
    due: dict[int, float] = {}
    while not _ended:
        rest = min([_REST_S, *(at - time.monotonic() for at in due.values())])
        _call.wait(max(rest, 0.0))
        _call.clear()
        living = _kept.copy()  # in one step: the collector may take one out at any time
        due = {key: at for key, at in due.items() if key in living}
        for key, reference in living.items():
            _tend(key, reference(), due)


def _tend(key: int, kept: _Kept | None, due: dict[int, float]) -> None:
    """Tend one, holding it no longer than that takes."""
    global _said_at
    if kept is None:
        return
    now = time.monotonic()
    sync = kept.sync_s > 0 and now >= due.get(key, 0.0)
    if sync:
        due[key] = now + kept.sync_s
    try:
        kept.tend(sync=sync)
    except Exception as error:  # noqa: BLE001 - the edge: it must go on for the others, and for the next time
        if now >= _said_at + _SAY_S:
            _said_at = now
            _logger.warning("keeping the journal: %s: %s (said once a minute)", type(error).__name__, error)
