"""The verdicts of a model as the last round left them; what is older than it should be is UNKNOWN, never OK."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import polars as pl

from vedette.engine import outbox
from vedette.engine.state import GRACE, LIVE, NEVER, OPEN, Kept, kept_row, receipts, was_live
from vedette.lake.events import settings_of
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Health, Status, Verdict

__all__ = ["health", "silence_of"]


def health(lake: Lake, model: str, now: datetime | None = None) -> Health:
    """The verdicts as the last round left them. What is older than it should be is UNKNOWN, never OK."""
    tables = lake.model(model)
    kept = kept_row(tables)
    untold = outbox.verdicts(tables, now)
    if kept is None:
        known = tables["summaries"].scan().select(pl.len()).collect().item()
        reason = (
            "no reference: give one with monitor.reference(frame)" if known else "nothing was recorded yet"
        )
        nothing = Verdict("model", "", Status.UNKNOWN, None, "", "rule", reason)
        return Health(model, "", Status.UNKNOWN, (nothing, *untold))
    verdicts = untold
    silent = silence_of(tables, kept, now)
    for row in json.loads(kept.verdicts):
        since = None if row["since"] is None else datetime.fromisoformat(row["since"])
        status, reason = Status(row["verdict"]), row["reason"]
        if kept.known == NEVER and status is Status.UNKNOWN and reason in ("no rows", "no labels", OPEN):
            reason = (
                "no window has ended yet"
                if kept.due is None
                else f"no window has ended yet; the next is judged {kept.due:%Y-%m-%d %H:%M} UTC"
            )
        elif silent and status is Status.OK:
            status, reason = Status.UNKNOWN, silent
        verdicts.append(
            Verdict(row["watch"], row["segment"], status, since, row["evidence"], row["guarantee"], reason)
        )
    order = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)
    gravest = next(
        (status for status in order if any(one.verdict is status for one in verdicts)), Status.UNKNOWN
    )
    return Health(model, kept.version, gravest, tuple(verdicts))


def silence_of(tables: ModelTables, kept: Kept, now: datetime | None) -> str | None:
    """Why an OK is too old to be believed: rows that came by the wall's clock have stopped coming."""
    if now is None or kept.known == NEVER:
        return None
    newest, ingested = receipts(tables, now, None)
    window = timedelta(seconds=settings_of(tables).window_s)
    late = (
        ingested - newest >= LIVE
    )  # a replay, or rows that waited in the journal until a round came at last
    if late and (now - newest <= 3 * window + GRACE or not was_live(tables)):
        return None
    if late or (newest - ingested < LIVE and now - ingested > 3 * window + GRACE):
        return f"no rows since {newest:%Y-%m-%d %H:%M} UTC"
    return None
