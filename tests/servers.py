"""What the tests of shipping share: a server that keeps what it is given as docs/protocol.md says, and lines that fail.

``serve`` runs one in this process; ``python -m tests.servers`` one in a process of its own, which says its port and goes on
until its standard input ends; what it has can be asked at ``/state``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pyarrow as pa
import pyarrow.ipc

CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgiidO16C+aM7mkA1g
R9GSvh+pw3eVEAfJMqxAv+4pNbGhRANCAAR9TiWKIu/A9QUMWDXCOwRQ+3vzCbB8
r8V7eFY5IghqY0E2r0fLfruxrG4AU//DayYT8eqNMHcf9OiZLAEeQ8Cq
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUVWXgs+pUxO9JYoYIl54X+xEWL58wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzE1NDgwNloYDzIxMjYxMTAz
MTU0ODA2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR9TiWKIu/A9QUMWDXCOwRQ+3vzCbB8r8V7eFY5IghqY0E2r0fLfrux
rG4AU//DayYT8eqNMHcf9OiZLAEeQ8Cqo28wbTAdBgNVHQ4EFgQU3TaV10hSkucn
P3sZuG4n5SzpyrkwHwYDVR0jBBgwFoAU3TaV10hSkucnP3sZuG4n5SzpyrkwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgF2dLfA20BJ1UAWUaDrFYwojP4Nf/i7m0a54EG+pvQH8CIQDK
wnxrtO1WGEu8y9lsitbXkQA8CPwab96LniVCGfervQ==
-----END CERTIFICATE-----
"""
"""A certificate for localhost and 127.0.0.1, and its key, which guards nothing: the tests' own, until the year 2126."""

_PATH = re.compile(
    r"/v1/ingest/([a-z0-9][a-z0-9._-]{0,62})/(predictions|labels|reference|counters|watermarks)"
)
_JOURNAL, _PRODUCER = re.compile(r"[0-9a-f]{32}"), re.compile(r"\d{4,}-[0-9a-f]{8}")


class Refused(Exception):  # noqa: N818 - an answer
    """The answer to a request that is not as the protocol says, or not now."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status, self.document = status, {"error": error, **more}


@dataclass
class Got:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Store:
    """What the server has: rows by model, producer and stream, and what became of the others."""

    token: str | None = None
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    batches: dict[tuple[str, str], list[tuple[str, int, Any]]] = field(default_factory=dict)
    through: dict[tuple[str, str, str], int] = field(default_factory=dict)
    counts: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)
    counters: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    tables: list[pa.Table] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    digests: dict[tuple[Any, ...], str] = field(default_factory=dict)
    duplicates: int = 0
    before: Callable[[Got], Refused | None] | None = None  # asked before a request is looked at
    lock: threading.Lock = field(default_factory=threading.Lock)

    def all_rows(self, stream: str = "predictions") -> list[dict[str, Any]]:
        """The rows of a stream, of all producers."""
        return [row for key, rows in self.rows.items() if key[2] == stream for row in rows]

    def counted(self, stream: str = "predictions") -> dict[tuple[str, str], int]:
        """What producers counted besides their rows, by part and reason."""
        found: dict[tuple[str, str], int] = {}
        for told in self.counters.values():
            for one in told["streams"][stream]["counted"]:
                key = (one["part"], one["reason"])
                found[key] = found.get(key, 0) + one["n"]
        return found

    def total(self, part: str) -> int:
        """The sum of ``rows``, ``torn``, ``void`` or ``set_aside`` over all streams."""
        return sum(counts.get(part, 0) for counts in self.counts.values())

    def answer(self, got: Got) -> tuple[int, dict[str, Any]]:
        """Do what a request says, once, and return the answer."""
        if self.token is not None and got.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(401, "no such token")
        match = _PATH.fullmatch(got.path)
        if match is None:
            raise Refused(404, "no such path")
        model, what = match[1], match[2]
        journal = got.query.get("journal", "")
        if not _JOURNAL.fullmatch(journal):
            raise Refused(400, f"journal={journal!r}: must be 32 hexadecimal digits")
        with self.lock:
            if what == "watermarks":
                return 200, {"watermarks": self._watermarks(model, journal)}
            producer = got.query.get("producer", "")
            if not _PRODUCER.fullmatch(producer):
                raise Refused(400, f"producer={producer!r}: must be like 0001-3f9c21ab")
            body = _body(got)
            whose = f"{journal}/{producer}"
            if what == "counters":
                self.counters[model, whose] = json.loads(body)
                return 200, {"taken": True}
            if "batch" in got.query:
                return self._batch(model, whose, what, got, body)
            return self._range(model, whose, what, got, body)

    def _watermarks(self, model: str, journal: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (name, whose, stream), n in self.through.items():
            if name == model and whose.startswith(journal):
                found.setdefault(whose.split("/")[1], {})[stream] = n
        return found

    def _range(
        self, model: str, whose: str, stream: str, got: Got, body: bytes
    ) -> tuple[int, dict[str, Any]]:
        first, end = int(got.query["first"]), int(got.query["end"])
        key = (model, whose, stream)
        through = self.through.get(key, 0)
        if first > through + 1:
            raise Refused(412, f"rows from {through + 1} on are lacking", through=through)
        if self._again((*key, first, end), body) or end - 1 <= through:
            self.duplicates += 1
            return 200, {"through": through, "duplicate": True}
        table, about = _rows(got, body)
        _check_about(about, model, stream, got)
        lost = [n for one in about["lost"] for n in range(one["first"], one["last"] + 1)]
        kept = [] if table is None else table["_sequence"].to_pylist()
        if sorted([*kept, *lost]) != list(range(first, end)) or lost != sorted(lost) or kept != sorted(kept):
            raise Refused(400, "not each sequence of the range is accounted for, once and in order")
        if table is not None:
            if table.num_rows != about["rows"]:
                raise Refused(400, f"{table.num_rows} rows: must be {about['rows']}")
            self.tables.append(table)
            new = [row for row in table.to_pylist() if row["_sequence"] > through]
            self.rows.setdefault(key, []).extend(new)
        if first <= through:
            raise Refused(400, "a range that is known in part is not what this sender sends")
        self._count(key, about)
        self.through[key] = end - 1
        self.digests[(*key, first, end)] = hashlib.sha256(body).hexdigest()
        return 200, {"through": end - 1, "duplicate": False}

    def _batch(
        self, model: str, whose: str, stream: str, got: Got, body: bytes
    ) -> tuple[int, dict[str, Any]]:
        number, after, n_rows = (int(got.query[name]) for name in ("batch", "after", "rows"))
        key = (model, whose, "batch")
        through = self.through.get(key, 0)
        if after > through:
            raise Refused(412, f"batches after {through} are lacking", through=through)
        if self._again((*key, number), body) or number <= through:
            self.duplicates += 1
            return 200, {"through": through, "duplicate": True}
        if got.headers["content-type"] == "application/json":
            about = json.loads(body)
            if about["rows"] + sum(one["last"] - one["first"] + 1 for one in about["lost"]) != n_rows:
                raise Refused(400, f"not all of {n_rows} rows are accounted for")
            self._count(key, about)
        else:
            try:
                table = pa.ipc.open_file(pa.BufferReader(body)).read_all()
                table.validate(full=True)
            except (pa.ArrowInvalid, OSError) as error:
                raise Refused(400, f"no Arrow file: {error}") from error
            if table.num_rows != n_rows:
                raise Refused(400, f"{table.num_rows} rows: must be {n_rows}")
            self.batches.setdefault((model, whose), []).append((stream, number, table))
            self._count(key, {"rows": n_rows, "lost": []})
        self.through[key] = number
        self.digests[(*key, number)] = hashlib.sha256(body).hexdigest()
        return 200, {"through": number, "duplicate": False}

    def _again(self, what: tuple[Any, ...], body: bytes) -> bool:
        """True for what came before just so; another content under its name is refused."""
        known = self.digests.get(what)
        if known is not None and known != hashlib.sha256(body).hexdigest():
            raise Refused(409, "the same range came before with another content")
        return known is not None

    def _count(self, key: tuple[str, str, str], about: dict[str, Any]) -> None:
        self.documents.append(about)
        counts = self.counts.setdefault(key, {"rows": 0, "torn": 0, "void": 0, "set_aside": 0})
        counts["rows"] += about["rows"]
        for one in about["lost"]:
            n = one["last"] - one["first"] + 1
            counts[one["part"]] += n
            self.reasons[one["reason"]] = self.reasons.get(one["reason"], 0) + n
            self.lost.append(one)


def _body(got: Got) -> bytes:
    body = got.body
    if got.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    digest = got.headers.get("vedette-digest", "")
    if digest != f"sha-256={hashlib.sha256(body).hexdigest()}":
        raise Refused(503, "the body is not what the digest says")
    return body


def _rows(got: Got, body: bytes) -> tuple[pa.Table | None, dict[str, Any]]:
    """The rows, validated, and the document that comes with them."""
    if got.headers["content-type"] == "application/json":
        return None, json.loads(body)
    if got.headers["content-type"] != "application/vnd.apache.arrow.stream":
        raise Refused(415, "must be an Arrow stream, or JSON")
    try:
        table = pa.ipc.open_stream(io.BytesIO(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise Refused(400, f"no Arrow stream: {error}") from error
    return table, json.loads(table.schema.metadata[b"vedette"])


def _check_about(about: dict[str, Any], model: str, stream: str, got: Got) -> None:
    said = {"format": 1, "model": model, "stream": stream, **got.query}
    for name in said:
        if str(about[name]) != str(said[name]):
            raise Refused(400, f"{name}={about[name]!r}: must be {said[name]!r}")


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


@dataclass
class Running:
    """A server that runs, and what it has."""

    store: Store
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for an ACK

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(self.command, parts.path, query, headers, self.rfile.read(size))
            extra: dict[str, str] = {}
            try:
                if parts.path == "/state":
                    status, document = 200, _state(store)
                else:
                    store.got.append(got)
                    refusal = store.before(got) if store.before is not None else None
                    if refusal is not None:
                        raise refusal
                    status, document = store.answer(got)
            except Refused as refusal:
                status, document = refusal.status, dict(refusal.document)
                extra = document.pop("headers", {})
            data = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **extra}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET = handle_any  # noqa: N815  # the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _state(store: Store) -> dict[str, Any]:
    with store.lock:
        return {
            "ids": sorted(str(row["id"]) for row in store.all_rows()),
            "counts": {part: store.total(part) for part in ("rows", "torn", "void", "set_aside")},
            "through": sum(n for key, n in store.through.items() if key[2] == "predictions"),
            "duplicates": store.duplicates,
        }


@contextmanager
def serve(token: str | None = None, port: int = 0, certificate: Path | None = None) -> Iterator[Running]:
    """A server that listens on a port of this machine, with TLS where a file with a certificate is given."""
    store = Store(token)
    with _Quiet(("127.0.0.1", port), _handler(store)) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield Running(store, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


# --- lines that fail -------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """A line to a server, over which connections go; ``plan`` says of each, by its number from 0, how it fails.

    ``None`` not at all; ``("answer", n)`` cut after ``n`` bytes of the answers; ``("request", n)`` after ``n`` bytes of the
    requests; ``("reset", n)`` so too, with a reset; ``("hole",)`` takes all and gives nothing; ``("drip", s)`` gives a byte of
    the answer every ``s`` seconds.
    """

    port: int
    to: int
    plan: Callable[[int], tuple[Any, ...] | None]
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def line(to: int, plan: Callable[[int], tuple[Any, ...] | None]) -> Iterator[Line]:
    """A line to the server at the port ``to``."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Line(listener.getsockname()[1], to, plan)
    stop = threading.Event()

    def accept() -> None:
        while not stop.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            fault = made.plan(made.connections)
            made.connections += 1
            threading.Thread(target=_carry, args=(near, made.to, fault, stop), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _carry(near: socket.socket, to: int, fault: tuple[Any, ...] | None, stop: threading.Event) -> None:
    kind = fault[0] if fault else ""
    with near:
        if kind == "hole":
            near.settimeout(0.05)
            while not stop.is_set():
                try:
                    if not near.recv(65_536):
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return
            return
        with socket.create_connection(("127.0.0.1", to)) as far:
            up = threading.Thread(
                target=_pump, args=(near, far, fault if kind in ("request", "reset") else None), daemon=True
            )
            up.start()
            _pump(far, near, fault if kind in ("answer", "drip") else None)
            up.join(5)


def _pump(source: socket.socket, sink: socket.socket, fault: tuple[Any, ...] | None) -> None:
    """Carry bytes one way until an end, or until the fault."""
    left = fault[1] if fault and fault[0] != "drip" else None
    try:
        while data := source.recv(65_536):
            if fault and fault[0] == "drip":
                for byte in data:
                    sink.sendall(bytes([byte]))
                    time.sleep(fault[1])
                continue
            sink.sendall(data if left is None else data[:left])
            if left is not None:
                left -= len(data)
                if left <= 0:
                    break
    except OSError:
        pass
    for one in (source, sink) if fault else (sink,):
        try:
            if fault and fault[0] == "reset":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            else:
                one.shutdown(socket.SHUT_RDWR if fault else socket.SHUT_WR)
        except OSError:
            pass


def end_senders(base: Path) -> None:
    """End the senders of the journals below a folder."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "vedette.capture.shipping" in command and any(one.startswith(f"{base}/") for one in command):
            process.kill()


def main() -> None:
    """A server in a process of its own."""
    with serve() as running:
        print(running.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
