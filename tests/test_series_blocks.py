"""Two parts of the methods that watch series: the hours of the day, and blocks of twelve numbers."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.strategy.series.baseline import independent
from vedette.strategy.series.blocks import SIZE, Blocks
from vedette.strategy.series.hourly import N_HOURS, Hours, hour_of, take_in
from vedette.strategy.series.time_step import TimeStep


def after(sizes: np.ndarray) -> Hours:
    """The hours after sizes [days, 24, n] of one series."""
    own = Hours.none(1)
    for day in sizes:
        for hour, of_hour in enumerate(day):
            for size in of_hour:
                take_in(own, np.array([size]), np.array([hour]), 0.02)
    take_in(own, np.array([1.0]), np.array([0]), 0.02)  # the last hour is over
    return own


def test_factors_are_means_of_logs_pulled_together_by_an_analysis_of_variance() -> None:
    """exp(s (mean_h - mean)), s = max(0, 1 - MS within/MS between), of a table of ten days by hand."""
    random = np.random.default_rng(1)
    truth = np.exp(0.3 * np.sin(2 * np.pi * np.arange(N_HOURS) / 24))
    sizes = np.abs(random.normal(size=(10, N_HOURS, 6))) * truth[None, :, None]
    logs = np.log(np.clip(sizes.mean(axis=2), 0.1, 5.0))
    of_hour = logs.mean(axis=0)
    within = ((logs - of_hour) ** 2).sum() / (N_HOURS * 9)
    between = 10 * of_hour.var(ddof=1)
    assert between > 2 * within
    expected = np.exp((1.0 - within / between) * (of_hour - of_hour.mean()))
    assert after(sizes).factor[0] == pytest.approx(expected, rel=1e-9)


def test_hours_that_are_alike_have_one_unit() -> None:
    """In the mean of 50 series without a season, factors lie nearer to 1 than half of what the hours' own means do."""
    random = np.random.default_rng(2)
    sizes = np.abs(random.normal(size=(50, 5, N_HOURS, 3)))
    told = np.stack([np.log(after(one).factor[0]) for one in sizes])
    plain = np.log(sizes.mean(axis=3)).mean(axis=1)
    assert told.std() < 0.5 * (plain - plain.mean(axis=1, keepdims=True)).std()


def test_hours_follow_a_season_that_moves() -> None:
    """After a hundred days of another season the factors are its own."""
    random = np.random.default_rng(3)
    hour = np.arange(N_HOURS)
    old, new = np.where(hour < 12, 0.5, 2.0), np.where(hour < 12, 2.0, 0.5)
    truth = np.concatenate([np.tile(old, (20, 1)), np.tile(new, (150, 1))])
    factor = after(np.abs(random.normal(size=(170, N_HOURS, 4))) * truth[:, :, None]).factor[0]
    assert factor[:12].min() > 1.2
    assert factor[12:].max() < 0.8


def test_nothing_is_known_of_hours_that_never_came_again() -> None:
    """One day says nothing of what its hours are like; nor does a series of noons."""
    sizes = np.arange(1.0, 25.0)[None, :, None] / 5
    assert (after(sizes).factor == 1.0).all()
    own = Hours.none(2)
    for day in range(30):
        take_in(own, np.array([1.0 + day % 3, np.nan]), hour_of(86400.0 * day + 43200.0, 2), 0.02)
    assert (own.factor == 1.0).all()


def test_numbers_whose_spread_hangs_together_do_not_pass_for_independent() -> None:
    """By the time of day, or by the spread of those before: neither is seen in the numbers themselves."""
    random = np.random.default_rng(4)
    at = 3600.0 * np.arange(2000)
    plain = random.normal(size=2000)
    by_hour = plain * np.where(np.arange(2000) % 24 < 8, 0.5, 2.0)
    in_spells = plain * np.repeat(np.exp(random.normal(size=100)), 20)
    assert independent(plain, at)
    assert not independent(by_hour, at)
    assert not independent(in_spells, at)


def test_blocks_are_judged_as_numbers_are() -> None:
    """What the method says at the end of a block is what a time-step says of its mean; in between it says nothing."""
    random = np.random.default_rng(5)
    n, first = 900, 700
    x = random.normal(size=(n, 2)) + np.sin(np.arange(n) / 20.0)[:, None]
    x[random.random(size=x.shape) < 0.05] = np.nan
    at = 300.0 * np.arange(n)
    start = first % SIZE
    means = np.nanmean(x[start : start + (n - start) // SIZE * SIZE].reshape(-1, SIZE, 2), axis=1)
    ends = at[start + SIZE - 1 :: SIZE]
    blocks, steps = Blocks(), TimeStep()
    state, of_means = blocks.begin(x[:first], at[:first]), steps.begin(means[:58], ends[:58])
    for row in range(first, n):
        told, state = blocks.step(state, x[row], at[row])
        if (row - start + 1) % SIZE:
            assert (told.log_e == 0.0).all()
            continue
        number = (row - start + 1) // SIZE - 1
        expected, of_means = steps.step(of_means, means[number], ends[number])
        np.testing.assert_allclose(told.log_e, expected.log_e)
        np.testing.assert_allclose(told.expected, expected.expected)
        np.testing.assert_allclose(told.value, means[number])


def test_a_block_half_of_which_is_missing_is_missing() -> None:
    """Of five numbers of twelve no mean is told."""
    x = np.random.default_rng(6).normal(size=(720, 1))
    blocks = Blocks()
    state = blocks.begin(x[:708], 300.0 * np.arange(708))
    for row in range(708, 720):
        value = x[row] if row < 713 else np.array([np.nan])
        told, state = blocks.step(state, value, 300.0 * row)
    assert np.isnan(told.value[0])
    assert (told.log_e == 0.0).all()
