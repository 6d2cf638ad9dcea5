"""How the watch of series does on the Numenta Anomaly Benchmark, with one setting and a threshold that the budget sets.

The folder is a checkout of the benchmark's data: ``data/*/*.csv`` and ``labels/combined_windows.json``. The first 15 % of
each series, at most 750 rows, are the reference; what follows is judged by all methods of ``METHODS`` under one budget a
series. Nothing is chosen by the labels: the halves, by a hash of the file's name, are there to show whether the score of
what the design was looked at with (a) differs from that of what it was not (b).

    python benchmarks/judgement/nab.py FOLDER
    python benchmarks/judgement/nab.py FOLDER --half a

The score: a detection in a window of the labels counts by its place in it, s(-1) = 1 at its first row to s(0) = 0 at its
last, the earliest of a window alone; each other detection costs its weight times s(distance to the window before it, in
widths of that window), the full weight without one; a missed window costs its weight; s(y) = 2/(1 + exp(5 y)) - 1.
100 (score - never)/(perfect - never), with "never" the score of a detector that never fires.

Source: Lavin and Ahmad (2015), "Evaluating real-time anomaly detection algorithms: the Numenta anomaly benchmark", section
III and its equations 2 to 4; the widths and the order of rows as in the benchmark's own scorer (version 1.1).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.watch import SeriesWatch

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PROBATION_SHARE, PROBATION_ROWS = 0.15, 750


@dataclass(frozen=True)
class Profile:
    """What a detection in a window, one outside, and a missed window are worth."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True)
class Series:
    """A file: its name, seconds since 1970 and values of its rows, and its windows as pairs of rows, both inside."""

    name: str
    times: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows that are not scored."""
        return probation(len(self.values))

    @property
    def half(self) -> str:
        """The half of the series it belongs to."""
        return "ab"[hashlib.sha256(self.name.encode()).digest()[0] % 2]


def probation(n_rows: int) -> int:
    """Rows at the start of a series that are not scored: 15 %, at most 750."""
    return min(int(PROBATION_SHARE * n_rows), PROBATION_ROWS)


def place(y: float) -> float:
    """The worth of a place: 1 well before 0, 0 at 0, -1 well behind it."""
    return -1.0 if y > 3.0 else 2.0 / (1.0 + float(np.exp(5.0 * y))) - 1.0


def score(
    fired: Bools, windows: tuple[tuple[int, int], ...], n_probation: int, profile: Profile
) -> tuple[float, int, int]:
    """The score of one series, the windows found and the detections outside.

    ``fired`` [n] marks the rows at which the detector fired; ``windows`` are first and last rows, in order.

    >>> score(np.array([False, True, False, False]), ((1, 2),), 0, PROFILES["standard"])
    (1.0, 1, 0)
    >>> score(np.array([True, False, False, False]), ((1, 2),), 0, PROFILES["standard"])
    (-1.11, 0, 1)
    """
    best = dict.fromkeys(windows, -profile.missed)
    cost, outside = 0.0, 0
    for row in np.flatnonzero(fired).tolist():
        if row < n_probation:
            continue
        inside = [window for window in windows if window[0] <= row <= window[1]]
        if inside:
            first, last = inside[0]
            worth = place(-(last - row + 1) / (last - first + 1)) / place(-1.0)
            best[inside[0]] = max(best[inside[0]], profile.found * worth)
            continue
        outside += 1
        before = [window for window in windows if window[1] < row]
        if before:
            first, last = before[-1]
            cost += profile.false * place((row - last) / (last - first))
        else:
            cost -= profile.false
    found = sum(worth > -profile.missed for worth in best.values())
    return sum(best.values()) + cost, found, outside


def normalised(scores: float, n_windows: int, profile: Profile) -> float:
    """0 for a detector that never fires, 100 for one that fires at the first row of each window alone."""
    never, perfect = -profile.missed * n_windows, profile.found * n_windows
    return 100.0 * (scores - never) / (perfect - never)


def read(folder: Path) -> list[Series]:
    """The series of the benchmark, in the order of their names."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text("utf-8"))
    return [_series(folder / "data" / name, name, labels[name]) for name in sorted(labels)]


def _series(path: Path, name: str, labels: list[list[str]]) -> Series:
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:] if line]
    times = np.array([_seconds(row[0]) for row in rows])
    windows = tuple((_row(times, first), _row(times, last)) for first, last in labels)
    return Series(name, times, np.array([float(row[1]) for row in rows]), windows)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _row(times: Floats, label: str) -> int:
    found = np.flatnonzero(times == _seconds(label))
    if not len(found):
        raise ValueError(f"{label}: no row of the series has this time")
    return int(found[0])


def side_by_side(series: list[Series]) -> tuple[Floats, Floats, int]:
    """Values and times [n, K] of series with the ends of their references in one row, and the number of that row."""
    before = max(one.probation for one in series)
    after = max(len(one.values) - one.probation for one in series)
    values = np.full((before + after, len(series)), np.nan)
    times = np.empty(values.shape)
    for column, one in enumerate(series):
        rows = slice(before - one.probation, before - one.probation + len(one.values))
        values[rows, column] = one.values
        times[: rows.start, column], times[rows.stop :, column] = one.times[0], one.times[-1]
        times[rows, column] = np.maximum.accumulate(one.times)  # an hour comes twice when clocks go back
    return values, times, before


def detect(series: list[Series], budget_per_week: float, methods: list[str] | None) -> list[Bools]:
    """The rows of each series at which an alarm began. All are judged side by side, each until it ends."""
    fired = {one.name: np.zeros(len(one.values), dtype=np.bool_) for one in series}
    left = sorted(series, key=lambda one: len(one.values) - one.probation)
    values, times, first = side_by_side(left)
    a_month = budget_per_week * 30.0 / 7.0
    names = [one.name for one in left]
    watch = SeriesWatch(names, methods=methods, budget_per_month=a_month * len(left))
    state = watch.begin(values[:first], times[:first])
    ends = np.array([first + len(one.values) - one.probation for one in left])
    for row in range(first, len(values)):
        ended = int(np.searchsorted(ends, row, side="right"))
        if ended > len(names) - len(watch.names):
            on = slice(ended - (len(names) - len(watch.names)), None)
            state = only(state, on, len(watch.names))
            watch = SeriesWatch(names[ended:], methods=methods, budget_per_month=a_month * len(names[ended:]))
        judged, state = watch._step(state, values[row, ended:], times[row, ended:], own=True)
        for place in np.flatnonzero(judged.fired).tolist():
            one = left[ended + place]
            fired[one.name][row - first + one.probation] = True
    return [fired[one.name] for one in series]


def only(state: Any, on: slice, n_series: int) -> Any:
    """The state of some of K series, of that of all: arrays [K, ...] and tuples of K."""
    if isinstance(state, np.ndarray) and state.ndim and len(state) == n_series:
        return state[on].copy()
    if isinstance(state, tuple) and len(state) == n_series:
        return state[on]
    if isinstance(state, dict):
        return {name: only(value, on, n_series) for name, value in state.items()}
    if is_dataclass(state) and not isinstance(state, type):
        parts = {field.name: only(getattr(state, field.name), on, n_series) for field in fields(state)}
        return replace(state, **parts)
    return state


def table(series: list[Series], fired: list[Bools], title: str) -> None:
    """Prints a line for each profile."""
    n_windows = sum(len(one.windows) for one in series)
    for name, profile in PROFILES.items():
        scores = [
            score(rows, one.windows, one.probation, profile) for one, rows in zip(series, fired, strict=True)
        ]
        total, found, outside = (sum(one[i] for one in scores) for i in range(3))
        print(
            f"{title:12} {name:20} {normalised(total, n_windows, profile):6.1f}   "
            f"{found} of {n_windows} windows, {outside} outside"
        )


def check(series: list[Series]) -> None:
    """Prints the scores of a detector that never fires, and of the perfect one."""
    table(series, [np.zeros(len(one.values), dtype=np.bool_) for one in series], "never")
    perfect = []
    for one in series:
        rows = np.zeros(len(one.values), dtype=np.bool_)
        rows[[window[0] for window in one.windows]] = True
        perfect.append(rows)
    table(series, perfect, "perfect")


def main() -> None:
    """Reads, judges and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with data/ and labels/")
    parser.add_argument("--half", choices=["a", "b"], help="that half alone")
    parser.add_argument(
        "--budget", type=float, default=1.0, help="false alarms a week and series (default 1)"
    )
    parser.add_argument("--method", action="append", help="one of METHODS, may be repeated (default: all)")
    parser.add_argument("--each", action="store_true", help="a line for each series as well")
    options = parser.parse_args()
    series = read(options.folder)
    check(series)
    if options.half:
        series = [one for one in series if one.half == options.half]
    start = time.perf_counter()
    fired = detect(series, options.budget, options.method)
    print(f"{sum(len(one.values) for one in series):,} rows in {time.perf_counter() - start:.0f} s")
    if options.each:
        for one, rows in zip(series, fired, strict=True):
            total, found, outside = score(rows, one.windows, one.probation, PROFILES["standard"])
            print(f"{one.half} {one.name:60} {total:6.2f} {found} of {len(one.windows)}, {outside} outside")
    for half in "ab":
        chosen = [(one, rows) for one, rows in zip(series, fired, strict=True) if one.half == half]
        if chosen and not options.half:
            table([one for one, _ in chosen], [rows for _, rows in chosen], f"half {half}")
    table(series, fired, "all" if not options.half else f"half {options.half}")


if __name__ == "__main__":
    main()
