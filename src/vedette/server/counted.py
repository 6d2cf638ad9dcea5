"""Counts the requests that a server answers, and how long that took, by the template of their route."""

from __future__ import annotations

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.output.prometheus.own import ServerMetrics

__all__ = ["Counted"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counted:
    """A middleware: ``app.add_middleware(Counted, metrics=ServerMetrics())``.

    What no route takes is of the route ``none``, and a method that is none of HTTP's usual ones is ``other``: both come from
    outside, and each would be a series of its own. A stream is counted when it ends.
    """

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what a server answers with where the application raises
        started = time.perf_counter()

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            route: Any = scope.get("route")
            path = getattr(route, "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, path, str(status)).inc()
            self._metrics.request_seconds.labels(method, path).observe(time.perf_counter() - started)
