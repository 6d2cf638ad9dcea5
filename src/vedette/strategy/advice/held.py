"""Detectors for many copies of some watches: what all watches have in common stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vedette.strategy.detector import EDetector, EDetectorRows
from vedette.strategy.records import Bools, State, Step

__all__ = ["held"]


class _Held(EDetector):
    """The e-detector whose common dispersion stays what it was after the history: copies of a few watches, struck by
    faults, say nothing of it, neither for the next window nor for what closes in this one.
    """

    def _close(self, step: Step, state: State, after: State, judged: Bools) -> tuple[State, Bools]:
        same = replace(after, common=state.common, season_common=state.season_common)
        return super()._close(step, state, same, judged)


class _HeldRows(_Held, EDetectorRows):
    """The same of the e-detector for independent rows."""


def held(make: Callable[[], EDetector]) -> EDetector:
    """The detector of a kind for copies. Raises ``ValueError`` for a kind that has none."""
    for kind, found in ((EDetector, _Held), (EDetectorRows, _HeldRows)):
        if make is kind:
            return found()
    raise ValueError(f"make={make!r}: must be EDetector or EDetectorRows")
