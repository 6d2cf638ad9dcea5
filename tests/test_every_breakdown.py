"""What holds for every breakdown: the suite walks ``BREAKDOWNS`` and runs each check on each member."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from vedette.statistics import (
    BREAKDOWNS,
    Breakdown,
    Summary,
    numeric_grid,
    quality_grid,
    summarise_numeric,
    summarise_quality,
)

NAMES = ["a", "b", "c", "x"]
GRIDS = {"2 classes": quality_grid(NAMES[:2]), "3 classes": quality_grid(NAMES[:3])}
CASES = [(name, grid) for name in BREAKDOWNS for grid in GRIDS]
each = pytest.mark.parametrize(("name", "grid"), CASES, ids=lambda value: str(value))


def rows(grid, n, seed=0):
    """Labels, predictions and scores of ordinary rows."""
    rng = np.random.default_rng(seed)
    classes = len(GRIDS[grid].classes)
    label = rng.integers(0, classes, n)
    score = rng.dirichlet(np.ones(classes), n) * 0.5 + 0.5 * np.eye(classes)[label]
    noise = rng.dirichlet(np.ones(classes), n)
    score = 0.6 * score + 0.4 * noise
    prediction = score.argmax(axis=1)
    return label, prediction, score[:, 1] if classes == 2 else score


def windows(grid, n_windows=4, n=400, seed=0):
    """Several ordinary windows."""
    at = np.repeat(np.arange(n_windows), n)
    label, prediction, score = rows(grid, n * n_windows, seed)
    return summarise_quality(GRIDS[grid], label, prediction, NAMES, score, at, n_windows)


def odd_windows(grid):
    """One window of each kind of trouble, by name."""
    one, nothing = windows(grid, 1), Summary.empty(GRIDS[grid], 1, 0)
    label, prediction, score = rows(grid, 300)
    none, own = np.full(300, -1), GRIDS[grid]

    def count(*columns):
        return summarise_quality(own, columns[0], columns[1], NAMES, columns[2])

    return {
        "no rows": nothing,
        "one row": count(*(column[:1] for column in rows(grid, 1))),
        "taken away twice": dataclasses.replace(nothing, rows=-one.rows, counts=-one.counts, sums=-one.sums),
        "huge counts": dataclasses.replace(one, rows=one.rows * 10**12, counts=one.counts * 10**12),
        "no labels": count(none, prediction, score),
        "no predictions": count(label, none, score),
        "no scores": count(label, prediction, score * np.nan),
        "one class only": count(label * 0, prediction * 0, score),
        "other classes only": count(none * 0 + 3, none * 0 + 3, score),
        "always wrong": count(label, (label + 1) % len(own.classes), score),
    }


def arrays(parts):
    """The arrays of all parts, as lists or bytes."""
    out = {}
    for part, found in parts.items():
        for field in dataclasses.fields(found):
            value = getattr(found, field.name)
            out[part, field.name] = value.tolist() if value.dtype == object else value.tobytes()
    return out


@each
def test_a_breakdown_is_one(name, grid):
    """Every member fulfils the protocol under its own name."""
    assert isinstance(BREAKDOWNS[name], Breakdown)
    assert BREAKDOWNS[name].name == name


@each
def test_ordinary_windows_have_figures(name, grid):
    """With 400 rows a window the parts of the model's classes have values in their intervals."""
    for part, found in BREAKDOWNS[name].figures(windows(grid)).items():
        if not part.startswith("other"):
            assert found.reason.tolist() == [None] * 4, part
            assert (found.low <= found.value).all(), part
            assert (found.value <= found.high).all(), part
            assert (found.n > 0).all(), part


@each
def test_odd_windows_have_a_figure_or_a_reason(name, grid):
    """Whatever is in a window, each part has a finite figure in its interval, or NaN with a reason of one line."""
    odd = odd_windows(grid)
    parts = BREAKDOWNS[name].figures(Summary.stack(list(odd.values())))
    assert list(parts) == list(BREAKDOWNS[name].figures(windows(grid)))
    for part, found in parts.items():
        for place, case in enumerate(odd):
            numbers = [found.low[place], found.value[place], found.high[place]]
            if found.reason[place] is None:
                assert np.isfinite(numbers).all(), (part, case)
                assert sorted(numbers) == numbers, (part, case)
            else:
                assert np.isnan(numbers).all(), (part, case)
                assert "\n" not in found.reason[place], (part, case)
            assert found.n[place] >= 0, (part, case)
        for case in ("no rows", "taken away twice", "no labels"):
            assert found.reason[list(odd).index(case)] is not None, (part, case)


@each
def test_windows_do_not_depend_on_each_other(name, grid):
    """A window's figures are the same to the bit alone and with others."""
    both = Summary.stack([windows(grid), *odd_windows(grid).values()])
    alone = BREAKDOWNS[name].figures(both.take([2]))
    for part, found in BREAKDOWNS[name].figures(both).items():
        one = alone[part]
        np.testing.assert_array_equal([found.low[2], found.high[2]], [one.low[0], one.high[0]])
        assert found.reason[2] == one.reason[0]


@each
def test_inputs_are_left_as_they_were(name, grid):
    """The windows are not changed, and asking twice gives the same answer to the bit."""
    current = Summary.stack([windows(grid), *odd_windows(grid).values()])
    before = current.counts.tobytes(), current.sums.tobytes()
    first = arrays(BREAKDOWNS[name].figures(current))
    assert arrays(BREAKDOWNS[name].figures(current)) == first
    assert (current.counts.tobytes(), current.sums.tobytes()) == before


@each
def test_a_higher_level_is_a_wider_interval(name, grid):
    """The interval at 0.99 holds that at 0.8."""
    narrow, wide = (BREAKDOWNS[name].figures(windows(grid), None, level) for level in (0.8, 0.99))
    for part, found in wide.items():
        done = found.reason == None  # noqa: E711 - by element
        assert (found.low[done] <= narrow[part].low[done]).all()
        assert (narrow[part].high[done] <= found.high[done]).all()


@each
@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, np.nan])
def test_a_level_that_is_none_is_refused(name, grid, level):
    """A level outside (0, 1) is a ValueError that says so."""
    with pytest.raises(ValueError, match="level="):
        BREAKDOWNS[name].figures(windows(grid), None, level)


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_summaries_of_another_kind_are_refused(name):
    """A breakdown that cannot read a kind of summary says which kinds it reads."""
    column = summarise_numeric(numeric_grid("x", [0.0, 1.0]), [0.0, 1.0])
    with pytest.raises(ValueError, match=f"{name} of a numeric summary"):
        BREAKDOWNS[name].figures(column)


@each
def test_no_windows_are_no_figures(name, grid):
    """A summary of no windows has parts without figures."""
    assert {len(found) for found in BREAKDOWNS[name].figures(windows(grid).take([])).values()} == {0}


@each
def test_a_breakdown_goes_through_pickle(name, grid):
    """Workers of another process can be handed a breakdown."""
    again = pickle.loads(pickle.dumps(BREAKDOWNS[name]))
    assert arrays(again.figures(windows(grid))) == arrays(BREAKDOWNS[name].figures(windows(grid)))
