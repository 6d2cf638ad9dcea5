"""What the page of a model tells: its verdicts, a figure over time for each, and the ledger."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np

from vedette.engine.explain import explain
from vedette.engine.glance import alerts_of
from vedette.engine.health import health as model_health
from vedette.engine.judge import reference_plan
from vedette.engine.query import Span
from vedette.engine.stored import utc
from vedette.engine.summarise import LABELLED, Shape
from vedette.engine.view import View, reference_of, view, windows
from vedette.errors import LakeError
from vedette.lake import ingest
from vedette.lake.ledger import ledger as read_ledger
from vedette.lake.tables import Lake
from vedette.output.explanation import Explanation
from vedette.output.explanation_svg import fragment
from vedette.output.report import Picture, Point, Told, page
from vedette.records import Status, Verdict
from vedette.statistics import STATISTICS, Estimates, Statistic
from vedette.statistics.structured import MAIN, TASK_FIGURES
from vedette.strategy import Watch

__all__ = ["drawn_of", "figure_of", "page_of", "statistic_of", "write_page"]

# the figure that shows best what a watch watches, by the kind of the watch
_DRAWN = {
    "location": "mean",
    "spread": "psi",
    "missing": "missing_share",
    "mix": "psi",
    "unseen": "unseen_share",
    "accuracy": "accuracy",
    "bias": "bias",
    "errors": "mae",
    "slow": "latency_p95_s",
}
EXPLAINED_MAX = 5
POINTS_MAX = 400  # more windows than this are merged into longer ones: a screen has not more to show


def write_page(lake: Lake, model: str, path: Path) -> Path:
    """Write the page of a model; ``LakeError`` where the file cannot be written."""
    text = page_of(lake, model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise LakeError(f"report {path}: cannot be written: {error.strerror}") from error
    return path.absolute()


def page_of(lake: Lake, model: str, period: tuple[datetime, datetime] | None = None) -> str:
    """The page of a model as it stands; with a ``period`` the alerts that were open in it, too."""
    made = ingest.now_of(time.time())
    health = model_health(lake, model, made)
    seen = view(lake, model)
    planned = reference_plan(lake.model(model), seen.shape)
    # of the whole: segments are told in words
    watches = {watch.id: watch for watch in planned[0].watches if not watch.segment} if planned else {}
    drawn = (
        _picture(seen, one, watches[one.watch])
        for one in health.verdicts
        if one.watch in watches and not one.segment
    )
    pictures = [picture for picture in drawn if picture is not None]
    found = _explained(lake, model, health.verdicts, set(watches))
    why = {key: fragment(one) for key, one in found.items()}
    window = timedelta(microseconds=seen.shape.window_us)
    pictures = [_with_beginning(one, found.get((one.watch, "")), window) for one in pictures]
    told = None
    if period is not None:
        start, end = period
        every = alerts_of(lake, model, made)
        met = [one for one in every if one.opened < end and (one.closed is None or one.closed >= start)]
        told = Told(start, end, tuple(met))
    return page(health, pictures, read_ledger(lake, model), made, why=why, told=told)


def _explained(
    lake: Lake, model: str, verdicts: Sequence[Verdict], watches: Collection[str]
) -> dict[tuple[str, str], Explanation]:
    """Why the open alarms of watches fired, by watch and segment; the first ones only, each costs a search."""
    alarms = [one for one in verdicts if one.verdict is Status.ALARM and one.watch in watches]
    found = {}
    for one in alarms[:EXPLAINED_MAX]:
        name = f"{one.watch} [{one.segment}]" if one.segment else one.watch
        told = explain(lake, model, name)
        if told is not None:
            found[one.watch, one.segment] = told
    return found


def _with_beginning(picture: Picture, why: Explanation | None, window: timedelta) -> Picture:
    began = None if why is None else why.began
    return picture if began is None else replace(picture, began=(began.first, began.last + window))


def figure_of(column: str, kind: str) -> str | None:
    """The figure that shows best what a watch of that kind sees in a column; None where no single figure does."""
    return "latency_p50_s" if (column, kind) == ("latency_s", "location") else _DRAWN.get(kind)


def drawn_of(shape: Shape, watch: Watch) -> str | None:
    """The figure that shows best what a watch watches; None where there is none that can be read off its column."""
    column = watch.column
    if column not in shape.grids:
        return None
    kind = shape.grids[column].kind
    metric = MAIN.get(kind, figure_of(column, watch.kind))
    if metric is None:
        return None
    return metric if kind in statistic_of(shape, column, metric).kinds else None


def statistic_of(shape: Shape, column: str, metric: str) -> Statistic:
    """The statistic of that name, for the kind of a column."""
    return cast(Statistic, TASK_FIGURES.get(shape.grids[column].kind, STATISTICS)[metric])


def _picture(seen: View, verdict: Verdict, watch: Watch) -> Picture | None:
    column, metric = watch.column, drawn_of(seen.shape, watch)
    if metric is None:
        return None
    statistic = statistic_of(seen.shape, column, metric)
    starts, summary = windows(seen, column, Span(seen.shape.window_us))
    if summary is None:
        return None
    merged = -(-len(starts) // POINTS_MAX)
    if merged > 1:
        starts, summary = windows(seen, column, Span(merged * seen.shape.window_us))
        assert summary is not None
    reference = reference_of(seen, column)
    found = statistic.figures(summary, reference)
    points = [_point(utc(int(start)), found, i) for i, start in enumerate(starts)]
    own = None
    if reference is not None and not statistic.needs_reference:
        one = statistic.figures(reference, None)
        own = _point(points[0].start, one, 0)
    return Picture(verdict.watch, metric if column in LABELLED else f"{metric} of {column}", points, own)


def _point(start: datetime, found: Estimates, at: int) -> Point:
    value, low, high = (_or_none(part[at]) for part in (found.value, found.low, found.high))
    return Point(start, value, low, high, int(found.n[at]))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
