"""Which steps of alerts make a notice for a channel: nothing here writes or sends.

A step is told where its state, model and watch are among those of the channel. Steps of one incident that came since the
channel last looked are one notice; an alert is in it once, as its last such step left it. The end of an alert is told
where the channel was told of it before, or is told of all of it now: an alarm that came and went between two rounds.
An alert that is silenced by the time is not told; it will be when the silence ends. A receiver that forgets what it is not
told again (``ChannelSettings.renewed``) is told of every open alert, whatever its state, every ``repeat``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from vedette.config import ChannelSettings
from vedette.engine.alerts import OPEN_STATES
from vedette.engine.outbox import HEARTBEAT, RENEWAL, Box, Letter
from vedette.engine.state import alert_of
from vedette.records import Alert, AlertState, Notice

__all__ = ["Step", "heartbeat", "letters", "notice_of", "steps_of", "useless"]


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the history of alerts: its number, and the alert as it left it."""

    number: int
    alert: Alert


def steps_of(rows: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The history of alerts as steps, the oldest first."""
    return [Step(row["step"], alert_of(row)) for row in rows]


def letters(
    model: str,
    settings: ChannelSettings,
    box: Box,
    steps: Sequence[Step],
    *,
    after: int,
    open_too: bool,
    now: datetime,
) -> list[Letter]:
    """The notices that are to be made: of steps after a number (and of open alerts, where the channel is new or was
    changed), and of alerts that fire on.
    """
    current = {one.alert.id: one for one in steps}
    chosen = _chosen(settings, box, steps, current, after=after, open_too=open_too)
    groups: dict[tuple[str, str], list[Step]] = {}
    for one in chosen:
        groups.setdefault((one.alert.incident, "alerts"), []).append(one)
    busy = {letter.incident for letter in box.waiting.values()} | {incident for incident, _ in groups}
    again = (
        _open_on(settings, box, steps, current, now)
        if settings.renewed
        else _firing_on(settings, box, current, now)
    )
    for incident, some in again.items():
        if incident not in busy:
            groups[incident, RENEWAL if settings.renewed else "repeat"] = some
    return [
        Letter(
            key=_key(model, settings.name, kind, some, box),
            kind=kind,
            incident=incident,
            version=None,
            steps=tuple(one.number for one in some),
            made=now,
        )
        for (incident, kind), some in groups.items()
    ]


def _chosen(
    settings: ChannelSettings,
    box: Box,
    steps: Sequence[Step],
    current: Mapping[str, Step],
    *,
    after: int,
    open_too: bool,
) -> list[Step]:
    """The steps that are news to the channel, in their order."""
    known = box.known
    heard = {one.alert.id for one in steps if one.number in known}
    found: dict[str, list[Step]] = {}
    for one in steps:
        last = current[one.alert.id]
        opened = open_too and one is last and one.alert.state in OPEN_STATES
        silenced = last.alert.state is AlertState.SILENCED and one is not last
        if (
            (one.number > after or opened)
            and one.number not in known
            and not silenced
            and _told(settings, one)
        ):
            found.setdefault(one.alert.id, []).append(one)
    for name, some in list(found.items()):
        if name not in heard and all(one.alert.state is AlertState.RESOLVED for one in some):
            del found[name]
    return sorted((one for some in found.values() for one in some), key=lambda one: one.number)


def _told(settings: ChannelSettings, step: Step) -> bool:
    watched = any(fnmatchcase(step.alert.watch, pattern) for pattern in settings.watches)
    return watched and step.alert.state in settings.states


def _firing_on(
    settings: ChannelSettings, box: Box, current: Mapping[str, Step], now: datetime
) -> dict[str, list[Step]]:
    """Alerts that fire and were told, by incident, where one of them was told so long ago that it is time again."""
    if settings.repeat_s is None:
        return {}
    found: dict[str, list[Step]] = {}
    for one in sorted(current.values(), key=lambda one: one.number):
        if one.alert.state is AlertState.FIRING and one.number in box.told and _told(settings, one):
            found.setdefault(one.alert.incident, []).append(one)
    age = timedelta(seconds=settings.repeat_s)
    return {
        incident: some
        for incident, some in found.items()
        if any(now - box.told[one.number] >= age for one in some)
    }


def _open_on(
    settings: ChannelSettings,
    box: Box,
    steps: Sequence[Step],
    current: Mapping[str, Step],
    now: datetime,
) -> dict[str, list[Step]]:
    """Alerts that are open, in whatever state, and were told, by incident, where it is time that they are told again."""
    if settings.repeat_s is None:
        return {}
    told: dict[str, datetime] = {}
    for one in steps:
        if one.number in box.told:
            told[one.alert.id] = max(box.told[one.number], told.get(one.alert.id, box.told[one.number]))
    due = now - timedelta(seconds=settings.repeat_s)
    found: dict[str, list[Step]] = {}
    for name, when in told.items():
        alert = current[name].alert
        watched = any(fnmatchcase(alert.watch, pattern) for pattern in settings.watches)
        if when <= due and watched and alert.state in OPEN_STATES:
            found.setdefault(alert.incident, []).append(current[name])
    return {incident: sorted(some, key=lambda one: one.number) for incident, some in found.items()}


def useless(letter: Letter, steps: Sequence[Step]) -> str | None:
    """Why a letter that waits is not to be sent any more: what people said of its alerts meanwhile."""
    own = set(letter.steps)
    names = {one.alert.id for one in steps if one.number in own}
    states = {one.alert.id: one.alert.state for one in steps if one.alert.id in names}
    if states and all(state is AlertState.SILENCED for state in states.values()):
        told = {one.alert.state for one in steps if one.number in own}
        return None if AlertState.SILENCED in told else "silenced before it could be sent"
    if letter.kind == "repeat" and AlertState.FIRING not in states.values():
        return "fires no more"
    if letter.kind == RENEWAL and not OPEN_STATES & set(states.values()):
        return "is open no more"
    return None


def notice_of(model: str, letter: Letter, steps: Sequence[Step]) -> Notice:
    """The notice of a letter: each of its alerts once, as the last of the letter's steps left it.

    Steps never change, so that a letter makes the same notice however often it is sent.
    """
    own = set(letter.steps)
    last = {one.alert.id: one.alert for one in steps if one.number in own}
    repeat = letter.kind in ("repeat", RENEWAL)
    kind = HEARTBEAT if letter.kind == HEARTBEAT else "alerts"
    return Notice(
        letter.key, kind, model, letter.version, letter.incident, tuple(last.values()), repeat, letter.made
    )


def heartbeat(model: str, settings: ChannelSettings, box: Box, now: datetime) -> Letter | None:
    """The heartbeat that is due after a completed round, or None."""
    if not settings.heartbeat:
        return None
    assert settings.repeat_s is not None
    failed = box.beat_failed
    if failed is not None and failed.next is not None and failed.next > now:
        return None
    if failed is None and box.beat is not None and now - box.beat < timedelta(seconds=settings.repeat_s):
        return None
    last = "" if box.beat is None else box.beat.isoformat()
    attempts = 0 if failed is None else failed.attempts
    return Letter(_digest(model, settings.name, HEARTBEAT, last), HEARTBEAT, None, None, (), now, attempts)


def _key(model: str, channel: str, kind: str, some: Sequence[Step], box: Box) -> str:
    """The same for the same steps to the same channel; the time of a step tells lakes apart, that of the last telling
    the repeats of one step.
    """
    parts = [f"{one.number} {one.alert.id} {one.alert.state} {one.alert.changed.isoformat()}" for one in some]
    before = [box.told[one.number].isoformat() for one in some if one.number in box.told]
    return _digest(model, channel, kind, *parts, *before)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
