"""What is shipped of a journal is what the reader with arrays finds in it, whatever happened to the files."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import random
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest

from tests.journals import MODEL, record
from vedette.capture import ProducerFolder, Recorder, producers
from vedette.capture.checks import fill_checks
from vedette.capture.folder import read_header, segment_files, take_lock
from vedette.capture.format import SEAL_AT, seal_bytes
from vedette.capture.lost import UNREADABLE, Lost
from vedette.capture.shipping import columns, loads
from vedette.capture.shipping.parts import Part, StreamReader
from vedette.records import Field, Physical, Role, Settings


@dataclass
class Found:
    """Rows by sequence, each value by its field, and what became of the other sequences."""

    rows: dict[int, dict[Any, Any]] = field(default_factory=dict)
    lost: dict[int, tuple[str, str, float]] = field(default_factory=dict)  # part, reason, and time
    absent: dict[str, int] = field(default_factory=dict)
    next: int = 1

    def note(self, lost: Iterable[Lost], end: int) -> None:
        self.next = end
        for one in lost:
            for sequence in range(one.first, one.last + 1):
                # of rows that cannot be read a run has one time, and parts cut runs in two
                at = one.time if one.reason != UNREADABLE else 0.0
                self.lost[sequence] = (one.part, one.reason, at)

    @property
    def torn(self) -> int:
        return sum(part == "torn" for part, _, _ in self.lost.values())


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def by_arrays(folder: ProducerFolder, stream: str = "predictions") -> Found:
    """What ``ProducerFolder.read`` gives."""
    found = Found()
    for chunk in folder.read(stream, 0):
        for index, sequence in enumerate(chunk.sequence.tolist()):
            found.rows[sequence] = {
                "id": chunk.ids[index],
                "time": round(float(chunk.time[index]) * 1e6),
                "received": round(float(chunk.received[index]) * 1e6),
            }
        for one, (values, present) in chunk.columns.items():
            for index, value in enumerate(values.tolist()):
                if present[index]:
                    key = (one.role.value, one.name, one.physical.value)
                    found.rows[int(chunk.sequence[index])][key] = bits(value)
        for one, n in chunk.absent.items():
            if n:
                found.absent[one.name] = found.absent.get(one.name, 0) + n
        found.note(chunk.lost, chunk.next)
    return found


def by_parts(folder: ProducerFolder, stream: str = "predictions", rows_max: int = 37) -> Found:
    """What is shipped, read by pyarrow from the bytes that would be sent."""
    found, reader = Found(), StreamReader(folder.path, stream)
    while (part := reader.read(found.next - 1, rows_max=rows_max)) is not None:
        assert part.n_rows <= rows_max
        take(found, part)
    return found


def take(found: Found, part: Part) -> None:
    load = loads.of_part(part, "0" * 32, "0001-00000000", 0)
    about: Any = load.about
    lost = [Lost(**one) for one in about["lost"]]
    assert about["end"] - about["first"] == about["rows"] + sum(one.n for one in lost)
    assert about["first"] == found.next
    if part.n_rows:
        table = pa.ipc.open_stream(io.BytesIO(load.body)).read_all()  # type: ignore[arg-type]
        table.validate(full=True)
        assert json.loads(table.schema.metadata[b"vedette"]) == about
        plain = {
            name: (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        for index, sequence in enumerate(plain["_sequence"]):
            row = found.rows[sequence] = {name: plain[name][index] for name in ("id", "time", "received")}
            for one in table.schema:
                value = plain[one.name][index]
                if one.metadata and value is not None:
                    role, name, kind = (one.metadata[key].decode() for key in (b"role", b"name", b"type"))
                    row[role, name, kind] = bits(value)
        names = {one.name: one.metadata[b"name"].decode() for one in table.schema if one.metadata}
        for column, n in about["absent"].items():
            found.absent[names[column]] = found.absent.get(names[column], 0) + n
    found.note(lost, about["end"])


def log_all_types(recorder: Recorder, n: int) -> None:
    """Rows of every type, with nulls, texts that repeat and that do not, ids short, long and none, and a change of type."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    special = [1.5, math.nan, math.inf, -math.inf, -0.0, 5e-324, None]
    for i in range(n):
        features: dict[str, Any] = {
            "real": special[i % len(special)],
            "whole": (-1) ** i * (2**63 - 1 - i),
            "unsigned": 2**63 + i,
            "yes": [True, False, None][i % 3],
            "word": ["été", "", "\N{SNOWMAN}" * 200, None][i % 4],
            "own": f"text {i}",
            "raw": bytes([i % 256, 255]),
            "when": start + timedelta(microseconds=i),
            "varies": float(i) if i < n // 2 else str(i),
        }
        if i % 5 == 0:
            del features["real"]
        name = [f"id-{i}", f"long-{i}-" + "x" * 60, None, "ü" * 19, ""][i % 5]
        recorder.log(
            features,
            i % 2,
            probability={"a": 0.25, "b": i / n},
            id=name,
            latency_s=None if i % 9 == 0 else 0.01,
        )
        recorder.label(f"id-{i}", ["late", "on time"][i % 2])


@pytest.fixture
def folder(tmp_path: Path) -> ProducerFolder:
    """The folder of a producer that ended in order, with several segments whose rows all have their check words."""
    recorder = record(tmp_path)
    log_all_types(recorder, 700)
    recorder.close()
    (found,) = producers(tmp_path, MODEL)
    for file in (*segment_files(found.path, "predictions"), *segment_files(found.path, "labels")):
        header, data = read_header(file), bytearray(file.path.read_bytes())
        if header.end is None:
            continue  # made ahead, and never used
        n, layout = header.end - header.first, header.layout
        fill_checks(
            memoryview(data), header.header_bytes, layout.slot_bytes, layout.check_at, header.first, n
        )
        for at in (SEAL_AT, header.header_bytes // 2 + SEAL_AT):
            mark = seal_bytes(header.end, n)
            data[at : at + len(mark)] = mark
        file.path.write_bytes(data)
    return found


@pytest.mark.parametrize("stream", ["predictions", "labels"])
@pytest.mark.parametrize("rows_max", [1, 37, 10_000])
def test_rows_of_all_types_are_the_reader_s_to_the_bit(
    folder: ProducerFolder, stream: str, rows_max: int
) -> None:
    """However few rows are taken at a time: values, nulls, ids, times and counts are what the arrays say."""
    shipped = by_parts(folder, stream, rows_max)
    assert shipped == by_arrays(folder, stream)
    assert (len(shipped.rows), shipped.torn) == (700, 0)


def test_rows_of_a_living_producer_are_shipped_up_to_the_last(tmp_path: Path) -> None:
    """While a producer lives its rows go out as they come, and nothing twice."""
    recorder, found = record(tmp_path), Found()
    log_all_types(recorder, 200)
    (folder,) = producers(tmp_path, MODEL)
    reader = StreamReader(folder.path, "predictions")
    for _ in range(3):
        while (part := reader.read(found.next - 1, rows_max=64)) is not None:
            take(found, part)
        assert found == by_arrays(folder)
        log_all_types(recorder, 100)
    assert (found.next, found.torn) == (401, 0)
    recorder.close()


def test_a_segment_without_ids_has_null_ids(tmp_path: Path) -> None:
    """A model that gives no ids has rows whose id is null."""
    with_none = record(tmp_path)
    for i in range(5):
        with_none.log({"a": float(i)}, 1.0)
    with_none.close()
    (folder,) = producers(tmp_path, MODEL)
    assert [row["id"] for row in by_parts(folder).rows.values()] == [None] * 5


def test_vectors_go_out_as_lists(tmp_path: Path) -> None:
    """A field that is a block of numbers is a column of lists of a fixed size, a null one a null."""
    from vedette.capture.format import Header, Layout, null_bit
    from vedette.capture.segment import SegmentPlan, SegmentWriter

    fields = (
        Field(Role.FEATURE, "embedding", Physical.VECTOR32, 3),
        Field(Role.FEATURE, "wide", Physical.VECTOR64, 2),
    )
    layout = Layout(fields)
    header = Header(
        "predictions", 1, 16, layout.slot_bytes, 0, 1.0, MODEL, "1", 1, "h", fields, Settings(), ids=False
    )
    path = tmp_path / "predictions-0000000000000001-abcdef.seg"
    writer = SegmentWriter(SegmentPlan(path, header, layout, text_bytes=4096, mapped=False))
    for values, flags in (
        ([struct.pack("<3f", 1, 2, 3), struct.pack("<2d", 0.1, -0.0)], 1),
        ([layout.nothing(0), struct.pack("<2d", 4, 5)], 1 | 1 << null_bit(0)),
    ):
        sequence, offset, buffer = next(writer.slots)
        widths = [layout.offsets[1] - layout.offsets[0], 16]
        padded = [value.ljust(width, b"\0") for value, width in zip(values, widths, strict=True)]
        writer.store(buffer, offset, sequence, 1.0, 1.0, *layout.words(flags), *padded, b"", sequence)
    writer.finish(3, check=True)
    writer.close()
    reader = StreamReader(tmp_path, "predictions")
    part = reader.read(0)
    assert part is not None
    table = pa.ipc.open_stream(io.BytesIO(columns.body(part, "{}"))).read_all()
    table.validate(full=True)
    assert table.column("embedding").to_pylist() == [[1.0, 2.0, 3.0], None]
    assert table.column("wide").to_pylist() == [[0.1, -0.0], [4.0, 5.0]]


def test_a_clock_that_gives_no_time_is_a_null(tmp_path: Path) -> None:
    """A moment that no timestamp has does not keep its row from going out."""
    seconds = [5.0]
    recorder = record(tmp_path, clock=lambda: seconds[0])
    recorder.log({"a": 1.0}, 1)
    seconds[0] = 1e300
    recorder.log({"a": 2.0}, 1, time=7.0)
    recorder.close()
    (folder,) = producers(tmp_path, MODEL)
    part = StreamReader(folder.path, "predictions").read(0)
    assert part is not None
    table = pa.ipc.open_stream(io.BytesIO(columns.body(part, "{}"))).read_all()
    assert table.column("received").cast(pa.int64()).to_pylist() == [5_000_000, None]
    assert table.column("time").cast(pa.int64()).to_pylist() == [5_000_000, 7_000_000]


def damaged(folder: ProducerFolder, to: Path, rng: random.Random) -> ProducerFolder:
    """A copy of a folder with a few bytes changed, or its files cut off or gone."""
    shutil.copytree(folder.path, to)
    for _ in range(rng.randint(1, 4)):
        path = rng.choice([one for one in to.iterdir() if one.suffix in (".seg", ".txt")] or [to / "lock"])
        size = path.stat().st_size
        match rng.randint(0, 9):
            case 0:
                path.unlink()
            case 1:
                os.truncate(path, rng.randint(0, size))
            case _:
                at = rng.randrange(8192 if path.suffix == ".seg" else 0, size) if size > 8192 else 0
                with path.open("r+b") as file:
                    file.seek(at)
                    file.write(bytes(rng.randrange(256) for _ in range(rng.choice([1, 1, 8, 300]))))
    return ProducerFolder(to)


@pytest.mark.parametrize("seed", range(60))
def test_damage_is_counted_as_the_reader_with_arrays_counts_it(
    folder: ProducerFolder, tmp_path: Path, seed: int
) -> None:
    """Flipped bytes, files cut off and files gone: the same rows are whole, and the others are torn."""
    copy = damaged(folder, tmp_path / "copy", random.Random(seed))
    for stream in ("predictions", "labels"):
        assert by_parts(copy, stream) == by_arrays(copy, stream)


def slot_at(folder: ProducerFolder, sequence: int) -> tuple[Path, int, int]:
    """The file, the offset and the size of a slot."""
    for file in segment_files(folder.path, "predictions"):
        header = read_header(file)
        if header.opened and header.first <= sequence < header.first + header.capacity:
            at = header.header_bytes + (sequence - header.first) * header.slot_bytes
            return file.path, at, header.slot_bytes
    raise AssertionError(sequence)


def put(folder: ProducerFolder, sequence: int, data: bytes | None = None) -> bytes:
    """Put bytes into a slot, zeros by default, and return what was there."""
    path, at, size = slot_at(folder, sequence)
    with path.open("r+b") as file:
        file.seek(at)
        before = file.read(size)
        file.seek(at)
        file.write(bytes(size) if data is None else data)
    return before


class Living:
    """A producer that lives, with a clock of its own, whose slots a test takes away and gives back."""

    def __init__(self, root: Path) -> None:
        self.now = 1_000_000.0
        self.recorder = record(root, clock=lambda: self.now)
        self.log(10)
        (self.folder,) = producers(root, MODEL)
        self.found, self.reader = Found(), StreamReader(self.folder.path, "predictions")

    def log(self, n: int) -> None:
        for _ in range(n):
            self.recorder.log({"a": self.now}, 1.0)

    def ship(self) -> Found:
        while (part := self.reader.read(self.found.next - 1)) is not None:
            take(self.found, part)
        return self.found


@pytest.fixture
def living(tmp_path: Path) -> Any:
    made = Living(tmp_path)
    yield made
    made.recorder.close()


def test_a_slot_that_is_not_written_yet_is_waited_for(living: Living) -> None:
    """Rows behind a slot whose thread is still at it do not go out before it."""
    row = put(living.folder, 4)
    assert living.ship().next == 4
    put(living.folder, 4, row)
    found = living.ship()
    assert (found.next, found.torn, sorted(found.rows)) == (11, 0, list(range(1, 11)))


def test_a_slot_that_stays_empty_is_given_up_after_five_minutes(living: Living) -> None:
    """A slot is torn once rows that are 300 seconds younger follow it, and not before."""
    put(living.folder, 10)
    living.now += 299
    living.log(2)
    assert living.ship().next == 10
    living.now += 302
    living.log(1)
    found = living.ship()
    assert (found.next, found.torn, 10 in found.rows) == (14, 1, False)
    assert found == by_arrays(living.folder)


def test_many_slots_that_stay_empty_are_given_up_together(living: Living) -> None:
    """However many are empty: those followed by much younger rows are torn, the others are waited for."""
    living.log(200)
    for sequence in range(20, 120, 2):
        put(living.folder, sequence)
    living.now += 400
    living.log(5)
    put(living.folder, 213)
    found = living.ship()
    assert (found.next, found.torn) == (213, 50)
    assert found == by_arrays(living.folder)


def test_a_void_slot_does_not_give_up_the_one_before_it(living: Living) -> None:
    """A slot that was given up by its writer has no time, and says nothing of how long another one waits."""
    row = put(living.folder, 4)
    void = bytearray(slot_at(living.folder, 5)[2])
    size = len(void)
    struct.pack_into("<QQdQ", void, 0, 5, 1, 0.0, 4)
    struct.pack_into("<Q", void, size - 8, 5)
    put(living.folder, 5, bytes(void))
    assert living.ship().next == 4
    put(living.folder, 4, row)
    found = living.ship()
    assert (found.next, found.torn) == (11, 0)
    assert found.lost[5][:2] == ("void", "interrupted while it was written")


def test_a_row_that_a_kill_cut_in_two_is_torn(tmp_path: Path, living: Living) -> None:
    """Of a dead producer the last slot counts, written from end to end or not."""
    row = put(living.folder, 10)
    copy = tmp_path / "copy"
    put(living.folder, 10, row[:8] + bytes(len(row) - 8))
    shutil.copytree(living.folder.path, copy)
    dead = ProducerFolder(copy)
    found = by_parts(dead)
    assert (found.next, found.torn, len(found.rows)) == (11, 1, 9)
    assert found == by_arrays(dead)


def test_a_folder_that_is_taken_over_meanwhile_is_read_as_a_living_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that is empty since its new owner is just writing it is not torn."""
    living = Living(tmp_path / "journal")
    living.recorder.close()
    put(living.folder, 7)
    alive = iter([False, True])
    monkeypatch.setattr("vedette.capture.shipping.parts.is_alive", lambda _: next(alive))
    part = living.reader.read(0)
    assert part is not None
    assert (part.end, part.lost) == (7, [])


def test_what_a_dead_owner_did_not_finish_is_torn_at_once(tmp_path: Path) -> None:
    """In a folder that another process has taken over, the slots of the one before it are not waited for."""
    dead = Living(tmp_path / "journal")
    dead.recorder.close()
    put(dead.folder, 7)
    heir = record(tmp_path / "journal")
    heir.log({"a": 1.0}, 1.0)
    found = dead.ship()
    assert (found.next, found.torn, 11 in found.rows) == (12, 1, True)
    assert found == by_arrays(dead.folder)
    heir.close()


def test_a_row_whose_last_zeros_are_cut_off_is_cut_off(tmp_path: Path) -> None:
    """A file that ends within the zeros of a slot's second sequence does not have that slot, for either reader."""
    seconds = itertools.count(1_000_000)
    recorder = record(tmp_path, clock=lambda: float(next(seconds)))
    for i in range(30):
        recorder.log({"a": float(i)}, 1.0)
    recorder.close()
    (folder,) = producers(tmp_path, MODEL)
    path, at, size = slot_at(folder, 23)
    os.truncate(path, at + size - 5)
    found = by_parts(folder, rows_max=2)
    assert found == by_arrays(folder)
    assert (len(found.rows), found.lost[23][1], found.next) == (22, "cut off the segment", 31)


def test_what_is_in_another_s_hands_is_no_row(tmp_path: Path) -> None:
    """A folder whose lock is held and that has nothing is nothing to ship."""
    folder = tmp_path / "0001-00000000"
    folder.mkdir()
    lock = take_lock(folder)
    assert lock is not None
    assert StreamReader(folder, "predictions").read(0) is None
    os.close(lock)


def test_a_part_has_about_as_many_bytes_as_are_asked_for(tmp_path: Path) -> None:
    """Long texts make fewer rows of a part; a row that is longer than all comes alone."""
    recorder = record(tmp_path, segment_bytes=4 * 2**20)
    for i in range(40):
        recorder.log({"text": chr(97 + i % 26) * 20_000 + str(i)}, 1.0)
    recorder.close()
    (folder,) = producers(tmp_path, MODEL)
    reader, after, sizes = StreamReader(folder.path, "predictions"), 0, []
    while (part := reader.read(after, bytes_max=100_000)) is not None:
        sizes.append(part.n_bytes)
        after = part.end - 1
    assert max(sizes) <= 100_000
    assert len(sizes) <= 20
    whole = StreamReader(folder.path, "predictions").read(0, bytes_max=10)
    assert whole is not None
    assert whole.n_rows == 1
