"""The model's process, treated badly from within: it runs on, and every row is kept or counted (docs/faults.md)."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, Host
from tests.journals import MODEL, record
from vedette.capture import producers


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


def test_a_full_journal_drops_the_newest_rows(host: Host) -> None:
    """Beyond the bound the oldest rows stay, the newest are dropped and counted, and that is said in a line or two."""
    program = (
        "lines = []\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, line): lines.append(line.getMessage())\n"
        "logging.getLogger('vedette').addHandler(Handler())\n"
        "recorder = record(journal_bytes_max=400_000)\n"
        "for i in range(6000): recorder.log({'a': i})\n"
        "print(len(lines), 'journal_bytes_max=400000 is reached' in lines[0])\n"
    )
    n_lines, named = host.run(program).split()
    back = host.read()
    assert back.column["a"] == list(range(len(back.rows)))
    assert (len(back.rows) + back.dropped, back.torn, int(n_lines) <= 2, named) == (6000, 0, True, "True")


def test_half_of_the_processes_killed_the_others_lose_nothing(host: Host) -> None:
    """Eight processes on one journal, four killed, four more begun: folders are adopted, and the ledger balances."""
    program = (
        "r, name, n = record(segment_bytes=8192), sys.argv[2], int(sys.argv[3])\n"
        "for i in range(n):\n"
        "    r.log({'a': i, 'b': f't{i % 9}'}, id=f'{name}-{i}')\n"
        "    if i == 49: print('ready', flush=True)\n"
    )
    first = [host.start(program, n, 10**9 if n < 4 else 600) for n in range(8)]
    for process in first:
        assert process.stdout is not None
        process.stdout.readline()
    for process in first[:4]:
        process.kill()
    ended = [process.wait(60) for process in first]
    second = [host.start(program, n, 600) for n in range(8, 12)]
    ended += [process.wait(60) for process in second]
    for process in (*first, *second):
        process.communicate()
    back = host.read()
    whole = {f"{n}-{i}" for n in range(4, 12) for i in range(600)}
    begun = {f"{n}-{i}" for n in range(4) for i in range(50)}
    assert ended == [-9] * 4 + [0] * 8
    assert (whole | begun) <= set(back.ids)
    assert len(set(back.ids)) == len(back.ids)
    folders = producers(host.root, MODEL)
    assert sum(folder.highest("predictions") for folder in folders) == len(back.ids) + back.torn
    assert (len(folders) <= 8, back.torn <= 4, back.dropped) == (True, True, 0)


def test_the_event_loop_is_not_held_up(host: Host) -> None:
    """Callbacks that log are no slower than a millisecond, but for one in a thousand and what empty ones are too."""
    program = (
        "import asyncio\n"
        "recorder, slow, n = record(segment_bytes=2**22), {True: 0, False: 0}, 20_000\n"
        "def call(logs, i):\n"
        "    start = time.perf_counter()\n"
        "    if logs: recorder.log({'a': i, 'b': 'x'}, 1, probability=0.5, id='x')\n"
        "    slow[logs] += time.perf_counter() - start > 0.001\n"
        "async def main():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    for i in range(n):\n"
        "        loop.call_soon(call, True, i); loop.call_soon(call, False, i)\n"
        "        if i % 100 == 0: await asyncio.sleep(0)\n"
        "    await asyncio.sleep(0.01)\n"
        "asyncio.run(main()); print(slow[True] <= slow[False] + n // 1000)\n"
    )
    assert host.run(program) == "True"
    assert host.seen() == 20_000


def test_many_threads_lose_nothing_and_do_not_queue(host: Host) -> None:
    """Sixty-four threads: each row is there once, and it takes them no five times as long as one thread alone."""
    program = (
        "def work(r, thread, n):\n"
        "    for i in range(n): r.log({'a': i, 'b': f't{i % 9}'}, thread, id=f'{thread}-{i}')\n"
        "def timed(r, n_threads, n):\n"
        "    threads = [threading.Thread(target=work, args=(r, t, n)) for t in range(n_threads)]\n"
        "    start = time.perf_counter()\n"
        "    [t.start() for t in threads]; [t.join() for t in threads]\n"
        "    return time.perf_counter() - start\n"
        "alone = timed(Recorder(root / 'alone', 'delays', '1', Settings()), 1, 12_800)\n"
        "together = timed(record(), 64, 200)\n"
        "print(together < 5 * alone + 0.5)\n"
    )
    assert host.run(program) == "True"
    back = host.read()
    assert sorted(map(str, back.ids)) == sorted(f"{t}-{i}" for t in range(64) for i in range(200))
    assert (back.torn, back.void, back.dropped) == (0, {}, 0)


@pytest.mark.parametrize(
    "hook",
    [
        "class Logs:\n    def __del__(self): inner()\ndef garbage():\n    one = Logs(); one.itself = one\n",
        "gc.callbacks.append(lambda phase, info: inner())\ndef garbage():\n    one = []; one.append(one)\n",
        "import weakref\nclass Plain: pass\ndef garbage():\n    one = Plain(); one.itself = one; weakref.finalize(one, inner)\n",
    ],
    ids=["destructor", "collector", "weakref"],
)
def test_what_the_collector_calls_may_log(host: Host, hook: str) -> None:
    """Destructors, callbacks of the collector and of weak references that log while a row is being logged: all are counted."""
    program = (
        "recorder = record(segment_bytes=8192); begun = calls = 0\n"
        "def inner():\n"
        "    global begun, calls; begun += 2\n"
        "    recorder.log({'a': calls, 'b': f'inner {calls}'}); recorder.log({'a': []}); calls += 2\n"
        f"{hook}"
        "gc.set_threshold(20)\n"
        "i, until = 0, time.monotonic() + 30\n"  # nothing is collected while a callback waits in another thread
        "while i < 3000 or (calls <= 100 and time.monotonic() < until):\n"
        "    garbage(); i += 1\n"
        "    recorder.log({'a': i, 'b': f'{i}'} if i % 50 else {'a': []})\n"
        "gc.callbacks.clear(); gc.disable()\n"  # the keeper's thread may be in the middle of one
        "while begun > calls and time.monotonic() < until: time.sleep(0.001)\n"
        "gc.collect(); recorder.close(); print(i, calls); sys.stdout.flush(); os._exit(0)\n"
    )
    rows, calls = map(int, host.run(program).split())
    assert (host.seen(), calls > 100, host.read().torn) == (rows + calls, True, 0)


def test_any_call_of_log_is_kept_or_counted(host: Host) -> None:
    """Hypothesis makes hostile objects and puts them anywhere in a call: nothing is raised, and each call is counted once."""
    assert host.run("from tests.zoo import any_calls; print(any_calls(record()))") == str(host.seen())


def test_the_zoo_is_counted_in_time(host: Host) -> None:
    """Each of the objects that raise, recur, never end or are huge is counted within a second, and the next row is kept."""
    n, slowest = host.run("from tests.zoo import parade; print(*parade(record()))").split()
    back = host.read()
    assert (host.seen(), float(slowest) < 1.0, back.torn) == (int(n), True, 0)
    assert back.column["a"][-1] == 1.0


def test_a_row_with_too_many_names_is_refused_at_once(host: Host) -> None:
    """A mapping with a hundred thousand names costs the caller no look at each of them."""
    program = (
        "recorder, row = record(), {f'f{n}': 1.0 for n in range(100_000)}\n"
        "start = time.process_time()\n"
        "for _ in range(50): recorder.log(row)\n"
        "print(time.process_time() - start)\n"
    )
    assert float(host.run(program)) < 1.0
    assert host.read().rejected == {"more than 4096 fields": 50}


@pytest.mark.parametrize("n_freed", [0, 1, 10, 60])
def test_without_memory_rows_are_counted(host: Host, n_freed: int) -> None:
    """In a process that may have no more memory nothing is raised; once it has some, rows are kept again."""
    program = (
        "import resource\n"
        "recorder = record(segment_bytes=8192)\n"
        "rows = [{'a': float(i), 'b': f'text {i}' * 20} for i in range(2000)]\n"
        "recorder.log(rows[0])\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "hard = resource.getrlimit(resource.RLIMIT_AS)[1]\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, hard))\n"
        "held, size, raised, todo = [], 2**20, 0, iter(rows)\n"
        "while size > 16:\n"
        "    try: held.append(bytearray(size))\n"
        "    except MemoryError: size //= 2\n"
        f"if {n_freed}: del held[-{n_freed}:]\n"
        "for row in todo:\n"
        "    try: recorder.log(row)\n"
        "    except Exception: raised += 1\n"
        "held.clear(); resource.setrlimit(resource.RLIMIT_AS, (hard, hard)); time.sleep(1.1)\n"
        "recorder.log({'a': -1.0, 'b': 'after'}); print(raised)\n"
    )
    assert host.run(program) == "0"
    back = host.read()
    assert (host.seen(), back.column["b"][-1], back.torn) == (2002, "after", 0)


def test_memory_does_not_grow_with_the_rows(host: Host) -> None:
    """Texts, ids, reasons and layouts are remembered up to a bound: 60,000 rows that all differ add a few megabytes."""
    program = (
        "recorder = record(segment_bytes=2**20, journal_bytes_max=2**24)\n"
        "def anonymous():\n"
        "    line = next(l for l in Path('/proc/self/status').read_text().splitlines() if l.startswith('RssAnon'))\n"
        "    return int(line.split()[1]) // 1024\n"
        "def work(begin, end):\n"
        "    for i in range(begin, end):\n"
        "        recorder.log({'a': float(i), 'b': f'text {i}'}, id=f'id {i}')\n"
        "        if i % 20 == 0: recorder.log({f'name {i}': []}); recorder.reject('labels', f'reason {i}')\n"
        "work(0, 20_000); before = anonymous(); work(20_000, 80_000); print(anonymous() - before)\n"
    )
    assert int(host.run(program)) <= 16


def test_a_mapping_that_changes_while_it_is_logged(host: Host) -> None:
    """Another thread that changes the mapping meanwhile makes rows of one state or the other, or counted ones; never others."""
    program = (
        "recorder, row, stop = record(), {'a': 1, 'b': 'x'}, False\n"
        "def change():\n"
        "    while not stop:\n"
        "        row['a'] = 2; row['b'] = 'y'; row['c'] = 1.5; del row['c']; row['a'] = 1; row['b'] = 'x'\n"
        "sys.setswitchinterval(1e-6)\n"
        "thread = threading.Thread(target=change); thread.start()\n"
        "for _ in range(5000): recorder.log(row)\n"
        "stop = True; thread.join()\n"
    )
    host.run(program)
    back = host.read()
    assert (host.seen(), back.torn) == (5000, 0)
    assert {(row["a"], row["b"], row.get("c")) for row in back.rows} <= {
        (a, b, c) for a in (1, 2) for b in ("x", "y") for c in (None, 1.5)
    }


CLOCKS = [
    "-1.0",
    "0.0",
    "253402300799.0",
    "1e300",
    "float('inf')",
    "float('nan')",
    "None",
    "'now'",
    "1 / 0",
    "2**70",
]


@pytest.mark.parametrize("reading", CLOCKS)
def test_whatever_the_clock_says_rows_are_counted(host: Host, reading: str) -> None:
    """A clock that stands at the ends of time, says what is no time, or raises: nothing is raised, and rows go on after it."""
    program = (
        "wrong = False\n"
        f"def clock(): return ({reading}) if wrong else 1.8e9\n"
        "recorder = record(clock=clock)\n"
        "for wrong in (False, True, False):\n"
        "    for i in range(3): recorder.log({'a': i}, id='x'); recorder.label('x', i)\n"
        "    recorder.log({'a': 1}, time=1.7e9)\n"
        "wrong = True; recorder.close()\n"
    )
    host.run(program)
    back = host.read()
    assert (host.seen(), host.seen("labels"), back.torn) == (12, 9, 0)
    assert [row["_time"] for row in back.rows].count(1.8e9) == 6


def test_a_clock_that_jumps_loses_no_row(host: Host) -> None:
    """A day forward, two days back, again and again: every row is kept with the time that the clock said, and read at once."""
    program = (
        "jumps = [1.8e9 + 86_400 * (i % 3 - 1) for i in range(300)]; times = iter(jumps)\n"
        "recorder = record(segment_bytes=4096, clock=lambda: next(times, 1.8e9))\n"
        "for i in range(200): recorder.log({'a': i})\n"
        "(folder,) = producers(root, 'delays')\n"
        "print(sum(len(c.ids) for c in folder.read('predictions', 0)), sum(c.torn for c in folder.read('predictions', 0)))\n"
    )
    assert host.run(program) == "200 0"
    assert {row["_received"] - 1.8e9 for row in host.read().rows} == {-86_400.0, 0.0, 86_400.0}


def test_the_leap_second_is_refused_with_its_reason(host: Host) -> None:
    """23:59:60 is no time of the calendar that is kept; the seconds beside it, 1970, 2038 and the year 9999 are times."""
    program = (
        "recorder = record(clock=lambda: 253402300799.0)\n"
        "for moment in ('2016-12-31T23:59:59Z', '2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z',\n"
        "               '1970-01-01T00:00:00Z', '2038-01-19T03:14:08Z', '9999-12-31T23:59:59Z'):\n"
        "    recorder.log({'a': 1.0}, time=moment)\n"
    )
    host.run(program)
    back = host.read()
    assert back.rejected == {"time is not an ISO 8601 date": 1}
    assert [row["_time"] for row in back.rows] == [
        1483228799.0,
        1483228800.0,
        0.0,
        2147483648.0,
        253402300799.0,
    ]


QUIET = (
    "import json\n"
    "recorder = record(segment_bytes=8192, journal_bytes_max=2**20)\n"
    "for i in range(300): recorder.log({'a': i, 'b': f't{i}'}, 1, probability=0.5, id=f'{i}'); recorder.label(f'{i}', 1)\n"
    "recorder.write_batch('labels', 1, lambda path: path.write_bytes(b'x') and None)\n"
    "recorder.close(); recorder.log({'a': 1}); list(producers(root, 'delays')[0].batches(0))\n"
)


@pytest.mark.parametrize("closed", [True, False])
def test_a_recorder_that_is_closed_while_its_keeper_prepares_says_nothing(
    tmp_path: Path, *, closed: bool
) -> None:
    """What the keeper was at is gone then, and that is no trouble; a map that is closed otherwise is."""
    recorder = record(tmp_path, segment_bytes=8192)
    recorder.log({"a": 1}, 1)
    segment = recorder._writer.streams["predictions"].segment
    assert segment is not None

    def fault_in() -> None:
        if closed:
            recorder.close()
        raise ValueError("mmap closed or invalid")

    segment.fault_in = fault_in  # type: ignore[method-assign]
    if closed:
        recorder._writer.prepare()
    else:
        with pytest.raises(ValueError, match="mmap closed"):
            recorder._writer.prepare()
    recorder.close()


def test_nothing_is_said_and_nobody_is_called(host: Host) -> None:
    """Recording opens no socket, starts no program, and writes nothing to the terminal; Python itself is the witness."""
    program = (
        "logging.getLogger('vedette').handlers.clear(); called = []\n"
        "calls = ('socket.', 'subprocess.', 'os.system', 'os.exec', 'os.posix_spawn', 'urllib.')\n"
        "own = 'socket.gethostname'  # asks nobody but the kernel\n"
        "sys.addaudithook(lambda event, _: called.append(event) if event.startswith(calls) and event != own else None)\n"
        + QUIET
        + "assert not called, called\n"
    )
    with host.start(program) as process:
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_kernel_sees_no_network_call(host: Host, tmp_path: Path) -> None:
    """The same as the kernel sees it, for code that no hook of Python's sees."""
    trace = tmp_path / "trace"
    wrapper = ("strace", "-f", "-qq", "-e", "trace=%network", "-o", str(trace))
    if "+++" not in host.run("print('+++')", wrapper=wrapper, code=None):
        pytest.skip("strace may not trace here")
    host.run(QUIET, wrapper=wrapper)
    calls = [line for line in trace.read_text().splitlines() if "(" in line]
    assert [line for line in calls if "exited" not in line and "SIG" not in line] == []


def test_a_batch_that_takes_long_is_not_overtaken(tmp_path: Path) -> None:
    """Batches get their numbers as they are done: a reader that has taken the quick one is still given the slow one."""
    made = record(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(path: Path) -> None:
        begun.set()
        go_on.wait(20)
        path.write_bytes(b"slow")

    slow = threading.Thread(target=made.write_batch, args=("predictions", 1, slowly))
    slow.start()
    begun.wait(20)
    made.write_batch("predictions", 1, lambda path: path.write_bytes(b"quick") and None)
    (folder,) = producers(tmp_path, MODEL)
    taken = folder.batches(0)
    contents = [batch.path.read_bytes() for batch in taken]
    go_on.set()
    slow.join()
    later = [batch.path.read_bytes() for batch in folder.batches(taken[-1].number)]
    made.close()
    assert (contents, later) == ([b"quick"], [b"slow"])
