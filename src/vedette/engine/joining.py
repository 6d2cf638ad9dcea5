"""Columns and segments that the reference does not have: their first windows become a reference of their own.

What came later joins the watches from the next window on, with a share of the budget from the reserve, so that adding
it breaks no promise. When it joins is told by the windows alone, not by the rounds that look. A new reference makes all
of it void.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.stored import Increment, of_frame, to_frame
from vedette.engine.summarise import Shape
from vedette.lake.tables import ModelTables
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["JOIN_ROWS", "JOIN_WINDOWS", "Joiner", "joined", "joiners", "keep"]

JOIN_ROWS = 500
"""Rows that make a reference of what came later, over at least ``JOIN_WINDOWS`` windows."""

JOIN_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Joiner:
    """A column, or a column in a segment, that joins after the window ``known``, with the windows up to there."""

    column: str
    segment: str
    known: datetime
    windows: Summary
    version: str
    start: datetime

    @property
    def source(self) -> str:
        """The key of its summaries."""
        return strategy.source_of(self.column, self.segment)

    def noise(self) -> np.ndarray:
        """The variance inflation of each of its rows."""
        plan = strategy.plan({self.source: self.windows.merged()}, "")
        return strategy.inflation(plan, {}, {self.source: self.windows})


def joined(
    tables: ModelTables, grids: Mapping[str, Grid], arrival: int, known: datetime
) -> dict[str, Summary]:
    """The references of what joined up to a window, after the reference that came with ``arrival``, by source."""
    rows = (
        tables["summaries"]
        .scan()
        .filter((pl.col("part") == "joined") & (pl.col("arrival") > arrival) & (pl.col("known") <= known))
        .sort("known", "segment", "column", "arrival")
        .collect()
    )
    found: dict[str, Summary] = {}
    for (column, segment, grid), some in rows.group_by(["column", "segment", "grid"], maintain_order=True):
        source = strategy.source_of(str(column), str(segment))
        if str(column) in grids and grids[str(column)].id == grid and source not in found:
            found[source] = of_frame(some[:1], grids[str(column)])
    return found


def joiners(
    tables: ModelTables,
    plan: strategy.Plan,
    rows: pl.DataFrame,
    shape: Shape,
    origin: int,
    steps: Sequence[datetime],
) -> list[Joiner]:
    """What joins after one of these windows, in the order of windows, segments and columns.

    ``rows`` are the increments to be judged, ``origin`` the arrival up to which rows came before the reference.
    """
    fresh = [
        (column, segment)
        for column, segment in rows.select("column", "segment").unique().rows()
        if column in shape.grids and strategy.source_of(column, segment) not in plan.grids
    ]
    if not fresh or not steps:
        return []
    live = (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & (pl.col("arrival") > origin)
            & (pl.col("known") <= steps[-1])
            & pl.col("column").is_in(sorted({column for column, _ in fresh}))
            & pl.col("segment").is_in(sorted({segment for _, segment in fresh}))
        )
        .collect()
    )
    found = []
    for column, segment in fresh:
        grid = shape.grids[column]
        of_grid = (pl.col("column") == column) & (pl.col("segment") == segment) & (pl.col("grid") == grid.id)
        one = _joiner(
            column, segment, live.filter(of_grid).sort("known", maintain_order=True), grid, steps[0]
        )
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda one: (one.known, one.segment, one.column))


def _joiner(column: str, segment: str, rows: pl.DataFrame, grid: Grid, first: datetime) -> Joiner | None:
    """The joiner, where enough has come by some window from ``first`` on."""
    by_window = rows.group_by("known", maintain_order=True).agg(pl.col("rows").sum())
    enough = (by_window["rows"].cum_sum() >= JOIN_ROWS).to_numpy()
    enough &= np.arange(1, by_window.height + 1) >= JOIN_WINDOWS
    enough &= (by_window["known"] >= first).to_numpy()
    if not enough.any():
        return None
    known = by_window["known"][int(enough.argmax())]
    some = rows.filter(pl.col("known") <= known)
    _, number = np.unique(some["known"].dt.timestamp("us").to_numpy(), return_inverse=True)
    windows = of_frame(some, grid).grouped(number, int(number.max()) + 1)
    return Joiner(column, segment, known, windows, str(some["version"][-1]), some["start"].min())  # type: ignore[arg-type]


def keep(tables: ModelTables, found: Sequence[Joiner], now: datetime) -> None:
    """Write what joins, before the state that counts on it."""
    if not found:
        return
    events = [
        {
            "time": now,
            "kind": "joined",
            "name": one.column,
            "version": "",
            "detail": json.dumps(
                {"segment": one.segment, "rows": int(one.windows.rows.sum()), "windows": len(one.windows)}
            ),
        }
        for one in found
    ]
    tables["events"].write(pl.DataFrame(events), {})
    rows = [
        Increment(
            one.version, one.column, _micros(one.start), _micros(one.known), one.windows.merged(), one.segment
        )
        for one in found
    ]
    snapshot = tables["summaries"].snapshot()
    arrival = 0 if snapshot is None else snapshot.version() + 1
    tables["summaries"].write(to_frame(rows, "joined", arrival), {})


def _micros(at: datetime) -> np.ndarray:
    return np.array([round(at.timestamp() * 1e6)], dtype=np.int64)
