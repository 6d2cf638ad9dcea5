"""Middleware for ASGI servers (FastAPI, Starlette, Django, Litestar): predictions as they pass through an endpoint."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from vedette.capture.frameworks.middleware import Route, Watcher

__all__ = ["ASGIMiddleware"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class ASGIMiddleware:
    """Records the predictions of an application, and changes nothing of what passes through.

    ``routes`` says by path where the parts of a prediction lie (:class:`~vedette.capture.frameworks.middleware.Route`, or its
    arguments as a mapping): ``app.add_middleware(vedette.ASGIMiddleware, monitor=monitor, routes={"/predict": {"features":
    "input", "prediction": "label"}})``. The latency is from the request to the last byte of the response. An exception, or a
    status from 500 on, is an error; a request that was refused (400 to 499) is counted as rejected. It is recorded once the
    response is sent. Raises ``ValueError`` for a route that cannot be one.
    """

    def __init__(self, app: Any, monitor: Any, routes: Mapping[str, Route | Mapping[str, Any]]) -> None:
        self.app = app
        self._watcher = Watcher(monitor.recorder, routes)

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Serve a request."""
        route = self._watcher.route(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self.app(scope, receive, send)
            return
        exchange, start = self._watcher.begin(route), time.perf_counter()
        ended = 0.0

        async def receiving() -> _Message:
            message = await receive()
            if message["type"] == "http.request":
                exchange.request.add(message.get("body", b""))
            return message

        async def sending(message: _Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            elif message["type"] == "http.response.body":
                exchange.response.add(message.get("body", b""))
            await send(message)
            ended = time.perf_counter()

        try:
            await self.app(scope, receiving, sending)
        except BaseException as error:
            self._watcher.record(exchange, time.perf_counter() - start, error)
            raise
        self._watcher.record(exchange, (ended or time.perf_counter()) - start)
