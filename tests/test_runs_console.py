"""What ``vedette runs`` and ``vedette run`` show, and what is kept of a run's environment."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from vedette.capture import environment
from vedette.cli import app
from vedette.engine.runs import curve_frame
from vedette.engine.runs_shown import show_runs
from vedette.output import runs_page
from vedette.output.curves import Panel, drawn, panels


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with two runs, one of which failed, and with names that are not harmless."""
    folder = tmp_path_factory.mktemp("lake")
    monitor = vedette.Monitor("delays", lake=folder)
    with monitor.run("a", params={"lr": 0.1, "<i>": "</script>"}, environment=False) as run:
        for step in range(300):
            run.log(step, {"loss": 1 / (step + 1), "val/loss": 2 / (step + 1), "<b>": math.nan})
        run.alert("diverged", "<img src=x>")
    with monitor.run("b", params={"lr": 0.01}, environment=False) as run:
        run.log(0, loss=0.5)
        run.end("failed", type="RuntimeError", message="out of memory")
    monitor.close()
    return folder


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "vedette", *arguments], capture_output=True, text=True, check=False
    )


def test_the_commands_print_runs_and_curves(lake: Path) -> None:
    """The table has the parameters that differ and the results; a run its curves laid over each other."""
    listed = called("runs", "delays", "--lake", str(lake))
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"b\s+failed.*0\.01", listed.stdout)
    assert "RuntimeError: out of memory" in listed.stdout
    page = lake.parent / "page.html"
    shown = called("run", "delays", "a", "--lake", str(lake), "--html", str(page))
    assert shown.returncode == 0, shown.stderr
    assert "loss  ● train 0.00333  ● val 0.00667" in shown.stdout
    assert "300 NaN" in shown.stdout
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_json_is_one_document_without_nan(lake: Path) -> None:
    """What a program reads: parameters, last values and buckets; NaN as a text."""
    runs = json.loads(called("runs", "delays", "--lake", str(lake), "--json").stdout)
    assert [(one["name"], one["status"], one["params"]["lr"]) for one in runs] == [
        ("b", "failed", 0.01), ("a", "finished", 0.1),
    ]  # fmt: skip
    found = json.loads(
        called(
            "run", "delays", "a", "b", "--metric", "loss", "--json", "--follow", "--lake", str(lake)
        ).stdout
    )
    assert set(found["curves"]["loss"]) == {"a", "b"}
    assert sum(one["count"] for one in found["curves"]["loss"]["a"]) == 300


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "delays", "c"), "run='c': not there; runs are b, a"),
        (("run", "delays", "a", "--metric", "x"), "metric='x': the run has <b>, loss, val/loss"),
        (("runs", "none"), "model='none': has no runs"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(lake: Path, arguments: tuple[str, ...], said: str) -> None:
    """One line on stderr that names what there is."""
    done = called(*arguments, "--lake", str(lake))
    assert done.returncode == 70
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_page_is_safe_and_complete(lake: Path) -> None:
    """Nothing of a name is markup; nothing is loaded; each curve has a band and a line."""
    shown = show_runs(str(lake), "delays", ["a"], None)()
    text = runs_page.page(shown)
    assert "<img" not in text
    assert "<b>" not in text
    assert "<script" not in text
    assert "</script" not in text
    assert not re.search(r"<[^>]*\b(?:src|href)=", text)
    assert (text.count("<polygon"), text.count("<polyline")) == (2, 2)
    assert "NaN or inf" in text


def test_a_curve_is_drawn_where_its_values_are() -> None:
    """A straight fall goes from the upper left to the lower right cell, and nowhere else."""
    steps = np.arange(200)
    lines = drawn(Panel("x", {"a": curve_frame(steps, -steps.astype(float), 200)}), 44, 8)
    picture = [line.plain.rsplit(" ", 1)[-1] if k else line.plain for k, line in enumerate(lines)]
    rows = [line.plain[5:] for line in lines[1:-1]]
    full = [[column for column, cell in enumerate(row) if cell != "\u2800"] for row in rows]
    assert len(rows) == 8
    assert picture[0].startswith("x")
    assert full[0][0] == 0
    assert full[-1][-1] == len(rows[0]) - 1
    firsts = [row[0] for row in full]
    assert firsts == sorted(firsts)
    assert all(len(row) <= len(rows[0]) / 8 + 2 for row in full)


@pytest.mark.parametrize(
    "values", [[math.nan] * 3, [math.inf, 1.0, -math.inf], [5.0] * 3, [1e308, -1e308, 0.0]]
)
def test_any_values_are_drawn(values: list[float]) -> None:
    """Only NaN, infinite, all equal, as far apart as floats are."""
    frame = curve_frame(np.arange(3), np.array(values), 10)
    lines = drawn(Panel("x", {"a": frame, "b": frame}), 40, 4)
    assert {len(line.plain) for line in lines[1:]} == {40}


def test_train_and_validation_share_a_panel() -> None:
    """Whichever way they are spelt; of several runs each has its own curve."""
    one = pl.DataFrame({"step": [0]})
    found = panels({"train/loss": {"a": one, "b": one}, "loss_val": {"a": one}, "val": {"a": one}})
    assert [(panel.title, list(panel.curves)) for panel in found] == [
        ("loss", ["a train", "b train", "a val"]), ("val", ["a"]),
    ]  # fmt: skip


def _git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True)


def test_the_environment_has_the_commit_and_what_was_changed(tmp_path: Path) -> None:
    """Clean, dirty with its diff, without it, and long diffs cut with their length said."""
    _git(tmp_path, "init", "-q")
    code = tmp_path / "train.py"
    code.write_text("lr = 1\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    clean = environment.git_of(tmp_path, diff=True)
    assert clean is not None
    assert (len(clean["commit"]), clean["dirty"], "diff" in clean) == (40, False, False)
    code.write_text("lr = 2\n")
    dirty = environment.git_of(tmp_path, diff=True)
    assert dirty is not None
    assert "-lr = 1\n+lr = 2" in dirty["diff"]
    without = environment.git_of(tmp_path, diff=False)
    assert without is not None
    assert (without["dirty"], "diff" in without) == (True, False)
    code.write_text("x = 1\n" * 20_000)
    long = environment.git_of(tmp_path, diff=True)
    assert long is not None
    assert len(long["diff"]) <= 24_576 < long["diff_bytes"]


def test_no_secret_is_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither environment variables nor the value of an argument that speaks of one."""
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    monkeypatch.setattr(sys, "argv", ["t.py", "--api-key", "hunter2", "--password=hunter2", "--lr", "0.1"])
    found = environment.environment_of(folder=tmp_path)
    assert "hunter2" not in json.dumps(found)
    assert found["argv"] == ["t.py", "--api-key", "...", "--password=...", "--lr", "0.1"]
    assert found["git"] is None
    assert found["packages"]["polars"] == pl.__version__


def test_the_environment_is_kept_with_the_run(tmp_path: Path) -> None:
    """As an event that fits, whatever the packages are."""
    monitor = vedette.Monitor("delays", lake=tmp_path)
    monitor.run("a").end()
    events = vedette_events(monitor)
    assert events["environment"]["detail"]["python"].count(".") == 2
    assert "cut" not in events["environment"]["detail"]


def vedette_events(monitor: vedette.Monitor) -> dict[str, dict[str, dict[str, str]]]:
    """The events of a model's runs by kind."""
    from vedette.lake.points import read
    from vedette.lake.tables import Lake

    rows = read(Lake.at(monitor._location), "delays.run").events
    return {kind: json.loads(text) for kind, text in rows.select("kind", "detail").iter_rows()}


def test_the_commands_are_there() -> None:
    """Both are commands of the one application."""
    assert {"run", "runs"} <= {one.callback.__name__ for one in app.registered_commands if one.callback}
