"""Detectors that are judged together tell what each tells alone, and cost less; the clock is looked at within a round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.test_advice import calm, past
from vedette.strategy import EDetector, EDetectorRows
from vedette.strategy.advice import CANDIDATES, OfStrategy, Replays, faults_of, inject
from vedette.strategy.advice.copies import copies, joined, taken
from vedette.strategy.advice.expected import judge_series
from vedette.strategy.advice.race import Track, delays
from vedette.strategy.advice.together import judge_together

RUNS, WINDOWS, HORIZON = 12, 26, 20


def replays(own, seed=3):
    """Calm replays of each column, the same with each fault, and when faults begin."""
    random = np.random.default_rng(seed)
    onset = np.asarray(random.integers(0, 7, RUNS))
    found = Track.of(own).calm(RUNS, random)
    quiet = {source: Replays(one.counts[:, :WINDOWS], one.start[:WINDOWS]) for source, one in found.items()}
    struck = {}
    for source, column in own.columns.items():
        some = [
            inject(own, column, fault, size, quiet[source].counts, onset, random)
            for fault, size in faults_of(own, column)
        ]
        struck[source] = Replays(np.concatenate(some), quiet[source].start)
    return quiet, struck, onset


def alone(ready, column, one):
    """What a detector tells of replays that nothing was kept of, R at a time, each by its number."""
    found = [
        ready.opens(column, Replays(one.counts[low : low + RUNS], one.start))
        for low in range(0, len(one.counts), RUNS)
    ]
    return [np.concatenate(part) for part in zip(*found, strict=True)]


@pytest.mark.parametrize(("budget", "make"), [(1.0, EDetector), (40.0, EDetector), (40.0, EDetectorRows)])
def test_detectors_together_tell_what_each_tells_alone(budget, make) -> None:
    """False alarms and delays of three shares of the budget are the same; with many alarms in the history and before faults."""
    own = past(21, 24, 120, np.random.default_rng(4).normal(scale=0.1, size=24), budget=budget, mixed=True)
    readies = [OfStrategy("", "", make, part).fit(own, {}) for part in (1.0, 0.25, 1 / 16)]
    quiet, struck, onset = replays(own)
    told = judge_together(make, own, [one.limited for one in readies], quiet, struck, onset, HORIZON)
    n_alarms = 0
    for ready, by_source in zip(readies, told, strict=True):
        for source, column in own.columns.items():
            of_calm, of_struck = by_source[source]
            for part, other in zip(of_calm, alone(ready, column, quiet[source]), strict=True):
                assert (part == other).all()
            n_alarms += int(of_calm.opens.sum())
            faults = len(struck[source].counts) // RUNS
            opens, stands = alone(ready, column, struck[source])
            for part, other in zip(
                delays(*of_struck, np.tile(onset, faults), HORIZON),
                delays(opens, stands, np.tile(onset, faults), HORIZON),
                strict=True,
            ):
                assert (part == other).all()
    assert budget == 1.0 or n_alarms > 20
    assert budget == 1.0 or not all(bool(one.limited.alike.all()) for one in readies)


def test_series_of_struck_replays_are_left_at_their_first_alarm() -> None:
    """Delays are those of series that are judged to the end; of an accuracy, whose ties are drawn by the number of a series,
    in the mean."""
    own = past(22, 60, 120, series=True, mixed=True)
    ready = CANDIDATES["series"].fit(own, {})
    _, struck, onset = replays(own)
    part = {source: (own.columns[source], one) for source, one in struck.items()}
    judge_series(ready.series, part, onset, HORIZON)
    n_seen = 0
    for source, (column, one) in part.items():
        if source not in ready.series.places:
            continue
        whole = Replays(one.counts, one.start)
        judge_series(ready.series, {source: (column, whole)})
        tiled = np.tile(onset, len(one.counts) // RUNS)
        left, full = (delays(*of.told[ready.series], tiled, HORIZON) for of in (one, whole))
        assert source != "x" or (left[0] == full[0]).all()
        assert left[0].mean() == pytest.approx(full[0].mean(), rel=0.15)
        n_seen += int(left[1].sum())
    assert n_seen > 50


def test_watches_can_be_taken_and_joined() -> None:
    """Copies that are taken out of others, and put after others, judge as they did."""
    own = past(12, 28, 300)
    column = own.columns["x"]
    many = copies(own.state, column.rows, column.at, 4)
    rows, watches = len(many.key) // 4, len(many.first) // 4
    one = taken(many, np.arange(2 * rows, 3 * rows), np.arange(2 * watches, 3 * watches))
    assert (one.key == copies(own.state, column.rows, column.at, np.array([2])).key).all()
    assert one.first.tolist() == many.first[:watches].tolist()
    both = joined([one, many])
    assert both.first.tolist() == [*one.first.tolist(), *(many.first + rows).tolist()]
    assert (both.pool[rows:] == many.pool).all()
    assert calm(own, 2, 5).shape == (2, 5, column.grid.cells + 1)


def test_a_detector_for_independent_rows_races_where_the_tests_let_it() -> None:
    """Independent rows: it races. Days that differ: it is left out, with the test that speaks against it."""
    assert CANDIDATES["e_detector_rows"].unfit(past(3, 40, 300)) is None
    level = np.random.default_rng(5).normal(scale=0.15, size=60)
    why = CANDIDATES["series_rows"].unfit(past(3, 60, 300, level))
    assert why is not None
    assert why.startswith("it would not be in force; windows judged so far: differ more than rows do, x.")
    assert CANDIDATES["series"].unfit(past(3, 60, 300, level)) is None
    assert CANDIDATES["e_detector_rows"].unfit(replace(past(3, 40, 300), dependent="so")) == "so"
