"""A column of numbers in two files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from vedette.engine.two_files.described import KEPT, Compared, distances, drawn, missing, sides, too_few
from vedette.engine.two_files.source import Source, dependence, floats, gaps
from vedette.lake import classes
from vedette.statistics.counting import summarise_numeric
from vedette.statistics.grid import Grid, latency_grid, numeric_grid, vector_grid
from vedette.statistics.summary import Summary
from vedette.strategy import two_samples

__all__ = ["NUMBERED", "compare_numbers", "few_whole"]

NUMBERED = "rises from row to row like an identifier or a time: not compared"


def compare_numbers(
    name: str, role: str, sources: Sequence[Source], *, kind: str = "numeric", length: int = 0
) -> Compared:
    """Count a numeric column of one or two files on one grid, and compare.

    Of the ``kind`` vector the numbers are norms of vectors of so many elements.
    """
    pilot = np.concatenate([floats(source.pilot()) for source in sources])
    if kind == "vector":
        grid = vector_grid(name, pilot, length)
    else:
        grid = latency_grid(name) if role == "latency" else numeric_grid(name, pilot)
    both = [_count(grid, source) for source in sources]
    found = sides(both)
    parts: dict[str, float | None] = {}
    reason = None
    surest = ""
    inflated = dependence([_ranks(grid, source) for source in sources])
    if len(both) > 1:
        reason = too_few(both, inflated)
        if all(_numbered(source) for source in sources):
            reason = NUMBERED
        if reason is None:
            a, b = both[0].counts[0], both[1].counts[0]
            tests = two_samples.number_parts(a, b, inflated)
            parts["values"] = two_samples.together(tests.values()) if tests else None
            if parts["values"] is None and np.count_nonzero(a + b) == 1:
                parts["values"] = 1.0
            surest = min((p, name) for name, p in [*(tests or {}).items(), ("", 2.0)] if p is not None)[1]
        parts["missing"] = missing(found, gaps(sources))
        infinite = [int(one.inf[0]) for one in both]
        if any(infinite):
            parts["infinite"] = two_samples.share(
                infinite[0], found[0].rows, infinite[1], found[1].rows, inflated
            )
    unit = "s" if role == "latency" or all(one.dtype == pl.Duration for one in sources) else ""
    return Compared(
        kind,
        found,
        distances(both),
        drawn(grid, both),
        parts,
        {},
        reason,
        inflated,
        surest,
        unit,
        lengths=(length,) if length else (),
    )


def few_whole(sources: Sequence[Source]) -> bool:
    """True where numbers can be the names of classes: whole, and few of them."""
    return classes.few_whole(np.concatenate([floats(source.pilot()) for source in sources]))


def _ranks(grid: Grid, source: Source) -> np.ndarray:
    values = floats(source.stretch())
    return np.asarray(np.searchsorted(grid.edges, values[np.isfinite(values)], side="right"))


def _numbered(source: Source) -> bool:
    """True where whole numbers rise from row to row, as numbers of rows, identifiers and times do."""
    column = source.stretch()
    if not column.dtype.is_integer() or len(column) < two_samples.DEPENDENT_MIN or column.null_count():
        return False
    return bool((np.diff(floats(column)) > 0).all())


def _count(grid: Grid, source: Source) -> Summary:
    total = Summary.empty(grid, 1, KEPT)
    for column in source.slices():
        part = summarise_numeric(grid, floats(column), kept=KEPT)
        part.missing[:] += column.null_count()
        part.rows[:] += column.null_count()
        total = total + part if total.rows[0] else part
    return total
