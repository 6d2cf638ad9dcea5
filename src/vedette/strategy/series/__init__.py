"""Four ways to watch a series of numbers, under one budget of false alarms.

A series is one number a step: a loss, an accuracy, a latency, the mean of a feature, a turnover. A ``Method`` is told each
number after it said what it expected, and answers with e-values: how much more likely the number is under a change
than under none, so that their mean is at most 1 where nothing changed, whatever came before. What they are multiplied
into, and when that is an alarm, is no matter of the method (``watch``), so that all methods share one budget.

To add a method: write a class with what ``Method`` asks for in a file of its own, and enter it in ``METHODS``.
"""

from __future__ import annotations

from vedette.strategy.series.blocks import Blocks
from vedette.strategy.series.chain import Chain
from vedette.strategy.series.method import Method, Told
from vedette.strategy.series.statistical import Statistical
from vedette.strategy.series.time_step import TimeStep

__all__ = ["METHODS", "Method", "Told"]

METHODS: dict[str, type[Method]] = {
    "time_step": TimeStep,
    "chain": Chain,
    "statistical": Statistical,
    "blocks": Blocks,
}
"""The methods by name; what was expected of a number is what the first of them that knows says."""
