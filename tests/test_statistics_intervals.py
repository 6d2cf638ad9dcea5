"""The interval formulas against scipy.stats, published tables and definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vedette.statistics.intervals import (
    FEW,
    average,
    clopper_pearson,
    garwood,
    hall,
    noncentral_chi_square,
    quantile_ranks,
    share,
    wilson,
)

counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.sampled_from([0.5, 0.9, 0.95, 0.999])


@pytest.mark.parametrize(("formula", "method"), [(wilson, "wilson"), (clopper_pearson, "exact")])
@settings(deadline=None)
@given(pair=counts.filter(lambda pair: pair[1] > 0), level=levels)
def test_intervals_of_shares_are_those_of_binomtest(formula, method, pair, level):
    """Wilson's and Clopper and Pearson's limits agree with scipy's binomtest."""
    expected = stats.binomtest(*pair).proportion_ci(level, method)
    assert [float(limit) for limit in formula(*pair, level)] == pytest.approx(list(expected), abs=1e-9)


@settings(deadline=None)
@given(counts, levels)
def test_a_share_is_within_its_interval(pair, level):
    """0 <= low <= k/n <= high <= 1, also for no rows, where the interval is [0, 1]."""
    (k, n), (low, high) = pair, share(*pair, level)
    assert 0 <= low <= (k / n if n else 0) <= high <= 1


@pytest.mark.parametrize("k", [FEW - 1, FEW])
def test_small_counts_have_the_exact_interval(k):
    """Under 5 on either side it is Clopper and Pearson's, from 5 on Wilson's."""
    expected = clopper_pearson if k < FEW else wilson
    found = [share(k, 100, 0.95), share(100 - k, 100, 0.95)]
    np.testing.assert_array_equal(found, [expected(k, 100, 0.95), expected(100 - k, 100, 0.95)])


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0.01, 0.25, 0.5, 0.95, 0.99]), levels)
def test_ranks_are_the_innermost_that_hold_the_level(n, p, level):
    """Each limit leaves out at most half of 1 - level by scipy's binomial distribution, the next rank in more."""
    low, high = (int(rank[0]) for rank in quantile_ranks(np.array([n]), p, level))
    tail = (1 - level) / 2 * (1 + 1e-9)
    below, above = stats.binom(n, p).cdf, stats.binom(n, p).sf
    assert below(low - 1) <= tail
    assert above(high - 1) <= tail
    assert low == n or below(low) > tail * (1 - 1e-6)
    assert high == 1 or above(high - 2) > tail * (1 - 1e-6)


def test_ranks_of_many_rows_are_exact():
    """A billion rows have the ranks that the normal law gives, to a row or two."""
    low, high = quantile_ranks(np.array([10**9]), 0.5, 0.95)
    half = stats.norm.ppf(0.975) * np.sqrt(10**9) / 2
    assert [low[0] - 5e8, high[0] - 5e8] == pytest.approx([-half, half], abs=2)


@settings(deadline=None)
@given(st.floats(0, 199), st.integers(1, 140), levels)
def test_the_noncentrality_solves_its_equation(x, df, level):
    """scipy's noncentral chi-square at either limit has the tail that was asked for, or the limit is 0."""
    low, high = (float(limit) for limit in noncentral_chi_square(x, df, level))
    for limit, chance in ((low, (1 + level) / 2), (high, (1 - level) / 2)):
        if limit > 0:
            assert stats.ncx2.cdf(x, df, limit) == pytest.approx(chance, abs=1e-6)
        else:
            assert stats.chi2.cdf(x, df) <= chance + 1e-6


@pytest.mark.parametrize("df", [1, 9.5, 140])
@pytest.mark.parametrize("x", [199, 201, 1e3, 1e5, 1e7])
def test_the_noncentrality_of_great_values_solves_it_too(x, df):
    """From 200 on a saddlepoint approximation is inverted, and the tails are right to 0.00001."""
    low, high = (float(limit) for limit in noncentral_chi_square(x, df, 0.95))
    assert stats.ncx2.cdf(x, df, high) == pytest.approx(0.025, abs=1e-5)
    if low > 0:
        assert stats.ncx2.cdf(x, df, low) == pytest.approx(0.975, abs=1e-5)


@settings(deadline=None)
@given(st.floats(0.001, 3), st.integers(5, 1000), levels)
def test_halls_limits_solve_his_cubic(skewness, n, level):
    """Put into the transformation, the further limit gives Student's quantile, or Student's limit is further out."""
    t = stats.t.ppf((1 + level) / 2, n - 1) / np.sqrt(n)
    below, above = (float(limit[0]) for limit in hall(np.array([skewness]), np.array([n]), level))

    def transformed(y):
        return y + skewness * y**2 / 3 + skewness**2 * y**3 / 27 + skewness / (6 * n)

    assert below == pytest.approx(t) or transformed(below) == pytest.approx(t, rel=1e-6)
    assert above == pytest.approx(t) or transformed(-above) == pytest.approx(-t, rel=1e-6)
    assert min(below, above) >= t * (1 - 1e-9)


@settings(deadline=None)
@given(st.floats(-3, 3), st.integers(5, 1000))
def test_halls_limits_turn_with_the_values(skewness, n):
    """The limits of the mirrored values are the mirrored limits."""
    one, other = (hall(np.array([sign * skewness]), np.array([n]), 0.95) for sign in (1, -1))
    assert (one[0][0], one[1][0]) == pytest.approx((other[1][0], other[0][0]), rel=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10**9), levels)
def test_the_interval_of_a_count_is_garwoods(k, level):
    """Half the quantiles of scipy's chi-square on 2k and 2k + 2 degrees of freedom."""
    low, high = (float(limit) for limit in garwood(k, level))
    tail = (1 - level) / 2
    assert low == (pytest.approx(stats.chi2.ppf(tail, 2 * k) / 2) if k else 0)
    assert high == pytest.approx(stats.chi2.ppf(1 - tail, 2 * k + 2) / 2)


def test_the_noncentrality_of_a_published_example():
    """Of x = 20 on 9 degrees of freedom, by scipy's own root finder on its noncentral chi-square."""
    low, high = noncentral_chi_square(20.0, 9, 0.95)
    assert (float(low), float(high)) == pytest.approx((0.470820, 31.708604), abs=1e-5)


def test_an_average_of_one_class_is_that_class():
    """With one class counted the interval is its own."""
    value, low, high = average(
        np.array([[0.3, 0.9]]), np.array([[0.2, 0.0]]), np.array([[0.5, 1.0]]), np.array([[True, False]])
    )
    assert (value[0], low[0], high[0]) == pytest.approx((0.3, 0.2, 0.5))


def test_an_average_of_two_is_the_shortest_side_of_a_triangle():
    """Distances from limits are added as squares and divided by the number of classes: 3 and 4 make 5/2."""
    value, low, high = average(
        np.array([[0.5, 0.5]]), np.array([[0.2, 0.1]]), np.array([[0.8, 0.9]]), np.array([[True, True]])
    )
    assert (value[0], low[0], high[0]) == pytest.approx((0.5, 0.25, 0.75))
