"""Daily checks of 20 columns: common rules and NannyML beside ours (``python benchmarks/peers.py daily``).

Independent N(0, 1); a reference of 5,000 rows, drawn anew for every run. False alarms: ours, which remember, in runs
of 180 days; rules, which judge a day by itself, in the first 30 days of the same runs (NannyML, which is slow, in a
third of them). For delays the first column changes after ten days: the delay is the first day from then on with an
alarm of that column, false ones included. Ours: location, spread and missing values of each column, 60 watches, under
a budget of one false alarm a month; 1,000 rows of the reference cut the grids and are not counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from scipy import stats

from budget import poisson_limits
from vedette.statistics import numeric_grid, summarise_numeric
from vedette.statistics.summary import Summary
from vedette.strategy import STRATEGIES, Plan, State, batch_numbers, begin, inflation, plan

__all__ = ["table"]

COLUMNS, REFERENCE, PILOT = 20, 5000, 1000
MONTH_DAYS, RUN_DAYS, STABLE_DAYS, SEEN_DAYS = 30, 180, 10, 60
SLOW = 3
CHANGES = ("+.05", "+.1", "+.25", "+.5", "sd x 1.2")
Rule = Callable[
    [np.ndarray, np.ndarray, int], np.ndarray
]  # reference, days, rows a day -> bool[days, columns]


def changed(rows: np.ndarray, change: str) -> np.ndarray:
    """Rows with that change."""
    return rows * 1.2 if change.startswith("sd") else rows + float(change)


def kolmogorov_smirnov(reference: np.ndarray, days: np.ndarray) -> bool:
    """p < .05 of the two-sample test."""
    return bool(stats.ks_2samp(reference, days, method="asymp").pvalue < 0.05)


def wasserstein(reference: np.ndarray, day: np.ndarray) -> bool:
    """A distance of .1 standard deviations of the reference or more: Evidently's default above 1,000 rows."""
    return bool(stats.wasserstein_distance(reference, day) / reference.std() >= 0.1)


def stability(reference: np.ndarray, day: np.ndarray) -> bool:
    """A population stability index above .1 on ten quantile bins of the reference."""
    edges = np.quantile(reference, np.arange(1, 10) / 10)
    p, q = (
        np.maximum(np.bincount(np.searchsorted(edges, x), minlength=10) / len(x), 1e-4)
        for x in (reference, day)
    )
    return bool(((q - p) * np.log(q / p)).sum() > 0.1)


def daily(rule: Callable[[np.ndarray, np.ndarray], bool]) -> Rule:
    """A rule that looks at each day and column by itself."""

    def alarms(reference: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
        days = rows.reshape(-1, n, rows.shape[1])
        return np.array([[rule(reference[:, at], day[:, at]) for at in range(rows.shape[1])] for day in days])

    return alarms


def nannyml(reference: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Alerts of ``UnivariateDriftCalculator`` with its defaults, chunks of days."""
    os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")  # else it tells its maker that it ran
    import nannyml as peer
    import pandas as pd

    names = [f"x{at}" for at in range(rows.shape[1])]

    def frame(part: np.ndarray, first_day: float) -> pd.DataFrame:
        out = pd.DataFrame(part, columns=names)
        out["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(
            first_day + np.arange(len(part)) / n, unit="D"
        )
        return out

    calculator = peer.UnivariateDriftCalculator(
        column_names=names, timestamp_column_name="time", chunk_period="D"
    )
    lead = -(-len(reference) // n)
    calculator.fit(frame(reference, 0.0))
    found = calculator.calculate(frame(rows, float(lead))).filter(period="analysis").to_df()
    return np.column_stack([found[(name, "jensen_shannon", "alert")].to_numpy(dtype=bool) for name in names])


RULES: dict[str, Rule] = {
    "KS, p < .05": daily(kolmogorov_smirnov),
    "Wasserstein >= .1 sd": daily(wasserstein),
    "PSI > .1": daily(stability),
    "NannyML univariate, defaults": nannyml,
}


class Ours:
    """Our watches of a reference and of days; the first column may change."""

    def __init__(self, reference: np.ndarray, rows: np.ndarray, n: int) -> None:
        self.n = n
        self.names = [f"x{at:02d}" for at in range(COLUMNS)]
        pilot, held = reference[:PILOT], reference[PILOT:]
        grids = {name: numeric_grid(name, pilot[:, at]) for at, name in enumerate(self.names)}
        self.grids = grids

        def summaries(window: np.ndarray, n_windows: int) -> dict[str, Summary]:
            return {
                name: summarise_numeric(grids[name], held[:, at], window=window, n_windows=n_windows)
                for at, name in enumerate(self.names)
            }

        batches = summaries(*batch_numbers(len(held)))
        windows = summaries(np.arange(len(held)) // n, -(-len(held) // n))
        summed = {name: summary.merged() for name, summary in batches.items()}
        self.plan: Plan = plan(summed, "benchmark")
        noise = inflation(self.plan, batches, windows)
        self.state: State = begin(self.plan, summed, noise, windows_per_month=MONTH_DAYS, budget=1.0)
        self.days = {name: self.summary(name, rows[:, at]) for at, name in enumerate(self.names)}

    def summary(self, name: str, values: np.ndarray) -> Summary:
        """A column's days."""
        number = np.arange(len(values)) // self.n
        return summarise_numeric(self.grids[name], values, window=number, n_windows=int(number[-1]) + 1)

    def alarms(self, strategy: str, first: np.ndarray | None = None) -> np.ndarray:
        """int[days, columns]: alarms that opened; ``first`` is another first column."""
        days = self.days if first is None else self.days | {self.names[0]: self.summary(self.names[0], first)}
        detector, state, found = STRATEGIES[strategy](), self.state, []
        numbers = range(len(days[self.names[0]]))
        column = np.array([self.names.index(watch.column) for watch in self.plan.watches])
        for step in self.plan.steps(days, numbers, [day * 86400.0 for day in numbers]):
            evidence, state = detector.judge(step, state)
            found.append(np.bincount(column[evidence.alarm], minlength=COLUMNS))
        return np.array(found)


def drawn(seed: int, n: int, run: int, n_days: int) -> tuple[np.ndarray, np.ndarray]:
    """The reference, of ten days or 5,000 rows if those are more, and the rows of the run's first days."""
    random = np.random.default_rng([seed, n, run])
    return random.normal(size=(max(REFERENCE, 10 * n), COLUMNS)), random.normal(size=(n_days * n, COLUMNS))


def first_day(told: np.ndarray) -> float:
    """The first day with an alarm, counted from 1."""
    return float(told.argmax()) + 1.0 if told.any() else np.inf


def rule_cells(rule: Rule, n: int, seed: int, n_runs: int, n_delays: int, held: int) -> list[str]:
    """The cells of a rule."""
    counts = []
    for run in range(n_runs):
        reference, rows = drawn(seed, n, run, MONTH_DAYS)
        counts.append(rule(reference[-held:], rows, n))
    seen: dict[str, list[float]] = {change: [] for change in CHANGES}
    for run in range(n_delays):
        reference, rows = drawn(seed, n, run, STABLE_DAYS + SEEN_DAYS)
        first = rows[STABLE_DAYS * n :, 0]
        moved = np.column_stack([changed(first, change) for change in CHANGES])
        told = rule(np.repeat(reference[-held:, :1], len(CHANGES), axis=1), moved, n)
        for at, change in enumerate(CHANGES):
            seen[change].append(first_day(told[:, at]))
    return cells(np.array(counts), seen)


def our_cells(n: int, seed: int, n_runs: int, n_delays: int, held: int) -> dict[str, list[str]]:
    """The cells of each of our strategies."""
    counts: dict[str, list[np.ndarray]] = {name: [] for name in STRATEGIES}
    for run in range(n_runs):
        reference, rows = drawn(seed, n, run, RUN_DAYS)
        ours = Ours(reference[-held:], rows, n)
        for name, found in counts.items():
            found.append(ours.alarms(name))
    seen: dict[str, dict[str, list[float]]] = {
        name: {change: [] for change in CHANGES} for name in STRATEGIES
    }
    for run in range(n_delays):
        reference, rows = drawn(seed, n, run, STABLE_DAYS + SEEN_DAYS)
        ours = Ours(reference[-held:], rows, n)
        for change in CHANGES:
            first = rows[:, 0].copy()
            first[STABLE_DAYS * n :] = changed(first[STABLE_DAYS * n :], change)
            for name in STRATEGIES:
                seen[name][change].append(first_day(ours.alarms(name, first)[STABLE_DAYS:, 0] > 0))
    return {name: cells(np.array(counts[name]), seen[name]) for name in STRATEGIES}


def cells(counts: np.ndarray, seen: dict[str, list[float]]) -> list[str]:
    """Of alarms [runs, days, columns] and of delays."""
    months = counts.shape[0] * counts.shape[1] / MONTH_DAYS
    total = int(counts.sum())
    low, high = poisson_limits(total, months)
    out = [f"{months:.0f}", f"{total / months:.2f} [{low:.2f}, {high:.2f}]"]
    out.append(f"{counts.any(axis=2).sum() / months:.2f}")
    for delays in seen.values():
        found, median = int(np.isfinite(delays).sum()), float(np.median(delays))
        some = "" if found == len(delays) else f" ({found}/{len(delays)})"
        out.append((f"{median:.3g}" if np.isfinite(median) else "—") + some)
    return out


def table(n: int, seed: int, n_runs: int, n_delays: int) -> None:
    """Print the table of ``n`` rows a day."""
    print(f"\n{n:,} rows a day\n")
    print(
        "| rule | reference | months | false alarms a month | days with one | " + " | ".join(CHANGES) + " |"
    )
    print("|---" * (5 + len(CHANGES)) + "|")
    largest = max(REFERENCE, 10 * n)
    for held in sorted({REFERENCE, largest}):
        for name, told in our_cells(n, seed, n_runs, n_delays, held).items():
            print(" | ".join([f"| vedette {name}", f"{held:,}", *told]) + " |", flush=True)
    for name, rule in RULES.items():
        slow = name.startswith("NannyML")
        for held in sorted({REFERENCE, largest if slow else REFERENCE}):
            try:
                told = rule_cells(rule, n, seed, max(n_runs // (SLOW if slow else 1), 1), n_delays, held)
            except Exception as error:
                told = [f"failed: {type(error).__name__}: {error}"] + [""] * (2 + len(CHANGES))
            print(" | ".join([f"| {name}", f"{held:,}", *told]) + " |", flush=True)
