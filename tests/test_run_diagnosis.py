"""A run's curves and evaluations out of the lake, judged: what was planted is named, and a healthy run is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.engine.run_diagnosis import training_of
from vedette.engine.runs import records, runs_of
from vedette.errors import DataError
from vedette.lake.points import read
from vedette.lake.tables import Lake

STEPS = 600


def losses(seed: int) -> np.ndarray:
    """A loss that falls, with noise."""
    return 2 * np.exp(-np.arange(STEPS) / 100) + 0.1 + np.random.default_rng(seed).normal(0, 0.02, STEPS)


@pytest.fixture
def monitor(tmp_path: Path) -> Any:
    with vedette.Monitor("net", lake=tmp_path) as made:
        yield made


def named(monitor: vedette.Monitor, run: str) -> list[str]:
    return [one.diagnosis for one in monitor.diagnose(run) if one.named]


def test_a_healthy_run_is_left_alone(monitor: vedette.Monitor) -> None:
    """Falling losses of both sets and figures that agree: nothing is named, what is not known is UNKNOWN with a reason."""
    with monitor.run("good", environment=False) as run:
        for step, (loss, val) in enumerate(zip(losses(1), losses(2) + 0.02, strict=True)):
            run.log(step, loss=float(loss), val_loss=float(val))
    assert named(monitor, "good") == []
    unknown = {one.diagnosis: one.reason for one in monitor.diagnose("good") if one.verdict == "UNKNOWN"}
    assert "memory_leak" in unknown
    assert all(unknown.values())


def test_a_loss_that_is_none_is_named_with_its_layer_and_step(tmp_path: Path) -> None:
    """The first layer, by the order of the architecture, and the command tells it."""
    with vedette.Monitor("net", lake=tmp_path) as monitor, monitor.run("nan", environment=False) as run:
        run.event("architecture", layers=[{"layer": "z"}, {"layer": "a"}])
        for step, loss in enumerate(losses(1)):
            bad = step >= 400
            run.log(step, {"loss": float("nan") if bad else float(loss)})
            if step % 50 == 0:
                run.log(step, {"nan_share/a": float(bad), "nan_share/z": float(bad)})
    lake = Lake.at(tmp_path)
    kept = read(lake, runs_of("net"))
    shares = [name for name in training_of(kept, records(kept, 0.0), "nan").series if name.startswith("nan")]
    assert shares == ["nan_share/z", "nan_share/a"]
    first = monitor.diagnose("nan")[0]
    assert (first.diagnosis, first.verdict, first.since_step) == ("nan_source", "ALARM", 400)
    told = CliRunner().invoke(app, ["run", "net", "nan", "--lake", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "ALARM nan_source" in told.output


def test_evaluations_are_the_splits(monitor: vedette.Monitor) -> None:
    """Far better on the training set than on the validation set: the gap is named, with the rows that each rests on."""
    random = np.random.default_rng(4)
    label = random.integers(0, 2, 1000)

    def predicted(right: float) -> np.ndarray:
        return np.where(random.random(1000) < right, label, 1 - label)

    with monitor.run("gap", environment=False) as run:
        for name, right in (("train", 0.98), ("val", 0.6), ("test", 0.61)):
            run.evaluate(name, label, predicted(right))
    found = {one.diagnosis: one for one in monitor.diagnose("gap")}["split_gap"]
    assert found.verdict == "ALARM"
    assert found.value == pytest.approx(0.38, abs=0.06)


def test_the_run_before_says_how_long_a_step_took(monitor: vedette.Monitor) -> None:
    """A step of twice the time as in the finished run before is named; the first run has none to be compared with."""
    for name, step_s in (("first", 0.1), ("second", 0.25)):
        with monitor.run(name, environment=False) as run:
            for step, noise in enumerate(np.random.default_rng(3).normal(1, 0.02, STEPS)):
                run.log(step, step_s=float(step_s * noise))
    assert named(monitor, "first") == []
    assert named(monitor, "second") == ["slower"]


def test_a_run_that_is_not_there_is_named(monitor: vedette.Monitor) -> None:
    """With those that there are."""
    with monitor.run("here", environment=False) as run:
        run.log(loss=0.1)
    with pytest.raises(DataError, match="run='there': not there; runs are here"):
        monitor.diagnose("there")


def test_what_a_comparison_with_the_last_version_lacks_is_said(monitor: vedette.Monitor) -> None:
    """This run was not evaluated; or it was, and no earlier one was on the same rows."""

    def reason(run: str) -> str:
        return next(one.reason for one in monitor.diagnose(run) if one.diagnosis == "worse_than_last")

    label = np.random.default_rng(0).integers(0, 2, 60)
    with monitor.run("none", environment=False) as run:
        run.log(loss=0.5)
    with monitor.run("first", environment=False) as run:
        run.evaluate("test", label, label)
    with monitor.run("other", environment=False) as run:
        run.evaluate("test", 1 - label, label)
    assert reason("none") == "this training was not evaluated on a test or validation set (no row_losses)"
    lacks = "no earlier training was evaluated on the same rows and labels (no last_row_losses)"
    assert (reason("first"), reason("other")) == (lacks, lacks)
