"""The page of an alert: what it found in words and a picture, why, whose rows, its history, and what can be done."""

from __future__ import annotations

from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from vedette.engine import commands
from vedette.engine.alerts import OPEN_STATES, history
from vedette.engine.charts import of_watch
from vedette.engine.example_rows import example_rows
from vedette.engine.explain import explain
from vedette.engine.glance import alerts_of
from vedette.engine.health import health_with_kin
from vedette.engine.runs import runs_of
from vedette.lake.tables import Lake
from vedette.output.explanation import Explanation, paragraph
from vedette.output.explanation_svg import picture
from vedette.records import Alert, Verdict
from vedette.server.api.answers import Editor, now
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/models/{model}/alerts/{alert}", dependencies=[needs("view")])
def page(request: Request, model: ModelName, alert: str) -> Response:
    """An alert, from what it found to who did what about it."""
    lake = known(request, model)
    every = alerts_of(lake, model, now())
    one = next((each for each in every if each.id == alert), None)
    if one is None:
        raise HTTPException(404, f"alert={alert!r}: model {model!r} has none of that id")
    health = health_with_kin(lake, model, now())
    verdict = next(
        (each for each in health.verdicts if (each.watch, each.segment) == (one.watch, one.segment)), None
    )
    why, problem = _why(lake, model, one, verdict)
    pair = of_watch(one.watch)
    source = None if pair is None else _source(model, pair, one)
    return render(
        request, "alert.html", model=model, one=one, verdict=verdict, problem=problem,
        told="" if why is None else paragraph(why, lead=False),
        drawn="" if why is None else Markup(picture(why)),  # noqa: S704  # names are escaped in it
        why=why, source=source, figure=pair, open=one.state in OPEN_STATES, steps=_steps(lake, model, alert),
        beside=[each for each in every if each.incident == one.incident and each.id != one.id],
        examples=None if why is None else example_rows(lake, model, why),
    )  # fmt: skip


def _why(lake: Lake, model: str, one: Alert, verdict: Verdict | None) -> tuple[Explanation | None, str]:
    """Why it fired; where that is not known any more, the reason."""
    if verdict is None:
        return None, "it is watched no more: what it was made of is no longer judged"
    try:
        return explain(lake, model, one.id), ""
    except ValueError as error:  # a watch of the runs, or one that went since
        return None, str(error)


def _source(model: str, pair: tuple[str, str | None], one: Alert) -> str:
    by = one.segment.partition("=")[0] if one.segment and "," not in one.segment else ""
    return link("/models/{}/series", model, metric=pair[0], feature=pair[1] or "", by=by)


def _steps(lake: Lake, model: str, alert: str) -> list[dict[str, Any]]:
    """Every step of the alert, the oldest first."""
    names = [name for name in (model, runs_of(model)) if lake.has(name)]
    return [
        row for name in names for row in history(lake.model(name)).filter(pl.col("alert") == alert).to_dicts()
    ]


@router.post("/models/{model}/alerts/{alert}/{action}")
def act(
    request: Request,
    caller: Editor,
    model: ModelName,
    alert: str,
    action: str,
    reason: Annotated[str, Form(max_length=2000)] = "",
    duration: Annotated[str, Form(max_length=20)] = "4h",
    incident: Annotated[bool, Form()] = False,
) -> Response:
    """Acknowledge, silence, accept, or call false; and back to the alert."""
    lake = known(request, model)
    where, who = str(lake.path), caller.name
    if action == "silence":
        commands.silence(
            where, alert, by=who, reason=reason, duration=duration, incident=incident, model=model
        )
    elif action in ("acknowledge", "accept", "false"):
        commands.acknowledge(
            where, alert, by=who, reason=reason or None, accept=action == "accept", false=action == "false",
            incident=incident, model=model,
        )  # fmt: skip
    else:
        raise HTTPException(404, f"action={action!r}: must be acknowledge, silence, accept or false")
    return RedirectResponse(link("/models/{}/alerts/{}", model, alert), 303)
