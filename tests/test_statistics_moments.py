"""Standard deviation, distinct values, throughput and error rate against scipy, definitions and simulation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.statistics import (
    STATISTICS,
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    summarise_category,
    summarise_numeric,
)
from vedette.statistics.hashes import KEPT
from vedette.statistics.moments import moments_of

GRID = numeric_grid("x", np.random.default_rng(61).normal(size=1000))
FLAG = numeric_grid("flag", [0.0, 1.0] * 50)


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(61)


def figure(name, summary, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(summary, None, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 200), st.floats(-5, 5), st.floats(0.1, 10))
def test_moments_are_scipys(seed, n, shift, scale):
    """Mean, deviation, skewness and kurtosis from four sums are those of numpy and scipy."""
    x = shift + scale * np.random.default_rng(seed).exponential(size=n)
    found = moments_of(summarise_numeric(GRID, x))
    kurtosis = stats.kurtosis(x, fisher=False)
    expected = [x.mean() - GRID.centre, x.std(ddof=1), stats.skew(x, bias=False), kurtosis]
    # values lie up to 60 deviations from the grid's centre, and the fourth power of that is taken away again
    assert [found.mean[0], found.sd[0], found.skewness[0], found.kurtosis[0]] == pytest.approx(
        expected, rel=1e-4
    )


def test_moments_that_rounding_has_eaten_are_not_known(rng):
    """A spread of 1 at 1e8 from the centre has a mean and no skewness."""
    assert not moments_of(summarise_numeric(GRID, 1e8 + rng.normal(size=100))).known[0]


def test_the_deviation_is_numpys(rng):
    """The divisor is n - 1."""
    x = rng.normal(5, 2, 300)
    assert figure("sd", summarise_numeric(GRID, x))[0] == pytest.approx(x.std(ddof=1), rel=1e-12)


def test_the_interval_of_a_deviation_is_bonetts_without_excess():
    """Of 1..40 (kurtosis under 1.8, so not raised), by his formula worked with scipy's kurtosis.

    c = 40/(40 - 1.96), se = c sqrt((k - 37/40)/39), limits sqrt(c s^2 exp(-+ 1.96 se)).
    """
    x = np.arange(1.0, 41.0)
    z = stats.norm.ppf(0.975)
    c = 40 / (40 - z)
    se = c * np.sqrt((stats.kurtosis(x, fisher=False) - 37 / 40) / 39)
    expected = [np.sqrt(c * x.var(ddof=1) * np.exp(sign * z * se)) for sign in (-1, 1)]
    assert figure("sd", summarise_numeric(GRID, x))[1:3] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shape", "truth", "n"),
    [
        ("normal", 1, 30),
        ("uniform", 12**-0.5, 30),
        ("exponential", 1, 30),
        ("laplace", 2**0.5, 30),
        ("lognormal", np.sqrt((np.e - 1) * np.e), 30),
        ("lognormal", np.sqrt((np.e - 1) * np.e), 100),
        ("lognormal", np.sqrt((np.e - 1) * np.e), 1000),
    ],
)
def test_the_interval_of_a_deviation_holds_the_truth(shape, truth, n, rng):
    """Of 1,000 windows 91 % or more, whatever the tails (the standard error is 0.8 %)."""
    x = getattr(rng, shape)(size=1000 * n)
    found = STATISTICS["sd"].figures(summarise_numeric(GRID, x, None, np.repeat(np.arange(1000), n), 1000))
    done = np.isfinite(found.low)
    assert done.mean() > 0.85
    assert ((found.low <= truth) & (truth <= found.high))[done].mean() >= 0.91


def test_equal_values_do_not_make_a_deviation_certain():
    """Twenty zeros of a 0/1 column leave room for a share p of ones, with a deviation of sqrt(p (1 - p))."""
    p = stats.binomtest(0, 20).proportion_ci(method="exact").high
    found = figure("sd", summarise_numeric(FLAG, np.zeros(20)))
    assert found[:3] == pytest.approx((0, 0, np.sqrt(p * (1 - p))))


def test_the_deviation_of_two_values_follows_their_share():
    """Limits of p that lie on both sides of a half have a half between them."""
    share = stats.binomtest(45, 100).proportion_ci(method="wilson")
    found = figure("sd", summarise_numeric(FLAG, [0.0] * 55 + [1.0] * 45))
    assert share.low < 0.5 < share.high
    assert found[2] == 0.5
    assert found[1] == pytest.approx(np.sqrt(share.low * (1 - share.low)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0], "fewer than 2 finite values: 1"),
        ([*range(29)], "fewer than 30 finite values: 29"),
        ([*range(30), 10**5], "too few rows for so heavy tails: 31"),
        ([1e9, 1e9 + 1e-3] * 30, "values too close together, for their distance from the grid's centre"),
        ([1e308, -1e308] * 30, "values too large to compute with"),
        ([np.nan] * 9, "all values missing or NaN"),
    ],
)
def test_a_deviation_that_cannot_be_told_has_a_reason(values, reason):
    """The reason is precise."""
    assert figure("sd", summarise_numeric(GRID, values))[-1] == reason


@pytest.mark.parametrize("n", [1, 100, KEPT - 1, KEPT])
def test_few_distinct_values_are_counted_exactly(n):
    """Up to what there is room for, each value five times or not."""
    x = np.arange(float(n))
    counts = {1: figure("distinct", summarise_numeric(GRID, x))[:3]}
    if n < KEPT:
        counts[5] = figure("distinct", summarise_numeric(GRID, np.tile(x, 5)))[:3]
    assert set(counts.values()) == {(n, n, n)}


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, 2.5]), min_size=1, max_size=30))
def test_only_finite_values_are_distinct(values):
    """The number is that of Python's set, NaN and infinities left out; 0.0 and -0.0 are one."""
    expected = len({value for value in values if np.isfinite(value)})
    found = figure("distinct", summarise_numeric(GRID, values))
    assert found[0] == expected if expected else found[-1] is not None


def test_levels_are_counted_whatever_cell_they_are_in():
    """Three levels of which the grid knows one."""
    summary = summarise_category(category_grid("c", {"a": 1}), [0, 1, 2, 2, -1], ["a", "b", "c"])
    assert figure("distinct", summary)[:3] == (3, 3, 3)


@pytest.mark.parametrize("distinct", [300, 1000, 20_000])
def test_the_interval_of_many_distinct_values_holds_their_number(distinct, rng):
    """Of 400 windows 92 to 98 %; the value is unbiased to four standard errors."""
    x = rng.normal(size=400 * distinct)
    window = np.repeat(np.arange(400), distinct)
    twice = [np.concatenate([part, part]) for part in (x, window)]
    found = STATISTICS["distinct"].figures(summarise_numeric(GRID, twice[0], None, twice[1], 400))
    held = (found.low <= distinct) & (distinct <= found.high)
    assert 0.92 <= held.mean() <= 0.98
    assert abs(found.value.mean() - distinct) < 4 * found.value.std() / 20


def test_the_interval_of_distinct_values_is_that_of_the_beta_law(rng):
    """At the limits scipy's distribution of the 256th smallest of D uniform numbers has 2.5 % beyond what was seen."""
    summary = summarise_numeric(GRID, np.tile(rng.normal(size=5000), 2))
    _, low, high, *_ = figure("distinct", summary)
    u = float(summary.hashes[0, -1]) / 2.0**64

    def chance(number):
        return stats.beta.cdf(u, KEPT, number - KEPT + 1)

    assert chance(low - 1) < 0.025 <= chance(low)
    assert chance(high) < 0.975 <= chance(high + 1)


def test_distinct_values_that_were_not_kept_have_a_reason():
    """A summary without room for hashes does not count 0."""
    summary = summarise_numeric(GRID, [1.0, 2.0], kept=0)
    assert figure("distinct", summary)[-1] == "distinct values were not kept"


def test_distinct_values_that_were_taken_back_are_not_counted_as_there():
    """Of three values two were taken away: what the hashes remember is more than there are rows."""
    x = [1.0, 2.0, 3.0]
    both = summarise_numeric(GRID, x) + summarise_numeric(GRID, x[:2], sign=-1)
    assert figure("distinct", both)[-1] == "values were taken back, and which are left is not known"


@pytest.mark.parametrize("k", [0, 1, 10, 100_000])
def test_the_rate_of_rows_is_poissons(k):
    """At either limit scipy's Poisson distribution has 2.5 % beyond what came, missing values counted too."""
    column = dataclasses.replace(summarise_numeric(GRID, np.full(k, np.nan)), window_s=10.0)
    value, low, high, *_ = figure("throughput_per_s", column)
    assert value == k / 10
    assert stats.poisson.cdf(k, high * 10) == pytest.approx(0.025)
    assert low == 0 if k == 0 else stats.poisson.sf(k - 1, low * 10) == pytest.approx(0.025)


@pytest.mark.parametrize("window_s", [None, 0.0])
def test_a_rate_needs_the_length_of_the_window(window_s):
    """Without it there is a reason and no division."""
    column = dataclasses.replace(summarise_numeric(GRID, [1.0]), window_s=window_s)
    assert figure("throughput_per_s", column)[-1] == "length of the window is not known"


def test_errors_are_rows_without_a_prediction():
    """Null and NaN are errors, infinities are not; the interval is binomtest's."""
    column = summarise_numeric(GRID, [1.0, np.nan, np.inf, 2.0, 3.0], [True, True, True, True, False])
    expected = stats.binomtest(2, 5).proportion_ci(method="exact")
    assert figure("error_rate", column)[:3] == pytest.approx((0.4, expected.low, expected.high))


def test_a_model_that_only_fails_has_an_error_rate_of_one():
    """No prediction at all is a figure, no rows are a reason."""
    assert figure("error_rate", summarise_numeric(GRID, [np.nan] * 9))[0] == 1
    assert figure("error_rate", Summary.empty(GRID))[-1] == "no rows"


def test_distinct_latencies_are_counted(rng):
    """The grid's cells have no part in it."""
    assert figure("distinct", summarise_numeric(latency_grid(), [0.1, 0.1000001, 0.1]))[0] == 2


@pytest.mark.parametrize("distance", [300, 900, 3000, 30_000])
def test_a_deviation_far_from_the_centre_is_right_or_has_a_reason(distance):
    """Thousands of deviations away the fourth moment is rounding; nearer, limits are those of values at the centre."""
    x = np.random.default_rng(4).normal(size=200)
    grid = numeric_grid("x", x)
    near, far = (STATISTICS["sd"].figures(summarise_numeric(grid, values)) for values in (x, x + distance))
    if far.reason[0] is None:
        np.testing.assert_allclose([far.low, far.high], [near.low, near.high], rtol=0.01)
    assert (far.reason[0] is None) == (distance < 1000)


def test_two_files_that_lie_apart_are_no_far_values(rng):
    """A grid cut on values about 0 and about 1,000 does not widen the deviation of either."""
    near, far = rng.normal(size=2000), rng.normal(1000, 1, 2000)
    found = STATISTICS["sd"].figures(summarise_numeric(numeric_grid("x", np.concatenate([near, far])), near))
    alone = STATISTICS["sd"].figures(summarise_numeric(numeric_grid("x", near), near))
    assert found.high[0] == pytest.approx(alone.high[0], rel=0.05)


@pytest.mark.parametrize("wild", [1e6, 1e200])
def test_one_wild_value_of_the_pilot_leaves_the_deviation_a_limit(rng, wild):
    """A sentinel in the rows that cut the grid says nothing of a window without it."""
    grid = numeric_grid("x", np.append(rng.normal(size=999), wild))
    found = STATISTICS["sd"].figures(summarise_numeric(grid, rng.normal(size=400)))
    assert found.value[0] == pytest.approx(1, abs=0.15)
    assert found.high[0] < 1.5


def test_far_values_of_the_pilot_are_allowed_for(rng):
    """Rows without any of the one in a hundred that are far out: the limit reaches what those would make of it."""
    pilot = rng.normal(size=1000) * np.where(np.arange(1000) % 100 == 0, 100.0, 1.0)
    found = STATISTICS["sd"].figures(summarise_numeric(numeric_grid("x", pilot), rng.normal(size=100)))
    assert found.high[0] > 10 > found.low[0]
