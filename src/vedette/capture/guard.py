"""What keeps a SIGBUS in one of our mapped files from the process, and faults pages in ahead of their use.

A store to a mapped page that the disk cannot back (it is full, another process has cut the file off, the page cannot be
read) is a SIGBUS, and the end of the process. A guard on the map catches it: the pages from there on are replaced by
memory of the process's own, the store is done again, and the guard says that it is *broken*; the writer then takes
another segment, and the rows that are not in the file are counted as torn by its reader. A SIGBUS elsewhere goes to
whoever handled it before. Where there is no guard to be had nothing is mapped, and each row is a ``write``.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, Protocol

from vedette.capture.core import core

__all__ = ["Guard", "can_guard", "guard", "populate", "sync"]


class Guard(Protocol):
    """The hold on a map; the map cannot be closed before ``release``."""

    @property
    def broken(self) -> bool:
        """True once a store did not reach the file."""

    def release(self) -> None:
        """Let the map go; it is not guarded any more."""


@functools.cache
def _provider() -> Any:
    """Who guards: the core, else ``guard_ctypes`` where the system is one that it knows, else None."""
    if core is not None:
        return core
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None
    try:
        from vedette.capture import guard_ctypes
    except (ImportError, OSError, AttributeError):  # a Python without ctypes, a C library without the names
        return None
    return guard_ctypes


def can_guard() -> bool:
    """True where a map can be guarded here."""
    return _provider() is not None


def guard(buffer: Any) -> Guard:
    """Guard a writable map. Raises ``OSError`` where the handler cannot be set."""
    found: Guard = _provider().Guard(buffer)
    return found


def populate(buffer: Any, start: int, length: int) -> int:
    """Fault the pages from ``start`` in, so that the stores to come are not kept waiting; never a SIGBUS.

    Returns 0 or the number of the error, of which the likeliest is EINVAL: a kernel before 5.14 has no such call.
    """
    start = min(start, len(buffer))
    return int(_provider().populate(buffer, start, min(length, len(buffer) - start)))


def sync(buffer: Any, start: int, end: int) -> None:
    """Put the pages from the byte ``start`` to ``end`` on disk, and no others. Raises ``OSError``."""
    problem = int(_provider().sync(buffer, start, min(end, len(buffer)) - start))
    if problem:
        raise OSError(problem, os.strerror(problem))
