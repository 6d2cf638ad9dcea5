"""False alarms a month on real rows in which nothing changes: the flights of the demo in any order, through the lake.

``python benchmarks/judgement/shuffled.py --seeds 6`` replays May to December of the flights as the demo does (windows of a day,
April as the reference, all truths at once, detectors and the methods over series together, budget of one a month), each time in
another order. It prints the alarms of each replay, and of all together the rate with its exact 95 % Poisson limits. The
orders are of the same rows, so that replays are not independent of April.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import Progress
from scipy.stats import chi2

from vedette.demo.flights import APRIL, MAY, NEW_YEAR, Replay, prepare, shuffle, train


def limits(n: int, months: float) -> tuple[float, float]:
    """The exact 95 % limits of a Poisson rate."""
    low = float(chi2.ppf(0.025, 2 * n)) / 2 if n else 0.0
    return low / months, float(chi2.ppf(0.975, 2 * n + 2)) / 2 / months


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=1)
    given = parser.parse_args()
    flights = prepare(until=NEW_YEAR)
    model = train(flights.filter(pl.col("departed") < APRIL), 2013)
    since_april = flights.filter(pl.col("departed") >= APRIL)
    months = (flights["departed"][-1] - MAY) / timedelta(days=30)
    alarms = 0
    for seed in range(given.first, given.first + given.seeds):
        with tempfile.TemporaryDirectory() as folder, Progress(disable=True) as progress:
            replay = Replay("flights-shuffled", Path(folder), model, Console(quiet=True))
            replay.run(shuffle(since_april, seed), progress)
            replay.monitor.close()
            alarms += len(replay.alarms)
            print(f"seed {seed}: {', '.join(one.watch for _, one in replay.alarms) or 'none'}", flush=True)
    low, high = limits(alarms, months * given.seeds)
    all_months = months * given.seeds
    print(
        f"{alarms} alarms in {all_months:.0f} months: {alarms / all_months:.2f} [{low:.2f}, {high:.2f}] a month"
    )


if __name__ == "__main__":
    main()
