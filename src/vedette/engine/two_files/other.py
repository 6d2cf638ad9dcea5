"""A column that has no values to compare, or none that can be: times, nested types, nothing but nulls."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from vedette.engine.two_files.described import Compared, missing
from vedette.engine.two_files.source import Gaps, Source, gaps
from vedette.output.comparison import Side

__all__ = ["compare_other"]


def compare_other(kind: str, sources: Sequence[Source], reason: str | None = None) -> Compared:
    """Count rows and nulls, and compare their share; ``reason`` is why not the values, where it is not their type."""
    both = [_side(source) for source in sources]
    found = missing(both, gaps(sources) if kind != "other" else Gaps())
    parts = {} if found is None else {"missing": found}
    return Compared(kind, both, parts=parts, reason=reason or _reason(kind, sources))


def _reason(kind: str, sources: Sequence[Source]) -> str:
    for source, where in zip(sources, ("", " in the reference"), strict=False):
        if source.table.schema[source.name] == pl.Null:
            return f"no values{where}"
    if kind == "time":
        return "times move on: not compared"
    return f"type {sources[0].table.schema[sources[0].name]}: give what is to be watched of it"


def _side(source: Source) -> Side:
    return Side(source.rows, source.table.nulls(source.name), 0, 0, None, None, {})
