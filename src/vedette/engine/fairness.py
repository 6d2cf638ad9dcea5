"""Fairness of a model: its labelled rows by the values of a column, fresh ones included, compared between those groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.estimated_counts import effective
from vedette.engine.outputs import is_structured
from vedette.engine.query import Query, Span, moment
from vedette.engine.segments import Segments
from vedette.engine.view import Cells, View, view
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake
from vedette.statistics.confusion import confusion
from vedette.statistics.fairness import FAIRNESS, Gap, GroupTable, fairness_figures
from vedette.statistics.fairness_errors import ERROR_FAIRNESS, ErrorTable, error_fairness_figures
from vedette.statistics.measured import CONSERVATIVE
from vedette.statistics.summary import Summary

__all__ = ["FAIRNESS_SCHEMA", "fairness"]

FAIRNESS_SCHEMA: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "part": pl.String(),
    "group": pl.String(),
    "other": pl.String(),
    "start": UTC_TYPE,
    "end": UTC_TYPE,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "note": pl.String(),
    "reason": pl.String(),
}

_READ_BY = (
    "confusion",
    "mae",
)  # what reads that which fairness reads: labelled rows of a classifier, of a regression


def fairness(
    lake: Lake,
    model: str,
    by: str,
    metric: str | Sequence[str] | None = None,
    *,
    against: str | None = None,
    version: str | None = None,
    window_s: float | None = None,
    since: Any = None,
    until: Any = None,
    as_of: Any = None,
) -> pl.DataFrame:
    """Fairness by window, one row for each figure and groups compared; see ``Monitor.fairness``."""
    if not isinstance(by, str) or not by:
        raise ValueError(f"by={by!r}: must be the name of a column")
    wanted = _checked(metric)
    query = Query(
        _READ_BY,
        None,
        version,
        window_s,
        moment(since, "since"),
        moment(until, "until"),
        moment(as_of, "as_of"),
    )
    seen = view(lake, model, query)
    own = seen.shape.window_us
    span = query.span(own)
    if seen.extent is None:
        return pl.DataFrame(schema=FAIRNESS_SCHEMA)
    if is_structured(seen.shape.settings):
        task = seen.shape.settings.task
        raise ValueError(
            f"model {model!r}: fairness is of classifiers and regressions; the task of this one is {task!r}"
        )
    kinds = {column: grid for column, grid in seen.shape.all_grids.items() if query.of_column(column, grid)}
    if not kinds:
        raise ValueError(f"model {model!r}: fairness is of predictions, and none has come")
    of_errors = any(grid.kind == "error" for grid in kinds.values())
    wanted = _of_kind(model, metric, wanted, of_errors=of_errors)
    length_us = span.window_us or seen.extent[1] + own - seen.extent[0]
    return _frame(_found(seen, by, span, kinds, wanted, against), length_us)


def _checked(metric: str | Sequence[str] | None) -> tuple[str, ...]:
    every = (*FAIRNESS, *ERROR_FAIRNESS)
    names = every if metric is None else (metric,) if isinstance(metric, str) else tuple(metric)
    for name in names:
        if name not in every:
            raise ValueError(f"metric={name!r}: must be one of {', '.join(every)}")
    if not names:
        raise ValueError("metric=[]: must be a name, or a list of names")
    return tuple(dict.fromkeys(names))


def _of_kind(model: str, metric: Any, wanted: tuple[str, ...], *, of_errors: bool) -> tuple[str, ...]:
    """The metrics that there are of the model; ``ValueError`` where another was asked for by name."""
    right = ERROR_FAIRNESS if of_errors else FAIRNESS
    own = tuple(name for name in wanted if name in right)
    if metric is not None and len(own) < len(wanted):
        odd = next(name for name in wanted if name not in right)
        what = "predicts numbers" if of_errors else "is a classifier"
        raise ValueError(f"metric={odd!r}: model {model!r} {what}: must be one of {', '.join(right)}")
    return own


def _found(
    seen: View, by: str, span: Span, kinds: Any, metric: tuple[str, ...], against: str | None
) -> list[tuple[int, Gap, bool]]:
    """The figures with the start of their window, and whether their rows were counted as fewer than they stand for."""
    rows = Segments(seen, (by,), span, kinds)
    told = None if against is None else against if against in rows.names else f"{by}={against}"
    if told is not None and told not in rows.names:
        names = ", ".join(one.removeprefix(f"{by}=") for one in rows.names)
        raise ValueError(f"against={against!r}: {by!r} has the values {names}")
    out = []
    for column, grid in kinds.items():
        parts = list(rows.blocks(column, grid, hashes=False))
        if not parts:
            continue
        segment, start, fewer = (
            np.concatenate(one)
            for one in zip(*((cells.segment, cells.start, _mixed(cells)) for cells in parts), strict=True)
        )
        # rows of several weights count as so many of equal weight as no figure of them is surer than
        summary = Summary.stack([effective(cells) for cells in parts])
        for when in np.unique(start):
            here = start == when
            groups = tuple(rows.names[place] for place in segment[here])
            base = told if told is None or told in groups else None
            gaps = _gaps(groups, summary.take(here), metric, base)
            out += [(int(when), gap, bool(fewer[here].any())) for gap in gaps]
    return out


def _gaps(groups: tuple[str, ...], summary: Summary, metric: tuple[str, ...], base: str | None) -> list[Gap]:
    """The figures of one window, of the labelled rows of each group."""
    if summary.grid.kind == "error":
        return error_fairness_figures(ErrorTable(groups, summary), metric, against=base)
    table = GroupTable(groups, tuple(summary.grid.classes), confusion(summary)[0])
    return fairness_figures(table, metric, against=base)


def _mixed(cells: Cells) -> np.ndarray:
    """Where sampled rows were counted as fewer than they are."""
    return np.zeros(len(cells.start), dtype=np.bool_) if cells.levels is None else cells.levels.mixed


def _frame(found: list[tuple[int, Gap, bool]], length_us: int) -> pl.DataFrame:
    if not found:
        return pl.DataFrame(schema=FAIRNESS_SCHEMA)
    starts = pl.Series([start for start, _, _ in found], dtype=pl.Int64)
    starts = starts.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    gaps = [gap for _, gap, _ in found]
    columns: dict[str, Any] = {
        name: [getattr(gap, name) for gap in gaps] for name in ("metric", "part", "group", "other")
    }
    columns |= {"start": starts, "end": starts.dt.offset_by(f"{length_us}us")}
    columns |= {name: [getattr(gap.figure, name) for gap in gaps] for name in ("value", "low", "high", "n")}
    columns["note"] = [
        (gap.figure.note or CONSERVATIVE) if fewer and gap.figure.known else gap.figure.note
        for _, gap, fewer in found
    ]
    columns["reason"] = [gap.figure.reason for gap in gaps]
    frame = pl.DataFrame(columns, schema=FAIRNESS_SCHEMA)
    return frame.with_columns(pl.col("value", "low", "high").fill_nan(None))
