"""Who is at work: the name that the history of a lake gives to what a process does."""

from __future__ import annotations

import getpass

__all__ = ["user"]


def user() -> str:
    """Who runs this process, as far as it can be told."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
