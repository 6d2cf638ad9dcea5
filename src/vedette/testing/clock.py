"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette import config

__all__ = ["Clock"]


class Clock:
    """A clock that stands until it is moved; for ``Monitor(clock=...)``.

    >>> clock = Clock("2026-01-01")
    >>> clock.advance("1h")
    >>> clock() - datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    3600.0
    """

    def __init__(self, start: str | datetime = "2026-01-01") -> None:
        at = datetime.fromisoformat(start) if isinstance(start, str) else start
        self.now_s = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now_s

    def advance(self, duration: str | float) -> None:
        """Move on by ``"15m"``, ``"1h"`` or a number of seconds."""
        self.now_s += config.duration_s(duration, "duration")
