"""What is wrong now, over all models, and then all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette.engine.glance import Glance
from vedette.records import Alert, AlertState, Status
from vedette.server.api.answers import Viewer, now
from vedette.server.api.watching import watching_of
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["Incident", "incidents_of", "router"]

PER_PAGE = 50
INCIDENTS_SHOWN = 12
ALERTS_PER_PAGE = 100

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_STATES = (AlertState.FIRING, AlertState.PENDING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)
_GRAVEST = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)
Sort = Literal["worst", "name", "age", "rows", "alerts", "completeness"]


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of a model that opened together: the one that is told, and how many more there are."""

    model: str
    told: Alert
    verdict: Status
    n_more: int
    since: datetime


def incidents_of(glances: Sequence[Glance]) -> list[Incident]:
    """The open incidents, those first that nobody has seen, then the gravest, then the newest."""
    found = []
    for one in glances:
        words = {(verdict.watch, verdict.segment): verdict.verdict for verdict in one.health.verdicts}
        by_incident: dict[str, list[Alert]] = {}
        for alert in one.alerts:
            by_incident.setdefault(alert.incident, []).append(alert)
        for alerts in by_incident.values():
            told = min(
                alerts, key=lambda each: (_STATES.index(each.state), bool(each.segment), each.opened, each.id)
            )
            verdict = words.get((told.watch, told.segment), Status.WARN)
            since = min(each.opened for each in alerts)
            found.append(Incident(one.model, told, verdict, len(alerts) - 1, since))
    return sorted(
        found,
        key=lambda one: (
            _STATES.index(one.told.state),
            _GRAVEST.index(one.verdict),
            -one.since.timestamp(),
            one.model,
        ),
    )


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
    seen = [one.glance for one in watching.models()]
    mine = [one for one in seen if caller.may(one.model)]
    found = [one for one in mine if q.lower() in one.model and verdict in ("", one.health.verdict)]
    found = _sorted(found, sort, moment)
    n_pages = max(1, -(-len(found) // PER_PAGE))
    page = min(page, n_pages)
    incidents = incidents_of(mine)
    counts = {status.value: sum(one.health.verdict is status for one in mine) for status in _GRAVEST}
    return render(
        request, "overview.html", incidents=incidents[:INCIDENTS_SHOWN], n_incidents=len(incidents), counts=counts,
        n_all=len(mine), models=found[(page - 1) * PER_PAGE : page * PER_PAGE], n_found=len(found), page=page,
        n_pages=n_pages, q=q, verdict=verdict, sort=sort, moment=moment, n_read=len(seen), n_of=watching.n_models,
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
    """Every open alert of every model, the newest of each state first."""
    glances = [one.glance for one in watching_of(request).models() if caller.may(one.glance.model)]
    every = [(one.model, alert) for one in glances for alert in one.alerts]
    counts = {one.value: sum(alert.state is one for _, alert in every) for one in _STATES}
    text = q.lower()
    found = [
        (model, alert) for model, alert in every
        if state in ("", alert.state) and (text in model or text in alert.watch.lower() or text in alert.segment.lower())
    ]  # fmt: skip
    found.sort(key=lambda one: (_STATES.index(one[1].state), -one[1].opened.timestamp(), one[0]))
    n_pages = max(1, -(-len(found) // ALERTS_PER_PAGE))
    page = min(page, n_pages)
    return render(
        request, "alerts.html", alerts=found[(page - 1) * ALERTS_PER_PAGE : page * ALERTS_PER_PAGE], n_found=len(found),
        counts=counts, n_all=len(every), state=state, q=q, page=page, n_pages=n_pages,
        here=lambda **other: link("/alerts", **({"q": q, "state": state} | other)),
    )  # fmt: skip
