"""Coverage of the figures of classifiers: of labels and predictions, of scores, and of single classes.

python benchmarks/coverage_quality.py [--runs 2000] [--seed 1] [--only roc_auc]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from coverage_line import LEVEL, SIZES, Line, line, runs_at, show, windows
from vedette.statistics import BREAKDOWNS, STATISTICS, Summary, quality_grid, summarise_quality

__all__ = ["SIMULATIONS"]

SHARES = {
    "2 classes": np.array([0.5, 0.5]),
    "5 % positive": np.array([0.95, 0.05]),
    "5 classes": np.array([0.4, 0.3, 0.15, 0.1, 0.05]),
    "20 classes": np.full(20, 0.05),
}
RIGHT = 0.8  # the share of predictions that know the label; the others guess
SCORED = ("roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error")
TRUTH_ROWS = 2_000_000
ROWS_AT_ONCE = 200_000


def _truths(table: np.ndarray, labelled: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """The true figures of a table of chances; plain averages are of the classes that a window has."""
    right, predictions, labels = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    parts = {
        "precision": right / predictions,
        "recall": right / labels,
        "f1": 2 * right / (predictions + labels),
        "specificity": 1 - (predictions - right) / (1 - labels),
    }

    def plain(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return counted @ values / np.maximum(counted.sum(axis=1), 1)

    out = {name: np.array(values[1]) for name, values in parts.items()}
    if len(table) == 2:
        out["specificity"] = parts["recall"][0]
    else:
        out = {name: plain(values, seen) for name, values in parts.items()}
    for name in ("precision", "recall", "f1"):
        out[f"{name}_macro"] = plain(parts[name], seen)
        out[f"{name}_micro"] = right.sum()
        out[f"{name}_weighted"] = labels @ parts[name]
    out["accuracy"] = right.sum()
    out["balanced_accuracy"] = plain(parts["recall"], labelled)
    chance = 1 - (predictions**2).sum(), 1 - (labels**2).sum()
    out["matthews"] = (right.sum() - predictions @ labels) / np.sqrt(chance[0] * chance[1])
    return out


def tables(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Figures of labels and predictions, their windows drawn as tables; and of single classes."""
    for case, shares in SHARES.items():
        classes = len(shares)
        chances = RIGHT * np.diag(shares) + (1 - RIGHT) * np.outer(shares, shares)
        names = [str(place) for place in range(classes)]
        for n in SIZES:
            table = rng.multinomial(n, chances.ravel(), size=runs).reshape(runs, classes, classes)
            summary = Summary.empty(quality_grid(names), runs, 0)
            summary.rows[:] = n
            summary.cube[:, -1, :classes, :classes] = table  # the last score bin: of rows without a score
            labelled, predicted = table.sum(axis=2) > 0, table.sum(axis=1) > 0
            for name, truth in _truths(chances, labelled, labelled | predicted).items():
                figures = STATISTICS[name].figures(summary, None, LEVEL)
                yield Line(name, case, n, 0, figures.low, figures.high, truth)
            yield from _of_a_class(summary, chances, case, n)


def _of_a_class(summary: Summary, chances: np.ndarray, case: str, n: int) -> Iterator[Line]:
    """The last class, the rarest, by itself."""
    right, labels, predictions = chances[-1, -1], chances[-1].sum(), chances[:, -1].sum()
    last = str(len(chances) - 1)
    for name, part, truth in (
        ("precision_per_class", last, right / predictions),
        ("recall_per_class", last, right / labels),
        ("f1_per_class", last, 2 * right / (labels + predictions)),
        ("support_per_class", last, labels),
        ("confusion", f"{last}>0", chances[-1, 0] / labels),
    ):
        found = BREAKDOWNS[name].figures(summary, None, LEVEL)[part]
        yield Line(name, case, n, 0, found.low, found.high, np.array(truth))


def _binary_truths(positive: float, apart: float, sure: float) -> dict[str, float]:
    """Labels with N(0, 1) and N(apart, 1) behind them: the figures of scores that are ``sure`` times as sure as right."""
    x = np.linspace(-9, 9 + apart, 2_000_001)
    step = x[1] - x[0]
    ours, theirs = (np.exp(-((x - at) ** 2) / 2) / np.sqrt(2 * np.pi) for at in (apart, 0.0))
    found, alarmed = special.ndtr(apart - x), special.ndtr(-x)
    precision = positive * found / (positive * found + (1 - positive) * alarmed)
    score = _score(x, positive, apart, sure)
    ours, theirs = positive * ours * step, (1 - positive) * theirs * step
    gaps = np.bincount(np.minimum((score * 10).astype(int), 9), (score * (ours + theirs) - ours), 10)
    return {
        "roc_auc": float(special.ndtr(apart / np.sqrt(2))),
        "average_precision": float((ours * precision).sum() / positive),
        "log_loss": float(-(special.xlogy(ours, score) + special.xlog1py(theirs, -score)).sum()),
        "brier": float((ours * (1 - score) ** 2 + theirs * score**2).sum()),
        "expected_calibration_error": float(np.abs(gaps).sum()),
    }


def _score(x: np.ndarray, positive: float, apart: float, sure: float) -> np.ndarray:
    return special.expit(sure * (special.logit(positive) + apart * x - apart**2 / 2))


def binary(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Figures of the scores of two classes: of a calibrated model and of one twice as sure as it should be."""
    for positive in (0.5, 0.05):
        for apart, sure in ((0.7, 1.0), (2.0, 1.0), (2.0, 2.0)):
            truths = _binary_truths(positive, apart, sure)
            case = f"{positive:.0%} positive, {apart} sd, x{sure:.0f}"
            label = rng.random(1000) < positive
            pilot = _score(rng.standard_normal(1000) + apart * label, positive, apart, sure)
            grid = quality_grid(("0", "1"), pilot)
            for n in SIZES:
                parts = []
                many = runs_at(runs, n)
                each = max(1, ROWS_AT_ONCE // n)
                for start in range(0, many, each):
                    size = min(each, many - start)
                    label = (rng.random(size * n) < positive).astype(np.int64)
                    score = _score(rng.standard_normal(size * n) + apart * label, positive, apart, sure)
                    parts.append(
                        summarise_quality(grid, label, label, ("0", "1"), score, windows(size, n), size)
                    )
                summary = Summary.stack(parts)
                for name in SCORED:
                    yield line(name, case, summary, truths[name], n)


def _drawn(
    rng: np.random.Generator, rows: int, shares: np.ndarray, apart: float, sure: float
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and the probabilities of all classes."""
    label = rng.choice(len(shares), rows, p=shares)
    x = rng.standard_normal((rows, len(shares)))
    x[np.arange(rows), label] += apart
    return label, special.softmax(sure * (np.log(shares) + apart * x), axis=1)


def several(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Figures of the scores of several classes; the truth is that of two million rows, on bins as fine as scores are."""
    for case in ("5 classes", "20 classes"):
        shares = SHARES[case]
        names = [str(place) for place in range(len(shares))]
        for apart, sure in ((1.0, 1.0), (2.0, 2.0)):
            truths = _several_truths(rng, shares, apart, sure)
            grid = quality_grid(names, _drawn(rng, 1000, shares, apart, sure)[1])
            for n in SIZES:
                many = runs_at(runs, n, 5_000_000)
                each = max(1, ROWS_AT_ONCE // n)
                parts = []
                for start in range(0, many, each):
                    size = min(each, many - start)
                    label, score = _drawn(rng, size * n, shares, apart, sure)
                    parts.append(summarise_quality(grid, label, label, names, score, windows(size, n), size))
                summary = Summary.stack(parts)
                for name, truth in truths.items():
                    yield line(name, f"{case}, {apart} sd, x{sure:.0f}", summary, truth, n)


def _several_truths(
    rng: np.random.Generator, shares: np.ndarray, apart: float, sure: float
) -> dict[str, float]:
    """From the ranks of all rows, without a bin: the sum of ranks for the area, precision at each for the average."""
    label, score = _drawn(rng, TRUTH_ROWS, shares, apart, sure)
    areas, averages = [], []
    for place in range(len(shares)):
        ours = (label == place)[np.argsort(-score[:, place])]
        found, n = np.cumsum(ours), ours.sum()
        averages.append((found / np.arange(1, len(ours) + 1))[ours].mean())
        areas.append((~ours * found).sum() / n / (len(ours) - n))  # positives above each negative
    own = score[np.arange(len(label)), label]
    confidence, right = score.max(axis=1), score.argmax(axis=1) == label
    gaps = np.bincount(np.minimum((confidence * 10).astype(int), 9), confidence - right)
    return {
        "roc_auc": float(np.mean(areas)),
        "average_precision": float(np.mean(averages)),
        "log_loss": float(-np.log(np.maximum(own, 2.2e-16)).mean()),
        "brier": float(((score**2).sum(axis=1) - 2 * own + 1).mean()),
        "expected_calibration_error": float(np.abs(gaps).sum() / len(label)),
    }


SIMULATIONS = (tables, binary, several)

if __name__ == "__main__":
    show(SIMULATIONS, __doc__)
