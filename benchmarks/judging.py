"""What one window costs where 50,000 figures are judged, against ``numpy.exp`` of an array of 50,000 x 16.

    python benchmarks/judging.py [--watches 50000] [--rounds 15]

The watches are those of numeric columns (location, spread and missing values of each), tiled from a plan of 100
columns; windows of 500 rows. Baseline and judging take turns; the median CPU of each is printed, and the ratio of those.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time

import numpy as np

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy import STRATEGIES, State, Step, begin, plan

COLUMNS, ROWS = 100, 500
WHOLE = {
    "common",
    "season_common",
    "joined",
    "windows_per_month",
    "budget",
}  # arrays of the state that are not by row or watch


def tiled(state: State, times: int) -> State:
    """As many copies of a state beside each other, each with keys of its own."""
    arrays = {}
    for field in dataclasses.fields(state):
        array = getattr(state, field.name)
        arrays[field.name] = array if field.name in WHOLE else np.concatenate([array] * times)
    copy = np.repeat(np.arange(times), len(state.key))
    rows = np.repeat(np.arange(times) * len(state.key), len(state.first))
    arrays["key"] = arrays["key"] ^ (copy.astype(np.uint64) << np.uint64(40))
    for name in ("first", "winner"):
        arrays[name] = arrays[name] + rows
    arrays["weight"] = arrays["weight"] / times
    return State(**arrays)


def main() -> None:
    """Print CPU and ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--watches", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=15)
    told = parser.parse_args()
    rng = np.random.default_rng(1)
    grids = {f"x{at}": numeric_grid(f"x{at}", rng.normal(size=1000)) for at in range(COLUMNS)}
    reference = {name: summarise_numeric(grid, rng.normal(size=5000)) for name, grid in grids.items()}
    watches = plan(reference, "benchmark")
    small = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30)
    times = -(-told.watches // len(watches.watches))
    state, detector = tiled(small, times), next(iter(STRATEGIES.values()))()
    ours, base = [], []
    for window in range(told.rounds):
        counts = watches.counts(
            {name: summarise_numeric(grid, rng.normal(size=ROWS)) for name, grid in grids.items()}
        )
        step = Step(np.concatenate([counts] * times), state.key, window, window * 86400.0)
        array = rng.normal(size=(50_000, 16))
        start = time.process_time()
        np.exp(array)
        base.append(time.process_time() - start)
        start = time.process_time()
        _, state = detector.judge(step, state)
        ours.append(time.process_time() - start)
    one, other = statistics.median(ours[2:]), statistics.median(base[2:])
    print(
        f"{len(state.first):,} watches of {len(state.key):,} rows: {one * 1e3:.0f} ms a window, numpy.exp {other * 1e3:.1f} ms"
    )
    print(f"ratio {one / other:.0f} (at most 10)")


if __name__ == "__main__":
    main()
