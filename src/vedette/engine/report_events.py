"""What became of scheduled reports, as events of the model: which period was told of, and why one could not be."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl

from vedette.lake.tables import UTC, ModelTables
from vedette.records import Status, Verdict

__all__ = ["keep", "last_made", "verdicts"]

_KIND = "report"


def keep(tables: ModelTables, name: str, end: datetime, error: str | None, path: str, now: datetime) -> None:
    """Write that the report of the period that ended at ``end`` was made, or why not. The caller holds the work lock."""
    detail = json.dumps({"end": end.isoformat(), "error": error, "path": path})
    event = {"time": now, "kind": _KIND, "name": name, "version": "", "detail": detail}
    tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})


def last_made(tables: ModelTables, name: str) -> tuple[datetime | None, datetime | None]:
    """The end of the last period that was told of, and when telling of any last failed; None for never."""
    made, failed = None, None
    for time, detail in _said(tables).filter(pl.col("name") == name).select("time", "detail").iter_rows():
        said = json.loads(detail)
        if said["error"] is None:
            made = max(datetime.fromisoformat(said["end"]), made or datetime.min.replace(tzinfo=time.tzinfo))
        else:
            failed = time
    return made, failed


def verdicts(tables: ModelTables) -> list[Verdict]:
    """A verdict for each report that could not be made when it was last tried: UNKNOWN, since nobody was told."""
    rows = _said(tables)
    last = {
        name: (time, json.loads(detail))
        for name, time, detail in rows.select("name", "time", "detail").iter_rows()
    }
    return [
        Verdict(f"report:{name}", "", Status.UNKNOWN, time, "", "rule", f"cannot be made: {said['error']}")
        for name, (time, said) in last.items()
        if said["error"] is not None
    ]


def _said(tables: ModelTables) -> pl.DataFrame:
    rows = tables["events"].scan().filter(pl.col("kind") == _KIND)
    return rows.sort("time", maintain_order=True).select("time", "name", "detail").collect()
