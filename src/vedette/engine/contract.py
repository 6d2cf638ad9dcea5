"""What rows were said to be against what came: columns that appeared, vanished or changed, values that cannot be."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from vedette.engine.summarise import Shape, columns_of, numbers, out_of_bounds, versions_of
from vedette.lake.frames import physical_of
from vedette.lake.rows import variants
from vedette.records import RESERVED

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


def schema_events(shape: Shape, predictions: pl.DataFrame) -> list[dict[str, str]]:
    """How the columns that came differ from those of the reference: appeared, vanished, or of another kind; and how
    many of their values cannot be. Columns that are as they should be are said to have returned, which is news only
    of those that were away.
    """
    events = _violations(predictions)
    if not shape.expected:
        return events
    for version, rows in versions_of(predictions, shape.expected):
        come = {
            name for name in columns_of(rows) if name not in RESERVED and not name.startswith("probability")
        }
        for name in sorted(come - set(shape.expected)):
            events.append({"kind": "column_appeared", "name": name, "version": version, "detail": "{}"})
        for name in shape.expected:
            names = variants(rows.columns, name)
            if not names:
                events.append({"kind": "column_vanished", "name": name, "version": version, "detail": "{}"})
            elif name in shape.grids:
                numeric = shape.grids[name].kind == "numeric"
                kinds = [
                    physical_of(rows.schema[one]) for one in names if rows[one].null_count() < rows.height
                ]
                if kinds and numeric and not any(kind.numeric for kind in kinds):
                    detail = json.dumps({"type": kinds[0].value})
                    events.append(
                        {"kind": "type_changed", "name": name, "version": version, "detail": detail}
                    )
                elif kinds:
                    events.append(
                        {"kind": "column_returned", "name": name, "version": version, "detail": "{}"}
                    )
    return events
