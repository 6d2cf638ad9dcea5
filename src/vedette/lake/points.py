"""Points of training runs: from the journals into tables exactly once, and read back with what the journals still hold.

The table ``points`` has a row for each step that was logged and a column for each metric; a metric that was not logged
at a step is null there, which is not NaN. A row shares its time and step among its metrics, so that a point takes
about the room of its value. The events of runs are rows of the table ``events``, with the run as name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from vedette.capture.metrics import column_of, metric_of
from vedette.capture.run_parts import MACHINE, metric_by_rank, part_of
from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.arrivals import Arrivals, collect
from vedette.lake.outcomes import identifier
from vedette.lake.sources import sources
from vedette.lake.tables import SCHEMAS, UTC, Lake, ModelTables
from vedette.records import DEPLOYMENT

__all__ = ["Kept", "append", "read"]

log = logging.getLogger("vedette")

_TRIES = 8
_COMPACT_EVERY = 64  # commits to the table of points
_KEYS = ("run", "step", "time")
_OWN = tuple(SCHEMAS["points"])
_EVENT_COLUMNS = {**SCHEMAS["events"], "_producer": pl.String(), "_sequence": pl.Int64()}
_OF_RUN = '{"step": '  # how the details of a run's events begin
_POINTS, _EVENTS = ("predictions", "batch"), ("labels",)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a model's runs as of one moment: ``points`` (run, step, time, a column a metric) and ``events``."""

    points: pl.LazyFrame
    events: pl.DataFrame

    @property
    def columns(self) -> list[str]:
        """The columns of the metrics, of all runs together."""
        return [name for name in self.points.collect_schema().names() if name not in _OWN]

    def metrics(self, run: str) -> list[str]:
        """The metrics of which a run, or one part of it, has any value, by name; not those of its other parts."""
        columns = self.columns
        if not columns:
            return []
        found = self.points.filter(pl.col("run") == run).select(pl.col(columns).is_not_null().any()).collect()
        return sorted(metric_of(name) for name in columns if found[name].item())

    def machine(self, run: str) -> list[str]:
        """The curves of the machine beside a run."""
        return self.metrics(f"{run}{MACHINE}")

    def curve(self, run: str, metric: str) -> pl.DataFrame:
        """The points of one metric of one run in order of steps: step, time, value; of a step that came twice the later.

        ``rank3/loss`` is the ``loss`` of the run's rank 3. What the training has not logged itself is that of the machine
        beside it.
        """
        frame = self.readings(run, metric)
        if not frame["step"].is_sorted():
            frame = frame.sort("step", maintain_order=True)  # by one key: a third of the time of two
        twice = (frame["step"] == frame["step"].shift(-1)).fill_null(value=False)
        if not twice.any():
            return frame
        return frame.sort("step", "time", maintain_order=True).filter(~twice)

    def readings(self, run: str, metric: str) -> pl.DataFrame:
        """The points of one metric of one run, as :meth:`curve` has them, but all those of a step, as they came."""
        rank, wanted = metric_by_rank(metric)
        part = part_of(run)._replace(rank=rank) if rank else part_of(run)
        wanted = column_of(wanted)
        column = next((one for one in self.columns if one.casefold() == wanted.casefold()), None)
        empty = pl.DataFrame(schema={"step": pl.Int64, "time": UTC, "value": pl.Float64})
        if column is None:
            return empty
        for name in dict.fromkeys((part.name, part._replace(machine=True).name)):
            rows = self.points.filter((pl.col("run") == name) & pl.col(column).is_not_null())
            frame = rows.select("step", "time", pl.col(column).alias("value")).collect()
            if frame.height:
                return frame
        return empty


def append(tables: ModelTables, arrivals: Arrivals) -> int:
    """Commit the rows and events of runs, each beyond its table's own watermark; returns the rows that came in."""
    marks = ingest.through(arrivals, _POINTS)
    old = ingest.watermarks(tables, "points", marks)
    new = {key: number for key, number in marks.items() if number > old[key]}
    if new:
        known = [name for name in tables["points"].columns() if name not in _OWN]
        rows = _wide(ingest.beyond(arrivals, "predictions", old), known)
        tables["points"].write(rows.sort(_KEYS, maintain_order=True), new)
        snapshot = tables["points"].snapshot()
        if snapshot is not None and snapshot.version() % _COMPACT_EVERY == _COMPACT_EVERY - 1:
            tables["points"].compact()
    marks = ingest.through(arrivals, _EVENTS)
    old = ingest.watermarks(tables, "events", marks)
    new = {key: number for key, number in marks.items() if number > old[key]}
    if new:
        tables["events"].write(_events(ingest.beyond(arrivals, "labels", old)), new)
    return arrivals.predictions.height + arrivals.labels.height


def read(lake: Lake, model: str) -> Kept:
    """The runs of a model (``<model>.run``) as they are now, with what the journals hold, each row once.

    Raises ``LakeError`` where an ingester commits faster than one can read.
    """
    for _ in range(_TRIES):
        tables = lake.model(model)
        points, events = tables["points"], tables["events"]
        seen = {table.name: table.snapshot() for table in (points, events)}
        folders = sources(lake, model)
        names = [folder.name for folder in folders]
        marks = {
            identifier(name, stream): table.through(identifier(name, stream), seen[table.name])
            for name in names
            for table, streams in ((points, _POINTS), (events, _EVENTS))
            for stream in streams
        }
        fresh = collect(lake, model, marks, folders)
        known = [name for name in points.columns(seen["points"]) if name not in _OWN]
        rows = _wide(fresh.predictions, known)
        # others of the table are of channels and settings
        of_runs = pl.col("detail").str.starts_with(_OF_RUN)
        old_events = events.scan(seen["events"]).filter(of_runs).select(list(SCHEMAS["events"])).collect()
        if not any(table.moved_on(seen[table.name]) for table in (points, events)):
            break
    else:
        raise LakeError(
            f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often"
        )
    every = pl.concat([old_events, _events(fresh.labels).select(list(SCHEMAS["events"]))])
    # deployments come this way, and are events of the model (``deployments.py``)
    said = every.filter(pl.col("kind") != DEPLOYMENT).sort("time", maintain_order=True)
    if seen["points"] is None:
        return Kept(rows.lazy(), said)
    scan = points.scan(seen["points"])
    return Kept(scan if rows.is_empty() else pl.concat([scan, rows.lazy()], how="diagonal_relaxed"), said)


def _wide(rows: pl.DataFrame, known: Sequence[str]) -> pl.DataFrame:
    """Rows of the journal as those of the table; a metric that another run spells with other letters' case is the same."""
    if rows.is_empty():
        return pl.DataFrame(schema=SCHEMAS["points"])
    folded = {name.casefold(): name for name in known}
    own = {"version", "id", "time", "received", "prediction", "_producer", "_sequence"}
    schema = rows.schema  # made anew each time it is asked for, which thousands of metrics would feel
    metrics = [name for name, kind in schema.items() if name not in own and kind == pl.Float64]
    return rows.select(
        pl.col("version").alias("run"),
        pl.col("prediction").cast(pl.Int64).alias("step"),
        "time",
        "_producer",
        "_sequence",
        *(pl.col(name).alias(folded.get(name.casefold(), name)) for name in metrics),
    )


def _events(labels: pl.DataFrame) -> pl.DataFrame:
    """Events as runs recorded them; what is no JSON of ours is left out and said."""
    if labels.is_empty():
        return pl.DataFrame(schema=_EVENT_COLUMNS)
    rows: list[dict[str, Any]] = []
    for name, time, text, producer, sequence in labels.select(
        "id", "time", "label", "_producer", "_sequence"
    ).iter_rows():
        try:
            row = _event(name, time, json.loads(text))
            rows.append({**row, "_producer": producer, "_sequence": sequence})
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            log.warning("run %s: an event is left out that cannot be read: %s", name, error)
    return pl.DataFrame(rows, schema=_EVENT_COLUMNS)


def _event(name: str, time: datetime, document: Mapping[str, Any]) -> dict[str, Any]:
    json.dumps(document, ensure_ascii=False).encode()  # halves of surrogate pairs are no text
    detail = json.dumps({"step": document["step"], "detail": document["detail"]})
    version = str(document["version"])
    return {"time": time, "kind": str(document["kind"]), "name": name, "version": version, "detail": detail}
