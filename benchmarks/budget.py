"""How many false alarms a month a strategy makes, and how many days it takes to see a change.

Numeric columns with two per cent of nulls (three watches each, twenty columns), a window a day or an hour, a new
reference of 5,000 rows every six months, a budget of one false alarm a month over all watches. The reference are the
rows right before the first window, as fast as the windows' own, its first 1,000 the pilot that is not counted.
Everything goes through the public door: grids, summaries, plan, steps. Where the rows of a window are independent given
its level, the counts of its cells are drawn at once, which is the same law as to draw the rows and count them.

Alarms are counted as opened; the limits are exact 95 % limits of a Poisson rate, which alarms that come together make
too narrow, and after "runs" those of 2,000 resamples of the runs of six months. An incident is what opens within three
days. The delay is the median day, the first is 1, over ``--runs`` runs with a change in one column from ``--day`` on.

    python benchmarks/budget.py --months 120 --rows 500 --case iid --case ar5

With ``--series`` the methods over series watch the means of windows beside the detectors, as in production: these have 0.8 of
the budget, those 0.2.

Cases: independent normal rows (iid), autocorrelated by .5, .8, -.5 and .95 (ar5, ar8, ar-5, ar95), a weekly wave of .2 sd
(season), a daily one with windows of an hour (daily), a level of its own for each day and column of .1 sd (day), Student's t
on 3 degrees of freedom (t3), events of one row in a thousand (rare), columns correlated by .9 (tied).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal, special

from vedette.engine.series_watched import SERIES_MAX, SERIES_SHARE, SERIES_WINDOWS
from vedette.statistics import Grid, Summary, numeric_grid, summarise_numeric
from vedette.strategy import STRATEGIES, Plan, State, Step, Strategy, batch_numbers, begin, inflation, plan
from vedette.strategy.series.watch import watch_series

MONTH_DAYS = 30
RUN_DAYS = 180
AFTER_DAYS = 20  # that a change has to be seen
PILOT = 1000
MISSING = 0.02
RESAMPLES = 2000
Array = np.ndarray
Rows = Callable[[np.random.Generator, int, int], Array]  # rows and columns: float64[n, columns]
Levels = Callable[
    [np.random.Generator, Array, int], Array
]  # the day of each window: float64[windows, columns]


@dataclass(frozen=True)
class Case:
    """How rows come about: their noise, the level of each window, and P(noise < x) where rows are independent."""

    rows: Rows
    below: Callable[[Array], Array] | None = None
    levels: Levels = lambda _, days, columns: np.zeros((len(days), columns))
    window_days: float = 1.0


def normal(random: np.random.Generator, n: int, columns: int) -> Array:
    """Independent normal rows."""
    return random.normal(size=(n, columns))


def autoregressive(phi: float) -> Rows:
    """Rows of unit variance, each correlated by phi with the one before it."""

    def draw(random: np.random.Generator, n: int, columns: int) -> Array:
        noise = random.normal(size=(columns, n)) * np.sqrt(1 - phi * phi)
        noise[:, 0] /= np.sqrt(1 - phi * phi)
        return signal.lfilter([1.0], [1.0, -phi], noise, axis=1).T

    return draw


def heavy(freedom: float) -> Case:
    """Independent rows of Student's t, scaled to unit variance."""
    unit = np.sqrt((freedom - 2) / freedom)
    return Case(
        lambda random, n, columns: random.standard_t(freedom, size=(n, columns)) * unit,
        lambda x: special.stdtr(freedom, x / unit),
    )


def rare(share: float) -> Case:
    """Independent events: 1 in so small a share of rows, else 0. A shift makes no sense of them."""
    return Case(
        lambda random, n, columns: (random.random((n, columns)) < share).astype(np.float64),
        lambda x: np.where(x <= 0, 0.0, np.where(x <= 1, 1 - share, 1.0)),
    )


def tied(correlation: float) -> Rows:
    """Independent rows whose columns are correlated."""

    def draw(random: np.random.Generator, n: int, columns: int) -> Array:
        common = random.normal(size=(n, 1)) * np.sqrt(correlation)
        return common + random.normal(size=(n, columns)) * np.sqrt(1 - correlation)

    return draw


def wave(size: float, period_days: float) -> Levels:
    """A sine of this standard deviation, at another phase in every column."""

    def draw(random: np.random.Generator, days: Array, columns: int) -> Array:
        turns = days[:, None] / period_days + np.arange(columns) / columns + random.random()
        return size * np.sqrt(2) * np.sin(2 * np.pi * turns)

    return draw


def day_effect(size: float) -> Levels:
    """A level that is drawn anew every day for every column."""

    def draw(random: np.random.Generator, days: Array, columns: int) -> Array:
        day = np.floor(days).astype(int)
        return random.normal(scale=size, size=(day[-1] - day[0] + 1, columns))[day - day[0]]

    return draw


CASES = {
    "iid": Case(normal, special.ndtr),
    "ar5": Case(autoregressive(0.5)),
    "ar8": Case(autoregressive(0.8)),
    "season": Case(normal, special.ndtr, wave(0.2, 7.0)),
    "daily": Case(normal, special.ndtr, wave(0.2, 1.0), 1 / 24),
    "day": Case(normal, special.ndtr, day_effect(0.1)),
    "ar-5": Case(autoregressive(-0.5)),
    "t3": heavy(3.0),
    "rare": rare(0.001),
    "tied": Case(tied(0.9)),
    "ar95": Case(autoregressive(0.95)),
}


@dataclass(frozen=True)
class Setting:
    """What the runs of a line have in common; rows are counted by day, the reference in rows."""

    case: Case
    rows: int
    reference: int
    columns: int

    @property
    def window_rows(self) -> float:
        """Rows of a window, not always whole."""
        return self.rows * self.case.window_days


@dataclass(frozen=True)
class Run:
    """A plan, a state, and the steps that are to be judged."""

    plan: Plan
    state: State
    steps: Iterator[Step]
    means: Array  # float64[windows, columns], of the cells' middles


def run(
    setting: Setting,
    random: np.random.Generator,
    n_days: int,
    change_day: int = 0,
    shift: float = 0.0,
    budget: float = 1.0,
) -> Run:
    """A reference and the windows of days 1 to ``n_days``; the first column is shifted from ``change_day`` on."""
    case, columns = setting.case, setting.columns
    n_windows = round(n_days / case.window_days)
    before = np.floor((np.arange(setting.reference) - setting.reference) / setting.window_rows).astype(int)
    number = np.arange(before[0], n_windows)
    levels = case.levels(random, number * case.window_days, columns)
    if shift:
        levels[number * case.window_days >= change_day - 1 - 1e-9, 0] += shift
    ends = np.floor(np.arange(n_windows + 1) * setting.window_rows + 1e-9).astype(int)
    n_live = 0 if case.below else int(ends[-1])
    rows = case.rows(random, setting.reference + n_live, columns)
    rows[: setting.reference] += levels[before - before[0]]
    names = [f"x{column:03d}" for column in range(columns)]
    grids = [numeric_grid(name, rows[:PILOT, column]) for column, name in enumerate(names)]
    batches, windows, live = {}, {}, {}
    for at, (name, grid) in enumerate(zip(names, grids, strict=True)):
        counted = rows[PILOT : setting.reference, at]
        present = random.random(len(counted)) >= MISSING
        day = before[PILOT:] - before[PILOT]
        batches[name] = summarise_numeric(grid, counted, present, *batch_numbers(len(counted)), kept=0)
        windows[name] = summarise_numeric(grid, counted, present, day, int(day[-1]) + 1, kept=0)
        level, sizes = levels[-n_windows:, at], np.diff(ends)
        if case.below:
            live[name] = drawn(grid, case.below, level, sizes, random)
        else:
            own = rows[setting.reference :, at] + np.repeat(level, sizes)
            window = np.repeat(np.arange(n_windows), sizes)
            present = random.random(n_live) >= MISSING
            live[name] = summarise_numeric(grid, own, present, window, n_windows, kept=0)
    reference = {name: summary.merged() for name, summary in batches.items()}
    watches = plan(reference, "benchmark")
    noise = inflation(watches, batches, windows)
    state = begin(watches, reference, noise, windows_per_month=MONTH_DAYS / case.window_days, budget=budget)
    starts = np.arange(n_windows) * case.window_days * 86400.0
    means = np.column_stack([middle(live[name]) for name in names])
    return Run(watches, state, watches.steps(live, range(n_windows), starts.tolist()), means)


def middle(windows: Summary) -> Array:
    """The mean of each window, each row in the middle of its cell."""
    edges = windows.grid.edges
    cells = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
    return (windows.counts @ cells) / np.maximum(windows.counts.sum(axis=1), 1)


def series_alarms(made: Run, window_days: float) -> list[tuple[int, str]]:
    """(day, series) of every alarm of the methods over series, which have a fifth of the budget and 50 windows to learn from."""
    names = [f"x{column:03d}.expected" for column in range(min(made.means.shape[1], SERIES_MAX))]
    times = np.arange(len(made.means)) * window_days * 86400.0
    watched = watch_series(
        made.means[:, : len(names)],
        times,
        reference=SERIES_WINDOWS,
        names=names,
        budget_per_month=SERIES_SHARE,
    )
    return [(int(one.row * window_days + 1e-9) + 1, one.series) for one in watched.alarms]


def drawn(
    grid: Grid, below: Callable[[Array], Array], level: Array, sizes: Array, random: np.random.Generator
) -> Summary:
    """The summary of windows of independent rows about their levels: its counts alone, which is what watches read."""
    cut = below(grid.edges - level[:, None])
    ends = np.ones((len(level), 1))
    shares = np.diff(np.hstack([0 * ends, cut, ends]), axis=1) * (1 - MISSING)
    counts = random.multinomial(sizes, np.hstack([np.maximum(shares, 0.0), MISSING * ends]))
    empty = Summary.empty(grid, len(level), 0)
    return replace(empty, rows=sizes.astype(np.int64), counts=counts[:, :-1], missing=counts[:, -1])


def alarms(strategy: Strategy, made: Run, window_days: float) -> list[tuple[int, str]]:
    """(day, watch) of every alarm that opened; the first day is 1."""
    found, state = [], made.state
    for step in made.steps:
        evidence, state = strategy.judge(step, state)
        day = int(step.window * window_days + 1e-9) + 1
        found += [(day, made.plan.watches[k].id) for k in np.flatnonzero(evidence.alarm)]
    return found


def incidents(found: list[tuple[int, str]]) -> int:
    """Alarms that open within three days of the last one are one incident."""
    days = sorted(day for day, _ in found)
    return sum(at == 0 or day - days[at - 1] > 3 for at, day in enumerate(days))


def poisson_limits(count: int, exposure: float) -> tuple[float, float]:
    """Exact 95 % limits of a rate (Garwood 1936)."""
    low = special.gammaincinv(count, 0.025) if count else 0.0
    return float(low) / exposure, float(special.gammaincinv(count + 1, 0.975)) / exposure


def run_limits(counts: Array, exposure: float, random: np.random.Generator) -> tuple[float, float]:
    """95 % limits of the rate by the bootstrap over independent runs."""
    again = random.choice(counts, size=(RESAMPLES, len(counts))).sum(axis=1) / exposure
    low, high = np.quantile(again, [0.025, 0.975])
    return float(low), float(high)


def delay(
    strategy: Strategy, setting: Setting, random: np.random.Generator, n: int, day: int, shift: float
) -> float:
    """The median day on which a shift is seen, by the first alarm of the column's location after it."""
    delays = []
    for _ in range(n):
        made = run(setting, random, day - 1 + AFTER_DAYS, day, shift)
        found = alarms(strategy, made, setting.case.window_days)
        seen = [when - day + 1 for when, watch in found if watch == "x000.location" and when >= day]
        delays.append(seen[0] if seen else np.inf)
    return float(np.median(delays))


def line(name: str, setting: Setting, options: argparse.Namespace) -> str:
    """The false alarms and the delays of a case, in words."""
    strategy, clock = STRATEGIES[options.strategy](), time.perf_counter()
    random = np.random.default_rng([options.seed, setting.rows, *name.encode()])
    n_runs = options.months * MONTH_DAYS // RUN_DAYS
    n_months, days = n_runs * RUN_DAYS / MONTH_DAYS, setting.case.window_days
    told = []
    for _ in range(n_runs):
        made = run(setting, random, RUN_DAYS, budget=1.0 - SERIES_SHARE if options.series else 1.0)
        found = alarms(strategy, made, days)
        told.append(found + series_alarms(made, days) if options.series else found)
    counts = np.array([len(found) for found in told])
    said = f"{name:6} {setting.rows:6} rows a day"
    if n_runs:
        low, high = poisson_limits(int(counts.sum()), n_months)
        low_runs, high_runs = run_limits(counts, n_months, random)
        said += f": {counts.sum() / n_months:5.2f} [{low:.2f}, {high:.2f}] a month, runs [{low_runs:.2f}, {high_runs:.2f}]"
        said += f", incidents {sum(map(incidents, told)) / n_months:.2f}"
        said += f" ({(time.perf_counter() - clock) / n_months:.2f} s a month)"
    for day in options.day or [1, 11]:
        for shift in options.shift or [0.1, 0.25]:
            if options.runs and name != "rare":
                found = delay(strategy, setting, random, options.runs, day, shift)
                said += f"; {shift} sd from day {day}: {found:.0f} d"
    return f"{said}  ({time.perf_counter() - clock:.0f} s)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--months", type=int, default=120, help="six to a run; 0 for delays alone")
    parser.add_argument("--rows", type=int, action="append", help="rows a day: 500 and 2,000")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--strategy", default="e_detector", choices=STRATEGIES)
    parser.add_argument("--reference", type=int, default=5000, help="rows, with the 1,000 of the pilot")
    parser.add_argument("--columns", type=int, default=20, help="three watches each")
    parser.add_argument("--window", choices=["day", "hour"], help="each case has its own")
    parser.add_argument("--shift", type=float, action="append", help="in sd, in one column: .1 and .25")
    parser.add_argument("--day", type=int, action="append", help="of the change: 1 and 11")
    parser.add_argument("--runs", type=int, default=40, help="with a change, for each delay")
    parser.add_argument("--series", action="store_true", help="with the methods over series beside them")
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    print(
        f"{options.strategy}, {options.months} months and {options.runs} changes a line, {options.columns} columns, "
        f"reference {options.reference} rows, seed {options.seed}",
        flush=True,
    )
    for name in options.case or list(CASES):
        case = CASES[name]
        if options.window:
            case = replace(case, window_days={"day": 1.0, "hour": 1 / 24}[options.window])
        for n in options.rows or [500, 2000]:
            print(line(name, Setting(case, n, options.reference, options.columns), options), flush=True)


if __name__ == "__main__":
    main()
