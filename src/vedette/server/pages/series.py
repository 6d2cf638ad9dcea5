"""What the pictures of a page are drawn from: a figure over its windows, by columns."""

from __future__ import annotations

from datetime import UTC
from itertools import islice
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette import config
from vedette.engine.charts import Asked, Chart, chart, extent
from vedette.engine.holds import in_force
from vedette.engine.maintenance import of_lake
from vedette.engine.query import moment
from vedette.lake.stamps import stamp_of, stamp_of_table
from vedette.lake.tables import Lake
from vedette.output.numbers import unit_of
from vedette.server.api.answers import as_json
from vedette.server.api.documents import ModelName
from vedette.server.api.figures import answers_of
from vedette.server.api.models import known
from vedette.server.needs import needs
from vedette.server.pages.route import PageRoute

__all__ = ["router"]

_SPANS_MAX = 200  # of a maintenance that comes again

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Moment = Annotated[str, Query(max_length=40)]


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
        # how small figures are hidden changes without the lake
        (*stamp_of(lake, (model,)), *stamp_of_table(lake.maintenance), config.read().k_of(model)),
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
