"""The room of a journal: how many bytes its files may take together, and what is being made."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vedette.capture.folder import journal_bytes

__all__ = ["Room"]

_MEASURE_S = 1.0


class Room:
    """The bytes that the files below ``root`` may take, for the threads of a process that make files there.

    The files are looked at again every second, and where they seem to be too many: others write too, and the reader
    frees. What several threads are making meanwhile is counted whether it is seen there or not.
    """

    def __init__(self, root: Path, n_bytes_max: int) -> None:
        self._root, self._max = root, n_bytes_max
        self._used, self._measured_at = 0, -math.inf
        self._made, self._making = 0, 0  # bytes of files ever, and of those that are not there yet
        self._lock = threading.RLock()

    def after_fork(self) -> None:
        """In a child process, where nothing is being made yet."""
        self._lock, self._making = threading.RLock(), 0

    @contextmanager
    def taken(self, n_bytes: int) -> Iterator[None]:
        """Have room for the bytes of a file that is made inside. Raises ``OSError`` where there is none."""
        now = time.monotonic()
        with self._lock:
            fits = now < self._measured_at + _MEASURE_S and self._used + n_bytes <= self._max
            if fits:
                self._count(n_bytes)
        if not fits:
            self._measure(now)
            with self._lock:
                if self._used + n_bytes > self._max:
                    raise OSError(f"journal_bytes_max={self._max} is reached")
                self._count(n_bytes)
        try:
            yield
        finally:
            with self._lock:
                self._making -= n_bytes

    @property
    def share(self) -> float:
        """The share of the room that was taken when the files were last looked at."""
        return self._used / self._max

    def look(self) -> None:
        """Look at the files again, if that was over a second ago."""
        now = time.monotonic()
        if now >= self._measured_at + _MEASURE_S:
            self._measure(now)

    def _measure(self, now: float) -> None:
        with self._lock:
            before, making = self._made, self._making
        measured = journal_bytes(self._root)
        with self._lock:
            self._used, self._measured_at = measured + making + self._made - before, now

    def suffices(self) -> bool:
        """True where the files that are there now are not too many."""
        return journal_bytes(self._root) <= self._max

    def _count(self, n_bytes: int) -> None:
        self._used += n_bytes
        self._made += n_bytes
        self._making += n_bytes
