"""A reference that no round has taken yet counts in figures as it will once one has."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.world import World
from vedette.engine import view as view_module
from vedette.engine.view import view

METRICS = ["psi", "wasserstein_sd", "mean", "total_variation", "concept_shift", "missing_share", "accuracy"]


def figures(world: World, **asked: object) -> pl.DataFrame:
    return world.monitor.figures(METRICS, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows_first", [False, True])
def test_figures_before_the_first_round_are_those_after_it(world: World, rows_first: bool) -> None:
    """Also where rows came before the reference, on whose grids they are counted; ``psi`` has a value, not a reason."""
    if not rows_first:
        world.monitor.reference(world.rows(2000))
    world.log_day(world.rows(400, shift=1.0))
    if rows_first:
        world.monitor.reference(world.rows(2000))
    before = figures(world)
    by = figures(world, by="c", feature="x")
    world.round()
    assert_frame_equal(before, figures(world))
    assert_frame_equal(by, figures(world, by="c", feature="x"))
    moved = before.filter((pl.col("metric") == "wasserstein_sd") & (pl.col("feature") == "x"))
    assert moved["low"][0] < 1.0 < moved["high"][0]
    without = before.filter(pl.col("reason").str.contains("no reference"))
    assert set(without["feature"]) == {"latency_s"}  # which the reference does not have


def test_a_second_reference_is_compared_with_at_once(world: World) -> None:
    """With one in force, the newer one that waits in the journal is what windows are compared with; its grids are kept."""
    world.monitor.reference(world.rows(1500))
    world.log_day(world.rows(300))
    world.round()
    old = figures(world)
    world.monitor.reference(world.rows(1500, shift=3.0))
    new = figures(world)
    moved = [
        frame.filter((pl.col("metric") == "wasserstein_sd") & (pl.col("feature") == "x"))["value"][0]
        for frame in (old, new)
    ]
    assert moved[0] < 0.3
    assert moved[1] > 2.0
    world.round()
    assert_frame_equal(new, figures(world))


def test_estimates_before_the_first_round_are_those_after_it(world: World) -> None:
    """Windows without labels are estimated by a reference that waits in the journal."""
    world.monitor.reference(world.rows(3000))
    world.log_day(world.rows(300), labels=False)
    before = world.monitor.figures("accuracy", estimate=True)
    assert before["kind"].to_list() == ["estimated"]
    world.round()
    assert_frame_equal(before, world.monitor.figures("accuracy", estimate=True))


def test_the_same_reference_again_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that starts anew gives the same reference: it is not counted again, before a round or by it."""
    rows = world.rows(1000)
    world.monitor.reference(rows)
    world.log_day(world.rows(200))
    world.round()
    before = figures(world)
    world.monitor.reference(rows)

    def never(*_: object) -> None:
        raise AssertionError("counted again")

    monkeypatch.setattr(view_module, "_counted_reference", never)
    assert_frame_equal(before, figures(world))


def test_nothing_is_written_by_looking(world: World) -> None:
    """Figures read before the first round leave no grid, event or summary in the lake."""
    world.monitor.reference(world.rows(1000))
    world.log_day(world.rows(200))
    figures(world)
    tables = world.lake.model(world.model)
    assert all(tables[name].snapshot() is None for name in ("grids", "events", "summaries", "predictions"))


def test_only_what_is_asked_for_is_counted(world: World) -> None:
    """A view without a query has the counts of all columns of the reference; ``rows`` needs none of them."""
    world.monitor.reference(world.rows(1000))
    world.log_day(world.rows(200))
    whole = view(world.lake, world.model).summaries.filter(pl.col("part") == "reference")
    assert set(whole["column"]) >= {"x", "c", "prediction", "probability", "_quality"}
    assert np.all(whole.filter(pl.col("column") == "x")["rows"].to_numpy() == 800)  # a fifth is the pilot
    world.monitor.figures("rows")
