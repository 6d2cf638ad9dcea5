"""The limits of what a process records."""

from __future__ import annotations

__all__ = [
    "FUTURE_S",
    "JOURNAL_BYTES_MAX",
    "JOURNAL_BYTES_MIN",
    "SYNC_S",
    "check_journal_bytes_max",
    "check_sync_s",
]

FUTURE_S = 300.0
"""A row whose event time lies further ahead of the clock than this is rejected (clocks differ by seconds,
not by minutes)."""


JOURNAL_BYTES_MAX = 2**30
"""The room that a journal may take where nobody says; a smaller one than ``JOURNAL_BYTES_MIN`` would hold no row for long."""


JOURNAL_BYTES_MIN = 2**24


SYNC_S = 0.2
"""Rows are on disk about this long after they were logged, where nobody says; until then they are in the system's hands."""


def check_journal_bytes_max(n_bytes: int) -> int:
    """Return the room of a journal in bytes, or raise ``ValueError`` saying what it may be."""
    if isinstance(n_bytes, bool) or not isinstance(n_bytes, int) or n_bytes < JOURNAL_BYTES_MIN:
        raise ValueError(
            f"journal_bytes_max={n_bytes!r}: must be a whole number of bytes, 16 MiB (2**24) or more"
        )
    return n_bytes


def check_sync_s(seconds: float) -> float:
    """Return how often a journal is put on disk, or raise ``ValueError`` saying what it may be."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3600:
        raise ValueError(f"sync_s={seconds!r}: must be 0 (never) to 3,600 seconds")
    return float(seconds)
