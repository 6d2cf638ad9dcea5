"""The table of events: settings, schema changes, references. The newest word on a thing is the one that holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.records import RESERVED, Settings

__all__ = [
    "latest_reference",
    "latest_settings",
    "merged",
    "news",
    "schema_words",
    "segments_of",
    "settings_from",
    "settings_json",
    "settings_of",
]

log = logging.getLogger("vedette")


_DEVIATIONS = ("column_appeared", "column_vanished", "type_changed")
_COLUMNS = (*_DEVIATIONS, "column_returned")


def news(tables: ModelTables, events: list[dict[str, str]]) -> list[dict[str, str]]:
    """The events whose latest word on that column is another one; that it returned only of one that was away."""
    if not events or tables["events"].snapshot() is None:
        return [e for e in events if e["kind"] != "column_returned"]
    latest = (
        tables["events"]
        .scan()
        .filter(pl.col("kind").is_in(_COLUMNS))
        .sort("time", maintain_order=True)
        .collect()
    )
    said = {
        (row["name"], row["version"]): (row["kind"], row["detail"]) for row in latest.iter_rows(named=True)
    }

    def new(event: dict[str, str]) -> bool:
        before = said.get((event["name"], event["version"]))
        if event["kind"] == "column_returned":
            return before is not None and before[0] in ("column_vanished", "type_changed")
        return event["kind"] == "settings" or before != (event["kind"], event["detail"])

    return [event for event in events if new(event)]


def schema_words(tables: ModelTables, expected: Sequence[str]) -> dict[str, str]:
    """How the columns that come differ from those of the reference in force, in words, by column."""
    rows = (
        tables["events"]
        .scan()
        .filter(pl.col("kind").is_in([*_COLUMNS, "reference"]))
        .sort("time", maintain_order=True)
        .select("kind", "name", "detail")
        .collect()
    )
    found: dict[str, str] = {}
    for kind, name, detail in rows.iter_rows():
        if kind == "reference":
            found.clear()
            continue
        found.pop(name, None)
        if kind == "column_appeared" and name not in expected and name not in RESERVED:
            found[name] = f"column {name!r} is new"
        elif kind == "column_vanished" and name in expected:
            found[name] = f"column {name!r} no longer comes"
        elif kind == "type_changed" and name in expected:
            found[name] = f"column {name!r} changed its type to {json.loads(detail).get('type')}"
    return found


def settings_json(settings: Settings) -> str:
    """Settings as the text of an event."""
    return json.dumps(settings.document(), sort_keys=True)


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
    return Settings() if text is None else Settings.of_document(json.loads(text))


def segments_of(tables: ModelTables) -> tuple[str, ...]:
    """The segments that are counted, in the order in which they came."""
    rows = tables["events"].scan().filter(pl.col("kind") == "segment").sort("time", maintain_order=True)
    return tuple(dict.fromkeys(rows.select("name").collect()["name"].to_list()))


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
