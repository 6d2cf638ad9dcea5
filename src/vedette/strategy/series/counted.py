"""Bets on how often a row falls in a cell: a *rate*, the share of each *category*, the share beyond a limit (*exceedance*).

The next row falls in a cell with a probability theta of its share of the weight in an urn (``urns``), so that a bet on
other shares q, which may depend on all rows before, has e = q/theta of the cell that came: E[e | all rows before] = 1.

*Rate*, *exceedance*: q has odds of exp(shift) times those of theta, with a shift of so many standard deviations of a
row. An exceedance of a quantile of the reference has an exact urn, (r, n0 + 1 - r) for the r-th of n0 order statistics,
whatever the law of rows is. A rate starts with Jeffreys' (1/2, 1/2) and the reference's counts, which is exact for rates
drawn from his prior, and for each single rate as far as simulation tells. A rate that is known needs no urn.

*Category*: odds of one category alone, of each of the eight that the reference has most of, and of a cell for those that it
has none of; and q = (1 - eps) theta + eps (shares of late), which learns by itself which categories there are more of.

Sources: Krichevsky and Trofimov (1981), "The performance of universal encoding"; Lindon and Malek (2022), "Anytime-valid
inference for multinomial count data" (arXiv 2011.03567); Wilks (1962), "Mathematical Statistics", chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.method import Told
from vedette.strategy.series.urns import Ranks, draw, put, rank_urn
from vedette.strategy.series.whitening import LEVEL, Treatment, hangs_together, inflation_of

__all__ = [
    "LEARNING",
    "SHIFTS",
    "SINGLE",
    "CountedState",
    "begin_counted",
    "begin_exceedance",
    "step_categories",
    "step_rate",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHIFTS = np.array([0.08, 0.11, 0.15, 0.2, 0.3, 0.45])
"""Sizes of bets on a rate, in standard deviations of a row: shift/sqrt(theta (1 - theta)) of log odds."""
_SHIFT_MAX = 3.0  # of log odds, twentyfold
SINGLE = np.array([0.12, 0.35, -0.12, -0.35])
"""Sizes of bets on each category alone, likewise."""
LEARNING = tuple((eps, rows) for rows in (50.0, 500.0) for eps in (0.2, 0.6))
"""Bets on all categories at once: the part of q that is learnt, and over how many rows it is."""
_PRIOR = 0.5
_ALONE = 8  # categories that have bets of their own, beside the unseen
_REFERENCE_MIN = 20
_USUAL = 0.025


@dataclass(frozen=True, slots=True)
class CountedState:
    """K series: ``weights`` [K, C] of the cells of their urns.

    ``edges``: of an exceedance, the limits. ``late`` [K, H, C]: shares of late, over each number of rows. ``alone``
    [K, T]: cells that have bets of their own. ``known`` [K]: the rate where it is known, else NaN. ``told`` [K]: whether
    the reference was long enough. ``inflation`` [K]: rows that count as one.
    """

    weights: Floats
    edges: Ranks | None
    late: Floats
    alone: Ints
    known: Floats
    told: Bools
    inflation: Floats
    treatments: tuple[Treatment, ...]


def begin_counted(
    past: Floats,
    n_cells: int,
    *,
    known: float | None = None,
    level: float = LEVEL,
    treatments: tuple[Treatment, ...] | None = None,
) -> CountedState:
    """The state after the reference ``past`` [n, K] of numbers of cells, NaN where missing.

    How rows hang together is tested at ``level``, unless ``treatments`` [K] say it.
    """
    cells = np.arange(n_cells)
    weights = _PRIOR + (past[:, :, None] == cells).sum(axis=0)
    return _state(past, weights, None, known, treatments or _treatments(past, n_cells, level))


def begin_exceedance(
    past: Floats,
    quantile: float,
    *,
    seed: int,
    level: float = LEVEL,
    treatments: tuple[Treatment, ...] | None = None,
) -> CountedState:
    """The state after the reference ``past`` [n, K], whose ``quantile`` is the limit; the rest as above."""
    past = np.where(np.isfinite(past), past, np.nan)
    urn = rank_urn(past, seed, np.array([quantile]))
    if not urn.edges.shape[1]:  # no series has a row
        urn = Ranks(
            np.full((past.shape[1], 1), np.inf), np.zeros((past.shape[1], 1)), urn.cum[:, [0, 1, 1]], 0, seed
        )
    weights = np.maximum(
        np.diff(urn.cum, axis=1), _PRIOR
    )  # a series without rows says nothing, but is no error
    beyond = np.where(np.isnan(past), np.nan, (past > urn.edges[:, 0]) * 1.0)
    return _state(beyond, weights, urn, None, treatments or _treatments(beyond, 2, level))


def _treatments(past: Floats, n_cells: int, level: float) -> tuple[Treatment, ...]:
    """How many rows count as one, by the cell whose rows hang together most."""
    cells = range(1 if n_cells == 2 else 0, n_cells)
    told = []
    for column in past.T:
        marks = (np.where(np.isnan(column), np.nan, column == cell) for cell in cells)
        factor = max(
            (inflation_of(mark) for mark in marks if hangs_together(mark, level / len(cells))), default=1.0
        )
        told.append(Treatment(np.zeros(0), factor))
    return tuple(told)


def _state(
    past: Floats,
    weights: Floats,
    edges: Ranks | None,
    known: float | None,
    treatments: tuple[Treatment, ...],
) -> CountedState:
    n = np.isfinite(past).sum(axis=0)
    n_series, n_cells = weights.shape
    halves = {rows for _, rows in LEARNING} if n_cells > 2 else set()
    shares = weights / weights.sum(axis=1, keepdims=True)
    return CountedState(
        weights,
        edges,
        np.repeat(shares[:, None, :], len(halves), axis=1),
        np.concatenate(  # the last is for those unseen
            [
                np.argsort(-weights[:, :-1], axis=1, kind="stable")[:, :_ALONE],
                np.full((n_series, 1), n_cells - 1),
            ],
            axis=1,
        ),
        np.full(n_series, np.nan if known is None else known),
        np.full(n_series, True) if known is not None else n >= _REFERENCE_MIN,
        np.array([one.inflation for one in treatments]),
        treatments,
    )


def step_rate(state: CountedState, value: Floats, bets: Floats) -> tuple[Told, CountedState]:
    """What ``value`` [K] says, 0 or 1 or beside a limit, and the state after it; ``bets`` [M] are signed sizes."""
    there = np.isfinite(value) & state.told
    every = bool(there.all())
    if not every:
        value = np.where(there, value, 0.0)
    edges = state.edges
    if edges is not None:
        drawn = draw(edges, value)
        hit, edges = (drawn.cell > 0) * 1.0, put(edges, drawn, there)
    else:
        hit = value
    rate = state.weights[:, 1] / (state.weights[:, 0] + state.weights[:, 1])
    theta = np.where(np.isnan(state.known), rate, state.known)
    spread = np.sqrt(theta * (1.0 - theta))
    shift = np.minimum(np.maximum(bets / spread[:, None], -_SHIFT_MAX), _SHIFT_MAX)
    log_e = shift * hit[:, None]
    log_e -= np.log1p(theta[:, None] * np.expm1(shift))
    log_e /= state.inflation[:, None]
    if not every:
        log_e[~there] = 0.0
    came = np.empty_like(state.weights)
    came[:, 1] = there * hit
    came[:, 0] = there - came[:, 1]
    usual = None if edges is None else edges.edges[:, 0]
    told = _told_rate(state, log_e, theta, (hit - theta) / spread, there, usual)
    return told, replace(state, weights=state.weights + came, edges=edges)


def _told_rate(
    state: CountedState, log_e: Floats, theta: Floats, surprise: Floats, there: Bools, limit: Floats | None
) -> Told:
    """Of a rate the 95 % interval of the next row is 0, 1 or both; of an exceedance all that is expected is the limit."""
    nothing = np.full(len(theta), np.nan)
    surprise = np.where(there, surprise, np.nan)
    if limit is not None:
        return Told(log_e, nothing, nothing, np.where(state.told, limit, np.nan), surprise)
    low = np.where(theta > 1.0 - _USUAL, 1.0, 0.0)
    high = np.where(theta > _USUAL, 1.0, 0.0)
    expected, low, high = (np.where(state.told, one, np.nan) for one in (theta, low, high))
    return Told(log_e, expected, low, high, surprise)


def step_categories(state: CountedState, value: Floats) -> tuple[Told, CountedState]:
    """What ``value`` [K] says, the number of a cell, and the state after it; the last cell is for those unseen."""
    n_series, n_cells = state.weights.shape
    there = np.isfinite(value) & state.told
    cell = np.minimum(np.where(there, value, 0.0), n_cells - 1).astype(np.int64)
    index = np.arange(n_series)
    theta = state.weights[index, cell] / state.weights.sum(axis=1)
    late = state.late[index, :, cell]
    shares = state.weights[index[:, None], state.alone] / state.weights.sum(axis=1, keepdims=True)
    shift = SINGLE / np.sqrt(shares * (1.0 - shares))[:, :, None]
    shift = np.minimum(np.maximum(shift, -_SHIFT_MAX), _SHIFT_MAX)
    single = shift * (state.alone == cell[:, None])[:, :, None] - np.log1p(
        shares[:, :, None] * np.expm1(shift)
    )
    lengths = list(dict.fromkeys(rows for _, rows in LEARNING))
    learnt = [np.log1p(eps * (late[:, lengths.index(rows)] / theta - 1.0)) for eps, rows in LEARNING]
    log_e = np.concatenate([single.reshape(n_series, -1), np.stack(learnt, axis=1)], axis=1)
    log_e /= state.inflation[:, None]
    log_e[~there] = 0.0
    came = (np.arange(n_cells) == cell[:, None]) & there[:, None]
    pace = np.where(there[:, None, None], 1.0 / np.array(lengths)[:, None], 0.0)
    nothing = np.full(n_series, np.nan)
    told = Told(log_e, nothing, nothing, nothing, nothing)
    late_after = state.late + pace * (came[:, None, :] - state.late)
    return told, replace(state, weights=state.weights + came, late=late_after)
