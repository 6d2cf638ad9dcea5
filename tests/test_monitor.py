"""Monitor, as a user holds it: through its own processes, with good calls and bad ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import vedette
from tests.world import START, World
from vedette.engine import requests
from vedette.errors import ConfigError, DataError, IngestError, LakeError, SchemaError
from vedette.lake.tables import Lake


def test_flush_brings_all_that_was_recorded_into_the_lake(world: World) -> None:
    """``flush`` starts an ingester where none runs, and returns when its work is done."""
    world.log_day(world.rows(30))
    world.monitor.flush()
    assert (world.count("predictions"), world.count("labels")) == (30, 30)


def test_a_second_flush_uses_the_ingester_that_runs(world: World) -> None:
    """The ingester that a flush started serves the next one too."""
    world.monitor.flush()
    first = (world.lake.journal / ".follow.lock").read_text()
    world.log_day(world.rows(30))
    world.monitor.flush()
    assert (world.lake.journal / ".follow.lock").read_text() == first
    assert world.count("predictions") == 30


def test_an_ingester_that_was_killed_is_replaced(world: World) -> None:
    """A killed ingester loses nothing: the next flush starts another."""
    world.monitor.flush()
    os.kill(int((world.lake.journal / ".follow.lock").read_text()), signal.SIGKILL)
    world.log_day(world.rows(30))
    world.monitor.flush()
    assert (world.count("predictions"), world.monitor.ledger().balanced) == (30, True)


def test_an_ingester_that_fails_is_an_error_with_its_reason(world: World) -> None:
    """What the ingester could not do is said to who asked, and the rows stay in the journal."""
    world.log_day(world.rows(20))
    (world.folder / "m").write_text("in the way")
    with pytest.raises(IngestError, match="cannot be written"):
        world.monitor.flush()
    (world.folder / "m").unlink()
    assert world.monitor.ledger().total("in_journal") == 20


def test_an_ingester_that_does_not_answer_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no ingester comes in time, flush says so and names the log."""
    monkeypatch.setattr(requests, "ensure", lambda lake: None)
    world.log_day(world.rows(5))
    with pytest.raises(IngestError, match=r"within 0 s; see .*ingest\.log"):
        world.monitor.flush(timeout_s=0.05)


def test_check_gives_verdicts(world: World) -> None:
    """``check`` brings in, judges, and returns a verdict for each thing watched."""
    world.monitor.reference(world.rows(1000))
    for _ in range(4):
        world.log_day(world.rows(100))
    health = world.monitor.check()
    assert (health.model, health.version, health.verdict) == ("m", "1", "OK")


def test_rows_logged_before_a_kill_are_in_the_lake(tmp_path: Path) -> None:
    """A process that is killed right after ``log`` returned has lost nothing."""
    code = (
        "import os, signal, vedette\n"
        f"m = vedette.Monitor('m', lake={str(tmp_path)!r})\n"
        "for i in range(1000): m.log({'x': i}, 1, id=str(i))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        monitor.flush()
        ids = Lake.at(tmp_path).model("m")["predictions"].scan().select("id").collect()["id"].to_list()
        assert (sorted(map(int, ids)), monitor.ledger().balanced) == (list(range(1000)), True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "My Model"}, "model='My Model': must be 1 to 63 characters"),
        ({"model": ""}, "model=''"),
        ({"version": ""}, "version=''"),
        ({"window": "0s"}, "window='0s': must"),
        ({"task": "sorting"}, "task='sorting': must be one of"),
        ({"task": "multilabel"}, "classes=None: must be the names of the labels"),
        ({"task": "detection", "classes": []}, "must be a list of names"),
        (
            {"task": "ranking", "segments": ["prediction"]},
            "'prediction' is no single value for task 'ranking'",
        ),
        ({"classes": [1]}, "two names or more"),
        ({"budget_per_month": 0}, "budget_per_month=0: must be above 0"),
        ({"clock": 5}, "clock=5: must be callable"),
        ({"timezone": "Nowhere"}, "timezone='Nowhere'"),
    ],
)
def test_impossible_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], said: str) -> None:
    """A bad argument is a ValueError with its name, its value and what is right."""
    with pytest.raises(ValueError, match=said):
        vedette.Monitor(**{"model": "m", "lake": tmp_path, **arguments})  # type: ignore[arg-type]


def test_a_lake_elsewhere_is_refused_in_clear_words(tmp_path: Path) -> None:
    """An object store, and a file, are refused before anything is recorded."""
    with pytest.raises(LakeError, match="object stores are not supported yet"):
        vedette.Monitor("m", lake="s3://bucket/lake")
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="is a file"):
        vedette.Monitor("m", lake=tmp_path / "file")


def test_settings_come_from_the_file_and_give_way_to_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vedette.toml is read from the working folder; what is given in code wins."""
    monkeypatch.chdir(tmp_path)
    Path("vedette.toml").write_text('lake = "here"\n[models.m]\nwindow = "1d"\nbudget_per_month = 3\n')
    monkeypatch.delenv("VEDETTE_LAKE", raising=False)
    with vedette.Monitor("m", budget_per_month=2) as monitor:
        monitor.log({"x": 1.0}, 1)
        assert (monitor.settings.window_s, monitor.settings.budget_per_month) == (86400.0, 2.0)
    assert (tmp_path / "here").is_dir()
    Path("vedette.toml").write_text("lakes = 1")
    with pytest.raises(ConfigError, match="unknown key 'lakes'"):
        vedette.Monitor("m")


def test_the_journal_is_as_large_and_as_safe_as_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file bounds the journal and says how often it is put on disk, an argument says otherwise; the rest is counted."""
    monkeypatch.chdir(tmp_path)
    Path("vedette.toml").write_text("[recording]\nsync_s = 5\njournal_bytes_max = 20_000_000\n")
    with vedette.Monitor("m", lake="lake", sync_s=0) as monitor:
        assert monitor._recorder._writer.sync_s == 0.0
        row = {f"x{i}": float(i) for i in range(20)}
        for _ in range(130_000):
            monitor.log(row, 1)
        files = [path for path in Path("lake/.journal").rglob("*") if path.is_file()]
        assert 12_000_000 < sum(path.stat().st_size for path in files) <= 20_000_000
        ledger = monitor.ledger()
        assert (ledger.total("seen"), ledger.balanced) == (130_000, True)
        assert 0 < ledger.total("dropped") < 100_000
    for key, value in (("journal_bytes_max", 10**6), ("sync_s", -1)):
        with pytest.raises(ValueError, match=f"{key}={value}: must be"):
            vedette.Monitor("m", lake="lake", **{key: value})


def test_the_environment_names_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$VEDETTE_LAKE is the lake where none is given."""
    monkeypatch.setenv("VEDETTE_LAKE", str(tmp_path / "there"))
    with vedette.Monitor("m") as monitor:
        monitor.log({"x": 1.0}, 1)
    assert (tmp_path / "there" / ".journal" / "m").is_dir()


def test_log_never_raises_and_counts_what_it_cannot_take(world: World) -> None:
    """Hostile rows are rejected with a reason each; the ledger balances."""

    class Hostile:
        def __float__(self) -> float:
            raise RuntimeError("no")

        __index__ = __hash__ = __eq__ = __float__  # type: ignore[assignment]

    world.monitor.log({"x": 1.0}, 1)
    for features in ({"x": Hostile()}, {"x": [1, [2]]}, 5, None, {"x": 1.0, "X": 2.0}):
        world.monitor.log(features, 1)
    world.monitor.log({"x": 1.0}, 1, time=world.now + timedelta(hours=1))
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.total("seen"), ledger.total("in_lake"), ledger.total("rejected"), ledger.balanced) == (
        7,
        1,
        6,
        True,
    )
    assert "time in the future" in ledger.producers[0].reasons["rejected"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dict", "parquet", "csv"])
def test_the_reference_may_be_any_table(world: World, tmp_path: Path, kind: str) -> None:
    """A reference of any kind gives the same verdicts."""
    frame = world.rows(600)
    if kind in ("parquet", "csv"):
        data: object = tmp_path / f"ref.{kind}"
        (frame.write_parquet if kind == "parquet" else frame.write_csv)(data)  # type: ignore[operator]
    else:
        makers = {
            "pandas": frame.to_pandas,
            "polars": lambda: frame,
            "arrow": frame.to_arrow,
            "dict": frame.to_dict,
        }
        data = makers[kind]()
    world.monitor.reference(data)
    world.round()
    rows = world.lake.model("m")["summaries"].scan().filter(pl.col("part") == "reference").collect()
    assert dict(rows.select("column", "rows").rows()) == {
        "x": 480, "c": 480, "prediction": 480, "probability": 480, "_quality": 480
    }  # fmt: skip


def test_a_reference_of_two_rows_watches_nothing_and_says_so(world: World) -> None:
    """A tiny reference gives UNKNOWN with the reason, never green; an empty one is refused."""
    with pytest.raises(DataError, match="has 0 usable rows"):
        world.monitor.reference({"x": []})
    world.monitor.reference(world.rows(10))
    for _ in range(3):
        world.log_day(world.rows(100))
    world.round()
    assert world.health().verdict == "UNKNOWN"
    assert {str(one.reason) for one in world.health().verdicts if "x." in one.watch} == {
        "fewer than 50 rows in the reference: 8"
    }


def test_dirty_values_everywhere_lose_no_row(world: World) -> None:
    """NaN, infinity and None in features, prediction, probability, label and latency are kept and counted."""
    odd = [float("nan"), float("inf"), -float("inf"), None, 0.5]
    world.monitor.reference(world.rows(500))
    for i, value in enumerate(odd * 20):
        world.monitor.log(
            {"x": value, "c": None if i % 2 else "a"},
            i % 2,
            probability=value,
            id=str(i),
            latency_s=value,
            time=START,
        )
        world.monitor.label(str(i), None if i % 3 == 0 else 1, time=START)
    world.now += timedelta(days=2)
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.total("in_lake"), ledger.balanced) == (100, True)
    frame = world.monitor.figures()
    assert frame.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()


def test_two_schemas_of_one_model_live_together(world: World) -> None:
    """Versions with different features share a lake; what one lacks is null for it."""
    with vedette.Monitor(
        "m", version="2", lake=world.folder, window="1d", clock=lambda: START.timestamp()
    ) as other:
        other.log({"y": 2.0}, 1, time=START)
        world.monitor.log({"x": 1.0}, 0, time=START)
        world.round()
    rows = (
        world.lake.model("m")["predictions"]
        .scan()
        .sort("version")
        .select("version", "x", "y")
        .collect()
        .rows()
    )
    assert rows == [("1", 1.0, None), ("2", None, 2.0)]


def test_batches_with_impossible_columns_are_refused(world: World) -> None:
    """A batch as a whole that cannot be used is an error that names the column."""
    with pytest.raises(SchemaError, match="'Age' and 'age'"):
        world.monitor.log_many({"Age": [1], "age": [2]})
    with pytest.raises(SchemaError, match="column 'latency_s' has the type String"):
        world.monitor.log_many({"x": [1.0], "latency_s": ["fast"]})


def test_pandas_batches_with_labels(world: World) -> None:
    """A pandas frame with ids, times and labels becomes predictions and labels."""
    n = 50
    frame = pd.DataFrame(
        {
            "customer": np.arange(n),
            "age": np.linspace(20, 60, n),
            "city": ["Graz", None] * (n // 2),
            "when": pd.date_range("2025-12-30", periods=n, freq="min", tz="Europe/Vienna"),
            "y_hat": np.tile([0, 1], n // 2),
            "y": np.tile([0, 1], n // 2),
        }
    )
    taken = world.monitor.log_many(
        frame, columns={"id": "customer", "time": "when", "prediction": "y_hat", "label": "y"}
    )
    figure = world.monitor.figures("accuracy", window="all")
    assert (taken, figure["value"].to_list(), figure["n"].to_list()) == (n, [1.0], [n])


def test_a_report_is_one_page_that_loads_nothing(world: World, tmp_path: Path) -> None:
    """The page holds verdicts and pictures, escapes hostile names, and refers to nothing outside itself."""
    rows = world.rows(600).rename({"c": "<script>alert(1)</script>"})
    world.monitor.reference(rows)
    for _ in range(4):
        world.log_day(world.rows(100).rename({"c": "<script>alert(1)</script>"}))
    world.round()
    text = world.monitor.report(tmp_path / "sub" / "page.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") >= 5
    assert "http" not in text.replace("http-equiv", "")


def test_times_without_a_zone_are_utc(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A naive time is UTC, in single rows as in batches."""
    world.monitor.log({"x": 1.0}, 1, time=datetime(2025, 6, 1, 12))
    world.round()
    assert world.lake.model("m")["predictions"].scan().select("time").collect().item() == datetime(
        2025, 6, 1, 12, tzinfo=UTC
    )
    assert "UTC" in caplog.text


def test_a_follower_ends_when_it_is_idle(tmp_path: Path) -> None:
    """An ingester that nobody asks anything ends by itself."""
    command = [
        sys.executable,
        "-m",
        "vedette",
        "ingest",
        "--follow",
        "--lake",
        str(tmp_path),
        "--idle-exit-s",
        "0.2",
    ]
    begin = time.monotonic()
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert time.monotonic() - begin < 60


def test_errors_are_counted_by_type(tmp_path: Path) -> None:
    """A call that failed counts in the error rate, and under its type; a frame may have a column of them."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        for i in range(40):
            failed = i % 4 == 0
            monitor.log({"a": float(i)}, None if failed else 1, error=KeyError("x") if failed else None)
        monitor.log_many({"a": [1.0, 2.0], "prediction": [None, 1], "error": ["timeout", None]})
        with pytest.raises(SchemaError, match="column 'error' has the type Int64: must be text"):
            monitor.log_many({"a": [1.0], "error": [3]})
        monitor.flush()
        rate = monitor.figures("error_rate", window="all")
        by_type = monitor.figures("rows", by="error", window="all")
    assert (rate["value"].to_list(), rate["n"].to_list()) == ([11 / 42], [42])
    assert dict(zip(by_type["segment"], by_type["value"], strict=True)) == {
        "error=KeyError": 10,
        "error=timeout": 1,
        "error=null": 31,
    }


def test_names_that_no_table_can_have_are_refused(tmp_path: Path) -> None:
    """A NUL or half a surrogate pair in the name of a feature or a class costs its row, not the rows beside it."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        monitor.log({"ok": 1.0}, 1, id="good")
        for name in ("a\0b", "\ud800"):
            monitor.log({name: 1.0}, 1)
            monitor.log({name: vedette.image(b"x")}, 1)
            monitor.log({"ok": 1.0}, 1, probability={name: 0.5, "other": 0.5})
        for table in ({"a\0b": [1.0]}, {"ok": [1.0], "probability_a\0": [0.5]}):
            with pytest.raises(SchemaError, match="must have no NUL"):
                monitor.log_many(table)
        monitor.flush()
        ledger = monitor.ledger()
    assert (ledger.total("in_lake"), ledger.total("rejected"), ledger.balanced) == (1, 6, True)
    for wrong in (
        {"version": "\ud800"},
        {"version": "a\0"},
        {"classes": ["a", "\ud800"]},
        {"segments": ["a\0"]},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            vedette.Monitor("m", lake=tmp_path, **wrong)


@pytest.mark.parametrize("lake", ["", " ", 5])
def test_a_lake_that_is_nowhere_is_refused(lake: object) -> None:
    """An empty text is not the working folder."""
    with pytest.raises(LakeError, match=f"lake={lake!r}: must be a folder"):
        vedette.Monitor("m", lake=lake)


def test_a_check_says_that_no_row_was_kept(tmp_path: Path) -> None:
    """And the commonest reason, rather than that nothing came."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        for i in range(5):
            monitor.log({"a": float(i)}, 1, id=float(i))
        monitor.label(None, 1)
        (verdict,) = monitor.check().verdicts
    reason = "none of 5 rows was kept (5: id: type float: must be an integer, a text or a UUID): see vedette ledger m"
    assert (verdict.verdict, verdict.reason) == ("UNKNOWN", reason)


def test_a_check_says_that_some_rows_were_not_kept(tmp_path: Path) -> None:
    """Beside the verdicts, with the commonest reason; and nothing where fewer than a hundredth were lost."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        monitor.reference({"a": np.arange(100.0), "prediction": np.arange(100) % 2})
        for i in range(9):
            monitor.log({"a": float(i)}, 1)
        monitor.log({"a": 1.0}, 1, id=1.5)
        told = {one.watch: one for one in monitor.check().verdicts}["rows.kept"]
        words = "1 of 10 rows of the last windows were not kept (1: id: type float: must be an integer, a text or a UUID)"
        assert (told.verdict, told.evidence) == ("WARN", f"{words}: see vedette ledger m")
        for i in range(200):
            monitor.log({"a": float(i)}, 1)
        assert "rows.kept" not in {one.watch for one in monitor.check().verdicts}


def test_rows_for_which_no_folder_could_be_made_are_said(tmp_path: Path) -> None:
    """``flush`` returns only where all is in the lake; what is counted in the process alone is an error with its number."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        (tmp_path / ".journal" / "m").write_text("in the way")
        for _ in range(7):
            monitor.log({"a": 1.0}, 1)
        with pytest.raises(IngestError, match="7 rows were not kept, and are counted in this process alone"):
            monitor.flush()
        (tmp_path / ".journal" / "m").unlink()
        time.sleep(1.1)
        monitor.log({"a": 1.0}, 1)
        monitor.flush()
        assert [monitor.ledger().total(part) for part in ("seen", "dropped", "in_lake")] == [8, 7, 1]


def test_rows_after_the_folder_was_deleted_are_kept_in_another(tmp_path: Path) -> None:
    """Its rows are gone with it; recording goes on, and no more than a moment's rows are dropped, with the reason."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        monitor.log({"a": 1.0}, 1)
        shutil.rmtree(tmp_path / ".journal" / "m")
        time.sleep(0.6)
        for _ in range(100):
            monitor.log({"a": 1.0}, 1)
        monitor.flush()
        ledger = monitor.ledger()
    assert (ledger.total("seen"), ledger.balanced, ledger.total("in_lake") >= 99) == (100, True, True)


def test_a_metric_that_is_misspelt_has_its_neighbours_named(tmp_path: Path) -> None:
    """Before all that there are."""
    with vedette.Monitor("m", lake=tmp_path) as monitor:
        monitor.log({"a": 1.0}, 1)
        with pytest.raises(ValueError, match="metric='acuracy': did you mean accuracy"):
            monitor.figures("acuracy")
