"""How stable what serves a model is: figures of looks, restarts, readings and rows, each with its interval.

In come plain arrays: times in seconds, whether a look found the model up, counts by bucket, readings of memory, latencies and
loads. Out go ``Measured`` values, or records that hold them. Nothing here reads a clock or a store, and none of it is under the
budget of false alarms: what is told of is a fact (a budget that is used up, restarts that chance does not explain at a stated
level), as a rule tells of one.

``availability`` up and down, in runs; ``budget`` service-level objectives and how fast their budgets burn; ``restarts`` the
time between failures, and crash loops; ``exhaustion`` when memory is full; ``latency`` versions against each other; ``numeric``
the same input and other answers; ``saturation`` the load from which on latency rises. To add one: a file of its own, with a test
of its interval against an independent answer and by simulation in ``tests/test_stability_*.py``.
"""

from __future__ import annotations

from vedette.strategy.stability.availability import Looked, availability, looked
from vedette.strategy.stability.budget import (
    WINDOWS,
    Budget,
    Burn,
    BurnWindow,
    budget,
    burns,
    exhausted_in,
    windows_of,
)
from vedette.strategy.stability.exhaustion import Exhaustion, exhaustion
from vedette.strategy.stability.latency import Latencies, slower
from vedette.strategy.stability.numeric import Sameness, sameness
from vedette.strategy.stability.restarts import CrashLoop, crash_loop, restarts_per_day, time_between
from vedette.strategy.stability.saturation import Knee, saturation

__all__ = [
    "WINDOWS",
    "Budget",
    "Burn",
    "BurnWindow",
    "CrashLoop",
    "Exhaustion",
    "Knee",
    "Latencies",
    "Looked",
    "Sameness",
    "availability",
    "budget",
    "burns",
    "crash_loop",
    "exhausted_in",
    "exhaustion",
    "looked",
    "restarts_per_day",
    "sameness",
    "saturation",
    "slower",
    "time_between",
    "windows_of",
]
