"""Seasons: what phases windows have, when a season is found, and how windows are judged within it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import special, stats

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy import Measure, State, accept, begin, plan
from vedette.strategy.detector import EDetector, EDetectorRows
from vedette.strategy.records import Phases
from vedette.strategy.scores import reference_scores, reference_share
from vedette.strategy.season import NO_SEASON, OF_DAY, OF_WEEK, Scores, compare, seasons

DAY, HOUR = 86400.0, 3600.0
GRID = numeric_grid("x", np.random.default_rng(0).normal(size=1000))
WEEK = 0.3 * np.sin(2 * np.pi * np.arange(7) / 7)
ROWS = np.arange(3)  # location, spread, missing


def start(random, windows_per_month=30.0, n=4000):
    reference = {"x": summarise_numeric(GRID, random.normal(size=n), random.random(n) > 0.1)}
    watches = plan(reference, "model")
    # the budget of three watches among sixty that share one a month
    return watches, begin(watches, reference, np.ones(3), windows_per_month=windows_per_month, budget=0.05)


def step(watches, random, number, level=0.0, *, n=1000, length=DAY, missing=0.1):
    rows = summarise_numeric(GRID, random.normal(size=n) + level, random.random(n) >= missing)
    return watches.step({"x": rows}, number, number * length)


def judge(random, levels, *, strategy=EDetector, n=1000, length=DAY):
    """Plan, the states after each window of these levels, and (window, watch) of alarms."""
    watches, state = start(random, 30 * DAY / length)
    states, alarms = [], []
    for number, level in enumerate(levels):
        evidence, state = strategy().judge(step(watches, random, number, level, n=n, length=length), state)
        states.append(state)
        alarms += [(number, watches.watches[k].id) for k in np.flatnonzero(evidence.alarm)]
    return watches, states, alarms


# --- phases


@pytest.mark.parametrize(
    ("window_s", "phases"),
    [
        (DAY, (1, 7)),
        (HOUR, (24, 168)),
        (6 * HOUR, (4, 28)),
        (60.0, (24, 168)),
        (7 * DAY, (1, 1)),
        (5 * HOUR, (1, 1)),
    ],
)
def test_phases_of_windows(window_s, phases):
    """Days have the phases of a week, shorter windows the hours too; what does not divide a day has no season."""
    assert Phases.of(30 * DAY / window_s) == phases


def test_a_phase_comes_again_after_a_week():
    """168 hours have 168 phases, the hour of the day is the rest by 24, and the next week has the same."""
    hours = Phases(24, 168)
    numbers = [hours.number(1.7e9 // HOUR * HOUR + hour * HOUR) for hour in range(336)]
    assert sorted(numbers[:168]) == list(range(168))
    assert numbers[:168] == numbers[168:]
    assert {number % 24 for number in numbers[::24]} == {numbers[0] % 24}


# --- when a season is found


def test_the_test_is_the_analysis_of_variance():
    """With as many rows in each window, the test of a week is scipy's one-way analysis of the windows' mean scores."""
    random = np.random.default_rng(1)
    watches, state = start(random)
    means = []
    for day in range(21):
        one = step(watches, random, day, 0.1 * WEEK[day % 7], missing=0.0)
        _, state = EDetectorRows().judge(one, state)
        means.append(state.ring_sum[0, 0] / 1000)
    expected = stats.f_oneway(*np.array(means).reshape(3, 7).T).pvalue
    assert seasons(state, ROWS)[1][0] == pytest.approx(expected, rel=1e-3)


def test_a_week_is_found_after_two():
    """A weekly wave of .2 sd is found with the fourteenth window, in location and with it in spread."""
    _, states, _ = judge(np.random.default_rng(2), np.resize(WEEK, 14))
    assert states[12].season.tolist() == [NO_SEASON] * 3
    assert states[13].season.tolist() == [OF_WEEK, OF_WEEK, NO_SEASON]


def test_hours_of_the_day_are_found_without_a_week():
    """A daily wave in windows of an hour is found as a season of the day within six days."""
    wave = 0.3 * np.sin(2 * np.pi * np.arange(24) / 24)
    _, states, _ = judge(np.random.default_rng(3), np.resize(wave, 144), length=HOUR, n=200)
    assert (states[46].season[0], states[-1].season[0]) == (NO_SEASON, OF_DAY)


def test_no_season_is_found_where_there_is_none():
    """Over 30 runs of ten weeks no season is found in independent rows, nor where days have levels of .1 sd."""
    random = np.random.default_rng(4)
    for size in (0.0, 0.1):
        found = [judge(random, random.normal(size=70) * size, n=200)[1][-1].season.max() for _ in range(15)]
        assert max(found) == NO_SEASON


def test_longer_windows_have_no_season():
    """Windows of a week are judged as ever."""
    _, states, _ = judge(np.random.default_rng(5), np.resize(WEEK, 30), length=7 * DAY)
    assert (states[-1].season.max(), states[-1].phase_n.shape) == (NO_SEASON, (3, 1))


def test_rows_that_are_independent_have_no_season():
    """The strategy for independent rows is taught, for the check of its guarantee, but finds and allows for nothing."""
    _, states, _ = judge(np.random.default_rng(6), np.zeros(21), strategy=EDetectorRows)
    assert (states[-1].phase_windows[0], states[-1].season.max()) == (21, NO_SEASON)


# --- scores within a season


def test_scores_are_recursive_residuals():
    """Within a season the scores are the errors of one-step predictions of a regression on phases, by least squares."""
    random = np.random.default_rng(7)
    watches, states, _ = judge(random, np.resize(WEEK, 20))
    one = step(watches, random, 20, WEEK[20 % 7], missing=0.0)
    counts, phase = one.counts[:1], Phases(1, 7).number(one.start)
    y, x, weight = [], [], []
    for before, after in zip([start(np.random.default_rng(7))[1], *states[:-1]], states, strict=True):
        n = after.phase_n[0] - before.phase_n[0]
        at = int(n.argmax())
        weight.append(n[at])
        y.append((after.phase_sum[0, at] - before.phase_sum[0, at]) / n[at])
        x.append(np.eye(7)[at])
    design, root = np.array(x), np.sqrt(np.array(weight))
    fit = np.linalg.lstsq(design * root[:, None], np.array(y) * root, rcond=None)[0]
    cross = np.linalg.inv((design * np.square(root)[:, None]).T @ design)
    score = (reference_scores(states[-1].reference[:1], states[-1].measure[:1]) @ counts[0])[0] / 1000
    expected = (score - fit[phase]) / np.sqrt(1 / 1000 + cross[phase, phase])
    none = Scores(np.zeros(1), np.ones(1, dtype=bool), np.ones(1))
    found = compare(states[-1], ROWS[:1], counts, one.start, none, lambda of: np.full(len(of), 0.5))
    assert found.z[0] == pytest.approx(expected, rel=1e-4)


def test_shares_are_exact_within_their_phase():
    """A share with a season is scored by the hypergeometric law in the rows of its phase."""
    random = np.random.default_rng(8)
    _, state = start(random)
    share = reference_share(state.reference[2:3])[0]
    n, marked = 3000, 420
    phase_n, phase_sum = state.phase_n.copy(), state.phase_sum.copy()
    phase_n[2], phase_sum[2] = n, (marked - n * share) / np.sqrt(share * (1 - share))
    state = replace(
        state, season=np.array([0, 0, OF_WEEK], dtype=np.int8), phase_n=phase_n, phase_sum=phase_sum
    )
    counts = np.zeros((1, 32), dtype=np.int64)
    counts[0, :2] = (850, 150)
    none = Scores(np.zeros(1), np.ones(1, dtype=bool), np.ones(1))
    found = compare(state, ROWS[2:], counts, 0.0, none, lambda of: np.full(len(of), 0.25))
    law = stats.hypergeom(n + 1000, marked + 150, 1000)
    assert special.ndtr(-found.z[0]) == pytest.approx(law.sf(150) + 0.25 * law.pmf(150), rel=1e-6)
    assert state.measure[2] == Measure.SHARE


def test_a_phase_that_was_never_seen_tells_nothing():
    """A weekday of which there are no windows yet has a score of 0 that does not count as known."""
    watches, states, _ = judge(np.random.default_rng(9), np.resize(WEEK, 14))
    state = states[-1]
    phase_n = state.phase_n.copy()
    phase_n[:, Phases(1, 7).number(14 * DAY)] = 0
    one = step(watches, np.random.default_rng(1), 14, 2.0)
    none = Scores(np.ones(3), np.ones(3, dtype=bool), np.ones(3))
    found = compare(replace(state, phase_n=phase_n), ROWS, one.counts, one.start, none, np.full(3, 0.5))
    assert (found.z[0], bool(found.known[0]), found.z[2]) == (0.0, False, 1.0)


def test_dispersion_starts_from_what_is_within_phases():
    """When the season is found, the wave leaves the dispersion: from tens of squares to about one for each window."""
    _, states, _ = judge(np.random.default_rng(10), np.resize(WEEK, 14))
    before, after = states[12], states[13]
    assert before.dispersion[0] / before.judged[0] > 10
    assert after.judged[0] == 14 - 7
    assert after.dispersion[0] / after.judged[0] == pytest.approx(1.0, abs=0.9)


def test_a_shift_beside_a_season_is_seen():
    """A shift of .25 sd beside a weekly wave of .2 sd alarms within three days, once the season is known."""
    levels = np.resize(WEEK, 45) + np.where(np.arange(45) >= 35, 0.25, 0.0)
    _, _, alarms = judge(np.random.default_rng(11), levels)
    assert [watch for when, watch in alarms if when < 35] == []
    assert min(when for when, watch in alarms if watch == "x.location") <= 37


def test_a_season_is_no_warning_and_no_alarm():
    """Six months of a weekly wave raise no alarm in this run, and the last windows' change is within .1 sd."""
    _, states, alarms = judge(np.random.default_rng(12), np.resize(WEEK, 180))
    ring_n, ring_sum = states[-1].ring_n[0], states[-1].ring_sum[0]
    assert alarms == []
    assert np.abs(ring_sum / ring_n).max() < 0.15


# --- what teaches


def test_an_open_alarm_teaches_nothing():
    """Windows that are judged while an alarm is open leave sums, dispersion and season as they were."""
    levels = np.r_[np.resize(WEEK, 28), np.full(10, 3.0)]
    _, states, alarms = judge(np.random.default_rng(13), levels)
    opened = min(when for when, watch in alarms if watch == "x.location")
    open_since, last = states[opened], states[-1]
    assert opened < 31
    assert bool(last.latched[0])
    for name in ("phase_n", "phase_sum", "phase_squares", "phase_windows", "heights", "dispersion", "season"):
        assert np.array_equal(getattr(open_since, name)[0], getattr(last, name)[0])


def test_a_wild_window_teaches_four_deviations_at_most():
    """Before its alarm opens a window moves its phase by four standard deviations at most."""
    random = np.random.default_rng(14)
    watches, states, _ = judge(random, np.resize(WEEK, 28))
    state = states[-1]
    phase = Phases(1, 7).number(28 * DAY)
    _, after = EDetector().judge(step(watches, random, 28, 10.0), state)
    old, new = (one.phase_sum[0, phase] / one.phase_n[0, phase] for one in (state, after))
    assert 0 < new - old < 0.1


def test_what_is_accepted_is_learned_anew():
    """After a person accepts the present, its rows have no season and no dispersion until they are taught again."""
    levels = np.r_[np.resize(WEEK, 28), np.resize(WEEK, 7) + 1.0]
    _, states, _ = judge(np.random.default_rng(15), levels)
    state = accept(states[-1], np.array([True, False, False]))
    assert (bool(states[-1].latched[0]), int(states[-1].season[0])) == (True, OF_WEEK)
    assert (state.season[0], state.phase_n[0].sum(), state.phase_windows[0], state.judged[0]) == (0, 0, 0, 0)


def test_scores_that_weigh_more_rows_are_allowed_more():
    """Where days differ, a window that weighs four times the rows of the past has four times the excess allowed for."""
    _, state = start(np.random.default_rng(16))
    state = replace(state, dispersion=np.full(3, 50.0), judged=np.full(3, 10), heights=np.full(3, 10 * 500.0))
    lift = EDetector()._lift(state, ROWS, np.full(3, 2000.0))
    assert lift == pytest.approx(40.0 * 3 / 18)
    assert EDetector()._lift(state, ROWS, np.full(3, 400.0)).tolist() == [0.0] * 3


# --- the state


def test_two_runs_through_bytes_agree():
    """With the state stored after every window, five weeks with a season give the same state to the bit."""
    random, again = np.random.default_rng(17), np.random.default_rng(17)
    _, states, _ = judge(random, np.resize(WEEK, 35))
    watches, state = start(again)
    for number, level in enumerate(np.resize(WEEK, 35)):
        state = State.from_bytes(state.to_bytes())
        _, state = EDetector().judge(step(watches, again, number, level), state)
    for field in fields(State):
        one, other = getattr(states[-1], field.name), getattr(state, field.name)
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
