"""Rows, shares, means and quantiles against numpy, scipy and definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from vedette.statistics import (
    STATISTICS,
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    summarise_category,
    summarise_numeric,
)

RNG = np.random.default_rng(21)
GRID = numeric_grid("x", RNG.normal(size=1000))
QUANTILES = [name for name in STATISTICS if name[0] == "p" and name[1:].isdigit()]


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(21)


def figure(name, summary, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(summary, None, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


def test_rows_count_everything():
    """Null, NaN and infinite values are rows."""
    summary = summarise_numeric(GRID, [1.0, np.nan, np.inf, 2.0], [True, True, True, False])
    assert figure("rows", summary) == (4, 4, 4, 4, None)


def test_missing_are_null_and_nan():
    """NaN is missing as null is; infinities are a share of their own."""
    summary = summarise_numeric(GRID, [1.0, np.nan, np.inf, 2.0], [True, True, True, False])
    assert (figure("missing_share", summary)[0], figure("infinite_share", summary)[0]) == (0.5, 0.25)


@pytest.mark.parametrize(("k", "n", "method"), [(3, 100, "exact"), (30, 100, "wilson"), (0, 50, "exact")])
def test_shares_have_the_interval_of_binomtest(k, n, method):
    """Wilson's, or the exact one where a count is under 5."""
    summary = summarise_numeric(GRID, np.zeros(n), np.arange(n) >= k)
    expected = stats.binomtest(k, n).proportion_ci(method=method)
    assert figure("missing_share", summary)[:3] == pytest.approx((k / n, expected.low, expected.high))


def test_a_column_that_is_wholly_missing_is_a_share_of_one():
    """A dead sensor has a missing share of 1, and nothing else has a figure."""
    summary = summarise_numeric(GRID, np.zeros(100), np.zeros(100, dtype=bool))
    assert figure("missing_share", summary)[0] == 1.0
    assert figure("mean", summary)[-1] == figure("p50", summary)[-1] == "all values missing"


@pytest.mark.parametrize(
    ("values", "name", "reason"),
    [
        ([], "mean", "no rows"),
        ([], "missing_share", "no rows"),
        ([np.nan] * 9, "mean", "all values missing or NaN"),
        ([np.inf, np.nan], "mean", "no finite values"),
        ([1.0], "mean", "fewer than 2 finite values: 1"),
        ([1.0] * 5, "p50", "fewer than 6 finite values: 5"),
        ([1.0] * 71, "p95", "fewer than 72 finite values: 71"),
        ([1.0] * 367, "p99", "fewer than 368 finite values: 367"),
        ([1e308, 1e308, -1e308], "mean", "values too large to compute with"),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_precise(values, name, reason):
    """The reason names what is missing, and how many there are of what there must be more of."""
    assert figure(name, summarise_numeric(GRID, values))[-1] == reason


@pytest.mark.parametrize(("name", "least"), [("p50", 6), ("p95", 72), ("p99", 368), ("p01", 368)])
def test_quantiles_need_as_many_values_as_their_reason_says(name, least):
    """With that many values the extremes bound the quantile at 95 %; with one less they do not."""
    assert figure(name, summarise_numeric(GRID, np.ones(least)))[-1] is None


def test_unseen_levels_are_a_share_of_what_is_there():
    """The share is of values that are not null; levels of the reference are not unseen."""
    grid = category_grid("c", {"a": 5}, ["b"])
    summary = summarise_category(grid, [0, 1, 2, 2, -1], ["a", "b", "new"])
    assert figure("unseen_share", summary)[::3] == (0.5, 4)


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_the_mean_of_even_values_is_students(n, rng):
    """Of values without skewness, value and interval are numpy's mean and the t interval of scipy."""
    half = rng.normal(size=n // 2)
    x = 3 + np.concatenate([half, -half])
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.9)
    assert figure("mean", summarise_numeric(numeric_grid("x", []), x), 0.9)[:3] == pytest.approx(
        (x.mean(), expected.low, expected.high), rel=1e-9
    )


@pytest.mark.parametrize("n", [30, 1000])
def test_the_mean_of_skewed_values_has_halls_limit(n, rng):
    """The upper limit solves Hall's cubic for the skewness of scipy; the lower one, further out, is Student's."""
    x = rng.lognormal(size=n)
    skewness, t = stats.skew(x, bias=False), stats.t.ppf(0.975, n - 1)

    def transformed(y):
        return y + skewness * y**2 / 3 + skewness**2 * y**3 / 27 + skewness / (6 * n)

    root = optimize.brentq(lambda y: transformed(y) + t / np.sqrt(n), -20, 20)
    low, high = figure("mean", summarise_numeric(GRID, x))[1:3]
    assert high == pytest.approx(x.mean() - x.std(ddof=1) * root, rel=1e-9)
    assert low == pytest.approx(stats.ttest_1samp(x, 0).confidence_interval(0.95).low, rel=1e-9)


@pytest.mark.parametrize("shape", ["exponential", "lognormal", "normal", "uniform"])
def test_the_interval_of_a_mean_holds_the_truth_at_30_rows(shape, rng):
    """Of 2,000 windows 92 % or more, where Student's holds 88 % of log-normal ones (the standard error is 0.5 %)."""
    x, truth = getattr(rng, shape)(size=60_000), {"exponential": 1, "lognormal": np.exp(0.5), "uniform": 0.5}
    column = summarise_numeric(GRID, x, None, np.repeat(np.arange(2000), 30), 2000)
    found = STATISTICS["mean"].figures(column)
    done = np.isfinite(found.low)
    assert done.mean() > 0.9
    held = (found.low <= truth.get(shape, 0)) & (truth.get(shape, 0) <= found.high)
    assert held[done].mean() >= 0.92


def test_the_mean_of_two_values_is_a_share(rng):
    """A column of 0 and 20 has 20 times the interval of the share of 20s."""
    grid = numeric_grid("flag", [0.0, 20.0] * 50)
    expected = stats.binomtest(3, 40).proportion_ci(method="exact")
    found = figure("mean", summarise_numeric(grid, [0.0] * 37 + [20.0] * 3))
    assert found[:3] == pytest.approx((1.5, 20 * expected.low, 20 * expected.high))


def test_the_mean_that_one_row_makes_is_not_known(rng):
    """One value among zeros tells nothing of how often such values come."""
    column = summarise_numeric(GRID, [0.0] * 49 + [1.0])
    assert figure("mean", column)[-1] == "too few rows for so skewed a column: 50"


def test_the_mean_far_from_zero_keeps_its_digits(rng):
    """Sums about the centre of the grid do not cancel: a spread of 1 at 1e9 has its interval."""
    half = rng.normal(size=250)
    x = 1e9 + np.concatenate([half, -half])
    expected = stats.ttest_1samp(x - 1e9, 0).confidence_interval(0.95)
    _, low, high, *_ = figure("mean", summarise_numeric(numeric_grid("x", x[:100]), x))
    assert (low - 1e9, high - 1e9) == pytest.approx((expected.low, expected.high), rel=1e-4)


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_the_mean_moves_with_its_values(shift, scale):
    """Shifting and scaling all values does the same to the mean and its limits."""
    x = np.random.default_rng(1).normal(size=50)
    before = np.array(figure("mean", summarise_numeric(numeric_grid("x", x), x))[:3])
    moved = scale * x + shift
    after = figure("mean", summarise_numeric(numeric_grid("x", moved), moved))[:3]
    np.testing.assert_allclose(after, scale * before + shift, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [30, 100])
def test_the_mean_knows_of_rare_large_values(n, rng):
    """Of N(0, 1) with 1 % of N(50, 1) the interval holds the mean, 0.5, though most windows hold no large value."""

    def drawn(size):
        return rng.normal(size=size) + 50 * (rng.random(size) < 0.01)

    windows = np.repeat(np.arange(1000), n)
    found = STATISTICS["mean"].figures(
        summarise_numeric(numeric_grid("x", drawn(1000)), drawn(n * 1000), None, windows, 1000)
    )
    told = np.isfinite(found.value)
    assert ((found.low <= 0.5) & (found.high >= 0.5))[told].mean() > 0.95


def test_equal_values_do_not_make_a_mean_certain():
    """Twenty zeros of a 0/1 column leave room for a share of ones of 1 - 0.025**(1/20), by Clopper and Pearson."""
    grid = numeric_grid("flag", [0, 1] * 50)
    limit = stats.binomtest(0, 20).proportion_ci(method="exact").high
    assert figure("mean", summarise_numeric(grid, np.zeros(20)))[:3] == pytest.approx(
        (0, 0, limit), abs=1e-12
    )


def test_a_constant_column_is_its_value():
    """Where the pilot was constant too the interval is the value."""
    grid = numeric_grid("one", [1.0] * 10)
    assert figure("mean", summarise_numeric(grid, np.ones(20)))[:3] == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_of_a_discrete_column_are_exact(name, rng):
    """They are numpy's quantiles with method "inverted_cdf"."""
    x = rng.poisson(20, 1000).astype(float)
    value = figure(name, summarise_numeric(numeric_grid("n", x), x))[0]
    assert value == pytest.approx(np.quantile(x, int(name[1:]) / 100, method="inverted_cdf"), abs=1e-12)


@pytest.mark.parametrize("name", QUANTILES)
def test_quantiles_are_in_the_cell_of_numpys(name, rng):
    """A continuous column's quantile is off by less than the cell that holds it."""
    x = rng.normal(size=5000)
    value = figure(name, summarise_numeric(GRID, x))[0]
    expected = np.quantile(x, int(name[1:]) / 100, method="inverted_cdf")
    edges = np.concatenate([[x.min()], GRID.edges, [x.max()]])
    place = np.searchsorted(edges, expected, side="right")
    assert edges[place - 1] <= value <= edges[place]


def test_latency_percentiles_are_right_to_9_percent(rng):
    """The log grid gives every percentile within 8.5 % of numpy's."""
    x = rng.lognormal(-3, 1.5, 3000)
    summary = summarise_numeric(latency_grid(), x)
    values = [figure(f"latency_p{p}_s", summary)[0] for p in (50, 95, 99)]
    np.testing.assert_allclose(values, np.quantile(x, [0.5, 0.95, 0.99]), rtol=0.085)


def test_the_interval_of_a_quantile_is_between_order_statistics():
    """Of 1..100 the median lies between the 40th and the 61st, as tables of the sign test have it."""
    x = np.arange(1.0, 101.0)
    grid = numeric_grid("x", np.repeat(x, 2))
    assert figure("p50", summarise_numeric(grid, x))[:3] == (50.0, 40.0, 61.0)


@pytest.mark.parametrize(("name", "n"), [("p50", 20), ("p95", 200), ("p99", 500)])
def test_the_interval_of_a_quantile_holds_the_truth(name, n, rng):
    """Whatever the distribution: 94 % or more of 1,000 exponential windows (the standard error is 0.7 %)."""
    x, truth = rng.exponential(size=1000 * n), -np.log1p(-int(name[1:]) / 100)
    grid = numeric_grid("x", rng.exponential(size=1000))
    found = STATISTICS[name].figures(summarise_numeric(grid, x, None, np.repeat(np.arange(1000), n), 1000))
    assert ((found.low <= truth) & (truth <= found.high)).mean() >= 0.94


def test_values_beyond_the_grid_end_at_the_greatest(rng):
    """A percentile in the tail lies between the last edge and the greatest value, not at infinity."""
    x = np.concatenate([rng.normal(size=900), np.linspace(50, 60, 100)])
    value, _, high, *_ = figure("p95", summarise_numeric(GRID, x))
    assert 50 < value < high <= 60 or GRID.edges[-1] <= value <= high <= 60


def test_the_reasons_of_many_windows_are_their_own():
    """Each window has its own reason with its own count."""
    summary = Summary.stack([summarise_numeric(GRID, np.ones(n)) for n in (0, 3, 4, 3, 100)])
    assert STATISTICS["p50"].figures(summary).reason.tolist() == [
        "no rows",
        "fewer than 6 finite values: 3",
        "fewer than 6 finite values: 4",
        "fewer than 6 finite values: 3",
        None,
    ]
