"""Labels that come later than they did, or not at all, as a watch: predictions by whether their label has come by an age.

The age is learned once, from the windows that labels have come for: that by which nine of ten of those that come at all have
come. From then on each window of predictions is counted once: with a label that was known by that age, or without. It is
counted when it is older than the age by as long as labels take on their way: what was known at nine and is sent at midnight
is not late. These counts are increments of a column of their own, and are judged like any column that came later than the
reference (``joining``). Rows that a sampler kept stand for as many as it left out (``inclusion``): each is counted apart by
its weight, and what is learned of delays is weighted.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
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

_KIND = "label_delay"

ARRIVAL = "_labels"
"""The column of these counts; no feature starts with an underscore."""

LEARN_WINDOWS = 14
"""Closed windows, and ``LEARN_S`` of time, from the first that has a label on: labels come by the day, and by the week."""
LEARN_S = 7 * 86400.0

SHARE_OF_FINAL = 0.9
_WINDOWS_MAX = 400  # the newest, that are learned from
_WAY_SHARE = 0.99  # of labels that are in by then
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
    usual = _usual_of(tables)
    if usual is None:
        usual = _learned(tables, rows, shape)
        if usual is None:
            return 0
        event = {
            "time": now,
            "kind": _KIND,
            "name": ARRIVAL,
            "version": "",
            "detail": json.dumps(asdict(usual)),
        }
        tables["events"].write(pl.DataFrame([event]), {})
    grid = arrival_grid(ARRIVAL, usual.delay)
    write_grids(tables, [grid], now, source=None)
    found = _increments(rows, grid, usual, shape)
    if found:
        snapshot = tables["summaries"].snapshot()
        arrival = 0 if snapshot is None else snapshot.version() + 1
        tables["summaries"].write(to_frame(found, "live", arrival), {})
    return sum(len(np.unique(one.start)) for one in found)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What was learned, in windows: the usual ``delay``, the ``way`` of a label from when it was known until it is in, and
    the number of the ``first`` window that had labels.
    """

    delay: int
    way: int
    first: int


def _usual_of(tables: ModelTables) -> _Usual | None:
    """What was learned; None before."""
    rows = tables["events"].scan().filter(pl.col("kind") == _KIND).sort("time").select("detail").collect()
    return None if rows.is_empty() else _Usual(**json.loads(rows["detail"][0]))


def _rows(tables: ModelTables, shape: Shape) -> pl.DataFrame:
    """Rows of predictions and of labels by version, segment, windows and weight, of those that were not counted yet."""
    scan = tables["summaries"].scan().filter(pl.col("part") == "live")
    counted = (
        scan.filter(pl.col("column") == ARRIVAL)
        .group_by("version", "segment")
        .agg(pl.col("start").max().alias("_counted"))
    )
    window = shape.window_us
    return (
        scan.filter(pl.col("column").is_in(["prediction", *sorted(LABELLED)]))
        .select("version", "segment", "column", "start", "known", "weight", "rows")
        .join(counted, on=["version", "segment"], how="left")
        .filter(pl.col("_counted").is_null() | (pl.col("start") > pl.col("_counted")))
        .select(
            "version",
            "segment",
            (pl.col("column") == "prediction").alias("is_prediction"),
            (pl.col("start").dt.timestamp("us") // window).alias("start"),
            (pl.col("known").dt.timestamp("us") // window).alias("known"),
            "weight",
            "rows",
        )
        .collect()
    )


def _learned(tables: ModelTables, rows: pl.DataFrame, shape: Shape) -> _Usual | None:
    whole = rows.filter(pl.col("segment") == "")
    labels = whole.filter(~pl.col("is_prediction"))
    if labels.is_empty():
        return None
    present = int(rows["start"].max()) - 1  # type: ignore[arg-type]
    first = max(int(labels["start"].min()), present - _WINDOWS_MAX)  # type: ignore[arg-type]
    n_windows = present - first + 1
    if n_windows < LEARN_WINDOWS or n_windows * shape.settings.window_s < LEARN_S:
        return None
    delays = _delays(whole.filter((pl.col("start") >= first) & (pl.col("known") <= present)), present)
    delay = usual_delay(delays)
    return None if delay is None else _Usual(delay, _way(tables, shape), first)


def _way(tables: ModelTables, shape: Shape) -> int:
    """In how many windows 99 of 100 labels are in after they were known; those that are known later are none."""
    late = (pl.col("received") - pl.col("time")).dt.total_microseconds() / shape.window_us
    found = tables["labels"].scan().select(late.quantile(_WAY_SHARE, "higher")).collect().item()
    return max(math.ceil(found or 0.0), 0)


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
        (told["rows"] * told["weight"]).to_numpy(),
        labels["start"].to_numpy(),
        labels["known"].to_numpy(),
        (labels["rows"] * labels["weight"]).to_numpy(),
        present,
    )


def _increments(rows: pl.DataFrame, grid: Grid, usual: _Usual, shape: Shape) -> list[Increment]:
    """The windows that are old enough, by version and segment, each once for each weight of its rows."""
    present = int(rows["start"].max()) - 1  # type: ignore[arg-type]
    old = usual.delay + usual.way + 1  # one more for rows that are on their way
    found = []
    own = rows.filter((pl.col("start") >= usual.first) & (pl.col("start") <= present - old))
    own = own.filter(pl.col("known") <= pl.col("start") + usual.delay)
    for (version, segment), some in own.group_by(["version", "segment"], maintain_order=True):
        sums = some.group_by("start", "weight").agg(
            pl.col("rows").filter("is_prediction").sum().alias("n"),
            pl.col("rows").filter(~pl.col("is_prediction")).sum().alias("came"),
        )
        sums = sums.filter(pl.col("n") > 0).sort("start", "weight")
        if sums.is_empty():
            continue
        n = sums["n"].to_numpy().astype(np.int64)
        came = np.clip(sums["came"].to_numpy().astype(np.int64), 0, n)
        counted = Summary.empty(grid, len(n))
        counted.rows[:], counted.missing[:], counted.counts[:, 0] = n, n - came, came
        start = sums["start"].to_numpy() * shape.window_us
        known = start + old * shape.window_us
        weight = sums["weight"].to_numpy()
        found.append(Increment(str(version), ARRIVAL, start, known, counted, str(segment), weight))
    return found
