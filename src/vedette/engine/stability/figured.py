"""A measured value as a figure of stability."""

from __future__ import annotations

import math

from vedette.records import Status
from vedette.records.stability import StabilityFigure
from vedette.statistics.measured import Measured

__all__ = ["figured"]


def figured(
    name: str,
    of: str,
    found: Measured,
    unit: str = "",
    *,
    completeness: float | None = None,
    verdict: Status = Status.OK,
) -> StabilityFigure:
    """The figure of a measured value; UNKNOWN where it has a reason."""
    value, low, high = (None if math.isnan(one) else one for one in (found.value, found.low, found.high))
    return StabilityFigure(
        name, of, value, low, high, found.n, unit, completeness,
        verdict if found.known else Status.UNKNOWN, found.note, found.reason,
    )  # fmt: skip
