"""``GET /metrics``: what Prometheus scrapes, of the models that who asks may know of; and what reads the lake beside it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from vedette.engine.scraped import Scraped
from vedette.output.prometheus.text import Exposition
from vedette.server.application import Service
from vedette.server.needs import Caller, needs

__all__ = ["metrics_router", "metrics_service"]

STOP_WAIT_S = 10.0


def metrics_router(exposition: Exposition) -> APIRouter:
    """The route. A key that may view some models gets those, one that may view all the server's own health too."""
    router = APIRouter()

    kinds = {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    }
    said: dict[int | str, dict[str, Any]] = {200: {"content": kinds, "description": "All that is known now"}}

    @router.get("/metrics", tags=["prometheus"], response_class=Response, responses=said)
    def metrics(request: Request, caller: Annotated[Caller, needs("view")]) -> Response:
        """All that is known now, in Prometheus' own text or OpenMetrics', as ``Accept`` asks."""
        may = None if caller.models is None else caller.may
        text, kind = exposition(request.headers.get("Accept", ""), may)
        # Starlette would add a charset beside the one that is there
        return Response(text, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    return router


def metrics_service(scraped: Scraped, interval_s: float = 5.0) -> Service:
    """What reads the models that moved on from the application's start to its end, so that scrapes do not wait for it."""

    @asynccontextmanager
    async def service(_app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=scraped.follow, args=(stop, interval_s), name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            await run_in_threadpool(thread.join, STOP_WAIT_S)

    return service
