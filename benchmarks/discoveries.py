"""How often a report names a column or figure that has not changed, and how often a column that has.

    python benchmarks/discoveries.py [--reports 200] [--seed 1] [--only columns]

"quiet" reports compare rows of one law: the share of reports that name anything must be at most 0.05.

``columns``: 20 of independent rows: normal, log-normal, integers, 0/1 at 1 %, mostly zero, categories with 5 and with 300
levels (Zipf), identifiers that repeat, identifiers that do not, with 3 % of values missing in half of them. In "mixed"
reports 4 of the 20 change: the false discovery rate is the mean share of names that are false, the power the mean share
of the four that are named.

``dependent``: 20 columns whose rows follow each other: autoregressive numbers, also cut into levels and truths, each with
phi 0.5 and 0.9, half of them with gaps in stretches of 10 rows on average. The same four kinds change in mixed reports.

``model``: labels, predictions and probabilities of two classes, of four, and numbers, beside 5 columns; in mixed reports
the predictions are worse, and power is the share of reports that name a figure of the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np
import polars as pl
from scipy import signal, special

from vedette.engine.two_files.compare import compare
from vedette.output.comparison import Comparison

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


def series(rng: np.random.Generator, n: int, changed: bool) -> pl.DataFrame:
    """Twenty columns of n rows that depend on those before them."""
    columns: dict[str, np.ndarray] = {}
    for k in range(4):
        own = changed and k == 0
        for phi in (0.5, 0.9):
            x = signal.lfilter([np.sqrt(1 - phi**2)], [1, -phi], rng.normal(size=n + 100))[100:]
            x = x + (1.5 * own if phi > 0.8 else 0.5 * own)
            columns[f"number{phi}{k}"] = x
            if k < 3:
                columns[f"level{phi}{k}"] = np.array(list("abcd"))[np.digitize(x, [-1, 0, 1])]
            else:
                columns[f"long{phi}{k}"] = np.exp(x)
                columns[f"truth{phi}{k}"] = (x > 1).astype(np.int64)
                columns[f"whole{phi}{k}"] = np.floor(3 * x)
    table = pl.DataFrame(columns)
    switches = (
        rng.random((n, 10)) < 0.1
    )  # gaps start and end: 10 rows long on average, every tenth row without value
    gone = np.cumsum(switches, axis=0) % 10 == rng.integers(0, 10, 10)
    gaps = [
        pl.when(pl.Series(~gone[:, at])).then(pl.col(name)).alias(name)
        for at, name in enumerate(list(columns)[:10])
    ]
    return table.with_columns(gaps)


def of_a_model(kind: str, rng: np.random.Generator, n: int, changed: bool) -> pl.DataFrame:
    """Labels, predictions and probabilities, and five columns that do not change."""
    noise = 2.0 if changed else 1.0
    columns = {f"x{k}": rng.normal(size=n) for k in range(5)}
    if kind == "numbers":
        label = rng.lognormal(1, 0.5, n)
        return pl.DataFrame(
            columns | {"label": label, "prediction": label + 0.3 * noise * rng.normal(size=n)}
        )
    classes = 2 if kind == "two classes" else 4
    logits = rng.normal(size=(n, classes)) * 1.5
    label = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    seen = logits + (noise - 1) * rng.normal(size=logits.shape)
    scores = special.softmax(seen, axis=1)
    told = (
        {f"probability_{k}": scores[:, k] for k in range(classes)}
        if classes > 2
        else {"probability": scores[:, 1]}
    )
    return pl.DataFrame(columns | {"label": label, "prediction": scores.argmax(axis=1)} | told)


Draw = Callable[[np.random.Generator, int, bool], pl.DataFrame]

CASES: dict[str, tuple[Draw, Sequence[str]]] = {
    "columns": (frame, CHANGED),
    "dependent": (series, ("number0.50", "number0.90", "level0.50", "level0.90")),
    **{
        f"model, {kind}": (partial(of_a_model, kind), ())
        for kind in ("two classes", "four classes", "numbers")
    },
}


def names(found: Comparison) -> list[str]:
    """What a report names: columns, and figures of the model."""
    return [one.name for one in found.columns if one.changed] + [
        f"figure {one.metric}" for one in found.figures if one.changed
    ]


def right(name: str, meant: Sequence[str]) -> bool:
    """True for a name that a mixed report should hold."""
    if meant:
        return name in meant
    return name.startswith(("figure", "prediction", "probability"))


def main() -> None:
    """Print a line for each case and number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reports", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name starts so")
    told = parser.parse_args()
    head = (
        f"{'case':20} {'rows':>9} {'against':>9} {'reports':>8} {'quiet: any named':>18} {'mixed: FDR':>11}"
    )
    print(f"{head} {'power':>7}")
    sizes = [(400, 400, told.reports), (400, 5000, told.reports), (5000, 5000, told.reports)]
    large = [
        (100_000, 100_000, max(told.reports // 20, 5)),
        (5_000_000, 5_000_000, max(told.reports // 200, 1)),
    ]
    for case, (draw, meant) in CASES.items():
        if not case.startswith(told.only):
            continue
        for n, m, runs in sizes + (large if case == "columns" else large[:1]):
            rng = np.random.default_rng(told.seed)
            loud, false, power = [], [], []
            for _ in range(runs):
                reference = draw(rng, m, False)
                loud.append(bool(names(compare(draw(rng, n, False), reference, now=NOW))))
                named = names(compare(draw(rng, n, True), reference, now=NOW))
                true = [one for one in named if right(one, meant)]
                false.append(1 - len(true) / len(named) if named else 0.0)
                power.append(len(true) / len(meant) if meant else float(any("figure" in one for one in true)))
            measured = f"{np.mean(loud):18.3f} {np.mean(false):11.3f} {np.mean(power):7.2f}"
            print(f"{case:20} {n:>9} {m:>9} {runs:>8} {measured}", flush=True)


if __name__ == "__main__":
    main()
