"""Seasons: where weekdays or hours differ, a window is compared with the same weekday or hour of the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import special

from vedette.strategy.records import Bools, Floats, Ints, Measure, Phases, State
from vedette.strategy.scores import reference_scores, reference_share, window_scores

__all__ = [
    "NO_SEASON",
    "OF_DAY",
    "OF_WEEK",
    "SEASON_LEVEL",
    "Chance",
    "Scores",
    "common_ring",
    "compare",
    "forget",
    "learn",
    "seasons",
]

WEEK_DAYS = 7
NO_SEASON, OF_DAY, OF_WEEK = 0, 1, 2  # values of ``State.season``
_PERIODS_MIN = 2  # that a season repeats cannot be seen in fewer
SEASON_LEVEL = (
    1e-4  # of one test; it is repeated for each row and period, and a season that is none costs power
)
_HOURS_TOGETHER = 3.0  # neighbouring hours of a day may move together: as many count as one
_MARKED_MIN = 5.0  # expected marks of a window: variances of fewer are far from those of normal values
_COMMON_WATCHES_MIN = 20
_MEDIAN_CHI2 = 0.4549364231195724  # of one degree of freedom
_CAP_SD = 4.0  # a window teaches its phase so many standard deviations at most, so that a change does not hide itself


Chance = Callable[[Ints], Floats]
"""A number in (0, 1) for each of some rows judged in a step, by their place among these."""


class Scores(NamedTuple):
    """Scores z of some rows' windows, whether they could tell at all, and the rows that they weigh: h = n N/(n + N)
    where n rows are compared with N.
    """

    z: Floats
    known: Bools
    heights: Floats


def compare(state: State, rows: Ints, counts: Ints, start: float, scores: Scores, chance: Chance) -> Scores:
    """The scores of some rows' windows, those with a season from past windows of their phase.

    With r the mean score of the window's n rows in standard deviations of the reference, and m that of the N rows of
    the same phase in the past::

        z = (r - m) sqrt(n N / (n + N))

    For shares z is that of the window within the pool of its phase (``scores.window_scores``). A phase that was never
    seen cannot tell. In a series of normal values these are recursive residuals: independent, of one variance.

    Source: Brown, Durbin and Evans (1975), "Techniques for testing the constancy of regression relationships over
    time", equation 2, for a regression on phases.
    """
    some = np.flatnonzero(state.season[rows] != NO_SEASON)
    if not len(some):
        return scores
    own, part = rows[some], counts[some]
    n_past, mean = _expected(state, own, start)
    n = part.sum(axis=1).astype(np.float64)
    score = np.einsum("sb,sb->s", reference_scores(state.reference[own], state.measure[own]), part)
    told = n_past > 0
    height = n * n_past / np.maximum(n + n_past, 1.0)
    found = np.where(told, (score / n - mean) * np.sqrt(height), 0.0)
    share = np.flatnonzero((state.measure[own] == Measure.SHARE) & told)
    if len(share):
        pool = _marks(state, own[share], n_past[share], mean[share])
        places = some[share]
        scored = window_scores(
            pool,
            part[share],
            state.measure[own[share]],
            np.zeros(len(share), dtype=np.int8),
            lambda of: chance(places[of]),
        )
        found[share], told[share] = scored.z, scored.known
    z, known, heights = scores.z.copy(), scores.known.copy(), scores.heights.copy()
    z[some], known[some], heights[some] = found, told, height
    return Scores(z, known, heights)


def learn(
    state: State, after: State, rows: Ints, start: float, scores: Scores, scale: Floats, *, find: bool = True
) -> State:
    """The state after a step with what its windows say of a season; ``rows`` were judged, with ``scores``.

    ``state`` is that before the step, ``after`` has the step's window in its ring. Windows that were judged while an
    alarm was open teach nothing. In rows with a season the ring gets what differs from the phase, so that sizes of
    changes, and recovery, are those beside the season.

    A season is found, once for all, by an F test at 1e-4 of the windows' means between phases against those within,
    over two whole periods or more; hours of a week are tested against hours of the day. Three neighbouring hours
    count as one, and all hours of a weekday as one, since they may move together. A column's spread has the season
    of its location too. The dispersion starts again from what was found within phases. Without ``find`` nothing is found.
    """
    phases = state.phases
    if not len(rows):
        return after
    n = after.ring_n[rows, 0].astype(np.float64)
    mean = after.ring_sum[rows, 0] / n
    some = np.flatnonzero(state.season[rows] != NO_SEASON)
    ring_sum = after.ring_sum
    if len(some):
        n_past, expected = _expected(state, rows[some], start)
        seen = n_past > 0
        some, n_past, expected = some[seen], n_past[seen], expected[seen]
        ring_sum = ring_sum.copy()
        ring_sum[rows[some], 0] -= n[some] * expected
        room = _CAP_SD * np.sqrt(scale[some] * (n[some] + n_past) / (n[some] * n_past))
        mean[some] = np.clip(mean[some], expected - room, expected + room)
    free = ~state.latched[state.group[rows]]
    told = some[free[some]]
    own, n, mean, cell = rows[free], n[free], mean[free], phases.number(start)
    phase_n, phase_sum, phase_squares = (
        after.phase_n.copy(),
        after.phase_sum.copy(),
        after.phase_squares.copy(),
    )
    phase_windows = after.phase_windows.copy()
    phase_n[own, cell] += n
    phase_sum[own, cell] += n * mean
    phase_squares[own] += n * mean * mean
    phase_windows[own] += 1
    heights = after.heights.copy()
    heights[own] += scores.heights[free]
    taught = replace(
        after,
        heights=heights,
        ring_sum=ring_sum,
        phase_n=phase_n,
        phase_sum=phase_sum,
        phase_squares=phase_squares,
        phase_windows=phase_windows,
        season_common=common_ring(state.season_common, state.group[rows[told]], scores.z[told]),
    )
    if phases.week == 1 or not find:
        return taught
    due = own[(after.season[own] < OF_WEEK) & (phase_windows[own] % phases.shortest == 0)]
    return _find(taught, due, phases) if len(due) else taught


def forget(state: State, rows: Bools) -> State:
    """The state where the marked rows have no season and were taught nothing; what had one starts its dispersion anew.

    For rows whose reference becomes another: what they were taught is in units of the old.
    """
    anew = rows & (state.season != NO_SEASON)
    return replace(
        state,
        season=np.where(rows, NO_SEASON, state.season).astype(np.int8),
        phase_n=np.where(rows[:, None], 0.0, state.phase_n).astype(np.float32),
        phase_sum=np.where(rows[:, None], 0.0, state.phase_sum).astype(np.float32),
        phase_squares=np.where(rows, 0.0, state.phase_squares),
        phase_windows=np.where(rows, 0, state.phase_windows),
        dispersion=np.where(anew, 0.0, state.dispersion),
        judged=np.where(anew, 0, state.judged),
        heights=np.where(anew, 0.0, state.heights),
    )


def seasons(state: State, rows: Ints) -> tuple[Floats, Floats]:
    """P-values of the two tests of ``learn`` on what some rows have been taught: of a day [R], and of a week [R].

    1 where fewer than two whole periods were judged, or a share's marks are too few to be tested.
    """
    phases = state.phases
    n = state.phase_n[rows].astype(np.float64).reshape(len(rows), WEEK_DAYS, phases.day)
    total = state.phase_sum[rows].astype(np.float64).reshape(n.shape)
    whole = _square(n.sum(axis=(1, 2)), total.sum(axis=(1, 2)))
    by_hour = _square(n.sum(axis=1), total.sum(axis=1)).sum(axis=1)
    by_cell = _square(n, total).sum(axis=(1, 2))
    windows, squares = state.phase_windows[rows], state.phase_squares[rows]
    n_hours, n_cells = (n.sum(axis=1) > 0).sum(axis=1), (n > 0).sum(axis=(1, 2))
    enough = _marked(state, rows, n.sum(axis=(1, 2)), total.sum(axis=(1, 2))) >= _MARKED_MIN * windows
    of_day = _p_value(by_hour - whole, n_hours - 1, squares - by_hour, windows - n_hours, _HOURS_TOGETHER)
    of_week = _p_value(by_cell - by_hour, n_cells - n_hours, squares - by_cell, windows - n_cells, phases.day)
    return (
        np.where(enough & (windows >= _PERIODS_MIN * n_hours), of_day, 1.0),
        np.where(enough & (windows >= _PERIODS_MIN * n_cells), of_week, 1.0),
    )


def _p_value(between: Floats, n_between: Ints, within: Floats, n_within: Ints, together: float) -> Floats:
    """P(F > between/within, each by its degrees of freedom); ``together`` windows count as one."""
    some = (n_between > 0) & (n_within > 0) & (between > 0)
    top, bottom = np.maximum(n_between, 1), np.maximum(n_within, 1)
    ratio = (
        np.where(some, between, 0.0) / top / np.maximum(within / bottom, 1e-12 * np.maximum(between, 1e-300))
    )
    return np.where(some, special.fdtrc(top / together, bottom / together, ratio), 1.0)


def _square(n: Floats, total: Floats) -> Floats:
    """n times the square of the mean, 0 where there are no rows."""
    return np.divide(total * total, n, out=np.zeros_like(total), where=n > 0)


def _find(state: State, rows: Ints, phases: Phases) -> State:
    """The state where rows whose tests reject, and the spread of columns whose location's do, have a season."""
    of_day, of_week = seasons(state, rows)
    found = state.season.copy()
    found[rows] = np.maximum(found[rows], np.where(of_day < SEASON_LEVEL, OF_DAY, NO_SEASON))
    found[rows] = np.where(of_week < SEASON_LEVEL, OF_WEEK, found[rows])
    spread = (
        np.flatnonzero((state.measure[1:] == Measure.SPREAD) & (state.measure[:-1] == Measure.LOCATION)) + 1
    )
    spread = spread[np.isin(spread, rows) & (state.phase_windows[spread] == state.phase_windows[spread - 1])]
    found[spread] = np.maximum(found[spread], found[spread - 1])
    new = np.flatnonzero(found > state.season)
    if not len(new):
        return state
    after = replace(state, season=found)
    ring_sum = state.ring_sum.copy()
    for at in range(ring_sum.shape[1]):
        starts = state.ring_start[new, at]
        for start in np.unique(starts[~np.isnan(starts)]):
            own = new[starts == start]
            moved = _expected(after, own, float(start))[1] - _expected(state, own, float(start))[1]
            ring_sum[own, at] -= state.ring_n[own, at] * moved
    dispersion, judged, heights = state.dispersion.copy(), state.judged.copy(), state.heights.copy()
    dispersion[new], judged[new] = _within(after, new, phases)
    heights[new] = judged[new] * state.phase_n[new].sum(axis=1) / state.phase_windows[new]
    centre = state.centre.copy()
    centre[new] = 0.0
    return replace(
        after, ring_sum=ring_sum, dispersion=dispersion, centre=centre, judged=judged, heights=heights
    )


def _within(state: State, rows: Ints, phases: Phases) -> tuple[Floats, Ints]:
    """The squares of windows within the phases of rows' seasons, in units of their rows' variance, and their number."""
    n = state.phase_n[rows].astype(np.float64).reshape(len(rows), WEEK_DAYS, phases.day)
    total = state.phase_sum[rows].astype(np.float64).reshape(n.shape)
    daily = state.season[rows] == OF_DAY
    by_cell, by_hour = (
        _square(n, total).sum(axis=(1, 2)),
        _square(n.sum(axis=1), total.sum(axis=1)).sum(axis=1),
    )
    n_cells, n_hours = (n > 0).sum(axis=(1, 2)), (n.sum(axis=1) > 0).sum(axis=1)
    free = np.maximum(state.phase_windows[rows] - np.where(daily, n_hours, n_cells), 1)
    squares = np.maximum(state.phase_squares[rows] - np.where(daily, by_hour, by_cell), 0.0)
    share = state.measure[rows] == Measure.SHARE
    rows_n = np.maximum(n.sum(axis=(1, 2)), 1.0)
    marked = _marked(state, rows, rows_n, total.sum(axis=(1, 2))) / rows_n
    p = reference_share(state.reference[rows])
    unit = np.where(share, marked * (1.0 - marked) / (p * (1.0 - p)), 1.0)
    return squares / np.maximum(unit, 1e-12), free.astype(np.int64)


def _expected(state: State, rows: Ints, start: float) -> tuple[Floats, Floats]:
    """Past rows of the phase of each row's season, and their mean score; none, and 0, without a season."""
    phases = state.phases
    cell = phases.number(start)
    same_hour = np.arange(cell % phases.day, phases.week, phases.day)
    level = state.season[rows]
    n, total = np.zeros(len(rows)), np.zeros(len(rows))
    for season, cells in ((OF_DAY, same_hour), (OF_WEEK, np.array([cell]))):
        own = np.flatnonzero(level == season)
        n[own] = state.phase_n[np.ix_(rows[own], cells)].sum(axis=1, dtype=np.float64)
        total[own] = state.phase_sum[np.ix_(rows[own], cells)].sum(axis=1, dtype=np.float64)
    return n, total / np.maximum(n, 1.0)


def _marked(state: State, rows: Ints, n: Floats, total: Floats) -> Floats:
    """The rarer of marked and other rows of shares among ``n`` rows; of other measures all rows."""
    share = reference_share(state.reference[rows])
    marked = np.clip(total * np.sqrt(share * (1.0 - share)) + n * share, 0.0, n)
    return np.where(state.measure[rows] == Measure.SHARE, np.minimum(marked, n - marked), n)


def _marks(state: State, rows: Ints, n: Floats, mean: Floats) -> Ints:
    """The past rows of the phase of shares, as a pool."""
    share = reference_share(state.reference[rows])
    pool = np.zeros((len(rows), state.reference.shape[1]), dtype=np.int64)
    pool[:, 1] = np.clip(np.rint(n * (mean * np.sqrt(share * (1.0 - share)) + share)), 0, n).astype(np.int64)
    pool[:, 0] = np.rint(n).astype(np.int64) - pool[:, 1]
    return pool


def common_ring(ring: Floats, group: Ints, z: Floats, told: Bools | None = None) -> Floats:
    """A ring of the common dispersion, median z^2 / .455, one longer where 20 watches or more could tell.

    ``group`` [R] is the watch of each score ``z`` [R], in order; ``told`` [R] marks those that count, None for all.
    """
    if told is not None and not bool(told.all()):
        group, z = group[told], z[told]
    watches = int(np.count_nonzero(group[1:] != group[:-1])) + min(len(group), 1)
    if watches < _COMMON_WATCHES_MIN:
        return ring
    longer = np.roll(ring, 1)
    squares = np.square(z)
    middle = [(len(squares) - 1) // 2, len(squares) // 2]
    squares.partition(middle)
    longer[0] = float(squares[middle].mean()) / _MEDIAN_CHI2
    return longer
