"""Which segments of a model are watched: the values of the columns that its settings name, as they come."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import polars as pl

from vedette.engine.summarise import SEGMENTS_WATCHED, Shape, by_segment
from vedette.lake.tables import ModelTables

__all__ = ["tell_segments", "with_segments"]

log = logging.getLogger("vedette")


def with_segments(tables: ModelTables, shape: Shape, rows: pl.DataFrame, now: datetime) -> Shape:
    """The shape with the segments that these rows bring; each new one is an event."""
    if not shape.settings.segments or rows.is_empty():
        return shape
    names = [name for name, _ in by_segment(rows, shape.settings.segments)]
    return replace(shape, segments=tell_segments(tables, shape.segments, names, now, "live"))


def tell_segments(
    tables: ModelTables, known: tuple[str, ...], names: Iterable[str], now: datetime, source: str
) -> tuple[str, ...]:
    """The segments known and those that are new, which are made events; no more than can be watched."""
    new = [name for name in dict.fromkeys(names) if name not in known]
    taken = new[: max(SEGMENTS_WATCHED - len(known), 0)]
    if len(taken) < len(new):
        log.warning(
            "segments %s and %d more are not watched: at most %d are",
            new[len(taken)],
            len(new) - len(taken) - 1,
            SEGMENTS_WATCHED,
        )
    if taken:
        detail = json.dumps({"from": source})
        rows = [
            {"time": now, "kind": "segment", "name": one, "version": "", "detail": detail} for one in taken
        ]
        tables["events"].write(pl.DataFrame(rows), {})
    return (*known, *taken)
