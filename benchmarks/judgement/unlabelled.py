"""Quality without labels: how often 90 % intervals hold what the labels turn out to say, and how far off values are.

Two data sets of real rows and real labels. ACS: employment in Massachusetts (the files of NannyML's examples, given
as a folder, with the model's answers in them), reference 2015, windows of 2016 to 2018. Flights: the demo's model, trained on New
York's flights from January to March 2013, reference April, windows of May to December. Windows are so many rows each, in
the order of the files ("natural") or shuffled, reference and windows each within themselves.

Labels of a window are known ``delay`` windows later; "never" is a run in which no label of a window ever comes, and all
that is known of errors is what the reference has shown of itself. All estimators stand at the first window with nothing
but the reference. "error" is the mean |value - realised|, and "to best" is that over the least of the same, on the same
windows, for the plain constant, confidence-based and importance-weighted estimates (the last with ``--by-rows``), none
of which learns from labels that come. What was realised is computed from the rows, not from counts.

    python benchmarks/judgement/unlabelled.py --acs FOLDER
    python benchmarks/judgement/unlabelled.py --acs FOLDER --rows 500 --by-rows --nannyml /venv-with-nannyml/bin/python

The second form fits two classifiers by window and takes about five minutes on one core; the first takes one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vedette.statistics import quality_grid
from vedette.statistics.unlabelled import (
    ESTIMATORS,
    Panel,
    Rows,
    bin_scores,
    counted,
    follow,
    realised,
    rehearse,
    support_of,
)
from vedette.statistics.unlabelled.panel import BY_COUNTS

METRICS = ("accuracy", "f1", "roc_auc")
PLAIN = ("constant", "confidence", "importance")
PILOT = 1000
RIVAL = Path(__file__).with_name("unlabelled_nannyml.py")


@dataclass(frozen=True)
class Data:
    """A reference and what came after it: features, score, prediction and label by column."""

    name: str
    features: Sequence[str]
    reference: pl.DataFrame
    windows: pl.DataFrame

    def shuffled(self, seed: int) -> Data:
        """The same rows in any order, reference and windows each within themselves."""
        parts = (
            part.sample(fraction=1.0, shuffle=True, seed=seed) for part in (self.reference, self.windows)
        )
        return Data(self.name, self.features, *parts)


def acs(folder: Path) -> Data:
    """Employment in Massachusetts; categories are their codes."""
    parts = {name: pl.read_parquet(folder / f"employment_MA_{name}.pq") for name in ("reference", "analysis")}
    truth = pl.read_parquet(folder / "employment_MA_analysis_target.pq")
    parts["analysis"] = parts["analysis"].join(truth, on="id", how="left", maintain_order="left")
    names = {"predicted_probability": "score", "employed": "label"}
    features = [
        name for name in parts["analysis"].columns if name not in {"id", "year", "prediction", *names}
    ]
    numbers = [pl.col(name).cast(pl.String).cast(pl.Float64) for name in features]
    columns = ("score", "prediction", "label")
    reference, windows = (
        parts[name].rename(names).select(*numbers, *columns) for name in ("reference", "analysis")
    )
    return Data("ACS", features, reference, windows)


def flights(seed: int) -> Data:
    """The demo's model, fitted with a seed; without the demo's planted faults."""
    from vedette.demo.flights import APRIL, CATEGORIES, FEATURES, MAY, NEW_YEAR, predict, prepare, train

    rows = prepare(NEW_YEAR)
    model = train(rows.filter(pl.col("departed") < APRIL), seed)
    told = predict(model, rows.filter(pl.col("departed") >= APRIL)).drop_nulls("late")
    levels = {name: sorted(rows[name].unique().to_list()) for name in CATEGORIES}
    codes = [
        pl.col(name).replace_strict(of, range(len(of)), return_dtype=pl.Float64)
        for name, of in levels.items()
    ]
    told = told.with_columns(codes).rename({"probability": "score", "late": "label"})
    kept = told.select(
        "departed", *(pl.col(name).cast(pl.Float64) for name in FEATURES), "score", "prediction", "label"
    )
    early = pl.col("departed") < MAY
    return Data("flights", FEATURES, *(kept.filter(one).drop("departed") for one in (early, ~early)))


def rows_of(data: Data, frame: pl.DataFrame, edges: np.ndarray) -> Rows:
    """A frame as the estimators read it."""
    return Rows(
        frame.select(data.features).to_numpy().astype(np.float64),
        np.searchsorted(edges, frame["score"].to_numpy(), side="right"),
        frame["prediction"].to_numpy().astype(np.int64),
        frame["label"].to_numpy().astype(np.int64),
    )


def truths(frame: pl.DataFrame, n_rows: int, n_windows: int) -> dict[str, np.ndarray]:
    """What each window came out as, from its rows."""
    from scipy.stats import rankdata

    score, prediction, label = (
        frame[name].head(n_rows * n_windows).to_numpy().reshape(n_windows, n_rows).astype(np.float64)
        for name in ("score", "prediction", "label")
    )
    positive = label.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ranks = (rankdata(score, axis=1) * label).sum(axis=1) - positive * (positive + 1) / 2
        return {
            "accuracy": (prediction == label).mean(axis=1),
            "f1": 2 * (prediction * label).sum(axis=1) / (prediction.sum(axis=1) + positive),
            "roc_auc": ranks / (positive * (n_rows - positive)),
        }


def run(
    data: Data, n_rows: int, names: Sequence[str], delays: Sequence[int | None], rival: Path | None
) -> Iterator[tuple[object, ...]]:
    """The rows of the table for windows of so many rows."""
    edges = quality_grid(("0", "1"), data.reference["score"].head(PILOT).to_numpy()).score_edges
    scores = bin_scores(edges)
    reference, rows = (rows_of(data, frame, edges) for frame in (data.reference, data.windows))
    n_windows = len(rows.bin) // n_rows
    rows = rows.take(np.arange(n_windows * n_rows))
    window = np.arange(len(rows.bin)) // n_rows
    panel = Panel.of_rows(reference, scores, names)
    windows = panel.windows(rows, window, n_windows)
    measures = panel.estimate(windows, METRICS)
    support = support_of(panel.table, windows)
    rehearsal = rehearse(reference, scores, n_rows, METRICS, names)
    labelled = counted(
        1, len(scores), np.zeros_like(rows.bin), rows.bin, rows.prediction, rows.label, window, n_windows
    )[:, 0]
    known, truth = realised(labelled, scores, METRICS), truths(data.windows, n_rows, n_windows)
    told = support.reasons == None  # noqa: E711  (by element): errors are compared on the same windows
    plain = {
        metric: {
            name: float(np.nanmean(np.abs(measures[name][metric].value - truth[metric])[told]))
            for name in PLAIN
            if name in names
        }
        for metric in METRICS
    }
    for delay in delays:
        followed = follow(measures, known, delay=delay, rehearsal=rehearsal, support=support)
        for metric, found in followed.items():
            good = np.isfinite(found.value) & np.isfinite(truth[metric])
            inside = (truth[metric] >= found.low) & (truth[metric] <= found.high)
            error = float(np.abs(found.value - truth[metric])[good].mean())
            yield (
                *(data.name, n_rows, "never" if delay is None else str(delay), metric, int(good.sum())),
                *(float(inside[good].mean()), float((found.high - found.low)[good].mean() / 2), error),
                error / min(plain[metric].values()),
                max(set(found.estimator), key=list(found.estimator).count),
                int((~good).sum()),
            )
    for metric, errors in plain.items():
        for name, error in errors.items():
            yield (
                data.name,
                n_rows,
                "plain",
                metric,
                n_windows,
                None,
                None,
                error,
                error / min(errors.values()),
                name,
                0,
            )
    if rival is not None:
        yield from beside(data, n_rows, n_windows, truth, plain, rival)


def beside(
    data: Data,
    n_rows: int,
    n_windows: int,
    truth: dict[str, np.ndarray],
    plain: dict[str, dict[str, float]],
    rival: Path,
) -> Iterator[tuple[object, ...]]:
    """NannyML's CBPE on the same rows: its own limits (three standard errors), and 90 % ones of its standard error."""
    with tempfile.TemporaryDirectory() as folder:
        data.reference.write_parquet(Path(folder) / "reference.parquet")
        data.windows.head(n_rows * n_windows).drop("label").write_parquet(Path(folder) / "windows.parquet")
        told = subprocess.run(
            [str(rival), str(RIVAL), folder, str(n_rows)], capture_output=True, text=True, check=True
        )
    found = json.loads(told.stdout.splitlines()[-1])
    for metric, parts in found.items():
        value, sd = (np.array(parts[name][:n_windows]) for name in ("value", "sampling_error"))
        off = np.abs(value - truth[metric])
        error = float(off.mean())
        for name, reach in (("NannyML CBPE, its limits", 3.0), ("NannyML CBPE, 90 %", 1.645)):
            yield (
                *(data.name, n_rows, "never", metric, n_windows, float((off <= reach * sd).mean())),
                *(float(reach * sd.mean()), error, error / min(plain[metric].values()), name, 0),
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--acs", type=Path, help="folder of employment_MA_reference.pq and the others")
    parser.add_argument("--no-flights", action="store_true")
    parser.add_argument("--rows", type=int, action="append", help="of a window; default 250, 500 and 1000")
    parser.add_argument("--delay", type=int, action="append", help="windows; default 1, 7 and 28, and never")
    parser.add_argument("--order", choices=("natural", "shuffled"), default="natural")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by-rows", action="store_true", help="the estimators that need rows, too")
    parser.add_argument("--nannyml", type=Path, help="a Python that has nannyml")
    args = parser.parse_args()
    sets = [acs(args.acs)] if args.acs is not None else []
    sets += [] if args.no_flights else [flights(args.seed)]
    names = ESTIMATORS if args.by_rows else tuple(BY_COUNTS)
    delays: list[int | None] = [None, *(args.delay or (1, 7, 28))]
    print(
        "| data | rows | labels after | metric | windows | held | half width | error | to best | asked most | refused |"
    )
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---|---:|")
    for data in sets:
        some = data.shuffled(args.seed) if args.order == "shuffled" else data
        for n_rows in args.rows or (250, 500, 1000):
            for row in run(some, n_rows, names, delays, args.nannyml):
                cells = [
                    "" if one is None else f"{one:.3f}" if isinstance(one, float) else str(one) for one in row
                ]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
