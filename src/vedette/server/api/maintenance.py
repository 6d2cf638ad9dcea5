"""Maintenances as documents: spans in which nobody is told of alerts, made and ended over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from vedette.config import Maintenance, maintenance_of
from vedette.engine import commands_alerting
from vedette.errors import AlertError
from vedette.server.api.answers import Editor, JsonRoute, Viewer, as_json, lake_of, now
from vedette.server.api.documents import ErrorDocument, MaintenanceDocument, MaintenanceGiven
from vedette.server.api.models import ERRORS
from vedette.server.needs import Caller

__all__ = ["OTHERS", "as_seen", "ended_by", "made_by", "may_change", "may_see", "router"]

OTHERS = "others"
"""What stands for all models of a maintenance that the caller may not know of."""

_WILD = frozenset("*?[")

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorDocument, "description": "It cannot be meant"},
    403: {"model": ErrorDocument, "description": "It is for models that the caller may not change"},
    409: {"model": ErrorDocument, "description": "There is none of that id that goes on or comes"},
}
router = APIRouter(route_class=JsonRoute, tags=["maintenance"], responses=ERRORS | _ERRORS)


def may_see(caller: Caller, one: Maintenance) -> bool:
    """True where it is for a model that the caller may see."""
    return caller.models is None or any(one.concerns(model) for model in caller.models)


def as_seen(caller: Caller, one: Maintenance) -> Maintenance:
    """It with those of its models that the caller may see: of a pattern those that it matches, of the rest ``OTHERS``.

    ``*`` names no model and stays.

    >>> from datetime import UTC, datetime
    >>> first, second = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    >>> both = Maintenance("a1", "moving", first, second, models=("delay*", "churn"))
    >>> as_seen(Caller("user:ann", frozenset({"delays"})), both).models
    ('delays', 'others')
    """
    if caller.models is None:
        return one
    shown: list[str] = []
    for pattern in one.models:
        if pattern == "*" or (not _WILD & set(pattern) and caller.may(pattern)):
            shown.append(pattern)
        else:
            shown += sorted(model for model in caller.models if fnmatchcase(model, pattern))
    hidden = any(pattern not in shown for pattern in one.models)
    return replace(one, models=tuple(dict.fromkeys([*shown, OTHERS] if hidden else shown)))


def may_change(caller: Caller, one: Maintenance) -> bool:
    """True where the caller may change every model that it is for: of a pattern that may be any."""
    return caller.models is None or set(one.models) <= caller.models


def _allow(caller: Caller, one: Maintenance) -> None:
    if not may_change(caller, one):
        mine = ", ".join(sorted(caller.models or ()))
        raise HTTPException(
            403,
            f"models={list(as_seen(caller, one).models)!r}: must be some of those that {caller.name} may change: {mine}",
        )


def made_by(request: Request, caller: Caller, table: Mapping[str, Any]) -> Maintenance:
    """Make one for a caller; 403 where it is for models that the caller may not change."""
    where = str(lake_of(request).path)
    _allow(caller, maintenance_of({"from": now().isoformat()} | dict(table)))
    return commands_alerting.maintenance_add(where, table, by=caller.name)


def ended_by(request: Request, caller: Caller, name: str) -> Maintenance:
    """End one for a caller; 403 as for making it, and of one that the caller may not see that there is none."""
    where = str(lake_of(request).path)
    mine = [one for one in commands_alerting.maintenances(where) if may_see(caller, one)]
    found = next((one for one in mine if one.id == name), None)
    if found is None:
        known = ", ".join(one.id for one in mine if one.by) or "none"
        raise AlertError(f"maintenance={name!r}: none of that id goes on or comes; there are {known}")
    _allow(caller, found)
    return commands_alerting.maintenance_end(where, name, by=caller.name)


@router.get("/v1/maintenance", response_model=list[MaintenanceDocument], summary="Maintenances")
def maintenances(request: Request, caller: Viewer) -> Response:
    """Those that go on or will come, the next first, of models that the caller may see, as `vedette maintenance list --json`."""
    found = [
        one for one in commands_alerting.maintenances(str(lake_of(request).path)) if may_see(caller, one)
    ]
    return _told(*(as_seen(caller, one) for one in found), many=True)


@router.post("/v1/maintenance", response_model=MaintenanceDocument, summary="Plan a maintenance")
def add(request: Request, caller: Editor, given: MaintenanceGiven) -> Response:
    """In it nobody is told of alerts, which are judged and recorded as ever. What is open at its end is told then, once."""
    table = {key: value for key, value in given.model_dump(by_alias=True).items() if value is not None}
    return _told(made_by(request, caller, table))


@router.post("/v1/maintenance/{maintenance}/end", response_model=MaintenanceDocument, summary="End it now")
def end(request: Request, caller: Editor, maintenance: str) -> Response:
    """For good, where it comes again. What is open is told."""
    return _told(ended_by(request, caller, maintenance))


def _told(*found: Maintenance, many: bool = False) -> Response:
    documents = [one.document() for one in found]
    return Response(as_json(documents if many else documents[0]), media_type="application/json")
