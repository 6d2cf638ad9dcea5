"""Rows go from the journals into the tables exactly once, whatever is cut off in between."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import vedette
from tests.world import DAY, World
from vedette.engine import cycle
from vedette.errors import LakeError, LockedError
from vedette.lake import tables
from vedette.lake.arrivals import collect
from vedette.lake.locks import lock


def test_all_rows_come_in_once(world: World) -> None:
    """Every row that was logged is in the lake, and a second round adds nothing."""
    world.log_day(world.rows(300))
    first, second = world.round(), world.round()
    assert (first, second, world.count("predictions"), world.count("labels")) == (600, 0, 300, 300)


def test_the_ledger_balances_before_and_after(world: World) -> None:
    """seen = in journal before the ingest, = in lake after it."""
    world.log_day(world.rows(50))
    before = world.monitor.ledger()
    world.round()
    after = world.monitor.ledger()
    assert (before.total("in_journal"), before.total("in_lake"), before.balanced) == (50, 0, True)
    assert (after.total("in_journal"), after.total("in_lake"), after.balanced) == (0, 50, True)


def test_a_row_that_is_missing_in_the_lake_unbalances_the_ledger(world: World) -> None:
    """``in_lake`` is counted in the table: rows that someone deleted are missed."""
    world.log_day(world.rows(50))
    world.round()
    snapshot = world.lake.model("m")["predictions"].snapshot()
    assert snapshot is not None
    snapshot.delete("_sequence = 7")
    assert not world.monitor.ledger().balanced


def test_batches_and_single_rows_are_both_there(world: World) -> None:
    """``log_many`` and ``log`` fill one table; a column ``label`` becomes labels."""
    world.monitor.log_many(world.rows(40))
    world.log_day(world.rows(10))
    world.round()
    assert (world.count("predictions"), world.count("labels"), world.monitor.ledger().balanced) == (
        50,
        50,
        True,
    )


WRITES = ["predictions", "labels", "events", "grids", "summaries", "state", "verdicts", "ledger"]


class Crash(BaseException):
    """Stands for the death of the ingester."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("table", WRITES)
def test_a_crash_at_any_commit_changes_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    """An ingester that dies before or after any commit is followed by one that ends at the same counts and verdicts."""

    def play(folder: Path, crash: bool) -> tuple[object, ...]:
        world = World(folder)
        world.monitor.reference(world.rows(500))
        write = tables.Table.write
        died = []

        def mortal(
            self: tables.Table, frame: pl.DataFrame, through: dict[str, int], *, replace: bool = False
        ) -> bool:
            if self.name == table and not died and crash:
                if after:
                    write(self, frame, through, replace=replace)
                died.append(True)
                raise Crash
            return write(self, frame, through, replace=replace)

        for day in range(4):
            world.log_day(world.rows(120, shift=1.5 if day > 1 else 0.0))
            # events and grids are written when the reference comes, verdicts when the first window is judged
            fatal = {"events": 0, "grids": 0, "verdicts": 1}.get(table, 2)
            monkeypatch.setattr(tables.Table, "write", mortal if day == fatal else write)
            try:
                world.round()
            except Crash:
                world.round()
        monkeypatch.setattr(tables.Table, "write", write)
        assert bool(died) is crash
        figures = world.monitor.figures().select("metric", "feature", "start", "value", "n")
        told = [(one.watch, one.verdict, one.since, one.evidence) for one in world.health().verdicts]
        history = world.lake.model("m")["verdicts"].scan().drop("time", "step").collect()
        world.monitor.close()
        return (
            figures.rows(),
            told,
            sorted(map(repr, history.rows())),
            world.count("predictions"),
            world.count("labels"),
        )

    assert play(tmp_path / "crashed", True) == play(tmp_path / "whole", False)


def test_two_ingesters_do_not_work_at_once(world: World) -> None:
    """A round waits for the lock, and says who holds it when it waited long enough."""
    world.log_day(world.rows(5))
    with (
        lock(world.lake.journal / ".ingest.lock"),
        pytest.raises(LockedError, match="held by process"),
    ):
        cycle.once(world.lake, wait_s=0.05)


def test_rounds_at_once_in_two_threads_double_nothing(world: World) -> None:
    """Many rounds started together count each row once."""
    world.log_day(world.rows(200))
    threads = [threading.Thread(target=world.round) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (world.count("predictions"), world.monitor.ledger().balanced) == (200, True)


def _log(folder: Path, name: str, n: int) -> None:
    with vedette.Monitor("m", lake=folder, window="1d") as monitor:
        for i in range(n):
            monitor.log({"x": float(i)}, i % 2, id=f"{name}-{i}")


def test_several_processes_log_while_one_ingests(tmp_path: Path) -> None:
    """Rows of processes that log while rounds run are each in the lake once."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_log, args=(tmp_path, f"p{k}", 2000)) for k in range(3)]
    for worker in workers:
        worker.start()
    lake = tables.Lake.at(tmp_path)
    while any(worker.is_alive() for worker in workers):
        if "m" in lake.models():
            cycle.once(lake, models=["m"])
    for worker in workers:
        worker.join()
    cycle.once(lake, models=["m"])
    ids = lake.model("m")["predictions"].scan().select("id").collect()["id"]
    assert (len(ids), ids.n_unique(), collect(lake, "m", {}).predictions.height) == (6000, 6000, 0)


def test_fresh_rows_are_seen_before_they_are_committed(world: World) -> None:
    """Figures count the rows that are still in the journal, and count each once after the ingest."""
    world.monitor.reference(world.rows(500))
    world.log_day(world.rows(100))
    world.round()
    world.log_day(world.rows(60))
    before = world.monitor.figures("rows")
    world.round()
    after = world.monitor.figures("rows")
    assert before["n"].to_list() == after["n"].to_list() == [100, 60]


@pytest.mark.parametrize("first", ["labels", "predictions"])
def test_labels_and_predictions_have_watermarks_of_their_own(world: World, first: str) -> None:
    """However far one stream is ahead of the other, every row of both is counted."""
    for i in range(40):
        if first == "labels":
            world.monitor.label(f"id{i}", 1, time=world.now)
        else:
            world.monitor.log({"x": 1.0}, 1, id=f"id{i}", time=world.now)
        if i % 10 == 0:
            world.round()
    for i in range(40):
        if first == "labels":
            world.monitor.log({"x": 1.0}, 1, id=f"id{i}", time=world.now)
        else:
            world.monitor.label(f"id{i}", 1, time=world.now)
        if i % 7 == 0:
            world.round()
    world.round()
    rows, right = world.monitor.figures("rows"), world.monitor.figures("accuracy")
    assert (rows["n"].to_list(), right["n"].to_list()) == ([40], [40])


def test_figures_read_while_rounds_run_never_shrink_nor_double(world: World) -> None:
    """A reader beside a working ingester sees every row that was logged before it began, none twice."""
    world.monitor.reference(world.rows(300))
    world.round()
    seen: list[int] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            world.round()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for day in range(6):
            world.log_day(world.rows(50))
            seen.append(int(world.monitor.figures("rows")["n"].sum()) - 50 * (day + 1))
    finally:
        stop.set()
        thread.join()
    assert seen == [0] * 6


def test_a_column_that_changes_its_type_gets_a_column_of_its_own(world: World) -> None:
    """Text in a numeric feature is kept beside it, with an event; the numbers stay numbers."""
    world.monitor.log({"x": 1.5}, 0)
    world.monitor.log({"x": "broken"}, 0)
    world.monitor.log({"x": 2.5}, 0)
    world.round()
    frame = world.lake.model("m")["predictions"].scan().sort("_sequence").collect()
    events = world.lake.model("m")["events"].scan().collect()
    assert (frame["x"].to_list(), frame["x__text"].to_list()) == ([1.5, None, 2.5], [None, "broken", None])
    assert ("type_changed", "x") in events.select("kind", "name").rows()


def test_integers_are_exact_to_64_bits(world: World) -> None:
    """The largest unsigned and the smallest signed integer come back as they were."""
    world.monitor.log({"big": 2**64 - 1, "small": -(2**63), "odd": 2**53 + 1}, 0)
    world.round()
    row = world.lake.model("m")["predictions"].scan().collect().row(0, named=True)
    assert (int(row["big"]), row["small"], row["odd"]) == (2**64 - 1, -(2**63), 2**53 + 1)


def test_columns_that_appear_and_vanish_are_events(world: World) -> None:
    """A new feature, and one that stops coming, are said once each."""
    world.monitor.log({"a": 1.0, "b": 1.0}, 0)
    world.round()
    world.monitor.log({"a": 1.0, "c": 1.0}, 0)
    world.round()
    world.monitor.log({"a": 1.0, "c": 1.0}, 0)
    world.round()
    events = world.lake.model("m")["events"].scan().filter(pl.col("kind").str.starts_with("column")).collect()
    assert sorted(events.select("kind", "name").rows()) == [
        ("column_appeared", "c"),
        ("column_vanished", "b"),
    ]


def test_an_ingest_syncs_before_it_frees_the_journal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk cannot be synced, the journal keeps its rows and the next round brings them in."""
    world.log_day(world.rows(20))

    def broken(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(tables.os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        world.round()
    monkeypatch.undo()
    assert world.monitor.ledger().total("seen") == 20
    world.round()
    assert (world.count("predictions"), world.monitor.ledger().balanced) == (20, True)


def test_times_and_receipts_are_kept(world: World) -> None:
    """The event time is the caller's, the receipt the clock's."""
    world.now += DAY
    world.monitor.log({"x": 1.0}, 0, time=world.now - timedelta(hours=5))
    world.round()
    row = world.lake.model("m")["predictions"].scan().select("time", "received").collect().row(0)
    assert row == (world.now - timedelta(hours=5), world.now)


def test_a_lake_that_cannot_be_written_keeps_the_rows_in_the_journal(world: World) -> None:
    """A file in the model's place is an error that names it, and the rows stay in the journal."""
    world.log_day(world.rows(20))
    (world.folder / "m").write_text("in the way")
    with pytest.raises(LakeError, match="cannot be"):
        world.round()
    (world.folder / "m").unlink()
    world.round()
    assert world.count("predictions") == 20
