"""From figures to verdicts: which watches have changed, under one budget of false alarms over all of them.

In come the summaries of a reference and, window by window, those of what arrived
(``vedette.statistics``); out go ``Evidence`` in arrays, a new ``State``, and for people ``Verdict``
records. ``watches.plan`` says what is watched, ``budget.begin`` makes the first state, a strategy's
``judge`` takes it from step to step, ``latch.verdicts`` reads it. Nothing here reads a clock, a store or
a random generator.

To add a strategy: write a class with a ``name``, a ``guarantee`` and the one method of ``Strategy`` in a
file of its own, and enter it in ``STRATEGIES``. ``tests/test_every_strategy.py`` then runs every shared
check on it.
"""

from __future__ import annotations

from typing import Protocol

from vedette.strategy.budget import accept, begin, extend
from vedette.strategy.causes import causes
from vedette.strategy.dependence import Dependence, Finding, conclude, dependence, of_reference
from vedette.strategy.detector import EDetector, EDetectorRows
from vedette.strategy.inflation import batch_numbers, inflation
from vedette.strategy.latch import describe, verdicts
from vedette.strategy.ranking import ranking
from vedette.strategy.records import MONTH_S, Evidence, Measure, State, Step
from vedette.strategy.swapped import swapped, swapped_levels
from vedette.strategy.tolerance import minor, tolerances, unknown_of
from vedette.strategy.watches import Plan, Watch, column_and_segment, plan, source_of

__all__ = [
    "MONTH_S",
    "STRATEGIES",
    "Dependence",
    "EDetector",
    "EDetectorRows",
    "Evidence",
    "Finding",
    "Measure",
    "Plan",
    "State",
    "Step",
    "Strategy",
    "Watch",
    "accept",
    "batch_numbers",
    "begin",
    "causes",
    "column_and_segment",
    "conclude",
    "dependence",
    "describe",
    "extend",
    "inflation",
    "minor",
    "of_reference",
    "plan",
    "ranking",
    "source_of",
    "swapped",
    "swapped_levels",
    "tolerances",
    "unknown_of",
    "verdicts",
]


class Strategy(Protocol):
    """Judges steps of counts; all it remembers is in the state. ``guarantee`` is proved, calibrated,
    tracked or rule.
    """

    name: str
    guarantee: str

    def judge(self, step: Step, state: State) -> tuple[Evidence, State]:
        """What a step shows, and the state after it; the arguments are left as they are."""


STRATEGIES: dict[str, type[Strategy]] = {"e_detector": EDetector, "e_detector_rows": EDetectorRows}
"""The strategies by name; the first is the default."""
