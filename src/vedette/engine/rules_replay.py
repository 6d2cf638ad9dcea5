"""A dry run of plain rules over the history of a model, with the code that judges.

Windows are as they were known then: each rule is held against what came to be known in a window, in their order. What a
rule would have told is compared with the incidents that are known: alerts that nobody marked as false, or spans of time
that are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from vedette import config
from vedette.engine import rules, written
from vedette.engine.alerts import alerts
from vedette.engine.judge import reference_plan
from vedette.engine.query import moment
from vedette.engine.state import NEVER
from vedette.engine.summarise import Shape
from vedette.errors import DataError
from vedette.lake.events import latest_reference
from vedette.lake.tables import ModelTables
from vedette.records import Alert
from vedette.statistics.intervals import garwood
from vedette.strategy import MONTH_S
from vedette.strategy.rule_records import Rule, RuleState
from vedette.strategy.rules import parse

__all__ = ["Caught", "Firing", "Incident", "Replayed", "RuleReplay", "replay_model"]

_NAMED = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})\s*=\s*(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Incident:
    """A span of time in which something was known to be wrong; ``end`` is None where it still is."""

    name: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Firing:
    """When a rule would have fired: ``opened`` is the start of the window that told, ``told`` its end; ``closed`` the end of
    the one that closed it, None where it still fires. ``incidents`` are the names of those that it met.
    """

    opened: datetime
    told: datetime
    closed: datetime | None
    evidence: str
    incidents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caught:
    """Whether a rule met an incident: ``late_s`` is from its start until somebody would have been told, None where nobody
    would; 0 where the rule fired already.
    """

    incident: str
    late_s: float | None


@dataclass(frozen=True, slots=True)
class RuleReplay:
    """What a rule would have said. ``n_windows`` were looked at, of which ``n_unknown`` said nothing, the last for
    ``reason``; ``false`` are the firings that met no incident. ``months`` is how long they were together, and ``repeated``
    are the alerts marked as false while which it would have fired too.
    """

    name: str
    when: str
    firings: tuple[Firing, ...]
    caught: tuple[Caught, ...]
    n_windows: int
    n_unknown: int
    reason: str | None
    months: float = 0.0
    repeated: tuple[str, ...] = ()

    @property
    def false(self) -> int:
        """Firings that met no incident."""
        return sum(not one.incidents for one in self.firings)

    @property
    def missed(self) -> tuple[str, ...]:
        """The incidents during which it would not have fired."""
        return tuple(one.incident for one in self.caught if one.late_s is None)

    @property
    def per_month(self) -> tuple[float, float, float] | None:
        """Firings a month with the ends of a 95 % interval, as of a Poisson count (Garwood); None without a window.

        >>> found = RuleReplay("low", "accuracy < 0.9", (), (), 24, 0, None, months=2.0)
        >>> [round(one, 2) for one in found.per_month]     # none in 2 months: at most -ln(0.025) / 2
        [0.0, 0.0, 1.84]
        """
        if not self.months:
            return None
        low, high = garwood(len(self.firings), 0.95)
        return len(self.firings) / self.months, float(low) / self.months, float(high) / self.months


@dataclass(frozen=True, slots=True)
class Replayed:
    """Rules over windows from ``first`` to ``last`` (their starts; None without any), and the incidents known there.

    ``since`` and ``until`` are what was asked for, ``there`` the first and the last window that there are at all.
    """

    model: str
    first: datetime | None
    last: datetime | None
    window_s: float
    incidents: tuple[Incident, ...]
    rules: tuple[RuleReplay, ...]
    since: datetime | None = None
    until: datetime | None = None
    there: tuple[datetime, datetime] | None = None


def replay_model(
    tables: ModelTables,
    said: Sequence[str] | Mapping[str, Any] = (),
    *,
    since: Any = None,
    until: Any = None,
    incidents: Sequence[str] = (),
) -> Replayed:
    """Rules over the windows of a model that start from ``since`` on and before ``until``.

    ``said`` are names of rules that hold, conditions (``accuracy < 0.9``) or both (``low = accuracy < 0.9``), or rules by
    name as ``vedette.toml`` has them; default all rules that hold. ``incidents`` are spans ``START..END``; default the
    alerts of the lake that nobody marked as false. Nothing is written. Raises ``ValueError`` for what cannot be read,
    ``DataError`` where there are no rules.
    """
    model, shape = tables.path.name, Shape.of(tables)
    begin, end = moment(since, "since"), moment(until, "until")
    if begin is not None and end is not None and not begin < end:
        raise ValueError(f"since={since!r}, until={until!r}: must be in this order")
    given = [_span(text) for text in incidents]
    chosen = _chosen(tables, said)
    window = timedelta(seconds=shape.settings.window_s)
    live = (pl.col("part") == "live") & (pl.col("segment") == "")
    rows = tables["summaries"].scan().filter(live).drop("hashes").collect()
    every = sorted(rows["known"].unique().to_list())
    there = (every[0], every[-1]) if every else None
    steps = [one for one in every if (begin is None or one >= begin) and (end is None or one < end)]
    rows = rows.filter(pl.col("known").is_in(steps))
    reference = {}
    if latest_reference(tables) is not None:
        found = reference_plan(tables, shape)
        reference = {} if found is None else found[1]
    every_alert = alerts(tables)
    known = given or _incidents(every_alert, steps, window)
    false = [Incident(one.id, one.opened, one.closed) for one in every_alert if one.false]
    months = window.total_seconds() * len(steps) / MONTH_S
    came = rules.Arrived.of(rows, shape, steps)
    out = []
    for name, rule in chosen.items():
        if rule.metric == "no_data":
            spans, n_unknown, reason = _silences(rule, steps, window), 0, None
        else:
            spans, n_unknown, reason = _judged(tables, shape, name, rule, came, reference)
        one = _compared(name, rule, spans, known, window, (len(steps), n_unknown, reason))
        again = [
            at.name for at in false if any(_meet(fired.opened, fired.closed, at) for fired in one.firings)
        ]
        out.append(replace(one, months=months, repeated=tuple(again)))
    first, last = (steps[0], steps[-1]) if steps else (None, None)
    return Replayed(model, first, last, shape.settings.window_s, tuple(known), tuple(out), begin, end, there)


def _chosen(tables: ModelTables, said: Sequence[str] | Mapping[str, Any]) -> dict[str, Rule]:
    """The rules to replay, by name."""
    if isinstance(said, Mapping):
        return {name: parse(name, text) for name, text in said.items()}
    model = tables.path.name
    table = config.read().models.get(model, {})
    there: Mapping[str, Any] = written.in_force(tables).rules
    if "rules" in table:  # what the file says now, which no round may have read yet
        there = {**written.set_by_people(tables), **table["rules"]}
    if not said and not there:
        raise DataError(
            f"model {model!r}: no rules are written: give some, such as 'accuracy < 0.9 for 3 windows'"
        )
    texts: dict[str, Any] = dict(there) if not said else {}
    for number, text in enumerate(said, 1):
        named = _NAMED.fullmatch(text.strip())
        if text.strip() in there:
            texts[text.strip()] = there[text.strip()]
        elif named is not None:
            texts[named[1]] = named[2]
        else:
            texts[f"rule_{number}"] = text
    return {name: parse(name, text) for name, text in texts.items()}


def _span(text: str) -> Incident:
    """``2026-03-01..2026-03-04`` as an incident; an end that is left out is still to come."""
    start, dots, end = (part.strip() for part in text.partition(".."))
    try:
        begun, ended = (moment(one or None, "incident") for one in (start, end))
    except ValueError:
        begun = ended = None
    if not dots or begun is None or (end and ended is None):
        raise ValueError(f"incident={text!r}: must be START..END, such as 2026-03-01..2026-03-04")
    if ended is not None and not begun < ended:
        told = "it ends before it begins" if ended < begun else "it ends when it begins"
        raise ValueError(f"incident={text!r}: {told}: must be START..END, with END after START")
    return Incident(text, begun, ended)


def _incidents(every: Iterable[Alert], steps: Sequence[datetime], window: timedelta) -> list[Incident]:
    """The incidents of the lake within the windows: alerts under the budget or rules that nobody marked as false."""
    if not steps:
        return []
    groups: dict[str, list[Any]] = {}
    for one in every:
        if not one.false and one.state != "pending":
            groups.setdefault(one.incident, []).append(one)
    found = []
    for name, some in groups.items():
        start = min(one.opened for one in some)
        ends = [one.closed for one in some]
        end = None if None in ends else max(ends)
        if start < steps[-1] + window and (end is None or end > steps[0]):
            found.append(Incident(name, start, end))
    return sorted(found, key=lambda one: one.start)


Span = tuple[datetime, datetime | None, str]  # of a firing: when it opened and closed, and the evidence


def _judged(
    tables: ModelTables,
    shape: Shape,
    name: str,
    rule: Rule,
    came: rules.Arrived,
    reference: Mapping[str, Any],
) -> tuple[list[Span], int, str | None]:
    """When a rule fires, by the code that judges; of a warning as of an alarm."""
    told = {name: {"when": rule.when, "min_rows": rule.min_rows, "clear_after": rule.clear_after}}
    standing = rules.Standing(-1, NEVER, {name: RuleState()}, told)
    standing, changes = rules.judge_rules(tables, shape, standing, came, reference)
    spans: list[Span] = []
    for one in changes:
        at = datetime.fromisoformat(one["at"])
        if one["kind"] == "opens":
            spans.append((at, None, one["evidence"]))
        elif one["kind"] == "closes" and spans and spans[-1][1] is None:
            spans[-1] = (spans[-1][0], at, spans[-1][2])
    readings = list(rules.readings_of(tables, rule, shape, came, reference))
    silent = [one for one in readings if rules.unknown_of(rule, one) is not None]
    return spans, len(silent), rules.unknown_of(rule, silent[-1]) if silent else None


def _silences(rule: Rule, steps: Sequence[datetime], window: timedelta) -> list[Span]:
    """When no rows came for as long as the rule says, to a window: between those that have rows."""
    out: list[Span] = []
    patience = timedelta(seconds=rule.after_s)
    for before, after in pairwise(steps):
        if after - (before + window) > patience:
            quiet = before + window + patience
            out.append(
                (quiet, after, f"no rows from {before + window:%Y-%m-%d %H:%M} to {after:%Y-%m-%d %H:%M} UTC")
            )
    return out


def _compared(
    name: str,
    rule: Rule,
    spans: Iterable[Span],
    incidents: Sequence[Incident],
    window: timedelta,
    counted: tuple[int, int, str | None],
) -> RuleReplay:
    firings: list[Firing] = []
    late: dict[str, float | None] = {one.name: None for one in incidents}
    for opened, closed, evidence in spans:
        told = opened if rule.metric == "no_data" else opened + window
        met = [one for one in incidents if _meet(opened, closed, one)]
        for one in met[:1]:  # a rule that goes on firing has not caught what came later
            seconds = max((told - one.start).total_seconds(), 0.0)
            before = late[one.name]
            late[one.name] = seconds if before is None else min(before, seconds)
        firings.append(Firing(opened, told, closed, evidence, tuple(one.name for one in met)))
    caught = tuple(Caught(one.name, late[one.name]) for one in incidents)
    return RuleReplay(name, rule.when, tuple(firings), caught, *counted)


def _meet(opened: datetime, closed: datetime | None, incident: Incident) -> bool:
    """Whether a firing and an incident have a time in common."""
    return (incident.end is None or opened < incident.end) and (closed is None or closed > incident.start)
