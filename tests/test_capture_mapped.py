"""Errors of mapped files and of syncs: a SIGBUS never reaches the process, and what was not synced is not trusted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, ROOT, Host, can_mount
from tests.journals import MODEL
from tests.test_capture_disk import IN_TMPFS, ON_MNT
from vedette.capture import producers

sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


CUT = (
    "import subprocess\n"
    "r = record(segment_bytes=65_536)\n"
    "calls = 0\n"
    "def log(n):\n"
    "    global calls\n"
    "    for i in range(n): r.log({'a': calls, 'b': f'text {calls}'}, id=f'{calls}'); r.label(f'{calls}', calls); calls += 1\n"
    "def cut(pattern, size):\n"
    "    paths = [str(p) for p in root.rglob(pattern) if p.is_file() and (p.suffix or p.name == 'counters')]\n"
    "    assert paths, pattern\n"
    "    subprocess.run([sys.executable, '-c', f'import os; [os.truncate(p, {size}) for p in {paths!r}]'], check=True)\n"
)


@pytest.mark.parametrize("size", [0, 4096, 16_384])
@pytest.mark.parametrize("pattern", ["predictions-*.seg", "predictions-*.txt", "labels-*.seg", "*"])
def test_a_file_that_another_process_cuts_off(host: Host, pattern: str, size: int) -> None:
    """Segments, texts, counters cut short while rows are logged: the host lives, rows go on, and none is read wrong."""
    program = CUT + (
        f"log(50); cut({pattern!r}, {size}); log(400); time.sleep(0.5); log(400); r.log({{'a': []}})\n"
        "r.close(); print(calls)\n"
    )
    calls = int(host.run(program))
    for stream in ("predictions", "labels"):
        back = host.read(stream)
        names = [int(name or -1) for name in back.ids]
        assert len(names) == len(set(names))
        assert calls - 1 in names  # recording goes on
        if stream == "predictions":
            assert all(row["b"] == f"text {row['a']}" for row in back.rows)
        if pattern != "*":  # with the counters gone the counts are too
            # a row whose store did not reach the file is stored again elsewhere: the first slot counts as torn
            assert 0 <= host.seen(stream) - calls - (stream == "predictions") <= 3


def test_counters_that_another_process_cuts_off(host: Host) -> None:
    """Without its counters the process lives on, its rows are kept, and the reader says that the counters are damaged."""
    program = (
        CUT
        + "log(50); r.log({'a': []}); cut('counters', 0); r.log({'a': []}); log(300); r.close(); print(calls)\n"
    )
    calls = int(host.run(program))
    back = host.read()
    assert sorted(int(name or -1) for name in back.ids) == list(range(calls))


@pytest.mark.skipif(not can_mount(), reason="needs a private mount")
def test_a_page_that_the_full_disk_cannot_give(host: Host) -> None:
    """Holes in a mapped segment on a full disk: the store that would be a SIGBUS costs rows, which are counted, and no more."""
    program = ON_MNT + (
        "import subprocess\n"
        "r = Recorder(journal, 'delays', '1', Settings(), segment_bytes=131_072)\n"
        "calls = 0\n"
        "def log(n):\n"
        "    global calls\n"
        "    for i in range(n): r.log({'a': calls}, id=f'{calls}'); calls += 1\n"
        "log(10)\n"
        "for path in journal.rglob('predictions-*.seg'):\n"
        "    subprocess.run(['fallocate', '-p', '-o', '16384', '-l', '114688', path], check=True)\n"
        "fill(); log(1500); filler.unlink(); time.sleep(1.5); log(10); r.close()\n"
        "print(0 <= seen('predictions') - calls <= 3, last('predictions') == f'{calls - 1}')\n"
    )
    assert host.run(program, wrapper=IN_TMPFS) == "True True"


@pytest.mark.parametrize("forever", [0, 1], ids=["once", "always"])
def test_a_sync_that_fails_is_not_trusted(host: Host, tmp_path: Path, forever: int) -> None:
    """After a failed fsync the segment is left for another, its rows are read all the same, and nothing is raised."""
    import faults_calls

    if faults_calls.unavailable():
        pytest.skip(str(faults_calls.unavailable()))
    library = faults_calls.compile_library(tmp_path)
    program = (
        "import ctypes\n"
        "shim = ctypes.CDLL(None); shim.fail_fired.restype = ctypes.c_long\n"
        "r = record(segment_bytes=2**20, sync_s=0.05)\n"
        "for i in range(100): r.log({'a': i, 'b': f't{i}'})\n"
        f"shim.fail_arm(os.fsencode(root), b' fsync ', ctypes.c_long(1), 5, {forever})\n"
        "until = time.monotonic() + 10\n"
        "while not shim.fail_fired() and time.monotonic() < until: r.log({'a': 100, 'b': 'x'}); time.sleep(0.01)\n"
        "for i in range(100): r.log({'a': i, 'b': f't{i}'}); time.sleep(0.002)\n"
        "shim.fail_disarm(); r.log({'a': -1, 'b': 'after'})\n"
        "n = len(list(root.rglob('predictions-*.seg'))); r.close(); print(shim.fail_fired() > 0, n > 1)\n"
    )
    assert host.run(program, extra={"LD_PRELOAD": str(library)}) == "True True"
    back = host.read()
    assert (back.column["a"][:100], back.column["b"][-1], back.torn, back.dropped) == (
        list(range(100)),
        "after",
        0,
        0,
    )


def test_each_allocation_that_fails(host: Host) -> None:
    """Every allocation of memory within a call fails in turn: nothing is raised, and every row is kept or counted."""
    pytest.importorskip("_testcapi")
    program = (
        "import _testcapi\n"
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n"  # whose memory would be taken from it
        "recorder = record(segment_bytes=8192, sync_s=0); log = recorder.log\n"
        "rows = [{'a': float(i), 'b': 'text'} for i in range(150)]\n"
        "fresh = [{'a': 1000.5 + i, 'b': f'fresh {i}'} for i in range(150)]\n"
        "log(rows[0], id='x'); log(rows[1], id='x'); time.sleep(0.3)\n"
        "def one(row, n):\n"
        "    _testcapi.set_nomemory(n, n + 1)\n"
        "    try: log(row, id='x')\n"
        "    except MemoryError: return 1\n"
        "    finally: _testcapi.remove_mem_hooks()\n"
        "    return 0\n"
        "raised = sum(one(row, n) for n in range(150) for row in (rows[n], fresh[n]))\n"
        "log({'a': -1.0, 'b': 'after'}, id='x'); print(raised)\n"
    )
    with host.start(program) as process:
        output, errors = process.communicate(timeout=120)
    back = host.read()
    assert (process.returncode, output.strip(), errors) == (0, "0", "")
    # where a slot's number was taken and there was no memory for its place, the number is torn and the row stored again
    assert (0 <= host.seen() - 303 <= 5, back.column["b"][-1]) == (True, "after")


def test_a_core_that_cannot_be_loaded(host: Host) -> None:
    """Where the compiled core is of another interpreter, or broken, the fallback records."""
    program = "import sys; sys.modules['vedette.capture._core'] = None\n" + (
        "from pathlib import Path\n"
        "from vedette.capture import Recorder\n"
        "from vedette.capture.core import core\n"
        "from vedette.records import Settings\n"
        "r = Recorder(Path(sys.argv[1]), 'delays', '1', Settings()); r.log({'a': 1.0}); print(core)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, host.root],
        env=host.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), len(host.read().rows), len(producers(host.root, MODEL))) == ("None", 1, 1)
