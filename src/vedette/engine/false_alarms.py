"""Alerts that people marked as false: events of the model, and what they say of the budget.

The mark is an event beside the alert's steps, so that it changes no state and tells no channel anything anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from vedette.engine.stability.facts import is_fact
from vedette.engine.state import NEVER, kept_row
from vedette.lake.events import settings_of
from vedette.lake.tables import UTC, ModelTables
from vedette.records import Alert, FalseAlarms
from vedette.statistics.intervals import garwood
from vedette.strategy import MONTH_S

__all__ = ["FALSE_ALARM", "mark", "marked", "measured"]

FALSE_ALARM = "false_alarm"
"""The kind of the event."""


def mark(tables: ModelTables, alert: Alert, *, by: str, reason: str | None, now: datetime) -> None:
    """Write that an alert was false. The caller holds the work lock."""
    detail = {"by": by, "reason": reason, "watch": alert.watch, "segment": alert.segment}
    event = {
        "time": now, "kind": FALSE_ALARM, "name": alert.id, "version": "", "detail": json.dumps(detail, sort_keys=True)
    }  # fmt: skip
    tables["events"].write(pl.DataFrame([event]).with_columns(pl.col("time").cast(UTC)), {})


def marked(tables: ModelTables) -> frozenset[str]:
    """The ids of the alerts that were marked."""
    rows = tables["events"].scan().filter(pl.col("kind") == FALSE_ALARM).select("name").collect()
    return frozenset(rows["name"].to_list())


def measured(tables: ModelTables, alerts: Iterable[Alert]) -> FalseAlarms | None:
    """The false alarms since the reference in force beside the budget; None where nothing was judged against one yet.

    Rules and rows that do not come are outside the budget: they are facts.
    """
    kept = kept_row(tables, series=False)
    if kept is None or not kept.reference or kept.known == NEVER:
        return None
    settings = settings_of(tables)
    live = tables["summaries"].scan().filter((pl.col("part") == "live") & (pl.col("arrival") > kept.origin))
    first = live.select(pl.col("known").min()).collect().item()
    if first is None:
        return None
    until = kept.known + timedelta(seconds=settings.window_s)
    months = (until - first).total_seconds() / MONTH_S
    told = [one for one in alerts if _under_budget(one) and one.opened >= first]
    false = sum(one.false for one in told)
    limits = (float(one) / months for one in garwood(false, 0.95))
    return FalseAlarms(false, len(told), months, settings.budget_per_month, *limits)


def _under_budget(alert: Alert) -> bool:
    fact = alert.watch.startswith("rule:") or alert.watch == "no_data" or is_fact(alert.watch)
    return not fact
