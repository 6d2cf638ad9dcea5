"""Predictions are read as they pass through a server, which changes nothing of what passes and is never disturbed."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.validate import validator

import pytest

import vedette
from tests.journals import read
from vedette.capture import Recorder
from vedette.capture.frameworks.middleware import BODY_BYTES_MAX, pick
from vedette.capture.rejected import Rejected
from vedette.records import Settings

ROUTES = {
    "/predict": {"features": "rows[*]", "prediction": "out[*].y", "probability": "out[*].p", "id": "ids[*]"}
}
ASKED = {"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": None}], "ids": ["k1", "k2"]}
ANSWER = {"out": [{"y": 1, "p": 0.75}, {"y": 0, "p": 0.25}]}
KEPT = [
    {"a": 1, "b": "x", "prediction": 1, "probability": 0.75},
    {"a": 2, "prediction": 0, "probability": 0.25},
]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path, "delays", "1", Settings())
    yield made
    made.close()


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    own = ("_sequence", "_time", "_received", "latency_s")
    return [{k: v for k, v in row.items() if k not in own} for row in read(tmp_path).rows]


App = Callable[[bytes], tuple[int, Iterable[bytes]]]


def through_asgi(
    recorder: Recorder, app: App, body: bytes, path: str = "/predict", method: str = "POST"
) -> bytes:
    """What a client gets of an application behind the middleware; requests and responses come in pieces."""

    async def server(scope: Any, receive: Any, send: Any) -> None:
        got = b""
        while True:
            message = await receive()
            got += message["body"]
            if not message["more_body"]:
                break
        status, pieces = app(got)
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async def ask() -> bytes:
        pieces = [body[:5], body[5:]]
        sent: list[bytes] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        wrapped = vedette.ASGIMiddleware(server, monitor=SimpleNamespace(recorder=recorder), routes=ROUTES)
        await wrapped({"type": "http", "method": method, "path": path}, receive, send)
        return b"".join(sent)

    return asyncio.run(ask())


def through_wsgi(
    recorder: Recorder, app: App, body: bytes, path: str = "/predict", method: str = "POST"
) -> bytes:
    """The same of a WSGI application, with what both sides must keep to checked by the standard library's validator."""

    def server(environ: Any, start_response: Any) -> Any:
        status, pieces = app(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response(f"{status} Well", [("Content-Type", "application/json")])
        return iter(pieces)

    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "x",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": str(len(body)), "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    wrapped = vedette.WSGIMiddleware(
        validator(server), monitor=SimpleNamespace(recorder=recorder), routes=ROUTES
    )
    answer = validator(wrapped)(environ, lambda *_: lambda piece: None)
    try:
        return b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]


WAYS = {"asgi": through_asgi, "wsgi": through_wsgi}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def through(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    return request.param  # type: ignore[no-any-return]


def in_pieces(document: Any) -> list[bytes]:
    data = json.dumps(document).encode()
    return [data[start : start + 7] for start in range(0, len(data), 7)]


def test_a_prediction_is_read_as_it_passes(recorder: Recorder, through: Any, tmp_path: Path) -> None:
    """Features and ids from the request, the rest from the response, which reaches the client byte for byte."""
    got = through(recorder, lambda _: (200, in_pieces(ANSWER)), json.dumps(ASKED).encode())
    assert json.loads(got) == ANSWER
    assert (rows(tmp_path), read(tmp_path).ids) == (KEPT, ["k1", "k2"])
    assert all(row["latency_s"] > 0 for row in read(tmp_path).rows)


def test_stages_of_a_request_are_those_of_its_rows(recorder: Recorder, through: Any, tmp_path: Path) -> None:
    """What the application measures while it answers, and the load that it is under."""

    def answer(_: bytes) -> tuple[int, Iterable[bytes]]:
        with recorder.stages.stage("model"):
            assert recorder.load.reading()["concurrency"] == 1
        return 200, in_pieces(ANSWER)

    through(recorder, answer, json.dumps(ASKED).encode())
    assert all(row["stage_model_s"] > 0 for row in read(tmp_path).rows)
    assert recorder.load.reading() == {
        "calls": 0.0, "concurrency": 0.0, "concurrency_peak": 1.0, "batch_size": 2.0, "batch_size_peak": 2.0
    }  # fmt: skip


@pytest.mark.parametrize(("path", "method"), [("/other", "POST"), ("/predict", "GET")])
def test_what_is_no_prediction_is_let_through(
    recorder: Recorder, through: Any, tmp_path: Path, path: str, method: str
) -> None:
    """Other paths and methods are none of the monitor's business."""
    assert through(recorder, lambda _: (200, [b"hello"]), b"none", path, method) == b"hello"
    assert (read(tmp_path).rows, read(tmp_path).rejected) == ([], {})


@pytest.mark.parametrize(
    ("asked", "status", "answer", "reason"),
    [
        (b"{", 200, in_pieces(ANSWER), "watch: the request is no JSON"),
        (b"\xff", 200, in_pieces(ANSWER), "watch: the request is no JSON"),
        (b"[" * 100_000, 200, in_pieces(ANSWER), "watch: the request is no JSON"),
        (json.dumps(ASKED).encode(), 200, [b"<html>"], "watch: the response is no JSON"),
        (json.dumps(ASKED).encode(), 200, in_pieces({"out": []}), "watch: out[*].y: must have a value for each of the rows"),
        (json.dumps(ASKED).encode(), 200, in_pieces({}), "watch: out[*].y: not there"),
        (b'{"rows": 3}', 200, in_pieces(ANSWER), "watch: rows[*]: no list"),
        (json.dumps(ASKED).encode(), 422, in_pieces({"detail": "x"}), "HTTP 422"),
        (b" " * (BODY_BYTES_MAX + 1), 200, [b"{}"], f"watch: a request of more than {BODY_BYTES_MAX} bytes"),
    ],
    ids=range(9),
)  # fmt: skip
def test_what_cannot_be_read_is_counted(
    recorder: Recorder,
    through: Any,
    tmp_path: Path,
    asked: bytes,
    status: int,
    answer: list[bytes],
    reason: str,
) -> None:
    """The client has its answer all the same."""
    assert through(recorder, lambda _: (status, answer), asked) == b"".join(answer)
    assert (read(tmp_path).rows, read(tmp_path).rejected) == ([], {reason: 1})


def test_a_failure_is_an_error_of_each_row(recorder: Recorder, through: Any, tmp_path: Path) -> None:
    """A status of 500 and more by its number, an exception by its type; it is raised as it was."""

    def fail(_: bytes) -> Any:
        raise ZeroDivisionError

    body = json.dumps(ASKED).encode()
    through(recorder, lambda _: (503, [b"busy"]), body)
    with pytest.raises(ZeroDivisionError):
        through(recorder, fail, body)
    asked = [{"a": 1, "b": "x"}, {"a": 2}]
    assert rows(tmp_path) == [
        {**row, "error": error} for error in ("HTTP 503", "ZeroDivisionError") for row in asked
    ]
    assert read(tmp_path).ids == ["k1", "k2"] * 2


def test_a_client_that_goes_away_is_recorded_once(recorder: Recorder, tmp_path: Path) -> None:
    """A WSGI response that is closed before its end is what was sent of it."""

    def server(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        yield from in_pieces(ANSWER)

    wrapped = vedette.WSGIMiddleware(server, monitor=SimpleNamespace(recorder=recorder), routes=ROUTES)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/predict",
        "wsgi.input": io.BytesIO(json.dumps(ASKED).encode()),
    }
    answer: Any = wrapped(environ, lambda *_: None)
    next(answer)
    answer.close()
    answer.close()
    assert read(tmp_path).rejected == {"watch: the response is no JSON": 1}


def test_other_messages_of_asgi_pass(recorder: Recorder) -> None:
    """Lifespan and websockets reach the application as they are."""
    seen: list[Any] = []

    async def server(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    wrapped = vedette.ASGIMiddleware(server, monitor=SimpleNamespace(recorder=recorder), routes=ROUTES)
    given = ({"type": "lifespan"}, object(), object())
    asyncio.run(wrapped(*given))  # type: ignore[arg-type]
    assert seen == [given]


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ({}, "must name a path"),
        ({"/p": {"features": "a"}}, "must have features and prediction"),
        ({"/p": {"features": "a", "prediction": "b", "label": "c"}}, "must have features and prediction"),
        ({"/p": {"features": "a[", "prediction": "b"}}, r"features='a\[': must be a path"),
        ({"/p": {"features": 3, "prediction": "b"}}, "features=3: must be a path"),
    ],
)
def test_a_route_that_cannot_be_one_is_refused(recorder: Recorder, routes: Any, said: str) -> None:
    """When the middleware is made, with what would be right."""
    with pytest.raises(ValueError, match=said):
        vedette.ASGIMiddleware(None, monitor=SimpleNamespace(recorder=recorder), routes=routes)


def test_a_path_picks_what_lies_there() -> None:
    """Names, numbers, each element; the whole where it is empty."""
    document = {"a": [{"b": [1, 2]}, {"b": [3]}], "c": {"d": None}}
    assert pick(document, "") is document
    assert (pick(document, "a[*].b[*]"), pick(document, "a[1].b[0]"), pick(document, "c.d")) == (
        [1, 2, 3],
        3,
        None,
    )
    for path in ("x", "a[2]", "c[*]", "a.b"):
        with pytest.raises(Rejected):
            pick(document, path)


def test_the_benchmark_runs() -> None:
    """What adapters add to a call is measured beside a bare ``log``; no figure is looked at here."""
    script = Path(__file__).parent.parent / "benchmarks" / "adapters.py"
    command = [sys.executable, script, "--repeats", "1", "--json", "--only", "function", "asgi", "wsgi"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {name: set(one) for name, one in found.items()} == {
        name: {"call_s", "added_s", "log_s"} for name in ("function", "asgi", "wsgi")
    }
