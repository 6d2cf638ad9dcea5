"""The server's log: one line an event, readable or JSON, in which nothing that came from outside can end the line.

What is logged of a request is its method, path, status, time and who called: no query, no header, no body.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import IO, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog", "JsonLines", "ReadableLines", "escaped", "set_up"]

log = logging.getLogger("vedette.server")


def escaped(text: str) -> str:
    """A text in one line, with all that is not printable spelled out.

    >>> escaped("a\\nb\\x1b[31m")
    'a\\\\nb\\\\x1b[31m'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _traceback(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


class ReadableLines(logging.Formatter):
    """``2026-05-03T10:00:00Z INFO vedette.server: GET /v1/models status=200 ms=3.1``"""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows in lines of its own, each escaped and set in."""
        when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said: dict[str, Any] = getattr(record, "said", {})
        parts = [record.getMessage(), *(f"{name}={value}" for name, value in said.items())]
        line = f"{when} {record.levelname} {record.name}: {escaped(' '.join(parts))}"
        trace = _traceback(record, self)
        return line + "".join(f"\n    {escaped(one)}" for one in trace.splitlines())


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, what else is said, ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; JSON escapes what could end it."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "said", {}),
        }
        trace = _traceback(record, self)
        return json.dumps(said | ({"traceback": trace} if trace else {}), default=str)


def set_up(*, as_json: bool, stream: IO[str] | None = None) -> None:
    """Have all that is logged in this process, uvicorn's too, go to ``stream`` (default stderr) in one form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if as_json else ReadableLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("vedette").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").disabled = True  # it would log queries


class AccessLog:
    """ASGI middleware: a line a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 0, time.perf_counter()
        scope.setdefault("state", {})

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            caller = getattr(scope["state"].get("caller"), "name", "")
            client = scope.get("client") or ("",)
            log.info(
                "%s %s", scope["method"], scope["path"],
                extra={
                    "said": {
                        "status": status,
                        "ms": round((time.perf_counter() - begun) * 1e3, 1),
                        "caller": caller,
                        "address": client[0],
                    }
                },
            )  # fmt: skip
