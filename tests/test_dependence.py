"""Whether rows hang together: the tests against scipy and by hand, their false rejections, and what follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, stats

from vedette.statistics import numeric_grid, summarise_numeric
from vedette.strategy import batch_numbers, begin, plan
from vedette.strategy.dependence import dependence, dispersion, ljung_box
from vedette.strategy.detector import EDetector

DAY = 86400.0


def reference(rows, n_windows=None):
    """Plan, batches and windows of columns of rows in their order; the first 500 cut the grid and are not counted."""
    batch, n_batches = batch_numbers(len(rows) - 500)
    day = np.arange(len(rows) - 500) * (n_windows or 1) // (len(rows) - 500)
    batches, windows = {}, {}
    for at, column in enumerate(rows.T):
        grid = numeric_grid(f"x{at}", column[:500])
        batches[f"x{at}"] = summarise_numeric(grid, column[500:], None, batch, n_batches)
        windows[f"x{at}"] = summarise_numeric(grid, column[500:], None, day, n_windows or 1)
    return plan({name: one.merged() for name, one in batches.items()}, "m"), batches, windows


def found(rows, n_windows=None, *, independent=True):
    return dependence(*reference(rows, n_windows), independent=independent)


def autoregressive(random, phi, n, columns=1):
    return signal.lfilter([np.sqrt(1 - phi * phi)], [1.0, -phi], random.normal(size=(n, columns)), axis=0)


def test_ljung_box_by_hand():
    """Of 1, 2, 3, 4, 5 the autocorrelations are .4 and -.1: Q at two lags is 35 (.16/4 + .01/3)."""
    q, p = ljung_box(np.arange(1.0, 6.0), 2)
    assert q == pytest.approx(35 * (0.16 / 4 + 0.01 / 3))
    assert p == pytest.approx(stats.chi2(2).sf(q))


def test_ljung_box_rejects_as_often_as_it_says():
    """Of 4,000 series of 40 independent values, 5 % are rejected at 5 % (within two points)."""
    random = np.random.default_rng(1)
    p = [ljung_box(random.normal(size=40), 5)[1] for _ in range(4000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_constant_series_is_not_correlated():
    """A series that never varies gives Q = 0 and p = 1."""
    assert ljung_box(np.full(20, 3.0), 5) == (0.0, 1.0)


@pytest.mark.parametrize("n_lags", [0, 6])
def test_lags_must_be_fewer_than_values(n_lags):
    """No lag, or as many as values, is an error that says what is right."""
    with pytest.raises(ValueError, match=f"n_lags={n_lags}: must lie in 1 to 5"):
        ljung_box(np.arange(6.0), n_lags)


def test_dispersion_is_kruskal_and_wallis():
    """On ranks the dispersion of groups is scipy's Kruskal-Wallis H."""
    random = np.random.default_rng(2)
    groups = [random.normal(size=n) for n in (30, 50, 20, 40)]
    ranks = stats.rankdata(np.concatenate(groups))
    unit = (ranks - ranks.mean()) / ranks.std()
    n = np.array([30, 50, 20, 40])
    sums = np.add.reduceat(unit, np.r_[0, np.cumsum(n)[:-1]])
    assert dispersion(sums, n)[0] == pytest.approx(stats.kruskal(*groups).statistic)


def test_dispersion_has_two_sides():
    """Means that differ too little are as unlike chance as those that differ too much: p is twice the smaller tail."""
    law, n = stats.chi2(9), np.full(10, 100)
    low = dispersion(np.resize([1.0, -1.0], 10), n)
    high = dispersion(np.resize([20.0, -20.0], 10), n)
    assert low[1] == pytest.approx(2 * law.cdf(low[0]))
    assert high[1] == pytest.approx(2 * law.sf(high[0]))


def test_independent_rows_pass():
    """Over 100 references of 4,500 independent rows in 5 columns, 6 % at most fail one of three tests at 1 %."""
    random = np.random.default_rng(3)
    said = [found(random.normal(size=(4500, 5)), 10).guarantee for _ in range(100)]
    assert said.count("calibrated") <= 6


def test_short_correlation_shows_in_the_dispersion_of_batches():
    """An AR(1) of .5 is forgotten after ten rows: means of 100 are not correlated, but vary three times as much."""
    one = found(autoregressive(np.random.default_rng(4), 0.5, 4500))
    assert (one.serial.rejects, one.batches.rejects, one.guarantee) == (False, True, "calibrated")


def test_rows_that_balance_each_other_are_dependent():
    """An AR(1) of -.5 makes means that vary a third as much, which is no independence either."""
    assert found(autoregressive(np.random.default_rng(5), -0.5, 4500)).batches.rejects


def test_a_level_that_wanders_shows_in_ljung_box():
    """A slow wave of .3 sd over 2,000 rows correlates the means of batches."""
    random = np.random.default_rng(6)
    wave = 0.3 * np.sin(np.arange(4500) / 2000 * 2 * np.pi)[:, None]
    assert found(random.normal(size=(4500, 1)) + wave).serial.rejects


def test_days_of_their_own_level_show_in_the_windows():
    """Ten days whose levels differ by .1 sd differ more than 2,000 rows a day do."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(20_500, 1))
    rows[500:] += np.repeat(random.normal(scale=0.1, size=10), 2000)[:, None]
    one = found(rows, 10)
    assert (one.windows.rejects, one.windows.watch) == (True, "x0.location")


def test_p_values_are_corrected_over_the_rows_tested():
    """The least p-value is multiplied by the number of rows that were tested; a constant column is not."""
    random = np.random.default_rng(8)
    rows = np.c_[random.normal(size=(4500, 2)), np.ones(4500)]
    one, alone = found(rows), found(rows[:, :1])
    assert (one.serial.tested, alone.serial.tested) == (4, 2)  # location and spread; no missing values
    assert one.serial.p_value <= min(1.0, alone.serial.p_value * 2)


def test_proved_takes_a_declaration():
    """Rows that pass every test are still calibrated unless the user declared them independent."""
    rows = np.random.default_rng(9).normal(size=(4500, 2))
    assert found(rows, 10, independent=False).guarantee == "calibrated"
    assert found(rows, 10, independent=True).guarantee == "proved"


def test_a_declaration_that_cannot_be_checked_proves_nothing():
    """A reference without order comes as one batch: nothing is tested, and the words say so."""
    rows = np.random.default_rng(10).normal(size=(4500, 1))
    watches, batches, _ = reference(rows)
    one = dependence(watches, {name: some.merged() for name, some in batches.items()}, independent=True)
    assert (one.serial.tested, one.guarantee) == (0, "calibrated")
    assert "too few, or no order" in one.words[-1]


def judged(levels, n=500):
    """Plan, batches and state after a window of each level was judged."""
    random = np.random.default_rng(11)
    watches, batches, _ = reference(random.normal(size=(4500, 1)))
    some = {name: one.merged() for name, one in batches.items()}
    state = begin(watches, some, np.ones(len(watches.key)), windows_per_month=30)
    for day, level in enumerate(levels):
        rows = {"x0": summarise_numeric(some["x0"].grid, random.normal(size=n) + level)}
        _, state = EDetector().judge(watches.step(rows, day, day * DAY), state)
    return watches, batches, state


def test_what_was_judged_speaks_against_a_declaration():
    """Twelve days whose levels jump by .15 sd to either side end the proof that the reference gave."""
    watches, batches, state = judged(np.resize([0.15, -0.15, -0.15, 0.15], 12))
    before = dependence(watches, batches, independent=True)
    after = dependence(watches, batches, None, state, independent=True)
    assert (before.guarantee, after.judged.rejects, after.guarantee) == ("proved", True, "calibrated")


def test_judged_is_the_chi_square_of_the_scores():
    """p of what was judged is the upper tail of chi-square at the sum of squared scores."""
    watches, batches, state = judged(np.zeros(12))
    state = replace(state, dispersion=np.array([30.0, 1.0, 1.0]))
    one = dependence(watches, batches, None, state).judged
    assert (one.p_value, one.watch) == (pytest.approx(3 * stats.chi2(12).sf(30.0)), "x0.location")


@pytest.mark.parametrize(
    ("n_days", "size", "said"), [(13, 0.3, "unknown"), (28, 0.3, "of a week"), (28, 0.0, "none")]
)
def test_a_season_is_found_none_or_unknown(n_days, size, said):
    """A weekly wave is found after two weeks, none is said where none is, and unknown before."""
    levels = size * np.sin(2 * np.pi * np.arange(n_days) / 7)
    watches, batches, state = judged(levels)
    one = dependence(watches, batches, None, state, independent=True)
    assert one.season == said


def test_words_say_what_was_tested():
    """The words give each test's outcome, its least p-value and the number tested, and last the guarantee and why."""
    one = found(np.random.default_rng(12).normal(size=(4500, 1)), independent=False)
    assert one.words[0] == (
        "batches of the reference in their order: as of independent rows "
        f"(least p {one.serial.p_value:.2g}, corrected for 2 tested)"
    )
    assert one.words[2:] == (
        "windows of the reference: not tested, fewer than 8 of enough rows",
        "windows judged so far: not tested, fewer than 8 of enough rows",
        "season: unknown, fewer than two periods were judged",
        "calibrated: rows were not declared independent",
    )
