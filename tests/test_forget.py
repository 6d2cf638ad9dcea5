"""A subject's rows deleted for good: wherever they lie, whenever they come, and wherever the deletion was cut off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import vedette
from vedette.engine import cycle, maintenance, rule_changes
from vedette.engine.alerts import alerts as alerts_of
from vedette.engine.audit import audit
from vedette.engine.forget import forget, verify_reports
from vedette.engine.requests import work_lock
from vedette.errors import LakeError
from vedette.lake import deleting
from vedette.lake.deleting import anew
from vedette.lake.forgotten import ROWS, add, spelled
from vedette.lake.ledger import ledger
from vedette.lake.locks import lock
from vedette.lake.received.conflicts import Conflicts
from vedette.lake.received.records import Received
from vedette.lake.tables import Lake

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ANN = "ann-of-green-gables"
OTHERS = ("bob-the-builder", "cid-campeador")
KEY = bytes(range(32)).hex()


def feed(lake: Path, n: int = 60, start: int = 0, *, labels: bool = True, **settings: object) -> None:
    """Rows of three customers in turn, with labels, from a process of its own time."""
    with vedette.Monitor("delays", version="1", lake=str(lake), **settings) as monitor:  # type: ignore[arg-type]
        for i in range(start, start + n):
            when = BEGIN + timedelta(minutes=i)
            row = {"customer": (ANN, *OTHERS)[i % 3], "x": float(i)}
            monitor.log(row, i % 2, probability=0.5, id=f"row-{i}", time=when)
            if labels:
                monitor.label(f"row-{i}", 1, time=when)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with 60 rows of three customers, who are watched as segments beside a reference, and a judged round."""
    reference = pl.DataFrame(
        {
            "customer": [(ANN, *OTHERS)[i % 3] for i in range(300)],
            "x": [float(i % 50) for i in range(300)],
            "prediction": [i % 2 for i in range(300)],
        }
    )
    path = tmp_path / "lake"
    with vedette.Monitor("delays", version="1", lake=str(path), segments=["customer"]) as monitor:
        monitor.reference(reference)
    feed(path, segments=["customer"])
    found = Lake.at(path)
    cycle.once(found)
    return found


def holding(folder: Path, word: str) -> Iterator[Path]:
    """The files below a folder that hold a word, each read in a way of its own: the product's search is not asked."""
    for path in (one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pl.read_parquet(path, glob=False).to_dicts()).encode()
        if word.encode() in content:
            yield path


def rows_of(lake: Lake, customer: str) -> int:
    return int((pl.read_delta(str(lake.path / "delays" / "predictions"))["customer"] == customer).sum())


def label_ids(lake: Lake) -> set[str]:
    return set(pl.read_delta(str(lake.path / "delays" / "labels"))["id"].to_list())


def test_nothing_of_the_subject_is_left_in_any_file(lake: Lake) -> None:
    """Rows, labels, old files of tables, levels of grids, segments and verdicts: no file holds the value afterwards."""
    assert list(holding(lake.path, ANN))
    found = forget(lake, "delays", "customer", ANN)
    assert found.done, found.remains
    assert list(holding(lake.path, ANN)) == []
    assert found.rows == {"predictions": 20, "labels": 20}


def test_rows_of_others_stay(lake: Lake) -> None:
    """The rows and labels of other subjects are there as before, and so are the ids of all of them."""
    forget(lake, "delays", "customer", ANN)
    assert [rows_of(lake, one) for one in (ANN, *OTHERS)] == [0, 20, 20]
    assert label_ids(lake) == {f"row-{i}" for i in range(60) if i % 3}


def test_the_ledger_counts_what_was_deleted(lake: Lake) -> None:
    """seen = in lake + forgotten: the ledger balances, and completeness falls by what is gone."""
    forget(lake, "delays", "customer", ANN)
    found = ledger(lake, "delays")
    assert found.balanced, found.gaps
    parts = ("seen", "in_lake", "forgotten")
    assert [found.total(part) for part in parts] == [60, 40, 20]
    assert [found.total(part, "labels") for part in parts] == [60, 40, 20]


def test_late_rows_and_late_labels_are_deleted_as_they_come(lake: Lake) -> None:
    """Rows that come after the deletion never reach a table, by log or by table, nor do labels that come after those."""
    forget(lake, "delays", "customer", ANN)
    feed(lake.path, 9, start=60, labels=False)
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        frame = {
            "customer": [ANN, OTHERS[0]],
            "x": [1.0, 2.0],
            "prediction": [0, 1],
            "id": ["batch-0", "batch-1"],
        }
        monitor.log_many(pl.DataFrame(frame))
    fresh = ledger(lake, "delays")
    assert fresh.balanced, fresh.gaps
    cycle.once(lake)
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        for name in ("row-60", "row-61", "batch-0", "batch-1"):
            monitor.label(name, 1)
    cycle.once(lake)
    assert rows_of(lake, ANN) == 0
    assert label_ids(lake) & {"row-60", "row-61", "batch-0", "batch-1"} == {"row-61", "batch-1"}
    found = ledger(lake, "delays")
    assert found.balanced, found.gaps
    assert found.total("forgotten") == 20 + 3 + 1


def test_a_label_that_came_before_its_late_row_goes_with_it(lake: Lake) -> None:
    """The label is in the table when the row of its id is refused: the same or the next round deletes it."""
    forget(lake, "delays", "customer", ANN)
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        monitor.label("late", 1)
    cycle.once(lake)
    assert "late" in label_ids(lake)
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        monitor.log({"customer": ANN, "x": 1.0}, 1, id="late")
    cycle.once(lake)
    cycle.once(lake)
    assert "late" not in label_ids(lake)
    found = ledger(lake, "delays")
    assert found.balanced, found.gaps


def test_a_reference_that_comes_later_is_without_the_subject(lake: Lake) -> None:
    """No level of the grids that a new reference cuts is the subject's value."""
    forget(lake, "delays", "customer", ANN)
    with vedette.Monitor("delays", version="2", lake=str(lake.path)) as monitor:
        monitor.reference(pl.DataFrame({"customer": [ANN, *OTHERS] * 50, "y": [1.0, 2.0, 3.0] * 50}))
    cycle.once(lake)
    assert list(holding(lake.path / "delays", ANN)) == []


def test_a_restored_backup_is_cleared_again(lake: Lake, tmp_path: Path) -> None:
    """The tables of before the deletion, put back beside the tombstones: the next round deletes, and the ledger balances."""
    shutil.copytree(lake.path / "delays", tmp_path / "backup")
    forget(lake, "delays", "customer", ANN)
    shutil.rmtree(lake.path / "delays")
    shutil.copytree(tmp_path / "backup", lake.path / "delays")
    assert rows_of(lake, ANN) == 20
    cycle.once(lake)
    assert rows_of(lake, ANN) == 0
    assert not label_ids(lake) & {f"row-{i}" for i in range(0, 60, 3)}
    found = ledger(lake, "delays")
    assert found.balanced, found.gaps


def test_asking_again_changes_nothing(lake: Lake) -> None:
    """A second time there are no rows, no names, and no second count in the ledger."""
    forget(lake, "delays", "customer", ANN)
    again = forget(lake, "delays", "customer", ANN)
    assert (again.rows, again.scrubbed, again.done) == ({}, {}, True)
    assert ledger(lake, "delays").total("forgotten") == 20


def test_figures_say_what_they_lost(lake: Lake) -> None:
    """Counts of whole windows stay as they were counted and say that a third is gone; segments of others are whole."""
    with vedette.Monitor("delays", version="1", lake=str(lake.path)) as monitor:
        before = monitor.figures("rows", by="customer")
        forget(lake, "delays", "customer", ANN)
        windows, after = monitor.figures("rows"), monitor.figures("rows", by="customer")
        monitor.check()
    assert windows["completeness"].to_list() == [pytest.approx(2 / 3)]
    others = pl.col("segment") != f"customer={ANN}"
    assert after.select("segment", "value").equals(before.filter(others).select("segment", "value"))


_KILLED = """
import os, signal, sys
from vedette.engine import forget as module
from vedette.lake import deleting, forgotten, tables
from vedette.lake.tables import Lake, Table
left = int(sys.argv[2])
def counted(function):
    def step(*args, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*args, **named)
    return step
Table.write = counted(Table.write)
deleting.delete_rows = counted(deleting.delete_rows)
deleting.purge = counted(deleting.purge)
forgotten.append = counted(forgotten.append)
module.search = counted(module.search)
module.forget(Lake.at(sys.argv[1]), "delays", "customer", sys.argv[3])
"""


def test_a_kill_at_any_step_is_made_good_by_asking_again(lake: Lake, tmp_path: Path) -> None:
    """Killed before each write, deletion and sweep in turn; then a round deletes the rows, and asking again all else."""
    step, killed = 0, True
    while killed:
        copy = tmp_path / f"step-{step}"
        shutil.copytree(lake.path, copy)
        done = subprocess.run([sys.executable, "-c", _KILLED, str(copy), str(step), ANN], check=False)
        killed = done.returncode == -signal.SIGKILL
        assert killed or done.returncode == 0
        cut = Lake.at(copy)
        if (copy / ".forgotten" / "delays.jsonl").exists():
            cycle.once(cut)
            assert rows_of(cut, ANN) == 0, step
        found = forget(cut, "delays", "customer", ANN)
        assert found.done, (step, found.remains)
        assert list(holding(copy, ANN)) == [], step
        balance = ledger(cut, "delays")
        assert balance.balanced, (step, balance.gaps)
        assert [balance.total(one, "labels") for one in ("in_lake", "forgotten")] == [40, 20], step
        assert [balance.total(one) for one in ("in_lake", "forgotten")] == [40, 20], step
        shutil.rmtree(copy)
        step += max(1, step // 2)
    assert step > 9


def test_beside_an_ingester_and_a_process_that_goes_on_recording(lake: Lake) -> None:
    """While rows of the subject come and are brought in: once the process ends none is left, and all are counted."""
    command = [sys.executable, "-m", "vedette", "ingest", "--follow", "--lake", str(lake.path)]
    follower = subprocess.Popen([*command, "--interval", "0.2"], stderr=subprocess.DEVNULL)
    try:
        monitor = vedette.Monitor("delays", version="1", lake=str(lake.path))
        for i in range(60, 300):
            monitor.log({"customer": (ANN, *OTHERS)[i % 3], "x": float(i)}, 1, id=f"row-{i}")
            if i == 150:
                found = forget(lake, "delays", "customer", ANN)
        assert not found.done  # the segment of this process holds it still
        assert all(".journal" in one for one in found.remains)
        monitor.close()
        found = forget(lake, "delays", "customer", ANN, wait_s=20.0)
    finally:
        follower.terminate()
        follower.wait(20)
    assert found.done, found.remains
    assert list(holding(lake.path, ANN)) == []
    balance = ledger(lake, "delays")
    assert balance.balanced, balance.gaps
    assert balance.total("forgotten") == 100


@pytest.mark.parametrize("treatment", ["hash", "encrypt"])
def test_a_private_column_is_found_by_the_value_in_the_clear(
    tmp_path: Path, treatment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake has hashes, or bytes that differ each time: the value and the key find the rows, and no others."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("DELAYS_KEY", KEY)
    path = tmp_path / "lake"
    private = {"customer": treatment, "key_env": "DELAYS_KEY"}
    feed(path, private=private)
    with vedette.Monitor("delays", version="1", lake=str(path), private=private) as monitor:
        monitor.flush()
        found = monitor.forget({"customer": ANN}, by="ann")
    assert found.rows == {"predictions": 20, "labels": 20}
    assert pl.read_delta(str(path / "delays" / "predictions")).height == 40
    if treatment == "hash":
        feed(path, 3, start=60, private=private)
        cycle.once(Lake.at(path))
        assert pl.read_delta(str(path / "delays" / "predictions")).height == 42


def test_a_number_is_found_however_it_is_written(tmp_path: Path) -> None:
    """17 from the command line is the 17 and the 17.0 of rows, and not 170."""
    with vedette.Monitor("delays", version="1", lake=str(tmp_path)) as monitor:
        for i, number in enumerate((17, 170, 17, 18)):
            monitor.log({"customer": number}, 1, id=f"row-{i}")
    cycle.once(Lake.at(tmp_path))
    found = forget(Lake.at(tmp_path), "delays", "customer", "17")
    assert found.rows == {"predictions": 2}
    assert "numbers as bytes among others" in found.searched


def test_the_command_says_what_it_did(lake: Lake) -> None:
    """``vedette forget`` exits 0 where nothing is left, and its report has the counts and never the value."""
    command = [sys.executable, "-m", "vedette", "forget", "delays", "--subject", f"customer={ANN}", "--json"]
    done = subprocess.run(
        [*command, "--lake", str(lake.path)], capture_output=True, text=True, check=True, cwd=lake.path.parent
    )
    report = json.loads(done.stdout)
    assert report["rows"] == {"predictions": 20, "labels": 20}
    assert ANN not in done.stdout


def test_reports_are_a_chain_in_the_audit(lake: Lake) -> None:
    """Each report follows the one before, a changed one is found, and the audit tells of both."""
    for customer in (ANN, OTHERS[0]):
        forget(lake, "delays", "customer", customer, by="eve")
    tables = lake.model("delays")
    assert verify_reports(tables) == 2
    told = audit(tables).filter(pl.col("what") == "forgotten")
    assert told["by"].to_list() == ["eve", "eve"]
    events = tables["events"].scan().collect()
    changed = pl.col("detail").str.replace('"predictions": 20', '"predictions": 2', literal=True)
    with lock(work_lock(lake)):
        tables["events"].write(events.with_columns(changed), {}, replace=True)
    with pytest.raises(LakeError, match="report 1 of what was forgotten"):
        verify_reports(lake.model("delays"))


def test_tombstones_hold_no_value_and_belong_to_their_owner(lake: Lake) -> None:
    """The file has digests; it and its key are for the owner of the lake alone."""
    forget(lake, "delays", "customer", ANN)
    for path in (lake.path / ".forgotten").iterdir():
        assert ANN.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_tombstone_that_a_crash_cut_off_is_written_again(lake: Lake) -> None:
    """Half a line at the end was never answered for: it is read as nothing, and overwritten."""
    forget(lake, "delays", "customer", ANN)
    path = lake.path / ".forgotten" / "delays.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number": 9')
    time.sleep(0.01)
    assert forget(lake, "delays", "customer", OTHERS[0]).rows["predictions"] == 20
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_lost_key_is_not_replaced(lake: Lake) -> None:
    """With another key all earlier tombstones would be void: whoever asks is told to restore it, for any model."""
    feed(lake.path, n=3, start=60)
    forget(lake, "delays", "customer", ANN)
    key = lake.path / ".forgotten" / "key"
    whole = key.read_bytes()
    key.unlink()
    with pytest.raises(LakeError, match=r"key: is missing: .*restore it"):
        add(lake, "other", ROWS, "customer", [ANN], BEGIN)
    assert not key.exists()
    key.write_bytes(whole)
    assert forget(lake, "delays", "customer", OTHERS[0]).rows["predictions"] == 21


def test_a_column_that_the_model_does_not_have_is_named(lake: Lake) -> None:
    """A wrong name deletes nothing and says what there is."""
    with pytest.raises(LakeError, match=r"subject column 'costumer'.*customer"):
        forget(lake, "delays", "costumer", ANN)
    assert not (lake.path / ".forgotten").exists()


def test_who_reads_while_files_go_reads_again() -> None:
    """A file that went is looked for anew, and one that is missing each time is an error of the lake."""
    left = [FileNotFoundError("part-0"), FileNotFoundError("part-1")]

    def read() -> str:
        if left:
            raise left.pop()
        return "read"

    assert anew(read) == "read"
    left += [FileNotFoundError("part-2")] * 9
    with pytest.raises(LakeError, match="part-2"):
        anew(read)


def test_spellings_tell_values_apart() -> None:
    """One spelling for a number however it is typed; times, bytes and truth values have their own."""
    assert spelled(3.5) == "3.5"
    assert spelled(b"abc") == "abc"
    assert spelled(BEGIN) == "2026-01-01T00:00:00+00:00"
    assert os.fspath(spelled(False)) == "false"


def test_requests_that_were_refused_are_kept_no_longer(lake: Lake) -> None:
    """Rows under numbers that others had taken lie as they came, perhaps packed: all of the model go, counted as before."""
    conflicts = Conflicts(lake)
    for number, model in enumerate(("delays", "delays", "other")):
        one = Received("json", model, "w@json", "predictions", number, number + 1, "d", {"n_rows": 1})
        conflicts.keep(one, f"{ANN} {number}".encode(), 0)
    forget(lake, "delays", "customer", ANN)
    assert [one.path for one in conflicts.of("delays")] == [None, None]
    assert [one.path is not None for one in conflicts.of("other")] == [True]
    assert sum(one.n for one in conflicts.counted("delays")["w@json", "predictions"]) == 2


def test_rows_that_a_server_received_go_too(lake: Lake) -> None:
    """Rows sent as JSON before and after the deletion: refused by the tables; the server's log is named until it has ended."""
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("fastapi")
    from tests.server_running import running

    def send(server: object, number: int) -> None:
        people = enumerate((ANN, *OTHERS))
        rows = [
            {"features": {"customer": one, "x": 1.0}, "prediction": 1, "id": f"sent-{number}-{i}"}
            for i, one in people
        ]
        url = f"{server.url}/v1/models/delays/predictions"  # type: ignore[attr-defined]
        assert httpx.post(url, json={"version": "1", "rows": rows}).status_code == 200

    with running(lake.path) as server:
        send(server, 1)
        found = forget(lake, "delays", "customer", ANN)
        assert [one for one in found.remains if not one.startswith(".received")] == []
        assert found.remains
        send(server, 2)
    found = forget(lake, "delays", "customer", ANN, wait_s=10.0)
    assert found.done, found.remains
    assert list(holding(lake.path, ANN)) == []
    assert [rows_of(lake, one) for one in (ANN, *OTHERS)] == [0, 22, 22]
    balance = ledger(lake, "delays")
    assert balance.balanced, balance.gaps
    assert balance.total("forgotten") == 22


@pytest.mark.parametrize(
    "value",
    [
        3600,
        1000,
        1500,
        0.1234,
        "rules",
        "firing",
        "settings",
        "known",
        "True",
        "low-acc",
        "accuracy",
        "customer",
    ],
)
def test_what_the_product_says_itself_is_left_as_it_is(tmp_path: Path, value: int | float | str) -> None:
    """A subject whose value is a setting's number, a rule's, or a word of the product: the model goes on as before."""
    values = [value, 7 if isinstance(value, int) else 0.5 if isinstance(value, float) else "other"]
    frame = pl.DataFrame(
        {"customer": [values[i % 2] for i in range(400)], "x": [float(i % 50) for i in range(400)],
         "prediction": [i % 2 for i in range(400)]}
    )  # fmt: skip
    path = tmp_path / "lake"
    with vedette.Monitor("delays", version="1", lake=str(path), window="1h") as monitor:
        monitor.reference(frame)
        for i in range(120):
            when = BEGIN + timedelta(minutes=i)
            monitor.log({"customer": values[i % 2], "x": 99.0}, i % 2, id=f"row-{i}", time=when)
            monitor.label(f"row-{i}", i % 2, time=when)
    lake = Lake.at(path)
    said = {"when": "accuracy < 0.9", "min_rows": 1000}
    rule_changes.put(lake.model("delays"), "low-acc", said, by="ann", now=BEGIN)
    cycle.once(lake)
    before = {name: kept(lake, name) for name in ("settings", "rules")}
    alarms = states(lake)
    found = forget(lake, "delays", "customer", value)
    assert found.done, found.remains
    assert found.rows == {"predictions": 60, "labels": 60}
    assert {name: kept(lake, name) for name in before} == before
    assert states(lake) == alarms
    again = forget(lake, "delays", "customer", "nobody" if isinstance(value, str) else 424242)
    assert again.previous == found.digest
    assert verify_reports(lake.model("delays")) == 2
    with vedette.Monitor("delays", version="1", lake=str(path), window="1h") as monitor:
        assert monitor.check().verdicts
        assert monitor.figures("accuracy").height


def test_a_maintenance_that_names_the_subject_is_kept_without_it(lake: Lake) -> None:
    """It is of the lake as a whole, goes on, and can be ended by the id that it has."""
    soon = datetime.now(UTC)
    said = {"reason": f"{ANN} moves", "from": soon.isoformat(), "for": "2h", "segments": [f"customer={ANN}"]}
    made = maintenance.add(lake, said, by="ada", now=soon)
    found = forget(lake, "delays", "customer", ANN)
    assert found.done, found.remains
    assert list(holding(lake.path, ANN)) == []
    [kept] = maintenance.made(lake)
    assert (kept.id, kept.reason, kept.segments) == (made.id, "forgotten-1 moves", ("customer=forgotten-1",))
    maintenance.end(lake, made.id, by="ada", now=soon + timedelta(minutes=1))
    assert maintenance.made(lake)[0].ended is not None


def test_a_deletion_that_was_cut_off_is_done_before_another_subject_s(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the ledger's word and the rows: the ledger counts each row as forgotten once."""

    def dies(*_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(deleting, "delete_rows", dies)
        with pytest.raises(KeyboardInterrupt):
            forget(lake, "delays", "customer", ANN)
    forget(lake, "delays", "customer", OTHERS[0])
    balance = ledger(lake, "delays")
    assert balance.balanced, balance.gaps
    for stream in ("predictions", "labels"):
        assert [balance.total(one, stream) for one in ("in_lake", "forgotten")] == [20, 40]


@pytest.mark.parametrize("late", [False, True])
def test_a_label_under_an_id_that_another_subject_has_too_stays(tmp_path: Path, late: bool) -> None:
    """Versions may have one id for rows of different subjects; the label is of the row that stays as well."""
    path = tmp_path / "lake"

    def log(version: str, customer: str) -> None:
        with vedette.Monitor("delays", version=version, lake=str(path)) as monitor:
            monitor.log({"customer": customer}, 1, id="shared", time=BEGIN)
            monitor.log({"customer": customer}, 1, id=f"of-{customer}", time=BEGIN)

    log("1", ANN)
    log("2", OTHERS[0])
    with vedette.Monitor("delays", version="2", lake=str(path)) as monitor:
        for name in ("shared", f"of-{ANN}", f"of-{OTHERS[0]}"):
            monitor.label(name, 1, time=BEGIN)
    lake = Lake.at(path)
    if not late:
        cycle.once(lake)
    forget(lake, "delays", "customer", ANN)
    assert label_ids(lake) == {"shared", f"of-{OTHERS[0]}"}


def states(lake: Lake) -> dict[str, str]:
    """The state of each alert."""
    return {one.id: one.state.value for one in alerts_of(lake.model("delays"))}


def kept(lake: Lake, kind: str) -> list[str]:
    """The details of the events of a kind."""
    events = pl.read_delta(str(lake.path / "delays" / "events")).filter(pl.col("kind") == kind)
    assert all(isinstance(json.loads(one), dict) for one in events["detail"])
    return sorted(events["detail"].to_list())


def test_levels_of_other_columns_keep_their_names(tmp_path: Path) -> None:
    """Customer 1 goes; class 1 of the predictions stays what it was."""
    path = tmp_path / "lake"
    with vedette.Monitor("delays", version="1", lake=str(path)) as monitor:
        for i in range(400):
            when = BEGIN + timedelta(minutes=i)
            monitor.log({"customer": i % 3, "x": float(i)}, i % 2, id=f"row-{i}", time=when)
            monitor.label(f"row-{i}", i % 2, time=when)
        monitor.flush()
    lake = Lake.at(path)
    cycle.once(lake)
    forget(lake, "delays", "customer", 1)
    grids = pl.read_delta(str(path / "delays" / "grids")).filter(pl.col("column") != "customer")
    assert not [one for one in grids["definition"] if "forgotten" in one]
    with vedette.Monitor("delays", version="1", lake=str(path)) as monitor:
        assert set(monitor.figures("precision")["value"]) == {1.0}


def test_of_a_number_journals_that_are_still_there_are_named(tmp_path: Path) -> None:
    """It lies in them as eight bytes among others: they are not searched, and not said to be clear of it."""
    path = tmp_path / "lake"
    with vedette.Monitor("delays", version="1", lake=str(path)) as monitor:
        for i in range(60):
            monitor.log({"customer": 4711 + i % 3, "x": 1.0}, 1, time=BEGIN + timedelta(minutes=i))
        monitor.flush()
        found = forget(Lake.at(path), "delays", "customer", 4711)
        assert any(one.startswith(".journal") for one in found.remains)
        assert "named" in found.searched
    found = forget(Lake.at(path), "delays", "customer", 4711)
    assert found.done, found.remains


def test_what_policies_and_comparisons_said_and_a_server_showed_is_without_the_subject(lake: Lake) -> None:
    """Evidence is scrubbed; the key by which an occasion is known again, the plan and what was found stay; the cache goes."""
    from vedette.engine import chain
    from vedette.engine.chain.told import write
    from vedette.lake.stamps import glances_path
    from vedette.records.actions import ActionStatus, Occasion, Taken

    occasion = Occasion(
        "delays", "back", f"ALARM|x.location|{ANN}|", "ALARM x.location", f"worst for {ANN}", BEGIN, "1"
    )
    found = {"shares": {"1": 1.0}, "salt": ANN}
    taken = Taken(
        "a1",
        occasion,
        ActionStatus.DONE,
        ("route",),
        (f"told {ANN}",),
        "eve",
        None,
        None,
        BEGIN,
        BEGIN,
        1,
        (found,),
    )
    write(lake, taken)
    detail = {
        "decision": "hold",
        "champion": "1",
        "challenger": "2",
        "why": [f"customer={ANN} in 5 % of rows", ANN],
    }
    row = {
        "kind": "comparison",
        "name": "canary",
        "version": "2",
        "detail": json.dumps(detail),
        "time": BEGIN,
    }
    lake.model("delays")["events"].write(pl.DataFrame([row]), {})
    cache = glances_path(lake)
    cache.parent.mkdir()
    cache.write_bytes(f"what was shown of {ANN}".encode())
    report = forget(lake, "delays", "customer", ANN, by="eve")
    assert report.done, report.remains
    assert not cache.exists()
    (one,) = chain.actions(lake.model("delays"))
    assert ANN not in f"{one.occasion.evidence} {one.said}"
    assert (one.occasion.key, one.plan, one.before) == (occasion.key, ("route",), (found,))
    (held,) = kept(lake, "comparison")
    assert "in 5 % of rows" in held
    assert f"customer={ANN}" not in held


@pytest.mark.parametrize("name", ["part", "stream", "producer", "column"])
def test_a_feature_that_is_called_as_a_column_of_the_product_s_is_searched(tmp_path: Path, name: str) -> None:
    """A copy of the rows that somebody left in the table's folder is named, whatever the feature is called."""
    path = tmp_path / "lake"
    with vedette.Monitor("delays", version="1", lake=str(path)) as monitor:
        for i in range(30):
            monitor.log({name: (ANN, *OTHERS)[i % 3], "x": float(i)}, i % 2, id=f"r{i}", time=BEGIN)
        monitor.flush()
    lake = Lake.at(path)
    copied = next((path / "delays" / "predictions").glob("*.parquet"))
    held = copied.read_bytes()
    report = forget(lake, "delays", name, ANN)
    assert report.done, report.remains
    (copied.parent / "copy.parquet").write_bytes(held)
    again = forget(lake, "delays", name, ANN)
    assert [one for one in again.remains if "copy.parquet" in one], again.remains
