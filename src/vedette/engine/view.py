"""A model as it is now: the summaries of the lake with those of the rows that are still in the journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from vedette.engine.query import Query, Span
from vedette.engine.reference import TRAINING, Counting, pending
from vedette.engine.reference_leaves import BY_LEAF
from vedette.engine.rehearsal import REHEARSAL
from vedette.engine.stored import Increment, levels_of, of_frame, to_frame
from vedette.engine.summarise import LABELLED, Shape, increments
from vedette.errors import LakeError
from vedette.lake.arrivals import Arrivals, collect
from vedette.lake.events import latest_settings, merged
from vedette.lake.outcomes import identifier
from vedette.lake.rows import matches
from vedette.lake.sources import sources
from vedette.lake.tables import SCHEMAS, Lake, ModelTables
from vedette.statistics.grid import Grid
from vedette.statistics.sampled import Levels
from vedette.statistics.summary import Summary

__all__ = ["Cells", "View", "Windows", "reference_of", "view", "windows"]

_NEXT = 2**62  # the arrival of what the next round will take: after all that a lake holds
_TRIES = 8  # reads of the lake before one gives up because an ingester commits faster than one can read


@dataclass(frozen=True, slots=True)
class View:
    """What was read of a model: increments (``summaries``, live and newest reference), and what is needed to read them.

    ``fresh`` is what the journals hold beyond the watermarks of the summaries. ``extent`` are the first and the
    last start of a window with rows, in microseconds; None where there are none.
    """

    tables: ModelTables
    shape: Shape
    summaries: pl.DataFrame
    grids: Mapping[str, Grid]  # by id
    fresh: Arrivals
    extent: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Cells:
    """Summaries of one column by segment and window: both by number, and the rows of predictions in each."""

    segment: np.ndarray  # int64 [W], the place of its name
    start: np.ndarray  # int64 [W], microseconds
    summary: Summary
    levels: Levels | None = None  # the same by weight; None where each row stands for itself alone
    predictions: np.ndarray | None = None  # float64 [W], weighted; None where labels play no part
    older: np.ndarray | None = (
        None  # float64 [W], labelled rows that were counted on grids since replaced, weighted; None: none
    )
    predicted: Summary | None = (
        None  # of the predictions of each window, by class; None where labels play no part
    )


def view(lake: Lake, model: str, query: Query | None = None) -> View:
    """Read a model once: nothing twice, nothing missing, whatever an ingester does at the same time.

    The journals are read beyond the watermarks of one snapshot of the summaries. A journal may be freed in between,
    but only after the next commit; so where the table has moved on, the reading starts again. With a query only what
    it needs is read; without one everything but the hashes of distinct values.
    """
    for _ in range(_TRIES):
        tables = lake.model(model)
        snapshot = tables["summaries"].snapshot()
        # opened here, they stay as they are; one that is not there yet cannot
        absent = [name for name in ("predictions", "labels") if tables[name].snapshot() is None]
        folders = sources(lake, model)
        names = [folder.name for folder in folders]
        keys = [identifier(name, stream) for name in names for stream in ("predictions", "labels", "batch")]
        marks = {key: tables["summaries"].through(key, snapshot) for key in keys}
        fresh = collect(lake, model, marks, folders)
        shape = Shape.of(tables)
        if fresh.settings is not None:  # said since the last ingest, or never ingested yet
            shape = replace(shape, settings=merged(latest_settings(tables), fresh.settings))
        given = pending(tables, shape, fresh.references)
        if (
            given is not None
        ):  # in force from the next round on; what is asked before is told as it will be then
            shape = given.shape
        found, made = _added(tables, shape, fresh, query)
        shape = replace(shape, grids={**shape.grids, **made})
        new = to_frame(found, "live", -1)
        if given is not None:
            new = pl.concat([new, _counted_reference(given, query)])
        rows, extent = _read(tables, new, shape, query)
        made_since = any(tables[name].moved_on(None) for name in absent)
        if not made_since and not tables["summaries"].moved_on(snapshot):
            break
    else:
        raise LakeError(
            f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often"
        )
    grids = {grid.id: grid for grid in [*shape.grids.values(), *(given.made if given is not None else ())]}
    missing = set(rows["grid"].unique().to_list()) - set(grids)
    if missing:  # grids that were replaced on purpose since
        old = tables["grids"].scan().filter(pl.col("grid").is_in(list(missing))).collect()
        grids |= {row["grid"]: Grid.from_json(row["definition"]) for row in old.iter_rows(named=True)}
    return View(tables, shape, rows, grids, fresh, extent)


def _counted_reference(given: Counting, query: Query | None) -> pl.DataFrame:
    """The counts of a reference that no round has taken yet, as far as a query needs them."""
    if query is not None and not query.reference:
        return to_frame([], "reference", _NEXT)
    only = None if query is None else query.columns(given.shape.all_grids)
    frames = [to_frame(given.whole(only), "reference", _NEXT)]
    if query is not None and query.estimate:
        frames += given.for_estimates(_NEXT)
    if query is not None and query.against == TRAINING:
        frames.append(to_frame(given.trained(only), TRAINING, _NEXT))
    return pl.concat(frames)


def _added(
    tables: ModelTables, shape: Shape, fresh: Arrivals, query: Query | None
) -> tuple[list[Increment], dict[str, Grid]]:
    """What the rows of the journals add to the columns that a query needs, and the grids made for it.

    To match labels all ids of the tables are gone through, so that is done only for a query of labelled rows.
    """
    if query is None:
        return increments(shape, fresh.predictions, matches(tables, fresh.predictions, fresh.labels))
    grids = shape.all_grids
    only = query.columns(grids) | {"prediction"}  # which tells the windows that there are
    matched = pl.DataFrame()
    if "prediction" not in grids or only & LABELLED:
        matched = matches(tables, fresh.predictions, fresh.labels)
    return increments(shape, fresh.predictions, matched, only)


def _read(
    tables: ModelTables, new: pl.DataFrame, shape: Shape, query: Query | None
) -> tuple[pl.DataFrame, tuple[int, int] | None]:
    """The increments that a query needs, of the lake and new ones, and the extent of all that it is about."""
    scan = tables["summaries"].scan()
    live = Span(shape.window_us).keep() if query is None else query.span(shape.window_us).keep()
    whole_rows = pl.col("segment") == ""
    names = [
        name for name in SCHEMAS["summaries"] if name != "hashes" or (query is not None and query.hashes)
    ]
    wanted = live
    if query is None or query.reference:
        # the newest of all columns: one that it lacks has no reference, whatever an older one had
        of_reference = pl.col("part") == "reference"
        arrival = new.filter(of_reference)["arrival"].max()
        if arrival is None:
            arrival = scan.filter(of_reference).select(pl.col("arrival").max()).collect().item()
        if arrival is not None:
            if query is not None and query.estimate:
                of_reference |= (pl.col("part") == REHEARSAL) | pl.col("part").str.starts_with(BY_LEAF)
            if query is not None and query.against == TRAINING:
                of_reference |= pl.col("part") == TRAINING
            wanted |= of_reference & (pl.col("arrival") == arrival)
    if query is not None:
        wanted &= pl.col("column").is_in(sorted(query.columns(shape.all_grids)))
    wanted &= whole_rows
    rows = pl.concat([scan.filter(wanted).select(names).collect(), new.filter(wanted).select(names)])
    whole = rows.filter(live)
    if query is not None and (
        query.window_s == 0 or whole.is_empty()
    ):  # other columns may have further windows
        asked = ["part", "version", "start", "known"]
        whole = pl.concat(
            [scan.filter(live & whole_rows).select(asked).collect(), new.filter(live).select(asked)]
        )
    if whole.is_empty():
        return rows, None
    starts = whole["start"].dt.timestamp("us").to_numpy()
    return rows, (int(starts.min()), int(starts.max()))


class Windows:
    """The summaries of a view by window, all rows as one segment."""

    names = ("",)

    def __init__(self, seen: View, span: Span) -> None:
        self.seen, self.span = seen, span
        first_us = seen.extent[0] if seen.extent is not None else 0
        rows = seen.summaries.filter(span.keep())
        rows = rows.with_columns(pl.Series("_start", span.starts(rows["start"], first_us), dtype=pl.Int64))
        self.rows = {str(key[0]): some for key, some in rows.partition_by("column", as_dict=True).items()}
        told = self.rows.get("prediction")
        starts = told["_start"].to_numpy() if told is not None else np.zeros(0, dtype=np.int64)
        self.starts, at = np.unique(starts, return_inverse=True)
        n = (told["rows"] * told["weight"]).to_numpy() if told is not None else starts
        self.predictions = np.bincount(at, weights=n, minlength=len(self.starts))
        self.told, self._at = told, at

    def blocks(self, column: str, grid: Grid, *, hashes: bool) -> Iterator[Cells]:
        """The summary of each window of a column on the grid in force; of labelled rows that of every window that has
        predictions too: none is also a number."""
        labelled = column in LABELLED
        every = self.rows.get(column)
        if every is None:
            every = self.seen.summaries.clear().with_columns(pl.lit(0, pl.Int64).alias("_start"))
        rows = every.filter(pl.col("grid") == grid.id)
        if rows.is_empty() and not labelled:
            return
        own = rows["_start"].to_numpy()
        starts = np.union1d(every["_start"].to_numpy(), self.starts) if labelled else np.unique(own)
        if not len(starts):
            return
        levels = None
        if rows.is_empty():
            summary = Summary.empty(grid, len(starts))
        else:
            rows, at = rows if hashes else rows.drop("hashes", strict=False), np.searchsorted(starts, own)
            if (rows["weight"] == 1.0).all():
                summary = of_frame(rows, grid).grouped(at, len(starts))
            else:
                levels = levels_of(rows, grid, at, len(starts))
                summary = levels.kept
        segment = np.zeros(len(starts), dtype=np.int64)
        if not labelled:
            yield Cells(segment, starts, summary, levels)
            return
        predictions = np.zeros(len(starts))
        predictions[np.searchsorted(starts, self.starts)] = self.predictions
        here = summary.rows if levels is None else levels.stands_for
        older = _counted(every, starts) - here
        yield Cells(segment, starts, summary, levels, predictions, older, self._predicted(starts))

    def _predicted(self, starts: np.ndarray) -> Summary | None:
        """The predictions of these windows by class; None where the column was counted on several grids, or weighted."""
        told = self.told
        if told is None or told["grid"].n_unique() != 1 or not (told["weight"] == 1.0).all():
            return None
        grid = self.seen.grids[told["grid"][0]]
        place = np.searchsorted(starts, self.starts)[self._at]
        return of_frame(told.drop("hashes", strict=False), grid).grouped(place, len(starts))


def _counted(rows: pl.DataFrame, starts: np.ndarray) -> np.ndarray:
    """The rows that increments hold by window, whatever the grid."""
    at = np.searchsorted(starts, rows["_start"].to_numpy())
    n = (rows["rows"] * rows["weight"]).to_numpy()
    return np.bincount(at, weights=n, minlength=len(starts))


def windows(seen: View, column: str, span: Span) -> tuple[np.ndarray, Summary | None]:
    """The summaries of a column by window: starts in microseconds, and a summary with a window each."""
    rows = seen.summaries.filter((pl.col("column") == column) & span.keep())
    summary = _on_grid(seen, column, rows)
    if summary is None:
        return np.zeros(0, dtype=np.int64), None
    rows = rows.filter(pl.col("grid") == summary.grid.id)
    starts, group = np.unique(span.starts(rows["start"], 0), return_inverse=True)
    return starts, levels_of(rows, summary.grid, group, len(starts)).effective


def reference_of(seen: View, column: str, part: str = "reference") -> Summary | None:
    """The summary of a column over the newest reference, or over the training rows that came with it; None without."""
    rows = seen.summaries.filter(pl.col("part") == part)
    rows = rows.filter(pl.col("column") == column)
    summary = _on_grid(seen, column, rows)
    return None if summary is None else summary.merged()


def _on_grid(seen: View, column: str, rows: pl.DataFrame) -> Summary | None:
    """The increments that were counted on the grid in force."""
    if rows.is_empty():
        return None
    grid = seen.shape.grids.get(column) or seen.grids[rows["grid"][-1]]
    rows = rows.filter(pl.col("grid") == grid.id)
    return of_frame(rows, grid) if rows.height else None
