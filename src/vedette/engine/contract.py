"""What rows were said to be against what came: columns that appeared, vanished or changed, values that cannot be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from vedette.engine.columns import numbers
from vedette.engine.outputs import own_columns
from vedette.engine.summarise import Shape, columns_of, out_of_bounds, versions_of
from vedette.engine.vectors import usual_length
from vedette.lake.frames import physical_of
from vedette.lake.rows import variants
from vedette.lake.vectors import lengths
from vedette.records import RESERVED
from vedette.statistics.grid import Grid

__all__ = ["schema_events"]


def _violations(predictions: pl.DataFrame) -> list[dict[str, str]]:
    """How many values of each version's rows cannot be: they are kept with the rows, and no figure counts them."""
    events = []
    for version, rows in versions_of(predictions):
        for name in columns_of(rows):
            if name == "latency_s" or name.startswith("probability"):
                values, present = numbers(rows, name)
                n = int(np.count_nonzero(out_of_bounds(name, values) & present))
                allowed = "0 or more" if name == "latency_s" else "0 to 1"
                detail = json.dumps({"rows": n, "of": rows.height, "allowed": allowed})
                if n:
                    events.append(
                        {"kind": "contract_violation", "name": name, "version": version, "detail": detail}
                    )
    return events


def _other_type(grid: Grid, rows: pl.DataFrame, names: Sequence[str]) -> str | None:
    """The type that came in a column where it is not what its grid counts; None where it is. Of vectors the length too."""
    kinds = [physical_of(rows.schema[one]) for one in names if rows[one].count()]
    if grid.kind == "vector":
        vectors = [one for one in names if isinstance(rows.schema[one], pl.List) and rows[one].count()]
        if not vectors:
            return kinds[0].value if kinds else None
        return _other_length(rows, vectors, grid.length)
    if grid.kind == "numeric" and kinds and not any(kind.numeric for kind in kinds):
        return kinds[0].value
    return None


def _other_length(rows: pl.DataFrame, names: Sequence[str], length: int) -> str | None:
    """The first type of vectors that are of another length; none where ``length`` is 0, not known."""
    for name in names if length else ():
        for n in lengths(rows[name]):
            if n != length:
                return f"{physical_of(rows.schema[name])} of {n:,} elements"
    return None


def _of_length(shape: Shape, rows: pl.DataFrame, version: str) -> Iterator[dict[str, str]]:
    """What is said of vectors of another length than most in columns that no reference speaks of."""
    for name in columns_of(rows):
        names = [one for one in variants(rows.columns, name) if isinstance(rows.schema[one], pl.List)]
        if not names or name in shape.expected:
            continue
        grid = shape.grids.get(name)
        length = usual_length(rows[names[0]]) if grid is None else grid.length
        other = _other_length(rows, names, length)
        if other is not None:
            yield _event("type_changed", name, version, {"type": other})


def _event(kind: str, name: str, version: str, detail: Mapping[str, str]) -> dict[str, str]:
    return {"kind": kind, "name": name, "version": version, "detail": json.dumps(detail)}


def schema_events(shape: Shape, predictions: pl.DataFrame) -> list[dict[str, str]]:
    """How the columns that came differ from those of the reference: appeared, vanished, or of another kind; and how
    many of their values cannot be. Columns that are as they should be are said to have returned, which is news only
    of those that were away. Vectors of another length than the first ones are said to be so without a reference too.
    """
    events = _violations(predictions)
    for version, rows in versions_of(predictions, shape.expected):
        events += _of_length(shape, rows, version)
        if not shape.expected:
            continue
        outputs = {*RESERVED, *own_columns(shape.settings)}
        come = {
            name for name in columns_of(rows) if name not in outputs and not name.startswith("probability")
        }
        for name in sorted(come - set(shape.expected)):
            events.append(_event("column_appeared", name, version, {}))
        for name in shape.expected:
            names = variants(rows.columns, name)
            if not names:
                events.append(_event("column_vanished", name, version, {}))
            elif name in shape.grids and any(rows[one].count() for one in names):
                other = _other_type(shape.grids[name], rows, names)
                if other is None:
                    events.append(_event("column_returned", name, version, {}))
                else:
                    events.append(_event("type_changed", name, version, {"type": other}))
    return events
