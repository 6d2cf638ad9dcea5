"""Which strategy should watch a model: its own clean past is replayed with faults, and the candidates race.

In comes the past as counts (``history``); ``race`` draws replays (``bootstrap``), puts faults into them (``faults``) and
runs every candidate (``candidates``) on the same ones; out goes an ``Advice``: the least expected delay within the budget
of false alarms, the runner-up and the regret, and what this monitoring can and cannot see. Nothing here reads a clock or
a store.

To add a candidate: write a class with what ``Candidate`` asks for in a file of its own, and enter it in ``CANDIDATES``; a
fault: a function in ``faults``, entered in ``FAULTS``.
"""

from __future__ import annotations

from vedette.strategy.advice.advice import Advice, Entry, Sight, advise
from vedette.strategy.advice.candidates import CANDIDATES, Candidate, Ready
from vedette.strategy.advice.detectors import OfStrategy
from vedette.strategy.advice.expected import WithSeries
from vedette.strategy.advice.faults import FAULTS, Fault, faults_of, inject
from vedette.strategy.advice.history import WINDOWS_MIN, Column, History, history
from vedette.strategy.advice.race import Course, race
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.advice.survival import Delay
from vedette.strategy.advice.track import COLUMNS_MAX
from vedette.strategy.advice.words import Advised

__all__ = [
    "CANDIDATES",
    "COLUMNS_MAX",
    "FAULTS",
    "WINDOWS_MIN",
    "Advice",
    "Advised",
    "Candidate",
    "Column",
    "Course",
    "Delay",
    "Entry",
    "Fault",
    "History",
    "OfStrategy",
    "Ready",
    "Replays",
    "Sight",
    "Told",
    "WithSeries",
    "advise",
    "faults_of",
    "history",
    "inject",
    "race",
]
