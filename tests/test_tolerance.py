"""Tolerances in the data's own unit: what they are in scores, and that they decide severity and recovery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.world import World
from vedette import config
from vedette.engine import alerts, cycle
from vedette.errors import ConfigError
from vedette.records import AlertState, Status
from vedette.statistics import category_grid, numeric_grid, summarise_category, summarise_numeric
from vedette.strategy import State, begin, plan, tolerances
from vedette.strategy.scores import reference_scores
from vedette.strategy.watches import Plan


def begun(watches: Plan, reference: dict[str, Any]) -> State:
    return begin(watches, reference, np.ones(len(watches.key)), windows_per_month=30)


def of(watches: Plan, name: str) -> int:
    return next(k for k, one in enumerate(watches.watches) if one.id == name)


@pytest.mark.parametrize("by", [0.05, 0.3, 1.0])
def test_a_shift_in_the_unit_is_what_it_does_to_the_mean_score(by: float) -> None:
    """Against the same rows shifted and counted again: the lesser of up and down."""
    rng = np.random.default_rng(1)
    values = rng.gamma(2.0, 1.0, 200_000)
    grid = numeric_grid("x", values[:1000])
    reference = {"x": summarise_numeric(grid, values)}
    watches = plan(reference, "m")
    k = of(watches, "x.location")
    row = int(watches.first[k])
    scores = reference_scores(watches.counts(reference)[row : row + 1], watches.measure[row : row + 1])[0]

    def moved(shift: float) -> float:
        counts = watches.counts({"x": summarise_numeric(grid, values + shift)})[row]
        return abs(float(scores @ counts) / counts.sum())

    told = tolerances(watches, reference, {"x": by}, begun(watches, reference))
    assert told[row] == pytest.approx(min(moved(by), moved(-by)), rel=0.05)
    assert np.isnan(np.delete(told, row)).all()


def test_a_share_is_divided_by_its_deviation() -> None:
    """Of a category for each level: p = .5, .3 and .2."""
    grid = category_grid("c", {"a": 50, "b": 30, "d": 20})
    codes = np.repeat([0, 1, 2], [5000, 3000, 2000])
    reference = {"c": summarise_category(grid, codes, ["a", "b", "d"])}
    watches = plan(reference, "m")
    state = begun(watches, reference)
    told = tolerances(watches, reference, {"c": 0.05}, state)
    first = int(watches.first[of(watches, "c.mix")])
    expected = [0.05 / np.sqrt(p * (1 - p)) for p in (0.5, 0.3, 0.2)]
    assert told[first : first + 3] == pytest.approx(expected, rel=1e-3)
    by_name = tolerances(watches, reference, {"c.missing": 0.01}, state)
    assert np.isnan(by_name[first])
    assert by_name[int(watches.first[of(watches, "c.missing")])] > 0.5  # of a share near 0


def test_a_tolerance_that_names_nothing_is_unknown(tmp_path: Path) -> None:
    """A slip of the pen, or a watch whose score has no unit: a verdict that says so, and the rest is judged."""
    world = World(tmp_path)
    world.monitor.reference(world.rows(2000))
    days(world, {"tolerance": {"xx": 1.0, "x.spread": 1.0, "x": 1.0}}, [0.0] * 3)
    told = {one.watch: one.reason for one in world.health().verdicts if one.watch.startswith("tolerance:")}
    assert set(told) == {"tolerance:xx", "tolerance:x.spread"}
    assert "no column or watch of that name" in str(told["tolerance:xx"])
    assert "has no unit" in str(told["tolerance:x.spread"])
    assert world.verdict("x.location").verdict is Status.OK


def days(world: World, said: dict[str, Any], shifts: list[float]) -> None:
    written = config.Config(models={"m": said})
    for shift in shifts:
        world.log_day(world.rows(500, shift=shift))
        cycle.once(world.lake, models=["m"], written=written)


def test_a_change_within_its_tolerance_is_found_and_pages_nobody(tmp_path: Path) -> None:
    """A shift of 0.5 with a tolerance of 1 is a WARN without an alert; grown to 2 it is an ALARM with one."""
    world = World(tmp_path, seed=2)
    world.monitor.reference(world.rows(3000))
    days(world, {"tolerance": {"x": 1.0}}, [0.0] * 4)
    seen = []
    for _ in range(6):
        days(world, {"tolerance": {"x": 1.0}}, [0.5])
        seen.append(world.verdict("x.location"))
    found = [one for one in seen if one.verdict is Status.WARN]
    assert found[0].evidence.endswith("within its tolerance")
    assert Status.ALARM not in {one.verdict for one in seen}
    assert [one for one in alerts.alerts(world.lake.model("m")) if one.watch == "x.location"] == []
    days(world, {"tolerance": {"x": 1.0}}, [2.0] * 12)
    assert world.verdict("x.location").verdict is Status.ALARM
    [one] = [one for one in alerts.alerts(world.lake.model("m")) if one.watch == "x.location"]
    assert one.state is AlertState.FIRING


def test_without_a_tolerance_the_same_change_is_an_alarm(tmp_path: Path) -> None:
    """And it recovers by the tolerance that is said: back within it, not at nothing."""
    world = World(tmp_path, seed=2)
    world.monitor.reference(world.rows(3000))
    days(world, {}, [0.0] * 4 + [0.5] * 6)
    assert world.verdict("x.location").verdict is Status.ALARM


def test_back_within_tolerance_is_recovered(tmp_path: Path) -> None:
    """From 2 sd back to 0.4, with a tolerance of 1: closed, though the column is not where it was."""
    world = World(tmp_path, seed=3)
    world.monitor.reference(world.rows(3000))
    days(world, {"tolerance": {"x": 1.0}}, [0.0] * 4 + [2.0] * 4 + [0.4] * 9)
    [one] = [one for one in alerts.alerts(world.lake.model("m")) if one.watch == "x.location"]
    assert (one.state, one.reason) == (AlertState.RESOLVED, "recovered")
    other = World(tmp_path / "other", seed=3)
    other.monitor.reference(other.rows(3000))
    days(other, {}, [0.0] * 4 + [2.0] * 4 + [0.4] * 9)
    assert other.verdict("x.location").verdict is Status.ALARM


def test_a_tolerance_said_while_the_alarm_fires_lets_it_recover(tmp_path: Path) -> None:
    """That is when people write one: the alarm closes once the change is surely within it."""
    world = World(tmp_path, seed=2)
    world.monitor.reference(world.rows(3000))
    days(world, {}, [0.0] * 4 + [0.5] * 6)
    assert world.verdict("x.location").verdict is Status.ALARM
    days(world, {"tolerance": {"x": 1.0}}, [0.5] * 4)
    assert world.verdict("x.location").verdict is not Status.ALARM
    [one] = [one for one in alerts.alerts(world.lake.model("m")) if one.watch == "x.location"]
    assert one.reason == "recovered"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tolerance = 3", "tolerance=3: must be a table"),
        ("tolerance.age = -1", "tolerance.age=-1: must be a number above 0"),
        ("tolerance.age = 'two'", "must be a number above 0, in the data's own unit"),
        ("tolerance.age = inf", "must be a number above 0"),
        ("rows = 'iid'", "rows='iid': must be one of dependent, independent"),
        ("budget_per_month = 0", "budget_per_month=0: must be above 0"),
        ("segments = 'region'", "segments='region': must be a list of columns"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """The file, the model, the key, the value and what would be right."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[models.delays]\n{text}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"models\.delays") as told:
        config.read(path)
    assert words in str(told.value)
