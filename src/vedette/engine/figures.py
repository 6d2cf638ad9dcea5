"""Figures of a model: summaries of its windows, fresh rows included, read off by the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.journal import producers
from vedette.engine.segments import segments_by
from vedette.engine.summarise import (
    QUALITY,
    Shape,
    increments,
    of_frame,
    to_frame,
    window_starts,
)
from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.ledger import identifier
from vedette.lake.ledger import ledger as read_ledger
from vedette.lake.rows import matches
from vedette.lake.tables import UTC as UTC_TYPE
from vedette.lake.tables import Lake
from vedette.records import Ledger
from vedette.statistics import STATISTICS, Statistic
from vedette.statistics.grid import Grid
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

_TRIES = 8  # reads of the lake before one gives up because an ingester commits faster than one can read
_SUMS = ("rows", "missing", "nan", "inf", "total", "squares")


@dataclass(frozen=True, slots=True)
class View:
    """A model as it is now: summaries in the lake with those of the rows that are still in the journals."""

    shape: Shape
    summaries: pl.DataFrame  # increments, part live and reference
    grids: Mapping[str, Grid]  # by id
    fresh: ingest.Arrivals


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
    tables = lake.model(model)
    for _ in range(_TRIES):
        snapshot = tables["summaries"].snapshot()
        names = [folder.name for folder in producers(lake.journal, model)]
        keys = [identifier(name, stream) for name in names for stream in ("predictions", "labels", "batch")]
        marks = {key: tables["summaries"].through(key, snapshot) for key in keys}
        fresh = ingest.collect(lake, model, marks)
        shape = Shape.of(tables)
        scan = tables["summaries"].scan(snapshot)
        if columns is not None:
            scan = scan.filter(pl.col("column").is_in(list(columns)))
        frame = scan.collect()
        matched = matches(tables, fresh.predictions, fresh.labels)
        again = tables["summaries"].snapshot()
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
    grids = {grid.id: grid for grid in (*shape.grids.values(), *made.values())}
    missing = set(frame["grid"].unique().to_list()) - set(grids)
    if missing:  # grids that were replaced on purpose since
        for row in (
            tables["grids"].scan().filter(pl.col("grid").is_in(list(missing))).collect().iter_rows(named=True)
        ):
            grids[row["grid"]] = Grid.from_json(row["definition"])
    return View(shape, pl.concat([frame, new]) if new.height else frame, grids, fresh)


def windows(
    seen: View,
    column: str,
    *,
    part: str = "live",
    version: str | None = None,
    window_us: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    as_of: datetime | None = None,
) -> tuple[np.ndarray, Summary | None]:
    """The summaries of a column by window (start in microseconds), as known at ``as_of``; one window where it is 0."""
    keep = (pl.col("column") == column) & (pl.col("part") == part)
    if version is not None:
        keep &= pl.col("version") == version
    if since is not None:
        keep &= pl.col("start") >= since
    if until is not None:
        keep &= pl.col("start") < until
    if as_of is not None:
        keep &= pl.col("known") < as_of
    rows = seen.summaries.filter(keep)
    if part == "reference" and rows.height:
        rows = rows.filter(
            pl.col("arrival") == pl.col("arrival").max()
        )  # the newest reference is the one in force
    if rows.is_empty():
        return np.zeros(0, dtype=np.int64), None
    newest = seen.shape.grids[column].id if column in seen.shape.grids else rows["grid"][-1]
    rows = rows.filter(pl.col("grid") == newest)
    if rows.is_empty():
        return np.zeros(0, dtype=np.int64), None
    summary = of_frame(rows, seen.grids[newest])
    if window_us == 0:
        return np.array([int(rows["start"].dt.timestamp("us").min())]), summary.merged()  # type: ignore[arg-type]
    starts, group = np.unique(
        window_starts(rows["start"], window_us or seen.shape.window_us), return_inverse=True
    )
    return starts, summary.grouped(group, len(starts))


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
    completeness: Ledger | None = None,
) -> pl.DataFrame:
    """Figures by window, one row each; see ``Monitor.figures``."""
    if metric is not None and metric not in STATISTICS:
        raise ValueError(f"metric={metric!r}: must be one of {', '.join(sorted(STATISTICS))}")
    since, until, as_of = moment(since, "since"), moment(until, "until"), moment(as_of, "as_of")
    seen = view(lake, model)
    known = seen.summaries["column"].unique().to_list()
    if not known:
        if model not in lake.models():
            raise LakeError(
                f"model {model!r}: not in the lake {lake.path}; it has {', '.join(lake.models()) or 'no models'}"
            )
        return pl.DataFrame(schema=FIGURE_SCHEMA)
    if feature is not None and feature not in known:
        raise ValueError(
            f"feature={feature!r}: the model has {', '.join(sorted(c for c in known if not c.startswith('_')))}"
        )
    window_us = None if window_s is None else round(window_s * 1e6)
    if window_us and window_us % seen.shape.window_us:
        raise ValueError(
            f"window={window_s} s: must be a multiple of the model's window of {seen.shape.settings.window_s} s"
        )
    share = _completeness(completeness if completeness is not None else read_ledger(lake, model))
    segments: dict[str, dict[str, tuple[np.ndarray, Summary]]]
    if by is None:
        segments = {"": {}}
        for column in sorted(known):
            starts, summary = windows(
                seen, column, version=version, window_us=window_us, since=since, until=until, as_of=as_of
            )
            if summary is not None:
                segments[""][column] = (starts, summary)
    else:
        segments = segments_by(
            lake.model(model), seen.shape, seen.fresh, by, version, window_us, since, until, as_of
        )
    frames = []
    for segment, columns in segments.items():
        labelled = _labelled(columns)
        for column, (starts, summary) in columns.items():
            if feature is not None and column != feature:
                continue
            reference = windows(seen, column, part="reference", window_us=0)[1]
            for name, statistic in STATISTICS.items():
                if metric not in (None, name) or not _applies(
                    statistic, column, summary.grid, metric, feature
                ):
                    continue
                frames.append(
                    _frame(
                        name,
                        statistic,
                        column,
                        segment,
                        starts,
                        summary,
                        reference,
                        window_us or seen.shape.window_us,
                        share,
                        labelled,
                    )
                )
    if metric is not None and not frames and any(segments.values()):
        frames = [_absent(metric, segments, window_us or seen.shape.window_us, share)]
    return pl.concat(frames) if frames else pl.DataFrame(schema=FIGURE_SCHEMA)


def _applies(statistic: Statistic, column: str, grid: Grid, metric: str | None, feature: str | None) -> bool:
    if grid.kind not in statistic.kinds:
        return False
    if feature is None and statistic.name == "rows":
        return column == "prediction"  # every column of a window has as many
    if metric is not None and feature is None and column.startswith("_"):
        return grid.kind == "quality"
    return True


def _frame(
    name: str,
    statistic: Statistic,
    column: str,
    segment: str,
    starts: np.ndarray,
    summary: Summary,
    reference: Summary | None,
    window_us: int,
    share: float | None,
    labelled: Mapping[int, float],
) -> pl.DataFrame:
    if reference is not None and reference.grid.id != summary.grid.id:
        reference = None
    found = statistic.figures(summary, reference)
    said = np.array([reason is not None for reason in found.reason])
    quality = summary.grid.kind == "quality"
    begin = pl.Series("start", starts).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    length = window_us if window_us else None
    frame = pl.DataFrame(
        {
            "metric": pl.Series([name] * len(starts), dtype=pl.String),
            "segment": pl.Series([segment] * len(starts), dtype=pl.String),
            "start": begin,
            "end": begin + timedelta(microseconds=length) if length else begin,
            "value": np.where(said, np.nan, found.value),
            "low": np.where(said, np.nan, found.low),
            "high": np.where(said, np.nan, found.high),
            "n": found.n.astype(np.int64),
            "completeness": pl.Series([share] * len(starts), dtype=pl.Float64),
            "labelled": pl.Series(
                [labelled.get(int(start)) if quality else None for start in starts], dtype=pl.Float64
            ),
            "kind": pl.Series(["measured"] * len(starts), dtype=pl.String),
            "reason": pl.Series(list(found.reason), dtype=pl.String),
            "feature": pl.Series([None if column.startswith("_") else column] * len(starts), dtype=pl.String),
        }
    )
    return frame.with_columns(pl.col("value", "low", "high").fill_nan(None)).select(
        [pl.col(column_name).cast(kind) for column_name, kind in FIGURE_SCHEMA.items()]
    )


def _absent(
    metric: str,
    segments: Mapping[str, Mapping[str, tuple[np.ndarray, Summary]]],
    window_us: int,
    share: float | None,
) -> pl.DataFrame:
    """Rows that say why a figure that was asked for cannot be had in these windows."""
    kinds = STATISTICS[metric].kinds
    reason = "no labels" if "quality" in kinds else f"no column of the kind {' or '.join(kinds)}"
    rows = []
    for segment, columns in segments.items():
        if columns:
            starts = np.unique(np.concatenate([one for one, _ in columns.values()]))
            rows += [
                {
                    "metric": metric,
                    "segment": segment,
                    "start": int(start),
                    "end": int(start) + window_us,
                    "reason": reason,
                }
                for start in starts
            ]
    frame = pl.DataFrame(rows).with_columns(
        pl.col("start", "end").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.lit(0).alias("n"),
        pl.lit(0.0 if reason == "no labels" else None, pl.Float64).alias("labelled"),
        pl.lit("measured").alias("kind"),
        pl.lit(share, pl.Float64).alias("completeness"),
    )
    return frame.select(
        [
            pl.col(c).cast(kind) if c in frame.columns else pl.lit(None, kind).alias(c)
            for c, kind in FIGURE_SCHEMA.items()
        ]
    )


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
