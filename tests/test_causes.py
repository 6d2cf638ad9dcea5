"""Named causes: what is said of a fault of the pipeline, and that nothing is said where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from vedette.errors import GridError
from vedette.statistics import (
    category_grid,
    latency_grid,
    numeric_grid,
    summarise_category,
    summarise_numeric,
)
from vedette.strategy import causes

LAWS = {
    "lognormal": lambda random, n: random.lognormal(6.0, 0.6, n),
    "normal": lambda random, n: random.normal(20.0, 6.0, n),
    "uniform": lambda random, n: random.uniform(50.0, 500.0, n),
    "integers": lambda random, n: random.poisson(30, n).astype(float),
}


def told(law, change, seed=1, n=2000):
    """The causes named for a column of which the current rows are ``change`` of new rows of the same law."""
    random = np.random.default_rng(seed)
    draw = LAWS[law]
    grid = numeric_grid("x", draw(random, 1000))
    reference = summarise_numeric(grid, draw(random, 4000))
    return causes(reference, summarise_numeric(grid, change(draw(random, n))))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x * 1.609344, "values look multiplied by 1.609 (miles to kilometres)"),
        (lambda x: x / 1.609344, "values look multiplied by 0.6214 (kilometres to miles)"),
        (lambda x: x * 1000, "values look multiplied by 1000 (a unit to thousandths of it)"),
        (lambda x: x / 1000, "values look multiplied by 0.001 (thousandths of it to a unit)"),
        (lambda x: x / 60, "values look multiplied by 0.01667 (minutes or seconds to hours or minutes)"),
        (lambda x: x * 0.45359237, "values look multiplied by 0.4536 (pounds to kilograms)"),
        (lambda x: -x, "values look multiplied by -1 (sign turned round)"),
    ],
)
@pytest.mark.parametrize("law", ["lognormal", "uniform"])
def test_a_change_of_units_is_named(law, change, words):
    """Values times a known factor are told with the factor and the units."""
    assert told(law, change) == (f"unit change: {words}",)


def test_celsius_to_fahrenheit_is_named():
    """A change of scale and origin together is known too."""
    assert told("normal", lambda x: 1.8 * x + 32) == (
        "unit change: values look converted (Celsius to Fahrenheit)",
    )


def test_a_fitted_factor_is_said_to_be_fitted():
    """A factor that is no unit is given as a number, and not called a unit."""
    (words,) = told("uniform", lambda x: x * 1.37)
    assert words.startswith("scale change: values look multiplied by 1.3")
    assert words.endswith("(fitted, no unit known)")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x + 0.5 * x.std(),
        lambda x: x.mean() + 1.3 * (x - x.mean()),
        lambda x: x[x > np.median(x)],
    ],
    ids=["nothing", "shift", "spread", "half"],
)
def test_ordinary_drift_has_no_cause(law, change):
    """A shift, a wider spread or a lost half of the rows is no fault of the pipeline that has a name."""
    assert told(law, change) == ()


@pytest.mark.parametrize("seed", range(5))
def test_a_wider_spread_about_zero_is_no_unit(seed):
    """About a mean of zero 1.609 times the values is just a wider spread."""
    random = np.random.default_rng(seed)
    grid = numeric_grid("x", random.normal(size=1000))
    reference = summarise_numeric(grid, random.normal(size=4000))
    assert causes(reference, summarise_numeric(grid, 1.609344 * random.normal(size=2000))) == ()


def test_a_stuck_sensor_is_named_with_its_value():
    """One value in all rows is told with that value."""
    assert told("normal", lambda x: np.full_like(x, 8.06)) == ("stuck at 8.06 (one value in all rows)",)


def test_a_nearly_stuck_sensor_is_named_with_its_cell():
    """One value in 97 % of the rows is told with the bounds between which it lies, for more is not known."""
    (words,) = told("normal", lambda x: np.where(np.arange(len(x)) % 100 < 97, 18.06, x))
    assert words.startswith("stuck between 1")
    assert words.endswith(" % of rows)")


def test_a_stuck_counter_is_named_with_its_value():
    """On a grid of single values the value is known although other rows differ."""
    assert told("integers", lambda x: np.where(np.arange(len(x)) % 100 < 97, 30.0, x)) == (
        "stuck at 30 (one value in 97 % of rows)",
    )


def test_a_column_that_never_moved_is_not_stuck():
    """A constant that stays the same constant has no fault."""
    grid = numeric_grid("x", np.full(100, 2.0))
    one = summarise_numeric(grid, np.full(300, 2.0))
    assert causes(one, one) == ()


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_values_that_are_none_are_named(value, name):
    """More NaN, or more infinite values, are told apart."""
    assert told("normal", lambda x: np.where(np.arange(len(x)) % 4 == 0, value, x)) == (
        f"missing: 25 % of the values are {name}, 0 % in the reference",
    )


def test_missing_levels_are_named():
    """More nulls are told of categories too."""
    grid = category_grid("c", {"a": 5, "b": 5})
    reference = summarise_category(grid, [0, 1] * 100, ("a", "b"))
    current = summarise_category(grid, [0, 1, -1, -1] * 50, ("a", "b"))
    assert causes(reference, current) == ("missing: 50 % of the values are null, 0 % in the reference",)


def test_few_rows_have_no_cause():
    """With fewer than 50 rows nothing is said."""
    assert told("uniform", lambda x: x[:40] * 1000) == ()


def test_no_rows_have_no_cause():
    """With no rows at all nothing is said."""
    assert told("uniform", lambda x: x[:0]) == ()


def test_latency_in_milliseconds_is_named():
    """Latencies that come in milliseconds are told, although they are beyond the usual cells."""
    random = np.random.default_rng(3)
    reference = summarise_numeric(latency_grid(), random.lognormal(-4, 0.3, 3000))
    current = summarise_numeric(latency_grid(), 1000 * random.lognormal(-4, 0.3, 1000))
    assert causes(reference, current) == (
        "unit change: values look multiplied by 1000 (a unit to thousandths of it)",
    )


def test_other_grids_are_refused():
    """Summaries on different grids are not compared."""
    one = summarise_numeric(numeric_grid("x", np.arange(100.0)), np.arange(100.0))
    other = summarise_numeric(numeric_grid("x", np.arange(1.0, 101.0)), np.arange(100.0))
    with pytest.raises(GridError, match="must be the same"):
        causes(one, other)
