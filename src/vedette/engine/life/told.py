"""What people were told of a version while it served, and what was done about it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

import polars as pl

from vedette.engine.alerts import alerts as alerts_of
from vedette.engine.life.trained import Origin
from vedette.engine.runs import runs_of
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert, Fact, Happening, Section

__all__ = ["actions", "alert_section"]

_MAX = 40
ACTION = "action"
"""The kind of the events of what was done by a policy."""


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
    """What policies did to the version, with why."""
    title = "Actions"
    rows = tables["events"].scan().filter((pl.col("kind") == ACTION) & (pl.col("version") == version))
    frame = rows.sort("time", maintain_order=True).collect()
    happened = []
    for row in frame.tail(_MAX).iter_rows(named=True):
        held = _held(row["detail"])
        short = [
            f"{key} {one}" for key, one in held.items() if key != "by" and isinstance(one, str | int | float)
        ]
        happened.append(Happening(row["time"], f"{row['name']}: {', '.join(short)[:300]}", held.get("by")))
    facts = () if happened else (Fact("actions", "none"),)
    return Section("actions", title, facts, happened=tuple(happened))


def _held(text: str | None) -> dict[str, Any]:
    try:
        held = json.loads(text or "{}")
    except ValueError:  # of another system
        return {"said": text}
    return held if isinstance(held, dict) else {"said": str(held)}
