"""The table of events: settings, schema changes, references. The newest word on a thing is the one that holds."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.records import Settings

__all__ = [
    "latest_reference",
    "latest_settings",
    "merged",
    "news",
    "settings_from",
    "settings_json",
    "settings_of",
]

log = logging.getLogger("vedette")


def news(tables: ModelTables, events: list[dict[str, str]]) -> list[dict[str, str]]:
    """The events whose latest word on that column is another one."""
    if not events or tables["events"].snapshot() is None:
        return events
    latest = (
        tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(["column_appeared", "column_vanished", "type_changed"]))
        .sort("time", maintain_order=True)
        .collect()
    )
    said = {
        (row["name"], row["version"]): (row["kind"], row["detail"]) for row in latest.iter_rows(named=True)
    }
    return [
        e
        for e in events
        if e["kind"] == "settings" or said.get((e["name"], e["version"])) != (e["kind"], e["detail"])
    ]


def settings_json(settings: Settings) -> str:
    """Settings as the text of an event."""
    return json.dumps(
        {
            "window_s": settings.window_s,
            "task": settings.task,
            "classes": list(settings.classes),
            "timezone": settings.timezone,
            "budget_per_month": settings.budget_per_month,
            "given": list(settings.given),
        },
        sort_keys=True,
    )


def latest_settings(tables: ModelTables) -> str | None:
    """The text of the newest settings event, or None."""
    rows = (
        tables["events"]
        .scan()
        .filter(pl.col("kind") == "settings")
        .sort("time", maintain_order=True)
        .select("detail")
        .collect()
    )
    return None if rows.is_empty() else str(rows["detail"][-1])


def latest_reference(tables: ModelTables) -> tuple[str, dict[str, Any]] | None:
    """Name and detail of the reference in force, or None."""
    events = tables["events"].scan().filter(pl.col("kind") == "reference").sort("time", maintain_order=True)
    rows = events.select("name", "detail").collect()
    return None if rows.is_empty() else (str(rows["name"][-1]), json.loads(rows["detail"][-1]))


def settings_from(text: str | None) -> Settings:
    """The settings that ``settings_json`` wrote; the defaults where nothing was."""
    if text is None:
        return Settings()
    values = json.loads(text)
    return Settings(**{**values, "classes": tuple(values["classes"]), "given": tuple(values["given"])})


def settings_of(tables: ModelTables) -> Settings:
    """The settings of a model as its producers gave them; the defaults where none ever did."""
    return settings_from(latest_settings(tables))


def merged(before: str | None, said: Settings) -> Settings:
    """What holds after a producer said its settings: what it gave wins over what was known, its defaults do not.

    The length of a window is that of the first producer for ever: summaries are counted by it.
    """
    if before is None:
        return said
    known = settings_from(before)
    given = {name: getattr(said, name) for name in said.given if name != "window_s"}
    if "window_s" in said.given and said.window_s != known.window_s:
        log.warning(
            "window of %g s ignored: the model is counted by windows of %g s (another length needs another model name)",
            said.window_s,
            known.window_s,
        )
    return replace(known, **given, given=tuple(sorted({*known.given, *given})))
