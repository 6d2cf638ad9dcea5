"""What people decide about an action: approve or refuse one that waits, bring back what was before one that was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vedette import config
from vedette.config.policies import PolicySettings
from vedette.engine import requests
from vedette.engine.chain.acting import acting_lock
from vedette.engine.chain.told import actions, write, write_locked
from vedette.errors import AlertError, VedetteError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.output.actions import action
from vedette.records.actions import ActionStatus, Taken

__all__ = ["approve", "refuse", "undo"]

WAIT_S = 60.0


def approve(lake: Lake, model: str, name: str, *, by: str, reason: str | None, now: datetime) -> Taken:
    """Let an action that waits be done: by the next round. Raises ``AlertError`` where there is none that waits."""
    return _answered(lake, model, name, ActionStatus.APPROVED, by=by, reason=reason, now=now)


def refuse(lake: Lake, model: str, name: str, *, by: str, reason: str | None, now: datetime) -> Taken:
    """Do not let an action that waits be done. Of one that failed, or is unknown: a person has seen to it, its alert is over."""
    return _answered(lake, model, name, ActionStatus.REFUSED, by=by, reason=reason, now=now)


def _answered(
    lake: Lake, model: str, name: str, status: ActionStatus, *, by: str, reason: str | None, now: datetime
) -> Taken:
    if not by.strip():
        raise ValueError("by='': must name who it was")
    with lock(requests.work_lock(lake), wait_s=WAIT_S):
        tables = lake.model(model)
        one = _found(actions(tables), name)
        settled = status is ActionStatus.REFUSED and one.status in (ActionStatus.FAILED, ActionStatus.UNKNOWN)
        if one.status is not ActionStatus.WAITING and not settled:
            who = f" by {one.by}" if one.by else ""
            raise AlertError(f"action={name!r}: does not wait: it is {one.status.value}{who}")
        if not settled and one.until is not None and one.until <= now:
            raise AlertError(f"action={name!r}: waited until {one.until:%Y-%m-%d %H:%M} UTC, which is over")
        return write_locked(tables, replace(one, status=status, by=by, reason=reason, changed=now))


def undo(lake: Lake, model: str, name: str, *, by: str, reason: str | None, now: datetime) -> Taken:
    """Bring back what was there before an action was done, the last part of it first.

    Raises ``AlertError`` where it was not done, its policy is no longer written, or a part has no way back: then what was brought
    back before it is said, and the action stays done.
    """
    if not by.strip():
        raise ValueError("by='': must name who it was")
    with lock(acting_lock(lake, model), wait_s=WAIT_S):
        one = _found(actions(lake.model(model)), name)
        if one.status not in (ActionStatus.DONE, ActionStatus.FAILED, ActionStatus.UNKNOWN):
            raise AlertError(f"action={name!r}: is {one.status.value}: only what was done can be undone")
        made = [action(each) for each in _policy(model, one.occasion.policy).do]
        if tuple(each.plan(one.occasion) for each in made) != one.plan:
            raise AlertError(
                f"action={name!r}: policy {one.occasion.policy} says another thing now than was done ({'; '.join(one.plan)}): "
                "bring it back by hand"
            )
        done = {
            ActionStatus.DONE: len(made),
            ActionStatus.UNKNOWN: len(made),
            ActionStatus.FAILED: len(one.said) - 1,
        }
        parts = done[one.status]  # of one that failed the last word is why
        if parts < 1:
            raise AlertError(
                f"action={name!r}: {one.said[-1] if one.said else 'nothing was done'}: nothing to undo"
            )
        said: list[str] = []
        back = 0
        for number in reversed(range(parts)):
            before = one.before[number] if number < len(one.before) else None
            if not made[number].reversible(before):
                said.append(f"{made[number].plan(one.occasion)}: has no way back")
                continue
            try:
                said.append(made[number].undo(one.occasion, before, one.id))
                back += 1
            except VedetteError as error:
                told = f"; {'; '.join(said)}" if said else ""
                raise AlertError(f"action={name!r}: {error}{told}") from None
        if not back:
            raise AlertError(f"action={name!r}: {'; '.join(said)}")
        changed = replace(
            one, status=ActionStatus.UNDONE, said=tuple(said), by=by, reason=reason, changed=now
        )
        return write(lake, changed)


def _found(many: list[Taken], name: str) -> Taken:
    one = next((one for one in many if one.id == name), None)
    if one is None:
        known = ", ".join(one.id for one in many if one.status is ActionStatus.WAITING) or "none"
        raise AlertError(f"action={name!r}: there is none; those that wait are {known}")
    return one


def _policy(model: str, name: str) -> PolicySettings:
    for policy in config.read().policies_of(model):
        if policy.name == name:
            return policy
    raise AlertError(f"policy {name!r}: is not written in vedette.toml any more, which says how it is undone")
