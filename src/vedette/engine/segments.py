"""Figures by segment: counted from the rows themselves, on the same grids and by the same counting as the summaries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.summarise import QUALITY, Shape, category_texts, summarise_column, window_starts
from vedette.lake import ingest
from vedette.lake.rows import matches
from vedette.lake.tables import ModelTables
from vedette.statistics.summary import Summary

__all__ = ["SEGMENTS_MAX", "segments_by"]

SEGMENTS_MAX = 1000
"""More values than this are an identifier, not a segment."""


def segments_by(
    tables: ModelTables,
    shape: Shape,
    arrivals: ingest.Arrivals,
    by: str,
    version: str | None,
    window_us: int | None,
    since: datetime | None,
    until: datetime | None,
    as_of: datetime | None,
) -> dict[str, dict[str, tuple[np.ndarray, Summary]]]:
    """Summaries by segment, counted from the rows: those of the lake and the fresh ones."""
    fresh = arrivals.predictions
    old = tables["predictions"].scan()
    if fresh.height:
        old = old.join(
            fresh.lazy().select("_producer", "_sequence"), on=["_producer", "_sequence"], how="anti"
        )
    rows = pl.concat([old.collect(), fresh], how="diagonal") if fresh.height else old.collect()
    if by not in rows.columns:
        raise ValueError(
            f"by={by!r}: the model has no such column; it has {', '.join(c for c in rows.columns if not c.startswith('_'))}"
        )
    if since is not None:
        rows = rows.filter(pl.col("time") >= since)
    if until is not None:
        rows = rows.filter(pl.col("time") < until)
    if version is not None:
        rows = rows.filter(pl.col("version") == version)
    old_labels = tables["labels"].scan()
    if arrivals.labels.height:
        old_labels = old_labels.join(
            arrivals.labels.lazy().select("_producer", "_sequence"),
            on=["_producer", "_sequence"],
            how="anti",
        )
        labels = pl.concat([old_labels.collect(), arrivals.labels], how="diagonal")
    else:
        labels = old_labels.collect()
    if as_of is not None:
        rows, labels = rows.filter(pl.col("time") < as_of), labels.filter(pl.col("time") < as_of)
    # All rows are new to an empty lake: the same rule of labels as in the summaries, from the start.
    matched = matches(_Nothing(tables.path), rows, labels)
    size = window_us if window_us is not None else shape.window_us
    result: dict[str, dict[str, tuple[np.ndarray, Summary]]] = {}
    for segment, name in _names(rows, by):
        part = rows.filter(segment)
        one: dict[str, tuple[np.ndarray, Summary]] = {}
        for column, grid in shape.grids.items():
            frame = part
            if column == QUALITY:
                frame = (
                    matched.filter(category_texts(matched, by).fill_null("null") == name)
                    if matched.height
                    else matched
                )
            if frame.is_empty() or (column not in frame.columns and column != QUALITY):
                continue
            at = window_starts(frame["time"], size) if size else np.full(frame.height, _first(frame["time"]))
            starts, index = np.unique(at, return_inverse=True)
            one[column] = (starts, summarise_column(frame, column, grid, index.astype(np.int64), len(starts)))
        result[f"{by}={name}"] = one
    return result


def _first(times: pl.Series) -> int:
    return int(times.dt.timestamp("us").to_numpy().min())


class _Nothing(ModelTables):
    """Tables without rows: all that is given beside them is new."""

    def __getitem__(self, name: str) -> Any:
        table = super().__getitem__(name)
        return type(table)(name, table.path / "none")


def _names(rows: pl.DataFrame, by: str) -> list[tuple[pl.Series, str]]:
    texts = category_texts(rows, by).fill_null("null")
    levels = sorted(texts.unique().to_list())
    if len(levels) > SEGMENTS_MAX:
        raise ValueError(
            f"by={by!r}: has {len(levels)} values; at most {SEGMENTS_MAX:,} segments are shown (is it an identifier?)"
        )
    return [(texts == level, level) for level in levels]
