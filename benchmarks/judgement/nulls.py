"""How many false alarms the methods that watch series make together, in series where nothing changes.

Hours, a reference of 25 days, then ``--months`` of 30 days that are judged, in ``--runs`` independent runs side by side. One
budget a month and series; tied series are twenty under one budget. The limit is the exact upper 95 % limit of a Poisson
rate, of tied series that of 2,000 resamples of the runs. Kept: the limit is at most the budget.

    python benchmarks/judgement/nulls.py --runs 100 --months 6
    python benchmarks/judgement/nulls.py --case ar95 --method chain

Cases: independent normal, Student's t on 3 degrees of freedom, lognormal, events of one in a thousand, counts of mean 3; normal
with autocorrelation .5, .8, .95 and -.5, t3 with .5; a daily wave of one standard deviation, and with autocorrelation .5; a
weekly wave; twenty series correlated by .9; a random walk; a series at rest (constant); a tenth of the numbers missing.

In steps of five minutes, with a reference of 750 numbers (2.6 days), a budget of one a week, and weeks in place of months:
normal with a spread that differs by the hour sevenfold, and that with a daily wave and autocorrelation .5; counts that are
ten times as many at noon as at midnight, Poisson and clumped (negative binomial); variance that comes in spells (GARCH);
something that is on by day and off by night, up to half an hour early or late; a job a night, of another size each time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

from vedette.strategy.series import METHODS
from vedette.strategy.series.watch import Alarm, watch_series

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]

REFERENCE = 600
MONTH = 720
WEEK, REFERENCE_OF_WEEKS = 2016, 750  # of five minutes
TIED = 20
RESAMPLES = 2000


def autoregressive(phi: float, noise: Draw = lambda random, n, k: random.normal(size=(n, k))) -> Draw:
    """Series each of whose numbers is phi times the one before it, and noise."""

    def draw(random: np.random.Generator, n: int, k: int) -> Floats:
        return signal.lfilter([1.0], [1.0, -phi], noise(random, n + 300, k), axis=0)[300:]

    return draw


def wave(hours: float, noise: Draw) -> Draw:
    """Noise with a wave of as many hours."""

    def draw(random: np.random.Generator, n: int, k: int) -> Floats:
        return noise(random, n, k) + np.sqrt(2.0) * np.sin(2 * np.pi * np.arange(n) / hours)[:, None]

    return draw


def normal(random: np.random.Generator, n: int, k: int) -> Floats:
    """Independent normal numbers."""
    return random.normal(size=(n, k))


def heavy(random: np.random.Generator, n: int, k: int) -> Floats:
    """Student's t on 3 degrees of freedom."""
    return random.standard_t(3, size=(n, k))


def tied(random: np.random.Generator, n: int, k: int) -> Floats:
    """Groups of twenty normal series correlated by .9."""
    common = np.repeat(random.normal(size=(n, k // TIED)), TIED, axis=1)
    return np.sqrt(0.9) * common + np.sqrt(0.1) * random.normal(size=(n, k))


def holes(random: np.random.Generator, n: int, k: int) -> Floats:
    """Normal numbers with autocorrelation .5, a tenth of them missing."""
    x = autoregressive(0.5)(random, n, k)
    x[random.random(size=x.shape) < 0.1] = np.nan
    return x


def hour_of(n: int) -> Floats:
    """The hour of the day of steps of five minutes [n, 1]."""
    return (np.arange(n) / 12.0 % 24.0)[:, None]


def uneven(random: np.random.Generator, n: int, k: int) -> Floats:
    """Normal numbers, at four in the morning a seventh as spread as at four in the afternoon; variance 1 on average."""
    spread = np.exp(np.sin(2 * np.pi * (hour_of(n) - 10.0) / 24))
    return spread / np.sqrt(np.mean(spread**2)) * random.normal(size=(n, k))


def uneven_wave(random: np.random.Generator, n: int, k: int) -> Floats:
    """The same with autocorrelation .5, about a daily wave of two standard deviations."""
    noise = signal.lfilter([1.0], [1.0, -0.5], uneven(random, n, k), axis=0)
    return 3.0 * np.sin(2 * np.pi * (hour_of(n) - 10.0) / 24) + noise


def traffic(clumped: bool) -> Draw:
    """Counts whose mean is 6 at night and 66 by day; where clumped, their rate is gamma with shape 2."""

    def draw(random: np.random.Generator, n: int, k: int) -> Floats:
        rate = 20.0 * np.exp(1.2 * np.sin(2 * np.pi * (hour_of(n) - 8.0) / 24))
        own = random.gamma(2.0, 0.5, size=(n, k)) if clumped else np.ones((n, k))
        return random.poisson(rate * own).astype(np.float64)

    return draw


def spells(random: np.random.Generator, n: int, k: int) -> Floats:
    """GARCH(1, 1) with .05, .10, .85: Bollerslev (1986)."""
    x, variance = np.zeros((n + 300, k)), np.ones(k)
    for row in range(1, n + 300):
        variance = 0.05 + 0.10 * x[row - 1] ** 2 + 0.85 * variance
        x[row] = np.sqrt(variance) * random.normal(size=k)
    return x[300:]


def edges(random: np.random.Generator, n: int, k: int) -> Floats:
    """80 by day and 20 by night, uniform by 8 about it; it goes on and off with a standard deviation of a quarter of an hour."""
    hour, day = hour_of(n), np.arange(n) // 288
    on, off = (at + random.normal(0.0, 0.25, size=(int(day.max()) + 1, k))[day] for at in (9.0, 18.0))
    return 20.0 + 60.0 * ((hour >= on) & (hour < off)) + random.uniform(-8.0, 8.0, size=(n, k))


def jobs(random: np.random.Generator, n: int, k: int) -> Floats:
    """Gamma numbers of mean 4, and from three to four at night a job of lognormal size, another each night."""
    hour, day = hour_of(n), np.arange(n) // 288
    size = random.lognormal(2.5, 0.5, size=(int(day.max()) + 1, k))[day]
    return random.gamma(4.0, 1.0, size=(n, k)) + np.where((hour >= 3.0) & (hour < 4.0), size, 0.0)


FIVE_MINUTES: dict[str, Draw] = {
    "uneven": uneven,
    "uneven day": uneven_wave,
    "traffic": traffic(clumped=False),
    "clumped": traffic(clumped=True),
    "spells": spells,
    "edges": edges,
    "jobs": jobs,
}
CASES: dict[str, Draw] = {
    "normal": normal,
    "t3": heavy,
    "lognormal": lambda random, n, k: np.exp(random.normal(size=(n, k))),
    "rare": lambda random, n, k: (random.random(size=(n, k)) < 0.001).astype(np.float64),
    "counts": lambda random, n, k: random.poisson(3.0, size=(n, k)).astype(np.float64),
    "ar5": autoregressive(0.5),
    "ar8": autoregressive(0.8),
    "ar95": autoregressive(0.95),
    "ar-5": autoregressive(-0.5),
    "t3 ar5": autoregressive(0.5, heavy),
    "daily": wave(24.0, normal),
    "daily ar5": wave(24.0, autoregressive(0.5)),
    "weekly": wave(168.0, normal),
    "tied": tied,
    "walk": autoregressive(1.0),
    "constant": lambda _, n, k: np.full((n, k), 7.0),
    "missing": holes,
    **FIVE_MINUTES,
}


def judge(case: str, runs: int, months: int, seed: int, methods: list[str] | None) -> tuple[Alarm, ...]:
    """The alarms of a case, each series under a budget of one a month, or a week; tied ones twenty together."""
    random = np.random.Generator(np.random.PCG64(seed))
    weeks = case in FIVE_MINUTES
    reference, period, step_s = (REFERENCE_OF_WEEKS, WEEK, 300.0) if weeks else (REFERENCE, MONTH, 3600.0)
    values = CASES[case](random, reference + months * period, runs)
    times = (1_699_920_000.0 if weeks else 1.7e9) + step_s * np.arange(len(values))  # weeks begin at midnight
    budget = runs / TIED if case == "tied" else runs * 30.0 / 7.0 if weeks else float(runs)
    names = [str(number) for number in range(runs)]
    return watch_series(
        values, times, reference=reference, names=names, methods=methods, budget_per_month=budget
    ).alarms


def upper(counts: NDArray[np.int64], months: int, *, poisson: bool) -> float:
    """The upper 95 % limit of the rate a month, of counts of runs of some months."""
    if poisson:
        return float(special.gammaincinv(counts.sum() + 1.0, 0.95)) / (len(counts) * months)
    random = np.random.Generator(np.random.PCG64(0))
    drawn = random.choice(counts, size=(RESAMPLES, len(counts))).mean(axis=1) / months
    nothing = -np.log(0.05) / (len(counts) * months)  # of runs without an alarm
    return max(float(np.quantile(drawn, 0.95)), nothing)


def main() -> None:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="series side by side, a multiple of 20")
    parser.add_argument("--months", type=int, default=6, help="or weeks of five minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", action="append", choices=sorted(CASES))
    parser.add_argument("--method", action="append", choices=sorted(METHODS))
    options = parser.parse_args()
    print(f"methods: {', '.join(options.method or METHODS)}; budget 1 a month, or a week")
    for case in options.case or CASES:
        start = time.perf_counter()
        alarms = judge(case, options.runs, options.months, options.seed, options.method)
        group = TIED if case == "tied" else 1
        counts = np.bincount(
            [int(alarm.series) // group for alarm in alarms], minlength=options.runs // group
        )
        rate = counts.sum() / (len(counts) * options.months)
        limit = upper(counts, options.months, poisson=group == 1)
        by = {name: sum(alarm.method == name for alarm in alarms) for name in METHODS}
        period = "week" if case in FIVE_MINUTES else "month"
        told = ", ".join(f"{name} {n}" for name, n in by.items() if n)
        print(
            f"{case:10} {rate:6.3f} a {period}, at most {limit:6.3f}  {'kept' if limit <= 1.0 else 'NOT KEPT'}"
            f"   {told}   {time.perf_counter() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
