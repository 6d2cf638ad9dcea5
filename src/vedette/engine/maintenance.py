"""Maintenances of a lake: those of ``vedette.toml`` and those that people made, in which nobody is told of alerts.

What people made is a table of the lake, only added to, so that whatever process tells knows of it: a server, an ingester, a
command from cron. Alerts are judged and recorded as ever; ``delivery.py`` holds back what it would tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from vedette.config import Maintenance, maintenance_of
from vedette.engine import requests
from vedette.errors import AlertError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake

__all__ = ["add", "end", "hushed_until", "made", "of_lake", "to_come", "turns"]

LOCK_WAIT_S = 60.0
_KEYS = ("reason", "from", "to", "every", "until", "timezone", "models", "watches", "segments")


def made(lake: Lake) -> list[Maintenance]:
    """Those that people made, by the time at which they were made, with the end that somebody put to them."""
    table = lake.maintenance
    if table.snapshot() is None:
        return []
    found: dict[str, Maintenance] = {}
    for row in table.scan().sort("time", maintain_order=True).collect().iter_rows(named=True):
        if row["change"] == "made":
            one = maintenance_of(json.loads(row["definition"]), row["by"])
            found[row["id"]] = replace(one, id=row["id"])  # whatever was taken out of its words since
        elif row["id"] in found:
            found[row["id"]] = replace(found[row["id"]], ended=row["time"])
    return list(found.values())


def of_lake(lake: Lake, written: Iterable[Maintenance]) -> list[Maintenance]:
    """Those ``written`` in ``vedette.toml``, and those that people made."""
    return [*written, *made(lake)]


def to_come(some: Iterable[Maintenance], now: datetime) -> list[Maintenance]:
    """Those that go on or will come, the next first."""
    found = []
    for one in some:
        span = next(one.spans(now, datetime.max.replace(tzinfo=UTC)), None)
        if span is not None:
            found.append((span, one.id, one))
    return [one for *_, one in sorted(found, key=lambda part: part[:2])]


def turns(some: Iterable[Maintenance], model: str, now: datetime) -> datetime | None:
    """When one of a model's next begins or ends; None where none does."""
    later = datetime.max.replace(tzinfo=UTC)
    spans = [next(one.spans(now, later), None) for one in some if one.concerns(model)]
    return min((start if start > now else end for start, end in filter(None, spans)), default=None)


def add(lake: Lake, table: Mapping[str, Any], *, by: str, now: datetime) -> Maintenance:
    """Make one of a table with the keys that it has in ``vedette.toml``; the same again is the one that there is.

    Raises ``ValueError`` for one that cannot be meant, or is over.
    """
    one = maintenance_of(table, by)
    if one.over(now):
        raise ValueError(f"to={one.ends.isoformat()}: must be a time to come: it would never hold")
    said = {key: value for key, value in one.document().items() if key in _KEYS and value is not None}
    with lock(requests.work_lock(lake), wait_s=LOCK_WAIT_S):
        known = next((each for each in made(lake) if each.id == one.id), None)
        if known is not None and known.ended is None:
            return known
        _write(lake, one.id, "made", by, now, json.dumps(said, ensure_ascii=False))
    return one


def end(lake: Lake, name: str, *, by: str, now: datetime) -> Maintenance:
    """Put an end to one that people made, by its id: what is open is told.

    Raises ``AlertError`` where there is none of that id that goes on or comes again.
    """
    with lock(requests.work_lock(lake), wait_s=LOCK_WAIT_S):
        there = {one.id: one for one in made(lake) if not one.over(now)}
        if name not in there:
            known = ", ".join(there) or "none"
            raise AlertError(
                f"maintenance={name!r}: none of that id goes on or comes; those that people made are {known} "
                "(one of vedette.toml ends there)"
            )
        ended = _write(lake, name, "ended", by, now, None)
    return replace(there[name], ended=ended)


def hushed_until(
    some: Iterable[Maintenance], model: str, watch: str, segment: str, at: datetime
) -> tuple[Maintenance, datetime] | None:
    """The maintenance in which an alert is at a time, with its end (of several that which ends last), or None."""
    ends = [(end, one) for one in some if one.concerns(model, watch, segment) and (end := one.end_of(at))]
    if not ends:
        return None
    last, one = max(ends, key=lambda pair: pair[0])
    return one, last


def _write(lake: Lake, name: str, change: str, by: str, now: datetime, definition: str | None) -> datetime:
    """Add a row to those of an id; when, which is after each that it has: the order of their times tells what holds."""
    table = lake.maintenance
    if table.snapshot() is not None:
        last = table.scan().filter(pl.col("id") == name).select(pl.col("time").max()).collect().item()
        if last is not None and last >= now:  # a clock that was set back, or another machine's
            now = last + timedelta(microseconds=1)
    row = {"time": now, "id": name, "change": change, "by": by, "definition": definition}
    table.write(pl.DataFrame([row], schema=table.schema), {})
    return now
