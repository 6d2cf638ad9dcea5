"""The table of events: settings, schema changes, references. The newest word on a thing is the one that holds."""

from __future__ import annotations

import json

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.records import Settings

__all__ = ["latest_settings", "news", "settings_json", "settings_of"]


def news(tables: ModelTables, events: list[dict[str, str]]) -> list[dict[str, str]]:
    """The events whose latest word on that column is another one."""
    if not events or tables["events"].snapshot() is None:
        return events
    latest = (
        tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(["column_appeared", "column_vanished", "type_changed", "settings"]))
        .sort("time", maintain_order=True)
        .collect()
    )
    said = {
        (row["name"], row["version"]): (row["kind"], row["detail"]) for row in latest.iter_rows(named=True)
    }
    return [e for e in events if said.get((e["name"], e["version"])) != (e["kind"], e["detail"])]


def settings_json(settings: Settings) -> str:
    """Settings as the text of an event."""
    return json.dumps(
        {
            "window_s": settings.window_s,
            "task": settings.task,
            "classes": list(settings.classes),
            "timezone": settings.timezone,
            "budget_per_month": settings.budget_per_month,
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


def settings_of(tables: ModelTables) -> Settings:
    """The settings that the model's producers gave last; the defaults where none ever did."""
    text = latest_settings(tables)
    if text is None:
        return Settings()
    values = json.loads(text)
    return Settings(**{**values, "classes": tuple(values["classes"])})
