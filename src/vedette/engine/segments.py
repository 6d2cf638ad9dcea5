"""Figures by segment: counted from the rows themselves, on the same grids and by the same counting as the summaries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.engine.summarise import QUALITY, Shape, category_texts, summarise_column, window_starts
from vedette.lake.arrivals import Arrivals
from vedette.lake.rows import matches, variants
from vedette.lake.tables import ModelTables
from vedette.statistics.summary import Summary

__all__ = ["SEGMENTS_MAX", "Columns", "Span", "segments_by"]

SEGMENTS_MAX = 1000
"""More values than this are an identifier, not a segment."""


Columns = dict[str, tuple[np.ndarray, Summary]]
"""Summaries by column: the starts of the windows in microseconds, and a summary with a window each."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which windows are asked for: bounds of event time, a moment of knowledge, and a length (0: one for all)."""

    window_us: int
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None

    def keep(self) -> pl.Expr:
        """The increments that belong to it."""
        kept = pl.col("part") == "live"
        if self.version is not None:
            kept &= pl.col("version") == self.version
        if self.since is not None:
            kept &= pl.col("start") >= self.since
        if self.until is not None:
            kept &= pl.col("start") < self.until
        if self.as_of is not None:
            kept &= pl.col("known") < self.as_of
        return kept

    def starts(self, times: pl.Series, first_us: int) -> np.ndarray:
        """The start of the window of each time, in microseconds; the first of all where there is one window."""
        return window_starts(times, self.window_us) if self.window_us else np.full(len(times), first_us)


def segments_by(
    tables: ModelTables, shape: Shape, arrivals: Arrivals, by: str, span: Span, first_us: int
) -> dict[str, Columns]:
    """Summaries by segment, counted from the rows: those of the lake and the fresh ones.

    Raises ``ValueError`` where there is no such column, or where it has more values than there are segments.
    """
    rows = _whole(tables, "predictions", arrivals.predictions)
    labels = _whole(tables, "labels", arrivals.labels)
    if by not in rows.columns:
        names = ", ".join(name for name in rows.columns if not name.startswith("_"))
        raise ValueError(f"by={by!r}: the model has no such column; it has {names}")
    if span.as_of is not None:
        rows, labels = rows.filter(pl.col("time") < span.as_of), labels.filter(pl.col("time") < span.as_of)
    matched = matches(None, rows, labels)  # all are new: the rule of labels from the start
    rows = _within(rows, span)
    matched = _within(matched, span) if matched.height else matched
    result: dict[str, Columns] = {}
    for level in _levels(rows, by):
        part, truth = _of_level(rows, by, level), _of_level(matched, by, level) if matched.height else matched
        columns: Columns = {}
        for column, grid in shape.grids.items():
            frame = truth if column == QUALITY else part
            if frame.height and (column == QUALITY or variants(frame.columns, column)):
                starts, index = np.unique(span.starts(frame["time"], first_us), return_inverse=True)
                columns[column] = (starts, summarise_column(frame, column, grid, index, len(starts)))
        result[f"{by}={level}"] = columns
    return result


def _whole(tables: ModelTables, stream: str, fresh: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table and those that are still in the journals, each once."""
    if fresh.is_empty():
        return tables[stream].scan().collect()
    key = ["_producer", "_sequence"]
    old = tables[stream].scan().join(fresh.lazy().select(key), on=key, how="anti").collect()
    return pl.concat([old, fresh], how="diagonal")


def _within(rows: pl.DataFrame, span: Span) -> pl.DataFrame:
    kept = pl.lit(True)
    if span.version is not None:
        kept &= pl.col("version") == span.version
    if span.since is not None:
        kept &= pl.col("time") >= span.since
    if span.until is not None:
        kept &= pl.col("time") < span.until
    return rows.filter(kept)


def _of_level(rows: pl.DataFrame, by: str, level: str) -> pl.DataFrame:
    return rows.filter(category_texts(rows, by).fill_null("null") == level)


def _levels(rows: pl.DataFrame, by: str) -> list[str]:
    levels = sorted(category_texts(rows, by).fill_null("null").unique().to_list())
    if len(levels) > SEGMENTS_MAX:
        raise ValueError(
            f"by={by!r}: has {len(levels):,} values; at most {SEGMENTS_MAX:,} segments are shown (is it an identifier?)"
        )
    return levels
