"""Jensen-Shannon, Hellinger, Cramér's V, Kolmogorov-Smirnov and total variation against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial import distance

from vedette.statistics import (
    STATISTICS,
    Summary,
    category_grid,
    numeric_grid,
    summarise_category,
    summarise_numeric,
)
from vedette.statistics.divergence import Divergence, psi_groups
from vedette.statistics.hellinger import _HELLINGER

RNG = np.random.default_rng(71)
GRID = numeric_grid("x", RNG.normal(size=1000))
NAMES = ["a", "b", "c"]
LEVELS = category_grid("c", dict.fromkeys(NAMES, 1))
ROOTS = ["jensen_shannon", "hellinger", "chi_square"]
CELLS = [*ROOTS, "kolmogorov_smirnov"]

three = st.lists(st.integers(1000, 20_000), min_size=3, max_size=3)


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(71)


def figure(name, current, reference, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(current, reference, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


def levels(counts):
    """One window of a category with so many of a, b and c."""
    nothing = Summary.empty(LEVELS, 1, 0)
    nothing.counts[0, :3] = counts
    nothing.rows[0] = sum(counts)
    return nothing


def shares(counts):
    """Their shares."""
    return np.array(counts) / np.sum(counts)


def uncorrected(name, ours, theirs):
    """The distance before chance is taken off, by scipy or by its definition."""
    p, q = shares(ours), shares(theirs)
    if name == "jensen_shannon":
        return distance.jensenshannon(p, q, base=2)
    if name == "hellinger":
        return distance.euclidean(np.sqrt(p), np.sqrt(q)) / np.sqrt(2)
    both = np.array([p, q]) * 10**6  # as many rows on both sides
    return np.sqrt(stats.chi2_contingency(both, correction=False).statistic / both.sum())


@pytest.mark.parametrize("name", ROOTS)
@settings(deadline=None)
@given(ours=three, theirs=three)
def test_distances_are_scipys_less_what_chance_makes(name, ours, theirs):
    """The square is that of scipy's distance less the noise of two degrees of freedom, to 2 % of the noise."""
    curvature = {"jensen_shannon": 1 / 8 / np.log(2), "hellinger": 1 / 8, "chi_square": 1 / 4}[name]
    noise = 2 * curvature * (1 / sum(ours) + 1 / sum(theirs))
    square = figure(name, levels(ours), levels(theirs))[0] ** 2
    expected = max(uncorrected(name, ours, theirs) ** 2 - noise, 0)
    assert square == pytest.approx(expected, rel=1e-9, abs=0.02 * noise)


@pytest.mark.parametrize("name", ROOTS)
def test_distances_of_many_rows_are_scipys(name):
    """Of a million rows nothing is left of the correction but the sixth digit."""
    ours, theirs = [700_000, 200_000, 100_000], [300_000, 300_000, 400_000]
    value = figure(name, levels(ours), levels(theirs))[0]
    assert value == pytest.approx(uncorrected(name, ours, theirs), rel=1e-4)


@pytest.mark.parametrize("name", ROOTS)
def test_nothing_in_common_is_one(name):
    """The greatest distance is 1, and no limit lies beyond it."""
    value, low, high, *_ = figure(name, levels([5000, 0, 0]), levels([0, 0, 5000]))
    assert value == pytest.approx(1, abs=1e-3)
    assert 0.97 < low <= 1
    assert high == 1


@pytest.mark.parametrize("name", ROOTS)
def test_no_change_at_all_is_zero_but_not_certain(name):
    """The same counts are 0 apart, from 0 up to what chance could hide."""
    value, low, high, *_ = figure(name, levels([500, 300, 200]), levels([500, 300, 200]))
    assert (value, low) == (0, 0)
    assert 0.03 < high < 0.2


@pytest.mark.parametrize(
    ("name", "curvature"),
    [("jensen_shannon", 1 / 8 / np.log(2)), ("hellinger", 1 / 8), ("chi_square", 1 / 4)],
)
def test_small_changes_have_the_interval_of_a_noncentral_chi_square(name, curvature):
    """At either limit scipy's distribution of the square over its noise has 2.5 % beyond what was seen."""
    ours, theirs = [54_000, 31_000, 15_000], [525_000, 310_000, 165_000]
    noise = curvature * (1 / 1e5 + 1 / 1e6)
    _, low, high, *_ = figure(name, levels(ours), levels(theirs))
    x = uncorrected(name, ours, theirs) ** 2 / noise
    tails = [stats.ncx2.cdf(x, 2, limit**2 / noise) for limit in (low, high)]
    assert tails == pytest.approx([0.975, 0.025], abs=2e-3)


def test_cramers_v_does_not_grow_with_rows(rng):
    """Ten times the window, or ten times the reference, is the same V, where chi-square is ten times as great."""
    ours, theirs = np.array([50_000, 30_000, 20_000]), np.array([40_000, 40_000, 20_000])
    values = [
        figure("chi_square", levels(a * ours), levels(b * theirs))[0] for a, b in ((1, 1), (10, 1), (1, 10))
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-3)


def test_the_noise_of_few_rows_is_worked_out():
    """A Poisson count of mean 1: E (sqrt X - 1)^2 / 2 is 0.2268 by scipy, 1.81 times the limit of 1/8."""
    from vedette.statistics.divergence import EXPECTED, _noise_of_counts

    expected = stats.poisson(1).expect(lambda x: (np.sqrt(x) - 1) ** 2 / 2) * 8
    assert isinstance(_HELLINGER, Divergence)
    assert np.interp(1.0, EXPECTED, _noise_of_counts(_HELLINGER)) == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(1.8143, abs=1e-3)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=50, max_size=80),
    st.lists(st.integers(0, 9), min_size=50, max_size=80),
)
def test_kolmogorov_smirnov_of_a_discrete_column_is_scipys(current, reference):
    """Where values sit on edges there is nothing between them."""
    grid = numeric_grid("n", [*range(10)] * 2)
    value = figure(
        "kolmogorov_smirnov", summarise_numeric(grid, current), summarise_numeric(grid, reference)
    )[0]
    assert value == pytest.approx(stats.ks_2samp(current, reference, method="asymp").statistic, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_kolmogorov_smirnov_is_below_scipys_by_a_cell_at_most(shift, rng):
    """Between edges it does not look, and says so."""
    x, y = rng.normal(shift, 1, 800), rng.normal(size=3000)
    current, reference = summarise_numeric(GRID, x), summarise_numeric(GRID, y)
    greatest = max(current.counts.max() / 800, reference.counts.max() / 3000)
    below = stats.ks_2samp(x, y).statistic - figure("kolmogorov_smirnov", current, reference)[0]
    assert -1e-12 <= below <= greatest


def test_kolmogorov_smirnov_has_the_limits_of_kolmogorov_and_the_normal_law():
    """700/300 against 500/500: D = 0.2, low = 0.2 - 1.4802 sqrt(2/1000), high = 0.2 + 1.96 sqrt(2/1000)/2."""
    grid = numeric_grid("flag", [0.0, 1.0] * 5)
    current = summarise_numeric(grid, np.repeat([0.0, 1.0], [700, 300]))
    reference = summarise_numeric(grid, np.repeat([0.0, 1.0], [500, 500]))
    noise = np.sqrt(2 / 1000)
    expected = (0.2, 0.2 - stats.kstwobign.isf(0.025) * noise, 0.2 + stats.norm.isf(0.025) * noise / 2)
    assert figure("kolmogorov_smirnov", current, reference)[:3] == pytest.approx(expected)


def test_total_variation_worked_by_hand():
    """70/20/10 % against 50/25/25 % of ten thousand rows: (0.20 + 0.05 + 0.15)/2."""
    found = figure("total_variation", levels([7000, 2000, 1000]), levels([5000, 2500, 2500]))
    assert found[0] == pytest.approx(0.2, abs=1e-4)
    assert found[1] < 0.2 < found[2]


@settings(deadline=None)
@given(three, three)
def test_total_variation_is_half_the_distance_of_shares(ours, theirs):
    """It is scipy's city-block distance over 2, less no more than the noise of three levels."""
    value = figure("total_variation", levels(ours), levels(theirs))[0]
    plain = distance.cityblock(shares(ours), shares(theirs)) / 2
    assert plain - np.sqrt(1 / sum(ours) + 1 / sum(theirs)) <= value <= plain + 1e-12


def test_levels_without_a_cell_count_together():
    """A swap between two levels that share a cell is not seen; one with a level never seen is."""
    grid = category_grid("c", {"a": 9}, ["b", "c"])
    names = ["a", "b", "c", "new"]

    def column(counts):
        return summarise_category(grid, np.repeat(np.arange(4), counts), names)

    reference = column([500, 500, 0, 0])
    assert figure("total_variation", column([500, 0, 500, 0]), reference)[0] == pytest.approx(0, abs=1e-9)
    assert figure("total_variation", column([500, 0, 0, 500]), reference)[0] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", [*CELLS, "total_variation"])
@pytest.mark.parametrize(
    ("current", "reference", "reason"),
    [
        ([49, 0, 0], [60, 0, 0], "fewer than 50 values to compare: 49"),
        ([60, 0, 0], [12, 0, 0], "in the reference: fewer than 50 finite values: 12"),
        ([0, 0, 0], [60, 0, 0], "no rows"),
    ],
)
def test_where_there_is_nothing_to_compare_the_reason_is_precise(name, current, reference, reason):
    """The reason says on which side values are missing, and how many there are."""
    if name == "kolmogorov_smirnov":
        grid = numeric_grid("n", [0.0, 1.0, 2.0] * 3)
        sides = [
            summarise_numeric(grid, np.repeat([0.0, 1.0, 2.0], counts)) for counts in (current, reference)
        ]
    else:
        sides = [levels(current), levels(reference)]
    assert figure(name, *sides)[-1] == reason


@pytest.mark.parametrize("name", [*CELLS, "psi"])
def test_a_constant_column_has_not_changed(name):
    """One value on both sides is no distance, and no division by nothing."""
    grid = numeric_grid("one", [1.0] * 100)
    column = summarise_numeric(grid, [1.0] * 100)
    value, low, high, *_ = figure(name, column, column)
    assert (value, low) == (0, 0)
    assert high < 0.6


def truth(name, p, q):
    """The distance between two distributions of cells."""
    if name == "kolmogorov_smirnov":
        return np.abs(np.cumsum(p - q)).max()
    return uncorrected(name, p, q)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("name", CELLS)
def test_the_interval_of_a_distance_holds_the_truth(name, shift):
    """Of 600 windows of 300 rows, 20 against each of 30 references, 91 % or more (the standard error is 1.5 %)."""
    rng, held = np.random.default_rng(81), []
    for _ in range(30):
        grid = numeric_grid("x", rng.normal(size=500))
        reference = summarise_numeric(grid, rng.normal(size=2000))
        window = np.repeat(np.arange(20), 300)
        current = summarise_numeric(grid, rng.normal(shift, 1, 6000), None, window, 20)
        edges = np.concatenate([[-np.inf], grid.edges, [np.inf]])
        p, q = (np.diff(stats.norm.cdf(edges, mean)) for mean in (shift, 0))
        if name in ROOTS:
            group = psi_groups(grid, reference.counts[0])
            p, q = np.bincount(group, p), np.bincount(group, q)
        expected = truth(name, p, q)
        found = STATISTICS[name].figures(current, reference)
        held.append((found.low <= expected + 1e-12) & (expected <= found.high))
    assert np.mean(held) >= 0.91


@pytest.mark.parametrize("name", [*ROOTS, "total_variation"])
@pytest.mark.parametrize("part", [0.0, 0.3])
def test_the_interval_holds_the_truth_of_many_rare_levels(name, part):
    """Of 600 windows with 100 rows of 60 levels, most of them expected less than twice, 91 % or more."""
    rng, held = np.random.default_rng(91), []
    q = 1 / np.arange(1, 61)
    q /= q.sum()
    p = (1 - part) * q + part * q[::-1]
    grid = category_grid("c", {f"{k:02}": 60 - k for k in range(60)})
    cells = np.concatenate([np.arange(60), [60, 60]])
    for _ in range(30):
        reference = Summary.empty(grid, 1, 0)
        reference.counts[0, :60] = rng.multinomial(1000, q)
        reference.rows[:] = 1000
        current = Summary.empty(grid, 20, 0)
        current.counts[:, :60] = rng.multinomial(100, p, 20)
        current.rows[:] = 100
        group = psi_groups(grid, reference.counts[0])[:60] if name in ROOTS else cells[:60]
        a, b = np.bincount(group, p), np.bincount(group, q)
        expected = np.abs(a - b).sum() / 2 if name == "total_variation" else uncorrected(name, a, b)
        found = STATISTICS[name].figures(current, reference)
        held.append((found.low <= expected + 1e-12) & (expected <= found.high))
    assert np.mean(held) >= 0.91


@pytest.mark.parametrize("name", ROOTS)
def test_a_rare_level_that_takes_over_is_seen(name):
    """One of 400 equal levels that goes from 0.25 % to 60 % is compared on its own, not with the other rare ones."""
    grid = category_grid(
        "c", dict.fromkeys((f"{k:03}" for k in range(100)), 5), [f"{k:03}" for k in range(400)]
    )
    q = np.full(400, 1 / 400)
    p = 0.4 * q + 0.6 * (np.arange(400) == 7)
    window, reference = Summary.empty(grid, 2, 0), Summary.empty(grid, 1, 0)
    for side, shares in ((window, (p, q)), (reference, (q,))):
        for place, share in enumerate(shares):
            side.counts[place, :100] = np.round(1e5 * share[:100])
            side.counts[place, 100] = 1e5 - side.counts[place, :100].sum()
        side.rows[:] = 100_000
    groups = np.array([p[7], 1 - p[7]]), np.array([q[7], 1 - q[7]])
    expected = truth(name, *groups)
    found = STATISTICS[name].figures(window, reference)
    assert found.low[0] <= expected <= found.high[0]
    assert (found.value[1], found.low[1]) == (0, 0)


@pytest.mark.parametrize("size", [(50, 4000), (4000, 50), (3000, 3000)])
def test_values_that_lie_all_above_the_others_moved_by_the_distance_of_the_means(size):
    """However wide the cells between the two sides are: scipy's distance of the rows, and an interval that holds it."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(9_000, 30, size[0]), rng.normal(0, 1, size[1])
    grid = numeric_grid("x", np.concatenate([x[:500], y[:500]]))
    value, low, high, *_ = figure("wasserstein", summarise_numeric(grid, x), summarise_numeric(grid, y))
    assert value == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-9)
    assert low <= 9_000 <= high


@pytest.mark.parametrize("name", [*ROOTS, "psi", "total_variation"])
@pytest.mark.parametrize("law", ["zipf", "equal", "few and rare"])
def test_rows_of_one_law_are_no_distance_however_many_levels(name, law):
    """Levels that the reference happens not to hold are no change: of 80 windows 91 % or more have a low of 0."""
    shares = {
        "zipf": 1 / np.arange(1, 301),
        "equal": np.ones(1000),
        "few and rare": np.r_[0.5, 0.3, 0.1, 0.05, 0.03, np.full(20, 0.001)],
    }[law]
    rng, names = np.random.default_rng(17), [f"{k:04}" for k in range(len(shares))]
    held = []
    for n, m in ((400, 400), (5000, 1000)):
        for _ in range(40):
            pilot, rest, now = (
                rng.multinomial(size, shares / shares.sum()) for size in (m // 5, m - m // 5, n)
            )
            known = [one for one, times in zip(names, pilot + rest, strict=True) if times]
            grid = category_grid("c", {one: int(k) for one, k in zip(names, pilot, strict=True) if k}, known)
            sides = [
                summarise_category(grid, np.repeat(np.arange(len(names)), counts), names)
                for counts in (now, rest)
            ]
            held.append(STATISTICS[name].figures(*sides).low[0] == 0)
    assert np.mean(held) >= 0.91


@pytest.mark.parametrize(("shift", "scale"), [(5, 1), (8, 1), (0, 3), (0, 10), (2, 3)])
@pytest.mark.parametrize("size", [(100, 1000), (10_000, 10_000)])
def test_values_far_beyond_the_grid_moved_by_what_the_interval_holds(shift, scale, size):
    """Of 60 windows of normal values against a grid cut on 200 rows of the reference or more, 88 % or more."""
    rng, held = np.random.default_rng(23), []
    normal = special.ndtri((np.arange(100_000) + 0.5) / 100_000)
    moved = np.abs(shift + (scale - 1) * normal).mean()  # quantile by quantile
    for _ in range(60):
        rows = rng.normal(size=size[1])
        grid = numeric_grid("x", rows[: size[1] // 5])
        now = summarise_numeric(grid, rng.normal(shift, scale, size[0]))
        found = STATISTICS["wasserstein"].figures(now, summarise_numeric(grid, rows[size[1] // 5 :]))
        held.append(found.low[0] <= moved <= found.high[0])
        assert found.value[0] == pytest.approx(moved, rel=0.5)
    assert np.mean(held) >= 0.88
