"""What every request meets first, and what every answer says: paths, hosts, proxies, bodies, headers, logs."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
import uvicorn

from tests.server_access import PASSWORD, World, world_at
from vedette.config import ServingSettings
from vedette.server import connections
from vedette.server.connections import TimedHeads
from vedette.server.logs import JsonLines, ReadableLines


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_at(tmp_path_factory.mktemp("front")) as made:
        made.user("root", every="admin")
        yield made


@pytest.fixture(scope="module")
def port(world: World) -> Iterator[int]:
    """The same server on a port of this machine: what is sent goes as it is written."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(world.front, http=TimedHeads, ws="none", log_config=None, proxy_headers=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def answered(port: int, head: bytes, body: bytes = b"") -> bytes:
    """What comes back for these bytes, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize(
    "path",
    [
        b"//v1/admin/users", b"/v1//admin/users", b"/v1/admin/users/", b"/v1/%61dmin/../admin/users",
        b"/health/../v1/admin/users", b"/health/%2e%2e/v1/admin/users", b"/v1/%252e%252e/admin", b"/health;/v1/admin",
        b"/v1/admin%2fusers", b"/v1\\admin", b"/v1/admin/users%00", b"/v1/admin/users%0d%0a", b"/./v1/me", b"/v1/%",
        b"/\xc3\xa9", b"/" + b"a" * 3000, b"/v1/admin/users%", b"/v1/admin/users%7f",
    ],
)  # fmt: skip
def test_an_odd_path_is_refused_before_anything_reads_it(path: bytes, port: int) -> None:
    """What the router and another reader could take for two things is a bad request."""
    assert answered(port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        (b"/V1/ADMIN/USERS", b""),
        (b"/v1/admin/users", b"X-HTTP-Method-Override: DELETE"),
        (b"/health", b"X-Original-URL: /v1/admin/users"),
        (b"/v1/%61dmin/users", b"X-Forwarded-User: root"),
        (b"/v1/admin/users", b"X-Remote-User: root"),
    ],
)
def test_no_other_spelling_and_no_header_gets_around_the_authority(
    path: bytes, extra: bytes, port: int
) -> None:
    """Nobody gets the users, however the path is written and whatever a header claims."""
    answer = answered(
        port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost" + (b"\r\n" + extra if extra else b"")
    )
    assert b"root" not in answer
    assert answer.split()[1] in (b"401", b"404") or path == b"/health"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"localhost", b"401"), (b"127.0.0.1:8470", b"401"), (b"[::1]:8470", b"401"), (b"LOCALHOST", b"401"),
        (b"evil.example", b"400"), (b"localhost.evil.example", b"400"), (b"169.254.169.254", b"400"), (b"", b"400"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_the_servers_is_refused(host: bytes, status: bytes, port: int) -> None:
    """A page whose name was bound to this machine's address (DNS rebinding) reads nothing."""
    assert answered(port, b"GET /v1/me HTTP/1.1\r\nHost: " + host).split()[1] == status


def test_a_forwarded_address_is_believed_of_a_trusted_proxy_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The nearest address that no trusted proxy has; without trust, that of the connection."""
    caplog.set_level(logging.INFO)
    forwarded = {"X-Forwarded-For": "9.9.9.9, 203.0.113.7, 10.0.0.2", "X-Forwarded-Proto": "https"}
    for name, proxies, address, hsts in (
        ("a", (), "testclient", False),
        ("b", ("192.0.2.0/24", "10.0.0.0/8"), "203.0.113.7", True),
        ("c", ("198.51.100.0/24",), "192.0.2.1", False),
    ):
        with world_at(tmp_path / name, serving=ServingSettings(trusted_proxies=proxies)) as world:
            client = world.client(**forwarded)
            if name != "a":
                client._transport.client = ("192.0.2.1", 1)  # type: ignore[attr-defined]
            answer = client.get("/health")
        assert caplog.records[-1].said["address"] == address
        assert ("strict-transport-security" in answer.headers) is hsts


def test_every_answer_says_what_a_browser_may_do(world: World) -> None:
    """On pages, JSON, refusals, what is not there and what failed: headers of all, and nothing inline."""
    answers = [
        world.client().get(path)
        for path in (
            "/login",
            "/login/style.css",
            "/health",
            "/ready",
            "/v1/me",
            "/nothing",
            "//odd",
            "/v1/admin/users",
        )
    ]
    answers.append(world.client().post("/login", content=b"x" * (2 << 20)))
    for one in answers:
        policy = one.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["x-frame-options"] == "DENY"
        assert one.headers["referrer-policy"] == "same-origin"
        assert "camera=()" in one.headers["permissions-policy"]
        assert one.headers["cache-control"] == "no-store"
        assert "server" not in one.headers


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_large_is_refused(chunked: bool, port: int) -> None:
    """By what its length says, and where it says nothing by what came."""
    head = b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    if chunked:
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        got = answered(port, head + b"Transfer-Encoding: chunked", piece * 17)  # the last is too much
    else:
        got = answered(port, head + b"Content-Length: 99999999")
    assert got.startswith(b"HTTP/1.1 413")


def test_a_body_of_the_right_size_is_taken(world: World) -> None:
    """The limit does not cut off what is below it."""
    answer = world.client().post("/v1/login", json={"name": "x" * 900_000, "password": PASSWORD})
    assert answer.status_code == 401


def test_a_head_that_does_not_come_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that drips its head is closed, whether it says a little or nothing."""
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    for first in (b"", b"GET /health HTTP/1.1\r\nHost: loc"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(first)
            time.sleep(0.15)
            if first:
                line.sendall(b"a")
            assert line.recv(100) == b""


@pytest.mark.parametrize("form", [JsonLines(), ReadableLines()])
def test_what_comes_from_outside_makes_no_line_of_the_log(form: logging.Formatter) -> None:
    """CR, LF, escapes of a terminal and other controls are spelled out."""
    evil = "a\r\nINFO forged\x1b[31m\u2028\x00\u202e"
    record = logging.LogRecord("vedette", logging.INFO, __file__, 1, "GET %s", (evil,), None)
    record.said = {"caller": evil}
    line = form.format(record)
    assert line.isprintable()
    if isinstance(form, JsonLines):
        assert json.loads(line)["caller"] == evil
