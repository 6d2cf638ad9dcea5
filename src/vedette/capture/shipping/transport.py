"""Requests to a server over HTTP/1.1: one connection that is kept, a time by which each answer must be there, no redirects.

A server that is silent, or that gives its answer a byte at a time, costs no more than that time. No proxy is used and no
redirect followed, so that the token goes to the host of the URL alone.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import vedette
from vedette.config import ServerSettings

__all__ = ["Answer", "Client", "Unreachable"]

_ANSWER_BYTES_MAX = 65_536
_BLOCK_BYTES = 65_536
_BYTES_A_SECOND_MIN = 20_000.0
"""A line that takes a request more slowly than this counts as one that does not answer."""


class Unreachable(Exception):  # noqa: N818 - an outcome, which the sender waits out
    """No answer was had; the message says why. ``sending`` is true where the request could not be sent in full."""

    def __init__(self, reason: str, *, sending: bool = False) -> None:
        super().__init__(reason)
        self.sending = sending


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: the status, ``Retry-After`` as it stands there, and the JSON object of the body, if it is one."""

    status: int
    retry_after: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The status, and what the server said for a person, on one line."""
        said = self.document.get("error")
        text = "".join(c if c.isprintable() else " " for c in said[:300]) if isinstance(said, str) else ""
        name = http.client.responses.get(self.status, "")
        return f"{self.status} {text or name}".strip()


class Client:
    """Speaks to one server. ``url`` is what ``config.server_url`` gave; not for several threads at once."""

    def __init__(self, url: str, settings: Callable[[], ServerSettings]) -> None:
        parts = urlsplit(url)
        self.url, self._secure, self._host, self._port = (
            url, parts.scheme == "https", parts.hostname or "", parts.port
        )  # fmt: skip
        self._base = quote(parts.path, safe="/%~:@!$&'()*+,;=")
        self._settings = settings
        self._connection: Any = None  # of http.client, with a _Timed for its socket

    @property
    def loopback(self) -> bool:
        """True where the server is this machine."""
        return self._host in ("localhost", "::1") or self._host.startswith("127.")

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int],
        body: bytes | Path | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return what came back. Raises :class:`Unreachable`, ``ConfigError`` for the token.

        ``path`` is below the URL; ``body`` bytes, or the path of a file (then ``OSError`` where it cannot be read).
        """
        settings = self._settings()
        target = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        sent = {
            "User-Agent": f"vedette/{vedette.__version__}",
            "Accept": "application/json",
            **(headers or {}),
        }
        token = settings.token()
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        with _opened(body) as (size, blocks):
            if body is not None:
                sent["Content-Length"] = str(size)
            allowed_s = settings.timeout_s + size / _BYTES_A_SECOND_MIN
            kept = self._connection is not None
            try:
                return self._once(method, target, blocks(), sent, allowed_s, settings)
            except Unreachable as failure:
                # a server may close a connection that it kept, between two requests: that is no failure of either
                if not kept or not isinstance(failure.__cause__, ConnectionError):
                    raise
                return self._once(method, target, blocks(), sent, allowed_s, settings)

    def _once(
        self,
        method: str,
        target: str,
        blocks: Iterator[bytes | memoryview],
        headers: Mapping[str, str],
        allowed_s: float,
        settings: ServerSettings,
    ) -> Answer:
        sent = False
        try:
            connection = self._connected(settings)
            timed: _Timed = connection.sock
            timed.within(allowed_s, settings.timeout_s)
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            try:
                connection.endheaders()
                for block in blocks:
                    connection.send(block)
                sent = True
            except ConnectionError:
                pass  # a server that refuses does not read to the end: what it said may have come
            timed.within(settings.timeout_s, settings.timeout_s)
            response = connection.getresponse()
            answer = _answer(response)
            if response.will_close or not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unreachable(_why(error, settings), sending=not sent) from error
        except BaseException:
            self.close()
            raise
        return answer

    def _connected(self, settings: ServerSettings) -> Any:
        """The connection that is kept, else a new one."""
        if self._connection is None:
            connection = self._new(settings.connect_timeout_s)
            try:
                connection.connect()
            except TimeoutError:
                raise OSError(f"no connection within {settings.connect_timeout_s:g} s") from None
            connection.sock = _Timed(connection.sock)
            self._connection = connection
        return self._connection

    def _new(self, timeout_s: float) -> Any:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        import ssl  # only where it is used

        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)

    def close(self) -> None:
        """Let the connection go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """In a child process: let go of the connection without a word on it; it is the parent's."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            connection.sock.leave()


class _Timed:
    """A socket with a time by which all is to be done, for ``http.client``."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._readers, self._closed = sock, 0, False
        self._deadline, self._step_s = 0.0, 0.0

    def within(self, all_s: float, step_s: float) -> None:
        """What comes next must be done in ``all_s``, and each piece of it in ``step_s``."""
        self._deadline, self._step_s = time.monotonic() + all_s, step_s

    def _remaining(self) -> None:
        remaining = min(self._deadline - time.monotonic(), self._step_s)
        if remaining <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(remaining)

    def sendall(self, data: bytes) -> None:
        self._remaining()
        self._socket.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        self._remaining()
        return self._socket.recv_into(buffer)

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self._socket.close()

    def release(self) -> None:
        """One reader less; an answer may be read to its end after the connection was closed."""
        self._readers -= 1
        if self._closed and not self._readers:
            self._socket.close()

    def leave(self) -> None:
        os.close(self._socket.detach())


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._timed.release()
        super().close()


@contextmanager
def _opened(
    body: bytes | Path | None,
) -> Iterator[tuple[int, Callable[[], Iterator[bytes | memoryview]]]]:
    """The size of a body, and what gives it piece by piece, from its start each time."""
    if not isinstance(body, Path):
        view = memoryview(body or b"")
        starts = range(0, len(view), _BLOCK_BYTES)
        yield len(view), lambda: (view[at : at + _BLOCK_BYTES] for at in starts)
        return
    with body.open("rb") as file:

        def blocks() -> Iterator[bytes]:
            file.seek(0)
            while block := file.read(_BLOCK_BYTES):
                yield block

        yield os.fstat(file.fileno()).st_size, blocks


def _answer(response: http.client.HTTPResponse) -> Answer:
    data = response.read(_ANSWER_BYTES_MAX)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    return Answer(
        response.status, response.getheader("Retry-After"), document if isinstance(document, dict) else {}
    )


def _why(error: Exception, settings: ServerSettings) -> str:
    """What went wrong, in words; nothing of the request is in it."""
    if isinstance(error, TimeoutError):
        return f"no answer within {settings.timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.HTTPException | ValueError) and not isinstance(error, OSError):
        return f"the answer is not HTTP ({type(error).__name__})"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "".join(c if c.isprintable() else " " for c in text[:200])
