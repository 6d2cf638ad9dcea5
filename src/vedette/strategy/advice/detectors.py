"""The strategies of ``STRATEGIES`` as candidates: from the state that the history leaves them in, all replays at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vedette.strategy.advice.copies import copies, unlatched
from vedette.strategy.advice.held import held
from vedette.strategy.advice.history import Column, History, unlimited_after
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.advice.together import Limited
from vedette.strategy.detector import EDetector
from vedette.strategy.records import State, Step

__all__ = ["Detectors", "OfStrategy"]


@dataclass(frozen=True, slots=True)
class OfStrategy:
    """A strategy as it judges a model; its limits are those of the budget, nothing is set on replays.

    ``part``: of the budget that detectors may use. A smaller one is for windows that hang together more than the strategy
    allows for, which makes more false alarms than the budget: their number falls with the part, if not in proportion.
    """

    name: str
    words: str
    make: Callable[[], EDetector]
    part: float = 1.0
    runs: bool = True

    @property
    def guarantee(self) -> str:
        """The strategy's own."""
        return self.make().guarantee

    def unfit(self, history: History) -> str | None:
        """None: any history will do; but for independent rows one that does not speak against these."""
        return history.dependent if self.guarantee == "proved" else None

    def fit(self, history: History, calm: Mapping[str, Replays], share: float | None = None) -> Detectors:
        """The strategy with its state after the history, whose windows are clean: no alarm is left open.

        ``share``: that of the budget which it has (default: what ``History.detectors`` says).
        """
        share = history.detectors if share is None else share
        del calm
        detector, budget = self.make(), self.part * share * history.state.budget
        if self.make is EDetector and history.after is not None and history.peak is not None:
            base, peak = history.after, history.peak
        else:
            base, peak = unlimited_after(history, detector)
        state = replace(base, budget=budget)
        alike = peak < state.log_needed
        if not bool(alike.all()):  # it alarmed on the way, and was taken to be wrong
            state = replace(history.state, budget=budget)
            for window in range(len(history.start)):
                state = unlatched(detector.judge(history.step(window), state)[1])
            state = replace(state, common=base.common, season_common=base.season_common)
        rows: tuple[str, ...] = ('rows = "independent"',) if self.guarantee == "proved" else ()
        rows += (f"detectors_share = {self.part * share:g}",) if self.part < 1.0 else ()
        lines = rows if history.detectors < 1.0 else (*rows, "series = false")
        return Detectors(self.make, state, history, lines, Limited(state, base, alike))


@dataclass(frozen=True, slots=True, eq=False)
class Detectors:
    """A strategy after the history, and what to write that it be in force."""

    make: Callable[[], EDetector]
    state: State
    history: History
    lines: tuple[str, ...]
    limited: Limited
    series: None = None

    @property
    def detectors(self) -> Detectors:
        """Itself."""
        return self

    def opens(self, column: Column, replays: Replays) -> Told:
        """Each replay is a copy of the column's watches; the common dispersion stays what it was after the history."""
        if self in replays.told:
            return replays.told[self]
        n_runs, n_windows = replays.counts.shape[:2]
        detector, state = held(self.make), copies(self.state, column.rows, column.at, n_runs)
        coarse = replays.coarse(column)
        opens = np.zeros((n_windows, n_runs * len(column.watches)), dtype=np.bool_)
        stands = np.zeros_like(opens)
        for t in range(n_windows):
            counts = coarse[:, t].reshape(len(state.key), -1)
            number = round(float(replays.start[t]) / self.history.window_s)
            evidence, state = detector.judge(Step(counts, state.key, number, float(replays.start[t])), state)
            opens[t], stands[t] = evidence.alarm, state.latched
        shape = (n_windows, n_runs, len(column.watches))
        return Told(opens.reshape(shape).swapaxes(0, 1), stands.reshape(shape).swapaxes(0, 1))
