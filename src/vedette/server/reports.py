"""Makes scheduled reports for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from vedette.engine.scheduled import make_due
from vedette.errors import VedetteError
from vedette.lake.tables import Lake
from vedette.server.application import Service

__all__ = ["reports"]

_LOOK_EVERY_S = 60.0
log = logging.getLogger("vedette.server")


def reports(lake: Lake, every_s: float = _LOOK_EVERY_S) -> Service:
    """The service: looks every ``every_s`` seconds for reports that are due, those that were missed first of all."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        making = asyncio.create_task(_make(lake, every_s))
        try:
            yield
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    def service(app: FastAPI) -> AbstractAsyncContextManager[object]:
        return running(app)

    return service


async def _make(lake: Lake, every_s: float) -> None:
    said = ""
    while True:
        try:
            for one in await run_in_threadpool(make_due, lake):
                level = logging.INFO if one.error is None else logging.ERROR
                log.log(level, "report %s of %s: %s", one.report, one.model, one.error or one.path)
        except (
            VedetteError,
            OSError,
        ) as error:  # of the file, or of a lake that is away for a while: looked at again
            if str(error) != said:
                log.error("reports: %s", error)
            said = str(error)
        await asyncio.sleep(every_s)
