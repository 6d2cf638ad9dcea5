"""The statistical method of series: its e-values are right, its alarms are within the budget, it finds changes."""

from __future__ import annotations

import pickle
from dataclasses import fields

import numpy as np
import pytest
from scipy import signal, stats

from vedette.strategy.series.counted import LEARNING, SHIFTS, SINGLE
from vedette.strategy.series.ranked import LOCATIONS
from vedette.strategy.series.statistical import KINDS, Statistical
from vedette.strategy.series.urns import draw, put, rank_urn
from vedette.strategy.series.whitening import autoregression, hangs_together, inflation_of

DRAWS = {
    "mean": lambda random, shape: random.normal(size=shape),
    "variance": lambda random, shape: random.normal(size=shape),
    "rate": lambda random, shape: (random.random(shape) < 0.1).astype(float),
    "category": lambda random, shape: np.searchsorted([0.5, 0.8], random.random(shape)).astype(float),
    "exceedance": lambda random, shape: random.normal(size=shape),
}

MIXED = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0], [90, 10]))


def begun(method: Statistical, past: np.ndarray):
    """The state after a reference, of one series or more."""
    past = past if past.ndim == 2 else past[:, None]
    return method.begin(past, np.arange(float(len(past))))


def alarms(method: Statistical, past: np.ndarray, rows: np.ndarray, limit: float) -> np.ndarray:
    """[n, K]: where R <- (R + 1) e, the mean over bets, reached the limit, and began anew."""
    state, r, found = begun(method, past), 0.0, []
    for at, row in enumerate(rows):
        told, state = method.step(state, row, float(at))
        r = (r + 1.0) * np.exp(told.log_e)
        found.append(r.mean(axis=1) >= limit)
        r[found[-1]] = 0.0
    return np.array(found)


def surely_within(counts: np.ndarray, bound: float) -> bool:
    """The mean of ``counts`` of independent runs is no more than ``bound``, but for chance of 1e-4."""
    return bool(counts.mean() <= bound + 3.7 * counts.std() / np.sqrt(len(counts)) + 1e-12)


@pytest.mark.parametrize("kind", ["mean", "variance"])
@pytest.mark.parametrize("n", [20, 137, 3000])
def test_e_values_of_ranks_have_mean_one(kind, n):
    """Over all cells, each with its probability in the urn, e adds up to 1 for every bet, after rows that came too."""
    method = Statistical(kind)
    past = np.random.default_rng(n).normal(size=n)
    state = begun(method, past)
    for row in np.random.default_rng(n + 1).normal(0.5, 1, 50):
        _, state = method.step(state, np.array([row]), 0.0)
    edges = state.kept.urn.edges[0]
    middles = (
        np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]]) + state.kept.centre[0]
    )
    shares = np.diff(state.kept.urn.cum[0]) / state.kept.urn.cum[0, -1]
    e = np.array([np.exp(method.step(state, np.array([x]), 0.0)[0].log_e[0]) for x in middles])
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares @ e, 1.0, rtol=1e-9)


@pytest.mark.parametrize("known", [None, 0.3])
def test_e_values_of_rates_have_mean_one(known):
    """Over 0 and 1 with the probabilities of the urn, or those known."""
    method = Statistical("rate", known=known)
    state = begun(method, MIXED)
    e = [np.exp(method.step(state, np.array([x]), 0.0)[0].log_e[0]) for x in (0.0, 1.0)]
    theta = 10.5 / 101 if known is None else known
    np.testing.assert_allclose((1 - theta) * e[0] + theta * e[1], 1.0)
    assert len(e[0]) == 2 * len(SHIFTS)


def test_the_e_value_of_a_rate_is_the_ratio_by_hand():
    """Odds of exp(.2/sd) times those of theta: q/theta of an error, (1 - q)/(1 - theta) of none."""
    method = Statistical("rate", side="up")
    theta = 10.5 / 101
    odds = theta / (1 - theta) * np.exp(0.2 / np.sqrt(theta * (1 - theta)))
    q = odds / (1 + odds)
    state = begun(method, MIXED)
    at = SHIFTS.tolist().index(0.2)
    for row, ratio in ((1.0, q / theta), (0.0, (1 - q) / (1 - theta))):
        assert np.exp(method.step(state, np.array([row]), 0.0)[0].log_e[0, at]) == pytest.approx(ratio)


def test_e_values_of_categories_have_mean_one():
    """Over all categories, the unseen one too, with the probabilities of the urn."""
    method = Statistical("category")
    state = begun(method, np.random.default_rng(0).permutation(np.repeat([0.0, 1.0, 2.0], [50, 30, 20])))
    for row in (2.0, 2.0, 7.0, 0.0):
        _, state = method.step(state, np.array([row]), 0.0)
    e = np.array([np.exp(method.step(state, np.array([x]), 0.0)[0].log_e[0]) for x in (0.0, 1.0, 2.0, 3.0)])
    shares = np.array([51.5, 30.5, 22.5, 1.5]) / 106.0
    np.testing.assert_allclose(shares @ e, 1.0)
    assert e.shape[1] == len(LEARNING) + 4 * len(SINGLE)


def test_rows_fall_in_the_cells_of_the_urn_with_its_probabilities():
    """Whatever the law: the tenth row after 30 of a skewed or a tied law, reference redrawn 4,000 times."""
    for law in (lambda r, n: r.exponential(size=n), lambda r, n: r.poisson(2.0, n).astype(float)):
        random = np.random.default_rng(1)
        rows = law(random, (40, 4000))
        urn = rank_urn(rows[:30], seed=5)
        for row in rows[30:39]:
            urn = put(urn, draw(urn, row), np.ones(4000, dtype=bool))
        drawn = draw(urn, rows[39])
        p = (drawn.below + random.random(4000) * drawn.within) / drawn.whole
        assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_a_quantile_is_exceeded_as_its_urn_says():
    """The 90 % point of 49 rows is the 45th of them: the next lies beyond with probability 5/50, whatever the law."""
    random = np.random.default_rng(2)
    method = Statistical("exceedance", quantile=0.9)
    past, rows = random.lognormal(size=(49, 5000)), random.lognormal(size=5000)
    state = begun(method, past)
    np.testing.assert_allclose(state.kept.weights, np.tile([45.0, 5.0], (5000, 1)))
    _, after = method.step(state, rows, 0.0)
    beyond = int((after.kept.weights[:, 1] - 5.0).sum())
    assert stats.binomtest(beyond, 5000, 0.1).pvalue > 1e-3


@pytest.mark.parametrize(
    ("kind", "draw_rows"),
    [
        *DRAWS.items(),
        ("mean", lambda random, shape: random.standard_t(2, shape)),
        ("mean", lambda random, shape: np.round(random.exponential(2.0, shape))),
        ("variance", lambda random, shape: random.exponential(size=shape)),
    ],
)
def test_false_alarms_are_within_the_budget(kind, draw_rows):
    """A limit of 300 is reached no more than once in 300 rows, with the reference redrawn in each of 300 runs."""
    random = np.random.default_rng(3)
    rows = draw_rows(random, (100 + 600, 300))
    counts = alarms(Statistical(kind), rows[:100], rows[100:], 300.0).sum(axis=0)
    assert surely_within(counts, 600 / 300)
    assert counts.mean() > 0.1


@pytest.mark.parametrize(
    ("kind", "change", "longest"),
    [
        ("mean", lambda rows: rows + 0.5, 110),
        ("variance", lambda rows: rows * 1.5, 75),
        ("exceedance", lambda rows: rows + 1.0, 65),
        ("rate", lambda rows: np.maximum(rows, np.arange(len(rows))[:, None] % 10 == 0), 330),
        ("category", lambda rows: np.where(np.arange(len(rows))[:, None] % 5 == 0, 2.0, rows), 210),
    ],
)
def test_changes_are_found_soon(kind, change, longest):
    """At one false alarm in 100,000 rows, the median of 100 runs after 2,000 rows of reference."""
    random = np.random.default_rng(4)
    past, rows = DRAWS[kind](random, (2000, 100)), DRAWS[kind](random, (400, 100))
    found = alarms(Statistical(kind), past, change(rows), 1e5)
    delays = np.where(found.any(axis=0), found.argmax(axis=0) + 1.0, np.inf)
    assert np.median(delays) <= longest


def test_ranks_do_not_mind_the_unit():
    """Any rising function of rows gives the same e-values: logs, dollars, squares."""
    random = np.random.default_rng(20)
    past, rows = random.normal(size=(200, 3)), random.normal(size=(20, 3))
    method = Statistical("mean")
    one, other = begun(method, past), begun(method, np.exp(past))
    for row in rows:
        told, one = method.step(one, row, 0.0)
        same, other = method.step(other, np.exp(row), 0.0)
        np.testing.assert_allclose(told.log_e, same.log_e)


def test_normal_rows_lose_little_by_ranks():
    """The sum of log e of the bet on .5 sd is that of the likelihood ratio with both laws known, within a tenth."""
    random = np.random.default_rng(6)
    past, rows = random.normal(size=(20_000, 20)), random.normal(0.5, 1, (200, 20))
    method = Statistical("mean")
    state, total = begun(method, past), np.zeros(20)
    at = LOCATIONS.tolist().index(0.5)
    for row in rows:
        told, state = method.step(state, row, 0.0)
        total += told.log_e[:, at]
    known = (0.5 * rows - 0.125).sum(axis=0)
    assert total.mean() == pytest.approx(known.mean(), rel=0.1)


def test_rows_that_hang_together_are_whitened():
    """An autoregression of .5 is found and taken out: alarms stay within the budget, and the words say so."""
    random = np.random.default_rng(7)
    rows = signal.lfilter([1.0], [1.0, -0.5], random.normal(size=(2600, 100)), axis=0)[100:]
    method = Statistical("mean", independent=True)
    state = begun(method, rows[:1500])
    assert sum("taken out" in one for one in method.words(state)) == 100
    assert set(method.guarantees(state)) == {"calibrated"}
    counts = alarms(method, rows[:1500], rows[1500:], 300.0).sum(axis=0)
    assert surely_within(counts, 1000 / 300)
    np.testing.assert_allclose(np.mean(state.kept.coefficients[:, 0]), 0.5, atol=0.03)


def test_errors_that_come_in_bursts_count_as_fewer():
    """Rows of 0 and 1 that stay what they are for a while: the e-values are tempered, and alarms within the budget."""
    random = np.random.default_rng(8)
    rows = (np.repeat(random.random((300, 100)), 10, axis=0) < 0.1).astype(float)
    method = Statistical("rate")
    state = begun(method, rows[:2000])
    assert state.kept.inflation.mean() > 5.0
    assert sum("count as one" in one for one in method.words(state)) >= 95
    counts = alarms(method, rows[:2000], rows[2000:], 300.0).sum(axis=0)
    assert surely_within(counts, 1000 / 300)


def test_independent_rows_are_left_as_they_are():
    """The test rejects about one reference in 100, and the rest is proved where rows were declared independent."""
    past = np.random.default_rng(9).normal(size=(500, 200))
    method = Statistical("mean", independent=True)
    told = method.guarantees(begun(method, past))
    assert told.count("calibrated") <= 10
    assert (method.guarantee, Statistical("mean").guarantee) == ("proved", "calibrated")
    assert set(Statistical("mean").guarantees(begun(method, past))) == {"calibrated"}
    assert Statistical("rate", independent=True).guarantee == "calibrated"  # exact on average over rates
    assert Statistical("rate", independent=True, known=0.1).guarantee == "proved"


def test_an_autoregression_is_found_as_by_least_squares():
    """The order by BIC is 2 for one of order 2, the coefficients those of numpy's least squares."""
    rows = signal.lfilter([1.0], [1.0, -0.5, 0.3], np.random.default_rng(10).normal(size=3000))[500:]
    found, unsure = autoregression(rows, 2)
    centred = rows - rows.mean()
    x = np.column_stack([centred[1:-1], centred[:-2]])
    np.testing.assert_allclose(found, np.linalg.lstsq(x, centred[2:], rcond=None)[0], rtol=1e-9)
    assert len(autoregression(rows)[0]) == 2
    assert 1.0 < unsure < 1.15
    few, more_unsure = autoregression(rows[:40])
    assert len(few) in (1, 2)
    assert more_unsure > unsure


def test_inflation_is_a_limit_of_the_variance_of_means():
    """About 3 for an autoregression of .5, and above it in 9 of 10; 1 to 2 for independent rows."""
    random = np.random.default_rng(11)
    rows = signal.lfilter([1.0], [1.0, -0.5], random.normal(size=(5100, 60)), axis=0)[100:]
    found = np.array([inflation_of(one) for one in rows.T])
    assert (found > 2.85).mean() > 0.75  # batches of 100 rows miss a little
    assert np.median(found) < 5.0
    assert 1.0 <= inflation_of(random.normal(size=5000)) < 2.0
    assert inflation_of(np.zeros(100)) == inflation_of(np.ones(3)) == 1.0


def test_few_or_missing_rows_are_not_tested_for_dependence():
    """A constant, or 29 rows, hang together with nothing."""
    assert not hangs_together(np.zeros(200))
    assert not hangs_together(np.arange(29.0))
    assert hangs_together(np.arange(200.0))
    assert not hangs_together(np.full(100, np.nan))


def test_the_interval_holds_95_of_100_rows():
    """Of normal and of skewed rows, and where an autoregression foretells them."""
    random = np.random.default_rng(12)
    cases = [random.normal(size=(1200, 40)), random.exponential(size=(1200, 40))]
    cases.append(signal.lfilter([1.0], [1.0, -0.8], random.normal(size=(1300, 40)), axis=0)[100:])
    method = Statistical("mean")
    for rows in cases:
        state, within = begun(method, rows[:1000]), []
        for row in rows[1000:]:
            told, state = method.step(state, row, 0.0)
            within.append((told.low <= row) & (row <= told.high))
            assert np.isfinite(told.expected).all()
        assert np.mean(within) == pytest.approx(0.955, abs=0.015)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_numbers_say_nothing(kind):
    """NaN and inf have log e of 0, and the state of the urn stays as it is."""
    random = np.random.default_rng(13)
    method = Statistical(kind)
    state = begun(method, DRAWS[kind](random, (100, 2)))
    told, after = method.step(state, np.array([np.nan, np.inf]), 0.0)
    assert not told.log_e.any()
    assert np.isnan(told.surprise).all()
    row = np.ones(2)
    one, other = method.step(state, row, 0.0)[0], method.step(after, row, 0.0)[0]
    np.testing.assert_array_equal(one.log_e, other.log_e)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 19])
def test_a_short_reference_says_nothing_ever(kind, n):
    """No log e, nothing expected, and no error; a series beside it that has one is told of all the same."""
    random = np.random.default_rng(14)
    past = np.full((60, 2), np.nan)
    past[:n, 0] = DRAWS[kind](random, n)
    for other in (np.full(60, np.nan), DRAWS[kind](random, 60)):
        past[:, 1] = other
        method = Statistical(kind)
        state = begun(method, past)
        for row in DRAWS[kind](random, (5, 2)):
            told, state = method.step(state, row, 0.0)
        assert not told.log_e[0].any()
        assert np.isnan([told.expected[0], told.low[0], told.high[0], told.surprise[0]]).all()
        assert bool(told.log_e[1].any()) == bool(np.isfinite(other).all())


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_series_is_no_alarm(kind):
    """Rows that are all equal fall anywhere among themselves: within the budget."""
    rows = np.ones((500, 50))
    counts = alarms(Statistical(kind), rows[:100], rows[100:], 300.0).sum(axis=0)
    assert surely_within(counts, 400 / 300)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_never_changed_and_travel(kind):
    """A step leaves its arguments as they are, pickling changes no answer, the same steps give the same."""
    random = np.random.default_rng(15)
    method = Statistical(kind)
    past, row = DRAWS[kind](random, (80, 2)), DRAWS[kind](random, 2)
    state = begun(method, past)
    before = pickle.dumps(state)
    told, after = method.step(state, row, 0.0)
    assert pickle.dumps(state) == before
    again, _ = pickle.loads(pickle.dumps(method)).step(pickle.loads(before), row, 0.0)
    for field in fields(told):
        np.testing.assert_array_equal(getattr(told, field.name), getattr(again, field.name))
    assert pickle.dumps(after) != before


@pytest.mark.parametrize("kind", ["mean", "variance", "rate", "category", "exceedance"])
def test_series_side_by_side_are_as_one_by_one(kind):
    """Series of different references, missing rows in one of them."""
    random = np.random.default_rng(16)
    past, rows = DRAWS[kind](random, (150, 3)), DRAWS[kind](random, (10, 3))
    past[:50, 1] = np.nan
    past[-1, :] = past[-1, 0]  # the same top category for all
    if kind == "category":
        past[0], past[60] = 2.0, 2.0
    method = Statistical(kind)
    together, apart = begun(method, past), [begun(method, past[:, k]) for k in range(3)]
    for row in rows:
        told, together = method.step(together, row, 0.0)
        for k in range(3):
            alone, apart[k] = method.step(apart[k], row[k : k + 1], 0.0)
            np.testing.assert_allclose(told.log_e[k], alone.log_e[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_level_is_learnt_from_the_next_hundred_rows(kind):
    """One series of two says nothing meanwhile, and then what a method begun with these rows says; the other goes on."""
    random = np.random.default_rng(21)
    past, rows = DRAWS[kind](random, (400, 2)), DRAWS[kind](random, (130, 2))
    past[0] = rows[0] = 2.0 if kind == "category" else past[0]
    method = Statistical(kind, independent=True)
    undisturbed = state = begun(method, past)
    state = method.relearn(state, np.array([1]))
    new = begun(method, rows[:100, 1])
    for at, row in enumerate(rows):
        told, state = method.step(state, row, 0.0)
        same, undisturbed = method.step(undisturbed, row, 0.0)
        np.testing.assert_allclose(told.log_e[0], same.log_e[0])
        if at < 100:
            assert not told.log_e[1].any()
            assert np.isnan(told.expected[1])
        else:
            alone, new = method.step(new, row[1:], 0.0)
            np.testing.assert_allclose(told.log_e[1], alone.log_e[0])


def test_a_level_that_was_learnt_is_no_alarm_any_more():
    """After a jump of 3 sd that was seen to, false alarms are within the budget, and a jump back is found."""
    random = np.random.default_rng(22)
    method = Statistical("mean")
    state = method.relearn(begun(method, random.normal(size=(300, 100))), np.arange(100))
    for row in random.normal(3.0, 1, (100, 100)):
        _, state = method.step(state, row, 0.0)
    r, counts = 0.0, np.zeros(100)
    for row in random.normal(3.0, 1, (400, 100)):
        told, state = method.step(state, row, 0.0)
        r = (r + 1.0) * np.exp(told.log_e)
        fired = r.mean(axis=1) >= 200.0
        r[fired], counts = 0.0, counts + fired
    assert surely_within(counts, 2.0)
    told, _ = method.step(state, np.zeros(100), 0.0)
    assert (told.log_e.max(axis=1) > 1.0).mean() > 0.95


def test_one_side_bets_on_one_side():
    """Up alone says nothing for a fall; half as many bets."""
    past = np.random.default_rng(17).normal(size=500)
    up, both = Statistical("mean", side="up"), Statistical("mean")
    assert 2 * len(up.bets) == len(both.bets)
    assert (up.step(begun(up, past), np.array([-3.0]), 0.0)[0].log_e < 0).all()


def test_a_known_rate_needs_no_reference_and_forgives_what_is_better():
    """With .1 known, and up alone, rates of .1 and .05 are within the budget, without a row of reference."""
    random = np.random.default_rng(18)
    method = Statistical("rate", known=0.1, side="up")
    for rate in (0.1, 0.05):
        rows = (random.random((900, 200)) < rate).astype(float)
        counts = alarms(method, np.zeros((0, 200)), rows, 300.0).sum(axis=0)
        assert surely_within(counts, 3.0)


def test_a_limit_makes_an_exceedance_a_rate():
    """Rows beyond a limit are as 1 of a rate."""
    random = np.random.default_rng(19)
    past, row = random.normal(size=300), np.array([2.5])
    one, other = Statistical("exceedance", limit=1.5), Statistical("rate")
    told = one.step(begun(one, past), row, 0.0)[0]
    same = other.step(begun(other, (past > 1.5) * 1.0), np.ones(1), 0.0)[0]
    np.testing.assert_array_equal(told.log_e, same.log_e)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"kind": "median"}, "kind='median'"),
        ({"side": "left"}, "side='left'"),
        ({"kind": "category", "side": "up"}, "side='up'"),
        ({"kind": "exceedance", "quantile": 1.0}, "quantile=1.0"),
        ({"limit": 3.0}, "limit=3.0"),
        ({"kind": "mean", "known": 0.5}, "known=0.5"),
        ({"kind": "rate", "known": 1.0}, "known=1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, word):
    """With the value, and what would be right."""
    with pytest.raises(ValueError, match=word):
        Statistical(**arguments)


def test_wrong_rows_are_named():
    """Shapes, and rows that a kind does not have, in the reference and after it."""
    with pytest.raises(ValueError, match="shape"):
        Statistical().begin(np.zeros(5), np.zeros(5))
    with pytest.raises(ValueError, match="times has 4"):
        Statistical().begin(np.zeros((5, 1)), np.zeros(4))
    with pytest.raises(ValueError, match=r"value=0\.5"):
        begun(Statistical("rate"), np.full(30, 0.5))
    method = Statistical("category")
    state = begun(method, np.zeros(30))
    with pytest.raises(ValueError, match="value=-1"):
        method.step(state, np.array([-1.0]), 0.0)
    with pytest.raises(ValueError, match="shape"):
        method.step(state, np.zeros(2), 0.0)
