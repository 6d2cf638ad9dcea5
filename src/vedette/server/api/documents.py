"""What the documents look like: for the description of the API alone, the routes write them as the command line does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

__all__ = [
    "AlertDocument",
    "ErrorDocument",
    "EventDocument",
    "FiguresDocument",
    "IncidentsDocument",
    "MaintenanceDocument",
    "MaintenanceGiven",
    "ModelDocument",
    "ModelName",
    "ModelsDocument",
    "Said",
    "Silence",
    "ToldOn",
    "VerdictDocument",
    "VerdictsDocument",
]

ModelName = Annotated[str, Path(description="Name of a model.", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Moment = Annotated[
    str | None, Query(description="Event time, ISO 8601; without a zone it is UTC.", max_length=40)
]
Word = Literal["OK", "WARN", "ALARM", "UNKNOWN"]


class ErrorDocument(BaseModel):
    """What is wrong: the thing, its value, and what is right."""

    error: str


class WindowDocument(BaseModel):
    """A half-open span of event time, UTC."""

    start: datetime
    end: datetime


class ModelDocument(BaseModel):
    """A model at a glance."""

    model: str
    version: str
    verdict: Word = Field(description="The gravest of its verdicts: ALARM, then UNKNOWN, then WARN, then OK.")
    verdicts: dict[Word, int] = Field(description="How many of its verdicts are of each word.")
    alerts: dict[str, int] = Field(description="How many open alerts are in each state.")
    window: WindowDocument | None = Field(description="The newest window with rows.")
    age_s: float | None = Field(description="Seconds since that window ended.")
    rows: int = Field(description="Predictions in the lake.")
    completeness: float | None = Field(description="Share of the rows seen in that window that are kept.")


class ModelsDocument(BaseModel):
    """The models of the lake that the caller may see."""

    models: list[ModelDocument]
    total: int = Field(description="Models that there are for the caller.")
    read: int = Field(
        description="Of the models for the caller, those read since the server began: fewer than `of` for a while then."
    )
    of: int = Field(description="The models for the caller, read or not.")


class VerdictDocument(BaseModel):
    """What is to be thought of one watched thing."""

    watch: str
    segment: str
    verdict: Word
    since: datetime | None
    evidence: str
    guarantee: str = Field(description="What stands behind it: proved, calibrated, tracked, or a rule.")
    reason: str | None = Field(description="Why it is UNKNOWN.")


class VerdictsDocument(BaseModel):
    """As `vedette check --json`."""

    model: str
    version: str
    verdict: Word
    verdicts: list[VerdictDocument]


class FigureDocument(BaseModel):
    """A value with its interval, or none with the reason. As a row of `vedette figures --json`."""

    metric: str
    segment: str
    start: datetime
    end: datetime
    value: float | None
    low: float | None = Field(description="Lower end of the 95 % interval.")
    high: float | None
    n: int | None = Field(description="Rows that it rests on; none where it is suppressed.")
    completeness: float | None = Field(description="Share of the rows seen that it rests on.")
    labelled: float | None = Field(description="Share of the predictions whose label is known.")
    kind: str
    reason: str | None
    feature: str | None
    part: str | None
    sampled: str | None
    as_of: datetime | None
    note: str | None


class FiguresDocument(BaseModel):
    """As `vedette figures --json`."""

    figures: list[FigureDocument]


class AlertDocument(BaseModel):
    """As one of `vedette alerts --json`."""

    id: str
    incident: str
    watch: str
    segment: str
    state: Literal["pending", "firing", "acknowledged", "silenced", "resolved"]
    opened: datetime
    closed: datetime | None
    evidence: str
    by: str | None
    reason: str | None
    until: datetime | None
    changed: datetime
    false: bool
    cause: str | None = Field(description="The open alert that explains it: it is not told by itself.")
    hushed: datetime | None = Field(
        description="The end of the maintenance that it is in: nobody is told until then."
    )


class IncidentDocument(BaseModel):
    """Open alerts of a model that are one thing: they opened together, or one explains the other."""

    model: str
    verdict: Word = Field(description="Of the alert at its head.")
    since: datetime = Field(description="When the first of it began, as its verdict says.")
    n: int
    n_explained: int = Field(description="Those of them that have a cause, and are not told by themselves.")
    alerts: list[AlertDocument] = Field(
        description="The head first, then what is told, then what is explained."
    )


class IncidentsDocument(BaseModel):
    """The open incidents of the models that the caller may see."""

    incidents: list[IncidentDocument]
    total: int


class MaintenanceDocument(BaseModel):
    """A span, once or again and again, in which nobody is told of alerts."""

    id: str
    reason: str
    since: datetime = Field(alias="from", description="When it begins, or began first.")
    to: datetime
    every: Literal["day", "week"] | None
    until: datetime | None = Field(description="When it comes no more.")
    timezone: str = Field(description="By whose clock on the wall it comes again.")
    by: str = Field(description="Who made it; empty for one of vedette.toml.")
    ended: datetime | None = Field(description="When somebody put an end to it.")
    models: list[str] = Field(
        description="Patterns of models; for a caller who may see some models alone, those of them that it is for, and "
        "`others` for the rest."
    )
    watches: list[str]
    segments: list[str]


Patterns = Annotated[list[Annotated[str, Field(max_length=300)]], Field(min_length=1, max_length=100)]


class MaintenanceGiven(BaseModel, extra="forbid", populate_by_name=True):
    """As a table `[[alerts.maintenance]]` of vedette.toml; `to` or `for` says how long it lasts."""

    reason: str = Field(min_length=1, max_length=2000, description="What is done.")
    since: str | None = Field(None, alias="from", max_length=40, description="When it begins; default now.")
    to: str | None = Field(None, max_length=40)
    duration: str | None = Field(None, alias="for", max_length=20, description="30m, 2h.")
    every: Literal["day", "week"] | None = None
    until: str | None = Field(None, max_length=40, description="When it comes no more.")
    timezone: str = Field("UTC", max_length=60)
    models: Patterns = Field(["*"], description="Patterns of models.")
    watches: Patterns = Field(["*"], description="Patterns of watches.")
    segments: Patterns = Field(["*"], description="Patterns of segments; '' is all rows.")


class EventDocument(BaseModel):
    """Something that happened to a model: its settings, columns, references, deployments, runs."""

    time: datetime
    kind: str
    name: str
    version: str
    detail: Any


class Said(BaseModel, extra="forbid"):
    """What a person says of an alert."""

    reason: str | None = Field(
        None, max_length=2000, description="What was found, where there is something to say."
    )
    incident: bool = Field(False, description="Of all open alerts of its incident.")


class ToldOn(BaseModel, extra="forbid"):
    """Why the next level is told at once."""

    reason: str = Field(min_length=1, max_length=2000)


class Silence(BaseModel, extra="forbid"):
    """For how long nobody is told, and why."""

    reason: str = Field(min_length=1, max_length=2000)
    duration: str = Field("4h", max_length=20, description="30m, 4h, 2d; a year at most.")
    incident: bool = Field(False, description="Of all open alerts of its incident.")
