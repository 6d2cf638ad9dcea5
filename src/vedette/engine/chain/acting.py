"""Doing what policies say, once an occasion: intent first, then the deed, then what came of it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vedette import config
from vedette.config.policies import PolicySettings
from vedette.engine.alerts import OPEN_STATES, alerts
from vedette.engine.chain.told import acted_since, actions, write
from vedette.engine.chain.triggers import occasions
from vedette.engine.comparing.standing import stand
from vedette.engine.health import health
from vedette.errors import LockedError, VedetteError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.output.actions import Action, action
from vedette.records.actions import ActionStatus, Occasion, Taken

__all__ = ["act", "acting_lock", "perform"]

log = logging.getLogger("vedette")

ACT_WAIT_S = 5.0
QUICK = ("route", "mlflow_alias", "kubernetes", "webhook")
TRIES = 6
"""How often an action that failed, and may be repeated, is tried."""

BACK_OFF_S = 15.0


def acting_lock(lake: Lake, model: str) -> Path:
    """The lock under which policies of a model act: one process at a time."""
    return lake.journal / f".acting-{model}.lock"


def act(
    lake: Lake, model: str, *, clock: Callable[[], float] = time.time, written: config.Config | None = None
) -> list[Taken]:
    """Evaluate the comparisons of a model, and do what its policies say now; the actions whose status changed.

    What goes wrong with one policy is recorded, logged, and stops no other.
    """
    written = config.read() if written is None else written
    policies = written.policies_of(model)
    if not policies and not written.compare_of(model):
        return []
    try:
        with lock(acting_lock(lake, model), wait_s=ACT_WAIT_S):
            return _Acting(lake, model, clock, written, policies).run()
    except LockedError:
        log.info("model %s: another process acts", model)  # and looks again when it has
        return []


@dataclass
class _Acting:
    """One model's turn."""

    lake: Lake
    model: str
    clock: Callable[[], float]
    written: config.Config
    policies: Sequence[PolicySettings]

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def run(self) -> list[Taken]:
        known = actions(self.lake.model(self.model))
        found = health(self.lake, self.model, self.now)
        evaluated = stand(self.lake, self.model, self.written.compare_of(self.model), self.now)
        opened = {
            (one.watch, one.segment): one.opened
            for one in alerts(self.lake.model(self.model), self.now)
            if one.state in OPEN_STATES
        }
        # what may be repeated is quick; what else there is may take its time
        ordered = sorted(self.policies, key=lambda each: not all(one.type in QUICK for one in each.do))
        now = [(each, one) for each in ordered for one in occasions(each, found, evaluated, opened)]
        holds = {(each.name, occasion.key) for each, occasion in now}
        by_name = {policy.name: policy for policy in self.policies}
        changed = []
        for one in known:
            policy = by_name.get(one.occasion.policy)
            if policy is None:
                continue
            still = (policy.name, one.occasion.key) in holds
            new = self._of_before(one, policy, still)
            if new is not None:
                changed.append(new)
            elif self._may_now(one, policy, still):
                changed.append(self._begin(policy, one))
        there = {(one.occasion.policy, one.occasion.key) for one in known}
        for policy, occasion in now:
            if (policy.name, occasion.key) not in there:
                changed.append(self._first(policy, occasion))
        return changed

    def _may_now(self, one: Taken, policy: PolicySettings, holds: bool) -> bool:
        """Whether what was held back may be done: not where its alarm or decision is over, unless a person approved."""
        if one.status is ActionStatus.LIMITED:
            return (holds or one.by is not None) and not self._limited(policy)
        return one.status is ActionStatus.DRY_RUN and holds and not policy.dry_run

    def _first(self, policy: PolicySettings, occasion: Occasion) -> Taken:
        """What is done about an occasion that is new."""
        digest = hashlib.blake2b(f"{self.model}|{policy.name}|{occasion.key}".encode(), digest_size=6)
        new = Taken(
            id=digest.hexdigest(),
            occasion=occasion,
            status=ActionStatus.DRY_RUN,
            plan=(),
            said=(),
            by=None,
            reason=None,
            until=None,
            opened=self.now,
            changed=self.now,
            attempts=0,
            before=(),
        )
        return self._begin(policy, new)

    def _begin(self, policy: PolicySettings, one: Taken) -> Taken:
        try:
            made = _made(policy)
            one = replace(one, plan=tuple(each.plan(one.occasion) for each in made))
        except (VedetteError, ValueError) as error:
            return self._write(one, ActionStatus.FAILED, said=(str(error),), attempts=TRIES)
        if policy.dry_run:
            return self._write(one, ActionStatus.DRY_RUN)
        if self._limited(policy):
            said = f"{policy.name} may act {policy.at_most} times in {policy.per_s:g} s"
            return (
                one
                if one.status is ActionStatus.LIMITED
                else self._write(one, ActionStatus.LIMITED, said=(said,))
            )
        if policy.approval == "person" and one.by is None:  # who approved stays, through a limit too
            until = self.now + timedelta(seconds=policy.expires_s)
            return self._write(one, ActionStatus.WAITING, until=until)
        return perform(self.lake, made, one, self.now)

    def _limited(self, policy: PolicySettings) -> bool:
        since = self.now - timedelta(seconds=policy.per_s)
        return acted_since(self.lake.model(self.model), policy.name, since) >= policy.at_most

    def _of_before(self, one: Taken, policy: PolicySettings, holds: bool) -> Taken | None:
        """What is due of an action that is known; None where nothing is."""
        if one.status is ActionStatus.WAITING and one.until is not None and one.until <= self.now:
            return self._write(one, ActionStatus.EXPIRED, said=("nobody approved in time",))
        if one.status is ActionStatus.APPROVED:
            return self._begin(policy, one)
        if one.status in (ActionStatus.ACTING, ActionStatus.FAILED):
            return self._again(one, policy, holds)
        return None

    def _again(self, one: Taken, policy: PolicySettings, holds: bool) -> Taken | None:
        """An action that a crash cut off, or that failed: again where that is as good as once, what set it off still holds, and
        not too often. Of what a crash cut off, and is not done again, a person is told."""
        try:
            made = _made(policy)
        except (VedetteError, ValueError) as error:
            log.error("model %s: policy %s: %s", self.model, policy.name, error)
            return None
        again = (
            all(each.repeatable for each in made) and one.attempts < TRIES and (holds or one.by is not None)
        )
        if one.status is ActionStatus.ACTING and not again:
            said = "the process ended while it acted: look whether it was done"
            return self._write(one, ActionStatus.UNKNOWN, said=(said,))
        due = one.changed + timedelta(seconds=BACK_OFF_S * 2.0 ** max(one.attempts - 1, 0))
        if not again or (one.status is ActionStatus.FAILED and due > self.now):
            return None
        return perform(self.lake, made, one, self.now)

    def _write(self, one: Taken, status: ActionStatus, **more: object) -> Taken:
        log.info(
            "model %s: policy %s: %s: %s", self.model, one.occasion.policy, status.value, one.occasion.what
        )
        return write(self.lake, replace(one, status=status, changed=self.now, **more))  # type: ignore[arg-type]


def perform(lake: Lake, made: Sequence[Action], one: Taken, now: datetime) -> Taken:
    """Do it: that it is about to be done, and what is there before, is on disk first; what came of it after. A part that fails
    ends it; how many parts were done is how many words came back."""
    one = replace(one, attempts=one.attempts + 1, changed=now, said=())
    said: list[str] = []
    status = ActionStatus.DONE
    try:
        if not one.before:  # what a try before this one found is what was there before
            one = replace(one, before=tuple(_plain(each.found(one.occasion)) for each in made))
        one = write(lake, replace(one, status=ActionStatus.ACTING))
        for each in made:
            said.append(each.act(one.occasion, one.id))
    except Exception as error:  # what an action raises is recorded and shown, and breaks no round
        if not isinstance(error, VedetteError):
            log.exception("policy %s", one.occasion.policy)
        # what is none of ours may hold anything, a token as well
        said.append(str(error) if isinstance(error, VedetteError) else type(error).__name__)
        status = ActionStatus.FAILED
    told = "; ".join(said)
    log.warning("model %s: policy %s: %s: %s", one.occasion.model, one.occasion.policy, status.value, told)
    return write(lake, replace(one, status=status, said=tuple(said), changed=now))


def _plain(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else dict(found)


def _made(policy: PolicySettings) -> list[Action]:
    return [action(one) for one in policy.do]
