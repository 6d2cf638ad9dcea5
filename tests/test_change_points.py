"""The exact search for changes of a series, against brute force and by simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from vedette.strategy.series.change_points import change_points
from vedette.strategy.series.focus import Focus
from vedette.strategy.series.segments import Cost, best_cuts


def likelihood(family: str, rows: np.ndarray, mean: float) -> float:
    """The log-likelihood of rows at a mean, by scipy."""
    if family == "normal":
        return float(stats.norm.logpdf(rows, mean).sum())
    if family == "poisson":
        return float(stats.poisson.logpmf(rows, mean).sum())
    return float(stats.bernoulli.logpmf(rows, min(max(mean, 0.0), 1.0)).sum())


def glr(family: str, rows: np.ndarray, known: float | None, side: str) -> float:
    """The generalised likelihood ratio over all dates, by trying all of them."""
    best = 0.0
    for tau in range(0 if known is not None else 1, len(rows)):
        before = rows[:tau].mean() if known is None else known
        after = rows[tau:].mean()
        if (side == "up" and after <= before) or (side == "down" and after >= before):
            continue
        without = likelihood(family, rows, rows.mean() if known is None else known)
        with_change = likelihood(family, rows[tau:], after)
        if tau:
            with_change += likelihood(family, rows[:tau], before)
        best = max(best, with_change - without)
    return best


def series(family: str, seed: int, n: int) -> np.ndarray:
    """Rows of a family that change twice."""
    random = np.random.default_rng(seed)
    level = np.repeat([0.3, 0.6, 0.2], n)[:: 3 if n % 3 == 0 else 1][:n]
    if family == "normal":
        return random.normal(3 * level)
    return (random.poisson(5 * level) if family == "poisson" else random.random(n) < level).astype(np.float64)


@pytest.mark.parametrize("side", ["both", "up", "down"])
@pytest.mark.parametrize("known", [None, 0.4])
@pytest.mark.parametrize("family", ["normal", "poisson", "bernoulli"])
def test_focus_is_the_likelihood_ratio_of_all_dates(family, known, side):
    """After every row of random series it is what trying every date gives."""
    for seed in range(3):
        rows = series(family, seed, 30)
        focus = Focus(family, known=known, side=side)
        found = [focus.update(row) for row in rows]
        expected = [glr(family, rows[: i + 1], known, side) for i in range(len(rows))]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_focus_names_the_date_of_the_ratio_it_gives():
    """The ratio of the date in ``since`` is the statistic."""
    rows = np.concatenate(
        [np.random.default_rng(1).normal(size=100), np.random.default_rng(2).normal(2, 1, 40)]
    )
    focus = Focus()
    for row in rows:
        told = focus.update(row)
    tau = focus.since
    parts = [rows[:tau], rows[tau:]]
    expected = sum(likelihood("normal", part, part.mean()) for part in parts)
    assert told == pytest.approx(expected - likelihood("normal", rows, rows.mean()))
    assert 95 <= tau <= 105


def test_focus_remembers_few_dates():
    """Of 20,000 rows without a change no more than 60 dates are remembered: two hulls of about log n corners."""
    focus = Focus()
    most = 0
    for row in np.random.default_rng(3).normal(size=20_000):
        focus.update(row)
        most = max(most, focus.n_candidates)
    assert most <= 60


def test_focus_takes_sd_and_leaves_out_nan():
    """Rows of another unit give the same, and a missing row nothing."""
    rows = np.random.default_rng(4).normal(size=50)
    one, other = Focus(), Focus(sd=10.0)
    for row in rows:
        one.update(row)
        other.update(10.0 * row)
    before = other.statistic
    assert other.update(float("nan")) == before == pytest.approx(one.statistic)
    assert other.n == 50


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"family": "gamma"}, "family='gamma'"),
        ({"side": "left"}, "side='left'"),
        ({"sd": 0.0}, "sd=0.0"),
        ({"family": "poisson", "known": 0.0}, "known=0.0"),
        ({"family": "bernoulli", "known": 1.0}, "known=1.0"),
    ],
)
def test_focus_refuses_what_is_no_family(arguments, word):
    """The message names the argument and its value."""
    with pytest.raises(ValueError, match=word):
        Focus(**arguments)


@pytest.mark.parametrize(("family", "row"), [("normal", np.inf), ("poisson", -1.0), ("bernoulli", 0.5)])
def test_focus_refuses_rows_the_family_does_not_have(family, row):
    """And is as it was."""
    focus = Focus(family)
    with pytest.raises(ValueError, match="no row of"):
        focus.update(row)
    assert focus.n == 0


def brute(cost: Cost, n: int, penalty: float, shortest: int) -> float:
    """The least cost of any cut, by optimal partitioning over all pairs of rows."""
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    for t in range(shortest, n + 1):
        starts = np.arange(0, t - shortest + 1)
        best[t] = (best[starts] + cost(starts, t) + penalty).min()
    return float(best[n])


@pytest.mark.parametrize("shortest", [1, 2, 5])
@pytest.mark.parametrize("name", ["mean", "mean_variance", "poisson", "bernoulli"])
def test_the_cut_is_the_best_there_is(name, shortest):
    """Of random series with changes the cost of the cut is that of optimal partitioning without forgetting."""
    shortest = max(shortest, 2) if name == "mean_variance" else shortest
    for seed in range(8):
        family = {"mean": "normal", "mean_variance": "normal"}.get(name, name)
        rows = series(family, seed, 120)
        for penalty in (1.0, 4.0, 10.0):
            cost = Cost(rows, name)
            ends = [0, *best_cuts(cost, 120, penalty, shortest).tolist(), 120]
            lengths = np.diff(ends)
            total = sum(float(cost(np.array([a]), b)[0]) + penalty for a, b in pairwise(ends)) - penalty
            assert total == pytest.approx(brute(cost, 120, penalty, shortest), abs=1e-7)
            assert lengths.min() >= shortest


@pytest.mark.parametrize("name", ["mean", "mean_variance", "poisson", "bernoulli"])
def test_costs_are_likelihoods(name):
    """Differences of costs of two cuts are minus twice those of scipy's log-likelihoods."""
    rows = series({"mean": "normal", "mean_variance": "normal"}.get(name, name), 5, 40)

    def minus_twice(part: np.ndarray) -> float:
        if name == "mean_variance":
            return -2.0 * float(stats.norm.logpdf(part, part.mean(), part.std()).sum())
        return -2.0 * likelihood({"mean": "normal"}.get(name, name), part, float(part.mean()))

    cost = Cost(rows, name)
    found = float((cost(np.array([0]), 15) + cost(np.array([15]), 40) - cost(np.array([0]), 40))[0])
    assert found == pytest.approx(minus_twice(rows[:15]) + minus_twice(rows[15:]) - minus_twice(rows))


def found_dates(random: np.random.Generator, n_runs: int) -> tuple[int, int, int]:
    """How many of ``n_runs`` had one change found, how many of these hold its date, and how many its size."""
    found = dates = sizes = 0
    for _ in range(n_runs):
        rows = np.concatenate([random.normal(size=80), random.normal(1.5, 1, 60)])
        changes = change_points(rows).changes
        if len(changes) == 1:
            found += 1
            dates += 80 in changes[0].dates
            sizes += changes[0].low <= 1.5 <= changes[0].high
    return found, dates, sizes


def test_dates_and_sizes_are_covered():
    """Of changes that were found the sets of dates and the intervals of sizes hold the truth 95 times in 100."""
    found, dates, sizes = found_dates(np.random.default_rng(6), 150)
    assert found >= 135
    assert stats.binomtest(dates, found, 0.95, "less").pvalue > 1e-3
    assert stats.binomtest(sizes, found, 0.95, "less").pvalue > 1e-3


@pytest.mark.parametrize(
    ("cost", "draw"),
    [
        ("mean", lambda random: random.normal(size=200)),
        ("mean", lambda random: random.standard_t(3, 200)),
        ("mean_variance", lambda random: random.normal(size=200)),
        ("poisson", lambda random: random.poisson(3, 200)),
        ("bernoulli", lambda random: random.random(200) < 0.2),
    ],
)
def test_a_series_without_a_change_seldom_shows_one(cost, draw):
    """In no more than 10 of 60 series, where about 2 are usual."""
    random = np.random.default_rng(7)
    assert sum(bool(change_points(draw(random).astype(float), cost=cost).changes) for _ in range(60)) <= 10


def test_rows_that_hang_together_are_no_changes():
    """An autoregression of .7 shows a change in no more than 8 of 40 series; its correlation is told."""
    random = np.random.default_rng(8)
    any_change, correlations = 0, []
    for _ in range(40):
        rows = np.zeros(400)
        for i, noise in enumerate(random.normal(size=399), start=1):
            rows[i] = 0.7 * rows[i - 1] + noise
        told = change_points(rows)
        any_change += bool(told.changes)
        correlations.append(told.correlation)
    assert any_change <= 8
    assert np.mean(correlations) == pytest.approx(0.7, abs=0.1)


def test_a_lone_spike_is_no_change_of_level():
    """However large it is."""
    rows = np.random.default_rng(9).normal(size=200)
    rows[77] = 1e6
    assert change_points(rows).changes == ()


def test_steps_without_noise_are_found_exactly():
    """Two steps of a series that is constant else, and of one far from 0."""
    rows = np.repeat([1.0, 4.0, 2.0], [30, 30, 40])
    for series_ in (rows, rows + 1e8):
        changes = change_points(series_).changes
        assert [one.at for one in changes] == [30, 60]
        assert [one.size for one in changes] == pytest.approx([3.0, -2.0])


def test_noise_and_level_are_found_with_mean_variance():
    """A spread that doubles without a change of level is found, with its factor."""
    random = np.random.default_rng(10)
    rows = np.concatenate([random.normal(0, 1, 200), random.normal(0, 3, 200)])
    (change,) = change_points(rows, cost="mean_variance").changes
    assert abs(change.at - 200) < 10
    assert change.spread == pytest.approx(3.0, rel=0.25)
    assert change.low < 0.0 < change.high


def test_a_change_moves_with_the_series():
    """Shifted, scaled and turned round rows give the same dates, and sizes in their unit."""
    random = np.random.default_rng(11)
    rows = np.concatenate([random.normal(0, 1, 120), random.normal(2, 1, 80)])
    (one,) = change_points(rows).changes
    (other,) = change_points(5.0 - 10.0 * rows).changes
    assert other.dates == one.dates
    assert (other.size, other.low, other.high) == pytest.approx(
        (-10 * one.size, -10 * one.high, -10 * one.low)
    )


def test_missing_rows_keep_the_numbers_of_others():
    """NaN is left out, and dates are rows of the series as given."""
    random = np.random.default_rng(12)
    rows = np.concatenate([random.normal(0, 1, 100), random.normal(6, 1, 100)])
    gaps = np.insert(rows, [20, 50, 130], np.nan)
    (change,) = change_points(gaps).changes
    assert change.at == 102
    assert change_points(gaps).n == 200


@pytest.mark.parametrize("rows", [[], [1.0] * 5, [np.nan] * 50])
def test_too_few_rows_say_why(rows):
    """No change, and a reason."""
    told = change_points(rows)
    assert told.changes == ()
    assert "too few" in told.reason


@pytest.mark.parametrize("cost", ["mean", "mean_variance", "poisson", "bernoulli"])
def test_a_constant_series_has_no_change(cost):
    """And no noise, and that is no error."""
    told = change_points([1.0] * 50, cost=cost)
    assert (told.changes, told.reason) == ((), "")


@pytest.mark.parametrize(
    ("rows", "arguments", "word"),
    [
        ([0.0] * 20, {"cost": "median"}, "cost='median'"),
        ([0.0] * 20, {"level": 1.0}, "level=1.0"),
        ([0.0] * 20, {"penalty": 0.0}, "penalty=0.0"),
        ([0.0] * 20, {"min_length": 0}, "min_length=0"),
        ([0.0, np.inf] * 10, {}, r"values\[1\]=inf"),
        ([0.0, 0.5] * 10, {"cost": "bernoulli"}, r"values\[1\]=0.5"),
        ([0.0, -1.0] * 10, {"cost": "poisson"}, r"values\[1\]=-1"),
        ([[0.0]], {}, "shape"),
    ],
)
def test_wrong_arguments_are_named(rows, arguments, word):
    """With the value, and what would be right."""
    with pytest.raises(ValueError, match=word):
        change_points(rows, **arguments)


def test_the_arguments_stay_as_they_are():
    """Rows given are not changed."""
    rows = np.random.default_rng(13).normal(size=50)
    copy = rows.copy()
    change_points(rows)
    np.testing.assert_array_equal(rows, copy)
