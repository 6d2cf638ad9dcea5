"""Rules as documents: what holds and where it is from, a dry run over the history, and changes by who may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from vedette.engine import requests, rule_changes
from vedette.engine.cycle import LOCK_WAIT_S
from vedette.engine.health import health
from vedette.engine.rules import PREFIX
from vedette.engine.rules_replay import Replayed, replay_model
from vedette.lake.ingest import now_of
from vedette.lake.locks import lock
from vedette.lake.tables import Lake, ModelTables
from vedette.output.replay_console import replayed_json
from vedette.records import Verdict, is_runs
from vedette.server.api.answers import Editor, JsonRoute, as_json, now
from vedette.server.api.documents import ErrorDocument, ModelName, Moment
from vedette.server.api.models import ERRORS, known
from vedette.server.api.rule_documents import (
    ReplayedDocument,
    RuleChangeDocument,
    RuleGiven,
    RulesDocument,
    RuleSet,
)
from vedette.server.needs import needs

__all__ = ["changing", "dry_run", "router", "verdicts_of"]

router = APIRouter(route_class=JsonRoute, tags=["rules"], responses=ERRORS)
_VIEW = [needs("view")]
_MEANWHILE: dict[int | str, dict[str, Any]] = {
    409: {
        "model": ErrorDocument,
        "description": "It is in vedette.toml, or the rules were changed by somebody else meanwhile",
    }
}
RuleName = Annotated[
    str, Path(description="Name of a rule.", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", max_length=63)
]
Seen = Annotated[
    int | None,
    Query(ge=0, description="Version that the change is made on: refused where there is another since."),
]


@contextmanager
def changing(lake: Lake, model: str) -> Iterator[tuple[ModelTables, datetime]]:
    """The tables of a model and the time, while nobody else writes the lake. ``ValueError`` for runs, which have no rules."""
    if is_runs(model):
        raise ValueError(f"model={model!r}: are runs: must be a model, runs have no rules")
    with lock(requests.work_lock(lake), wait_s=LOCK_WAIT_S):
        yield lake.model(model), now_of(now().timestamp())


def verdicts_of(lake: Lake, model: str) -> dict[str, Verdict]:
    """The verdict of each rule that the last round judged, by the rule's name."""
    found = health(lake, model, now()).verdicts
    return {one.watch.removeprefix(PREFIX): one for one in found if one.watch.startswith(PREFIX)}


def dry_run(
    lake: Lake,
    model: str,
    name: str,
    said: dict[str, Any],
    since: str | None = None,
    until: str | None = None,
) -> Replayed:
    """A rule over the history of a model; ``ValueError`` where it cannot be read."""
    return replay_model(lake.model(model), {name: said}, since=since, until=until)


def _told(lake: Lake, model: str) -> Response:
    tables, verdicts = lake.model(model), verdicts_of(lake, model)
    rules = []
    for one in rule_changes.held(tables):
        verdict = verdicts.get(one.name) if one.holds else None
        rules.append(
            {
                "name": one.name, "when": one.when, "watches": one.watches,
                **{key: getattr(one.rule, key, None) for key in ("severity", "min_rows", "clear_after")},
                "source": one.source, "holds": one.holds,
                "verdict": None if verdict is None else verdict.verdict.value,
                "since": None if verdict is None else verdict.since,
                "reason": one.problem or (None if verdict is None else verdict.reason),
            }
        )  # fmt: skip
    document = {"version": rule_changes.version(tables), "rules": rules}
    return Response(as_json(document), media_type="application/json")


@router.get("/v1/models/{model}/rules", response_model=RulesDocument, dependencies=_VIEW, summary="Its rules")
def rules(request: Request, model: ModelName) -> Response:
    """Every rule of a model, of `vedette.toml` and set here, and what the last round said of each."""
    return _told(known(request, model), model)


@router.get(
    "/v1/models/{model}/rules/changes", response_model=list[RuleChangeDocument], dependencies=_VIEW,
    summary="Who changed the rules",
)  # fmt: skip
def changes(request: Request, model: ModelName) -> Response:
    """Every change of the rules set here, the newest first."""
    found = rule_changes.changes(known(request, model).model(model))
    return Response(as_json([asdict(one) for one in found]), media_type="application/json")


@router.post(
    "/v1/models/{model}/rules/changes/{number}/undo", response_model=RulesDocument, responses=_MEANWHILE,
    summary="Undo a change",
)  # fmt: skip
def undo(
    request: Request,
    caller: Editor,
    model: ModelName,
    number: Annotated[int, Path(ge=1)],
    version: Seen = None,
) -> Response:
    """The rule of that change is again what it was before it; that is a change, too."""
    lake = known(request, model)
    with changing(lake, model) as (tables, moment):
        rule_changes.undo(tables, number, by=caller.name, now=moment, seen=version)
    return _told(lake, model)


@router.put(
    "/v1/models/{model}/rules/{name}",
    response_model=RulesDocument,
    responses=_MEANWHILE,
    summary="Set a rule",
)
def put(
    request: Request, caller: Editor, model: ModelName, name: RuleName, given: RuleSet, version: Seen = None
) -> Response:
    """Add a rule, or change one that was set here; judged from the next round on."""
    lake = known(request, model)
    with changing(lake, model) as (tables, moment):
        rule_changes.put(
            tables, name, given.said(), by=caller.name, now=moment, reason=given.reason, seen=version
        )
    return _told(lake, model)


@router.delete(
    "/v1/models/{model}/rules/{name}", response_model=RulesDocument, responses=_MEANWHILE,
    summary="Take a rule away",
)  # fmt: skip
def remove(
    request: Request, caller: Editor, model: ModelName, name: RuleName, version: Seen = None,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """Of those set here; an alert of it closes with the next round."""
    lake = known(request, model)
    with changing(lake, model) as (tables, moment):
        rule_changes.remove(tables, name, by=caller.name, now=moment, reason=reason, seen=version)
    return _told(lake, model)


@router.post(
    "/v1/models/{model}/rules/{name}/dry-run",
    response_model=ReplayedDocument,
    dependencies=_VIEW,
    summary="What a rule would have told",
)
def try_rule(
    request: Request,
    model: ModelName,
    name: RuleName,
    given: RuleGiven,
    since: Moment = None,
    until: Moment = None,
) -> Response:
    """The rule over the model's history, as `vedette rules replay --json`: when it would have fired, how often a month with
    a 95 % interval, which known incidents it would have missed, which false alarms repeated. Nothing is kept.
    """
    found = dry_run(known(request, model), model, name, given.said(), since, until)
    return Response(as_json(replayed_json(found)), media_type="application/json")
