"""Alerts, and what people are told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "Alert",
    "AlertState",
    "Attachment",
    "ChannelReport",
    "Delivery",
    "FalseAlarms",
    "Notice",
    "ReportPage",
]


class AlertState(StrEnum):
    """What has become of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm of one watch, as a person deals with it.

    A plain rule that is broken, and not yet for as long as it says, is ``pending``: nobody is told. ``opened`` is the
    start of the window that told of it, ``closed`` the end of the one that closed it. ``incident`` is the same for
    alerts that opened together. ``by`` and ``reason`` are of the last step, taken at ``changed``; ``until`` is when a
    silence ends. ``false`` is True where a person said that nothing was wrong. ``cause`` is the id of the open alert that
    explains it, ``hushed`` the end of the maintenance that it is in: it is not told by itself, or not until then.
    """

    id: str
    incident: str
    watch: str
    segment: str
    state: AlertState
    opened: datetime
    closed: datetime | None
    evidence: str
    by: str | None
    reason: str | None
    until: datetime | None
    changed: datetime
    false: bool = False
    cause: str | None = None
    hushed: datetime | None = None


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How many alerts under the budget people marked as false, in how many months, beside the budget.

    ``told`` are all alerts under the budget in that time: of those that nobody marked it is not known whether they were
    false. ``low`` and ``high`` are exact 95 % limits of the marked ones a month.

    >>> str(FalseAlarms(3, 5, 2.1, 1.0, 0.29, 4.17))
    '3 of 5 alerts marked false in 2.1 months (0.29 to 4.17 a month); budget 1 a month'
    """

    marked: int
    told: int
    months: float
    budget_per_month: float
    low: float
    high: float

    def __str__(self) -> str:
        """The counts in words."""
        said = f"{self.marked} of {self.told} alerts marked false in {self.months:.1f} months"
        return f"{said} ({self.low:.2f} to {self.high:.2f} a month); budget {self.budget_per_month:g} a month"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture or a page that goes with a notice: a name for its file, its media type, and its bytes."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page that was made by the calendar, of what lies from ``start`` to ``end``, and where it was written.

    ``page`` is what a channel attaches, None where it attaches nothing or the file cannot be read where it is told.
    """

    name: str
    start: datetime
    end: datetime
    path: str
    page: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a channel is given to tell: the alerts of one incident whose state changed in one round.

    ``key`` is the same for the same steps to the same channel, however often they are sent, so that a receiver can drop
    what it has. ``kind`` is alerts, escalation (nobody reacted to them), heartbeat (a round was completed; no alerts),
    report (``report`` was made; no alerts) or test. ``repeat`` is true where nothing changed and the alerts still fire.
    ``time`` is when the notice was made, not when it is sent. ``url`` is the address of the server that shows the alerts,
    None where there is none; ``pictures`` show the same in several formats.
    """

    key: str
    kind: str
    model: str
    version: str | None
    incident: str | None
    alerts: tuple[Alert, ...]
    repeat: bool
    time: datetime
    url: str | None = None
    pictures: tuple[Attachment, ...] = ()
    report: ReportPage | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How telling of one model by one channel stands: its last attempt, and what still waits.

    ``outcome`` is sent, failed or None where nothing was tried yet; ``tries`` counts the failures since anything last
    went through, ``next`` is when the next attempt is due.
    """

    model: str
    outcome: str | None
    time: datetime | None
    error: str | None
    tries: int
    next: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel as ``vedette channels`` shows it: what it sends, and how that goes, by model. No secret is in it."""

    name: str
    type: str
    states: tuple[str, ...]
    models: tuple[str, ...]
    watches: tuple[str, ...]
    repeat_s: float | None
    timeout_s: float
    heartbeat: bool
    deliveries: tuple[Delivery, ...]
