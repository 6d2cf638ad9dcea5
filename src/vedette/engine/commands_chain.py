"""What ``vedette policies``, ``actions``, ``approve``, ``refuse`` and ``undo`` do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vedette import config
from vedette.config.policies import PolicySettings
from vedette.engine import chain
from vedette.engine.commands import open_lake, who
from vedette.errors import VedetteError
from vedette.lake.ingest import now_of
from vedette.output.actions import action
from vedette.records.actions import Taken

__all__ = ["Written", "actions", "answer", "policies"]


@dataclass(frozen=True, slots=True)
class Written:
    """A policy with what is wrong with it, None where nothing is, and its last action."""

    settings: PolicySettings
    wrong: str | None
    last: Taken | None


def policies(location: str, model: str) -> list[Written]:
    """The policies that ``vedette.toml`` has for a model."""
    taken = chain.actions(open_lake(location, model).model(model))
    found = []
    for one in config.read().policies_of(model):
        wrong = None
        try:
            for each in one.do:
                action(each)
        except (VedetteError, ValueError) as error:
            wrong = str(error)
        last = next((each for each in taken if each.occasion.policy == one.name), None)
        found.append(Written(one, wrong, last))
    return found


def actions(location: str, model: str) -> list[Taken]:
    """What the policies of a model did, the newest first."""
    return chain.actions(open_lake(location, model).model(model))


def answer(
    location: str,
    model: str,
    name: str,
    how: Callable[..., Taken],
    *,
    by: str | None,
    reason: str | None,
    at_once: bool = False,
) -> Taken:
    """Approve, refuse or undo an action; one that was approved is done ``at_once`` where its policy is written here, else by the
    next round."""
    lake = open_lake(location, model)
    found = how(lake, model, name, by=who(by), reason=reason, now=now_of(time.time()))
    if at_once and how is chain.approve:
        chain.act(lake, model)
        found = next(one for one in chain.actions(lake.model(model)) if one.id == name)
    return found
