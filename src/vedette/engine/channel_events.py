"""What changed of the channels, as events of the lake: added, removed or changed, by whom and when; secrets left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from vedette.config import ChannelSettings
from vedette.engine.people import user
from vedette.lake.tables import UTC, ModelTables

__all__ = ["audit", "shown_settings"]


def shown_settings(settings: ChannelSettings) -> str:
    """The settings as text for the lake: of what may be secret there is a short digest, to tell that it changed."""
    own = json.dumps(settings.own, sort_keys=True, default=str).encode()
    return json.dumps(
        {
            "type": settings.type,
            "states": settings.states,
            "models": settings.models,
            "watches": settings.watches,
            "repeat_s": settings.repeat_s,
            "timeout_s": settings.timeout_s,
            "heartbeat": settings.heartbeat,
            "digest": hashlib.blake2b(own, digest_size=4).hexdigest(),
        }
    )


def audit(
    tables: ModelTables, changes: Sequence[tuple[str, str, str]], path: Path | None, now: datetime
) -> None:
    """Write what changed of the channels to the events, with who and when; once, whatever crashed after it."""
    if not changes:
        return
    said = (
        tables["events"]
        .scan()
        .filter(pl.col("kind") == "channels")
        .sort("time", maintain_order=True)
        .collect()
    )
    before = {row["name"]: json.loads(row["detail"]) for row in said.iter_rows(named=True)}
    rows = []
    for change, name, shown in changes:
        known = before.get(name, {})
        if (known.get("change"), known.get("settings")) != (change, json.loads(shown)):
            detail = {"change": change, "by": user(), "file": str(path), "settings": json.loads(shown)}
            rows.append({"time": now, "kind": "channels", "name": name, "detail": json.dumps(detail)})
    if rows:
        tables["events"].write(pl.DataFrame(rows, schema_overrides={"time": UTC}), {})
