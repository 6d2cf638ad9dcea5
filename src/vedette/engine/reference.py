"""What normal looks like: a reference becomes grids, counts on them, and what the detectors need to know of its noise."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.leaf_columns import LEAVES, in_force
from vedette.engine.outputs import own_columns, spread
from vedette.engine.reference_leaves import NO_SCORES, ReferenceLeaves, reference_leaves
from vedette.engine.rehearsal import REHEARSAL, counted_stretches, stretched
from vedette.engine.segments_watched import names_of, tell_segments
from vedette.engine.stored import Increment, to_frame
from vedette.engine.summarise import (
    ERROR,
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
from vedette.lake.frames import OF_TRAINING
from vedette.lake.tables import UTC, ModelTables
from vedette.records import RESERVED, Settings
from vedette.statistics.counting_scores import scored_grid
from vedette.statistics.grid import DIRECTIONS, Grid, category_grid, numeric_grid, vector_grid
from vedette.statistics.unlabelled import cut_of_grid

__all__ = ["NOISE_ROWS", "TRAINING", "Counting", "counting", "pending", "take", "write_grids"]

NOISE_ROWS = 100_000
"""Rows at most, in order of time, from which the dependence of the reference is read."""

TRAINING = "training"
"""The part of the table ``summaries`` that has the rows that the model was trained on, on the grids of the reference."""


@dataclass(frozen=True, slots=True)
class Counting:
    """A reference with the grids that it is counted on, before anything is written.

    ``shape`` is what is in force with it; ``made`` are the grids that are not written yet, ``frames`` the rows of each column
    that are counted, ``training`` those of the rows that the model was trained on, where they came with it. ``scored`` is the
    grid of scores that goes with labels and probabilities, None where there is none; ``leaves`` are those that it cut, or why
    it cut none.
    """

    reference: Reference
    rows: pl.DataFrame
    features: tuple[str, ...]
    shape: Shape
    made: tuple[Grid, ...]
    frames: Mapping[str, pl.DataFrame]
    scored: Grid | None
    training: Mapping[str, pl.DataFrame]
    leaves: ReferenceLeaves | str

    @property
    def name(self) -> str:
        """Where it came from: what its grids are told apart by."""
        return f"{self.reference.identifier}/{self.reference.number}"

    def whole(self, only: Collection[str] | None = None) -> list[Increment]:
        """The counts of all columns, or of those asked for, each over all rows."""
        return [
            _whole(column, "", frame, self.shape.grids[column], self.reference.version)
            for column, frame in self.frames.items()
            if only is None or column in only
        ]

    def trained(self, only: Collection[str] | None = None) -> list[Increment]:
        """The counts of the rows that the model was trained on, of all columns or of those asked for."""
        return [
            _whole(column, "", frame, self.shape.grids[column], self.reference.version)
            for column, frame in self.training.items()
            if only is None or column in only
        ]

    def rehearsal(self) -> list[Increment]:
        """The labelled rows by stretches of time: of two classes where there are scores, of more, and of a regression."""
        column = ERROR if ERROR in self.frames else QUALITY
        if column not in self.frames:
            return []
        frame, grid = self.frames[column], self.shape.grids[column]
        if column == QUALITY and self.scored is None and len(grid.classes) <= 2:
            return []
        stretches = stretched(frame, self.shape.window_us)
        return counted_stretches(column, frame, grid, self.reference.version, stretches)

    def for_estimates(self, arrival: int) -> list[pl.DataFrame]:
        """The rows of the table ``summaries`` that estimates without labels read, beside those of the columns."""
        parts: dict[str, Sequence[Increment]] = {REHEARSAL: self.rehearsal()}
        if isinstance(self.leaves, ReferenceLeaves):
            parts |= self.leaves.parts
        return [to_frame(found, part, arrival) for part, found in parts.items()]


def counting(tables: ModelTables, shape: Shape, reference: Reference) -> Counting:
    """The grids that a reference puts in force and the rows that are counted on them; nothing is written.

    A column that has a grid keeps it, and all of its rows are counted; else the pilot cuts the grid and is left out.
    """
    rows = reference.rows.sort("time", maintain_order=True).with_columns(
        pl.lit(reference.version).alias("version")
    )
    rows = spread(rows, shape.settings)
    trained = rows.clear()
    if OF_TRAINING in rows.columns:
        trained, rows = (rows.filter(own).drop(OF_TRAINING) for own in (OF_TRAINING, ~pl.col(OF_TRAINING)))
    name = f"{reference.identifier}/{reference.number}"
    ours = (
        tables["grids"].scan().filter(pl.col("source") == name).select("column").collect()["column"].to_list()
    )
    # a grid that was cut on whatever rows came before there was a reference gives way to one of the reference
    cut = tables["grids"].scan().sort("created", maintain_order=True).select("column", "source").collect()
    source = dict(cut.rows())  # of the newest grid of each column
    live = [column for column, by in source.items() if by is None and column not in ours]
    pilot = rows.head(min(PILOT_ROWS, rows.height // 5))
    made = []
    frames: dict[str, pl.DataFrame] = {}
    training: dict[str, pl.DataFrame] = {}
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
        frames[column] = frame
        if trained.height and column not in LABELLED:
            training[column] = trained
    scored = scored_grid(grids[QUALITY], SCORES) if QUALITY in grids else None
    if scored is not None and grids.get(SCORES) != scored:
        made.append(scored)
        grids[SCORES] = scored
    told = in_force(grids, None)
    leaves: ReferenceLeaves | str = NO_SCORES
    if scored is not None and QUALITY in frames:
        stretches = stretched(frames[QUALITY], shape.window_us)
        leaves = reference_leaves(frames[QUALITY], features, told, stretches, name, reference.version)
    if isinstance(leaves, ReferenceLeaves):
        made += leaves.grids
        told[LEAVES] = leaves.grids[0]
    counted_on = replace(shape, grids=told, expected=tuple(features))
    return Counting(
        reference, rows, tuple(features), counted_on, tuple(made), frames, scored, training, leaves
    )


def pending(tables: ModelTables, shape: Shape, references: Sequence[Reference]) -> Counting | None:
    """The reference that the next round puts in force, the last that came; None where that is the one in force already."""
    if not references or _digest(references[-1]) == _digest_in_force(tables):
        return None
    return counting(tables, shape, references[-1])


def take(tables: ModelTables, reference: Reference, arrival: int, now: datetime) -> pl.DataFrame:
    """Put the grids of a reference in force and say that it came; returns its counts for the table ``summaries``."""
    digest = _digest(reference)
    if digest == _digest_in_force(tables):
        return to_frame(
            [], "reference", arrival
        )  # the same again, from a service that starts anew: nothing changes
    shape = Shape.of(tables)
    new = counting(tables, shape, reference)
    found, grids = new.whole(), new.shape.grids
    write_grids(tables, new.made, now, source=new.name)
    frames = {(column, ""): frame for column, frame in new.frames.items()}
    named = names_of(tables, shape, new.rows, now) if shape.settings.segments else []
    kept = tell_segments(tables, shape.segments, named, now, "reference")
    for column, frame in new.frames.items():
        if column.startswith(DIRECTIONS):
            continue
        for segment, some in by_segment(frame, shape.settings.segments, kept):
            if column != segment.partition("=")[0]:
                frames[column, segment] = some
    found += [
        _whole(*key, frame, grids[key[0]], reference.version) for key, frame in frames.items() if key[1]
    ]
    noise, findings = _noise(found, frames, grids, shape)
    _say(tables, new, digest, noise, findings, now)
    beside = [*new.for_estimates(arrival), to_frame(new.trained(), TRAINING, arrival)]
    return pl.concat([to_frame(found, "reference", arrival), *beside])


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
    """The digest of the reference in force, None where it was not counted yet: a round that was cut off said that it came,
    and the summaries were not written."""
    said = latest_reference(tables)
    if said is None:
        return None
    identifier, _, number = said[0].rpartition("/")
    counted = tables["summaries"].through(identifier) >= int(number)
    return str(said[1]["digest"]) if counted else None


def _say(
    tables: ModelTables,
    new: Counting,
    digest: str,
    noise: list[float],
    findings: list[dict[str, Any]],
    now: datetime,
) -> None:
    """Write the event of a reference, unless a round that was cut off wrote it already."""
    is_it = (pl.col("kind") == "reference") & (pl.col("name") == new.name)
    if tables["events"].scan().filter(is_it).collect().is_empty():
        detail = json.dumps(
            {
                "digest": digest,
                "features": list(new.features),
                "rows": new.rows.height,
                "inflation": noise,
                "dependence": findings,
                "leaves": _words_of(new.leaves),
            }
        )
        event = {
            "time": now,
            "kind": "reference",
            "name": new.name,
            "version": new.reference.version,
            "detail": detail,
        }
        tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})


def _words_of(leaves: ReferenceLeaves | str) -> str:
    """How many leaves a reference cut, and by what; or why it cut none."""
    if isinstance(leaves, str):
        return f"none: {leaves}"
    names = ", ".join(one.name for one in cut_of_grid(leaves.grids[0])[0].features)
    return f"{leaves.grids[0].length} by {names}"


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
