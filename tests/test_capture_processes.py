"""Processes: forks, spawns, kills, full disks and missing folders. The model runs on, and no row is lost unseen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journals import MODEL, read, run
from vedette.capture import producers

PRELUDE = """
import logging, os, sys, threading, time
from pathlib import Path
from vedette.capture import Recorder, producers
from vedette.records import Settings
logging.getLogger("vedette").addHandler(logging.NullHandler())
root = Path(sys.argv[1])
def record(**options):
    return Recorder(root, "delays", "1", Settings(), **{"segment_bytes": 65_536, **options})
"""


def test_importing_loads_the_standard_library_alone() -> None:
    """A model's process pays for no third-party module, neither at import nor when it logs."""
    program = PRELUDE + (
        "recorder = record(); recorder.log({'a': 1.0}, 1, probability=0.5, id='x'); recorder.label('x', 1); recorder.close()\n"
        "names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'vedette'}\n"
        "print(sorted(n for n in names if getattr(sys.modules.get(n), '__file__', None) and not n.startswith('_')))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, "/dev/shm/vedette-import"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(sys.modules["vedette.capture"].__file__ or "").parents[2])},
    )
    shutil.rmtree("/dev/shm/vedette-import", ignore_errors=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_end_of_the_process_seals_the_journal(tmp_path: Path) -> None:
    """Without a call of close, a process that ends in order leaves its rows on disk and its folder free."""
    run(PRELUDE + "record().log({'a': 1.0})", tmp_path)
    (folder,) = producers(tmp_path, MODEL)
    assert (folder.alive, read(tmp_path).column["a"]) == (False, [1.0])


@pytest.mark.parametrize(
    "end",
    ["os._exit(3)", "os.kill(os.getpid(), 9)", "os.abort()", "import faulthandler; faulthandler._sigsegv()"],
)
def test_a_process_that_dies_loses_no_row(tmp_path: Path, end: str) -> None:
    """However a process ends, the rows whose log() had returned are in the journal, and its folder is taken over."""
    program = PRELUDE + f"r = record()\nfor i in range(1000): r.log({{'a': float(i), 'b': f't{{i}}'}})\n{end}"
    run(program, tmp_path, check=False)
    back = read(tmp_path)
    run(PRELUDE + "record().log({'a': 1000.0})", tmp_path)
    again = read(tmp_path)
    assert (back.column["a"], back.torn) == ([float(i) for i in range(1000)], 0)
    assert (again.column["a"][-1], again.rows[-1]["_sequence"], len(again.next)) == (1000.0, 1001, 1)


def test_forked_children_have_folders_of_their_own(tmp_path: Path) -> None:
    """After a fork, parent and children each write to their own folder; no row is lost, doubled or mixed up."""
    program = PRELUDE + (
        "recorder = record()\nlog = recorder.log\n"
        "for i in range(100): log({'a': i}, id=f'before-{i}')\n"
        "children = []\n"
        "for n in range(4):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        for i in range(700): log({'a': i}, id=f'{n}-{i}')\n"
        "        os._exit(0)\n"
        "    children.append(child)\n"
        "for i in range(700): log({'a': i}, id=f'parent-{i}')\n"
        "print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])\n"
    )
    codes = run(program, tmp_path)
    back = read(tmp_path)
    expected = [f"before-{i}" for i in range(100)]
    expected += [f"{n}-{i}" for n in (0, 1, 2, 3, "parent") for i in range(700)]
    assert (codes.strip(), sorted(map(str, back.ids)), back.torn) == ("[0, 0, 0, 0]", sorted(expected), 0)
    assert (2 <= len(back.next) <= 5, any(folder.alive for folder in producers(tmp_path, MODEL))) == (
        True,
        False,
    )


def test_a_fork_among_threads_that_log_never_hangs(tmp_path: Path) -> None:
    """A child forked while other threads are in the middle of logging logs at once; 60 forks, none waits."""
    program = PRELUDE.replace("import logging", "import warnings, logging") + (
        "warnings.simplefilter('ignore')\n"
        "recorder = record(segment_bytes=8192)\nstop = False\n"
        "def work(thread):\n"
        "    i = 0\n"
        "    while not stop:\n"
        "        recorder.log({'a': i, 'b': f'{thread}-{i}'}); i += 1\n"
        "        if i % 40 == 0: recorder.log({'a': []})\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]\n"
        "[thread.start() for thread in threads]\n"
        "codes = set()\n"
        "for n in range(60):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        import signal; signal.alarm(5)\n"
        "        recorder.log({'a': n, 'b': 'child'}, id=f'child-{n}')\n"
        "        recorder.log({'a': []})\n"
        "        os._exit(0)\n"
        "    codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "stop = True\n[thread.join() for thread in threads]\nprint(codes)\n"
    )
    codes = run(program, tmp_path)
    ids = [name for name in read(tmp_path).ids if name]
    assert (codes.strip(), sorted(ids)) == ("{0}", sorted(f"child-{n}" for n in range(60)))


def test_a_child_leaves_the_parents_lock_alone(tmp_path: Path) -> None:
    """A child that ends does not make its parent look dead, nor does a living child keep a dead parent alive."""
    program = PRELUDE + (
        "recorder = record(); recorder.log({'a': 1.0})\n"
        "child = os.fork()\n"
        "if not child: os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(producers(root, 'delays')[0].alive)\n"
        "sys.stdout.flush()\n"
        "if os.fork(): os._exit(0)\n"
        "time.sleep(0.3)\n"
        "print([folder.alive for folder in producers(root, 'delays')])\n"
    )
    assert run(program, tmp_path).split("\n")[:2] == ["True", "[False]"]


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_of_multiprocessing_log(tmp_path: Path, method: str) -> None:
    """Recorders made in workers, by whatever method these were started, lose nothing."""
    script = tmp_path / "script.py"
    script.write_text(
        PRELUDE + "import multiprocessing\n"
        "def work(n):\n"
        "    recorder = record()\n"
        "    for i in range(50): recorder.log({'a': i}, id=f'{n}-{i}')\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    workers = [context.Process(target=work, args=(n,)) for n in range(2)]\n"
        "    [worker.start() for worker in workers]\n"
        "    [worker.join() for worker in workers]\n"
        "    print([worker.exitcode for worker in workers])\n"
    )
    root = tmp_path / "journal"
    done = subprocess.run(
        [sys.executable, script, root], capture_output=True, text=True, check=True, timeout=240
    )
    assert (done.stdout.strip(), sorted(read(root).ids)) == (
        "[0, 0]",
        sorted(f"{n}-{i}" for n in range(2) for i in range(50)),
    )


def test_processes_that_start_together_share_no_folder(tmp_path: Path) -> None:
    """Eight processes that begin and end at the same time claim, adopt and free folders without a clash."""
    program = PRELUDE + "r = record()\nfor i in range(30): r.log({'a': i}, id=f'{sys.argv[2]}-{i}')\n"
    for wave in range(2):
        started = [
            subprocess.Popen([sys.executable, "-c", program, tmp_path, f"{wave}{n}"]) for n in range(8)
        ]
        assert [process.wait(60) for process in started] == [0] * 8
    back = read(tmp_path)
    expected = sorted(f"{wave}{n}-{i}" for wave in range(2) for n in range(8) for i in range(30))
    assert (sorted(map(str, back.ids)), back.torn, len(back.next) <= 8) == (expected, 0, True)


def test_a_signal_handler_that_logs_never_waits_for_itself(tmp_path: Path) -> None:
    """A timer at a kilohertz that logs in the middle of logging: nothing hangs, and each row is kept or counted."""
    program = PRELUDE + (
        "import signal\n"
        "recorder = record(segment_bytes=8192); calls = 0\n"
        "def handler(*_):\n"
        "    global calls; calls += 1\n"
        "    recorder.log({'a': calls, 'b': f'h{calls}'}, id='handler')\n"
        "    recorder.log({'a': []})\n"
        "signal.signal(signal.SIGALRM, handler); signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
        "for i in range(20_000): recorder.log({'a': i, 'b': f'{i}'} if i % 100 else {'a': []})\n"
        "signal.setitimer(signal.ITIMER_REAL, 0); recorder.close(); print(calls)\n"
    )
    calls = int(run(program, tmp_path))
    back = read(tmp_path)
    counted = (
        len(back.rows) + back.dropped + sum(back.rejected.values()) + sum(back.void.values()) + back.torn
    )
    # on a busy machine handlers interrupt each other down to Python's recursion limit: then a row is torn, and counted
    assert (counted, back.torn <= 3, calls > 0) == (20_000 + 2 * calls, True, True)


def test_interrupts_leave_no_hole(tmp_path: Path) -> None:
    """KeyboardInterrupt at any instant: later rows are still read, and nothing is torn."""
    program = (
        PRELUDE
        + (
            "import signal, random\n"
            "recorder = record(); n = 0; chance = random.Random(0)\n"
            "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
            "while n < 400:\n"
            "    try:\n"
            "        signal.setitimer(signal.ITIMER_REAL, chance.uniform(5e-5, 4e-4))\n"
            "        for _ in range(100_000): recorder.log({'a': 1.0}, id='row')\n"  # Python may drop one, in a destructor
            "    except KeyboardInterrupt: n += 1\n"
            "signal.setitimer(signal.ITIMER_REAL, 0)\n"
            "recorder.log({'a': 2.0}, id='last')\n"
            "folders = {f.name: list(f.read('predictions', 0)) for f in producers(root, 'delays')}\n"
            "print(folders[recorder.producer][-1].ids[-1], sum(c.torn for chunks in folders.values() for c in chunks))\n"
        )
    )
    assert run(program, tmp_path).strip() == "last 0"


def can_unshare() -> bool:
    """True where a private tmpfs can be mounted."""
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs a private mount")
def test_a_full_disk_drops_and_counts_and_recovers(tmp_path: Path) -> None:
    """On a full disk rows are dropped and counted, nothing is raised and nobody is killed; freed room is used again."""
    program = PRELUDE + (
        "filler = root / 'filler'\n"
        "journal = root / 'journal'\n"
        "recorder = Recorder(journal, 'delays', '1', Settings(), segment_bytes=65_536)\n"
        "for i in range(100): recorder.log({'a': i, 'b': f't{i}'})\n"
        "with filler.open('wb', buffering=0) as file:\n"
        "    try:\n"
        "        while True: file.write(bytes(4096))\n"
        "    except OSError: pass\n"
        "for i in range(3000): recorder.log({'a': i, 'b': f't{i}'})\n"
        "for i in range(3000): recorder.log({'a': i, 'b': 'same'})\n"
        "assert recorder.write_batch('labels', 7, lambda path: path.write_bytes(bytes(2**20)) and None) == 0\n"
        "filler.unlink(); time.sleep(1.1)\n"
        "recorder.log({'a': 1, 'b': 'after'}, id='after')\n"
        "(folder,) = producers(journal, 'delays')\n"
        "chunks = list(folder.read('predictions', 0))\n"
        "counters = folder.counters('predictions')\n"
        "print(chunks[-1].ids[-1], sum(len(c.ids) for c in chunks) + counters.dropped, sum(c.torn for c in chunks),\n"
        "      counters.dropped > 1000, dict(counters.rejected), folder.counters('labels').dropped)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    command = f"mount -t tmpfs -o size=1m none /mnt && exec {sys.executable} {script} /mnt"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("after 6101 0 True {} 7", 0), done.stderr


def test_a_limit_on_the_size_of_files_drops_and_counts(tmp_path: Path) -> None:
    """Where files may not grow, rows are dropped and counted in memory, and in the journal once there is room."""
    program = PRELUDE + (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))\n"
        "recorder = record()\n"
        "for i in range(500): recorder.log({'a': i})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)); time.sleep(1.1)\n"
        "recorder.log({'a': 1})\n"
    )
    run(program, tmp_path)
    back = read(tmp_path)
    assert (len(back.rows), back.dropped) == (1, 500)


@pytest.mark.parametrize("stands", ["file", "below a file", "model is a file"])
def test_without_a_folder_the_model_runs_on(tmp_path: Path, stands: str) -> None:
    """Where no journal can be made nothing is raised; rows are dropped, and said once."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    root = {"file": file, "below a file": file / "deep", "model is a file": tmp_path}[stands]
    if stands == "model is a file":
        (tmp_path / MODEL).write_bytes(b"")
    program = PRELUDE + (
        "lines = []\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, line): lines.append(line.getMessage())\n"
        "logging.getLogger('vedette').addHandler(Handler())\n"
        "recorder = record()\n"
        "start = time.perf_counter()\n"
        "for i in range(300): recorder.log({'a': 1.0}); recorder.label('x', 1)\n"
        "recorder.close(); print(len(lines) <= 4, time.perf_counter() - start < 1.0)\n"
    )
    assert run(program, root).strip() == "True True"


def test_a_folder_that_may_not_be_written_is_no_trouble(tmp_path: Path) -> None:
    """Without permission nothing is raised; with it, recording begins, and the dropped rows are counted."""
    root = tmp_path / "journal"
    root.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    root.chmod(0o555)
    program = PRELUDE + (
        "if os.getuid() == 0: os.setuid(65534)\n"
        "recorder = record()\n"
        "for i in range(100): recorder.log({'a': 1.0})\n"
        "print(recorder.producer)\n"
    )
    parents = [path for path in tmp_path.parents if path != Path("/")]
    modes = {path: path.stat().st_mode & 0o777 for path in parents}
    try:
        for path in parents:
            if modes[path] & 0o005 != 0o005 and path.stat().st_uid == os.getuid():
                path.chmod(modes[path] | 0o005)
        assert run(program, root).strip() == "None"
    finally:
        for path, mode in modes.items():
            if path.stat().st_mode & 0o777 != mode:
                path.chmod(mode)


def test_without_descriptors_rows_are_counted_and_recording_recovers(tmp_path: Path) -> None:
    """A process that has run out of file descriptors drops rows, and keeps them again once it has some."""
    program = PRELUDE + (
        "import resource\n"
        "recorder = record(segment_bytes=8192)\n"
        "recorder.log({'a': 0})\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); held = []\n"
        "try:\n"
        "    while True: held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "except OSError: pass\n"
        "for i in range(999): recorder.log({'a': i})\n"
        "[os.close(one) for one in held]; time.sleep(1.1)\n"
        "recorder.log({'a': 1}, id='after')\n"
    )
    run(program, tmp_path)
    back = read(tmp_path)
    assert (back.ids[-1], len(back.rows) + back.dropped, back.dropped > 500) == ("after", 1001, True)


def test_kill_after_kill_loses_no_row(tmp_path: Path) -> None:
    """Twenty rounds of kill -9 at random instants, four producers with threads and forks: nothing that returned is lost."""
    benchmarks = Path(__file__).parent.parent / "benchmarks"
    done = subprocess.run(
        [sys.executable, benchmarks / "faults.py", "kill", "--rounds", "20", "--root", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
