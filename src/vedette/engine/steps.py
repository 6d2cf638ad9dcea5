"""Steps of alerts: the rows of their history, which notices tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.engine.state import alert_of
from vedette.records import Alert

__all__ = ["Step", "last_of", "steps_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the history of alerts: its number, and the alert as it left it."""

    number: int
    alert: Alert


def steps_of(rows: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The history of alerts as steps, the oldest first."""
    return [Step(row["step"], alert_of(row)) for row in rows]


def last_of(steps: Iterable[Step]) -> dict[str, Step]:
    """The last step of each alert, by its id."""
    return {one.alert.id: one for one in steps}
