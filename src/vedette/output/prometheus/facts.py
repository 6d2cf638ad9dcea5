"""What is told of a model to Prometheus: the records that the engine fills from the lake and the collector reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from vedette.records import FalseAlarms, Status, Verdict
from vedette.records.stability import SloReport

__all__ = ["FigureFact", "ModelFacts", "Reading"]


class FigureFact(NamedTuple):
    """A figure of the newest closed window that has a value; what it lacks beside that is None."""

    metric: str
    feature: str
    part: str
    segment: str
    value: float
    low: float | None
    high: float | None
    rows: int
    completeness: float | None
    labelled: float | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model as the last commits to its tables left it.

    ``window`` is the newest that has ended, half-open; ``unknown`` counts by reason the figures of it without a value;
    ``alerts`` counts by state, ``rows`` the ledger by stream and part; ``unexplained`` are rows of which the ledger does
    not say what became. ``ingested`` is when rows last came in, ``judged`` up to when windows are judged;
    ``slos`` are the objectives whose events are rows of the model.
    """

    model: str
    version: str
    verdict: Status
    verdicts: tuple[Verdict, ...]
    alerts: Mapping[str, int]
    window: tuple[datetime, datetime] | None
    figures: tuple[FigureFact, ...]
    unknown: Mapping[str, int]
    rows: Mapping[tuple[str, str], int]
    unexplained: int
    false_alarms: FalseAlarms | None
    ingested: datetime | None
    judged: datetime | None
    slos: tuple[SloReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scrape is answered from: the models as they were last read, and those of which nothing can be said.

    ``behind`` are models whose tables have moved on since they were read, ``unread`` those that were not read yet,
    ``failed`` those that could not be read. ``number`` rises with every change, so that what was made of an equal
    number need not be made again.
    """

    models: Sequence[ModelFacts]
    behind: Sequence[str] = ()
    unread: Sequence[str] = ()
    failed: Sequence[str] = ()
    failures: int = 0
    number: int = field(default=0, compare=False)
