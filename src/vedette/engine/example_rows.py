"""Some of the rows that an alarm is about: those of the segment that changed most, from when the change began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from vedette import config
from vedette.lake.tables import Lake
from vedette.output.explanation import Explanation

__all__ = ["Examples", "example_rows"]

ROWS_SHOWN = 10
COLUMNS_SHOWN = 12
_OWN = ("id", "time", "version", "prediction", "probability")


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows as dicts by ``columns``, and whose they are in words."""

    words: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]


def example_rows(lake: Lake, model: str, why: Explanation, n: int = ROWS_SHOWN) -> Examples | None:
    """The first rows since the change began, of the segment that is named first where its levels are values of columns.

    The label stands beside a row where it came. None where it is not known when the change began, no such row is kept, or
    figures of few rows are hidden (``[privacy]`` and private columns), of which one row is the least.
    """
    if why.began is None or config.read().k_of(model):
        return None
    tables = lake.model(model)
    there = tables["predictions"].columns()
    rows = tables["predictions"].scan().filter(pl.col("time") >= why.began.best)
    named = [one for one in why.search.named if one.levels] if why.search is not None else []
    levels = [(name, level) for name, level in named[0].levels if name in there] if named else []
    told = []
    for name, level in levels:
        narrowed = rows.filter(pl.col(name).cast(pl.String) == level)
        if narrowed.head(1).collect().is_empty():
            continue  # a range of numbers, or levels taken together, are no value of the column
        rows = narrowed
        told.append(f"{name}={level}")
    column = why.watch.rpartition(".")[0]
    wanted = [
        name
        for name in dict.fromkeys([*_OWN, *(name for name, _ in levels), column, *there])
        if name in there
    ]
    wanted = [name for name in wanted if not name.startswith("_") and name != "received"][:COLUMNS_SHOWN]
    found = rows.sort("time").head(n).select(wanted).collect()
    if found.is_empty():
        return None
    if "id" in wanted and "label" in (labels := tables["labels"].columns()) and "id" in labels:
        known = tables["labels"].scan().filter(pl.col("id").is_in(found["id"].to_list())).sort("received")
        last = known.group_by("id").agg(pl.col("label").last()).collect()
        found = found.join(last, on="id", how="left", maintain_order="left")
    where = f" with {' and '.join(told)}" if told else ""
    words = f"the first {found.height} rows{where} from {why.began.best:%Y-%m-%d %H:%M} UTC on"
    return Examples(words, tuple(found.columns), tuple(found.to_dicts()))
