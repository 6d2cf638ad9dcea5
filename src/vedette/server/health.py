"""Whether the server lives, and whether it can do its work: for whoever starts it again, or sends it requests."""

from __future__ import annotations

import os

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from vedette import config
from vedette.engine.requests import follower_lock
from vedette.errors import ConfigError, DatabaseError
from vedette.lake.locks import held
from vedette.lake.tables import Lake
from vedette.server.database.connection import Database
from vedette.server.needs import needs

__all__ = ["readiness", "router", "well_written"]


def readiness(lake: Lake, database: Database) -> dict[str, bool]:
    """What the server needs for its work, and whether it is there."""
    try:
        database.ping()
        answers = True
    except DatabaseError:
        answers = False
    return {
        "database": answers,
        "lake": os.access(lake.path, os.R_OK | os.W_OK | os.X_OK),
        "ingester": held(follower_lock(lake)),
    }


def well_written() -> bool:
    """Whether ``vedette.toml`` can be read, or there is none."""
    try:
        config.read()
    except ConfigError:
        return False
    return True


def router(lake: Lake, database: Database) -> APIRouter:
    """``/health`` and ``/ready``, for anybody: they say nothing of what is in the lake."""
    routes = APIRouter()

    @routes.get("/health", dependencies=[needs("nobody")])
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/ready", dependencies=[needs("nobody")], responses={503: {"description": "Something lacks"}})
    def ready(request: Request) -> Response:
        """200 where the database and the lake answer, an ingester is alive and rows can be taken, else 503 and which not.

        ``configuration`` is false while ``vedette.toml`` is not right. That alone is not 503: rows are taken all the same, and
        every server that reads the file would be taken away at once. What is wrong is said to who has logged in.
        """
        found = readiness(lake, database)
        desk = getattr(request.app.state, "desk", None)
        if desk is not None:
            found["log"] = not desk.log.broken
        whole = all(found.values())
        return JSONResponse({"ready": whole, **found, "configuration": well_written()}, 200 if whole else 503)

    return routes
