"""What the tests of channels share: a receiver over HTTP, alerts by hand, and a vedette.toml."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vedette.records import Alert, AlertState, Notice

T0 = datetime(2026, 3, 2, 8, tzinfo=UTC)


def alert(
    name: str = "a1",
    state: str = "firing",
    *,
    incident: str = "i1",
    watch: str = "x.location",
    at: datetime = T0,
    **more: str,
) -> Alert:
    """An alert of the watch, opened an hour before ``T0``."""
    return Alert(
        id=name,
        incident=incident,
        watch=watch,
        segment=more.get("segment", ""),
        state=AlertState(state),
        opened=T0 - timedelta(hours=1),
        closed=at if state == "resolved" else None,
        evidence=more.get("evidence", "mean went from 0 to 1"),
        by=more.get("by"),
        reason=more.get("reason"),
        until=at + timedelta(hours=4) if state == "silenced" else None,
        changed=at,
    )


def notice(*alerts: Alert, kind: str = "alerts", key: str = "0123abcd") -> Notice:
    """A notice of a model's alerts."""
    return Notice(key, kind, "delays", "3", "i1", alerts, False, T0)


@dataclass
class Receiver:
    """What came, and how the next requests are answered: status, and headers, the last for good."""

    port: int = 0
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    hold: threading.Event | None = None  # an answer waits for it
    held: str = ""  # where the path ends so

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/T0KEN-in-path"

    def answer(self) -> tuple[int, dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens on a port of this machine."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            made.got.append((self.command, self.path, dict(self.headers), body))
            if made.hold is not None and self.path.endswith(made.held):
                made.hold.wait(20)
            status, headers = made.answer()
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_POST = do_GET = handle_any  # noqa: N815  # the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that went away is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            if made.hold is not None:
                made.hold.set()
            server.shutdown()
            thread.join()
