"""Exact hypergeometric tails, against scipy and by their own laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vedette.strategy.hypergeometric import tails


def draws(seed: int, population_max: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    population = random.integers(1, population_max, n)
    marked = (population * random.random(n)).astype(int)
    drawn = (population * random.random(n)).astype(int)
    return population, marked, drawn, random.hypergeometric(marked, population - marked, drawn)


def test_probabilities_are_those_of_scipy():
    """P(H = k) agrees with scipy to ten digits over tables of all shapes."""
    population, marked, drawn, seen = draws(1, 3000, 2000)
    expected = stats.hypergeom(population, marked, drawn).pmf(seen)
    np.testing.assert_allclose(tails(population, marked, drawn, seen).equal, expected, rtol=1e-10)


def test_upper_tails_are_those_of_scipy():
    """P(H > k) agrees with scipy's sf."""
    population, marked, drawn, seen = draws(2, 3000, 2000)
    expected = stats.hypergeom(population, marked, drawn).sf(seen)
    np.testing.assert_allclose(tails(population, marked, drawn, seen).above, expected, rtol=1e-9, atol=1e-12)


def test_lower_tails_are_those_of_scipy():
    """P(H < k) agrees with scipy's cdf of the count before."""
    population, marked, drawn, seen = draws(3, 3000, 2000)
    expected = stats.hypergeom(population, marked, drawn).cdf(seen - 1)
    np.testing.assert_allclose(tails(population, marked, drawn, seen).below, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("deviations", [-12, -7.9, -3, -0.5, 0, 1, 4, 7.9, 8.2, 12])
def test_tails_of_large_windows_are_those_of_scipy(deviations):
    """Where the sum becomes an integral, and just beyond, both tails still agree with scipy to six digits."""
    law = stats.hypergeom(200_000, 80_000, 20_000)
    seen = round(law.mean() + deviations * law.std())
    found = tails(200_000, 80_000, 20_000, seen)
    np.testing.assert_allclose([found.below[0], found.above[0]], [law.cdf(seen - 1), law.sf(seen)], rtol=1e-6)


def test_a_tail_far_out_keeps_its_relative_precision():
    """The sum of exact fractions, worked by hand with integers, is met to twelve digits at a tail of 1e-59."""
    from math import comb

    exact = sum(comb(300, j) * comb(700, 400 - j) for j in range(241, 301)) / comb(1000, 400)
    assert tails(1000, 300, 400, 240).above[0] == pytest.approx(exact, rel=1e-12)


def test_parts_add_up_to_one():
    """Below, equal and above are all that can happen, at any size."""
    population, marked, drawn, seen = draws(4, 10**9, 500)
    found = tails(population, marked, drawn, seen)
    np.testing.assert_allclose(found.below + found.equal + found.above, 1.0, atol=1e-9)


def test_swapping_marked_and_drawn_changes_nothing():
    """The law is symmetric in what is marked and what is drawn."""
    population, marked, drawn, seen = draws(5, 5000, 500)
    one, other = tails(population, marked, drawn, seen), tails(population, drawn, marked, seen)
    np.testing.assert_allclose(one.above, other.above, rtol=1e-9, atol=1e-13)


def test_randomised_p_values_are_uniform():
    """P(H > k) + u P(H = k) is uniform when k is drawn by the law and u is uniform, even for rare marks."""
    random = np.random.default_rng(6)
    seen = random.hypergeometric(7, 4993, 500, 4000)
    found = tails(5000, 7, 500, seen)
    p = found.above + random.random(4000) * found.equal
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    "table", [(0, 0, 0, 0), (10, 0, 5, 0), (10, 10, 5, 5), (10, 4, 10, 4), (10, 4, 0, 0)]
)
def test_what_is_certain_has_probability_one(table):
    """With nothing to choose, the count is sure and both tails are empty."""
    found = tails(*table)
    np.testing.assert_allclose([found.below[0], found.equal[0], found.above[0]], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    "table", [(10, 11, 5, 5), (10, 5, 11, 5), (10, 5, 5, 6), (10, 8, 8, 5), (10, 5, 5, -1)]
)
def test_an_impossible_draw_is_refused(table):
    """Counts that no draw can give are an error that names them, not a probability."""
    with pytest.raises(ValueError, match="no such draw exists"):
        tails(*table)
