"""Leaves in the race of estimates without labels, as a lake has them: with and without, on the same counts.

The rows of ``unlabelled.py``, with their features as a producer would log them (texts of levels stay texts), go through a
monitor into a lake, a window of so many rows a day; what is measured is read off its summaries. "with" is what
``figures(..., estimate=True)`` asks, "without" the same less ``leaves``. Labels of a window are known ``delay`` windows
later; "never" is a run in which no label of a window comes. "to best" is the mean error over the least of those of
``constant`` and ``confidence``, as the reference leaves them.

    python benchmarks/judgement/unlabelled_leaves.py --acs FOLDER --rows 500 --rows 1000
    python benchmarks/judgement/unlabelled_leaves.py --rows 500

A size of windows of one set takes about half a minute on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.judgement.unlabelled import METRICS, truths

import vedette
from vedette.engine import cycle
from vedette.engine.estimated_counts import TwoClasses
from vedette.engine.query import Query
from vedette.engine.reference import latest_reference
from vedette.engine.view import view
from vedette.lake.tables import Lake
from vedette.statistics.unlabelled import Rehearsal, follow

START = datetime(2020, 1, 1, tzinfo=UTC)
MODEL = "m"


def acs(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and windows of employment in Massachusetts."""
    parts = [pl.read_parquet(folder / f"employment_MA_{name}.pq") for name in ("reference", "analysis")]
    truth = pl.read_parquet(folder / "employment_MA_analysis_target.pq")
    parts[1] = parts[1].join(truth, on="id", how="left", maintain_order="left")
    names = {"predicted_probability": "probability", "employed": "label"}
    levels = pl.selectors.categorical().cast(pl.String)
    reference, windows = (part.rename(names).drop("id", "year").with_columns(levels) for part in parts)
    return reference, windows.select(reference.columns)


def flights(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """April, and May to December; without the demo's planted faults."""
    from vedette.demo.flights import APRIL, FEATURES, MAY, NEW_YEAR, predict, prepare, train

    rows = prepare(NEW_YEAR)
    told = predict(
        train(rows.filter(pl.col("departed") < APRIL), seed), rows.filter(pl.col("departed") >= APRIL)
    )
    kept = told.drop_nulls("late").rename({"late": "label"})
    columns = [*FEATURES, "probability", "prediction", "label"]
    early = pl.col("departed") < MAY
    return kept.filter(early).select(columns), kept.filter(~early).select(columns)


def timed(frame: pl.DataFrame, n_rows: int, first: int) -> pl.DataFrame:
    """The rows with times: a day is a window."""
    at = np.arange(frame.height)
    seconds = (at // n_rows + first) * 86_400.0 + at % n_rows * (86_400 / n_rows)
    micros = pl.Series(np.round(seconds * 1e6).astype(np.int64)) + int(START.timestamp() * 1e6)
    return frame.with_columns(micros.cast(pl.Datetime("us", "UTC")).alias("time"))


def run(name: str, sets: tuple[pl.DataFrame, pl.DataFrame], n_rows: int) -> Iterator[tuple[object, ...]]:
    """The rows of the table for windows of so many rows."""
    reference, rows = sets
    n_past, n_windows = reference.height // n_rows + 1, rows.height // n_rows
    rows = rows.head(n_windows * n_rows)
    ids = pl.Series("id", [str(number) for number in range(rows.height)])
    later = timed(rows.with_columns(ids), n_rows, n_past)
    with tempfile.TemporaryDirectory() as folder:
        now = START + timedelta(days=n_past + n_windows + 1)
        monitor = vedette.Monitor(
            MODEL, lake=folder, window="1d", task="classification", classes=[0, 1], clock=now.timestamp
        )
        monitor.reference(timed(reference, n_rows, 0))
        cycle.once(Lake.at(folder))
        begin = time.perf_counter()
        monitor.log_many(later.drop("label"))
        monitor.label_many(later.select("id", "label"))
        cycle.once(Lake.at(folder))
        took = time.perf_counter() - begin
        seen = view(Lake.at(folder), MODEL, Query(metrics=METRICS, estimate=True))
        by, said = TwoClasses.of(seen), latest_reference(seen.tables)
        assert isinstance(by, TwoClasses)
        assert said is not None
        print(f"{name}: leaves {said[1]['leaves']}; {rows.height / took:,.0f} rows a second", flush=True)
        span = Query().span(seen.shape.window_us)
        starts = np.unique(later["time"].dt.truncate("1d").dt.timestamp("us").to_numpy())
        known, rehearsal = by.known(seen, span, starts, METRICS), by.rehearsal(seen, METRICS)
        monitor.close()
    assert rehearsal is not None
    truth = truths(rows.rename({"probability": "score"}), n_rows, n_windows)
    for delay in (None, 1, 7, 28):
        for metric in METRICS:
            for race in ("with", "without"):
                measures = {
                    one: said for one, said in known.measures.items() if race == "with" or one != "leaves"
                }
                past = Rehearsal({one: rehearsal.measures[one] for one in measures}, rehearsal.realised)
                own = {metric: known.truth[metric]}
                found = follow(measures, own, delay=delay, rehearsal=past, support=known.support)[metric]
                good = np.isfinite(found.value) & np.isfinite(truth[metric])
                off = np.abs(found.value - truth[metric])[good].mean()
                plain = min(
                    np.abs(known.measures[one][metric].value - truth[metric])[good].mean()
                    for one in ("constant", "confidence")
                )
                inside = ((truth[metric] >= found.low) & (truth[metric] <= found.high))[good].mean()
                yield (
                    *(name, n_rows, "never" if delay is None else str(delay), metric, race),
                    *(float(inside), float((found.high - found.low)[good].mean() / 2), float(off)),
                    float(off / plain),
                    max(set(found.estimator), key=list(found.estimator).count),
                )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--acs", type=Path, help="folder of employment_MA_reference.pq and the others; else flights"
    )
    parser.add_argument("--rows", type=int, action="append", help="of a window; default 500")
    parser.add_argument(
        "--shuffled", action="store_true", help="reference and windows each within themselves"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    name, sets = ("ACS", acs(args.acs)) if args.acs is not None else ("flights", flights(args.seed))
    if args.shuffled:
        first, second = (one.sample(fraction=1.0, shuffle=True, seed=args.seed) for one in sets)
        sets = first, second
    print(
        "| data | rows | labels after | metric | leaves | held | half width | error | to best | asked most |"
    )
    print("|---|---:|---|---|---|---:|---:|---:|---:|---|")
    for n_rows in args.rows or [500]:
        for row in run(name, sets, n_rows):
            cells = [f"{one:.3f}" if isinstance(one, float) else str(one) for one in row]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
