"""Taking turns at what one thread does at a time, without waiting long for another, and never for oneself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["NoRoom", "Turn"]

_WAIT_S = 1.0  # as long as a row may wait for another thread that opens a file; after that, rows are dropped


class NoRoom(Exception):  # noqa: N818 - an outcome that is counted
    """The row cannot be put anywhere now; the message is the reason."""


class Turn:
    """Lets one thread at a time change the files of a writer."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._busy = self._stuck = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Be the one thread that is at it. Raises :class:`NoRoom` where that cannot be had soon.

        A signal handler or a finaliser in the middle of this very thread's turn is told so at once.
        """
        if not self._lock.acquire(timeout=0.0 if self._stuck else _WAIT_S):
            self._stuck = True
            raise NoRoom("another thread held the journal for too long")
        try:
            self._stuck = False
            if self._busy:
                raise NoRoom("logged from inside the recorder")
            self._busy = True
            try:
                yield
            finally:
                self._busy = False
        finally:
            self._lock.release()
