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

__all__ = ["names_of", "tell_segments", "unknown_segments", "with_segments"]

log = logging.getLogger("vedette")


def with_segments(tables: ModelTables, shape: Shape, rows: pl.DataFrame, now: datetime) -> Shape:
    """The shape with the segments that these rows bring; each new one is an event."""
    if not shape.settings.segments or rows.is_empty():
        return shape
    names = names_of(tables, shape, rows, now)
    return replace(shape, segments=tell_segments(tables, shape.segments, names, now, "live"))


def names_of(tables: ModelTables, shape: Shape, rows: pl.DataFrame, now: datetime) -> list[str]:
    """The segments among rows; a column of more values than can be watched, of which none is known, is refused."""
    found: list[str] = []
    for column in shape.settings.segments:
        names = [name for name, _ in by_segment(rows, [column])]
        known = any(one.partition("=")[0] == column for one in shape.segments)
        if len(names) > SEGMENTS_WATCHED and not known:
            detail = json.dumps({"values": len(names)})
            if column not in _refused(tables):
                event = {
                    "time": now,
                    "kind": "segments_refused",
                    "name": column,
                    "version": "",
                    "detail": detail,
                }
                tables["events"].write(pl.DataFrame([event]), {})
        else:
            found += names
    return found


def _refused(tables: ModelTables) -> dict[str, int]:
    """The columns that were refused as segments, and how many values each had."""
    rows = (
        tables["events"]
        .scan()
        .filter(pl.col("kind") == "segments_refused")
        .select("name", "detail")
        .collect()
    )
    return {name: int(json.loads(detail)["values"]) for name, detail in rows.iter_rows()}


def unknown_segments(tables: ModelTables, shape: Shape) -> dict[str, str]:
    """Of the columns named as segments those of which none is watched, and why."""
    known = {one.partition("=")[0] for one in shape.segments}
    missing = [one for one in shape.settings.segments if one not in known]
    if not missing:
        return {}
    refused = _refused(tables)
    vectors = {name for name, grid in shape.grids.items() if grid.kind == "vector"}
    return {
        one: "holds vectors: no segments are made of them"
        if one in vectors
        else f"{refused[one]:,} values: at most {SEGMENTS_WATCHED} segments are watched (is it an identifier? log a "
        "column of its bands or groups beside it)"
        if one in refused
        else f"no column {one!r} has come"
        for one in missing
    }


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
