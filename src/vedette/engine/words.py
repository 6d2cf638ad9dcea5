"""What is said of verdicts beside their evidence: the likely cause, the change in the column's own unit, why one waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.state import OPEN, row_of, told_of
from vedette.engine.stored import levels_of, of_frame
from vedette.engine.summarise import LABELLED
from vedette.lake.events import schema_words
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics import STATISTICS
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["explained", "waits"]

MOST_SHOWN = 4
LEAST_NATS = 2.0
"""Evidence below a factor of seven is what noise shows every week."""


def explained(
    tables: ModelTables,
    plan: strategy.Plan,
    state: strategy.State,
    reference: Mapping[str, Summary],
    verdicts: Sequence[Verdict],
    before: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[tuple[Verdict, str]]:
    """The verdicts, each with the words that are kept for the next round.

    An alarm keeps the words with which it was told, says how things are now, leads with its cause, and names what
    else changed most.
    """
    watches = {(watch.id, watch.segment): watch for watch in plan.watches}
    open_since = {
        (v.watch, v.segment): v.since for v in verdicts if v.verdict is Status.ALARM and v.since is not None
    }
    if not open_since:
        return [(one, one.evidence) for one in verdicts]
    rows = (
        tables["summaries"]
        .scan()
        .filter(
            (pl.col("part") == "live")
            & pl.col("column").is_in([watches[name].column for name in open_since])
            & (pl.col("known") >= min(open_since.values()))
        )
        .collect()
    )
    changed, most = schema_words(tables, tuple(plan.grids)), strategy.ranking(plan, state)
    of_source = rows.partition_by(["column", "segment", "grid"], as_dict=True)
    swapped = _swapped(
        plan, reference, {watches[name].column: since for name, since in open_since.items()}, rows
    )
    out: list[tuple[Verdict, str]] = []
    for one in verdicts:
        key = (one.watch, one.segment)
        if key in open_since:
            watch, old = watches[key], before.get(key)
            grid = plan.grids[watch.source]
            own = of_source.get((watch.column, watch.segment, grid.id), rows.clear())
            some = own.filter(pl.col("known") >= open_since[key])
            found = strategy.causes(reference[watch.source], _worth(some, grid)) if some.height else ()
            fitting = [cause for cause in found if cause.startswith("missing") == (watch.kind == "missing")]
            if watch.column in swapped and not watch.segment and watch.kind in ("location", "spread"):
                fitting = [swapped[watch.column]]
            if watch.kind in ("location", "bias", "errors", "quality") and some.height:
                fitting += _in_own_unit(watch.kind, reference[watch.source], _worth(some, grid).merged())
            if watch.kind == "missing" and watch.column in changed:
                fitting = [changed[watch.column]]
            same = old is not None and told_of(old) == told_of(row_of(one))
            told = (
                str(old["told"]) if same and old is not None else one.evidence + _most(most, open_since[key])
            )
            shown = one.evidence.partition("; evidence")[0]
            now = [f"now {shown}"] if told.partition("; evidence")[0] != shown else []
            out.append((replace(one, evidence="; ".join([*fitting, told, *now])), told))
        else:
            out.append((one, one.evidence))
    return out


def _swapped(
    plan: strategy.Plan, reference: Mapping[str, Summary], since: Mapping[str, datetime], rows: pl.DataFrame
) -> dict[str, str]:
    """Columns that changed places, among those that alarm, in words by column."""
    now = {}
    for column, begin in since.items():
        grid = plan.grids.get(column)
        if grid is None or column not in reference:
            continue
        own = rows.filter(
            (pl.col("column") == column) & (pl.col("segment") == "") & (pl.col("grid") == grid.id)
        )
        own = own.filter(pl.col("known") >= begin)
        if own.height:
            now[column] = _worth(own, grid).merged()
    found: dict[str, str] = {}
    for one, other in strategy.swapped({name: reference[name] for name in now}, now):
        found |= dict.fromkeys(
            (one, other), f"columns swapped: {one} and {other} look as if they had changed places"
        )
    return found


def _most(ranked: Sequence[tuple[strategy.Watch, float, float]], since: datetime) -> str:
    """What changed most, in nats, where more than one watch did; alarms that opened before are another matter."""
    named = [
        f"{watch.id}{f' [{watch.segment}]' if watch.segment else ''} {nats:.1f}"
        for watch, nats, opened in ranked
        if nats >= LEAST_NATS and not opened < since.timestamp()
    ][:MOST_SHOWN]
    return f"; changed most, in nats: {', '.join(named)}" if len(named) > 1 else ""


def _worth(rows: pl.DataFrame, grid: Grid) -> Summary:
    """What increments hold; of sampled rows as many as they are worth."""
    if (rows["weight"] == 1.0).all():
        return of_frame(rows, grid)
    return levels_of(rows, grid, np.zeros(rows.height, dtype=np.int64), 1).effective


def _in_own_unit(kind: str, before: Summary, after: Summary) -> list[str]:
    """How the mean of a numeric column or of errors changed, or the errors' mean size, in the column's own unit."""
    if not (before.used[0] and after.used[0]):
        return []
    if kind == "errors":
        old, new = (float(STATISTICS["mae"].figures(one).value[0]) for one in (before, after))
        if np.isnan([old, new]).any():
            return []
        return [f"mean absolute error went from {old:,.4g} to {new:,.4g}"]
    old, new = (float(one.grid.centre + one.total[0] / one.used[0]) for one in (before, after))
    if kind == "quality":
        return [f"mean F1 of a row went from {1 - old:.4g} to {1 - new:.4g}"]
    what = "mean error" if kind == "bias" else "mean norm" if before.grid.kind == "vector" else "mean"
    return [f"{what} went from {old:,.4g} to {new:,.4g}"]


def waits(one: Verdict, watches: Mapping[tuple[str, str], strategy.Watch], open_sources: set[str]) -> Verdict:
    """The verdict; where it lacks rows, whether none came or their window is still open."""
    watch = watches.get((one.watch, one.segment))
    if one.reason != "no rows" or watch is None:
        return one
    if watch.source in open_sources:
        return replace(one, reason=OPEN)
    return replace(one, reason="no labels") if watch.column in LABELLED else one
