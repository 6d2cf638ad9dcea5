"""What became of scheduled reports, as events of the model: which period was told of, and why one could not be.

The event of a page that was made names the channels that are to be told of it, so that whoever tells next does, once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from vedette.lake.tables import UTC, ModelTables
from vedette.records import ReportPage, Status, Verdict

__all__ = ["Told", "keep", "last_made", "to_be_told", "verdicts"]

_KIND = "report"


@dataclass(frozen=True, slots=True)
class Told:
    """A page that was ``made``, and the channels that are to be told of it."""

    page: ReportPage
    made: datetime
    channels: tuple[str, ...]

    @property
    def text(self) -> str:
        """The page as it is kept with a notice that waits; :meth:`read` takes it back."""
        times = {"start": self.page.start.isoformat(), "end": self.page.end.isoformat()}
        said = {"name": self.page.name, **times, "path": self.page.path, "made": self.made.isoformat()}
        return json.dumps(said)

    @classmethod
    def read(cls, text: str) -> Told:
        """What :attr:`text` wrote, for no channel in particular."""
        said = json.loads(text)
        start, end, made = (datetime.fromisoformat(said[key]) for key in ("start", "end", "made"))
        return cls(ReportPage(said["name"], start, end, said["path"]), made, ())


def keep(
    tables: ModelTables, page: ReportPage, error: str | None, now: datetime, channels: tuple[str, ...] = ()
) -> None:
    """Write that a page was made, or why not, and who is to be told. The caller holds the work lock."""
    said = {"start": page.start.isoformat(), "end": page.end.isoformat(), "error": error, "path": page.path}
    detail = json.dumps(said | {"channels": channels})
    event = {"time": now, "kind": _KIND, "name": page.name, "version": "", "detail": detail}
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


def to_be_told(tables: ModelTables) -> list[Told]:
    """The pages that were made for channels, the oldest first."""
    found = []
    for time, name, detail in _said(tables).select("time", "name", "detail").iter_rows():
        said = json.loads(detail)
        if said["error"] is None and said.get("channels"):
            start, end = (datetime.fromisoformat(said[key]) for key in ("start", "end"))
            page = ReportPage(name, start, end, said["path"])
            found.append(Told(page, time, tuple(said["channels"])))
    return found


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
