"""The race: all candidates on the same replays, calm ones for false alarms and struck ones for delays.

Each round draws new replays, the same for all (common random numbers), so that candidates are compared run by run. A
candidate leaves the race as soon as its false alarms are surely over the budget, or its delay is surely greater than the
leader's: by a confidence sequence, which holds at whatever round one looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from vedette.strategy.advice.bootstrap import CAUTION, FAIR, Noise, draw, length_of, noises_of, orders
from vedette.strategy.advice.candidates import CANDIDATES, Candidate, Ready
from vedette.strategy.advice.detectors import Detectors
from vedette.strategy.advice.expected import judge_series
from vedette.strategy.advice.faults import faults_of, inject
from vedette.strategy.advice.history import Column, History
from vedette.strategy.advice.replays import Replays
from vedette.strategy.advice.survival import poisson_limits
from vedette.strategy.advice.together import judge_together
from vedette.strategy.detector import EDetectorRows
from vedette.strategy.records import Bools, Floats, Ints

__all__ = [
    "COLUMNS_MAX",
    "RUNS",
    "TIME_OVER",
    "Cell",
    "Course",
    "Runner",
    "Track",
    "confidence_sequence",
    "delays",
    "race",
    "run",
    "watch",
]

COLUMNS_MAX = 24
"""Columns that are replayed at most; of more as many are taken, evenly spread, with their share of the budget."""

RUNS = 16
"""Replays in a round."""

TIME_OVER = "the time was over"
"""Why a race stopped that was not decided."""

_OF_PHASE_MIN = 8  # windows of a phase: of fewer it is not known how the days of a weekday differ, and limits are cautious
_TOGETHER_MAX = 3000  # struck replays that are judged side by side: some 20 MiB, and about a second between looks at the clock
_CALM_MONTHS = 12.0  # of a round: where windows are short, more calm replays than struck ones
_CALM_RUNS_MAX = 128
_CALIBRATION_MONTHS = 240.0
_CALIBRATION_RUNS = (100, 400)
_HORIZON = (20, 72)
_ROUNDS_MIN = 4
_LASTING = 0.3  # autocorrelation of levels from which on
_WORTH_MIN = 20.0
_UNSURE_PART = 0.7  # of the budget, where such a history is too short to say how levels hang together
_LEVEL = 0.05
_ALIKE = 0.02  # delays that differ by less are as good as each other
_SURELY = (
    0.998  # of the interval by which a candidate leaves for its false alarms; it is looked at each round
)


Cell = tuple[str, float]
"""A fault by name, at a size."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What replays are drawn from, and how long they are: a fault begins within the first ``lead`` windows, and is watched
    for ``horizon`` windows from its first on.
    """

    history: History
    noises: Mapping[str, Noise]
    block: int
    lead: int
    horizon: int

    @classmethod
    def of(cls, history: History, caution: float = FAIR, columns_max: int = COLUMNS_MAX) -> Track:
        """The track of a history; of many columns some."""
        some = _sampled(history, columns_max)
        low, high = _HORIZON
        horizon = int(min(max(round(1.0 / history.months), low), high))
        return cls(
            some,
            noises_of(some, caution),
            length_of(some),
            24 if history.state.phases.day > 1 else 7,
            horizon,
        )

    @property
    def n_windows(self) -> int:
        """Windows of a replay."""
        return self.lead + self.horizon - 1

    @property
    def limit(self) -> float:
        """False alarms a month that the upper limit of a rate must not exceed: the budget; 0.7 of it where levels hang
        together and the history is worth fewer than 20 windows of independent ones, W (1 - a)/(1 + a).
        """
        worth = len(self.history.start) * (1.0 - self.lasting) / (1.0 + self.lasting)
        few = self.history.period == 1 and self.lasting > _LASTING and worth < _WORTH_MIN
        return self.history.budget * (_UNSURE_PART if few else 1.0)

    def limit_of(self, runner: Runner) -> float:
        """The same of one in the race: of detectors for independent rows 0.7 of the budget at most, since days that differ
        a little, which no test can see, cost these much.
        """
        rows = runner.ready.detectors is not None and runner.ready.detectors.make is EDetectorRows
        return min(self.limit, _UNSURE_PART * self.history.budget) if rows else self.limit

    @property
    def lasting(self) -> float:
        """The most autocorrelation a of levels of a column."""
        return max((one.lasting for one in self.noises.values()), default=0.0)

    @property
    def unsure(self) -> bool:
        """True where the history tells little of how windows differ: of a season it has few windows of each phase, or
        levels hang together, so that it has seen few of them.
        """
        return _short(self.history) or self.lasting > _LASTING

    def calm(self, n_runs: int, random: np.random.Generator) -> dict[str, Replays]:
        """Replays of each column without a fault; all columns in the same order of windows."""
        order = orders(self.history, n_runs, self.n_windows, random, self.block)
        again = orders(self.history, n_runs, len(self.history.start), random, self.block)
        start = self.history.start[-1] + self.history.window_s * (1.0 + np.arange(self.n_windows))
        return {
            source: Replays(draw(self.history, noise, order, again, random), start)
            for source, noise in self.noises.items()
        }


@dataclass(slots=True, eq=False)
class Runner:
    """A candidate in the race. ``losses`` has of each round the delay [R, cells] of each replay, what was not seen
    counting as the horizon; ``times`` and ``seen`` those of each cell, of all columns together; ``out`` says why it left.
    """

    name: str
    candidate: Candidate
    ready: Ready
    false_alarms: int = 0
    windows: int = 0
    losses: list[Floats] = field(default_factory=list)
    times: dict[Cell, list[Floats]] = field(default_factory=dict)
    seen: dict[Cell, list[Bools]] = field(default_factory=dict)
    out: str | None = None

    def add(self, cell: Cell, time: Floats, seen: Bools) -> None:
        """Delays of a cell."""
        self.times.setdefault(cell, []).append(time)
        self.seen.setdefault(cell, []).append(seen)

    def share_seen(self, cell: Cell) -> float:
        """The share of replays of a cell that was seen within the horizon."""
        return float(np.concatenate(self.seen[cell]).mean())


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
        return _visible(self.runners, self.cells)

    def rate(self, runner: Runner) -> tuple[float, float, float]:
        """False alarms a month over everything watched: the rate, and its exact 95 % limits."""
        history = self.track.history
        exposure = runner.windows * history.months * history.share
        low, high = poisson_limits(runner.false_alarms, exposure)
        return runner.false_alarms / exposure, low, high

    def loss(self, runner: Runner) -> Floats:
        """The mean delay in windows of each replay [R], over the cells that count."""
        return _loss(runner, self.visible)


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
                    replace(track, history=_restricted(track.history, through)),
                    _run_of(runners, cells),
                    1,
                )
            break
        watch(track, runners, _more_calm(track), random)
        done += 1
        if done >= _ROUNDS_MIN and _decided(track, runners, cells):
            stopped = "it was decided"
            break
    return Course(track, tuple(runners), cells, done, stopped, left_out)


def _run_of(runners: Sequence[Runner], cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Those of the cells that were run."""
    return tuple(one for one in cells if one in runners[0].times)


def confidence_sequence(x: Floats, level: float = 1.0 - _LEVEL, n_best: int = 200) -> tuple[float, float]:
    """Limits of the mean of x [n] that hold at every n at once, asymptotically::

        mean +- s sqrt(2 (n r^2 + 1)/(n^2 r^2) ln(sqrt(n r^2 + 1)/a))

    with s the standard deviation, a = 1 - level, and r such that they are narrowest at ``n_best``. Infinite with fewer
    than two numbers.

    >>> low, high = confidence_sequence(np.array([1.0, -1.0] * 100))
    >>> round(high, 3), round(low + high, 9)                 # 1.96/sqrt(200) = .139 at a fixed n
    (0.215, 0.0)

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas (2024), "Time-uniform central limit theory
    and asymptotic confidence sequences", Annals of Statistics 52, theorem 2.2 and its appendix on r.
    """
    n = len(x)
    if n < 2:
        return -math.inf, math.inf
    a = 1.0 - level
    r2 = (-2.0 * math.log(a) + math.log(-2.0 * math.log(a) + 1.0)) / n_best
    width = float(x.std(ddof=1)) * math.sqrt(
        2.0 * (n * r2 + 1.0) / (n * n * r2) * math.log(math.sqrt(n * r2 + 1.0) / a)
    )
    mean = float(x.mean())
    return mean - width, mean + width


def _short(history: History) -> bool:
    """True where there is a season, and few windows of each phase."""
    return history.period > 1 and len(history.start) < _OF_PHASE_MIN * history.period


def _sampled(history: History, columns_max: int) -> History:
    """The history, or so many of its columns, evenly spread."""
    if len(history.columns) <= columns_max:
        return history
    sources = list(history.columns)
    chosen = [sources[at] for at in np.linspace(0, len(sources) - 1, columns_max).round().astype(int)]
    return _restricted(history, chosen)


def _restricted(history: History, sources: Sequence[str]) -> History:
    """The history with these of its columns, and their share of the budget."""
    columns = {source: history.columns[source] for source in sources}
    weight = sum(float(history.state.weight[one.at].sum()) for one in columns.values())
    return replace(history, columns=columns, share=weight / float(history.state.weight.sum()))


def _calibration_runs(track: Track) -> int:
    least, most = _CALIBRATION_RUNS
    return int(min(max(_CALIBRATION_MONTHS / (track.n_windows * track.history.months), least), most))


def run(
    track: Track,
    runners: Sequence[Runner],
    cells: Sequence[Cell],
    calm: Mapping[str, Replays],
    random: np.random.Generator,
    late: Callable[[], bool] = lambda: False,
    *,
    keep: bool = False,
) -> tuple[str, ...]:
    """Let those who are in the race run over calm replays of each column, and over the same with each fault.

    ``late`` is asked between the parts of it, and whether to leave it. Then nothing is entered, or with ``keep`` what there is
    of the columns that were through; these are returned. Raises ``TimeoutError`` where there is nothing to keep.
    """
    n_runs = next(iter(calm.values())).counts.shape[0]
    onset: Ints = np.asarray(random.integers(0, track.lead, n_runs), dtype=np.int64)
    racing = [one for one in runners if one.out is None]
    found: dict[str, _Told] = {}
    for part in _parts(track, n_runs):
        struck = {
            source: _struck(track, track.history.columns[source], calm[source], onset, random)
            for source in part
        }
        own = {source: calm[source] for source in part}
        if late() or not _together(track, racing, own, struck, onset, late):
            break
        for source in part:
            if late():
                break
            found[source] = _Told.of(track, racing, source, calm[source], struck.pop(source), onset)
            calm[source].forget()
    if len(found) == len(track.history.columns) or (keep and found):
        struck_by = {cell for told in found.values() for own in told.delays.values() for cell in own}
        _enter(racing, [one for one in cells if one in struck_by], found, n_runs, track)
    elif keep:
        raise TimeoutError("the time was over before a column was replayed")
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What those in the race told of the replays of a column: false alarms of each, and of each cell time and whether it was
    seen [R].
    """

    false_alarms: Mapping[str, int]
    delays: Mapping[str, Mapping[Cell, tuple[Floats, Bools]]]

    @classmethod
    def of(
        cls, track: Track, racing: Sequence[Runner], source: str, calm: Replays, struck: Replays, onset: Ints
    ) -> _Told:
        column, n_runs = track.history.columns[source], len(onset)
        faults = faults_of(track.history, column)
        false_alarms, found = {}, {}
        for runner in racing:
            false_alarms[runner.name] = int(runner.ready.opens(column, calm).opens.sum())
            own: dict[Cell, tuple[Floats, Bools]] = {}
            if faults:
                told = runner.ready.opens(column, struck)
                for at, (fault, size) in enumerate(faults):
                    some = slice(at * n_runs, (at + 1) * n_runs)
                    own[fault.name, size] = delays(told.opens[some], told.stands[some], onset, track.horizon)
            found[runner.name] = own
        return cls(false_alarms, found)


def _enter(
    racing: Sequence[Runner], cells: Sequence[Cell], found: Mapping[str, _Told], n_runs: int, track: Track
) -> None:
    """Enter what was told of all columns into the books of those in the race."""
    place = {cell: at for at, cell in enumerate(cells)}
    for runner in racing:
        total, times = np.zeros((n_runs, len(cells))), np.zeros(len(cells))
        runner.windows += n_runs * track.n_windows
        for told in found.values():
            runner.false_alarms += told.false_alarms[runner.name]
            for cell, (time, seen) in told.delays[runner.name].items():
                runner.add(cell, time, seen)
                total[:, place[cell]] += np.where(seen, time, track.horizon)
                times[place[cell]] += 1
        runner.losses.append(total / np.maximum(times, 1))


def _parts(track: Track, n_runs: int) -> list[list[str]]:
    """The columns in parts that are judged together, of so many struck replays at most."""
    parts: list[list[str]] = [[]]
    size = 0
    for source, column in track.history.columns.items():
        own = n_runs * max(len(faults_of(track.history, column)), 1)
        if parts[-1] and size + own > _TOGETHER_MAX:
            parts.append([])
            size = 0
        parts[-1].append(source)
        size += own
    return parts


def _together(
    track: Track,
    racing: Sequence[Runner],
    calm: Mapping[str, Replays],
    struck: Mapping[str, Replays],
    onset: Ints,
    late: Callable[[], bool] = lambda: False,
) -> bool:
    """Let the detectors of those in the race judge replays, those of a kind together; False where time is over."""
    kinds: dict[Any, list[Detectors]] = {}
    for runner in racing:
        if runner.ready.detectors is not None:
            kinds.setdefault(runner.ready.detectors.make, []).append(runner.ready.detectors)
    for make, some in kinds.items():
        if late():
            return False
        limited = [one.limited for one in some]
        told = judge_together(make, track.history, limited, calm, struck, onset, track.horizon)
        for one, by_source in zip(some, told, strict=True):
            for source, (of_calm, of_struck) in by_source.items():
                calm[source].told[one] = of_calm
                struck[source].told[one] = of_struck
    columns = track.history.columns
    for series in {one.ready.series: None for one in racing if one.ready.series is not None}:
        if late():
            return False
        judge_series(series, {source: (columns[source], one) for source, one in calm.items()})
        judge_series(
            series, {source: (columns[source], one) for source, one in struck.items()}, onset, track.horizon
        )
    return True


def watch(track: Track, runners: Sequence[Runner], n_runs: int, random: np.random.Generator) -> None:
    """Let those who are in the race run over so many calm replays more."""
    if n_runs <= 0:
        return
    calm = track.calm(n_runs, random)
    racing = [one for one in runners if one.out is None]
    nothing = {source: Replays(one.counts[:0], one.start) for source, one in calm.items()}
    _together(track, racing, calm, nothing, np.full(n_runs, track.n_windows))
    for runner in racing:
        runner.windows += n_runs * track.n_windows
        runner.false_alarms += sum(
            int(runner.ready.opens(column, calm[source]).opens.sum())
            for source, column in track.history.columns.items()
        )


def _more_calm(track: Track) -> int:
    """How many calm replays a round has beside those that are struck."""
    wanted = math.ceil(_CALM_MONTHS / (track.n_windows * track.history.months))
    return min(wanted, _CALM_RUNS_MAX) - RUNS


def _struck(track: Track, column: Column, calm: Replays, onset: Ints, random: np.random.Generator) -> Replays:
    """The calm replays of a column with each of its faults, one after another."""
    found = [
        inject(track.history, column, fault, size, calm.counts, onset, random)
        for fault, size in faults_of(track.history, column)
    ]
    return Replays(np.concatenate(found) if found else calm.counts[:0], calm.start)


def delays(opens: Bools, stands: Bools, onset: Ints, horizon: int) -> tuple[Floats, Bools]:
    """Of replays [R, T, K] of a column the windows until an alarm of it opens after the fault began, and whether one did.

    What was not seen is censored at the horizon; where an alarm stood when the fault began, and none opened later, at once.
    """
    t = np.arange(opens.shape[1])[None, :]
    after = t - onset[:, None]
    own = opens.any(axis=2) & (after >= 0) & (after < horizon)
    seen: Bools = np.asarray(own.any(axis=1), dtype=np.bool_)
    first = np.argmax(own, axis=1) - onset + 1.0
    before = np.maximum(onset - 1, 0)
    stood = stands[np.arange(len(onset)), before].any(axis=1) & (onset > 0)
    return np.where(seen, first, np.where(stood, 0.0, float(horizon))), seen


def _visible(runners: Sequence[Runner], cells: Sequence[Cell]) -> Bools:
    racing = [one for one in runners if one.out is None] or list(runners)
    return np.array([max(one.share_seen(cell) for one in racing) >= 0.5 for cell in cells], dtype=np.bool_)


def _loss(runner: Runner, visible: Bools) -> Floats:
    whole = np.concatenate(runner.losses)
    return np.asarray(whole[:, visible].mean(axis=1)) if bool(visible.any()) else np.zeros(len(whole))


def _decided(track: Track, runners: Sequence[Runner], cells: Sequence[Cell]) -> bool:
    """Let those go that cannot win; True where the rest is as good as its leader, which is within the budget."""
    history = track.history
    for one in runners:
        exposure = one.windows * history.months * history.share
        if one.out is None and poisson_limits(one.false_alarms, exposure, _SURELY)[0] > history.budget:
            one.out = "over the budget"
    racing = [one for one in runners if one.out is None]
    if not racing:
        return True
    visible = _visible(runners, cells)
    losses = {one.name: _loss(one, visible) for one in racing}
    # what cannot be run is no measure of what can, nor what may yet turn out to be over the budget
    within = [
        one for one in racing if one.candidate.runs and _upper(track, one, _SURELY) <= track.limit_of(one)
    ]
    if not within:
        return False
    leader = min(within, key=lambda one: float(losses[one.name].mean()))
    best, alike = losses[leader.name], True
    level = 1.0 - _LEVEL / max(len(runners) - 1, 1)
    for one in racing:
        if one is leader:
            continue
        low, high = confidence_sequence(losses[one.name] - best, level)
        if low > _ALIKE * float(best.mean()):
            one.out = "slower"
        elif max(-low, high) > _ALIKE * float(best.mean()):
            alike = False
    return alike


def _upper(track: Track, runner: Runner, level: float) -> float:
    history = track.history
    return poisson_limits(runner.false_alarms, runner.windows * history.months * history.share, level)[1]
