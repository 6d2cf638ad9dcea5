"""What policies did, as the lake has it: events of the kind ``action``, a row for each status of each action."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.engine import requests
from vedette.engine.chain.alerting import tell_people
from vedette.lake.locks import lock
from vedette.lake.tables import Lake, ModelTables
from vedette.records.actions import ActionStatus, Occasion, Taken

__all__ = ["KIND", "acted_since", "actions", "write"]

KIND = "action"
WORK_WAIT_S = 60.0


def actions(tables: ModelTables) -> list[Taken]:
    """All actions as they stand, the newest first."""
    found: dict[str, Taken] = {}
    for row in _rows(tables).iter_rows(named=True):
        one = _taken(row["time"], row["version"], json.loads(row["detail"]))
        known = found.get(one.id)
        found[one.id] = one if known is None else replace(one, opened=known.opened)
    return sorted(found.values(), key=lambda one: (one.opened, one.id), reverse=True)


def acted_since(tables: ModelTables, policy: str, since: datetime) -> int:
    """How often a policy has acted from a time on; tries of one action count once."""
    rows = _rows(tables).filter((pl.col("name") == policy) & (pl.col("time") > since))
    held = [json.loads(detail) for detail in rows["detail"]]
    return len({one["id"] for one in held if one["status"] == ActionStatus.ACTING and one["attempts"] == 1})


def write(lake: Lake, taken: Taken) -> Taken:
    """Add a status to the history of an action, under the lake's lock; on disk when this returns what is there now."""
    with lock(requests.work_lock(lake), wait_s=WORK_WAIT_S):
        return write_locked(lake.model(taken.occasion.model), taken)


def write_locked(tables: ModelTables, taken: Taken) -> Taken:
    """As ``write``, of a caller who holds the lake's lock."""
    newest = _rows(tables)["time"].max()
    if isinstance(newest, datetime) and newest >= taken.changed:  # rows are told apart by their times
        taken = replace(taken, changed=newest + timedelta(microseconds=1))
    detail = {
        "id": taken.id,
        "status": taken.status.value,
        "occasion": taken.occasion.document(),
        "plan": list(taken.plan),
        "said": list(taken.said),
        "by": taken.by,
        "reason": taken.reason,
        "until": None if taken.until is None else taken.until.isoformat(),
        "attempts": taken.attempts,
        "before": list(taken.before),
    }
    row = {
        "kind": KIND,
        "name": taken.occasion.policy,
        "version": taken.occasion.version,
        "detail": json.dumps(detail, sort_keys=True),
        "time": taken.changed,
    }
    tables["events"].write(pl.DataFrame([row]), {})
    tell_people(tables, taken)
    return taken


def _rows(tables: ModelTables) -> pl.DataFrame:
    events = tables["events"].scan().filter(pl.col("kind") == KIND)
    return events.sort("time", maintain_order=True).select("name", "version", "detail", "time").collect()


def _taken(time: datetime, version: str, held: Mapping[str, Any]) -> Taken:
    said = dict(held["occasion"])
    said["since"] = None if said["since"] is None else datetime.fromisoformat(said["since"])
    until = held["until"]
    return Taken(
        id=held["id"],
        occasion=Occasion(**{**said, "version": version}),
        status=ActionStatus(held["status"]),
        plan=tuple(held["plan"]),
        said=tuple(held["said"]),
        by=held["by"],
        reason=held["reason"],
        until=None if until is None else datetime.fromisoformat(until),
        opened=time,
        changed=time,
        attempts=held["attempts"],
        before=tuple(held["before"]),
    )
