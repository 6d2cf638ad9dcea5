"""Alerts as documents, and what a person does with one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette.engine import commands, commands_alerting
from vedette.engine.glance import alerts_of
from vedette.engine.incidents import incidents_of
from vedette.output.console import alert_json
from vedette.records import Alert
from vedette.server.api.answers import Editor, JsonRoute, Viewer, as_json, now
from vedette.server.api.documents import (
    AlertDocument,
    ErrorDocument,
    IncidentsDocument,
    ModelName,
    Said,
    Silence,
    ToldOn,
)
from vedette.server.api.models import ERRORS, known
from vedette.server.api.watching import watching_of
from vedette.server.needs import Caller, needs

__all__ = ["router"]

_CLOSED: dict[int | str, dict[str, Any]] = {
    409: {
        "model": ErrorDocument,
        "description": "There is no such alert, or nothing can be done about it any more",
    }
}
router = APIRouter(route_class=JsonRoute, tags=["alerts"], responses=ERRORS)


def _told(found: list[Alert]) -> Response:
    return Response(as_json([alert_json(one) for one in found]), media_type="application/json")


@router.get(
    "/v1/models/{model}/alerts",
    response_model=list[AlertDocument],
    dependencies=[needs("view")],
    summary="Its alerts",
)
def alerts(request: Request, model: ModelName) -> Response:
    """Alerts of a model and of its runs, the newest first, as `vedette alerts --json`."""
    return _told(alerts_of(known(request, model), model, now()))


@router.post(
    "/v1/models/{model}/alerts/{alert}/acknowledge", response_model=list[AlertDocument], responses=_CLOSED,
    summary="Somebody has seen it",
)  # fmt: skip
def acknowledge(request: Request, caller: Editor, model: ModelName, alert: str, said: Said) -> Response:
    """It stays open until the alarm recovers."""
    return _on(request, model, alert, said, caller)


@router.post(
    "/v1/models/{model}/alerts/{alert}/accept", response_model=list[AlertDocument], responses=_CLOSED,
    summary="What it found is normal from now on",
)  # fmt: skip
def accept(request: Request, caller: Editor, model: ModelName, alert: str, said: Said) -> Response:
    """Closes it; what it found is what is expected from now on."""
    return _on(request, model, alert, said, caller, accept=True)


@router.post(
    "/v1/models/{model}/alerts/{alert}/false", response_model=list[AlertDocument], responses=_CLOSED,
    summary="Nothing was wrong",
)  # fmt: skip
def false(request: Request, caller: Editor, model: ModelName, alert: str, said: Said) -> Response:
    """It was false: its windows are clean history, and it counts against the budget."""
    return _on(request, model, alert, said, caller, false=True)


@router.get("/v1/incidents", response_model=IncidentsDocument, summary="Open incidents")
def incidents(
    request: Request,
    caller: Viewer,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Of all models that the caller may see, those first that nobody has seen, then the gravest, then the newest."""
    glances = [one.glance for one in watching_of(request).models() if caller.may(one.glance.model)]
    found = incidents_of(glances)
    documents = [
        {
            "model": one.model, "verdict": one.verdict.value, "since": one.since, "n": len(one.alerts),
            "n_explained": one.n_explained, "alerts": [alert_json(each) for each in one.alerts],
        }
        for one in found[offset : offset + limit]
    ]  # fmt: skip
    document = {"incidents": documents, "total": len(found)}
    return Response(as_json(document), media_type="application/json")


@router.post(
    "/v1/models/{model}/alerts/{alert}/escalate", response_model=list[AlertDocument], responses=_CLOSED,
    summary="Tell the next level now",
)  # fmt: skip
def escalate(request: Request, caller: Editor, model: ModelName, alert: str, said: ToldOn) -> Response:
    """The next level of `[[alerts.escalate]]` is told of it without waiting for its time."""
    lake = known(request, model)
    return _told(
        commands_alerting.escalate(str(lake.path), alert, by=caller.name, reason=said.reason, model=model)
    )


@router.post(
    "/v1/models/{model}/alerts/{alert}/silence", response_model=list[AlertDocument], responses=_CLOSED,
    summary="Tell nobody for a while",
)  # fmt: skip
def silence(request: Request, caller: Editor, model: ModelName, alert: str, said: Silence) -> Response:
    """If the alarm is still there then, it fires again."""
    lake = known(request, model)
    found = commands.silence(
        str(lake.path), alert, by=caller.name, reason=said.reason, duration=said.duration,
        incident=said.incident, model=model,
    )  # fmt: skip
    return _told(found)


def _on(
    request: Request,
    model: str,
    alert: str,
    said: Said,
    caller: Caller,
    *,
    accept: bool = False,
    false: bool = False,
) -> Response:
    lake = known(request, model)
    found = commands.acknowledge(
        str(lake.path), alert, by=caller.name, reason=said.reason, accept=accept, false=false,
        incident=said.incident, model=model,
    )  # fmt: skip
    return _told(found)
