"""Whether the adviser's choice is the best in hindsight, and whether it keeps the budget, on fresh data of known law.

Each series has a law: columns, how levels of windows come about, how rows do. A reference of 5,000 rows and a history of 30,
60 or 90 windows are drawn from it; the adviser sees these alone. Then every candidate, with the thresholds that the adviser
set, runs over fresh windows of the same law, calm ones for false alarms and struck ones for delays. The best in hindsight
is the fastest of those that vedette can run (detectors for independent rows where no test of dependence speaks against them)
and whose fresh false alarms are within the budget (told beside it: with their
whole 95 % interval); "broken" means that those of the choice are over it, "surely" with their whole interval.

    python benchmarks/judgement/adviser.py --series 40 --rounds 10        twenty minutes on one core
    python benchmarks/judgement/adviser.py --case iid --case season --series 2 --verbose

Cases: independent normal rows (iid), autocorrelated by .5 (ar), a level of its own for each day of .1 sd (day), levels
autocorrelated by .6 (arlevel), a weekly wave of .2 sd (season), Student's t on 3 degrees of freedom (heavy), 60 rows a day
(small), counts of Poisson's law (discrete), a category and a classifier's accuracy beside a number (mixed), and all at once:
weekdays, heavy tails, fewer rows at the weekend and levels that hang together (real).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal, special

from vedette.statistics import Grid, Summary, category_grid, numeric_grid, quality_grid
from vedette.strategy import batch_numbers, inflation, of_reference, plan
from vedette.strategy.advice import Course, History, Replays, advise, history, race
from vedette.strategy.advice.rounds import RUNS, run
from vedette.strategy.advice.runners import Runner

Array = np.ndarray
DAY_S = 86400.0
REFERENCE, PILOT = 5000, 1000
MISSING = 0.02
LENGTHS = (30, 60, 90)
WITHIN = 1.1


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


def hindsight(course: Course, source: Source, rounds: int, random: np.random.Generator) -> Course:
    """The same candidates on fresh windows of the law."""
    track = course.track
    runners = [Runner(one.name, one.candidate, one.ready) for one in course.runners]
    start = track.history.start[-1] + DAY_S * (1.0 + np.arange(track.n_windows))
    for _ in range(rounds):
        fresh = source.counts(RUNS, len(track.history.start), track.n_windows)
        calm = {name: Replays(one.astype(np.int64), start) for name, one in fresh.items()}
        run(track, runners, course.cells, calm, random)
    return replace(course, runners=tuple(runners), rounds=rounds)


@dataclass(frozen=True)
class Outcome:
    """What the adviser chose of a series, and what fresh data say of it."""

    case: str
    choice: str
    best: str
    ratio: float
    ratio_of_all: float
    ratio_of_shown: float
    rate: float
    rate_low: float
    chosen_from: int


def outcome(case: str, number: int, options: argparse.Namespace) -> Outcome:
    """One series: advice from its history, and the candidates on fresh data."""
    random = np.random.default_rng([options.seed, number, *case.encode()])
    source = Source(LAWS[case], random)
    length = LENGTHS[(number + list(LAWS).index(case)) % len(LENGTHS)]  # a few cases have all lengths
    past = source.history(length, options.budget)
    course = race(past, seed=number, rounds_max=options.race_rounds)
    raced = {one.name for one in course.runners}
    advice = advise(course, in_force="series" if "series" in raced else "e_detector")
    fresh = hindsight(course, source, options.rounds, random)
    runners = {one.name: one for one in fresh.runners}
    rates = {name: fresh.rate(one) for name, one in runners.items()}
    within = [name for name in runners if rates[name][0] <= options.budget]
    able = [name for name in within if runners[name].candidate.runs] or [advice.choice.name]
    shown = np.array(
        [max(runners[name].share_seen(cell) for name in able) >= 0.5 for cell in fresh.cells], dtype=np.bool_
    )
    delay = {name: float(np.concatenate(one.losses)[:, shown].mean()) for name, one in runners.items()}
    best = min(able, key=delay.__getitem__)
    shown_within = [name for name in able if rates[name][2] <= options.budget] or [best]
    best_shown = min(shown_within, key=delay.__getitem__)
    best_of_all = min([*within, best], key=delay.__getitem__)
    mine = advice.choice.name
    if options.verbose:
        print(
            f"  {case} {number}: period {past.period}, {len(past.start)} windows, block {course.track.block}, "
            f"{course.rounds} rounds, {course.stopped}, sure {advice.sure}"
        )
        for entry in advice.entries:
            name = entry.name
            print(
                f"    {name:16} replays {entry.rate:5.2f} [{entry.rate_low:.2f}, {entry.rate_high:.2f}] {entry.delay:6.2f}"
                f"   fresh {rates[name][0]:5.2f} [{rates[name][1]:.2f}, {rates[name][2]:.2f}] {delay[name]:6.2f}"
                f"   {entry.left or ''}"
            )
    return Outcome(
        case,
        mine,
        best,
        delay[mine] / delay[best],
        delay[mine] / delay[best_of_all],
        delay[mine] / delay[best_shown],
        rates[mine][0],
        rates[mine][1],
        len(able),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=LAWS, help="default all, in turn")
    parser.add_argument("--series", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="number of the first series, to share them out")
    parser.add_argument(
        "--rounds", type=int, default=10, help="of 16 fresh runs of 36 days, for the hindsight"
    )
    parser.add_argument("--race-rounds", type=int, default=20, help="at most, for the advice")
    parser.add_argument("--budget", type=float, default=1.0, help="false alarms a month")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    cases, found, clock = options.case or list(LAWS), [], time.process_time()
    for number in range(options.first, options.first + options.series):
        one = outcome(cases[number % len(cases)], number // len(cases), options)
        found.append(one)
        print(
            f"{one.case:9} {one.choice:15} best {one.best:15} delay {one.ratio:5.2f} of the best "
            f"({one.ratio_of_all:.2f} with those it cannot run), {one.rate:.2f} false alarms a month"
            f"{', BROKEN' if one.rate > options.budget else ''}{' surely' if one.rate_low > options.budget else ''}",
            flush=True,
        )
    broken = np.array([one.rate > options.budget for one in found])
    # what breaks the budget is fast for nothing
    ratio = np.where(broken, np.inf, [one.ratio for one in found])
    surely = np.array([one.rate_low > options.budget for one in found])
    of_shown = np.where(broken, np.inf, [one.ratio_of_shown for one in found])
    of_all = np.where(broken, np.inf, [one.ratio_of_all for one in found])
    print(
        f"{len(found)} series, seed {options.seed}: within 10 % of the best in hindsight {100 * np.mean(ratio <= WITHIN):.1f} % "
        f"(of those whose upper limit is within the budget {100 * np.mean(of_shown <= WITHIN):.1f} %; with those that vedette "
        f"cannot run {100 * np.mean(of_all <= WITHIN):.1f} %), median ratio {np.median(ratio):.3f}, "
        f"worst {ratio.max():.2f}; budget of {options.budget:g} broken on {broken.sum()}, surely on {surely.sum()}; "
        f"most false alarms a month {max(one.rate for one in found):.2f}; {time.process_time() - clock:.0f} s of processor"
    )


if __name__ == "__main__":
    main()
