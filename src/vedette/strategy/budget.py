"""The false-alarm budget: how it is shared out, and the states that begin with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np

from vedette.statistics.summary import Summary
from vedette.strategy.records import Bools, Floats, Ints, Measure, Phases, State
from vedette.strategy.scores import ties
from vedette.strategy.season import forget
from vedette.strategy.watches import BINS, Plan

__all__ = [
    "BETS",
    "COMMON_STEPS",
    "PER_ROW",
    "PER_WATCH",
    "PRIOR_WINDOWS",
    "RING",
    "accept",
    "begin",
    "extend",
]

BETS = np.array([0.35, 0.7, 1.2, 1.8, 2.5, 3.3])
"""Bets (lambda) on either sign: shifts of a window's score by that many standard deviations."""

RING = 8
"""Last windows whose scores are kept, for the size of a change and for recovery."""

COMMON_STEPS = 30
"""Past steps over which the common dispersion of all rows is averaged."""

PRIOR_WINDOWS = 8.0
"""Judged windows that the reference's variance inflation counts for: fewer than ten, since rows say
little of windows; more than six, at which half a standard deviation from the first window on is no alarm."""

_FIRST_SHARE = 0.9
"""Share of the budget that the first watches get; the rest is for those that come later."""

PER_WATCH = frozenset(
    (
        *("watch_key", "weight", "latched", "since", "opened", "tolerance"),
        *("log_evidence", "last", "gap", "waiting", "alarms"),
    )
)
_OTHER = frozenset(("first", "winner", "common", "season_common", "joined", "windows_per_month", "budget"))
PER_ROW = frozenset(field.name for field in fields(State)) - PER_WATCH - _OTHER


def begin(
    plan: Plan,
    reference: Mapping[str, Summary],
    inflation: Floats,
    *,
    windows_per_month: float,
    budget: float = 1.0,
) -> State:
    """The state before the first step: the pool is the reference, nothing was seen.

    ``inflation`` is v0 [S] of ``inflation.inflation``. ``windows_per_month`` (T) are the windows in 30
    days, ``budget`` (B) the false alarms that all watches together may make in them. Watch k has the
    weight v_k = 0.9 / K and the limit A_k = T / (B v_k), so that E0[alarms in T steps] <= sum T / A_k <=
    0.9 B (Shin, Ramdas and Rinaldo 2024, arXiv 2203.03532, with restarts). Raises ``ValueError`` where T
    or B is not positive.
    """
    if not (windows_per_month > 0 and budget > 0):
        raise ValueError(f"windows_per_month={windows_per_month}, budget={budget}: must be greater than 0")
    counts = plan.counts(reference)
    n_watches = len(plan.watches)
    weight = np.full(n_watches, _FIRST_SHARE / max(n_watches, 1))
    return _fresh(plan, counts, inflation, weight, windows_per_month, budget)


def extend(state: State, plan: Plan, reference: Mapping[str, Summary], inflation: Floats) -> State:
    """The state for a plan with other watches: those that stay keep all they have, new ones join, others
    leave.

    The n-th time that watches join, they share 0.1 / (n (n + 1)) of the budget, so that all shares ever
    given add up to 1 at most. A watch stays where its rows count as before; its place in the plan does
    not matter.
    """
    old = {int(key): at for at, key in enumerate(state.watch_key)}
    stays = np.array([int(key) in old for key in plan.watch_key], dtype=np.bool_)
    joined = state.joined + (0 if bool(stays.all()) else 1)
    share = (1.0 - _FIRST_SHARE) / (joined[0] * (joined[0] + 1.0)) if joined[0] else 0.0
    weight = np.full(len(stays), share / max(int((~stays).sum()), 1))
    fresh = _fresh(
        plan,
        plan.counts(reference),
        inflation,
        weight,
        float(state.windows_per_month[0]),
        float(state.budget[0]),
    )
    watch_from = np.array([old[int(key)] for key in plan.watch_key[stays]], dtype=np.int64)
    row_at = {int(key): at for at, key in enumerate(state.key)}
    row_stays = stays[fresh.group]
    row_from = np.array([row_at[int(key)] for key in plan.key[row_stays]], dtype=np.int64)
    arrays = {}
    for name in PER_ROW | PER_WATCH:
        rows = name in PER_ROW
        array = getattr(fresh, name).copy()
        array[row_stays if rows else stays] = getattr(state, name)[row_from if rows else watch_from]
        arrays[name] = array
    together = fresh.tied > 0  # rows of which one stays and one is new were not judged in the same steps
    together[1:] &= row_stays[1:] == row_stays[:-1]
    arrays["tied"] = ties(arrays["pool"], together)
    winner = fresh.winner.copy()
    winner[stays] = fresh.first[stays] + (state.winner - state.first)[watch_from]
    return replace(
        fresh, **arrays, winner=winner, common=state.common, season_common=state.season_common, joined=joined
    )


def accept(state: State, watches: Bools) -> State:
    """The state after a person accepted the present as normal for some watches (a mask of length K).

    What was judged since the alarm opened becomes reference and pool of the watch, its evidence starts at
    nothing, and its verdict is no longer latched. Watches without an open alarm stay as they are, but that a column's
    spread is judged against the same rows as its location. Their cells stay too: after a large change a new reference
    (``begin``) resolves more.
    """
    chosen = state.latched & np.asarray(watches, dtype=np.bool_)
    own = chosen[state.group]
    present = state.aside.copy()
    spread = (
        np.flatnonzero((state.measure[1:] == Measure.SPREAD) & (state.measure[:-1] == Measure.LOCATION)) + 1
    )
    for one, other in ((spread, spread - 1), (spread - 1, spread)):
        tied = ~state.latched[state.group[one]] & own[other]
        tied &= (state.reference[one] == state.reference[other]).all(axis=1)
        present[one[tied]] = state.aside[other[tied]]
        own[one[tied]] = True
    rows = own[:, None]
    pool = np.where(rows, present, state.pool)
    return replace(
        forget(state, own),
        pool=pool,
        tied=ties(pool, state.tied > 0),
        reference=np.where(rows, present, state.reference),
        aside=np.where(rows, 0, state.aside),
        centre=np.where(own, 0.0, state.centre),
        bets=np.where(rows, 0.0, state.bets),
        cusum=np.where(rows, 0.0, state.cusum),
        ring_n=np.where(rows, 0, state.ring_n),  # its sums are in units of the old reference
        ring_sum=np.where(rows, 0.0, state.ring_sum),
        ring_start=np.where(rows, np.nan, state.ring_start),
        latched=state.latched & ~chosen,
        since=np.where(chosen, np.nan, state.since),
        opened=np.where(chosen, np.nan, state.opened),
        tolerance=np.where(chosen, np.nan, state.tolerance),
        log_evidence=np.where(chosen, -np.inf, state.log_evidence),
    )


def _same_cells(plan: Plan) -> Bools:
    """Which rows are the spread of the column of which the row before is the location."""
    out = np.zeros(len(plan.key), dtype=np.bool_)
    one = np.flatnonzero((plan.measure[1:] == Measure.SPREAD) & (plan.measure[:-1] == Measure.LOCATION)) + 1
    out[one] = [np.array_equal(plan.cells[row], plan.cells[row - 1]) for row in one]
    return out


def _fresh(
    plan: Plan, counts: Ints, inflation: Floats, weight: Floats, windows_per_month: float, budget: float
) -> State:
    n_rows, n_watches, n_bets = len(plan.key), len(plan.watches), 2 * len(BETS)
    if np.shape(inflation) != (n_rows,) or not bool((np.asarray(inflation) >= 1.0).all()):
        raise ValueError(f"inflation of shape {np.shape(inflation)}: must be {n_rows} numbers of 1 or more")
    nothing, none = np.full(n_watches, np.nan), np.zeros(n_watches, dtype=np.int64)
    zeros = np.zeros((n_rows, BINS), dtype=np.int64)
    return State(
        key=plan.key.copy(),
        measure=plan.measure.copy(),
        side=plan.side.copy(),
        tied=ties(counts, _same_cells(plan)),
        pool=counts,
        reference=counts.copy(),
        aside=zeros,
        carry=zeros.copy(),
        bets=np.zeros((n_rows, n_bets)),
        cusum=np.zeros((n_rows, n_bets)),
        begun=np.full((n_rows, n_bets), np.nan),
        dispersion=np.zeros(n_rows),
        about=np.zeros(n_rows),
        centre=np.zeros(n_rows),
        judged=np.zeros(n_rows, dtype=np.int64),
        heights=np.zeros(n_rows),
        inflation=np.array(inflation, dtype=np.float64),
        ring_n=np.zeros((n_rows, RING), dtype=np.int64),
        ring_sum=np.zeros((n_rows, RING)),
        ring_start=np.full((n_rows, RING), np.nan),
        season=np.zeros(n_rows, dtype=np.int8),
        phase_n=np.zeros((n_rows, Phases.of(windows_per_month).week), dtype=np.float32),
        phase_sum=np.zeros((n_rows, Phases.of(windows_per_month).week), dtype=np.float32),
        phase_squares=np.zeros(n_rows),
        phase_windows=np.zeros(n_rows, dtype=np.int64),
        watch_key=plan.watch_key.copy(),
        first=plan.first.copy(),
        weight=weight,
        latched=np.zeros(n_watches, dtype=np.bool_),
        since=nothing,
        opened=nothing.copy(),
        tolerance=nothing.copy(),
        log_evidence=np.full(n_watches, -np.inf),
        winner=plan.first.copy(),
        last=none - 1,
        gap=none,
        waiting=none.copy(),
        alarms=none.copy(),
        common=np.full(COMMON_STEPS, np.nan),
        season_common=np.full(COMMON_STEPS, np.nan),
        joined=np.zeros(1, dtype=np.int64),
        windows_per_month=np.array([float(windows_per_month)]),
        budget=np.array([float(budget)]),
    )
