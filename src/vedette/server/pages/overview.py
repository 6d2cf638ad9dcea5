"""What is wrong now, over all models, and then all models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette.engine.glance import Glance
from vedette.engine.incidents import STATES, incidents_of
from vedette.records import AlertState, Status
from vedette.server.api.answers import Viewer, now
from vedette.server.api.watching import watching_of
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

PER_PAGE = 50
INCIDENTS_SHOWN = 12
INCIDENTS_PER_PAGE = 50
PARTS_SHOWN = 100

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_GRAVEST = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)
Sort = Literal["worst", "name", "age", "rows", "alerts", "completeness"]


def _sorted(glances: list[Glance], by: Sort, moment: datetime) -> list[Glance]:
    keys = {
        "worst": lambda one: (
            _GRAVEST.index(one.health.verdict),
            -one.count("firing"),
            -len(one.alerts),
            one.model,
        ),
        "name": lambda one: one.model,
        "age": lambda one: (-1.0 if (age := one.age_s(moment)) is None else -age, one.model),
        "rows": lambda one: (-one.rows, one.model),
        "alerts": lambda one: (-len(one.alerts), one.model),
        "completeness": lambda one: (2.0 if one.completeness is None else one.completeness, one.model),
    }
    return sorted(glances, key=keys[by])


@router.get("/")
def overview(
    request: Request,
    caller: Viewer,
    q: Annotated[str, Query(max_length=100)] = "",
    verdict: Annotated[str, Query(pattern="^(|OK|WARN|ALARM|UNKNOWN)$")] = "",
    sort: Sort = "worst",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """What is wrong now, first; then all models, filtered, sorted, a page of them."""
    watching, moment = watching_of(request), now()
    mine = [one.glance for one in watching.models() if caller.may(one.glance.model)]
    n_read, n_of = watching.counts(caller)
    found = [one for one in mine if q.lower() in one.model and verdict in ("", one.health.verdict)]
    found = _sorted(found, sort, moment)
    n_pages = max(1, -(-len(found) // PER_PAGE))
    page = min(page, n_pages)
    incidents = incidents_of(mine)
    counts = {status.value: sum(one.health.verdict is status for one in mine) for status in _GRAVEST}
    return render(
        request, "overview.html", incidents=incidents[:INCIDENTS_SHOWN], n_incidents=len(incidents), counts=counts,
        n_alarms=sum(one.told.state is AlertState.FIRING for one in incidents),
        n_all=len(mine), models=found[(page - 1) * PER_PAGE : page * PER_PAGE], n_found=len(found), page=page,
        n_pages=n_pages, q=q, verdict=verdict, sort=sort, moment=moment, n_read=n_read, n_of=n_of,
        here=lambda **other: link("/", **({"q": q, "verdict": verdict, "sort": sort} | other)),
    )  # fmt: skip


@router.get("/alerts")
def alerts(
    request: Request,
    caller: Viewer,
    state: Annotated[str, Query(pattern="^(|firing|pending|acknowledged|silenced)$")] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Every open incident of every model, what nobody has seen first, each with its alerts."""
    glances = [one.glance for one in watching_of(request).models() if caller.may(one.glance.model)]
    counts = {
        one.value: sum(alert.state is one for each in glances for alert in each.alerts) for one in STATES
    }
    text = q.lower()
    found = [
        one for one in incidents_of(glances)
        if any(
            state in ("", each.state)
            and (text in one.model or text in each.watch.lower() or text in each.segment.lower())
            for each in one.alerts
        )
    ]  # fmt: skip
    n_pages = max(1, -(-len(found) // INCIDENTS_PER_PAGE))
    page = min(page, n_pages)
    return render(
        request, "alerts.html", incidents=found[(page - 1) * INCIDENTS_PER_PAGE : page * INCIDENTS_PER_PAGE],
        n_found=len(found), n_alerts=sum(len(one.alerts) for one in found), counts=counts, n_all=sum(counts.values()),
        state=state, q=q, page=page, n_pages=n_pages, parts_shown=PARTS_SHOWN,
        n_alarms=sum(one.told.state is AlertState.FIRING for one in found),
        here=lambda **other: link("/alerts", **({"q": q, "state": state} | other)),
    )  # fmt: skip
