"""Grids: how cells are cut, and that a grid is one thing however it was made."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.statistics import (
    Grid,
    category_grid,
    latency_grid,
    merge_cells,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
)

RNG = np.random.default_rng(7)
GRIDS = [
    numeric_grid("x", RNG.lognormal(size=1000)),
    numeric_grid("flag", [0, 1] * 20),
    numeric_grid("nothing", []),
    latency_grid(),
    category_grid("c", {"a": 3, "b": 5}, ["z"]),
    quality_grid(("no", "yes"), RNG.random(500)),
    quality_grid(("a", "b", "c")),
]


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(7)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.column)
def test_json_brings_a_grid_back_to_the_bit(grid):
    """What comes out of JSON has the same edges, the same id and the same cells."""
    again = Grid.from_json(grid.to_json())
    assert (again.id, again.cells, again.edges.tobytes()) == (grid.id, grid.cells, grid.edges.tobytes())


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.column)
def test_pickling_brings_a_grid_back(grid):
    """A grid goes through pickle to another process and is equal to itself."""
    assert pickle.loads(pickle.dumps(grid)) == grid


def test_an_id_is_known_before_it_is_made():
    """The id is a digest of the content alone: it is the same on every machine and in every version."""
    assert numeric_grid("x", [0.0, 1.0] * 5).id == "a89e37695e472640"
    assert latency_grid().id == "2e6d8ac2a198454a"


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.randoms())
def test_the_order_of_pilot_rows_does_not_matter(values, random):
    """Shuffled pilot rows cut the same grid."""
    shuffled = list(values)
    random.shuffle(shuffled)
    assert numeric_grid("x", shuffled) == numeric_grid("x", values)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=400))
def test_any_pilot_makes_a_grid(values):
    """NaN, infinities, the greatest floats, equal values and no values at all make a grid of at most 300 cells."""
    assert 2 <= numeric_grid("x", values).cells <= 300


def test_the_outer_cells_of_a_continuous_column_are_finer():
    """The outermost 128th of the pilot is cut at a 256th, a 512th and a 1,024th; so is the second, third and fifth value."""
    pilot = np.arange(2048.0)
    edges = numeric_grid("x", pilot).edges
    assert edges[:7].tolist() == [0, 1, 2, 3, 4, 7, 15]
    assert edges[-4:-1].tolist() == [2043, 2045, 2046]


def test_cells_of_a_continuous_column_hold_equal_shares_of_the_pilot(rng):
    """128 quantile cells of a pilot of 1,280 distinct values hold ten each, those at the ends together."""
    pilot = rng.permutation(np.arange(1280.0))
    counts = summarise_numeric(numeric_grid("x", pilot), pilot).counts[0]
    assert set(counts[9:-9]) == {10}


def test_values_beyond_the_pilot_go_to_the_tails():
    """The first cell holds what is below the least pilot value, the last what is above the greatest."""
    pilot = np.arange(1000.0)
    counts = summarise_numeric(numeric_grid("x", pilot), [-1.0, -5.0, 999.5, 0.0, 999.0]).counts[0]
    assert (counts[0], counts[-1], counts[1], counts[-2]) == (2, 1, 1, 1)


def test_a_discrete_column_has_a_cell_for_each_value():
    """Values of the pilot, values between them and values beyond them are never counted together."""
    grid = numeric_grid("age", [20, 30, 40] * 10)
    counts = summarise_numeric(grid, [19, 20, 20, 25, 30, 40, 41, 42]).counts[0]
    assert grid.discrete
    assert counts.tolist() == [1, 2, 1, 1, 0, 1, 2]


def test_few_distinct_values_that_hardly_repeat_are_not_discrete(rng):
    """Fifty pilot rows of a continuous column do not make each of its values a level."""
    assert not numeric_grid("x", rng.normal(size=50)).discrete


def test_a_frequent_value_of_a_continuous_column_has_its_own_cell(rng):
    """Zeros in an otherwise continuous column are not mixed with the values just above zero."""
    pilot = np.concatenate([np.zeros(400), rng.exponential(size=600)])
    counts = summarise_numeric(numeric_grid("x", pilot), [0.0, 1e-9, 5e-324]).counts[0]
    assert sorted(counts[counts > 0]) == [1, 2]


def test_latency_cells_are_narrower_than_9_percent():
    """Between a microsecond and 1,000 s a cell's bounds differ by less than 9 %."""
    edges = latency_grid().edges
    assert (edges[0], edges[-1]) == (1e-6, 1e3)
    assert (edges[1:] / edges[:-1]).max() < 1.09


def test_levels_are_sorted_by_frequency_then_name():
    """The 128 most frequent levels of the pilot have cells; the others and those of the reference are known."""
    pilot = {f"{k:03}": 1000 - k // 2 for k in range(130)}
    grid = category_grid("c", pilot, ["zz", "000"])
    assert (grid.levels[:3], grid.known, grid.cells) == (("000", "001", "002"), ("128", "129", "zz"), 130)


def test_levels_known_and_unseen_are_counted_apart():
    """A level of the reference is ``other``, a level that was never seen has the last cell."""
    grid = category_grid("c", {"a": 2, "b": 1}, ["a", "b", "rare"])
    names = ["a", "b", "rare", "new"]
    assert summarise_category(grid, [0, 0, 1, 2, 3, 3, 3], names).counts[0].tolist() == [2, 1, 1, 3]


@pytest.mark.parametrize("n", [0, 199, 200, 5000])
def test_scores_have_at_most_128_bins(n, rng):
    """A quality grid has 128 score bins or fewer and one for no score, whatever the pilot."""
    bins, *sides = quality_grid(("0", "1"), rng.random(n)).shape
    assert 100 <= bins <= 129
    assert sides == [3, 4]


def test_few_distinct_scores_have_a_bin_each():
    """A model that gives four scores gets four bins, so that AUC is exact."""
    assert quality_grid(("0", "1"), [0.1, 0.2, 0.7, 0.9] * 100).shape[0] == 5


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"kind": "odd"}, "kind='odd'"),
        ({"kind": "numeric", "edges": [1.0, 1.0]}, "strictly ascending"),
        ({"kind": "numeric", "edges": [0.0, np.inf]}, "finite"),
        ({"kind": "numeric", "centre": np.nan}, "centre"),
        ({"kind": "category", "levels": ("a", "a")}, "differ"),
        ({"kind": "category", "levels": ("a",), "known": ("a",)}, "share"),
        ({"kind": "category", "levels": tuple(map(str, range(129)))}, "at most 128"),
    ],
)
def test_parts_that_make_no_grid_are_refused(parts, message):
    """A grid that could not count is an error that names the part."""
    with pytest.raises(ValueError, match=message):
        Grid("x", **parts)


def test_what_is_not_the_json_of_a_grid_is_refused():
    """Other JSON is a ValueError, not a KeyError from within."""
    with pytest.raises(ValueError, match="not the JSON of a grid"):
        Grid.from_json("{}")


def test_edges_cannot_be_changed():
    """A grid is frozen, its edges too."""
    with pytest.raises(ValueError, match="read-only"):
        latency_grid().edges[0] = 5.0


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 20))
def test_merged_cells_are_neighbours_of_about_equal_counts(counts, groups):
    """Groups are numbered upwards without gaps, and a group of several cells holds at most two even shares."""
    group = merge_cells(counts, groups)
    held = np.bincount(group, counts)
    several = np.bincount(group, np.asarray(counts) > 0) > 1
    assert set(np.diff(group)) <= {0, 1}
    assert group[0] == 0
    assert len(held) <= groups
    assert (held[several] <= 2 * sum(counts) / groups).all()
