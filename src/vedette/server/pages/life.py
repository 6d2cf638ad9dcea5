"""Runs, versions, ledger and settings of a model."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from markupsafe import Markup

from vedette.engine import runs_shown, written
from vedette.engine.audit import audit
from vedette.engine.charts import columns_of
from vedette.engine.deployments import deployments_of
from vedette.engine.labels import labels_of
from vedette.engine.runs import runs as runs_of_model
from vedette.engine.runs import runs_of
from vedette.engine.versions import versions_of
from vedette.engine.versions_against import against
from vedette.lake.events import segments_of, settings_of
from vedette.lake.ledger import ledger as read_ledger
from vedette.output import runs_against, runs_page
from vedette.output.runs_console import RunsShown
from vedette.records import DEPLOYMENT, Deployment, ProducerLedger
from vedette.server.api.documents import ModelName
from vedette.server.api.life import RUNS_MAX, events_frame
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import render

__all__ = ["router"]

EVENTS_SHOWN = 200
EVENTS_READ = 1000
RUNS_SHOWN = 200
GAPS_SHOWN = 100
DEPLOYMENTS_SHOWN = 30
COMPARED = 12
"""Versions that are held against the one before: each reads the summaries of its rows."""
_COUNTING = frozenset({"joined", "label_delay", "segment", "grid"})
"""Events of how a model is counted, which are shown apart from what happened to it."""

_BUCKETS = 300  # of a curve that is drawn

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_VIEW = [needs("view")]


@router.get("/models/{model}/runs", dependencies=_VIEW)
def runs(
    request: Request,
    model: ModelName,
    run: Annotated[list[str] | None, Query(max_length=200)] = None,
    metric: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The runs of a model, parameters beside results; those that are ticked, laid over each other."""
    lake = known(request, model)
    if run:
        return _run(request, model, list(dict.fromkeys(run)), metric)
    if not lake.has(runs_of(model)):
        return render(request, "runs.html", model=model, n_runs=0, rows=[], table="", pictures="")
    frame = runs_of_model(lake, model)
    rows = list(frame.head(RUNS_SHOWN).iter_rows(named=True))
    pictures = runs_against.cards(runs_against.against(frame, metric or None))
    return render(
        request, "runs.html", model=model, n_runs=frame.height, rows=rows,
        table=Markup(runs_page.by_run(RunsShown(model, tuple(rows), ()))),  # noqa: S704  # names are escaped in it
        pictures=Markup(pictures),  # noqa: S704  # and in it
    )  # fmt: skip


@router.get("/models/{model}/runs/{name}", dependencies=_VIEW)
def run(
    request: Request, model: ModelName, name: str, metric: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """A run."""
    if not known(request, model).has(runs_of(model)):
        raise HTTPException(404, f"run={name!r}: not there; the model has no runs")
    return _run(request, model, [name], metric)


def _run(request: Request, model: str, names: list[str], metric: str) -> Response:
    """Runs with their curves laid over each other, each with the band that its buckets span."""
    if len(names) > RUNS_MAX:
        raise ValueError(f"runs={len(names)}: at most {RUNS_MAX} can be laid over each other")
    shown = runs_shown.show_runs(str(known(request, model).path), model, names, metric or None, _BUCKETS)()
    moving = [one for one in shown.panels if one.moves]
    return render(
        request, "run.html", model=model, names=names, shown=shown, metric=metric, curves=[one.title for one in moving],
        table=Markup(runs_page.table(shown)),  # noqa: S704  # names are escaped in it
        cards=Markup("".join(map(runs_page.card, moving))),  # noqa: S704  # and in it
    )  # fmt: skip


@router.get("/models/{model}/versions", dependencies=_VIEW)
def versions(request: Request, model: ModelName) -> Response:
    """The versions of a model, when each served, and what happened."""
    lake = known(request, model)
    found = events_frame(lake, model, limit=EVENTS_READ + 1).to_dicts()
    every = [row | {"detail": _words(row["detail"])} for row in found[:EVENTS_READ]]
    counting = [row for row in every if row["kind"] in _COUNTING]
    told = [row for row in every if row["kind"] not in _COUNTING and not _of_deployment(row)]
    known_ones = versions_of(lake.model(model))
    before = [one.version for one in known_ones[1:]] + [None]
    served = [
        (one, None if other is None or rank >= COMPARED else against(lake, model, one.version, other))
        for rank, (one, other) in enumerate(zip(known_ones, before, strict=True))
    ]
    deployed = deployments_of(lake, model)
    return render(
        request, "versions.html", model=model, versions=served, deployed=deployed[:DEPLOYMENTS_SHOWN],
        stages={one.version: _stages(deployed, one.version) for one, _ in served}, more=len(found) > EVENTS_READ,
        events=told[:EVENTS_SHOWN], counting=counting[:EVENTS_SHOWN],
    )  # fmt: skip


def _of_deployment(row: dict[str, Any]) -> bool:
    """True of what the deployments tell; not of an event of another system, which tells no status."""
    return row["kind"] == DEPLOYMENT and "status " in row["detail"]


def _stages(found: list[Deployment], version: str) -> list[Deployment]:
    """Of each stage the newest deployment of a version."""
    newest = {one.stage: one for one in reversed(found) if one.version == version}
    return sorted(newest.values(), key=lambda one: one.began, reverse=True)


def _words(detail: str | None) -> str:
    """The detail of an event in one line; numbers and short texts, of the rest that there is more.

    >>> _words('{"stage": "canary", "of": ["a", "b"], "forced": true, "limits": {"low": 0.5}, "note": ""}')
    'stage canary, of a and b, forced yes, limits low 0.5'
    """
    try:
        held = json.loads(detail or "{}")
    except ValueError:  # of another system
        return str(detail)[:200]
    if not isinstance(held, dict):
        return _said(held)[:200]
    said = {
        name: _said(one) for name, one in held.items() if one not in ("", None, [], {}) and name != "digest"
    }
    return ", ".join(_pair(name, one) for name, one in list(said.items())[:8] if len(one) <= 80)


def _pair(name: str, value: str) -> str:
    """A name and its value, with the unit that the name ends on behind the value."""
    word = name.removesuffix("_s").replace("_", " ")
    return f"{word} {value} s" if name.endswith("_s") else f"{word} {value}"


def _said(value: Any) -> str:
    """A value of JSON as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items())
    if isinstance(value, list):
        parts = [_said(one) for one in value]
        return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)


@router.get("/models/{model}/ledger", dependencies=_VIEW)
def ledger(request: Request, model: ModelName) -> Response:
    """What became of every row, and of every label."""
    lake = known(request, model)
    found = read_ledger(lake, model)
    gaps = sorted(found.gaps, key=lambda one: one.accounted)
    reasons: dict[tuple[str, str, str], int] = {}
    for one in found.producers:
        for part, counts in one.reasons.items():
            for reason, n in counts.items():
                reasons[one.stream, part, reason] = reasons.get((one.stream, part, reason), 0) + n
    return render(
        request, "ledger.html", model=model, found=found, gaps=gaps[:GAPS_SHOWN], n_gaps=len(gaps),
        reasons=sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])), lossy=_lossy(found.windows),
        labels=labels_of(lake, model),
    )  # fmt: skip


def _lossy(windows: tuple[ProducerLedger, ...]) -> list[ProducerLedger]:
    """The equations of the last windows in which rows were not kept."""
    lost = [one for one in windows if one.seen > one.in_lake + one.in_journal and one.window is not None]
    return lost[-50:]


@router.get("/models/{model}/settings", dependencies=_VIEW)
def settings(request: Request, model: ModelName) -> Response:
    """How a model is counted and judged, and who changed what."""
    lake = known(request, model)
    tables = lake.model(model)
    rows: list[dict[str, Any]] = audit(tables).tail(EVENTS_SHOWN).reverse().to_dicts()
    return render(
        request, "settings.html", model=model, settings=settings_of(tables), written=written.in_force(tables),
        columns=columns_of(tables), segments=segments_of(tables), audit=rows,
    )  # fmt: skip
