"""What the documents of rules look like, and what a rule is given as."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "ReplayedDocument",
    "RuleChangeDocument",
    "RuleGiven",
    "RuleSet",
    "RulesDocument",
]


class RuleGiven(BaseModel, extra="forbid"):
    """A rule, with the keys that it has in `vedette.toml`."""

    when: str = Field(
        min_length=1, max_length=500, description="What must not be: `accuracy < 0.9 for 3 windows`."
    )
    severity: Literal["alarm", "warn"] = "alarm"
    min_rows: int | None = Field(None, ge=0, le=1_000_000, description="Rows that the figure must rest on.")
    clear_after: int = Field(1, ge=1, le=1_000_000, description="Windows in a row without, until it closes.")

    def said(self) -> dict[str, Any]:
        """As the file has it: what is not given is left out."""
        return self.model_dump(exclude={"reason"}, exclude_none=True)


class RuleSet(RuleGiven, extra="forbid"):
    """A rule, and why it is set."""

    reason: str = Field("", max_length=2000)


class RuleDocument(BaseModel):
    """A rule, where it is from, and what the last round said of it."""

    name: str
    when: str
    watches: str = Field(description="The figure that is looked at, and its column.")
    severity: str | None
    min_rows: int | None
    clear_after: int | None
    source: Literal["file", "server"] = Field(description="`vedette.toml`, or set here.")
    holds: bool = Field(description="False of one set here whose name the file has: that of the file holds.")
    verdict: str | None = Field(description="Null where no round has judged it yet, or it does not hold.")
    since: datetime | None
    reason: str | None = Field(description="Why it is UNKNOWN, or cannot be read.")


class RulesDocument(BaseModel):
    """All rules of a model."""

    version: int = Field(description="Changes of those set here; a change can say on which it is made.")
    rules: list[RuleDocument]


class RuleChangeDocument(BaseModel):
    """A change of the rules set here."""

    number: int
    time: datetime
    by: str
    change: Literal["added", "changed", "removed", "undone"]
    name: str
    before: Any = Field(description="The rule before it, as `vedette.toml` would have it; null for none.")
    after: Any
    reason: str


class FiringDocument(BaseModel):
    """When a rule would have fired."""

    opened: datetime
    told: datetime
    closed: datetime | None
    evidence: str
    incidents: list[str] = Field(description="Known incidents that it met.")


class RateDocument(BaseModel):
    """Firings a month, with a 95 % interval."""

    value: float
    low: float
    high: float


class CaughtDocument(BaseModel):
    """Whether a rule met an incident."""

    incident: str
    late_s: float | None = Field(
        description="From its start until somebody would have been told; null: never."
    )


class RuleReplayDocument(BaseModel):
    """What a rule would have told."""

    name: str
    when: str
    firings: list[FiringDocument]
    caught: list[CaughtDocument]
    n_windows: int
    n_unknown: int
    reason: str | None = Field(description="Why the last window that said nothing did.")
    months: float
    repeated: list[str] = Field(description="Alerts marked as false while which it would have fired.")
    false: int = Field(description="Firings that met no known incident.")
    missed: list[str] = Field(description="Known incidents at which it would not have fired.")
    per_month: RateDocument | None


class IncidentDocument(BaseModel):
    """A span in which something was known to be wrong."""

    name: str
    start: datetime
    end: datetime | None


class ReplayedDocument(BaseModel):
    """As `vedette rules replay --json`."""

    model: str
    first: datetime | None
    last: datetime | None
    window_s: float
    incidents: list[IncidentDocument]
    rules: list[RuleReplayDocument]
    since: datetime | None
    until: datetime | None
    there: list[datetime] | None
