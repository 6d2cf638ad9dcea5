"""The way from the journals into the tables, exactly once.

``collect`` reads what the journals hold beyond given watermarks; ``append`` commits its rows; ``close`` commits the
ledger, last, and frees the journals. The engine puts its own commits (summaries) between the two. Whatever is cut
off in between is repeated from the journals, and each table takes only what lies beyond its own watermark.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC as DATETIME_UTC
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.journal import Chunk, ProducerFolder, producers
from vedette.lake.events import latest_settings, merged, news, settings_from, settings_json
from vedette.lake.frames import POLARS, fields_of
from vedette.lake.ledger import ROW_BITS, STREAMS, identifier, last_rows
from vedette.lake.rows import base_of
from vedette.lake.tables import UTC, Lake, ModelTables
from vedette.records import Field, Physical, Settings

__all__ = [
    "Arrivals",
    "Reference",
    "append",
    "close",
    "collect",
    "identifier",
    "now_of",
    "tell",
    "through",
    "watermarks",
]

log = logging.getLogger("vedette")


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that came in: its rows, for which version, and where from (``identifier``, ``number``)."""

    version: str
    rows: pl.DataFrame
    identifier: str
    number: int


@dataclass(slots=True)
class Decided:
    """What became of the sequences of one producer's stream since its last ledger row."""

    through: int
    seen: int = 0
    whole: int = 0
    torn: int = 0
    void: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Arrivals:
    """What the journals hold beyond the watermarks."""

    predictions: pl.DataFrame
    labels: pl.DataFrame
    references: list[Reference]
    settings: Settings | None
    version: str | None
    decided: dict[tuple[str, str], Decided]  # by (producer, stream or batch/stream)
    changes: list[dict[str, str]]  # schema events
    folders: list[ProducerFolder]

    @property
    def empty(self) -> bool:
        """True where nothing came since the watermarks."""
        return not self.decided


def watermarks(tables: ModelTables, name: str, identifiers: Iterable[str]) -> dict[str, int]:
    """How far each producer's stream has come into the table ``name``."""
    table = tables[name]
    snapshot = table.snapshot()
    return {key: table.through(key, snapshot) for key in identifiers}


def columns_for(fields: Iterable[Field], schema: Mapping[str, pl.DataType]) -> dict[Field, str]:
    """The lake's column for each field: its own name for the first type it had, ``name__type`` for each further type."""
    names: dict[Field, str] = {}
    taken = dict(schema)
    for one in fields:
        kind = POLARS[one.physical]
        # Delta's columns differ by more than case: a feature that another producer spells otherwise is that feature
        folded = {known.casefold(): known for known in taken}
        name = base = folded.get(one.base.casefold(), one.base)
        if name in taken and taken[name] != kind:
            name = f"{base}__{one.physical.value}"
        taken[name] = kind
        names[one] = name
    return names


def _times(seconds: np.ndarray, name: str) -> pl.Series:
    return (
        pl.Series(name, np.round(seconds * 1e6).astype(np.int64))
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
    )


def _series(name: str, one: Field, values: Any, present: np.ndarray) -> pl.Series:
    if one.physical in (Physical.TEXT, Physical.BYTES):
        column = pl.Series(name, list(values), dtype=POLARS[one.physical])
    elif one.physical is Physical.TIMESTAMP:
        column = pl.Series(name, values).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    else:
        column = pl.Series(name, values).cast(POLARS[one.physical])
    if present.all():
        return column
    return pl.select(pl.when(pl.Series(present)).then(column).alias(name)).to_series()


def _frame(chunk: Chunk, producer: str, stream: str, names: Mapping[Field, str]) -> pl.DataFrame:
    columns = [
        pl.Series("id", list(chunk.ids), dtype=pl.String),
        _times(chunk.time, "time"),
        _times(chunk.received, "received"),
        *(_series(names[one], one, *chunk.columns[one]) for one in chunk.fields if one in chunk.columns),
        pl.Series("_sequence", chunk.sequence, dtype=pl.Int64),
    ]
    frame = pl.DataFrame(columns).with_columns(pl.lit(producer).alias("_producer"))
    return frame.with_columns(pl.lit(chunk.version).alias("version")) if stream == "predictions" else frame


def _align(frames: Sequence[pl.DataFrame], empty: Mapping[str, pl.DataType]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame(schema=dict(empty))
    return pl.concat(frames, how="diagonal")


def collect(lake: Lake, model: str, after: Mapping[str, int]) -> Arrivals:
    """Read the journals of a model beyond ``after`` (by producer/stream; 0 where it has none)."""
    tables = lake.model(model)
    schemas = {stream: dict(tables[stream].columns()) for stream in STREAMS}
    known = {stream: set(schemas[stream]) for stream in STREAMS}
    frames: dict[str, list[pl.DataFrame]] = {stream: [] for stream in STREAMS}
    decided: dict[tuple[str, str], Decided] = {}
    references: list[Reference] = []
    changes: list[dict[str, str]] = []
    settings: Settings | None = None
    version: str | None = None
    folders = producers(lake.journal, model)

    def place(stream: str, fields: Sequence[Field], of_version: str) -> dict[Field, str]:
        names = columns_for(fields, schemas[stream])
        for one, name in names.items():
            if name not in schemas[stream]:
                schemas[stream][name] = POLARS[one.physical]
                first = base_of(name) == name
                if first and not known[stream] - set(_FIXED[stream]):
                    continue  # the first rows of a model: its schema, no change of it
                kind = "column_appeared" if first else "type_changed"
                changes.append(
                    {
                        "kind": kind,
                        "name": one.base,
                        "version": of_version,
                        "detail": json.dumps({"type": one.physical.value}),
                    }
                )
        return names

    for folder in folders:
        for stream in STREAMS:
            start = after.get(identifier(folder.name, stream), 0)
            for chunk in folder.read(stream, start):
                if stream == "predictions":  # a process that only labels knows nothing of the rest
                    settings, version = chunk.settings, chunk.version
                entry = decided.setdefault((folder.name, stream), Decided(through=start))
                entry.seen += chunk.next - 1 - entry.through
                entry.through = chunk.next - 1
                entry.torn += chunk.torn
                for reason, count in chunk.void.items():
                    entry.void[reason] = entry.void.get(reason, 0) + count
                entry.whole += len(chunk.sequence)
                if len(chunk.sequence):
                    names = place(stream, chunk.fields, chunk.version)
                    frames[stream].append(_frame(chunk, folder.name, stream, names))
                    for one, count in chunk.absent.items():
                        if count == len(chunk.sequence) and one.base in known[stream]:
                            changes.append(
                                {
                                    "kind": "column_vanished",
                                    "name": one.base,
                                    "version": chunk.version,
                                    "detail": "{}",
                                }
                            )
            if (folder.name, stream) in decided and decided[folder.name, stream].through == start:
                del decided[folder.name, stream]
        begin = after.get(identifier(folder.name, "batch"), 0)
        for batch in folder.batches(begin):
            key = (folder.name, f"batch/{batch.stream}")
            try:
                rows = pl.read_ipc(batch.path.read_bytes())
            except FileNotFoundError:
                continue  # freed meanwhile: the reader sees that the lake has moved on, and reads again
            except (OSError, pl.exceptions.PolarsError) as error:
                log.error(
                    "batch %s cannot be read, its %d rows are torn: %s", batch.path, batch.n_rows, error
                )
                rows = None
            entry = decided.setdefault(key, Decided(through=begin))
            entry.through = batch.number
            entry.seen += batch.n_rows
            if rows is None:
                entry.torn += batch.n_rows
                continue
            of_version, said = rows["version"][0], settings_from(rows["_settings"][0])
            rows = rows.drop("_settings")
            if batch.stream != "labels":
                settings = said
                version = of_version
            if batch.stream == "reference":
                references.append(
                    Reference(
                        of_version, rows.drop("version"), identifier(folder.name, "batch"), batch.number
                    )
                )
                entry.whole += rows.height
                continue
            renamed = {
                one.base: name for one, name in place(batch.stream, fields_of(rows), of_version).items()
            }
            entry.whole += rows.height
            rows = rows.with_columns(
                [pl.col(c).cast(pl.Decimal(20, 0)) for c, kind in rows.schema.items() if kind == pl.UInt64]
            )
            if batch.stream == "labels":
                rows = rows.drop("version")
            frames[batch.stream].append(
                rows.rename({base: name for base, name in renamed.items() if base != name}).with_columns(
                    pl.lit(identifier(folder.name, "batch")).alias("_producer"),
                    (pl.int_range(pl.len(), dtype=pl.Int64) + (batch.number << ROW_BITS)).alias("_sequence"),
                )
            )
    return Arrivals(
        predictions=_align(frames["predictions"], schemas["predictions"]),
        labels=_align(frames["labels"], schemas["labels"]),
        references=references,
        settings=settings,
        version=version,
        decided=decided,
        changes=_distinct(changes),
        folders=folders,
    )


_FIXED = {
    "predictions": ("version", "id", "time", "received", "_producer", "_sequence"),
    "labels": ("id", "time", "received", "_producer", "_sequence"),
}


def _distinct(changes: list[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(items) for items in dict.fromkeys(tuple(change.items()) for change in changes)]


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
