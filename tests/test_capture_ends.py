"""How processes and interpreters begin and end: forks, execs, shutdowns, broken installations (docs/faults.md)."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hosts import BOTH_CORES, PRELUDE, Host
from tests.journals import MODEL
from vedette.capture import producers


@pytest.fixture(params=BOTH_CORES)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path / "journal", request.param)


SERVICE = PRELUDE.replace("sys.argv[1]", "os.environ['JOURNAL']") + (
    "recorder = record(); log = recorder.log\n"
    "log({'a': 0.0}, id='preload')\n"
    "def app(environ, start_response):\n"
    "    name = environ['QUERY_STRING']\n"
    "    log({'a': float(len(name))}, 1, id=name)\n"
    "    recorder.label(name, 1)\n"
    "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
    "    return [str(os.getpid()).encode()]\n"
)


class _Client(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def ask(path: Path, name: str) -> int | None:
    """Ask the service; the id of the worker that answered, None where one was killed over it."""
    client = _Client(path)
    try:
        client.request("GET", f"/?{name}")
        return int(client.getresponse().read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()


@contextmanager
def gunicorn(host: Host, folder: Path) -> Iterator[Path]:
    """A service with four workers, forked from a process that has logged a row; yields its socket."""
    (folder / "service.py").write_text(SERVICE)
    path = Path(f"/tmp/vedette-{os.getpid()}.sock")  # the name of a socket may not be long
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "4", "-b", f"unix:{path}", "service:app"]
    environment = {**host.environment, "JOURNAL": str(host.root)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 30
            while ask(path, "begin") is None and time.monotonic() < until:
                time.sleep(0.05)
            yield path
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            path.unlink(missing_ok=True)


def test_workers_that_a_server_forks_lose_nothing(host: Host, tmp_path: Path) -> None:
    """gunicorn with preload and four workers, one killed and replaced: each answered request has its row and its label, once."""
    pytest.importorskip("gunicorn")
    answered: dict[str, int] = {}
    with gunicorn(host, tmp_path) as path:

        def ask_all(first: int, workers: int, *, without: int = 0) -> None:
            """Ask until so many workers have answered, a hundred times at least."""
            n, until = first, time.monotonic() + 30
            while n < first + 100 or len(set(answered.values()) - {without}) < workers:
                pid = ask(path, f"r{n}")
                if pid is not None:
                    answered[f"r{n}"] = pid
                n += 1
                assert time.monotonic() < until, set(answered.values())

        ask_all(0, 2)
        killed = answered["r0"]
        before = set(answered.values())
        os.kill(killed, signal.SIGKILL)
        ask_all(100_000, len(before), without=killed)
    back, labels = host.read(), host.read("labels")
    rows = [name for name in back.ids if name not in ("begin", "preload")]
    assert set(answered) <= set(rows)
    assert len(rows) == len(set(rows)) <= len(answered) + 1
    assert set(answered) <= set(labels.ids)
    assert back.ids.count("preload") == 1
    assert (back.torn <= 1, back.dropped, any(folder.alive for folder in producers(host.root, MODEL))) == (
        True,
        0,
        False,
    )


def test_a_process_that_becomes_another_program(host: Host) -> None:
    """After ``os.execv`` the rows are there, and the program that took the process over may take the folder over too."""
    second = f"import os\n{PRELUDE}record().log({{'a': 'second'}})"
    program = (
        "r = record()\n"
        "for i in range(100): r.log({'a': 'first'})\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {second!r}, str(root)])\n"
    )
    host.run(program)
    back = host.read()
    assert (back.column["a"], len(back.next)) == (["first"] * 100 + ["second"], 1)


INTERPRETERS = (
    "try:\n"
    "    import _interpreters as interpreters\n"
    "except ImportError:\n"
    "    import _xxsubinterpreters as interpreters\n"
    "def run(code):\n"
    "    made = interpreters.create()\n"
    "    try:\n"
    "        failed = getattr(interpreters, 'exec', interpreters.run_string)(made, code)\n"
    "    except Exception as error:\n"
    "        failed = error\n"
    "    interpreters.destroy(made)\n"
    "    return failed\n"
)


def test_interpreters_within_the_process(host: Host) -> None:
    """Beside the main interpreter two others log: they work, or fail with an ImportError, and the process never crashes."""
    inner = PRELUDE.replace("sys.argv[1]", repr(str(host.root))) + (
        "r = record()\n"
        "for i in range(200): r.log({'a': i, 'b': f't{i}'}, id='inner')\n"
        "r.log({'a': []}); r.close()\n"
    )
    program = INTERPRETERS + (
        "r = record(); r.log({'a': 0, 'b': 'x'}, id='outer')\n"
        f"failed = [run({inner!r}) for _ in range(2)]\n"
        "r.log({'a': 1, 'b': 'y'}, id='outer')\n"
        "print([one if one is None else 'ImportError' in repr(one) + str(one) for one in failed])\n"
    )
    outcome = host.run(program)
    back = host.read()
    n_inner = {"[None, None]": 200 * 2, "[True, True]": 0}[outcome]
    assert (back.ids.count("outer"), back.ids.count("inner"), back.torn) == (2, n_inner, 0)


ENDS = {
    "falls off": ("pass", 0),
    "exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError", 1),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", -15),
    "SIGTERM handled": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)",
        4,
    ),
    "SIGINT": ("signal.raise_signal(signal.SIGINT)", -2),
    "exit in a thread": ("t = threading.Thread(target=sys.exit, args=(1,)); t.start(); t.join()", 0),
    "os._exit": ("os._exit(5)", 5),
}


@pytest.mark.parametrize("end", ENDS)
def test_however_a_process_ends_its_rows_are_there(host: Host, end: str) -> None:
    """Whether it falls off its end, exits, raises or is told to go: no row is lost, and it does not wait."""
    statement, code = ENDS[end]
    start = time.monotonic()
    host.run(
        f"r = record()\nfor i in range(500): r.log({{'a': i}}); r.label('x', i)\n{statement}\n", code=code
    )
    assert (host.seen(), host.seen("labels"), host.read().torn) == (500, 500, 0)
    assert time.monotonic() - start < 10


def test_rows_logged_while_the_process_ends(host: Host) -> None:
    """Exit functions that run before the recorder's and after it, destructors of globals and daemon threads may all log."""
    program = (
        "import atexit\n"
        "atexit.register(lambda: r.log({'a': 'after'}))\n"  # registered first, so run last
        "r = record(segment_bytes=8192); count = 0\n"
        "atexit.register(lambda: r.log({'a': 'before'}))\n"
        "class Last:\n"
        "    def __init__(self, log): self.log = log\n"
        "    def __del__(self): self.log({'a': 'destructor'})\n"
        "last = Last(r.log)\n"
        "def work():\n"
        "    while True: r.log({'a': 'daemon'}, id='x' * 50)\n"
        "for _ in range(3): threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.1)\n"
    )
    start = time.monotonic()
    with host.start(program) as process:
        _, errors = process.communicate(timeout=60)
    back = host.read()
    assert (process.returncode, errors) == (0, "")
    assert {"before", "after", "daemon"} <= set(back.column["a"])
    assert (back.torn <= 3, time.monotonic() - start < 15) == (True, True)


def test_where_no_thread_can_be_started(host: Host) -> None:
    """``can't start new thread`` costs nothing but speed: rows, labels and batches are kept, and the process ends in order."""
    program = (
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n"
        "import _thread; _thread.start_new_thread = start\n"
        "r = record(segment_bytes=8192)\n"
        "for i in range(2000): r.log({'a': i, 'b': f't{i}'}); r.label('x', i)\n"
        "assert r.write_batch('labels', 1, lambda path: path.write_bytes(b'x') and None) == 1\n"
    )
    host.run(program)
    (folder,) = producers(host.root, MODEL)
    assert (len(host.read().rows), len(host.read("labels").rows), len(folder.batches(0))) == (2000, 2000, 1)
    assert (host.read().torn, folder.alive) == (0, False)


def test_broken_libraries_are_no_trouble(host: Host, tmp_path: Path) -> None:
    """With numpy, pandas, Polars and the rest installed and broken, importing and logging work as if they were not there."""
    for name in ("numpy", "pandas", "polars", "scipy", "deltalake", "pyarrow", "typer", "rich"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('broken installation')\n")
    program = (
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import vedette\n"
        "monitor = vedette.Monitor('delays', lake=root.parent / 'lake')\n"
        "monitor.log({'a': 1.0, 'b': 'x'}, 1, probability=0.5, id='1'); monitor.label('1', 1); monitor.close()\n"
        "r = record(); r.log({'a': 1.0}); r.log({'a': []})\n"
    )
    host.run(program)
    assert host.seen() == 2
    assert len(producers(tmp_path / "lake" / ".journal", MODEL)) == 1


@pytest.mark.parametrize(
    ("written", "variables", "error"),
    [
        ("this is no TOML", {}, "ConfigError"),
        ("[models.delays]\nwindow = 'long'\n", {}, "ConfigError"),
        ("", {"VEDETTE_LAKE": "/dev/null/lake"}, "LakeError"),
    ],
    ids=["no TOML", "bad value", "bad lake"],
)
def test_a_broken_configuration_is_said_once_and_at_the_start(
    tmp_path: Path, written: str, variables: dict[str, str], error: str
) -> None:
    """Importing never fails; a monitor that cannot be made says why, when it is made and not when it logs."""
    (tmp_path / "vedette.toml").write_text(written)
    program = (
        "import vedette; print('imported')\n"
        "try: vedette.Monitor('delays', lake=None if 'VEDETTE_LAKE' in __import__('os').environ else 'lake')\n"
        "except vedette.errors.VedetteError as error: print(type(error).__name__, len(str(error)) > 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == (["imported", error, "True"], "")
