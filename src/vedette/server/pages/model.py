"""The page of a model: its verdicts, its figures over time, and what is drawn of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette import config
from vedette.engine.charts import columns_of, extent, of_the_model, of_watch, shown_first
from vedette.engine.query import moment
from vedette.engine.versions import Deployed, versions_of
from vedette.errors import ConfigError
from vedette.lake.events import settings_of
from vedette.lake.stamps import stamp_of
from vedette.lake.tables import Lake
from vedette.records import Settings, Status
from vedette.server.api.answers import now
from vedette.server.api.documents import ModelName
from vedette.server.api.figures import figures_frame
from vedette.server.api.kept import Kept
from vedette.server.api.models import known
from vedette.server.api.watching import watching_of
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render
from vedette.statistics import every_statistic

__all__ = ["CHARTS_MAX", "figure_name", "figure_of", "router"]

CHARTS_MAX = 12
_FIRST_SHOWN = 6
OK_SHOWN = 300
COLUMNS_LISTED = 300
"""Columns that the fields of the page offer; others can be typed: the list is in the weight of the page."""

FACTS_MAX = 500

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_ORDER = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)
Moment = Annotated[str, Query(max_length=40)]


def figure_name(metric: str, feature: str | None) -> str:
    """A figure as a link has it.

    >>> figure_name("mean", "age"), figure_of("mean:a:b"), figure_of("accuracy")
    ('mean:age', ('mean', 'a:b'), ('accuracy', None))
    """
    return metric if feature is None else f"{metric}:{feature}"


def figure_of(name: str) -> tuple[str, str | None]:
    """What a link means by a figure."""
    metric, colon, feature = name.partition(":")
    return metric, feature if colon else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a page says of a model beside its verdicts, read from its tables: kept until one of them moves on."""

    newest: list[dict[str, Any]]
    columns: dict[str, str]
    versions: list[Deployed]
    extent: tuple[datetime, datetime] | None
    settings: Settings


def facts_of(lake: Lake, model: str, shown: list[tuple[str, str | None]], as_of: str) -> Facts:
    """The facts of a model; the newest figures are those that are drawn."""
    tables = lake.model(model)
    span, own = extent(tables), settings_of(tables)
    # as known at another moment the newest window is an earlier one, or none
    since = None if span is None or as_of else span[1] - timedelta(seconds=own.window_s)
    newest = [] if span is None else _newest(lake, model, shown, since, as_of)
    return Facts(newest, columns_of(tables), versions_of(tables), span, own)


@router.get("/models/{model}", dependencies=[needs("view")])
def page(
    request: Request,
    model: ModelName,
    figure: Annotated[list[str] | None, Query(max_length=300)] = None,
    by: Annotated[str, Query(max_length=300)] = "",
    version: Annotated[list[str] | None, Query(max_length=200)] = None,
    since: Moment = "",
    until: Moment = "",
    as_of: Moment = "",
    window: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """A model: what is wrong with it, its newest figures, and pictures of those that were chosen or matter now."""
    lake, time = known(request, model), now()
    one = watching_of(request).glance(model)
    chosen = [figure_of(name) for name in dict.fromkeys(figure or []) if name][:CHARTS_MAX]
    shown = chosen or shown_first(one.health, lake.model(model), _FIRST_SHOWN)
    asked = {"by": by, "version": [one for one in version or [] if one], "since": since, "until": until, "as_of": as_of,
             "window": window}  # fmt: skip
    problem = _problem(since, until, as_of, window)
    # how small figures are hidden changes without the lake
    moved = (*stamp_of(lake, (model,)), config.read().k_of(model))
    facts = _facts(request).get(
        (model, tuple(shown), as_of), moved, lambda: facts_of(lake, model, shown, "" if problem else as_of)
    )
    verdicts = sorted(
        one.health.verdicts, key=lambda each: (_ORDER.index(each.verdict), each.watch, each.segment)
    )
    since_of = {
        of_watch(each.watch): each.since
        for each in verdicts
        if each.verdict is Status.ALARM and not each.segment
    }
    alerts = {(each.watch, each.segment): each for each in one.alerts}
    explained = {key for key, each in alerts.items() if each.cause is not None}
    wrong = [each for each in verdicts if each.verdict is not Status.OK]
    return render(
        request, "model.html", model=model, one=one,
        wrong=[each for each in wrong if (each.watch, each.segment) not in explained],
        explained=[each for each in wrong if (each.watch, each.segment) in explained],
        fine=[each for each in verdicts if each.verdict is Status.OK], ok_shown=OK_SHOWN,
        charts=[_card(model, pair, asked, since_of.get(pair)) for pair in shown], chosen=bool(chosen), facts=facts,
        problem=problem, listed=list(facts.columns)[:COLUMNS_LISTED], moment=time, metrics=sorted(every_statistic()),
        alerts=alerts, asked=asked,
        of_watch=of_watch, figure_name=figure_name,
        here=lambda **other: link("/models/{}", model, **({"figure": [figure_name(*each) for each in chosen]} | asked | other)),
    )  # fmt: skip


def _facts(request: Request) -> Kept[Facts]:
    """The facts that an application keeps."""
    state = request.app.state
    if not hasattr(state, "facts"):
        state.facts = Kept[Facts](FACTS_MAX)
    found: Kept[Facts] = state.facts
    return found


def _problem(since: str, until: str, as_of: str, window: str) -> str:
    """What is wrong with the span that an address asks for, in words; "" where nothing is."""
    try:
        first, last = moment(since or None, "since"), moment(until or None, "until")
        moment(as_of or None, "as_of")
        if window:
            config.duration_s(window, "window")
    except (ValueError, ConfigError) as error:
        return str(error)
    if first is not None and last is not None and last <= first:
        return f"until={until!r}: must be later than since={since!r}"
    return ""


def _card(
    model: str, pair: tuple[str, str | None], asked: dict[str, Any], since: datetime | None
) -> dict[str, Any]:
    metric, feature = pair
    source = link("/models/{}/series", model, metric=metric, feature=feature or "", **asked)
    return {"metric": metric, "feature": feature, "source": source, "since": since}


def _newest(
    lake: Lake,
    model: str,
    shown: list[tuple[str, str | None]],
    since: datetime | None,
    as_of: str,
) -> list[dict[str, Any]]:
    """The newest window's figures of those that are drawn."""
    found: list[dict[str, Any]] = []
    for metric, feature in shown:
        asked = {"metric": metric, "features": feature and [feature], "as_of": as_of or None, "since": since}
        try:
            rows = figures_frame(lake, model, asked)
        except ValueError as error:
            found.append({"metric": metric, "feature": feature, "problem": str(error)})
            continue
        plain = rows.filter(pl.col("part").is_null())
        if feature is None:
            plain = of_the_model(plain)
        if not plain.is_empty():
            found.append(plain.sort("start").row(-1, named=True))
    return found
