"""The rest of what is known of a model: events, ledger, labels, runs, explanations, and who did what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

import polars as pl
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from vedette.engine import audit as audit_module
from vedette.engine import labels as labels_module
from vedette.engine import runs_shown
from vedette.engine.deployments import deployments_json, deployments_of
from vedette.engine.explain import explain as explain_watch
from vedette.engine.health import kin_of
from vedette.engine.life import life_of
from vedette.engine.query import moment
from vedette.engine.runs import runs as runs_of_model
from vedette.engine.runs import runs_of
from vedette.engine.stability.stability import stability as stability_of_model
from vedette.lake.ledger import ledger as read_ledger
from vedette.lake.stamps import stamp_of
from vedette.lake.tables import Lake
from vedette.output.explanation import explanation_json
from vedette.output.ledger_console import ledger_json
from vedette.output.model_card import card_json, card_markdown
from vedette.output.runs_console import run_json, runs_json
from vedette.output.stability_console import stability_json
from vedette.server.api.answers import JsonRoute, as_json, now
from vedette.server.api.documents import EventDocument, ModelName, Moment
from vedette.server.api.figures import answers_of, names_in
from vedette.server.api.models import ERRORS, known
from vedette.server.needs import needs

__all__ = ["EVENTS_MAX", "events_frame", "router"]

EVENTS_MAX = 5000
RUNS_MAX = 12
"""Runs laid over each other in one answer."""

router = APIRouter(route_class=JsonRoute, tags=["life of a model"], responses=ERRORS)
_VIEW = [needs("view")]


def events_frame(
    lake: Lake, model: str, since: str | None = None, until: str | None = None, kind: str | None = None,
    limit: int = EVENTS_MAX,
) -> pl.DataFrame:  # fmt: skip
    """What happened to a model, the newest first."""
    rows = lake.model(model)["events"].scan()
    first, last = moment(since, "since"), moment(until, "until")
    rows = rows if first is None else rows.filter(pl.col("time") >= first)
    rows = rows if last is None else rows.filter(pl.col("time") < last)
    rows = rows if kind is None else rows.filter(pl.col("kind").is_in(names_in(kind) or []))
    columns = ("time", "kind", "name", "version", "detail")
    return rows.select(columns).sort("time", descending=True, maintain_order=True).head(limit).collect()


@router.get(
    "/v1/models/{model}/events",
    response_model=list[EventDocument],
    dependencies=_VIEW,
    summary="What happened",
)
def events(
    request: Request, model: ModelName, since: Moment = None, until: Moment = None,
    kind: Annotated[str | None, Query(max_length=400, description="Kinds, with commas between.")] = None,
    limit: Annotated[int, Query(ge=1, le=EVENTS_MAX)] = 1000,
) -> Response:  # fmt: skip
    """Settings, columns that came or went, references, deployments, the newest first."""
    found = events_frame(known(request, model), model, since, until, kind, limit).to_dicts()
    return _json([row | {"detail": _parsed(row["detail"])} for row in found])


def _parsed(text: str | None) -> Any:
    """The detail of an event: JSON, but for what another system wrote."""
    if not text:
        return None
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


@router.get(
    "/v1/models/{model}/ledger",
    response_model=dict[str, Any],
    dependencies=_VIEW,
    summary="What became of every row",
)
def ledger(request: Request, model: ModelName) -> Response:
    """seen = in journal + in lake + sampled out + dropped + rejected + torn, as `vedette ledger --json`."""
    lake = known(request, model)
    return _kept(request, ("ledger", model), lake, model, lambda: ledger_json(read_ledger(lake, model)))


@router.get(
    "/v1/models/{model}/labels",
    response_model=dict[str, Any],
    dependencies=_VIEW,
    summary="What became of its labels",
)
def labels(
    request: Request, model: ModelName, since: Moment = None, until: Moment = None,
    by: Annotated[str | None, Query(max_length=600, description="A column whose values are segments, or a,b.")] = None,
) -> Response:  # fmt: skip
    """What became of the labels, and the delays within which they come, as `vedette labels --json`."""
    lake = known(request, model)

    def make() -> dict[str, Any]:
        delays = labels_module.label_delay_of(lake, model, by=names_in(by), since=since, until=until)
        return {**asdict(labels_module.labels_of(lake, model)), "delays": delays.to_dicts()}

    return _kept(request, ("labels", model, by, since, until), lake, model, make)


@router.get(
    "/v1/models/{model}/runs",
    response_model=list[dict[str, Any]],
    dependencies=_VIEW,
    summary="Its training runs",
)
def runs(request: Request, model: ModelName) -> Response:
    """The runs of a model, the newest first, as `vedette runs --json`; none where it has none."""
    lake = known(request, model)
    found = runs_json(runs_of_model(lake, model)) if lake.has(runs_of(model)) else []
    return _json(found)


@router.get(
    "/v1/models/{model}/runs/{name}",
    response_model=dict[str, Any],
    dependencies=_VIEW,
    summary="A run, or several laid over each other",
)
def run(
    request: Request, model: ModelName, name: str,
    metric: Annotated[str | None, Query(max_length=200, description="One metric; default all.")] = None,
    buckets: Annotated[int, Query(ge=2, le=4000, description="Of steps, each with its band.")] = 500,
) -> Response:  # fmt: skip
    """The run, and its curves in buckets with the band that each spans, as `vedette run --json`."""
    lake = known(request, model)
    names = names_in(name) or []
    if len(names) > RUNS_MAX:
        raise ValueError(f"runs={len(names)}: at most {RUNS_MAX} can be laid over each other")
    if not lake.has(runs_of(model)):
        raise HTTPException(404, f"run={name!r}: not there; the model has no runs")
    shown = runs_shown.show_runs(str(lake.path), model, names, metric, buckets)
    return _json(run_json(shown()))


@router.get(
    "/v1/models/{model}/stability",
    response_model=dict[str, Any],
    dependencies=_VIEW,
    summary="How stable it is",
)
def stability(
    request: Request, model: ModelName, version: Annotated[str | None, Query(max_length=128)] = None,
    since: Moment = None, until: Moment = None,
) -> Response:  # fmt: skip
    """Availability, error budgets, restarts, memory, latency, load and equal inputs, as `vedette stability --json`."""
    lake = known(request, model)

    def make() -> dict[str, Any]:
        return stability_json(
            stability_of_model(lake, model, now(), version=version, since=since, until=until)
        )

    names = (model, *kin_of(lake, model))
    moved = (*stamp_of(lake, names), now().replace(second=0, microsecond=0))  # budgets go by the clock
    key = ("stability", model, version, since, until)
    return answers_of(request).respond(request, key, moved, lambda: as_json(make()))


@router.get(
    "/v1/models/{model}/deployments",
    response_model=list[dict[str, Any]],
    dependencies=_VIEW,
    summary="Its deployments",
)
def deployments(
    request: Request, model: ModelName,
    version: Annotated[str | None, Query(max_length=128, description="Of this version alone.")] = None,
) -> Response:  # fmt: skip
    """The deployments of a model, the newest first, as `vedette deployments --json`."""
    return _json(deployments_json(deployments_of(known(request, model), model, version)))


@router.get(
    "/v1/models/{model}/story",
    response_model=dict[str, Any],
    dependencies=_VIEW,
    summary="The life of a version",
)
def story(
    request: Request, model: ModelName,
    version: Annotated[str, Query(max_length=128, description="Which version.")],
    form: Annotated[Literal["json", "markdown"], Query(description="A document, or a model card.")] = "json",
) -> Response:  # fmt: skip
    """What is known of a version from its code to its last prediction, and what is not, as `vedette story --json`."""
    life = life_of(known(request, model), model, version, now())
    if form == "markdown":
        return Response(card_markdown(life), media_type="text/markdown")
    return _json(card_json(life))


@router.get(
    "/v1/models/{model}/explain",
    response_model=dict[str, Any] | None,
    dependencies=_VIEW,
    summary="Why something fired",
)
def explain(
    request: Request, model: ModelName,
    watch: Annotated[str | None, Query(max_length=1000, description="A watch, `x.location [region=north]`, or the id of "
                     "an alert; default the strongest alarm.")] = None,
) -> Response:  # fmt: skip
    """Which segments, which inputs, since when, which fault, as `vedette explain --json`; `null` where nothing alarms."""
    lake = known(request, model)

    def make() -> dict[str, Any] | None:
        found = explain_watch(lake, model, watch)
        return None if found is None else explanation_json(found)

    return _kept(request, ("explain", model, watch), lake, model, make)


@router.get(
    "/v1/models/{model}/audit",
    response_model=list[dict[str, Any]],
    dependencies=_VIEW,
    summary="Who did what",
)
def audit(request: Request, model: ModelName) -> Response:
    """Alerts acknowledged, rules and settings changed, references given, as `vedette audit --json`."""
    lake = known(request, model)
    return _json(audit_module.audit(lake.model(model)).to_dicts())


def _json(document: Any) -> Response:
    return Response(as_json(document), media_type="application/json")


def _kept(
    request: Request, key: tuple[Any, ...], lake: Lake, model: str, make: Callable[[], Any]
) -> Response:
    moved = (
        *stamp_of(lake, (model,)),
        now().replace(second=0, microsecond=0),
    )  # the delays of labels go by the clock
    return answers_of(request).respond(request, key, moved, lambda: as_json(make()))
