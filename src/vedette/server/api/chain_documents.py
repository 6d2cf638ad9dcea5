"""The shapes of comparisons and actions, for the description of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["ActionDocument", "ComparisonDocument", "Reason"]


class DifferenceDocument(BaseModel):
    """One figure of two versions."""

    figure: str
    role: Literal["goal", "guard-rail", "shown"]
    higher_is_better: bool
    margin: float | None
    champion: float | None
    challenger: float | None
    difference: float | None = Field(description="Challenger less champion.")
    low: float | None = Field(description="With high a confidence sequence: it holds at all looks together.")
    high: float | None
    n_champion: int
    n_challenger: int
    claim: Literal["better", "not worse", "worse", "undecided", "unknown"]
    guarantee: Literal["proved", "calibrated"]
    reason: str | None


class SuspectDocument(BaseModel):
    """What is another with the challenger."""

    kind: str
    column: str | None
    words: str


class ComparisonDocument(BaseModel):
    """Two versions side by side, as they stand."""

    model: str
    name: str
    champion: str
    challenger: str
    mode: Literal["canary", "ab", "interleaved", "shadow"]
    decision: Literal["promote", "hold", "roll back", "unknown"]
    why: list[str]
    found: list[DifferenceDocument]
    since: datetime | None
    until: datetime | None
    looks: int
    rows: dict[str, int]
    labelled: dict[str, float | None]
    split: str | None
    mismatch: bool = Field(description="Traffic is not split by the shares that were set.")
    decided_in_s: float | None
    late_s: float | None
    suspects: list[SuspectDocument]


class ActionDocument(BaseModel):
    """What a policy did, or waits to be allowed to do."""

    id: str
    policy: str
    status: str
    on: str
    evidence: str
    version: str
    champion: str | None
    challenger: str | None
    plan: list[str]
    said: list[str]
    by: str | None
    reason: str | None
    until: datetime | None
    opened: datetime
    changed: datetime
    attempts: int


class Reason(BaseModel, extra="forbid"):
    """Why a person decides so."""

    reason: str | None = Field(None, max_length=2000)
