"""Channels that people set on a server: what holds and where it is from, and each change as a version that can be undone.

They are of all models, so their changes are a table of the lake, only added to: the newest row of a name is what is set, all
rows are the history, and an undo is one more. Whoever tells reads them in each turn. ``vedette.toml`` wins over one that has
the same name: what was reviewed with the code must not be undone by a click.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl

from vedette.config import ChannelSettings, Config
from vedette.config.public_channels import public_channel
from vedette.errors import ChannelChangeError, DataError
from vedette.lake.tables import Lake

__all__ = [
    "CHANNELS_MAX",
    "ChannelChange",
    "SetChannel",
    "changes",
    "in_force",
    "put",
    "remove",
    "set_by_people",
    "undo",
    "version",
]

CHANNELS_MAX = 100
"""Channels that can be set on a server: each is a queue of each model, and read in every turn."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TEXT_MAX = 4000  # characters of a channel as JSON
_Word = Literal["added", "changed", "removed", "undone"]


@dataclass(frozen=True, slots=True)
class SetChannel:
    """A channel that somebody set: ``said`` as a table of ``vedette.toml``. ``holds`` is False where the file has its name.

    ``settings`` is None where ``problem`` says why it cannot be read.
    """

    name: str
    said: Mapping[str, Any]
    holds: bool
    settings: ChannelSettings | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """One change; ``number`` counts them from 1. ``before`` and ``after`` are None for no channel."""

    number: int
    time: datetime
    by: str
    change: _Word
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str


def in_force(lake: Lake, written: Config) -> list[ChannelSettings]:
    """The channels that are told: those of the file, and those set on a server whose name it does not have."""
    people = [one.settings for one in set_by_people(lake, written) if one.holds and one.settings is not None]
    return [*written.channels, *people]


def set_by_people(lake: Lake, written: Config) -> list[SetChannel]:
    """Every channel that is set on a server, by name."""
    file = {one.name for one in written.channels}
    found = []
    for name, said in sorted(_set(changes(lake)).items()):
        try:
            settings, problem = public_channel(name, said, written.server.channels_allow), None
        except ValueError as error:  # of a version that could say more
            settings, problem = None, str(error)
        found.append(SetChannel(name, said, name not in file, settings, problem))
    return found


def changes(lake: Lake) -> list[ChannelChange]:
    """Every change, the newest first."""
    if lake.channels.snapshot() is None:
        return []
    rows = lake.channels.scan().sort("number").collect().iter_rows(named=True)
    return [
        ChannelChange(
            number=row["number"],
            time=row["time"],
            by=row["by"],
            change=row["change"],
            name=row["name"],
            before=_read(row["before"]),
            after=_read(row["after"]),
            reason=row["reason"],
        )
        for row in rows
    ][::-1]


def version(lake: Lake) -> int:
    """How many changes there were: what a change says that it was made against."""
    return len(changes(lake))


def put(
    lake: Lake,
    written: Config,
    name: str,
    said: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    reason: str = "",
    seen: int | None = None,
) -> bool:
    """Add a channel, or say another thing by its name; True where that is a change. The caller holds the work lock.

    ``seen`` is the version that who changes has seen: ``ChannelChangeError`` where somebody has made another one since, and
    where ``vedette.toml`` has a channel of this name. Raises ``ValueError`` for a channel that cannot be set on a server.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("name: must be 1 to 63 letters, digits, '_' and '-' (not shown, it may be a secret)")
    public_channel(name, said, written.server.channels_allow)
    text = json.dumps(dict(said), sort_keys=True)
    if len(text) > _TEXT_MAX:
        raise ValueError(f"channel {name}: is of {len(text)} characters: must be of {_TEXT_MAX:,} at most")
    all_changes = _checked(lake, seen)
    there = _set(all_changes)
    _check_free(written, name)
    before = there.get(name)
    if before is not None and json.dumps(dict(before), sort_keys=True) == text:
        return False
    _check_room(there, name)
    word: _Word = "added" if before is None else "changed"
    _write(lake, all_changes, word, name, before, said, by=by, now=now, reason=reason)
    return True


def remove(
    lake: Lake,
    written: Config,
    name: str,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    seen: int | None = None,
) -> None:
    """Take a channel away that was set on a server. The caller holds the work lock.

    Raises ``DataError`` where there is none of that name, ``ChannelChangeError`` as :func:`put`.
    """
    all_changes = _checked(lake, seen)
    there = _set(all_changes)
    if name not in there:
        if name in {one.name for one in written.channels}:
            raise ChannelChangeError(f"channel {name}: is in vedette.toml: must be taken away there")
        raise DataError(
            f"channel={name!r}: there is none of that name; set here are {', '.join(there) or 'none'}"
        )
    _write(lake, all_changes, "removed", name, there[name], None, by=by, now=now, reason=reason)


def undo(
    lake: Lake, written: Config, number: int, *, by: str, now: datetime, seen: int | None = None
) -> ChannelChange:
    """Make the channel of a change what it was before that change; returns the change. The caller holds the work lock.

    Raises ``DataError`` where there is no change of that number, ``ChannelChangeError`` where it is so already, and as
    :func:`put`.
    """
    all_changes = _checked(lake, seen)
    found = next((one for one in all_changes if one.number == number), None)
    if found is None:
        raise DataError(f"change={number}: there is none of that number; the newest is {len(all_changes)}")
    there = _set(all_changes)
    now_is = there.get(found.name)
    if now_is == found.before:
        raise ChannelChangeError(f"change={number}: channel {found.name} is already what it was before it")
    if found.before is not None:
        _check_free(written, found.name)
        _check_room(there, found.name)
        public_channel(found.name, found.before, written.server.channels_allow)
    why = f"undoes change {number}"
    _write(lake, all_changes, "undone", found.name, now_is, found.before, by=by, now=now, reason=why)
    return found


def _check_free(written: Config, name: str) -> None:
    """Refuse a name that the file has."""
    if name in {one.name for one in written.channels}:
        raise ChannelChangeError(
            f"channel {name}: vedette.toml has one of this name, which holds: must be changed there, or have another name"
        )


def _check_room(there: Mapping[str, Any], name: str) -> None:
    """Refuse a channel more than there may be."""
    if name not in there and len(there) >= CHANNELS_MAX:
        raise ChannelChangeError(
            f"channel {name}: there are {len(there)} set here: must be {CHANNELS_MAX} at most"
        )


def _read(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


def _set(newest_first: list[ChannelChange]) -> dict[str, Mapping[str, Any]]:
    found = {one.name: one.after for one in reversed(newest_first)}
    return {name: after for name, after in found.items() if after is not None}


def _checked(lake: Lake, seen: int | None) -> list[ChannelChange]:
    """The changes; refused where one is made on others than these."""
    found = changes(lake)
    if seen is not None and seen != len(found):
        raise ChannelChangeError(
            f"version={seen}: the channels were changed since: must be made again on version {len(found)}"
        )
    return found


def _write(
    lake: Lake,
    before_it: list[ChannelChange],
    change: _Word,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    by: str,
    now: datetime,
    reason: str,
) -> None:
    if before_it and before_it[0].time >= now:  # a clock that was set back
        now = before_it[0].time + timedelta(microseconds=1)
    table = lake.channels
    row = {
        "number": len(before_it) + 1, "time": now, "name": name, "change": change, "by": by, "reason": reason,
        "before": None if before is None else json.dumps(dict(before), sort_keys=True),
        "after": None if after is None else json.dumps(dict(after), sort_keys=True),
    }  # fmt: skip
    table.write(pl.DataFrame([row], schema=table.schema), {})
