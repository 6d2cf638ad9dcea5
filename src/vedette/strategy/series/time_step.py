"""Time-step: what was expected at this step against what came."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.baseline import Baseline, baseline, note, time_of
from vedette.strategy.series.errors import Errors, forget, judge_error
from vedette.strategy.series.forecasters import Forecasters, blend, learn, predict, slots
from vedette.strategy.series.hourly import hour_of
from vedette.strategy.series.method import Told
from vedette.strategy.series.residuals import WEIGHTS, copied, refit

__all__ = ["TimeStep", "TimeStepState"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STREAM = 1


@dataclass(frozen=True, slots=True)
class TimeStepState:
    """What the method remembers of K series: the baseline, its forecasters, and their errors."""

    base: Baseline
    own: Forecasters
    errors: Errors


class TimeStep:
    """What was expected at this step against what came: "expected 212 (180 to 250), was 340".

    Seven forecasters (``forecasters``) blended by what each has lost so far say what is expected; the error, in units of the
    last fifty errors, is ranked among the last thousands (``residuals``), and bet on. A series that the reference shows to
    be independent in time and without a season is not forecast: its numbers themselves are ranked, which is exact.

    Where errors of the reference hang together still, bets on shifts and spread are widened by the variance of their sums.
    """

    name = "time_step"
    guarantee = "calibrated"
    weights = WEIGHTS

    def begin(self, past: Floats, times: Floats) -> TimeStepState:
        """The state after the reference: ``past`` [n, K] (NaN where missing), at ``times`` [n] or [n, K]."""
        k = past.shape[1]
        state = TimeStepState(baseline(past, times), Forecasters.empty(k), Errors.none(k))
        z = np.full(past.shape, np.nan)
        for row in range(len(past)):
            z[row] = _advance(state, past[row], time_of(times, row)).surprise
        refit(state.errors.bag, np.arange(k))
        return replace(state, base=note(state.base, z))

    def step(self, state: TimeStepState, value: Floats, time: float | Floats) -> tuple[Told, TimeStepState]:
        """What a new number of each series [K] says, and the state after it."""
        return self.advance(TimeStepState(state.base, copied(state.own), state.errors.copy()), value, time)

    def advance(
        self, state: TimeStepState, value: Floats, time: float | Floats
    ) -> tuple[Told, TimeStepState]:
        """``step`` in a state of one's own, whose arrays are written over."""
        return _advance(state, value, time), state

    def guarantees(self, state: TimeStepState) -> tuple[str, ...]:
        """What stands behind the evidence of each series."""
        return state.base.guarantees

    def relearn(self, state: TimeStepState, rows: Ints) -> TimeStepState:
        """The state that learns a new level of some series: where numbers themselves are ranked, the old are forgotten."""
        return replace(state, errors=forget(state.errors, rows[state.base.plain[rows]]))


def _advance(state: TimeStepState, value: Floats, time: float | Floats) -> Told:
    """What the numbers say; the state's own arrays take them in."""
    base, own = state.base, state.own
    x = base.normal(value)
    at = slots(time, len(x))
    predicted, features = predict(own, *at)
    forecast = np.where(base.plain, own.mean, blend(own, predicted))
    hour = hour_of(time, len(x))
    unit = state.errors.unit(hour)
    told = judge_error(state.errors, base, x, hour, forecast, np.ones(len(x)), base.plain, _STREAM)
    learn(own, x, predicted, features, at, unit)
    return told
