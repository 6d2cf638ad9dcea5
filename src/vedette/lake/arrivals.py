"""What the journals hold beyond given watermarks, as frames in the lake's columns: the ingester's and the readers' view."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.journal import Chunk
from vedette.capture.lost import Lost
from vedette.errors import JournalError
from vedette.lake.events import merged, settings_from, settings_json
from vedette.lake.forgotten import Tombstones, tombstones
from vedette.lake.frames import POLARS, fields_of
from vedette.lake.outcomes import ROW_BITS, STREAMS, batch_lost, identifier
from vedette.lake.producer import Producer, ProducerBatch, passing
from vedette.lake.received import ReceivedFolder
from vedette.lake.rows import base_of
from vedette.lake.sources import sources
from vedette.lake.tables import Lake
from vedette.records import Field, Physical, Settings

__all__ = ["Arrivals", "Decided", "Reference", "collect"]

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
    """How far one producer's stream has come, and what was lost on the way; the rest are rows."""

    through: int
    lost: list[Lost] = field(default_factory=list)


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
    folders: list[Producer]
    after: Mapping[str, int]  # the watermarks beyond which was read, by producer/stream
    forgotten: Mapping[str, pl.DataFrame] = field(default_factory=dict)  # rows with a tombstone, by stream

    @property
    def empty(self) -> bool:
        """True where nothing came since the watermarks."""
        return not self.decided


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
    elif one.length:
        column = pl.Series(name, values).arr.to_list()
    else:
        column = pl.Series(name, values).cast(POLARS[one.physical])
    if present.all():
        return column
    return pl.select(pl.when(pl.Series(present)).then(column).alias(name)).to_series()


def _frame(chunk: Chunk, producer: str, stream: str, names: Mapping[Field, str]) -> pl.DataFrame:
    columns = {
        "id": pl.Series("id", list(chunk.ids), dtype=pl.String),
        "time": _times(chunk.time, "time"),
        "received": _times(chunk.received, "received"),
    }
    for one in chunk.fields:
        if one in chunk.columns:
            name = names[one]
            column = _series(name, one, *chunk.columns[one])
            # vectors of several lengths are one column of the lake; a row has one of them at most
            columns[name] = (
                pl.select(pl.coalesce(columns[name], column)).to_series() if name in columns else column
            )
    columns["_sequence"] = pl.Series("_sequence", chunk.sequence, dtype=pl.Int64)
    frame = pl.DataFrame(list(columns.values())).with_columns(pl.lit(producer).alias("_producer"))
    return frame.with_columns(pl.lit(chunk.version).alias("version")) if stream == "predictions" else frame


def _align(frames: Sequence[pl.DataFrame], empty: Mapping[str, pl.DataType]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame(schema=dict(empty))
    return pl.concat(frames, how="diagonal")


_FIXED = {
    "predictions": ("version", "id", "time", "received", "_producer", "_sequence"),
    "labels": ("id", "time", "received", "_producer", "_sequence"),
}


class _Passing(Exception):  # noqa: N818 - it tells a loop to go on with the next producer, and leaves this module never
    """Rows that the machine cannot read or hold now, of which nothing is decided."""


class _Collector:
    """Gathers the rows of one model's journals; columns are placed by the lake's schema as it grows."""

    def __init__(self, lake: Lake, model: str) -> None:
        tables = lake.model(model)
        self.schemas = {stream: dict(tables[stream].columns()) for stream in STREAMS}
        self.known = {stream: set(self.schemas[stream]) for stream in STREAMS}
        self.frames: dict[str, list[pl.DataFrame]] = {stream: [] for stream in STREAMS}
        self.decided: dict[tuple[str, str], Decided] = {}
        self.references: list[Reference] = []
        self.changes: list[dict[str, str]] = []
        self.settings: Settings | None = None
        self.version: str | None = None

    def place(self, stream: str, fields: Sequence[Field], version: str) -> dict[Field, str]:
        """The lake's column of each field; a new one is an event, but for the first rows of a model."""
        schema = self.schemas[stream]
        names = columns_for(fields, schema)
        for one, name in names.items():
            if name not in schema:
                schema[name] = POLARS[one.physical]
                first = base_of(name) == name
                if not first or self.known[stream] - set(_FIXED[stream]):
                    kind = "column_appeared" if first else "type_changed"
                    self._change(kind, one.base, version, {"type": one.physical.value})
        return names

    def _change(self, kind: str, name: str, version: str, detail: Mapping[str, str]) -> None:
        self.changes.append({"kind": kind, "name": name, "version": version, "detail": json.dumps(detail)})

    def _say(self, settings: Settings, version: str) -> None:
        """What a producer said of the model: what another one gave, and this one did not, holds on."""
        known = None if self.settings is None else settings_json(self.settings)
        self.settings, self.version = merged(known, settings), version

    @contextmanager
    def _or_torn(
        self, folder: Producer, kind: str, begin: int, through: int, lost: Callable[[str], list[Lost]]
    ) -> Iterator[None]:
        """Undo what is done within where it fails, and count the rows as torn: of what a server received alone.

        What is in a journal was written by this package. What was sent was checked, and yet must not stop the rounds of its
        model for ever: the log says what could not be taken, and why. ``lost`` are its rows, for a reason. Where it is the
        machine that fails, of whomever they are, ``_Passing`` ends what is taken of this producer: they are not lost.
        """
        key, stream = (folder.name, kind), kind.removeprefix("batch/")
        entry = self.decided.get(key)
        decided = None if entry is None else Decided(entry.through, list(entry.lost))
        schema, said = dict(self.schemas.get(stream, {})), (self.settings, self.version)
        kept = {id(one): len(one) for one in self._lists(stream)}
        try:
            yield
        except Exception as error:
            stop = passing(error)
            if not stop and not isinstance(folder, ReceivedFolder):
                raise
            if stream in self.schemas:
                self.schemas[stream] = schema
            self.settings, self.version = said
            for one in self._lists(stream):
                del one[kept[id(one)] :]
            if stop:
                self.decided.pop(key, None)
                if decided is not None:
                    self.decided[key] = decided
                raise _Passing(f"{kind} up to number {through}: {error!r}") from error
            log.exception("what %s sent cannot be taken: %s up to number %d", folder.name, kind, through)
            entry = self.decided[key] = decided or Decided(through=begin)
            entry.through = through
            entry.lost += lost(f"cannot be made rows: {type(error).__name__}")

    def _lists(self, stream: str) -> list[list[Any]]:
        """What grows with what comes of a stream."""
        found: list[list[Any]] = [self.changes, self.references]
        if stream in self.frames:
            found.append(self.frames[stream])
        return found

    def take(self, folder: Producer, stream: str, chunk: Chunk, start: int) -> None:
        """The rows of one segment, and what became of its other slots."""
        torn = partial(_torn_rows, chunk)
        with self._or_torn(folder, stream, start, chunk.next - 1, torn):
            self._take_chunk(folder.name, stream, chunk, start)

    def take_batch(self, folder: Producer, batch: ProducerBatch, begin: int) -> None:
        """The rows of one batch; of one that cannot be read all are torn."""
        torn = partial(batch_lost, batch, None)
        with self._or_torn(folder, f"batch/{batch.stream}", begin, batch.number, torn):
            self._take_batch(folder.name, batch, begin)

    def take_all(self, folder: Producer, after: Mapping[str, int]) -> None:
        """All that a producer has beyond the watermarks."""
        for stream in STREAMS:
            start = after.get(identifier(folder.name, stream), 0)
            for chunk in folder.read(stream, start):
                self.take(folder, stream, chunk, start)
            entry = self.decided.get((folder.name, stream))
            if entry is not None and entry.through == start:
                del self.decided[folder.name, stream]
        begin = after.get(identifier(folder.name, "batch"), 0)
        for batch in folder.batches(begin):
            self.take_batch(folder, batch, begin)

    def _take_chunk(self, producer: str, stream: str, chunk: Chunk, start: int) -> None:
        if stream == "predictions":  # a process that only labels knows nothing of the rest
            self._say(chunk.settings, chunk.version)
        entry = self.decided.setdefault((producer, stream), Decided(through=start))
        entry.through = chunk.next - 1
        entry.lost += chunk.lost
        if not len(chunk.sequence):
            return
        names = self.place(stream, chunk.fields, chunk.version)
        self.frames[stream].append(_frame(chunk, producer, stream, names))
        for one, count in chunk.absent.items():
            if count == len(chunk.sequence) and one.base in self.known[stream]:
                self._change("column_vanished", one.base, chunk.version, {})

    def _take_batch(self, producer: str, batch: ProducerBatch, begin: int) -> None:
        try:
            rows = pl.read_ipc(batch.read())
        except FileNotFoundError:
            return  # freed meanwhile: the reader sees that the lake has moved on, and reads again
        except (OSError, JournalError, pl.exceptions.PolarsError) as error:
            if passing(error):
                raise
            log.error("batch %s cannot be read, its %d rows are torn: %s", batch.path, batch.n_rows, error)
            rows, said = None, str(error)
        entry = self.decided.setdefault((producer, f"batch/{batch.stream}"), Decided(through=begin))
        entry.through = batch.number
        if rows is None:
            entry.lost += batch_lost(batch, None, said)
            return
        entry.lost += batch_lost(batch, rows.height)
        version = str(rows["version"][0])
        if batch.stream != "labels":
            self._say(settings_from(rows["_settings"][0]), version)
        rows, source = rows.drop("_settings"), identifier(producer, "batch")
        if batch.stream == "reference":
            self.references.append(Reference(version, rows.drop("version"), source, batch.number))
            return
        names = {one.base: name for one, name in self.place(batch.stream, fields_of(rows), version).items()}
        unsigned = [name for name, kind in rows.schema.items() if kind == pl.UInt64]
        rows = rows.with_columns([pl.col(name).cast(pl.Decimal(20, 0)) for name in unsigned])
        if batch.stream == "labels":
            rows = rows.drop("version")
        self.frames[batch.stream].append(
            rows.rename({base: name for base, name in names.items() if base != name}).with_columns(
                pl.lit(source).alias("_producer"),
                (pl.int_range(pl.len(), dtype=pl.Int64) + (batch.number << ROW_BITS)).alias("_sequence"),
            )
        )


def _torn_rows(chunk: Chunk, reason: str) -> list[Lost]:
    """What is lost of a chunk, and its rows as torn, a run for those that follow one another."""
    found: list[Lost] = []
    for number, when in zip(chunk.sequence.tolist(), chunk.time.tolist(), strict=True):
        if found and found[-1].last + 1 == number:
            found[-1] = Lost(found[-1].first, number, "torn", reason, found[-1].time)
        else:
            found.append(Lost(number, number, "torn", reason, when if 0 <= when < 2.5e11 else 0.0))
    return [*chunk.lost, *found]


def collect(
    lake: Lake, model: str, after: Mapping[str, int], folders: Sequence[Producer] | None = None
) -> Arrivals:
    """Read the journals of a model beyond ``after`` (by producer/stream; 0 where it has none).

    ``folders`` are the producers of which ``after`` tells, by default all: one that comes to be known in between, and was
    known before, must not be read from its beginning.
    """
    found = _Collector(lake, model)
    folders = sources(lake, model) if folders is None else list(folders)
    for folder in folders:
        try:
            found.take_all(folder, after)
        except _Passing as error:
            log.error("what %s has is left for the next round: %s", folder.name, error)
            folder.problems.append(f"cannot be taken now: {error}")
    kept = {stream: _align(found.frames[stream], found.schemas[stream]) for stream in STREAMS}
    stones = tombstones(lake, model)
    kept, forgotten = _without(stones, kept) if stones else (kept, {})
    return Arrivals(
        predictions=kept["predictions"],
        labels=kept["labels"],
        references=[_of_others(stones, one) for one in found.references] if stones else found.references,
        settings=found.settings,
        version=found.version,
        decided=found.decided,
        changes=_distinct(found.changes),
        folders=folders,
        after=after,
        forgotten=forgotten,
    )


def _without(
    stones: Tombstones, frames: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """The rows that may come in, and those that have a tombstone; a label goes with its prediction."""
    kept = dict(frames)
    gone: dict[str, pl.DataFrame] = {}
    for stream, frame in frames.items():
        condition = stones.condition(stream, frame) if frame.height else None
        ids = gone["predictions"]["id"].drop_nulls() if stream == "labels" and "predictions" in gone else None
        if ids is not None and frame.height:
            own = ids.filter(
                ~ids.is_in(kept["predictions"]["id"].drop_nulls().implode())
            )  # and of no row that stays
            of_gone = pl.col("id").is_in(own.implode()).fill_null(False)
            condition = of_gone if condition is None else condition | of_gone
        if condition is not None:
            kept[stream] = frame.filter(~condition)
            gone[stream] = frame.filter(condition).select("id", "time", "_producer", "_sequence")
    return kept, gone


def _of_others(stones: Tombstones, one: Reference) -> Reference:
    """A reference without the rows that have a tombstone."""
    condition = stones.condition("predictions", one.rows)
    return one if condition is None else replace(one, rows=one.rows.filter(~condition))


def _distinct(changes: list[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(items) for items in dict.fromkeys(tuple(change.items()) for change in changes)]
