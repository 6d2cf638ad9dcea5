"""What policies would have done: over recorded traffic, or with a fault planted into a challenger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Rehearsed", "WouldAct"]


@dataclass(frozen=True, slots=True)
class WouldAct:
    """That a policy would have acted: when, how long after the fault began (None where there was none), what, and why."""

    policy: str
    at: datetime
    after_s: float | None
    plan: tuple[str, ...]
    on: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One rehearsal: the ``fault`` that was planted (None: none), from when on, what policies would have done.

    ``named`` is what the evidence says that it looks like, None where it names nothing; ``right`` whether that is the fault,
    and of none, whether nothing would have been rolled back. ``rows`` are the challenger's, ``windows`` all that were replayed.
    """

    model: str
    fault: str | None
    began: datetime | None
    acts: tuple[WouldAct, ...]
    named: str | None
    right: bool
    rows: int
    windows: int

    def document(self) -> dict[str, Any]:
        """As plain values, times as ISO text."""
        return {
            "model": self.model,
            "fault": self.fault,
            "began": None if self.began is None else self.began.isoformat(),
            "acts": [
                {name: getattr(one, name) for name in one.__slots__}
                | {"at": one.at.isoformat(), "plan": list(one.plan)}
                for one in self.acts
            ],
            "named": self.named,
            "right": self.right,
            "rows": self.rows,
            "windows": self.windows,
        }
