"""The tables ``[models.NAME.policies.NAME]``: on which verdict or decision what is done."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vedette.config.values import duration_s, refuse_unknown
from vedette.errors import ConfigError

__all__ = ["APPROVALS", "POLICY_KEYS", "ActionSettings", "PolicySettings", "Trigger", "policies_of"]

POLICY_KEYS = {
    "on": "what sets it off: 'ALARM accuracy', 'ALARM rule:*', 'roll back canary', 'promote canary'",
    "do": "what is done: a list of tables, each with action and the keys of that action",
    "approval": "none, or person: then it waits until somebody approves",
    "expires": "how long it waits for that, default 1d",
    "at_most": "how often it may act, such as '1 per 6h'; default '1 per 1h'",
    "dry_run": "true: it says what it would do, and does nothing",
}
APPROVALS = ("none", "person")
STATUSES = ("ALARM", "WARN", "UNKNOWN")
DECISIONS = ("promote", "roll back", "hold")
ACTION_KEYS = {"action": "what is done: route, webhook, command, retrain, mlflow_alias or kubernetes"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RATE = re.compile(r"(\d+)\s+per\s+(\S+)")
_ON = re.compile(r"(ALARM|WARN|UNKNOWN|promote|roll back|hold)\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class Trigger:
    """What sets a policy off: a verdict of a watch, or the decision of a comparison; ``pattern`` of its name."""

    word: str
    pattern: str

    @property
    def of_comparison(self) -> bool:
        """True where it is the decision of a comparison."""
        return self.word in DECISIONS


@dataclass(frozen=True, slots=True)
class ActionSettings:
    """One action: its type, and the keys that only this type has."""

    type: str
    own: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """A policy, as it was written."""

    name: str
    on: Trigger
    do: tuple[ActionSettings, ...]
    approval: str = "none"
    expires_s: float = 86400.0
    at_most: int = 1
    per_s: float = 3600.0
    dry_run: bool = False


def policies_of(tables: Any) -> tuple[PolicySettings, ...]:
    """The policies of a model's table ``policies``; ``ValueError`` says which is wrong, how, and what is right.

    >>> said = {"back": {"on": "roll back canary", "do": [{"action": "route", "file": "/run/r", "to": "champion"}]}}
    >>> policies_of(said)[0].on
    Trigger(word='roll back', pattern='canary')
    """
    if not isinstance(tables, Mapping):
        raise ValueError(
            f"policies={tables!r}: must be tables by name, such as [models.delays.policies.back]"
        )
    return tuple(_policy(str(name), table) for name, table in tables.items())


def _policy(name: str, table: Any) -> PolicySettings:
    where = f"policies.{name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name must be 1 to 63 characters of a-z, 0-9, '_' and '-'")
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}={table!r}: must be a table with on and do")
    try:
        refuse_unknown(table, POLICY_KEYS, where)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    said = table.get("on")
    found = _ON.fullmatch(said.strip()) if isinstance(said, str) else None
    if found is None:
        raise ValueError(
            f"{where}: on={said!r}: must be one of {', '.join(STATUSES)} and a watch, such as 'ALARM accuracy', or one of "
            f"{', '.join(DECISIONS)} and a comparison, such as 'roll back canary'"
        )
    approval = table.get("approval", "none")
    if approval not in APPROVALS:
        raise ValueError(f"{where}: approval={approval!r}: must be one of {', '.join(APPROVALS)}")
    dry = table.get("dry_run", False)
    if not isinstance(dry, bool):
        raise ValueError(f"{where}: dry_run={dry!r}: must be true or false")
    at_most, per_s = _rate(where, table.get("at_most", "1 per 1h"))
    try:
        expires_s = duration_s(table.get("expires", "1d"), "expires")
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    trigger = Trigger(found[1], found[2].strip())
    return PolicySettings(
        name, trigger, _actions(where, table.get("do")), approval, expires_s, at_most, per_s, dry
    )


def _rate(where: str, said: Any) -> tuple[int, float]:
    found = _RATE.fullmatch(said.strip()) if isinstance(said, str) else None
    try:
        if found is None or not 1 <= int(found[1]) <= 10_000:
            raise ValueError
        return int(found[1]), duration_s(found[2], "at_most")
    except ValueError:
        raise ValueError(f"{where}: at_most={said!r}: must be like '1 per 6h'") from None


def _actions(where: str, said: Any) -> tuple[ActionSettings, ...]:
    if isinstance(said, str | Mapping) or not isinstance(said, Sequence) or not said:
        raise ValueError(
            f"{where}: do={said!r}: must be a list of tables, such as [{{ action = 'webhook', url = '...' }}]"
        )
    found = []
    for one in said:
        if not isinstance(one, Mapping) or not isinstance(one.get("action"), str):
            raise ValueError(
                f"{where}: do: {one!r}: must be a table with action, such as {{ action = 'route', ... }}"
            )
        found.append(
            ActionSettings(one["action"], {key: value for key, value in one.items() if key != "action"})
        )
    return tuple(found)
