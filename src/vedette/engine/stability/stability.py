"""All that is known of the stability of a model, in one record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from vedette.engine.commands import open_lake, visit
from vedette.engine.query import moment
from vedette.engine.stability.behaviour import latencies, loads, memory, same_answers
from vedette.engine.stability.facts import objectives
from vedette.engine.stability.looks import figures_of_looks, looks_of
from vedette.lake.events import settings_of
from vedette.lake.tables import Lake
from vedette.records import ENDPOINT
from vedette.records.stability import SloReport, Stability, StabilityFigure

__all__ = ["stability", "stability_of"]

_SPAN = timedelta(days=30)


def stability(
    lake: Lake,
    model: str,
    now: datetime,
    *,
    version: str | None = None,
    since: Any = None,
    until: Any = None,
    tolerance: float = 0.0,
) -> Stability:
    """The stability of a model over a span, by default the last 30 days; of what is in the tables.

    Objectives are those of ``until`` and the period that each has. Raises ``ValueError`` for a span that ends before it begins.
    """
    end = moment(until, "until") or now
    start = moment(since, "since") or end - _SPAN
    if start >= end:
        raise ValueError(f"since={start.isoformat()}: must be before until={end.isoformat()}")
    given = moment(since, "since")
    figures: list[StabilityFigure] = []
    for looks in looks_of(lake, model, start, end, version):
        figures += figures_of_looks(looks, given, end)
    slos: list[SloReport] = []
    if lake.has(model):
        tables = lake.model(model)
        window_s = settings_of(tables).window_s
        figures += latencies(tables, start, end, window_s, version)
        figures += loads(tables, start, end, version)
    figures += memory(lake, model, start, end, version)
    figures += same_answers(lake, model, start, end, tolerance)
    for name in (model, f"{model}.{ENDPOINT}"):
        if lake.has(name):
            slos += objectives(lake.model(name), end)
    return Stability(model, version, start, end, tuple(figures), tuple(slos))


def stability_of(location: str, model: str, now: datetime, **said: Any) -> Stability:
    """The same for a lake at a location, after a round of the model and of what is recorded beside it."""
    lake = open_lake(location, model)
    for name in [one for one in lake.models() if one == model or one.startswith(f"{model}.")]:
        visit(lake, name)
    return stability(Lake.at(location), model, now, **said)
