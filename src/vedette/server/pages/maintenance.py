"""The page of maintenances: those that go on or will come, and a form that plans one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from vedette.config import maintenance_of
from vedette.engine import commands_alerting
from vedette.errors import AlertError
from vedette.output.maintenance_console import words
from vedette.server.api.answers import Editor, Viewer, lake_of, now
from vedette.server.api.maintenance import as_seen, ended_by, made_by, may_change, may_see
from vedette.server.needs import Caller, may
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["router"]

_FIELDS = ("reason", "from", "to", "for", "every", "until", "timezone", "models", "watches", "segments")
_EMPTY = dict.fromkeys(_FIELDS, "") | {"for": "2h", "timezone": "UTC"}

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Text = Annotated[str, Form(max_length=300)]


@router.get("/maintenance")
def page(request: Request, caller: Viewer) -> Response:
    """The maintenances that the caller may see, the next first."""
    return _page(request, caller, 200, {}, _EMPTY)


def _page(
    request: Request, caller: Caller, status: int, wrong: dict[str, str], given: dict[str, str]
) -> Response:
    moment = now()
    found = [
        one for one in commands_alerting.maintenances(str(lake_of(request).path)) if may_see(caller, one)
    ]
    later = datetime.max.replace(tzinfo=UTC)
    return render(
        request, "maintenance.html", status, wrong=wrong, given=given, may_edit=may(request, "edit"),
        shown=[
            (
                one, words(as_seen(caller, one)), one.end_of(moment), next(one.spans(moment, later))[0],
                bool(one.by) and may_change(caller, one),
            )
            for one in found
        ],
    )  # fmt: skip


@router.post("/maintenance")
def add(
    request: Request,
    caller: Editor,
    reason: Annotated[str, Form(max_length=2000)] = "",
    begins: Annotated[str, Form(alias="from", max_length=40)] = "",
    to: Text = "",
    duration: Annotated[str, Form(alias="for", max_length=20)] = "",
    every: Text = "",
    until: Text = "",
    timezone: Text = "UTC",
    models: Annotated[str, Form(max_length=4000)] = "",
    watches: Annotated[str, Form(max_length=4000)] = "",
    segments: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Plan one; what is wrong is said beside its field."""
    said = (reason, begins, to, duration, every, until, timezone, models, watches, segments)
    given = dict(zip(_FIELDS, (one.strip() for one in said), strict=True))
    table: dict[str, object] = {key: value for key, value in given.items() if value}
    table |= {
        key: [one.strip() for one in given[key].split(",")]
        for key in ("models", "watches", "segments")
        if given[key]
    }
    if given["to"]:
        table.pop("for", None)
    try:
        maintenance_of({"from": now().isoformat()} | table)
        made_by(request, caller, table)
    except ValueError as error:
        name = str(error).partition("=")[0]
        return _page(request, caller, 422, {name if name in _FIELDS else "": str(error)}, given)
    return RedirectResponse("/maintenance", 303)


@router.post("/maintenance/{maintenance}/end")
def end(request: Request, caller: Editor, maintenance: str) -> Response:
    """End one now, for good."""
    try:
        ended_by(request, caller, maintenance)
    except AlertError as error:
        return _page(request, caller, 409, {"": str(error)}, _EMPTY)
    return RedirectResponse("/maintenance", 303)
