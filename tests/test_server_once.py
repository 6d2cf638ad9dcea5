"""A number is taken once: by one of several processes, with one content; what else comes under it is kept apart and counted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("fastapi", reason="the extra server is not installed")
pytest.importorskip("uvicorn", reason="the extra server is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

from tests.server_running import RunningServer, running
from tests.test_server_ingest import _arrow, _send
from vedette.engine import cycle
from vedette.lake.ledger import ledger
from vedette.lake.received import conflicts as conflicts_module
from vedette.lake.received import tidy
from vedette.lake.received.conflicts import REASON, Conflicts
from vedette.lake.received.records import Received
from vedette.lake.tables import Lake

ROOT = Path(__file__).parent.parent
SERVER = """
import pathlib, sys
from tests.server_running import running
with running(pathlib.Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(lake: Path) -> Iterator[str]:
    """A server in a process of its own; its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(lake)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running(tmp_path / "lake") as made:
        yield made


def rows(first: int, value: float, n: int = 1) -> dict[str, Any]:
    """Rows of the producer ``w`` under the numbers from ``first`` on."""
    made = [
        {"features": {"a": value, "c": "x"}, "prediction": 1, "id": f"r{number}"}
        for number in range(first, first + n)
    ]
    return {"producer": "w", "first": first, "rows": made}


def send(url: str, document: dict[str, Any], stream: str = "predictions") -> httpx.Response:
    return httpx.post(f"{url}/v1/models/net/{stream}", json=document, timeout=30)


def test_of_rows_that_two_processes_are_given_at_one_instant_one_has_the_number(tmp_path: Path) -> None:
    """Two processes, each given its own row under the same number at once, forty times: one answers 200, the other 409;
    what was answered 200 is what the lake has, and the ledger counts the others as rejected."""
    lake, n = Lake.at(tmp_path / "lake"), 40
    won: list[float] = []
    with process(lake.path) as one, process(lake.path) as other, ExitStack() as opened:
        clients = [opened.enter_context(httpx.Client(base_url=url, timeout=30)) for url in (one, other)]
        for number in range(1, n + 1):
            barrier, answers = threading.Barrier(2), [0, 0]

            def offer(
                which: int, number: int = number, barrier: threading.Barrier = barrier, answers: list[int] = answers
            ) -> None:  # fmt: skip
                document = rows(number, which + number / 100)
                barrier.wait()
                answers[which] = clients[which].post("/v1/models/net/predictions", json=document).status_code

            threads = [threading.Thread(target=offer, args=(which,)) for which in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(answers) == [200, 409]
            won.append(answers.index(200) + number / 100)
    cycle.once(lake)
    frame = lake.model("net")["predictions"].scan().sort("_sequence").collect()
    assert frame["a"].to_list() == won
    book = ledger(lake, "net")
    assert book.balanced
    assert [(one.in_lake, one.rejected, one.reasons["rejected"]) for one in book.producers] == [
        (n, n, {REASON: n})
    ]


def test_what_a_process_took_that_is_gone_is_known(tmp_path: Path) -> None:
    """A server that knew how far a producer had come learns what another took meanwhile that has ended since."""
    with running(tmp_path / "lake") as server:
        assert send(server.url, rows(1, 1.0)).status_code == 200
        with process(tmp_path / "lake") as other:
            assert send(other, rows(2, 2.0)).status_code == 200
        assert send(server.url, rows(2, 99.0)).status_code == 409
        assert send(server.url, rows(3, 3.0)).json()["through"] == 3


def test_what_conflicts_is_kept_as_it_came_and_counted_once(server: RunningServer) -> None:
    """The body of the refused request lies beside its reason; sent again it is the same; the ledger keeps the count when the
    logs are gone, and balances at each step."""
    lake = server.lake
    assert send(server.url, rows(1, 1.0, 3)).status_code == 200
    other = rows(1, 2.0, 3)
    for _ in range(2):
        refused = send(server.url, other)
        assert refused.status_code == 409
        assert "numbers 1 to 3" in refused.json()["error"]
    (kept,) = Conflicts(lake).of("net")
    assert (kept.producer, kept.stream, kept.first, kept.end, kept.n_rows) == (
        "w@json",
        "predictions",
        1,
        4,
        3,
    )
    assert kept.path is not None
    assert json.loads(kept.path.read_bytes()) == other
    for step in range(3):
        book = ledger(lake, "net")
        assert book.balanced
        assert [(one.in_journal + one.in_lake, one.rejected) for one in book.producers] == [(3, 3)]
        cycle.once(lake)
        if step:
            server.app.state.desk.log._next_file()  # so that the log is one that has ended
            assert tidy(lake) >= 0
    assert lake.model("net")["predictions"].scan().collect()["a"].to_list() == [1.0] * 3


def test_labels_are_kept_apart_as_labels(server: RunningServer) -> None:
    """The ledger has them under their own stream."""
    for label in (0, 1):
        document = {"producer": "w", "first": 1, "rows": [{"id": "r1", "label": label}]}
        assert send(server.url, document, "labels").status_code == (409 if label else 200)
    cycle.once(server.lake)
    assert {one.stream: (one.in_lake, one.rejected) for one in ledger(server.lake, "net").producers} == {
        "labels": (1, 1)
    }


def test_bodies_are_kept_within_bounds_and_counted_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that came are kept; when they are too old there is room again; what was refused stays counted."""
    monkeypatch.setattr(conflicts_module, "BODIES_MAX", 2)
    monkeypatch.setattr(conflicts_module, "BODIES_BYTES_MAX", 100)
    conflicts, day = Conflicts(Lake.at(tmp_path)), 86_400_000_000

    def keep(number: int, size: int, at: int) -> None:
        one = Received("json", "net", "w@json", "labels", number, number + 1, "d", {"n_rows": 1})
        assert conflicts.keep(one, b"x" * size, at)

    keep(1, 60, 0)
    keep(2, 60, 1)  # beyond the bytes
    keep(3, 30, 2)
    keep(4, 1, 3)  # beyond the number
    assert [one.path is not None for one in conflicts.of("net")] == [True, False, True, False]
    keep(5, 100, 31 * day)
    assert [one.path is not None for one in conflicts.of("net")] == [False] * 4 + [True]
    assert sum(one.n for one in conflicts.counted("net")["w@json", "labels"]) == 5
    assert len(list(conflicts.folder.glob("*.json"))) == 1


def test_word_that_conflicting_rows_do_not_come_is_taken(server: RunningServer) -> None:
    """A sender whose rows were refused with 409 says that they do not come: its numbers are taken, so it may go on; what
    came first stays."""
    said, body = _arrow(5)
    assert _send(server, said, body).status_code == 200
    assert _send(server, said, _arrow(5, host="another")[1]).status_code == 409
    lost = {"first": 1, "last": 5, "part": "set_aside", "reason": "refused with 409", "time": 1.0}
    word = {"format": 1, "model": "net", "stream": "predictions", "rows": 0, "lost": [lost], **said}
    content = {"Content-Type": "application/json"}
    assert _send(server, said, json.dumps(word).encode(), **content).json() == {
        "through": 5,
        "duplicate": True,
    }
    cycle.once(server.lake)
    (book,) = ledger(server.lake, "net").producers
    assert (book.in_lake, book.rejected) == (5, 5)
    (kept,) = Conflicts(server.lake).of("net")
    assert kept.path is not None
    assert pl.read_ipc_stream(kept.path).height == 5
