"""How often tests of drift say so where nothing changed, and how often intervals hold the truth.

Each case is drawn ``--runs`` times from a law whose truth is known: by formula, or as the mean estimate of far more rows. Kept:
a test says so at 5 % and 1 % no more often than chance makes of these levels in so many runs (the one-sided 99.9 % point of a
binomial), and an interval holds the truth at least as often as 93 % would by the same measure.

    python benchmarks/judgement/drift.py                     # minutes on one core
    python benchmarks/judgement/drift.py --runs 1000         # ten times as long
    python benchmarks/judgement/drift.py --case concept      # one of them

Cases: vectors (16 and 256 elements, normal and Student's t on 3 degrees of freedom; moved, stretched), texts, the domain
classifier (independent columns; a moved one; a correlation), spans of a model's life in a lake, labels by score (concept), and
levels (1e5 of them).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import signal, stats

import vedette
from vedette.statistics import STATISTICS, quality_grid, summarise_quality
from vedette.statistics.direction_shift import Shift, direction_shifts
from vedette.statistics.directions import summarise_directions, vector_basis
from vedette.statistics.domain import domain_classifier
from vedette.statistics.domain_features import number_features
from vedette.statistics.high_cardinality import new_level_share
from vedette.statistics.text_sketch import even, ngram_shift, summarise_texts
from vedette.strategy import two_samples
from vedette.strategy.mean_tests import direction_parts, length_test

Floats = NDArray[np.float64]
Random = np.random.Generator
Draw = Callable[[Random, int], Floats]

TRUTH_ROWS = 60_000


@dataclass
class Told:
    """What the runs of a case said of one figure: p-values, intervals, the truth (NaN where it is not known)."""

    truth: float = float("nan")
    p_values: list[float] = field(default_factory=list)
    intervals: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, shift: Shift) -> None:
        self.intervals.append((shift.value, shift.low, shift.high))


def vectors(length: int, heavy: bool = False, move: float = 0.0, stretch: float = 1.0) -> Draw:
    """Vectors of independent elements of unit variance; the first is moved, and stretched."""

    def draw(random: Random, n: int) -> Floats:
        x = random.standard_t(3, (n, length)) / np.sqrt(3) if heavy else random.normal(size=(n, length))
        x[:, 0] = x[:, 0] * stretch + move
        return x

    return draw


def of_vectors(
    runs: int,
    seed: int,
    now: Draw,
    before: Draw,
    changed: str,
    truth: float,
    spread: float = 0.0,
    rows: tuple[int, int] = (600, 900),
) -> dict[str, Told]:
    """Both sides of so many ``rows``. ``truth`` is that of the mean, ``spread`` that of the covariance; the truth of MMD is
    what far more rows say."""
    random = np.random.default_rng(seed)
    told = {
        name: Told() for name in ("mmd", "mean", "covariance", "mmd_sd", "mean_shift_sd", "covariance_change")
    }
    basis = vector_basis(np.concatenate([now(random, 400), before(random, 600)]))
    if changed:
        many = [summarise_directions(basis, side(random, TRUTH_ROWS)) for side in (now, before)]
        found = direction_shifts(many[0], many[1])
        told |= {"mmd_sd": Told(found["mmd_sd"].value), "covariance_change": Told(spread)}
        told["mean_shift_sd"] = Told(truth)
    else:
        told |= {name: Told(0.0) for name in ("mmd_sd", "mean_shift_sd", "covariance_change")}
    for _ in range(runs):
        one, other = now(random, rows[0]), before(random, rows[1])
        # axes are cut on rows of both files in a report too
        own = basis if changed else vector_basis(np.concatenate([one[:400], other[: rows[1] * 2 // 3]]))
        sides = summarise_directions(own, one), summarise_directions(own, other)
        for name, p in direction_parts(*sides).items():
            told[name].p_values.append(1.0 if p is None else p)
        for name, shift in direction_shifts(*sides).items():
            if name in told and name != "mmd":
                told[name].add(shift)
    return told


def of_texts(runs: int, seed: int) -> dict[str, Told]:
    """Sentences of 12 words, as long as Poisson numbers of mean 8; 400 against 600."""
    random, told = np.random.default_rng(seed), Told(0.0)
    words = np.array(
        ["order", "late", "please", "refund", "parcel", "where", "is", "the", "broken", "你好", "🙂", "it"]
    )

    def some(n: int) -> list[str]:
        return [" ".join(random.choice(words, k)) for k in random.poisson(8, n)]

    for _ in range(runs):
        now, before = summarise_texts(some(400)), summarise_texts(some(600))
        told.add(ngram_shift(now, before))
        p = length_test(*even(now, before))
        told.p_values.append(1.0 if p is None else p)
    return {"ngram_shift_sd": told}


def of_domain(runs: int, seed: int, moved: float = 0.0, tie: float = 0.0) -> dict[str, Told]:
    """Four normal columns, 500 rows a side: one moved, or two correlated; the truth is the mean AUC of all runs."""
    random, told = np.random.default_rng(seed), Told(0.5 if not moved and not tie else float("nan"))
    side = np.arange(1000) < 500
    for _ in range(runs):
        x = random.normal(size=(1000, 4))
        x[side, 0] += moved
        x[side, 1] = tie * x[side, 2] + np.sqrt(1 - tie * tie) * x[side, 1]
        columns = {str(k): number_features(x[:, k], 2) for k in range(4)}
        pairs = [(str(k), str(j)) for k in range(4) for j in range(k)]
        found = domain_classifier(columns, side, pairs)
        told.add(found.auc)
        told.p_values.append(1.0 if found.p_value is None else found.p_value)
    if np.isnan(told.truth):
        told.truth = float(np.mean([value for value, _, _ in told.intervals]))
    return {"auc": told}


def of_spans(runs: int, seed: int, n: int, before: float, moved: float = 0.0) -> dict[str, Told]:
    """``Monitor.domain`` of two weeks of ``n`` rows each: an autoregression ``before``, two numbers, a category, a prediction.

    ``moved`` is a shift of one of the independent numbers; the truth is the mean AUC of all runs."""
    random, told = np.random.default_rng(seed), Told(0.5 if not moved else float("nan"))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(runs):
        with TemporaryDirectory() as folder:
            monitor = vedette.Monitor(
                "m", lake=folder, clock=lambda: (start + timedelta(days=14)).timestamp()
            )
            for week in (0, 7):
                at = pl.Series(((week + np.sort(random.random(n)) * 7) * 86_400e6).astype(np.int64))
                columns = {
                    "time": at.cast(pl.Duration("us")) + start,
                    "x": signal.lfilter([1.0], [1.0, -before], random.normal(size=n)),
                    "y": random.normal(moved if week else 0.0, 1.0, n),
                    "z": random.standard_t(3, size=n),
                    "c": random.choice(list("abcd"), n),
                    "prediction": random.integers(0, 2, n),
                }
                monitor.log_many(pl.DataFrame(columns))
            found = monitor.domain().row(0, named=True)
            monitor.close()
        told.intervals.append((found["value"], found["low"], found["high"]))
        told.p_values.append(found["p_value"])
    if np.isnan(told.truth):
        told.truth = float(np.mean([value for value, _, _ in told.intervals]))
    return {"domain_auc": told}


def of_concept(runs: int, seed: int, n: int, shift: float, mean: float = -1.0) -> dict[str, Told]:
    """Labels of log-odds ``shift`` above those of the scores; 5,000 rows of reference, scores of log-odds -1 on average."""
    random, names = np.random.default_rng(seed), ("no", "yes")

    def rows(n: int, shift: float, mean: float) -> tuple[Floats, Floats, Floats]:
        odds = random.normal(mean, 1.5, n)
        chance = 1 / (1 + np.exp(-odds - shift))
        return (random.random(n) < chance).astype(np.float64), 1 / (1 + np.exp(-odds)), chance

    grid = quality_grid(names, rows(3000, 0.0, -1.0)[1])
    _, score, chance = rows(1_000_000, shift, mean)
    told = Told(float(np.abs(chance - score).mean()))
    many = 1  # windows against one reference: of more, intervals miss together
    for _ in range(max(1, runs // many)):
        sides = []
        for size, by, at, k in ((n, shift, mean, many), (5000, 0.0, -1.0, 1)):
            label, score, _ = rows(size * k, by, at)
            codes = label.astype(np.int64), (score > 0.5).astype(np.int64)
            sides.append(summarise_quality(grid, *codes, names, score, np.repeat(np.arange(k), size), k))
        found = STATISTICS["concept_shift"].figures(sides[0], sides[1])
        told.intervals += list(zip(found.value, found.low, found.high, strict=True))
    return {"concept_shift": told}


def of_levels(runs: int, seed: int, n: int, m: int, new: float) -> dict[str, Told]:
    """1e5 levels of shares k^-0.8; a share ``new`` of rows has one of 1,000 others."""
    random, told, size = np.random.default_rng(seed), Told(new), 100_000
    chance = np.arange(1, size + 1) ** -0.8
    chance /= chance.sum()
    repeats = Told()
    for _ in range(runs):
        fresh = random.binomial(n, new)
        now = np.append(
            np.bincount(random.choice(size, n - fresh, p=chance), minlength=size),
            np.bincount(random.integers(0, 1000, fresh), minlength=1000),
        )
        before = np.bincount(random.choice(size, m, p=chance), minlength=size + 1000)
        told.add(new_level_share(now, before))
        p = two_samples.repeats(now, before, n, m)
        repeats.p_values.append(1.0 if p is None else p)
    return {"new_share": told, "repeats": repeats}


CASES: dict[str, tuple[bool, float, Callable[[int, int], dict[str, Told]]]] = {
    "vectors: 16 normal": (False, 1.0, lambda r, s: of_vectors(r, s, vectors(16), vectors(16), "", 0.0)),
    "vectors: 16 heavy": (
        False,
        1.0,
        lambda r, s: of_vectors(r, s, vectors(16, True), vectors(16, True), "", 0.0),
    ),
    "vectors: 256 normal": (False, 1.0, lambda r, s: of_vectors(r, s, vectors(256), vectors(256), "", 0.0)),
    "vectors: moved by 0.3": (
        True,
        1.0,
        lambda r, s: of_vectors(r, s, vectors(16, move=0.3), vectors(16), "m", 0.3),
    ),
    "vectors: stretched by 1.3": (
        True,
        1.0,
        lambda r, s: of_vectors(r, s, vectors(4, stretch=1.3), vectors(4), "c", 0.0, (1.3**2 - 1) / 2),
    ),
    "vectors: stretched by 2, 1,500 of 300": (
        True,
        1.0,
        lambda r, s: of_vectors(r, s, vectors(4, stretch=2.0), vectors(4), "c", 0.0, 1.5, (1500, 300)),
    ),
    "texts": (False, 1.0, of_texts),
    "domain: nothing": (False, 1.0, of_domain),
    "domain: one moved by 0.5": (True, 1.0, lambda r, s: of_domain(r, s, moved=0.5)),
    "domain: correlation 0.6": (True, 1.0, lambda r, s: of_domain(r, s, tie=0.6)),
    "spans: nothing, 2,000 rows": (False, 1.0, lambda r, s: of_spans(r, s, 2000, 0.0)),
    "spans: nothing, 6,000 rows, autoregression 0.9": (False, 1.0, lambda r, s: of_spans(r, s, 6000, 0.9)),
    "spans: nothing, 40,000 rows, autoregression 0.5": (False, 1.0, lambda r, s: of_spans(r, s, 40_000, 0.5)),
    "spans: one moved by 0.5, 2,000 rows": (True, 1.0, lambda r, s: of_spans(r, s, 2000, 0.0, 0.5)),
    "concept: nothing, 300 rows": (False, 5.0, lambda r, s: of_concept(r, s, 300, 0.0)),
    "concept: nothing, 3,000 rows": (False, 5.0, lambda r, s: of_concept(r, s, 3000, 0.0)),
    "concept: scores moved, 3,000 rows": (False, 5.0, lambda r, s: of_concept(r, s, 3000, 0.0, 1.0)),
    "concept: log-odds +0.3, 300 rows": (True, 5.0, lambda r, s: of_concept(r, s, 300, 0.3)),
    "concept: log-odds +0.3, 3,000 rows": (True, 5.0, lambda r, s: of_concept(r, s, 3000, 0.3)),
    "concept: log-odds +1, 3,000 rows": (True, 5.0, lambda r, s: of_concept(r, s, 3000, 1.0)),
    "levels: nothing": (False, 1.0, lambda r, s: of_levels(r, s, 10_000, 10_000, 0.0)),
    "levels: 10 % new": (True, 1.0, lambda r, s: of_levels(r, s, 10_000, 10_000, 0.1)),
    "levels: 10 % new, 1,000 of 50,000": (True, 0.5, lambda r, s: of_levels(r, s, 1000, 50_000, 0.1)),
}
"""By name: whether anything changed, the runs over those asked for, and what runs them."""


def cells(told: Told, changed: bool) -> Iterator[str]:
    """What a line of the table says of a figure."""
    kept = True
    for level in (0.05, 0.01):
        if not told.p_values:
            yield "-"
            continue
        said = int((np.array(told.p_values) < level).sum())
        kept &= changed or said <= stats.binom.ppf(0.999, len(told.p_values), level)
        yield f"{said / len(told.p_values):.1%}"
    good = np.array([one for one in told.intervals if np.isfinite(one[0])]).reshape(-1, 3)
    if len(good):
        held = (good[:, 1] <= told.truth + 1e-12) & (told.truth - 1e-12 <= good[:, 2])
        kept &= held.sum() >= stats.binom.ppf(0.001, len(good), 0.93)
        yield from (f"{told.truth:.4f}", f"{good[:, 0].mean():.4f}", f"{held.mean():.1%}")
        yield f"{(good[:, 2] - good[:, 1]).mean():.4f}"
    else:
        yield from ("-",) * 4
    yield "yes" if kept else "NO"


def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", default="", help="only cases that begin with this")
    asked = parser.parse_args()
    print("| case | figure | runs | p < 5 % | p < 1 % | truth | mean | held | width | kept |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    began = time.process_time()
    for place, (name, (changed, times, run)) in enumerate(CASES.items()):
        if not name.startswith(asked.case):
            continue
        for figure, told in run(max(5, int(asked.runs * times)), asked.seed * 1000 + place).items():
            n = max(len(told.p_values), len(told.intervals))
            print(f"| {name} | {figure} | {n} | {' | '.join(cells(told, changed))} |", flush=True)
    print(f"\n{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
