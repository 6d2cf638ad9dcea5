"""The clean past of a model as counts: what is replayed, and what it is judged against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.strategy.advice.copies import unlatched
from vedette.strategy.budget import begin
from vedette.strategy.dependence import Finding, conclude
from vedette.strategy.detector import EDetector
from vedette.strategy.records import Floats, Ints, Measure, State, Step
from vedette.strategy.season import NO_SEASON, OF_DAY, OF_WEEK, seasons
from vedette.strategy.series.shares import SERIES_SHARE, SERIES_WINDOWS
from vedette.strategy.watches import BINS, ROWS_MIN, Plan, Watch, with_missing

__all__ = ["NEVER", "WINDOWS_MIN", "Column", "History", "history", "unlimited_after"]

WINDOWS_MIN = 14
"""Clean windows that a history must have: two weeks of days, and a variance known to 40 %."""

NEVER = 1e-250
"""False alarms a month with which a detector has no limits: such evidence is never reached."""

_NOTHING = Finding(1, 1.0, "")
"""A test that says nothing against independence."""

_JUDGED_LEVEL = 0.1
"""Of the test of the windows judged, where independent rows are advised and not declared: what speaks against them at 10 %
in the history will at 1 % in some months more."""

_SEASON_LEVEL = 0.01  # of all rows together; a wave that is replayed costs nothing where there is none


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One source of counts (a column, or a column in a segment) with its clean windows.

    ``counts`` int64 [W, cells + 1]: the windows on the column's grid, last what has no finite value. ``rows`` and
    ``watches`` are its rows and watches in the plan of all. ``onto`` float64 [cells + 1, S 32]: what makes coarse
    counts of them. ``values`` float64 [cells]: where the values of a cell lie, for grids of numbers. ``past`` int64 [W, S, 32]:
    the coarse counts of the windows.
    """

    source: str
    grid: Grid
    counts: Ints
    reference: Summary
    watches: tuple[Watch, ...]
    rows: slice
    at: slice
    measure: Ints
    of_watch: Ints
    onto: Floats
    values: Floats
    past: Ints

    def coarse(self, counts: Ints) -> Ints:
        """int64[..., S, 32]: the coarse counts of the column's rows, of counts [..., cells + 1]."""
        return _coarse(counts, self.onto)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The clean windows of a model, in their order.

    ``start`` [W] in seconds since 1970 UTC; ``columns`` by source. ``state`` is that of a model's detectors before any of
    these windows. ``period`` is the number of phases that repeat: 1 without a season, 7 where weekdays differ, 24 or 168
    where hours do. ``share`` is the part of the budget
    that the watches of ``columns`` have, where these are not all. ``series``: whether series of figures are watched beside
    the detectors. ``dependent`` says why rows are not taken as independent, though they were declared so; None where they
    are: the tests of dependence decide which detector is in force. ``after`` is the state of the default detector after the
    windows, had it no limits, and ``peak`` [K] the most log evidence of each watch.
    """

    plan: Plan
    reference: Mapping[str, Summary]
    state: State
    start: Floats
    window_s: float
    columns: Mapping[str, Column]
    period: int
    share: float = 1.0
    series: bool = False
    dependent: str | None = None
    after: State | None = None
    peak: Floats | None = None

    @property
    def budget(self) -> float:
        """False alarms a month over everything that is watched."""
        return float(self.state.budget[0])

    @property
    def detectors(self) -> float:
        """Share of the budget of detectors that judge alone: all of it, but for a model whose series will have theirs as
        soon as there are 50 windows.
        """
        return 1.0 - SERIES_SHARE if self.series and len(self.start) < SERIES_WINDOWS else 1.0

    @property
    def months(self) -> float:
        """The length of a window in months."""
        return 1.0 / float(self.state.windows_per_month[0])

    def phase(self, start: Floats) -> Ints:
        """The phase of windows that start then, from 0 to ``period - 1``."""
        if self.period == 1:
            return np.zeros(np.shape(start), dtype=np.int64)
        week = self.state.phases.week
        found = np.floor(np.asarray(start) / 86400.0 * self.state.phases.day + 1e-6).astype(np.int64) % week
        return found % self.period

    def step(self, window: int) -> Step:
        """The step of a window by its place in the history."""
        counts = np.zeros((len(self.plan.key), BINS), dtype=np.int64)
        for one in self.columns.values():
            counts[one.rows] = one.past[window]
        return Step(counts, self.plan.key, self.number(window), float(self.start[window]))

    def number(self, window: int) -> int:
        """The number of a window since 1970, as the engine counts them."""
        return round(float(self.start[window]) / self.window_s)


def history(
    plan: Plan,
    reference: Mapping[str, Summary],
    windows: Mapping[str, Summary],
    start: Floats,
    *,
    inflation: Floats,
    window_s: float,
    budget: float,
    weight: Floats | None = None,
    series: bool = False,
    findings: tuple[Finding, Finding, Finding] | None = None,
) -> History:
    """The history of clean windows: ``windows`` has for each source of the plan a summary over the W windows.

    ``inflation`` [S] is that of the reference, ``weight`` [K] each watch's share of the budget (default equal shares),
    ``series`` whether series are watched beside the detectors, ``findings`` what the tests of dependence said of the
    reference (default: nothing against independent rows).
    Raises ``ValueError`` where there are fewer than 14 windows of 50 rows, or nothing is watched.
    """
    if not plan.watches:
        raise ValueError("nothing is watched: the reference has no column with 50 rows")
    n_windows = len(start)
    rows = np.zeros(n_windows, dtype=np.int64)
    for one in windows.values():
        rows = np.maximum(rows, with_missing(one).sum(axis=1))
    enough = int((rows >= ROWS_MIN).sum())
    if enough < WINDOWS_MIN:
        raise ValueError(
            f"too little history: needs {WINDOWS_MIN} clean windows of {ROWS_MIN} rows or more; has {enough}"
        )
    state = begin(plan, reference, inflation, windows_per_month=30 * 86400.0 / window_s, budget=budget)
    if weight is not None:
        state = replace(state, weight=np.asarray(weight, dtype=np.float64))
    columns = {
        source: _column(plan, source, reference[source].merged(), windows.get(source), n_windows)
        for source in plan.grids
        if plan.rows_of(source).stop > plan.rows_of(source).start
    }
    found = History(plan, reference, state, np.asarray(start, dtype=np.float64), window_s, columns, 1)
    judged, peak = unlimited_after(found, EDetector())
    return replace(
        found,
        after=judged,
        peak=peak,
        period=_period(judged),
        series=series,
        dependent=_dependent(plan, judged, findings or (_NOTHING,) * 3),
    )


def _column(plan: Plan, source: str, reference: Summary, windows: Summary | None, n_windows: int) -> Column:
    grid, rows = plan.grids[source], plan.rows_of(source)
    counts = (
        np.zeros((n_windows, grid.cells + 1), dtype=np.int64)
        if windows is None
        else np.maximum(with_missing(windows), 0).astype(np.int64)
    )
    n_rows = rows.stop - rows.start
    onto = np.zeros((grid.cells + 1, n_rows, BINS))
    for at, row in enumerate(range(rows.start, rows.stop)):
        cells = plan.cells[row]
        kept = np.flatnonzero(cells >= 0)
        onto[kept, at, cells[kept]] = 1.0
    first = int(np.searchsorted(plan.first, rows.start, side="right")) - 1
    last = int(np.searchsorted(plan.first, rows.stop, side="left"))
    watches = plan.watches[first:last]
    sizes = [len(one.rows) for one in watches]
    flat = onto.reshape(grid.cells + 1, n_rows * BINS)
    return Column(
        source=source,
        grid=grid,
        counts=counts,
        reference=reference,
        watches=watches,
        rows=rows,
        at=slice(first, last),
        measure=plan.measure[rows].astype(np.int64),
        of_watch=np.repeat(np.arange(len(watches)), sizes),
        onto=flat,
        values=_values(grid, reference),
        past=_coarse(counts, flat),
    )


def _coarse(counts: Ints, onto: Floats) -> Ints:
    found = counts.reshape(-1, counts.shape[-1]).astype(np.float64) @ onto  # whole numbers, exact below 2^53
    whole: Ints = found.astype(np.int64)
    return whole.reshape(*counts.shape[:-1], onto.shape[1] // BINS, BINS)


def _values(grid: Grid, reference: Summary) -> Floats:
    """Where the values of each cell lie: the middle of the cell; in the tails, so that the reference's mean is right."""
    if not len(grid.edges):
        return np.zeros(0)
    middle = np.concatenate([grid.edges[:1], 0.5 * (grid.edges[:-1] + grid.edges[1:]), grid.edges[-1:]])
    counts = reference.counts[0, : len(middle)].astype(np.float64)
    tails = counts[[0, -1]].sum()
    if tails > 0:
        inside = float(counts[1:-1] @ (middle[1:-1] - grid.centre))
        rest = (
            float(reference.total[0]) - inside - float(counts[[0, -1]] @ (middle[[0, -1]] - grid.centre))
        ) / tails
        middle[0] = min(middle[0], middle[0] - max(-rest, 0.0))
        middle[-1] = max(middle[-1], middle[-1] + max(rest, 0.0))
    return middle


def unlimited_after(found: History, detector: EDetector) -> tuple[State, Floats]:
    """The state of a detector after the whole history, had it no limits, and the most log evidence [K] of each watch."""
    state, peak = replace(found.state, budget=np.full(1, NEVER)), np.full(len(found.state.first), -np.inf)
    for window in range(len(found.start)):
        evidence, state = detector.judge(found.step(window), state)
        peak = np.where(evidence.judged, np.maximum(peak, evidence.log_evidence), peak)
    return replace(unlatched(state), budget=found.state.budget), peak


def _dependent(plan: Plan, state: State, findings: tuple[Finding, Finding, Finding]) -> str | None:
    """Why a detector for independent rows would not be in force, by the tests that decide it; None where it would."""
    found = conclude(findings, plan, state, independent=True)
    judged = found.judged.tested > 0 and found.judged.p_value < _JUDGED_LEVEL
    if found.guarantee == "proved" and not judged:
        return None
    tests = (found.serial.rejects, found.batches.rejects, found.windows.rejects, judged)
    against = [words for told, words in zip(tests, found.words, strict=False) if told]
    if judged and not found.judged.rejects:
        against[-1] = (
            f"windows judged so far may differ more than rows do, {found.judged.watch} most (p {found.judged.p_value:.2g})"
        )
    soon = "" if found.guarantee != "proved" else " for long"
    return "; ".join([f"it would not be in force{soon}", *(against or [found.words[-1].partition(": ")[2]])])


def _period(state: State) -> int:
    """The phases that repeat, by the tests of ``season`` over the whole history."""
    phases = state.phases
    if phases.week == 1:
        return 1
    own = np.flatnonzero(state.measure != Measure.SPREAD)
    of_day, of_week = seasons(state, own)
    if bool((state.season == OF_WEEK).any()) or float(of_week.min(initial=1.0)) * len(own) < _SEASON_LEVEL:
        return phases.week
    if bool((state.season == OF_DAY).any()) or float(of_day.min(initial=1.0)) * len(own) < _SEASON_LEVEL:
        return phases.day
    return 1 if bool((state.season == NO_SEASON).all()) else phases.week
