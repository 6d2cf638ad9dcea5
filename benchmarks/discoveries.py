"""How often a report names a column that has not changed, and how often one that has.

    python benchmarks/discoveries.py [--reports 200] [--seed 1]

For each number of rows, reports of 20 columns: normal, log-normal, integers, 0/1 at 1 %, mostly zero, categories with 5 and
with 300 levels (Zipf), identifiers that repeat, identifiers that do not, with 3 % of values missing in half of them.
"quiet" reports compare rows of one law: the share of reports that name anything must be at most 0.05. In "mixed" reports 4
of the 20 columns change: the false discovery rate is the mean share of names that are false, the power the mean share
of the four that are named. Rows are independent.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import numpy as np
import polars as pl

from vedette.engine.two_files.compare import compare

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED = ("normal0", "log_normal0", "few0", "identifier0")


def frame(rng: np.random.Generator, n: int, changed: bool) -> pl.DataFrame:
    """Twenty columns of n rows; the four of CHANGED of another law where asked."""
    shift, rare = (0.25, 0.2) if changed else (0.0, 0.0)
    columns: dict[str, np.ndarray] = {}
    for k in range(2):
        own = changed and k == 0
        columns[f"normal{k}"] = rng.normal(shift if own else 0.0, 1, n)
        columns[f"log_normal{k}"] = rng.lognormal(shift if own else 0.0, 1.5, n)
        columns[f"integer{k}"] = rng.poisson(3, n).astype(np.float64)
        columns[f"flag{k}"] = (rng.random(n) < 0.01).astype(np.float64)
        columns[f"zeros{k}"] = np.where(rng.random(n) < 0.97, 0.0, rng.exponential(size=n))
        columns[f"uniform{k}"] = rng.random(n)
        shares = np.array([0.4, 0.3, 0.15, 0.1, 0.05]) + (np.array([-rare, rare, 0, 0, 0]) if own else 0.0)
        columns[f"few{k}"] = np.array(list("abcde"))[rng.choice(5, n, p=shares)]
        columns[f"many{k}"] = np.char.add("z", np.minimum(rng.zipf(1.5, n), 300).astype(str))
        people = rng.integers(0, 2000, n) + (1000 if own else 0)
        columns[f"identifier{k}"] = np.char.add("user-", people.astype(str))
        columns[f"unique{k}"] = np.char.add("row-", rng.integers(0, 10**12, n).astype(str))
    table = pl.DataFrame(columns)
    gaps = [
        pl.when(pl.Series(rng.random(n) > 0.03)).then(pl.col(name)).alias(name) for name in list(columns)[10:]
    ]
    return table.with_columns(gaps)


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reports", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    print(
        f"{'rows':>9} {'against':>9} {'reports':>8} {'quiet: any named':>18} {'mixed: FDR':>11} {'power':>7}"
    )
    for n, m, runs in (
        (400, 400, told.reports),
        (400, 5000, told.reports),
        (5000, 5000, told.reports),
        (100_000, 100_000, max(told.reports // 20, 5)),
        (5_000_000, 5_000_000, max(told.reports // 200, 1)),
    ):
        rng = np.random.default_rng(told.seed)
        loud, false, power = [], [], []
        for _ in range(runs):
            reference = frame(rng, m, changed=False)
            quiet = compare(frame(rng, n, changed=False), reference, now=NOW)
            loud.append(any(one.changed for one in quiet.columns))
            mixed = compare(frame(rng, n, changed=True), reference, now=NOW)
            named = [one.name for one in mixed.columns if one.changed]
            false.append(len(set(named) - set(CHANGED)) / max(len(named), 1))
            power.append(len(set(named) & set(CHANGED)) / len(CHANGED))
        print(
            f"{n:>9} {m:>9} {runs:>8} {np.mean(loud):18.3f} {np.mean(false):11.3f} {np.mean(power):7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
