"""Maintenance windows: spans, once or again every day or week, in which nobody is told of alerts.

A table ``[[alerts.maintenance]]`` of ``vedette.toml`` is one; people make others by command, over HTTP and on a page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Any

from vedette.config.values import duration_s, patterns_of
from vedette.records import owner_of

__all__ = ["MAINTENANCE_KEYS", "Maintenance", "maintenance_of", "moment_of"]

MAINTENANCE_KEYS = {
    "reason": "what is done; shown beside alerts",
    "from": "when it begins, or began first: 2026-12-01T22:00",
    "to": "when it ends",
    "for": "how long it lasts, in the place of 'to': 30m, 2h",
    "every": "day or week: it comes again at the same time of the clock on the wall",
    "until": "when it comes no more",
    "timezone": "whose clock on the wall is meant; default UTC",
    "models": "patterns of the models that it is for",
    "watches": "patterns of the watches that it is for, such as 'accuracy' or '*.location'",
    "segments": "patterns of the segments that it is for; '' is all rows together",
}
_PERIODS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
_LENGTH_MAX = timedelta(days=366)
_YEARS = (1970, 2500)  # that times may lie in: far from where the calendar of the language ends
_WORDS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A span of time, half-open, in which nobody is told of the alerts of some models, watches and segments.

    With ``every`` (``day`` or ``week``) it comes again at the same time of the wall's clock in ``timezone``, so that it moves
    with daylight saving; each lasts as long as the first. ``until`` is when none begins any more. ``by`` is who made it,
    empty for one of ``vedette.toml``; ``ended`` is when somebody put an end to it, where somebody did.

    >>> night = maintenance_of({"reason": "backup", "from": "2026-03-01T02:00", "for": "1h", "every": "day"})
    >>> night.end_of(datetime(2026, 6, 9, 2, 30, tzinfo=UTC))
    datetime.datetime(2026, 6, 9, 3, 0, tzinfo=datetime.timezone.utc)
    >>> night.end_of(datetime(2026, 6, 9, 3, 0, tzinfo=UTC)) is None
    True
    """

    id: str
    reason: str
    begins: datetime
    ends: datetime
    every: str = ""
    until: datetime | None = None
    timezone: str = "UTC"
    models: tuple[str, ...] = ("*",)
    watches: tuple[str, ...] = ("*",)
    segments: tuple[str, ...] = ("*",)
    by: str = ""
    ended: datetime | None = None

    def concerns(self, model: str, watch: str | None = None, segment: str | None = None) -> bool:
        """True for what it is for, the runs of a model with it; a watch or segment that is None is any."""
        names = {model, owner_of(model)}
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.models) and all(
            given is None or any(fnmatchcase(given, pattern) for pattern in patterns)
            for given, patterns in ((watch, self.watches), (segment, self.segments))
        )

    def end_of(self, at: datetime) -> datetime | None:
        """When the one that goes on at a time ends; None where none does."""
        return next((end for start, end in self.spans(at, at + timedelta(microseconds=1))), None)

    def over(self, at: datetime) -> bool:
        """True where none goes on at a time or comes after it."""
        return next(self.spans(at, datetime.max.replace(tzinfo=UTC)), None) is None

    def spans(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Start and end (UTC) of each that has a moment in common with a span, the earliest first.

        >>> weekly = maintenance_of({"reason": "r", "from": "2026-03-22T02:00", "for": "2h", "every": "week",
        ...                          "timezone": "Europe/Vienna"})
        >>> [f"{start:%m-%d %H}" for start, _ in weekly.spans(weekly.begins, datetime(2026, 4, 6, tzinfo=UTC))]
        ['03-22 01', '03-29 01', '04-05 00']
        """
        length = self.ends - self.begins
        period = _PERIODS.get(self.every)
        number = 0
        if period is not None and since - length > self.begins:
            number = max(0, (since - length - self.begins) // period - 1)  # one less: clocks are set
        while True:
            start = self._start(number)
            last = min(one for one in (until, self.until, self.ended) if one is not None)
            if start is None or start >= last:
                return
            end = start + length if self.ended is None else min(start + length, self.ended)
            if end > since:
                yield start, end
            if period is None:
                return
            number += 1

    def _start(self, number: int) -> datetime | None:
        """The beginning of the one of a number, from 0; None beyond the calendar."""
        if not self.every:
            return self.begins
        there = _zone(self.timezone)
        try:
            wall = self.begins.astimezone(there).replace(tzinfo=None) + number * _PERIODS[self.every]
            return wall.replace(tzinfo=there).astimezone(UTC)
        except OverflowError:
            return None

    def document(self) -> dict[str, Any]:
        """It as the table that makes the same, with its id and who made it."""
        found: dict[str, Any] = {
            "id": self.id,
            "reason": self.reason,
            "from": self.begins.isoformat(),
            "to": self.ends.isoformat(),
            "every": self.every or None,
            "until": None if self.until is None else self.until.isoformat(),
            "timezone": self.timezone,
            "by": self.by,
            "ended": None if self.ended is None else self.ended.isoformat(),
        }
        return found | {name: list(getattr(self, name)) for name in ("models", "watches", "segments")}


def maintenance_of(table: Mapping[str, Any], by: str = "") -> Maintenance:
    """The maintenance of a table with the keys of ``MAINTENANCE_KEYS``; ``ValueError`` for one that cannot be meant.

    >>> maintenance_of({"reason": "moving", "from": "2026-03-01T02:00", "to": "2026-03-01T01:00"})
    Traceback (most recent call last):
    ValueError: to='2026-03-01T01:00': must be later than from='2026-03-01T02:00'
    """
    unknown = sorted(set(table) - set(MAINTENANCE_KEYS))
    if unknown:
        raise ValueError(
            f"maintenance: unknown key {unknown[0]!r}: must be one of {', '.join(MAINTENANCE_KEYS)}"
        )
    reason = table.get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > _WORDS_MAX:
        raise ValueError(f"reason={reason!r}: must say what is done, in at most {_WORDS_MAX} characters")
    timezone, every = table.get("timezone", "UTC"), table.get("every") or ""
    there = _zone(timezone)
    if every not in ("", *_PERIODS):
        raise ValueError(f"every={every!r}: must be {' or '.join(_PERIODS)}")
    begins = moment_of(table.get("from"), "from", there)
    if (table.get("to") is None) == (table.get("for") is None):
        raise ValueError("to and for: one of them must say how long it lasts")
    if table.get("to") is not None:
        ends = moment_of(table["to"], "to", there)
    else:
        ends = begins + timedelta(seconds=duration_s(table["for"], "for"))
    longest = _PERIODS.get(every, _LENGTH_MAX)
    if ends <= begins:
        raise ValueError(f"to={str(table['to'])!r}: must be later than from={str(table['from'])!r}")
    if ends - begins > longest:
        raise ValueError(
            f"maintenance: lasts {ends - begins}: must be at most {longest.days} days, so as to end"
        )
    until = None if table.get("until") is None else moment_of(table["until"], "until", there)
    if until is not None and (not every or until <= begins):
        raise ValueError(
            f"until={str(table['until'])!r}: must be later than its beginning, of one that has 'every'"
        )
    models, watches, segments = (patterns_of(table, name) for name in ("models", "watches", "segments"))
    made = Maintenance(
        "", reason.strip(), begins, ends, every, until, timezone, models, watches, segments, by
    )
    text = repr([(key, str(value)) for key, value in made.document().items()])
    return replace(made, id=hashlib.blake2b(text.encode(), digest_size=6).hexdigest())


def moment_of(value: Any, name: str, there: tzinfo = UTC) -> datetime:
    """A time of TOML or of ISO text in UTC; without an offset it is that of the wall's clock ``there``.

    >>> moment_of("2026-03-01T02:00", "from"), moment_of("2026-03-01T02:00+01:00", "from").hour
    (datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.timezone.utc), 1)
    """
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            found = datetime(value.year, value.month, value.day)  # of the wall's clock there
        else:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        if not _YEARS[0] <= found.year < _YEARS[1]:
            raise ValueError("beyond the years that can be meant")
        return (found if found.tzinfo is not None else found.replace(tzinfo=there)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name}={value!r}: must be a time such as 2026-12-01T22:00, from {_YEARS[0]} to {_YEARS[1] - 1}"
        ) from None


def _zone(name: Any) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only where there is a maintenance

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ValueError(f"timezone={name!r}: must be a name such as Europe/Vienna") from error
