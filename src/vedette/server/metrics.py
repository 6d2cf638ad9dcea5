"""``GET /metrics``: what Prometheus scrapes, of the models that who asks may know of; and what reads the lake beside it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from vedette.engine.scraped import Scraped
from vedette.output.prometheus.text import Exposition
from vedette.server.api.watching import Watching
from vedette.server.application import Service
from vedette.server.needs import Caller, needs

__all__ = ["metrics_router", "metrics_service"]

READ_S = 5.0
"""For how long models are read until the lake is looked through again for what moved on."""
SLICE_S = 0.5
"""For how long until it is asked again which model is most urgent, and whether all is to end."""


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


def metrics_service(scraped: Scraped) -> Service:
    """What reads the models that moved on beside the scrapes, so that these do not wait for it.

    It comes after ``api.watch``, in whose thread it reads.
    """

    @asynccontextmanager
    async def service(app: FastAPI) -> AsyncIterator[None]:
        watching: Watching = app.state.watching

        def read(moved: Collection[str]) -> bool:
            until, through = time.monotonic() + READ_S, scraped.refresh(SLICE_S, moved=moved)
            while not through and not watching.stopped and time.monotonic() < until:
                through = scraped.refresh(
                    SLICE_S, moved=()
                )  # anew, so that what is urgent by then comes first
            return through

        watching.beside(read)
        yield

    return service
