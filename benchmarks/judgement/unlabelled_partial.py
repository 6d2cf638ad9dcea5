"""Quality of windows some of whose labels have come: how often 90 % intervals hold what all labels turn out to say.

The rows, references and windows are those of ``unlabelled.py``: employment in Massachusetts (``--acs FOLDER``) and the flights
of the demo. The labels of windows are known ``delay`` windows later, and of the window in question a share has come before,
whatever the row (seeds fixed): ``follow`` tells the window without its labels, from counts alone as a monitor does, and
``blend`` joins the labels that came. What was realised is of all labels of the window, from its rows.

Three ways to bound a blend are told apart. ``variances``: the normal quantile of the variances alone. ``reach``: the label-free
figure's variance is widened by how far off it has proved to be (what ``blend(reach=...)`` does). ``plain``: the share of the
labels that came, with its normal interval for what the whole window turns out to be, without an estimate.

    python benchmarks/judgement/unlabelled_partial.py --acs FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from benchmarks.judgement.unlabelled import Data, acs, flights, rows_of, truths

from vedette.statistics import quality_grid
from vedette.statistics.unlabelled import (
    Confidence,
    Measure,
    Panel,
    Rehearsal,
    Table,
    Windows,
    bin_scores,
    blend,
    counted,
    follow,
    pull_of,
    realised,
    support_of,
)

METRICS = ("accuracy", "f1", "roc_auc")
ASKED = ("confidence", "halfway", "constant")
SHARES = (0.02, 0.05, 0.1, 0.25, 0.5, 0.75)
FOLDS, PILOT, LEVEL, NORMAL = 5, 1000, 0.9, 1.6449


def rehearsal_of(labelled: np.ndarray, scores: np.ndarray, metrics: Sequence[str] = METRICS) -> Rehearsal:
    """Stretches of the reference [R, bin, prediction, label], each estimated by the four fifths that it is not of."""
    fold = np.arange(len(labelled)) * FOLDS // len(labelled)
    parts = []
    for number in range(FOLDS):
        panel = Panel.of_table(Table(labelled[fold != number].sum(axis=0)[np.newaxis], scores), ASKED)
        parts.append(panel.estimate(Windows(labelled[fold == number].sum(axis=3)[:, np.newaxis]), metrics))
    joined = {
        name: {metric: Measure.joined([part[name][metric] for part in parts]) for metric in metrics}
        for name in ASKED
    }
    return Rehearsal(joined, realised(labelled, scores, metrics))


def run(data: Data, n_rows: int, delay: int | None, seed: int) -> Iterator[tuple[object, ...]]:
    """The rows of the table for windows of so many rows."""
    edges = quality_grid(("0", "1"), data.reference["score"].head(PILOT).to_numpy()).score_edges
    scores = bin_scores(edges)

    def by_window(frame: object, n: int) -> np.ndarray:
        rows = rows_of(data, frame, edges).take(np.arange(n * n_rows))  # type: ignore[arg-type]
        at = np.arange(n * n_rows) // n_rows
        one = np.zeros_like(rows.bin)
        return counted(1, len(scores), one, rows.bin, rows.prediction, rows.label, at, n)[:, 0]

    past = by_window(data.reference, len(data.reference) // n_rows)
    n_windows = len(data.windows) // n_rows
    told = by_window(data.windows, n_windows)
    table, windows = Table(past.sum(axis=0)[np.newaxis], scores), Windows(told.sum(axis=3)[:, np.newaxis])
    measures = Panel.of_table(table, ASKED).estimate(windows, METRICS)
    known, truth = realised(told, scores, METRICS), truths(data.windows, n_rows, n_windows)
    support = support_of(table, windows)
    found = follow(
        measures, known, delay=delay, rehearsal=rehearsal_of(past, scores), support=support, level=LEVEL
    )
    chance = Confidence(table).chance
    random = np.random.default_rng(seed)
    for share in SHARES:
        some = random.binomial(told, share)
        for metric in METRICS:
            free = found[metric]
            good = np.isfinite(free.value) & np.isfinite(truth[metric])
            given = (
                told.sum(axis=3)[good],
                some[good],
                chance,
                scores,
                free.value[good],
                free.variance[good],
            )
            right = truth[metric][good]
            for way, reach in (("variances", None), ("reach", free.reach[good])):
                one = blend(metric, *given, reach=reach, level=LEVEL)
                yield _row(data, n_rows, delay, share, metric, way, one.value, one.low, one.high, right)
            value, pull = pull_of(metric, some[good], scores)
            n = some[good].sum(axis=(1, 2, 3))
            spread = (some[good] * pull**2).sum(axis=(1, 2, 3)) * (1 - n / n_rows)
            half = NORMAL * np.sqrt(spread)
            yield _row(data, n_rows, delay, share, metric, "plain", value, value - half, value + half, right)


def _row(
    data: Data,
    n_rows: int,
    delay: int | None,
    share: float,
    metric: str,
    way: str,
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    right: np.ndarray,
) -> tuple[object, ...]:
    good = np.isfinite(value)
    held = ((low <= right) & (right <= high))[good]
    return (
        *(data.name, n_rows, "never" if delay is None else delay, share, metric, way, int(good.sum())),
        *(
            float(held.mean()),
            float((high - low)[good].mean() / 2),
            float(np.abs(value - right)[good].mean()),
        ),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--acs", type=Path, help="folder of employment_MA_reference.pq and the others")
    parser.add_argument("--no-flights", action="store_true")
    parser.add_argument("--rows", type=int, default=500, help="of a window")
    parser.add_argument("--delay", type=int, action="append", help="windows; default 7, and never")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sets = [acs(args.acs)] if args.acs is not None else []
    sets += [] if args.no_flights else [flights(args.seed)]
    print("| data | rows | labels after | came | metric | way | windows | held | half width | error |")
    print("|---|---:|---|---:|---|---|---:|---:|---:|---:|")
    for data in sets:
        for delay in [None, *(args.delay or (7,))]:
            for row in run(data, args.rows, delay, args.seed):
                cells = [f"{one:.3f}" if isinstance(one, float) else str(one) for one in row]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
