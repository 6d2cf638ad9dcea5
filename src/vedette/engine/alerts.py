"""Alerts: what a person is told of alarms, and what the person said of it, as a history that is only added to.

An alert is one alarm of one watch, from the window that told it to the window that closed it. Its states::

    pending -> firing, or resolved             a plain rule is broken, and not yet for as long as it says
    firing -> acknowledged -> resolved         someone has seen it
    firing -> silenced (until a time) -> firing, or resolved before
    any    -> resolved                         the alarm recovered, or a new reference was given, or accepted

Beside its state an alert may be marked as false: a person found that nothing was wrong (``false_alarms.py``).

Each row of the table ``alerts`` is one such step: who, when, why. An alert is the last of its rows. What judging found
is written once, in the order of the windows, whatever crashed between; an alarm that opened and recovered while rows of
many windows came in at once is there too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.engine import judge
from vedette.engine.false_alarms import mark, marked
from vedette.engine.health import NO_DATA, silences_of
from vedette.engine.rules import PREFIX
from vedette.engine.stability.facts import Fact, facts_of, is_fact
from vedette.engine.state import Kept, alert_of, kept_row, key_of, receipts
from vedette.errors import AlertError
from vedette.lake.events import settings_of
from vedette.lake.tables import UTC, ModelTables
from vedette.records import Alert, AlertState, Status, is_runs

__all__ = [
    "COMPARE",
    "OPEN_STATES",
    "POLICY",
    "accept",
    "acknowledge",
    "add_steps",
    "advance",
    "alerts",
    "check_acceptable",
    "due",
    "fires_again",
    "frame_of_alerts",
    "history",
    "identifier",
    "mark_false",
    "of_fact",
    "resolved",
    "silence",
    "silence_over",
]

OPEN_STATES = frozenset({AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED})
INCIDENT_WINDOWS = 3
"""An alert that opens within so many windows of the last one of an open incident belongs to it."""

SILENCE_MAX = timedelta(days=366)

POLICY, COMPARE = "policy:", "compare:"
"""How the watch of an alert begins that is about what a policy does (``chain/alerting.py``), or about a comparison of versions
(``comparing/standing.py``); these close them too."""

_RULE_GONE = "the rule was changed or removed"
_ALARM_GONE = (
    "it is no longer watched: a new reference was given, what there is was accepted, its segment is gone, or series were "
    "turned off"
)
SCHEMA: dict[str, Any] = {
    "id": pl.String(),
    "watch": pl.String(),
    "segment": pl.String(),
    "state": pl.String(),
    "opened": UTC,
    "closed": UTC,
    "evidence": pl.String(),
    "incident": pl.String(),
    "by": pl.String(),
    "reason": pl.String(),
    "until": UTC,
    "changed": UTC,
    "false": pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class _Told:
    """What judging found in one window: an alarm that is pending, opens or closes."""

    watch: str
    segment: str
    kind: str
    at: datetime  # start of the window that told, or end of the one that closed
    evidence: str
    reason: str


def history(tables: ModelTables) -> pl.DataFrame:
    """All steps of all alerts, the oldest first."""
    return tables["alerts"].scan().sort("step", maintain_order=True).collect()


def alerts(tables: ModelTables, now: datetime | None = None) -> list[Alert]:
    """The alerts of a model as they stand (at a time: a silence that has ended by then is none), the newest first.

    What was pending and came to nothing is in the history alone.
    """
    found: dict[str, Alert] = {}
    fired: set[str] = set()
    false = marked(tables)
    for row in history(tables).iter_rows(named=True):
        if row["state"] == AlertState.FIRING:
            fired.add(row["alert"])
        found[row["alert"]] = replace(alert_of(row), false=row["alert"] in false)
    every = [
        one if now is None or not silence_over(one, now) else fires_again(one, now) for one in found.values()
    ]
    every = [one for one in every if one.id in fired or one.state is AlertState.PENDING]
    return sorted(every, key=lambda one: (one.opened, one.id), reverse=True)


def frame_of_alerts(many: Sequence[Alert]) -> pl.DataFrame:
    """Alerts as a frame: id, watch, segment, state, opened, closed, evidence, and what was said of each."""
    columns = {
        name: [getattr(one, name).value if name == "state" else getattr(one, name) for one in many]
        for name in SCHEMA
    }
    return pl.DataFrame(columns, schema=SCHEMA)


def advance(tables: ModelTables, now: datetime) -> None:
    """Write what judging found since, and what time brought: silences that ended, alarms that are there no more.

    The caller holds the work lock.
    """
    kept = kept_row(tables, series=False)
    if kept is not None and _told(kept) and tables["alerts"].through("judge") < kept.step:
        add_steps(tables, _found(tables, kept, now), {"judge": kept.step})
    add_steps(tables, _brought_by_time(tables, kept, now))


def due(tables: ModelTables, now: datetime) -> bool:
    """True where time alone has brought a step: a silence that ended, rows that no longer come."""
    kept = kept_row(tables, series=False)
    return bool(_brought_by_time(tables, kept, now))


def _brought_by_time(tables: ModelTables, kept: Kept | None, now: datetime) -> list[Alert]:
    facts = facts_of(tables, now)
    if kept is None and not facts and tables["alerts"].snapshot() is None:
        return []
    every, of_facts = alerts(tables), {one.watch: one for one in facts}
    told = _of_facts(tables, every, of_facts, now)
    if kept is None:
        return told
    silences = silences_of(tables, kept, now)
    rest = [one for one in every if not is_fact(one.watch)]
    return [*_passed(rest, kept, silences, now), *_silent(tables, rest, silences, now), *told]


def acknowledge(tables: ModelTables, alert: str, *, by: str, reason: str | None, now: datetime) -> Alert:
    """Say that someone has seen an alert; it stays open until the alarm recovers.

    The caller holds the work lock. Raises ``AlertError`` where there is no such alert, or it is not open.
    """
    who = _who(by)
    one = _open(tables, alert)
    if reason is None and one.state is AlertState.ACKNOWLEDGED:
        reason = one.reason  # said again, nothing new was
    told = replace(one, state=AlertState.ACKNOWLEDGED, by=who, reason=reason, until=None, changed=now)
    add_steps(tables, [told])
    return told


def accept(tables: ModelTables, alert: str, *, by: str, reason: str | None, now: datetime) -> Alert:
    """Take what the alarm found as normal from now on, and close the alert.

    The caller holds the work lock. Raises ``AlertError`` where there is no such alert, or it is not open.
    """
    who = _who(by)
    one = check_acceptable(tables, alert)
    if not judge.accept(tables, one.watch, one.segment, now):
        raise AlertError(f"alert={alert!r}: {one.watch} alarms no more")
    told = replace(resolved(one, now, now, reason or "accepted as normal"), by=who)
    add_steps(tables, [told])
    return told


def check_acceptable(tables: ModelTables, alert: str) -> Alert:
    """The alert, where what it found can be taken as normal; ``AlertError`` says why where it cannot."""
    one = _open(tables, alert)
    if one.watch.startswith(PREFIX) or one.watch == NO_DATA or is_fact(one.watch):
        raise AlertError(f"alert={alert!r}: {one.watch} is a rule, which knows no normal: change the rule")
    if is_runs(tables.path.name):
        raise AlertError(
            f"alert={alert!r}: {one.watch} tells what happened to a run, which knows no normal: acknowledge it"
        )
    if not judge.alarms(tables, one.watch, one.segment):
        raise AlertError(f"alert={alert!r}: {one.watch} alarms no more")
    return one


def mark_false(tables: ModelTables, alert: str, *, by: str, reason: str | None, now: datetime) -> Alert:
    """Say that an alert was false: nothing was wrong. One that is open is acknowledged with it.

    Its windows count as clean history from then on. The caller holds the work lock. Raises ``AlertError`` where there is
    no such alert, or nobody was told of it yet.
    """
    who = _who(by)
    one = next((one for one in alerts(tables) if one.id == alert), None)
    if one is None or one.state is not AlertState.RESOLVED:
        said = "false alarm" if not reason else f"false alarm: {reason}"
        one = acknowledge(tables, alert, by=who, reason=said, now=now)
    if not one.false:
        mark(tables, one, by=who, reason=reason, now=now)
    return replace(one, false=True)


def silence(
    tables: ModelTables, alert: str, *, by: str, reason: str, until: datetime, now: datetime
) -> Alert:
    """Tell nobody of an alert until a time; if the alarm is still there then, it fires again.

    The caller holds the work lock. Raises ``AlertError`` where there is no such alert, or it is not open, and
    ``ValueError`` for a time that has passed or is over a year away, or without a reason.
    """
    who = _who(by)
    if not reason.strip():
        raise ValueError("reason='': must say why an alert is silenced")
    if not now < until <= now + SILENCE_MAX:
        raise ValueError(f"until={until.isoformat()}: must be a time to come, at most a year away")
    one = _open(tables, alert)
    told = replace(one, state=AlertState.SILENCED, by=who, reason=reason, until=until, changed=now)
    add_steps(tables, [told])
    return told


def _who(by: str) -> str:
    if not by.strip():
        raise ValueError("by='': must name who it was")
    return by


def _open(tables: ModelTables, alert: str) -> Alert:
    every = alerts(tables)
    one = next((one for one in every if one.id == alert), None)
    if one is None:
        known = ", ".join(one.id for one in every if one.state in OPEN_STATES)
        raise AlertError(f"alert={alert!r}: there is none; open are {known or 'none'}")
    if one.state is AlertState.PENDING:
        raise AlertError(f"alert={alert!r}: is pending: nobody was told of it yet")
    if one.state not in OPEN_STATES:
        raise AlertError(f"alert={alert!r}: was resolved {one.closed:%Y-%m-%d %H:%M} UTC")
    return one


def _found(tables: ModelTables, kept: Kept, now: datetime) -> list[Alert]:
    """The alerts that the last step of judging opened and closed, in the order of the windows."""
    window = timedelta(seconds=settings_of(tables).window_s)
    current = {(one.watch, one.segment): one for one in reversed(alerts(tables)) if one.state in OPEN_STATES}
    words = {(one["watch"], one["segment"]): one["evidence"] for one in json.loads(kept.verdicts)}
    out: list[Alert] = []
    for told in _told(kept):
        key = (told.watch, told.segment)
        before = current.get(key)
        if told.kind == "closes":
            if before is not None:
                out.append(resolved(current.pop(key), told.at, now, told.reason))
            continue
        if before is not None and before.state is AlertState.PENDING and told.kind == "opens":
            current[key] = replace(
                before, state=AlertState.FIRING, opened=told.at, evidence=told.evidence, changed=now
            )
            out.append(current[key])
            continue
        if before is not None and before.opened == told.at:
            continue
        if before is not None:  # a step without its closing: a new reference came between
            gone = _RULE_GONE if told.watch.startswith(PREFIX) else "a new reference was given"
            out.append(resolved(before, told.at, now, gone))
        current[key] = _opened(tables.path.name, told, current.values(), window, now)
        out.append(current[key])
    still = {key for key, one in current.items() if one in out}
    return [
        replace(one, evidence=words.get((one.watch, one.segment), one.evidence))
        if (one.watch, one.segment) in still and one.state is AlertState.FIRING
        else one
        for one in out
    ]


def _opened(model: str, told: _Told, current: Iterable[Alert], window: timedelta, now: datetime) -> Alert:
    name = identifier(model, told.watch, told.segment, told.at.isoformat())
    return Alert(
        id=name,
        incident=_incident(current, told.at, window) or name,
        watch=told.watch,
        segment=told.segment,
        state=AlertState.PENDING if told.kind == "pending" else AlertState.FIRING,
        opened=told.at,
        closed=None,
        evidence=told.evidence,
        by=None,
        reason=None,
        until=None,
        changed=now,
    )


def _told(kept: Kept) -> list[_Told]:
    changes = json.loads(kept.changes)
    return [
        _Told(**{**one, "at": datetime.fromisoformat(one["at"])})
        for one in (changes.get("alarms", []) if changes else [])
    ]


def _passed(every: Iterable[Alert], kept: Kept, clocked: Collection[str], now: datetime) -> list[Alert]:
    """Alerts whose alarm is no more (but of those that go by the clock), and silences that have ended."""
    verdicts = json.loads(kept.verdicts)
    alarms = {key_of(one) for one in verdicts if one["verdict"] == Status.ALARM}
    broken = {key_of(one) for one in verdicts if one["guarantee"] == "rule" and one["verdict"] == Status.WARN}
    out = []
    for one in every:
        if one.state not in OPEN_STATES:
            continue
        if one.watch.startswith((POLICY, COMPARE)):
            if silence_over(one, now):
                out.append(fires_again(one, now))
            continue
        key, pending = (one.watch, one.segment), one.state is AlertState.PENDING
        if key not in (alarms | broken if pending else alarms) and one.watch not in clocked:
            out.append(resolved(one, now, now, _RULE_GONE if one.watch.startswith(PREFIX) else _ALARM_GONE))
        elif silence_over(one, now):
            out.append(fires_again(one, now))
    return out


def _silent(
    tables: ModelTables, every: Sequence[Alert], silences: Mapping[str, str | None], now: datetime
) -> list[Alert]:
    """The alerts that rows have stopped coming, and their ends; rules, outside the budget."""
    out = []
    last = receipts(tables, now, None)[0]
    for watch, reason in silences.items():
        before = next((one for one in every if one.watch == watch and one.state in OPEN_STATES), None)
        if reason is None and before is not None:
            out.append(resolved(before, now, now, "rows come again"))
        elif reason is not None and before is None:
            out.append(of_fact(tables.path.name, watch, last, reason, now))
    return out


def _of_facts(
    tables: ModelTables, every: Iterable[Alert], facts: Mapping[str, Fact], now: datetime
) -> list[Alert]:
    """The alerts of budgets that burn and processes that crash again and again, and their ends; outside the budget.

    What cannot be told now ends nothing.
    """
    out = []
    open_now = {one.watch: one for one in every if is_fact(one.watch) and one.state in OPEN_STATES}
    for watch, before in open_now.items():
        fact = facts.get(watch)
        if fact is None:
            out.append(resolved(before, now, now, _RULE_GONE))
        elif fact.status in (Status.OK, Status.WARN):
            out.append(resolved(before, now, now, "recovered"))
        elif silence_over(before, now):
            out.append(fires_again(before, now))
    for watch, fact in facts.items():
        if fact.status is Status.ALARM and watch not in open_now:
            out.append(of_fact(tables.path.name, watch, now, fact.words, now))
    return out


def silence_over(one: Alert, now: datetime) -> bool:
    """True for a silence whose time is over."""
    return one.state is AlertState.SILENCED and one.until is not None and one.until <= now


def fires_again(one: Alert, now: datetime) -> Alert:
    """The alert as it is after its silence."""
    reason = f"the silence of {one.by} ended: {one.reason}"
    return replace(one, state=AlertState.FIRING, reason=reason, by=None, until=None, changed=now)


def resolved(one: Alert, at: datetime, now: datetime, reason: str) -> Alert:
    """The alert as it is when its alarm is over."""
    return replace(one, state=AlertState.RESOLVED, closed=at, reason=reason, by=None, until=None, changed=now)


def _incident(open_alerts: Iterable[Alert], at: datetime, window: timedelta) -> str | None:
    """The incident of an alert that opens now: that of the open alert which opened last, if not long ago."""
    last = max(open_alerts, key=lambda one: (one.opened, one.id), default=None)
    return last.incident if last is not None and at - last.opened <= INCIDENT_WINDOWS * window else None


def identifier(*parts: str) -> str:
    """The id that an alert or an incident of these parts has."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=6).hexdigest()


def of_fact(
    model: str, watch: str, opened: datetime, evidence: str, now: datetime, *, key: str | None = None
) -> Alert:
    """A firing alert of what is no watch of rows, an incident of its own; ``key`` is what tells one of a watch from the next,
    default when it began."""
    name = identifier(model, watch, opened.isoformat() if key is None else key)
    return Alert(name, name, watch, "", AlertState.FIRING, opened, None, evidence, None, None, None, now)


def add_steps(tables: ModelTables, many: Sequence[Alert], through: Mapping[str, int] | None = None) -> None:
    """Add steps to the history, as many in one commit as came together."""
    if not many and not through:
        return
    table = tables["alerts"]
    first = 1 + int(history(tables)["step"].max() or 0)  # type: ignore[arg-type]
    rows = [
        {
            "step": first + at,
            "time": one.changed,
            "alert": one.id,
            "incident": one.incident,
            "watch": one.watch,
            "segment": one.segment,
            "state": one.state.value,
            "opened": one.opened,
            "closed": one.closed,
            "evidence": one.evidence,
            "by": one.by,
            "reason": one.reason,
            "until": one.until,
        }
        for at, one in enumerate(many)
    ]
    table.write(pl.DataFrame(rows, schema=table.schema), through or {})
