"""Verdicts: each arrival judged once, alarms latched, and nothing green that was not judged."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.world import DAY, START, World
from vedette import strategy
from vedette.engine.health import health as model_health
from vedette.engine.state import kept_row
from vedette.records import Status


def test_without_a_reference_the_verdict_is_unknown(world: World) -> None:
    """No reference, no verdict, and the reason says what to do."""
    assert world.health().verdicts[0].reason == "nothing was recorded yet"
    world.log_day(world.rows(100))
    world.round()
    assert (world.health().verdict, world.health().verdicts[0].reason) == (
        Status.UNKNOWN,
        "no reference: give one with monitor.reference(frame)",
    )


def test_before_a_window_has_ended_nothing_is_judged(world: World) -> None:
    """Rows of a window that is still open give UNKNOWN, never OK."""
    world.monitor.reference(world.rows(500))
    world.log_day(world.rows(100))
    world.round()
    assert {one.verdict for one in world.health().verdicts} == {Status.UNKNOWN}
    assert "no window has ended yet" in str(world.health().verdicts[0].reason)


def test_a_quiet_model_is_ok(world: World) -> None:
    """Rows of the reference's law give OK on every watch."""
    world.monitor.reference(world.rows(3000))
    for _ in range(8):
        world.log_day(world.rows(400))
    world.round()
    assert (world.health().verdict, len(world.health().verdicts) > 8) == (Status.OK, True)


def test_a_shift_is_named_with_its_day(world: World) -> None:
    """A feature that moves by one sd alarms within two days, since the day on which it moved; others stay quiet."""
    world.monitor.reference(world.rows(3000))
    for day in range(8):
        world.log_day(world.rows(400, shift=1.0 if day >= 5 else 0.0))
    world.round()
    told = world.verdict("x.location")
    assert (told.verdict, told.since) == (Status.ALARM, START + 5 * DAY)
    assert told.evidence.startswith("mean went from ")
    assert {one.watch.split(".")[0] for one in world.health().verdicts if one.verdict is Status.ALARM} == {
        "x"
    }


def test_a_fall_in_accuracy_alarms(world: World) -> None:
    """Accuracy that falls from 90 to 70 % alarms, with both numbers in words."""
    world.monitor.reference(world.rows(3000))
    for day in range(8):
        world.log_day(world.rows(400, wrong=0.3 if day >= 5 else 0.1))
    world.round()
    told = world.verdict("accuracy")
    assert told.verdict is Status.ALARM
    assert "accuracy went from 89.8 % to 68.9 %" in told.evidence


def test_an_alarm_is_latched_until_recovery(world: World) -> None:
    """An alarm stays while the fault stays, however long, and goes when the rows are as before."""
    world.monitor.reference(world.rows(3000))
    states = []
    for day in range(26):
        world.log_day(world.rows(400, shift=1.0 if 4 <= day < 16 else 0.0))
        world.round()
        states.append(world.verdict("x.location").verdict)
    assert set(states[8:17]) == {Status.ALARM}
    assert states[-1] is Status.OK


def test_one_round_or_many_give_the_same_verdicts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Judged day by day, or all at once at the end: the same evidence to the bit."""
    told = []
    for often in (True, False):
        world = World(tmp_path_factory.mktemp("lake"), seed=5)
        world.monitor.reference(world.rows(2000))
        for day in range(9):
            world.log_day(world.rows(300, shift=0.5 if day >= 5 else 0.0))
            if often:
                world.round()
        world.round()
        world.monitor.close()
        kept = kept_row(world.lake.model("m"))
        assert kept is not None
        told.append((kept.block, [(one.watch, one.verdict, one.since) for one in world.health().verdicts]))
    assert told[0] == told[1]


def test_what_comes_late_is_judged_once_with_the_next_window(world: World) -> None:
    """Rows for a window that was judged wait for the next, and the state counts every row once."""
    world.monitor.reference(world.rows(1000))
    for _ in range(3):
        world.log_day(world.rows(200))
    world.round()
    for i in range(70):  # late rows of the first day
        world.monitor.log({"x": float(i % 5), "c": "a"}, 1, time=START + timedelta(hours=1, seconds=i))
    world.round()
    world.log_day(world.rows(200))
    world.log_day(world.rows(200))
    world.round()
    kept = kept_row(world.lake.model("m"))
    assert kept is not None
    state = strategy.State.from_bytes(kept.block)
    judged = state.pool.sum(axis=1) - state.reference.sum(axis=1)
    assert state.judged.max() == 4  # five days, of which the last is still open
    assert judged.max() == 200 + 70 + 200  # the two days of the warm-up do not stay in the pool


def test_history_holds_each_change_once(world: World) -> None:
    """The table of verdicts has a row for each change of a verdict's word."""
    world.monitor.reference(world.rows(3000))
    for day in range(9):
        world.log_day(world.rows(400, shift=1.0 if day >= 5 else 0.0))
        world.round()
    rows = (
        world.lake.model("m")["verdicts"]
        .scan()
        .filter(pl.col("watch") == "x.location")
        .sort("step")
        .collect()
    )
    assert rows["verdict"].to_list() == ["UNKNOWN", "OK", "ALARM"]


def test_a_new_reference_starts_anew(world: World) -> None:
    """With a reference of the present law the alarm is gone, and what came before is not judged again."""
    world.monitor.reference(world.rows(2000))
    for day in range(8):
        world.log_day(world.rows(400, shift=1.0 if day > 3 else 0.0))
    world.round()
    assert world.verdict("x.location").verdict is Status.ALARM
    world.monitor.reference(world.rows(2000, shift=1.0))
    for _ in range(5):
        world.log_day(world.rows(400, shift=1.0))
    world.round()
    assert world.verdict("x.location").verdict is Status.OK


def test_unlabelled_rows_leave_accuracy_unknown(world: World) -> None:
    """With labels in the reference and none since, accuracy is UNKNOWN for want of labels, and so is the model."""
    world.monitor.reference(world.rows(1000))
    for _ in range(4):
        world.log_day(world.rows(200), labels=False)
    world.round()
    assert (world.verdict("accuracy").verdict, world.verdict("accuracy").reason) == (
        Status.UNKNOWN,
        "no labels",
    )
    assert world.health().verdict is Status.UNKNOWN


def test_few_rows_wait_until_they_are_enough(world: World) -> None:
    """Thirty rows a day are judged every second day, and meanwhile the reason says how many there are."""
    world.monitor.reference(world.rows(1000))
    for _ in range(2):
        world.log_day(world.rows(30))
    world.round()
    told = world.verdict("x.location")
    assert (told.verdict, told.reason) == (Status.UNKNOWN, "fewer than 50 rows: 30")


def test_a_stuck_feature_is_named(world: World) -> None:
    """A feature that repeats one value is said to be stuck, and at what."""
    world.monitor.reference(world.rows(3000))
    for day in range(8):
        rows = world.rows(400)
        world.log_day(rows.with_columns(x=pl.lit(0.25)) if day >= 4 else rows)
    world.round()
    assert "stuck at 0.25" in world.verdict("x.spread").evidence


def test_rows_that_stop_coming_are_not_ok(world: World) -> None:
    """Where rows came by the wall's clock and stop, OK becomes UNKNOWN."""
    world.monitor.reference(world.rows(1000))
    for _ in range(4):
        world.log_day(world.rows(200))
    from vedette.engine import cycle

    cycle.once(world.lake, clock=lambda: world.now.timestamp())
    soon = model_health(world.lake, "m", world.now + timedelta(hours=2))
    late = model_health(world.lake, "m", world.now + 5 * DAY)
    assert (soon.verdict, late.verdict) == (Status.OK, Status.UNKNOWN)
    assert "no rows since" in str(late.verdicts[0].reason)
