"""Training runs: their round of ingest, how they stand, their curves, and what a run is told when it begins."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.metrics import metric_of
from vedette.capture.run_parts import Part, of_rank, part_of
from vedette.engine.run_records import parts, records
from vedette.errors import DataError
from vedette.lake import deployments, ingest
from vedette.lake.arrivals import collect
from vedette.lake.outcomes import identifier
from vedette.lake.points import Kept, append, read
from vedette.lake.sources import sources
from vedette.lake.tables import UTC, Lake
from vedette.records import RUN
from vedette.statistics.thinning import thin

__all__ = [
    "RunStore", "begin", "curves", "points", "round_of_runs", "runs", "runs_of",
]  # fmt: skip

_STREAMS = ("predictions", "labels", "batch")


def runs_of(model: str) -> str:
    """The name under which a model's runs are recorded."""
    return f"{model}.{RUN}"


def round_of_runs(lake: Lake, model: str, now: datetime) -> int:
    """Bring in what the journals hold of runs; returns the rows that came in. The caller holds the work lock."""
    tables = lake.model(model)
    folders = sources(lake, model)
    keys = [identifier(folder.name, stream) for folder in folders for stream in _STREAMS]
    arrivals = collect(lake, model, ingest.watermarks(tables, "ledger", keys), folders)
    rows = 0
    if not arrivals.empty:
        rows = append(tables, arrivals)
        deployments.append(lake, model, arrivals)
    if not arrivals.empty or any(folder.crowded for folder in folders):
        ingest.close(tables, arrivals, now)
    return rows


def runs(lake: Lake, model: str, now_s: float | None = None) -> pl.DataFrame:
    """A row for each run of a model, the newest first; see :meth:`vedette.Monitor.runs`."""
    kept = read(lake, runs_of(model))
    found = records(kept, time.time() if now_s is None else now_s)
    columns = kept.columns
    last = _last(kept, columns)
    rows = [
        {
            "name": one.name, "version": one.version, "started": one.started, "ended": one.ended,
            "status": one.status, "reason": one.reason, "resumed": one.resumed,
            "ranks": one.ranks, "failed_rank": one.failed_rank,
            "steps": last.get(one.name, {}).get("_steps", 0), "last_step": last.get(one.name, {}).get("_last"),
        }
        for one in found.values()
    ]  # fmt: skip
    schema: dict[str, Any] = {
        "name": pl.String, "version": pl.String, "started": UTC, "ended": UTC, "status": pl.String,
        "reason": pl.String, "resumed": pl.Int64, "ranks": pl.Int64,
        "failed_rank": pl.Int64, "steps": pl.Int64, "last_step": pl.Int64,
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema)
    more = [_column("params", name, [one.params.get(name) for one in found.values()])
            for name in dict.fromkeys(key for one in found.values() for key in one.params)]  # fmt: skip
    told = [name for name in columns if any(one.get(name) is not None for one in last.values())]
    more += [_column("last", metric_of(name), [last.get(one, {}).get(name) for one in found])
             for name in sorted(told)]  # fmt: skip
    more += [_column("summary", name, [one.summary.get(name) for one in found.values()])
             for name in dict.fromkeys(key for one in found.values() for key in one.summary)]  # fmt: skip
    return frame.with_columns(more).sort("started", descending=True, nulls_last=True)


def _column(kind: str, name: str, values: list[Any]) -> pl.Series:
    """A column of numbers where all are, else of texts."""
    there = [value for value in values if value is not None]
    if all(type(value) in (int, float) for value in there):
        return pl.Series(
            f"{kind}.{name}", [None if v is None else float(v) for v in values], dtype=pl.Float64
        )
    texts = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return pl.Series(f"{kind}.{name}", texts, dtype=pl.String)


def _last(kept: Kept, columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each run the number of steps, the last one, and the last value of each metric; nothing of its other parts."""

    def newest(name: str) -> pl.Expr:
        there = pl.col(name).is_not_null()
        steps = pl.col("step").filter(there)
        return pl.col(name).filter(there).filter(steps == steps.max()).last().alias(name)

    plain = kept.points.filter(~pl.col("run").str.contains("/", literal=True))
    rows = plain.group_by("run", maintain_order=True).agg(
        pl.col("step").n_unique().alias("_steps"),
        pl.col("step").max().alias("_last"),
        *(newest(name) for name in columns),
    )
    return {row["run"]: row for row in rows.collect().iter_rows(named=True)}


def points(lake: Lake, model: str, run: str, metric: str, n: int = 2000) -> pl.DataFrame:
    """A curve in at most ``n`` buckets of steps; see :meth:`vedette.Monitor.points`."""
    for name, one in (("run", run), ("metric", metric)):
        if not isinstance(one, str):
            raise ValueError(f"{name}={one!r}: must be a name")
    kept = read(lake, runs_of(model))
    frame = kept.curve(run, metric)
    if frame.is_empty():
        there = kept.metrics(run)
        known = sorted({part_of(one).run for one in kept.events["name"].unique().to_list()} - {""})
        raise DataError(
            f"metric={metric!r}: run {run} has {', '.join(there)}" if there
            else f"run={run!r}: has no points; runs are {', '.join(known) or 'none yet'}"
        )  # fmt: skip
    return curve_frame(frame["step"].to_numpy(), frame["value"].to_numpy(), n)


def curve_frame(steps: np.ndarray, values: np.ndarray, n: int) -> pl.DataFrame:
    """Thinned points as a frame."""
    found = thin(steps, values, n)
    end = np.minimum(found.start + found.width, found.last_step[-1:] + 1)
    whole = {"count": found.count, "nan": found.nan, "inf": found.inf}
    band = {"min": found.low, "max": found.high, "mean": found.mean}
    return pl.DataFrame(
        {"step": found.start, "end": end, "first": found.first, "last": found.last, **band, **whole}
    )


def curves(
    lake: Lake, model: str, names: Sequence[str], metric: str | None, n: int
) -> dict[str, dict[str, pl.DataFrame]]:
    """Thinned curves by metric and run, of all metrics or of one; raises ``DataError`` for a run that is not there."""
    kept = read(lake, runs_of(model))
    known = records(kept, time.time())
    for name in names:
        if name not in known:
            raise DataError(f"run={name!r}: not there; runs are {', '.join(sorted(known)) or 'none yet'}")
    found: dict[str, dict[str, pl.DataFrame]] = {}
    for name in names:
        if metric is not None and len(names) == 1:  # of one curve all ranks are laid over each other
            for rank in range(1, known[name].ranks):
                frame = kept.curve(name, of_rank(rank, metric))
                if frame.height:
                    thinned = curve_frame(frame["step"].to_numpy(), frame["value"].to_numpy(), n)
                    found.setdefault(metric, {})[f"{name} rank {rank}"] = thinned
        for one in [*kept.metrics(name), *kept.machine(name)] if metric is None else [metric]:
            frame = kept.curve(name, one)
            if frame.height:
                found.setdefault(one, {})[name] = curve_frame(
                    frame["step"].to_numpy(), frame["value"].to_numpy(), n
                )
    if metric is not None and not found:
        raise DataError(f"metric={metric!r}: the run has {', '.join(kept.metrics(names[0])) or 'none yet'}")
    return found


class RunStore:
    """Reads a run's points back for its history, from tables and journals."""

    def __init__(self, lake: Lake, model: str) -> None:
        self._lake, self._model = lake, runs_of(model)

    def points(self, run: str, metric: str) -> tuple[list[int], list[float]]:
        """Steps and values of one metric, in order of steps."""
        frame = read(self._lake, self._model).curve(run, metric)
        return frame["step"].to_list(), frame["value"].to_list()

    def metrics(self, run: str) -> list[str]:
        """The metrics that a run has."""
        return read(self._lake, self._model).metrics(run)


def begin(
    lake: Lake, model: str, name: str | None, *, resume: bool, rank: int = 0
) -> tuple[str | None, int, bool]:
    """The run to go on with, its last step, and whether it goes on; (name, -1, False) for a new one.

    With ``resume`` and no name it is the newest that is neither finished nor running, nor was imported. Raises
    ``ValueError`` for a name that is taken, or a run that cannot go on. Of a run of several ranks it is this one's own part that
    counts, so that none waits for another.
    """
    kept = read(lake, runs_of(model))
    found = parts(kept, time.time())
    if name is None:
        if not resume:
            return None, -1, False
        cut_off = (one for one in reversed(found.values()) if one.status not in ("finished", "running"))
        elsewhere = set(kept.events.filter(pl.col("kind") == "imported")["name"].to_list())
        name = next((one.name for one in cut_off if one.name not in elsewhere and "/" not in one.name), None)
    part = "" if name is None else Part(name, rank).name
    if part not in found:
        return name, -1, False
    one = found[part]
    if not resume:
        raise ValueError(
            f"run={name!r}: there is one already ({one.status}); resume=True goes on with it, or take another name"
        )
    if one.status in ("finished", "running"):
        raise ValueError(f"run={name!r}: is {one.status}; only one that was cut off can go on")
    last = kept.points.filter(pl.col("run") == part).select(pl.col("step").max()).collect().item()
    return name, -1 if last is None else int(last), True
