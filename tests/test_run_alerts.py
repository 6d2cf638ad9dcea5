"""What people are told of training runs: alerts of the training's own, runs that broke, and what is surely wrong with one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import vedette
from tests.receivers import Receiver, receiver
from vedette.cli import app
from vedette.engine import cycle
from vedette.lake.tables import Lake


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake"


@pytest.fixture
def desk() -> Iterator[Receiver]:
    """What listens where the channel sends."""
    with receiver() as made:
        yield made


def channel(desk: Receiver, more: str = "") -> None:
    Path("vedette.toml").write_text(
        f"[channels.desk]\ntype = 'webhook'\nurl = '{desk.url}'\n{more}\n", "utf-8"
    )


def round_of(lake: Path) -> None:
    cycle.once(Lake.at(lake))


def told(desk: Receiver) -> list[dict[str, Any]]:
    """The alerts of the notices that the channel got."""
    return [alert for *_, body in desk.got for alert in json.loads(body)["alerts"]]


def nan_run(run: Any) -> None:
    """A training whose loss is none from its middle on."""
    loss = 2 * np.exp(-np.arange(400) / 80) + np.random.default_rng(1).normal(0, 0.02, 400)
    loss[200:] = np.nan
    for step, value in enumerate(loss):
        run.log(step, loss=float(value))


def test_an_alert_of_a_training_goes_to_the_channels_once(lake: Path, desk: Receiver) -> None:
    """With its level, its words and its step; a second round tells nothing again, and a person can acknowledge it."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor:
        run = monitor.run("first", environment=False)
        run.log(7, loss=0.5)
        run.alert("accuracy fell", "below .8", level="error")
        round_of(lake)
        round_of(lake)
        (one,) = told(desk)
        assert (one["watch"], one["segment"], one["state"]) == ("run.error", "first", "firing")
        assert one["evidence"] == "accuracy fell: below .8 (step 7)"
        row = monitor.alerts().row(0, named=True)
        assert (row["watch"], row["state"]) == ("run.error", "firing")
        runner = CliRunner()
        shown = runner.invoke(app, ["alerts", "net", "--lake", str(lake)])
        assert "accuracy fell" in shown.output, shown.output
        done = runner.invoke(app, ["ack", row["id"], "--lake", str(lake), "--reason", "seen"])
        assert done.exit_code == 0, done.output
        refused = runner.invoke(app, ["ack", row["id"], "--lake", str(lake), "--accept"])
        assert "knows no normal" in str(refused.exception)
        assert monitor.alerts()["state"].to_list() == ["acknowledged"]
        run.end()


def test_levels_are_chosen_by_the_channel(lake: Path, desk: Receiver) -> None:
    """``watches`` of a channel are patterns of watches."""
    channel(desk, 'watches = ["run.error"]')
    with vedette.Monitor("net", lake=lake) as monitor, monitor.run("first", environment=False) as run:
        run.alert("for the record", level="info")
        run.alert("look here", level="error")
        round_of(lake)
        assert [one["evidence"] for one in told(desk)] == ["look here"]


def test_a_run_that_failed_is_told_until_one_has_finished(lake: Path, desk: Receiver) -> None:
    """With the exception; what happened is over when a later run has gone through."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor:
        with pytest.raises(RuntimeError), monitor.run("broken", environment=False):
            raise RuntimeError("out of memory")
        round_of(lake)
        assert [(one["watch"], one["evidence"]) for one in told(desk)] == [
            ("run.failed", "RuntimeError: out of memory")
        ]
        with monitor.run("whole", environment=False) as run:
            run.log(loss=0.1)
        round_of(lake)
        row = monitor.alerts().row(0, named=True)
        assert (row["state"], row["reason"]) == ("resolved", "run whole has finished since")
        assert [one["state"] for one in told(desk)] == ["firing", "resolved"]


def test_a_run_that_goes_on_is_no_longer_broken(lake: Path) -> None:
    """``resume`` ends its alert."""
    with vedette.Monitor("net", lake=lake) as monitor:
        with pytest.raises(RuntimeError), monitor.run("broken", environment=False):
            raise RuntimeError("out of memory")
        round_of(lake)
        with monitor.run("broken", resume=True, environment=False) as run:
            run.log(loss=0.1)
            round_of(lake)
            assert monitor.alerts()["reason"].to_list() == ["the run went on"]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="whether a process is there is told by /proc"
)
def test_a_run_that_was_killed_is_told(lake: Path, desk: Receiver) -> None:
    """It said nothing itself; a round, and ``vedette alerts`` without one, see that its process is gone."""
    channel(desk)
    code = (
        "import sys, time, vedette\n"
        f"run = vedette.Monitor('net', lake={str(lake)!r}).run('cut', environment=False)\n"
        "run.log(3, loss=0.5)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        round_of(lake)
        assert told(desk) == []
        os.kill(process.pid, signal.SIGKILL)
    shown = CliRunner().invoke(app, ["alerts", "net", "--lake", str(lake)])
    assert "run.killed" in shown.output, shown.output
    assert [(one["watch"], one["segment"]) for one in told(desk)] == [("run.killed", "cut")]
    assert "is gone" in told(desk)[0]["evidence"]
    round_of(lake)
    assert len(told(desk)) == 1


def test_what_is_surely_wrong_with_a_run_is_told_when_it_ends(lake: Path, desk: Receiver) -> None:
    """Diagnosed once, the findings kept; a healthy run makes no alert."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor:
        with monitor.run("healthy", environment=False) as run:
            for step, value in enumerate(2 * np.exp(-np.arange(300) / 60)):
                run.log(step, loss=float(value))
        round_of(lake)
        assert told(desk) == []
        run = monitor.run("nan", environment=False)
        nan_run(run)
        round_of(lake)
        assert told(desk) == []  # it goes on
        run.end()
        round_of(lake)
        assert {one["watch"] for one in told(desk)} >= {"training.nan_source"}
        assert len(desk.got) == 1  # what is wrong with one run is one incident
        (first,) = [one for one in told(desk) if one["watch"] == "training.nan_source"]
        assert "since step 200" in first["evidence"]
        frame = (
            Lake.at(lake)
            .model("net.run")["events"]
            .scan()
            .filter(pl.col("kind") == "run_diagnosed")
            .collect()
        )
        assert sorted(frame["name"]) == ["healthy", "nan"]
        kept = {one["diagnosis"]: one for one in json.loads(frame["detail"][1])["detail"]["findings"]}
        assert {one.diagnosis for one in monitor.diagnose("nan")} == set(kept)


def test_what_came_and_went_between_two_rounds_is_told(lake: Path, desk: Receiver) -> None:
    """A run that failed before another one finished is told once, with both."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor:
        monitor.run("before", environment=False).end()
        round_of(lake)  # the channel is known from here on
        with pytest.raises(RuntimeError), monitor.run("broken", environment=False):
            raise RuntimeError("out of memory")
        with monitor.run("whole", environment=False) as run:
            run.log(loss=0.1)
        round_of(lake)
        assert [(one["watch"], one["state"]) for one in told(desk)] == [("run.failed", "resolved")]
        assert [one["evidence"] for one in told(desk)] == ["RuntimeError: out of memory"]
        round_of(lake)
        assert len(desk.got) == 1


def test_an_odd_event_keeps_nobody_from_the_rest(lake: Path, desk: Receiver) -> None:
    """Events of a user's own that look like ours, or are cut, are no reason to tell nothing."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor:
        run = monitor.run("odd", environment=False)
        run.event("run_diagnosed", note="mine")
        run.event("run_data", duplicates=5, findings="cut", feature_auc="cut")
        run.event("data", path="train.parquet")
        run.alert("look here", level="error")
        run.end()
        round_of(lake)
        assert [one["evidence"] for one in told(desk)] == ["look here"]
        shown = CliRunner().invoke(app, ["run", "net", "odd", "--lake", str(lake)])
        assert shown.exit_code == 0, shown.output
        assert "train.parquet" in shown.output


def test_the_same_words_are_one_alert(lake: Path, desk: Receiver) -> None:
    """A training that says it at every step tells it once."""
    channel(desk)
    with vedette.Monitor("net", lake=lake) as monitor, monitor.run("chatty", environment=False) as run:
        for step in range(300):
            run.log(step, loss=1.0)
            run.alert("slow", level="warn")
        round_of(lake)
        assert len(told(desk)) == 1


def test_old_runs_are_no_news(lake: Path, desk: Receiver) -> None:
    """A lake that is a month behind tells nobody of runs that broke back then."""
    channel(desk)
    month_ago = time.time() - 30 * 86400
    with vedette.Monitor("net", lake=lake, clock=lambda: month_ago) as monitor:
        run = monitor.run("broken", environment=False)
        run.alert("long ago")
        run.end("failed", type="RuntimeError", message="out of memory")
    round_of(lake)
    assert told(desk) == []
    assert monitor.alerts().height == 0


def test_two_thousand_alerts_are_one_notice_that_is_read_in_a_glance(lake: Path, desk: Receiver) -> None:
    """Grouped by what they are, counted, the first few named, the rare first: a run that failed is not lost among warnings."""
    channel(desk)
    round_of(lake)
    with vedette.Monitor("net", lake=lake) as monitor:
        run = monitor.run("nightly", environment=False, system_s=None)
        for at in range(1_900):
            run.log(at, accuracy=0.5)
            run.alert("spike", f"loss is {at / 7:.4f}")
        for at in range(98):
            run.alert("slow", f"step of {at} s", level="error")
        run.alert("odd rows")
        run.end("failed", type="MemoryError", message="out of memory")
    round_of(lake)
    round_of(lake)
    documents = [json.loads(body) for *_, body in desk.got]
    assert len(documents) == 1
    told = documents[0]
    found = {(one["watch"], one["segment"]): one["n"] for one in told["groups"]}
    assert found == {
        ("run.failed", "nightly"): 1,
        ("run.error", "nightly"): 98,
        ("run.warn", "nightly"): 1_901,
    }
    assert [one["n"] for one in told["groups"]] == [1, 98, 1_901]
    assert len({one["id"] for one in told["alerts"]}) == sum(found.values()) == 2_000
    named = "run.failed [nightly], run.error [nightly] (98 alerts), run.warn [nightly] (1,901 alerts) since "
    assert told["title"].startswith(f"net.run: ALARM {named}")
    lines = told["text"].splitlines()
    assert [one.partition("UTC: ")[2].split(":")[0] for one in lines if one.startswith("- ")] == [
        "odd rows (step 1899)", "MemoryError", *["slow"] * 3, *["spike"] * 3,
    ]  # fmt: skip
    assert "  ... and 95 more like it, 98 in all" in lines
    assert "  ... and 1,897 more like it, 1,900 in all" in lines
    assert "All 2,000: vedette alerts net.run" in lines
    assert len(lines) < 20
    shown = CliRunner().invoke(app, ["alerts", "net.run", "--lake", str(lake), "--json"])
    assert len(json.loads(shown.stdout)) == 2_000


def checked(lake: Path, *more: str) -> tuple[int, str]:
    """The exit status of ``vedette check`` and what it printed."""
    found = CliRunner().invoke(app, ["check", "net", "--lake", str(lake), *more])
    return found.exit_code, found.stdout


def test_check_says_where_the_last_training_went_wrong(lake: Path) -> None:
    """One line and where to look, for a run that failed or has an ALARM; the exit status and the JSON are those without it."""
    with vedette.Monitor("net", lake=lake) as monitor:
        random = np.random.default_rng(0)
        monitor.reference({"x": random.normal(size=500)})
        before = checked(lake), checked(lake, "--json")
        assert "training" not in before[0][1]
        run = monitor.run("first", environment=False, system_s=None)
        run.log(loss=0.5)
        run.end("failed", type="MemoryError", message="out of memory\x1b[31m")
        code, said = checked(lake)
        line = "training: the last run, first, failed: MemoryError: out of memory⟨U+001B⟩[31m (vedette run net first)\n"
        assert line in said
        assert (code, said.replace(line, "")) == before[0]
        assert checked(lake, "--json") == before[1]
        assert "the last run, first, failed" in str(monitor.check())
        with monitor.run("second", environment=False, system_s=None) as run:
            nan_run(run)
        code, said = checked(lake)
        assert code == before[0][0]
        assert (
            "training: the last run, second, finished with ALARM nan_source: the loss is NaN at step 200 "
            in said
        )
        assert "(vedette run net second)" in said
        assert "first" not in said
        with monitor.run("third", environment=False, system_s=None) as run:
            run.log(loss=0.5)
        assert checked(lake) == before[0]


def test_check_of_a_model_that_was_only_trained_says_so_too(lake: Path) -> None:
    """It has no reference, and its training failed; a run that goes on is not spoken of."""
    with vedette.Monitor("net", lake=lake) as monitor:
        run = monitor.run("only", environment=False, system_s=None)
        run.log(loss=0.5)
        assert "training:" not in checked(lake)[1]
        run.end("failed", type="ValueError", message="no rows")
        code, said = checked(lake)
    assert code == 2
    assert "training: the last run, only, failed: ValueError: no rows (vedette run net only)" in said
