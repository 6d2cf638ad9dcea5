"""The page of a model: its verdicts, its figures over time, and what is drawn of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette import config
from vedette.engine.charts import Asked, Chart, chart, columns_of, extent, of_the_model, of_watch, shown_first
from vedette.engine.glance import glance
from vedette.engine.holds import in_force
from vedette.engine.maintenance import of_lake
from vedette.engine.query import moment
from vedette.lake.events import settings_of
from vedette.lake.tables import Lake
from vedette.output.numbers import unit_of
from vedette.records import Status
from vedette.server.api.answers import as_json, now, stamp_of, stamp_of_table
from vedette.server.api.documents import ModelName
from vedette.server.api.figures import answers_of, figures_frame
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute
from vedette.server.pages.templating import link, render
from vedette.statistics import every_statistic

__all__ = ["CHARTS_MAX", "figure_name", "figure_of", "router", "versions_of"]

CHARTS_MAX = 12
_FIRST_SHOWN = 6
OK_SHOWN = 300
_SPANS_MAX = 200  # of a maintenance that comes again

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


def versions_of(lake: Lake, model: str) -> list[dict[str, Any]]:
    """The versions of a model with rows: the windows of the first and the last, and how many rows; the newest first."""
    rows = (
        lake.model(model)["summaries"]
        .scan()
        .filter((pl.col("part") == "live") & (pl.col("column") == "prediction"))
    )
    by = rows.filter(pl.col("segment") == "").group_by("version").agg(
        pl.col("start").min().alias("first"), pl.col("start").max().alias("last"), pl.col("rows").sum()
    )  # fmt: skip
    return by.sort("first", "version", descending=[True, True]).collect().to_dicts()


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
    one = glance(lake, model, time)
    tables = lake.model(model)
    chosen = [figure_of(name) for name in dict.fromkeys(figure or []) if name][:CHARTS_MAX]
    shown = chosen or shown_first(one.health, _FIRST_SHOWN)
    asked = {"by": by, "version": [one for one in version or [] if one], "since": since, "until": until, "as_of": as_of,
             "window": window}  # fmt: skip
    verdicts = sorted(
        one.health.verdicts, key=lambda each: (_ORDER.index(each.verdict), each.watch, each.segment)
    )
    columns = columns_of(tables)
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
        charts=[_card(model, pair, asked, since_of.get(pair)) for pair in shown], chosen=bool(chosen),
        newest=_newest(lake, model, shown, as_of), columns=columns, moment=time,
        metrics=sorted(every_statistic()), versions=[each["version"] for each in versions_of(lake, model)],
        alerts=alerts, asked=asked, extent=extent(tables),
        settings=settings_of(tables), of_watch=of_watch, figure_name=figure_name,
        here=lambda **other: link("/models/{}", model, **({"figure": [figure_name(*each) for each in chosen]} | asked | other)),
    )  # fmt: skip


def _card(
    model: str, pair: tuple[str, str | None], asked: dict[str, Any], since: datetime | None
) -> dict[str, Any]:
    metric, feature = pair
    source = link("/models/{}/series", model, metric=metric, feature=feature or "", **asked)
    return {"metric": metric, "feature": feature, "source": source, "since": since}


def _newest(lake: Lake, model: str, shown: list[tuple[str, str | None]], as_of: str) -> list[dict[str, Any]]:
    """The newest window's figures of those that are drawn."""
    span = extent(lake.model(model))
    found: list[dict[str, Any]] = []
    for metric, feature in shown if span is not None else ():
        asked = {"metric": metric, "features": feature and [feature], "as_of": as_of or None}
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


@router.get("/models/{model}/series", dependencies=[needs("view")])
def series(
    request: Request,
    model: ModelName,
    metric: Annotated[str, Query(min_length=1, max_length=200)],
    feature: Annotated[str, Query(max_length=300)] = "",
    by: Annotated[str, Query(max_length=300)] = "",
    version: Annotated[list[str] | None, Query(max_length=200)] = None,
    since: Moment = "",
    until: Moment = "",
    as_of: Moment = "",
    window: Annotated[str, Query(max_length=20)] = "",
    segment: Annotated[str, Query(max_length=600)] = "",
) -> Response:
    """What a picture is drawn from, by columns."""
    lake = known(request, model)
    length = None if not window else config.duration_s(window, "window")
    asked = Asked(
        metric, feature or None, by or None, tuple(one for one in version or () if one), moment(since or None, "since"),
        moment(until or None, "until"), moment(as_of or None, "as_of"), length,
        segment,
    )  # fmt: skip
    return answers_of(request).respond(
        request,
        ("series", model, asked),
        (*stamp_of(lake, (model,)), *stamp_of_table(lake.maintenance)),
        lambda: as_json(_drawn(chart(lake, model, asked)) | {"maintenance": _maintained(lake, model, asked)}),
    )


def _drawn(one: Chart) -> dict[str, Any]:
    reference = one.reference
    return {
        "metric": one.asked.metric,
        "feature": one.asked.feature,
        "unit": unit_of(one.asked.metric),
        "window_s": one.window_s,
        "lines": [_line(name, frame, one) for name, frame in one.lines.items()],
        "reference": None if reference is None else
        {"value": reference.value, "low": reference.low, "high": reference.high, "n": reference.n},
        "events": [{"time": event.time.timestamp(), "kind": event.kind, "words": event.words} for event in one.events],
    }  # fmt: skip


def _maintained(lake: Lake, model: str, asked: Asked) -> list[dict[str, Any]]:
    """The spans of what is drawn in which nobody was told of its alerts, the first of them."""
    whole = extent(lake.model(model))
    if whole is None:
        return []
    first, last = max(whole[0], asked.since or whole[0]), min(whole[1], asked.until or whole[1])
    some = [one for one in of_lake(lake, in_force().maintenance) if one.concerns(model, None, asked.segment)]
    spans = ((start, end, one) for one in some for start, end in islice(one.spans(first, last), _SPANS_MAX))
    return [
        {
            "start": max(start, first).timestamp(),
            "end": min(end, last).timestamp(),
            "words": f"maintenance: {one.reason}",
        }
        for start, end, one in spans
    ]


def _line(name: str, frame: pl.DataFrame, one: Chart) -> dict[str, Any]:
    rows = frame.sort("start")
    starts = rows["start"].to_list()
    columns: dict[str, Any] = {
        name: rows[name].to_list() for name in ("value", "low", "high", "n", "reason", "kind")
    }
    columns |= {name: rows[name].round(4).to_list() for name in ("completeness", "labelled")}
    restated = [one.restated.get(start) for start in starts]
    return {
        "name": name,
        "start": [start.astimezone(UTC).timestamp() for start in starts],
        "restated": [None if known is None else known.timestamp() for known in restated],
        **columns,
    }
