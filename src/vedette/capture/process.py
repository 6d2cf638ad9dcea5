"""What recorders must do when the process forks or ends. Nothing is registered before the first recorder exists."""

from __future__ import annotations

import atexit
import functools
import os
import weakref
from typing import Protocol

from vedette.capture.keeper import end, leave_to_parent

__all__ = ["register"]


class _Tied(Protocol):
    """Something that holds files which belong to one process."""

    def after_fork(self) -> None: ...

    def close(self) -> None: ...


_tied: dict[int, weakref.ref[_Tied]] = {}


def register(tied: _Tied) -> None:
    """Close this at the end of the process, and have it let go of the parent's files in every forked child."""
    _hook()
    key = id(tied)
    _tied[key] = weakref.ref(tied, lambda _: _tied.pop(key, None))


@functools.cache
def _hook() -> None:
    atexit.register(_at_exit)
    os.register_at_fork(after_in_child=_after_fork)


def _living() -> list[_Tied]:
    return [tied for reference in _tied.copy().values() if (tied := reference()) is not None]


def _at_exit() -> None:
    end()
    for tied in reversed(_living()):  # what records last of all before what it records with
        tied.close()


def _after_fork() -> None:
    leave_to_parent()
    for tied in _living():
        tied.after_fork()
