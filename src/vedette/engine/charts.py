"""A figure over its windows as a page draws it: by segment or version, with what the reference says and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import polars as pl

from vedette.engine.coincident import STEP, coincident
from vedette.engine.figures import figures
from vedette.engine.judge import reference_plan
from vedette.engine.query import Query
from vedette.engine.rules import drawn_by_rule
from vedette.engine.state import kept_row
from vedette.engine.stored import utc
from vedette.engine.story import figure_of
from vedette.engine.summarise import LABELLED, window_starts
from vedette.engine.view import reference_of, view
from vedette.lake.events import settings_of
from vedette.lake.tables import Lake, ModelTables
from vedette.output.explanation import Coincidence
from vedette.records import Health, Status
from vedette.statistics import STATISTICS, Statistic
from vedette.statistics.structured import TASK_FIGURES
from vedette.strategy import source_of

__all__ = [
    "LINES_MAX",
    "POINTS_MAX",
    "Asked",
    "Chart",
    "Reference",
    "chart",
    "columns_of",
    "extent",
    "feature_of",
    "of_rule",
    "of_the_model",
    "of_watch",
    "shown_first",
]

POINTS_MAX = 400
"""Windows of a line: where there are more they are merged into longer ones, since a screen has not more to show."""

LINES_MAX = 8
"""Segments or versions in one picture: those with most rows."""

_FIRST = ("accuracy", "mae", "error_rate", "latency_p95_s")
_GRAVEST = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which figure, how it is split, and of which span; ``window_s`` None for the model's own, or as long as it must be.

    With a ``segment`` the figure is of that one alone, beside its own reference.
    """

    metric: str
    feature: str | None = None
    by: str | None = None
    versions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    window_s: float | None = None
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """The same figure of the reference."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines by name (rows of ``figures``), the reference, restated windows with when they last were, and what happened."""

    asked: Asked
    lines: Mapping[str, pl.DataFrame]
    reference: Reference | None
    restated: Mapping[datetime, datetime]
    events: Sequence[Coincidence]
    window_s: float


def of_watch(watch: str) -> tuple[str, str | None] | None:
    """The figure that shows best what a watch watches; None for one that no single figure shows.

    >>> of_watch("age.location"), of_watch("accuracy"), of_watch("rule:low")
    (('mean', 'age'), ('accuracy', None), None)
    >>> of_watch("error.location"), of_watch("error.spread")  # the errors of a regression are no feature
    (('bias', None), ('mae', None))
    """
    column, dot, kind = watch.rpartition(".")
    if column == "error":
        return "bias" if kind == "location" else "mae", None
    found = figure_of(column, kind)
    if not dot:
        of_column = ("location", "spread", "missing", "mix", "unseen")
        return None if found is None or watch in of_column else (found, None)
    return None if found is None else (found, None if found.startswith("latency") else column)


def of_rule(tables: ModelTables, watch: str) -> tuple[str, str | None] | None:
    """The figure that the watch of a rule is of; None where no figure shows it, or the rule is no more."""
    found = drawn_by_rule(kept_row(tables, series=False), watch)
    return None if found is None else (found[0], feature_of(*found))


def feature_of(metric: str, column: str) -> str | None:
    """The feature by which a figure of a column is asked for; None for one of the model as a whole."""
    return None if column in LABELLED or metric in ("rows", "throughput_per_s", "error_rate") else column


def of_the_model(found: pl.DataFrame) -> pl.DataFrame:
    """Figures of one metric that are of no feature; those of its feature where it has one alone, as latency has."""
    plain = found.filter(pl.col("feature").is_null() | (pl.col("metric") == "rows"))
    return found if plain.is_empty() and found["feature"].n_unique() == 1 else plain


def shown_first(health: Health, tables: ModelTables, most: int) -> list[tuple[str, str | None]]:
    """The figures that a model's page draws where nobody chose: what alarms first, then how good it is, then its columns.

    What a model without a reference has is drawn just so: nothing of it is watched, and all of it is counted.
    """
    order = sorted(health.verdicts, key=lambda one: _GRAVEST.index(one.verdict))
    grave = [of_watch(one.watch) for one in order if one.verdict is not Status.OK]
    watched = {of_watch(one.watch) for one in health.verdicts}
    usual = [(name, None) for name in _FIRST if (name, None) in watched]
    there = [] if usual else _there(tables)
    found = [one for one in (*grave, *usual, *there[:1], ("rows", None), *there[1:]) if one is not None]
    return list(dict.fromkeys(found))[:most]


def _there(tables: ModelTables) -> list[tuple[str, str | None]]:
    """A figure of each column that is counted, that of all rows first: how good it is, how quick, and where its inputs lie."""
    rows = _grids(tables)
    kinds = set(rows.values())
    of_all = {"quality": "accuracy", "error": "mae", "latency": "latency_p95_s"}
    own = {"numeric": "mean", "category": "missing_share"}
    found: list[tuple[str, str | None]] = [(name, None) for kind, name in of_all.items() if kind in kinds]
    return found + [(own[rows[name]], name) for name in columns_of(tables) if rows[name] in own]


def _grids(tables: ModelTables) -> dict[str, str]:
    """All that is counted by columns, each with its kind; the newest word on each."""
    rows = (
        tables["grids"]
        .scan()
        .select("column", "kind", "created")
        .sort("created", maintain_order=True)
        .collect()
    )
    return dict(zip(rows["column"].to_list(), rows["kind"].to_list(), strict=True))


def columns_of(tables: ModelTables) -> dict[str, str]:
    """The columns that a model counts, each with its kind."""
    return {
        name: kind
        for name, kind in sorted(_grids(tables).items())
        if not name.startswith("_") and name not in LABELLED
    }


def extent(tables: ModelTables) -> tuple[datetime, datetime] | None:
    """The start of the first and the end of the last window with rows, None where there is none."""
    rows = tables["summaries"].scan().filter((pl.col("part") == "live") & (pl.col("column") == "prediction"))
    first, last = (
        rows.select(pl.col("start").min().alias("first"), pl.col("start").max().alias("last"))
        .collect()
        .row(0)
    )
    return None if first is None else (first, last + timedelta(seconds=settings_of(tables).window_s))


def chart(lake: Lake, model: str, asked: Asked) -> Chart:
    """A figure over its windows. Raises ``ValueError`` for a figure or a column that the model has not."""
    tables = lake.model(model)
    own_s = settings_of(tables).window_s
    whole = extent(tables)
    first, last = whole or (utc(0), utc(0))
    first, last = max(first, asked.since or first), min(last, asked.until or last)
    window_s = asked.window_s or _length(first, last, own_s)
    if window_s and (last - first).total_seconds() / window_s > 5 * POINTS_MAX:
        raise ValueError(
            f"window={window_s:g}s: is {(last - first).total_seconds() / window_s:,.0f} windows, of which a picture has at "
            f"most {5 * POINTS_MAX:,}; take a longer window or a shorter span"
        )
    lines = _lines(lake, model, replace(asked, window_s=window_s))
    width = timedelta(seconds=window_s)
    found = () if whole is None else coincident(tables, first, last, timedelta(0))
    happened = [one for one in found if one.kind != STEP]  # lines that no request felt would hide the others
    return Chart(
        asked, lines, _reference(lake, model, asked), _restated(tables, asked, lines, width), happened, window_s
    )  # fmt: skip


def _length(first: datetime, last: datetime, own_s: float) -> float:
    """The length of a window so that no more than ``POINTS_MAX`` of them are in a span."""
    return own_s * max(1, int(np.ceil((last - first).total_seconds() / own_s / POINTS_MAX)))


def _lines(lake: Lake, model: str, asked: Asked) -> dict[str, pl.DataFrame]:
    def of(version: str | None = None, by: str | None = None) -> pl.DataFrame:
        found = figures(
            lake, model, asked.metric, feature=asked.feature, by=by, version=version, window_s=asked.window_s,
            since=asked.since, until=asked.until, as_of=asked.as_of,
        )  # fmt: skip
        return found if asked.feature is not None else of_the_model(found)

    if asked.segment:
        found = of(by=asked.segment.partition("=")[0]).filter(pl.col("segment") == asked.segment)
        return {asked.segment: found}
    if asked.by:
        split = {
            (version, str(key[0])): rows
            for version in asked.versions or (None,)
            for key, rows in of(version, asked.by).partition_by("segment", as_dict=True).items()
        }
        largest = sorted(split, key=lambda name: -int(split[name]["n"].sum()))[:LINES_MAX]
        several = len(asked.versions) > 1
        return {
            f"version {version}, {segment}" if several else segment: split[version, segment]
            for version, segment in sorted(largest, key=lambda name: (name[1], name[0] or ""))
        }
    if asked.versions:
        return {f"version {name}": of(name) for name in asked.versions[:LINES_MAX]}
    found = of()
    parts = found["part"].drop_nulls().unique().to_list()
    if not parts:
        return {"all rows": found}
    by_part = {str(key[0]): rows for key, rows in found.partition_by("part", as_dict=True).items()}
    most = sorted(by_part, key=lambda name: -int(by_part[name]["n"].sum()))[:LINES_MAX]
    return {name: by_part[name] for name in sorted(most)}


def _reference(lake: Lake, model: str, asked: Asked) -> Reference | None:
    """The figure of the reference as a whole, or of the segment in it; None without one, or for a distance from it."""
    query = Query(
        (asked.metric,), None if asked.feature is None else (asked.feature,), estimate=True
    )  # with its counts
    seen = view(lake, model, query)
    planned = reference_plan(seen.tables, seen.shape) if asked.segment else None
    for column in query.columns(seen.shape.all_grids):
        grid = seen.shape.all_grids[column]
        statistic = TASK_FIGURES.get(grid.kind, {}).get(asked.metric) or STATISTICS.get(asked.metric)
        if statistic is None or not hasattr(statistic, "needs_reference") or statistic.needs_reference:
            return None
        if grid.kind not in cast(Statistic, statistic).kinds:
            continue
        if asked.segment:
            summary = None if planned is None else planned[1].get(source_of(column, asked.segment))
        else:
            summary = reference_of(seen, column)
        if summary is None or asked.metric in ("rows", "throughput_per_s"):
            continue
        found = cast(Statistic, statistic).figures(summary, None)
        value, low, high = (float(part[0]) for part in (found.value, found.low, found.high))
        if np.isnan(value):
            continue
        ends = None if np.isnan(low) else low, None if np.isnan(high) else high
        return Reference(value, *ends, int(found.n[0]))
    return None


def _restated(
    tables: ModelTables, asked: Asked, lines: Mapping[str, pl.DataFrame], width: timedelta
) -> dict[datetime, datetime]:
    """The windows to which something was added after they had ended, with the end of the window in which it came."""
    labelled = any(frame["labelled"].is_not_null().any() for frame in lines.values())
    columns = [asked.feature] if asked.feature else [*LABELLED] if labelled else ["prediction"]
    late = pl.col("known") > pl.col("start")
    scan = (
        tables["summaries"].scan().filter((pl.col("part") == "live") & pl.col("column").is_in(columns) & late)
    )
    scan = scan if asked.as_of is None else scan.filter(pl.col("known") < asked.as_of)
    rows = scan.group_by("start").agg(pl.col("known").max()).collect()
    if rows.is_empty() or not width:
        return {}
    own = timedelta(seconds=settings_of(tables).window_s)
    starts = window_starts(rows["start"], int(width / timedelta(microseconds=1)))
    found: dict[datetime, datetime] = {}
    for start, known in zip(starts.tolist(), rows["known"].to_list(), strict=True):
        at, end = utc(int(start)), known + own
        if known >= at + width:
            found[at] = max(end, found.get(at, end))
    return found
