"""Figures as documents: bytes that are kept until a table of the model moves on."""

from __future__ import annotations

import io
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from vedette import config
from vedette.engine import figures as figures_module
from vedette.engine.query import moment
from vedette.lake.stamps import stamp_of
from vedette.lake.tables import Lake
from vedette.server.api.answers import Answers, JsonRoute
from vedette.server.api.documents import FiguresDocument, ModelName, Moment
from vedette.server.api.models import ERRORS, known
from vedette.server.needs import needs

__all__ = ["FIGURES_MAX", "answers_of", "figures_frame", "router"]

FIGURES_MAX = 250_000
"""Figures in one answer: 1,000 of them over 90 days of days, and as much again."""

router = APIRouter(route_class=JsonRoute, tags=["figures"], responses=ERRORS)
Names = Annotated[str | None, Query(max_length=4000)]


def answers_of(request: Request) -> Answers:
    """The answers that an application keeps."""
    state = request.app.state
    if not hasattr(state, "answers"):
        state.answers = Answers()
    found: Answers = state.answers
    return found


def names_in(said: str | None) -> list[str] | None:
    """Names with commas between."""
    return None if not said else [name.strip() for name in said.split(",")]


def figures_frame(lake: Lake, model: str, asked: dict[str, Any]) -> pl.DataFrame:
    """The figures that are asked for in the words of the command line."""
    window, as_of = asked.get("window"), asked.get("as_of")
    length = None if window is None else 0.0 if window == "all" else config.duration_s(window, "window")
    since, until = moment(asked.get("since"), "since"), moment(asked.get("until"), "until")
    if since is not None and until is not None and until <= since:
        raise ValueError(f"until={asked['until']!r}: must be later than since={asked['since']!r}")
    found = figures_module.figures(
        lake,
        model,
        names_in(asked.get("metric")),
        feature=asked.get("features") or names_in(asked.get("feature")),
        by=names_in(asked.get("by")),
        version=asked.get("version"),
        window_s=length,
        since=since,
        until=until,
        as_of=as_of if as_of is None or "," not in as_of else as_of.split(","),
        estimate=bool(asked.get("estimate")),
        against=asked.get("against") or "reference",
    )
    if found.height > FIGURES_MAX:
        raise ValueError(
            f"{found.height:,} figures: at most {FIGURES_MAX:,} in one answer; ask for fewer with metric=, feature=, since=, "
            "until=, or a longer window="
        )
    return found


def figures_json(frame: pl.DataFrame) -> bytes:
    """The document of figures, written by columns: the same as that of the command line, and much sooner."""
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    text = frame.with_columns(pl.col(times).dt.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")) if times else frame
    sink = io.BytesIO()
    text.write_json(sink)
    return b'{"figures":' + sink.getvalue() + b"}"


@router.get(
    "/v1/models/{model}/figures",
    response_model=FiguresDocument,
    dependencies=[needs("view")],
    summary="Its figures",
)
def figures(
    request: Request,
    model: ModelName,
    metric: Annotated[
        str | None, Query(max_length=4000, description="Metrics, with commas between; default all.")
    ] = None,
    feature: Annotated[
        str | None, Query(max_length=20_000, description="Columns, with commas; default all.")
    ] = None,
    by: Annotated[
        str | None, Query(max_length=600, description="A column whose values are segments, or a,b.")
    ] = None,
    version: Annotated[
        str | None, Query(max_length=200, description="Rows of one version; default of all.")
    ] = None,
    window: Annotated[
        str | None, Query(max_length=20, description="A multiple of the model's window, or `all`.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    as_of: Annotated[
        str | None, Query(max_length=400, description="As known then; several with commas.")
    ] = None,
    estimate: bool = False,
    against: Annotated[str, Query(pattern="^(reference|training)$")] = "reference",
) -> Response:
    """Figures by window, each with its 95 % interval, rows, completeness and label coverage, as `vedette figures --json`."""
    lake = known(request, model)
    asked = {
        "metric": metric, "feature": feature, "by": by, "version": version, "window": window, "since": since,
        "until": until, "as_of": as_of, "estimate": estimate, "against": against,
    }  # fmt: skip
    key = ("figures", model, *asked.values())
    # how small figures are hidden changes without the lake
    moved = (*stamp_of(lake, (model,)), config.read().k_of(model))
    return answers_of(request).respond(
        request, key, moved, lambda: figures_json(figures_frame(lake, model, asked))
    )
