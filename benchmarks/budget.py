"""How many false alarms a month a strategy makes, and how many days it takes to see a change.

Twenty numeric columns with two per cent of nulls (60 watches), one window a day, a new reference every
six months, a budget of one false alarm a month over all watches. Everything goes through the public
door: grids, summaries, plan, steps. Alarms are counted as opened; limits are exact 95 % limits of a
Poisson rate, so alarms that come together make them too narrow; an incident is what opens within three days.

    python benchmarks/budget.py --months 120 --rows 500 --case iid --case ar5

Cases: independent normal rows (iid), autocorrelated by .5, .8 and -.5 (ar5, ar8, ar-5), a weekly wave of .2 sd (season), a
level of its own for each day and column of .1 sd (day), Student's t on 3 degrees of freedom (t3), events of one row in a
thousand (rare), columns correlated by .9 (tied).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import signal, special

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.statistics.summary import Summary
from vedette.strategy import STRATEGIES, Plan, State, Strategy, batch_numbers, begin, inflation, plan

COLUMNS = 20
MONTH_DAYS = 30
RUN_DAYS = 180
CHANGE_DAY = 10
PILOT = 1000
Rows = np.ndarray  # float64[n, COLUMNS]
Source = Callable[[np.random.Generator, int, int], Rows]


def autoregressive(phi: float) -> Source:
    """Rows of unit variance, each correlated by phi with the one before it."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        noise = random.normal(size=(n_days * n, COLUMNS)) * np.sqrt(1 - phi * phi)
        noise[0] /= np.sqrt(1 - phi * phi)
        return signal.lfilter([1.0], [1.0, -phi], noise, axis=0) if phi else noise

    return draw


def heavy(freedom: float) -> Source:
    """Independent rows of Student's t, scaled to unit variance."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        return random.standard_t(freedom, size=(n_days * n, COLUMNS)) * np.sqrt((freedom - 2) / freedom)

    return draw


def rare(share: float) -> Source:
    """Independent events: 1 in so small a share of rows, else 0. A shift makes no sense of them."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        return (random.random((n_days * n, COLUMNS)) < share).astype(np.float64)

    return draw


def tied(correlation: float) -> Source:
    """Independent rows whose columns are correlated."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        common = random.normal(size=(n_days * n, 1)) * np.sqrt(correlation)
        return common + random.normal(size=(n_days * n, COLUMNS)) * np.sqrt(1 - correlation)

    return draw


def season(size: float) -> Source:
    """Independent rows about a weekly wave; ``size`` is the wave's standard deviation."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        day = np.repeat(np.arange(n_days), n)[:, None]
        wave = size * np.sqrt(2) * np.sin(2 * np.pi * (day / 7 + np.arange(COLUMNS) / COLUMNS))
        return random.normal(size=(n_days * n, COLUMNS)) + wave

    return draw


def day_effect(size: float) -> Source:
    """Independent rows about a level that is drawn anew every day for every column."""

    def draw(random: np.random.Generator, n_days: int, n: int) -> Rows:
        return random.normal(size=(n_days * n, COLUMNS)) + np.repeat(
            random.normal(scale=size, size=(n_days, COLUMNS)), n, axis=0
        )

    return draw


CASES: dict[str, Source] = {
    "iid": autoregressive(0.0),
    "ar5": autoregressive(0.5),
    "ar8": autoregressive(0.8),
    "season": season(0.2),
    "day": day_effect(0.1),
    "ar-5": autoregressive(-0.5),
    "t3": heavy(3.0),
    "rare": rare(0.001),
    "tied": tied(0.9),
}


def run(
    source: Source, random: np.random.Generator, n: int, n_days: int = RUN_DAYS, shift: float = 0.0
) -> tuple[Plan, State, list[dict[str, Summary]]]:
    """A plan, a state and the summaries of the days; from day 10 on the first column is shifted.

    The reference is ten days, and 1,000 rows more for the pilot.
    """
    lead = -(-PILOT // n)
    rows = source(random, lead + 10 + n_days, n)
    rows[(lead + 10 + CHANGE_DAY) * n :, 0] += shift
    present = random.random(rows.shape) >= 0.02
    names = [f"x{column:02d}" for column in range(COLUMNS)]
    grids = {name: numeric_grid(name, rows[:PILOT, column]) for column, name in enumerate(names)}
    first, last = slice(lead * n, (lead + 10) * n), slice((lead + 10) * n, None)

    def summaries(part: slice, window: np.ndarray, n_windows: int) -> dict[str, Summary]:
        return {
            name: summarise_numeric(grids[name], rows[part, at], present[part, at], window, n_windows)
            for at, name in enumerate(names)
        }

    batches = summaries(first, *batch_numbers(10 * n))
    windows = summaries(first, np.repeat(np.arange(10), n), 10)
    reference = {name: summary.merged() for name, summary in batches.items()}
    watches = plan(reference, "benchmark")
    state = begin(
        watches, reference, inflation(watches, batches, windows), windows_per_month=MONTH_DAYS, budget=1.0
    )
    days = summaries(last, np.repeat(np.arange(n_days), n), n_days)
    return watches, state, [{name: one.take([day]) for name, one in days.items()} for day in range(n_days)]


def alarms(
    strategy: Strategy, watches: Plan, state: State, days: list[dict[str, Summary]]
) -> list[tuple[int, str]]:
    """(day, watch) of every alarm that opened."""
    found = []
    for day, summaries in enumerate(days):
        evidence, state = strategy.judge(watches.step(summaries, day, day * 86400.0), state)
        found += [(day, watches.watches[k].id) for k in np.flatnonzero(evidence.alarm)]
    return found


def incidents(found: list[tuple[int, str]]) -> int:
    """Alarms that open within three days of the last one are one incident."""
    days = sorted(day for day, _ in found)
    return sum(at == 0 or day - days[at - 1] > 3 for at, day in enumerate(days))


def poisson_limits(count: int, exposure: float) -> tuple[float, float]:
    """Exact 95 % limits of a rate (Garwood 1936)."""
    low = special.gammaincinv(count, 0.025) if count else 0.0
    return float(low) / exposure, float(special.gammaincinv(count + 1, 0.975)) / exposure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=120)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--strategy", default="e_detector", choices=STRATEGIES)
    parser.add_argument("--shift", type=float, action="append", help="in sd, from day 10 on, in one column")
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    strategy = STRATEGIES[options.strategy]()
    print(f"{options.strategy}, {options.months} months a row, seed {options.seed}")
    for case in options.case or list(CASES):
        for n in options.rows or [500, 2000]:
            clock = time.perf_counter()
            random = np.random.default_rng([options.seed, n, *case.encode()])
            n_runs = max(options.months * MONTH_DAYS // RUN_DAYS, 1)
            n_months = n_runs * RUN_DAYS / MONTH_DAYS
            told = [alarms(strategy, *run(CASES[case], random, n)) for _ in range(n_runs)]
            counts, events = sum(map(len, told)), sum(map(incidents, told))
            low, high = poisson_limits(counts, n_months)
            line = f"{case:7} {n:5} rows a day: {counts / n_months:6.2f} [{low:.2f}, {high:.2f}] a month"
            line += f", incidents {events / n_months:.2f}"
            for shift in options.shift or [0.25, 0.5]:
                delays = []
                for _ in range(max(options.months // 6, 5)):
                    found = alarms(strategy, *run(CASES[case], random, n, MONTH_DAYS, shift))
                    seen = [day for day, watch in found if watch == "x00.location" and day >= CHANGE_DAY]
                    delays.append(seen[0] - CHANGE_DAY + 1 if seen else np.inf)
                line += f"; {shift} sd: {np.median(delays):.0f} d"
            print(f"{line}  ({time.perf_counter() - clock:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
