"""How telling of a model stands, by channel: the table ``deliveries`` read as a queue.

A row is written when a notice is made (``waiting``) and after each attempt to send it (``sent`` or ``failed``); it leaves
the queue when it was sent, dropped, or ``held`` back: in a maintenance, or since its cause is told. Where nobody reacts others
are told, and ``counting`` says since when that time runs. A channel ``started`` with its settings, and may have ``stopped``.
Rows are only added; a crash between the sending and its row leaves the notice in the queue, to be sent again with the same key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.records import Delivery, Status, Verdict

__all__ = [
    "ESCALATION",
    "FAILING",
    "HEARTBEAT",
    "RENEWAL",
    "REPORT",
    "Box",
    "Letter",
    "Outcome",
    "compacted",
    "delivery_of",
    "read",
    "verdicts",
]

FAILING = timedelta(minutes=5)
"""A channel that took nothing for longer than this makes a model's health UNKNOWN: people would not be told."""

ESCALATION = "escalation"
"""What the kind of a letter to a level of escalation begins with; the rest is the name of the level."""

HEARTBEAT = "heartbeat"
RENEWAL = "renewal"
"""The kind of a letter that tells of open alerts again, to a receiver that forgets them otherwise."""

REPORT = "report"
"""The kind of a letter that tells of a scheduled report; the row's detail says of which."""


class Outcome(StrEnum):
    """What a row of the table says of a notice, of steps (held, counting) or, the last two, of a channel."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"
    HELD = "held"
    COUNTING = "counting"
    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Letter:
    """A notice on its way to one channel: ``steps`` are those of the table ``alerts`` that it tells.

    ``kind`` is alerts, repeat, renewal, heartbeat, report or the name of a level of escalation; ``next`` is when it is tried
    again after ``attempts`` failures. ``report`` says of which report one tells, as ``report_events.py`` writes it.
    """

    key: str
    kind: str
    incident: str | None
    version: str | None
    steps: tuple[int, ...]
    made: datetime
    attempts: int = 0
    next: datetime | None = None
    report: str | None = None


@dataclass(slots=True)
class Box:
    """One channel of one model. ``told`` has the steps that it was told, and when last.

    ``since`` is when the first of ``tries`` attempts failed that nothing went through after; ``beat`` is when the last
    heartbeat went through, ``beat_failed`` the one that did not since. ``held`` has the steps that it was not told when they
    came, with the reason; ``counting`` since when the time of a step runs until it is escalated, ``escalated`` when
    letters of a step were made for a level. ``doubtful`` has the steps of letters that were taken back: whoever sent one may
    have died before he wrote that, so that their end is told. ``lost`` has the steps that waited when the channel stopped,
    ``reports`` the keys of the reports that letters were made of, whatever became of them.
    """

    active: bool = False
    settings: str | None = None
    waiting: dict[str, Letter] = field(default_factory=dict)
    told: dict[int, datetime] = field(default_factory=dict)
    since: datetime | None = None
    tries: int = 0
    last: Mapping[str, Any] | None = None
    beat: datetime | None = None
    beat_failed: Letter | None = None
    held: dict[int, str] = field(default_factory=dict)
    counting: dict[int, datetime] = field(default_factory=dict)
    escalated: dict[tuple[int, str], list[datetime]] = field(default_factory=dict)
    doubtful: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)

    @property
    def known(self) -> set[int]:
        """Steps that were told or wait to be."""
        return {*self.told, *(step for letter in self.waiting.values() for step in letter.steps)}

    def due(self, now: datetime) -> Iterator[Letter]:
        """The letters whose time has come, those that failed least often first, the oldest first.

        Of one incident only the oldest is sent: "resolved" never comes before "firing". One that is never taken holds up
        its incident, and nothing else.
        """
        first: dict[str | None, Letter] = {}
        for letter in self.waiting.values():
            first.setdefault(letter.incident, letter)
        ready = [one for one in first.values() if one.next is None or one.next <= now]
        yield from sorted(ready, key=lambda one: one.attempts)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the next row."""
        outcome, key = Outcome(row["outcome"]), row["key"]
        match outcome:
            case Outcome.STARTED:
                self.active, self.settings = True, row["detail"]
                # new settings may be what was wrong: everything is tried at once
                self.waiting = {name: replace(one, next=None) for name, one in self.waiting.items()}
                self.beat_failed = None
            case Outcome.STOPPED:
                self.active, self.since, self.tries = False, None, 0
                self.lost.update(step for letter in self.waiting.values() for step in letter.steps)
                self.waiting.clear()
                self.beat_failed = None
            case Outcome.WAITING:
                self.waiting[key] = _letter(row)
                if row["kind"] == REPORT:
                    self.reports.add(key)
                for step in row["steps"] if row["kind"].startswith(ESCALATION) else ():
                    self.escalated.setdefault((step, row["kind"]), []).append(row["time"])
            case Outcome.DROPPED:
                self._take_back(self.waiting.pop(key, None))
            case Outcome.HELD:
                self._take_back(self.waiting.pop(key, None))
                self.held.update(dict.fromkeys(row["steps"], row["detail"]))
                for step in row["steps"]:
                    self.counting.pop(step, None)
            case Outcome.COUNTING:
                self.counting.update(dict.fromkeys(row["steps"], row["time"]))
            case Outcome.SENT:
                self.waiting.pop(key, None)
                self.told.update(dict.fromkeys(row["steps"], row["time"]))
                self.since, self.tries, self.last = None, 0, row
                if row["kind"] == HEARTBEAT:
                    self.beat, self.beat_failed = row["time"], None
            case Outcome.FAILED:
                self.since, self.tries, self.last = self.since or row["time"], self.tries + 1, row
                if row["kind"] == HEARTBEAT:
                    self.beat_failed = _letter(row)
                elif key in self.waiting:
                    self.waiting[key] = replace(self.waiting[key], attempts=row["attempt"], next=row["next"])

    def _take_back(self, letter: Letter | None) -> None:
        """A letter that will not be sent was made for no level, and yet it may have been sent."""
        if letter is None:
            return
        self.doubtful.update(letter.steps)
        if not letter.kind.startswith(ESCALATION):
            return
        for step in letter.steps:
            times = self.escalated[step, letter.kind]
            times.pop()
            if not times:
                del self.escalated[step, letter.kind]


def _letter(row: Mapping[str, Any]) -> Letter:
    return Letter(
        key=row["key"],
        kind=row["kind"],
        incident=row["incident"],
        version=row["version"],
        steps=tuple(row["steps"]),
        made=row["time"],
        attempts=row["attempt"],
        next=row["next"],
        report=row["detail"] if row["kind"] == REPORT else None,
    )


def read(tables: ModelTables) -> dict[str, Box]:
    """The channels that were ever told of this model, by name."""
    boxes: dict[str, Box] = {}
    if tables["deliveries"].snapshot() is None:
        return boxes
    for row in tables["deliveries"].scan().sort("number").collect().iter_rows(named=True):
        boxes.setdefault(row["channel"], Box()).add(row)
    return boxes


def delivery_of(model: str, box: Box) -> Delivery:
    """How telling of a model by a channel stands, for people."""
    last = box.last or {}
    nexts = [one.next for one in box.waiting.values() if one.next is not None]
    return Delivery(
        model=model,
        outcome=last.get("outcome"),
        time=last.get("time"),
        error=last.get("error"),
        tries=box.tries,
        next=min(nexts, default=None),
        waiting=len(box.waiting),
    )


def verdicts(tables: ModelTables, now: datetime | None) -> list[Verdict]:
    """A verdict for each channel that has taken nothing for longer than a while: UNKNOWN, since people are not told."""
    found = []
    for name, box in sorted(read(tables).items()):
        if not box.active:
            continue
        oldest = min((one.made for one in box.waiting.values()), default=None)
        since = box.since or oldest
        if since is None or (now is not None and now - since <= FAILING):
            continue
        if box.since is None:
            reason = f"a notice waits since {since:%Y-%m-%d %H:%M} UTC and was never tried"
        else:
            tries = f"{box.tries} {'try' if box.tries == 1 else 'tries'}"
            error = box.last["error"] if box.last is not None else None
            reason = f"no answer since {since:%Y-%m-%d %H:%M} UTC ({tries}): {error}"
        found.append(Verdict(f"channel:{name}", "", Status.UNKNOWN, since, "", "rule", reason))
    return found


def compacted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without heartbeats and renewals that later ones have replaced; there may be hundreds a day."""
    beat = pl.col("kind").fill_null("") == HEARTBEAT
    last = pl.col("number").filter(beat & (pl.col("outcome") == Outcome.SENT)).max().over("channel")
    kept = rows.filter(~beat | (pl.col("number") >= last.fill_null(0)))
    # of the renewals of an incident the last that was sent, with its rows, and what came after it
    renewal = pl.col("kind").fill_null("") == RENEWAL
    sent = kept.filter(renewal & (pl.col("outcome") == Outcome.SENT)).sort("number")
    newest = sent.group_by("channel", "incident").agg(pl.col("key").last())
    first = (
        kept.filter(renewal)
        .join(newest, on=["channel", "incident", "key"], how="semi")
        .group_by("channel", "incident")
        .agg(pl.col("number").min().alias("_first"))
    )
    found = kept.join(first, on=["channel", "incident"], how="left")
    return (
        found.filter(~renewal | (pl.col("number") >= pl.col("_first").fill_null(0)))
        .drop("_first")
        .sort("number")
    )
