"""Columns and segments that the reference does not have: their first windows become a reference of their own.

What came later joins the watches from the next window on, with a share of the budget from the reserve, so that adding
it breaks no promise. When it joins is told by the windows alone, not by the rounds that look. A new reference makes all
of it void.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.stored import Increment, levels_of, of_frame, to_frame
from vedette.engine.summarise import Shape
from vedette.lake.tables import ModelTables
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["JOIN_ROWS", "JOIN_WINDOWS", "Joiner", "joined", "joiners", "keep", "late"]

JOIN_ROWS = 500
"""Rows that make a reference of what came later, over at least ``JOIN_WINDOWS`` windows."""

JOIN_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Joiner:
    """A column, or a column in a segment, that joins after the window ``known``: its reference, and the noise of it.

    ``kept`` is True where a round that was cut off has written it already.
    """

    column: str
    segment: str
    known: datetime
    whole: Summary
    noise: np.ndarray
    version: str
    start: datetime
    n_windows: int
    kept: bool = False

    @property
    def source(self) -> str:
        """The key of its summaries."""
        return strategy.source_of(self.column, self.segment)


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
    arrival: int,
    steps: Sequence[datetime],
) -> list[Joiner]:
    """What joins after one of these windows, in the order of windows, segments and columns.

    ``rows`` are the increments to be judged, ``origin`` the arrival up to which rows came before the reference, and
    ``arrival`` that of the reference.
    """
    fresh = {
        (column, segment)
        for column, segment in rows.select("column", "segment").unique().rows()
        if column in shape.grids and strategy.source_of(column, segment) not in plan.grids
    }
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
    )
    sizes = live.group_by("column", "segment", "grid", "known").agg(pl.col("rows").sum()).collect()
    before = _written(tables, shape.grids, arrival, fresh)  # by a round that was cut off
    found = []
    for column, segment in sorted(fresh):
        own = (pl.col("column") == column) & (pl.col("segment") == segment)
        own &= pl.col("grid") == shape.grids[column].id
        known = (
            before[column, segment][0]
            if (column, segment) in before
            else _enough(sizes.filter(own), steps[0])
        )
        if known is None or not steps[0] <= known <= steps[-1]:
            continue
        some = live.filter(own & (pl.col("known") <= known)).sort("known", "arrival").collect()
        found.append(
            _joiner(column, segment, known, some, shape.grids[column], before.get((column, segment)))
        )
    return sorted(found, key=lambda one: (one.known, one.segment, one.column))


def _enough(sizes: pl.DataFrame, first: datetime) -> datetime | None:
    """The window from ``first`` on with which enough has come, or None."""
    by_window = sizes.sort("known")
    enough = (by_window["rows"].cum_sum() >= JOIN_ROWS).to_numpy()
    enough &= np.arange(1, by_window.height + 1) >= JOIN_WINDOWS
    enough &= (by_window["known"] >= first).to_numpy()
    return by_window["known"][int(enough.argmax())] if enough.any() else None


def _written(
    tables: ModelTables, grids: Mapping[str, Grid], arrival: int, fresh: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[datetime, Summary]]:
    """The references that were written of these columns and segments, each with the window after which it joins."""
    rows = tables["summaries"].scan().filter((pl.col("part") == "joined") & (pl.col("arrival") > arrival))
    found: dict[tuple[str, str], tuple[datetime, Summary]] = {}
    for (column, segment, grid), some in (
        rows.sort("arrival", "known").collect().group_by(["column", "segment", "grid"], maintain_order=True)
    ):
        key = str(column), str(segment)
        if key in fresh and grids[key[0]].id == grid:
            found.setdefault(key, (some["known"][0], of_frame(some[:1], grids[key[0]])))
    return found


def _joiner(
    column: str,
    segment: str,
    known: datetime,
    rows: pl.DataFrame,
    grid: Grid,
    before: tuple[datetime, Summary] | None,
) -> Joiner:
    _, number = np.unique(rows["known"].dt.timestamp("us").to_numpy(), return_inverse=True)
    windows = levels_of(rows, grid, number, int(number.max()) + 1).effective
    whole = windows.merged() if before is None else before[1]
    source = strategy.source_of(column, segment)
    noise = strategy.inflation(
        strategy.plan({source: whole}, "", late(segment, source)), {}, {source: windows}
    )
    start = rows["start"].min()
    assert isinstance(start, datetime)
    return Joiner(
        column,
        segment,
        known,
        whole,
        noise,
        str(rows["version"][-1]),
        start,
        len(windows),
        before is not None,
    )


def late(segment: str, source: str) -> set[str]:
    """Itself, where the grid was cut on the very rows that are its reference: a column that the reference lacks."""
    return set() if segment else {source}


def keep(tables: ModelTables, found: Sequence[Joiner], now: datetime) -> None:
    """Write what joins, before the state that counts on it."""
    new = [one for one in found if not one.kept]
    if not new:
        return
    rows = [
        Increment(one.version, one.column, _micros(one.start), _micros(one.known), one.whole, one.segment)
        for one in new
    ]
    snapshot = tables["summaries"].snapshot()
    arrival = 0 if snapshot is None else snapshot.version() + 1
    tables["summaries"].write(to_frame(rows, "joined", arrival), {})
    events = [
        {
            "time": now,
            "kind": "joined",
            "name": one.column,
            "version": "",
            "detail": json.dumps(
                {"segment": one.segment, "rows": int(one.whole.rows[0]), "windows": one.n_windows}
            ),
        }
        for one in new
    ]
    tables["events"].write(pl.DataFrame(events), {})


def _micros(at: datetime) -> np.ndarray:
    return np.array([round(at.timestamp() * 1e6)], dtype=np.int64)
