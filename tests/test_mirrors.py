"""Mirrors: what a run records is in another system too, and the training feels nothing of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.exchange_places import client, need, place
from vedette.capture.mirrors import MIRRORS, About, Event, Row, check_address, feed
from vedette.capture.mirrors.feed import Mirrors
from vedette.engine.exchange import found_runs
from vedette.engine.exchange.exported import export_runs
from vedette.engine.runs import runs_of
from vedette.errors import MissingExtraError
from vedette.lake.points import Kept, read
from vedette.lake.tables import Lake

pytestmark = pytest.mark.filterwarnings("ignore")  # of the other systems' own packages
kinds = pytest.mark.parametrize("kind", MIRRORS)


@pytest.fixture
def monitor(tmp_path: Path) -> vedette.Monitor:
    return vedette.Monitor("delays", version="7", lake=tmp_path / "lake")


def kept(monitor: vedette.Monitor) -> Kept:
    return read(Lake.at(monitor._location), runs_of(monitor.model))


def events(monitor: vedette.Monitor, kind: str) -> list[dict[str, Any]]:
    rows = kept(monitor).events.filter(pl.col("kind") == kind)["detail"]
    return [json.loads(text)["detail"] for text in rows]


@kinds
def test_a_mirror_has_all_that_the_run_recorded(kind: str, monitor: vedette.Monitor, tmp_path: Path) -> None:
    """Metrics with step and time, parameters, events, alerts, summary and status, read back from the other system."""
    at = place(kind, tmp_path)
    values = np.random.default_rng(4).normal(size=200).astype(np.float32).astype(float).tolist()
    with monitor.run("a", params={"lr": 0.5, "name": "x"}, also=[f"{kind}:{at}"], environment=False) as run:
        for step, value in enumerate(values):
            run.log(step, loss=value, epoch=step // 10)
        run.log(200, {"val/loss": np.float32(0.25), "loss": math.nan, "no": "text", "none": None})
        run.log_many(np.arange(201, 211), {"loss": np.full(10, 0.5)})
        run.event("checkpoint", path="a.pt")
        run.alert("look", "at this")
        run.summary["best"] = 0.125
    (found,) = found_runs(kind, at)
    here = kept(monitor)
    for metric in ("loss", "epoch", "val/loss"):
        mirrored = found.points.filter(pl.col("metric") == metric).sort("step", maintain_order=True)
        curve = here.curve("a", metric)
        assert mirrored["step"].to_list() == curve["step"].to_list()
        np.testing.assert_array_equal(mirrored["value"].to_numpy(), curve["value"].to_numpy())
        apart = mirrored["time"].to_numpy() - curve["time"].dt.epoch("us").to_numpy()
        assert np.abs(apart).max() <= (500 if kind == "mlflow" else 0)
    said = {event.kind: event.detail for event in found.events}
    assert said["run_params"] == {"lr": 0.5, "name": "x"}
    assert said["checkpoint"] == {"path": "a.pt"}
    assert said["run_alert"]["title"] == "look"
    assert (said["run_ended"]["status"], said["run_ended"]["summary"]) == ("finished", {"best": 0.125})
    assert (found.version, found.mirror_of, found.original) == ("7", ("delays", "a"), "a")
    assert not events(monitor, "mirror_failed")
    (lacked,) = export_runs(kind, at, monitor._location, "delays").runs
    assert (lacked.points, lacked.events, lacked.points_before) == (0, 0, 200 + 200 + 2 + 10)


@kinds
@pytest.mark.parametrize(("raised", "status"), [(KeyError("x"), "failed"), (KeyboardInterrupt(), "stopped")])
def test_the_status_is_that_of_the_end(
    kind: str, raised: BaseException, status: str, monitor: vedette.Monitor, tmp_path: Path
) -> None:
    """A run that failed or was stopped is so in the mirror, with the reason."""
    at = place(kind, tmp_path)
    run = monitor.run("a", also=[f"{kind}:{at}"], environment=False)
    run.log(loss=1.0)
    run.__exit__(type(raised), raised, None)
    (found,) = found_runs(kind, at)
    ended = [event.detail for event in found.events if event.kind == "run_ended"]
    assert [one["status"] for one in ended] == [status]


@kinds
def test_a_run_that_goes_on_goes_on_in_its_mirror(
    kind: str, monitor: vedette.Monitor, tmp_path: Path
) -> None:
    """``resume=True`` adds to the run that the mirror has."""
    at = place(kind, tmp_path)
    for resume in (False, True):
        run = monitor.run("a", resume=resume, also=[f"{kind}:{at}"], environment=False)
        run.log(loss=0.5)
        run.stop("enough")
    (found,) = found_runs(kind, at)
    assert found.points["step"].to_list() == [0, 1]


def test_several_mirrors_each_get_all(monitor: vedette.Monitor, tmp_path: Path) -> None:
    """Two folders of TensorBoard have the same points."""
    need("tensorboard")
    places = [str(tmp_path / one) for one in "ab"]
    with monitor.run("r", also=[f"tensorboard:{one}" for one in places], environment=False) as run:
        for step in range(50):
            run.log(step, loss=float(step))
    first, second = (next(found_runs("tensorboard", one)).points for one in places)
    assert first["value"].to_list() == second["value"].to_list() == list(map(float, range(50)))


def test_a_place_that_cannot_be_is_told_once_and_the_run_goes_on(
    monitor: vedette.Monitor, tmp_path: Path
) -> None:
    """A folder that cannot be made is an event ``mirror_failed``; all points are in the run."""
    need("tensorboard")
    (tmp_path / "file").write_text("no folder")
    with monitor.run("a", also=[f"tensorboard:{tmp_path / 'file'}/tb"], environment=False) as run:
        for step in range(100):
            run.log(step, loss=0.5)
    (failed,) = events(monitor, "mirror_failed")
    assert "NotADirectoryError" in failed["reason"]
    assert len(run.history["loss"]) == 100
    assert not events(monitor, "mirror_behind")


def test_a_server_that_is_gone_is_told_without_the_password(
    monitor: vedette.Monitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the address of MLflow's server."""
    need("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with monitor.run("a", also=["mlflow:http://ann:s3cr3t@127.0.0.1:9"], environment=False) as run:
        run.log(loss=0.5)
    (failed,) = events(monitor, "mirror_failed")
    assert "127.0.0.1" in failed["reason"]
    assert "s3cr3t" not in json.dumps(failed)
    assert run.status == "finished"


_FULL = """
import resource, sys, time, vedette
monitor = vedette.Monitor("delays", lake=sys.argv[1], resources=False)
run = monitor.run("a", also=[f"tensorboard:{sys.argv[2]}"], environment=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, 2**19))
row = {"m" * 200 + str(i): 0.5 for i in range(8)}
for step in range(600):
    run.log(step, row)
run.end()
"""


def test_a_disk_that_is_full_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    """The file of TensorBoard may not grow any more: ``mirror_failed`` says why, and the run has every row."""
    need("tensorboard")
    subprocess.run([sys.executable, "-c", _FULL, tmp_path / "lake", tmp_path / "tb"], check=True)
    monitor = vedette.Monitor("delays", lake=tmp_path / "lake")
    (failed,) = events(monitor, "mirror_failed")
    assert "File too large" in failed["reason"]
    assert monitor.runs().select("status", "steps").row(0) == ("finished", 600)


class Slow:
    """A mirror that takes nothing until it may."""

    def __init__(self) -> None:
        self.may, self.rows = threading.Event(), 0

    def write(self, rows: Sequence[Row | Event]) -> None:
        self.may.wait()
        self.rows += len(rows)

    def close(self) -> None:
        pass


def slow_mirrors(told: list[tuple[str, dict[str, Any]]]) -> tuple[Slow, Mirrors]:
    slow = Slow()
    made = Mirrors(
        ["tensorboard:x"], About("m", "1", "a", 0.0), lambda kind, **detail: told.append((kind, detail)),
        opened=lambda address, about: slow,
    )  # fmt: skip
    return slow, made


def test_what_does_not_fit_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows given = rows written + rows dropped, ``mirror_behind`` says how many in the end; the run's end has its room."""
    need("tensorboard")
    monkeypatch.setattr(feed, "QUEUE_ROWS", 100)
    told: list[tuple[str, dict[str, Any]]] = []
    recorded: list[int] = []
    slow, mirrors = slow_mirrors(told)
    put = mirrors.through(lambda values, step, time: recorded.append(step), lambda: 1.0, lambda: 0)
    for step in range(1000):
        put({"loss": 0.5}, step)
    mirrors.event(1.0, json.dumps({"kind": "run_ended", "step": 999, "detail": {}}))
    mirrors.start()
    slow.may.set()
    mirrors.close()
    behind = [detail["dropped"] for kind, detail in told if kind == "mirror_behind"]
    assert (recorded, slow.rows, behind) == (list(range(1000)), 101, [900])


def test_the_end_waits_no_longer_than_it_says() -> None:
    """A mirror that takes nothing is given up, and told as failed."""
    need("tensorboard")
    told: list[tuple[str, dict[str, Any]]] = []
    slow, mirrors = slow_mirrors(told)
    mirrors.start()
    mirrors.through(lambda values, step, time: None, lambda: 1.0, lambda: 0)({"loss": 0.5}, 0)
    mirrors.close(wait_s=0.5)
    slow.may.set()
    assert [kind for kind, _ in told] == ["mirror_failed"]
    assert "within" in told[0][1]["reason"] or "after the run's end" in told[0][1]["reason"]


def test_a_tensor_is_mirrored_as_it_was_when_it_was_logged(monitor: vedette.Monitor, tmp_path: Path) -> None:
    """An array that is changed after the call is not changed in the mirror."""
    need("tensorboard")
    value = np.array([0.5])
    with monitor.run("a", also=[f"tensorboard:{tmp_path / 'tb'}"], environment=False) as run:
        for step in range(20):
            value[0] = step
            run.log(step, loss=value)
    (found,) = found_runs("tensorboard", str(tmp_path / "tb"))
    assert found.points["value"].to_list() == list(map(float, range(20))) == run.history["loss"]


def test_rows_of_several_threads_are_all_mirrored(monitor: vedette.Monitor, tmp_path: Path) -> None:
    """Four threads log at once; each of their rows is in the mirror once."""
    need("tensorboard")
    with monitor.run("a", also=[f"tensorboard:{tmp_path / 'tb'}"], environment=False) as run:

        def log(first: int) -> None:
            for step in range(first, first + 2000):
                run.log(step, loss=float(step))

        threads = [threading.Thread(target=log, args=(2000 * number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (found,) = found_runs("tensorboard", str(tmp_path / "tb"))
    assert sorted(found.points["step"]) == list(range(8000))
    assert (found.points["step"] == found.points["value"]).all()


def test_no_framework_is_loaded_to_write_for_tensorboard(tmp_path: Path) -> None:
    """Neither TensorFlow nor PyTorch, which are large, though they may be installed."""
    need("tensorboard")
    code = (
        "import sys, vedette\n"
        "m = vedette.Monitor('m', lake=sys.argv[1])\n"
        "with m.run('a', also=['tensorboard:' + sys.argv[2]], environment=False) as run: run.log(loss=0.5)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "lake", tmp_path / "tb"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert list((tmp_path / "tb" / "a").iterdir())
    assert not {"tensorflow", "torch"} & set(done.stdout.split())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_of_a_fork_leaves_the_mirror_to_its_parent(monitor: vedette.Monitor, tmp_path: Path) -> None:
    """What a child logs is in its own journal, and its end waits for no thread that it does not have."""
    need("tensorboard")
    run = monitor.run("a", also=[f"tensorboard:{tmp_path / 'tb'}"], environment=False)
    run.log(0, loss=0.5)
    child = os.fork()
    if child == 0:
        try:
            for step in range(10):
                run.log(100 + step, loss=0.25)
            assert run._mirrors is not None
            run._mirrors.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run.end()
    (found,) = found_runs("tensorboard", str(tmp_path / "tb"))
    assert found.points["step"].to_list() == [0]


@pytest.mark.parametrize("address", ["tensorboard", "tensorboard:", "nothing:x", ":x", ""])
def test_an_address_that_is_none_is_refused_before_there_is_a_run(
    address: str, monitor: vedette.Monitor
) -> None:
    """The error names it, and no run was begun."""
    with pytest.raises(ValueError, match="must be"):
        monitor.run("a", also=[address])
    with pytest.raises(ValueError, match="a list"):
        monitor.run("a", also="tensorboard:x")
    assert monitor.runs().is_empty()


@kinds
def test_a_missing_package_names_its_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python finds no such package."""
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(MissingExtraError, match=rf"vedette\[{kind}\]"):
        check_address(f"{kind}:x")


def test_a_parameter_that_changes_is_a_tag_of_mlflow(monitor: vedette.Monitor, tmp_path: Path) -> None:
    """MLflow keeps the first value of a parameter; the later one is told, and the mirror does not fail by it."""
    at = place("mlflow", tmp_path)
    with monitor.run("a", params={"lr": 0.5}, also=[f"mlflow:{at}#mine"], environment=False) as run:
        run.params({"lr": 0.25, "text": "x" * 9000})
        run.log(0, {"recall@5": 1.0, "../x": 2.0})
    asked = client(at)
    (found,) = asked.search_runs([asked.get_experiment_by_name("mine").experiment_id])
    assert (found.data.params["lr"], found.data.tags["vedette.param.lr"]) == ("0.5", "0.25")
    assert len(found.data.params["text"]) == 500
    (back,) = found_runs("mlflow", f"{at}#mine")
    assert set(back.points["metric"]) == {"recall@5", "../x"}
    assert not events(monitor, "mirror_failed")


def test_times_in_the_middle_of_two_milliseconds_are_one_wherever_they_are_rounded() -> None:
    """Whatever the float: the mirror's time is that which the lake's microseconds have in MLflow."""
    from vedette.capture.mirrors.mlflow import milliseconds, stored

    seconds = 1_795_900_000.0 + np.random.default_rng(1).uniform(0, 10, 20_000)
    _, kept = stored(np.zeros(len(seconds)), np.round(seconds * 1e6).astype(np.int64))
    assert [1000 * milliseconds(float(one)) for one in seconds] == kept.tolist()
