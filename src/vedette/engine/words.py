"""What is said of verdicts beside their evidence: the likely cause, the change in the column's own unit, why one waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from vedette import strategy
from vedette.engine.state import OPEN, row_of, told_of
from vedette.engine.stored import of_frame
from vedette.engine.summarise import LABELLED
from vedette.lake.events import schema_words
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics import STATISTICS
from vedette.statistics.summary import Summary

__all__ = ["explained", "waits"]


def explained(
    tables: ModelTables,
    plan: strategy.Plan,
    reference: Mapping[str, Summary],
    verdicts: Sequence[Verdict],
    before: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[tuple[Verdict, str]]:
    """The verdicts, each with the words that are kept for the next round.

    An alarm keeps the words with which it was told, says how things are now, and leads with its cause.
    """
    watches = {watch.id: watch for watch in plan.watches}
    open_since = {v.watch: v.since for v in verdicts if v.verdict is Status.ALARM and v.since is not None}
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
    changed = schema_words(tables, tuple(plan.grids))
    out: list[tuple[Verdict, str]] = []
    for one in verdicts:
        if one.watch in open_since:
            watch, old = watches[one.watch], before.get((one.watch, one.segment))
            grid = plan.grids[watch.column]
            own = (pl.col("column") == watch.column) & (pl.col("grid") == grid.id)
            some = rows.filter(own & (pl.col("known") >= open_since[one.watch]))
            found = strategy.causes(reference[watch.column], of_frame(some, grid)) if some.height else ()
            fitting = [cause for cause in found if cause.startswith("missing") == (watch.kind == "missing")]
            if watch.kind in ("location", "bias", "errors") and some.height:
                fitting += _in_own_unit(watch.kind, reference[watch.column], of_frame(some, grid).merged())
            if watch.kind == "missing" and watch.column in changed:
                fitting = [changed[watch.column]]
            same = old is not None and told_of(old) == told_of(row_of(one))
            told = str(old["told"]) if same and old is not None else one.evidence
            now = [f"now {one.evidence.partition('; evidence')[0]}"] if told != one.evidence else []
            out.append((replace(one, evidence="; ".join([*fitting, told, *now])), told))
        else:
            out.append((one, one.evidence))
    return out


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
    what = "mean error" if kind == "bias" else "mean"
    return [f"{what} went from {old:,.4g} to {new:,.4g}"]


def waits(one: Verdict, plan: strategy.Plan, open_columns: set[str]) -> Verdict:
    """The verdict; where it lacks rows, whether none came or their window is still open."""
    if one.reason != "no rows":
        return one
    column = next((watch.column for watch in plan.watches if watch.id == one.watch), "")
    if column in open_columns:
        return replace(one, reason=OPEN)
    return replace(one, reason="no labels") if column in LABELLED else one
