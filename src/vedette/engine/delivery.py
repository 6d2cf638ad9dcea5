"""Telling people: after a round, what is new goes to the channels of ``vedette.toml``, at least once and with a key.

A notice is written to the table ``deliveries`` before it is sent, and its outcome after. A crash at any instant leaves it
in the queue, so that it is sent again with the same key, at most that one for each channel; none is forgotten. A channel
that does not answer is tried again after 15 s, 30 s, and so on up to an hour, without end.

Sending is slow and takes no lock that a round needs: one lock a model keeps two processes from sending the same notice,
and the lake's work lock is held for each short write alone. Channels are told at the same time, each in a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from vedette import config
from vedette.config import AlertingSettings, ChannelSettings, Maintenance
from vedette.engine import alerts, channel_changes, outbox, report_events, requests
from vedette.engine.channel_events import audit, is_public, shown_settings
from vedette.engine.escalation import asked
from vedette.engine.holds import Holds
from vedette.engine.maintenance import of_lake
from vedette.engine.notices import Turn, hears, heartbeat, notice_of, report_letters, useless
from vedette.engine.outbox import Box, Letter, Outcome
from vedette.engine.state import kept_row
from vedette.engine.steps import Step, last_of, steps_of
from vedette.errors import LakeError, LockedError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert, Attachment, Notice

__all__ = ["PICTURED", "back_off", "deliver"]

log = logging.getLogger("vedette")

PICTURED = ("command", "webhook", "apprise")
"""Types of channels that take a picture; what it shows is drawn for each notice."""
ATTACHING = ("apprise",)
"""Types of channels that attach the page of a report; others are told where it is."""
BACK_OFF_S, BACK_OFF_MAX_S = 15.0, 3600.0
WORK_WAIT_S = 60.0
TELL_WAIT_S = 5.0
_COMPACT_EVERY = 100  # commits to the table between two that make one file of it
_UNTOLD: set[Path] = set()  # lakes of which this process said that nobody is told from here


def deliver(
    lake: Lake,
    models: Sequence[str],
    *,
    clock: Callable[[], float] = time.time,
    completed: bool = True,
    written: config.Config | None = None,
) -> int:
    """Tell what is new of the models, again what is due again, and that a round was ``completed``; what still waits.

    ``written`` is what ``vedette.toml`` says; read where it is not given. What goes wrong with a channel is recorded,
    logged, and tried again. Raises ``ConfigError`` where the file cannot be meant; the lake's own failures are logged,
    since the round that was done is none the worse.
    """
    written = config.read() if written is None else written
    waiting = 0
    told_through = channel_changes.in_force(lake, written)
    told = {one.name: one.channels for one in written.reports if one.channels}
    for model in models:
        named = {
            one.name: one
            for one in told_through
            if any(fnmatchcase(model, pattern) for pattern in one.models)
        }
        try:
            telling = _Telling(
                lake, model, named, written.path, clock, written.server.url, written.alerting, told
            )
            waiting += telling.run(completed=completed)
        except LockedError:
            log.info("model %s: another process is telling", model)  # and looks again when it has told
        except LakeError:
            log.exception("model %s: telling failed", model)
    return waiting


@dataclass
class _Telling:
    """One model's turn."""

    lake: Lake
    model: str
    channels: Mapping[str, ChannelSettings]
    path: Path | None
    clock: Callable[[], float]
    url: str | None = None
    alerting: AlertingSettings = field(default_factory=AlertingSettings)
    reports: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # the channels that each is told through
    given_up: set[str] = field(default_factory=set)  # channels that failed in this turn
    _holds: Holds = field(init=False, repr=False)

    def run(self, *, completed: bool) -> int:
        """Make notices and send what is due, until nothing is; returns how many wait."""
        if not self.channels and self.lake.model(self.model)["deliveries"].snapshot() is None:
            return 0
        if self.path is None:
            self._nobody()
            if not self.channels:
                return 0
        with lock(self.lake.journal / f".telling-{self.model}.lock", wait_s=TELL_WAIT_S):
            while True:
                tables = self.lake.model(self.model)
                steps = steps_of(alerts.history(tables).iter_rows(named=True))
                self._holds = self._held_back(steps)
                boxes = self._planned(tables, outbox.read(tables), steps)
                work = {
                    name: list(boxes[name].due(self.now))
                    for name in self.channels
                    if name not in self.given_up
                }
                if completed:
                    for name in work:
                        beat = heartbeat(self.model, self.channels[name], boxes[name], self.now)
                        work[name] += [] if beat is None else [beat]
                if not any(work.values()):
                    return sum(len(boxes[name].waiting) for name in self.channels)
                threads = [
                    threading.Thread(target=self._send, args=(name, some, steps), daemon=True)
                    for name, some in work.items()
                    if some
                ]
                for one in threads:
                    one.start()
                for one in threads:
                    one.join()

    def _held_back(self, steps: Sequence[Step]) -> Holds:
        """What keeps alerts from being told, read anew."""
        current = (one.alert for one in last_of(steps).values())
        return Holds.over(self.model, current, self._maintenances(), self.alerting)

    def _maintenances(self) -> list[Maintenance]:
        return of_lake(self.lake, self.alerting.maintenance)

    def _reason(self, name: str, alert: Alert) -> str | None:
        """Why a channel is not told of an alert now; None where it is."""
        levels = self.alerting.levels_of(name)
        return self._holds.reason(
            alert, self.now, lambda cause: hears(self.channels[name], levels, self.model, cause)
        )

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def _nobody(self) -> None:
        """Say once that channels are known to the lake, and not to this process."""
        boxes = outbox.read(self.lake.model(self.model))
        active = [name for name, box in boxes.items() if box.active and not is_public(box.settings)]
        if active and self.lake.path not in _UNTOLD:
            _UNTOLD.add(self.lake.path)
            log.warning(
                "nobody is told from here: there is no vedette.toml, and channels of this lake are %s (VEDETTE_CONFIG names one)",
                ", ".join(sorted(active)),
            )

    def _planned(self, tables: ModelTables, boxes: dict[str, Box], steps: Sequence[Step]) -> dict[str, Box]:
        """The boxes after what is new was put into them, and into the lake."""
        now = self.now
        last = steps[-1].number if steps else 0
        said = asked(tables) if self.alerting.escalate else {}
        pages = report_events.to_be_told(tables) if self.reports else []
        rows: list[dict[str, Any]] = []
        through: dict[str, int] = {}
        changes: list[tuple[str, str, str]] = []
        for name, box in boxes.items():
            of_file = self.path is None and not is_public(box.settings)  # which is not known here
            if box.active and name not in self.channels and not of_file:
                rows.append(_row(now, name, Outcome.STOPPED))
                changes.append(("removed", name, box.settings or "{}"))
        for name, settings in self.channels.items():
            box = boxes.setdefault(name, Box())
            shown = shown_settings(settings)
            seen = tables["deliveries"].through(name)
            begins = not box.active
            if begins or box.settings != shown:
                rows.append(_row(now, name, Outcome.STARTED, detail=shown))
                changes.append(("added" if begins else "changed", name, shown))
            rows += self._parked(name, box, steps)
            turn = Turn(
                self.model,
                settings,
                self.alerting.levels_of(name),
                box,
                steps,
                partial(self._reason, name),
                said,
                now,
            )
            made, held, begin = turn.letters(
                after=seen, begins=begins, open_too=begins or box.settings != shown
            )
            rows += [
                _row(now, name, Outcome.HELD, steps=some, detail=why)
                for why, some in _by_reason(held).items()
            ]
            rows += [_row(now, name, Outcome.COUNTING, steps=begin)] if begin else []
            kept = kept_row(tables) if made else None
            version = None if kept is None else kept.version
            rows += [_row(now, name, Outcome.WAITING, letter, version=version) for letter in made]
            named = [one for one in pages if name in self.reports.get(one.page.name, ())]
            rows += [
                _row(now, name, Outcome.WAITING, letter, detail=letter.report)
                for letter in report_letters(self.model, name, named, box, now)
            ]
            if last > seen:
                through[name] = last
        if not rows and not through:
            return boxes
        self._write(rows, through, changes)
        return outbox.read(self.lake.model(self.model))

    def _parked(self, name: str, box: Box, steps: Sequence[Step]) -> list[dict[str, Any]]:
        """Rows that take letters back whose time is not now; ``box`` is as they leave it. What is news after is told then."""
        rows = []
        last = last_of(steps)
        names = {one.number: one.alert.id for one in steps}
        for letter in list(box.waiting.values()):
            about = {names[number] for number in letter.steps}
            why = next(
                (one for each in about if (one := self._reason(name, last[each].alert)) is not None), None
            )
            if why is None:
                continue
            news = letter.kind == "alerts"  # the others are made anew by time alone
            row = _row(self.now, name, Outcome.HELD if news else Outcome.DROPPED, letter, detail=why)
            rows.append(row if news else row | {"error": why})
            box.add(rows[-1])
        return rows

    def _send(self, name: str, some: Sequence[Letter], steps: Sequence[Step]) -> None:
        """Send one channel's letters in their order; the first that fails ends its turn."""
        # only where something is to be sent: it loads what speaks HTTP
        from vedette.output.channels.attempt import attempt

        settings = self.channels[name]
        try:
            for letter in some:
                names = {one.alert.id for one in steps if one.number in letter.steps}
                if any(self._reason(name, one.alert) for key, one in last_of(steps).items() if key in names):
                    return  # a maintenance began just now: it is taken back in the next turn
                reason = useless(letter, steps)
                if reason is not None:
                    self._write([_row(self.now, name, Outcome.DROPPED, letter, error=reason)])
                    continue
                notice = self._shown(notice_of(self.model, letter, steps), settings)
                taken, said = attempt(settings, notice)
                now, tries = self.now, letter.attempts + 1
                if taken:
                    self._write([_row(now, name, Outcome.SENT, letter, attempt=tries, detail=said)])
                    continue
                self.given_up.add(name)
                log.warning("model %s: channel %s: attempt %d failed: %s", self.model, name, tries, said)
                again = now + back_off(tries)
                self._write([_row(now, name, Outcome.FAILED, letter, attempt=tries, error=said, next=again)])
                return
        except Exception:
            self.given_up.add(name)  # what was sent is not known to be: not again in this turn
            log.exception("model %s: channel %s: what came of it cannot be written", self.model, name)

    def _shown(self, notice: Notice, settings: ChannelSettings) -> Notice:
        """The notice with where its alerts are shown, and a picture where the channel takes one."""
        from vedette.engine.alert_pictures import pictures_of  # only where something is sent, as above

        notice = replace(notice, url=self.url)
        if notice.report is not None and settings.type in ATTACHING:
            return replace(notice, report=replace(notice.report, page=_page(Path(notice.report.path))))
        if settings.type not in PICTURED or not notice.alerts:
            return notice
        try:
            return replace(notice, pictures=pictures_of(self.lake, self.model, notice.alerts))
        except Exception:  # what cannot be drawn is told in words
            log.exception("model %s: no picture for channel %s", self.model, settings.name)
            return notice

    def _write(
        self,
        rows: Sequence[Mapping[str, Any]],
        through: Mapping[str, int] | None = None,
        changes: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        """Add rows to the table, and to the events what changed of the channels, under the lake's lock."""
        with lock(requests.work_lock(self.lake), wait_s=WORK_WAIT_S):
            tables = self.lake.model(self.model)
            audit(tables, changes, self.path, self.now)
            table = tables["deliveries"]
            first = 1 + int(table.scan().select(pl.col("number").max()).collect().item() or 0)
            numbered = [{**row, "number": first + at} for at, row in enumerate(rows)]
            table.write(pl.DataFrame(numbered, schema=table.schema), through or {})
            snapshot = table.snapshot()
            if snapshot is not None and snapshot.version() % _COMPACT_EVERY == _COMPACT_EVERY - 1:
                table.write(outbox.compacted(table.scan().collect()), {}, replace=True)


def _page(path: Path) -> Attachment | None:
    """The page of a report; None where it cannot be read from here: it is told without it."""
    try:
        return Attachment(path.name, "text/html", path.read_bytes())
    except OSError as error:
        log.warning("report %s: cannot be attached: %s", path, error.strerror)
        return None


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failures: 15 s, doubling up to an hour.

    >>> [back_off(n).total_seconds() for n in (1, 2, 3, 8, 9, 10**9)]
    [15.0, 30.0, 60.0, 1920.0, 3600.0, 3600.0]
    """
    return timedelta(seconds=min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** min(attempts - 1, 20)))


def _row(
    now: datetime, name: str, outcome: Outcome, letter: Letter | None = None, **more: Any
) -> dict[str, Any]:
    """A row of the table; ``_write`` numbers it."""
    row = {
        "time": now,
        "channel": name,
        "outcome": outcome.value,
        "key": None,
        "kind": None,
        "incident": None,
        "version": None,
        "steps": [],
        "attempt": 0,
        "error": None,
        "next": None,
        "detail": None,
    }
    if letter is not None:
        row |= {part: getattr(letter, part) for part in ("key", "kind", "incident", "version")}
        row["steps"] = list(letter.steps)
    return row | more


def _by_reason(held: Mapping[int, str]) -> dict[str, list[int]]:
    """The steps that are held back, by why."""
    found: dict[str, list[int]] = {}
    for number, why in held.items():
        found.setdefault(why, []).append(number)
    return found
