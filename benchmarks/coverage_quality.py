"""Coverage of the figures of classifiers.

python benchmarks/coverage_quality.py [--runs 2000] [--seed 1] [--only roc_auc]
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from coverage_line import Line, line, show, windows
from vedette.statistics import Summary, quality_grid, summarise_quality

__all__ = ["SIMULATIONS"]


def _confusion(rng: np.random.Generator, table: np.ndarray, n: int, runs: int) -> Summary:
    """Windows of n rows whose label and prediction are drawn from a table of chances."""
    classes = len(table)
    names = [str(k) for k in range(classes)]
    pair = rng.choice(classes**2, size=runs * n, p=table.ravel())
    grid = quality_grid(names)
    return summarise_quality(
        grid, pair // classes, pair % classes, names, window=windows(runs, n), n_windows=runs
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
                yield line(name, case, summary, truth, n)
    for area in (0.6, 0.8, 0.95):
        apart = np.sqrt(2) * special.ndtri(area)
        pilot = special.ndtr(rng.normal(size=1000) + apart * (rng.random(1000) < 0.5))
        grid = quality_grid(("0", "1"), pilot)
        for positive, negative in ((50, 50), (50, 500), (500, 500)):
            label = np.tile(np.repeat([1, 0], [positive, negative]), runs // 4)
            score = special.ndtr(rng.normal(size=len(label)) + apart * label)
            n = positive + negative
            window = windows(runs // 4, n)
            summary = summarise_quality(grid, label, label, ("0", "1"), score, window, n_windows=runs // 4)
            yield line("roc_auc", f"{area}, {positive} positive", summary, area, n)


SIMULATIONS = (quality,)

if __name__ == "__main__":
    show(SIMULATIONS, __doc__)
