"""What the tests of the server share: one that runs in this process, with an authority that lets all in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, Request

from vedette.lake.tables import Lake
from vedette.server.application import Service, application
from vedette.server.ingest import Limits, ingest_router, ingest_service
from vedette.server.needs import Caller, Need


class AllMay:
    """An authority that lets all in; or, with a token, those who have it."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token

    def check(self, request: Request, need: Need, model: str | None) -> Caller:
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            raise HTTPException(401, "no such token")
        return Caller("somebody")


@dataclass
class RunningServer:
    """A server that runs."""

    app: FastAPI
    port: int
    lake: Lake

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ingesting(lake: Path, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """An application that takes rows for a lake."""
    return application(Lake.at(lake), AllMay(token), [ingest_router()], [ingest_service(limits)])


@contextmanager
def running(
    lake: Path,
    limits: Limits | None = None,
    *,
    token: str | None = None,
    routers: Sequence[APIRouter] | None = None,
    services: Sequence[Service] = (),
    port: int = 0,
) -> Iterator[RunningServer]:
    """A server on a port of this machine (0: a free one), of ingest or of the routers given."""
    if routers is None:
        app = ingesting(lake, limits, token)
    else:
        app = application(Lake.at(lake), AllMay(token), routers, services)
    with socket.create_server(("127.0.0.1", port)) as listener:
        # as a socket has it that uvicorn opens itself: an answer's head and body are two writes
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        try:
            yield RunningServer(app, listener.getsockname()[1], Lake.at(lake))
        finally:
            server.should_exit = True
            thread.join()
