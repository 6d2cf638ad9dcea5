"""The Delta tables of a model, and the one way to append to them.

Every append carries Delta transaction identifiers (producer, sequence), compared *before* the commit, since
delta-rs accepts the same version twice; and is synced to the disk before a journal may be freed, since delta-rs
does not sync. One process writes a lake at a time (``locks.py``), so that the comparison cannot be raced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import polars as pl
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from vedette.config import lake_folder
from vedette.errors import LakeError
from vedette.lake.types import UTC
from vedette.records import check_model_name, is_model_name, is_runs

__all__ = ["SCHEMAS", "UTC", "Lake", "ModelTables", "Table"]

SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    # a column for each feature, prediction, probability and latency comes with the rows
    "predictions": {
        "version": pl.String(),
        "id": pl.String(),
        "time": UTC,
        "received": UTC,
        "_producer": pl.String(),
        "_sequence": pl.Int64(),
    },
    # append-only, joined when read; the column `label` comes with the rows
    "labels": {
        "id": pl.String(),
        "time": UTC,
        "received": UTC,
        "_producer": pl.String(),
        "_sequence": pl.Int64(),
    },
    # curves of training runs; a column for each metric comes with the rows
    "points": {
        "run": pl.String(),
        "step": pl.Int64(),
        "time": UTC,
        "_producer": pl.String(),
        "_sequence": pl.Int64(),
    },
    # what happened: settings, schema changes, references; `detail` is JSON
    "events": {
        "time": UTC,
        "kind": pl.String(),
        "name": pl.String(),
        "version": pl.String(),
        "detail": pl.String(),
    },
    # the frozen cells that summaries count in; the newest row of a column is the one in force
    "grids": {
        "grid": pl.String(),
        "column": pl.String(),
        "kind": pl.String(),
        "created": UTC,
        "source": pl.String(),  # name of the reference whose pilot cut it; null: rows that came without one
        "definition": pl.String(),
    },
    # increments: what one arrival added to one window, as known from one window on; figures are their sums
    "summaries": {
        "version": pl.String(),
        "part": pl.String(),  # live, joined, reference, rehearsal (it by stretches of its time), leaves (by leaf), or training
        "column": pl.String(),
        "segment": pl.String(),  # empty: all rows
        "grid": pl.String(),
        "start": UTC,  # of the event window
        "known": UTC,  # start of the window in which it came to be known
        "arrival": pl.Int64(),  # number of the ingest cycle that added it
        "weight": pl.Float64(),  # rows that each of its rows stands for: one over the probability with which it was kept
        "rows": pl.Int64(),
        "missing": pl.Int64(),
        "nan": pl.Int64(),
        "inf": pl.Int64(),
        "total": pl.Float64(),
        "squares": pl.Float64(),
        "cubes": pl.Float64(),
        "fourths": pl.Float64(),
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "counts": pl.List(pl.Int64()),
        "sums": pl.List(pl.Float64()),
        "hashes": pl.Binary(),  # the smallest of the distinct values, 8 bytes each
    },
    # one row: the detectors' state, its watermark and the verdicts it led to
    "state": {
        "step": pl.Int64(),
        "reference": pl.String(),  # name of the event that told of it
        "origin": pl.Int64(),  # arrivals up to this one came before the reference: never judged
        "arrival": pl.Int64(),  # arrivals up to this one, and
        "known": UTC,  # knowledge windows up to the one that starts here, were judged
        "due": UTC,  # when the next window closes if nothing more comes; null: nothing waits
        "version": pl.String(),
        "block": pl.Binary(),
        "verdicts": pl.String(),
        "changes": pl.String(),
        "rules": pl.String(),  # where the plain rules stand
        "guarantee": pl.String(),  # what was found of dependence, in lines of words
        "series": pl.Binary(),  # where the series stand
    },
    # history of verdicts: a row for each change
    "verdicts": {
        "step": pl.Int64(),
        "time": UTC,
        "version": pl.String(),
        "watch": pl.String(),
        "segment": pl.String(),
        "verdict": pl.String(),
        "since": UTC,
        "evidence": pl.String(),
        "guarantee": pl.String(),
        "reason": pl.String(),
    },
    # history of alerts: a row for each step of each; an alert is the last of its rows
    "alerts": {
        "step": pl.Int64(),
        "time": UTC,
        "alert": pl.String(),
        "incident": pl.String(),
        "watch": pl.String(),
        "segment": pl.String(),
        "state": pl.String(),  # pending, firing, acknowledged, silenced or resolved
        "opened": UTC,  # start of the window that told
        "closed": UTC,  # end of the window that closed it
        "evidence": pl.String(),
        "by": pl.String(),  # who, where it was a person
        "reason": pl.String(),
        "until": UTC,  # of a silence
    },
    # what was told of alerts: a row for each notice that was made, and for each attempt to send it
    "deliveries": {
        "number": pl.Int64(),  # of the row, from 1
        "time": UTC,
        "channel": pl.String(),
        "outcome": pl.String(),  # waiting, sent, failed, dropped, held or counting; of the channel itself: started or stopped
        "key": pl.String(),  # of the notice; the same for all its rows
        "kind": pl.String(),  # alerts, repeat, renewal, heartbeat, or escalation and the seconds of its level
        "incident": pl.String(),
        "version": pl.String(),
        "steps": pl.List(pl.Int64()),  # steps of the table alerts that it tells
        "attempt": pl.Int64(),
        "error": pl.String(),
        "next": UTC,  # when a failed one is tried again
        "detail": pl.String(),  # what a receiver answered; of a channel that started: its settings without secrets
    },
    # of the lake as a whole: the maintenances that people made, and put an end to; the newest row of one is the one in force
    "maintenance": {
        "time": UTC,
        "id": pl.String(),
        "change": pl.String(),  # made or ended
        "by": pl.String(),
        "definition": pl.String(),  # JSON, as a table of vedette.toml
    },
    # of the lake as a whole: the changes of the channels that people set on a server; the newest of a name is in force
    "channels": {
        "number": pl.Int64(),  # counts them from 1
        "time": UTC,
        "name": pl.String(),
        "change": pl.String(),  # added, changed, removed or undone
        "by": pl.String(),
        "reason": pl.String(),
        "before": pl.String(),  # JSON, as a table of vedette.toml, without secrets; null for no channel
        "after": pl.String(),
    },
    # what became of rows, committed last in each round: sums of `n` are the ledger
    "ledger": {
        "time": UTC,
        "producer": pl.String(),
        "stream": pl.String(),  # predictions, labels; batch/predictions and so on for rows of batches
        "window": UTC,  # start of the event window; null for a reference
        "window_s": pl.Float64(),  # its length; from 1970 on for windows that a producer counted as one
        "part": pl.String(),  # in_lake, torn, void, dropped, sampled_out, rejected or forgotten
        "reason": pl.String(),
        "n": pl.Int64(),  # rows that this round adds
        "first": pl.Int64(),  # of torn and void ones: the sequences between which they lie
        "last": pl.Int64(),
        "through": pl.Int64(),  # the last sequence (or batch) that is decided; null for what producers counted
        "newest": UTC,  # the latest receipt among the rows of this round
    },
}

_DELTA_TYPES: dict[pl.DataType, str] = {
    pl.String(): "string",
    UTC: "timestamp",
    pl.Int64(): "long",
    pl.Float64(): "double",
    pl.Binary(): "binary",
    pl.List(pl.Int64()): "array of long",
    pl.List(pl.Float64()): "array of double",
}


def _delta_type(kind: Any) -> str:
    """The name of a Delta type."""
    inner = getattr(kind, "element_type", None)
    return f"array of {inner.type}" if inner is not None else str(kind.type)


_CONFIGURATION = {
    # an append's cost follows files times columns with statistics: keep them to the columns that queries skip by
    "delta.dataSkippingStatsColumns": "time",
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 2 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
_STATISTICS_COLUMNS = {
    "summaries": "version,part,column,start,known,arrival",
    "state": "step",
    "ledger": "window",
    "grids": "grid",
    "points": "run,step",
}
_VACUUMED = ("state", "deliveries")  # tables that are replaced as a whole, now and then or always
_VACUUM_EVERY = 50  # commits to such a table between two sweeps of its dead files


def _writer_of_points(schema: Mapping[str, Any]) -> WriterProperties:
    """How points are written: a float's bytes apart by place, since noise fills but the middle ones of each; steps and
    times as differences. Nothing is lost by it, and a point takes two thirds of the room."""
    try:
        floats = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")
        rising = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    except TypeError:  # an older delta-rs chooses for itself
        floats = rising = ColumnProperties(dictionary_enabled=False)
    columns = {name: floats for name, kind in schema.items() if kind == pl.Float64}
    columns |= dict.fromkeys(("step", "time", "_sequence"), rising)
    return WriterProperties(compression="ZSTD", compression_level=3, column_properties=columns)


@dataclass(frozen=True)
class Table:
    """One Delta table of a model. ``opened`` keeps what was opened, by name, until this process writes to it."""

    name: str
    path: Path
    opened: dict[str, DeltaTable] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _writer(self) -> WriterProperties:
        return WriterProperties(compression="ZSTD", compression_level=3)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns that the table has from the start."""
        return SCHEMAS[self.name]

    def snapshot(self) -> DeltaTable | None:
        """The table as it was when first asked for (or last written here), None where it was never written to."""
        if self.name in self.opened:
            return self.opened[self.name]
        if not (self.path / "_delta_log").is_dir():
            return None
        try:
            found = DeltaTable(self.path)
            self._check_layout(found)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise LakeError(f"table {self.path}: cannot be read: {error}") from error
        self.opened[self.name] = found
        return found

    def _check_layout(self, table: DeltaTable) -> None:
        """Raise ``LakeError`` where the table is not laid out as this version reads and writes it."""
        there = {one.name: _delta_type(one.type) for one in table.schema().fields}
        for name, kind in SCHEMAS[self.name].items():
            wanted = _DELTA_TYPES[kind]
            if there.get(name) != wanted:
                has = f"is of type {there[name]} and not {wanted}" if name in there else "is missing"
                raise LakeError(
                    f"table {self.path}: the column {name!r} {has}: the lake was written by another version of vedette; "
                    "use it with that version, or give this one a lake of its own (lake=...)"
                )

    def moved_on(self, snapshot: DeltaTable | None) -> bool:
        """True where the table has commits beyond a snapshot of it (None: one from before the first)."""
        return self.beyond(-1 if snapshot is None else snapshot.version())

    def beyond(self, version: int) -> bool:
        """True where there are commits beyond a version (-1: none yet): one look for a file, nothing is opened."""
        return (self.path / "_delta_log" / f"{version + 1:020d}.json").exists()

    def scan(self, snapshot: DeltaTable | None = None) -> pl.LazyFrame:
        """The rows of a snapshot (default: the newest); an empty frame of the right schema where there are none."""
        table = snapshot if snapshot is not None else self.snapshot()
        if table is None or not table.file_uris():
            return pl.LazyFrame(schema=SCHEMAS[self.name])
        if quote(str(self.path)) == str(self.path):
            return pl.scan_delta(table)
        # Polars takes Delta's percent-encoded locations for names of files: it finds none where the encoding is another
        files = [self.path / unquote(urlsplit(one).path).rpartition("/")[2] for one in table.file_uris()]
        schema = pl.scan_delta(table).collect_schema()
        return pl.scan_parquet(files, schema=schema, missing_columns="insert", glob=False)

    def columns(self, snapshot: DeltaTable | None = None) -> pl.Schema:
        """Names and types of the columns that the table has now."""
        table = snapshot if snapshot is not None else self.snapshot()
        if table is None:
            return pl.Schema(SCHEMAS[self.name])
        return pl.scan_delta(table).collect_schema()

    def through(self, identifier: str, snapshot: DeltaTable | None = None) -> int:
        """The sequence up to which the rows of a producer are in the table; 0 where it has none."""
        table = snapshot if snapshot is not None else self.snapshot()
        version = None if table is None else table.transaction_version(identifier)
        return 0 if version is None else int(version)

    def write(self, frame: pl.DataFrame, through: Mapping[str, int], *, replace: bool = False) -> bool:
        """Append (or replace all) rows once: False, and nothing written, where every ``through`` is there already.

        The caller holds the lake's lock. Some of the identifiers being there and some not is a mistake of ours: rows
        are taken from each producer's own watermark.
        """
        snapshot = self.snapshot()
        present = [self.through(identifier, snapshot) >= number for identifier, number in through.items()]
        if through and all(present):
            return False
        assert not any(present), f"{self.path}: {dict(through)} is there in part"
        schema = SCHEMAS[self.name]
        extra = {name: kind for name, kind in frame.schema.items() if name not in schema}
        frame = frame.select(
            [
                pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
                for name, kind in schema.items()
            ]
            + [pl.col(name) for name in extra]
        )
        statistics = _STATISTICS_COLUMNS.get(self.name)
        try:
            self.path.mkdir(parents=True, exist_ok=True)  # delta-rs before 1.2 panics where it cannot
            write_deltalake(
                self.path,
                frame,
                mode="overwrite" if replace else "append",
                schema_mode=None if snapshot is None else "overwrite" if replace else "merge",
                configuration=None
                if snapshot is not None
                else {
                    **_CONFIGURATION,
                    **({"delta.dataSkippingStatsColumns": statistics} if statistics else {}),
                },
                commit_properties=CommitProperties(
                    app_transactions=[
                        Transaction(identifier, number) for identifier, number in through.items()
                    ]
                ),
                writer_properties=_writer_of_points(frame.schema) if self.name == "points" else self._writer,
            )
        except Exception as error:
            raise LakeError(f"table {self.path}: cannot be written: {error}") from error
        self.opened[self.name] = DeltaTable(self.path)
        self._sync(self.opened[self.name])
        return True

    def compact(self) -> None:
        """Make few files of many: those of rounds are small. The caller holds the lake's lock."""
        table = self.snapshot()
        if table is None:
            return
        writer = _writer_of_points(self.columns(table)) if self.name == "points" else self._writer
        try:
            table.optimize.compact(writer_properties=writer)
            self.opened[self.name] = DeltaTable(self.path)
            self._sync(self.opened[self.name])
            self.opened[self.name].vacuum(retention_hours=1, dry_run=False, enforce_retention_duration=False)
        except (DeltaError, OSError) as error:
            raise LakeError(f"table {self.path}: cannot be compacted: {error}") from error

    def sync(self) -> None:
        """Open the table anew, and bring its newest commit to the disk."""
        self.opened[self.name] = DeltaTable(self.path)
        self._sync(self.opened[self.name])

    def _sync(self, table: DeltaTable) -> None:
        """Bring the newest commit and the files it adds to the disk."""
        version = table.version()
        log = self.path / "_delta_log"
        entry = log / f"{version:020d}.json"
        paths = [entry, log, self.path]
        if version == 0:
            paths += [self.path.parent, self.path.parent.parent]
        for line in entry.read_text("utf-8").splitlines():
            added = json.loads(line).get("add")
            if added:
                paths.append(self.path / added["path"])
        for path in paths:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        if self.name in _VACUUMED and version % _VACUUM_EVERY == 0:
            table.vacuum(retention_hours=1, dry_run=False, enforce_retention_duration=False)


@dataclass(frozen=True)
class ModelTables:
    """The tables of one model, by name: ``tables["predictions"]``.

    One of these sees each table as it was when it was first asked for: make a new one to see what others wrote.
    """

    path: Path
    _opened: dict[str, DeltaTable] = field(default_factory=dict, compare=False, repr=False)

    def holding(self, stream: str) -> Table:
        """The table that keeps the rows of a stream: of training runs the predictions are points, the labels events."""
        of_runs = {"predictions": "points", "labels": "events"}
        return self[of_runs[stream] if is_runs(self.path.name) else stream]

    def __getitem__(self, name: str) -> Table:
        if name not in SCHEMAS:
            raise KeyError(f"table {name!r}: vedette has {', '.join(SCHEMAS)}")
        return Table(name, self.path / name, self._opened)


@dataclass(frozen=True)
class Lake:
    """A folder of models, each a folder of Delta tables; ``.journal`` in it holds what has not come in yet."""

    path: Path

    @classmethod
    def at(cls, location: str | Path) -> Lake:
        """The lake at a location; ``LakeError`` where this version cannot keep one there."""
        return cls(lake_folder(location))

    @property
    def journal(self) -> Path:
        """The folder of the journals."""
        return self.path / ".journal"

    def model(self, name: str) -> ModelTables:
        """The tables of a model."""
        return ModelTables(self.path / check_model_name(name))

    @property
    def maintenance(self) -> Table:
        """The maintenances that people made, of all models."""
        return Table("maintenance", self.path / ".alerting" / "maintenance")

    @property
    def channels(self) -> Table:
        """The changes of the channels that people set on a server."""
        return Table("channels", self.path / ".alerting" / "channels")

    def has(self, name: str) -> bool:
        """True where the lake or its journals know a model of that name."""
        return is_model_name(name) and any((folder / name).is_dir() for folder in (self.path, self.journal))

    def models(self) -> list[str]:
        """The models that the lake or its journals know, by name."""
        names: set[str] = set()
        for folder in (self.path, self.journal):
            if folder.is_dir():
                names |= {
                    entry.name
                    for entry in folder.iterdir()
                    if entry.is_dir() and not entry.name.startswith(".")
                }
        return sorted(filter(is_model_name, names))
