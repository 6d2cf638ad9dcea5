"""Figures of a model: summaries of its windows, fresh rows included, read off by the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.journal import producers
from vedette.engine.segments import Columns, Span, segments_by
from vedette.engine.summarise import (
    QUALITY,
    Shape,
    increments,
    of_frame,
    to_frame,
)
from vedette.errors import LakeError
from vedette.lake.arrivals import Arrivals, collect
from vedette.lake.ledger import identifier
from vedette.lake.ledger import ledger as read_ledger
from vedette.lake.rows import matches
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake
from vedette.records import Ledger
from vedette.statistics import Statistic, every_statistic
from vedette.statistics.grid import Grid, quality_grid
from vedette.statistics.summary import Summary

__all__ = ["FIGURE_SCHEMA", "View", "figures", "moment", "view"]

FIGURE_SCHEMA: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "segment": pl.String(),
    "start": UTC_TYPE,
    "end": UTC_TYPE,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "completeness": pl.Float64(),
    "labelled": pl.Float64(),
    "kind": pl.String(),
    "reason": pl.String(),
    "feature": pl.String(),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRIES = 8  # reads of the lake before one gives up because an ingester commits faster than one can read


@dataclass(frozen=True, slots=True)
class View:
    """A model as it is now: summaries in the lake with those of the rows that are still in the journals."""

    shape: Shape
    summaries: pl.DataFrame  # increments, part live and reference
    grids: Mapping[str, Grid]  # by id
    fresh: Arrivals


def moment(value: Any, name: str) -> datetime | None:
    """A time as a user says it (datetime, date, ISO text; without a zone: UTC), or ``ValueError``.

    >>> moment("2013-05-01", "since")
    datetime.datetime(2013, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"{name}={value!r}: must be a datetime, a date or ISO text such as 2026-11-22T09:00"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError(f"{name}={value!r}: must be a datetime, a date or ISO text such as 2026-11-22T09:00")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def view(lake: Lake, model: str, columns: Sequence[str] | None = None) -> View:
    """Read a model once: nothing twice, nothing missing, whatever an ingester does at the same time.

    The journals are read beyond the watermarks of one snapshot of the summaries. A journal may be freed in between,
    but only after the next commit; so where the table has moved on, the reading starts again.
    """
    for _ in range(_TRIES):
        tables = lake.model(model)
        snapshot = tables["summaries"].snapshot()
        names = [folder.name for folder in producers(lake.journal, model)]
        keys = [identifier(name, stream) for name in names for stream in ("predictions", "labels", "batch")]
        marks = {key: tables["summaries"].through(key, snapshot) for key in keys}
        fresh = collect(lake, model, marks)
        shape = Shape.of(tables)
        if fresh.settings is not None:  # said since the last ingest, or never ingested yet
            shape = replace(shape, settings=fresh.settings)
        scan = tables["summaries"].scan(snapshot)
        if columns is not None:
            scan = scan.filter(pl.col("column").is_in(list(columns)))
        frame = scan.collect()
        matched = matches(tables, fresh.predictions, fresh.labels)
        again = lake.model(model)["summaries"].snapshot()
        if (snapshot.version() if snapshot else None) == (again.version() if again else None):
            break
    else:
        raise LakeError(
            f"model {model!r}: the lake changed during each of {_TRIES} readings; ingest less often"
        )
    found, made = increments(shape, fresh.predictions, matched)
    new = to_frame(found, "live", -1)
    if columns is not None:
        new = new.filter(pl.col("column").is_in(list(columns)))
    shape = replace(shape, grids={**shape.grids, **made})
    grids = {grid.id: grid for grid in shape.grids.values()}
    missing = set(frame["grid"].unique().to_list()) - set(grids)
    if missing:  # grids that were replaced on purpose since
        for row in (
            tables["grids"].scan().filter(pl.col("grid").is_in(list(missing))).collect().iter_rows(named=True)
        ):
            grids[row["grid"]] = Grid.from_json(row["definition"])
    return View(shape, pl.concat([frame, new]) if new.height else frame, grids, fresh)


def windows(seen: View, column: str, span: Span, first_us: int = 0) -> tuple[np.ndarray, Summary | None]:
    """The summaries of a column by window: starts in microseconds, and a summary with a window each."""
    rows = seen.summaries.filter((pl.col("column") == column) & span.keep())
    summary = _on_grid(seen, column, rows)
    if summary is None:
        return np.zeros(0, dtype=np.int64), None
    rows = rows.filter(pl.col("grid") == summary.grid.id)
    starts, group = np.unique(span.starts(rows["start"], first_us), return_inverse=True)
    return starts, summary.grouped(group, len(starts))


def reference_of(seen: View, column: str) -> Summary | None:
    """The summary of a column over the newest reference, None where it has none."""
    rows = seen.summaries.filter(pl.col("part") == "reference")
    rows = rows.filter((pl.col("arrival") == pl.col("arrival").max()) & (pl.col("column") == column))
    summary = _on_grid(seen, column, rows)
    return None if summary is None else summary.merged()


def _on_grid(seen: View, column: str, rows: pl.DataFrame) -> Summary | None:
    """The increments that were counted on the grid in force."""
    if rows.is_empty():
        return None
    grid = seen.shape.grids.get(column) or seen.grids[rows["grid"][-1]]
    rows = rows.filter(pl.col("grid") == grid.id)
    return of_frame(rows, grid) if rows.height else None


def figures(
    lake: Lake,
    model: str,
    metric: str | None = None,
    *,
    feature: str | None = None,
    by: str | None = None,
    version: str | None = None,
    window_s: float | None = None,
    since: Any = None,
    until: Any = None,
    as_of: Any = None,
) -> pl.DataFrame:
    """Figures by window, one row each; see ``Monitor.figures``. ``window_s`` is 0 for one window over all."""
    statistics = every_statistic()
    if metric is not None and metric not in statistics:
        raise ValueError(f"metric={metric!r}: must be one of {', '.join(sorted(statistics))}")
    since, until, as_of = moment(since, "since"), moment(until, "until"), moment(as_of, "as_of")
    seen = view(lake, model)
    known = sorted(seen.summaries["column"].unique().to_list())
    may_be = {*known, *seen.fresh.predictions.columns, *lake.model(model)["predictions"].columns()}
    if feature is not None and known and feature not in may_be:
        names = ", ".join(column for column in known if not column.startswith("_"))
        raise ValueError(f"feature={feature!r}: the model has {names}")
    own = seen.shape.window_us
    since, until = _aligned(since, own, up=True), _aligned(until, own, up=True)
    span = Span(
        own if window_s is None else round(window_s * 1e6), version, since, until, _aligned(as_of, own)
    )
    if span.window_us % own:
        raise ValueError(f"window={window_s} s: must be a multiple of the model's window of {own / 1e6:g} s")
    rows = seen.summaries.filter(span.keep())
    if rows.is_empty():
        return pl.DataFrame(schema=FIGURE_SCHEMA)
    first_us = int(rows["start"].dt.timestamp("us").to_numpy().min())
    length_us = span.window_us or int(rows["start"].dt.timestamp("us").to_numpy().max()) + own - first_us
    if by is None:
        found = {column: windows(seen, column, span, first_us) for column in known}
        segments = {"": {column: (starts, one) for column, (starts, one) in found.items() if one is not None}}
    else:
        segments = segments_by(lake.model(model), seen.shape, seen.fresh, by, span, first_us)
    share = _completeness(read_ledger(lake, model))
    frames = []
    for segment, columns in segments.items():
        labelled = _labelled(columns)
        for column, (starts, summary) in _with_unlabelled(columns, seen.shape).items():
            if feature is not None and column != feature:
                continue
            reference = reference_of(seen, column)
            for name, statistic in statistics.items():
                if metric in (None, name) and _applies(statistic, column, summary.grid, feature):
                    frame = _frame(name, statistic, column, starts, summary, reference, labelled)
                    frames.append(
                        frame.with_columns(
                            pl.lit(segment).alias("segment"),
                            pl.lit(share, pl.Float64).alias("completeness"),
                            (pl.col("start") + timedelta(microseconds=length_us)).alias("end"),
                        )
                    )
    if metric is not None and not frames and feature is None:
        kinds = " or ".join(statistics[metric].kinds)
        raise ValueError(
            f"metric={metric!r}: is read off columns of the kind {kinds}, and this model has none yet"
        )
    whole = pl.concat(frames) if frames else pl.DataFrame(schema=FIGURE_SCHEMA)
    return whole.select([pl.col(name).cast(kind) for name, kind in FIGURE_SCHEMA.items()])


def _aligned(when: datetime | None, window_us: int, *, up: bool = False) -> datetime | None:
    """The start of the window in which a moment lies, or (``up``) of the first that does not start before it."""
    if when is None:
        return None
    micros = (when - _EPOCH) // timedelta(microseconds=1)
    return _EPOCH + timedelta(
        microseconds=-(-micros // window_us) * window_us if up else micros // window_us * window_us
    )


def _applies(statistic: Statistic, column: str, grid: Grid, feature: str | None) -> bool:
    if grid.kind not in statistic.kinds:
        return False
    # every column of a window has as many rows: said once, unless it is asked of one column
    return statistic.name != "rows" or column == "prediction" or feature is not None


def _with_unlabelled(columns: Columns, shape: Shape) -> Columns:
    """The columns, the labelled rows of every window that has predictions: none is also a number."""
    if "prediction" not in columns or columns["prediction"][1].grid.kind != "category":
        return columns
    starts = columns["prediction"][0]
    grid = shape.grids.get(QUALITY) or quality_grid(shape.settings.classes or ("0", "1"), None, QUALITY)
    have, summary = columns.get(QUALITY, (starts[:0], Summary.empty(grid, 0)))
    every = np.union1d(starts, have)
    padded = Summary.stack([summary, Summary.empty(summary.grid, len(every))])
    place = np.concatenate([np.searchsorted(every, have), np.arange(len(every))])
    return {**columns, QUALITY: (every, padded.grouped(place, len(every)))}


def _frame(
    name: str,
    statistic: Statistic,
    column: str,
    starts: np.ndarray,
    summary: Summary,
    reference: Summary | None,
    labelled: Mapping[int, float],
) -> pl.DataFrame:
    if reference is not None and reference.grid != summary.grid:
        reference = None
    found = statistic.figures(summary, reference)
    quality = summary.grid.kind == "quality"
    return pl.DataFrame(
        {
            "metric": pl.Series([name] * len(starts), dtype=pl.String),
            "start": pl.Series("start", starts).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "labelled": pl.Series(
                [labelled.get(int(s)) if quality else None for s in starts], dtype=pl.Float64
            ),
            "kind": pl.Series(["measured"] * len(starts), dtype=pl.String),
            "reason": pl.Series(list(found.reason), dtype=pl.String),
            "feature": pl.Series([None if quality else column] * len(starts), dtype=pl.String),
        }
    ).with_columns(pl.col("value", "low", "high").fill_nan(None))


def _completeness(ledger: Ledger) -> float | None:
    """The share of the predictions seen that figures rest on, over the producers' lives."""
    seen = ledger.total("seen")
    return None if not seen else (ledger.total("in_lake") + ledger.total("in_journal")) / seen


def _labelled(columns: Mapping[str, tuple[np.ndarray, Summary]]) -> dict[int, float]:
    """By window, the share of its predictions that have a label."""
    if "prediction" not in columns:
        return {}
    starts, rows = columns["prediction"]
    labels = (
        dict(zip(columns[QUALITY][0].tolist(), columns[QUALITY][1].rows.tolist(), strict=True))
        if QUALITY in columns
        else {}
    )
    return {
        int(start): labels.get(int(start), 0) / n
        for start, n in zip(starts, rows.rows.tolist(), strict=True)
        if n
    }
