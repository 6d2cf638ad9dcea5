"""Answers kept until a table of their model moves on, and the routes that turn what went wrong into an answer."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import HTTPException, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from vedette.errors import (
    AccessError,
    AlertError,
    ChannelChangeError,
    ConfigError,
    DataError,
    LockedError,
    NotThereError,
    RuleError,
    UnknownNameError,
    VedetteError,
)
from vedette.lake.tables import Lake
from vedette.server.api.kept import Kept, Moved
from vedette.server.needs import Caller, StrictRoute, needs

__all__ = [
    "Answers",
    "Editor",
    "JsonRoute",
    "Viewer",
    "as_json",
    "lake_of",
    "now",
    "plain",
    "said_of",
]

Viewer = Annotated[Caller, needs("view")]
"""Who calls a route that shows."""

Editor = Annotated[Caller, needs("edit")]
"""Who calls a route that changes something."""

_GZIP_LEAST = 1400  # bytes: less is one packet either way
_BYTES_MAX = 256 << 20
_PIECE_BYTES = (
    256 << 10
)  # handed over at once: a body of megabytes would be copied whole for each who reads it


def now() -> datetime:
    """The wall's clock."""
    return datetime.now(UTC)


def lake_of(request: Request) -> Lake:
    """The lake of an application."""
    lake: Lake = request.app.state.lake
    return lake


class _InPieces(Response):
    """A body that is handed over piece by piece, each once the reader has room for it; others are answered in between."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send head and pieces; the length is in the head."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = memoryview(self.body)
        while len(left) > _PIECE_BYTES:
            await send({"type": "http.response.body", "body": bytes(left[:_PIECE_BYTES]), "more_body": True})
            left = left[_PIECE_BYTES:]
        await send({"type": "http.response.body", "body": bytes(left)})


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, body: bytes) -> _Answer:
        packed = gzip.compress(body, 5) if len(body) >= _GZIP_LEAST else b""
        return cls(body, packed, f'"{hashlib.sha256(body).hexdigest()[:24]}"')

    def size(self) -> int:
        return len(self.body) + len(self.packed)


class Answers:
    """Bytes of answers by what was asked; one is made again once its model has moved on. Safe over threads."""

    def __init__(self, bytes_max: int = _BYTES_MAX) -> None:
        self._kept = Kept[_Answer](bytes_max, _Answer.size)

    def respond(
        self, request: Request, key: Hashable, moved: Moved, make: Callable[[], bytes],
        media_type: str = "application/json",
    ) -> Response:  # fmt: skip
        """The answer to a request, not modified where the caller has it; made at most once, whoever asks meanwhile."""
        found = self._kept.get(key, moved, lambda: _Answer.of(make()))
        headers = {"ETag": found.tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Cookie"}
        if found.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return _InPieces(
                found.packed, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return _InPieces(found.body, media_type=media_type, headers=headers)


class JsonRoute(StrictRoute):
    """A route of documents: what cannot be answered is said, with the status that it has in HTTP."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with errors of ours told as those of HTTP."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except (VedetteError, ValueError) as error:
                raise said_of(error) from error

        return told


def said_of(error: VedetteError | ValueError) -> HTTPException:
    """An error of ours as one of HTTP."""
    headers = None
    if isinstance(error, LockedError):
        status, headers = 503, {"Retry-After": "2"}
    elif isinstance(error, ConfigError):  # until somebody mends the file
        status = 503
    elif isinstance(error, UnknownNameError):
        status = 404
    elif isinstance(error, AlertError | AccessError | ChannelChangeError | RuleError):
        status = 409
    elif isinstance(error, DataError | NotThereError):
        status = 404
    else:
        status = 400 if isinstance(error, ValueError) else 500
    return HTTPException(status, str(error), headers=headers)


def as_json(document: Any) -> bytes:
    """A document as JSON: times as ISO text."""
    return json.dumps(document, allow_nan=False, default=plain, separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """A value that JSON has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
