"""What the simulations of coverage share: the line of a case, and how lines are made and printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vedette.statistics import STATISTICS, Summary

__all__ = ["LEVEL", "SIZES", "Line", "Simulation", "line", "runs_at", "show", "windows"]

LEVEL = 0.95
SIZES = (30, 100, 1_000, 10_000, 100_000)
"""Rows in a window."""

LOWEST, HIGHEST = 0.93, 0.97


@dataclass(frozen=True, slots=True)
class Line:
    """What one simulation found: the limits of each window, and the truth of all or of each.

    ``n`` rows in a window, ``m`` in the reference (0: there is none). A limit that is NaN is a window whose
    figure is a reason; it counts neither for nor against.

    >>> held = Line("mean", "a case", 30, 0, np.array([0.0] * 95 + [1.5] * 5), np.full(100, 2.0), np.array(1.0))
    >>> held.holds, held.verdict
    (0.95, 'ok')
    """

    metric: str
    case: str
    n: int
    m: int
    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray

    @property
    def misses(self) -> tuple[float, float]:
        """The shares of windows whose interval lies below and above the truth."""
        done = self.done
        truth = np.broadcast_to(self.truth, self.low.shape)[done]
        slack = 1e-12 * (1 + np.abs(truth))
        if not done.any():
            return 0.0, 0.0
        below, above = self.high[done] < truth - slack, self.low[done] > truth + slack
        return float(below.mean()), float(above.mean())

    @property
    def holds(self) -> float:
        """The share of windows whose interval holds the truth."""
        return 1.0 - sum(self.misses)

    @property
    def done(self) -> np.ndarray:
        """The windows that have a figure."""
        return np.isfinite(self.low)

    @property
    def verdict(self) -> str:
        """``ok``, ``conservative`` above 0.97, ``LOW`` below 0.93 by more than chance, ``UNKNOWN``: mostly reasons."""
        done = int(self.done.sum())
        if 2 * done < len(self.low):
            return "UNKNOWN"
        noise = 2 * np.sqrt(LOWEST * (1 - LOWEST) / done)
        if self.holds < LOWEST - noise:
            return "LOW"
        return "conservative" if self.holds > HIGHEST else "ok"

    def __str__(self) -> str:
        done, (below, above) = self.done, self.misses
        width = float((self.high[done] - self.low[done]).mean()) if done.any() else np.nan
        sizes = f"{self.n:>7} {self.m or '':>7}"
        numbers = f"{self.holds:7.3f} {below:7.3f} {above:8.3f} {width:10.4g} {done.sum():6}"
        return f"{self.metric:20} {self.case:30} {sizes} {numbers}  {self.verdict}"


Simulation = Callable[[np.random.Generator, int], Iterator[Line]]
"""A generator of lines, given random numbers and the number of windows a line."""


def windows(runs: int, n: int) -> np.ndarray:
    """The window of each row, of ``runs`` windows with ``n`` rows each."""
    return np.repeat(np.arange(runs), n)


def runs_at(runs: int, n: int, rows_most: int = 20_000_000) -> int:
    """How many windows of n rows are worth simulating row by row: fewer of great ones, never under 200."""
    return max(min(runs, 200), min(runs, rows_most // n))


def line(
    metric: str, case: str, summary: Summary, truth: float, n: int, reference: Summary | None = None
) -> Line:
    """The line of a statistic over the windows of a summary."""
    figures = STATISTICS[metric].figures(summary, reference, LEVEL)
    m = 0 if reference is None else int(reference.used.sum())
    return Line(metric, case, n, m, figures.low, figures.high, np.array(truth))


def show(simulations: Iterable[Simulation], description: str | None) -> None:
    """Read ``--runs``, ``--seed`` and ``--only`` from the command line, simulate, and print the table."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=2000, help="simulated windows a line (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="lines of the statistics whose name starts with this")
    arguments = parser.parse_args()
    head = f"{'statistic':20} {'case':30} {'rows':>7} {'refer.':>7}"
    print(f"{head} {'holds':>7} {'too low':>7} {'too high':>8} {'width':>10} {'runs':>6}")
    verdicts: dict[str, int] = {}
    for simulate in simulations:
        for found in simulate(np.random.default_rng(arguments.seed), arguments.runs):
            if found.metric.startswith(arguments.only):
                print(found, flush=True)
                verdicts[found.verdict] = verdicts.get(found.verdict, 0) + 1
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
