"""Lines that are cut, servers that hang, senders that are killed: every row is stored once, and nothing waits for ever."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.journals import MODEL, record
from tests.servers import CERTIFICATE, Line, Refused, Running, end_senders, line, serve
from tests.test_sender import Station, batch, closed_connections, ids, log_rows, recorder, server
from vedette.capture import Recorder, producers
from vedette.capture.shipping.delivery import Again
from vedette.capture.shipping.desk import Desk
from vedette.capture.shipping.transport import Client, Unreachable
from vedette.config import ServerSettings

__all__ = ["closed_connections", "recorder", "server"]  # fixtures


@pytest.fixture(autouse=True)
def no_senders_left(tmp_path: Path) -> Iterator[None]:
    """Senders outlive the models that started them, but not the tests."""
    yield
    end_senders(tmp_path)


QUICK = ServerSettings(token_env="VEDETTE_TEST_TOKEN", timeout_s=0.6, connect_timeout_s=0.6)


def go_round(station: Station, n: int) -> list[str]:
    """Go round, whatever goes wrong; what went wrong."""
    said = []
    for _ in range(n):
        try:
            station.rounds(1)
        except Again as error:
            said.append(str(error))
    return said


@contextmanager
def over(made: Line, recorder_root: Path) -> Iterator[Station]:
    """A sender over a line, with little patience."""
    station = Station(recorder_root, made.url)
    station.sender._delivery.client._settings = lambda: QUICK
    yield station
    station.sender._delivery.client.close()


@pytest.mark.parametrize("n", [0, 1, 9, 40, 120, 175])
def test_an_answer_that_is_lost_stores_nothing_twice(
    recorder: Recorder, server: Running, tmp_path: Path, n: int
) -> None:
    """The server has stored a range and its answer is cut off: the same is sent again, acknowledged, and stored once."""
    log_rows(recorder, 50)
    batch(recorder, [1.0, 2.0])
    with (
        line(server.port, lambda k: ("answer", n) if 0 < k < 6 and k % 2 else None) as made,
        over(made, tmp_path / "journal") as station,
    ):
        station.sender._known[MODEL] = station.sender._watermarks(MODEL)
        for _ in range(14):  # each time another connection
            station.sender._delivery.client.close()
            go_round(station, 1)
    assert ids(server) == [f"id{i}" for i in range(50)]
    assert server.store.total("rows") == 52
    assert server.store.duplicates > 0 or n > 120  # then the answer was whole


def test_five_answers_in_a_row_that_are_lost_store_one_row(
    recorder: Recorder, server: Running, tmp_path: Path
) -> None:
    """However often it is sent again: once."""
    log_rows(recorder, 1)
    with (
        line(server.port, lambda k: ("answer", 20) if 0 < k < 6 else None) as made,
        over(made, tmp_path / "journal") as station,
    ):
        station.sender._known[MODEL] = station.sender._watermarks(MODEL)
        station.sender._delivery.client.close()
        go_round(station, 12)
    assert (ids(server), server.store.duplicates >= 4) == (["id0"], True)


@pytest.mark.parametrize("kind", ["request", "reset"])
@pytest.mark.parametrize("n", [0, 30, 250, 2_000, 60_000])
def test_a_request_that_is_cut_off_is_sent_again(
    recorder: Recorder, server: Running, tmp_path: Path, kind: str, n: int
) -> None:
    """Cut or reset at any byte of what goes out: in the end all rows are there, once."""
    log_rows(recorder, 3000)
    with (
        line(server.port, lambda k: (kind, n) if k < 3 else None) as made,
        over(made, tmp_path / "journal") as station,
    ):
        go_round(station, 20)
        assert made.connections > 1
    assert ids(server) == [f"id{i}" for i in range(3000)]


@pytest.mark.parametrize("fault", [("hole",), ("drip", 0.15)])
def test_a_server_that_never_has_done_costs_a_bounded_time(
    recorder: Recorder, server: Running, tmp_path: Path, fault: tuple[Any, ...]
) -> None:
    """A server that takes all and says nothing, or says it a byte at a time, is given up in time, and rows are kept."""
    log_rows(recorder, 20)
    with (
        line(server.port, lambda k: fault if k < 2 else None) as made,
        over(made, tmp_path / "journal") as station,
    ):
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(Again, match=r"no answer within 0\.6 s"):
                station.round()
            assert time.monotonic() - start < 2.0
        station.rounds()
    assert ids(server) == [f"id{i}" for i in range(20)]


def test_a_server_that_does_not_read_costs_a_bounded_time(tmp_path: Path) -> None:
    """A body that nobody takes from the line is given up in time."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: QUICK)
        start = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within") as failure:
            client.request("POST", "/v1/ingest/m/predictions", {}, bytes(20_000), {})
        assert time.monotonic() - start < 3.0
        with pytest.raises(Unreachable) as failure:
            client.request("POST", "/v1/ingest/m/predictions", {}, bytes(8 * 2**20), {})
        assert failure.value.sending
        client.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n{}", "no 'watermarks'"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"watermarks": {}}', "no 'watermarks'|no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"[" * 20, "no 'watermarks'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "not HTTP"),
    ],
)
def test_what_is_no_answer_is_waited_out(
    recorder: Recorder, tmp_path: Path, answer: bytes, reason: str
) -> None:
    """Whatever comes back instead of an answer: it is said, nothing is taken as acknowledged, and nothing breaks."""
    log_rows(recorder, 5)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            near, _ = listener.accept()
            with near:
                near.recv(65_536)
                near.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        station = Station(tmp_path / "journal", f"http://127.0.0.1:{listener.getsockname()[1]}")
        station.sender._delivery.client._settings = lambda: QUICK
        with pytest.raises(Again, match=reason):
            station.round()
        thread.join()
    assert len(list((tmp_path / "journal" / MODEL).rglob("*.seg"))) > 0


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(
    recorder: Recorder, server: Running, tmp_path: Path
) -> None:
    """A kept connection that is closed between two requests is opened anew at once."""
    log_rows(recorder, 5)
    with line(server.port, lambda k: ("answer", 260) if k == 0 else None) as made:
        station = Station(tmp_path / "journal", made.url)
        station.sender._watermarks(MODEL)
        time.sleep(0.05)
        said = go_round(station, 2)
        station.sender._delivery.client.close()
    assert ids(server) == [f"id{i}" for i in range(5)]
    assert len(said) <= 1


def test_a_certificate_that_nobody_vouches_for_is_refused(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS nothing is sent to who cannot show that it is the server; to who can, rows and token are."""
    monkeypatch.setenv("VEDETTE_TEST_TOKEN", "s3cret")
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(CERTIFICATE)
    log_rows(recorder, 500)
    with serve(token="s3cret", certificate=certificate) as secure:
        for host in ("localhost", "127.0.0.1"):
            station = Station(tmp_path / "journal", f"https://{host}:{secure.port}")
            with pytest.raises(Again, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
                station.round()
        assert secure.store.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        station.rounds()
        station.sender._delivery.client.close()
        assert ids(secure) == [f"id{i}" for i in range(500)]


def test_a_certificate_of_another_host_is_refused(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is trusted, and is another host's, opens nothing."""
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    log_rows(recorder, 5)
    with serve(certificate=certificate) as secure:
        station = Station(tmp_path / "journal", f"https://127.0.0.1:{secure.port}")
        station.sender._delivery.client._host = "127.0.0.1.example.org"
        monkeypatch.setattr(
            "socket.getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", secure.port))],
        )
        with pytest.raises(Again, match=r"CERTIFICATE_VERIFY_FAILED|not valid for|mismatch"):
            station.round()
        assert secure.store.got == []


def test_a_journal_that_is_full_drops_and_counts_and_goes_on(tmp_path: Path) -> None:
    """With a dead server the journal grows to its bound; what does not fit is counted, and with a server all balances."""
    port = free_port()
    recorder = record(tmp_path / "journal", journal_bytes_max=400_000)
    station = Station(tmp_path / "journal", f"http://127.0.0.1:{port}")
    log_rows(recorder, 5000)
    with pytest.raises(Again, match="connection refused"):
        station.round()
    size = sum(one.stat().st_size for one in (tmp_path / "journal").rglob("*") if one.is_file())
    assert size < 600_000
    with serve(port=port) as late:
        station.rounds()
        time.sleep(1.1)  # the recorder looks for room again after a second
        log_rows(recorder, 100, 5000)
        recorder.close()
        station.rounds()
        station.sender._delivery.client.close()
        dropped = sum(late.store.counted().values())
        assert 0 < dropped < 5000
        assert (late.store.total("rows") + dropped, late.store.total("torn")) == (5100, 0)
        assert ids(late)[-100:] == [f"id{i}" for i in range(5000, 5100)]


def test_a_model_for_which_there_is_no_room_starves_no_other(
    recorder: Recorder, server: Running, tmp_path: Path
) -> None:
    """429 for one model, for ever: the others' turn comes all the same."""
    others = [Recorder(tmp_path / "journal", name, "1", recorder.settings) for name in ("a", "z")]
    for one in (*others, recorder):
        one.log({"a": 1.0}, 1)
    server.store.before = lambda got: Refused(429, "slowly") if f"/{MODEL}/" in got.path else None
    go_round(Station(tmp_path / "journal", server.url), 6)
    assert sorted(key[0] for key in server.store.rows) == ["a", "z"]
    for one in others:
        one.close()


# --- processes -------------------------------------------------------------------------------------------------------


def start_sender(journal: Path, url: str, idle_exit_s: float = 60.0) -> subprocess.Popen[bytes]:
    """A sender in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "vedette.capture.shipping", str(journal), url, str(idle_exit_s)],
        stderr=subprocess.DEVNULL,
    )


def until(what: Any, timeout_s: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.01)


def end(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()


def test_a_sender_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    recorder: Recorder, server: Running, tmp_path: Path
) -> None:
    """kill -9 at random moments while rows, labels and batches come: in the end each is stored once, and all is freed."""
    rng, n = random.Random(7), 0
    for number in range(15):
        process = start_sender(tmp_path / "journal", server.url)
        until(lambda: Desk(tmp_path / "journal").held)
        deadline = time.monotonic() + rng.uniform(0.0, 0.3)
        while time.monotonic() < deadline:
            log_rows(recorder, 200, n)
            recorder.label(f"id{n}", 1)
            n += 200
            time.sleep(0.01)
        batch(recorder, [float(number)])
        end(process)
    recorder.close()
    process = start_sender(tmp_path / "journal", server.url, 0.2)
    assert process.wait(60) == 0
    assert ids(server) == [f"id{i}" for i in range(n)]
    assert len(server.store.all_rows("labels")) == n // 200
    assert [number for ((_, many),) in [server.store.batches.items()] for _, number, _ in many] == list(
        range(1, 16)
    )
    assert list((tmp_path / "journal" / MODEL).rglob("*.seg")) == []
    assert (server.store.total("torn"), server.store.total("set_aside")) == (0, 0)


@contextmanager
def server_process() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process of its own, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if process.stdin is not None:
            process.stdin.close()


def state(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_server_that_is_stopped_and_goes_on_gets_each_row_once(recorder: Recorder, tmp_path: Path) -> None:
    """SIGSTOP in the middle of requests, SIGCONT after their time is over: what hung is done twice, and stored once."""
    with server_process() as (process, port):
        station = Station(tmp_path / "journal", f"http://127.0.0.1:{port}")
        station.sender._delivery.client._settings = lambda: QUICK
        for i in range(4):
            log_rows(recorder, 500, 500 * i)
            process.send_signal(signal.SIGSTOP)
            assert go_round(station, 2) != []
            process.send_signal(signal.SIGCONT)
            go_round(station, 6)
        found = state(port)
        station.sender._delivery.client.close()
    assert found["ids"] == sorted(f"id{i}" for i in range(2000))
    assert found["counts"] == {"rows": 2000, "torn": 0, "void": 0, "set_aside": 0}
    assert found["duplicates"] > 0


PRELUDE = """
import os, sys, time, threading
import vedette
monitor = vedette.Monitor("delays", lake=sys.argv[1], journal=sys.argv[2])
"""


def run_model(url: str, journal: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A model in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + program, url, str(journal)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def journal_of(base: Path) -> Path:
    """The journal of the one server below a folder."""
    (found,) = base.iterdir()
    return found


def test_a_model_that_dies_leaves_its_rows_to_the_sender(tmp_path: Path, server: Running) -> None:
    """kill -9 of a model right after its first row: the sender that it started ships it."""
    program = "monitor.log({'a': 1.0}, 1, id='x')\ntime.sleep(1.0)\nos.kill(os.getpid(), 9)"
    done = run_model(server.url, tmp_path, program)
    assert done.returncode == -9
    until(lambda: ids(server) == ["x"])


def test_what_a_dead_model_left_is_shipped_by_the_next_one(tmp_path: Path, server: Running) -> None:
    """A model that died before any sender was there: the next one's sender ships that too."""
    port = free_port()
    run_model(f"http://127.0.0.1:{port}", tmp_path, "monitor.log({'a': 1.0}, 1, id='x')\nos._exit(3)")
    with serve(port=port) as late:
        run_model(late.url, tmp_path, "monitor.log({'a': 1.0}, 1, id='y'); monitor.flush(30)")
        assert sorted(ids(late)) == ["x", "y"]


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("kind", ["refused", "hole"])
def test_the_end_of_a_process_waits_two_seconds_at_most(tmp_path: Path, kind: str) -> None:
    """With a server that is dead, or that says nothing, a process ends in time, and its rows are on disk."""
    program = (
        "import atexit\natexit._clear()\n"
        "from vedette.capture import process\n"
        "def whole():\n    begin = time.monotonic(); process._at_exit(); print(time.monotonic() - begin)\n"
        "atexit.register(whole)\nmonitor.log({'a': 1.0}, 1, id='x')\n"
        "monitor.log_many({'a': [1.0], 'prediction': [1]})\n"
    )
    with line(free_port(), lambda _: ("hole",)) as made:
        url = made.url if kind == "hole" else f"http://127.0.0.1:{free_port()}"
        for number in range(3):
            done = run_model(url, tmp_path / str(number), program)
            assert (done.returncode, done.stderr) == (0, "")
            assert float(done.stdout) < 2.3
            (folder,) = producers(journal_of(tmp_path / str(number)), MODEL)
            assert (folder.highest("predictions"), len(folder.batches(0)), folder.alive) == (1, 1, False)


def test_the_end_of_a_process_lets_its_last_rows_out(tmp_path: Path, server: Running) -> None:
    """A script that logs and ends has its rows on the server when it is over, where the server answers."""
    done = run_model(server.url, tmp_path, "monitor.log({'a': 1.0}, 1, id='x')")
    assert (done.returncode, ids(server)) == (0, ["x"])


def test_a_monitor_alone_makes_no_request(tmp_path: Path, server: Running) -> None:
    """Before anything is recorded there is no request, no sender, and no thread."""
    program = (
        "time.sleep(0.5)\n"
        "print(threading.active_count(), os.listdir(os.path.join(sys.argv[2], os.listdir(sys.argv[2])[0])))"
    )
    done = run_model(server.url, tmp_path, program)
    assert (done.stdout.strip(), done.stderr, server.store.got) == ("1 []", "", [])


def test_logging_alone_loads_no_http(tmp_path: Path, server: Running) -> None:
    """The model's process does not pay for what the sender's needs."""
    program = "monitor.log({'a': 1.0}, 1)\nprint([n for n in ('http.client', 'ssl', 'numpy', 'polars') if n in sys.modules])"
    assert run_model(server.url, tmp_path, program).stdout.strip() == "[]"


@pytest.mark.parametrize("executable", ["''", "'/bin/false'", "'/no/such/python'"])
def test_where_no_process_can_be_started_a_thread_ships(
    tmp_path: Path, server: Running, executable: str
) -> None:
    """An interpreter that is embedded, or is not where it says: a thread does the sender's work."""
    program = (
        f"import logging; logging.disable(); sys.executable = {executable}\n"
        "monitor.log({'a': 1.0}, 1, id='x')\nmonitor.flush(30)\n"
        "print('vedette-sender' in [one.name for one in threading.enumerate()])"
    )
    done = run_model(server.url, tmp_path, program)
    assert (done.stdout.strip(), done.stderr, ids(server)) == ("True", "", ["x"])


def test_where_neither_process_nor_thread_can_be_started_rows_are_kept(
    tmp_path: Path, server: Running
) -> None:
    """Nothing is raised into the model, ``flush`` says that it waited in vain, and the rows are in the journal."""
    program = (
        "import logging; logging.disable(); sys.executable = ''\n"
        'def no(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = no\n"
        "monitor.log({'a': 1.0}, 1, id='x')\n"
        "try:\n    monitor.flush(1)\nexcept vedette.VedetteError as error:\n    print(error)\n"
    )
    done = run_model(server.url, tmp_path, program)
    assert ("not all that was recorded was acknowledged within 1 s" in done.stdout, done.stderr) == (True, "")
    (folder,) = producers(journal_of(tmp_path), MODEL)
    assert (folder.highest("predictions"), server.store.got) == (1, [])


def test_a_child_of_a_process_that_ships_in_a_thread_ships_too(tmp_path: Path, server: Running) -> None:
    """After a fork the thread is the parent's; the child's rows go out all the same, each once."""
    program = (
        "import logging; logging.disable(); sys.executable = ''\n"
        "monitor.log({'a': 1.0}, 1, id='parent')\nmonitor.flush(30)\n"
        "child = os.fork()\n"
        "monitor.log({'a': 1.0}, 1, id='child' if child == 0 else 'after')\nmonitor.flush(30)\n"
        "if child == 0:\n    os._exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = run_model(server.url, tmp_path, program)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
    assert sorted(ids(server)) == ["after", "child", "parent"]


def test_several_processes_have_one_sender(tmp_path: Path, server: Running) -> None:
    """Eight models that start at once are shipped by one process."""
    program = "monitor.log({'a': 1.0}, 1, id=str(os.getpid()))\nmonitor.flush(40)\n"
    models = [
        subprocess.Popen([sys.executable, "-c", PRELUDE + program, server.url, str(tmp_path)])
        for _ in range(8)
    ]
    assert [one.wait(60) for one in models] == [0] * 8
    assert sorted(ids(server)) == sorted(str(one.pid) for one in models)
    assert len([one for one in server.store.got if one.path.endswith("watermarks")]) == 1


def test_a_new_token_is_picked_up(tmp_path: Path) -> None:
    """A sender that was refused is over; the next process, with the right token, ships what waits."""
    with serve(token="right") as guarded:
        program = (
            "monitor.log({'a': 1.0}, 1, id=os.environ['VEDETTE_TOKEN'])\n"
            "try:\n    monitor.flush(30)\nexcept vedette.VedetteError as error:\n    print(error)\n"
        )
        wrong = run_model(guarded.url, tmp_path, program, VEDETTE_TOKEN="wrong")
        assert "answered 401 no such token; what was recorded is kept in" in wrong.stdout
        right = run_model(guarded.url, tmp_path, program, VEDETTE_TOKEN="right")
        assert (right.stdout, right.stderr) == ("", "")
        assert sorted(ids(guarded)) == ["right", "wrong"]
        log = (journal_of(tmp_path) / ".sender" / "log").read_text()
        assert "stopped, the journal is kept: answered 401" in log
        assert "wrong" not in log


def test_a_token_in_a_file_is_picked_up_by_the_sender_that_runs(tmp_path: Path) -> None:
    """The file that holds the token is read again: nobody has to start anything anew."""
    (tmp_path / "token").write_text("old\n")
    config = tmp_path / "vedette.toml"
    config.write_text('[server]\ntoken_file = "token"\n')
    with serve(token="old") as guarded:
        process = subprocess.Popen(
            [
                sys.executable, "-c", PRELUDE + "for line in sys.stdin:\n    monitor.log({'a': 1.0}, 1, id=line.strip())\n",
                guarded.url, str(tmp_path / "j"),
            ],
            stdin=subprocess.PIPE, text=True, env={**os.environ, "VEDETTE_CONFIG": str(config)},
        )  # fmt: skip
        assert process.stdin is not None
        print("one", file=process.stdin, flush=True)
        until(lambda: ids(guarded) == ["one"])
        guarded.store.token = "new"
        (tmp_path / "token").write_text("new\n")
        print("two", file=process.stdin, flush=True)
        until(lambda: ids(guarded) == ["one", "two"])
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_large_journal_needs_little_memory(tmp_path: Path, server: Running) -> None:
    """Shipping takes as much memory for many rows as for few: it goes by parts."""
    used = []
    for n in (2_000, 60_000):
        made = record(tmp_path / str(n), segment_bytes=(2**20, 16 * 2**20))
        for i in range(n):
            made.log({f"f{k}": i * 1.5 + k for k in range(30)}, 1, id=f"row-{i}")
        made.close()
        program = (
            "import re, sys\nfrom pathlib import Path\n"
            "from vedette.capture.shipping.follow import once\nfrom vedette.config import ServerSettings\n"
            "rows = once(Path(sys.argv[1]), sys.argv[2], ServerSettings).rows\n"
            # not ru_maxrss, which begins with that of who started the process
            "print(rows, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / str(n)), server.url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows, peak_kib = map(int, done.stdout.split())
        assert rows == n
        used.append(peak_kib)
        server.store.rows.clear()
        server.store.tables.clear()
    assert used[1] - used[0] < 40 * 1024
