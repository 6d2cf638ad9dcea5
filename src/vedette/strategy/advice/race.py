"""The race: all candidates on the same replays, calm ones for false alarms and struck ones for delays.

Each round (``rounds``) draws new replays from the history (``track``), the same for all (common random numbers), so that
candidates (``runners``) are compared run by run, until enough have left (``elimination``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from vedette.strategy.advice.candidates import CANDIDATES, Candidate
from vedette.strategy.advice.elimination import decided, losses_of, visible_cells
from vedette.strategy.advice.faults import faults_of
from vedette.strategy.advice.history import History
from vedette.strategy.advice.noise import CAUTION
from vedette.strategy.advice.rounds import RUNS, more_calm, run, watch
from vedette.strategy.advice.runners import Cell, Runner
from vedette.strategy.advice.survival import poisson_limits
from vedette.strategy.advice.track import COLUMNS_MAX, Track, restricted
from vedette.strategy.records import Bools, Floats

__all__ = ["TIME_OVER", "Course", "race"]

TIME_OVER = "the time was over"
"""Why a race stopped that was not decided."""

_CALIBRATION_MONTHS = 240.0
_CALIBRATION_RUNS = (100, 400)
_ROUNDS_MIN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What came of a race; ``left_out`` says why others could not race."""

    track: Track
    runners: tuple[Runner, ...]
    cells: tuple[Cell, ...]
    rounds: int
    stopped: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def visible(self) -> Bools:
        """Which cells [C] count: half of the replays or more are seen by one of those that are within the budget."""
        return visible_cells(self.runners, self.cells)

    def rate(self, runner: Runner) -> tuple[float, float, float]:
        """False alarms a month over everything watched: the rate, and its exact 95 % limits."""
        history = self.track.history
        exposure = runner.windows * history.months * history.share
        low, high = poisson_limits(runner.false_alarms, exposure)
        return runner.false_alarms / exposure, low, high

    def loss(self, runner: Runner) -> Floats:
        """The mean delay in windows of each replay [R], over the cells that count."""
        return losses_of(runner, self.visible)


def race(
    history: History,
    *,
    seed: int,
    candidates: Mapping[str, Candidate] = CANDIDATES,
    rounds_max: int = 40,
    columns_max: int = COLUMNS_MAX,
    go_on: Callable[[], bool] = lambda: True,
    late: Callable[[bool], bool] = lambda _first: False,
    tell: Callable[[int, int, str], None] | None = None,
) -> Course:
    """Race candidates on replays of a history, for as many rounds as it takes, at most ``rounds_max``.

    ``go_on`` is asked before each round but the first, and says whether there is time; ``late`` within a round, whether it is
    to be left: it gets True where it is the first. What is left has not been, but of the first round the columns count that
    were through. Those who were not ready in time are left out, from the last one back. ``tell`` gets the rounds done, the
    most there are, and what is done. Raises ``TimeoutError`` where not even one column was through.
    """
    random = np.random.default_rng(seed)
    track = Track.of(history, columns_max=columns_max)
    if track.unsure:
        track = Track.of(history, CAUTION, columns_max)

    def said(done: int, what: str) -> None:
        if tell is not None:
            tell(done, rounds_max, what)

    said(0, "setting thresholds")
    calm = Track.of(history, CAUTION, columns_max).calm(_calibration_runs(track), random)
    runners: list[Runner] = []
    reasons = {name: one.unfit(track.history) for name, one in candidates.items()}
    left_out = {name: why for name, why in reasons.items() if why is not None}
    for name, one in candidates.items():
        if name in left_out:
            continue
        if runners and late(True):
            left_out[name] = "the time was over before it was ready"
            continue
        said(0, f"setting {name}")
        runners.append(Runner(name, one, one.fit(track.history, calm)))
    del calm
    struck = {source: faults_of(track.history, one) for source, one in track.history.columns.items()}
    cells = tuple(dict.fromkeys((fault.name, size) for some in struck.values() for fault, size in some))
    done, stopped = 0, "the rounds were over"
    while done < rounds_max:
        if done and not go_on():
            stopped = TIME_OVER
            break
        said(done, f"{sum(one.out is None for one in runners)} in the race")
        first = done == 0
        through = run(
            track,
            runners,
            cells,
            track.calm(RUNS, random),
            random,
            partial(late, first),
            keep=first,
        )
        if len(through) < len(track.history.columns):
            stopped = TIME_OVER
            if first:
                track, cells, done = (
                    replace(track, history=restricted(track.history, through)),
                    _run_of(runners, cells),
                    1,
                )
            break
        if more_calm(track) > 0:
            watch(track, runners, track.calm(more_calm(track), random))
        done += 1
        if done >= _ROUNDS_MIN and decided(track, runners, cells):
            stopped = "it was decided"
            break
    return Course(track, tuple(runners), cells, done, stopped, left_out)


def _run_of(runners: Sequence[Runner], cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Those of the cells that were run."""
    return tuple(one for one in cells if one in runners[0].times)


def _calibration_runs(track: Track) -> int:
    least, most = _CALIBRATION_RUNS
    return int(min(max(_CALIBRATION_MONTHS / (track.n_windows * track.history.months), least), most))
