"""When a change began: the set has the truth as often as it says, and is small where the change is plain."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.strategy.change_time import began


@pytest.mark.parametrize(("change", "size"), [(20, 2.0), (28, 3.0), (20, 0.7)])
def test_the_set_has_the_first_window_at_its_level(change: int, size: float) -> None:
    """The 95 % sets of at least 68 of 80 series have the window in which the change began: 76 less four deviations."""
    random = np.random.default_rng(0)
    held = 0
    for seed in range(80):
        series = random.normal(size=30)
        series[change:] += size
        held += change in began(series, seed=seed).windows
    assert held >= 68


def test_windows_of_unequal_size_keep_the_level() -> None:
    """Means of 20 to 2,000 rows, weighted by their rows."""
    random = np.random.default_rng(1)
    held = 0
    for seed in range(80):
        n = random.integers(20, 2000, 25)
        series = random.normal(size=25) / np.sqrt(n)
        series[15:] += 0.1
        held += 15 in began(series, n, seed=seed).windows
    assert held >= 68


def test_a_plain_change_is_one_window() -> None:
    """A step of 20 standard deviations leaves no doubt, wherever it is; windows without a value are passed over."""
    random = np.random.default_rng(2)
    for at in (2, 10, 18):
        series = random.normal(size=20)
        series[at:] += 20.0
        series[at - 1] = np.nan
        found = began(series)
        assert (found.best, found.windows, found.first, found.last) == (at, (at,), at, at)
        assert np.isnan(found.p_values[at - 1])


def test_scale_and_shift_change_nothing() -> None:
    """The set is one of windows, whatever the unit."""
    series = np.random.default_rng(3).normal(size=25) + (np.arange(25) >= 12)
    one, two = began(series), began(1e3 + 40.0 * series)
    assert one.windows == two.windows
    assert one.best == two.best


def test_a_lower_level_gives_a_smaller_set() -> None:
    """Sets are nested by level."""
    series = np.random.default_rng(4).normal(size=30) + 1.5 * (np.arange(30) >= 20)
    assert set(began(series, level=0.5).windows) <= set(began(series, level=0.99).windows)


@pytest.mark.parametrize("series", [[], [1.0], [1.0, 2.0], [np.nan] * 9])
def test_too_few_windows_are_a_reason(series: list[float]) -> None:
    """Under three windows there is no set and no window."""
    found = began(series)
    assert found.windows == ()
    assert found.reason is not None


def test_a_constant_series_excludes_nothing() -> None:
    """Where every split explains the same, every window stays in the set."""
    assert began(np.ones(8)).windows == tuple(range(1, 8))


def test_long_series_are_looked_at_from_their_end() -> None:
    """The numbers are those of the series given."""
    series = np.random.default_rng(5).normal(size=600) + 10.0 * (np.arange(600) >= 580)
    assert began(series).windows == (580,)


def test_wrong_arguments_are_named() -> None:
    """Lengths, levels and weights that cannot be."""
    with pytest.raises(ValueError, match="one for each window"):
        began([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="level=1"):
        began([1.0, 2.0, 3.0], level=1.0)
    with pytest.raises(ValueError, match="weights"):
        began([1.0, 2.0, 3.0], [1.0, -1.0, 1.0])
