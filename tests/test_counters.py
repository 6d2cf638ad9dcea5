"""What was not kept is counted by window and reason, and no kill, interruption, thread or fork loses a count or doubles it."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import struct
import sys
import threading
import time
from binascii import crc_hqx
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.journals import MODEL, record, run
from vedette.capture import ProducerFolder, counters, producers
from vedette.capture.compiled import CompiledLog
from vedette.capture.counted import read_counters
from vedette.capture.counters import COUNTERS_BYTES, WINDOW_MAX, CounterFile, Key
from vedette.capture.tally import Tally
from vedette.errors import JournalError
from vedette.records import Counters

HOUR = 3_600_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    CounterFile(tmp_path / "counters", create=True).close()
    return tmp_path / "counters"


def key(hour: int, reason: str = "why", part: str = "rejected", stream: str = "predictions") -> Key:
    return stream, part, reason, hour * HOUR, HOUR


def add(file: CounterFile, one: Key, n: int) -> None:
    file.store(*file.count(one, n))


def by_window(found: Counters) -> dict[tuple[str, str, int, int], int]:
    return {(one.part, one.reason, one.start_us, one.length_us): one.n for one in found.counted}


def total(found: Counters) -> int:
    return sum(one.n for one in found.counted)


def test_the_bytes_are_as_documented(path: Path) -> None:
    """The file taken apart by the offsets that docs/journal.md names, and nothing else."""
    file = CounterFile(path)
    file.put("predictions", "bound", 7)
    file.put("labels", "bound", 9)
    file.batch = 3
    file.put("labels", "owned", 4)
    add(file, key(5, "é", "dropped", "labels"), 11)
    file.close()
    data = path.read_bytes()

    def word(at: int, over: bytes = b"") -> int:
        raw, check = data[at : at + 6], int.from_bytes(data[at + 6 : at + 8], "little")
        assert check == (0 if raw == bytes(6) else crc_hqx(struct.pack("<I", at) + over + raw, 0xFFFF))
        return int.from_bytes(raw, "little")

    assert struct.unpack_from("<8sII", data) == (b"VEDETTEC", 2, 147_456)
    assert len(data) == 147_456
    assert [word(at) for at in range(56, 136, 8)] == [0, 3, 7, 9, 0, 0, 0, 0, 0, 4]
    assert word(16_384) == crc_hqx("é".encode(), 0xFFFF) << 8 | 2
    assert data[16_392:16_394].decode() == "é"
    assert struct.unpack_from("<QQBBH", data, 81_928) == (5 * HOUR, HOUR, 2, 0, 1)
    assert word(81_920, data[81_928:81_952]) == 11


def test_rows_are_counted_by_window_part_and_reason(path: Path) -> None:
    """Each stream, part, reason and window has its own count, and totals are their sums."""
    file = CounterFile(path)
    for hour, reason, part in itertools.product((1, 2), ("a", "b"), ("dropped", "rejected")):
        add(file, key(hour, reason, part), hour)
    add(file, key(1, "", "sampled_out"), 5)
    add(file, key(1, "a", "rejected", "labels"), 7)
    found, labels = read_counters(path, "predictions"), read_counters(path, "labels")
    assert (found.dropped, found.sampled_out, found.rejected) == (6, 5, {"a": 3, "b": 3})
    assert (by_window(found)["dropped", "b", 2 * HOUR, HOUR], labels.rejected) == (2, {"a": 7})


def test_a_file_that_is_opened_again_goes_on(path: Path) -> None:
    """The next process finds every count and reason, and adds to them."""
    for _ in range(3):
        file = CounterFile(path)
        add(file, key(1), 2)
        add(file, key(2, "other"), 1)
        file.close()
    assert list(by_window(read_counters(path, "predictions")).values()) == [6, 3]


def test_a_full_table_folds_the_oldest_windows_and_loses_no_row(path: Path) -> None:
    """More windows than there is room for: the newest stay apart, the rest are one, and the sum is exact."""
    file = CounterFile(path)
    n = WINDOW_MAX + 500
    for hour in range(n):
        add(file, key(hour), 1)
    add(file, key(3), 5)  # one that is folded already
    found = by_window(read_counters(path, "predictions"))
    assert found.pop(("rejected", "why", 0, 500 * HOUR)) == 500 + 5
    assert sorted(found) == [("rejected", "why", hour * HOUR, HOUR) for hour in range(500, n)]
    assert set(found.values()) == {1}
    file.close()
    assert total(read_counters(path, "predictions")) == n + 5


def test_all_that_a_window_can_have_fits_beside_another(path: Path) -> None:
    """Every reason of every part of both streams in one window, and then in the next: nothing is lost."""
    file = CounterFile(path)
    keys = [
        key(hour, f"reason {n}", part, stream)
        for hour in (1, 2, 3)
        for n in range(300)
        for part in counters.PARTS
        for stream in ("predictions", "labels")
    ]
    for one in keys:
        add(file, one, 1)
    file.close()
    CounterFile(path).close()
    found = [read_counters(path, stream) for stream in ("predictions", "labels")]
    assert ([total(one) for one in found], len(found[0].rejected)) == ([len(keys) // 2] * 2, 255)


class Killed(BaseException):
    """Stands for the death of the process, or an interruption, after a store."""


def killed_after(monkeypatch: pytest.MonkeyPatch, n: int) -> Callable[[], bool]:
    """Let the process die after its n-th store; returns what tells whether it has."""
    store, left = CounterFile._store, [n]

    def mortal(self: CounterFile, *values: Any) -> None:
        store(self, *values)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(CounterFile, "_store", mortal)
    return lambda: left[0] <= 0


@pytest.mark.parametrize("go_on", ["reopened", "interrupted"])
def test_a_death_after_any_store_of_a_fold_changes_no_count(
    path: Path, monkeypatch: pytest.MonkeyPatch, go_on: str
) -> None:
    """Wherever a fold is cut off, readers and the next process see each row once; so does one that was interrupted."""
    file = CounterFile(path)
    for hour in range(WINDOW_MAX // 2):
        add(file, key(hour), 3)
        add(file, key(hour, "", "sampled_out"), 4)
    file.close()
    full, expected = path.read_bytes(), WINDOW_MAX // 2 * 7
    for n in range(1, 100):
        path.write_bytes(full)
        file = CounterFile(path)
        tally = Tally(lambda: 0.0)
        tally.attach(file)
        with monkeypatch.context() as patched:
            dead = killed_after(patched, n)
            try:
                tally.add("predictions", "dropped", "late", 5, WINDOW_MAX * 3600.0)
            except Killed:
                pass
            done = not dead()
        stored = read_counters(path, "predictions").dropped  # the last store may have come before the death
        assert total(read_counters(path, "predictions")) == expected + stored, n
        if go_on == "reopened":
            file.close()
            file = CounterFile(path)
            file.opened()
            tally = Tally(lambda: 0.0)
            tally.attach(file)
        else:
            stored = 5  # it was queued
        tally.add("predictions", "dropped", "late", 6, WINDOW_MAX * 3600.0)
        found = read_counters(path, "predictions")
        assert (found.dropped, total(found), found.problem) == (stored + 6, expected + stored + 6, ""), n
        file.close()
        if done:
            break
    assert n > 8


def test_a_flipped_bit_is_never_a_wrong_count(path: Path) -> None:
    """A bit flipped in any word, reason or entry is told, and what is read besides it is right."""
    file = CounterFile(path)
    for hour in range(5):
        add(file, key(hour), hour + 1)
    file._make_room()
    file.close()
    data, chance = bytearray(path.read_bytes()), random.Random(0)
    whole = by_window(read_counters(path, "predictions"))
    places = [*range(72, 80), *range(88, 96), *range(16_384, 16_384 + 11), *range(81_920 + 32, 81_920 + 64)]
    earlier = counters.earlier_at("predictions", "rejected", 1)
    for at in [*places, *range(earlier, earlier + 8)]:
        bit = 1 << chance.randrange(8)
        data[at] ^= bit
        path.write_bytes(data)
        data[at] ^= bit
        found = read_counters(path, "predictions")
        wrong = {one: n for one, n in by_window(found).items() if one[1] == "why" and whole.get(one, n) != n}
        assert (found.problem != "", wrong) == (True, {}), at
        with pytest.raises(JournalError, match="damaged"):
            CounterFile(path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [(b"", "0 bytes"), (b"x" * COUNTERS_BYTES, "not the counters"), (bytes(65_536), "65536 bytes")],
    ids=["empty", "rubbish", "of format 1"],
)
def test_a_file_that_is_none_is_refused_and_told(path: Path, damage: bytes, told: str) -> None:
    """A file of another size or kind is an error that says what is wrong, for the writer and the reader."""
    path.write_bytes(damage)
    folder = ProducerFolder(path.parent)
    assert (folder.counters("labels").dropped, told in folder.counters("labels").problem) == (0, True)
    assert len(folder.problems) == 1
    with pytest.raises(JournalError, match=told):
        CounterFile(path)


def test_a_reader_beside_a_writer_that_folds_sees_no_count_go_back(path: Path) -> None:
    """Read at any moment, the sum is one that was true then: it never falls, and never passes what was added."""
    file = CounterFile(path)
    added, seen, problems = [0], [], []
    stop = threading.Event()

    def work() -> None:
        for hour in itertools.count():
            if stop.is_set():
                return
            added[0] += 2
            add(file, key(hour), 2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while len(seen) < 60 or added[0] < 4 * WINDOW_MAX:
            found = read_counters(path, "predictions")
            seen.append((total(found), added[0]))
            problems.append(found.problem)
    finally:
        stop.set()
        thread.join()
    assert set(problems) == {""}
    assert all(n <= bound for n, bound in seen)
    assert seen == sorted(seen)


def test_threads_and_signal_handlers_count_each_row_once(path: Path) -> None:
    """Threads that count together, and a handler that counts in the middle of it, come to the exact sum."""
    file, tally, calls = CounterFile(path), Tally(lambda: 0.0), [0]
    tally.attach(file)

    def handler(*_: object) -> None:
        calls[0] += 1
        tally.add("labels", "dropped", "in a handler", 1, calls[0] % 50 * 3600.0)

    def work(thread: int) -> None:
        for n in range(3000):
            tally.add("predictions", "rejected", f"thread {thread}", 1, n % 700 * 3600.0)

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        work(9)
        for thread in threads:
            thread.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    tally.settle()
    found, labels = read_counters(path, "predictions"), read_counters(path, "labels")
    assert (set(found.rejected.values()), len(found.rejected)) == ({3000}, 5)
    assert (labels.dropped, calls[0] > 0) == (calls[0], True)


def test_an_interruption_between_any_two_steps_counts_once(path: Path) -> None:
    """KeyboardInterrupt at random instants: the sum is what was queued."""
    file, tally = CounterFile(path), Tally(lambda: 0.0)
    tally.attach(file)
    chance, counter, interrupted = random.Random(0), itertools.count(), 0
    append = partial(tally.pending.append, ("predictions", "dropped", "why", 1, 7200.0))
    queue = zip(iter(append, 0), counter, strict=False)  # one call into C: no interruption between the two
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        while interrupted < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(2e-5, 2e-4))
                while True:
                    next(queue)
                    tally.settle()
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    tally.settle()
    n = next(counter)
    assert (read_counters(path, "predictions").dropped, n > 1000) == (n, True)


def test_rows_counted_without_a_folder_go_to_the_file_with_their_windows(tmp_path: Path) -> None:
    """What was counted in memory is in the file once there is one, each row in its window; nothing is counted twice."""
    tally = Tally(lambda: 7200.0, lambda: 3600.0)
    for hour in range(5):
        tally.add("predictions", "rejected", "early", hour + 1, 3600.0 * hour)
    tally.add("labels", "dropped", None, 3)
    tally.attach(CounterFile(tmp_path / "counters", create=True))
    tally.add("predictions", "rejected", "early", 1, 0.0)
    found, labels = (read_counters(tmp_path / "counters", stream) for stream in ("predictions", "labels"))
    assert by_window(found) == {
        ("rejected", "early", hour * HOUR, HOUR): hour + 1 + (hour == 0) for hour in range(5)
    }
    assert by_window(labels) == {("dropped", "", 2 * HOUR, HOUR): 3}


def test_what_waits_to_be_counted_is_counted_before_the_file_is_let_go(path: Path) -> None:
    """Rows that there was no memory to count are in the file of the folder that is being closed, not in none."""
    file, tally = CounterFile(path), Tally(lambda: 0.0)
    tally.attach(file)
    tally.spilt.extend([("predictions", "dropped", "spilt", 1)] * 3)
    tally.uncounted[:] = (300).to_bytes(8, sys.byteorder)
    tally.attach(None)
    file.close()
    assert read_counters(path, "predictions").reasons("dropped") == {
        "spilt": 3,
        "out of stack or memory": 300,
    }
    tally.add("predictions", "dropped", "later")
    again = CounterFile(path)
    tally.attach(again)
    again.close()
    assert read_counters(path, "predictions").dropped == 304


def test_a_clock_that_cannot_be_read_is_no_reason_to_lose_a_row(path: Path) -> None:
    """Where neither the caller nor the clock knows the time, the machine's is taken."""

    def broken() -> float:
        raise OSError

    for clock, when in ((broken, None), (lambda: float("nan"), float("inf")), (lambda: -1.0, 1e300)):
        tally = Tally(clock)
        tally.attach(CounterFile(path))
        tally.add("predictions", "dropped", "x", 1, when)
    found = read_counters(path, "predictions").counted
    assert (sum(one.n for one in found), all(one.start_us > 1.7e15 for one in found)) == (3, True)


def test_a_forked_child_counts_for_itself(tmp_path: Path) -> None:
    """A child that is forked in the middle of a count leaves its parent's counts alone, and has its own folder."""
    program = (
        "import logging, os, sys, threading\n"
        "from pathlib import Path\n"
        "from vedette.capture import Recorder\n"
        "from vedette.records import Settings\n"
        "logging.disable()\n"
        "recorder = Recorder(Path(sys.argv[1]), 'delays', '1', Settings())\n"
        "def work():\n"
        "    for n in range(4000): recorder.reject('predictions', 'parent', time=n % 9 * 3600.0)\n"
        "work(); thread = threading.Thread(target=work); thread.start(); children = []\n"
        "for n in range(10):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        for k in range(100): recorder.reject('predictions', 'child', time=k % 9 * 3600.0)\n"
        "        os._exit(0)\n"
        "    children.append(child)\n"
        "thread.join(); [os.waitpid(child, 0) for child in children]; recorder.close()\n"
    )
    run(program, tmp_path)
    found = [folder.counters("predictions") for folder in producers(tmp_path, MODEL)]
    assert [one.problem for one in found] == [""] * len(found)
    reasons = [one.rejected for one in found]
    assert (sum(one.get("parent", 0) for one in reasons), sum(one.get("child", 0) for one in reasons)) == (
        8000,
        1000,
    )
    assert all(len(one) == 1 for one in reasons)


def test_a_row_that_is_not_kept_is_counted_in_the_window_of_its_time(tmp_path: Path) -> None:
    """By its event time where that is known and can be, else by the time of receipt; labels likewise."""
    now = 1_767_225_600.0  # 2026-01-01
    made = record(tmp_path, clock=lambda: now)
    made.log({"a": []}, 1, time=now - 7200.0)
    made.log({"a": []}, 1, time="2025-12-31T21:30:00+00:00")
    made.log({"a": 1.0}, 1, time=now + 3600.0)
    made.log({"a": []}, 1)
    made.label(None, 1, time=now - 86_400.0)
    made.label("x", 1, time="yesterday")
    (folder,) = producers(tmp_path, MODEL)
    hours = {
        stream: {
            (one.reason, (one.start_us - int(now) * 10**6) // HOUR): one.n
            for one in folder.counters(stream).counted
        }
        for stream in ("predictions", "labels")
    }
    assert hours["predictions"] == {
        ("a: vector without elements", -2): 1,
        ("a: vector without elements", -3): 1,
        ("time in the future", 0): 1,
        ("a: vector without elements", 0): 1,
    }
    assert hours["labels"] == {("id missing", -24): 1, ("time is not an ISO 8601 date", 0): 1}
    made.close()


def test_dropped_rows_have_reasons(tmp_path: Path) -> None:
    """Why rows were dropped is counted, the same trouble as the same reason; of a batch with the windows of its rows."""
    made = record(tmp_path, journal_bytes_max=250_000)
    made.drop("predictions", "too busy", 2)
    big = b"x" * 200_000
    for _ in range(3):
        made.write_batch(
            "labels", 7, lambda path: path.write_bytes(big) and None, lambda: {0.0: 3, 7200.0: 4}
        )
    (folder,) = producers(tmp_path, MODEL)
    reason = "a batch: no room in the journal"
    assert folder.counters("predictions").reasons("dropped") == {"too busy": 2}
    assert by_window(folder.counters("labels")) == {
        ("dropped", reason, 0, HOUR): 9,
        ("dropped", reason, 2 * HOUR, HOUR): 12,
    }
    made.close()


def test_a_successor_finishes_what_a_kill_left(tmp_path: Path) -> None:
    """A process that adopts the folder of one that died goes on with its counts and reasons."""
    made = record(tmp_path)
    made.reject("predictions", "first", 3, time=0.0)
    made.log({"a": 1.0})
    copy = tmp_path.with_name(f"{tmp_path.name}-killed")
    shutil.copytree(tmp_path, copy)  # as a kill would leave it
    made.close()
    successor = record(copy)
    successor.reject("predictions", "first", 4, time=0.0)
    successor.reject("predictions", "second", 5, time=3600.0)
    successor.close()
    (folder,) = producers(copy, MODEL)
    assert by_window(folder.counters("predictions")) == {
        ("rejected", "first", 0, HOUR): 7,
        ("rejected", "second", HOUR, HOUR): 5,
    }


def test_without_memory_for_an_entry_a_number_goes_up() -> None:
    """The fallback counts in bytes what not even a queue takes: 70,000 rows, with a carry into the third byte."""

    def fail(*_: object) -> None:
        raise MemoryError

    way = SimpleNamespace(general=fail, spilt=fail, uncounted=bytearray(8))
    log = CompiledLog(time.time, way).log
    for _ in range(70_000):
        log({})
    assert int.from_bytes(way.uncounted, sys.byteorder) == 70_000
