"""Alerts of what a person must see to: an action that waits for approval, failed, or perhaps was done."""

from __future__ import annotations

from vedette.engine import alerts
from vedette.lake.tables import ModelTables
from vedette.records.actions import ActionStatus, Taken

__all__ = ["tell_people"]

_TO_BE_SEEN = (ActionStatus.WAITING, ActionStatus.FAILED, ActionStatus.UNKNOWN)


def tell_people(tables: ModelTables, taken: Taken) -> None:
    """Open an alert of an action, or close it where there is nothing to see to any more. The caller holds the lake's lock."""
    watch = f"{alerts.POLICY}{taken.occasion.policy}"
    name = alerts.identifier(tables.path.name, watch, taken.id)
    before = next((one for one in alerts.alerts(tables) if one.id == name), None)
    still = before is not None and before.state in alerts.OPEN_STATES
    if taken.status in _TO_BE_SEEN:
        evidence = _evidence(taken)
        if before is not None and still and before.evidence.partition(" (")[0] == evidence.partition(" (")[0]:
            return  # told already: another try is no news
        new = alerts.of_fact(tables.path.name, watch, taken.opened, evidence, taken.changed, key=taken.id)
        alerts.add_steps(tables, [new])
    elif before is not None and still and taken.status is not ActionStatus.ACTING:
        who = f" by {taken.by}" if taken.by else ""
        alerts.add_steps(
            tables, [alerts.resolved(before, taken.changed, taken.changed, f"{taken.status.value}{who}")]
        )


def _evidence(taken: Taken) -> str:
    """What is to be seen to, in words."""
    plan = "; ".join(taken.plan) or "nothing"
    on = (
        f"{taken.occasion.what}: {taken.occasion.evidence}"
        if taken.occasion.evidence
        else taken.occasion.what
    )
    if taken.status is ActionStatus.WAITING:
        until = "" if taken.until is None else f" until {taken.until:%Y-%m-%d %H:%M} UTC"
        return f"waits for approval{until} ({taken.id}): {plan}. {on}"
    return f"{taken.status.value} ({taken.id}): {plan}: {'; '.join(taken.said)}. {on}"
