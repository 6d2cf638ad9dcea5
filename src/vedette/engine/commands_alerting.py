"""What ``vedette maintenance`` and ``vedette escalate`` do, and the server's pages of the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vedette import config
from vedette.config import AlertingSettings, Maintenance
from vedette.engine import alerts as alerts_module
from vedette.engine import escalation, maintenance, outbox
from vedette.engine.commands import on_alert, open_lake, who
from vedette.engine.holds import Holds
from vedette.engine.steps import last_of, steps_of
from vedette.errors import AlertError
from vedette.lake.ingest import now_of
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Alert

__all__ = ["escalate", "maintenance_add", "maintenance_end", "maintenances"]


def maintenance_add(location: str, table: Mapping[str, Any], *, by: str | None) -> Maintenance:
    """Make a maintenance of a table with the keys that it has in ``vedette.toml``, which begins now where it says nothing."""
    now = now_of(time.time())
    given = {"from": now.replace(microsecond=0).isoformat()} | dict(table)
    return maintenance.add(open_lake(location), given, by=who(by), now=now)


def maintenance_end(location: str, name: str, *, by: str | None) -> Maintenance:
    """Put an end to a maintenance that people made, by its id."""
    return maintenance.end(open_lake(location), name, by=who(by), now=now_of(time.time()))


def maintenances(location: str) -> list[Maintenance]:
    """The maintenances of the lake and of ``vedette.toml`` that go on or will come, the next first."""
    found = maintenance.of_lake(open_lake(location), config.read().alerting.maintenance)
    return maintenance.to_come(found, now_of(time.time()))


def escalate(
    location: str, alert: str, *, by: str | None, reason: str, model: str | None = None
) -> list[Alert]:
    """Tell the next level of escalation of an alert of the lake, without waiting for its time.

    Raises ``AlertError`` where it does not fire, is not told now, or no level is left; ``model`` as for ``acknowledge``.
    """
    written = config.read().alerting

    def act(tables: ModelTables, name: str, *, now: datetime, by: str, reason: str) -> Alert:
        return _escalated(Lake.at(location), tables, name, written, now=now, by=by, reason=reason)

    return on_alert(location, alert, act, False, model, by=who(by), reason=reason)


def _escalated(
    lake: Lake,
    tables: ModelTables,
    alert: str,
    written: AlertingSettings,
    *,
    now: datetime,
    by: str,
    reason: str,
) -> Alert:
    model = tables.path.name
    last = last_of(steps_of(alerts_module.history(tables).iter_rows(named=True)))
    said, boxes = escalation.asked(tables), outbox.read(tables)
    found = escalation.next_level(written, model, boxes, last[alert], said)
    if found is None:
        why = (
            "every level was told of it"
            if written.escalate
            else "there is no [[alerts.escalate]] in vedette.toml"
        )
        raise AlertError(f"alert={alert!r}: {why}")
    level, _ = found
    current = [one.alert for one in last.values()]
    holds = Holds.over(model, current, maintenance.of_lake(lake, written.maintenance), written)

    def held(one: Alert) -> str | None:
        return holds.reason(one, now, lambda cause: level.concerns(model, cause.watch))

    escalation.ask(tables, last[alert].alert, level, by=by, reason=reason, now=now, held=held)
    return last[alert].alert
