"""What the benchmarks of a server share: one that runs in a process of its own, and an ingester beside it.

``python benchmarks/serving.py LAKE PORT`` serves a lake's ingest until it is killed, and lets everybody in: what users and keys
cost is not what is measured.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter

from vedette.engine import cycle
from vedette.lake.received import tidy
from vedette.lake.tables import Lake
from vedette.server.application import Service, application
from vedette.server.ingest import Limits, ingest_router, ingest_service
from vedette.server.needs import Caller


class All:
    """An authority that lets all in."""

    def check(self, *_: object) -> Caller:
        """Who calls."""
        return Caller("benchmark")


def serve(
    lake: str, told: Any = None, port: int = 0, limits: Limits | None = None, more: Sequence[APIRouter] = (),
    services: Sequence[Service] = (),
) -> None:  # fmt: skip
    """Serve until the process ends; puts its port into the queue ``told``."""
    app = application(Lake.at(lake), All(), [ingest_router(), *more], [ingest_service(limits), *services])
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        # as a socket has it that uvicorn opens itself: an answer's head and body are two writes
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if told is not None:
            told.put(listener.getsockname()[1])
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])


@contextmanager
def ingesting(lake: Lake, every_s: float = 1.0) -> Iterator[None]:
    """Rounds, and logs deleted after each, beside what is done within."""
    ending = threading.Event()

    def rounds() -> None:
        while not ending.wait(every_s):
            cycle.once(lake)
            tidy(lake)

    thread = threading.Thread(target=rounds)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


if __name__ == "__main__":
    serve(sys.argv[1], port=int(sys.argv[2]))
