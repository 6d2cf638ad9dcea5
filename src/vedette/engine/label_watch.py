"""Labels that come later than they did, or not at all, as a watch: predictions by whether their label has come by an age.

The age is learned once, from the windows that labels have come for: that by which nine of ten of those that come at all have
come. From then on each window of predictions is counted once, when it is of that age: with a label or without. These counts
are increments of a column of their own, known when the age was reached, and are judged like any column that came later
than the reference (``joining``).
"""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import polars as pl

from vedette.engine.reference import write_grids
from vedette.engine.stored import Increment, to_frame
from vedette.engine.summarise import LABELLED, Shape
from vedette.lake.tables import ModelTables
from vedette.statistics.grid import Grid, arrival_grid
from vedette.statistics.label_delay import Delays, completeness
from vedette.statistics.summary import Summary

__all__ = ["ARRIVAL", "count_arrivals", "usual_delay"]

ARRIVAL = "_labels"
"""The column of these counts; no feature starts with an underscore."""

LEARN_WINDOWS = 14
"""Closed windows, and ``LEARN_S`` of time, from the first that has a label on: labels come by the day, and by the week."""
LEARN_S = 7 * 86400.0

SHARE_OF_FINAL = 0.9
_WATCHED_MIN = 7  # windows that must have been watched through a delay for it to tell
_FINAL_MIN = 0.05  # labels for fewer are no habit


def count_arrivals(tables: ModelTables, shape: Shape, now: datetime) -> int:
    """Count the windows that have reached the age, once each; returns how many. The caller holds the work lock.

    Learns the age where it is not known yet, and can be. A crash repeats nothing: what was counted is in the table.
    """
    if not LABELLED & set(shape.grids):
        return 0
    rows = _rows(tables, shape)
    if rows.is_empty():
        return 0
    grid = shape.grids.get(ARRIVAL)
    if grid is None:
        grid = _learned(rows, shape)
        if grid is None:
            return 0
        write_grids(tables, [grid], now, source=None)
        event = {
            "time": now,
            "kind": "label_delay",
            "name": ARRIVAL,
            "version": "",
            "detail": _detail(grid, shape),
        }
        tables["events"].write(pl.DataFrame([event]), {})
    found = _increments(rows, grid, shape)
    if found:
        snapshot = tables["summaries"].snapshot()
        arrival = 0 if snapshot is None else snapshot.version() + 1
        tables["summaries"].write(to_frame(found, "live", arrival), {})
    return sum(len(one.start) for one in found)


def _detail(grid: Grid, shape: Shape) -> str:
    return json.dumps({"windows": grid.length, "seconds": grid.length * shape.settings.window_s})


def _rows(tables: ModelTables, shape: Shape) -> pl.DataFrame:
    """Rows of predictions and of labels by version, segment and windows, from where the counts have not come to."""
    scan = tables["summaries"].scan().filter(pl.col("part") == "live")
    counted = scan.filter(pl.col("column") == ARRIVAL).select(pl.col("start").max()).collect().item()
    wanted = pl.col("column").is_in(["prediction", *sorted(LABELLED)])
    if counted is not None:
        wanted &= pl.col("start") > counted
    window = shape.window_us
    return (
        scan.filter(wanted)
        .select(
            "version",
            "segment",
            (pl.col("column") == "prediction").alias("is_prediction"),
            (pl.col("start").dt.timestamp("us") // window).alias("start"),
            (pl.col("known").dt.timestamp("us") // window).alias("known"),
            "rows",
        )
        .collect()
    )


def _learned(rows: pl.DataFrame, shape: Shape) -> Grid | None:
    whole = rows.filter(pl.col("segment") == "")
    labels = whole.filter(~pl.col("is_prediction"))
    if labels.is_empty():
        return None
    first = int(labels["start"].min())  # type: ignore[arg-type]
    whole = whole.filter(pl.col("start") >= first)
    present = int(rows["known"].max()) - 1  # type: ignore[arg-type]
    n_windows = present - first + 1
    if n_windows < LEARN_WINDOWS or n_windows * shape.settings.window_s < LEARN_S:
        return None
    delay = usual_delay(_delays(whole, present))
    return None if delay is None else arrival_grid(ARRIVAL, delay)


def usual_delay(delays: Delays) -> int | None:
    """The delay by which nine of ten labels of those that come at all have come; None as long as that cannot be told.

    That is while the share that has come still grows in the later half of the delays that were watched.
    """
    share = completeness(delays)
    windows = (delays.age[:, np.newaxis] >= np.arange(len(share))).sum(axis=0)
    telling = (windows >= _WATCHED_MIN) & ~np.isnan(share.value)
    if not telling.any():
        return None
    last = int(np.flatnonzero(telling)[-1])
    final = float(share.value[last])
    if final < _FINAL_MIN:
        return None
    usual = int(np.flatnonzero(share.value[: last + 1] >= SHARE_OF_FINAL * final)[0])
    return usual if 2 * usual <= last else None


def _delays(rows: pl.DataFrame, present: int) -> Delays:
    told, labels = rows.filter("is_prediction"), rows.filter(~pl.col("is_prediction"))
    return Delays.of(
        told["start"].to_numpy(),
        told["rows"].to_numpy(),
        labels["start"].to_numpy(),
        labels["known"].to_numpy(),
        labels["rows"].to_numpy(),
        present,
    )


def _increments(rows: pl.DataFrame, grid: Grid, shape: Shape) -> list[Increment]:
    """The windows that are of the age, by version and segment."""
    present = int(rows["known"].max()) - 1  # type: ignore[arg-type]
    found = []
    for (version, segment), some in rows.group_by(["version", "segment"], maintain_order=True):
        delays = _delays(some, present)
        ripe = (delays.age >= grid.length) & (delays.predictions > 0)
        if not ripe.any():
            continue
        n = np.rint(delays.predictions[ripe]).astype(np.int64)
        came = np.rint(np.maximum(delays.arrivals[ripe, : grid.length + 1], 0.0).sum(axis=1)).astype(np.int64)
        came = np.minimum(came, n)
        empty = Summary.empty(grid, len(n))
        empty.rows[:], empty.missing[:], empty.counts[:, 0] = n, n - came, came
        start = delays.start[ripe] * shape.window_us
        known = start + grid.length * shape.window_us
        found.append(Increment(str(version), ARRIVAL, start, known, empty, str(segment)))
    return found
