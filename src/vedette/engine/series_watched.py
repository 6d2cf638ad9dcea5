"""Figures of closed windows as series: what was expected of each at its hour, day and trend, against what came.

Beside the detectors, which hold windows against the reference, the methods of ``strategy.series`` hold each figure against its
own past: they know the hour, the weekday and the trend, and need no reference. A series is watched once 50 windows of it have
closed. All series of a model together have a fifth of its budget of false alarms; those that come later share a tenth of
that.
"""

from __future__ import annotations

import base64
import json
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.rules import Arrived
from vedette.engine.summarise import QUALITY, Shape
from vedette.engine.written import Written
from vedette.lake.tables import ModelTables
from vedette.records import Status, Verdict
from vedette.statistics import STATISTICS, Estimates
from vedette.statistics.grid import Grid
from vedette.statistics.sampled import sampled_figures
from vedette.statistics.structured import MAIN, TASK_FIGURES
from vedette.strategy.series.events import Calendar
from vedette.strategy.series.kept import is_older
from vedette.strategy.series.shares import FIRST_SHARE, SERIES_MAX, SERIES_SHARE, SERIES_WINDOWS, order_of
from vedette.strategy.series.watch import Alarm, Judged, SeriesWatch, WatchState
from vedette.strategy.watches import ROWS_MIN

__all__ = [
    "SERIES_SHARE",
    "SERIES_WINDOWS",
    "SeriesStanding",
    "accept_series",
    "judge_series",
    "series_verdicts",
]

log = logging.getLogger("vedette")

_SUFFIX = ".expected"
_OWN = frozenset(
    {"accuracy", "error", "error_rate", "f1", "hit_rate", "latency", "latency_p95"}
)  # names of the model's own series
_SILENT_S, _SILENT_WINDOWS = 2 * 86400.0, 3


@dataclass(frozen=True, slots=True)
class _Open:
    """An open alarm of a series: since when, its words, and the guarantee of the method that told."""

    since: str
    evidence: str
    guarantee: str


@dataclass(frozen=True, slots=True)
class _Cohort:
    """Series that began together: their names, their share of the budget, and what the methods remember.

    ``seen`` is the start of the last window that had a number, by name.
    """

    names: tuple[str, ...]
    share: float
    state: WatchState
    open: Mapping[str, _Open]
    words: Mapping[str, str]
    seen: Mapping[str, float]

    def watch(self, budget: float, events: Sequence[float], calendar: Calendar) -> SeriesWatch:
        """What judges them."""
        return SeriesWatch(
            self.names, budget_per_month=budget * self.share, events=np.asarray(events), calendar=calendar
        )


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """Where the series stand: how far they were judged, those that are watched, and the past of those that will be.

    ``arrival`` and ``known`` are as in ``Kept``; ``past`` has for each name times and numbers.
    """

    arrival: int
    known: datetime
    cohorts: tuple[_Cohort, ...] = ()
    past: Mapping[str, tuple[list[float], list[float]]] | None = None

    def to_bytes(self) -> bytes:
        """The bytes that ``read`` reads."""
        held = {
            "arrival": self.arrival,
            "known": self.known.isoformat(),
            "past": self.past or {},
            "cohorts": [
                {
                    "names": one.names,
                    "share": one.share,
                    "state": base64.b64encode(one.state.to_bytes()).decode(),
                    "open": {name: [it.since, it.evidence, it.guarantee] for name, it in one.open.items()},
                    "words": dict(one.words),
                    "seen": dict(one.seen),
                }
                for one in self.cohorts
            ],
        }
        return zlib.compress(json.dumps(held).encode(), 1)

    @classmethod
    def read(cls, data: bytes) -> SeriesStanding | None:
        """What ``to_bytes`` wrote; None of no bytes, and of what an older version of vedette wrote."""
        if not data:
            return None
        held = json.loads(zlib.decompress(data))
        states = [base64.b64decode(one["state"]) for one in held["cohorts"]]
        if any(is_older(one) for one in states):
            log.warning("series were kept by an older version of vedette: they are watched anew from now on")
            return None
        cohorts = tuple(
            _Cohort(
                tuple(one["names"]),
                one["share"],
                WatchState.from_bytes(state),
                {name: _Open(*it) for name, it in one["open"].items()},
                one["words"],
                one["seen"],
            )
            for one, state in zip(held["cohorts"], states, strict=True)
        )
        past = {name: (times, values) for name, (times, values) in held["past"].items()}
        return cls(held["arrival"], datetime.fromisoformat(held["known"]), cohorts, past)


def judge_series(
    tables: ModelTables, shape: Shape, standing: SeriesStanding, came: Arrived, said: Written
) -> tuple[SeriesStanding, list[dict[str, Any]]]:
    """The standing after closed windows of knowledge, and the alarms that opened and closed in them."""
    window = timedelta(seconds=shape.settings.window_s)
    numbers = _numbers(came, shape)
    events = _events(tables, said, shape.settings.window_s)
    calendar = Calendar(shape.settings.timezone)
    holiday = _holidays(came.steps, window, shape.settings.timezone, said)
    budget = SERIES_SHARE * shape.settings.budget_per_month
    cohorts, changes = list(standing.cohorts), list[dict[str, Any]]()
    past = {name: (list(times), list(values)) for name, (times, values) in (standing.past or {}).items()}
    for at, step in enumerate(came.steps):
        watched = {name for one in cohorts for name in one.names}
        for number, cohort in enumerate(cohorts):
            here = [
                numbers[name][at] if name in numbers and not holiday[at] else np.nan for name in cohort.names
            ]
            values = np.array(here)
            watch = cohort.watch(budget, events, calendar)
            judged, state = watch.step(cohort.state, values, step.timestamp())
            told = {one.series: one for one in watch.alarms(judged, state, values, step.timestamp())}
            cohorts[number] = _after(cohort, state, judged, told, values, step.timestamp(), window)
            changes += _changes(cohort, cohorts[number], step, window)
        for name, one in numbers.items():
            if name not in watched and len(watched) < SERIES_MAX and not (np.isnan(one[at]) or holiday[at]):
                times, values_of = past.setdefault(name, ([], []))
                times.append(step.timestamp())
                values_of.append(float(one[at]))
        ready = [name for name in sorted(past, key=order_of) if len(past[name][0]) >= SERIES_WINDOWS]
        ready = ready[: SERIES_MAX - sum(len(one.names) for one in cohorts)]
        if ready:
            cohorts.append(_begin(ready, past, len(cohorts), budget, events, calendar))
            full = sum(len(one.names) for one in cohorts) >= SERIES_MAX
            past = {} if full else {name: one for name, one in past.items() if name not in ready}
    return replace(standing, cohorts=tuple(cohorts), past=past), changes


def _numbers(came: Arrived, shape: Shape) -> dict[str, np.ndarray]:
    """The series of closed windows by name, NaN where a window has too few rows or no figure."""
    found: dict[str, np.ndarray] = {}
    for column, levels in came.levels.items():
        grid = shape.grids[column]
        for name, metric in _figures_of(column, grid):
            statistic = TASK_FIGURES.get(grid.kind, STATISTICS)[metric]
            told, _ = sampled_figures(statistic, levels.with_length(shape.settings.window_s), None)
            assert isinstance(told, Estimates)
            older = came.older.get(column, np.zeros(len(came.steps), dtype=np.bool_))
            found[name] = np.where((told.n >= ROWS_MIN) & ~older, told.value, np.nan)
    return found


def _figures_of(column: str, grid: Grid) -> Iterator[tuple[str, str]]:
    """The names of a column's series, each with the metric that it is of."""
    match grid.kind:
        case "numeric" | "vector":
            yield f"{column}.mean" if column in _OWN else column, "mean"
        case "latency":
            yield "latency", "latency_p50_s"
            yield "latency_p95", "latency_p95_s"
        case "quality" if column == QUALITY:
            yield "accuracy", "accuracy"
        case "error":
            yield "error", "mae"
        case "detection" | "ranking" | "multilabel":
            main = MAIN[grid.kind]
            yield main.partition("@")[0].removesuffix("_micro"), main
    if column == "prediction":
        yield "error_rate", "error_rate"


def _holidays(steps: Sequence[datetime], window: timedelta, timezone: str, said: Written) -> np.ndarray:
    """Which windows lie on a holiday, by their middle: a day of UTC is not quite a day elsewhere."""
    calendar = Calendar(timezone, [date.fromisoformat(one) for one in said.holidays])
    return calendar.is_holiday(np.array([(one + window / 2).timestamp() for one in steps]))


def _events(tables: ModelTables, said: Written, window_s: float) -> list[float]:
    """The starts of windows with known events: those that were written down, and the first of each version but the first."""
    rows = tables["summaries"].scan().filter((pl.col("part") == "live") & (pl.col("column") == "prediction"))
    first = rows.group_by("version").agg(pl.col("start").min()).collect()["start"].sort().to_list()
    told = [datetime.fromisoformat(one) for one in said.events]
    told = [one if one.tzinfo is not None else one.replace(tzinfo=UTC) for one in told]
    return sorted(one.timestamp() // window_s * window_s for one in [*first[1:], *told])


def _begin(
    names: Sequence[str],
    past: Mapping[str, tuple[list[float], list[float]]],
    number: int,
    budget: float,
    events: Sequence[float],
    calendar: Calendar,
) -> _Cohort:
    share = FIRST_SHARE if number == 0 else (1.0 - FIRST_SHARE) / (number * (number + 1.0))
    times = sorted({one for name in names for one in past[name][0]})
    values = np.full((len(times), len(names)), np.nan)
    place = {one: at for at, one in enumerate(times)}
    for column, name in enumerate(names):
        for one, value in zip(*past[name], strict=True):
            values[place[one], column] = value
    watch = SeriesWatch(
        tuple(names), budget_per_month=budget * share, events=np.asarray(events), calendar=calendar
    )
    return _Cohort(
        tuple(names), share, watch.begin(values, np.array(times)), {}, {}, dict.fromkeys(names, times[-1])
    )


def _after(
    cohort: _Cohort,
    state: WatchState,
    judged: Judged,
    told: Mapping[str, Alarm],
    values: np.ndarray,
    at: float,
    window: timedelta,
) -> _Cohort:
    """The cohort after a step: alarms that it opened and closed, and what was expected of each."""
    open_now, words, seen = dict(cohort.open), dict(cohort.words), dict(cohort.seen)
    one = next(iter(judged.told.values()))
    for k, name in enumerate(cohort.names):
        if np.isnan(values[k]):
            if _is_silent(at, seen[name], window):
                open_now.pop(name, None)
            continue
        seen[name] = at
        words[name] = _expected(
            float(one.expected[k]), float(one.low[k]), float(one.high[k]), float(values[k])
        )
        if name in told:
            alarm = told[name]
            since = datetime.fromtimestamp(alarm.since, UTC).isoformat()
            open_now.setdefault(name, _Open(since, alarm.words, alarm.guarantee))
        elif judged.verdict[k] != Status.ALARM:
            open_now.pop(name, None)
    return replace(cohort, state=state, open=open_now, words=words, seen=seen)


def _is_silent(at: float, seen: float, window: timedelta) -> bool:
    """True where a series has had no number for so long that what was said of it says nothing of now."""
    return at - seen >= max(_SILENT_WINDOWS * window.total_seconds(), _SILENT_S)


def accept_series(standing: SeriesStanding, watch: str) -> SeriesStanding | None:
    """The standing after a person said that the present level of a series is normal; None where it has no open alarm."""
    for number, cohort in enumerate(standing.cohorts):
        for name in cohort.open:
            if f"{name}{_SUFFIX}" == watch:
                watches = SeriesWatch(cohort.names)
                rest = {one: it for one, it in cohort.open.items() if one != name}
                after = replace(cohort, state=watches.accept(cohort.state, name), open=rest)
                cohorts = [*standing.cohorts[:number], after, *standing.cohorts[number + 1 :]]
                return replace(standing, cohorts=tuple(cohorts))
    return None


def _expected(expected: float, low: float, high: float, value: float) -> str:
    if np.isnan(expected):
        return f"was {value:.4g}"
    if np.isnan(low) or np.isnan(high):
        return f"expected {expected:.4g}, was {value:.4g}"
    return f"expected {expected:.4g} ({low:.4g} to {high:.4g}), was {value:.4g}"


def _changes(before: _Cohort, after: _Cohort, step: datetime, window: timedelta) -> Iterator[dict[str, Any]]:
    for name in after.names:
        if name in after.open and name not in before.open:
            yield _change(name, "opens", step, after.open[name].evidence, "")
        elif name in before.open and name not in after.open:
            yield _change(
                name,
                "closes",
                step + window,
                "",
                "as expected again, the new level was learned, or no figures come",
            )


def _change(name: str, kind: str, at: datetime, evidence: str, reason: str) -> dict[str, Any]:
    said = {"watch": f"{name}{_SUFFIX}", "segment": "", "kind": kind}
    return {**said, "at": at.isoformat(), "evidence": evidence, "reason": reason}


def series_verdicts(standing: SeriesStanding, window: timedelta) -> list[Verdict]:
    """The verdict of every series that is watched: UNKNOWN where no number has come for two days, and three windows."""
    found = []
    for cohort in standing.cohorts:
        for name in cohort.names:
            alarm, last = cohort.open.get(name), cohort.seen[name]
            if _is_silent(standing.known.timestamp(), last, window):
                reason = f"no figure since {datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M} UTC"
                found.append(Verdict(f"{name}{_SUFFIX}", "", Status.UNKNOWN, None, "", "tracked", reason))
            elif alarm is None:
                found.append(
                    Verdict(f"{name}{_SUFFIX}", "", Status.OK, None, cohort.words.get(name, ""), "tracked")
                )
            else:
                since = datetime.fromisoformat(alarm.since)
                said = f"{alarm.evidence}; now {cohort.words.get(name, '')}"
                found.append(Verdict(f"{name}{_SUFFIX}", "", Status.ALARM, since, said, alarm.guarantee))
    return found
