"""Detectors that are judged together tell what each tells alone, and cost less; the clock is looked at within a round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.test_advice import START, calm, past
from vedette.strategy import EDetector, EDetectorRows
from vedette.strategy.advice import CANDIDATES, Advised, OfStrategy, Replays, advise, faults_of, inject, race
from vedette.strategy.advice.copies import copies, joined, taken
from vedette.strategy.advice.expected import judge_series
from vedette.strategy.advice.race import TIME_OVER
from vedette.strategy.advice.rounds import RUNS as A_ROUND
from vedette.strategy.advice.rounds import delays
from vedette.strategy.advice.runners import Runner
from vedette.strategy.advice.together import judge_together
from vedette.strategy.advice.track import Track

RUNS, WINDOWS, HORIZON = 6, 20, 14


def replays(own, seed=3, every=1):
    """Calm replays of each column, the same with each fault, and when faults begin."""
    random = np.random.default_rng(seed)
    onset = np.asarray(random.integers(0, 7, RUNS))
    found = Track.of(own).calm(RUNS, random)
    quiet = {source: Replays(one.counts[:, :WINDOWS], one.start[:WINDOWS]) for source, one in found.items()}
    struck = {}
    for source, column in own.columns.items():
        some = [
            inject(own, column, fault, size, quiet[source].counts, onset, random)
            for fault, size in faults_of(own, column)[::every]
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
    quiet, struck, onset = replays(own, every=4)
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
    assert budget == 1.0 or n_alarms > 8
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
    assert n_seen > 25


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


SOME = {name: CANDIDATES[name] for name in ("e_detector", "limits")}


def after(n: int):
    """A clock that is late from the n-th look on."""
    looks = iter(range(10_000))
    return lambda _first: next(looks) >= n


def test_a_round_is_left_when_the_time_is_over() -> None:
    """A later round that is left has not been; of the first one the columns count that were through, with their share."""
    own = past(15, 20, 150)
    whole = race(own, seed=5, rounds_max=1, candidates=SOME)
    left = race(own, seed=5, rounds_max=9, candidates=SOME, late=lambda first: not first)
    assert (left.rounds, left.stopped) == (1, TIME_OVER)
    assert np.array_equal(left.loss(left.runners[0]), whole.loss(whole.runners[0]))
    own = past(15, 20, 150, mixed=True)
    part = race(
        own, seed=5, rounds_max=9, candidates=SOME, late=after(4)
    )  # one to make ready, two for the detectors
    assert (part.rounds, part.stopped, list(part.track.history.columns)) == (1, TIME_OVER, ["x"])
    assert part.track.history.share == pytest.approx(3 / 7)  # watches of x, of all
    assert part.runners[0].windows == A_ROUND * part.track.n_windows
    assert {fault for fault, _ in part.cells} == {fault.name for fault, _ in faults_of(own, own.columns["x"])}
    advice = advise(part)
    assert (advice.columns, advice.columns_raced) == (3, 1)
    said = str(Advised("m", replace(advice, sure=False), START, START, 0, None))
    assert said.startswith("m: could not tell more in the time: nothing was shown to keep the budget")
    assert "Of 3 columns 1 were replayed." in said


def test_no_column_in_the_time_is_an_error_and_who_was_not_ready_is_left_out() -> None:
    """The first candidate is made ready in any case; without a column nothing can be told."""
    own = past(15, 20, 150)
    with pytest.raises(TimeoutError, match="before a column was replayed"):
        race(own, seed=5, candidates=SOME, late=lambda _first: True)
    few = race(
        own,
        seed=5,
        rounds_max=1,
        candidates=SOME,
        late=lambda first, looks=[]: not looks and not looks.append(first),
    )
    assert [one.name for one in few.runners] == ["e_detector"]
    assert few.left_out == {"limits": "the time was over before it was ready"}


def hanging(seed: int, n: int, a: float, sd: float = 0.2):
    """Levels of windows that hang together."""
    noise = np.random.default_rng(seed).normal(size=n) * np.sqrt(1 - a * a)
    out = np.zeros(n)
    for t in range(n):
        out[t] = a * out[t - 1] + noise[t] if t else noise[t] / np.sqrt(1 - a * a)
    return sd * out


def test_levels_that_hang_together_do_so_in_replays() -> None:
    """Autocorrelated days: replays have the autocorrelation and the variance of the law, beyond the end of a block too; days
    that differ by themselves have none.
    """
    found = []
    for seed in range(4):
        own = past(seed, 120, 300, hanging(seed, 120, 0.7))
        lasting = Track.of(own).noises["x"].lasting
        counts = calm(own, 60, 40)
        mean = (counts[:, :, :-1] @ own.columns["x"].values) / counts[:, :, :-1].sum(axis=2)
        mean = mean - mean.mean()
        found.append((lasting, *((mean[:, k:] * mean[:, : 40 - k]).mean() for k in (0, 1, 10))))
    lasting, power, one, ten = np.mean(found, axis=0)
    assert lasting == pytest.approx(0.7, abs=0.12)
    assert power == pytest.approx(0.2**2 + 1 / 294, rel=0.45)
    assert one / power == pytest.approx(0.7, abs=0.15)
    assert ten / power < 0.35
    alone = [Track.of(past(seed, 120, 300, hanging(seed, 120, 0.0))).noises["x"].lasting for seed in range(4)]
    assert np.mean(alone) < 0.15
    assert Track.of(past(1, 120, 300)).noises["x"].lasting == 0.0


def test_detectors_for_independent_rows_have_a_part_of_the_budget() -> None:
    """Days that differ too little for a test to see cost them much; where days hang together a history is not sure."""
    assert Track.of(past(1, 30, 300, hanging(1, 30, 0.7))).unsure
    own = past(3, 30, 150)
    for name, limit in (("e_detector", 1.0), ("e_detector_rows", 0.7)):
        one = CANDIDATES[name]
        assert Track.of(own).limit_of(Runner(name, one, one.fit(own, {}))) == limit


def test_smaller_shares_say_how_they_are_put_in_force() -> None:
    """A quarter of what detectors may use, alone and beside series."""
    own = past(14, 60, 60, series=True)
    lines = {name: CANDIDATES[name].fit(own, {}).lines for name in ("e_detector_quarter", "series_sixteenth")}
    assert lines["e_detector_quarter"] == ("detectors_share = 0.25", "series = false")
    assert lines["series_sixteenth"] == ("detectors_share = 0.05", "series = true")
    assert CANDIDATES["series_sixteenth"].fit(own, {}).detectors.state.budget[0] == pytest.approx(0.05)
