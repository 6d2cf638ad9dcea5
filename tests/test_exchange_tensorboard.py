"""TensorBoard's runs and vedette's: the one becomes the other, and nothing is changed unsaid."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.exchange_places import need, scalars
from vedette.capture.mirrors import About, Row, open_mirror
from vedette.engine.exchange.event_files import RecordFile, masked
from vedette.engine.exchange.exported import export_runs
from vedette.engine.exchange.imported import import_runs
from vedette.engine.runs import runs, runs_of
from vedette.errors import DataError
from vedette.lake.ledger import ledger
from vedette.lake.points import read
from vedette.lake.tables import Lake

pytestmark = pytest.mark.filterwarnings("ignore")  # of the other systems' own packages


@pytest.fixture(autouse=True)
def _needed() -> None:
    need("tensorboard")


def points(lake: Path, run: str, metric: str, model: str = "m") -> list[tuple[int, int, float]]:
    """Steps, times in microseconds and values of all points, those of a step that came twice too."""
    kept = read(Lake.at(lake), runs_of(model))
    if metric not in kept.columns:
        return []
    rows = kept.points.filter((pl.col("run") == run) & pl.col(metric).is_not_null())
    frame = rows.select("step", pl.col("time").dt.epoch("us"), metric).collect()
    return sorted(frame.iter_rows())


def row_of(lake: Path, run: str, model: str = "m") -> dict[str, Any]:
    frame = runs(Lake.at(lake), model)
    return frame.filter(pl.col("name") == run).row(0, named=True)


def torch_writer(folder: Path) -> Any:
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def write(folder: Path, run: str, rows: list[Row], started_s: float = 1.7e9) -> Path:
    """An event file of scalars alone, as any program might have written it."""
    mirror = open_mirror(f"tensorboard:{folder}", About("elsewhere", "1", run, started_s))
    mirror.write(rows)
    mirror.close()
    return next((folder / run).iterdir())


def test_an_export_is_what_tensorboard_reads(tmp_path: Path) -> None:
    """Steps and times exactly, values as 32-bit floats, NaN and inf among them, by TensorBoard's own reader."""
    monitor = vedette.Monitor("m", version="3", lake=tmp_path / "lake")
    values = [*np.random.default_rng(2).normal(size=100).tolist(), math.nan, math.inf, -math.inf, -0.0]
    with monitor.run("a", params={"lr": 0.5}, environment=False) as run:
        for step, value in enumerate(values):
            run.log(step, {"loss": value, "error": 1.0})
    with monitor.run("b", environment=False) as run:
        run.log(loss=1e300)
    done = export_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    found = scalars(tmp_path / "tb" / "a")
    here = points(tmp_path / "lake", "a", "loss")
    assert [one[0] for one in found["loss"]] == [one[0] for one in here]
    assert [round(one[1] * 1e6) for one in found["loss"]] == [one[1] for one in here]
    np.testing.assert_array_equal(
        np.array([one[2] for one in found["loss"]]), np.array(values).astype(np.float32).astype(float)
    )
    assert len(found["error"]) == 104  # which here is the column metric:error:
    assert done.left_out == {
        "values rounded to 32-bit floats": 100,
        "values beyond 32-bit floats, which became infinite or 0": 1,
    }
    assert [(one.name, one.points) for one in done.runs] == [("a", 208), ("b", 1)]


def test_an_export_brings_what_a_mirror_that_failed_lacks(tmp_path: Path) -> None:
    """Rows, values of a row, and events that are not there; what is there comes once."""
    monitor = vedette.Monitor("m", lake=tmp_path / "lake")
    place = str(tmp_path / "tb")
    with monitor.run("a", params={"lr": 0.5}, environment=False) as run:
        for step in range(40):
            run.log(step, loss=step / 3, x=1.0)
    rows = read(Lake.at(tmp_path / "lake"), "m.run").points.sort("step").collect()
    times = [when.timestamp() for when in rows["time"]]
    write(tmp_path / "tb", "a", [Row(times[step], step, {"loss": step / 3}) for step in range(20)])
    done = export_runs("tensorboard", place, tmp_path / "lake", "m")
    again = export_runs("tensorboard", place, tmp_path / "lake", "m")
    assert [(one.runs[0].points, one.runs[0].points_before) for one in (done, again)] == [(60, 20), (0, 80)]
    found = scalars(tmp_path / "tb" / "a")
    assert sorted(one[0] for one in found["loss"]) == sorted(one[0] for one in found["x"]) == list(range(40))


def test_tensorboards_plugin_reads_the_hyperparameters(tmp_path: Path) -> None:
    """Its own parser, on the metadata that its own reader finds."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    monitor = vedette.Monitor("m", lake=tmp_path / "lake")
    params = {"lr": 0.5, "deep": True, "name": "x", "sizes": [1, 2], "large": 10**400}
    with monitor.run("a", params=params, also=[f"tensorboard:{tmp_path / 'tb'}"], environment=False) as run:
        run.log(loss=0.5)
    reader = EventAccumulator(str(tmp_path / "tb" / "a"))
    reader.Reload()
    start, end = (
        reader.SummaryMetadata(tag).plugin_data.content
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    )
    found = metadata.parse_session_start_info_plugin_data(start).hparams
    assert (found["lr"].number_value, found["deep"].bool_value, found["name"].string_value) == (
        0.5,
        True,
        "x",
    )
    assert (found["sizes"].string_value, found["large"].string_value) == ("[1, 2]", str(10**400))
    assert metadata.parse_session_end_info_plugin_data(end).status == 1  # STATUS_SUCCESS


def test_a_run_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """A second export writes nothing, and ``runs`` names those that are wanted."""
    monitor = vedette.Monitor("m", lake=tmp_path / "lake")
    for name in "ab":
        with monitor.run(name, environment=False) as run:
            run.log(loss=1.0)
    place = str(tmp_path / "tb")
    assert export_runs("tensorboard", place, tmp_path / "lake", "m", ["b"]).points == 1
    again = export_runs("tensorboard", place, tmp_path / "lake", "m")
    assert [(one.name, one.points, bool(one.reason)) for one in again.runs] == [
        ("a", 1, False),
        ("b", 0, True),
    ]
    with pytest.raises(DataError, match="run='c'"):
        export_runs("tensorboard", place, tmp_path / "lake", "m", ["c"])


def test_there_and_back_is_the_same_run(tmp_path: Path) -> None:
    """Exported and imported: points, parameters, summary, version, status, events and times are those of the original."""
    monitor = vedette.Monitor("m", version="3", lake=tmp_path / "lake")
    values = np.random.default_rng(2).normal(size=50).astype(np.float32).astype(float).tolist()
    with monitor.run("a", params={"lr": 0.5, "n": [1, 2]}) as run:
        for step, value in enumerate(values):
            run.log(step, {"loss": value, "error": 0.5})
        run.event("checkpoint", path="x")
        run.summary["best"] = 0.25
    export_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "other", "m")
    for metric in ("loss", "metric:error:"):
        assert points(tmp_path / "other", "a", metric) == points(tmp_path / "lake", "a", metric) != []
    assert row_of(tmp_path / "other", "a") == row_of(tmp_path / "lake", "a")
    said = [read(Lake.at(tmp_path / one), "m.run").events for one in ("lake", "other")]
    own = ("imported", "run_diagnosed")  # what each lake says itself
    mine, theirs = (one.filter(~pl.col("kind").is_in(own)).rows() for one in said)
    assert mine == theirs


def test_what_torch_writes_comes_in_bit_for_bit(tmp_path: Path) -> None:
    """Scalars, hyperparameters and their status; histograms, images and texts are counted."""
    values = np.random.default_rng(5).normal(size=300).astype(np.float32)
    values[3:6] = np.nan, np.inf, -np.inf
    with torch_writer(tmp_path / "tb" / "exp" / "lr 0.1") as writer:
        for step, value in enumerate(values):
            writer.add_scalar("loss", value, step, walltime=1.7e9 + step * 0.123457)
            writer.add_scalar("Loss", 2 * value, step, new_style=True)
        writer.add_scalar("loss", 0.5, 7)  # a step that comes again
        writer.add_histogram("weights", values[10:], 1)
        writer.add_text("note", "hello")
        writer.add_hparams({"lr": 0.1, "name": "x", "flag": True}, {"best": 0.5}, run_name="hp")
    done = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    assert [(one.name, one.original) for one in done.runs] == [
        ("exp-lr-0.1", "exp/lr 0.1"),
        ("exp-lr-0.1-hp", "exp/lr 0.1/hp"),
    ]
    lake = tmp_path / "lake"
    (renamed,) = set(read(Lake.at(lake), "m.run").metrics("exp-lr-0.1")) - {"Loss"}
    assert renamed.startswith("loss-")
    loss = points(lake, "exp-lr-0.1", renamed)
    mine = sorted(
        [(step, round((1.7e9 + step * 0.123457) * 1e6), float(value)) for step, value in enumerate(values)]
        + [one for one in loss if one[0] == 7 and one[2] == 0.5]
    )
    np.testing.assert_array_equal(np.array(loss), np.array(mine))
    assert len(loss) == 301
    assert [one[2] for one in points(lake, "exp-lr-0.1", "Loss")][10:] == (2 * values[10:]).astype(
        float
    ).tolist()
    row = row_of(tmp_path / "lake", "exp-lr-0.1-hp")
    assert (row["params.lr"], row["params.name"], row["params.flag"]) == (0.1, "x", 1.0)  # so torch says it
    assert (row["status"], row["last.best"]) == ("finished", 0.5)
    assert row_of(tmp_path / "lake", "exp-lr-0.1")["status"] == "running"  # ten minutes ago nothing was older
    assert done.left_out["histograms"] == 1
    assert done.left_out["text"] == 1


def test_what_keras_writes_is_one_run(tmp_path: Path) -> None:
    """Folders train and validation, tensors of TensorFlow 2, against what Keras itself returned as its history."""
    for package in ("keras", "tensorflow"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import keras

    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
    call = keras.callbacks.TensorBoard(str(tmp_path / "logs" / "first"), histogram_freq=1, write_graph=False)
    said = model.fit(x, y, validation_split=0.5, epochs=4, verbose=0, callbacks=[call]).history
    done = import_runs("tensorboard", str(tmp_path / "logs"), tmp_path / "lake", "m")
    assert [(one.name, one.original) for one in done.runs] == [("first", "first")]
    for ours, theirs in (
        ("epoch_loss", "loss"),
        ("val_epoch_loss", "val_loss"),
        ("val_epoch_accuracy", "val_accuracy"),
    ):
        found = points(tmp_path / "lake", "first", ours)
        assert [one[0] for one in found] == [0, 1, 2, 3]
        wanted = np.array(said[theirs]).astype(np.float32).astype(float).tolist()
        assert [one[2] for one in found] == wanted
    assert done.left_out["histograms"] >= 4


def test_a_second_import_brings_what_is_new(tmp_path: Path) -> None:
    """Rows that were added to a run, and another run; points that are there twice come twice, once."""
    twice = [Row(1.7e9, 0, {"loss": 0.5})] * 2
    write(tmp_path / "tb", "a", [*twice, Row(1.7e9 + 1, 1, {"loss": math.nan, "x": -0.0})])
    first = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    again = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    write(tmp_path / "tb", "a", [Row(1.7e9 + 2, 2, {"loss": 0.25, "X": 1.0})], started_s=1.7e9 + 2)
    write(tmp_path / "tb", "b", [Row(1.7e9 + 3, 0, {"loss": 0.125})])
    third = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    assert [one.points for one in (first, again, third)] == [4, 0, 3]
    assert [(one.name, one.points, one.points_before) for one in third.runs] == [("a", 2, 4), ("b", 1, 0)]
    assert [one[2] for one in points(tmp_path / "lake", "a", "loss")][:2] == [0.5, 0.5]
    books = ledger(Lake.at(tmp_path / "lake"), "m.run")
    assert books.balanced


def test_a_log_directory_that_was_moved_is_the_same(tmp_path: Path) -> None:
    """What tells a run from others is in its files, and names that are taken get digits."""
    write(tmp_path / "tb", "a", [Row(1.7e9, 0, {"loss": 0.5})])
    import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    (tmp_path / "tb").rename(tmp_path / "moved")
    assert import_runs("tensorboard", str(tmp_path / "moved"), tmp_path / "lake", "m").points == 0
    write(tmp_path / "tb", "a", [Row(1.7e9, 0, {"loss": 0.25})], started_s=1.7e9 + 60)
    (other,) = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m").runs
    assert (other.points, other.original) == (1, "a")
    assert other.name.startswith("a-")


def test_a_mirror_of_a_run_that_is_here_is_left(tmp_path: Path) -> None:
    """Its points would come twice."""
    monitor = vedette.Monitor("m", lake=tmp_path / "lake")
    with monitor.run("a", also=[f"tensorboard:{tmp_path / 'tb'}"], environment=False) as run:
        run.log(loss=0.5)
    (one,) = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m").runs
    assert (one.name, one.points) == ("a", 0)
    assert "mirrors" in one.reason
    assert run.history["loss"] == [0.5]


def test_an_imported_run_is_not_what_a_training_goes_on_with(tmp_path: Path) -> None:
    """``resume=True`` without a name takes the last run that was cut off here."""
    monitor = vedette.Monitor("m", lake=tmp_path / "lake")
    monitor.run("mine", environment=False).stop("enough")
    write(tmp_path / "tb", "theirs", [Row(1.7e9, 0, {"loss": 0.5})])
    import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    row = row_of(tmp_path / "lake", "theirs")
    assert (row["status"], row["reason"]) == (
        "unknown",
        "it came from tensorboard, where nothing says how it ended",
    )
    with monitor.run(resume=True, environment=False) as run:
        assert run.name == "mine"


@pytest.mark.parametrize(
    ("damage", "n", "said"),
    [
        (lambda data: data[:-5], 9, "cut off within a record"),
        (lambda data: data[: -len(data) // 2] + b"\0" + data[-len(data) // 2 + 1 :], None, "checksum"),
        (lambda data: data + b"\x07", 10, "cut off within the length"),
        (lambda data: data + b"\0" * 100, 10, "the length of a record has another checksum"),
    ],
)
def test_a_damaged_file_is_read_up_to_the_break(
    damage: Any, n: int | None, said: str, tmp_path: Path
) -> None:
    """The points before it come in, and where it breaks is said."""
    path = write(tmp_path / "tb", "a", [Row(1.7e9 + step, step, {"loss": step / 2}) for step in range(10)])
    path.write_bytes(damage(path.read_bytes()))
    write(tmp_path / "tb", "b", [Row(1.7e9, 0, {"loss": 0.5})])
    done = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    (note,) = done.notes
    assert said in note
    assert str(path) in note
    found = points(tmp_path / "lake", "a", "loss")
    assert [one[2] for one in found] == [step / 2 for step in range(len(found))]
    assert len(found) == n if n is not None else 0 < len(found) < 10
    assert len(points(tmp_path / "lake", "b", "loss")) == 1


def test_the_checksum_is_tensorboards_own() -> None:
    """The masked CRC-32C of TensorBoard's package, on messages of many lengths."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    rng = np.random.default_rng(1)
    messages = [rng.bytes(int(n)) for n in rng.integers(0, 300, 30)]
    assert [masked(one) for one in messages] == [masked_crc32c(one) for one in messages]


def test_a_record_that_is_no_event_ends_its_file(tmp_path: Path) -> None:
    """Its checksums are right, its content is not."""
    path = write(tmp_path / "tb", "a", [Row(1.7e9, 0, {"loss": 0.5})])
    from vedette.capture.mirrors.tensorboard import protos

    with path.open("ab") as file:
        protos().RecordWriter(file).write(b"\xff\xff\xff")
    assert len(list(RecordFile(path))) == 3
    (note,) = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m").notes
    assert "is no event" in note


_KILLED = """
import os, signal, sys
from vedette.engine.exchange import intake
from vedette.engine.exchange.imported import import_runs
intake._CELLS_MAX = 300
left = int(sys.argv[3])
def killing(method):
    def call(self, *arguments):
        global left
        method(self, *arguments)
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return call
intake.Intake._batch = killing(intake.Intake._batch)
intake.Intake.event = killing(intake.Intake.event)
intake.Intake.settle = killing(intake.Intake.settle)
import_runs("tensorboard", sys.argv[1], sys.argv[2], "m")
"""


def test_an_import_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    """Killed after one, two, three ... of the things that it records; then each point and event is there once."""
    for name in "ab":
        rows = [Row(1.7e9 + step, step, {"loss": step / 4, "x": 1.0}) for step in range(400)]
        write(tmp_path / "tb", name, rows)
    ends = []
    for after in (1, 3, 2, 4):
        command = [sys.executable, "-c", _KILLED, tmp_path / "tb", tmp_path / "lake", str(after)]
        ends.append(subprocess.run(command, check=False).returncode)
    done = import_runs("tensorboard", str(tmp_path / "tb"), tmp_path / "lake", "m")
    assert ends == [-signal.SIGKILL] * 4
    assert 0 < done.points < 1600
    for name in "ab":
        assert [one[2] for one in points(tmp_path / "lake", name, "loss")] == [
            step / 4 for step in range(400)
        ]
        assert len(points(tmp_path / "lake", name, "x")) == 400
    kinds = read(Lake.at(tmp_path / "lake"), "m.run").events["kind"].to_list()
    assert sorted(kinds) == ["imported"] * 2 + ["run_started"] * 2
    assert ledger(Lake.at(tmp_path / "lake"), "m.run").balanced


def test_a_place_without_runs_is_told_of(tmp_path: Path) -> None:
    """No lake is made for it."""
    with pytest.raises(DataError, match="no such folder"):
        import_runs("tensorboard", str(tmp_path / "none"), tmp_path / "lake", "m")
    with pytest.raises(DataError, match="no event files"):
        import_runs("tensorboard", str(tmp_path), tmp_path / "lake", "m")
    assert not (tmp_path / "lake").exists()


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    """``--json`` is one document, a place without runs exit 70."""
    write(tmp_path / "tb", "a", [Row(1.7e9, 0, {"loss": 0.5})])

    def call(*arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "vedette", *arguments, "--lake", str(tmp_path / "lake")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = call("import", "tensorboard", str(tmp_path / "tb"), "--model", "m", "--json")
    assert (code, json.loads(out)["points"], json.loads(out)["runs"][0]["name"]) == (0, 1, "a")
    code, out, _ = call("export", "tensorboard", str(tmp_path / "out"), "--model", "m", "--run", "a")
    assert (code, scalars(tmp_path / "out" / "a")["loss"]) == (0, [(0, 1.7e9, 0.5)])
    assert "1 points exported" in out
    code, _, err = call("import", "tensorboard", str(tmp_path / "none"), "--model", "m")
    assert (code, "no such folder" in err) == (70, True)
