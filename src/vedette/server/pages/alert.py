"""The page of an alert: what it found in words and a picture, why, whose rows, its history, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from vedette.engine import commands, commands_alerting, outbox
from vedette.engine.alerts import OPEN_STATES, history
from vedette.engine.charts import of_rule, of_watch
from vedette.engine.escalation import asked, next_level, told_on
from vedette.engine.example_rows import example_rows
from vedette.engine.explain import explain
from vedette.engine.glance import alerts_of
from vedette.engine.health import NO_DATA, health_with_kin
from vedette.engine.holds import in_force
from vedette.engine.incidents import began, joined
from vedette.engine.rules import PREFIX
from vedette.engine.run_alerts import why_of_run
from vedette.engine.runs import runs_of
from vedette.engine.stability.facts import is_fact
from vedette.engine.steps import last_of, steps_of
from vedette.errors import AlertError
from vedette.lake.tables import Lake
from vedette.output.explanation import Explanation, paragraph
from vedette.output.explanation_svg import picture
from vedette.records import Alert, AlertState, Verdict
from vedette.server.api.answers import Editor, now
from vedette.server.api.documents import ModelName
from vedette.server.api.models import known
from vedette.server.needs import may, needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render

__all__ = ["router"]

ACTIONS = ("acknowledge", "silence", "accept", "false", "escalate")
BESIDE_SHOWN = 60
_FOR_GOOD = {
    "accept": "What it found is normal from now on: the alert closes, and the like of it is told no more. "
    "That cannot be undone here.",
    "false": "Nothing was wrong: its windows count as clean history, and the alert counts as a false alarm against the budget. "
    "That cannot be undone here.",
}
"""What is asked before it is done, with what it does."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What was wrong with what a person sent: beside which field it is said, and what the form held.

    ``asks`` is an action that is to be confirmed first, and ``words`` what it does.
    """

    field: str = ""
    words: str = ""
    reason: str = ""
    duration: str = "4h"
    incident: bool = False
    asks: str = ""


@router.get("/models/{model}/alerts/{alert}", dependencies=[needs("view")])
def page(request: Request, model: ModelName, alert: str) -> Response:
    """An alert, from what it found to who did what about it."""
    return _page(request, model, alert, 200, _Refused())


def _page(request: Request, model: str, alert: str, status: int, refused: _Refused) -> Response:
    lake = known(request, model)
    every = alerts_of(lake, model, now())
    one = next((each for each in every if each.id == alert), None)
    if one is None:
        raise HTTPException(404, f"alert={alert!r}: model {model!r} has none of that id")
    of_run = _is_of_run(lake, model, alert)
    verdicts = {(each.watch, each.segment): each for each in health_with_kin(lake, model, now()).verdicts}
    verdict = verdicts.get((one.watch, one.segment))
    why, problem = (None, "") if of_run else _why(lake, model, one, verdict)
    pair = None if of_run else of_watch(one.watch) or of_rule(lake.model(model), one.watch)
    by_id = {each.id: each for each in every}
    beside = [each for each in _incident(every, one) if each.id != one.id]
    since = {key: each.since for key, each in verdicts.items() if each.since is not None}
    return render(
        request, "alert.html", status, model=model, one=one, verdict=verdict, problem=problem,
        told="" if why is None else paragraph(why, lead=False),
        drawn="" if why is None else Markup(picture(why)),  # noqa: S704  # names are escaped in it
        why=why, of_run=why_of_run(lake, model, one) if of_run else None, figure=pair, began=began(one, since),
        source=None if pair is None else _source(model, pair, one), open=one.state in OPEN_STATES,
        steps=_steps(lake, model, alert), beside=beside[:BESIDE_SHOWN], n_beside=len(beside),
        cause=None if one.cause is None else by_id.get(one.cause),
        n_together=1 + sum(each.incident == one.incident and each.state in OPEN_STATES for each in beside),
        examples=None if why is None else example_rows(lake, model, why), refused=refused,
        may_edit=may(request, "edit", model), may_accept=not of_run and _has_a_normal(one),
        level=_level(lake, model, one, of_run=of_run),
    )  # fmt: skip


def _incident(every: list[Alert], one: Alert) -> list[Alert]:
    """The alerts that are one thing with this; of one that is over those that opened with it."""
    if one.state not in OPEN_STATES:
        return [each for each in every if each.incident == one.incident]
    groups = joined(each for each in every if each.state in OPEN_STATES)
    together = next(group for group in groups if one in group)
    over = [each for each in every if each.incident == one.incident and each.state not in OPEN_STATES]
    return [*sorted(together, key=lambda each: (each.cause is not None, each.opened, each.id)), *over]


def _is_of_run(lake: Lake, model: str, alert: str) -> bool:
    own = runs_of(model)
    return lake.has(own) and not history(lake.model(own)).filter(pl.col("alert") == alert).is_empty()


def _has_a_normal(one: Alert) -> bool:
    """True where what it found can be normal from now on: a rule knows no normal."""
    return not one.watch.startswith(PREFIX) and one.watch != NO_DATA and not is_fact(one.watch)


def _level(lake: Lake, model: str, one: Alert, *, of_run: bool) -> dict[str, Any] | None:
    """The next level that is told of an alert where nobody reacts, and when."""
    settings = in_force()
    if not settings.escalate or one.state is not AlertState.FIRING:
        return None
    name = runs_of(model) if of_run else model
    tables = lake.model(name)
    last = last_of(steps_of(history(tables).iter_rows(named=True)))[one.id]
    found = next_level(settings, name, outbox.read(tables), last, asked(tables))
    return None if found is None else {"channels": found[0].channels, "at": found[1]}


def _why(lake: Lake, model: str, one: Alert, verdict: Verdict | None) -> tuple[Explanation | None, str]:
    """Why it fired; where that is not known any more, the reason."""
    if verdict is None:
        return None, "it is watched no more: what it was made of is no longer judged"
    try:
        return explain(lake, model, one.id), ""
    except ValueError as error:  # a watch that went since
        return None, str(error)


def _source(model: str, pair: tuple[str, str | None], one: Alert) -> str:
    return link("/models/{}/series", model, metric=pair[0], feature=pair[1] or "", segment=one.segment)


def _steps(lake: Lake, model: str, alert: str) -> list[dict[str, Any]]:
    """Every step of the alert, and when others were told since nobody reacted, the oldest first."""
    found: list[dict[str, Any]] = []
    for tables in (lake.model(name) for name in (model, runs_of(model)) if lake.has(name)):
        own = history(tables).filter(pl.col("alert") == alert).to_dicts()
        found += [*own, *told_on(tables, alert, {row["step"] for row in own})]
    return sorted(found, key=lambda row: row["time"])


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
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Acknowledge, silence, accept, call false, or tell on; and back to the alert. What is wrong is said beside its field.

    What cannot be taken back is asked once more, unless it comes with ``sure``.
    """
    lake = known(request, model)
    where, who, reason = str(lake.path), caller.name, reason.strip()
    if action not in ACTIONS:
        raise HTTPException(404, f"action={action!r}: must be {', '.join(ACTIONS)}")

    def refused(field: str, words: str, status: int = 422) -> Response:
        return _page(request, model, alert, status, _Refused(field, words, reason, duration, incident))

    if action in _FOR_GOOD and not sure:
        asked = _Refused("", _FOR_GOOD[action], reason, duration, incident, action)
        return _page(request, model, alert, 200, asked)
    if action in ("silence", "escalate") and not reason:
        return refused("reason", f"Say why: whoever looks next reads it. Nothing was done ({action}).")
    try:
        if action == "silence":
            commands.silence(
                where, alert, by=who, reason=reason, duration=duration, incident=incident, model=model
            )
        elif action == "escalate":
            commands_alerting.escalate(where, alert, by=who, reason=reason, model=model)
        else:
            commands.acknowledge(
                where, alert, by=who, reason=reason or None, accept=action == "accept", false=action == "false",
                incident=incident, model=model,
            )  # fmt: skip
    except AlertError as error:
        return refused("", str(error), 409)
    except ValueError as error:
        return refused("duration" if str(error).startswith(("for=", "until=")) else "", str(error))
    return RedirectResponse(link("/models/{}/alerts/{}", model, alert), 303)
