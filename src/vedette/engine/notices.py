"""Which steps of alerts make a notice for a channel: nothing here writes or sends.

A step is told where its state, model and watch are among those of the channel. Steps of one incident that came since the
channel last looked are one notice; an alert is in it once, as its last such step left it. The end of an alert is told
where the channel was told of it before, or is told of all of it now: an alarm that came and went between two rounds.
A channel that comes back is told of what is open, and of the end of what it was told of before it went.
An alert that is silenced by the time is not told; it will be when the silence ends. A receiver that forgets what it is not
told again (``ChannelSettings.renewed``) is told of every open alert, whatever its state, every ``repeat``.

What is held back (``holds.py``) is told when the hold ends, where it is still news then. A channel that levels of escalation
name is told of what fires by them alone (``escalation.py``), and of the rest where it was told before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vedette.config import ChannelSettings, Escalation
from vedette.engine.alerts import OPEN_STATES
from vedette.engine.escalation import due_levels, waits_for
from vedette.engine.outbox import ESCALATION, HEARTBEAT, RENEWAL, REPORT, Box, Letter
from vedette.engine.report_events import Told
from vedette.engine.steps import Step, last_of
from vedette.records import Alert, AlertState, Notice

__all__ = ["Turn", "hears", "heartbeat", "notice_of", "report_letters", "useless"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the letters of one channel are made of: its settings and levels, how it stands, and the history of alerts.

    ``held`` says why the channel is not told of an alert now, None where it is. ``said`` are the levels that people asked for.
    """

    model: str
    settings: ChannelSettings
    levels: Sequence[Escalation]
    box: Box
    steps: Sequence[Step]
    held: Callable[[Alert], str | None]
    said: Mapping[tuple[str, str], datetime]
    now: datetime

    def letters(
        self, *, after: int, begins: bool, open_too: bool
    ) -> tuple[list[Letter], dict[int, str], list[int]]:
        """The notices that are to be made: of steps after a number (where the channel ``begins``, of ends alone; of open
        alerts, where it is new or was changed; and of what was held), and of alerts that fire on; then the steps that are
        held back anew, each with the reason, and those whose time begins to run until they are escalated.
        """
        current = last_of(self.steps)
        chosen = self._chosen(current, after=after, begins=begins, open_too=open_too)
        held = {
            one.number: why for one in chosen if (why := self.held(current[one.alert.id].alert)) is not None
        }
        groups: dict[tuple[str, str], list[Step]] = {}
        for one in chosen:
            if one.number not in held:
                groups.setdefault((one.alert.incident, "alerts"), []).append(one)
        busy = {letter.incident for letter in self.box.waiting.values()} | {
            incident for incident, _ in groups
        }
        again = self._open_on(current) if self.settings.renewed else self._firing_on(current)
        for incident, some in again.items():
            if incident not in busy:
                groups[incident, RENEWAL if self.settings.renewed else "repeat"] = some
        waits = waits_for(self.settings, self.levels, self.model, current.values())
        stopped = {one.number: why for one in waits if (why := self.held(one.alert)) is not None}
        free = [one for one in waits if one.number not in stopped]
        for level, one in due_levels(self.levels, self.model, self.box, free, self.said, self.now):
            if one.alert.incident not in busy:
                groups.setdefault((one.alert.incident, level.name), []).append(one)
        held |= {number: why for number, why in stopped.items() if number in self.box.counting}
        begin = [one.number for one in free if one.number not in self.box.counting]
        made = [
            Letter(
                key=_key(self.model, self.settings.name, kind, some, self.box),
                kind=kind,
                incident=incident,
                version=None,
                steps=tuple(one.number for one in some),
                made=self.now,
            )
            for (incident, kind), some in groups.items()
        ]
        known = self.box.held.keys() - self.box.counting.keys()
        return made, {number: why for number, why in held.items() if number not in known}, begin

    def _chosen(self, current: Mapping[str, Step], *, after: int, begins: bool, open_too: bool) -> list[Step]:
        """The steps that are news to the channel, in their order."""
        known = self.box.known
        heard = {one.alert.id for one in self.steps if one.number in known | self.box.doubtful}
        found: dict[str, list[Step]] = {}
        for one in self.steps:
            last = current[one.alert.id]
            opened = open_too and one is last and one.alert.state in OPEN_STATES
            late = one is last and one.number in self.box.held
            ended = one is last and one.alert.id in heard and one.alert.state is AlertState.RESOLVED
            came = one.number > after and (ended or not begins)
            silenced = last.alert.state is AlertState.SILENCED and one is not last
            if (
                (came or opened or late or (ended and one.number in self.box.lost))
                and one.number not in known
                and not silenced
                and self._told(one)
            ):
                found.setdefault(one.alert.id, []).append(one)
        for name, some in list(found.items()):
            if name not in heard and (
                self.levels or all(one.alert.state is AlertState.RESOLVED for one in some)
            ):
                del found[name]
        return sorted((one for some in found.values() for one in some), key=lambda one: one.number)

    def _told(self, step: Step) -> bool:
        if self.levels and step.alert.state is AlertState.FIRING:
            return False  # by a level alone
        return self.settings.watches_over(step.alert.watch) and step.alert.state in self.settings.states

    def _firing_on(self, current: Mapping[str, Step]) -> dict[str, list[Step]]:
        """Alerts that fire and were told, by incident, where one of them was told so long ago that it is time again."""
        if self.settings.repeat_s is None:
            return {}
        found: dict[str, list[Step]] = {}
        for one in sorted(current.values(), key=lambda one: one.number):
            fires = one.alert.state is AlertState.FIRING and one.number in self.box.told
            if fires and self._told(one) and self.held(one.alert) is None:
                found.setdefault(one.alert.incident, []).append(one)
        age = timedelta(seconds=self.settings.repeat_s)
        return {
            incident: some
            for incident, some in found.items()
            if any(self.now - self.box.told[one.number] >= age for one in some)
        }

    def _open_on(self, current: Mapping[str, Step]) -> dict[str, list[Step]]:
        """Alerts that are open, in whatever state, and were told, by incident, where it is time that they are told again."""
        if self.settings.repeat_s is None:
            return {}
        times = self.box.told
        told: dict[str, datetime] = {}
        for one in self.steps:
            if one.number in times:
                told[one.alert.id] = max(times[one.number], told.get(one.alert.id, times[one.number]))
        due = self.now - timedelta(seconds=self.settings.repeat_s)
        found: dict[str, list[Step]] = {}
        for name, when in told.items():
            alert = current[name].alert
            watched = self.settings.watches_over(alert.watch)
            if when <= due and watched and alert.state in OPEN_STATES and self.held(alert) is None:
                found.setdefault(alert.incident, []).append(current[name])
        return {incident: sorted(some, key=lambda one: one.number) for incident, some in found.items()}


def hears(settings: ChannelSettings, levels: Sequence[Escalation], model: str, alert: Alert) -> bool:
    """True where a channel is told of an alert that fires: what it explains need not be told there by itself."""
    told = settings.watches_over(alert.watch) and AlertState.FIRING in settings.states
    return told and (not levels or any(level.concerns(model, alert.watch) for level in levels))


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
    if letter.kind.startswith(ESCALATION):
        last = last_of(steps)
        if any(last[name].number not in own for name in names):
            return "somebody reacted to it"  # where others of it fire on, they are told without it
    if letter.kind == RENEWAL and not OPEN_STATES & set(states.values()):
        return "is open no more"
    return None


def notice_of(model: str, letter: Letter, steps: Sequence[Step]) -> Notice:
    """The notice of a letter: each of its alerts once, as the last of the letter's steps left it.

    Steps never change, so that a letter makes the same notice however often it is sent.
    """
    if letter.report is not None:
        page = Told.read(letter.report).page
        return Notice(letter.key, REPORT, model, None, None, (), False, letter.made, report=page)
    own = set(letter.steps)
    last = {one.alert.id: one.alert for one in steps if one.number in own}
    repeat = letter.kind in ("repeat", RENEWAL)
    kind = HEARTBEAT if letter.kind == HEARTBEAT else "alerts"
    kind = ESCALATION if letter.kind.startswith(ESCALATION) else kind
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


def report_letters(
    model: str, channel: str, made: Sequence[Told], box: Box, now: datetime
) -> Iterator[Letter]:
    """Letters of the reports that were made to be told through a channel, each once, whatever became of it."""
    for one in made:
        key = _digest(model, channel, REPORT, one.page.name, one.page.end.isoformat(), one.made.isoformat())
        if channel in one.channels and key not in box.reports:
            yield Letter(key, REPORT, f"{REPORT} {one.page.name}", None, (), now, report=one.text)


def _key(model: str, channel: str, kind: str, some: Sequence[Step], box: Box) -> str:
    """The same for the same steps to the same channel; the time of a step tells lakes apart, that of the last telling
    the repeats of one step.
    """
    parts = [f"{one.number} {one.alert.id} {one.alert.state} {one.alert.changed.isoformat()}" for one in some]
    before = [box.told[one.number].isoformat() for one in some if one.number in box.told]
    return _digest(model, channel, kind, *parts, *before)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
