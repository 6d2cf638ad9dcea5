"""Figures and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Figure", "Health", "Labels", "Status", "Verdict", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time, ``start`` included and ``end`` not, UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with how sure it is and how much it saw.

    ``value``, ``low`` and ``high`` are None where ``reason`` says why. ``n`` is the number of rows the value rests
    on, ``completeness`` the share of the predictions seen in its window that are kept, ``labelled`` the share of the
    window's rows whose label is known (None where labels play no part). ``kind`` is measured, weighted, estimated or blended.
    """

    metric: str
    window: Window
    segment: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    completeness: float | None
    labelled: float | None
    kind: str
    reason: str | None


class Status(StrEnum):
    """The four words of a verdict."""

    OK = "OK"
    WARN = "WARN"
    ALARM = "ALARM"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of one watched thing, and why."""

    watch: str
    segment: str
    verdict: Status
    since: datetime | None
    evidence: str
    guarantee: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The verdicts of a model. ``verdict`` is the gravest: ALARM, then UNKNOWN, then WARN, then OK.

    ``guarantee`` says in lines of words what was found of dependence and season, and which guarantee stands: the last.
    ``notes`` are lines about what is no part of the verdict, such as a training that failed.
    """

    model: str
    version: str
    verdict: Status
    verdicts: tuple[Verdict, ...]
    guarantee: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The verdict, and a line for each thing that is not OK."""
        version = f" version {self.version}" if self.version else ""
        rest = [one for one in self.verdicts if one.verdict is not Status.OK]
        lines = [
            f"{one.verdict} {one.watch}{f' [{one.segment}]' if one.segment else ''}: {one.reason or one.evidence}"
            for one in rest
        ]
        quiet = len(self.verdicts) - len(rest)
        last = [f"OK {quiet} more"] if quiet else []
        return "\n".join([f"{self.model}{version}: {self.verdict}", *lines, *last, *self.notes])


@dataclass(frozen=True, slots=True)
class Labels:
    """What became of the labels of a model, in numbers of labels but where said.

    ``received`` = ``counted`` + ``again`` + ``corrected`` + ``contradicting`` + ``waiting``: those that count now; that said
    what was known; that held until one known later said otherwise; that were known at the same time as one received later
    that says otherwise; whose id no prediction has so far. ``predictions`` are rows, of which ``labelled`` have a label,
    ``without_id`` never will, and ``repeated`` have an id that an earlier row of the version had.

    ``half_s`` and ``most_s`` are the delays within which half, and nine of ten, of the predictions have their label, to the
    length of a window, None where that was not seen; ``final`` is the share that has come at the greatest age seen.
    ``late_differ`` is true where labels that come late are others than those that come early, None where that could not be
    tested, with the ``late_p_value`` of the test and what of them differs, in words.
    """

    model: str
    received: int
    counted: int
    again: int
    corrected: int
    contradicting: int
    waiting: int
    predictions: int
    labelled: int
    without_id: int
    repeated: int
    half_s: float | None
    most_s: float | None
    final: float | None
    late_differ: bool | None
    late_p_value: float | None
    late_words: str
