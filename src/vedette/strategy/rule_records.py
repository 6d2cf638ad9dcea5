"""What a plain rule says, what a window shows of it, and where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["COUNTS", "RULE_ROWS_MIN", "Reading", "Rule", "RuleState"]

RULE_ROWS_MIN = 50
"""Rows that a figure must rest on to be held against a threshold, where the rule says no other number."""

COUNTS = frozenset({"rows", "throughput_per_s"})
"""Figures that say something of windows without rows, too: they are 0."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What must not be. ``metric`` is a figure's name, or ``values``, ``schema`` or ``no_data``.

    ``source`` is the column that the figure is read off: a feature, ``prediction``, ``latency_s``, ``_quality`` or
    ``_error``. The figure breaks the rule below ``low`` or above ``high`` (either may be infinite), and where it is
    equal to one only if ``inclusive``; ``surely``: its whole interval must. It is told after ``windows`` windows in a
    row, closes after ``clear_after`` without, and needs ``min_rows`` rows to be held against anything. ``after_s`` is
    the silence of ``no_data``.
    """

    name: str
    when: str
    metric: str
    source: str
    low: float = -math.inf
    high: float = math.inf
    inclusive: bool = False
    surely: bool = False
    windows: int = 1
    severity: str = "alarm"
    min_rows: int = RULE_ROWS_MIN
    clear_after: int = 1
    after_s: float = 0.0

    @property
    def counts_gaps(self) -> bool:
        """True where a window without rows is a fact about the figure: it is 0."""
        return self.metric in COUNTS


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure in a window: ``value`` is None where ``reason`` says why. Of ``values`` the interval is all values."""

    start: float
    end: float
    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class RuleState:
    """Where a rule stands after a window.

    ``broken`` and ``kept`` count the windows in a row in which it was broken, or kept while it fires. ``since`` is the
    start of the first broken window, ``opened`` the start of the window that made it fire. ``last`` is the start of
    the last window that had a figure, ``gap`` how many windows lay between the last two, ``reason`` why the last window
    had none.
    """

    broken: int = 0
    kept: int = 0
    firing: bool = False
    since: float | None = None
    opened: float | None = None
    last: float | None = None
    gap: float = 1.0
    reason: str | None = None
    evidence: str = ""

    @property
    def pending(self) -> bool:
        """True where the rule is broken, and not yet for long enough."""
        return self.broken > 0 and not self.firing
