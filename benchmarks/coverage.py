"""How often the interval of each statistic holds the truth, by simulation.

    python benchmarks/coverage.py [--runs 2000] [--seed 1]

Prints a table: the statistic, the case, rows in a window (and in the reference), the share of windows whose
interval holds the truth, the shares that miss it below and above, and the mean width. Rows are independent;
level 0.95. With 2,000 runs a share is right to about 0.01. The reference is drawn anew 100 times where there
is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from vedette.statistics import (
    STATISTICS,
    Grid,
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)
from vedette.statistics.psi import psi_groups

LEVEL = 0.95
REFERENCES = 100


@dataclass(frozen=True, slots=True)
class Line:
    """What one simulation found: arrays over windows, and the truth of each."""

    metric: str
    case: str
    n: int
    m: int
    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray

    def __str__(self) -> str:
        done = np.isfinite(self.low)
        low, high, truth = self.low[done], self.high[done], np.broadcast_to(self.truth, self.low.shape)[done]
        slack = 1e-12 * (1 + np.abs(truth))
        above, below = (low > truth + slack).mean(), (high < truth - slack).mean()
        sizes = f"{self.n:>6} {self.m or '':>6}"
        numbers = (
            f"{1 - above - below:8.3f} {below:8.3f} {above:8.3f} {(high - low).mean():9.4f} {done.sum():6}"
        )
        return f"{self.metric:14} {self.case:26} {sizes} {numbers}"


def _windows(runs: int, n: int) -> np.ndarray:
    return np.repeat(np.arange(runs), n)


def _line(metric: str, case: str, summary: Summary, truth: float, n: int) -> Line:
    figures = STATISTICS[metric].figures(summary, None, LEVEL)
    return Line(metric, case, n, 0, figures.low, figures.high, np.array(truth))


def numeric(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Shares, means and quantiles of one column."""
    grid = numeric_grid("x", rng.normal(size=1000))
    for share, n in ((0.01, 50), (0.01, 500), (0.3, 50), (0.3, 500)):
        present = rng.random(runs * n) >= share
        summary = summarise_numeric(grid, np.zeros(runs * n), present, _windows(runs, n), runs)
        yield _line("missing_share", f"{share}", summary, share, n)
    draws = {"normal": rng.standard_normal, "exponential": rng.standard_exponential}
    for case, draw in draws.items():
        grid = numeric_grid("x", draw(1000))
        for n in (20, 100, 1000):
            summary = summarise_numeric(grid, draw(runs * n), None, _windows(runs, n), runs)
            yield _line("mean", case, summary, float(case == "exponential"), n)
            for name, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                if n >= np.log(0.025) / np.log(max(p, 1 - p)):
                    truth = special.ndtri(p) if case == "normal" else -np.log1p(-p)
                    yield _line(name, case, summary, truth, n)
    for n in (100, 1000):
        latencies = 0.02 * np.exp(0.5 * rng.standard_normal(runs * n))
        summary = summarise_numeric(latency_grid(), latencies, None, _windows(runs, n), runs)
        yield _line("latency_p95_s", "log-normal", summary, 0.02 * np.exp(0.5 * special.ndtri(0.95)), n)


def _confusion(rng: np.random.Generator, table: np.ndarray, n: int, runs: int) -> Summary:
    """Windows of n rows whose label and prediction are drawn from a table of chances."""
    classes = len(table)
    names = [str(k) for k in range(classes)]
    pair = rng.choice(classes**2, size=runs * n, p=table.ravel())
    grid = quality_grid(names)
    return summarise_quality(
        grid, pair // classes, pair % classes, names, window=_windows(runs, n), n_windows=runs
    )


def quality(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Accuracy, precision, recall and F1 of two classes and of five, and the AUC."""
    two = np.array([[0.70, 0.05], [0.05, 0.20]])
    shares = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    five = 0.8 * np.diag(shares) + 0.2 * np.outer(shares, shares)
    for case, table in (("2 classes", two), ("5 classes", five)):
        hits, predicted, labelled = np.diag(table), table.sum(axis=0), table.sum(axis=1)
        kept = slice(1, 2) if len(table) == 2 else slice(None)
        truths = {
            "accuracy": hits.sum(),
            "precision": (hits / predicted)[kept].mean(),
            "recall": (hits / labelled)[kept].mean(),
            "f1": (2 * hits / (predicted + labelled))[kept].mean(),
        }
        for n in (50, 200, 1000):
            summary = _confusion(rng, table, n, runs)
            for name, truth in truths.items():
                yield _line(name, case, summary, truth, n)
    for area in (0.6, 0.8, 0.95):
        apart = np.sqrt(2) * special.ndtri(area)
        pilot = special.ndtr(rng.normal(size=1000) + apart * (rng.random(1000) < 0.5))
        grid = quality_grid(("0", "1"), pilot)
        for positive, negative in ((50, 50), (50, 500), (500, 500)):
            label = np.tile(np.repeat([1, 0], [positive, negative]), runs // 4)
            score = special.ndtr(rng.normal(size=len(label)) + apart * label)
            n = positive + negative
            window = _windows(runs // 4, n)
            summary = summarise_quality(grid, label, label, ("0", "1"), score, window, n_windows=runs // 4)
            yield _line("roc_auc", f"{area}, {positive} positive", summary, area, n)


def _cells(grid: Grid, shift: float, scale: float) -> np.ndarray:
    """The chance of each cell under a normal distribution."""
    return np.diff(special.ndtr(np.concatenate([[-np.inf], (grid.edges - shift) / scale, [np.inf]])))


def _distance(shift: float, scale: float) -> float:
    """W1 of a normal distribution from the standard one: the mean of the difference of their quantiles."""
    z = special.ndtri((np.arange(1_000_000) + 0.5) / 1_000_000)
    return float(np.abs(shift + (scale - 1) * z).mean())


def comparisons(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """PSI and Wasserstein, of a normal column whose mean or spread changes."""
    each = max(1, runs // REFERENCES)
    for n, m in ((100, 1000), (1000, 1000), (1000, 20_000)):
        for shift, scale in ((0.0, 1.0), (0.1, 1.0), (0.5, 1.0), (1.0, 1.0), (0.0, 1.5)):
            found: dict[str, list[np.ndarray]] = {"psi": [], "wasserstein": []}
            distance = _distance(shift, scale)
            for _ in range(REFERENCES):
                grid = numeric_grid("x", rng.normal(size=min(1000, m // 4)))
                reference = summarise_numeric(grid, rng.normal(size=m))
                rows = shift + scale * rng.normal(size=each * n)
                current = summarise_numeric(grid, rows, None, _windows(each, n), each)
                group = psi_groups(grid, reference.counts[0])
                p = np.bincount(group, _cells(grid, shift, scale))
                q = np.bincount(group, _cells(grid, 0, 1))
                for name, truth in (("psi", ((p - q) * np.log(p / q)).sum()), ("wasserstein", distance)):
                    figures = STATISTICS[name].figures(current, reference, LEVEL)
                    found[name].append(np.stack([figures.low, figures.high, np.full(each, truth)]))
            for name, parts in found.items():
                yield Line(name, f"mean {shift:+}, sd x{scale}", n, m, *np.concatenate(parts, axis=1))


def categories(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """PSI of a category with levels from frequent to rare, without change and with one."""
    each = max(1, runs // REFERENCES)
    names = [f"level {k}" for k in range(60)]
    q = 1 / np.arange(1, 61)
    q /= q.sum()
    for case, p in (("60 levels, no change", q), ("60 levels, reversed half", 0.5 * q + 0.5 * q[::-1])):
        for n, m in ((100, 1000), (1000, 20_000)):
            parts = []
            for _ in range(REFERENCES):
                pilot = rng.multinomial(min(1000, m // 4), q)
                counts = {name: int(count) for name, count in zip(names, pilot, strict=True) if count}
                grid = category_grid("c", counts, names)
                reference = summarise_category(grid, rng.choice(60, m, p=q), names)
                codes = rng.choice(60, each * n, p=p)
                current = summarise_category(grid, codes, names, _windows(each, n), each)
                cell = summarise_category(grid, np.arange(60), names, np.arange(60), 60).counts.argmax(axis=1)
                group = psi_groups(grid, reference.counts[0])[cell]
                ours, theirs = np.bincount(group, p), np.bincount(group, q)
                held = theirs > 0
                ours, theirs = ours[held], theirs[held]
                truth = ((ours - theirs) * np.log(ours / theirs)).sum()
                figures = STATISTICS["psi"].figures(current, reference, LEVEL)
                parts.append(np.stack([figures.low, figures.high, np.full(each, truth)]))
            yield Line("psi", case, n, m, *np.concatenate(parts, axis=1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=2000, help="simulated windows a line (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    head = f"{'statistic':14} {'case':26} {'rows':>6} {'refer.':>6}"
    print(f"{head} {'holds':>8} {'too low':>8} {'too high':>8} {'width':>9} {'runs':>6}")
    for simulate in (numeric, quality, comparisons, categories):
        for line in simulate(np.random.default_rng(arguments.seed), arguments.runs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
