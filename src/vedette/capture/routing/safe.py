"""An ASGI application that gives one safe answer: what a policy can route to where no version may be trusted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["SafeAnswer"]

_Message = MutableMapping[str, Any]


class SafeAnswer:
    """Answers every HTTP request with ``content`` as JSON, or with bytes as they are, and ``status`` (200).

    ``RoutedApp({"3": app3, "safe": SafeAnswer({"answer": "unknown"})}, router)``, and a policy that routes ``to = "safe"``.

    >>> SafeAnswer({"answer": "unknown"}).body
    b'{"answer": "unknown"}'
    """

    def __init__(self, content: Any, *, status: int = 200, media_type: str = "application/json") -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"status={status!r}: must be an HTTP status from 200 to 599")
        self.body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.status, self.media_type = status, media_type

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer; a lifespan is done with at once, a websocket is closed."""
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1013})
            return
        headers = [
            (b"content-type", self.media_type.encode("latin-1")),
            (b"content-length", str(len(self.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})
