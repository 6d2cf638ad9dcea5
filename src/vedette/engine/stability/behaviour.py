"""What rows say of how a model runs: latencies by version and stage, the load at which they rise, memory, and equal inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from vedette.engine.stability.figured import figured
from vedette.lake.tables import Lake, ModelTables
from vedette.records import PROBE, PROCESS, Status
from vedette.records.stability import StabilityFigure
from vedette.statistics.measured import unknown
from vedette.strategy.stability import Latencies, exhaustion, sameness, saturation, slower

__all__ = ["latencies", "loads", "memory", "same_answers"]

_BUCKET_S = 60.0  # of the load
_ROWS_MAX = 200_000  # of a model, the newest, that are searched for equal inputs
_NOT_INPUTS = frozenset(
    {"id", "version", "time", "received", "prediction", "latency_s", "error", "inclusion", "label"}
)
_FULL = 0.95  # of the limit of the memory: who is there is nearly out of it


def _rows(tables: ModelTables, since: datetime, until: datetime, version: str | None) -> pl.LazyFrame:
    rows = tables["predictions"].scan().filter(pl.col("time").is_between(since, until, closed="left"))
    return rows if version is None else rows.filter(pl.col("version") == version)


def latencies(
    tables: ModelTables, since: datetime, until: datetime, window_s: float, version: str | None = None
) -> list[StabilityFigure]:
    """How much slower the newest version (or the one given) is than the one before: of the whole call and of each stage."""
    rows = _rows(tables, since, until, None)
    names = rows.collect_schema().names()
    columns = [
        name for name in names if name == "latency_s" or (name.startswith("stage_") and name.endswith("_s"))
    ]
    if not columns:
        return [figured("slower_s", "latency_s", unknown("no row has a latency"), "s")]
    order = rows.group_by("version").agg(pl.col("time").min()).sort("time").collect()["version"].to_list()
    new = version if version is not None else (order[-1] if order else None)
    if new not in order or order.index(new) == 0:
        reason = f"no version came before {new!r} in this span"
        return [figured("slower_s", name, unknown(reason), "s") for name in columns]
    old = order[order.index(new) - 1]
    number = (pl.col("time").dt.epoch("us") / (window_s * 1e6)).floor().alias("number")
    sums = [
        one.alias(f"{name}|{what}")
        for name in columns
        for value in (pl.col(name).cast(pl.Float64, strict=False),)
        for what, one in (("n", value.count()), ("total", value.sum()), ("squares", (value * value).sum()))
    ]
    both = rows.filter(pl.col("version").is_in([old, new])).group_by("version", number).agg(sums)
    found = both.sort("number").collect()
    out = []
    for name in columns:
        parts = []
        for one in (old, new):
            own = found.filter(pl.col("version") == one)
            parts.append(
                Latencies(
                    *(own[f"{name}|{what}"].to_numpy().astype(float) for what in ("n", "total", "squares"))
                )
            )
        compared = slower(*parts)
        verdict = Status.WARN if compared.note == "slower" else Status.OK
        out.append(figured("slower_s", f"{name}: {old} to {new}", compared, "s", verdict=verdict))
    return out


def loads(
    tables: ModelTables, since: datetime, until: datetime, version: str | None = None
) -> list[StabilityFigure]:
    """The load in predictions a second from which on the latency rises, of minutes."""
    rows = _rows(tables, since, until, version)
    names = rows.collect_schema().names()
    if "latency_s" not in names:
        return [figured("saturation_per_s", "", unknown("no row has a latency"), "1/s")]
    weight = (
        (1.0 / pl.col("inclusion").cast(pl.Float64)).fill_null(1.0) if "inclusion" in names else pl.lit(1.0)
    )
    minutes = (
        rows.select("time", weight.alias("weight"), pl.col("latency_s").cast(pl.Float64))
        .group_by((pl.col("time").dt.epoch("us") / (_BUCKET_S * 1e6)).floor().alias("minute"))
        .agg(pl.col("weight").sum() / _BUCKET_S, pl.col("latency_s").median())
        .sort("minute")
        .drop_nulls()
        .collect()
    )
    knee = saturation(minutes["weight"].to_numpy(), minutes["latency_s"].to_numpy())
    figure = figured("saturation_per_s", "", knee.load, "1/s")
    if knee.load.known and knee.rises is not None:
        most = float(minutes["weight"].max())  # type: ignore[arg-type]
        note = f"latency is {knee.latency_s:.3g} s below, and {knee.rises:.2f} times that at {most:.3g}/s, the most seen"
        figure = replace(figure, note=note)
    return [figure]


def memory(
    lake: Lake, model: str, since: datetime, until: datetime, version: str | None = None
) -> list[StabilityFigure]:
    """The growth of memory of each process that still tells of it, and the time until its limit is reached."""
    beside = f"{model}.{PROCESS}"
    if not lake.has(beside):
        reason = "nothing is known of the process: monitor.resources() reads it"
        return [figured("memory_growth_bytes_per_day", "", unknown(reason), "bytes/d")]
    rows = _rows(lake.model(beside), since, until, version)
    names = rows.collect_schema().names()
    if "rss_bytes" not in names:
        return [figured("memory_growth_bytes_per_day", "", unknown("no reading has rss_bytes"), "bytes/d")]
    limit = pl.col("memory_limit_bytes") if "memory_limit_bytes" in names else pl.lit(None)
    peak = pl.col("rss_peak_bytes") if "rss_peak_bytes" in names else pl.lit(None)
    frame = (
        rows.select(
            "time", "_producer", "version", pl.col("rss_bytes").cast(pl.Float64),
            limit.cast(pl.Float64).alias("limit"), peak.cast(pl.Float64).alias("peak"),
        )
        .sort("time")
        .collect()
    )  # fmt: skip
    out: list[StabilityFigure] = []
    for (producer, own), some in frame.group_by("_producer", "version", maintain_order=True):
        falls = (some["peak"].diff() < 0).fill_null(value=False)
        last = (
            some[int(np.flatnonzero(falls.to_numpy())[-1]) :] if falls.any() else some
        )  # of the process now
        out += _grown(last, f"version {own}, producer {producer}")
    return out or [figured("memory_growth_bytes_per_day", "", unknown("no reading came"), "bytes/d")]


def _grown(rows: pl.DataFrame, of: str) -> list[StabilityFigure]:
    limits = rows["limit"].drop_nulls()
    limit = float(limits[-1]) if len(limits) else None
    at = rows["time"].dt.epoch("us").to_numpy() / 1e6
    found = exhaustion(at, rows["rss_bytes"].to_numpy(), limit)
    grown = figured("memory_growth_bytes_per_day", of, found.slope_per_day, "bytes/d", verdict=found.leak)
    if found.earliest_s is None:
        reason = found.reason or "no limit is known"
        return [grown, figured("memory_full_in_s", of, unknown(reason, grown.n), "s")]
    if not math.isfinite(found.earliest_s):
        reason = "memory does not surely grow, nor surely reach its limit"
        return [grown, figured("memory_full_in_s", of, unknown(reason, grown.n), "s")]
    latest = found.latest_s if found.latest_s is not None and math.isfinite(found.latest_s) else None
    note = f"95 % set of times; limit {limit:.4g} bytes" + (
        "" if latest is not None else "; it may never be full"
    )
    return [
        grown,
        StabilityFigure(
            "memory_full_in_s",
            of,
            found.expected_s,
            found.earliest_s,
            latest,
            grown.n,
            "s",
            None,
            found.leak,
            note,
        ),
    ]


def same_answers(
    lake: Lake, model: str, since: datetime, until: datetime, tolerance: float = 0.0
) -> list[StabilityFigure]:
    """Of inputs that came again, the share whose answers differ: of the probe, and of the predictions themselves."""
    out = []
    beside = f"{model}.{PROBE}"
    if lake.has(beside):
        rows = _rows(lake.model(beside), since, until, None)
        names = rows.collect_schema().names()
        if {"probe", "input", "answer"} <= set(names):
            error = pl.col("error").is_null() if "error" in names else pl.lit(value=True)
            place = pl.coalesce("host", "_producer") if "host" in names else pl.col("_producer")
            frame = (
                rows.filter(error)
                .select("probe", "input", "answer", place.alias("place"), "version")
                .collect()
            )
            keys = list(zip(frame["probe"].to_list(), frame["input"].to_list(), strict=True))
            out += _shares(
                "probe", keys, [_plain(one) for one in frame["answer"].to_list()], frame, tolerance
            )
    if lake.has(model):
        rows = _rows(lake.model(model), since, until, None)
        schema = rows.collect_schema()
        names = [name for name in schema.names() if not name.startswith(("_", "probability", "stage_"))]
        inputs = [name for name in names if name not in _NOT_INPUTS]
        if inputs and "prediction" in schema.names():
            scores = [name for name in schema.names() if name.startswith("probability")]
            answer = scores[0] if scores else "prediction"
            wanted = [*inputs, answer, pl.col("_producer").alias("place"), "version", "time"]
            frame = rows.select(wanted).drop_nulls(answer).sort("time").tail(_ROWS_MAX).collect()
            key = frame.select(inputs).hash_rows(seed=7)
            frame = frame.with_columns(key.alias("_key")).filter(key.is_duplicated())
            keys = frame["_key"].to_list()
            out += _shares(
                "predictions", keys, [_plain(one) for one in frame[answer].to_list()], frame, tolerance
            )
    if not out:
        out = [figured("answers_differ", "", unknown("neither a probe nor a prediction came in this span"))]
    return out


def _shares(
    source: str, keys: Sequence[object], answers: Sequence[float | str], frame: pl.DataFrame, tolerance: float
) -> list[StabilityFigure]:
    found = sameness(keys, answers, frame["place"].to_list(), frame["version"].to_list(), tolerance=tolerance)
    out = []
    for name, one in (("within", found.within), ("hosts", found.hosts), ("versions", found.versions)):
        # versions are meant to differ; one version is not
        wrong = one.known and one.value > 0 and name != "versions"
        verdict = Status.WARN if wrong else Status.OK
        out.append(figured(f"answers_differ_{name}", source, one, verdict=verdict))
    if found.farthest is not None:
        out.append(
            StabilityFigure(
                "answers_apart_max", source, found.farthest, None, None, len(keys), note="the greatest seen"
            )
        )
    return out


def _plain(answer: object) -> float | str:
    """A number where it is one, else the text."""
    if isinstance(answer, bool | int | float):
        return float(answer)
    try:
        return float(str(answer))
    except ValueError:
        return str(answer)
