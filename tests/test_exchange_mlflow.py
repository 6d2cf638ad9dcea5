"""MLflow's runs and vedette's: the one becomes the other, against MLflow's own client."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.exchange_places import client, history, place
from vedette.engine.exchange.exported import export_runs
from vedette.engine.exchange.imported import import_runs
from vedette.engine.runs import records, runs, runs_of
from vedette.errors import DataError, ExchangeError
from vedette.lake.points import read
from vedette.lake.tables import Lake

pytestmark = pytest.mark.filterwarnings("ignore")  # of the other systems' own packages


def points(lake: Path, run: str, metric: str) -> list[tuple[int, int, float]]:
    """Steps, times in milliseconds and values of all points, in order."""
    rows = read(Lake.at(lake), runs_of("m")).points.filter(
        (pl.col("run") == run) & pl.col(metric).is_not_null()
    )
    frame = rows.select("step", pl.col("time").dt.epoch("us"), metric).collect()
    return sorted((step, round(time_us / 1000), value) for step, time_us, value in frame.iter_rows())


def row_of(lake: Path, run: str) -> dict[str, Any]:
    return runs(Lake.at(lake), "m").filter(pl.col("name") == run).row(0, named=True)


def trained(lake: Path) -> list[float]:
    """A run ``a`` of a model ``m``, and the values of its loss."""
    values = [*np.random.default_rng(2).normal(size=2100).tolist(), 5e-324, -1.5e308]
    with vedette.Monitor("m", version="3", lake=lake) as monitor:
        with monitor.run("a", params={"lr": 0.5, "kind": "x"}, environment=False) as run:
            for step, value in enumerate(values):
                run.log(step, {"loss": value, "recall@5": 0.5})
            run.event("checkpoint", path="x")
            run.summary["best"] = 0.25
        with monitor.run("b", environment=False) as run:
            run.log(3, {"loss": math.nan})
            run.log(4, {"loss": math.inf})
            run.stop("enough")
    return values


def test_an_export_is_what_mlflows_client_reads(tmp_path: Path) -> None:
    """Every point of every metric, values to the bit, steps, times to the millisecond; status, parameters, tags."""
    at = place("mlflow", tmp_path)
    values = trained(tmp_path / "lake")
    done = export_runs("mlflow", at, tmp_path / "lake", "m")
    found = history(at, "m", "a", "loss")
    assert found == points(tmp_path / "lake", "a", "loss")
    assert [one[2] for one in found] == values
    assert len(history(at, "m", "a", "recall_5-80191039")) == len(values)
    nan, cut = (one[2] for one in history(at, "m", "b", "loss"))
    assert (math.isnan(nan), cut) == (True, 1.7976931348623157e308)
    assert done.left_out == {"infinite values, which an SQL store of MLflow keeps as ±1.797e308": 1}
    asked = client(at)
    experiment = asked.get_experiment_by_name("m").experiment_id
    a, b = asked.search_runs([experiment], order_by=["attributes.start_time ASC"])
    assert (a.info.status, b.info.status) == ("FINISHED", "KILLED")
    assert a.data.params == {"lr": "0.5", "kind": "x"}
    assert a.data.tags["vedette.summary.best"] == "0.25"
    assert a.info.start_time < a.info.end_time
    again = export_runs("mlflow", at, tmp_path / "lake", "m")
    assert (again.points, [bool(one.reason) for one in again.runs]) == (0, [True, True])


def test_there_and_back_is_the_same_run(tmp_path: Path) -> None:
    """Exported and imported: values, steps, parameters, summary, version and status are those of the original."""
    at = place("mlflow", tmp_path)
    trained(tmp_path / "lake")
    export_runs("mlflow", f"{at}#here", tmp_path / "lake", "m")
    import_runs("mlflow", f"{at}#here", tmp_path / "other", "m")
    for metric in ("loss", "recall@5"):
        assert points(tmp_path / "other", "a", metric) == points(tmp_path / "lake", "a", metric) != []
    mine, theirs = row_of(tmp_path / "lake", "a"), row_of(tmp_path / "other", "a")
    times = ("started", "ended")
    assert {k: v for k, v in mine.items() if k not in times} == {
        k: v for k, v in theirs.items() if k not in times
    }
    assert all(abs((mine[one] - theirs[one]).total_seconds()) <= 0.001 for one in times)
    stopped = row_of(tmp_path / "other", "b")
    assert (stopped["status"], stopped["reason"]) == ("stopped", "enough")
    assert "checkpoint" in read(Lake.at(tmp_path / "other"), "m.run").events["kind"].to_list()


def test_an_export_brings_what_lacks(tmp_path: Path) -> None:
    """A run of which a part is there, NaN, infinity and an equal point among it."""
    at = place("mlflow", tmp_path)
    with vedette.Monitor("m", lake=tmp_path / "lake", clock=lambda: 1.7e9 + 0.0004) as monitor:
        with monitor.run("a", params={"lr": "0.5"}) as run:
            for value in (0.5, 0.5, math.nan, math.inf, -0.0):
                run.log(1, loss=value)
            export_runs("mlflow", at, tmp_path / "lake", "m")
            run.log(2, loss=0.25)
        done = export_runs("mlflow", at, tmp_path / "lake", "m")
        again = export_runs("mlflow", at, tmp_path / "lake", "m")
    assert [(one.runs[0].points, one.runs[0].events) for one in (done, again)] == [(1, 1), (0, 0)]
    assert len(history(at, "m", "a", "loss")) == 5
    import_runs("mlflow", at, tmp_path / "other", "m")
    record = records(read(Lake.at(tmp_path / "other"), "m.run"), 2e9)["a"]
    assert (record.params, record.status) == ({"lr": "0.5"}, "finished")


def logged(at: str, experiment: str, run: str, n: int = 30) -> str:
    """A run that MLflow's own client wrote; returns its id."""
    asked = client(at)
    found = asked.get_experiment_by_name(experiment)
    made = found.experiment_id if found else asked.create_experiment(experiment)
    tags = {"mlflow.source.git.commit": "abc", "mlflow.user": "ann", "team": "vision"}
    one = asked.create_run(made, start_time=1_700_000_000_000, tags=tags, run_name=run).info.run_id
    asked.log_param(one, "lr", 0.001)
    asked.log_param(one, "name", "x y")
    for step in range(n):
        asked.log_metric(one, "val/loss", step / 8, timestamp=1_700_000_000_000 + 7 * step, step=step)
    return str(one)


def test_what_mlflows_client_logged_comes_in(tmp_path: Path) -> None:
    """Points, parameters, status, and in the environment the commit, the user and the tags."""
    at = place("mlflow", tmp_path)
    one = logged(at, "first", "my run")
    client(at).log_metric(one, "val/loss", math.nan, timestamp=1_700_000_001_000, step=5)
    client(at).set_terminated(one, "FAILED", 1_700_000_002_000)
    gone = logged(at, "first", "gone", n=1)
    client(at).delete_run(gone)
    logged(at, "second", "my run", n=2)
    done = import_runs("mlflow", at, tmp_path / "lake", "m")
    (name, other) = [found.name for found in done.runs]
    assert [found.original for found in done.runs] == ["my run", "my run"]
    assert {name, other} > {"my-run"}
    first = name if len(points(tmp_path / "lake", name, "val/loss")) == 31 else other
    found = points(tmp_path / "lake", first, "val/loss")
    whole = [one for one in found if not math.isnan(one[2])]
    assert whole == [(step, 1_700_000_000_000 + 7 * step, step / 8) for step in range(30)]
    record = records(read(Lake.at(tmp_path / "lake"), "m.run"), 2e9)[first]
    assert (record.status, record.params) == ("failed", {"lr": 0.001, "name": "x y"})
    assert record.environment == {"git": {"commit": "abc"}, "user": "ann", "tags": {"team": "vision"}}
    assert record.ended is not None
    assert record.ended.timestamp() == 1_700_000_002.0


def test_tags_go_from_store_to_store(tmp_path: Path) -> None:
    """Through a lake: the user's own tags, the commit and the user, parameters as texts, and what a run summed up."""
    at = place("mlflow", tmp_path)
    one = logged(at, "first", "r", n=3)
    client(at).set_tag(one, "mlflow.note.content", "a note")
    client(at).set_terminated(one, "KILLED")
    import_runs("mlflow", f"{at}#first", tmp_path / "lake", "m")
    export_runs("mlflow", f"{at}#second", tmp_path / "lake", "m")
    asked = client(at)
    (copy,) = asked.search_runs([asked.get_experiment_by_name("second").experiment_id])
    original = asked.get_run(one)
    own = {key: text for key, text in copy.data.tags.items() if not key.startswith("vedette.")}
    assert own == {**original.data.tags, "mlflow.runName": "r"}
    assert copy.data.params == original.data.params
    assert copy.data.metrics == original.data.metrics
    assert (copy.info.status, copy.info.start_time) == ("KILLED", original.info.start_time)
    assert copy.info.end_time == original.info.end_time


def test_a_second_import_brings_what_is_new(tmp_path: Path) -> None:
    """A run that went on, and its end; what was there comes once."""
    at = place("mlflow", tmp_path)
    one = logged(at, "e", "r", n=5)
    counts = [import_runs("mlflow", at, tmp_path / "lake", "m").points for _ in range(2)]
    running = row_of(tmp_path / "lake", "r")["status"]
    client(at).log_metric(one, "val/loss", 9.0, timestamp=1_700_000_000_500, step=5)
    client(at).log_metric(one, "other", 1.0, timestamp=1_700_000_000_500, step=5)
    client(at).set_terminated(one, "FINISHED")
    third = import_runs("mlflow", at, tmp_path / "lake", "m")
    assert (*counts, third.points, third.runs[0].points_before) == (5, 0, 2, 5)
    assert (running, row_of(tmp_path / "lake", "r")["status"]) == ("unknown", "finished")
    assert len(points(tmp_path / "lake", "r", "val/loss")) == 6


def test_an_experiment_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    """With the names of those that are."""
    at = place("mlflow", tmp_path)
    logged(at, "mine", "r", n=1)
    with pytest.raises(DataError, match=r"'yours'.*mine"):
        import_runs("mlflow", f"{at}#yours", tmp_path / "lake", "m")


def test_a_server_that_is_gone_is_an_error_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens there, neither for an import nor for an export."""
    place("mlflow", tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    trained(tmp_path / "lake")
    uri = "http://ann:s3cr3t@127.0.0.1:9"
    with pytest.raises((DataError, ExchangeError), match=r"127\.0\.0\.1") as read_error:
        import_runs("mlflow", uri, tmp_path / "lake", "m")
    with pytest.raises(ExchangeError, match=r"127\.0\.0\.1") as write_error:
        export_runs("mlflow", uri, tmp_path / "lake", "m")
    assert "s3cr3t" not in f"{read_error.value} {write_error.value}"


def test_a_file_store_keeps_infinity(tmp_path: Path) -> None:
    """Where the installed version of MLflow still takes one."""
    place("mlflow", tmp_path)
    trained(tmp_path / "lake")
    code = (
        "import sys; from vedette.engine.exchange.exported import export_runs as e;"
        "from vedette.engine.exchange.imported import import_runs as i;"
        "e('mlflow', 'file://' + sys.argv[1], sys.argv[2], 'm');"
        "i('mlflow', 'file://' + sys.argv[1], sys.argv[3], 'm')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tmp_path / "store", tmp_path / "lake", tmp_path / "other"],
        capture_output=True, text=True, check=False, env={**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"},
    )  # fmt: skip
    if "maintenance mode" in done.stderr:
        pytest.skip("this version of MLflow takes no file store")
    assert done.returncode == 0, done.stderr
    assert points(tmp_path / "other", "a", "loss") == points(tmp_path / "lake", "a", "loss")
    assert points(tmp_path / "other", "b", "loss")[1][2] == math.inf


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    """From the store into a lake and back into another experiment."""
    at = place("mlflow", tmp_path)
    logged(at, "e", "r", n=5)

    def call(*arguments: str) -> str:
        command = [
            sys.executable,
            "-m",
            "vedette",
            *arguments,
            "--lake",
            str(tmp_path / "lake"),
            "--model",
            "m",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "5 points imported" in call("import", "mlflow", at, "--experiment", "e")
    assert "5 points exported" in call("export", "mlflow", at, "--experiment", "back")
    assert history(at, "back", "r", "val/loss") == history(at, "e", "r", "val/loss")
