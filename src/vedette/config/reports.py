"""The scheduled reports of ``vedette.toml``: ``[[reports]]``, one table a report, every key known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from vedette.config.channels import RENEWED, ChannelSettings
from vedette.config.values import refuse_unknown
from vedette.errors import ConfigError

__all__ = ["REPORT_KEYS", "ReportSettings", "reports_of"]

REPORT_KEYS = {
    "name": "what it is called; a folder of this name is made in folder",
    "every": "day, week or month: how often it is made, and of how long it tells",
    "at": "the time of the day at which it is made, such as '07:00'",
    "on": "of a week: the day on which it is made, monday to sunday; of a month: 1 to 28",
    "timezone": "whose days and times are meant, such as Europe/Vienna",
    "models": "patterns of the models that are reported, such as 'delays*'",
    "folder": "where the pages are written; relative to the file",
    "keep": "how many pages of a model are kept; older ones are deleted",
    "channels": "names of the channels of this file that a finished page is told through",
}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """When a report is made, of which models, and where it goes; see :data:`REPORT_KEYS`.

    ``on`` counts the days of a week from 0, those of a month from 1.
    """

    name: str
    folder: Path
    every: str = "week"
    at: time = time(7)
    on: int = 0
    timezone: str = "UTC"
    models: tuple[str, ...] = ("*",)
    keep: int = 12
    channels: tuple[str, ...] = ()

    def due(self, now: datetime) -> tuple[datetime, datetime]:
        """The last time at which it was to be made, and the one before: it tells of what lies between. In UTC.

        A time that a clock skips in spring is that of the hour before, one that comes twice in autumn the first.

        >>> weekly = ReportSettings("w", Path("r"), timezone="Europe/Vienna")
        >>> end, start = weekly.due(datetime(2026, 4, 1, 12, tzinfo=UTC))    # a Wednesday, after the clocks went on
        >>> f"{start:%a %d %H:%M}", f"{end:%a %d %H:%M}"
        ('Mon 23 06:00', 'Mon 30 05:00')
        """
        from zoneinfo import ZoneInfo  # only where a report is due

        day = now.astimezone(ZoneInfo(self.timezone)).date() + timedelta(days=1)
        found: list[datetime] = []
        while len(found) < 2:
            moment = datetime.combine(day, self.at, ZoneInfo(self.timezone)).astimezone(UTC)
            if moment <= now and (
                self.every == "day"
                or (self.every == "week" and day.weekday() == self.on)
                or (self.every == "month" and day.day == self.on)
            ):
                found.append(moment)
            day -= timedelta(days=1)
        return found[0], found[1]


def reports_of(
    tables: Any, path: Path, channels: Sequence[ChannelSettings] = ()
) -> tuple[ReportSettings, ...]:
    """The reports that the file names, told through its channels; ``ConfigError`` names what is impossible."""
    if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
        raise ConfigError(f"{path}: reports={tables!r}: must be tables, each begun with [[reports]]")
    found: dict[str, ReportSettings] = {}
    by_name = {one.name: one for one in channels}
    for table in tables:
        where = f"{path}: [[reports]] {table.get('name', '')}".rstrip()
        refuse_unknown(table, REPORT_KEYS, where)
        try:
            made = _report(table, path.absolute().parent, by_name)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
        if made.name in found:
            raise ConfigError(f"{where}: name={made.name!r}: there are two of it")
        found[made.name] = made
    return tuple(found.values())


def _report(table: Mapping[str, Any], home: Path, channels: Mapping[str, ChannelSettings]) -> ReportSettings:
    name, every, at = table.get("name"), table.get("every", "week"), table.get("at", "07:00")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name={name!r}: must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
    if every not in ("day", "week", "month"):
        raise ValueError(f"every={every!r}: must be day, week or month")
    if not isinstance(at, str) or not _TIME.fullmatch(at):
        raise ValueError(f"at={at!r}: must be a time such as '07:00'")
    folder = table.get("folder")
    if not isinstance(folder, str) or not folder:
        raise ValueError(f"folder={folder!r}: must be a folder, such as 'reports'")
    models = table.get("models", ["*"])
    if not isinstance(models, list) or not models or not all(isinstance(one, str) and one for one in models):
        raise ValueError(f"models={models!r}: must be a list of patterns such as 'delays*'")
    keep = table.get("keep", 12)
    if isinstance(keep, bool) or not isinstance(keep, int) or not 1 <= keep <= 10_000:
        raise ValueError(f"keep={keep!r}: must be a whole number from 1 to 10,000")
    return ReportSettings(
        name, home / Path(folder).expanduser(), every, time.fromisoformat(at), _on(table, every),
        _zone(table.get("timezone", "UTC")), tuple(models), keep, _told(table.get("channels", []), channels),
    )  # fmt: skip


def _told(named: Any, channels: Mapping[str, ChannelSettings]) -> tuple[str, ...]:
    """The channels that a report names, each once; ``ValueError`` where one of them would tell nobody of it."""
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ValueError(f"channels={named!r}: must be a list of names of channels, such as ['mail']")
    for one in named:
        if one not in channels:
            raise ValueError(
                f"channels: {one!r}: there is no such channel; there are {', '.join(channels) or 'none'}"
            )
        if channels[one].type in RENEWED:
            raise ValueError(f"channels: {one!r}: is an {channels[one].type}, which takes alerts alone")
        if channels[one].own.get("method") == "GET":
            raise ValueError(f"channels: {one!r}: sends no body, so it can tell of no report")
    return tuple(dict.fromkeys(named))


def _on(table: Mapping[str, Any], every: str) -> int:
    if every == "day":
        if "on" in table:
            raise ValueError(f"on={table['on']!r}: a report of every day has none")
        return 0
    if every == "week":
        day = table.get("on", "monday")
        if day not in DAYS:
            raise ValueError(f"on={day!r}: must be one of {', '.join(DAYS)}")
        return DAYS.index(day)
    number = table.get("on", 1)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 28:
        raise ValueError(f"on={number!r}: must be a day from 1 to 28, which every month has")
    return number


def _zone(name: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return str(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ValueError(f"timezone={name!r}: must be a name such as Europe/Vienna") from error
