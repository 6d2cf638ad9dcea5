"""Laws by which series come about, for the benchmarks of the adviser: a reference and a history are drawn from one, and fresh
windows of the same law.

Cases: independent normal rows (iid), autocorrelated by .5 (ar), a level of its own for each day of .1 sd (day), levels
autocorrelated by .6 (arlevel), a weekly wave of .2 sd (season), Student's t on 3 degrees of freedom (heavy), 60 rows a day
(small), counts of Poisson's law (discrete), a category and a classifier's accuracy beside a number (mixed), and all at once:
weekdays, heavy tails, fewer rows at the weekend and levels that hang together (real).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal, special

from vedette.statistics import Grid, Summary, category_grid, numeric_grid, quality_grid
from vedette.strategy import batch_numbers, inflation, of_reference, plan
from vedette.strategy.advice import History, history

Array = np.ndarray
DAY_S = 86400.0
REFERENCE, PILOT = 5000, 1000
MISSING = 0.02
LENGTHS = (30, 60, 90)


@dataclass(frozen=True)
class Law:
    """How a series comes about: ``rows`` a day, ``below`` the distribution function of independent rows, or
    ``autocorrelation`` of normal ones; standard deviations of the weekly wave, of days, their autocorrelation; ``weekend``
    is the share of rows on Saturdays and Sundays; ``mixed`` adds a category and an accuracy.
    """

    rows: int = 500
    below: Callable[[Array], Array] = special.ndtr
    draw: Callable[[np.random.Generator, int], Array] = lambda random, n: random.normal(size=n)
    autocorrelation: float = 0.0
    wave: float = 0.0
    day: float = 0.0
    lasting: float = 0.0
    weekend: float = 1.0
    mixed: bool = False
    columns: int = 3


UNIT_T3 = np.sqrt(1 / 3)
LAWS = {
    "iid": Law(),
    "ar": Law(autocorrelation=0.5),
    "day": Law(day=0.1),
    "arlevel": Law(day=0.1, lasting=0.6),
    "season": Law(wave=0.2, day=0.03),
    "heavy": Law(
        below=lambda x: special.stdtr(3.0, x / UNIT_T3),
        draw=lambda random, n: random.standard_t(3.0, n) * UNIT_T3,
    ),
    "small": Law(rows=60),
    "discrete": Law(
        below=lambda x: np.where(x <= 0, 0.0, special.pdtr(np.maximum(np.ceil(x) - 1, 0), 3.0)),
        draw=lambda random, n: random.poisson(3.0, n).astype(np.float64),
    ),
    "mixed": Law(mixed=True, columns=1, day=0.05),
    "real": Law(
        rows=800,
        below=lambda x: special.stdtr(4.0, x * np.sqrt(2)),
        draw=lambda random, n: random.standard_t(4.0, n) / np.sqrt(2),
        wave=0.15,
        day=0.08,
        lasting=0.5,
        weekend=0.4,
    ),
}  # fmt: skip


class Source:
    """Draws windows of a law on the grids of one reference."""

    def __init__(self, law: Law, random: np.random.Generator) -> None:
        self.law, self.random = law, random
        self.phase = random.random(law.columns)
        self.names = [f"x{at}" for at in range(law.columns)]
        rows = self._rows(1, 1, REFERENCE)[0, 0]
        self.grids: dict[str, Grid] = {
            name: numeric_grid(name, rows[:PILOT, at]) for at, name in enumerate(self.names)
        }
        self.batches = {
            name: self._summary(self.grids[name], self._batched(self.grids[name], rows[PILOT:, at]))
            for at, name in enumerate(self.names)
        }
        if law.mixed:
            self.grids["c"] = category_grid("c", {"a": 60, "b": 30, "d": 10}, ["e"])
            self.grids["_quality"] = quality_grid(("0", "1"), None, "_quality")
            n, numbers = REFERENCE - PILOT, batch_numbers(REFERENCE - PILOT)[1]
            for name in ("c", "_quality"):
                shares = self._shares(name, np.zeros((1, numbers)))[0]
                counts = random.multinomial(n // numbers, shares)
                self.batches[name] = self._summary(self.grids[name], counts)

    def counts(self, n_runs: int, first_day: int, n_days: int) -> dict[str, Array]:
        """int64[R, T, cells + 1] of each column, of days from ``first_day`` on; each run is another course of the law."""
        law, days = self.law, first_day + np.arange(n_days)
        n = np.where(days % 7 >= 5, round(law.rows * law.weekend), law.rows)
        wave = law.wave * np.sqrt(2) * np.sin(2 * np.pi * (days[:, None] / 7 + self.phase))
        found = {}
        for at, name in enumerate(self.names):
            level = wave[:, at] + self._levels(n_runs, n_days)
            grid = self.grids[name]
            if law.autocorrelation:
                found[name] = self._counted(
                    grid, self._rows(n_runs, n_days, law.rows, 1)[..., 0] + level[..., None]
                )
                continue
            cut = law.below(grid.edges - level[..., None])
            ends = np.ones((*level.shape, 1))
            shares = np.diff(np.concatenate([0 * ends, cut, ends], axis=2), axis=2) * (1 - MISSING)
            shares = np.concatenate([np.maximum(shares, 0.0), MISSING * ends], axis=2)
            found[name] = self.random.multinomial(np.broadcast_to(n, level.shape), shares)
        if law.mixed:
            for name in ("c", "_quality"):
                shares = self._shares(name, self._levels(n_runs, n_days))
                found[name] = self.random.multinomial(np.broadcast_to(n, shares.shape[:2]), shares)
        return found

    def _levels(self, n_runs: int, n_days: int) -> Array:
        law, noise = self.law, self.random.normal(size=(n_runs, n_days))
        if law.lasting:
            noise[:, 1:] *= np.sqrt(1 - law.lasting**2)
            noise = signal.lfilter([1.0], [1.0, -law.lasting], noise, axis=1)
        return law.day * noise

    def _shares(self, name: str, level: Array) -> Array:
        """Shares [R, T, cells + 1] of levels, or of a classifier's cells, where a level moves a logit."""
        grid = self.grids[name]
        out = np.zeros((*level.shape, grid.cells + 1))
        if name == "c":
            a = special.expit(special.logit(0.6) + level)
            out[..., 0], out[..., 1], out[..., 2] = a, (1 - a) * 0.75, (1 - a) * 0.24
            out[..., 3] = (1 - a) * 0.01
        else:
            right = special.expit(special.logit(0.9) + level)
            cube = np.zeros((*level.shape, *grid.shape))
            for label in (0, 1):
                cube[..., -1, label, label] = 0.5 * right
                cube[..., -1, label, 1 - label] = 0.5 * (1 - right)
            out[..., : grid.row_cells] = cube.reshape(*level.shape, -1)
        return out / out.sum(axis=-1, keepdims=True)

    def _rows(self, n_runs: int, n_days: int, n: int, columns: int | None = None) -> Array:
        columns = columns or self.law.columns
        if not self.law.autocorrelation:
            return self.law.draw(self.random, n_runs * n_days * n * columns).reshape(
                n_runs, n_days, n, columns
            )
        phi = self.law.autocorrelation
        noise = self.random.normal(size=(n_runs, columns, n_days * n)) * np.sqrt(1 - phi * phi)
        found = signal.lfilter([1.0], [1.0, -phi], noise, axis=2)
        return np.moveaxis(found, 1, 2).reshape(n_runs, n_days, n, columns)

    def _counted(self, grid: Grid, rows: Array) -> Array:
        """Counts of rows [R, T, n], some of which are missing."""
        cell = np.searchsorted(grid.edges, rows, side="right")
        cell[self.random.random(rows.shape) < MISSING] = grid.cells
        flat = cell.reshape(-1, rows.shape[-1])
        place = np.arange(len(flat))[:, None] * (grid.cells + 1) + flat
        counts = np.bincount(place.ravel(), minlength=len(flat) * (grid.cells + 1))
        return counts.reshape(*rows.shape[:-1], grid.cells + 1)

    def _batched(self, grid: Grid, rows: Array) -> Array:
        number, n_batches = batch_numbers(len(rows))
        return np.concatenate(
            [self._counted(grid, rows[None, number == at])[0][None] for at in range(n_batches)]
        )

    def _summary(self, grid: Grid, counts: Array) -> Summary:
        counts = counts.astype(np.int64)
        made = replace(
            Summary.empty(grid, len(counts), 0),
            rows=counts.sum(axis=1),
            counts=counts[:, :-1],
            missing=counts[:, -1],
        )
        if not len(grid.edges):
            return made
        middle = np.concatenate([grid.edges[:1], 0.5 * (grid.edges[1:] + grid.edges[:-1]), grid.edges[-1:]])
        inside = counts[:, :-1].astype(np.float64)
        ends = np.full(len(counts), middle[0]), np.full(len(counts), middle[-1])
        return replace(made, total=inside @ (middle - grid.centre), minimum=ends[0], maximum=ends[1])

    def history(self, n_windows: int, budget: float) -> History:
        """A history of so many days, with the reference's noise as an engine would know it."""
        counts = {name: one[0] for name, one in self.counts(1, 0, n_windows).items()}
        reference = {name: one.merged() for name, one in self.batches.items()}
        watches = plan(reference, "series")
        windows = {name: self._summary(self.grids[name], one) for name, one in counts.items()}
        noise = inflation(watches, self.batches)
        start = np.arange(n_windows) * DAY_S + 4 * DAY_S  # day 0 is a Monday
        return history(
            watches,
            reference,
            windows,
            start,
            inflation=noise,
            window_s=DAY_S,
            budget=budget,
            series=True,
            findings=of_reference(watches, self.batches),
        )


def series_of(
    case: str, number: int, seed: int, budget: float
) -> tuple[Source, History, np.random.Generator]:
    """A series of a law: what draws its windows, its history, of 30, 60 or 90 days in turn, and the generator of both."""
    random = np.random.default_rng([seed, number, *case.encode()])
    source = Source(LAWS[case], random)
    length = LENGTHS[(number + list(LAWS).index(case)) % len(LENGTHS)]  # a few cases have all lengths
    return source, source.history(length, budget), random
