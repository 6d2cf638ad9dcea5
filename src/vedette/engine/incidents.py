"""Incidents: the open alerts of a model that are one thing to a person, with what explains them at the head.

Alerts that opened together are of one incident (``alerts.py``); alerts that a cause explains are of the incident of their cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from vedette.engine.glance import Glance
from vedette.records import Alert, AlertState, Status

__all__ = ["STATES", "Incident", "incidents_of", "joined"]

STATES = (AlertState.FIRING, AlertState.PENDING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)
"""The states of what is open, those that need somebody most first."""

_GRAVEST = (Status.ALARM, Status.UNKNOWN, Status.WARN, Status.OK)


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts of a model that are one thing: ``told`` is at its head, ``parts`` are the others, what is told before what is
    explained.

    ``since`` is when the first of it began, as the verdicts say it; ``verdict`` is that of what is told.
    """

    model: str
    told: Alert
    verdict: Status
    since: datetime
    parts: tuple[Alert, ...] = ()

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All of it, the head first."""
        return (self.told, *self.parts)

    @property
    def n_explained(self) -> int:
        """How many of its alerts have a cause, and are not told by themselves."""
        return sum(one.cause is not None for one in self.alerts)


def joined(alerts: Iterable[Alert]) -> list[list[Alert]]:
    """Alerts in groups: those of one incident, and those that one of it explains."""
    many = list(alerts)
    by_id = {one.id: one for one in many}
    parent = {one.incident: one.incident for one in many}

    def top(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for one in many:
        cause = by_id.get(one.cause) if one.cause is not None else None
        if cause is not None:
            first, second = sorted((top(one.incident), top(cause.incident)))
            parent[second] = first
    found: dict[str, list[Alert]] = {}
    for one in many:
        found.setdefault(top(one.incident), []).append(one)
    return list(found.values())


def incidents_of(glances: Sequence[Glance]) -> list[Incident]:
    """The open incidents of models, those first that nobody has seen, then the gravest, then the newest."""
    found = []
    for one in glances:
        verdicts = {(each.watch, each.segment): each for each in one.health.verdicts}
        since = {key: each.since for key, each in verdicts.items() if each.since is not None}
        for alerts in joined(one.alerts):
            told, *parts = sorted(alerts, key=_order)
            verdict = verdicts.get((told.watch, told.segment))
            found.append(
                Incident(
                    one.model,
                    told,
                    Status.WARN if verdict is None else verdict.verdict,
                    min(began(each, since) for each in alerts),
                    tuple(parts),
                )
            )
    return sorted(
        found,
        key=lambda one: (
            STATES.index(one.told.state),
            _GRAVEST.index(one.verdict),
            -one.since.timestamp(),
            one.model,
        ),
    )


def began(alert: Alert, since: Mapping[tuple[str, str], datetime]) -> datetime:
    """When what an alert tells of began, as its verdict says; where that says nothing, the window that told."""
    return min(since.get((alert.watch, alert.segment), alert.opened), alert.opened)


def _order(one: Alert) -> tuple[bool, int, bool, datetime, str]:
    """What a person is told first of an incident: what nothing explains, what fires, the whole before its parts."""
    return one.cause is not None, STATES.index(one.state), bool(one.segment), one.opened, one.id
