"""Thinned curves: each bucket says what is in it, and merging is addition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vedette.statistics.thinning import Thinned, thin


def curve(seed: int, n: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Steps with gaps and repeats, before 0 too, and values with NaN and inf."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.integers(-3000, 9000, n))
    values = rng.normal(size=n).cumsum()
    values[rng.random(n) < 0.05] = np.nan
    values[rng.random(n) < 0.02] = np.inf
    values[rng.random(n) < 0.02] = -np.inf
    return steps, values


@pytest.mark.parametrize("n", [2, 7, 100, 20_000])
def test_each_bucket_is_what_a_loop_finds(n: int) -> None:
    """Minimum, maximum, mean, ends and counts are those of the points in the bucket."""
    steps, values = curve(1)
    found = thin(steps, values, n)
    assert len(found.start) <= n
    assert found.count.sum() == len(steps)
    for k, start in enumerate(found.start):
        own = values[(steps >= start) & (steps < start + found.width)]
        finite = own[np.isfinite(own)]
        assert found.count[k] == len(own)
        assert (found.nan[k], found.inf[k]) == (np.isnan(own).sum(), np.isinf(own).sum())
        np.testing.assert_array_equal([found.first[k], found.last[k]], own[[0, -1]])
        wanted = [finite.min(), finite.max(), finite.mean()] if len(finite) else [np.nan] * 3
        np.testing.assert_allclose([found.low[k], found.high[k], found.mean[k]], wanted, rtol=1e-12)


def same(one: Thinned, other: Thinned) -> None:
    """Equal but for the rounding of sums."""
    for name in ("start", "count", "nan", "inf", "first", "last", "low", "high", "first_step", "last_step"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(one.total, other.total, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_parts_add_up_to_the_whole(seed: int) -> None:
    """However a curve is cut, in whichever order, at whichever levels."""
    steps, values = curve(seed)
    whole = thin(steps, values, 60)
    cuts = [0, *np.flatnonzero(np.diff(steps))[[700, 1500, 2100]] + 1, len(steps)]
    parts = [thin(steps[a:b], values[a:b], 300) for a, b in itertools.pairwise(cuts)]
    forwards = (parts[0] + parts[1]) + (parts[2] + parts[3])
    backwards = parts[3] + (parts[2] + (parts[1] + parts[0]))
    same(forwards.coarser(whole.level), whole)
    same(backwards.coarser(whole.level), whole)


def test_a_coarser_level_is_thinned_anew() -> None:
    """Pyramids: a level from the one below is that from the points."""
    steps, values = curve(4)
    same(thin(steps, values, 2000).coarser(9), thin(steps, values, 5000).coarser(9))


def test_nothing_is_no_bucket_and_one_point_is_one() -> None:
    """The edges."""
    assert len(thin(np.zeros(0, dtype=int), np.zeros(0), 5).start) == 0
    empty = thin(np.zeros(0, dtype=int), np.zeros(0), 5)
    one = thin(np.array([2**62]), np.array([np.nan]), 5)
    same(empty + one, one)
    assert (one.nan.tolist(), one.count.tolist()) == ([1], [1])
    assert np.isnan(one.mean).all()


def test_impossible_arguments_are_refused() -> None:
    """Each with what would be right."""
    with pytest.raises(ValueError, match="one length"):
        thin(np.arange(3), np.arange(2.0), 5)
    with pytest.raises(ValueError, match="n=0"):
        thin(np.arange(3), np.arange(3.0), 0)
    with pytest.raises(ValueError, match="must not fall"):
        thin(np.array([1, 0]), np.zeros(2), 5)
    with pytest.raises(ValueError, match="level=0"):
        thin(np.arange(100), np.zeros(100), 5).coarser(0)
