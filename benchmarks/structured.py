"""Boxes, rankings and sets of labels through the lake: what a row costs, and how soon a fall of the main figure is told.

    python benchmarks/structured.py cost [--rows 1000] [--seed 20261128]
    python benchmarks/structured.py watch [--runs 300] [--windows 400] [--seed 20261128]

``cost`` prints, for each task, the processor time of a ``log`` (the least of seven passes, in microseconds), the bytes of a
row in the tables, and the seconds of a round and of figures. ``watch`` counts false alarms of the main watch alone, with a
limit of 2,000 windows (a bound of one in 2,000), and the windows that a fall takes: rows of before and after are drawn from
those that a model made that found, or got right, 0.8 of what there was, and less after. A reference of 2,000 rows, windows of
50. Limits of rates are exact 95 % limits of a Poisson rate, those of medians of order statistics. Minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import vedette
from accuracy import MONTH_WINDOWS, beside, judged, median_limits
from budget import poisson_limits
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.statistics.structured import (
    detection_grid,
    loss_of_boxes,
    loss_of_labels,
    multilabel_grid,
    place_of_hit,
    ranking_grid,
)
from vedette.statistics.structured.losses import summary_of
from vedette.statistics.summary import Summary
from vedette.strategy import STRATEGIES, batch_numbers, begin, inflation, plan

LABELS = tuple("abcdefgh")
REFERENCE, ROWS, POOL = 2000, 50, 1500
USUAL, FALLS = 0.8, (0.75, 0.7, 0.6)
GRIDS = {"detection": detection_grid(), "ranking": ranking_grid(), "multilabel": multilabel_grid(LABELS)}
FIGURES = {"detection": "recall", "ranking": "hit_rate@10", "multilabel": "f1_micro"}


def boxes(random: np.random.Generator, skill: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Eight boxes there on average, of five classes, and those found: each with the chance ``skill``, moved a little."""
    n = int(random.poisson(8))
    place = np.concatenate([random.uniform(0, 600, (n, 2)), random.uniform(10, 200, (n, 2))], axis=1)
    names = random.choice(["a", "b", "c", "d", "e"], n)
    there = [{"box": box, "class": str(name)} for box, name in zip(place.tolist(), names, strict=True)]
    moved = place + random.normal(0, 2, place.shape) * [1, 1, 0, 0]
    scores, kept = random.uniform(0.5, 1, n), random.uniform(size=n) < skill
    found = zip(moved.tolist(), names, scores.tolist(), kept, strict=True)
    return [
        {"box": box, "class": str(name), "score": score} for box, name, score, is_found in found if is_found
    ], there


def ranking(random: np.random.Generator, skill: float) -> tuple[list[str], list[str]]:
    """20 of 1,000 items, and up to three that are right, one of which is among the first ten with the chance ``skill``."""
    listed = [f"item{one}" for one in random.permutation(1000)[:20]]
    right = [f"item{one}" for one in random.permutation(1000)[:3]]
    if random.uniform() < skill:
        right[0] = listed[int(random.integers(0, 10))]
    return listed, right


def labels(random: np.random.Generator, skill: float) -> tuple[list[str], list[str]]:
    """Eight labels, each true with 0.3 and given rightly with the chance (1 + ``skill``)/2."""
    true = random.uniform(size=len(LABELS)) < 0.3
    given = true ^ (random.uniform(size=len(LABELS)) > (1 + skill) / 2)
    names = np.array(LABELS)
    return names[given].tolist(), names[true].tolist()


ROW: dict[str, Callable[[np.random.Generator, float], tuple[Any, Any]]] = {
    "detection": boxes,
    "ranking": ranking,
    "multilabel": labels,
}


def losses(random: np.random.Generator, task: str, skill: float) -> np.ndarray:
    """What rows of a model of this skill lose, as the watch has it; NaN where there is no answer."""
    given, true = zip(*(ROW[task](random, skill) for _ in range(POOL)), strict=True)
    if task == "ranking":
        return place_of_hit(given, true)
    if task == "multilabel":
        marks = [np.array([[one in row for one in LABELS] for row in rows]) for rows in (true, given)]
        return loss_of_labels(*marks)
    images = [
        [{"boxes": [one["box"] for one in row], "labels": [one["class"] for one in row]} for row in rows]
        for rows in (given, true)
    ]
    for image, row in zip(images[0], given, strict=True):
        image["scores"] = [one["score"] for one in row]
    return loss_of_boxes(*images)


def summarised(task: str, loss: np.ndarray, window: np.ndarray, n_windows: int) -> Summary:
    """Rows that lost so much, by window; sums are left out, since no watch reads them."""
    grid, missing = GRIDS[task], np.zeros(len(loss), dtype=np.bool_)
    return summary_of(grid, loss, missing, np.zeros((n_windows, len(grid.sums))), window, n_windows)


def run(task: str, random: np.random.Generator, pools: list[np.ndarray], n_runs: int) -> np.ndarray:
    """bool[windows, runs]: alarms that opened; each window draws its rows from its pool, the reference from the first."""
    window, n_batches = batch_numbers(REFERENCE)
    states, at = [], np.repeat(np.arange(n_runs), ROWS)
    for _ in range(n_runs):
        batches = {task: summarised(task, random.choice(pools[0], REFERENCE), window, n_batches)}
        reference = {task: batches[task].merged()}
        watches = plan(reference, "benchmark")
        states.append(begin(watches, reference, inflation(watches, batches), windows_per_month=MONTH_WINDOWS))

    def steps() -> Iterator[np.ndarray]:
        for pool in pools:
            summary = summarised(task, random.choice(pool, ROWS * n_runs), at, n_runs)
            numbers = range(n_runs)
            yield np.concatenate(
                [one.counts for one in watches.steps({task: summary}, numbers, [0.0] * n_runs)]
            )

    return judged(next(iter(STRATEGIES.values()))(), beside(states), steps())[0]


def watch(n_runs: int, n_windows: int, seed: int) -> None:
    """Print false alarms and delays of each task."""
    for number, task in enumerate(ROW):
        random = np.random.default_rng([seed, number])
        usual = losses(random, task, USUAL)
        alarms = run(task, random, [usual] * n_windows, n_runs)
        low, high = poisson_limits(int(alarms.sum()), alarms.size / 2000)
        rate = alarms.sum() / alarms.size * 2000
        print(
            f"{task}: {alarms.sum()} false alarms in {alarms.size:,} windows, {rate:.2f} [{low:.2f}, {high:.2f}] in 2,000"
        )
        for skill in FALLS:
            worse = losses(random, task, skill)
            before, after = 50, 150
            found = run(task, random, [usual] * before + [worse] * after, n_runs)
            kept = ~found[:before].any(axis=0)
            told = found[before:, kept]
            delays = np.where(told.any(axis=0), told.argmax(axis=0) + 1.0, np.inf)
            median, least, most = median_limits(delays)
            print(
                f"  0.8 -> {skill}: median {median:.0f} [{least:.0f}, {most:.0f}] windows of {ROWS} rows",
                flush=True,
            )


def cost(n_rows: int, seed: int) -> None:
    """Print what rows cost."""
    for number, task in enumerate(ROW):
        random = np.random.default_rng([seed, number])
        rows = [ROW[task](random, USUAL) for _ in range(n_rows)]
        with tempfile.TemporaryDirectory() as folder:
            monitor = vedette.Monitor("m", lake=folder, task=task, window="1d", classes=LABELS)
            passes = []
            for again in range(7):
                begin_s = time.thread_time()
                for place, (given, _) in enumerate(rows):
                    monitor.log({"x": 1.0}, given, id=f"{again}-{place}")
                passes.append((time.thread_time() - begin_s) / n_rows * 1e6)
            for place, (_, true) in enumerate(rows):
                monitor.label(f"0-{place}", true)
            begin_s = time.process_time()
            cycle.once(Lake.at(folder), models=["m"])
            round_s = time.process_time() - begin_s
            of = {}
            for metric in (FIGURES[task], *(("map",) if task == "detection" else ())):
                begin_s = time.process_time()
                monitor.figures(metric, window="all")
                of[metric] = time.process_time() - begin_s
            size = sum(file.stat().st_size for file in (Path(folder) / "m" / "predictions").glob("*.parquet"))
            monitor.close()
        values = np.mean([len(given) for given, _ in rows])
        told = ", ".join(f"{metric} {seconds:.2f} s" for metric, seconds in of.items())
        print(
            f"{task}: log {min(passes):.0f} us (median {np.median(passes):.0f}) of {values:.1f} values; ",
            end="",
        )
        print(f"{size / n_rows:.0f} bytes a row in the lake (its {len(passes)} repeats add little); ", end="")
        print(
            f"a round of {len(passes) * n_rows:,} rows and {n_rows:,} labels {round_s:.1f} s; figures: {told}"
        )


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("cost", "watch"))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--windows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20261128)
    told = parser.parse_args()
    if told.what == "cost":
        cost(told.rows, told.seed)
    else:
        watch(told.runs, told.windows, told.seed)


if __name__ == "__main__":
    main()
