"""A recorded series, or several side by side, judged as if each number had just come; and when it changed, looking back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vedette.engine.two_files.source import as_floats, kind_of
from vedette.errors import DataError
from vedette.lake.files import open_table
from vedette.strategy.series import METHODS
from vedette.strategy.series.chain import Chain
from vedette.strategy.series.change_points import change_points
from vedette.strategy.series.events import Calendar
from vedette.strategy.series.found import SeriesFound
from vedette.strategy.series.seasonal import without_season
from vedette.strategy.series.watch import Watched, watch_series

__all__ = ["judge_file"]

_STEP_S = 3600.0  # of rows without a time: only seasons and the budget's month depend on it
_LARGEST = 1e150  # of a number whose square is one
_EARLY_S = 1e8  # in 1973: numbers before that are hardly times


def judge_file(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    time: str | None = None,
    budget_per_month: float = 1.0,
    methods: Sequence[str] | None = None,
    reference: int | None = None,
    events: Sequence[str] = (),
    holidays: Sequence[str] = (),
    timezone: str = "UTC",
    above: float | None = None,
    below: float | None = None,
    separator: str | None = None,
) -> SeriesFound:
    """Judge the numeric columns of a Parquet, CSV, Arrow or Delta table as series.

    ``columns`` are those to judge (default: all numeric ones but numbers of rows, which grow by one and the same step),
    ``time`` that of the times (default: the first one that holds times). ``reference`` rows are learned from and not judged
    (default 15 %, at most 750). ``events`` are ISO times after which the level may be another, ``holidays`` ISO days of
    which nothing is expected, by the clock of ``timezone``. With ``above`` or ``below`` the chain tells in how many steps
    each series is expected to be beyond that.

    Raises ``DataError`` where the file cannot be read or has no such series, ``ValueError`` for an impossible argument.
    """
    table = open_table(path, separator=separator, exported=True)
    kinds = {name: kind_of(kind) for name, kind in table.schema.items()}
    if time is None:
        time = next((name for name, kind in kinds.items() if kind == "time"), None)
    elif time not in kinds:
        raise DataError(
            f"time={time!r}: {table.path} has no such column; it has {', '.join(list(kinds)[:20])}"
        )
    names = (
        list(columns)
        if columns
        else [name for name, kind in kinds.items() if kind == "numeric" and name != time]
    )
    for name in names:
        if name not in kinds:
            raise DataError(f"column {name!r}: {table.path} has none; it has {', '.join(list(kinds)[:20])}")
        if kinds[name] not in ("numeric", "boolean"):
            raise DataError(
                f"column {name!r} of {table.path}: holds {kinds[name]} values; a series must be of numbers"
            )
    if not names:
        raise DataError(
            f"{table.path}: has no column of numbers; it has {', '.join(list(kinds)[:20]) or 'no columns'}"
        )
    frame = table.read([*names, *([time] if time is not None else [])])
    times, ordered = _times(frame, time, table.path)
    notes = [] if time is None else _notes_of_times(frame[time], times, ordered)
    if not ordered:
        order = np.argsort(times, kind="stable")
        frame, times = frame[order], times[order]
    given = {name: as_floats(frame[name]).fill_null(np.nan).to_numpy() for name in names}
    if not columns:
        counters = [name for name, one in given.items() if len(given) > 1 and _counts_rows(one)]
        counters = counters if len(counters) < len(given) else []
        names = [name for name in names if name not in counters]
        notes += [
            f"{name}: numbers its rows, and is not judged; name it to have it judged" for name in counters
        ]
    values = np.column_stack([given[name] for name in names])
    far = int((np.abs(values) > _LARGEST).sum())
    if far:
        notes.append(f"{far:,} numbers that are infinite or beyond {_LARGEST:g} count as missing")
    values = np.where(np.abs(values) <= _LARGEST, values, np.nan)
    calendar = Calendar(timezone, [_day(one) for one in holidays])
    watched = watch_series(
        values,
        times,
        budget_per_month=budget_per_month,
        methods=methods,
        events=[_time("events", one) for one in events],
        calendar=calendar,
        reference=reference,
        names=names,
    )
    outlook = _outlook(watched, tuple(names), above, below)
    judged = watched.verdict[:, 0] != ""
    local = calendar.local(times)
    left = {name: without_season(values[:, k], local) for k, name in enumerate(names)}
    return SeriesFound(
        names=tuple(names),
        times=times,
        values=values,
        watched=watched,
        changes={name: change_points(one) for name, (one, _) in left.items()},
        seasons={name: found for name, (_, found) in left.items()},
        reference=int((~judged).sum()),
        budget_per_month=float(budget_per_month),
        methods=tuple(METHODS) if methods is None else tuple(methods),
        timed=time is not None,
        outlook=outlook,
        notes=tuple(notes),
    )


def _counts_rows(values: np.ndarray) -> bool:
    """True for numbers that grow by one and the same step from row to row."""
    steps = np.diff(values)
    return len(steps) > 1 and bool((steps == steps[0]).all()) and steps[0] != 0


def _notes_of_times(column: pl.Series, times: np.ndarray, ordered: bool) -> list[str]:
    """What is to be known of the times that were given."""
    notes = []
    if not ordered:
        notes.append("rows were put in the order of their times")
    again = len(times) - len(np.unique(times))
    if again:
        notes.append(f"{again:,} rows have the time of another one")
    if column.dtype.is_numeric() and len(times) and times.max() < _EARLY_S:
        notes.append(
            f"{column.name}: taken as seconds since 1970, which makes {datetime.fromtimestamp(times.min(), UTC):%Y-%m-%d %H:%M} "
            f"to {datetime.fromtimestamp(times.max(), UTC):%Y-%m-%d %H:%M}"
        )
    return notes


def _outlook(
    watched: Watched, names: tuple[str, ...], above: float | None, below: float | None
) -> dict[str, tuple[float, float, float]]:
    """Steps expected until each series is beyond a limit, with their intervals; nothing where no limit is given."""
    if above is None and below is None:
        return {}
    for limit in (above, below):
        if limit is not None and not np.isfinite(limit):
            raise ValueError(f"above={above}, below={below}: must be finite numbers")
    chain = Chain()
    state = watched.state.methods.get(chain.name)
    if state is None:
        raise ValueError(f"above={above}, below={below}: is told by the method chain, which was left out")
    return dict(zip(names, chain.outlook(state, above, below), strict=True))


def _times(frame: pl.DataFrame, name: str | None, path: str) -> tuple[np.ndarray, bool]:
    """Seconds since 1970, and whether they never go backwards; without a column of times rows are an hour apart."""
    if name is None:
        return _STEP_S * np.arange(frame.height, dtype=np.float64), True
    column = frame[name]
    if column.null_count():
        raise DataError(
            f"column {name!r} of {path}: {column.null_count():,} rows have no time; leave them out"
        )
    if column.dtype.is_numeric():
        seconds = column.cast(pl.Float64).to_numpy()
    elif column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        seconds = column.cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64).to_numpy() / 1e6
    else:
        raise DataError(
            f"column {name!r} of {path}: is of type {column.dtype}: must hold times, or seconds since 1970"
        )
    return seconds, bool((np.diff(seconds) >= 0).all())


def _time(name: str, text: Any) -> float:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f"{name}: {str(text)!r}: must be like 2026-05-03T10:00") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _day(text: Any) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f"holidays: {str(text)!r}: must be like 2026-12-25") from None
