"""The command line: its JSON, its exit codes, and its words for what went wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.world import World
from vedette.output.console import _lines, print_figures, print_health
from vedette.records import Health, Status, Verdict


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VEDETTE_")} | {"COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "vedette", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
    )


def said(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def lake(world: World) -> str:
    """A lake whose feature x moved on the sixth of eight days; the last is not judged yet."""
    world.monitor.reference(world.rows(2000))
    for day in range(8):
        world.log_day(world.rows(200, shift=1.5 if day >= 5 else 0.0))
    return str(world.folder)


def test_check_says_alarm_in_json_and_exit_code(lake: str) -> None:
    """An alarm is exit code 1, and the JSON has the documented keys."""
    done = run("check", "m", "--lake", lake, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert set(document) == {"model", "version", "verdict", "verdicts"}
    assert set(document["verdicts"][0]) == {
        "watch",
        "segment",
        "verdict",
        "since",
        "evidence",
        "guarantee",
        "reason",
    }
    assert {one["watch"]: one for one in document["verdicts"]}["x.location"][
        "since"
    ] == "2026-01-06T00:00:00+00:00"


def test_check_of_a_quiet_model_is_0_and_without_reference_2(world: World) -> None:
    """OK is exit code 0, UNKNOWN is 2."""
    world.log_day(world.rows(100))
    assert run("check", "m", "--lake", str(world.folder)).returncode == 2
    world.monitor.reference(world.rows(1000))
    for _ in range(3):
        world.log_day(world.rows(100))
    assert run("check", "m", "--lake", str(world.folder)).returncode == 0


def test_check_for_people_names_the_fault(lake: str) -> None:
    """The text leads with what is wrong and since when."""
    lines = run("check", "m", "--lake", lake).stdout.splitlines()
    assert lines[0] == "m version 1: ALARM"
    assert any(line.startswith("ALARM   x.location since 2026-01-06: mean went from ") for line in lines)


def test_figures_in_json(lake: str) -> None:
    """Figures carry the documented columns; times are UTC."""
    document = said("figures", "m", "--lake", lake, "--metric", "accuracy", "--by", "c", "--window", "all")
    assert [one["segment"] for one in document["figures"]] == ["c=a", "c=b", "c=c"]
    assert document["figures"][0]["start"] == "2026-01-01T00:00:00+00:00"
    assert {
        "metric",
        "segment",
        "start",
        "end",
        "value",
        "low",
        "high",
        "n",
        "completeness",
        "labelled",
        "kind",
        "reason",
    } <= set(document["figures"][0])


def test_ledger_in_json(lake: str) -> None:
    """The ledger has the parts of the equation, and balances."""
    document = said("ledger", "m", "--lake", lake)
    parts = ("in_journal", "in_lake", "sampled_out", "dropped", "rejected", "torn")
    assert document["balanced"] is True
    assert document["seen"] == sum(document[part] for part in parts) == 1600
    assert document["producers"]


def test_a_ledger_that_does_not_balance_is_exit_1(lake: str, world: World) -> None:
    """A row that someone took out of the lake makes exit code 1."""
    run("ingest", "--lake", lake)
    snapshot = world.lake.model("m")["predictions"].snapshot()
    assert snapshot is not None
    snapshot.delete("_sequence = 5")
    done = run("ledger", "m", "--lake", lake)
    assert (done.returncode, "DOES NOT BALANCE" in done.stdout) == (1, True)


def test_ingest_says_what_came_in(lake: str) -> None:
    """One round over the lake, and the rows by model."""
    assert said("ingest", "--lake", lake) == {"models": {"m": 3200}}
    assert said("ingest", "--lake", lake) == {"models": {"m": 0}}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["check", "m", "--lake", "/no/such/folder"], 70, "lake='/no/such/folder': no such folder"),
        (["check", "other"], 70, "model='other': not in the lake"),
        (["check", "Bad Name"], 64, "model='Bad Name': must be"),
        (["figures", "m", "--metric", "acuracy"], 64, "metric='acuracy': did you mean accuracy"),
        (["figures", "m", "--since", "soon"], 64, "since='soon': must be"),
        (["check"], 64, "Missing argument"),
        (["chek"], 64, "No such command"),
        (["ingest", "--interval-s", "x"], 64, "Invalid value"),
    ],
)
def test_wrong_calls(world: World, arguments: list[str], code: int, words: str) -> None:
    """A wrong call is exit 64 or 70 and one message on stderr that names it; stdout stays empty."""
    world.log_day(world.rows(10))
    world.round()
    if "--lake" not in arguments:
        arguments = [*arguments, "--lake", str(world.folder)]
    done = run(*arguments)
    assert (done.returncode, words in done.stderr, done.stdout) == (code, True, ""), done.stderr


def test_a_config_file_names_the_lake(lake: str, tmp_path: Path) -> None:
    """Without --lake the configuration's lake is used; an unknown key in it is refused."""
    (tmp_path / "vedette.toml").write_text(f'lake = "{lake}"')
    assert run("ledger", "m", cwd=tmp_path).returncode == 0
    (tmp_path / "vedette.toml").write_text("nonsense = 1")
    done = run("ledger", "m", cwd=tmp_path)
    assert (done.returncode, "unknown key 'nonsense'" in done.stderr) == (70, True)


def test_help_lists_the_commands() -> None:
    """``vedette --help`` names every command with its line."""
    text = run("--help").stdout
    assert all(name in text for name in ("demo", "check", "figures", "ledger", "ingest"))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_name_of_a_figure_is_never_broken(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal of any width; each window has a line of its own."""
    monkeypatch.setenv("COLUMNS", str(width))
    names = {"expected_calibration_error": "prediction", "kolmogorov_smirnov": "a_feature_of_some_length"}
    rows = [
        {"metric": metric, "feature": feature, "part": None, "segment": "", "start": datetime(2026, 1, day),
         "value": 0.125, "low": 0.1, "high": 0.15, "n": 1000, "reason": None}
        for metric, feature in names.items() for day in (4, 5)
    ]  # fmt: skip
    print_figures(pl.DataFrame(rows, schema_overrides={"part": pl.String, "reason": pl.String}))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for metric, feature in names.items():
        assert sum(line.startswith(f"{metric} of {feature}") for line in lines) == (2 if width == 120 else 1)
    assert sum("0.125  0.1 to 0.15" in line for line in lines) == 4


def test_windows_without_a_value_for_one_reason_are_one_line() -> None:
    """Where reasons differ, or there is a value, each has its own."""

    def row(day: int, value: float | None, reason: str | None) -> dict[str, Any]:
        return {
            "start": datetime(2026, 1, day),
            "value": value,
            "low": value,
            "high": value,
            "n": 10 * day,
            "reason": reason,
        }

    nothing = [row(1, None, "no reference"), row(2, None, "no reference")]
    assert _lines(nothing) == [("2 windows", "", "", "30", "no reference")]
    assert len(_lines([*nothing, row(3, None, "too few rows")])) == 3
    assert _lines([*nothing, row(3, 0.5, None)])[2] == ("2026-01-03", "0.5", "0.5 to 0.5", "30", "")


def test_what_is_unknown_for_one_reason_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Two hundred watches whose first window has not ended say so once; a few stand each for itself."""
    why = "no window has ended yet"
    many = [Verdict(f"x{at}.location", "", Status.UNKNOWN, None, "", "calibrated", why) for at in range(200)]
    few = [
        Verdict(f"y{at}.location", "", Status.UNKNOWN, None, "", "calibrated", "too few rows")
        for at in range(3)
    ]
    print_health(Health("m", "1", Status.UNKNOWN, (*many, *few), ()))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 1 + 3
    assert (
        sum(
            "UNKNOWN 200 (x0.location, x1.location" in line and line.endswith(f"...): {why}")
            for line in lines
        )
        == 1
    )
    assert sum("too few rows" in line for line in lines) == 3
