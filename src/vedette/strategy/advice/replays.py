"""The records of a race: replays of one column, and what a candidate says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vedette.strategy.advice.history import Column
from vedette.strategy.records import Bools, Floats, Ints

__all__ = ["Replays", "Told"]


@dataclass(frozen=True, slots=True, eq=False)
class Replays:
    """``counts`` int64 [R, T, cells + 1] of R replays of T windows, which start at ``start`` [T].

    ``figures`` keeps what candidates read off them, by name, so that those who read the same do it once; ``told`` what
    detectors say of them that were judged together (``together``).
    """

    counts: Ints
    start: Floats
    figures: dict[str, Any] = field(default_factory=dict)
    told: dict[Any, Told] = field(default_factory=dict)

    def forget(self) -> None:
        """Keep nothing of what was read off them."""
        self.figures.clear()
        self.told.clear()

    def coarse(self, column: Column) -> Ints:
        """int64[R, T, S, 32]: the coarse counts of the column's rows."""
        if "coarse" not in self.figures:
            self.figures["coarse"] = column.coarse(self.counts)
        found: Ints = self.figures["coarse"]
        return found


class Told(NamedTuple):
    """Where alarms open, and where they stand: bool [R, T, K]."""

    opens: Bools
    stands: Bools
