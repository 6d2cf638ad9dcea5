"""Alerts: one for each alarm, whatever the rounds and the crashes, and what people say of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.test_cli import run as command
from tests.world import DAY, START, World
from vedette.engine import alerts as engine
from vedette.engine import cycle, rule_changes
from vedette.errors import AlertError
from vedette.lake.tables import Lake
from vedette.records import Alert, AlertState, Status

FAULT = 4  # the first day of the fault


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    found = command(*arguments)
    return found.returncode, found.stdout, found.stderr


def told(world: World) -> list[Alert]:
    """The alerts of the model, the oldest first."""
    return engine.alerts(world.lake.model("m"))[::-1]


def live(world: World, days: int, *, rounds: bool = False, until: int = 10**6) -> None:
    """A reference, and days of which those from ``FAULT`` on are shifted; a round after each, or one at the end."""
    world.monitor.reference(world.rows(3000))
    for day in range(days):
        world.log_day(world.rows(400, shift=1.0 if FAULT <= day < until else 0.0))
        if rounds:
            world.round()
    world.round()


def of(found: list[Alert], watch: str = "x.location") -> list[tuple[str, AlertState, object, object]]:
    """What two runs must agree on."""
    return [(one.id, one.state, one.opened, one.closed) for one in found if one.watch == watch]


def test_an_alert_opens_with_the_alarm_and_closes_with_its_recovery(world: World) -> None:
    """Opened by the window that told, closed at the end of the one that showed recovery; between, it fires."""
    live(world, 9)
    [one] = [one for one in told(world) if one.watch == "x.location"]
    assert one.state is AlertState.FIRING
    assert START + FAULT * DAY <= one.opened <= START + (FAULT + 2) * DAY
    assert "mean went from" in one.evidence
    assert world.monitor.alerts().filter(pl.col("id") == one.id)["state"].to_list() == ["firing"]
    for _ in range(14):
        world.log_day(world.rows(400))
    world.round()
    [after] = [one for one in told(world) if one.watch == "x.location"]
    assert (after.id, after.state, after.reason) == (one.id, AlertState.RESOLVED, "recovered")
    assert after.closed is not None
    assert START + 10 * DAY <= after.closed <= START + 24 * DAY


def test_one_round_or_many_give_the_same_alerts(tmp_path: Path) -> None:
    """An alarm that opened and recovered before anyone looked is an alert like any other."""
    found = []
    for rounds in (True, False):
        world = World(tmp_path / str(rounds), seed=3)
        live(world, 24, rounds=rounds, until=10)
        found.append(of(told(world)))
        world.monitor.close()
    assert found[0] == found[1]
    assert [state for _, state, _, _ in found[0]] == [AlertState.RESOLVED]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_beside_the_alerts_forgets_and_repeats_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The round that judged the alarm dies before its alert is written, or right after; later rounds make it whole."""
    whole = World(tmp_path / "whole", seed=3)
    live(whole, 12)
    expected = of(told(whole))
    whole.monitor.close()
    world = World(tmp_path / "broken", seed=3)
    world.monitor.reference(world.rows(3000))
    write, died = engine.add_steps, []

    def dying(tables: object, many: list[Alert], through: object = None) -> None:
        if many and not died:
            died.append(when)
            if when == "after":
                write(tables, many, through)  # type: ignore[arg-type]
            raise OSError("power")
        write(tables, many, through)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "add_steps", dying)
    for day in range(12):
        world.log_day(world.rows(400, shift=1.0 if day >= FAULT else 0.0))
        try:
            world.round()
        except OSError:
            continue  # the next day's round is the next that comes
    assert died == [when]
    assert of(told(world)) == expected
    steps = engine.history(world.lake.model("m"))
    assert steps["step"].to_list() == list(range(1, steps.height + 1))
    world.monitor.close()


def test_what_fires_together_is_one_incident(world: World) -> None:
    """The column's location and the accuracy go wrong on the same day; much later something else does."""
    world.monitor.reference(world.rows(3000))
    for day in range(9):
        bad = day >= FAULT
        world.log_day(world.rows(400, shift=1.0 if bad else 0.0, wrong=0.4 if bad else 0.1))
        world.round()
    found = {one.watch: one for one in told(world)}
    assert {"x.location", "accuracy"} <= set(found)
    assert len({one.incident for one in found.values()}) == 1
    assert min(found.values(), key=lambda one: (one.opened, one.changed)).incident in {
        one.id for one in found.values()
    }


def test_acknowledged_and_silenced_alerts_say_by_whom_and_why(world: World) -> None:
    """Each step is a row of the history; a silence that has ended fires again; recovery closes either."""
    live(world, 9)
    tables = world.lake.model("m")
    one = told(world)[0]
    now = datetime.now(UTC)  # rounds go by the wall's clock
    seen = engine.acknowledge(tables, one.id, by="ada", reason="the feed is late", now=now)
    assert (seen.state, seen.by, seen.reason) == (AlertState.ACKNOWLEDGED, "ada", "the feed is late")
    until = now + timedelta(hours=30)
    engine.silence(tables, one.id, by="bob", reason="mended on Monday", until=until, now=now)
    assert engine.alerts(tables)[-1].state is AlertState.SILENCED
    assert (
        engine.alerts(tables, until)[-1].state is AlertState.FIRING
    )  # at that time, whether or not a round came
    world.log_day(world.rows(400, shift=1.0))
    world.round()
    assert told(world)[0].state is AlertState.SILENCED
    world.log_day(world.rows(400, shift=1.0))
    cycle.round_of(world.lake, "m", until + timedelta(hours=1))
    again = told(world)[0]
    assert (again.state, again.reason) == (AlertState.FIRING, "the silence of bob ended: mended on Monday")
    steps = engine.history(world.lake.model("m")).filter(pl.col("alert") == one.id)
    assert steps["state"].to_list() == ["firing", "acknowledged", "silenced", "firing"]
    assert steps["by"].to_list() == [None, "ada", "bob", None]


def test_impossible_steps_are_refused(world: World) -> None:
    """No such alert, one that is closed, a silence without a reason or an end."""
    live(world, 24, until=10)
    tables, now = world.lake.model("m"), world.now
    closed = told(world)[0].id
    with pytest.raises(AlertError, match="alert='nothing': there is none; open are none"):
        engine.acknowledge(tables, "nothing", by="ada", reason=None, now=now)
    with pytest.raises(AlertError, match="was resolved 2026-01"):
        engine.silence(tables, closed, by="ada", reason="x", until=now + DAY, now=now)
    with pytest.raises(ValueError, match="must say why"):
        engine.silence(tables, closed, by="ada", reason=" ", until=now + DAY, now=now)
    for until in (now, now - DAY, now + timedelta(days=400)):
        with pytest.raises(ValueError, match="must be a time to come"):
            engine.silence(tables, closed, by="ada", reason="x", until=until, now=now)
    with pytest.raises(ValueError, match="must name who"):
        engine.acknowledge(tables, closed, by="", reason=None, now=now)


def test_a_new_reference_closes_what_was_judged_against_the_old(world: World) -> None:
    """The alarm is no more, and the alert says why."""
    live(world, 9)
    assert told(world)[0].state is AlertState.FIRING
    world.monitor.reference(world.rows(3000, shift=1.0))
    world.log_day(world.rows(400, shift=1.0))
    world.round()
    assert {(one.state, "new reference" in str(one.reason)) for one in told(world)} == {
        (AlertState.RESOLVED, True)
    }


def test_the_commands_tell_and_take_what_is_said(world: World) -> None:
    """Exit 1 while any fires; acknowledged and silenced ones wake nobody; errors name the id."""
    live(world, 9)
    lake = str(world.folder)
    code, out, _ = run("alerts", "m", "--lake", lake, "--json")
    found = json.loads(out)
    assert (code, {one["state"] for one in found}) == (1, {"firing"})
    for one in found[:1]:
        code, out, _ = run("ack", one["id"], "--lake", lake, "--by", "ada", "--reason", "seen", "--json")
        assert (code, json.loads(out)[0]["state"]) == (0, "acknowledged")
    for one in found:
        code, out, _ = run("silence", one["id"], "--for", "2d", "--reason", "holiday", "--lake", lake)
        assert code == 0
        assert "silenced" in out
    code, out, _ = run("alerts", "m", "--lake", lake)
    assert (code, "holiday" in out) == (0, True)
    code, _, error = run("ack", "0000", "--lake", lake)
    assert code == 70
    assert error.startswith("vedette: alert='0000': not in the lake")
    code, _, error = run("silence", found[0]["id"], "--reason", "x", "--for", "soon", "--lake", lake)
    assert code == 64
    assert "for='soon'" in error


def test_what_is_accepted_is_normal_from_now_on(world: World) -> None:
    """The alert closes, the watch is judged against the new level, and its end is an alarm again."""
    live(world, 14)
    tables = world.lake.model("m")
    one = next(one for one in told(world) if one.watch == "x.location")
    closed = engine.accept(tables, one.id, by="ada", reason="a new kind of customer", now=datetime.now(UTC))
    assert (closed.state, closed.by, closed.reason) == (AlertState.RESOLVED, "ada", "a new kind of customer")
    assert world.verdict("x.location").verdict is not Status.ALARM
    changes = world.lake.model("m")["verdicts"].scan().filter(pl.col("watch") == "x.location")
    assert changes.sort("step").collect()["verdict"].to_list()[-2] == "ALARM"
    for _ in range(8):
        world.log_day(world.rows(400, shift=1.0))
    world.round()
    assert [one.state for one in told(world) if one.watch == "x.location"] == [AlertState.RESOLVED]
    for _ in range(4):
        world.log_day(world.rows(400))
    world.round()
    states = [one.state for one in told(world) if one.watch == "x.location"]
    assert states == [AlertState.RESOLVED, AlertState.FIRING]
    with pytest.raises(AlertError, match="was resolved"):
        engine.accept(world.lake.model("m"), one.id, by="ada", reason=None, now=datetime.now(UTC))


def test_rows_that_stop_coming_are_an_alert(tmp_path: Path) -> None:
    """A producer by the wall's clock falls silent: one alert, until rows come again; nobody has to be told twice."""
    monitor = vedette.Monitor("m", lake=tmp_path, window="1m", task="classification")
    rng = np.random.default_rng(1)

    def rows(n: int) -> pl.DataFrame:
        return pl.DataFrame({"x": rng.normal(size=n), "prediction": rng.integers(0, 2, n)})

    lake, now = Lake.at(tmp_path), datetime.now(UTC)
    monitor.reference(rows(1000))
    monitor.log_many(rows(200))
    for minutes in (0, 3, 120, 240):
        cycle.round_of(lake, "m", now + timedelta(minutes=minutes))
    [one] = engine.alerts(lake.model("m"))
    assert (one.watch, one.state) == ("no_data", AlertState.FIRING)
    assert one.evidence.startswith("no rows since")
    assert abs(one.opened - now) < timedelta(minutes=1)
    monitor.log_many(rows(200))
    cycle.round_of(lake, "m", now + timedelta(minutes=2))
    [after] = engine.alerts(lake.model("m"))
    assert (after.id, after.state, after.reason) == (one.id, AlertState.RESOLVED, "rows come again")
    assert engine.history(lake.model("m"))["state"].to_list() == ["firing", "resolved"]
    monitor.close()


def test_an_incident_is_accepted_whole_or_not_at_all(world: World) -> None:
    """Where one of it is a rule nothing is accepted, and which it is is said; all of it is where each can be."""
    world.monitor.reference(world.rows(3000))
    rule_changes.put(world.lake.model("m"), "low", "accuracy < 0.75", by="ada", now=START)
    for day in range(9):
        bad = day >= FAULT
        world.log_day(world.rows(400, shift=1.0 if bad else 0.0, wrong=0.4 if bad else 0.1))
    world.round()
    found = told(world)
    own = next(one for one in found if one.watch == "x.location")
    [low] = [one for one in found if one.watch == "rule:low"]
    assert own.incident == low.incident
    lake = str(world.folder)
    code, _, errors = run("ack", own.id, "--accept", "--incident", "--lake", lake)
    assert code != 0
    assert low.id in errors
    assert {one.state for one in told(world)} == {AlertState.FIRING}
    rule_changes.remove(world.lake.model("m"), "low", by="ada", now=START)
    world.round()
    code, out, _ = run("ack", own.id, "--accept", "--incident", "--lake", lake, "--json")
    assert code == 0
    assert {one["state"] for one in json.loads(out)} == {"resolved"}
    assert own.id in {one["id"] for one in json.loads(out)}


def test_a_whole_incident_is_acknowledged_at_once(world: World) -> None:
    """All of it that is open, by the id of any of its alerts; said again without a reason, the reason stays."""
    world.monitor.reference(world.rows(3000))
    for day in range(9):
        bad = day >= FAULT
        world.log_day(world.rows(400, shift=1.0 if bad else 0.0, wrong=0.4 if bad else 0.1))
    world.round()
    found = told(world)
    assert len(found) > 1
    assert len({one.incident for one in found}) == 1
    lake = str(world.folder)
    code, out, _ = run("ack", found[0].id, "--incident", "--reason", "the feed", "--lake", lake, "--json")
    assert (code, {one["state"] for one in json.loads(out)}) == (0, {"acknowledged"})
    assert {one.state for one in told(world)} == {AlertState.ACKNOWLEDGED}
    run("ack", found[0].id, "--lake", lake)
    assert {one.reason for one in told(world)} == {"the feed"}
