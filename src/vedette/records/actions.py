"""What a policy did, would do, or waits to be allowed to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["ActionStatus", "Occasion", "Taken"]


class ActionStatus(StrEnum):
    """What has become of an action."""

    DRY_RUN = "dry run"
    LIMITED = "limited"
    WAITING = "waiting for approval"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    ACTING = "acting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown whether done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Occasion:
    """What set a policy off: ``key`` is the same as long as it is the same alarm, or the same decision about the same versions.

    ``champion`` and ``challenger`` are None where it was no comparison; ``since`` is when it began, ``evidence`` why.
    """

    model: str
    policy: str
    key: str
    what: str
    evidence: str
    since: datetime | None
    version: str
    champion: str | None = None
    challenger: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain values, for a program, a webhook or the lake."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return found | {"since": None if self.since is None else self.since.isoformat()}


@dataclass(frozen=True, slots=True)
class Taken:
    """An action of a policy as it stands: its last status, what it does in words, and what came back.

    ``before`` is what each part of it found, for the way back; ``attempts`` how often it was tried.
    """

    id: str
    occasion: Occasion
    status: ActionStatus
    plan: tuple[str, ...]
    said: tuple[str, ...]
    by: str | None
    reason: str | None
    until: datetime | None
    opened: datetime
    changed: datetime
    attempts: int
    before: tuple[Mapping[str, Any] | None, ...]

    def document(self) -> dict[str, Any]:
        """As plain values, times as ISO text."""
        return {
            "id": self.id,
            "policy": self.occasion.policy,
            "status": self.status.value,
            "on": self.occasion.what,
            "evidence": self.occasion.evidence,
            "version": self.occasion.version,
            "champion": self.occasion.champion,
            "challenger": self.occasion.challenger,
            "plan": list(self.plan),
            "said": list(self.said),
            "by": self.by,
            "reason": self.reason,
            "until": None if self.until is None else self.until.isoformat(),
            "opened": self.opened.isoformat(),
            "changed": self.changed.isoformat(),
            "attempts": self.attempts,
        }
