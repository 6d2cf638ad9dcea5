"""The reader takes what is whole, counts what is not, and says what it could not read; nothing is silently wrong."""

from __future__ import annotations

import os
import random
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.journals import MODEL, Read, read, record
from vedette.capture import ProducerFolder, Recorder, models, producers, sync
from vedette.capture import counters as counters_module
from vedette.capture.folder import segment_files, unopened
from vedette.records import Settings

N = 12


def written(root: Path, n: int = N, **options: int) -> Path:
    """A journal of one dead producer with n rows of a number and a text; the path of its segment."""
    made = record(root, **options)
    for i in range(n):
        made.log({"a": float(i), "b": f"text {i}"}, id=f"id{i}")
    made.close()
    (segment,) = root.rglob("predictions-*.seg")
    return segment


def first_of(path: Path) -> int:
    """The first sequence of a segment, by its name."""
    return int(path.stem.split("-")[1])


def whole(back: Read) -> bool:
    """True where every row that was read is as it was written."""
    return all(
        (name, row["b"]) == (f"id{int(row['a'])}", f"text {int(row['a'])}")
        for name, row in zip(back.ids, back.rows, strict=True)
    )


def crc32c_by_the_book(data: bytes) -> int:
    """Bit by bit, as RFC 3720 defines it."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_the_bytes_are_as_documented(tmp_path: Path) -> None:
    """A segment taken apart by the offsets that docs/journal.md names, and nothing else."""
    made = record(tmp_path, clock=lambda: 1.8e9)
    made.log({"a": 1.5, "b": "x"}, 7, id="é", time=1.7e9)
    made.log({"a": None}, 8, id="y" * 40, time=1.7e9)
    made.close()
    (path,) = tmp_path.rglob("predictions-0000000000000001-*.seg")
    data, texts = path.read_bytes(), path.with_suffix(".txt").read_bytes()
    magic, form, header, slot, zero, capacity, first, created = struct.unpack_from("<8sIIIIQQd", data, 0)
    stream, length, crc = struct.unpack_from("<III", data, 48)
    opened, end, not_end, checked, not_checked = struct.unpack_from("<QQQQQ", data, 64)
    assert (magic, form, zero, first, created, stream) == (b"VEDETTE1", 2, 0, 1, 1.8e9, 1)
    assert (header % 8192, slot, capacity) == (0, 24 + 8 + 3 * 8 + 40 + 8 + 8, 65_536 // slot)
    assert (opened, end, not_end, checked, not_checked) == (2**64 - 1, 3, 2**64 - 1 - 3, 2, 2**64 - 1 - 2)
    assert crc == crc32c_by_the_book(data[:56] + bytes(8) + data[128 : 128 + length])
    assert data[header // 2 : header] == data[: header // 2]
    one, two = data[header : header + slot], data[header + slot : header + 2 * slot]
    assert struct.unpack("<QddQdQqB39s8xQ", one) == (
        1,
        1.7e9,
        1.8e9,
        0,
        1.5,
        16,
        7,
        2,
        "é".encode().ljust(39, b"\0"),
        1,
    )
    flags = 2 | 1 << 4 | 3 << 6  # a long id; the first field null; the second null and not given
    for row in (one, two):
        crc, complement = struct.unpack_from("<II", row, slot - 16)
        assert (crc, complement) == (crc32c_by_the_book(row[:-16]), crc ^ 0xFFFFFFFF)
    assert struct.unpack("<QddQdQqBQ39xQ", two) == (2, 1.7e9, 1.8e9, flags, 0.0, 0, 8, 8, 16 + 9 + 1, 2)
    assert texts[:16] == b"VEDETTET" + struct.pack("<Q", 1)
    assert struct.unpack_from("<IIB", texts, 16) == (1, crc32c_by_the_book(b"x"), 1)
    assert texts[26 + 9 : 26 + 9 + 40] == b"y" * 40


def test_every_prefix_of_a_segment_is_read_to_its_last_whole_row(tmp_path: Path) -> None:
    """Cut anywhere, a segment gives its whole rows, and the rest is counted as torn."""
    segment = written(tmp_path)
    data = segment.read_bytes()
    header, slot = struct.unpack_from("<II", data, 12)
    end = header + N * slot
    for size in [*range(0, header, 509), *range(header, end + 1, 3)]:
        segment.write_bytes(data[:size])
        back = read(tmp_path)
        expected = max(0, (size - header) // slot)
        assert (len(back.rows), whole(back)) == (expected, True), size
        assert back.torn == (N - expected if size >= header // 2 + 600 else back.torn), size


def test_a_row_cut_in_two_by_a_kill_is_torn(tmp_path: Path) -> None:
    """An unsealed segment ends after the last slot that was begun; a begun one is torn, later ones are whole."""
    made = record(tmp_path)
    for i in range(N):
        made.log({"a": float(i), "b": f"text {i}"}, id=f"id{i}")
    (segment,) = tmp_path.rglob("predictions-*.seg")
    data = bytearray(segment.read_bytes())
    made.close()
    header, slot = struct.unpack_from("<II", data, 12)
    data[header + 5 * slot - 8 : header + 5 * slot] = bytes(8)  # the fifth lacks its second sequence
    data[header + N * slot - 8 : header + N * slot] = bytes(8)  # and so does the last
    segment.write_bytes(data)
    back = read(tmp_path)
    assert ([row["_sequence"] for row in back.rows], back.torn) == ([1, 2, 3, 4, 6, 7, 8, 9, 10, 11], 2)


@pytest.mark.parametrize("tail", [bytes(4096), b"\xff" * 4096, "old"], ids=["zeros", "ones", "old"])
def test_what_lies_behind_the_rows_is_not_read(tmp_path: Path, tail: bytes | str) -> None:
    """Zeros, rubbish or older slots in the place of rows that a power loss took are not rows."""
    segment = written(tmp_path)
    data = segment.read_bytes()
    header, slot = struct.unpack_from("<II", data, 12)
    old = data[header : header + 6 * slot]
    rest = old if isinstance(tail, str) else tail[: 6 * slot].ljust(6 * slot, tail[:1])
    segment.write_bytes(data[: header + 6 * slot] + rest + data[header + 12 * slot :])
    back = read(tmp_path)
    assert ([row["_sequence"] for row in back.rows], back.torn, whole(back)) == ([1, 2, 3, 4, 5, 6], 6, True)


def test_a_flipped_bit_never_makes_a_wrong_row(tmp_path: Path) -> None:
    """A bit flipped anywhere costs at most the row it lies in; in the header it costs nothing."""
    segment = written(tmp_path)
    data = bytearray(segment.read_bytes())
    header, slot = struct.unpack_from("<II", data, 12)
    chance = random.Random(0)
    for at in [*range(700), *range(header // 2, header // 2 + 64), *range(header, header + N * slot)]:
        bit = 1 << chance.randrange(8)
        data[at] ^= bit
        segment.write_bytes(data)
        data[at] ^= bit
        back = read(tmp_path)
        lost = 0 if at < header else 1
        assert (len(back.rows), back.torn, whole(back)) == (N - lost, lost, True), at


def test_a_flipped_bit_in_a_text_costs_its_row(tmp_path: Path) -> None:
    """Texts have checksums of their own: the row that refers to a damaged one is torn, and the folder says so."""
    segment = written(tmp_path)
    path = segment.with_suffix(".txt")
    data = bytearray(path.read_bytes())
    for at in range(len(data)):
        data[at] ^= 16
        path.write_bytes(data)
        data[at] ^= 16
        back = read(tmp_path)
        lost = N if at < 16 else 1
        assert (len(back.rows), back.torn, whole(back), len(back.problems)) == (N - lost, lost, True, 1), at


def test_a_lost_text_file_costs_the_rows_with_texts(tmp_path: Path) -> None:
    """Without the texts their rows are torn, and the rows without any are read."""
    made = record(tmp_path)
    made.log({"a": "x"})
    made.log({"a": None})
    made.close()
    next(tmp_path.rglob("*.txt")).unlink()
    back = read(tmp_path)
    assert (len(back.rows), back.torn, len(back.problems)) == (1, 1, 1)


def test_a_damaged_id_of_an_unchecked_row_costs_it(tmp_path: Path) -> None:
    """Where no check word was taken yet, an id that is no UTF-8, or too long, shows the damage."""
    segment = written(tmp_path)
    data = bytearray(segment.read_bytes())
    header, slot = struct.unpack_from("<II", data, 12)
    for at in (88, header // 2 + 88):
        data[at : at + 16] = struct.pack("<QQ", 0, 2**64 - 1)
    for row in range(N):
        data[header + (row + 1) * slot - 16 : header + (row + 1) * slot - 8] = bytes(8)
    data[header + 48] = 77  # the first row's length
    data[header + slot + 49] = 0xFF  # the second row's first byte
    segment.write_bytes(data)
    back = read(tmp_path)
    assert ([row["_sequence"] for row in back.rows][:2], back.torn, len(back.problems)) == ([3, 4], 2, 1)


def test_a_missing_check_word_is_damage_once_all_are_there(tmp_path: Path) -> None:
    """A sealed segment says that its rows are checked: a word that has become zero costs the row."""
    segment = written(tmp_path)
    data = bytearray(segment.read_bytes())
    header, slot = struct.unpack_from("<II", data, 12)
    data[header + 3 * slot - 16 : header + 3 * slot - 8] = bytes(8)
    segment.write_bytes(data)
    back = read(tmp_path)
    assert ([row["_sequence"] for row in back.rows][:3], back.torn) == ([1, 2, 4], 1)


def test_a_segment_with_both_headers_damaged_is_reported_and_counted(tmp_path: Path) -> None:
    """What cannot be read is named with the reason; the rows that were in it are torn, the others are read."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(200):
        made.log({"a": float(i)})
    made.close()
    middle = sorted(tmp_path.rglob("predictions-*.seg"))[1]
    data = bytearray(middle.read_bytes())
    header, slot, capacity = *struct.unpack_from("<II", data, 12), struct.unpack_from("<Q", data, 24)[0]
    data[40] ^= 1
    data[header // 2 + 40] ^= 1
    middle.write_bytes(data)
    back = read(tmp_path)
    assert (len(back.rows), back.torn) == (200 - capacity, capacity)
    assert back.problems == [f"{middle.name}: the header's checksum does not match: the header is damaged"]
    assert slot % 8 == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "shorter than a header"),
        (bytes(8192), "not a segment"),
        (b"PK\x03\x04" * 4096, "not a segment"),
        (
            struct.pack("<8sI", b"VEDETTE1", 3).ljust(8192, b"\0"),
            "format 3: this version of vedette reads format 2",
        ),
    ],
    ids=["empty", "zeros", "foreign", "newer"],
)
def test_a_file_that_is_no_segment_is_reported(tmp_path: Path, content: bytes, problem: str) -> None:
    """A foreign file under a segment's name is left alone and named; the rows beside it are read."""
    segment = written(tmp_path)
    foreign = segment.with_name("predictions-0000000000009999-00ff00.seg")
    foreign.write_bytes(content)
    back = read(tmp_path)
    assert (len(back.rows), back.torn) == (N, 0)
    assert [foreign.name in line and problem in line for line in back.problems] == [True]
    assert foreign.exists()


def test_other_files_are_none_of_our_business(tmp_path: Path) -> None:
    """Names that are not ours are neither read nor reported nor deleted."""
    segment = written(tmp_path)
    for name in ("notes.txt", "predictions-1.seg", "batch-1.arrow", "predictions-0000000000000001.seg.bak"):
        segment.with_name(name).write_bytes(b"mine")
    (segment.parent.parent / "0001-xyz").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (folder,) = producers(tmp_path, MODEL)
    folder.free("predictions", N)
    folder.free_batches(10**6)
    assert (read(tmp_path).problems, models(tmp_path)) == ([], [MODEL])
    assert sorted(path.name for path in segment.parent.iterdir()) == sorted(
        [
            "notes.txt",
            "predictions-1.seg",
            "batch-1.arrow",
            "predictions-0000000000000001.seg.bak",
            "counters",
            "lock",
        ]
    )


def test_where_there_is_no_journal_there_is_nothing(tmp_path: Path) -> None:
    """A missing folder, or a file in its place, has no producers and no models."""
    (tmp_path / "file").write_bytes(b"")
    assert [producers(tmp_path / name, MODEL) for name in ("none", "file")] == [[], []]
    assert [models(tmp_path / name) for name in ("none", "file")] == [[], []]


def test_reading_stops_before_a_row_that_is_being_written(tmp_path: Path) -> None:
    """While the producer lives, an empty slot may still be filled: rows behind it wait, so that none is overtaken."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    segment = made._predictions.segment
    assert segment is not None
    sequence, offset, buffer = next(segment.slots)
    made.log({"a": 3.0})
    before = read(tmp_path)
    segment.store(buffer, offset, sequence, 0.0, 0.0, 1, 2.0, b"", sequence)
    after = read(tmp_path)
    made.close()
    assert (before.column["a"], after.column["a"], before.torn) == ([1.0], [1.0, 2.0, 3.0], 0)


def test_a_row_that_never_comes_is_given_up(tmp_path: Path) -> None:
    """An empty slot that rows five minutes younger follow is torn, so that one lost thread does not stop the journal."""
    now = 1.8e9
    made = record(tmp_path, clock=lambda: now)
    made.log({"a": 1.0})
    segment = made._predictions.segment
    assert segment is not None
    next(segment.slots)
    made.log({"a": 3.0})
    now += 299.0
    made.log({"a": 4.0})
    waiting = len(read(tmp_path).rows)
    now += 2.0
    made.log({"a": 5.0})
    back = read(tmp_path)
    made.close()
    assert (waiting, back.column["a"], back.torn) == (1, [1.0, 3.0, 4.0, 5.0], 1)


def test_a_void_slot_says_nothing_of_time(tmp_path: Path) -> None:
    """A void slot has no time of receipt: a slot before it that is being written is waited for all the same."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    segment = made._predictions.segment
    assert segment is not None
    waiting, void = next(segment.slots), next(segment.slots)
    segment.void(void[2], void[1], void[0], 1)
    made.log({"a": 4.0})
    before = read(tmp_path)
    sequence, offset, buffer = waiting
    segment.store(buffer, offset, sequence, 1.8e9, 1.8e9, 1, 2.0, b"", sequence)
    after = read(tmp_path)
    made.close()
    assert (before.column["a"], after.column["a"]) == ([1.0], [1.0, 2.0, 4.0])
    assert (before.torn, after.torn, sum(after.void.values())) == (0, 0, 1)


def test_what_a_dead_process_left_unwritten_is_torn(tmp_path: Path) -> None:
    """Once the lock is free nobody will fill the slot."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    assert made._predictions.segment is not None
    next(made._predictions.segment.slots)
    made.log({"a": 3.0})
    made.close()
    back = read(tmp_path)
    assert (back.column["a"], back.torn) == ([1.0, 3.0], 1)


def test_reading_bit_by_bit_gives_the_same(tmp_path: Path) -> None:
    """Taking up reading anywhere gives the rows from there on, over segments and types."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(300):
        made.log({"a": float(i) if i < 250 else "x"}, id=str(i))
    made.close()
    (folder,) = producers(tmp_path, MODEL)
    for after in (0, 1, 17, 100, 249, 250, 251, 299, 300, 10**6):
        ids = [name for chunk in folder.read("predictions", after) for name in chunk.ids]
        assert ids == [str(i) for i in range(after, 300)], after


def test_a_chunk_holds_arrays(tmp_path: Path) -> None:
    """Columns are arrays of their type, with masks, made for bulk work."""
    made = record(tmp_path)
    made.log({"f": 1.5, "i": 1, "u": 2**63, "b": True, "t": "x", "y": b"x"}, id="a")
    made.log({"f": None, "i": None, "u": None, "b": None, "t": None, "y": None})
    made.close()
    (chunk,) = producers(tmp_path, MODEL)[0].read("predictions", 0)
    kinds = {field.name: values.dtype.kind for field, (values, _) in chunk.columns.items()}
    assert kinds == {"f": "f", "i": "i", "u": "u", "b": "b", "t": "O", "y": "O"}
    assert all(present.tolist() == [True, False] for _, present in chunk.columns.values())
    assert (chunk.sequence.dtype, chunk.time.dtype) == (np.dtype("i8"), np.dtype("f8"))


def test_sequences_go_on_over_processes(tmp_path: Path) -> None:
    """The next recorder takes the folder of the last one over and counts on, whatever was freed between them."""
    names = set()
    for start in (0, 3, 6):
        made = record(tmp_path)
        for i in range(3):
            made.log({"a": float(start + i)})
            made.label("x", start + i)
        made.write_batch("predictions", 1, lambda path: path.write_bytes(b"x"))
        names.add(made.producer)
        made.close()
        (folder,) = producers(tmp_path, MODEL)
        seen = read(tmp_path, folders=[folder])
        assert [row["_sequence"] for row in seen.rows][-3:] == [start + 1, start + 2, start + 3]
        if start == 3:
            assert (folder.free("predictions", 6), folder.free("labels", 5)) == (2, 1)
            assert folder.free_batches(2) == 2
    assert (len(names), folder.highest("predictions"), folder.highest("labels")) == (1, 9, 9)
    assert [batch.number for batch in folder.batches(0)] == [3]


def test_two_recorders_have_folders_of_their_own(tmp_path: Path) -> None:
    """A folder belongs to one recorder at a time, even within one process."""
    one, two = record(tmp_path), record(tmp_path)
    one.log({"a": 1.0})
    two.log({"a": 2.0})
    alive = [folder.alive for folder in producers(tmp_path, MODEL)]
    one.close()
    two.close()
    assert (alive, [folder.alive for folder in producers(tmp_path, MODEL)]) == ([True, True], [False, False])
    assert sorted(read(tmp_path).column["a"]) == [1.0, 2.0]


def test_only_what_was_read_is_freed(tmp_path: Path) -> None:
    """A segment goes once all its rows have been taken, the living producer's open one not at all."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(200):
        made.log({"a": float(i)})
    (folder,) = producers(tmp_path, MODEL)
    firsts = [file.first for file in segment_files(folder.path, "predictions") if not unopened(file)]
    assert folder.free("predictions", firsts[2] - 2) == 1
    assert folder.free("predictions", 10**6) == len(firsts) - 2
    left = [file.first for file in segment_files(folder.path, "predictions") if not unopened(file)]
    made.log({"a": 100.0})
    made.close()
    assert (left, read(tmp_path, folders=[folder]).problems) == (firsts[-1:], [])


def test_rows_deleted_by_hand_are_torn(tmp_path: Path) -> None:
    """A segment that is gone leaves a gap in the sequences, and the gap is counted."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(100):
        made.log({"a": float(i)})
    made.close()
    first, second = sorted(tmp_path.rglob("*.seg"))[:2]
    n = first_of(second) - first_of(first)
    first.unlink()
    back = read(tmp_path)
    assert (len(back.rows), back.torn) == (100 - n, n)


@pytest.mark.parametrize("damage", [b"", b"rubbish", None], ids=["empty", "rubbish", "gone"])
def test_a_folder_with_damaged_counters_is_not_taken_over(tmp_path: Path, damage: bytes | None) -> None:
    """Where sequences could be used twice a new folder is made; the old one's rows are still read."""
    segment = written(tmp_path)
    counters = segment.with_name("counters")
    counters.unlink() if damage is None else counters.write_bytes(damage)
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.close()
    back = read(tmp_path)
    assert (len(producers(tmp_path, MODEL)), len(back.rows), len(back.problems)) == (2, N + 1, 1)


def test_a_lost_last_segment_never_gives_a_sequence_twice(tmp_path: Path) -> None:
    """If the segments of a killed process are gone, its successor starts beyond all it may have handed out."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    copy = tmp_path.with_name(f"{tmp_path.name}-killed")
    shutil.copytree(tmp_path, copy)  # as a kill would leave it: unsealed, the lock free
    made.close()
    for path in copy.rglob("*.seg"):
        path.unlink()
    successor = record(copy)
    successor.log({"a": 2.0})
    position = successor.position()["predictions"]
    successor.close()
    assert position > 65_536 // 200


def test_a_folder_left_by_a_kill_is_not_trusted_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power loss may have taken the newest numbers: only a folder that was closed is taken over after one."""
    clean, killed = tmp_path / "clean", tmp_path / "killed"
    made = record(clean)
    made.log({"a": 1.0})
    shutil.copytree(clean, killed)
    made.close()
    monkeypatch.setattr(counters_module, "boot_id", lambda: "another")
    for root in (clean, killed):
        made = record(root)
        made.log({"a": 2.0})
        made.close()
    assert [len(producers(root, MODEL)) for root in (clean, killed)] == [1, 2]
    assert sorted(read(killed).column["a"]) == [1.0, 2.0]


def test_a_dead_producer_is_emptied_without_a_successor(tmp_path: Path) -> None:
    """The reader frees all that a killed process left, and the number of its last row is not forgotten."""
    live, killed = tmp_path / "live", tmp_path / "killed"
    made = record(live)
    for _ in range(5):
        made.log({"a": "x"})
    shutil.copytree(live, killed)
    made.close()
    (folder,) = producers(killed, MODEL)
    assert (folder.free("predictions", 4), folder.free("predictions", 5), folder.highest("predictions")) == (
        0,
        1,
        5,
    )
    assert not list(killed.rglob("predictions-*"))


def test_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    """Folders are 0700 and files 0600: rows may be personal data."""
    made = record(tmp_path)
    made.log({"a": "x"})
    made.write_batch("labels", 1, lambda path: path.write_bytes(b"x"))
    made.close()
    below = list((tmp_path / MODEL).rglob("*"))
    assert {oct(path.stat().st_mode & 0o777) for path in below if path.is_file()} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in [*below, tmp_path / MODEL] if path.is_dir()} == {
        "0o700"
    }


def test_a_symbolic_link_in_the_journal_is_not_followed(tmp_path: Path) -> None:
    """A link in the place of a model's folder or of a producer's is not written through."""
    target = tmp_path / "target"
    target.mkdir()
    root = tmp_path / "journal"
    root.mkdir()
    (root / MODEL).symlink_to(target)
    made = record(root)
    made.log({"a": 1.0})
    made.close()
    assert list(target.iterdir()) == []


def test_syncing_puts_files_and_folders_on_disk(tmp_path: Path) -> None:
    """``sync`` takes files and folders, and says where it cannot."""
    segment = written(tmp_path)
    sync(segment, segment.parent)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "none")


def test_without_maps_the_same_bytes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system where a mapped store could kill the process, rows are written by calls, to the same bytes."""
    contents = []
    for mapped in (True, False):
        monkeypatch.setattr("vedette.capture.producer.can_be_mapped", lambda folder, mapped=mapped: mapped)
        root = tmp_path / str(mapped)
        made = record(root, clock=lambda: 1.8e9)
        for i in range(900):
            made.log({"a": float(i), "b": f"text {i % 7}"}, 1, id=f"id{i}")
        made.close()
        contents.append(
            {path.name[:28] + path.suffix: path.read_bytes() for path in root.rglob("predictions-*")}
        )
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_reading_while_rows_are_written_sees_whole_rows_in_order(tmp_path: Path) -> None:
    """A reader beside the writer takes every row once, in order, and none is torn."""
    import threading

    made = record(tmp_path, segment_bytes=32_768)
    made.log({"a": 0.0, "b": "text 0"}, id="id0")

    def work() -> None:
        for i in range(1, 8000):
            made.log({"a": float(i), "b": f"text {i}"}, id=f"id{i}")

    thread = threading.Thread(target=work)
    thread.start()
    (folder,) = producers(tmp_path, MODEL)
    ids: list[str | None] = []
    after = torn = 0
    while thread.is_alive() or after < 8000:
        for chunk in folder.read("predictions", after):
            ids += chunk.ids.tolist()
            after, torn = chunk.next - 1, torn + chunk.torn
        folder.free("predictions", after)
    thread.join()
    made.close()
    assert (ids == [f"id{i}" for i in range(8000)], torn) == (True, 0)


def test_counters_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    """A damaged file of counters is a problem that is named, not an exception."""
    segment = written(tmp_path)
    segment.with_name("counters").write_bytes(b"x" * 65_536)
    folder = ProducerFolder(segment.parent)
    assert (folder.counters("labels").dropped, len(folder.problems)) == (0, 1)


def test_a_recorder_that_is_forgotten_closes(tmp_path: Path) -> None:
    """A recorder without references seals its segment and lets the folder go."""
    import gc

    made: Recorder | None = Recorder(tmp_path, MODEL, "1", Settings())
    assert made is not None
    made.log({"a": 1.0})
    made = None
    gc.collect()
    assert [folder.alive for folder in producers(tmp_path, MODEL)] == [False]


def test_no_descriptor_leaks(tmp_path: Path) -> None:
    """Rolling, closing, adopting and reading leave no open file behind."""
    n = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        made = record(tmp_path, segment_bytes=4096)
        for i in range(200):
            made.log({"a": f"x{i}"})
        made.close()
        read(tmp_path)
    del made
    assert len(os.listdir("/proc/self/fd")) <= n + 1


def test_slots_have_room_for_ids_from_the_first_id_on(tmp_path: Path) -> None:
    """Rows without ids lie in smaller slots; the first id begins a segment that has room, and nothing is lost."""
    made = record(tmp_path)
    for i in range(5):
        made.log({"a": float(i)})
    made.log({"a": 5.0}, id="x")
    made.log({"a": 6.0})
    (folder,) = producers(tmp_path, MODEL)
    chunks = list(folder.read("predictions", 0))
    assert [list(chunk.ids) for chunk in chunks] == [[None] * 5, ["x", None]]
    assert [len(chunk.sequence) for chunk in chunks] == [5, 2]
