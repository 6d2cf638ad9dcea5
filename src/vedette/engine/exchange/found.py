"""A run as another system has it, and what became of runs that were exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from vedette.capture.mirrors import Event

__all__ = ["POINTS", "Exchanged", "ExchangedRun", "FoundRun", "is_time"]

POINTS: dict[str, Any] = {
    "metric": pl.String(),
    "step": pl.Int64(),
    "time": pl.Int64(),
    "value": pl.Float64(),
}
"""The columns of found points; ``time`` is in microseconds since 1970."""

_LATEST_S = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def is_time(time_s: float) -> bool:
    """False for what no table can have as a time: NaN, before 1970 or after 9999.

    >>> is_time(1.7e9), is_time(float("nan")), is_time(-1.0)
    (True, False, False)
    """
    return 0.0 <= time_s < _LATEST_S


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run of another system.

    ``identity`` tells it from all others and stays as long as it is there. ``points`` has the columns of ``POINTS``, in order of
    time. ``mirror_of`` is the model and the run that it mirrors, where vedette wrote it. ``left_out`` counts what is no scalar
    by its kind, ``notes`` says what could not be read.
    """

    original: str
    identity: str
    points: pl.DataFrame
    events: Sequence[Event]
    version: str = ""
    mirror_of: tuple[str, str] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ExchangedRun:
    """What became of one run: its name here and its name there, the points and events that were written now, those that
    were there already; ``reason`` where it was left as it is."""

    name: str
    original: str
    points: int = 0
    events: int = 0
    points_before: int = 0
    reason: str = ""


@dataclass(slots=True)
class Exchanged:
    """What an import or an export did."""

    kind: str
    place: str
    model: str
    runs: list[ExchangedRun] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """The points that were written."""
        return sum(one.points for one in self.runs)

    def leave_out(self, counts: Mapping[str, int]) -> None:
        """Add to what was left out or changed."""
        for what, n in counts.items():
            if n:
                self.left_out[what] = self.left_out.get(what, 0) + n

    def document(self) -> dict[str, Any]:
        """The result as JSON has it."""
        runs = [
            {
                "name": one.name, "original": one.original, "points": one.points, "events": one.events,
                "points_before": one.points_before, "reason": one.reason,
            }
            for one in self.runs
        ]  # fmt: skip
        return {
            "kind": self.kind, "place": self.place, "model": self.model, "points": self.points, "runs": runs,
            "left_out": dict(self.left_out), "notes": list(self.notes),
        }  # fmt: skip
