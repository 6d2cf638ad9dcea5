"""An ASGI application that hands each request to the version of the model that is to answer it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from vedette.capture.routing.router import Router

__all__ = ["VERSION_HEADER", "RoutedApp"]

log = logging.getLogger("vedette")

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

VERSION_HEADER = b"x-model-version"
"""In each response: the version that gave it."""


class RoutedApp:
    """One application out of one for each version.

    ``RoutedApp({"3": app3, "4": app4}, Router(path, default="3"), identifier_header="x-user-id")`` sends a request to the version
    that the router picks for the value of that header; without the header versions take turns. The response tells the version
    in ``X-Model-Version``, and the application finds it in ``scope["vedette.version"]``.

    Versions in shadow get a copy of the request once it has been answered, at most ``shadows_max`` at a time in a worker; beyond
    that, and for bodies above ``shadow_bytes_max``, a copy is left out and counted in ``shadows_left_out``. What they answer and
    what they raise nobody sees; what they raise is counted in ``shadow_errors`` and logged. A shadow must not act on the
    world: ``scope["vedette.shadow"]`` is true there.

    Lifespan events go to every version. Raises ``ValueError`` where the router's default is none of the versions.
    """

    def __init__(
        self,
        apps: Mapping[str, Any],
        router: Router,
        *,
        identifier_header: str = "x-user-id",
        shadows_max: int = 16,
        shadow_bytes_max: int = 1_000_000,
    ) -> None:
        if router.default not in apps:
            raise ValueError(
                f"apps of versions {sorted(apps)}: must have the router's default {router.default!r}"
            )
        self.apps, self.router = dict(apps), router
        self.shadows_left_out, self.shadow_errors = 0, 0
        self._header = identifier_header.lower().encode("latin-1")
        self._shadows_max, self._bytes_max = shadows_max, shadow_bytes_max
        self._shadows: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        identifier = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == self._header), None
        )
        version = self.router.version(identifier)
        if version not in self.apps:
            version = self.router.default
        shadows = [one for one in self.router.shadow if one in self.apps] if scope["type"] == "http" else []
        messages: list[_Message] | None = [] if shadows else None
        size = 0

        async def receiving() -> _Message:
            nonlocal messages, size
            message = await receive()
            if messages is not None and message["type"] == "http.request":
                size += len(message.get("body", b""))
                messages = [*messages, dict(message)] if size <= self._bytes_max else None
            return message

        async def sending(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message = {
                    **message,
                    "headers": [*message.get("headers", []), (VERSION_HEADER, version.encode())],
                }
            await send(message)

        try:
            await self.apps[version](
                {**scope, "vedette.version": version, "vedette.shadow": False},
                receiving if shadows else receive,
                sending,
            )
        finally:
            for shadow in shadows:
                if messages is None or len(self._shadows) >= self._shadows_max:
                    self.shadows_left_out += 1
                    continue
                task = asyncio.create_task(self._copy(shadow, scope, messages))
                self._shadows.add(task)
                task.add_done_callback(self._shadows.discard)

    async def _copy(self, version: str, scope: MutableMapping[str, Any], messages: list[_Message]) -> None:
        """Send the same request to a version in shadow."""
        left = iter(messages)

        async def receive() -> _Message:
            return next(left, {"type": "http.disconnect"})

        async def send(message: _Message) -> None:
            """Nobody sees it."""

        try:
            await self.apps[version](
                {**scope, "vedette.version": version, "vedette.shadow": True}, receive, send
            )
        except Exception:
            self.shadow_errors += 1
            log.exception("vedette: version %s failed in shadow", version)

    async def _lifespan(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Start and end every version; one that fails to start fails all, one that knows of no lifespans counts as started."""
        running: dict[str, tuple[asyncio.Queue[_Message], asyncio.Queue[_Message], asyncio.Task[None]]] = {}
        for version, app in self.apps.items():
            inbox: asyncio.Queue[_Message] = asyncio.Queue()
            outbox: asyncio.Queue[_Message] = asyncio.Queue()
            running[version] = (inbox, outbox, asyncio.create_task(_quiet(app, scope, inbox, outbox)))
        started = False
        try:
            while True:
                message = await receive()
                for inbox, _, _ in running.values():
                    inbox.put_nowait(message)
                answers = [await outbox.get() for _, outbox, _ in running.values()]
                failed = [answer for answer in answers if answer["type"].endswith(".failed")]
                await send(failed[0] if failed else {"type": f"{message['type']}.complete"})
                if failed or message["type"] == "lifespan.shutdown":
                    started = not failed
                    await asyncio.gather(*self._shadows, return_exceptions=True)
                    return
        finally:
            for _, _, task in running.values():
                if not started:  # one that waits for an end that nobody will tell
                    task.cancel()
            await asyncio.gather(*(task for _, _, task in running.values()), return_exceptions=True)


async def _quiet(
    app: Any, scope: MutableMapping[str, Any], inbox: asyncio.Queue[_Message], outbox: asyncio.Queue[_Message]
) -> None:
    """Run the lifespan of one application; where it ends or raises before it answers, it knows of none."""
    answered = 0

    async def send(message: _Message) -> None:
        nonlocal answered
        answered += 1
        outbox.put_nowait(message)

    end: _Message = {"type": "lifespan.complete"}
    try:
        await app(dict(scope), inbox.get, send)
    except Exception as error:
        if answered:
            log.exception("vedette: an application failed as it ended")
            end = {"type": "lifespan.shutdown.failed", "message": f"{type(error).__name__}: {error}"}
        else:
            log.debug("vedette: an application has no lifespan: %s", error)
    for _ in range(2 - answered):
        outbox.put_nowait(end)
