"""Quality without labels by segment: how often 95 % intervals hold what a segment's labels turn out to say.

Employment in Massachusetts (``--acs FOLDER``, see ``unlabelled.py``): reference 2015, windows of 2016 to 2018, so many
rows each in the order of the files, cut by a column: ten years of age, relation to the householder, marital status.
What scores mean is taken from the whole reference, as a monitor does. ``own``: each segment is told by the record of its
own windows, its labels seven windows late. ``others``: its labels never come, and those of all other segments say what
an estimate of a segment may be off by; each segment is left out in its turn.

    python benchmarks/judgement/unlabelled_segments.py --acs FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.judgement.unlabelled import Data, acs, rows_of
from benchmarks.judgement.unlabelled_partial import rehearsal_of

from vedette.engine.estimated_counts import Known
from vedette.engine.estimating import Said, by_segment
from vedette.statistics import quality_grid
from vedette.statistics.unlabelled import Table, bin_scores, counted, realised

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
DELAY, PILOT = 7, 1000
COLUMNS = {
    "age": pl.col("AGEP") // 10,
    "relation": pl.col("RELP"),
    "marital status": pl.col("MAR"),
}


def run(data: Data, by: str, n_rows: int) -> Iterator[tuple[object, ...]]:
    """The rows of the table for the segments of one column."""
    edges = quality_grid(("0", "1"), data.reference["score"].head(PILOT).to_numpy()).score_edges
    scores = bin_scores(edges)
    n_windows = len(data.windows) // n_rows
    windows = data.windows.head(n_windows * n_rows)
    segment = windows.select(COLUMNS[by].alias("s"))["s"].to_numpy()
    rows, past = rows_of(data, windows, edges), rows_of(data, data.reference, edges)
    at = np.arange(len(rows.bin)) // n_rows
    n_past = len(past.bin) // n_rows
    past = past.take(np.arange(n_past * n_rows))

    def tables(some: np.ndarray) -> np.ndarray:
        one = rows.take(some)
        zero = np.zeros_like(one.bin)
        return counted(1, len(scores), zero, one.bin, one.prediction, one.label, at[some], n_windows)[:, 0]

    stretches = counted(
        1,
        len(scores),
        np.zeros_like(past.bin),
        past.bin,
        past.prediction,
        past.label,
        np.arange(len(past.bin)) // n_rows,
        n_past,
    )[:, 0]
    reference = Table(stretches.sum(axis=0)[np.newaxis], scores)
    rehearsal = rehearsal_of(stretches, scores, METRICS)
    every = {name: tables(np.flatnonzero(segment == name)) for name in np.unique(segment)}
    start = np.arange(n_windows)
    late = start >= n_windows - DELAY

    def known(table: np.ndarray, hidden: np.ndarray) -> Known:
        labelled = np.where(hidden[:, None, None, None], 0, table)
        return Known.of(reference, start, table.sum(axis=3).astype(float), labelled, METRICS)

    truths = {str(name): realised(table, scores, METRICS) for name, table in every.items()}
    own = [(str(name), known(table, late)) for name, table in every.items()]
    found: dict[str, list[Said]] = {"own": list(by_segment(own, METRICS, rehearsal)), "others": []}
    for place, (name, table) in enumerate(zip(truths, every.values(), strict=True)):
        never = known(table, np.ones(n_windows, dtype=bool))
        parts = [*own[:place], (name, never), *own[place + 1 :]]
        found["others"] += [said for said in by_segment(parts, METRICS, rehearsal) if said.segment == name]
    for way, said in found.items():
        for metric in METRICS:
            yield _row(by, n_rows, way, metric, said, truths)


def _row(
    by: str,
    n_rows: int,
    way: str,
    metric: str,
    said: list[Said],
    truths: dict[str, dict[str, np.ndarray]],
) -> tuple[object, ...]:
    held, half, off, refused, least = [], [], [], 0, []
    for one in said:
        followed, right = one.found[metric], truths[one.segment][metric]
        good = (one.reasons(metric) == None) & np.isfinite(right)  # noqa: E711  (by element)
        refused += int((~good).sum())
        if followed is None or not good.any():
            continue
        inside = (followed.low <= right) & (right <= followed.high)
        held.append(inside[good])
        least.append(float(inside[good].mean()))
        half.append((followed.high - followed.low)[good] / 2)
        off.append(np.abs(followed.value - right)[good])
    mean = [float(np.concatenate(part).mean()) for part in (held, half, off)] if held else [None] * 3
    n = sum(len(part) for part in held)
    return by, n_rows, way, metric, len(held), n, mean[0], min(least, default=None), *mean[1:], refused


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--acs", type=Path, required=True, help="folder of employment_MA_reference.pq and the others"
    )
    parser.add_argument("--rows", type=int, default=2000, help="of a window, all segments together")
    args = parser.parse_args()
    data = acs(args.acs)
    print(
        "| by | rows | record | metric | segments | windows | held | least of a segment | half width | error | refused |"
    )
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for by in COLUMNS:
        for row in run(data, by, args.rows):
            cells = [
                "" if one is None else f"{one:.3f}" if isinstance(one, float) else str(one) for one in row
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
