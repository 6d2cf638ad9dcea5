"""Coverage of the figures of a regression's errors.

python benchmarks/coverage_errors.py [--runs 2000] [--seed 1] [--only rmse]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from coverage_line import SIZES, Line, line, runs_at, show, windows
from vedette.statistics import Grid, Summary, error_grid, summarise_error

__all__ = ["SIMULATIONS"]

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]

ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Law:
    """Labels and errors, and what is true of them: E|e|, E e^2, E e, E max(e, 0), E|e/y| and the labels' variance.

    ``relative`` is NaN where labels come near 0: there is no such mean.
    """

    draw: Draw
    absolute: float
    square: float
    mean: float
    over: float
    relative: float
    variance: float

    def truths(self) -> dict[str, float]:
        """The true values of the figures, by name."""
        under = self.absolute - self.over
        found = {
            "mae": self.absolute,
            "rmse": np.sqrt(self.square),
            "mse": self.square,
            "bias": self.mean,
            "mape": self.relative,
            "r2": 1 - self.square / self.variance,
            **{f"quantile_loss_p{p}": p / 100 * under + (1 - p / 100) * self.over for p in (10, 50, 90)},
        }
        return {name: float(value) for name, value in found.items() if not np.isnan(value)}


NORMAL = np.sqrt(2 / np.pi)  # E|z|


def _log_normal(
    middle: float, sigma: float
) -> tuple[Callable[[np.random.Generator, int], np.ndarray], np.ndarray]:
    """Labels, and their means of 1/y, y, y^2, and the variance."""
    inverse, first = np.exp(sigma**2 / 2) / middle, np.exp(sigma**2 / 2) * middle
    second = np.exp(2 * sigma**2) * middle**2
    moments = np.array([inverse, first, second, second - first**2])
    return lambda rng, size: middle * np.exp(sigma * rng.standard_normal(size)), moments


def _apart(
    middle: float,
    sigma: float,
    error: Callable[[np.random.Generator, int], np.ndarray],
    of_errors: tuple[float, ...],
) -> Law:
    """Log-normal labels and errors that know nothing of them; ``of_errors``: absolute, square, mean, over."""
    labels, (inverse, _, _, variance) = _log_normal(middle, sigma)
    absolute, square, mean, over = of_errors

    def draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        return labels(rng, size), error(rng, size)

    return Law(draw, absolute, square, mean, over, absolute * inverse, variance)


def _growing(middle: float, sigma: float, share: float) -> Law:
    """Log-normal labels and normal errors that grow with them."""
    labels, (_, first, second, variance) = _log_normal(middle, sigma)

    def draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        label = labels(rng, size)
        return label, share * label * rng.standard_normal(size)

    absolute = share * NORMAL * first
    return Law(draw, absolute, share**2 * second, 0.0, absolute / 2, share * NORMAL, variance)


def _explained(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that know half of a normal label's variance."""
    known, error = rng.standard_normal(size), rng.standard_normal(size)
    return known - error, error


def _shrunk(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of half the normal label: errors that follow it."""
    label = rng.standard_normal(size)
    return label, 0.2 * rng.standard_normal(size) - label / 2


T5 = float(2 * np.sqrt(5) * special.gamma(3) / (np.sqrt(np.pi) * special.gamma(2.5) * 4))  # E|t| on 5 degrees

LAWS: dict[str, Law] = {
    "normal": _apart(20, 0.2, lambda rng, size: rng.standard_normal(size), (NORMAL, 1.0, 0.0, NORMAL / 2)),
    "normal, biased": _apart(
        20,
        0.2,
        lambda rng, size: 0.5 + rng.standard_normal(size),
        (
            NORMAL * np.exp(-0.125) + 0.5 * special.erf(0.5 / np.sqrt(2)),
            1.25,
            0.5,
            NORMAL / 2 * np.exp(-0.125) + 0.5 * special.ndtr(0.5),
        ),
    ),
    "Laplace": _apart(20, 0.2, lambda rng, size: rng.laplace(size=size), (1.0, 2.0, 0.0, 0.5)),
    "Student's t, 5": _apart(20, 0.2, lambda rng, size: rng.standard_t(5, size), (T5, 5 / 3, 0.0, T5 / 2)),
    "exponential": _apart(
        20, 0.2, lambda rng, size: rng.standard_exponential(size) - 1, (2 / np.e, 1.0, 0.0, 1 / np.e)
    ),
    "90 % exact, Laplace": _apart(
        20, 0.2, lambda rng, size: rng.laplace(size=size) * (rng.random(size) < 0.1), (0.1, 0.2, 0.0, 0.05)
    ),
    "growing": _growing(20, 0.2, 0.2),
    "log-normal label": _apart(
        1, 1, lambda rng, size: 0.5 * rng.standard_normal(size), (NORMAL / 2, 0.25, 0.0, NORMAL / 4)
    ),
    "growing, log-normal label": _growing(1, 1, 0.3),
    "normal label": Law(_explained, NORMAL, 1.0, 0.0, NORMAL / 2, np.nan, 2.0),
    "shrunk to half": Law(
        _shrunk, NORMAL * np.sqrt(0.29), 0.29, 0.0, NORMAL * np.sqrt(0.29) / 2, np.nan, 1.0
    ),
}


def _summary(grid: Grid, draw: Draw, rng: np.random.Generator, runs: int, n: int) -> Summary:
    """So many windows of n rows, drawn and counted a few million rows at a time."""
    step, parts = max(1, ROWS_AT_ONCE // n), []
    for start in range(0, runs, step):
        some = min(step, runs - start)
        label, error = draw(rng, some * n)
        parts.append(summarise_error(grid, label, label + error, windows(some, n), some))
    return Summary.stack(parts)


def errors(rng: np.random.Generator, runs: int) -> Iterator[Line]:
    """Each figure under each law."""
    for case, law in LAWS.items():
        label, error = law.draw(rng, 1000)
        grid = error_grid(label, label + error)
        for n in SIZES:
            summary = _summary(grid, law.draw, rng, runs_at(runs, n), n)
            for name, truth in law.truths().items():
                yield line(name, case, summary, truth, n)
            if case == "normal":
                yield line("error_p95", case, summary, float(special.ndtri(0.95)), n)


SIMULATIONS = (errors,)

if __name__ == "__main__":
    show(SIMULATIONS, __doc__)
