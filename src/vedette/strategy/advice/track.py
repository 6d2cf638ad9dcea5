"""The track of a race: what replays of a history are drawn from, how cautiously, and how long they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vedette.strategy.advice.bootstrap import draw, length_of, orders
from vedette.strategy.advice.history import History
from vedette.strategy.advice.noise import FAIR, Noise, noises_of
from vedette.strategy.advice.replays import Replays
from vedette.strategy.advice.runners import Runner
from vedette.strategy.detector import EDetectorRows

__all__ = ["COLUMNS_MAX", "Track", "restricted"]

COLUMNS_MAX = 24
"""Columns that are replayed at most; of more as many are taken, evenly spread, with their share of the budget."""

_OF_PHASE_MIN = 8  # windows of a phase: of fewer it is not known how the days of a weekday differ, and limits are cautious
_HORIZON = (20, 72)
_LASTING = 0.3  # autocorrelation of levels from which on replays are drawn at its upper limit
_ROWS_PART = 0.7  # of the budget, for detectors for independent rows


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What replays are drawn from, and how long they are: a fault begins within the first ``lead`` windows, and is watched
    for ``horizon`` windows from its first on.
    """

    history: History
    noises: Mapping[str, Noise]
    block: int
    lead: int
    horizon: int

    @classmethod
    def of(cls, history: History, caution: float = FAIR, columns_max: int = COLUMNS_MAX) -> Track:
        """The track of a history; of many columns some."""
        some = _sampled(history, columns_max)
        low, high = _HORIZON
        horizon = int(min(max(round(1.0 / history.months), low), high))
        return cls(
            some,
            noises_of(some, caution),
            length_of(some),
            24 if history.state.phases.day > 1 else 7,
            horizon,
        )

    @property
    def n_windows(self) -> int:
        """Windows of a replay."""
        return self.lead + self.horizon - 1

    def limit_of(self, runner: Runner) -> float:
        """False alarms a month that the upper limit of a rate must not exceed: the budget; of detectors for independent rows
        0.7 of it, since days that differ a little, which no test can see, cost these much.
        """
        rows = runner.ready.detectors is not None and runner.ready.detectors.make is EDetectorRows
        return self.history.budget * (_ROWS_PART if rows else 1.0)

    @property
    def lasting(self) -> float:
        """The most autocorrelation a of levels of a column."""
        return max((one.lasting for one in self.noises.values()), default=0.0)

    @property
    def unsure(self) -> bool:
        """True where the history tells little of how windows differ: of a season it has few windows of each phase, or
        levels hang together, so that it has seen few of them.
        """
        return _short(self.history) or self.lasting > _LASTING

    def calm(self, n_runs: int, random: np.random.Generator) -> dict[str, Replays]:
        """Replays of each column without a fault; all columns in the same order of windows."""
        order = orders(self.history, n_runs, self.n_windows, random, self.block)
        again = orders(self.history, n_runs, len(self.history.start), random, self.block)
        start = self.history.start[-1] + self.history.window_s * (1.0 + np.arange(self.n_windows))
        return {
            source: Replays(draw(self.history, noise, order, again, random), start)
            for source, noise in self.noises.items()
        }


def _short(history: History) -> bool:
    """True where there is a season, and few windows of each phase."""
    return history.period > 1 and len(history.start) < _OF_PHASE_MIN * history.period


def _sampled(history: History, columns_max: int) -> History:
    """The history, or so many of its columns, evenly spread."""
    if len(history.columns) <= columns_max:
        return history
    sources = list(history.columns)
    chosen = [sources[at] for at in np.linspace(0, len(sources) - 1, columns_max).round().astype(int)]
    return restricted(history, chosen)


def restricted(history: History, sources: Sequence[str]) -> History:
    """The history with these of its columns, and their share of the budget."""
    columns = {source: history.columns[source] for source in sources}
    weight = sum(float(history.state.weight[one.at].sum()) for one in columns.values())
    return replace(history, columns=columns, share=weight / float(history.state.weight.sum()))
