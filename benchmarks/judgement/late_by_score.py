"""Labels that come by score: how far off figures of the labels that came are, plain and weighted to the scores of all rows.

The rows of ``unlabelled.py``: employment in Massachusetts (``--acs FOLDER``) and the flights of the demo, so many rows a
window. Of each window those labels have come that a chance has drawn which depends on the score alone (seed fixed): the sure
ones first, the doubtful ones first, the high ones first. What is right is the figure of all labels of the window. The limits
are at 95 %, and about the law that made the window: they hold the window's own figure more often. (Windows differ by more
than chance, so that there is no one law to hold; ``tests/test_post_stratified.py`` has one.)

    python benchmarks/judgement/late_by_score.py --acs FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from benchmarks.judgement.unlabelled import PILOT, Data, acs, flights, rows_of

from vedette.statistics import quality_grid
from vedette.statistics.post_stratified import post_stratified
from vedette.statistics.unlabelled import bin_scores, counted, pull_of

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
ARRIVALS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sure first": lambda score: 0.1 + 0.6 * np.abs(2 * score - 1),
    "doubtful first": lambda score: 0.7 - 0.5 * np.abs(2 * score - 1),
    "high first": lambda score: 0.1 + 0.6 * score,
}


def run(data: Data, n_rows: int, seed: int) -> Iterator[tuple[object, ...]]:
    """The rows of the table."""
    edges = quality_grid(("0", "1"), data.reference["score"].head(PILOT).to_numpy()).score_edges
    scores = bin_scores(edges)
    n_windows = len(data.windows) // n_rows
    frame = data.windows.head(n_windows * n_rows)
    rows = rows_of(data, frame, edges)
    window = np.arange(len(rows.bin)) // n_rows
    random = np.random.default_rng(seed)

    def tables(kept: np.ndarray) -> np.ndarray:
        some = rows.take(kept)
        leaf = np.zeros_like(some.bin)
        return counted(1, len(scores), leaf, some.bin, some.prediction, some.label, window[kept], n_windows)[
            :, 0
        ].astype(np.float64)

    whole = tables(np.ones(len(rows.bin), dtype=bool))
    for name, arrival in ARRIVALS.items():
        labelled = tables(random.random(len(rows.bin)) < arrival(frame["score"].to_numpy()))
        for metric in METRICS:
            right = pull_of(metric, whole, scores)[0]
            plain = pull_of(metric, labelled, scores)[0]
            found = post_stratified(metric, whole.sum(axis=3), labelled, scores)
            good = np.isfinite(found.value) & np.isfinite(right) & np.isfinite(plain)
            inside = ((found.low <= right) & (right <= found.high))[good].mean()
            yield (
                *(data.name, name, metric, int(good.sum())),
                *(float((one - right)[good].mean()) for one in (plain, found.value)),
                *(float(np.abs(one - right)[good].mean()) for one in (plain, found.value)),
                *(float(inside), float((found.high - found.low)[good].mean() / 2)),
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--acs", type=Path, help="folder of employment_MA_reference.pq and the others")
    parser.add_argument("--rows", type=int, default=500, help="of a window")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sets = [acs(args.acs)] if args.acs is not None else []
    print(
        "| data | came | metric | windows | plain off by | weighted off by | plain error | weighted error | held | "
        "half width |"
    )
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for data in [*sets, flights(args.seed)]:
        for row in run(data, args.rows, args.seed):
            cells = [f"{one:.3f}" if isinstance(one, float) else str(one) for one in row]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
