"""What else happened when a change began: a version that was first seen, a deployment, columns that came or went."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.output.explanation import Coincidence
from vedette.records import DEPLOYMENT, DeploymentStatus

__all__ = ["STEP", "coincident"]

STEP = "deployment_step"
"""The kind of what brings a deployment nearer, and yet no request to it: a suspect behind all others."""

_ORDER = (
    "deployment",
    "version",
    "column_vanished",
    "type_changed",
    "column_appeared",
    "column_returned",
    "reference",
    STEP,
)
_QUIETLY = frozenset({"requested", "building", "starting", "healthy"})
_SAID = {
    "column_vanished": "column {name!r} no longer came",
    "column_appeared": "column {name!r} came for the first time",
    "column_returned": "column {name!r} came again",
    "type_changed": "column {name!r} changed its type",
    "reference": "another reference was given",
}
_QUIET = frozenset(
    {"settings", "segment", "channel", "channels"}
)  # of vedette's own doing, or of telling people


def coincident(
    tables: ModelTables, since: datetime, until: datetime, window: timedelta
) -> tuple[Coincidence, ...]:
    """What happened from ``since`` to ``until``, the likeliest suspects first: deployments, new versions, the schema.

    A version counts from the first window of event time in which a row of it lies, the very first version of a model
    is none. Events of the lake have the time at which they were seen; one window of slack is given on either side.
    """
    low, high = since - window, until + window
    found, told = [], set()
    starts = (
        tables["summaries"]
        .scan()
        .filter((pl.col("part") == "live") & (pl.col("segment") == ""))
        .group_by("version")
        .agg(pl.col("start").min())
        .sort("start", "version")
        .collect()
    )
    for version, start in starts.iter_rows():
        if start > starts["start"][0] and since <= start < until:
            found.append(Coincidence("version", start, f"version {version} was first seen", version))
    events = (
        tables["events"]
        .scan()
        .filter((pl.col("time") >= low) & (pl.col("time") <= high) & ~pl.col("kind").is_in(sorted(_QUIET)))
        .sort("time", maintain_order=True)
        .collect()
    )
    first_reference = (
        tables["events"]
        .scan()
        .filter(pl.col("kind") == "reference")
        .select(pl.col("time").min())
        .collect()
        .item()
    )
    for row in events.iter_rows(named=True):
        kind, name = str(row["kind"]), str(row["name"])
        if kind in _SAID:
            if kind != "reference" or row["time"] != first_reference:
                found.append(Coincidence(kind, row["time"], _SAID[kind].format(name=name), row["version"]))
        elif kind == DEPLOYMENT and (status := _status(row["detail"])) is not None:
            key = (name, row["version"], status)
            if key not in told:  # of its replicas the first one
                told.add(key)
                found.append(_of_deployment(row, *status))
        elif kind.startswith(("deploy", "release", "rollback", "promot")):
            words = f"{kind} {name or row['version'] or ''}".strip() + _detail(row["detail"])
            found.append(Coincidence("deployment", row["time"], words, row["version"]))
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.kind), one.time)))


def _status(text: str | None) -> tuple[str, str] | None:
    """Status and stage of a deployment that was told; None of an event that tells none."""
    try:
        said = json.loads(text or "{}")
        return str(DeploymentStatus(said["status"])), str(said.get("stage") or "production")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _of_deployment(row: dict[str, Any], status: str, stage: str) -> Coincidence:
    """A status of a deployment; requests are reached by what serves, fails, drains or is retired."""
    kind = STEP if status in _QUIETLY else "deployment"
    words = f"deployment of version {row['version']} in {stage}: {status}" + _detail(row["detail"])
    return Coincidence(kind, row["time"], words, row["version"])


def _detail(text: str | None) -> str:
    """What a person wrote of a deployment, where it is a short text."""
    if not text:
        return ""
    try:
        said = json.loads(text)
    except ValueError:
        return ""
    note = said.get("note") or said.get("text") if isinstance(said, dict) else said
    return f" ({note})" if isinstance(note, str) and 0 < len(note) <= 200 else ""
