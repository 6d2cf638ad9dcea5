"""What people are told of a model's stability, as facts outside the budget of false alarms: like rules.

``slo:NAME`` is an objective whose error budget burns too fast (of looks at endpoints: a watch of ``<model>.endpoint``),
``crash_loop:NAME`` an endpoint whose process restarts as chance does not explain. They go by the clock: what was true an hour ago
need not be now, whether rows come or not. Where it cannot be told, what was told stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from vedette.config.slo import SloSettings, slo_of
from vedette.engine import written
from vedette.engine.stability.looks import loops_of
from vedette.engine.stability.objectives import Burning, burning, report
from vedette.lake.tables import Lake, ModelTables
from vedette.records import ENDPOINT, AlertState, Status, Verdict
from vedette.records.stability import SloReport

__all__ = [
    "CRASH_LOOP",
    "FACTS_S",
    "SLO",
    "Fact",
    "facts_of",
    "has_facts",
    "is_fact",
    "objectives",
    "opened",
    "slos_in_force",
]

SLO, CRASH_LOOP = "slo:", "crash_loop:"
"""What the names of these watches begin with."""

FACTS_S = 60.0
"""After so many seconds what was said of them may be another."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What is so of one watch now: ALARM, WARN, OK, or UNKNOWN with the reason; in words what it rests on."""

    watch: str
    status: Status
    words: str
    reason: str | None = None

    def verdict(self, since: datetime | None) -> Verdict:
        """It as a verdict of the house."""
        return Verdict(self.watch, "", self.status, since, self.words, "rule", self.reason)


_told: dict[tuple[Path, SloSettings], tuple[int, Burning]] = {}
_TOLD_MAX = 10_000  # objectives whose last answer this process remembers


def _burning(tables: ModelTables, slo: SloSettings, now: datetime) -> Burning:
    """How an objective burns, read once a minute: days of rows are gone through for it, and a round may be every few seconds."""
    key, minute = (tables.path, slo), int(now.timestamp() // FACTS_S)
    known = _told.get(key)
    if known is not None and known[0] == minute:
        return known[1]
    found = burning(tables, slo, now)
    if len(_told) >= _TOLD_MAX:
        _told.clear()
    _told[key] = minute, found
    return found


def is_fact(watch: str) -> bool:
    """True for the watches of this file.

    >>> is_fact("slo:fast"), is_fact("x.location")
    (True, False)
    """
    return watch.startswith((SLO, CRASH_LOOP))


def slos_in_force(tables: ModelTables) -> tuple[list[SloSettings], dict[str, str]]:
    """The objectives whose events are rows of these tables, and of those that cannot be read why not."""
    of_looks = tables.path.name.endswith(f".{ENDPOINT}")
    found, wrong = [], {}
    for name, table in written.in_force(tables).slo.items():
        try:
            one = slo_of(name, table)
        except ValueError as error:  # written by a newer version
            wrong[name] = str(error)
            continue
        if one.of_looks is of_looks:
            found.append(one)
    return found, wrong


def objectives(tables: ModelTables, now: datetime) -> list[SloReport]:
    """Each objective of these tables as it stands over its whole period."""
    return [report(tables, one, now) for one in slos_in_force(tables)[0]]


def opened(tables: ModelTables) -> dict[str, datetime]:
    """By watch since when an alert of it is open: what tells one alarm of it from the next."""
    rows = tables["alerts"].scan().filter(pl.col("watch").str.contains(f"^({SLO}|{CRASH_LOOP})")).sort("step")
    last = rows.group_by("watch", maintain_order=True).last().collect()
    return {
        row["watch"]: row["opened"]
        for row in last.iter_rows(named=True)
        if row["state"] != AlertState.RESOLVED
    }


def has_facts(tables: ModelTables) -> bool:
    """Whether a model has any objective or endpoint, so that time alone may change its verdicts."""
    return tables.path.name.endswith(f".{ENDPOINT}") or bool(slos_in_force(tables)[0])


def facts_of(tables: ModelTables, now: datetime) -> Sequence[Fact]:
    """What is so of a model's objectives and endpoints now; reads nothing of one that has neither."""
    if tables["events"].snapshot() is None and tables["predictions"].snapshot() is None:
        return ()
    slos, wrong = slos_in_force(tables)
    out = [Fact(f"{SLO}{name}", Status.UNKNOWN, "", why) for name, why in wrong.items()]
    for slo in slos:
        found = _burning(tables, slo, now)
        unknown = found.status is Status.UNKNOWN
        words = "" if unknown else found.words
        out.append(Fact(f"{SLO}{slo.name}", found.status, words, found.unknown_words if unknown else None))
    if tables.path.name.endswith(f".{ENDPOINT}"):
        for name, loop in loops_of(Lake(tables.path.parent), tables, now).items():
            status = Status.ALARM if loop.going_on else Status.OK
            out.append(Fact(f"{CRASH_LOOP}{name}", status, loop.words))
    return out
