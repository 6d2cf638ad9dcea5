"""What every answer says to browsers, and how much body a request may bring: ASGI middleware.

Routes that take rows set limits of their own (``ingest``): for these the limit here does not hold.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.server.settings import BODY_BYTES_MAX

__all__ = ["CONTENT_SECURITY_POLICY", "DOCUMENT_POLICY", "BodyLimit", "SafeHeaders"]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
DOCUMENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""Of a document that opens offline, so that its style is in it: nothing of it may run, be sent or be fetched."""

_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = "max-age=31536000; includeSubDomains"
_SLOW_S = 30.0


class SafeHeaders:
    """Headers on every answer. One that is not said to be public (``Cache-Control``) is kept by nobody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                of_document = headers.get("content-security-policy") == DOCUMENT_POLICY
                for name, value in _ALWAYS.items():
                    headers[name] = value
                if of_document:
                    headers["Content-Security-Policy"] = DOCUMENT_POLICY
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _HSTS
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, answer)


class BodyLimit:
    """413 for a body of more than ``bytes_max``, 408 for one that is not there after ``slow_s``.

    What the length says is believed only where it is too much: what comes is counted. ``limited`` says of which requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        limited: Callable[[Scope], bool],
        *,
        bytes_max: int = BODY_BYTES_MAX,
        slow_s: float = _SLOW_S,
    ) -> None:
        self._app, self._limited, self._bytes_max, self._slow_s = app, limited, bytes_max, slow_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._limited(scope):
            await self._app(scope, receive, send)
            return
        too_much = f"body: more than {self._bytes_max} bytes: must be less"
        said = [value for name, value in scope["headers"] if name == b"content-length"]
        if said and (not said[0].isdigit() or int(said[0]) > self._bytes_max):
            await _refuse(send, 413, too_much)
            return
        refusal: tuple[int, str] | None = None
        started = whole = False
        came = 0
        deadline = asyncio.get_running_loop().time() + self._slow_s

        async def count() -> Message:
            nonlocal refusal, came, whole
            if whole:  # what follows is the caller's going away, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                refusal = (408, f"body: not there after {self._slow_s:g} s")
                return {"type": "http.disconnect"}
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if came > self._bytes_max:
                    refusal = (413, too_much)
                    return {"type": "http.disconnect"}
            return message

        async def answer(message: Message) -> None:
            nonlocal started
            if refusal is not None and not started:
                return  # whatever the route makes of a body that breaks off
            started = True
            await send(message)

        try:
            await self._app(scope, count, answer)
        except Exception:
            if refusal is None:
                raise
        if refusal is not None and not started:
            await _refuse(send, *refusal)


async def _refuse(send: Send, status: int, said: str) -> None:
    body = json.dumps({"error": said}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
