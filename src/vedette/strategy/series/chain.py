"""Chain: the state of the model as a chain, its level, its regime and its moves between states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.series.baseline import Baseline, baseline, has_season, note, time_of
from vedette.strategy.series.errors import Errors, forget, judge_error
from vedette.strategy.series.hourly import hour_of
from vedette.strategy.series.kalman import Filter, choose, observe, start, unsettled
from vedette.strategy.series.method import Told
from vedette.strategy.series.regimes import Regimes, filtered, fit
from vedette.strategy.series.residuals import WEIGHTS, copied, refit, uniform
from vedette.strategy.series.states import N_STATES, state_of, strangeness, time_to_failure
from vedette.strategy.series.states import cuts as cuts_of

__all__ = ["Chain", "ChainState"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_LEVEL, _REGIME, _MOVES = 0.6, 0.25, 0.15  # shares of the three parts in the evidence
_WANDERS = 1.0  # variance of the level's moves over that of the noise from which on there is no state to come back to
_POWERS = (0.5, 0.25)  # of bets on strange moves: kappa p^(kappa - 1), whose mean is 1 for uniform p
_STREAMS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class ChainState:
    """What the method remembers of K series: the baselines, filters and errors of level and regimes, and the moves.

    ``cuts`` [K, 7] are between the states, ``at`` [K] is the state of each (-1: none), ``moves`` [K, 8, 8] their counts.
    ``mute`` [K, 3]: parts whose own scores hang together in the reference so much that they say nothing.
    """

    base: Baseline
    level: Filter
    level_errors: Errors
    regime_base: Baseline
    regime: Regimes
    regime_errors: Errors
    cuts: Floats
    at: Ints
    moves: Ints
    mute: Bools


class Chain:
    """The state of the model as a chain: what its level, its regime and its last state make likely, against what came.

    Three parts. *Level*: a local level with slope, season and a passing part, by Kalman's filter (``kalman``); its
    standardised errors are ranked and bet on as those of any forecaster. *Regimes*: a hidden Markov model of three
    (``regimes``); what it makes of a number, as a normal score, likewise. *Moves*: a Markov chain on binned states
    (``states``); a move's conformal p-value is exact for a chain, and bet on by kappa p^(kappa - 1).

    A part whose scores of the reference hang together fourfold or more is mute for that series: its e-values are 0; regimes
    and moves are, too, where the level wanders as that of a random walk does, and where there is a season, which they do not
    know; regimes where numbers pass for independent or are often equal. A series that passes for independent is not
    followed by a level: its numbers themselves are ranked.
    """

    name = "chain"
    guarantee = "calibrated"
    weights: Floats = np.concatenate(
        [_LEVEL * WEIGHTS, _REGIME * WEIGHTS, np.full(len(_POWERS), _MOVES / len(_POWERS))]
    )

    def begin(self, past: Floats, times: Floats) -> ChainState:
        """The state after the reference: ``past`` [n, K] (NaN where missing), at ``times`` [n] or [n, K]."""
        k = past.shape[1]
        base = baseline(past, times)
        x = np.stack([base.normal(row) for row in past]) if len(past) else np.empty((0, k))
        at = np.stack([np.broadcast_to(time_of(times, row), (k,)) for row in range(len(past))])
        step_s, span_s = _steps(x, at)
        models = choose(x, at, step_s, span_s)
        cuts = np.stack([cuts_of(_seen(x[:, one])) for one in range(k)])
        state = ChainState(
            base,
            start(models, step_s, span_s),
            Errors.none(k),
            base,
            fit(x),
            Errors.none(k),
            cuts,
            np.full(k, -1, dtype=np.int64),
            np.zeros((k, N_STATES, N_STATES), dtype=np.int64),
            np.zeros((k, 3), dtype=np.bool_),
        )
        z = np.full((3, len(past), k), np.nan)
        for row in range(len(past)):
            state, _, z[:, row] = _advance(state, x[row], at[row])
        for errors in (state.level_errors, state.regime_errors):
            refit(errors.bag, np.arange(k))
        return _noted(state, z, has_season(past, times))

    def step(self, state: ChainState, value: Floats, time: float | Floats) -> tuple[Told, ChainState]:
        """What a new number of each series [K] says, and the state after it."""
        own = replace(
            state,
            level=copied(state.level),
            level_errors=state.level_errors.copy(),
            regime_errors=state.regime_errors.copy(),
            moves=state.moves.copy(),
        )
        return self.advance(own, value, time)

    def advance(self, state: ChainState, value: Floats, time: float | Floats) -> tuple[Told, ChainState]:
        """``step`` in a state of one's own, whose arrays are written over."""
        at = np.broadcast_to(np.asarray(time, dtype=np.float64), value.shape)
        state, told, _ = _advance(state, state.base.normal(value), at)
        return told, state

    def guarantees(self, state: ChainState) -> tuple[str, ...]:
        """What stands behind the evidence of each series."""
        return state.base.guarantees

    def relearn(self, state: ChainState, rows: Ints) -> ChainState:
        """The state that learns a new level of some series: where numbers themselves are ranked, the old are forgotten."""
        plain = rows[state.base.plain[rows]]
        return replace(
            state,
            level=unsettled(state.level, rows),
            level_errors=forget(state.level_errors, plain),
            regime_errors=forget(state.regime_errors, rows),
        )

    def regime(self, state: ChainState) -> Floats:
        """The probability of each regime now [K, 3], by the size of its mean upwards."""
        order = np.argsort(state.regime.mean, axis=1)
        return np.take_along_axis(np.exp(state.regime.now), order, axis=1)

    def outlook(
        self, state: ChainState, above: float | None = None, below: float | None = None
    ) -> list[tuple[float, float, float]]:
        """Steps expected until each series leaves the range it had, with their 95 % intervals (``states.time_to_failure``).

        Failed are states that lie wholly at ``above`` or over it, or wholly at ``below`` or under it; without either, those
        beyond the reference's range on both sides. NaN where no state of the reference lies beyond the limit.
        """
        out = []
        for one in range(len(state.at)):
            edges = state.base.centre[one] + state.base.unit[one] * state.cuts[one]
            failed = {0, N_STATES - 1} if above is None and below is None else set()
            if above is not None:
                failed |= {1 + i for i, edge in enumerate(edges) if edge >= above}
            if below is not None:
                failed |= {i for i, edge in enumerate(edges) if edge <= below}
            now = int(state.at[one])
            nothing = (float("nan"),) * 3
            out.append(
                nothing
                if now < 0 or not failed
                else time_to_failure(state.moves[one], now, tuple(sorted(failed)))
            )
        return out


def _seen(x: Floats) -> Floats:
    seen = x[~np.isnan(x)]
    return seen if len(seen) else np.zeros(1)


def _steps(x: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The usual step and the length of the reference of each series [K], in seconds."""
    step, span = np.ones(x.shape[1]), np.zeros(x.shape[1])
    for one in range(x.shape[1]):
        times = at[~np.isnan(x[:, one]), one]
        gone = np.diff(times)
        gone = gone[gone > 0]
        if len(gone):
            step[one], span[one] = float(np.median(gone)), float(times[-1] - times[0])
    return step, span


def _advance(state: ChainState, x: Floats, time: Floats) -> tuple[ChainState, Told, Floats]:
    """The state after numbers, what they say, and the scores of the three parts [3, K]; own arrays take them in."""
    rows = np.arange(len(x))
    plain = state.base.plain
    hour = hour_of(time, len(x))
    expected, variance = observe(state.level, x, time, scale=state.level_errors.unit(hour))
    told = judge_error(
        state.level_errors, state.base, x, hour, expected, np.sqrt(variance), plain, _STREAMS[0]
    )

    above, below, now = filtered(state.regime, x)
    with np.errstate(divide="ignore"):
        score = np.where(above < below, -special.ndtri(above), special.ndtri(below))
    score = np.clip(score, -38.0, 38.0)
    of_regime = judge_error(
        state.regime_errors,
        state.regime_base,
        score,
        hour,
        np.zeros(len(x)),
        np.ones(len(x)),
        np.ones(len(x), dtype=np.bool_),
        _STREAMS[1],
    )
    to = state_of(x, state.cuts)
    moved = (to >= 0) & (state.at >= 0)
    from_ = np.maximum(state.at, 0)
    u = uniform(state.moves.sum(axis=(1, 2)), _STREAMS[2])
    p = strangeness(state.moves[rows, from_], np.maximum(to, 0), u)
    state.moves[rows[moved], from_[moved], to[moved]] += 1
    powers = np.array(_POWERS)
    of_move = np.where(moved[:, None], np.log(powers) + (powers - 1.0) * np.log(p)[:, None], 0.0)

    log_e = np.concatenate([told.log_e, of_regime.log_e, of_move], axis=1)
    n = told.log_e.shape[1]
    for part, place in enumerate((slice(0, n), slice(n, 2 * n), slice(2 * n, None))):
        log_e[state.mute[:, part], place] = -np.inf
    log_e[np.isnan(x)] = 0.0
    z = np.stack([told.surprise, of_regime.surprise, np.where(moved, -special.ndtri(p), np.nan)])
    at = np.where(np.isnan(x), state.at, to)
    after = replace(state, regime=replace(state.regime, now=now), at=at)
    return after, replace(told, log_e=log_e), z


def _noted(state: ChainState, z: Floats, seasonal: Bools) -> ChainState:
    """The state after the scores of the reference [3, n, K]: parts widened, or mute where widening is not enough."""
    base, of_regime, of_moves = (note(state.base, scores) for scores in z)
    tracked = np.array([[one == "tracked" for one in part.guarantees] for part in (of_regime, of_moves)])
    mute = np.zeros_like(state.mute)
    mute[:, 1:] = tracked.T
    mute[:, 2] |= of_moves.widen > 1.5  # bets on moves cannot be widened
    mute[:, 1:] |= (seasonal | (state.level.model[:, 0] >= _WANDERS))[:, None]
    mute[:, 1] |= base.plain | base.tied  # what regimes make of equal numbers differs with what came before
    return replace(state, base=base, regime_base=of_regime, mute=mute)
