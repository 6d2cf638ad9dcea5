"""Coverage of the figures of single columns: shares, rates, moments, quantiles, distinct values, distances.

python benchmarks/coverage_columns.py [--runs 2000] [--seed 1] [--only mean]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy import special

from coverage_line import LEVEL, SIZES, Line, line, runs_at, show, windows
from vedette.statistics import (
    STATISTICS,
    Grid,
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    summarise_numeric,
)
from vedette.statistics.divergence import changed_levels, psi_groups

__all__ = ["SIMULATIONS"]

Column = tuple[Grid, np.ndarray, np.ndarray]
"""A grid and the chances of its cells in windows and in the reference."""

Draw = Callable[[np.random.Generator, int], np.ndarray]

REFERENCES = 100  # drawn anew: an interval has to hold over references as well as over windows
ROWS_AT_ONCE = 2_000_000
PAIRS = ((30, 1000), (100, 1000), (1000, 1000), (1000, 20_000), (10_000, 20_000), (100_000, 100_000))
"""Rows in a window and in the reference."""

DRAWS: dict[str, tuple[Draw, float, float]] = {
    "normal": (lambda rng, size: rng.standard_normal(size), 0.0, 1.0),
    "uniform": (lambda rng, size: rng.random(size), 0.5, 12**-0.5),
    "exponential": (lambda rng, size: rng.standard_exponential(size), 1.0, 1.0),
    "log-normal": (
        lambda rng, size: np.exp(rng.standard_normal(size)),
        np.exp(0.5),
        np.sqrt((np.e - 1) * np.e),
    ),
    "Laplace": (lambda rng, size: rng.laplace(size=size), 0.0, np.sqrt(2)),
    "Student's t, 5": (lambda rng, size: rng.standard_t(5, size), 0.0, np.sqrt(5 / 3)),
    "0/1, p .05": (lambda rng, size: (rng.random(size) < 0.05).astype(float), 0.05, np.sqrt(0.0475)),
    "Poisson, .05": (lambda rng, size: rng.poisson(0.05, size).astype(float), 0.05, np.sqrt(0.05)),
    "95 % zeros, exponential": (
        lambda rng, size: rng.standard_exponential(size) * (rng.random(size) < 0.05),
        0.05,
        np.sqrt(0.0975),
    ),
    "Student's t, 3": (lambda rng, size: rng.standard_t(3, size), 0.0, np.sqrt(3)),
    "1 % x 100": (
        lambda rng, size: rng.standard_normal(size) * np.where(rng.random(size) < 0.01, 100.0, 1.0),
        0.0,
        np.sqrt(100.99),
    ),
    "0, 1, 2, 10": (
        lambda rng, size: rng.choice([0.0, 1.0, 2.0, 10.0], size, p=[0.6, 0.25, 0.13, 0.02]),
        0.71,
        np.sqrt(2.2659),
    ),
}
"""What values are drawn from, their mean and standard deviation."""

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
QUANTILE_OF: dict[str, Callable[[float], float]] = {
    "normal": special.ndtri,
    "exponential": lambda p: -np.log1p(-p),
    "log-normal": lambda p: np.exp(special.ndtri(p)),
}

CHANGES = ((0.0, 1.0), (0.1, 1.0), (0.5, 1.0), (1.0, 1.0), (0.0, 1.5))
"""How a normal column changes: its mean, its standard deviation."""


def _summary(
    grid: Grid,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    rng: np.random.Generator,
    runs: int,
    n: int,
) -> Summary:
    """So many windows of n rows, drawn and counted a few million rows at a time."""
    step = max(1, ROWS_AT_ONCE // n)
    parts = []
    for start in range(0, runs, step):
        some = min(step, runs - start)
        parts.append(summarise_numeric(grid, draw(rng, some * n), None, windows(some, n), some, kept=0))
    return Summary.stack(parts)


def moments(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Means, deviations and quantiles."""
    for case, (draw, mean, sd) in DRAWS.items():
        grid = numeric_grid("x", draw(rng, 1000))
        for n in SIZES:
            summary = _summary(grid, draw, rng, runs_at(runs, n), n)
            yield line("mean", case, summary, mean, n)
            yield line("sd", case, summary, sd, n)
            for name, p in QUANTILES.items():
                if case in QUANTILE_OF:
                    yield line(name, case, summary, float(QUANTILE_OF[case](p)), n)

    def latencies(rng: np.random.Generator, size: int) -> np.ndarray:
        return 0.02 * np.exp(0.5 * rng.standard_normal(size))

    for n in SIZES:
        summary = _summary(latency_grid(), latencies, rng, runs_at(runs, n), n)
        yield line("latency_p95_s", "log-normal", summary, 0.02 * np.exp(0.5 * special.ndtri(0.95)), n)


def counts(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Shares of rows, the rate of rows, and distinct values."""
    grid = numeric_grid("x", rng.normal(size=1000))
    for n in SIZES:
        for share in (0.01, 0.3):
            absent = rng.binomial(n, share, runs)
            nothing = Summary.empty(grid, runs, 0)
            summary = dataclasses.replace(nothing, rows=nothing.rows + n, missing=absent)
            yield line("missing_share", f"{share}", summary, share, n)
            yield line("error_rate", f"{share}", summary, share, n)
        nothing = Summary.empty(grid, runs, 0)
        summary = dataclasses.replace(nothing, rows=rng.poisson(n, runs), window_s=60.0)
        yield line("throughput_per_s", "Poisson", summary, n / 60, n)
    for distinct in (30, 257, 300, 1000, 10_000):
        some = runs_at(runs, 2 * distinct, 5_000_000)
        values = rng.normal(size=some * distinct)
        summary = summarise_numeric(
            grid, np.concatenate([values, values]), None, np.tile(windows(some, distinct), 2), some
        )
        yield line("distinct", f"{distinct} values, each twice", summary, distinct, 2 * distinct)


def _counted(grid: Grid, cells: np.ndarray, n: int) -> Summary:
    """The summary of windows of which only counts are known."""
    nothing = Summary.empty(grid, len(cells), 0)
    return dataclasses.replace(nothing, rows=nothing.rows + n, counts=cells)


def _truths(
    grid: Grid, counts: np.ndarray, base: np.ndarray, p: np.ndarray, q: np.ndarray
) -> dict[str, np.ndarray]:
    """What the distances between the chances p and q of cells are, in the groups that a reference and a window make."""
    group = psi_groups(grid, base)
    into = (group[:, np.newaxis] == np.arange(group.max() + 1)).astype(np.float64)
    alone = np.zeros(counts.shape, dtype=np.bool_)
    if grid.kind == "category":
        alone = changed_levels(grid, counts, base) & (group == group.max())
    a, b = (np.hstack([one @ into - (one * alone) @ into, one * alone]) for one in (p, q))
    a, b = (np.where(one > 1e-12, one, 0.0) for one in (a, b))
    both = (a + b) / 2
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # psi of cells that the reference cannot have is infinite
        terms = (
            np.where(both > 0, (a - b) * np.log(a / b), 0.0),
            np.where(both > 0, (a - b) ** 2 / (a + b), 0.0),
        )
    out = {
        "psi": terms[0].sum(axis=1),
        "jensen_shannon": np.sqrt(
            (special.rel_entr(a, both) + special.rel_entr(b, both)).sum(axis=1) / 2 / np.log(2)
        ),
        "hellinger": np.sqrt(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(axis=1) / 2),
        "chi_square": np.sqrt(terms[1].sum(axis=1) / 2),
    }
    if grid.kind == "category":
        return out | {"total_variation": np.full(len(counts), np.abs(p - q).sum() / 2)}
    return out | {"kolmogorov_smirnov": np.full(len(counts), np.abs(np.cumsum(p - q)).max())}


def _lines(
    case: str,
    sizes: tuple[int, int],
    runs: int,
    draw: Callable[[], Column],
    rng: np.random.Generator,
) -> Iterator[Line]:
    """The lines of all distances that counts tell; ``draw`` gives a new grid and the chances of its cells."""
    n, m = sizes
    each = max(1, runs // REFERENCES)
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(REFERENCES):
        grid, p, q = draw()
        reference = _counted(grid, rng.multinomial(m, q, 1), m)
        current = _counted(grid, rng.multinomial(n, p, each), n)
        for name, truth in _truths(grid, current.counts, reference.counts[0], p, q).items():
            figures = STATISTICS[name].figures(current, reference, LEVEL)
            found.setdefault(name, []).append(np.stack([figures.low, figures.high, truth]))
    for name, parts in found.items():
        yield Line(name, case, n, m, *np.concatenate(parts, axis=1))


def _normal_column(rng: np.random.Generator, m: int, shift: float, scale: float) -> Column:
    """A new grid for m rows, cut on a pilot of their kind, and the chances of its cells with and without change."""
    grid = numeric_grid("x", rng.normal(size=min(1000, m // 4)))
    edges = np.concatenate([[-np.inf], grid.edges, [np.inf]])
    p, q = (np.maximum(np.diff(special.ndtr(one)), 0.0) for one in ((edges - shift) / scale, edges))
    return grid, p / p.sum(), q / q.sum()


def distances(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """The distances that are read off cells, of a normal column whose mean or spread changes."""
    for n, m in PAIRS:
        for shift, scale in CHANGES:
            draw = partial(_normal_column, rng, m, shift, scale)
            yield from _lines(f"mean {shift:+}, sd x{scale}", (n, m), runs, draw, rng)


def _category(rng: np.random.Generator, m: int, p: np.ndarray, q: np.ndarray) -> Column:
    """A new grid of levels, cut on a pilot of chances q, and the chances of its cells."""
    names = [f"level {k:02}" for k in range(len(p))]
    pilot = rng.multinomial(min(1000, m // 4), q)
    told = {name: int(count) for name, count in zip(names, pilot, strict=True) if count}
    grid = category_grid("c", told, names)
    place = {name: cell for cell, name in enumerate(grid.levels)}
    cell = np.array([place.get(name, len(grid.levels)) for name in names])
    return grid, np.bincount(cell, p, grid.cells), np.bincount(cell, q, grid.cells)


def categories(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """The distances of a category with 60 levels from frequent to rare, and of one with two."""
    zipf = 1 / np.arange(1, 61)
    zipf /= zipf.sum()
    two = np.array([0.95, 0.05])
    cases = {
        "60 levels, no change": (zipf, zipf),
        "60 levels, a tenth reversed": (0.9 * zipf + 0.1 * zipf[::-1], zipf),
        "60 levels, half reversed": ((zipf + zipf[::-1]) / 2, zipf),
        "2 levels, no change": (two, two),
        "2 levels, .05 becomes .1": (np.array([0.9, 0.1]), two),
    }
    for case, (p, q) in cases.items():
        for n, m in PAIRS:
            yield from _lines(case, (n, m), runs, partial(_category, rng, m, p, q), rng)


def carried(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """The Wasserstein distance, which needs rows."""
    z = special.ndtri((np.arange(1_000_000) + 0.5) / 1_000_000)
    for n, m in PAIRS[1:-1]:
        each = max(1, runs_at(runs, n, 4_000_000) // REFERENCES)
        for shift, scale in CHANGES:
            distance, parts = float(np.abs(shift + (scale - 1) * z).mean()), []
            for _ in range(REFERENCES):
                grid = numeric_grid("x", rng.normal(size=min(1000, m // 4)))
                reference = summarise_numeric(grid, rng.normal(size=m), kept=0)
                rows = shift + scale * rng.normal(size=each * n)
                current = summarise_numeric(grid, rows, None, windows(each, n), each, kept=0)
                figures = STATISTICS["wasserstein"].figures(current, reference, LEVEL)
                parts.append(np.stack([figures.low, figures.high]))
            low, high = np.concatenate(parts, axis=1)
            yield Line("wasserstein", f"mean {shift:+}, sd x{scale}", n, m, low, high, np.array(distance))


SIMULATIONS = (counts, moments, distances, categories, carried)

if __name__ == "__main__":
    show(SIMULATIONS, __doc__)
