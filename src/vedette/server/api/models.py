"""The models of a lake, and what each thinks of what is watched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from vedette.engine.glance import Glance, glance
from vedette.engine.health import health_with_kin
from vedette.engine.runs import runs_of
from vedette.lake.tables import Lake
from vedette.output.console import health_json
from vedette.records import AlertState
from vedette.server.api.answers import JsonRoute, Viewer, as_json, lake_of, now
from vedette.server.api.documents import (
    ErrorDocument,
    ModelDocument,
    ModelName,
    ModelsDocument,
    VerdictsDocument,
)
from vedette.server.api.watching import watching_of
from vedette.server.needs import needs

__all__ = ["ERRORS", "known", "model_json", "router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorDocument, "description": words}
    for status, words in {
        400: "What was asked is wrong, and says how",
        401: "Nobody is known to ask",
        403: "Who asks may not",
        404: "There is no such thing, or none that the caller may know of",
        422: "An argument is malformed",
    }.items()
}

router = APIRouter(route_class=JsonRoute, tags=["models"], responses=ERRORS)


def known(request: Request, model: str) -> Lake:
    """The lake, with the model in it; ``HTTPException`` 404 where it is not."""
    lake = lake_of(request)
    if not lake.has(model) and not lake.has(runs_of(model)):
        raise HTTPException(404, f"model={model!r}: not in the lake; GET /v1/models lists those there are")
    return lake


def model_json(one: Glance, moment: datetime) -> dict[str, Any]:
    """A model as a list of models has it."""
    states = [state.value for state in AlertState if state is not AlertState.RESOLVED]
    return {
        "model": one.model,
        "version": one.health.version,
        "verdict": one.health.verdict.value,
        "verdicts": dict(one.watched),
        "alerts": {state: one.count(state) for state in states},
        "window": None if one.window is None else {"start": one.window.start, "end": one.window.end},
        "age_s": one.age_s(moment),
        "rows": one.rows,
        "completeness": one.completeness,
    }


@router.get("/v1/models", response_model=ModelsDocument, summary="All models")
def models(
    request: Request,
    caller: Viewer,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Every model that the caller may see, by name, as the last round left it."""
    watching = watching_of(request)
    mine = [one.glance for one in watching.models() if caller.may(one.glance.model)]
    found = [model_json(one, now()) for one in mine[offset : offset + limit]]
    n_read, n_of = watching.counts(caller)
    document = {"models": found, "total": len(mine), "read": n_read, "of": n_of}
    return Response(as_json(document), media_type="application/json")


@router.get(
    "/v1/models/{model}", response_model=ModelDocument, dependencies=[needs("view")], summary="A model"
)
def model(request: Request, model: ModelName) -> Response:
    """One model at a glance."""
    moment = now()
    return Response(
        as_json(model_json(glance(known(request, model), model, moment), moment)),
        media_type="application/json",
    )


@router.get(
    "/v1/models/{model}/verdicts",
    response_model=VerdictsDocument,
    dependencies=[needs("view")],
    summary="Its verdicts",
)
def verdicts(request: Request, model: ModelName) -> Response:
    """The verdicts of a model as the last round left them, as `vedette check --json` tells them."""
    found = health_with_kin(known(request, model), model, now())
    return Response(as_json(health_json(found)), media_type="application/json")
