"""Training runs: recorded, kept exactly once, read back, and how they stand."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from vedette.capture.metrics import LAYERS_MAX, Names, column_of, metric_of, number_of
from vedette.capture.values import Rejected
from vedette.engine import cycle
from vedette.engine.runs import runs as runs_at
from vedette.errors import DataError
from vedette.lake.ledger import ledger
from vedette.lake.tables import Lake
from vedette.records import Ledger

_TRAINING = """
import sys, vedette
monitor = vedette.Monitor("delays", lake=sys.argv[1])
run = monitor.run("cut", resume=True, environment=False)
for step in range(10**9):
    run.log(loss=1.0 / (step + 1), accuracy=0.5)
    if step % 50 == 0:
        print(step, flush=True)
"""


@pytest.fixture
def monitor(tmp_path: Path) -> vedette.Monitor:
    """A monitor of a lake of its own."""
    return vedette.Monitor("delays", version="7", lake=tmp_path)


def ingest(monitor: vedette.Monitor) -> int:
    """One round in this process."""
    return cycle.once(Lake.at(monitor._location))


def of_runs(monitor: vedette.Monitor) -> Ledger:
    """The ledger of a model's runs."""
    return ledger(Lake.at(monitor._location), "delays.run")


def test_history_is_what_was_logged_before_and_after_the_ingest(monitor: vedette.Monitor) -> None:
    """Points come back bit for bit, from the journal and from the table, each once."""
    values = np.random.default_rng(3).normal(size=300).tolist()
    values[7], values[8], values[9] = math.inf, -math.inf, 5e-324
    with monitor.run("a", environment=False) as run:
        for step, value in enumerate(values[:200]):
            run.log(step, loss=value)
        before = run.history["loss"]
        ingest(monitor)
        for step, value in enumerate(values[200:], 200):
            run.log(step, loss=value)
        mixed = run.history["loss"]
    ingest(monitor)
    ingest(monitor)
    assert (before, mixed, run.history["loss"]) == (values[:200], values, values)
    assert run.history.steps("loss") == list(range(300))


def test_nan_is_a_value_and_a_metric_that_was_not_logged_is_none(monitor: vedette.Monitor) -> None:
    """NaN is kept as such; a step at which only another metric was logged has no point."""
    with monitor.run("a", environment=False) as run:
        run.log(loss=math.nan)
        run.log(accuracy=0.5)
        run.log(3, loss=0.25, accuracy=None)
        ingest(monitor)
        loss = run.history["loss"]
    assert math.isnan(loss[0])
    assert loss[1:] == [0.25]
    assert run.history.steps("accuracy") == [1]
    assert set(run.history) == {"accuracy", "loss"}


def test_all_ways_of_logging_say_the_same(monitor: vedette.Monitor) -> None:
    """A step is positional, by name or the next; metrics are by name or a mapping."""
    with monitor.run("a", environment=False) as run:
        run.log(4, loss=1.0)
        run.log(loss=2.0)
        run.log(step=np.int32(8), loss=np.float32(3))
        run.log({"loss": 4})
        run.log(10, {"loss": np.array(5.0)}, **{"val/loss": True})
        assert run.log_many(np.arange(11, 13), {"loss": [6.0, 7.0]}) == 2
        run.log(loss=8.0)
    assert run.history.steps("loss") == [4, 5, 8, 9, 10, 11, 12, 13]
    assert run.history["loss"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert run.history["val/loss"] == [1.0]


@pytest.mark.parametrize(
    "name", ["error", "time", "label", "run", "step_", "_x", "probability_a", "a__int64", "ü/2"]
)
def test_any_name_is_a_metric(monitor: vedette.Monitor, name: str) -> None:
    """Names that vedette's tables have are metrics as others are."""
    with monitor.run("a", environment=False) as run:
        for value in (0.5, 0.25, 0.125):
            run.log(None, {name: value})
        ingest(monitor)
    assert run.history[name] == [0.5, 0.25, 0.125]
    assert metric_of(column_of(name)) == name


def test_what_is_no_number_is_counted_and_the_rest_of_the_call_is_kept(monitor: vedette.Monitor) -> None:
    """A value that cannot be kept costs itself alone, has its reason in the ledger, and raises nothing."""

    class Raises:
        def item(self) -> float:
            raise RuntimeError

    with monitor.run("a", environment=False) as run:
        for bad in ("x", b"x", [1, 2], np.ones(3), object(), Raises(), 10**400, 1j):
            run.log(loss=0.5, bad=bad)
        run.log(2.5, loss=1.0)
        run.log(2**70, loss=1.0)
        run.log(loss=0.25, LOSS=0.25)
    ingest(monitor)
    rejected = of_runs(monitor).producers[1].reasons["rejected"]
    assert run.history["loss"] == [0.5] * 8 + [0.25]
    assert sum(rejected.values()) == 11
    assert "bad: an array of 3 values: must be one number" in rejected
    assert "step of type float: must be a whole number" in rejected
    assert of_runs(monitor).balanced


@pytest.mark.parametrize(("given", "said"), [
    ([0.1], r"params=\[0.1\]: must be a mapping from names to values, such as \{'lr': 0.001\}.*got a list"),
    ("lr=1", r"params='lr=1': must be a mapping .*got a str"),
    (argparse.Namespace(lr=1), r"params=Namespace\(lr=1\): must .*vars\(arguments\) of a namespace, got a Namespace"),
])  # fmt: skip
def test_parameters_that_are_no_mapping_are_refused_before_there_is_a_run(
    monitor: vedette.Monitor, given: Any, said: str
) -> None:
    """The message names the argument, its value and what is right; nothing is kept of it, and a run that is there goes on."""
    with pytest.raises(ValueError, match=said):
        monitor.run("a", params=given, environment=False)
    with monitor.run("a", environment=False) as run:
        with pytest.raises(ValueError, match=said):
            run.params(given)
        run.log(loss=0.5)
    assert monitor.runs().select("name", "status").rows() == [("a", "finished")]
    assert not [one for one in monitor.runs().columns if one.startswith("params.")]


def test_other_arguments_that_are_no_mapping_are_refused_by_name(monitor: vedette.Monitor) -> None:
    """``log_many`` and ``summary`` raise, with what is right; ``log`` counts it, and keeps the metrics beside it."""
    with monitor.run("a", environment=False) as run:
        with pytest.raises(ValueError, match=r"metrics=\[0.5\]: must be a mapping .*got a list"):
            run.log_many([0], [0.5])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"summary=0.9: must be a mapping .*got a float"):
            run.summary = 0.9  # type: ignore[assignment]
        run.log(3, 0.5, accuracy=0.25)
    ingest(monitor)
    assert run.history["accuracy"] == [0.25]
    rejected = of_runs(monitor).producers[-1].reasons["rejected"]
    assert rejected == {"metrics of type float: must be a mapping from names to numbers": 1}


@pytest.mark.parametrize("summary", [
    {("a", 1): 2}, {"deep": {("a", 1): {3: np.int64(4)}}}, {np.int64(5): np.float32(0.5)}, {"nan": float("nan")},
])  # fmt: skip
def test_a_summary_of_any_kind_does_not_lose_the_end_of_a_run(
    monitor: vedette.Monitor, summary: dict[Any, Any]
) -> None:
    """Keys that JSON has not become texts; a mapping that holds itself is cut there."""
    summary["itself"] = summary
    with monitor.run("a", environment=False) as run:
        run.summary = summary
    ingest(monitor)
    frame = monitor.runs()
    assert frame["status"].to_list() == ["finished"]
    assert f"summary.{next(iter(summary))}" in frame.columns


def test_the_curves_of_a_run_are_closed_with_its_end(monitor: vedette.Monitor) -> None:
    """Rows after it are counted as rejected, with the reason, by whatever was kept of ``log``; nothing raises."""
    with monitor.run("a", environment=False) as run:
        kept = run.log
        kept(loss=0.5)
    run.log(loss=0.25)
    kept(7, {"loss": 0.125})
    assert run.log_many([8, 9, 10], {"loss": [1.0, 2.0, 3.0]}) == 0
    ingest(monitor)
    assert (run.history["loss"], run.step) == ([0.5], 0)
    balance = of_runs(monitor)
    reasons = [one.reasons.get("rejected", {}) for one in balance.producers]
    assert [one for one in reasons if one] == [{"the run has ended (finished)": 5}]
    assert balance.balanced


def test_what_is_learned_of_a_run_after_its_end_is_kept(monitor: vedette.Monitor) -> None:
    """An evaluation has the step of the last row, which is the model it is of; the run ended as it did, when it did."""
    run = monitor.run("a", environment=False)
    run.log(41, loss=0.5)
    run.stop("enough")
    before = monitor.runs().row(0, named=True)
    run.evaluate("test", [0, 1, 1, 0] * 20, [0, 1, 1, 1] * 20)
    run.params({"late": 1})
    run.alert("look at it")
    ingest(monitor)
    assert run.history["test_accuracy"] == [0.75]
    assert run.history.steps("test_accuracy") == [41]
    after = monitor.runs().row(0, named=True)
    assert (after["status"], after["ended"], after["params.late"]) == ("stopped", before["ended"], 1)
    assert of_runs(monitor).balanced


def test_a_tensor_on_a_device_is_not_waited_for_unasked() -> None:
    """Reading it would stall the training: it is refused with what to do, unless asked for."""

    class Tensor:
        device = "cuda:0"

        def item(self) -> float:
            return 0.5

    with pytest.raises(Rejected, match=r"on cuda:0: give value\.item"):
        number_of(Tensor())
    assert number_of(Tensor(), synchronise=True) == 0.5


def test_names_that_people_mix_up_are_refused() -> None:
    """Two metrics of a run differ by more than case."""
    names = Names()
    names.column("Loss")
    with pytest.raises(Rejected, match="only by case"):
        names.column("loss")


def test_metrics_of_two_runs_that_differ_by_case_share_a_column(monitor: vedette.Monitor) -> None:
    """Each run reads its own back under its own name."""
    for run_name, metric in (("a", "Loss"), ("b", "loss")):
        with monitor.run(run_name, environment=False) as run:
            run.log(None, {metric: 0.5})
        ingest(monitor)
        assert run.history[metric] == [0.5]


def test_of_a_step_that_came_twice_the_later_value_counts(monitor: vedette.Monitor) -> None:
    """After going back to a checkpoint the steps are trained again."""
    with monitor.run("a", environment=False) as run:
        for step in (0, 1, 2, 3, 2, 3, 4):
            run.log(step, loss=float(step) if step != 2 else 7.0)
            if step == 3:
                ingest(monitor)
        run.log(2, loss=9.0)
    assert run.history["loss"] == [0.0, 1.0, 9.0, 3.0, 4.0]
    assert monitor.points("a", "loss")["last"].to_list() == [0.0, 1.0, 9.0, 3.0, 4.0]


def test_runs_say_how_they_stand(monitor: vedette.Monitor) -> None:
    """Finished, failed with what was raised, stopped, running."""
    with monitor.run("good", params={"lr": 0.1, "layers": [1, 2]}, environment=False) as run:
        run.log(loss=1.0)
        run.summary["best"] = 0.9
    with pytest.raises(ZeroDivisionError), monitor.run("bad", environment=False) as run:
        run.log(loss=1 / 0)
    with monitor.run("early", environment=False) as run:
        run.stop("no better for 5 epochs")
    with pytest.raises(KeyboardInterrupt), monitor.run("ctrl-c", environment=False):
        raise KeyboardInterrupt
    going = monitor.run("going", environment=False)
    found = {row["name"]: row for row in monitor.runs().iter_rows(named=True)}
    assert {name: row["status"] for name, row in found.items()} == {
        "good": "finished", "bad": "failed", "early": "stopped", "ctrl-c": "stopped", "going": "running",
    }  # fmt: skip
    assert found["bad"]["reason"] == "ZeroDivisionError: division by zero"
    assert found["early"]["reason"] == "no better for 5 epochs"
    assert (found["good"]["params.lr"], found["good"]["params.layers"]) == (0.1, "[1, 2]")
    assert (found["good"]["last.loss"], found["good"]["summary.best"], found["good"]["version"]) == (
        1.0,
        0.9,
        "7",
    )
    going.end()


def test_events_and_alerts_are_kept_and_a_long_one_is_cut(monitor: vedette.Monitor) -> None:
    """What happened is in the table of events, with the run as its name."""
    with monitor.run("a", environment=False) as run:
        run.log(5, loss=1.0)
        run.event("checkpoint", path=Path("x.pt"), size=np.float32(2))
        run.event("long", text="x" * 100_000)
        run.alert("diverged", "loss is NaN", level="error")
        run.alert("slow", level="WARNING")
        run.alert("x", level="loud")
    ingest(monitor)
    rows = Lake.at(monitor._location).model("delays.run")["events"].scan().collect()
    said = {row["kind"]: json.loads(row["detail"]) for row in rows.iter_rows(named=True)}
    assert said["checkpoint"] == {"step": 5, "detail": {"path": "x.pt", "size": 2.0}}
    assert said["long"]["detail"]["cut"] is True
    alerts = [
        json.loads(text)["detail"] for text in rows.filter(pl.col("kind") == "run_alert")["detail"].to_list()
    ]
    assert sorted((one["title"], one["text"], one["level"]) for one in alerts) == [
        ("diverged", "loss is NaN", "error"),
        ("slow", "", "warn"),
        ("x (level loud)", "", "warn"),  # nothing raises where something is wrong already
    ]
    assert of_runs(monitor).balanced


def test_a_kill_loses_no_point_and_the_run_goes_on(tmp_path: Path) -> None:
    """After kill -9 every point whose log returned is there, the run is told as killed, and resumes unbroken."""
    said = 0
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _TRAINING, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            lines = [int(process.stdout.readline()) for _ in range(6)]
            os.kill(process.pid, signal.SIGKILL)
            lines += [int(line) for line in process.stdout.read().split()]
            process.wait()
        said += lines[-1] + 1
        cycle.once(Lake.at(tmp_path))
    monitor = vedette.Monitor("delays", lake=tmp_path)
    row = monitor.runs().row(0, named=True)
    assert (row["status"], row["resumed"]) == ("killed", 1)
    assert "is gone" in row["reason"]
    with monitor.run("cut", resume=True, environment=False) as run:
        steps = run.history.steps("loss")
        assert len(steps) >= said
        assert steps == list(range(len(steps)))
        run.log(loss=0.0)
        assert run.history.steps("loss")[-1] == len(steps)
    assert monitor.runs()["status"].to_list() == ["finished"]


def test_a_name_that_is_taken_or_a_run_that_cannot_go_on_is_refused(monitor: vedette.Monitor) -> None:
    """A run is not written into by mistake."""
    monitor.run("a", environment=False).end()
    with pytest.raises(ValueError, match="there is one already"):
        monitor.run("a", environment=False)
    with pytest.raises(ValueError, match="is finished"):
        monitor.run("a", resume=True, environment=False)
    with pytest.raises(ValueError, match="run='a b'"):
        monitor.run("a b")
    with pytest.raises(ValueError, match="take another"):
        vedette.Monitor("delays.run", lake=monitor._location)


def test_resume_without_a_name_goes_on_with_the_last_one_cut_off(monitor: vedette.Monitor) -> None:
    """Or begins a new one where there is none."""
    first = monitor.run(resume=True, environment=False)
    first.log(loss=1.0)
    first.stop()
    again = monitor.run(resume=True, environment=False)
    again.log(loss=0.5)
    again.end()
    assert again.name == first.name
    assert again.history["loss"] == [1.0, 0.5]


def test_a_run_of_another_machine_is_unknown_once_it_is_silent(monitor: vedette.Monitor) -> None:
    """Of a process elsewhere only its rows are known."""
    import vedette.capture.runs as capture

    real = capture.process_identity
    try:
        capture.process_identity = lambda pid=None: {**real(pid), "host": "elsewhere"}
        run = monitor.run("a", environment=False)
    finally:
        capture.process_identity = real
    lake = Lake.at(monitor._location)
    now = monitor._clock()
    assert runs_at(lake, "delays", now)["status"].to_list() == ["running"]
    assert runs_at(lake, "delays", now + 3600)["status"].to_list() == ["unknown"]
    run.end()


def test_threads_log_beside_each_other(monitor: vedette.Monitor) -> None:
    """Rows of several threads are all kept."""
    with monitor.run("a", environment=False) as run:
        threads = [
            threading.Thread(
                target=lambda k=k: [run.log(i * 4 + k, loss=float(i * 4 + k)) for i in range(2000)]
            )
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert run.history["loss"] == [float(i) for i in range(8000)]


def test_what_is_not_there_is_said(monitor: vedette.Monitor) -> None:
    """Errors name what there is."""
    assert monitor.runs().is_empty()
    with pytest.raises(DataError, match="runs are none yet"):
        monitor.points("a", "loss")
    with monitor.run("a", environment=False) as run:
        run.log(loss=1.0)
        with pytest.raises(KeyError, match="run a has loss"):
            run.history["x"]
        with pytest.raises(ValueError, match="must be 2 numbers"):
            run.log_many([0, 1], {"loss": [1.0]})
        with pytest.raises(ValueError, match="whole numbers"):
            run.log_many([0.5], {"loss": [1.0]})
    with pytest.raises(DataError, match="run a has loss"):
        monitor.points("a", "x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    "leaves", ["raise ValueError('of the child')", "sys.exit(3)", "run.end('failed')", "pass"]
)
def test_a_forked_child_ends_no_run(tmp_path: Path, leaves: str) -> None:
    """What a child logs is kept; however it leaves the ``with`` statement, the run goes on in its parent, and ends with it."""
    program = (
        "import os, sys\nimport vedette\nfrom pathlib import Path\n"
        "monitor = vedette.Monitor('delays', lake=sys.argv[1])\n"
        "with monitor.run('one', environment=False) as run:\n"
        "    run.log(0, loss=1.0)\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        run.log(1, loss=2.0)\n"
        f"        {leaves}\n"
        "    else:\n"
        "        os.waitpid(child, 0)\n"
        "        Path(sys.argv[1], 'between').write_text(monitor.runs()['status'][0])\n"
        "        run.log(2, loss=3.0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    monitor = vedette.Monitor("delays", lake=tmp_path)
    assert (tmp_path / "between").read_text() == "running"
    assert monitor.runs()["status"].to_list() == ["finished"]
    assert monitor.points("one", "loss")["last"].to_list() == [1.0, 2.0, 3.0]
    monitor.close()


def test_steps_beyond_what_is_kept_are_refused(monitor: vedette.Monitor) -> None:
    """An unsigned step that would wrap is named; the greatest ones that are kept come back and can be judged."""
    with monitor.run("a", environment=False) as run:
        with pytest.raises(
            ValueError, match="steps: lie in 9223372036854775813 to 9223372036854775813: must lie in"
        ):
            run.log_many(np.array([2**63 + 5], dtype=np.uint64), {"loss": [1.0]})
        assert run.log_many(np.array([5], dtype=np.uint64), {"loss": [1.0]}) == 1
        for at in range(3):
            run.log(2**60 + at, loss=float(at))
        run.log(2**63 - 2, loss=9.0)
    assert run.history.steps("loss") == [5, 2**60, 2**60 + 1, 2**60 + 2, 2**63 - 2]
    assert monitor.diagnose("a")


def test_a_message_names_some_of_thousands_of_metrics(monitor: vedette.Monitor) -> None:
    """And what is no name has no history."""
    with monitor.run("a", environment=False) as run:
        run.log(0, {f"grad_norm/layer{at:04}": 1.0 for at in range(1_000)})
        with pytest.raises(
            KeyError, match=r"'loss': run a has grad_norm/layer0000, .* and 980 more"
        ) as found:
            run.history["loss"]
        assert len(str(found.value)) < 1_000
        assert 5 not in run.history
        assert "grad_norm/layer0999" in run.history


def test_of_too_many_metrics_the_first_are_kept_and_the_loss_has_room(monitor: vedette.Monitor) -> None:
    """A network of thousands of layers: what goes beyond is counted, and keeps neither the others nor the loss out."""
    wide = {f"grad_norm/layer{at}": float(at) for at in range(5_000)}
    with monitor.run("a", environment=False, system_s=None) as run:
        run.log(1, wide)
        run.log(1, loss=0.5)
        run.log(2, {**wide, "loss": 0.25, "batch/loss": 0.125})
    assert sorted(set(run.history) - set(wide)) == ["batch/loss", "loss"]
    assert run.history["loss"] == [0.5, 0.25]
    assert run.history[f"grad_norm/layer{LAYERS_MAX - 1}"] == [LAYERS_MAX - 1.0] * 2
    rejected = of_runs(monitor).producers[-1].reasons["rejected"]
    assert rejected == {
        "more than 4,000 metrics, among them those of layers, in one run": 2 * (5_000 - LAYERS_MAX)
    }
