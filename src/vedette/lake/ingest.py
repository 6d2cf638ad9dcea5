"""The way from the journals into the tables, exactly once.

``arrivals.collect`` reads what the journals hold beyond given watermarks; ``append`` commits its rows; ``close`` commits the
ledger, last, and frees the journals. The engine puts its own commits (summaries) between the two. Whatever is cut
off in between is repeated from the journals, and each table takes only what lies beyond its own watermark.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC as DATETIME_UTC
from datetime import datetime

import polars as pl

from vedette.lake.arrivals import Arrivals
from vedette.lake.events import latest_settings, merged, settings_json, settings_of
from vedette.lake.events import news as news_of
from vedette.lake.outcomes import (
    COUNTED,
    ROW_BITS,
    SCHEMA,
    STREAMS,
    gathered,
    identifier,
    news,
    of_lost,
    of_rows,
    stored,
)
from vedette.lake.producer import Producer
from vedette.lake.tables import UTC, ModelTables

__all__ = [
    "append",
    "close",
    "free",
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
    events = news_of(tables, events)
    if events:
        tables["events"].write(pl.DataFrame(events).with_columns(pl.lit(now).cast(UTC).alias("time")), {})


def close(tables: ModelTables, arrivals: Arrivals, now: datetime) -> None:
    """Commit the ledger, and free what the journals no longer need to hold.

    What became of the rows of a round, and what the producers had counted besides by then, is one commit with the
    watermarks up to which it goes.
    """
    outcomes = _outcomes(tables, arrivals)
    if arrivals.decided or outcomes.height:
        marks = through(arrivals, (*STREAMS, "batch"))
        old = watermarks(tables, "ledger", marks)
        received = [
            frame["received"].max() for frame in (arrivals.predictions, arrivals.labels) if frame.height
        ]
        kind = pl.col("stream").str.split("/").list.first()
        key = pl.concat_str("producer", pl.lit("/"), kind)
        of_key = (
            key.replace_strict(marks, return_dtype=pl.Int64, default=None)
            if marks
            else pl.lit(None, pl.Int64)
        )
        rows = outcomes.select(
            pl.lit(now).cast(UTC).alias("time"),
            "producer",
            "stream",
            pl.col("start").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("window"),
            (pl.col("length") / 1e6).alias("window_s"),
            *("part", "reason", "n", "first", "last"),
            pl.when(~pl.col("part").is_in(COUNTED)).then(of_key).alias("through"),
            pl.lit(max(received) if received else None).cast(UTC).alias("newest"),  # type: ignore[type-var]
        )
        tables["ledger"].write(rows, {key: number for key, number in marks.items() if number > old[key]})
    free(tables, arrivals.folders)


def free(tables: ModelTables, folders: Sequence[Producer]) -> None:
    """Delete from the journals what the ledger has come to."""
    keys = [identifier(folder.name, stream) for folder in folders for stream in (*STREAMS, "batch")]
    done = watermarks(tables, "ledger", keys)
    for folder in folders:
        for stream in STREAMS:
            folder.free(stream, done[identifier(folder.name, stream)])
        folder.free_batches(done[identifier(folder.name, "batch")])


def _outcomes(tables: ModelTables, arrivals: Arrivals) -> pl.DataFrame:
    """What became of the rows of a round, and what was counted since the last one."""
    window_us = round(settings_of(tables).window_s * 1e6)
    frames = [
        of_rows(frame, stream, "in_lake", window_us)
        for stream in STREAMS
        if (frame := getattr(arrivals, stream)).height
    ]
    frames += [of_rows(rows, stream, "forgotten", window_us) for stream, rows in arrivals.forgotten.items()]
    frames += [
        of_lost(producer, stream, entry.lost, window_us)
        for (producer, stream), entry in sorted(arrivals.decided.items())
    ]
    references = [
        (
            one.identifier.removesuffix("/batch"),
            "batch/reference",
            None,
            None,
            "in_lake",
            "",
            one.rows.height,
            None,
            None,
        )
        for one in arrivals.references
    ]
    frames.append(pl.DataFrame(references, schema=SCHEMA, orient="row"))
    before = stored(tables, parts=COUNTED)
    frames += [news(folder, stream, before)[0] for folder in arrivals.folders for stream in STREAMS]
    return gathered(frames)


def now_of(clock_s: float) -> datetime:
    """A clock's reading as a UTC datetime."""
    return datetime.fromtimestamp(clock_s, DATETIME_UTC)
