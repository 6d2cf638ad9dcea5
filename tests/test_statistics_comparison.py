"""PSI and Wasserstein against scipy, hand-worked numbers and simulation."""

from __future__ import annotations

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
from vedette.statistics.psi import psi_groups

RNG = np.random.default_rng(31)
GRID = numeric_grid("x", RNG.normal(size=1000))
LEVELS = category_grid("c", {"a": 5, "b": 5}, ["c"])
BOTH = ["psi", "wasserstein"]


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(31)


def figure(name, current, reference, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(current, reference, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


def numeric(values, grid=GRID):
    """One window of a numeric column."""
    return summarise_numeric(grid, values)


def levels(counts):
    """One window of a category with so many of a, b, c and a level never seen."""
    return summarise_category(LEVELS, np.repeat(np.arange(4), counts), ["a", "b", "c", "d"])


def test_psi_of_two_levels_worked_by_hand():
    """700/300 against 500/500, half a count added: PSI = (p1 - q1)(ln p1/q1 - ln p2/q2) = 200/1001 ln(700.5/300.5).

    That is 0.199800 * 0.846347 = 0.169100; less what is expected of no change, 1 * (1/1000 + 1/1000), 0.167100.
    """
    assert figure("psi", levels([700, 300, 0, 0]), levels([500, 500, 0, 0]))[0] == pytest.approx(
        0.167100, abs=5e-7
    )


def test_psi_of_three_levels_worked_by_hand():
    """60/30/10 of 100 against 100/60/40 of 200: p = 60.5, 30.5, 10.5 of 101.5 and q = 100.5, 60.5, 40.5 of 201.5.

    0.097300 * 0.178216 + 0.000244 * 0.000814 + 0.097545 * 0.664195 = 0.082130; less 2 (1/100 + 1/200) = 0.03.
    """
    grid = category_grid("c", {"a": 1, "b": 1, "c": 1})
    current = summarise_category(grid, np.repeat([0, 1, 2], [60, 30, 10]), ["a", "b", "c"])
    reference = summarise_category(grid, np.repeat([0, 1, 2], [100, 60, 40]), ["a", "b", "c"])
    assert figure("psi", current, reference)[0] == pytest.approx(0.052130, abs=5e-6)


def test_psi_of_small_changes_has_the_interval_of_a_noncentral_chi_square():
    """At either limit scipy's distribution of PSI/(1/n + 1/m) has 2.5 % beyond what was seen."""
    _, low, high, *_ = figure("psi", levels([560, 440, 0, 0]), levels([5000, 5000, 0, 0]))
    p, q = np.array([560.5, 440.5]) / 1001, np.array([5000.5, 5000.5]) / 10001
    noise = 1 / 1000 + 1 / 10_000
    x = ((p - q) * np.log(p / q)).sum() / noise
    tails = [stats.ncx2.cdf(x, 1, low / noise), stats.ncx2.cdf(x, 1, high / noise)]
    assert tails == pytest.approx([0.975, 0.025], abs=1e-3)


def test_psi_of_no_change_at_all_is_zero_but_not_certain():
    """The same counts have PSI 0 from 0 up to what chance could hide."""
    value, low, high, *_ = figure("psi", levels([500, 500, 0, 0]), levels([500, 500, 0, 0]))
    assert (value, low) == (0, 0)
    assert stats.ncx2.cdf(1, 1, high / (2 / 1000)) == pytest.approx(0.025, abs=1e-4)


def test_psi_counts_unseen_levels():
    """A level that neither pilot nor reference had moves PSI by about p ln(p/q) of its own cell."""
    without = figure("psi", levels([500, 500, 0, 0]), levels([500, 500, 0, 0]))[0]
    assert figure("psi", levels([450, 450, 0, 100]), levels([500, 500, 0, 0]))[0] > without + 0.3


def test_psi_cells_hold_equal_shares_of_the_reference(rng):
    """Ten cells of a continuous column, each a tenth of the reference to a grid cell's width."""
    reference = numeric(rng.normal(size=20_000))
    held = np.bincount(psi_groups(GRID, reference.counts[0]), reference.counts[0])
    assert held / 20_000 == pytest.approx(np.full(10, 0.1), abs=0.02)


def test_psi_cells_of_a_discrete_column_keep_new_values_apart(rng):
    """What the pilot never had is in a cell of its own: integers that come as halves are seen."""
    x = rng.integers(0, 5, 2000).astype(float)
    grid = numeric_grid("n", x)
    assert figure("psi", numeric(x + 0.5, grid), numeric(x, grid))[1] > 1


def test_rare_levels_share_a_cell():
    """Levels under 2 % of the reference are compared together with the known ones."""
    grid = category_grid("c", {"a": 90, "b": 9, "c": 1})
    reference = summarise_category(grid, np.repeat([0, 1, 2], [900, 85, 15]), ["a", "b", "c"])
    assert psi_groups(grid, reference.counts[0]).tolist() == [0, 1, 2, 2, 2]


def test_which_levels_stand_alone_is_not_chosen_by_chance():
    """As many as are frequent in the reference do, in the order of the pilot."""
    grid = category_grid("c", {"a": 90, "b": 5, "c": 4})
    reference = summarise_category(grid, np.repeat([0, 1, 2], [960, 15, 25]), ["a", "b", "c"])
    assert psi_groups(grid, reference.counts[0]).tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("current", "reference", "reason"),
    [
        ([0.0] * 49, [0.0] * 60, "fewer than 50 values to compare: 49"),
        ([0.0] * 60, [0.0] * 12, "in the reference: fewer than 50 finite values: 12"),
        ([0.0] * 60, [np.nan] * 60, "in the reference: all values missing or NaN"),
        ([np.nan] * 60, [0.0] * 60, "all values missing or NaN"),
        ([], [0.0] * 60, "no rows"),
    ],
)
def test_where_there_is_nothing_to_compare_the_reason_is_precise(name, current, reference, reason):
    """The reason says on which side values are missing, and how many there are."""
    assert figure(name, numeric(current), numeric(reference))[-1] == reason


@pytest.mark.parametrize("name", BOTH)
def test_one_nan_or_infinity_hides_no_change(name, rng):
    """A change of five standard deviations is seen with NaN and infinities on both sides; n says what was compared."""
    odd = [np.nan, np.inf, -np.inf]
    found = figure(name, numeric([*rng.normal(5, 1, 500), *odd]), numeric([*rng.normal(size=500), *odd]))
    assert found[1] > 1
    assert found[3] == 500


@pytest.mark.parametrize("name", [*BOTH, "wasserstein_sd"])
def test_a_constant_reference_is_not_divided_by(name, rng):
    """A reference without spread has no standard deviations; other distances to it are finite."""
    grid = numeric_grid("one", [1.0] * 100)
    value, *_, reason = figure(name, numeric(rng.normal(50, 1, 200), grid), numeric([1.0] * 200, grid))
    if name == "wasserstein_sd":
        assert reason == "the reference is constant"
    else:
        assert 1 < value < 100


def bound(current, reference, grid):
    """What Wasserstein can be off by: the width of each cell times both shares, tails up to the furthest value."""
    edges = np.concatenate(
        [[min(current.min(), reference.min())], grid.edges, [max(current.max(), reference.max())]]
    )
    shares = [numeric(x, grid).counts[0] / len(x) for x in (current, reference)]
    return (np.maximum(np.diff(edges), 0) * (shares[0] + shares[1])).sum()


@pytest.mark.parametrize("case", range(12))
def test_wasserstein_agrees_with_scipy_within_its_bound(case):
    """For columns of many shapes it is scipy's distance to the bound, and to 2 % of a standard deviation."""
    rng = np.random.default_rng(case)
    shape = [rng.normal, rng.exponential, lambda size: rng.standard_t(3, size), rng.lognormal][case % 4]
    reference, current = shape(size=3000), shape(size=2000) * (1, 1.3, 1)[case % 3] + (0, 0, 0.4)[case % 3]
    grid = numeric_grid("x", shape(size=1000))
    error = figure("wasserstein", numeric(current, grid), numeric(reference, grid))[
        0
    ] - stats.wasserstein_distance(current, reference)
    assert abs(error) <= min(bound(current, reference, grid), 0.02 * reference.std())


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=50, max_size=80),
    st.lists(st.integers(0, 9), min_size=50, max_size=80),
)
def test_wasserstein_of_a_discrete_column_is_scipys(current, reference):
    """Where each value has its cell there is nothing to be off by."""
    grid = numeric_grid("n", [*range(10)] * 2)
    value = figure("wasserstein", numeric(current, grid), numeric(reference, grid))[0]
    assert value == pytest.approx(stats.wasserstein_distance(current, reference), abs=1e-9)


def test_wasserstein_of_a_shift_is_the_shift(rng):
    """Ten is ten, far outside the grid too, and in standard deviations of the reference ten over theirs."""
    x = rng.normal(size=2000)
    values = [figure(name, numeric(x + 10), numeric(x))[0] for name in ("wasserstein", "wasserstein_sd")]
    assert values == pytest.approx([10, 10 / x.std(ddof=1)], rel=0.002)


def test_wasserstein_of_latencies_is_in_seconds(rng):
    """A model that takes 20 ms longer is 20 ms away."""
    x, grid = rng.lognormal(-3, 0.5, 5000), latency_grid()
    assert figure("wasserstein", numeric(x + 0.02, grid), numeric(x, grid))[0] == pytest.approx(
        0.02, rel=0.02
    )


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", BOTH)
def test_the_interval_of_a_distance_holds_the_truth(name, shift):
    """Of 600 windows, 20 against each of 30 references, 91 % or more (the standard error is 1.5 %)."""
    rng, held = np.random.default_rng(41), []
    for _ in range(30):
        grid = numeric_grid("x", rng.normal(size=500))
        reference = numeric(rng.normal(size=2000), grid)
        window = np.repeat(np.arange(20), 300)
        current = summarise_numeric(grid, rng.normal(shift, 1, 6000), None, window, 20)
        truth = shift
        if name == "psi":
            group = psi_groups(grid, reference.counts[0])
            edges = np.concatenate([[-np.inf], grid.edges, [np.inf]])
            p, q = (np.bincount(group, np.diff(stats.norm.cdf(edges, mean))) for mean in (shift, 0))
            truth = ((p - q) * np.log(p / q)).sum()
        found = STATISTICS[name].figures(current, reference)
        held.append((found.low <= truth + 1e-12) & (truth <= found.high))
    assert np.mean(held) >= 0.91


@pytest.mark.parametrize("name", BOTH)
def test_a_reference_of_several_windows_counts_as_one(name, rng):
    """The reference's windows are added before the comparison."""
    x = rng.normal(size=900)
    apart = Summary.stack([numeric(x[:300]), numeric(x[300:])])
    one, other = (figure(name, numeric(x[:200]), reference) for reference in (apart, numeric(x)))
    assert one[:3] == pytest.approx(other[:3], rel=1e-12)
    assert one[3:] == other[3:]
