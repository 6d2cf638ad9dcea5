"""What normal looks like: a reference becomes grids, counts on them, and what the detectors need to know of its noise."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.outputs import own_columns, spread
from vedette.engine.segments_watched import names_of, tell_segments
from vedette.engine.stored import Increment, to_frame
from vedette.engine.summarise import (
    LABELLED,
    PILOT_ROWS,
    QUALITY,
    SCORES,
    Shape,
    by_segment,
    columns_of,
    grid_for,
    is_number,
    is_vector,
    labelled_column,
    summarise_levels,
    window_starts,
)
from vedette.lake.arrivals import Reference
from vedette.lake.classes import class_names
from vedette.lake.events import latest_reference
from vedette.lake.tables import UTC, ModelTables
from vedette.records import RESERVED, Settings
from vedette.statistics.counting_scores import scored_grid
from vedette.statistics.grid import DIRECTIONS, Grid, category_grid, numeric_grid, vector_grid

__all__ = ["NOISE_ROWS", "REHEARSAL", "take", "write_grids"]

NOISE_ROWS = 100_000
"""Rows at most, in order of time, from which the dependence of the reference is read."""


REHEARSAL = "rehearsal"
"""The part of the table ``summaries`` that has a reference's labelled rows by stretches of its time."""

STRETCHES, STRETCHES_MIN, PARTS = 200, 10, 30
STRETCH_ROWS = 100


def take(tables: ModelTables, reference: Reference, arrival: int, now: datetime) -> pl.DataFrame:
    """Put the grids of a reference in force and say that it came; returns its counts for the table ``summaries``.

    A column that has a grid keeps it, and all of its rows are counted; else the pilot cuts the grid and is left out.
    """
    digest = _digest(reference)
    if digest == _digest_in_force(tables):
        return to_frame(
            [], "reference", arrival
        )  # the same again, from a service that starts anew: nothing changes
    rows = reference.rows.sort("time", maintain_order=True).with_columns(
        pl.lit(reference.version).alias("version")
    )
    shape = Shape.of(tables)
    rows = spread(rows, shape.settings)
    name = f"{reference.identifier}/{reference.number}"
    ours = (
        tables["grids"].scan().filter(pl.col("source") == name).select("column").collect()["column"].to_list()
    )
    # a grid that was cut on whatever rows came before there was a reference gives way to one of the reference
    cut = tables["grids"].scan().sort("created", maintain_order=True).select("column", "source").collect()
    source = dict(cut.rows())  # of the newest grid of each column
    live = [column for column, by in source.items() if by is None and column not in ours]
    pilot = rows.head(min(PILOT_ROWS, rows.height // 5))
    made, found = [], []
    rest_of: dict[str, pl.DataFrame] = {}
    columns = columns_of(rows)
    outputs = {*RESERVED, *own_columns(shape.settings)}
    features = [name for name in columns if name not in outputs and not name.startswith("probability")]
    if "label" in rows.columns and "prediction" in rows.columns:
        columns.append(labelled_column(rows, shape.settings))
    grids = dict(shape.grids)
    columns += [f"{DIRECTIONS}{name}" for name in features]
    for column in columns:
        frame = rows
        if column not in grids or column in live:
            new = grid_for(column, pilot, shape.settings, rows)
            new = new or _blind(column, rows, shape.settings)
            if new is None:
                continue
            grids[column] = new
            made.append(new)
            ours.append(column)
        if column in ours:  # cut on this reference's pilot, now or in a round that was cut off
            frame = rows.slice(pilot.height)
        if column in LABELLED:
            frame = frame.filter(class_names(frame["label"]).is_not_null())
        rest_of[column] = frame
        found.append(_whole(column, "", frame, grids[column], reference.version))
    counted = scored_grid(grids[QUALITY], SCORES) if QUALITY in grids else None
    if counted is not None and grids.get(SCORES) != counted:
        made.append(counted)
    write_grids(tables, made, now, source=name)
    frames = {(column, ""): frame for column, frame in rest_of.items()}
    named = names_of(tables, shape, rows, now) if shape.settings.segments else []
    kept = tell_segments(tables, shape.segments, named, now, "reference")
    for column, frame in rest_of.items():
        if column.startswith(DIRECTIONS):
            continue
        for segment, some in by_segment(frame, shape.settings.segments, kept):
            if column != segment.partition("=")[0]:
                frames[column, segment] = some
    found += [
        _whole(*key, frame, grids[key[0]], reference.version) for key, frame in frames.items() if key[1]
    ]
    noise, findings = _noise(found, frames, grids, shape)
    _say(
        tables,
        digest,
        name,
        reference.version,
        features,
        rows.height,
        noise,
        findings,
        now,
    )
    told = to_frame(found, "reference", arrival)
    if counted is None or QUALITY not in rest_of:
        return told
    stretches = _stretches(rest_of[QUALITY], grids[QUALITY], reference.version, shape.window_us)
    return pl.concat([told, to_frame(stretches, REHEARSAL, arrival)])


def _stretches(frame: pl.DataFrame, grid: Grid, version: str, window_us: int) -> list[Increment]:
    """The labelled rows of a reference by stretches of its time, which estimates without labels are rehearsed on.

    They are the model's windows, as many joined as make no more than ``STRETCHES``; where there are not ten of those (rows
    without times), equal parts of the rows as they come, a hundred or more each. Fewer than ten are none.
    """
    _, window = np.unique(window_starts(frame["time"], window_us), return_inverse=True)
    n = int(window.max(initial=-1)) + 1
    if n < STRETCHES_MIN or frame.height < n * STRETCH_ROWS:
        n = min(frame.height // STRETCH_ROWS, PARTS)
        window = np.arange(frame.height) * n // max(frame.height, 1)
    if n < STRETCHES_MIN:
        return []
    joined = -(-n // STRETCHES)
    window, n = window // joined, -(-n // joined)
    summary = summarise_levels(frame, QUALITY, grid, window, n).effective
    first = np.asarray(frame["time"].dt.timestamp("us").min(), dtype=np.int64)
    order = first + np.arange(n)  # their order is all that is told of their times
    return [Increment(version, QUALITY, order, order, summary)]


def _whole(column: str, segment: str, frame: pl.DataFrame, grid: Grid, version: str) -> Increment:
    """The rows of a reference, or of a segment of it, as one window."""
    start = frame["time"].dt.timestamp("us").min() if frame.height else 0
    at = np.array([start], dtype=np.int64)
    summary = summarise_levels(frame, column, grid, np.zeros(frame.height, dtype=np.int64), 1).effective
    return Increment(version, column, at, at, summary, segment)


def _noise(
    found: Sequence[Increment],
    frames: Mapping[tuple[str, str], pl.DataFrame],
    grids: Mapping[str, Grid],
    shape: Shape,
) -> tuple[list[float], list[dict[str, Any]]]:
    """What the detectors need to know of the noise of each row of the plan that ``judge.reference_plan`` makes, and what
    the tests say of dependence.
    """
    in_order = sorted(found, key=lambda one: (one.segment, one.column))
    plan = strategy.plan({strategy.source_of(one.column, one.segment): one.summary for one in in_order}, "")
    batches, windows = {}, {}
    for (column, segment), frame in frames.items():
        rows, source = frame.head(NOISE_ROWS), strategy.source_of(column, segment)
        number, n_batches = strategy.batch_numbers(rows.height)
        batches[source] = summarise_levels(rows, column, grids[column], number, n_batches).effective
        starts, window = np.unique(window_starts(rows["time"], shape.window_us), return_inverse=True)
        windows[source] = summarise_levels(rows, column, grids[column], window, len(starts)).effective
    noise: list[float] = strategy.inflation(plan, batches, windows).tolist()
    tests = [asdict(one) for one in strategy.of_reference(plan, batches, windows)]
    return noise, [{**one, "p_value": one["p_value"] if one["tested"] else None} for one in tests]


def _blind(column: str, rows: pl.DataFrame, settings: Settings) -> Grid | None:
    """The grid of a feature of which the reference has no value: it is watched for nothing, and said to be."""
    if column in RESERVED or column in LABELLED or column.startswith(("probability", DIRECTIONS)):
        return None
    if is_vector(rows, column):
        return vector_grid(column, [], 0)
    return numeric_grid(column, []) if is_number(rows, column, settings) else category_grid(column, {})


def _digest(reference: Reference) -> str:
    """What tells whether two references are the same: their version and rows, not when they came."""
    rows = reference.rows.drop("received", strict=False)
    if "time" in rows.columns and rows["time"].n_unique() <= 1:
        rows = rows.drop("time")  # not given: the moment of the call
    content = io.BytesIO()
    rows.write_ipc(content)
    return hashlib.blake2b(reference.version.encode() + content.getvalue(), digest_size=16).hexdigest()


def _digest_in_force(tables: ModelTables) -> str | None:
    """The digest of the reference in force, None where it was not counted yet."""
    said = latest_reference(tables)
    done = tables["summaries"].scan().filter(pl.col("part") == "reference").select(pl.len()).collect().item()
    return str(said[1]["digest"]) if said is not None and done else None


def _say(
    tables: ModelTables,
    digest: str,
    name: str,
    version: str,
    features: list[str],
    n_rows: int,
    noise: list[float],
    findings: list[dict[str, Any]],
    now: datetime,
) -> None:
    """Write the event of a reference, unless a round that was cut off wrote it already."""
    said = (
        tables["events"].scan().filter((pl.col("kind") == "reference") & (pl.col("name") == name)).collect()
    )
    if said.is_empty():
        detail = json.dumps(
            {
                "digest": digest,
                "features": features,
                "rows": n_rows,
                "inflation": noise,
                "dependence": findings,
            }
        )
        event = {"time": now, "kind": "reference", "name": name, "version": version, "detail": detail}
        tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})


def write_grids(tables: ModelTables, grids: Sequence[Grid], now: datetime, *, source: str | None) -> None:
    """Put grids in force that are not there yet."""
    known = set(tables["grids"].scan().select("grid").collect()["grid"].to_list())
    rows = [
        {
            "grid": grid.id,
            "column": grid.column,
            "kind": grid.kind,
            "created": now,
            "source": source,
            "definition": grid.to_json(),
        }
        for grid in grids
        if grid.id not in known
    ]
    if rows:
        tables["grids"].write(pl.DataFrame(rows).with_columns(pl.col("created").cast(UTC)), {})
