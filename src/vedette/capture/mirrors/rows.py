"""What goes into a mirror: rows of metrics, events, and what run they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["About", "Event", "Mirror", "Row"]


@dataclass(frozen=True, slots=True)
class About:
    """The run that is mirrored; ``resumed`` where it goes on, so that the mirror goes on with what it has of it."""

    model: str
    version: str
    run: str
    started_s: float
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Metrics of one step, as a call of ``run.log`` gave them; ``time_s`` is in seconds since 1970."""

    time_s: float
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in a run: ``detail`` is as JSON has it. ``run_params``, ``environment`` and ``run_ended`` are such."""

    time_s: float
    step: int
    kind: str
    detail: Mapping[str, Any]


class Mirror(Protocol):
    """One run in another system. It may take its time and raise what it likes: it is never called by the training."""

    def write(self, rows: Sequence[Row | Event]) -> None:
        """Write rows and events; on return they are with the other system, or in its files."""

    def close(self) -> None:
        """Write what is left and let go. A run that had no event ``run_ended`` is left as one that still runs."""
