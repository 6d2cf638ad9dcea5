"""What is drawn of an alert when it is told: the figure that shows best what is watched, around the window that told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from vedette.engine.charts import feature_of
from vedette.engine.figures import figures
from vedette.engine.judge import reference_plan
from vedette.engine.rules import PREFIX, drawn_by_rule
from vedette.engine.state import kept_row
from vedette.engine.story import drawn_of, statistic_of
from vedette.engine.summarise import Shape
from vedette.errors import LakeError
from vedette.lake.tables import Lake, ModelTables
from vedette.output.alert_png import alert_png
from vedette.output.alert_svg import alert_svg
from vedette.output.report import Picture, Point
from vedette.records import Alert, AlertState, Attachment, Status, Verdict, is_runs

__all__ = ["picture_of", "pictures_of"]

WINDOWS_BEFORE, WINDOWS_AFTER = 60, 60
"""Windows that are drawn before and after the one that told: enough to see what was usual, few enough for a mail."""


def pictures_of(lake: Lake, model: str, alerts: Sequence[Alert]) -> tuple[Attachment, ...]:
    """The first of the alerts that can be drawn, as SVG and, where Pillow is installed, as PNG; none where none can be.

    Raises ``LakeError`` where the lake cannot be read.
    """
    if is_runs(model):
        return ()
    # those that are open first: of them people want to know more
    for one in sorted(alerts, key=lambda one: one.state is AlertState.RESOLVED)[:3]:
        picture = picture_of(lake, model, one)
        if picture is None:
            continue
        verdict = Verdict(one.watch, one.segment, Status.ALARM, one.opened, one.evidence, "")
        word = "resolved" if one.state is AlertState.RESOLVED else "ALARM"
        title = f"{model}: {word} {one.watch}{f' [{one.segment}]' if one.segment else ''}"
        svg = alert_svg(picture, verdict, title)
        if not svg:
            continue
        found = [Attachment(f"{one.id}.svg", "image/svg+xml", svg.encode())]
        png = alert_png(picture, verdict, title)
        if png is not None:
            found.append(Attachment(f"{one.id}.png", "image/png", png))
        return tuple(found)
    return ()


def picture_of(lake: Lake, model: str, alert: Alert) -> Picture | None:
    """The figure of an alert over the windows around it, of its segment; None where it is not of a figure."""
    tables = lake.model(model)
    shape = Shape.of(tables)
    drawn = _drawn(tables, shape, alert)
    if drawn is None:
        return None
    metric, column, reference = drawn
    window = timedelta(microseconds=shape.window_us)
    feature = feature_of(metric, column)
    try:
        frame = figures(
            lake,
            model,
            metric,
            feature=feature,
            by=alert.segment.partition("=")[0] or None,
            since=alert.opened - WINDOWS_BEFORE * window,
            until=alert.opened + WINDOWS_AFTER * window,
        )
    except ValueError as error:  # a rule may name what the lake no longer has
        raise LakeError(f"alert {alert.id}: {error}") from error
    shown = pl.col("part").is_null() & (pl.col("segment") == alert.segment) & pl.col("n").is_not_null()
    frame = frame.filter(shown).sort("start")
    points = [Point(*row) for row in frame.select("start", "value", "low", "high", "n").iter_rows()]
    if not points:
        return None
    of = metric if feature is None else f"{metric} of {feature}"
    return Picture(alert.watch, f"{of} [{alert.segment}]" if alert.segment else of, points, reference)


def _drawn(tables: ModelTables, shape: Shape, alert: Alert) -> tuple[str, str, Point | None] | None:
    """The metric, its column, and the same figure of the reference where that means something."""
    if alert.watch.startswith(PREFIX):
        of_rule = drawn_by_rule(kept_row(tables, series=False), alert.watch)
        return None if of_rule is None else (*of_rule, None)
    planned = reference_plan(tables, shape)
    if planned is None:
        return None
    plan, summaries, _ = planned
    watch = next((one for one in plan.watches if (one.id, one.segment) == (alert.watch, alert.segment)), None)
    metric = None if watch is None else drawn_of(shape, watch)
    if watch is None or metric is None:
        return None
    statistic = statistic_of(shape, watch.column, metric)
    summary = summaries.get(watch.source)
    if summary is None or statistic.needs_reference:
        return metric, watch.column, None
    found = statistic.figures(summary, None)
    value, low, high = (
        None if part[0] != part[0] else float(part[0]) for part in (found.value, found.low, found.high)
    )
    return metric, watch.column, Point(alert.opened, value, low, high, int(found.n[0]))
