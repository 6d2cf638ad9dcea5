"""Many runs judged side by side: the state of some watches, repeated, as one state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.strategy.budget import PER_ROW, PER_WATCH
from vedette.strategy.records import State

__all__ = ["copies", "unlatched"]

_GOLDEN = 0x9E3779B97F4A7C15  # of SplitMix64: names of copies that differ in all bits


def copies(state: State, rows: slice, watches: slice, n: int) -> State:
    """The state of some watches and their rows, ``n`` times over: the rows of a run lie beside each other.

    Each copy has names of its own, so that its randomised ranks are its own. Limits, the budget and the common
    dispersion stay those of the whole.
    """
    arrays = {}
    for name in PER_ROW | PER_WATCH:
        part = getattr(state, name)[rows if name in PER_ROW else watches]
        arrays[name] = np.tile(part, (n, *[1] * (part.ndim - 1)))
    n_rows, n_watches = rows.stop - rows.start, watches.stop - watches.start
    shift = np.repeat(np.arange(n) * n_rows, n_watches)
    number = np.arange(n, dtype=np.uint64) * np.uint64(_GOLDEN)
    arrays["key"] = arrays["key"] ^ np.repeat(number, n_rows)
    arrays["watch_key"] = arrays["watch_key"] ^ np.repeat(number, n_watches)
    first = np.tile(state.first[watches] - rows.start, n) + shift
    winner = np.tile(state.winner[watches] - rows.start, n) + shift
    return replace(state, **arrays, first=first, winner=winner)


def unlatched(state: State) -> State:
    """The state without open alarms: what was judged during one stays in the pool, as for windows known to be clean."""
    if not bool(state.latched.any()):
        return state
    gone = state.latched
    return replace(
        state,
        latched=np.zeros_like(gone),
        aside=np.where(gone[state.group][:, None], 0, state.aside),
        since=np.where(gone, np.nan, state.since),
        opened=np.where(gone, np.nan, state.opened),
        tolerance=np.where(gone, np.nan, state.tolerance),
        log_evidence=np.where(gone, -np.inf, state.log_evidence),
    )
