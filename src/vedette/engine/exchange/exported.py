"""Runs of a model into another system, through the mirrors of ``capture/mirrors``."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import polars as pl

from vedette.capture.metrics import metric_of
from vedette.capture.mirrors import About, Event, Row, check_address, losses, open_mirror, stored
from vedette.capture.mirrors.address import hide, shown
from vedette.engine.exchange import mirrored
from vedette.engine.exchange.difference import new_rows
from vedette.engine.exchange.found import Exchanged, ExchangedRun, FoundRun
from vedette.engine.exchange.imported import IMPORTED
from vedette.engine.run_records import RunRecord, records
from vedette.engine.runs import runs_of
from vedette.errors import DataError, ExchangeError, NotThereError, VedetteError
from vedette.lake.points import Kept, read
from vedette.lake.tables import Lake
from vedette.records import check_model_name

__all__ = ["export_runs"]

_ROWS = 20_000  # handed to a mirror at a time


def export_runs(
    kind: str,
    place: str,
    lake: str | Path | Lake,
    model: str,
    runs: Sequence[str] = (),
    now_s: float | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Exchanged:
    """Write runs of a model (default all) to a place: a folder for TensorBoard, ``URI#experiment`` for MLflow.

    Of a run that is there already, as a mirror that failed or an export that was cut off left it, what lacks is written.
    ``now_s`` is when it is told which runs still run, by default now.

    Raises ``ValueError`` for a kind that there is not, ``MissingExtraError`` without its package, ``LakeError`` and ``DataError``
    for a model or a run that the lake does not have, ``ExchangeError`` where the other system fails.
    """
    address = f"{kind}:{place}"
    check_address(address)
    at = lake if isinstance(lake, Lake) else Lake.at(lake)
    if not at.path.is_dir() or runs_of(check_model_name(model)) not in at.models():
        raise NotThereError(f"model={model!r}: has no runs in the lake {at.path}")
    kept = read(at, runs_of(model))
    known = records(kept, time.time() if now_s is None else now_s)
    missing = [name for name in runs if name not in known]
    if missing:
        raise DataError(f"run={missing[0]!r}: not there; runs are {', '.join(known) or 'none yet'}")
    result = Exchanged(kind, shown(place), model)
    names = list(dict.fromkeys(runs)) or list(known)
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        try:
            result.runs.append(_export(place, model, known[name], kept, result))
        except VedetteError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever another system's client raises
            raise ExchangeError(f"run {name}: {type(error).__name__}: {hide(str(error), address)}") from None
    return result


def _export(place: str, model: str, record: RunRecord, kept: Kept, result: Exchanged) -> ExchangedRun:
    started_s = 0.0 if record.started is None else record.started.timestamp()
    about = About(model, record.version, record.name, started_s)
    there = mirrored(result.kind, place, about)
    frame = kept.points.filter(pl.col("run") == record.name).sort("time", maintain_order=True).collect()
    columns = [one for one in kept.columns if one in frame.columns and frame[one].null_count() < frame.height]
    frame = frame.select("step", pl.col("time").dt.epoch("us"), *columns)
    n_points = n_new = sum(frame.height - frame[one].null_count() for one in columns)
    events = _events(record, kept)
    if there is not None:
        about = replace(about, resumed=True)
        frame, n_new = _lacking(result.kind, frame, there)
        known = {(one.kind, round(one.time_s * 1e6)) for one in there.events}
        events = [one for one in events if (one.kind, round(one.time_s * 1e6)) not in known]
        if not n_new and not events:
            return ExchangedRun(record.name, record.name, 0, 0, n_points, "it is there already")
    mirror = open_mirror(f"{result.kind}:{place}", about)
    try:
        rows: Iterator[Row | Event] = heapq.merge(_rows(frame), events, key=lambda one: one.time_s)
        while batch := list(islice(rows, _ROWS)):
            mirror.write(batch)
    finally:
        mirror.close()
    for column in frame.columns[2:]:
        result.leave_out(losses(result.kind, frame[column].drop_nulls().to_numpy()))
    return ExchangedRun(record.name, record.name, n_new, len(events), n_points - n_new)


def _lacking(kind: str, frame: pl.DataFrame, there: FoundRun) -> tuple[pl.DataFrame, int]:
    """The rows and values that the other side does not have, and how many values that is."""
    long = frame.with_row_index("_row").unpivot(
        index=["_row", "step", "time"], variable_name="column", value_name="value"
    )
    long = long.filter(pl.col("value").is_not_null())
    values, times = stored(kind, long["value"].to_numpy(), long["time"].to_numpy())
    ours = pl.DataFrame(
        {
            "metric": long["column"].replace_strict({one: metric_of(one) for one in frame.columns}),
            "step": long["step"],
            "time": pl.Series(times, dtype=pl.Int64),
            "value": pl.Series(values, dtype=pl.Float64),
        }
    )
    as_kept, _ = stored(kind, there.points["value"].to_numpy(), there.points["time"].to_numpy())
    theirs = there.points.with_columns(pl.Series("value", as_kept, dtype=pl.Float64))
    lacking = long[new_rows(ours, theirs, once=True)]
    if lacking.is_empty():
        return frame.clear(), 0
    wide = lacking.pivot(on="column", index=["_row", "step", "time"], values="value").sort("_row")
    return wide.drop("_row"), lacking.height


def _rows(frame: pl.DataFrame) -> Iterator[Row]:
    metrics = [metric_of(one) for one in frame.columns[2:]]
    for step, time_us, *values in frame.iter_rows():
        there = {one: value for one, value in zip(metrics, values, strict=True) if value is not None}
        yield Row(time_us / 1e6, step, there)


def _events(record: RunRecord, kept: Kept) -> list[Event]:
    """The events of a run in order of time; of one that was killed, which says nothing itself, that it was."""
    rows = kept.events.filter(pl.col("name") == record.name).select("time", "kind", "detail")
    found = []
    for when, kind, text in rows.iter_rows():
        said = json.loads(text)
        if kind != IMPORTED and "detail" in said:
            found.append(Event(when.timestamp(), int(said["step"]), kind, said["detail"]))
    if record.status == "killed" and record.ended is not None:
        detail = {"status": "killed", "reason": record.reason, "summary": {}}
        found.append(Event(record.ended.timestamp(), -1, "run_ended", detail))
    return sorted(found, key=lambda one: one.time_s)
