"""Whether the server lives, and whether it can do its work: for whoever starts it again, or sends it requests."""

from __future__ import annotations

import os

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from vedette.engine.requests import follower_lock
from vedette.errors import DatabaseError
from vedette.lake.locks import held
from vedette.lake.tables import Lake
from vedette.server.database.connection import Database
from vedette.server.needs import needs

__all__ = ["readiness", "router"]


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


def router(lake: Lake, database: Database) -> APIRouter:
    """``/health`` and ``/ready``, for anybody: they say nothing of what is in the lake."""
    routes = APIRouter()

    @routes.get("/health", dependencies=[needs("nobody")])
    def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/ready", dependencies=[needs("nobody")], responses={503: {"description": "Something lacks"}})
    def ready(request: Request) -> Response:
        """200 where the database and the lake answer, an ingester is alive and rows can be taken, else 503 and which not."""
        found = readiness(lake, database)
        desk = getattr(request.app.state, "desk", None)
        if desk is not None:
            found["log"] = not desk.log.broken
        return JSONResponse({"ready": all(found.values()), **found}, 200 if all(found.values()) else 503)

    return routes
