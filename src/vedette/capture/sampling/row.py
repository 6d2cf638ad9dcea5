"""What a sampler is shown of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Row", "check_count", "check_rate"]


class Row(NamedTuple):
    """A prediction before it is recorded: the caller's own objects. ``time_s`` is its event time, seconds since 1970."""

    features: Mapping[str, Any]
    prediction: Any
    probability: Any
    error: Any
    time_s: float


def check_rate(name: str, rate: float) -> float:
    """Return a probability, or raise ``ValueError`` saying what it may be."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 < rate <= 1.0:
        raise ValueError(f"{name}={rate!r}: must be above 0 and at most 1")
    return float(rate)


def check_count(name: str, n: int) -> int:
    """Return a number of rows, or raise ``ValueError`` saying what it may be."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"{name}={n!r}: must be a whole number of rows, 1 or more")
    return n
