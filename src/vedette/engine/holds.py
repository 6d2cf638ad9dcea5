"""What keeps an open alert from being told by itself: a maintenance, or a cause that is told instead of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vedette import config
from vedette.config import AlertingSettings, Maintenance
from vedette.engine import maintenance as maintenance_module
from vedette.engine.inhibition import causes, chain
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.records import Alert, AlertState

__all__ = ["Holds", "in_force", "with_holds"]

log = logging.getLogger("vedette")


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds over the alerts of one model, as they stand. ``causes`` has the cause of each alert that has one, by id."""

    model: str
    maintenances: Sequence[Maintenance]
    causes: Mapping[str, str]
    alerts: Mapping[str, Alert]

    @classmethod
    def over(
        cls,
        model: str,
        alerts: Iterable[Alert],
        maintenances: Iterable[Maintenance],
        settings: AlertingSettings,
    ) -> Holds:
        """The holds over alerts, each as its last step left it."""
        own = [one for one in maintenances if one.concerns(model)]
        found = {one.id: one for one in alerts if one.state is not AlertState.RESOLVED}
        return cls(model, own, causes(model, found.values(), settings), found)

    def until(self, alert: Alert, now: datetime) -> tuple[Maintenance, datetime] | None:
        """The maintenance that it is in, and when that ends."""
        return maintenance_module.hushed_until(self.maintenances, self.model, alert.watch, alert.segment, now)

    def reason(self, alert: Alert, now: datetime, hears: Callable[[Alert], bool]) -> str | None:
        """Why somebody is not told of an alert now, None where he is.

        In a maintenance nobody is told of anything. Elsewhere the end of an alert is told, and so is one whose causes are all
        such as the one who is to be told does not hear of (``hears``), or in a maintenance: somebody must know.
        """
        hushed = self.until(alert, now)
        if hushed is not None:
            return f"maintenance {hushed[0].id} until {hushed[1]:%Y-%m-%d %H:%M} UTC: {hushed[0].reason}"
        if alert.state is AlertState.RESOLVED:
            return None
        for name in chain(self.causes, alert.id):
            cause = self.alerts[name]
            if hears(cause) and self.until(cause, now) is None:
                return f"explained by {cause.watch}, alert {name}"
        return None


def in_force() -> AlertingSettings:
    """What ``vedette.toml`` says of alerts; the usual where it cannot be read, which whoever tells says in its log."""
    try:
        return config.read().alerting
    except ConfigError:
        return AlertingSettings()


def with_holds(lake: Lake, model: str, alerts: Sequence[Alert], now: datetime) -> list[Alert]:
    """Alerts of a model with what explains each, and until when a maintenance keeps it from being told."""
    if all(one.state is AlertState.RESOLVED for one in alerts):
        return list(alerts)
    settings = in_force()
    holds = Holds.over(model, alerts, maintenance_module.of_lake(lake, settings.maintenance), settings)
    found = []
    for one in alerts:
        hushed = None if one.state is AlertState.RESOLVED else holds.until(one, now)
        cause = holds.causes.get(one.id)
        changed = cause is not None or hushed is not None
        found.append(
            replace(one, cause=cause, hushed=None if hushed is None else hushed[1]) if changed else one
        )
    return found
