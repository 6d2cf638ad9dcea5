"""What one window costs where 50,000 figures are judged, against ``numpy.exp`` of an array of 50,000 x 16.

    python benchmarks/judging.py [--watches 50000] [--rounds 15] [--missing 0.02]

The watches are those of numeric columns (location, spread and missing values of each), tiled from a plan of 100
columns; windows of 500 rows, of which a share has no value (with none, the exact tails of the third watch cost
nothing). Baseline and judging take turns; the median CPU of each is printed, the ratio of those, and from as many
rounds more under ``cProfile`` what share of the time each part takes.
"""

from __future__ import annotations

import argparse
import cProfile
import dataclasses
import os
import pstats
import statistics
import time
from collections.abc import Iterator

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # as the command line does: its threads cost more than they bring

import numpy as np

from vedette.statistics import Summary, numeric_grid, summarise_numeric
from vedette.strategy import STRATEGIES, Plan, State, Step, begin, plan

COLUMNS, ROWS = 100, 500
WHOLE = {
    "common",
    "season_common",
    "joined",
    "windows_per_month",
    "budget",
}  # arrays of the state that are not by row or watch
PARTS = (  # functions, the parts of a part after it
    ("_score", "scores, their dispersion, and the normal law"),
    ("_sweep", "    pool, ranks and moments in one pass"),
    ("tails", "    exact tails of shares"),
    ("normal_of_t", "    from Student's t to the normal law"),
    ("_remember", "what is kept of the window"),
    ("sums", "    sums of the reference's scores"),
    ("_pushed", "    rings of the last windows"),
    ("_common", "    the dispersion that all have in common"),
    ("_bet", "bets, evidence, alarms"),
    ("advance", "    the recursions"),
    ("_close", "recovery"),
)


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


def prepared(rng: np.random.Generator, n_watches: int, missing: float) -> tuple[State, Iterator[Step]]:
    """A state of so many watches, and windows without end."""
    grids = {f"x{at}": numeric_grid(f"x{at}", rng.normal(size=1000)) for at in range(COLUMNS)}

    def drawn(n: int) -> dict[str, Summary]:
        return {
            name: summarise_numeric(grid, rng.normal(size=n), rng.random(n) >= missing)
            for name, grid in grids.items()
        }

    reference = drawn(5000)
    watches: Plan = plan(reference, "benchmark")
    small = begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30)
    times = -(-n_watches // len(watches.watches))
    state = tiled(small, times)

    def steps() -> Iterator[Step]:
        window = 0
        while True:
            counts = np.concatenate([watches.counts(drawn(ROWS))] * times)
            yield Step(counts, state.key, window, window * 86400.0)
            window += 1

    return state, steps()


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """The share of the time of ``judge`` that each part takes, with all it calls."""
    spent: dict[str, float] = {}
    for (_, _, name), (_, _, _, cumulated, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[name] = spent.get(name, 0.0) + cumulated
    return {name: spent.get(name, 0.0) / spent["judge"] for name, _ in PARTS}


def main() -> None:
    """Print CPU, ratio and parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--watches", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--missing", type=float, default=0.0)
    told = parser.parse_args()
    rng = np.random.default_rng(1)
    state, steps = prepared(rng, told.watches, told.missing)
    detector = next(iter(STRATEGIES.values()))()
    ours, base = [], []
    for _, step in zip(range(told.rounds), steps, strict=False):
        array = rng.normal(size=(50_000, 16))
        start = time.process_time()
        np.exp(array)
        base.append(time.process_time() - start)
        start = time.process_time()
        _, state = detector.judge(step, state)
        ours.append(time.process_time() - start)
    one, other = statistics.median(ours[2:]), statistics.median(base[2:])
    print(
        f"{len(state.first):,} watches of {len(state.key):,} rows, {100 * told.missing:g} % missing: "
        f"{one * 1e3:.1f} ms a window, numpy.exp {other * 1e3:.2f} ms; the first window {ours[0] * 1e3:.0f} ms"
    )
    print(f"ratio {one / other:.0f} (at most 10)")
    profile = cProfile.Profile(time.process_time)
    for _, step in zip(range(told.rounds), steps, strict=False):
        profile.enable()
        _, state = detector.judge(step, state)
        profile.disable()
    for (_, what), share in zip(PARTS, shares(profile).values(), strict=True):
        print(f"{100 * share:4.0f} %  {what}")


if __name__ == "__main__":
    main()
