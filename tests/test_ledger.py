"""The equation holds in each window and in total whatever happens, every gap has a name, and figures know how much is there."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import vedette
from vedette.capture.counters import WINDOW_MAX
from vedette.capture.journal import producers
from vedette.cli import app
from vedette.engine import cycle
from vedette.lake import ingest, tables
from vedette.lake.arrivals import collect
from vedette.lake.outcomes import STREAMS, identifier
from vedette.records import Ledger, ProducerLedger

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARTS = ("in_journal", "in_lake", "sampled_out", "dropped", "rejected", "torn")
NOW = START + 6 * HOUR  # what the clock says


class Lake:
    """A lake with one model of hourly windows, a producer that can be killed, and what is to be in its ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.n = 0
        self.kept: Counter[tuple[str, datetime]] = Counter()  # by stream and window
        self.lost: Counter[tuple[str, datetime, str, str]] = Counter()  # and part and reason
        self.last: datetime | None = None  # time of the last row in the open segment
        self.monitor = self._open()

    def _open(self) -> vedette.Monitor:
        return vedette.Monitor(
            "m", lake=self.folder, window="1h", task="classification", clock=lambda: self.now.timestamp()
        )

    @property
    def lake(self) -> tables.Lake:
        return tables.Lake.at(self.folder)

    def window(self, time: datetime) -> datetime:
        return datetime.fromtimestamp(time.timestamp() // 3600 * 3600, UTC)

    def log(self, time: datetime) -> None:
        self.n += 1
        self.monitor.log({"x": 1.0}, 1, id=f"id{self.n}", time=time)
        self.kept["predictions", self.window(time)] += 1
        self.last = time

    def log_many(self, time: datetime, n: int = 3) -> None:
        times = [time, self.now + 2 * HOUR, *[time + HOUR] * (n - 1)]
        self.monitor.log_many({"x": [1.0] * len(times), "prediction": [1] * len(times), "time": times})
        for one in [time, *[time + HOUR] * (n - 1)]:
            self.kept["predictions", self.window(one)] += 1
        self.lost["predictions", self.window(self.now), "rejected", "time in the future"] += 1

    def label(self, time: datetime) -> None:
        self.monitor.label(f"id{self.n}", 1, time=time)
        self.kept["labels", self.window(time)] += 1

    def reject(self, time: datetime) -> None:
        self.monitor.log({"x": []}, 1, time=time)
        future = time > self.now + timedelta(minutes=5)
        reason = "time in the future" if future else "x: vector without elements"
        self.lost["predictions", self.window(self.now if future else time), "rejected", reason] += 1

    def reject_label(self, time: datetime) -> None:
        self.monitor.label(None, 1, time=time)
        self.lost["labels", self.window(time), "rejected", "id missing"] += 1

    def drop(self, time: datetime) -> None:
        self.monitor._recorder.drop("predictions", "too busy", 2, time=time.timestamp())
        self.lost["predictions", self.window(time), "dropped", "too busy"] += 2

    def sample_out(self, time: datetime) -> None:
        self.monitor._recorder.sample_out("predictions", 3, time=time.timestamp())
        self.lost["predictions", self.window(time), "sampled_out", ""] += 3

    def kill(self) -> None:
        """The producer dies; the next row is another process's, which adopts its folder."""
        self.monitor._recorder.after_fork()  # lets go of the lock and the files as the end of a process does
        self.monitor = self._open()
        self.last = None

    def tear(self, time: datetime) -> None:
        """Take a slot, log a row after it, and die: the slot is torn, and counted to the row before it."""
        if self.last is None:
            self.log(time)
        segment = self.monitor._recorder._predictions.segment
        assert segment is not None
        assert self.last is not None
        next(segment.slots)
        self.lost["predictions", self.window(self.last), "torn", "not written to the end"] += 1
        self.log(time)
        self.kill()

    def ingest(self) -> None:
        """Rows and ledger, without the engine's steps in between."""
        handle = self.lake.model("m")
        keys = [
            identifier(folder.name, stream)
            for folder in producers(self.lake.journal, "m")
            for stream in (*STREAMS, "batch")
        ]
        arrivals = collect(self.lake, "m", ingest.watermarks(handle, "ledger", keys))
        ingest.append(handle, arrivals, self.now)
        ingest.close(handle, arrivals, self.now)

    def round(self) -> None:
        cycle.once(self.lake, models=["m"], clock=lambda: self.now.timestamp())

    def ledger(self) -> Ledger:
        return self.monitor.ledger()

    def check(self) -> None:
        """The ledger is exactly what was planted: in each window, and its windows add up to its producers."""
        ledger = self.ledger()
        assert ledger.balanced, [gap.said for gap in ledger.gaps]
        kept: Counter[tuple[str, datetime]] = Counter()
        lost: Counter[tuple[str, datetime, str, str]] = Counter()
        for one in ledger.windows:
            assert one.window is not None
            kept[one.stream, one.window.start] += one.in_lake + one.in_journal
            reasons = {part: Counter(told) for part, told in one.reasons.items()}
            reasons["sampled_out"] = Counter({"": one.sampled_out})
            for part, told in reasons.items():
                assert sum(told.values()) == getattr(one, part)
                for reason, n in told.items():
                    lost[one.stream, one.window.start, part, reason] += n
        assert (+kept, +lost) == (+self.kept, +self.lost)
        assert sums(ledger.windows) == sums(ledger.producers)
        torn = {key: n for key, n in self.lost.items() if key[2] == "torn"}
        assert sum(gap.n or 0 for gap in ledger.gaps) == sum(torn.values())


def sums(equations: tuple[ProducerLedger, ...]) -> dict[tuple[str, str], dict[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(("seen", *PARTS), 0))
    for one in equations:
        for part in ("seen", *PARTS):
            found[one.producer, one.stream][part] += getattr(one, part)
    return dict(found)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    made = Lake(tmp_path / "lake")
    yield made
    made.monitor.close()


OPERATIONS = st.tuples(
    st.sampled_from(
        [
            "log",
            "log",
            "label",
            "reject",
            "reject_label",
            "drop",
            "sample_out",
            "tear",
            "log_many",
            "kill",
            "ingest",
        ]
    ),
    st.integers(-26 * 60, 5 * 60).map(lambda minutes: START + timedelta(minutes=minutes)),
    st.booleans(),
)


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(operations=st.lists(OPERATIONS, min_size=10, max_size=18))
def test_the_equation_holds_in_each_window_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, datetime, bool]]
) -> None:
    """Rows kept, lost, labelled, torn, batches, kills and ingests in any order: each window and each reason is exact."""
    world = Lake(tmp_path_factory.mktemp("lake"))
    for name, when, future in operations:
        if name in ("kill", "ingest"):
            getattr(world, name)()
        else:
            getattr(world, name)(when + 24 * HOUR if future and name == "reject" else when)
    world.check()
    world.ingest()
    world.check()
    world.monitor.close()
    world.ingest()
    world.check()


class Crash(BaseException):
    """Stands for the death of the ingester."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("table", ["predictions", "labels", "ledger"])
def test_an_ingester_that_dies_at_a_commit_counts_nothing_twice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    """Before and after each commit the ledger is exact, and so it is once the next ingester has done it again."""
    for hour in range(3):
        lake.log(START + hour * HOUR)
        lake.label(START + (hour + 1) * HOUR)
        lake.reject(START + hour * HOUR)
        lake.log_many(START + hour * HOUR)
    lake.tear(START + 3 * HOUR)
    lake.ingest()
    lake.log(START + 3 * HOUR)
    lake.label(START)
    lake.drop(START)
    lake.tear(START + 4 * HOUR)
    write = tables.Table.write

    def mortal(self: tables.Table, frame: pl.DataFrame, through: dict[str, int], **how: Any) -> bool:
        if self.name == table:
            if after:
                write(self, frame, through, **how)
            raise Crash
        return write(self, frame, through, **how)

    with monkeypatch.context() as patched:
        patched.setattr(tables.Table, "write", mortal)
        with pytest.raises(Crash):
            lake.ingest()
    lake.check()
    lake.log(START + 5 * HOUR)
    lake.ingest()
    lake.check()


def shares(lake: Lake, **asked: Any) -> dict[datetime, float | None]:
    frame = lake.monitor.figures("rows", **asked)
    return dict(zip(frame["start"].to_list(), frame["completeness"].to_list(), strict=True))


def planted(lake: Lake, start: datetime, end: datetime) -> float:
    """The share of the predictions of a time that are kept, as they were planted."""
    kept = sum(n for (stream, at), n in lake.kept.items() if stream == "predictions" and start <= at < end)
    lost = sum(
        n for (stream, at, *_), n in lake.lost.items() if stream == "predictions" and start <= at < end
    )
    return kept / (kept + lost)


def plant(lake: Lake) -> None:
    """Five windows, in each of which other numbers of rows were lost in other ways."""
    for hour in range(5):
        for n in range(10 + hour):
            lake.log(START + hour * HOUR + timedelta(minutes=n))
        for _ in range(hour):
            lake.reject(START + hour * HOUR)
            lake.drop(START + hour * HOUR)
            lake.reject_label(START + hour * HOUR)
        if hour > 2:
            lake.sample_out(START + hour * HOUR)
            lake.tear(START + hour * HOUR + timedelta(minutes=30))


@pytest.mark.parametrize("where", ["in the journal", "in the lake", "between two commits"])
def test_completeness_is_what_was_planted(lake: Lake, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The completeness of each window, of several as one, and of all is kept / seen, exactly, wherever the rows are."""
    plant(lake)
    if where == "between two commits":  # rows and summaries are in the lake, the ledger was not written
        with monkeypatch.context() as patched:
            patched.setattr("vedette.engine.cycle.ingest.close", lambda *_: None)
            lake.round()
    elif where == "in the lake":
        lake.round()
    hours = [START + hour * HOUR for hour in range(5)]
    assert shares(lake) == {hour: planted(lake, hour, hour + HOUR) for hour in hours}
    assert shares(lake, window="2h") == {
        hour: planted(lake, hour, hour + 2 * HOUR) for hour in (hours[0], hours[2], hours[4])
    }
    assert list(shares(lake, window="all").values()) == [planted(lake, START, START + 24 * HOUR)]
    assert list(shares(lake, window="all", since=hours[1], until=hours[3]).values()) == [
        planted(lake, hours[1], hours[3])
    ]
    assert list(shares(lake, window="4h", as_of=hours[3]).values()) == [planted(lake, START, hours[3])]
    assert len(set(shares(lake).values())) == 5


def test_figures_of_a_segment_a_version_and_labels_have_the_completeness_of_the_window(lake: Lake) -> None:
    """What segment or version a lost row had is not known; labels are told by ``labelled`` beside it."""
    plant(lake)
    lake.label(NOW)
    lake.round()
    whole = planted(lake, START + 4 * HOUR, START + 5 * HOUR)
    last = [
        lake.monitor.figures(metric, **asked).filter(pl.col("start") == START + 4 * HOUR)
        for metric, asked in (
            ("rows", {"by": "x"}),
            ("rows", {"version": "1"}),
            ("accuracy", {}),
            ("mean", {"feature": "x"}),
        )
    ]
    assert [one["completeness"].unique().to_list() for one in last] == [[whole]] * 4
    assert last[2]["labelled"].to_list() == [1 / 15]


def test_completeness_is_unknown_where_nothing_is_known(lake: Lake) -> None:
    """A lake without its ledger, and without the journals, has figures, and no word on what they lack."""
    lake.log(START)
    lake.round()
    lake.monitor.close()
    shutil.rmtree(lake.folder / "m" / "ledger")
    shutil.rmtree(lake.folder / ".journal")
    assert shares(lake) == {START: None}


def test_windows_that_a_producer_folds_stay_apart_in_the_lake(lake: Lake) -> None:
    """A table of windows that fills between two ingests is in the ledger before it is full: nothing becomes coarse."""
    lake.log(START)
    first = START - timedelta(days=200)
    for hour in range(WINDOW_MAX + 800):
        lake.drop(first + hour * HOUR)
        if hour % 900 == 0:
            lake.round()  # no row comes in, and yet
    lake.check()
    lake.round()
    lake.check()
    (folder,) = producers(lake.lake.journal, "m")
    assert folder.counters("predictions").before_us > first.timestamp() * 1e6


@pytest.mark.parametrize("ingested", [False, True])
def test_windows_that_were_folded_before_an_ingest_are_one_and_exact(lake: Lake, ingested: bool) -> None:
    """What was folded is one block of windows: its sums are exact, and so is its completeness, one for all of it."""
    first = NOW - timedelta(hours=WINDOW_MAX + 99)
    for hour in range(WINDOW_MAX + 100):
        if hour % 100 == 0:
            lake.log(first + hour * HOUR)
        lake.drop(first + hour * HOUR)
    if ingested:
        lake.round()
    ledger = lake.ledger()
    folded = next(one for one in ledger.windows if one.window is not None and one.window.start.year == 1970)
    assert folded.window is not None
    assert (ledger.balanced, sums(ledger.windows) == sums(ledger.producers)) == (True, True)
    assert (ledger.total("dropped"), folded.dropped, folded.seen) == (2 * (WINDOW_MAX + 100), 200, 201)
    told = shares(lake)
    assert [told[first], told[first + 100 * HOUR]] == [1 / 201, 1 / 3]


def said(ledger: Ledger) -> list[str]:
    return [gap.said for gap in ledger.gaps]


def segments(lake: Lake, n: int) -> list[Path]:
    """A dead producer of ``n`` segments, by their paths: 16 rows each, a minute apart, in as many windows as that takes."""
    lake.monitor._recorder._writer._first_bytes = lake.monitor._recorder._writer._largest_bytes = 256
    for row in range(16 * n):
        lake.now = START + timedelta(minutes=row)
        lake.log(lake.now)
    lake.kill()
    return sorted(lake.folder.rglob("predictions-*.seg"))[:n]  # without one that was made ahead


@pytest.mark.parametrize("ingested", [False, True])
def test_a_missing_segment_is_named(lake: Lake, ingested: bool) -> None:
    """Its sequences are torn, counted to when the next one was made, and said, before and after the ingest."""
    paths = segments(lake, 8)
    name = paths[0].parent.name
    paths[4].unlink()
    if ingested:
        lake.ingest()
        lake.ingest()
    ledger = lake.ledger()
    assert (ledger.balanced, ledger.total("torn"), ledger.total("seen")) == (True, 16, 128)
    assert said(ledger) == [
        f"predictions: sequences 65 to 80 of {name}: 16 rows torn, the segment is gone "
        "(counted to the window of 2026-01-05 01:00)"
    ]
    assert [one.torn for one in ledger.windows] == [0, 16, 0]


def test_segments_that_cannot_be_read_now_are_not_taken_for_lost(lake: Lake) -> None:
    """What may be read another time is not torn: the ledger says from where on it does not know, and does not balance."""
    paths = segments(lake, 3)
    name, aside = paths[0].parent.name, paths[1].with_suffix(".aside")
    paths[1].rename(aside)
    paths[1].mkdir()  # a thing that cannot be opened for reading
    for _ in range(2):
        ledger = lake.ledger()
        assert (ledger.balanced, ledger.total("torn"), ledger.total("seen")) == (False, 0, 16)
        assert said(ledger) == [
            f"predictions of {name}: its segments from sequence 17 on cannot be read now: Is a directory"
        ]
        lake.ingest()
    paths[1].rmdir()
    aside.rename(paths[1])
    lake.check()
    lake.ingest()
    lake.check()


@pytest.mark.parametrize("closed", [False, True])
def test_missing_last_segments_are_named(lake: Lake, closed: bool) -> None:
    """What the newest segments held is missed though none follows them; a successor goes on behind it."""
    if closed:
        lake.monitor._recorder._writer._first_bytes = lake.monitor._recorder._writer._largest_bytes = 256
        for row in range(40):
            lake.log(START + timedelta(minutes=row))
        lake.monitor.close()
        _, second, third = sorted(lake.folder.rglob("predictions-*.seg"))[:3]
        last = 40
    else:
        *_, second, third = segments(lake, 3)
        last = 48
    second.unlink()
    third.unlink()
    before = lake.ledger()
    assert said(before)[0].startswith(f"predictions: sequences 17 to {last} of")
    assert (before.balanced, before.total("torn"), before.total("seen")) == (True, last - 16, last)
    lake.ingest()
    lake.monitor = lake._open()
    lake.log(NOW - 7 * HOUR)
    lake.monitor.close()
    lake.ingest()
    after = lake.ledger()
    assert (after.balanced, after.total("torn"), after.total("in_lake")) == (True, last - 16, 17)


def test_a_damaged_segment_is_named_with_what_is_wrong(lake: Lake) -> None:
    """A header of which neither copy can be read takes its rows with it: the reason is in the ledger."""
    paths = segments(lake, 3)
    paths[1].write_bytes(b"x" * 50_000)
    lake.ingest()
    (gap,) = lake.ledger().gaps
    assert (gap.first, gap.last, gap.n, gap.accounted) == (17, 32, 16, True)
    assert gap.reason.startswith("the segment cannot be read: starts with b'xxxxxxxx'")


def test_a_batch_that_cannot_be_read_is_named(lake: Lake) -> None:
    """The rows of a cut batch are torn, at the time at which its file was last changed."""
    lake.log_many(START)
    lake.kept.clear()
    (batch,) = lake.folder.rglob("*.arrow")
    batch.write_bytes(batch.read_bytes()[:100])
    os.utime(batch, (START.timestamp(), START.timestamp()))
    before = lake.ledger()
    lake.ingest()
    after = lake.ledger()
    assert said(before) == said(after)
    assert said(after)[0].startswith(
        f"predictions: batch 1 of {batch.parent.name}: 3 rows torn, the batch cannot be read: "
    )
    assert [(one.torn, one.seen, one.balanced) for one in after.windows] == [(3, 3, True), (0, 1, True)]


@pytest.mark.parametrize("damage", ["gone", "rubbish", "one bit"])
def test_counters_that_cannot_be_read_are_not_green(lake: Lake, damage: str) -> None:
    """What a producer counted since the last ingest is unknown then: the ledger does not balance, and says why."""
    lake.log(START)
    lake.drop(START)
    lake.monitor.close()
    lake.ingest()
    (path,) = lake.folder.rglob("counters")
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        at = 81_920
        data[at : at + 1] = bytes([data[at] ^ 1])
        path.write_bytes(data if damage == "one bit" else b"rubbish")
    ledger = lake.ledger()
    assert (ledger.balanced, ledger.total("dropped"), ledger.total("seen")) == (False, 2, 3)
    (gap,) = ledger.gaps
    assert gap.said.startswith(f"all of {path.parent.name}: its counters cannot be read: ")
    told = {"gone": "No such file", "rubbish": "has 7 bytes", "one bit": "1 damaged number"}[damage]
    assert (told in gap.said, gap.n, gap.accounted) == (True, None, False)


def test_a_row_that_is_gone_from_the_table_is_missed_in_its_window(lake: Lake) -> None:
    """``in_lake`` is counted in the table: the window whose row someone deleted does not balance, others do."""
    for hour in range(3):
        lake.log(START + hour * HOUR)
    lake.ingest()
    snapshot = lake.lake.model("m")["predictions"].snapshot()
    assert snapshot is not None
    snapshot.delete("_sequence = 2")
    ledger = lake.ledger()
    assert [one.balanced for one in ledger.windows] == [True, False, True]
    assert said(ledger)[0].endswith("window of 2026-01-05 01:00, is no longer in the table")


def test_rows_that_no_producer_explains_are_told(lake: Lake) -> None:
    """Rows that somebody put into the table are in no equation, and the ledger does not balance over them."""
    lake.log(START)
    lake.ingest()
    row = lake.lake.model("m")["predictions"].scan().collect()
    lake.lake.model("m")["predictions"].write(
        row.with_columns(pl.lit("0007-stranger").alias("_producer")), {}
    )
    ledger = lake.ledger()
    assert (ledger.balanced, ledger.total("seen"), ledger.total("in_lake")) == (False, 1, 1)
    assert said(ledger) == [
        "predictions: 1 row in the table, of 0007-stranger: no producer's ledger or journal explains them"
    ]


def test_sequences_that_the_ledger_does_not_tell_of_are_told(lake: Lake) -> None:
    """Where rows of the ledger itself were deleted, the sequences that they told of are unexplained."""
    lake.log(START)
    lake.log(START + HOUR)
    lake.ingest()
    snapshot = lake.lake.model("m")["ledger"].snapshot()
    assert snapshot is not None
    snapshot.delete("window = '2026-01-05T01:00:00Z'")
    ledger = lake.ledger()
    assert (ledger.balanced, sums(ledger.windows) == sums(ledger.producers)) == (False, True)
    assert any("no count in the ledger explains them" in one for one in said(ledger))


def test_a_torn_slot_is_counted_to_the_same_window_whenever_it_is_read(lake: Lake, tmp_path: Path) -> None:
    """To the row before it in its segment, also where that row was taken long before the slot was given up."""
    lake.log(START)
    segment = lake.monitor._recorder._predictions.segment
    assert segment is not None
    next(segment.slots)
    lake.ingest()  # takes the first row, and waits for the second
    lake.log(START + 4 * HOUR)
    lake.kill()
    lake.lost["predictions", START, "torn", "not written to the end"] += 1
    lake.check()
    lake.ingest()
    lake.check()


def test_rows_behind_a_slot_that_is_not_written_yet_wait_in_the_journal(lake: Lake) -> None:
    """They are seen, and in no figure yet: the equation holds, and the completeness says so until they come in."""
    lake.log(NOW)
    segment = lake.monitor._recorder._predictions.segment
    assert segment is not None
    next(segment.slots)
    for _ in range(2):
        lake.log(NOW)
    for _ in range(2):
        ledger, told = lake.ledger(), shares(lake)
        there = ledger.total("in_journal") + ledger.total("in_lake")
        assert (ledger.balanced, ledger.total("seen"), there, told) == (True, 4, 4, {NOW: 1 / 4})
        lake.round()
    lake.kill()
    lake.lost["predictions", NOW, "torn", "not written to the end"] += 1
    lake.check()
    assert shares(lake) == {NOW: 3 / 4}


def test_a_successor_does_not_keep_rows_of_the_dead_waiting(lake: Lake) -> None:
    """What a killed process left unfinished is torn at once, though another process lives in its folder by then."""
    lake.tear(START)
    lake.log(START + HOUR)
    lake.check()
    assert [lake.ledger().total(part) for part in ("in_journal", "torn")] == [3, 1]


def test_slots_that_were_given_up_are_rejected_in_a_window(lake: Lake) -> None:
    """A slot that its writer made void counts as rejected, with its reason, to the row before it."""
    lake.log(START + HOUR)
    segment = lake.monitor._recorder._predictions.segment
    assert segment is not None
    sequence, offset, buffer = next(segment.slots)
    segment.void(buffer, offset, sequence, 1)
    lake.lost["predictions", START + HOUR, "rejected", "interrupted while it was written"] += 1
    lake.log(START + 2 * HOUR)
    lake.check()
    lake.ingest()
    lake.check()


def test_a_producer_of_longer_windows_makes_a_block_of_those_that_it_touches(lake: Lake) -> None:
    """A process that was told another length counts by its own: the windows in it are told together, and all balances."""
    for hour in range(8):
        lake.log(START + hour * HOUR - 2 * HOUR)
    lake.ingest()
    with vedette.Monitor("m", lake=lake.folder, window="6h", clock=lambda: NOW.timestamp()) as other:
        other._recorder.drop("predictions", "too busy", 6, time=START.timestamp())
        ledger = lake.ledger()
        told = shares(lake)
    whole = {one.window.start.hour: one for one in ledger.windows if one.window is not None and one.in_lake}
    assert (ledger.balanced, sums(ledger.windows) == sums(ledger.producers)) == (True, True)
    assert sorted(whole) == [0, 22, 23]
    assert told == {START + hour * HOUR: 1.0 if hour < 0 else 0.5 for hour in range(-2, 6)}


def command(*arguments: str, width: int = 200) -> Result:
    return CliRunner().invoke(app, ["ledger", "m", *arguments], env={"COLUMNS": str(width)})


def test_the_command_says_windows_reasons_and_gaps(lake: Lake) -> None:
    """As JSON beside the totals, as a table where there is room for one, as lines where there is not; exit code 1 if wrong."""
    for hour in range(3):
        lake.log(START + hour * HOUR)
    lake.reject(START + 3 * HOUR)
    lake.tear(START + 4 * HOUR)
    lake.ingest()
    snapshot = lake.lake.model("m")["predictions"].snapshot()
    assert snapshot is not None
    snapshot.delete("_sequence = 1")
    where = ("--lake", str(lake.folder))
    document = command(*where, "--json")
    found = json.loads(document.stdout)
    assert (document.exit_code, found["balanced"], found["seen"], found["torn"]) == (1, False, 6, 1)
    assert found["windows"][3]["reasons"] == {"rejected": {"x: vector without elements": 1}}
    assert [(one["producer"], one["n"], one["first"], one["accounted"]) for one in found["gaps"]] == [
        (found["producers"][0]["producer"], 1, 4, True),
        (found["producers"][0]["producer"], 1, None, False),
    ]
    assert sum(one["seen"] for one in found["windows"]) == 6
    wide, narrow = command(*where, "--windows"), command(*where, "--windows", width=50)
    assert (wide.exit_code, narrow.exit_code) == (1, 1)
    assert [line.split()[2:] for line in wide.stdout.splitlines() if line.startswith("2026")] == [
        ["1", "0", "0", "0", "1", "missing"],
        ["1", "1", "0", "0"],
        ["2", "1", "0", "1"],
        ["1", "0", "1", "0"],
        ["1", "1", "0", "0"],
    ]
    assert "2026-01-05 03:00: 1 seen = 0 in lake + 1 rejected" in " ".join(narrow.stdout.split())
    assert "1 predictions rejected: x: vector without elements" in wide.stdout
    assert "2 gaps" in wide.stdout


def test_the_page_of_a_model_names_the_gaps(lake: Lake, tmp_path: Path) -> None:
    """Below the ledger's table each gap is a line."""
    lake.tear(START)
    lake.round()
    page = lake.monitor.report(tmp_path / "page.html").read_text("utf-8")
    assert "1 row torn, not written to the end (counted to the window of 2026-01-05 00:00)</li>" in page


KILLED = """
import itertools, logging, mmap, struct, sys
from pathlib import Path
from vedette.capture import Recorder
from vedette.records import Settings
logging.disable()
journal, shared = Path(sys.argv[1]), open(sys.argv[2], "r+b")
done = mmap.mmap(shared.fileno(), 4096)
recorder = Recorder(journal, "m", "1", Settings(), segment_bytes=16_384)
print("ready", flush=True)
for n in itertools.count(1):
    at = 1_767_571_200.0 + n % 3000 * 3600.0
    recorder.log({"x": 1.0, "t": f"{n}"}, 1, time=1_700_000_000.0 + n)
    struct.pack_into("<Q", done, 0, n)
    recorder.reject("predictions", f"reason {n % 5}", time=at - 1e7)
    struct.pack_into("<Q", done, 8, n)
    recorder.sample_out("predictions", 2, time=at - 1e7)
    struct.pack_into("<Q", done, 16, n)
"""


def test_a_ledger_survives_kill_9(lake: Lake, tmp_path: Path) -> None:
    """Killed at any instant, folds of windows included: whatever returned is counted once, and every window balances."""
    chance, shared, returned = random.Random(0), tmp_path / "shared", [0, 0, 0]
    for _ in range(6):
        shared.write_bytes(bytes(4096))
        command = [sys.executable, "-c", KILLED, str(lake.lake.journal), str(shared)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.05, 0.4))
            process.kill()
        returned = [
            a + b for a, b in zip(returned, struct.unpack_from("<3Q", shared.read_bytes()), strict=True)
        ]
    ledger = lake.ledger()
    assert (ledger.balanced, sums(ledger.windows) == sums(ledger.producers)) == (True, True)
    assert len(ledger.producers) == 1  # each adopted the folder of the one before
    kept, rejected, out = (ledger.total(part) for part in ("in_journal", "rejected", "sampled_out"))
    assert 0 <= kept - returned[0] <= 6
    assert 0 <= rejected - returned[1] <= 6
    assert 0 <= out - 2 * returned[2] <= 12
    (folder,) = producers(lake.lake.journal, "m")
    assert folder.counters("predictions").before_us > 0  # there were folds
