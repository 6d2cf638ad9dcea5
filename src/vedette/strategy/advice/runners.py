"""Who is in a race, and what was written down of each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vedette.strategy.advice.candidates import Candidate, Ready
from vedette.strategy.records import Bools, Floats

__all__ = ["Cell", "Runner"]

Cell = tuple[str, float]
"""A fault by name, at a size."""


@dataclass(slots=True, eq=False)
class Runner:
    """A candidate in the race. ``losses`` has of each round the delay [R, cells] of each replay, what was not seen
    counting as the horizon; ``times`` and ``seen`` those of each cell, of all columns together; ``out`` says why it left.
    """

    name: str
    candidate: Candidate
    ready: Ready
    false_alarms: int = 0
    windows: int = 0
    losses: list[Floats] = field(default_factory=list)
    times: dict[Cell, list[Floats]] = field(default_factory=dict)
    seen: dict[Cell, list[Bools]] = field(default_factory=dict)
    out: str | None = None

    def add(self, cell: Cell, time: Floats, seen: Bools) -> None:
        """Delays of a cell."""
        self.times.setdefault(cell, []).append(time)
        self.seen.setdefault(cell, []).append(seen)

    def share_seen(self, cell: Cell) -> float:
        """The share of replays of a cell that was seen within the horizon."""
        return float(np.concatenate(self.seen[cell]).mean())
