"""Disks that are full, broken or read-only, and files that go away: rows are kept or counted, and the model runs on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, ROOT, Host, can_mount
from tests.journals import MODEL, record
from vedette.capture import producers


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


def test_a_segment_that_cannot_be_opened_now_is_not_given_up(tmp_path: Path) -> None:
    """While a segment cannot be opened, none behind it is read or freed; once it can, no row is torn or counted twice."""
    made = record(tmp_path, segment_bytes=4096)
    for i in range(200):
        made.log({"a": float(i)})
    made.close()
    (folder,) = producers(tmp_path, MODEL)
    first, middle = sorted(tmp_path.rglob("predictions-*.seg"))[:2]
    n_first = int(re.findall(r"\d{16}", middle.name)[0]) - int(re.findall(r"\d{16}", first.name)[0])
    aside = middle.with_name("aside")
    middle.rename(aside)
    middle.symlink_to(middle)  # to open it is an OSError, whoever asks
    before = [int(chunk.torn + len(chunk.ids)) for chunk in folder.read("predictions", 0)]
    freed = folder.free("predictions", 200)
    middle.unlink()
    aside.rename(middle)
    after = list(folder.read("predictions", n_first))
    assert (before, freed, len(folder.problems)) == ([n_first], 1, 1)
    assert (sum(len(chunk.ids) for chunk in after), sum(chunk.torn for chunk in after)) == (200 - n_first, 0)
    assert folder.highest("predictions") == 200


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs a C compiler"
)
@pytest.mark.parametrize(
    "options",
    [("--how", "fail", "--every", "25"), ("--how", "kill", "--every", "2", "--only", "adopt empty")],
    ids=["fail", "kill"],
)
def test_a_system_call_that_fails_costs_what_is_counted(host: Host, options: tuple[str, ...]) -> None:
    """EIO, ENOSPC, a short write or a kill at a call: nothing is raised, lost unseen or doubled, and recording goes on."""
    script = ROOT / "benchmarks" / "faults.py"
    done = subprocess.run(
        [sys.executable, script, "calls", *options],
        env=host.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, " 0 amiss" in done.stdout) == (0, True), done.stdout + done.stderr


IN_TMPFS = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m none /mnt && exec "$@"', "sh")
"""Runs what follows where /mnt is a disk of a mebibyte."""

ON_MNT = (
    "journal, filler, lines = Path('/mnt/journal'), Path('/mnt/filler'), []\n"
    "class Handler(logging.Handler):\n"
    "    def emit(self, line): lines.append(line.getMessage())\n"
    "logging.getLogger('vedette').addHandler(Handler())\n"
    "def fill():\n"
    "    with filler.open('wb', buffering=0) as file:\n"
    "        try:\n"
    "            while True: file.write(bytes(4096))\n"
    "        except OSError: pass\n"
    "def seen(stream):\n"
    "    total = 0\n"
    "    for folder in producers(journal, 'delays'):\n"
    "        counted = folder.counters(stream)\n"
    "        total += counted.dropped + counted.sampled_out + sum(counted.rejected.values())\n"
    "        total += sum(len(c.ids) + c.torn + sum(c.void.values()) for c in folder.read(stream, 0))\n"
    "        total += sum(b.n_rows for b in folder.batches(0) if b.stream == stream)\n"
    "    return total\n"
    "def last(stream): return [c.ids[-1] for f in producers(journal, 'delays') for c in f.read(stream, 0)][-1]\n"
)
UNMAPPED = "import vedette.capture.producer as p; p.can_be_mapped = lambda folder: False\n"

needs_a_disk = pytest.mark.skipif(not can_mount(), reason="needs a private mount")


@needs_a_disk
@pytest.mark.parametrize("way", ["", UNMAPPED], ids=["mapped", "written"])
def test_a_disk_that_fills_up_drops_what_it_cannot_hold(host: Host, way: str) -> None:
    """Rows, labels and batches on a full disk are kept or dropped and counted; freed room is used again, by itself."""
    program = (
        ON_MNT
        + way
        + (
            "r = Recorder(journal, 'delays', '1', Settings(), segment_bytes=65_536)\n"
            "calls = 0\n"
            "def log(n):\n"
            "    global calls\n"
            "    for i in range(n):\n"
            "        r.log({'a': calls, 'b': f't{calls}' if i % 3 else 'same'}, id=f'{calls}'); r.label(f'{calls}', 1)\n"
            "        calls += 1\n"
            "log(100); fill(); log(3000)\n"
            "assert r.write_batch('labels', 7, lambda path: path.write_bytes(bytes(2**19)) and None) == 0\n"
            "filler.unlink(); time.sleep(1.1); log(10); r.close()\n"
            "print(seen('predictions') - calls, seen('labels') - calls, last('predictions') == f'{calls - 1}',\n"
            "      producers(journal, 'delays')[0].counters('predictions').dropped > 0, len(lines) < 20)\n"
        )
    )
    assert host.run(program, wrapper=IN_TMPFS) == "0 7 True True True"


@needs_a_disk
def test_a_disk_that_is_full_from_the_start(host: Host) -> None:
    """Where not even a folder can be made rows are counted in memory, and in the journal once there is room."""
    program = ON_MNT + (
        "fill()\n"
        "r = Recorder(journal, 'delays', '1', Settings(), segment_bytes=65_536)\n"
        "for i in range(500): r.log({'a': i}); r.label('x', i); r.log({'a': []})\n"
        "time.sleep(1.1); r.log({'a': 1}); begun = len(list(journal.glob('delays/*')))\n"
        "filler.unlink(); time.sleep(1.1)\n"
        "r.log({'a': 1}, id='after'); r.close()\n"
        "print(seen('predictions'), seen('labels'), last('predictions'), begun)\n"
    )
    assert host.run(program, wrapper=IN_TMPFS) == "1002 500 after 0"


@needs_a_disk
def test_a_disk_that_is_read_only(host: Host) -> None:
    """On a read-only file system rows are dropped, which is said in a line or two; once it can be written recording begins."""
    program = ON_MNT + (
        "import subprocess\n"
        "def mount(how): subprocess.run(['mount', '-o', f'remount,{how}', '/mnt'], check=True)\n"
        "mount('ro')\n"
        "r = Recorder(journal, 'delays', '1', Settings(), segment_bytes=65_536)\n"
        "for i in range(500): r.log({'a': i}); r.label('x', i)\n"
        "n_lines = len(lines); mount('rw'); time.sleep(1.1)\n"
        "r.log({'a': 1}, id='after'); r.close()\n"
        "print(seen('predictions'), seen('labels'), last('predictions'), n_lines <= 4)\n"
    )
    assert host.run(program, wrapper=IN_TMPFS) == "501 500 after True"


def test_links_that_somebody_planted_are_not_followed(host: Host, tmp_path: Path) -> None:
    """Symbolic links in the places of a producer's folder, its lock and its counters lead nobody out of the journal."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "counters").write_bytes(b"mine")
    (outside / "lock").write_bytes(b"mine")
    models = host.root / MODEL
    models.mkdir(parents=True)
    (models / "0001-00000001").symlink_to(outside)
    for number, name in ((2, "lock"), (3, "counters")):
        folder = models / f"000{number}-0000000{number}"
        folder.mkdir()
        (folder / "counters").write_bytes(b"")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside / name)
    host.run("r = record()\nfor i in range(100): r.log({'a': i, 'b': f't{i}'}); r.label('x', i)\n")
    assert sorted((path.name, path.read_bytes()) for path in outside.iterdir()) == [
        ("counters", b"mine"),
        ("lock", b"mine"),
    ]
    assert len(host.read().rows) == 100


def test_a_journal_that_is_deleted_under_a_process(host: Host) -> None:
    """Somebody deletes the journal while rows are logged: nothing is raised, and rows go into a new one before long."""
    program = (
        "import shutil\n"
        "r = record(segment_bytes=8192)\n"
        "for i in range(300): r.log({'a': i}); r.label('x', i)\n"
        "while root.exists(): shutil.rmtree(root, ignore_errors=True)\n"
        "until = time.monotonic() + 20\n"
        "while not list(root.rglob('predictions-*.seg')) and time.monotonic() < until:\n"
        "    r.log({'a': 1.5, 'b': 'x' * 100}); r.label('x', 1); time.sleep(0.001)\n"
        "r.log({'a': 1.5}, id='after'); r.close()\n"
    )
    host.run(program)
    assert "after" in host.read().ids
