"""Many runs judged side by side: the state of some watches, repeated, as one state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vedette.strategy.budget import PER_ROW, PER_WATCH
from vedette.strategy.records import Ints, State

__all__ = ["copies", "joined", "taken", "unlatched"]

_GOLDEN = 0x9E3779B97F4A7C15  # of SplitMix64: names of copies that differ in all bits


def copies(state: State, rows: slice, watches: slice, numbers: int | Ints) -> State:
    """The state of some watches and their rows, so many times over: the rows of a run lie beside each other.

    Each copy has names of its own, by its number (default 0, 1, and so on), so that its randomised ranks are its own. Limits,
    the budget and the common dispersion stay those of the whole.
    """
    every = np.arange(numbers) if isinstance(numbers, int) else np.asarray(numbers)
    n, arrays = len(every), {}
    for name in PER_ROW | PER_WATCH:
        part = getattr(state, name)[rows if name in PER_ROW else watches]
        arrays[name] = np.tile(part, (n, *[1] * (part.ndim - 1)))
    n_rows, n_watches = rows.stop - rows.start, watches.stop - watches.start
    shift = np.repeat(np.arange(n) * n_rows, n_watches)
    number = every.astype(np.uint64) * np.uint64(_GOLDEN)
    arrays["key"] = arrays["key"] ^ np.repeat(number, n_rows)
    arrays["watch_key"] = arrays["watch_key"] ^ np.repeat(number, n_watches)
    first = np.tile(state.first[watches] - rows.start, n) + shift
    winner = np.tile(state.winner[watches] - rows.start, n) + shift
    return replace(state, **arrays, first=first, winner=winner)


def joined(states: Sequence[State]) -> State:
    """The watches of states one after another; what is not of a row or a watch is that of the first."""
    if len(states) == 1:
        return states[0]
    arrays = {name: np.concatenate([getattr(one, name) for one in states]) for name in PER_ROW | PER_WATCH}
    begin = np.cumsum([0, *(len(one.key) for one in states[:-1])])
    places = {
        name: np.concatenate([getattr(one, name) + low for one, low in zip(states, begin, strict=True)])
        for name in ("first", "winner")
    }
    return replace(states[0], **arrays, **places)


def taken(state: State, rows: Ints, watches: Ints) -> State:
    """Those of the watches, in this order, with their rows; a watch that is there more than once is so many watches."""
    arrays = {
        name: getattr(state, name).take(rows if name in PER_ROW else watches, axis=0)
        for name in PER_ROW | PER_WATCH
    }
    sizes = np.diff(np.append(state.first, len(state.key)))[watches]
    first = np.cumsum(sizes) - sizes
    return replace(state, **arrays, first=first, winner=first + state.winner[watches] - state.first[watches])


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
