"""Damage to a journal's files: what is whole is read, what is not is counted, nothing is read wrong (faults 28 to 31)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.journals import MODEL, read, record
from vedette.capture import ProducerFolder, Recorder, producers
from vedette.capture.folder import read_header, segment_files
from vedette.capture.format import SEAL_AT, Header
from vedette.errors import JournalError

N = 5


def written(root: Path) -> tuple[ProducerFolder, Path, Header]:
    """A dead producer's folder with a few rows of a number, a text and an id; its segment and the header of that."""
    made = record(root)
    for i in range(N):
        made.log({"a": float(i), "b": f"text {i}"}, id=f"id{i}")
    made.close()
    (folder,) = producers(root, MODEL)
    (file,) = segment_files(folder.path, "predictions")
    return folder, file.path, read_header(file)


def found(folder: ProducerFolder) -> tuple[list[int], int]:
    """Which rows are read, each compared with what was written, and how many count as torn."""
    rows, torn = [], 0
    for chunk in ProducerFolder(folder.path).read("predictions", 0):
        a, b = (values for one, (values, _) in chunk.columns.items() if one.name in "ab")
        for i, text, name in zip(a.tolist(), b.tolist(), chunk.ids.tolist(), strict=True):
            assert (text, name) == (f"text {int(i)}", f"id{int(i)}")
            rows.append(int(i))
        torn += chunk.torn
    return rows, torn


def without(*gone: int) -> tuple[list[int], int]:
    """What is found where these rows are gone."""
    return [i for i in range(N) if i not in gone], len(gone)


def test_every_prefix_of_a_file_of_texts(tmp_path: Path) -> None:
    """Cut anywhere, the texts that are whole have their rows, and the other rows are torn; the folder says so."""
    folder, segment, _ = written(tmp_path)
    texts = segment.with_suffix(".txt")
    data = texts.read_bytes()
    frames = [data.index(f"text {i}".encode()) + len(f"text {i}") for i in range(N)]
    for size in range(len(data)):
        texts.write_bytes(data[:size])
        assert found(folder) == without(*(i for i in range(N) if frames[i] > size)), size


def test_every_prefix_of_a_segment(tmp_path: Path) -> None:
    """Cut at any byte behind its header, a segment gives its whole rows, and the rest is torn."""
    folder, segment, header = written(tmp_path)
    data = segment.read_bytes()
    for size in range(header.header_bytes, len(data)):
        segment.write_bytes(data[:size])
        n = (size - header.header_bytes) // header.slot_bytes
        assert found(folder) == without(*range(n, N)), size


def test_every_flipped_bit_of_a_row_is_seen(tmp_path: Path) -> None:
    """Each bit of each byte of the rows, flipped: that row is torn, and those before it and after it are read."""
    folder, segment, header = written(tmp_path)
    data = bytearray(segment.read_bytes())
    for at in range(header.header_bytes, header.header_bytes + N * header.slot_bytes):
        row = (at - header.header_bytes) // header.slot_bytes
        for bit in range(8):
            data[at] ^= 1 << bit
            segment.write_bytes(data)
            data[at] ^= 1 << bit
            assert found(folder) == without(row), (at, bit)


@pytest.mark.parametrize("copy", [0, 1], ids=["first", "second"])
def test_every_flipped_bit_of_a_header_costs_nothing(tmp_path: Path, copy: int) -> None:
    """Each bit of the words of either copy of the header, and one of each byte of its text: all rows are read."""
    folder, segment, header = written(tmp_path)
    data, start = bytearray(segment.read_bytes()), copy * header.header_bytes // 2
    chance = random.Random(0)
    for offset in range(700):
        for bit in range(8) if offset < 128 else (chance.randrange(8),):
            at = start + offset
            data[at] ^= 1 << bit
            segment.write_bytes(data)
            data[at] ^= 1 << bit
            assert found(folder) == without(), (offset, bit)


def test_every_flipped_bit_of_a_text_is_seen(tmp_path: Path) -> None:
    """Each bit of the texts, flipped: the row that has it is torn, the others are read; in the file's head, all are."""
    folder, segment, _ = written(tmp_path)
    texts = segment.with_suffix(".txt")
    data = bytearray(texts.read_bytes())
    ends = [data.index(f"text {i}".encode()) + len(f"text {i}") for i in range(N)]
    for at in range(ends[-1]):
        gone = range(N) if at < 16 else [next(i for i in range(N) if at < ends[i])]
        for bit in range(8):
            data[at] ^= 1 << bit
            texts.write_bytes(data)
            data[at] ^= 1 << bit
            assert found(folder) == without(*gone), (at, bit)


def test_every_flipped_bit_of_a_batch_is_seen(tmp_path: Path) -> None:
    """Each bit of a batch's file, flipped: it is refused, and never taken for what was written."""
    made = record(tmp_path)
    made.write_batch("predictions", 3, lambda path: path.write_bytes(bytes(range(256))) and None)
    made.close()
    (batch,) = producers(tmp_path, MODEL)[0].batches(0)
    data = bytearray(batch.path.read_bytes())
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            batch.path.write_bytes(data)
            data[at] ^= 1 << bit
            with pytest.raises(JournalError, match="checksum"):
                batch.read()


def test_a_lost_row_is_known_by_its_number(tmp_path: Path) -> None:
    """Where rows are lost the numbers of those that are left say how many, and which."""
    folder, segment, header = written(tmp_path)
    data = bytearray(segment.read_bytes())
    at = header.header_bytes + 2 * header.slot_bytes
    data[at : at + header.slot_bytes] = bytes(header.slot_bytes)
    segment.write_bytes(data)
    (chunk,) = folder.read("predictions", 0)
    assert (chunk.sequence.tolist(), chunk.torn, chunk.next) == ([1, 2, 4, 5], 1, N + 1)


def unsealed(segment: Path, header: Header, data: bytes) -> None:
    """Write the segment as a process that was killed leaves it: open, with room behind its rows."""
    opened = bytearray(data + bytes(20 * header.slot_bytes))
    for half in (0, header.header_bytes // 2):
        opened[half + SEAL_AT : half + SEAL_AT + 32] = bytes(32)
    segment.write_bytes(opened)


@pytest.mark.parametrize("tail", ["zeros", "ones", "older rows", "another file", "text"])
def test_what_a_power_loss_leaves_behind_the_rows(tmp_path: Path, tail: str) -> None:
    """Zeros, ones, or what the disk's blocks held before, behind the rows of an open segment: it ends where its rows do."""
    folder, segment, header = written(tmp_path)
    data = segment.read_bytes()
    rows = data[header.header_bytes : header.header_bytes + N * header.slot_bytes]
    rest = {
        "zeros": bytes(8192),
        "ones": b"\xff" * 8192,
        "older rows": rows * 4,
        "another file": data,
        "text": b"A line of somebody's text.\n" * 300,
    }[tail]
    end = header.header_bytes + N * header.slot_bytes
    unsealed(segment, header, data)
    opened = bytearray(segment.read_bytes())
    room = len(opened) - end
    opened[end:] = rest[:room].ljust(room, b"\0")
    segment.write_bytes(opened)
    assert found(folder) == without()
    made = record(tmp_path)
    made.log({"a": 5.0, "b": "text 5"}, id="id5")
    made.close()
    assert [row["a"] for row in read(tmp_path).rows] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("n_zeros", [0, 1, 100, 4096, 65_536])
def test_a_file_of_zeros_is_an_end_and_no_loop(tmp_path: Path, n_zeros: int) -> None:
    """A segment, texts or counters that are empty, or zeros from end to end: named, counted, and soon over."""
    for name in ("predictions-*.seg", "predictions-*.txt", "counters"):
        root = tmp_path / name[:3] / name[-3:]
        folder, segment, _ = written(root)
        (path,) = folder.path.glob(name)
        path.write_bytes(bytes(n_zeros))
        rows, _ = found(folder)
        back = read(root)
        assert rows == (list(range(N)) if name == "counters" else [])
        assert (len(back.problems) >= 1, back.dropped, back.rejected) == (True, 0, {})
        made = record(root)
        made.log({"a": 1.0, "b": "text 1"}, id="id1")
        made.close()
        assert "id1" in read(root).ids
        assert segment.exists()


def test_a_page_that_was_lost_from_a_wide_row_is_seen(tmp_path: Path) -> None:
    """A row wider than a page whose middle never reached the disk, while its ends did, is torn and not read as zeros."""
    made = record(tmp_path, segment_bytes=2**18)
    for i in range(3):
        made.log({f"f{n}": float(i + 1) for n in range(1500)})
    made.close()
    (folder,) = producers(tmp_path, MODEL)
    (file,) = segment_files(folder.path, "predictions")
    header = read_header(file)
    data = bytearray(file.path.read_bytes())
    page = -(-(header.header_bytes + header.slot_bytes + 8) // 4096) * 4096
    assert page + 4096 < header.header_bytes + 2 * header.slot_bytes - 16
    data[page : page + 4096] = bytes(4096)
    file.path.write_bytes(data)
    (chunk,) = folder.read("predictions", 0)
    assert (chunk.sequence.tolist(), chunk.torn) == ([1, 3], 1)


def test_somebody_elses_segment_under_our_name(tmp_path: Path) -> None:
    """A segment copied from another model or another place of the journal is not read as this one's rows."""
    folder, segment, _ = written(tmp_path / "one")
    made = record(tmp_path / "two")
    made.label("x", 1)
    made.close()
    (labels,) = (tmp_path / "two").rglob("labels-*.seg")
    shutil.copy(labels, segment)
    assert found(folder)[0] == []
    assert len(read(tmp_path / "one").problems) == 1


def test_a_folder_that_was_only_begun_is_no_problem(tmp_path: Path) -> None:
    """A process that is killed while it makes its folder leaves one with a lock and no counters: nothing was lost."""
    begun = tmp_path / MODEL / "0001-0123abcd"
    begun.mkdir(parents=True)
    (begun / "lock").write_bytes(b"")
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.close()
    back = read(tmp_path)
    assert (len(back.rows), back.problems, len(producers(tmp_path, MODEL))) == (1, [], 2)


def test_a_folder_that_is_taken_over_while_it_is_read_loses_nothing(tmp_path: Path) -> None:
    """A process that adopts the folder, just after a reader has found its owner dead, has its unwritten rows waited for."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.close()
    successors: list[Recorder] = []

    class Raced(ProducerFolder):
        @property
        def alive(self) -> bool:
            found = super().alive
            if not successors:  # now another process begins: one row written, one slot taken, one row written
                successors.append(record(tmp_path))
                successors[0].log({"a": 2.0})
                segment = successors[0]._predictions.segment
                assert segment is not None
                next(segment.slots)
                successors[0].log({"a": 4.0})
            return found

    folder = Raced(producers(tmp_path, MODEL)[0].path)
    chunks = list(folder.read("predictions", 0))
    successors[0].close()
    assert (sum(chunk.torn for chunk in chunks), chunks[-1].next <= 3) == (0, True)
