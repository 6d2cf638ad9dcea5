"""The way from the journals into the tables, exactly once.

``arrivals.collect`` reads what the journals hold beyond given watermarks; ``append`` commits its rows; ``close`` commits the
ledger, last, and frees the journals. The engine puts its own commits (summaries) between the two. Whatever is cut
off in between is repeated from the journals, and each table takes only what lies beyond its own watermark.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC as DATETIME_UTC
from datetime import datetime

import polars as pl

from vedette.lake.arrivals import Arrivals
from vedette.lake.events import latest_settings, merged, news, settings_json
from vedette.lake.ledger import ROW_BITS, STREAMS, identifier, last_rows
from vedette.lake.tables import UTC, ModelTables

__all__ = [
    "append",
    "close",
    "now_of",
    "tell",
    "through",
    "watermarks",
]

log = logging.getLogger("vedette")


def watermarks(tables: ModelTables, name: str, identifiers: Iterable[str]) -> dict[str, int]:
    """How far each producer's stream has come into the table ``name``."""
    table = tables[name]
    snapshot = table.snapshot()
    return {key: table.through(key, snapshot) for key in identifiers}


def through(arrivals: Arrivals, streams: Iterable[str]) -> dict[str, int]:
    """The new watermarks of the streams named (``predictions``, ``labels``, ``batch``), by identifier."""
    marks: dict[str, int] = {}
    for (producer, stream), entry in arrivals.decided.items():
        kind = stream.partition("/")[0]
        if kind in streams:
            key = identifier(producer, kind)
            marks[key] = max(marks.get(key, 0), entry.through)
    return marks


def beyond(arrivals: Arrivals, stream: str, marks: Mapping[str, int]) -> pl.DataFrame:
    """The rows of a stream beyond the watermarks of their producers (by identifier; none is 0)."""
    frame: pl.DataFrame = getattr(arrivals, stream)
    if frame.is_empty():
        return frame
    limit = {}
    for key, number in marks.items():
        producer, _, kind = key.rpartition("/")
        if kind == "batch":
            limit[key] = ((number + 1) << ROW_BITS) - 1
        elif kind == stream:
            limit[producer] = number
    bounds = pl.col("_producer").replace_strict(limit, default=0, return_dtype=pl.Int64)
    return frame.filter(pl.col("_sequence") > bounds)


def append(tables: ModelTables, arrivals: Arrivals, now: datetime) -> None:
    """Commit the rows of predictions and labels, each beyond its table's own watermark, and the events they mean."""
    for stream in STREAMS:
        frame: pl.DataFrame = getattr(arrivals, stream)
        if frame.is_empty():
            continue
        marks = through(arrivals, (stream, "batch"))
        old = watermarks(tables, stream, marks)
        new = {key: number for key, number in marks.items() if number > old[key]}
        if new:
            tables[stream].write(beyond(arrivals, stream, old), new)
    events = list(arrivals.changes)
    if arrivals.settings is not None and arrivals.version is not None:
        before = latest_settings(tables)
        detail = settings_json(merged(before, arrivals.settings))
        if detail != before:
            events.append({"kind": "settings", "name": "", "version": arrivals.version, "detail": detail})
    tell(tables, events, now)


def tell(tables: ModelTables, events: list[dict[str, str]], now: datetime) -> None:
    """Write the events that are news: the same found twice (after a crash in between) is one."""
    events = news(tables, events)
    if events:
        tables["events"].write(pl.DataFrame(events).with_columns(pl.lit(now).cast(UTC).alias("time")), {})


def close(tables: ModelTables, arrivals: Arrivals, now: datetime) -> None:
    """Commit the ledger, and free what the journals no longer need to hold."""
    if arrivals.decided:
        last = last_rows(tables)
        received = [
            frame["received"].max() for frame in (arrivals.predictions, arrivals.labels) if frame.height
        ]
        rows = []
        for (producer, stream), entry in sorted(arrivals.decided.items()):
            before = last.get((producer, stream))
            reasons: dict[str, int] = defaultdict(int, json.loads(before["reasons"]) if before else {})
            for reason, count in entry.void.items():
                reasons[reason] += count
            rows.append(
                {
                    "time": now,
                    "producer": producer,
                    "stream": stream,
                    "through": entry.through,
                    "seen": entry.seen + (before["seen"] if before else 0),
                    "in_lake": entry.whole + (before["in_lake"] if before else 0),
                    "torn": entry.torn + (before["torn"] if before else 0),
                    "void": sum(entry.void.values()) + (before["void"] if before else 0),
                    "reasons": json.dumps(reasons),
                    "newest": max(received) if received else None,  # type: ignore[type-var]
                }
            )
        marks = through(arrivals, (*STREAMS, "batch"))
        old = watermarks(tables, "ledger", marks)
        tables["ledger"].write(
            pl.DataFrame(rows, schema_overrides={"newest": UTC}),
            {key: number for key, number in marks.items() if number > old[key]},
        )
    keys = [identifier(folder.name, stream) for folder in arrivals.folders for stream in (*STREAMS, "batch")]
    done = watermarks(tables, "ledger", keys)
    for folder in arrivals.folders:
        for stream in STREAMS:
            folder.free(stream, done[identifier(folder.name, stream)])
        folder.free_batches(done[identifier(folder.name, "batch")])


def now_of(clock_s: float) -> datetime:
    """A clock's reading as a UTC datetime."""
    return datetime.fromtimestamp(clock_s, DATETIME_UTC)
