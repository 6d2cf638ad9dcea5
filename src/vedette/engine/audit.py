"""Who did what to a model's watching: alerts acknowledged, silenced and told on, rules and settings changed, references given,
versions deployed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl

from vedette.engine.alerts import history
from vedette.engine.deployments import deployments
from vedette.engine.false_alarms import FALSE_ALARM
from vedette.engine.outbox import ESCALATION
from vedette.engine.written import SET
from vedette.lake.tables import UTC, ModelTables
from vedette.records import AlertState, DeploymentStatus

__all__ = ["AUDIT_SCHEMA", "audit"]

AUDIT_SCHEMA: dict[str, Any] = {
    "time": UTC,
    "by": pl.String(),
    "what": pl.String(),
    "on": pl.String(),
    "detail": pl.String(),
}

_EVENTS = (
    "settings",
    "reference",
    "judging",
    SET,
    "channels",
    FALSE_ALARM,
    ESCALATION,
    "forgotten",
    "action",
)


def audit(tables: ModelTables) -> pl.DataFrame:
    """All that people did, the oldest first: ``time, by, what, on, detail``; ``by`` is null where it is not known."""
    rows = [*_of_alerts(tables), *_of_events(tables), *_of_deployments(tables)]
    return pl.DataFrame(rows, schema=AUDIT_SCHEMA, orient="row").sort("time", maintain_order=True)


def _of_alerts(tables: ModelTables) -> list[tuple[datetime, str | None, str, str, str]]:
    steps = history(tables).filter(pl.col("by").is_not_null())
    out = []
    for row in steps.iter_rows(named=True):
        what = {AlertState.RESOLVED.value: "accepted"}.get(row["state"], row["state"])
        until = f" until {row['until']:%Y-%m-%d %H:%M} UTC" if row["until"] is not None else ""
        segment = f" [{row['segment']}]" if row["segment"] else ""
        on = f"alert {row['alert']} ({row['watch']}{segment})"
        out.append((row["time"], row["by"], f"{what}{until}", on, row["reason"] or ""))
    return out


def _of_events(tables: ModelTables) -> list[tuple[datetime, str | None, str, str, str]]:
    events = tables["events"].scan().filter(pl.col("kind").is_in(_EVENTS)).sort("time", maintain_order=True)
    out = []
    for row in events.collect().iter_rows(named=True):
        held = json.loads(row["detail"])
        on = f"version {row['version']}" if row["version"] else ""
        if row["kind"] == "channels":
            on, detail = f"channel {row['name']}", str(held["change"])
        elif row["kind"] == FALSE_ALARM:
            segment = f" [{held['segment']}]" if held["segment"] else ""
            on, detail = f"alert {row['name']} ({held['watch']}{segment})", held["reason"] or ""
        elif row["kind"] == ESCALATION:
            on, detail = f"alert {row['name']}", f"{', '.join(held['channels'])}: {held['reason']}"
        elif row["kind"] == "action":
            if held["status"] == "acting":
                continue
            on = f"policy {row['name']} ({held['id']}), {held['status']}"
            words = [*held["plan"], *held["said"], held["occasion"]["evidence"], held["reason"] or ""]
            detail = "; ".join(one for one in words if one)
        elif row["kind"] == "forgotten":
            gone = ", ".join(f"{n:,} {stream}" for stream, n in sorted(held["rows"].items())) or "nothing"
            on, detail = f"a subject, by {row['name']}", f"{gone} deleted, report {held['digest'][:16]}"
        else:
            detail = "" if row["kind"] == "reference" else _shown(row["kind"], held)
            detail = "; ".join(one for one in (detail, held.get("reason") or "") if one)
        by = held.get("by") or (f"policy {row['name']}" if row["kind"] == "action" else None)
        out.append((row["time"], by, row["kind"].replace("_", " "), on, detail))
    return out


def _of_deployments(tables: ModelTables) -> list[tuple[datetime, str | None, str, str, str]]:
    """Who began a deployment, and who ended it."""
    out = []
    for one in deployments(tables):
        ends = (
            step for step in one.steps[1:] if step.status.is_over or step.status is DeploymentStatus.DRAINING
        )
        for step in (one.steps[0], *ends):
            what = "deployed" if step is one.steps[0] else f"deployment {step.status}"
            where = f"{one.stage}, {step.status}, {step.where.words}"
            detail = "; ".join(part for part in (where, step.note or "") if part)
            out.append((step.time, step.by, what, f"version {one.version}", detail))
    return out


def _shown(kind: str, held: dict[str, Any]) -> str:
    """What an event changed: rules and tolerances, or the settings that were given."""
    if kind == "settings":
        return ", ".join(f"{name}={held[name]!r}" for name in held["given"])
    told = []
    for word in ("added", "removed", "changed"):
        lines = held.get(word, {})
        told += [f"{word} {name} = {json.dumps(said, sort_keys=True)}" for name, said in lines.items()]
    return "; ".join(told)
