"""References that say little or nothing: UNKNOWN with the reason, or a clear error; never green over what was not judged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import World
from vedette.records import Status


def live(world: World, days: int = 6, **columns: pl.Expr) -> dict[str, vedette.Verdict]:
    """The verdicts after some days of rows."""
    for _ in range(days):
        world.log_day(world.rows(200).with_columns(**columns))
    world.round()
    return {one.watch: one for one in world.health().verdicts}


def test_a_reference_of_ten_rows_is_no_reference(world: World) -> None:
    """Everything is UNKNOWN, and says how many rows there are and how many there must be."""
    world.monitor.reference(world.rows(10))
    found = live(world, 3)
    assert {one.verdict for one in found.values()} == {Status.UNKNOWN}
    assert found["x.location"].reason == "fewer than 50 rows in the reference: 8"  # two cut the grid


def test_a_constant_column_is_watched_for_any_other_value(world: World) -> None:
    """The same value again is OK; another one is an ALARM that names it."""
    constant = {"x": pl.lit(5.0)}
    world.monitor.reference(world.rows(1000).with_columns(**constant))
    assert live(world, 5, **constant)["x.location"].verdict is Status.OK
    assert live(world, 6, x=pl.lit(6.0))["x.location"].verdict is Status.ALARM


def test_a_column_of_nan_in_the_reference_is_unknown(world: World) -> None:
    """No location can be told of it; its missing share is a fact, and its values that come are a change of that."""
    world.monitor.reference(world.rows(1000).with_columns(x=pl.lit(float("nan"))))
    found = live(world, 4)
    assert found["x.location"].verdict is Status.UNKNOWN
    assert str(found["x.location"].reason) == "fewer than 50 rows in the reference: 0"


def test_a_column_that_becomes_nan_is_an_alarm_of_missing_values(world: World) -> None:
    """All NaN: the location has no rows to be judged on, and the missing share tells."""
    world.monitor.reference(world.rows(1000))
    found = live(world, 5, x=pl.lit(float("nan")))
    assert found["x.missing"].verdict is Status.ALARM
    assert found["x.location"].verdict is Status.UNKNOWN
    assert found["x.location"].reason in ("no rows", "no window with its rows has ended yet")


def test_an_empty_reference_is_an_error(world: World) -> None:
    """It says that there are no rows."""
    with pytest.raises((ValueError, vedette.errors.VedetteError), match="row"):
        world.monitor.reference(pl.DataFrame({"x": np.zeros(0)}))


@pytest.mark.parametrize("budget", [0, -1, float("nan"), True, "one"])
def test_a_budget_that_is_none_is_refused(budget: object) -> None:
    """Without a budget there is no alarm."""
    with pytest.raises(ValueError, match="must be above 0 and at most 10,000"):
        vedette.Monitor("m", budget_per_month=budget)  # type: ignore[arg-type]
