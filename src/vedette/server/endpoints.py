"""Looks at the endpoints that ``vedette.toml`` names for as long as the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from vedette.engine.endpoints.watching import in_thread
from vedette.lake.tables import Lake
from vedette.server.application import Service

__all__ = ["endpoints"]


def endpoints(lake: Lake) -> Service:
    """The service: looks at all endpoints, unless another process of this lake does."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        end = in_thread(lake)
        try:
            yield
        finally:
            await run_in_threadpool(end)

    def service(app: FastAPI) -> AbstractAsyncContextManager[object]:
        return running(app)

    return service
