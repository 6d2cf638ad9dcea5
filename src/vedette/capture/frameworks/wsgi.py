"""Middleware for WSGI servers (Flask, Django, Bottle): predictions as they pass through an endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vedette.capture.frameworks.middleware import Body, Exchange, Route, Watcher

__all__ = ["WSGIMiddleware"]


class WSGIMiddleware:
    """As :class:`~vedette.capture.frameworks.asgi.ASGIMiddleware`: ``app.wsgi_app = vedette.WSGIMiddleware(app.wsgi_app,
    monitor=monitor, routes={"/predict": {"features": "input", "prediction": "label"}})``."""

    def __init__(self, app: Any, monitor: Any, routes: Mapping[str, Route | Mapping[str, Any]]) -> None:
        self.app = app
        self._watcher = Watcher(monitor.recorder, routes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        route = self._watcher.route(environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""))
        if route is None:
            found: Iterable[bytes] = self.app(environ, start_response)
            return found
        exchange, start = self._watcher.begin(route), time.perf_counter()
        environ["wsgi.input"] = _Input(environ["wsgi.input"], exchange.request)

        def starting(status: str, headers: Any, *error: Any) -> Callable[[bytes], Any]:
            exchange.status = int(status[:3])
            write = start_response(status, headers, *error)

            def writing(piece: bytes) -> Any:
                exchange.response.add(piece)
                return write(piece)

            return writing

        try:
            answer = self.app(environ, starting)
        except BaseException as error:
            self._watcher.record(exchange, time.perf_counter() - start, error)
            raise
        return _Answer(answer, exchange, start, self._watcher)


class _Input:
    """The request's bytes, noted as the application reads them."""

    def __init__(self, stream: Any, body: Body) -> None:
        self._stream, self._body = stream, body

    def _noted(self, piece: bytes) -> bytes:
        self._body.add(piece)
        return piece

    def read(self, *size: int) -> bytes:
        return self._noted(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._noted(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        return [self._noted(line) for line in self._stream.readlines(*hint)]

    def __iter__(self) -> Iterator[bytes]:
        return map(self._noted, self._stream)

    def __getattr__(self, name: str) -> Any:
        """What the server's stream can besides, such as ``readinto``, with what it reads noted too."""
        method = getattr(self._stream, name)
        if name in ("readinto", "readinto1"):

            def reading(buffer: Any) -> int:
                n = int(method(buffer) or 0)
                self._noted(bytes(memoryview(buffer)[:n]))
                return n

            return reading
        return (lambda *size: self._noted(method(*size))) if name in ("read1", "readall") else method


class _Answer:
    """The response's bytes, noted as the server takes them; recorded when it has the last, or closes it before."""

    def __init__(self, answer: Iterable[bytes], exchange: Exchange, start: float, watcher: Watcher) -> None:
        self._answer, self._pieces = answer, iter(answer)
        self._exchange, self._start, self._watcher = exchange, start, watcher
        self._recorded = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._record(None)
            raise
        except BaseException as error:
            self._record(error)
            raise
        self._exchange.response.add(piece)
        return piece

    def close(self) -> None:
        """The server has done with it."""
        self._record(None)
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()

    def _record(self, error: BaseException | None) -> None:
        if not self._recorded:
            self._recorded = True
            self._watcher.record(self._exchange, time.perf_counter() - self._start, error)
