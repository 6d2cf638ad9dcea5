"""The looks at a model's endpoints, and what they say: availability, restarts, crash loops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from vedette.engine.stability.figured import figured
from vedette.lake.tables import Lake, ModelTables
from vedette.records import ENDPOINT, Status
from vedette.records.stability import StabilityFigure
from vedette.strategy.stability import (
    CrashLoop,
    availability,
    crash_loop,
    looked,
    restarts_per_day,
    time_between,
)

__all__ = ["Looks", "figures_of_looks", "looks_of", "loops_of"]

_COLUMNS = {"up": pl.Float64, "every_s": pl.Float64, "start_time": pl.Float64, "restarted": pl.Float64}
_PLANNED = timedelta(minutes=2)  # of a deployment that is told of, on either side: its restarts are meant
_SAME_S = 1.0


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks at one endpoint: times in seconds, whether up, how often it was looked, and when its process restarted.

    ``tells`` says whether restarts can be seen at all; ``planned`` is how many a deployment explains, which are left out.
    """

    endpoint: str
    times: np.ndarray
    up: np.ndarray
    every_s: float
    restarts: np.ndarray
    planned: int
    tells: bool

    def crash_loop(self, now: datetime) -> CrashLoop:
        """Whether its process is in a crash loop at a time."""
        return crash_loop(self.restarts, float(self.times[0]) if len(self.times) else 0.0, now.timestamp())


def looks_of(
    lake: Lake, model: str, since: datetime, until: datetime, version: str | None = None
) -> list[Looks]:
    """The looks at each endpoint of a model in a span, by name; of one version, where it is given."""
    beside = f"{model}.{ENDPOINT}"
    if not lake.has(beside):
        return []
    rows = lake.model(beside)["predictions"].scan()
    names = rows.collect_schema().names()
    if "endpoint" not in names or "up" not in names:
        return []
    rows = rows.filter(pl.col("time").is_between(since, until, closed="left"))
    if version is not None:
        rows = rows.filter(pl.col("version") == version)
    wanted = [
        pl.col(name).cast(kind) if name in names else pl.lit(None, kind).alias(name)
        for name, kind in _COLUMNS.items()
    ]
    frame = rows.select("time", "endpoint", *wanted).collect().sort("time", maintain_order=True)
    deployed = _deployments(lake, model)
    return [
        _looks(str(name), some, deployed)
        for (name,), some in frame.group_by("endpoint", maintain_order=True)
        if name is not None
    ]


def _deployments(lake: Lake, model: str) -> np.ndarray:
    """When deployments of a model were told of, in seconds."""
    if not lake.has(model):
        return np.zeros(0)
    events = lake.model(model)["events"].scan().filter(pl.col("kind") == "deployment")
    return np.sort(events.select("time").collect()["time"].dt.epoch("us").to_numpy() / 1e6)


def _looks(name: str, rows: pl.DataFrame, deployed: np.ndarray) -> Looks:
    at = rows["time"].dt.epoch("us").to_numpy() / 1e6
    started, marked = (rows[one].to_numpy().astype(np.float64) for one in ("start_time", "restarted"))
    every = rows["every_s"].drop_nulls()
    restarts = np.union1d(_younger(started), at[(marked == 1) & np.isnan(started)])
    meant = _near(restarts, deployed)
    return Looks(
        name,
        at,
        rows["up"].fill_null(0.0).to_numpy() == 1,
        float(every.median()) if len(every) else 15.0,  # type: ignore[arg-type]
        restarts[~meant],
        int(meant.sum()),
        bool(np.isfinite(started).any() or np.isfinite(marked).any()),
    )


def _younger(started: np.ndarray) -> np.ndarray:
    """The starts of processes younger than any before; the first process has not restarted."""
    known: np.ndarray = started[np.isfinite(started)]
    if not len(known):
        return known
    newest = np.maximum.accumulate(known)
    younger: np.ndarray = newest[1:][np.diff(newest) > _SAME_S]
    return younger


def _near(restarts: np.ndarray, deployed: np.ndarray) -> np.ndarray:
    """Which restarts a deployment explains."""
    if not len(deployed) or not len(restarts):
        return np.zeros(len(restarts), dtype=np.bool_)
    apart: np.ndarray = np.abs(restarts[:, None] - deployed[None, :])
    near: np.ndarray = apart.min(axis=1) <= _PLANNED.total_seconds()
    return near


def figures_of_looks(looks: Looks, start: datetime | None, end: datetime) -> list[StabilityFigure]:
    """Availability, restarts a day and the time between, of one endpoint; ``start`` where it should have been looked at since."""
    seen = looked(
        looks.times,
        looks.up,
        looks.every_s,
        start=None if start is None else start.timestamp(),
        end=max(end.timestamp(), float(looks.times[-1]) if len(looks.times) else 0.0),
    )
    whole = seen.completeness
    now_down = bool(len(looks.up)) and not looks.up[-1]
    verdict = Status.WARN if now_down else Status.OK
    out = [figured("availability", looks.endpoint, availability(seen), completeness=whole, verdict=verdict)]
    if not looks.tells:
        reason = (
            "no look says when the process began: kind = 'prometheus' with process_start_time_seconds does"
        )
        names = ("restarts_per_day", "time_between_restarts_s", "crash_loop")
        return out + [_unknown(name, looks.endpoint, reason, whole) for name in names]
    n, gaps = len(looks.restarts), np.diff(looks.restarts)
    out.append(
        figured("restarts_per_day", looks.endpoint, restarts_per_day(n, seen.observed_s), completeness=whole)
    )
    between = time_between(n, seen.observed_s, gaps)
    out.append(figured("time_between_restarts_s", looks.endpoint, between, "s", completeness=whole))
    return [*out, _loop_figure(looks, end, whole)]


def _unknown(name: str, of: str, reason: str, completeness: float | None) -> StabilityFigure:
    return StabilityFigure(name, of, None, None, None, 0, "", completeness, Status.UNKNOWN, None, reason)


def _loop_figure(looks: Looks, now: datetime, completeness: float) -> StabilityFigure:
    loop = looks.crash_loop(now)
    if loop.reason is not None:
        return _unknown("crash_loop", looks.endpoint, loop.reason, completeness)
    verdict = Status.ALARM if loop.going_on else Status.OK
    planned = f"; {looks.planned} restarts by deployments are left out" if looks.planned else ""
    return StabilityFigure(
        "crash_loop", looks.endpoint, loop.p_value, None, None, len(looks.restarts), "p", completeness,
        verdict, f"{loop.words}{planned}",
    )  # fmt: skip


def loops_of(lake: Lake, tables: ModelTables, now: datetime, days: float = 30.0) -> dict[str, CrashLoop]:
    """By endpoint whether it is in a crash loop; ``tables`` are those of ``<model>.endpoint``."""
    model = tables.path.name.removesuffix(f".{ENDPOINT}")
    span = timedelta(days=days)
    found = looks_of(lake, model, now - span, now + timedelta(minutes=5))
    return {one.endpoint: one.crash_loop(now) for one in found if one.tells}
