"""What people were told of a version while it served, and what was done about it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from vedette.engine.alerts import alerts as alerts_of
from vedette.engine.chain.told import actions as taken
from vedette.engine.life.trained import Origin
from vedette.engine.runs import runs_of
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert, Fact, Happening, Section
from vedette.records.actions import Occasion, Taken

__all__ = ["actions", "alert_section"]

_MAX = 40


def alert_section(
    lake: Lake, model: str, span: tuple[datetime, datetime] | None, origin: Origin, now: datetime
) -> Section:
    """The alerts that were open while the version served, and those of its runs, with their incidents."""
    title = "Alerts and incidents"
    found: list[Alert] = []
    if span is not None:
        first, last = span
        own = alerts_of(lake.model(model), now)
        found += [one for one in own if one.opened < last and (one.closed is None or one.closed > first)]
    runs = runs_of(model)
    if origin.runs and lake.has(runs):
        names = {one.name for one in origin.runs}
        found += [one for one in alerts_of(lake.model(runs), now) if one.segment in names]
    found.sort(key=lambda one: one.opened)
    if not found:
        why = () if span is not None else ("it has not served: nothing was watched",)
        return Section("alerts", title, (Fact("alerts", "none"),) if span is not None else (), unknown=why)
    states = ", ".join(
        f"{n} {state}" for state, n in sorted(Counter(str(one.state) for one in found).items())
    )
    incidents = len({one.incident for one in found})
    facts = [Fact("alerts", f"{len(found)} in {incidents} incident{'s' if incidents > 1 else ''}: {states}")]
    false = sum(one.false for one in found)
    facts += [Fact("marked as false", str(false))] if false else []
    facts += [Fact("not shown", f"{len(found) - _MAX} earlier ones")] if len(found) > _MAX else []
    happened = tuple(Happening(one.opened, _words(one), one.by) for one in found[-_MAX:])
    note = ("which version an alert is of is not recorded: those that were open while it served are told",)
    return Section("alerts", title, tuple(facts), happened=happened, unknown=note if span is not None else ())


def _words(one: Alert) -> str:
    segment = f" [{one.segment}]" if one.segment else ""
    return f"{one.watch}{segment} ({one.state}{', false' if one.false else ''}): {one.evidence}"


def actions(tables: ModelTables, version: str) -> Section:
    """What policies did, would do or wait to be allowed to do with the version, and on which evidence."""
    title = "Actions"
    found = [one for one in taken(tables) if version in _versions(one.occasion)]
    happened = [
        Happening(one.changed, _action(one), one.by or f"policy {one.occasion.policy}")
        for one in sorted(found, key=lambda one: one.changed)[-_MAX:]
    ]
    facts = (Fact("actions", str(len(found)) if found else "none"),)
    return Section("actions", title, facts, happened=tuple(happened))


def _versions(one: Occasion) -> tuple[str | None, ...]:
    return one.version, one.champion, one.challenger


def _action(one: Taken) -> str:
    words = [*one.plan, *one.said, f"on {one.occasion.what}", one.occasion.evidence, one.reason or ""]
    return f"{one.status}: {'; '.join(each for each in words if each)}"
