"""Bets on where rows fall among those before them: on their location (*mean*) and on their spread (*variance*).

A row falls in a cell of an urn of ranks (``urns``) with the probability w/W of its share, whatever the rows' law is. In
normal scores the cell reaches from a = Phi^-1(below/W) to b = Phi^-1((below + w)/W), and no change is N(0, 1). A bet
says that scores are N(lam, 1), or N(0, s^2), instead, so that

    e = [Phi(b - lam) - Phi(a - lam)] / (w/W)      or      e = [Phi(b/s) - Phi(a/s)] / (w/W).

Over all cells e times their probability adds up to 1: E[e | all rows before] = 1, exactly, for rows that are
exchangeable and of any continuous law, reference redrawn or not. Rows that came since are in the urn too, so that the
mean of the reference, which nobody knows, costs no more than it must: of normal rows the evidence is that of their
recursive residuals. Rows that hang together are whitened first, which is calibrated, not exact.

Sources: van der Waerden (1952), "Order tests for the two-sample problem" (normal scores); Brown, Durbin and Evans
(1975), "Techniques for testing the constancy of regression relationships over time" (recursive residuals); Shin, Ramdas
and Rinaldo (2024), "E-detectors" (arXiv 2203.03532).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from vedette.strategy.series.method import Told
from vedette.strategy.series.urns import Draw, Ranks, draw, put, rank_urn
from vedette.strategy.series.whitening import (
    LEVEL,
    Treatment,
    autoregression,
    hangs_together,
    inflation_of,
    residuals,
)

__all__ = ["LOCATIONS", "REFERENCE_MIN", "SPREADS", "RankedState", "begin_ranked", "step_ranked"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOCATIONS = np.array([0.08, 0.1, 0.125, 0.23, 0.27, 0.45, 0.5, 0.55, 1.0])
"""Sizes of bets on location, in standard deviations. They stand thick where a nat takes longest to gather: the weight
of a size is how many stand near it."""
SPREADS = np.array([1.1, 1.2, 1.35, 1.6, 2.0, 3.0])
"""Factors of bets on spread; the same downward, 1/s."""
REFERENCE_MIN = 20
"""Rows of a reference; fewer have hardly an order to fall in, and the method says nothing."""
_E_MIN = 1e-300
_USUAL = (0.025, 0.975)
_LOOK = 64  # rows after which it is looked anew where 95 % of rows lie


@dataclass(frozen=True, slots=True)
class RankedState:
    """K series: their urns of residuals, and what it takes to make a residual of a row.

    ``centre`` [K], ``coefficients`` and ``before`` [K, P]: the autoregression that is taken out, and the last P rows
    less the centre, the latest first. ``n``, ``mean`` [K]: of the residuals so far. ``told`` [K]: whether the reference
    was long enough. ``inflation`` [K]: rows that count as one. ``low``, ``high`` [K]: 95 % of the next residuals lie
    between, as of the last time that was looked at.
    """

    urn: Ranks
    centre: Floats
    coefficients: Floats
    before: Floats
    n: Floats
    mean: Floats
    told: Bools
    inflation: Floats
    low: Floats
    high: Floats
    treatments: tuple[Treatment, ...]


def begin_ranked(
    past: Floats,
    *,
    spread: bool,
    seed: int,
    level: float = LEVEL,
    treatments: tuple[Treatment, ...] | None = None,
) -> RankedState:
    """The state after the reference ``past`` [n, K].

    How rows hang together is tested at ``level``, of their squares too with ``spread``, unless ``treatments`` [K] say it.
    """
    past = np.where(np.isfinite(past), past, np.nan)
    there = np.isfinite(past)
    n = there.sum(axis=0).astype(np.float64)
    centre = np.where(there, past, 0.0).sum(axis=0) / np.maximum(n, 1.0)
    if treatments is None:
        treatments = tuple(_treatment(past[:, k], float(centre[k]), spread, level) for k in range(len(n)))
    left = np.stack(
        [residuals(past[:, k], one.coefficients, float(centre[k])) for k, one in enumerate(treatments)],
        axis=1,
    )
    n_lags = max((len(one.coefficients) for one in treatments), default=0)
    coefficients = np.zeros((past.shape[1], n_lags))
    for k, one in enumerate(treatments):
        coefficients[k, : len(one.coefficients)] = one.coefficients
    before = np.zeros((past.shape[1], n_lags))
    latest = np.nan_to_num((past - centre)[::-1][:n_lags]).T
    before[:, : latest.shape[1]] = latest
    told = np.isfinite(left)
    n = told.sum(axis=0).astype(np.float64)
    urn = rank_urn(left, seed)
    return RankedState(
        urn,
        centre,
        coefficients,
        before,
        n,
        np.where(told, left, 0.0).sum(axis=0) / np.maximum(n, 1.0),
        n >= REFERENCE_MIN,
        np.array([one.inflation for one in treatments]),
        *_usual(urn),
        treatments,
    )


def _treatment(past: Floats, centre: float, spread: bool, level: float) -> Treatment:
    """What is to be done about rows of one series [n] that hang together."""
    before = hangs_together(_scores(past), level)
    coefficients, inflation = autoregression(past) if before else (np.zeros(0), 1.0)
    scores = _scores(residuals(past, coefficients, centre))
    if hangs_together(scores, level):
        inflation = max(inflation, inflation_of(scores))
    if spread and hangs_together(scores**2, level):
        inflation = max(inflation, inflation_of(scores**2))
    return Treatment(coefficients, inflation)


def _scores(values: Floats) -> Floats:
    """Normal scores of the ranks of ``values`` [n], NaN where missing: tests on them need no moments."""
    there = np.isfinite(values)
    out = np.full(len(values), np.nan)
    _, back, counts = np.unique(values[there], return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts  # equal values have the mean of their ranks
    out[there] = special.ndtri(middle[back] / max(int(there.sum()), 1))
    return out


def step_ranked(state: RankedState, value: Floats, bets: Floats, *, spread: bool) -> tuple[Told, RankedState]:
    """What ``value`` [K] says, and the state after it; ``bets`` [M] are lam, or s with ``spread``."""
    there = np.isfinite(value) & state.told
    every = bool(there.all())
    foretold = state.centre
    whitened = state.before.shape[1] > 0
    if whitened:
        foretold = foretold + (state.coefficients * state.before).sum(axis=1)
    left = value - foretold
    if not every:
        left = np.where(there, left, 0.0)
    drawn = draw(state.urn, left)
    log_e, surprise = _bet(drawn, bets, spread)
    log_e /= state.inflation[:, None]
    expected, low, high = foretold + state.mean, foretold + state.low, foretold + state.high
    if not every:
        log_e[~there] = 0.0
        surprise[~there] = np.nan
        for one in (expected, low, high):
            one[~state.told] = np.nan
    urn = put(state.urn, drawn, there)
    n = state.n + there
    mean = state.mean + there * (left - state.mean) / np.maximum(n, 1.0)
    before = state.before
    if whitened:  # a missing row is taken to be what was foretold
        now = np.where(np.isfinite(value), value, foretold) - state.centre
        before = np.concatenate([now[:, None], before[:, :-1]], axis=1)
    usual = (state.low, state.high) if urn.n_steps % _LOOK else _usual(urn)
    after = RankedState(
        urn,
        state.centre,
        state.coefficients,
        before,
        n,
        mean,
        state.told,
        state.inflation,
        *usual,
        state.treatments,
    )
    return Told(log_e, expected, low, high, surprise), after


def _bet(drawn: Draw, bets: Floats, spread: bool) -> tuple[Floats, Floats]:
    """[K, M]: logs of the e-values; [K]: the normal scores. Cells of the upper half are mirrored: tails keep their digits."""
    high = drawn.below + drawn.within
    upper = drawn.below + high > drawn.whole
    sign = np.where(upper, -1.0, 1.0)
    outer = np.where(upper, drawn.whole - high, drawn.below)
    near = special.ndtri(outer / drawn.whole)[:, None]
    far = special.ndtri((outer + drawn.within) / drawn.whole)[:, None]
    if spread:
        share = special.ndtr(far / bets)
        share -= special.ndtr(near / bets)
    else:
        moved = sign[:, None] * bets
        share = special.ndtr(far - moved)
        share -= special.ndtr(near - moved)
    share *= (drawn.whole / drawn.within)[:, None]
    np.maximum(share, _E_MIN, out=share)
    return np.log(share, out=share), sign * special.ndtri((outer + 0.5 * drawn.within) / drawn.whole)


def _usual(urn: Ranks) -> tuple[Floats, Floats]:
    """The edges [K] that 95 % of the next rows lie between, or a little more; NaN where rows are too few for it."""
    index = np.arange(len(urn.edges))
    inner = urn.cum[:, 1:-1]
    if not inner.shape[1]:
        nothing = np.full(len(index), np.nan)
        return nothing, nothing
    whole = urn.cum[:, -1:]
    lower = (inner <= _USUAL[0] * whole).sum(axis=1) - 1
    upper = (inner < _USUAL[1] * whole).sum(axis=1)
    last = inner.shape[1] - 1
    low = np.where(lower >= 0, urn.edges[index, np.maximum(lower, 0)], np.nan)
    high = np.where(upper <= last, urn.edges[index, np.minimum(upper, last)], np.nan)
    return low, np.where(np.isfinite(high), high, np.nan)
