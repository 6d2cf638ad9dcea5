"""Server-sent events: which models changed, from the Delta versions of their tables."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from vedette.server.api.answers import JsonRoute, Viewer
from vedette.server.api.watching import Seen, Watching, watching_of
from vedette.server.needs import Caller, again

__all__ = ["router"]

LIFE_S = 600.0
"""A stream ends after so long, and the browser opens another."""

STREAMS_MAX = 500
_PULSE_S = 15.0  # a comment keeps what lies between from closing a quiet stream; and who may no longer see is found out
_AT_ONCE = 200  # changes told one by one; of more, that there were

router = APIRouter(route_class=JsonRoute, tags=["events"])
_open = {"streams": 0}


@router.get(
    "/v1/events/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "`event: model`, `data: {model, verdict, "
                     "firing}` for each model that changed; `event: reset` where too much did to tell it one by one."}},
    summary="What changes, as it does",
)  # fmt: skip
async def stream(request: Request, caller: Viewer) -> StreamingResponse:
    """Server-sent events. One that is opened anew with the last id it had is told what it missed.

    Every 15 seconds it is asked anew what the caller may see: the stream ends where that is nothing any more.
    """
    if _open["streams"] >= STREAMS_MAX:
        raise HTTPException(
            503, f"streams={STREAMS_MAX}: as many as may be are open", headers={"Retry-After": "10"}
        )
    watching = watching_of(request)
    events = _events(
        watching, caller, lambda: again(request, "view"), request.headers.get("last-event-id", "")
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(
    watching: Watching, caller: Caller, ask: Callable[[], Caller], last: str
) -> AsyncIterator[str]:
    """The text of a stream; it begins where the last one ended, or now. ``ask`` says at each pulse who the caller is by then."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    deaf = watching.listen(lambda: loop.call_soon_threadsafe(changed.set))
    _open["streams"] += 1
    boot, _, number = last.partition("-")
    told = int(number) if boot == watching.boot and number.isdecimal() else watching.number
    asked = time.monotonic()
    until = asked + LIFE_S
    try:
        yield f"retry: 2000\nid: {watching.boot}-{told}\n\n"
        if last and boot != watching.boot:
            yield "event: reset\ndata: {}\n\n"
        while time.monotonic() < until and not watching.stopped:
            if time.monotonic() - asked >= _PULSE_S:
                try:
                    caller = await run_in_threadpool(ask)
                except HTTPException:
                    return
                asked = time.monotonic()
            news = [one for one in watching.models() if one.number > told and caller.may(one.glance.model)]
            told = max([told, *(one.number for one in news)])
            if len(news) > _AT_ONCE:
                yield f"id: {watching.boot}-{told}\nevent: reset\ndata: {{}}\n\n"
            elif news:
                yield "".join(_event(watching, one) for one in news)
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, asked + _PULSE_S - time.monotonic()))
                changed.clear()
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        _open["streams"] -= 1
        deaf()


def _event(watching: Watching, one: Seen) -> str:
    data = {
        "model": one.glance.model,
        "verdict": one.glance.health.verdict.value,
        "firing": one.glance.count("firing"),
    }
    return f"id: {watching.boot}-{one.number}\nevent: model\ndata: {json.dumps(data)}\n\n"
