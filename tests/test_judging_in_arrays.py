"""How the detector works on many rows at once changes nothing of what it says of each."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import special, stats

from vedette.errors import DataError
from vedette.statistics import (
    category_grid,
    latency_grid,
    numeric_grid,
    summarise_category,
    summarise_numeric,
)
from vedette.strategy import State, accept, begin, extend, plan
from vedette.strategy.detector import EDetector, EDetectorRows
from vedette.strategy.quantiles import normal_of_t
from vedette.strategy.records import Measure, Tie, is_nothing, nothing
from vedette.strategy.scores import reference_scores, window_scores

HOUR = 3600.0
COLUMNS = ("a", "b", "c")
GRIDS = {name: numeric_grid(name, np.random.default_rng(0).normal(size=500)) for name in COLUMNS}
LEVELS = category_grid("level", {"x": 60, "y": 30, "z": 10}, [])


def window(random, n=200, shift=0.0):
    """Three numeric columns with missing values, and a category."""
    out = {
        name: summarise_numeric(grid, random.normal(size=n) + shift, random.random(n) > 0.05)
        for name, grid in GRIDS.items()
    }
    out["level"] = summarise_category(LEVELS, random.choice(3, n, p=(0.6, 0.3, 0.1)), ("x", "y", "z"))
    return out


def start(random):
    reference = window(random, 2000)
    watches = plan(reference, "model")
    return watches, begin(watches, reference, np.ones(len(watches.key)), windows_per_month=720)


def states(random, n=40, fault=(10, 20), accepted=None):
    """The plan and every state of a run in which all columns move for some windows."""
    watches, state = start(random)
    detector, found = EDetector(), [state]
    for w in range(n):
        shift = 0.8 if fault[0] <= w < fault[1] else 0.0
        _, state = detector.judge(watches.step(window(random, shift=shift), w, w * HOUR), state)
        if w == accepted:
            state = accept(state, np.arange(len(watches.watches)) % 3 == 0)
        found.append(state)
    return watches, found


def same(one, other, but=()):
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=f.name not in ("key", "side"))
        for f in fields(one)
        if f.name not in but
    )


# --- rows that share counts and pool


def test_location_and_spread_begin_tied():
    """A column's spread counts what its location does and has the same pool; nothing else is tied."""
    watches, state = start(np.random.default_rng(1))
    spread = [watches.watches[k].kind == "spread" for k in range(len(watches.watches))]
    assert np.array_equal(state.tied[state.first] == Tie.POOL, spread)
    assert (state.tied > 0).sum() == 3


def test_a_shared_pool_is_judged_like_two_pools():
    """Judged apart, location and spread of a column get the same state, to the bit."""
    random = np.random.default_rng(2)
    watches, found = states(random, 14)
    step = watches.step(window(random), 14, 14 * HOUR)
    apart = replace(found[-1], tied=np.minimum(found[-1].tied, np.int8(Tie.CELLS)))
    assert (found[-1].tied == Tie.POOL).any()
    one, other = (EDetector().judge(step, state)[1] for state in (found[-1], apart))
    assert same(one, other, but=("tied",))


@pytest.mark.parametrize("accepted", [None, 15])
def test_rows_are_tied_only_while_their_pools_are_equal(accepted):
    """Over alarms, recoveries and acceptance, what is said to be one pool is one, and what is one is said to be."""
    _, found = states(np.random.default_rng(3), accepted=accepted)
    seen = set()
    for state in found:
        rows = np.flatnonzero(state.tied)
        equal = (state.pool[rows] == state.pool[rows - 1]).all(axis=1)
        seen |= set(equal.tolist())
        assert not equal[state.tied[rows] == Tie.CELLS].any()
        assert equal[state.tied[rows] == Tie.POOL].all()
    assert seen == ({True, False} if accepted is None else {True})


def test_a_spread_that_joins_alone_is_not_tied():
    """Where a column's location stays and its spread is new, each keeps counts and pool of its own."""
    random = np.random.default_rng(12)
    watches, found = states(random, 6)
    spread = watches.first[1]
    key, watch_key = found[-1].key.copy(), found[-1].watch_key.copy()
    key[spread], watch_key[1] = 1, 1
    old = replace(found[-1], key=key, watch_key=watch_key)
    after = extend(old, watches, window(random, 2000), np.ones(len(watches.key)))
    assert after.tied[spread] == Tie.NONE
    assert (after.tied == Tie.POOL).sum() == 2


# --- rows beside each other


def test_what_others_bring_changes_no_evidence():
    """Where a column does not come, the others' evidence is what it is beside it, to the bit."""
    random = np.random.default_rng(4)
    watches, found = states(random, 8)
    whole = window(random)
    some = {name: one for name, one in whole.items() if name != "b"}
    one, other = (EDetector().judge(watches.step(x, 8, 8 * HOUR), found[-1]) for x in (whole, some))
    held = np.array([watch.column != "b" for watch in watches.watches])
    assert np.array_equal(other[0].judged, held)
    assert np.array_equal(one[0].log_evidence[held], other[0].log_evidence[held])
    assert np.array_equal(one[1].pool[held[one[1].group]], other[1].pool[held[one[1].group]])
    assert np.array_equal(one[1].ring_sum[held[one[1].group]], other[1].ring_sum[held[one[1].group]])


@pytest.mark.parametrize("measure", list(Measure))
def test_empty_cells_change_no_score(measure):
    """Counts in 64 cells of which the last 32 are empty score like those in 32."""
    random = np.random.default_rng(5)
    pool, counts = (
        random.multinomial(3000, np.ones(32) / 32, 50),
        random.multinomial(200, np.ones(32) / 32, 50),
    )
    if measure == Measure.SHARE:
        pool[:, 2:], counts[:, 2:] = 0, 0
    kinds, free = np.full(50, measure, dtype=np.int8), np.zeros(50, dtype=np.int8)
    found = [
        window_scores(
            np.pad(pool, ((0, 0), (0, n))),
            np.pad(counts, ((0, 0), (0, n))),
            kinds,
            free,
            lambda r: r / 50 + 0.01,
        ).z
        for n in (0, 32)
    ]
    assert np.abs(found[0]).max() > 1.0
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_scores_of_many_rows_are_those_of_each():
    """Four thousand rows of all kinds, more than are worked on at once, score as each does alone."""
    random = np.random.default_rng(6)
    n = 4000
    kinds = random.integers(0, 3, n).astype(np.int8)
    pool, counts = (random.multinomial(size, random.dirichlet(np.ones(6)), n) for size in (900, 120))
    pool[kinds == Measure.SHARE, 2:], counts[kinds == Measure.SHARE, 2:] = 0, 0
    free = np.zeros(n, dtype=np.int8)
    found = window_scores(pool, counts, kinds, free, lambda rows: rows / n)
    for row in random.choice(n, 60, replace=False):
        part = slice(row, row + 1)
        one = window_scores(
            pool[part], counts[part], kinds[part], free[part], lambda _, row=row: np.array([row / n])
        )
        assert one.z[0] == found.z[row]


def test_reference_scores_have_mean_zero_and_variance_one():
    """Over the reference itself the scores of location and spread are standardised, in as many rows as one likes."""
    random = np.random.default_rng(7)
    reference = random.multinomial(2000, random.dirichlet(np.ones(32)), 4000)
    scores = reference_scores(reference, (np.arange(4000) % 2).astype(np.int8))
    np.testing.assert_allclose((scores * reference).sum(axis=1) / 2000, 0.0, atol=1e-12)
    np.testing.assert_allclose((scores**2 * reference).sum(axis=1) / 2000, 1.0, rtol=1e-12)


def test_one_detector_serves_several_states():
    """What a detector keeps of one reference is not used for another."""
    random = np.random.default_rng(8)
    watches, one = start(random)
    other = begin(watches, window(random, 1000, shift=0.3), np.ones(len(watches.key)), windows_per_month=720)
    detector, step = EDetector(), watches.step(window(random), 0, 0.0)
    for state in (one, other, one):
        assert same(detector.judge(step, state)[1], EDetector().judge(step, state)[1])


# --- laws


@pytest.mark.parametrize("degrees", [10, 11, 25, 400, 10**6])
def test_student_becomes_normal(degrees):
    """The normal score of a t value has the t value's tail, on either side, near and far, as in scipy's own laws."""
    t = np.r_[np.linspace(-12, 12, 3001), 1e-9, 30.0]
    expected = stats.norm.isf(stats.t.sf(np.abs(t), degrees)) * np.sign(t)
    np.testing.assert_allclose(normal_of_t(t, np.full(len(t), degrees)), expected, rtol=1e-12, atol=1e-15)


def test_degrees_of_freedom_may_differ():
    """Values of many degrees of freedom in one call become what each becomes alone, to the bit, and what scipy says."""
    random = np.random.default_rng(9)
    t, degrees = random.normal(size=5000) * 3, random.integers(10, 200, 5000)
    found = normal_of_t(t, degrees)
    expected = np.copysign(special.ndtri(special.stdtr(degrees, -np.abs(t))), t)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    alone = [normal_of_t(t[row : row + 1], degrees[row : row + 1])[0] for row in range(0, 5000, 50)]
    assert np.array_equal(alone, found[::50])


def test_a_score_beyond_all_tails_is_finite():
    """Where the tail is less than a double can hold, the normal score is the largest there is, about 37."""
    assert normal_of_t(np.array([-1e40, 1e40]), np.array([10, 10])) == pytest.approx(
        [-37.0471, 37.0471], abs=1e-4
    )


@pytest.mark.parametrize(("factor", "alarms"), [(1e-3, []), (1e3, ["latency.location", "latency.slow"])])
def test_scores_of_hundreds_are_evidence_too(factor, alarms):
    """Windows hundreds of standard deviations off alarm on the bad side alone, and all evidence stays finite."""
    random = np.random.default_rng(11)
    grid = latency_grid()
    usual = [summarise_numeric(grid, random.lognormal(-4, 0.5, n)) for n in (200_000, 300_000, 300_000)]
    off = summarise_numeric(grid, random.lognormal(-4, 0.5, 300_000) * factor)
    watches = plan({"latency_s": usual[0]}, "model")
    state = begin(watches, {"latency_s": usual[0]}, np.ones(2), windows_per_month=720)
    for w, one in enumerate([*usual[1:], off]):
        evidence, state = EDetectorRows().judge(watches.step({"latency_s": one}, w, w * HOUR), state)
    assert np.isfinite(evidence.log_evidence).all()
    assert [watches.watches[k].id for k in np.flatnonzero(evidence.alarm)] == alarms


# --- memory


def test_counts_of_nothing_take_no_memory():
    """What waits, where nothing does, is zeros that were never written; so are zeros that were."""
    assert nothing((1000, 32)).sum() == 0
    assert nothing((1000, 32)).strides == (0, 0)
    assert is_nothing(nothing((1000, 32)))
    assert is_nothing(np.zeros((3, 2), dtype=np.int64))
    assert not is_nothing(np.eye(2, dtype=np.int64))


def test_an_older_format_is_named():
    """Bytes of the first format are refused with both versions in the words."""
    data = start(np.random.default_rng(10))[1].to_bytes()
    with pytest.raises(DataError, match="begins with b'VDSTATE1': must begin with b'VDSTATE2'"):
        State.from_bytes(b"VDSTATE1" + data[8:])
