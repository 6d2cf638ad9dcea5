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

__all__ = ["audit", "is_public", "shown_settings"]


def shown_settings(settings: ChannelSettings) -> str:
    """The settings as text for the lake: of what may be secret there is a short digest, to tell that it changed."""
    # what a server allows is no part of a channel that was set there: whoever tells, its settings are the same
    said = {key: one for key, one in settings.own.items() if not (settings.public and key == "allow")}
    own = json.dumps(said, sort_keys=True, default=str).encode()
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
        | ({"public": True} if settings.public else {})
    )


def is_public(shown: str | None) -> bool:
    """True for settings, as :func:`shown_settings` has them, of a channel that was set on a server."""
    return shown is not None and bool(json.loads(shown).get("public"))


def audit(
    tables: ModelTables, changes: Sequence[tuple[str, str, str]], path: Path | None, now: datetime
) -> None:
    """Write what changed of the channels to the events, with who and when; once, whatever crashed after it.

    Who set one on a server, and when, is in the lake already (``channel_changes.py``), and is not who tells.
    """
    changes = [one for one in changes if not is_public(one[2])]
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
