"""How many rows a fall of accuracy takes to be told, at an average run length of 100,000 rows.

Accuracy .95 falls to .92, .90 or .85. A reference of 5,000 rows, drawn anew for every run; windows of 50 rows; the
accuracy watch alone, with a limit of A = 2,000 windows: a bound of one false alarm in 100,000 rows. Everything goes
through the public door: grid, summaries, plan, steps. Many runs are judged beside each other in one state, each with
its own reference. A delay counts the rows from the change to the end of the window that told, in runs that had told
nothing before; limits of rates are exact 95 % limits of a Poisson rate, those of medians of order statistics.

    python benchmarks/accuracy.py [--runs 1000] [--false-runs 500] [--strategy e_detector] [--seed 20261127]

``claim`` is what is aimed at: 1,430, 530 and 165 rows for a change at row 5,000. A change at row 5,025 comes in the
middle of a window, as changes do on average. Errors that hang together are a
Markov chain of two states in which neighbours are correlated by .5, in the reference too; false alarms only.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy import stats

from budget import poisson_limits
from judging import WHOLE
from vedette.statistics import Summary, quality_grid, summarise_quality
from vedette.strategy import STRATEGIES, Plan, State, Step, Strategy, batch_numbers, begin, inflation, plan

__all__ = [
    "ARL_WINDOWS",
    "MONTH_WINDOWS",
    "ROWS",
    "beside",
    "counts_of",
    "errors",
    "judged",
    "median_limits",
    "start",
]

REFERENCE, ROWS = 5000, 50
ARL_WINDOWS = 2000
FIRST_SHARE = 0.9  # of a budget, what the first watches get
MONTH_WINDOWS = (
    ARL_WINDOWS * FIRST_SHARE
)  # A = T / (B share): with B = 1 the limits of all watches are 1/2,000 in all
HORIZON = 20_000
USUAL = 0.05
CLAIM = {0.08: 1430, 0.10: 530, 0.15: 165}
NAMES = ("no", "yes")


def errors(
    random: np.random.Generator, last: np.ndarray, n: int, share: float | np.ndarray, phi: float = 0.0
) -> np.ndarray:
    """bool[runs, n]: errors of a share (or shares [n]), each correlated by phi with the one before.

    ``last`` [runs] goes before the first.
    """
    drawn = random.random((len(last), n)) < share
    if phi == 0.0:
        return drawn
    kept = random.random(drawn.shape) < phi
    for at in range(n):
        drawn[:, at] = np.where(kept[:, at], drawn[:, at - 1] if at else last, drawn[:, at])
    return drawn


def summarised(random: np.random.Generator, wrong: np.ndarray, window: np.ndarray, n_windows: int) -> Summary:
    """The summary of a model of two classes that errs so."""
    labels = random.integers(2, size=wrong.size)
    return summarise_quality(
        quality_grid(NAMES), labels, labels ^ wrong.ravel(), NAMES, window=window, n_windows=n_windows
    )


def start(random: np.random.Generator, wrong: np.ndarray) -> tuple[Plan, State]:
    """A plan, and one state with a model beside the other for each reference [runs, rows] of errors."""
    window, n_batches = batch_numbers(wrong.shape[1])
    states = []
    for one in wrong:
        batches = {"quality": summarised(random, one, window, n_batches)}
        reference = {"quality": batches["quality"].merged()}
        watches = plan(reference, "benchmark")
        noise = inflation(watches, batches)
        states.append(begin(watches, reference, noise, windows_per_month=MONTH_WINDOWS))
    return watches, beside(states)


def beside(states: Sequence[State]) -> State:
    """The states of many models as one; each keeps its own budget, and its keys are its own."""
    offsets = np.cumsum([0, *(len(state.key) for state in states)])
    arrays = {}
    for field in dataclasses.fields(State):
        held = [getattr(state, field.name) for state in states]
        if field.name in ("first", "winner"):
            held = [array + offset for array, offset in zip(held, offsets, strict=False)]
        if field.name in ("key", "watch_key"):
            held = [array ^ (np.uint64(at) << np.uint64(40)) for at, array in enumerate(held)]
        arrays[field.name] = held[0] if field.name in WHOLE else np.concatenate(held)
    return State(**arrays)


def counts_of(watches: Plan, summary: Summary) -> np.ndarray:
    """The counts of a step in which the summary's windows are those of the models."""
    numbers = range(len(summary))
    steps = watches.steps({"quality": summary}, numbers, [0.0] * len(summary))
    return np.concatenate([step.counts for step in steps])


def judged(strategy: Strategy, state: State, steps: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """bool[windows, watches] twice: alarms that opened, and alarms that were open before the window."""
    alarms, open_before = [], []
    for number, counts in enumerate(steps):
        open_before.append(state.latched)
        evidence, state = strategy.judge(Step(counts, state.key, number, number * 3600.0), state)
        # the common dispersion is that of one model's watches; these models know nothing of each other
        state = dataclasses.replace(state, common=np.full_like(state.common, np.nan))
        alarms.append(evidence.alarm)
    return np.array(alarms), np.array(open_before)


def run(
    strategy: Strategy,
    random: np.random.Generator,
    n_runs: int,
    shares: Iterable[float | np.ndarray],
    phi: float = 0.0,
    n_reference: int = REFERENCE,
) -> tuple[np.ndarray, np.ndarray]:
    """``judged`` of runs whose share of errors is given for each window, or for its rows; the reference has the usual."""
    last = random.random(n_runs) < USUAL
    wrong = errors(random, last, n_reference, USUAL, phi)
    watches, state = start(random, wrong)
    window = np.repeat(np.arange(n_runs), ROWS)

    def steps() -> Iterator[np.ndarray]:
        last = wrong[:, -1]
        for share in shares:
            found = errors(random, last, ROWS, share, phi)
            last = found[:, -1]
            yield counts_of(watches, summarised(random, found, window, n_runs))

    return judged(strategy, state, steps())


def median_limits(delays: np.ndarray) -> tuple[float, float, float]:
    """The median, and its 95 % limits by order statistics; infinite where half or more were not found."""
    ordered = np.sort(delays)
    outside = max(int(stats.binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)  # so many on either side at most
    return float(np.median(ordered)), float(ordered[outside]), float(ordered[-1 - outside])


def false_alarms(strategy: Strategy, seed: int, n_runs: int, n_windows: int, phi: float) -> str:
    """The line of false alarms."""
    random = np.random.default_rng([seed, int(100 * phi)])
    alarms, opened = run(strategy, random, n_runs, [USUAL] * n_windows, phi)
    rows = alarms.size * ROWS
    count, quiet = int(alarms.sum()), float((~opened).mean())
    low, high = poisson_limits(count, rows / 1e5)
    rate = count / rows * 1e5
    line = f"false alarms, errors correlated by {phi}: {count} in {rows:,} rows ({n_runs} runs of {n_windows} windows)"
    line += f", {rate:.3f} [{low:.3f}, {high:.3f}] in 100,000 rows"
    return f"{line}, {rate / quiet:.3f} of the {100 * quiet:.1f} % without an open alarm"


def delays(
    strategy: Strategy, seed: int, n_runs: int, change: int, share: float, n_reference: int = REFERENCE
) -> str:
    """The line of delays of one change; ``change`` is the number of rows before it."""
    random = np.random.default_rng([seed, change, int(1000 * share)])
    before = change // ROWS
    row = np.arange(before * ROWS + HORIZON).reshape(-1, ROWS)
    alarms, _ = run(strategy, random, n_runs, np.where(row < change, USUAL, share), 0.0, n_reference)
    kept = ~alarms[:before].any(axis=0)
    after = alarms[before:, kept]
    found = after.any(axis=0)
    rows = np.where(found, (after.argmax(axis=0) + 1.0) * ROWS - change % ROWS, np.inf)
    median, low, high = median_limits(rows)
    line = f"accuracy .95 -> {1 - share:.2f} at row {change:,}: median {median:,.0f} [{low:,.0f}, {high:,.0f}] rows"
    line += f", nine of ten by {np.quantile(rows, 0.9, method='higher'):,.0f}"
    line += f", found {int(found.sum())} of {len(found)} in {HORIZON:,}"
    claim = CLAIM[share]
    missed = median - claim
    return f"{line}; claim {claim:,}: {'kept' if missed <= 0 else f'missed by {missed:,.0f} ({missed / claim:.0%})'}"


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="of each delay")
    parser.add_argument("--false-runs", type=int, default=500)
    parser.add_argument("--windows", type=int, default=2000, help="of each run of false alarms")
    parser.add_argument("--change", type=int, action="append", help="rows before the change")
    parser.add_argument("--reference", type=int, default=REFERENCE, help="rows, for delays")
    parser.add_argument("--strategy", action="append", choices=STRATEGIES)
    parser.add_argument("--seed", type=int, default=20261127)
    told = parser.parse_args()
    for name in told.strategy or list(STRATEGIES):
        strategy = STRATEGIES[name]()
        print(f"{name} ({strategy.guarantee}), seed {told.seed}: windows of {ROWS} rows")
        print(f"  reference of {REFERENCE:,} rows for false alarms, {told.reference:,} for delays")
        clock = time.perf_counter()
        for phi in (0.0, 0.5):
            print(" ", false_alarms(strategy, told.seed, told.false_runs, told.windows, phi), flush=True)
        for change in told.change or [5000, 5025, 500]:
            for share in CLAIM:
                print(" ", delays(strategy, told.seed, told.runs, change, share, told.reference), flush=True)
        print(f"  ({time.perf_counter() - clock:.0f} s)")


if __name__ == "__main__":
    main()
