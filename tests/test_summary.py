"""Summaries: nothing is dropped unseen, and adding summaries is the summary of all rows."""

from __future__ import annotations

import bisect
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import GridError
from vedette.statistics import (
    Summary,
    category_grid,
    latency_grid,
    numeric_grid,
    quality_grid,
    summarise_category,
    summarise_numeric,
    summarise_quality,
)
from vedette.statistics.hashes import KEPT, hashes_of_numbers

RNG = np.random.default_rng(11)
GRID = numeric_grid("x", RNG.normal(size=500))
LEVELS = category_grid("c", {"a": 3, "b": 2}, ["c"])
NAMES = ["a", "b", "c", "d"]
QUALITY = quality_grid(("no", "yes"))
CLASSES = ["no", "yes", "maybe"]

numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
rows = st.lists(st.tuples(numbers, st.booleans(), st.integers(0, 3)), max_size=60)
outcomes = st.lists(
    st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.floats(allow_nan=True), st.integers(0, 3)),
    max_size=60,
)


@pytest.fixture
def rng():
    """Random numbers that are the same whatever ran before."""
    return np.random.default_rng(11)


def numeric(data, sign=1):
    """The summary of (value, present, window) rows over four windows."""
    values, present, window = (np.array(part) for part in zip(*data, strict=True)) if data else ([], [], [])
    return summarise_numeric(GRID, values, present, window, 4, sign)


def quality(data, weight=1):
    """The summary of (label, prediction, score, window) rows over four windows."""
    label, prediction, score, window = zip(*data, strict=True) if data else ([], [], [], [])
    return summarise_quality(QUALITY, label, prediction, CLASSES, score, window, 4, weight)


def counted(summary):
    """All that is counted, as bytes."""
    parts = (summary.rows, summary.missing, summary.nan, summary.inf, summary.counts)
    return b"".join(part.tobytes() for part in parts)


@settings(deadline=None)
@given(rows)
def test_every_row_is_somewhere(data):
    """rows = missing + nan + inf + the sum of counts, for any values."""
    summary = numeric(data)
    assert (summary.rows == summary.missing + summary.nan + summary.inf + summary.used).all()


@settings(deadline=None)
@given(rows, rows)
def test_adding_is_the_summary_of_both(one, two):
    """Counts to the bit; sums to rounding; least and greatest values exactly."""
    whole, sum_ = numeric(one + two), numeric(one) + numeric(two)
    assert counted(whole) == counted(sum_)
    np.testing.assert_array_equal(whole.minimum, sum_.minimum)
    np.testing.assert_array_equal(whole.maximum, sum_.maximum)
    np.testing.assert_allclose(whole.total, sum_.total, rtol=1e-9, atol=1e30)


@settings(deadline=None)
@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(data, random):
    """Shuffled rows give the same counts to the bit."""
    shuffled = list(data)
    random.shuffle(shuffled)
    assert counted(numeric(shuffled)) == counted(numeric(data))


def plainly(grid, x, present, window, n_windows, kept=KEPT):
    """What a summary is to hold, window by window and value by value, by its definition."""
    out = Summary.empty(grid, n_windows, kept)
    for w in range(n_windows):
        own = [(float(v), bool(there)) for v, there, at in zip(x, present, window, strict=True) if at == w]
        values = [v for v, there in own if there and math.isfinite(v)]
        out.rows[w], out.missing[w] = len(own), sum(not there for _, there in own)
        out.nan[w] = sum(there and math.isnan(v) for v, there in own)
        out.inf[w] = sum(there and math.isinf(v) for v, there in own)
        for v in values:
            out.counts[w, bisect.bisect_right(grid.edges.tolist(), v)] += 1
        moments = [math.fsum((v - grid.centre) ** power for v in values) for power in (1, 2, 3, 4)]
        out.total[w], out.squares[w], out.cubes[w], out.fourths[w] = moments
        if values:
            out.minimum[w], out.maximum[w] = min(values), max(values)
        hashes = sorted({int(h) for h in hashes_of_numbers(np.array(values))})[:kept]
        out.hashes[w, : len(hashes)] = hashes
    return out


@pytest.mark.parametrize("order", ["in order", "mixed"])
@pytest.mark.parametrize(
    ("rows_of_windows", "digits"),
    [
        ([3, 0, 40, 1], 1),  # few rows: cells looked up
        ([200, 0, 90, 1500, 300], 9),  # runs: sorted, some with more distinct values than are kept
        ([1200, 1300], 1),  # fewer distinct values than are kept, in many rows
        ([40_000, 5, 35_000, 0], 9),  # more rows than stay in cache at once
    ],
)
def test_many_windows_are_counted_by_definition(rng, rows_of_windows, digits, order):
    """Whatever way windows of this size are counted: counts, extremes and hashes to the bit, sums to rounding."""
    window = np.repeat(np.arange(len(rows_of_windows)), rows_of_windows)
    x = rng.normal(size=len(window)).round(digits)
    x[rng.uniform(size=len(x)) < 0.05] = np.nan
    x[rng.uniform(size=len(x)) < 0.02] = -np.inf
    x[rng.uniform(size=len(x)) < 0.02] = -0.0
    present = rng.uniform(size=len(x)) > 0.1
    if order == "mixed":
        window = rng.permutation(window)
    found = summarise_numeric(GRID, x, present, window, len(rows_of_windows))
    asked = plainly(GRID, x, present, window, len(rows_of_windows))
    assert counted(found) == counted(asked)
    for name in ("minimum", "maximum", "hashes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(asked, name))
    assert not np.signbit(found.minimum[found.minimum == 0]).any()
    for name in ("total", "squares", "cubes", "fourths"):
        np.testing.assert_allclose(getattr(found, name), getattr(asked, name), rtol=1e-11, atol=1e-9)


@settings(deadline=None)
@given(rows, rows)
def test_numbers_that_are_taken_away_are_as_if_never_added(kept, withdrawn):
    """Signs may differ by row: what is added and taken away at once leaves the counts of the rest."""
    sign = [1] * len(kept) + [1] * len(withdrawn) + [-1] * len(withdrawn)
    assert counted(numeric(kept + withdrawn + withdrawn, sign)) == counted(numeric(kept))


@settings(deadline=None)
@given(outcomes, outcomes)
def test_taking_rows_away_undoes_adding_them(kept, withdrawn):
    """A summary of rows with weight -1 takes exactly those rows out again, to the bit."""
    assert counted(quality(kept + withdrawn) + quality(withdrawn, -1)) == counted(quality(kept))


def test_a_corrected_label_is_the_old_row_out_and_the_new_in():
    """Weights differ by row: -1 for the label that was wrong, +1 for the one that replaces it."""
    first = summarise_quality(QUALITY, [0], [1], CLASSES, [0.9])
    change = summarise_quality(QUALITY, [0, 1], [1, 1], CLASSES, [0.9, 0.9], weight=[-1, 1])
    assert counted(first + change) == counted(summarise_quality(QUALITY, [1], [1], CLASSES, [0.9]))


def test_null_nan_and_infinities_are_counted_apart():
    """The three are never in the counts and never mixed."""
    values = [1.0, np.nan, np.inf, -np.inf, 5.0, np.nan]
    summary = summarise_numeric(GRID, values, [True, True, True, True, False, False])
    assert [int(x[0]) for x in (summary.rows, summary.missing, summary.nan, summary.inf)] == [6, 2, 1, 2]


def test_moments_are_about_the_centre(rng):
    """total and squares are sums of x - centre and its square."""
    x = rng.normal(5, 2, 300)
    summary = summarise_numeric(GRID, x)
    away = x - GRID.centre
    np.testing.assert_allclose(
        [summary.total[0], summary.squares[0]], [away.sum(), (away**2).sum()], rtol=1e-12
    )


def test_counts_agree_with_numpy_histogram(rng):
    """The cells between edges hold what numpy.histogram counts."""
    x = rng.normal(size=1000)
    np.testing.assert_array_equal(summarise_numeric(GRID, x).counts[0, 1:-1], np.histogram(x, GRID.edges)[0])


def test_windows_are_those_of_separate_summaries(rng):
    """Summarising windows at once is stacking the summaries of each."""
    x, window = rng.normal(size=100), rng.integers(0, 3, 100)
    at_once = summarise_numeric(GRID, x, None, window, 3)
    apart = Summary.stack([summarise_numeric(GRID, x[window == w]) for w in range(3)])
    assert counted(at_once) == counted(apart)


def test_merging_windows_is_the_summary_of_all_rows(rng):
    """merged() is one window with every row."""
    x = rng.normal(size=100)
    assert counted(summarise_numeric(GRID, x, None, np.arange(100) % 7, 7).merged()) == counted(
        summarise_numeric(GRID, x)
    )


def test_windows_are_grouped_by_number():
    """grouped() adds the windows that share a number."""
    summary = summarise_numeric(GRID, [1.0, 2.0, 3.0], None, [0, 1, 2], 3).grouped([1, 0, 1], 2)
    assert (summary.rows.tolist(), summary.minimum.tolist(), summary.maximum.tolist()) == (
        [1, 2],
        [2.0, 1.0],
        [2.0, 3.0],
    )


def test_take_picks_windows_by_number_or_mask():
    """take() keeps the windows that are named, in that order."""
    summary = summarise_numeric(GRID, [1.0, 2.0, 2.0], None, [0, 1, 1], 3)
    assert summary.take([1, 0]).rows.tolist() == [2, 1]
    assert summary.take(summary.rows > 1).rows.tolist() == [2]


def test_empty_windows_have_no_least_value():
    """A window without values has NaN for its least and greatest value, and zeros elsewhere."""
    summary = Summary.empty(GRID, 2)
    assert np.isnan(summary.minimum).all()
    assert summary.counts.sum() == 0
    assert len(summary) == 2


def test_unequal_grids_refuse_to_be_added():
    """Adding or stacking summaries of two grids is a GridError that names both."""
    other = summarise_numeric(numeric_grid("y", [1.0, 2.0]), [1.0])
    with pytest.raises(GridError, match=r"'x'.*'y'"):
        summarise_numeric(GRID, [1.0]) + other
    with pytest.raises(GridError):
        Summary.stack([summarise_numeric(GRID, [1.0]), other])


def test_scores_outside_their_range_have_no_bin():
    """NaN, negative scores and scores over 1 go to the last bin, that of no score."""
    scores = [0.0, 1.0, np.nan, -0.1, 1.1, np.inf]
    cube = summarise_quality(QUALITY, [0] * 6, [0] * 6, CLASSES, scores).cube
    assert (cube[0, -1].sum(), cube[0, :-1].sum()) == (4, 2)


def test_labels_and_predictions_of_other_classes_are_counted_apart():
    """Another class has the row and column after the classes, no prediction the last column, no label ``missing``."""
    summary = summarise_quality(QUALITY, [2, 0, 1, -1], [0, 2, -1, 1], CLASSES)
    table = summary.cube[0].sum(axis=0)
    assert (table[2, 0], table[0, 2], table[1, 3], table.sum(), summary.missing[0]) == (1, 1, 1, 3, 1)


def test_the_order_of_names_does_not_matter():
    """Codes mean names: the same levels under other codes are the same summary."""
    one = summarise_category(LEVELS, [0, 1, 2, 3, -1], NAMES)
    two = summarise_category(LEVELS, [3, 2, 1, 0, -1], NAMES[::-1])
    assert counted(one) == counted(two)


def test_a_summary_goes_through_pickle():
    """What a worker sends back is what it counted."""
    summary = numeric([(1.0, True, 0), (2.0, True, 3)])
    assert counted(pickle.loads(pickle.dumps(summary))) == counted(summary)


def test_huge_values_warn_nobody():
    """Sums that overflow are infinite, without a warning; counts stay right."""
    summary = summarise_numeric(GRID, [1e308, 1e308, -1e308])
    assert np.isinf(summary.squares[0])
    assert summary.counts[0, [0, -1]].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarise_numeric(GRID, [1.0], [True, False]), "present"),
        (lambda: summarise_numeric(GRID, [1.0], None, [1], 1), "window"),
        (lambda: summarise_numeric(GRID, [1.0], None, [0, 0], 1), "window"),
        (lambda: summarise_numeric(GRID, [1.0], sign=2), "1 or -1"),
        (lambda: summarise_numeric(LEVELS, [1.0]), "numeric or error or latency"),
        (lambda: summarise_category(LEVELS, [4], NAMES), "codes"),
        (lambda: summarise_category(GRID, [0], NAMES), "category"),
        (lambda: summarise_quality(QUALITY, [0], [0, 1], CLASSES), "as many"),
        (lambda: Summary.stack([]), "one or more"),
        (lambda: Summary.empty(GRID, 2) + Summary.empty(GRID, 3), "2 and 3 windows"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, message):
    """Lengths, windows, codes, signs and kinds that do not fit are a ValueError that says which."""
    with pytest.raises(ValueError, match=message):
        call()


def test_latencies_are_summarised_like_numbers():
    """SUMMARISERS has one function for both; the latency grid takes zero and hours."""
    summary = summarise_numeric(latency_grid(), [0.0, 0.1, 7200.0])
    assert (summary.counts[0, 0], summary.counts[0, -1], summary.used[0]) == (1, 1, 3)
