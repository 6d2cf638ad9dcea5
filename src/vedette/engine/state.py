"""What judging keeps between rounds: one row of the table ``state``, and when producers were last heard of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from vedette.lake.tables import ModelTables
from vedette.records import Alert, AlertState, Status, Verdict

__all__ = [
    "GRACE",
    "LIVE",
    "NEVER",
    "OPEN",
    "Kept",
    "alert_of",
    "due",
    "kept_row",
    "key_of",
    "receipts",
    "row_of",
    "told_of",
    "was_live",
]

GRACE = timedelta(minutes=1)
"""How long after its end a window waits for rows that are on their way, where the producers' clock is the wall's."""

LIVE = timedelta(days=1)
"""Receipts closer than this to the moment of ingest show that the producers' clock is the wall's, not a replay's."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

OPEN = "no window with its rows has ended yet"


@dataclass(frozen=True, slots=True)
class Kept:
    """The row of the state table."""

    step: int
    reference: str
    origin: int
    arrival: int
    known: datetime
    due: datetime | None
    version: str
    block: bytes
    verdicts: str
    changes: str
    rules: str = ""
    guarantee: str = ""
    series: bytes = b""


def kept_row(tables: ModelTables, *, series: bool = True) -> Kept | None:
    """What was judged so far, or None; without what the ``series`` remember, which is most of it, where nobody judges."""
    scan = tables["state"].scan()
    rows = (scan if series else scan.drop("series")).collect()
    return None if rows.is_empty() else Kept(**rows.row(0, named=True))


def due(tables: ModelTables, now: datetime) -> bool:
    """True where something waits to be judged and its time has come."""
    kept = kept_row(tables, series=False)
    return kept is not None and kept.due is not None and kept.due <= now


def receipts(tables: ModelTables, now: datetime, receipt: datetime | None) -> tuple[datetime, datetime]:
    """The latest receipt of any row, and when rows last came in."""
    came = (
        tables["ledger"].scan().filter(pl.col("through").is_not_null())
    )  # else what was counted of rows that did not
    last = came.select(pl.col("newest").max(), pl.col("time").max()).collect().row(0)
    newest = max((one for one in (last[0], receipt) if one is not None), default=NEVER)
    return newest, now if receipt is not None else (last[1] or now)


def row_of(one: Verdict) -> dict[str, Any]:
    """A verdict as it is kept."""
    return {
        "watch": one.watch,
        "segment": one.segment,
        "verdict": one.verdict.value,
        "since": None if one.since is None else one.since.isoformat(),
        "evidence": one.evidence,
        "guarantee": one.guarantee,
        "reason": one.reason,
    }


def alert_of(row: Mapping[str, Any]) -> Alert:
    """An alert as a row of its history left it."""
    state = AlertState(row["state"])
    return Alert(
        id=row["alert"],
        incident=row["incident"],
        watch=row["watch"],
        segment=row["segment"],
        state=state,
        opened=row["opened"],
        closed=row["closed"] if state is AlertState.RESOLVED else None,
        evidence=row["evidence"],
        by=row["by"],
        reason=row["reason"],
        until=row["until"] if state is AlertState.SILENCED else None,
        changed=row["time"],
    )


def key_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Watch and segment of a verdict that is kept."""
    return row["watch"], row["segment"]


def told_of(row: Mapping[str, Any] | None) -> tuple[str, str | None] | None:
    """What makes a verdict another one: its word, and since when where it is an alarm."""
    return None if row is None else (row["verdict"], row["since"] if row["verdict"] == Status.ALARM else None)


def was_live(tables: ModelTables) -> bool:
    """True where rows once came in within ``LIVE`` of their receipt: the producers' clock is the wall's."""
    age = (pl.col("time") - pl.col("newest")).abs()
    return bool(tables["ledger"].scan().select((age < LIVE).any()).collect().item())
