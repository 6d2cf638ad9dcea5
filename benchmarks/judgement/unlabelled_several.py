"""Quality without labels of three classes: how often intervals hold what the labels turn out to say, and how far off values are.

The flights of the demo, by whether they arrive ten minutes early and more, on time, or a quarter of an hour late: a model trained
on New York's flights from January to March 2013, reference April, windows of May to December of so many rows each, in their
order. What is asked is what a lake has of more than two classes: how many rows were predicted as each (``Several``), by the
steps that it takes (rehearsal on 40 stretches of April, record, interval). "error" is the mean |value - realised|, and "to
constant" that over the same of the reference's own figure. What was realised is scikit-learn's.

    python benchmarks/judgement/unlabelled_several.py [--rows 500] [--level 0.95] [--seed 0]

It takes about half a minute on one core.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator

import numpy as np
import polars as pl
from sklearn import metrics as sk

from vedette.demo.data import load
from vedette.demo.flights import APRIL, FEATURES, MAY, NEW_YEAR, prepare, train
from vedette.statistics.unlabelled import (
    SEVERAL_METRICS,
    ClassTable,
    Measure,
    Rehearsal,
    Several,
    follow,
    pull_of_several,
)

CLASSES = 3
STRETCHES, FOLDS = 40, 5


def flights(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Predictions and labels by number, of April and of what came after."""
    late = load().select("id", label=(pl.col("arr_delay") > -10).cast(pl.Int8) + (pl.col("arr_delay") > 15))
    rows = prepare(NEW_YEAR).drop("late").join(late, on="id", how="left", maintain_order="left")
    rows = rows.with_columns(late=pl.col("label"))
    model = train(rows.filter(pl.col("departed") < APRIL), seed)
    told = rows.filter(pl.col("departed") >= APRIL).drop_nulls("label")
    told = told.with_columns(prediction=pl.Series(model.predict(told.select(FEATURES))).cast(pl.Int64))
    return told.filter(pl.col("departed") < MAY), told.filter(pl.col("departed") >= MAY)


def tables(frame: pl.DataFrame, window: np.ndarray, n_windows: int) -> np.ndarray:
    """Counts [W, prediction, label] of rows by window, any other class last."""
    out = np.zeros((n_windows, CLASSES + 1, CLASSES + 1), dtype=np.int64)
    np.add.at(out, (window, frame["prediction"].to_numpy(), frame["label"].to_numpy()), 1)
    return out


def realised(metric: str, label: np.ndarray, prediction: np.ndarray) -> float:
    """What a window came out as."""
    match metric:
        case "accuracy":
            return float(sk.accuracy_score(label, prediction))
        case "balanced_accuracy":
            return float(sk.balanced_accuracy_score(label, prediction))
        case _:
            score = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}[metric]
            return float(score(label, prediction, average="macro", zero_division=0))


def rehearsal_of(frame: pl.DataFrame) -> Rehearsal:
    """Stretches of the reference, each estimated by the four fifths that it is not of."""
    parts = tables(frame, np.arange(frame.height) * STRETCHES // frame.height, STRETCHES)
    fold = np.arange(STRETCHES) * FOLDS // STRETCHES
    told = [
        Several(ClassTable(parts[fold != number].sum(axis=0))).estimate(
            parts[fold == number].sum(axis=2), SEVERAL_METRICS
        )
        for number in range(FOLDS)
    ]
    return Rehearsal(
        {
            name: {metric: Measure.joined([one[name][metric] for one in told]) for metric in SEVERAL_METRICS}
            for name in told[0]
        },
        {metric: pull_of_several(metric, parts)[0] for metric in SEVERAL_METRICS},
    )


def lines(n_rows: int, level: float, seed: int) -> Iterator[tuple[object, ...]]:
    """The rows of the table."""
    reference, rows = flights(seed)
    n_windows = rows.height // n_rows
    rows = rows.head(n_windows * n_rows)
    window = np.arange(rows.height) // n_rows
    several = Several(ClassTable(tables(reference, np.zeros(reference.height, dtype=np.int64), 1)[0]))
    counted = tables(rows, window, n_windows)
    measures = several.estimate(counted.sum(axis=2), SEVERAL_METRICS)
    support = several.support(counted.sum(axis=2))
    known = {metric: pull_of_several(metric, counted)[0] for metric in SEVERAL_METRICS}
    rehearsal = rehearsal_of(reference)
    label, prediction = (rows[name].to_numpy().reshape(n_windows, n_rows) for name in ("label", "prediction"))
    for delay in (None, 1, 7, 28):
        found = follow(measures, known, delay=delay, rehearsal=rehearsal, support=support, level=level)
        for metric, one in found.items():
            truth = np.array([realised(metric, *pair) for pair in zip(label, prediction, strict=True)])
            good = np.isfinite(one.value)
            held = ((one.low <= truth) & (truth <= one.high))[good].mean()
            error = np.abs(one.value - truth)[good].mean()
            plain = np.abs(measures["constant"][metric].value - truth)[good].mean()
            yield (
                *("never" if delay is None else delay, metric, int(good.sum()), f"{held:.3f}"),
                *(f"{(one.high - one.low)[good].mean() / 2:.3f}", f"{error:.3f}", f"{error / plain:.3f}"),
                max(set(one.estimator), key=list(one.estimator).count),
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500, help="of a window")
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-learn's, of windows without a class
    print("| labels after | metric | windows | held | half width | error | to constant | asked most |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for line in lines(args.rows, args.level, args.seed):
        print(f"| {' | '.join(map(str, line))} |", flush=True)


if __name__ == "__main__":
    main()
