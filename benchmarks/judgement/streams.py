"""Series watched row by row: false alarms and delays of the statistical method, and of River's and frouros' detectors.

    python benchmarks/judgement/streams.py [--case normal] [--runs 400] [--horizon 25000] [--delays 1000]
                                           [--limit 115000] [--head 0] [--stable 0] [--window 5] [--peers 20]
                                           [--seed 20261128]

Ours get 5,000 rows of reference, drawn anew for each run, whose law they are not told, and then rows one by one. The
evidence is R <- (R + 1) e of each bet from R = ``head``, and an alarm where the mean over bets reaches ``limit``; it
begins anew from 0 then. False alarms are counted over ``runs`` x ``horizon`` rows without a change. Delays are those of
a change ``stable`` rows after the reference, of ``delays`` runs; a run with an alarm before it is left out, as
counted under false alarms. The interval of a median is that of order statistics, at 95 %.

Further lines are of windows of so many rows (``--window``; 0 for none), which come in together. "rows, in windows" are judged
one by one, and an alarm is looked for at the end of a window. "means" are judged alone, the mean of each window one number,
as the series of a model's windows are: of changes of a mean only, with a limit of that many times less, since a window is
one step and not so many. Delays are in rows, up to the end of the window that told.

To run it whole, go case by case: ``--case normal --peers 0`` takes a minute and a half on one core, peers some more. A look in a
few seconds: ``--case normal --runs 60 --horizon 5000 --delays 60 --longest 6000 --peers 0``.

Peers are those of ``peers.py``, with their defaults, on its runs: a change 5,000 rows after the reference. They are
optional: ``pip install river frouros``. ``--peers 0`` leaves them out.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent.parent))

from budget import poisson_limits
from peers import BINARY, CASES, NUMERIC, peer_line, versions
from vedette.strategy.series.statistical import Statistical

REFERENCE = 5000
BETWEEN = (
    50  # rows of a window in which alarms are looked for, of slow changes: none is missed, its row is known
)
Rows = Callable[[np.random.Generator, int, int], Iterator[np.ndarray]]


def independent(draw: Callable[[np.random.Generator, int], np.ndarray]) -> Rows:
    """Rows of all runs side by side, each drawn by itself."""

    def rows(random: np.random.Generator, n_runs: int, n: int) -> Iterator[np.ndarray]:
        for _ in range(n):
            yield draw(random, n_runs)

    return rows


def autoregressive(random: np.random.Generator, n_runs: int, n: int) -> Iterator[np.ndarray]:
    """Rows of unit variance, each correlated by .5 with the one before."""
    value = random.normal(size=n_runs)
    for _ in range(n):
        yield value
        value = 0.5 * value + np.sqrt(0.75) * random.normal(size=n_runs)


def moved(rows: np.ndarray, size: float, _: np.random.Generator) -> np.ndarray:
    """The mean of rows moved by ``size``."""
    return rows + size


def wider(rows: np.ndarray, size: float, _: np.random.Generator) -> np.ndarray:
    """The deviation of rows times ``size``."""
    return rows * size


def more_errors(rows: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Errors of 5 % of rows, and of ``size`` of all rows more."""
    return np.maximum(rows, random.random(len(rows)) < size / 0.95)


def more_of_one(rows: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """The fourth category for ``size`` of all rows, whatever they were."""
    return np.where(random.random(len(rows)) < size, 3.0, rows)


@dataclass(frozen=True)
class Case:
    """What rows are like, what watches them, and how they change by each size."""

    title: str
    method: Statistical
    rows: Rows
    change: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    sizes: tuple[float, ...]


def _errors(random: np.random.Generator, n: int) -> np.ndarray:
    return (random.random(n) < 0.05).astype(np.float64)


def _categories(random: np.random.Generator, n: int) -> np.ndarray:
    return np.searchsorted([0.5, 0.75, 0.9, 0.97], random.random(n)).astype(np.float64)


NORMAL = independent(lambda random, n: random.normal(size=n))
HEAVY = independent(lambda random, n: random.standard_t(3, n) / np.sqrt(3.0))
SKEWED = independent(lambda random, n: random.exponential(size=n))
OURS = {
    "normal": Case("N(0, 1), mean + sd", Statistical("mean"), NORMAL, moved, (0.1, 0.25, 0.5, 1.0)),
    "errors": Case(
        "5 % errors, more", Statistical("rate"), independent(_errors), more_errors, (0.03, 0.05, 0.1)
    ),
    "autoregressive": Case("AR(1) .5, mean + sd", Statistical("mean"), autoregressive, moved, (0.5, 1.0)),
    "heavy": Case(
        "t on 3 degrees, of sd 1, mean + sd", Statistical("mean"), HEAVY, moved, (0.1, 0.25, 0.5, 1.0)
    ),
    "skewed": Case("exponential, mean + sd", Statistical("mean"), SKEWED, moved, (0.1, 0.25, 0.5, 1.0)),
    "variance": Case("N(0, 1), sd times", Statistical("variance"), NORMAL, wider, (1.1, 1.25, 1.5, 2.0)),
    "categories": Case(
        "shares .5, .25, .15, .07, .03, the fourth + part",
        Statistical("category"),
        independent(_categories),
        more_of_one,
        (0.05, 0.1, 0.3),
    ),
    "exceedance": Case(
        "N(0, 1) beyond its 95 %, mean + sd", Statistical("exceedance"), NORMAL, moved, (0.25, 0.5, 1.0)
    ),
}


@dataclass(frozen=True)
class Judged:
    """How rows are judged: alarms are looked for every ``window`` rows, of each row or (``means``) of their mean alone."""

    title: str
    window: int = 1
    means: bool = False

    def numbers(self, rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """What is judged, a number of each run at a time; rows of a window that is not whole are left."""
        if not self.means:
            yield from rows
            return
        for first in rows:
            rest = list(islice(rows, self.window - 1))
            if len(rest) == self.window - 1:
                yield np.mean([first, *rest], axis=0)


ROW_BY_ROW = Judged("row by row")


class Evidence:
    """R <- (R + 1) e of each bet of each run, alarms where the mean over bets reaches the limit, and anew from 0."""

    def __init__(self, n_runs: int, limit: float, head: float) -> None:
        self.limit, self.head = limit, head
        self.r: np.ndarray | None = None
        self.n_runs = n_runs

    def step(self, log_e: np.ndarray, *, looked: bool = True) -> np.ndarray:
        """Whether each run alarms; none does where nobody looks."""
        if self.r is None:
            self.r = np.full(log_e.shape, self.head)
        self.r += 1.0
        self.r *= np.exp(log_e)
        alarms: np.ndarray = (self.r.mean(axis=1) >= self.limit) & looked
        self.r[alarms] = 0.0
        return alarms


def alarms_of(
    case: Case,
    judged: Judged,
    random: np.random.Generator,
    n_runs: int,
    n: int,
    limit: float,
    head: float,
    change: float,
    start: int,
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows after the reference up to which a look went, and whether each run alarms there.

    There are ``n`` rows, changed from ``start`` on.
    """

    def changed() -> Iterator[np.ndarray]:
        for at, row in enumerate(case.rows(random, n_runs, REFERENCE + n), start=-REFERENCE):
            yield case.change(row, change, random) if at >= start else row

    each = judged.window if judged.means else 1
    numbers = judged.numbers(changed())
    past = np.array([next(numbers) for _ in range(REFERENCE // each)])
    state = case.method.begin(past, np.arange(float(len(past))))
    evidence = Evidence(n_runs, limit / each, head)
    for at, number in enumerate(numbers):
        told, state = case.method.step(state, number, float(at))
        row = (at + 1) * each
        looked = row % judged.window == 0
        alarms = evidence.step(told.log_e, looked=looked)
        if looked:
            yield row, alarms


def false_alarms(
    case: Case, judged: Judged, seed: int, n_runs: int, horizon: int, limit: float, head: float
) -> str:
    """Alarms in 100,000 rows without a change, with exact Poisson limits, and how many runs had any."""
    random = np.random.default_rng([seed, 0])
    count = sum(
        int(alarms.sum())
        for _, alarms in alarms_of(case, judged, random, n_runs, horizon, limit, head, 0.0, horizon)
    )
    exposure = n_runs * horizon / 1e5
    low, high = poisson_limits(count, exposure)
    return f"{count / exposure:.3f} [{low:.2f}, {high:.2f}] ({count} in {exposure * 1e5:.1e} rows)"


def delay(
    case: Case,
    judged: Judged,
    seed: int,
    n_runs: int,
    limit: float,
    head: float,
    change: float,
    stable: int,
    longest: int,
) -> str:
    """The median rows from the change to an alarm, with its interval; runs with an alarm before it are left out."""
    random = np.random.default_rng([seed, 1, round(change * 1000), stable])
    found = np.full(n_runs, np.inf)
    early = np.zeros(n_runs, dtype=np.bool_)
    for row, alarms in alarms_of(case, judged, random, n_runs, stable + longest, limit, head, change, stable):
        if row <= stable:
            early |= alarms
            continue
        found[alarms & np.isinf(found)] = row - stable
        if np.isfinite(found[~early]).mean() > 0.6:  # all that the median and its interval need
            break
    told = np.sort(found[~early])
    low, high = stats.binom.ppf([0.025, 0.975], len(told), 0.5).astype(int)
    shown = (f"{told[i]:.0f}" if np.isfinite(told[i]) else "—" for i in (len(told) // 2, low, high))
    return "{} [{}, {}]".format(*shown)


def main() -> None:
    """Print a table for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=OURS)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--horizon", type=int, default=25_000, help="rows of each run for false alarms")
    parser.add_argument("--delays", type=int, default=1000, help="runs for each delay; 0 for none")
    parser.add_argument("--stable", type=int, action="append", help="rows between reference and change")
    parser.add_argument("--longest", type=int, default=20_000, help="rows in which a change is waited for")
    parser.add_argument("--limit", type=float, default=115_000.0)
    parser.add_argument("--head", type=float, default=0.0)
    parser.add_argument("--window", type=int, default=5, help="rows of a window; 0 for row by row alone")
    parser.add_argument("--peers", type=int, default=20, help="runs of peers; 0 for none")
    parser.add_argument("--seed", type=int, default=20261128)
    told = parser.parse_args()
    warnings.simplefilter("ignore")  # peers' own, by the thousand
    clock = time.perf_counter()
    print(f"seed {told.seed}; {versions()}; alarm at {told.limit:g}, from {told.head:g}")
    for name in told.case or list(OURS):
        case = OURS[name]
        print(f"\n{name}: {case.title}\n")
        print(
            "| detector | false alarms in 100,000 rows | "
            + " | ".join(f"{one:g}" for one in case.sizes)
            + " |"
        )
        print("|---" * (2 + len(case.sizes)) + "|")
        ways = [ROW_BY_ROW]
        if told.window > 1:
            ways.append(Judged(f"rows, in windows of {told.window}", told.window))
        if told.window > 1 and case.method.kind == "mean":
            ways.append(Judged(f"means of {told.window} rows", told.window, means=True))
        for judged in ways:
            false = false_alarms(case, judged, told.seed, told.runs, told.horizon, told.limit, told.head)
            for stable in told.stable or [0]:
                common = (told.seed, told.delays, told.limit, told.head)
                cells = [
                    delay(case, judged, *common, one, stable, told.longest)
                    for one in case.sizes
                    if told.delays
                ]
                line = f"| vedette, {judged.title}, change after {stable} rows | {false} | "
                print(line + " | ".join(cells) + " |", flush=True)
        if told.peers and name in CASES:
            for peer in BINARY if name == "errors" else NUMERIC:
                print(peer_line(peer, name, told.seed, told.peers), flush=True)
    print(f"\n({time.perf_counter() - clock:.0f} s)")


if __name__ == "__main__":
    main()
