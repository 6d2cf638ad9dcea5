"""Labels as such: how many came, by what rule they count, how long they took, and whether late ones differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.late_labels import dependence_of, words_of
from vedette.engine.query import Query, Span, moment, names_of
from vedette.engine.segments import Segments, rows_of
from vedette.engine.summarise import LABELLED, QUALITY, window_starts
from vedette.engine.view import View, view
from vedette.lake.rows import label_text
from vedette.lake.tables import Lake
from vedette.records import Labels
from vedette.statistics import label_delay
from vedette.statistics.label_delay import Delays

__all__ = ["DELAY_SCHEMA", "label_delay_of", "labels_of"]

DELAY_SCHEMA: dict[str, pl.DataType] = {
    "segment": pl.String(),
    "delay_s": pl.Float64(),
    "share": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "reason": pl.String(),
}

_WINDOWS_MAX = 1000
"""Windows that are kept apart: with more, several are one, and delays are told in as many windows."""

_METRICS = (
    "accuracy",
    "mae",
    "recall",
    "hit_rate@10",
    "f1_micro",
)  # for which labelled rows are read, of any task


def labels_of(lake: Lake, model: str) -> Labels:
    """What became of all labels of a model, those in the journals too."""
    seen = view(lake, model, Query(metrics=_METRICS))
    everything = pl.lit(True)
    predictions = rows_of(seen, "predictions", ["prediction"], everything)
    labels = rows_of(seen, "labels", ["label"], everything)
    unit_us, by_segment = _delays(seen, Span(seen.shape.window_us), None)
    delays = by_segment.get("")
    half, most = (
        (None, None) if delays is None else (label_delay.quantile_delay(delays, p) for p in (0.5, 0.9))
    )
    final = None if delays is None else _final(delays)
    kinds = _kinds(predictions, labels)
    ids = predictions.select("version", "id").drop_nulls()
    found = seen.summaries.filter(pl.col("column").is_in(LABELLED) & (pl.col("part") == "live"))
    late = dependence_of(seen)
    return Labels(
        model=model,
        received=labels.height,
        **kinds,
        predictions=predictions.height,
        labelled=int(found["rows"].sum()),
        without_id=predictions["id"].null_count() if predictions.height else 0,
        repeated=ids.height - ids.unique().height,
        half_s=None if half is None else half * unit_us / 1e6,
        most_s=None if most is None else most * unit_us / 1e6,
        final=final,
        late_differ=None if late.reason else late.depends,
        late_p_value=None if late.reason else late.p_value,
        late_words=late.reason or words_of(late),
    )


def _final(delays: Delays) -> float | None:
    share = label_delay.completeness(delays)
    told = share.value[~np.isnan(share.value)]
    return float(told[-1]) if len(told) else None


def _kinds(predictions: pl.DataFrame, labels: pl.DataFrame) -> dict[str, int]:
    """The numbers of labels of each kind, by the rule of ``lake.rows``."""
    names = ("counted", "again", "corrected", "contradicting", "waiting")
    if labels.is_empty():
        return dict.fromkeys(names, 0)
    told = labels.with_columns(label_text(labels, "label").alias("_text"))
    told = told.sort("id", "time", "received", "_producer", "_sequence")
    known = (
        predictions["id"].drop_nulls().unique().implode()
        if predictions.height
        else pl.Series([[]], dtype=pl.List(pl.String))
    )
    told = told.with_columns(pl.col("id").is_in(known).alias("_here"))
    own = told.filter("_here")
    same_id = pl.col("id") == pl.col("id").shift(1)
    again = (same_id & (pl.col("_text") == pl.col("_text").shift(1))).fill_null(False)
    own = own.with_columns(again.alias("_again"))
    steps = own.filter(~pl.col("_again"))
    follows = (pl.col("id") == pl.col("id").shift(-1)).fill_null(False)
    at_once = (follows & (pl.col("time") == pl.col("time").shift(-1))).fill_null(False)
    sums = steps.select(
        (~follows).sum().alias("counted"),
        (follows & ~at_once).sum().alias("corrected"),
        at_once.sum().alias("contradicting"),
    )
    found = {name: int(sums[name][0] or 0) for name in sums.columns}
    found |= {"again": own.height - steps.height, "waiting": told.height - own.height}
    return found


def label_delay_of(
    lake: Lake,
    model: str,
    *,
    by: str | Sequence[str] | None = None,
    since: Any = None,
    until: Any = None,
    as_of: Any = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """The share of predictions whose label has come within each delay; see ``Monitor.label_delay``."""
    query = Query(
        metrics=_METRICS,
        since=moment(since, "since"),
        until=moment(until, "until"),
        as_of=moment(as_of, "as_of"),
    )
    seen = view(lake, model, query)
    unit_us, found = _delays(seen, query.span(seen.shape.window_us), names_of(by, "by"))
    frames = [pl.DataFrame(schema=DELAY_SCHEMA)]
    for segment, delays in found.items():
        share = label_delay.completeness(delays, level)
        last = int(np.flatnonzero(delays.arrivals.sum(axis=0)).max(initial=0))  # later nothing came so far
        kept = np.arange(len(share)) <= min(last + 1, int(delays.age.max(initial=0)))
        frame = pl.DataFrame(
            {
                "segment": [segment] * len(share),
                "delay_s": np.arange(len(share)) * unit_us / 1e6,
                "share": share.value,
                "low": share.low,
                "high": share.high,
                "n": share.n,
                "reason": pl.Series(share.reason.tolist(), dtype=pl.String),
            }
        ).with_columns(pl.col("share", "low", "high").fill_nan(None))
        frames.append(frame.filter(pl.Series(kept)).cast(DELAY_SCHEMA))  # type: ignore[arg-type]
    return pl.concat(frames)


def _delays(seen: View, span: Span, by: tuple[str, ...] | None) -> tuple[int, dict[str, Delays]]:
    """The length of the windows that delays are told in, and the delays by segment (all rows: the empty name)."""
    own_us = seen.shape.window_us
    if seen.extent is None:
        return own_us, {}
    rows = seen.summaries.filter(span.keep())
    last = rows["known"].max()
    if not isinstance(last, datetime):
        return own_us, {}
    n_windows = (seen.extent[1] - seen.extent[0]) // own_us + 1
    unit_us = own_us * -(-n_windows // _WINDOWS_MAX)
    present = _number(last if span.as_of is None else span.as_of, unit_us) - 1
    if by is not None:
        return unit_us, _by_segment(seen, span, by, unit_us, present)
    told = rows.filter(pl.col("column") == "prediction")
    labelled = rows.filter(pl.col("column").is_in(LABELLED))
    delays = Delays.of(
        _numbers(told["start"], unit_us),
        (told["rows"] * told["weight"]).to_numpy(),
        _numbers(labelled["start"], unit_us),
        _numbers(labelled["known"], unit_us),
        (labelled["rows"] * labelled["weight"]).to_numpy(),
        present,
    )
    return unit_us, {"": delays}


def _by_segment(seen: View, span: Span, by: tuple[str, ...], unit_us: int, present: int) -> dict[str, Delays]:
    """The same by the values of one column or two, from the rows."""
    column = next((one for one in seen.shape.all_grids if one in LABELLED), QUALITY)
    span = Span(unit_us, span.version, span.since, span.until, span.as_of)
    source = Segments(seen, by, span, {column: seen.shape.all_grids[column]})
    segment, window = np.divmod(source.cells, len(source.starts))
    starts = source.starts[window] // unit_us
    rows, cell = source.labelled, source.index_of_labelled
    found = {}
    for number, name in enumerate(source.names):
        own = segment == number
        if rows.height:
            some = rows.filter(pl.Series(segment[cell] == number))
            weight = 1.0 / some["inclusion"].fill_null(1.0).to_numpy() if "inclusion" in some.columns else 1.0
            labels = (
                _numbers(some["time"], unit_us),
                _numbers(some["_known"], unit_us),
                some["_sign"].to_numpy() * weight,
            )
        else:
            labels = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        found[name] = Delays.of(starts[own], source.predictions[own], *labels, present)
    return found


def _numbers(times: pl.Series, unit_us: int) -> np.ndarray:
    return window_starts(times, unit_us) // unit_us


def _number(when: datetime, unit_us: int) -> int:
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=unit_us)
