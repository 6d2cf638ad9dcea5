"""How the series of a monitored model share its budget, and which of them are watched."""

from __future__ import annotations

__all__ = ["FIRST_SHARE", "SERIES_MAX", "SERIES_SHARE", "SERIES_WINDOWS", "order_of"]

SERIES_SHARE = 0.2
"""Share of the budget that the series have. The detectors lose little by it: an alarm takes log 1.25 = 0.22 nats more."""

FIRST_SHARE = 0.9
"""Share of that for the series that are watched first."""

SERIES_WINDOWS = 50
"""Closed windows of a series that are learned from before it is watched."""

SERIES_MAX = 50
"""Series of a model that are watched. Each keeps up to 100 kB of its past."""

_FIRST = ("accuracy", "error", "error_rate", "f1", "hit_rate", "latency", "latency_p95", "prediction")


def order_of(name: str) -> tuple[bool, str]:
    """The key by which series are put in order: the model's own figures first, then columns by their names.

    >>> sorted(["amount", "latency", "age"], key=order_of)
    ['latency', 'age', 'amount']
    """
    return name not in _FIRST, name
