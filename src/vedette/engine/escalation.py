"""Telling on: levels of channels that are told of an alert which fires on while nobody reacts to it.

The time of a firing begins where the channel might first have been told of it, which is written down (``counting``): a
maintenance, or a cause that explains the alert, stops it, and it begins anew after. Acknowledging, silencing and the end of
the alert stop it for good; an alert that fires again after a silence begins anew. A person may tell the next level at once:
an event of the kind ``escalation``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.config import AlertingSettings, ChannelSettings, Escalation
from vedette.engine.outbox import ESCALATION, Box, read
from vedette.engine.steps import Step
from vedette.errors import AlertError
from vedette.lake.tables import UTC, ModelTables
from vedette.records import Alert, AlertState

__all__ = ["ask", "asked", "due_levels", "next_level", "told_on", "waits_for"]


def asked(tables: ModelTables) -> dict[tuple[str, str], datetime]:
    """When a person last told on an alert, by its id and the name of the level."""
    if tables["events"].snapshot() is None:
        return {}
    rows = tables["events"].scan().filter(pl.col("kind") == ESCALATION).sort("time", maintain_order=True)
    found = rows.select("time", "name", "detail").collect()
    return {(name, json.loads(detail)["level"]): time for time, name, detail in found.iter_rows()}


def told_on(tables: ModelTables, alert: str, steps: Collection[int]) -> list[dict[str, Any]]:
    """An alert's escalation, as rows beside its history: who asked for it and why, and when which channel was told.

    ``steps`` are those of the alert in its history. ``state`` is ``escalated`` in all of them.
    """
    found = []
    if tables["events"].snapshot() is not None:
        rows = tables["events"].scan().filter((pl.col("kind") == ESCALATION) & (pl.col("name") == alert))
        for time, text in rows.select("time", "detail").collect().iter_rows():
            said = json.loads(text)
            found.append(_row(time, said["by"], said["reason"]))
    for name, box in read(tables).items():
        for (step, _), times in box.escalated.items():
            found += [_row(time, None, f"{name} is told") for time in times if step in steps]
    return sorted(found, key=lambda row: row["time"])


def _row(time: datetime, by: str | None, reason: str) -> dict[str, Any]:
    return {"time": time, "state": "escalated", "by": by, "reason": reason, "until": None}


def waits_for(
    settings: ChannelSettings, levels: Sequence[Escalation], model: str, steps: Iterable[Step]
) -> list[Step]:
    """Of the last steps of alerts those that fire and that the channel may be told of by one of its levels."""
    return [
        one
        for one in steps
        if one.alert.state is AlertState.FIRING
        and settings.watches_over(one.alert.watch)
        and any(level.concerns(model, one.alert.watch) for level in levels)
    ]


def due_levels(
    levels: Sequence[Escalation],
    model: str,
    box: Box,
    steps: Iterable[Step],
    said: Mapping[tuple[str, str], datetime],
    now: datetime,
) -> list[tuple[Escalation, Step]]:
    """What a level is to be told of now. Each step's time runs since ``box.counting``."""
    found = []
    for one in steps:
        begun = box.counting.get(one.number)
        for level in levels if begun is not None else ():
            assert begun is not None
            if not level.concerns(model, one.alert.watch):
                continue
            times = box.escalated.get((one.number, level.name), [])
            if not times:
                at = said.get((one.alert.id, level.name))
                is_due = now >= begun + timedelta(seconds=level.after_s) or (
                    at is not None and at >= one.alert.changed
                )
            else:
                is_due = (
                    len(times) < level.times
                    and level.repeat_s is not None
                    and now >= times[-1] + timedelta(seconds=level.repeat_s)
                )
            if is_due:
                found.append((level, one))
    return found


def next_level(
    settings: AlertingSettings,
    model: str,
    boxes: Mapping[str, Box],
    last: Step,
    said: Mapping[tuple[str, str], datetime],
) -> tuple[Escalation, datetime | None] | None:
    """The next level that will be told of an alert, and when by the clock where that runs; None where none is left."""
    for level in settings.escalate:
        if not level.concerns(model, last.alert.watch):
            continue
        at = said.get((last.alert.id, level.name))
        told = any(
            (last.number, level.name) in boxes[name].escalated for name in level.channels if name in boxes
        )
        if told or (at is not None and at >= last.alert.changed):
            continue
        begun = [
            boxes[name].counting[last.number]
            for name in level.channels
            if name in boxes and last.number in boxes[name].counting
        ]
        return level, min(begun) + timedelta(seconds=level.after_s) if begun else None
    return None


def ask(
    tables: ModelTables,
    alert: Alert,
    level: Escalation,
    *,
    by: str,
    reason: str,
    now: datetime,
    held: Callable[[Alert], str | None],
) -> None:
    """Tell a level of an alert at once, rather than when its time is over. The caller holds the work lock.

    Raises ``ValueError`` without a reason, and ``AlertError`` for an alert that does not fire, or that nobody is told of now.
    """
    if not reason.strip():
        raise ValueError("reason='': must say why it cannot wait")
    if alert.state is not AlertState.FIRING:
        raise AlertError(f"alert={alert.id!r}: is {alert.state.value}: only what fires is told on")
    why = held(alert)
    if why is not None:
        raise AlertError(f"alert={alert.id!r}: is not told now: {why}")
    detail = json.dumps({"level": level.name, "channels": level.channels, "by": by, "reason": reason.strip()})
    row = {"time": now, "kind": ESCALATION, "name": alert.id, "version": "", "detail": detail}
    tables["events"].write(pl.DataFrame([row], schema_overrides={"time": UTC}), {})
