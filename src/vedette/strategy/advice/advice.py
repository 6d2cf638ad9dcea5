"""The advice: which strategy, how sure that is, and what the monitoring can and cannot see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vedette.strategy.advice.faults import FAULTS
from vedette.strategy.advice.race import Course
from vedette.strategy.advice.runners import Cell, Runner
from vedette.strategy.advice.survival import Delay, delay_of

__all__ = ["Advice", "Entry", "Sight", "advise"]

STAY = 0.05
"""What is in force stays unless another is faster by more than this share of the delay: a race on one history, of replays
that are like it, cannot tell less."""


_EXPOSURE_MIN = (
    10.0  # false alarms that the budget allows in the calm months: fewer, and most keep it by chance
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the race showed of a candidate.

    ``rate``, ``rate_low`` and ``rate_high`` are false alarms a month over everything watched, with exact 95 % limits;
    ``delay`` is the mean delay in windows over the faults that count, ``delay_low`` and ``delay_high`` its 95 % interval.
    ``within`` is True where the upper limit is within the budget, or a part of it (``Track.limit_of``).
    ``left`` says why it left the race, ``lines`` what to write into vedette.toml, that it be in force, ``runs`` whether
    vedette can run it.
    """

    name: str
    words: str
    guarantee: str
    runs: bool
    rate: float
    rate_low: float
    rate_high: float
    delay: float
    delay_low: float
    delay_high: float
    within: bool
    left: str | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """How soon the choice sees a fault of a size; ``words`` names both."""

    fault: str
    size: float
    words: str
    delay: Delay


@dataclass(frozen=True, slots=True)
class Advice:
    """What is advised, and what it rests on.

    ``choice`` is the candidate with the least delay of those that vedette can run and that keep the budget; ``sure`` is
    False where none was shown to keep it in the time there was, and what is ``in_force`` stays. ``runner_up`` is the next
    one, ``lead`` by how many windows it is slower on the same replays, with its 95 % interval. ``regret`` is by how many
    windows the choice is slower than the fastest that keeps the budget, ``fastest``, whether or not vedette can run it.
    ``left_out`` has the names of those who could not race, and why. ``detectors`` is the share of the budget that detectors
    had where they raced alone: 0.8 where series are on and the history is too short for them.
    """

    choice: Entry
    in_force: str
    sure: bool
    runner_up: Entry | None
    lead: tuple[float, float, float] | None
    regret: float
    fastest: str
    entries: tuple[Entry, ...]
    sights: tuple[Sight, ...]
    budget: float
    window_s: float
    horizon: int
    n_windows: int
    months: float
    n_replays: int
    block: int
    period: int
    columns: int
    columns_raced: int
    stopped: str
    left_out: tuple[tuple[str, str], ...] = ()
    detectors: float = 1.0


def advise(course: Course, *, seed: int = 0, in_force: str = "e_detector") -> Advice:
    """The advice that a race gives: least expected delay, subject to the upper limit of false alarms within the budget.

    ``in_force`` is what watches the model now: it stays unless another is clearly faster, or nothing keeps the budget.
    Raises ``ValueError`` where it is not among those who raced.
    """
    random = np.random.default_rng([seed, 1])
    history = course.track.history
    entries = {one.name: _entry(course, one) for one in course.runners}
    runners = {one.name: one for one in course.runners}
    within = [one for one in entries.values() if one.within]
    able = [one for one in within if one.runs]
    if in_force not in entries:
        raise ValueError(f"in_force={in_force!r}: must be one of those who raced: {', '.join(entries)}")
    default = entries[in_force]
    choice = min(able, key=lambda one: one.delay, default=default)
    exposure = runners[in_force].windows * history.months * history.share * history.budget
    if not default.within and default.left is None and exposure < _EXPOSURE_MIN:
        choice = default  # in so short a time what is slower may seem to keep the budget, by chance alone
    if default.within and default.delay <= choice.delay * (1.0 + STAY):
        choice = default
    rest = [one for one in able if one is not choice]
    runner_up = min(rest, key=lambda one: one.delay, default=None)
    fastest = min(within, key=lambda one: one.delay, default=choice)
    sights = [_sight(course, runners[choice.name], cell, random) for cell in course.cells]
    return Advice(
        choice=choice,
        in_force=in_force,
        sure=choice.within,
        runner_up=runner_up,
        lead=None if runner_up is None else _lead(course, runners[choice.name], runners[runner_up.name]),
        regret=max(choice.delay - fastest.delay, 0.0),
        fastest=fastest.name,
        entries=tuple(sorted(entries.values(), key=lambda one: (not one.within, one.delay))),
        sights=tuple(sights),
        budget=history.budget,
        window_s=history.window_s,
        horizon=course.track.horizon,
        n_windows=len(history.start),
        months=runners[choice.name].windows * history.months,
        n_replays=len(np.concatenate(runners[choice.name].losses)),
        block=course.track.block,
        period=history.period,
        columns=len(history.plan.grids),
        columns_raced=len(history.columns),
        stopped=course.stopped,
        left_out=tuple(course.left_out.items()),
        detectors=history.detectors,
    )


def _entry(course: Course, runner: Runner) -> Entry:
    rate, low, high = course.rate(runner)
    loss = course.loss(runner)
    mean, half = float(loss.mean()), _half_width(loss)
    return Entry(
        runner.name,
        runner.candidate.words,
        runner.candidate.guarantee,
        runner.candidate.runs,
        rate,
        low,
        high,
        mean,
        mean - half,
        mean + half,
        high <= course.track.limit_of(runner) and runner.out != "over the budget",
        runner.out,
        tuple(runner.ready.lines),
    )


def _half_width(x: np.ndarray) -> float:
    return 1.96 * float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.inf


def _lead(course: Course, choice: Runner, other: Runner) -> tuple[float, float, float]:
    """By how much the other is slower, on the replays that both ran."""
    ours, theirs = course.loss(choice), course.loss(other)
    n = min(len(ours), len(theirs))
    gap = theirs[:n] - ours[:n]
    mean, half = float(gap.mean()), _half_width(gap)
    return mean, mean - half, mean + half


def _sight(course: Course, runner: Runner, cell: Cell, random: np.random.Generator) -> Sight:
    time, seen = np.concatenate(runner.times[cell]), np.concatenate(runner.seen[cell])
    name, size = cell
    return Sight(name, size, _words(name, size), delay_of(time, seen, float(course.track.horizon), random))


def _words(name: str, size: float) -> str:
    """A fault of a size in words.

    >>> _words("step", 0.25), _words("accuracy", 0.01), _words("delay", 2.0)
    ('values move by 0.25 sd', 'a drop of 1 % in accuracy', 'labels come 2 windows later')
    """
    fault = FAULTS[name]
    if fault.unit == "share":
        shown = f"{100 * size:g} %"
    else:
        shown = f"{size:g} sd" if fault.unit == "sd" else f"{size:g}"
    return fault.words.format(shown)
