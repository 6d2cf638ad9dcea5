"""Advice, dry runs of rules and alerts marked as false, through the lake."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START
from vedette import cli, config, strategy
from vedette.engine import alerts as engine
from vedette.engine import cycle
from vedette.engine.advise import advise_model
from vedette.engine.audit import audit
from vedette.engine.false_alarms import measured
from vedette.engine.rules_replay import replay_model
from vedette.engine.state import kept_row
from vedette.errors import AlertError, DataError
from vedette.lake.tables import Lake, ModelTables
from vedette.output.advice_console import advice_json
from vedette.records import AlertState
from vedette.strategy.advice import CANDIDATES, Advised

FAULT = range(16, 20)  # days on which x is moved and predictions go wrong
DAYS = 34
SOME = {name: CANDIDATES[name] for name in ("e_detector", "limits", "series")}


def inside(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command, in this process."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["vedette", *words])
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def build(folder: Path, days: int = DAYS, rows: int = 150) -> Lake:
    """A lake with a model, a reference, and days of which some are faulty; labels at once."""
    random = np.random.default_rng(4)
    now = [START.timestamp()]
    monitor = vedette.Monitor(
        "m",
        lake=folder,
        window="1d",
        task="classification",
        classes=["0", "1"],
        clock=lambda: now[0],
        resources=False,
    )

    def frame(n: int, bad: bool = False) -> pl.DataFrame:
        label = random.integers(0, 2, n)
        wrong = random.random(n) < (0.45 if bad else 0.1)
        return pl.DataFrame(
            {
                "x": random.normal(size=n) + bad,
                "prediction": np.where(wrong, 1 - label, label),
                "label": label,
            }
        )

    monitor.reference(frame(2000))
    for day in range(days):
        begin = START + day * DAY
        now[0] = (begin + DAY).timestamp() - 1.0
        times = [begin + DAY * (at / rows) for at in range(rows)]
        monitor.log_many(frame(rows, day in FAULT).with_columns(pl.Series("time", times)))
    monitor.close()
    lake = Lake.at(folder)
    cycle.once(lake, models=["m"])
    return lake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that the tests of this file only read."""
    path = tmp_path_factory.mktemp("lake")
    build(path)
    return path


@pytest.fixture
def tables(folder: Path) -> ModelTables:
    return Lake.at(folder).model("m")


def test_too_little_history_is_an_error_with_both_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reference, and with three windows, the error says what is needed."""
    lake = build(tmp_path, days=4)
    with pytest.raises(DataError, match="needs 14 clean windows; has 3"):
        advise_model(lake.model("m"))
    vedette.Monitor("other", lake=tmp_path, resources=False).close()
    with pytest.raises(DataError, match="no reference"):
        advise_model(lake.model("other"))
    with pytest.raises(ValueError, match="seconds=0: must be greater than 0"):
        advise_model(lake.model("m"), seconds=0)
    code, out, err = inside(capsys, monkeypatch, "advise", "m", "--lake", str(tmp_path))
    assert (code, out) == (70, "")
    assert "needs 14 clean windows; has 3" in err


@pytest.fixture(scope="module")
def raced(folder: Path) -> tuple[Advised, list[tuple[int, int, str]]]:
    """A race that is stopped after its first round, and the progress that was told."""
    told: list[tuple[int, int, str]] = []
    found = advise_model(
        Lake.at(folder).model("m"),
        seconds=600.0,
        stop=lambda: True,
        tell=lambda *one: told.append(one),
        candidates=SOME,
    )
    return found, told


def test_advice_rests_on_windows_without_alarms(raced: tuple[Advised, list[tuple[int, int, str]]]) -> None:
    """The faulty days are left out; the choice, what it sees and what not are in words and in JSON."""
    found, _ = raced
    assert found.n_left_out >= len(FAULT)
    assert found.advice.n_windows + found.n_left_out == DAYS - 1  # the last day is open
    assert found.first == START
    said = str(found)
    assert said.startswith("m: ")
    assert "labels come 2 windows later" in said
    assert "a drop of 10 % in accuracy: seen in" in said
    assert found.advice.choice.name in {one.name for one in found.advice.entries}
    assert (found.advice.in_force, found.advice.detectors) == (
        "e_detector",
        0.8,
    )  # series are on, and too young
    assert found.advice.left_out[0][0] == "series"
    assert "Left out: series: series need 50 windows of history; there are" in said
    assert "Detectors raced with 0.8 of the budget" in said
    told = json.loads(json.dumps(advice_json(found), default=str, allow_nan=False))
    assert told["choice"]["name"] == found.advice.choice.name
    assert {"fault", "size", "words", "delay"} <= set(told["sights"][0])
    assert {(one["fault"], one["delay"]["median"]) for one in told["sights"]} >= {("delay", None)}


def test_a_race_can_be_stopped(
    raced: tuple[Advised, list[tuple[int, int, str]]], tables: ModelTables
) -> None:
    """What was raced by then is the advice; progress was told; nothing was written."""
    found, told = raced
    assert found.advice.stopped == "the time was over"
    assert found.advice.n_replays == 16
    assert told[-1][2] == "2 in the race"
    kept = kept_row(tables)
    assert kept is not None
    assert kept.step == 1


def test_a_rule_over_history_says_when_and_how_late(tables: ModelTables) -> None:
    """The rule fires on the faulty days, after two of them, by the day; the incident was caught, none falsely."""
    found = replay_model(tables, ["low = accuracy < 0.75 for 2 windows", "accuracy < 0.02"])
    low, never = found.rules
    assert (low.name, low.when, low.n_windows) == ("low", "accuracy < 0.75 for 2 windows", DAYS)
    [firing] = low.firings
    assert firing.opened == START + (FAULT[0] + 1) * DAY
    assert firing.told == firing.opened + DAY
    assert firing.closed == START + (FAULT[-1] + 2) * DAY
    assert "accuracy" in firing.evidence
    assert (low.false, never.firings, never.false) == (0, (), 0)
    assert len(found.incidents) >= 1
    assert [one.late_s is not None for one in low.caught].count(True) == 1
    assert all(one.late_s is None for one in never.caught)


def test_a_dry_run_agrees_with_what_was_judged(tmp_path: Path) -> None:
    """A rule that was in force opened and closed its alerts when the dry run says."""
    from vedette import config

    random = np.random.default_rng(0)
    now = [START.timestamp()]
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: now[0], resources=False)
    lake, said = Lake.at(tmp_path), {"high": "mean(x) > 0.5 for 2 windows"}
    for day in range(8):
        now[0] = (START + (day + 1) * DAY).timestamp() - 1.0
        values = random.normal(size=80) + (1.0 if day in (0, 1, 2, 4, 5) else 0.0)
        monitor.log_many({"x": values, "prediction": values, "time": [START + day * DAY] * 80})
        monitor.recorder.settle()
        if day % 2:
            cycle.once(lake, models=["m"], written=config.Config(models={"m": {"rules": said}}))
    monitor.close()
    alerts = engine.alerts(lake.model("m"))[::-1]
    judged = [(one.opened, one.closed) for one in alerts if one.watch == "rule:high"]
    [found] = replay_model(lake.model("m"), ["high"]).rules
    assert [(one.opened, one.closed) for one in found.firings] == judged
    assert len(judged) == 2


def test_incidents_can_be_given(tables: ModelTables) -> None:
    """Given spans are what is to be caught; a firing outside all of them is false."""
    begin = START + FAULT[0] * DAY
    spans = [f"{begin:%Y-%m-%d}..{begin + 4 * DAY:%Y-%m-%d}", "2026-01-02..2026-01-03"]
    [low] = replay_model(tables, ["accuracy < 0.75"], incidents=spans).rules
    assert [one.late_s for one in low.caught] == [86400.0, None]
    [low] = replay_model(tables, ["accuracy < 0.75"], incidents=spans[1:]).rules
    assert low.false == 1
    [low] = replay_model(tables, ["accuracy < 0.75"], until=f"{begin:%Y-%m-%d}").rules
    assert (low.firings, low.n_windows) == ((), FAULT[0])


def test_what_cannot_be_replayed_is_said(tables: ModelTables) -> None:
    """No rules, bad spans, bad conditions, columns that are not there."""
    with pytest.raises(DataError, match="no rules are written"):
        replay_model(tables)
    with pytest.raises(ValueError, match=r"must be START\.\.END"):
        replay_model(tables, ["accuracy < 0.5"], incidents=["yesterday"])
    with pytest.raises(
        ValueError, match=r"it ends before it begins: must be START\.\.END, with END after START"
    ):
        replay_model(tables, ["accuracy < 0.5"], incidents=["2026-01-03..2026-01-02"])
    with pytest.raises(ValueError, match="it ends when it begins"):
        replay_model(tables, ["accuracy < 0.5"], incidents=["2026-01-03..2026-01-03"])
    with pytest.raises(ValueError, match="outside the possible"):
        replay_model(tables, ["accuracy < 7"])
    with pytest.raises(ValueError, match="must be in this order"):
        replay_model(tables, ["accuracy < 0.5"], since="2026-02-01", until="2026-01-01")
    [found] = replay_model(tables, ["mean(nothing) > 1"]).rules
    assert found.n_unknown == found.n_windows == DAYS
    assert "no column 'nothing'" in str(found.reason)


def test_silence_is_told_of_gaps(tmp_path: Path) -> None:
    """No data for two days: from two days after the last window with rows until rows come again."""
    now = [START.timestamp()]
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: now[0], resources=False)
    for day in (0, 1, 5, 6):
        now[0] = (START + (day + 1) * DAY).timestamp() - 1.0
        monitor.log_many({"x": [0.5] * 60, "prediction": [1.0] * 60, "time": [START + day * DAY] * 60})
    monitor.close()
    lake = Lake.at(tmp_path)
    cycle.once(lake, models=["m"])
    [found] = replay_model(lake.model("m"), ["no data for 2d"]).rules
    assert [(one.opened, one.closed) for one in found.firings] == [(START + 4 * DAY, START + 5 * DAY)]


def test_the_dry_run_on_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words and in JSON."""
    words = ("rules", "replay", "m", "accuracy < 0.75 for 2 windows", "--lake", str(folder))
    code, out, _ = inside(capsys, monkeypatch, *words)
    assert code == 0
    assert "would have caught 1 of" in out
    assert "would have fired once" in out
    _, out, _ = inside(capsys, monkeypatch, *words, "--since", "2027-01-01", "--until", "2027-02-01")
    said = "m: no windows with rows from 2027-01-01 and before 2027-02-01; there are some from 2026-01-01 to"
    assert said in " ".join(out.split())
    told = json.loads(inside(capsys, monkeypatch, *words, "--json")[1])
    assert told["rules"][0]["false"] == 0
    assert told["rules"][0]["firings"][0]["opened"].startswith("2026-01-18")


def test_advice_on_the_command_line(
    folder: Path,
    raced: tuple[Advised, list[tuple[int, int, str]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The words, a table of those who raced and one of what is seen; SIGINT is a request to stop, once."""
    asked: list[bool] = []

    def instead(tables: ModelTables, *, seconds: float, stop: Callable[[], bool], **_: object) -> Advised:
        asked.append(stop())
        signal.raise_signal(signal.SIGINT)
        asked.append(stop())
        assert (tables.path.name, seconds) == ("m", 7.0)
        return raced[0]

    monkeypatch.setattr("vedette.engine.questions.advise_model", instead)
    before = signal.getsignal(signal.SIGINT)
    code, out, _ = inside(capsys, monkeypatch, "advise", "m", "--seconds", "7", "--lake", str(folder))
    assert code == 0
    assert asked == [False, True]
    assert "false alarms a month" in out
    assert "values move by 1 sd" in out
    assert "limits" in out
    assert signal.getsignal(signal.SIGINT) is before
    told = inside(capsys, monkeypatch, "advise", "m", "--seconds", "7", "--lake", str(folder), "--json")[1]
    assert json.loads(told)["choice"]["name"] == raced[0].advice.choice.name


def test_too_little_time_is_an_error_that_says_so(tables: ModelTables) -> None:
    """A clock that is late at once: nothing could be told, and how to get more. Looks within a round keep to the time."""
    ticks = iter(range(100))
    with pytest.raises(DataError, match=r"could not tell more in the time: 2 s were over .* --seconds"):
        advise_model(tables, seconds=2, clock=lambda: float(next(ticks)), candidates=SOME)
    assert next(ticks) < 8


def test_detectors_use_the_share_that_is_written(folder: Path, tmp_path: Path) -> None:
    """A share of the budget goes with the next windows that are judged, is in the history, and is what is in force."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    lake, random = Lake.at(tmp_path), np.random.default_rng(1)
    tables = lake.model("m")
    now = [(START + (DAYS + 2) * DAY).timestamp()]
    monitor = vedette.Monitor("m", lake=tmp_path, clock=lambda: now[0], resources=False)
    label = random.integers(0, 2, 100)
    monitor.log_many(
        {"x": random.normal(size=100), "prediction": label, "label": label, "time": [now[0] - 90_000.0] * 100}
    )
    monitor.close()
    cycle.once(lake, models=["m"], written=config.Config(models={"m": {"detectors_share": 0.25}}))
    kept = kept_row(tables)
    assert kept is not None
    assert strategy.State.from_bytes(kept.block).budget[0] == pytest.approx(0.25)
    assert any("detectors_share" in str(one) for one in audit(tables))
    some = {name: CANDIDATES[name] for name in ("e_detector", "e_detector_quarter", "limits")}
    assert advise_model(tables, stop=lambda: True, candidates=some).advice.in_force == "e_detector_quarter"


def test_the_code_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of docs/advise.md, with two candidates in the race, gives an advice."""
    monkeypatch.setitem(advise_model.__kwdefaults__, "candidates", SOME)
    page = (Path(__file__).parent.parent / "docs" / "advise.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "advise.md", "exec"), names)
    assert isinstance(names["advised"], Advised)
    assert names["seen"]["unit", 1000.0] <= 2
    names["monitor"].close()


def test_an_alert_marked_as_false_is_clean_history_and_counts_against_the_budget(
    folder: Path, tmp_path: Path
) -> None:
    """Open or resolved it can be marked; its state stays what it was, nothing is told anew, its windows count as clean."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    lake = Lake.at(tmp_path)
    tables, now = lake.model("m"), datetime.now(UTC)
    before = engine.alerts(tables)
    assert before
    clean = advise_windows(tables)
    found = measured(tables, before)
    assert found is not None
    assert (found.marked, found.told) == (0, len(before))
    for one in before:
        told = engine.mark_false(tables, one.id, by="ada", reason="a test of the feed", now=now)
        assert told.false
    tables = Lake.at(tmp_path).model("m")
    after = {one.id: one for one in engine.alerts(tables)}
    for one in before:
        state = AlertState.ACKNOWLEDGED if one.state is AlertState.FIRING else one.state
        assert (after[one.id].state, after[one.id].false) == (state, True)
    assert advise_windows(tables) > clean
    found = measured(tables, after.values())
    assert found is not None
    assert found.marked == len(before)
    assert f"{len(before)} of {len(before)} alerts marked false in" in str(found)
    assert str(found).endswith("budget 1 a month")
    steps = audit(tables).filter(pl.col("what") == "false alarm")
    assert steps["by"].to_list() == ["ada"] * len(before)
    assert replay_model(tables, ["accuracy < 0.75"]).incidents == ()
    again = engine.mark_false(tables, before[0].id, by="bob", reason=None, now=now + timedelta(hours=1))
    assert again.false
    assert audit(tables).filter(pl.col("what") == "false alarm").height == len(before)
    with pytest.raises(AlertError, match="there is none"):
        engine.mark_false(tables, "nosuch", by="ada", reason=None, now=now)


def advise_windows(tables: ModelTables) -> int:
    """How many windows the adviser takes as clean."""
    from vedette.engine.advise import clean_windows

    days = [START + day * DAY for day in range(23)]
    return len(clean_windows(tables, days, DAY))


def test_marking_on_the_command_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``ack --false`` marks; alerts say so with the rate beside the budget; --accept with it is refused."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)

    def told(*words: str) -> tuple[int, str, str]:
        return inside(capsys, monkeypatch, *words, "--lake", str(tmp_path))

    alert = json.loads(told("alerts", "m", "--json")[1])[0]
    assert alert["false"] is False
    code, _, err = told("ack", alert["id"], "--false", "--accept")
    assert code == 64
    assert "must be one of them" in err
    assert (
        json.loads(told("ack", alert["id"], "--false", "--reason", "a test", "--json")[1])[0]["false"] is True
    )
    out = " ".join(told("alerts", "m")[1].split())
    assert "(false alarm)" in out
    assert "alerts marked false in" in out
    assert "budget 1 a month" in out
