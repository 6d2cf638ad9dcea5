"""How the search over segments does: the planted one first, false names, time; when a change began, and healthy columns.

    python benchmarks/judgement/segments.py [--trials 200] [--seed 0] [--rows 20000]

Each trial has as many rows before as after, 8 columns of 18 levels with unequal shares (6,000 segments of 20 rows on
either side: all rows, levels, pairs; of 20 levels with equal shares, 10,000), and plants a pair of levels whose error
rate went from 10 % to ``worse``. It is *first* where the search lists it first; a *false name* is one of which less than
a tenth of the rows lie in the planted segment (and, of the null, any name at all); the false discovery rate is the mean
over trials of false names over names. CPU seconds are those of ``search`` in this process, counting included. The full
run takes two to three minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from vedette.strategy.change_time import began
from vedette.strategy.renamed import renamed
from vedette.strategy.segment_search import Levels, Search, search
from vedette.strategy.swapped import swapped_levels


@dataclass(frozen=True)
class Case:
    """What is planted: the share of errors inside after (0.1: nothing), in a conjunction of so many columns."""

    name: str
    worse: float
    real: bool = False
    drift: float = 0.0  # a rise of the error rate everywhere
    depth: int = 2
    equal: bool = False  # 8 columns of 20 levels of equal shares: 11,000 pairs, of which 10,000 are looked at


CASES = (
    Case("nothing planted", 0.1),
    Case("pair, 10 % to 40 % errors", 0.4),
    Case("pair, 10 % to 60 % errors", 0.6),
    Case("one level, 10 % to 20 %", 0.2, depth=1),
    Case("pair to 60 %, all others to 13 %", 0.6, drift=0.03),
    Case("pair, real loss times 3", 3.0, real=True),
    Case("real loss, nothing planted", 1.0, real=True),
    Case("pair to 60 %, 10,000 segments", 0.6, equal=True),
)


def trial(case: Case, seed: int, rows: int) -> tuple[bool, float, int, float, Search]:
    """Whether the planted one came first, the share of false names, the names, and the seconds."""
    random = np.random.default_rng(seed)
    n_columns, n_levels = 8, 20 if case.equal else 18
    share = np.ones(n_levels) if case.equal else 1.0 / np.arange(3, n_levels + 3)
    codes = random.choice(n_levels, (n_columns, 2 * rows), p=share / share.sum())
    after = np.arange(2 * rows) >= rows
    chosen = np.sort(random.choice(n_columns, case.depth, replace=False))
    levels = random.integers(0, 8, case.depth)
    inside = np.all([codes[c] == v for c, v in zip(chosen, levels, strict=True)], axis=0)
    if case.real:
        outcome = random.gamma(2.0, 1.0, 2 * rows) * np.where(inside & after, case.worse, 1.0)
        planted = case.worse != 1.0
    else:
        rate = np.where(after, 0.1 + case.drift, 0.1)
        rate[inside & after] = case.worse
        outcome = (random.uniform(size=2 * rows) < rate).astype(np.float64)
        planted = case.worse != 0.1
    names = [str(one) for one in range(n_levels)]
    columns = {f"c{at}": Levels(codes[at], names) for at in range(n_columns)}
    begin = time.process_time()
    found = search(columns, outcome, after)
    seconds = time.process_time() - begin
    want = tuple((f"c{c}", str(v)) for c, v in zip(chosen, levels, strict=True))
    false = 0
    for one in found.named:
        mask = np.ones(2 * rows, dtype=bool)
        for column, level in one.levels:
            mask &= codes[int(column[1:])] == int(level)
        changed = planted and (case.drift > 0 or inside[mask].mean() >= 0.1 or not one.levels)
        false += not changed
    first = planted and found.segments[0].levels == want
    return first, false / max(len(found.named), 1), len(found.named), seconds, found


def segments(trials: int, seed: int, rows: int) -> None:
    print(f"segments: {trials} trials a case, {rows:,} rows on either side, seed {seed}")
    print(f"{'case':36} {'first':>7} {'FDR':>7} {'names':>6} {'looked at':>10} {'CPU s':>6} {'most':>6}")
    for number, case in enumerate(CASES):
        seen = [trial(case, 100_000 * seed + 1000 * number + k, rows) for k in range(trials)]
        first, false, names, seconds = (np.array([one[at] for one in seen], dtype=float) for at in range(4))
        looked = np.mean([one[4].n_looked for one in seen])
        print(
            f"{case.name:36} {100 * first.mean():6.1f}% {100 * false.mean():6.2f}% {names.mean():6.2f} {looked:10,.0f} "
            f"{seconds.mean():6.3f} {seconds.max():6.3f}",
            flush=True,
        )


def estimated(trials: int, seed: int) -> None:
    """False names where nothing changed and the split itself is read off the same rows, as an explanation does."""
    named = 0
    for k in range(trials):
        random = np.random.default_rng(100_000 * seed + 50_000 + k)
        n_windows, rows = 16, 500
        codes, window = random.integers(0, 8, (6, n_windows * rows)), np.repeat(np.arange(n_windows), rows)
        wrong = (random.uniform(size=n_windows * rows) < 0.1).astype(np.float64)
        found = began(np.bincount(window, wrong) / rows, seed=k)
        columns = {f"c{at}": Levels(one, [str(v) for v in range(8)]) for at, one in enumerate(codes)}
        named += bool(search(columns, wrong, window >= found.best).named)
    print(f"\nnothing changed, split estimated from the rows: {trials} trials, {named} with a name")


def beginnings(trials: int, seed: int) -> None:
    """Coverage of the set of windows, also where the series ends with the first window that a detector would tell of."""
    random = np.random.default_rng(seed)
    print(f"\nwhen it began: 95 % sets, {trials} series a case")
    print(
        f"{'noise':10} {'windows':>8} {'change at':>10} {'size, sd':>9} {'holds':>7} {'windows in set':>15}"
    )

    def noise(law: str, n: int) -> np.ndarray:
        if law == "Laplace":
            return random.laplace(size=n) / np.sqrt(2)
        if law == "exponential":
            return random.exponential(size=n) - 1
        out = random.normal(size=n)
        if law == "AR(1) .3":
            for at in range(1, n):
                out[at] = 0.3 * out[at - 1] + np.sqrt(1 - 0.09) * out[at]
        return out

    for law in ("normal", "Laplace", "exponential", "AR(1) .3", "stopped"):
        for n, change, size in ((30, 20, 2.0), (30, 28, 3.0), (90, 60, 1.0)):
            held, windows = [], []
            for k in range(trials):
                series = noise(law, n) + size * (np.arange(n) >= change)
                if law == "stopped":  # as at the moment of an alarm: the first CUSUM of 8 after the change
                    total = np.zeros(n)
                    for at in range(n):
                        step = size * (series[at] - size / 2)
                        total[at] = max(total[at - 1], 0.0) + step if at else step
                    told = np.flatnonzero((total >= 8.0) & (np.arange(n) >= change))
                    series = series[: int(told[0]) + 1] if len(told) else series
                found = began(series, seed=k)
                held.append(change in found.windows)
                windows.append(len(found.windows))
            print(
                f"{law:10} {n:8} {change:10} {size:9.1f} {100 * np.mean(held):6.1f}% {np.mean(windows):15.1f}",
                flush=True,
            )


def healthy(trials: int, seed: int) -> None:
    """Causes named of columns of categories where nothing changed."""
    random = np.random.default_rng(seed)
    renames = swaps = 0
    for _ in range(trials):
        sides: list[dict[str, dict[str, int]]] = [{}, {}]
        for column in range(10):
            n_levels = int(random.integers(2, 200))
            share = random.dirichlet(np.full(n_levels, random.uniform(0.1, 3.0)))
            for side in sides:
                counts = random.multinomial(int(random.integers(60, 5000)), share)
                side[f"c{column}"] = {str(k): int(n) for k, n in enumerate(counts) if n}
        renames += any(renamed(sides[0][name], sides[1][name]) for name in sides[0])
        swaps += bool(swapped_levels(*sides))
    print(
        f"\nhealthy models of 10 categories: {trials}; with a rename named {renames}, with a swap named {swaps}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()
    segments(given.trials, given.seed, given.rows)
    estimated(given.trials, given.seed)
    beginnings(given.trials, given.seed)
    healthy(5 * given.trials, given.seed)


if __name__ == "__main__":
    main()
