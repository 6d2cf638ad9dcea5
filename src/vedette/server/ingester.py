"""Keeps the lake's one ingester alive for as long as the server runs.

An ingester that a server started ends with it, also where the server is killed: another server then starts its own, and
leaves none behind that it only found.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from vedette.engine import requests
from vedette.lake.locks import held
from vedette.lake.tables import Lake
from vedette.server.application import Service

__all__ = ["ingester"]

_LOOK_EVERY_S = 2.0
_IDLE_EXIT_S = 600.0
_START_S = 20.0
_END_S = 20.0
log = logging.getLogger("vedette.server")


def ingester(lake: Lake) -> Service:
    """The service: starts an ingester where none follows the lake, again where one ends, and ends its own at last."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        started: set[int] = set()
        keeping = asyncio.create_task(_keep(lake, started))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await run_in_threadpool(_end, started)

    def service(app: FastAPI) -> AbstractAsyncContextManager[object]:
        return running(app)

    return service


async def _keep(lake: Lake, started: set[int]) -> None:
    while True:
        try:
            child = await run_in_threadpool(_start, lake)
            if child is not None:
                started.add(child)
                log.info("ingester: started", extra={"said": {"pid": child}})
                await run_in_threadpool(_until_held, lake)
        except OSError:
            log.exception("ingester: could not be started; tried again")
        await asyncio.sleep(_LOOK_EVERY_S)


def _start(lake: Lake) -> int | None:
    lake.journal.mkdir(parents=True, exist_ok=True)
    return requests.ensure(lake, idle_exit_s=_IDLE_EXIT_S, owned=True)


def _until_held(lake: Lake) -> None:
    """Wait until the one that was started follows: it takes about a second, in which another would be started in vain."""
    deadline = time.monotonic() + _START_S
    while not held(requests.follower_lock(lake)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _end(started: set[int]) -> None:
    """Ask those that were started here to end after their round, and wait for them."""
    for child in started:
        if requests.alive(child):
            os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    while any(requests.alive(child) for child in started) and time.monotonic() < deadline:
        time.sleep(0.02)
