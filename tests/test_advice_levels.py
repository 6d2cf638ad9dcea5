"""Replays whose windows differ as the history's do: how levels hang together, and what the reference tells of their mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from tests.test_advice import past
from vedette.strategy.advice.bootstrap import draw, orders
from vedette.strategy.advice.noise import CAUTION, FAIR, noises_of


def autoregression(random, n, a, sd):
    """Levels [n] of an autoregression with this standard deviation."""
    noise = random.normal(size=n + 50) * sd * np.sqrt(1 - a * a)
    return signal.lfilter([1.0], [1.0, -a], noise)[50:]


def means(own, noise, n_runs, n_windows):
    """The means [R, T] of the column x in replays, and the variance that sampling gives them."""
    random = np.random.default_rng(1)
    order, again = (orders(own, n_runs, n, random) for n in (n_windows, len(own.start)))
    counts, values = draw(own, noise, order, again, random)[..., :-1], own.columns["x"].values
    n = counts.sum(axis=2)
    mean = (counts @ values) / n
    within = (counts @ np.square(values)) / n - mean**2
    return mean, float((within / n).mean())


@pytest.mark.parametrize("wanted", [0.4, 0.6, 0.8])
def test_levels_hang_together_as_strongly_as_is_said(wanted) -> None:
    """By the variogram of replayed means, half the mean square of differences at a lag: v(k) = g (1 - a^k) + sampling."""
    random = np.random.default_rng(11)
    found = []
    for seed in range(6):
        own = past(seed, 40, 400, autoregression(random, 40, 0.5, 0.3))
        mean, sampling = means(own, replace(noises_of(own)["x"], lasting=wanted), 150, 40)
        v = [0.5 * float(np.square(mean[:, k:] - mean[:, :-k]).mean()) - sampling for k in (1, 2)]
        found.append(v[1] / v[0] - 1.0)
    assert np.mean(found) == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize(("n_windows", "wave"), [(28, 0.0), (42, 0.4)])
def test_autocorrelation_of_levels_is_right_on_average(n_windows, wave) -> None:
    """Over 60 short histories, also where the means of weekdays are taken off; an upper limit is above it mostly."""
    random = np.random.default_rng(12)
    fair, above = [], []
    for seed in range(60):
        week = wave * np.sin(2 * np.pi * np.arange(n_windows) / 7)
        own = past(seed, n_windows, 400, week + autoregression(random, n_windows, 0.5, 0.1 if wave else 0.2))
        if own.period == (7 if wave else 1):
            fair.append(noises_of(own, FAIR)["x"].lasting)
            above.append(noises_of(own, CAUTION)["x"].lasting >= 0.5)
    assert len(fair) > 40
    assert np.mean(fair) == pytest.approx(0.5, abs=0.06)
    assert 0.53 < np.mean(above) < 0.77


def test_replays_lie_about_the_mean_of_history_and_reference() -> None:
    """Of one law both tell of its mean: replays differ from that of all rows by 1 / rows, and sampling of their own."""
    distance = []
    for seed in range(12):
        own = past(seed, 28, 60)
        column, noise = own.columns["x"], noises_of(own)["x"]
        mean, _ = means(own, noise, 60, 28)
        reference, counts = column.reference.counts[0], column.counts[:, :-1].sum(axis=0)
        inflation = float(own.state.inflation[column.rows].max())
        weight = 1 / counts.sum() / (1 / counts.sum() + inflation / reference.sum())
        both = weight * (reference @ column.values / reference.sum()) + (1 - weight) * (
            counts @ column.values / counts.sum()
        )
        known = 1 / (counts.sum() + reference.sum() / inflation) + 1 / (0.98 * 28 * 60)
        distance.append(np.square(mean.mean(axis=1) - both).mean() / known)
    assert np.mean(distance) == pytest.approx(1.0, abs=0.15)


def test_a_history_that_differs_from_the_reference_keeps_its_own_mean() -> None:
    """Half a standard deviation apart: replays lie where the history does."""
    own = past(3, 28, 60, np.full(28, 0.5))
    noise = noises_of(own)["x"]
    mean, _ = means(own, noise, 60, 28)
    counts = own.columns["x"].counts[:, :-1].sum(axis=0)
    assert noise.anchored[0] == 0.0
    assert mean.mean() == pytest.approx(float(counts @ own.columns["x"].values / counts.sum()), abs=0.02)


def test_windows_that_do_not_differ_are_replayed_as_independent() -> None:
    """Of 60 histories of independent rows at most 8 have a level in any direction: the limit is 5 % of a column."""
    found = [bool((noises_of(past(seed, 28, 100))["x"].limit > 1.0).any()) for seed in range(60)]
    assert sum(found) <= 8
