"""Detectors on many replays at once: what they share is judged once, what parts them as it is.

Up to its first alarm a detector's evidence does not depend on its limits. So all detectors of a kind, whatever their share
of the budget, and all columns are judged in one go without limits. Struck replays begin where their calm ones have come to
when the fault begins, and are left when the last of the detectors has told: later alarms do not count. A replay in which a
detector tells before is judged again by itself, with its limits, as it would be alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vedette.strategy.advice.copies import copies, joined, taken
from vedette.strategy.advice.held import held
from vedette.strategy.advice.history import NEVER, Column, History
from vedette.strategy.advice.replays import Replays, Told
from vedette.strategy.detector import EDetector
from vedette.strategy.records import Bools, Evidence, Floats, Ints, State, Step

__all__ = ["Limited", "judge_together"]


@dataclass(frozen=True, slots=True, eq=False)
class Limited:
    """A detector with its limits: ``state`` after the history, ``base`` the same as if it had had no limits, and ``alike``
    [K] which watches have the same evidence in both.
    """

    state: State
    base: State
    alike: Bools


@dataclass(frozen=True, slots=True, eq=False)
class _Copies:
    """Copies of the watches of column ``at`` beside each other in a state: of the replays ``numbers`` [N] of ``coarse``
    [.., T, S, 32], calm ones or struck.
    """

    at: int
    column: Column
    numbers: Ints
    coarse: Ints
    struck: bool

    @property
    def n_rows(self) -> int:
        return int(self.column.rows.stop - self.column.rows.start)

    @property
    def n_watches(self) -> int:
        return len(self.column.watches)

    def but(self, stays: Bools) -> _Copies:
        """Those that stay."""
        return replace(self, numbers=self.numbers[stays])


def judge_together(
    make: Callable[[], EDetector],
    history: History,
    limited: Sequence[Limited],
    calm: Mapping[str, Replays],
    struck: Mapping[str, Replays],
    onset: Ints,
    horizon: int,
) -> list[dict[str, tuple[Told, Told]]]:
    """What each of the detectors tells of calm and of struck replays, by source; of the struck ones up to its first alarm
    from the onset on.

    ``calm`` has R replays of each column, ``struck`` F R: those of each of F faults in the same order, each like its calm one
    before ``onset`` [R], and watched for ``horizon`` windows from then on. Without faults (F = 0) calm replays alone are judged.
    """
    columns = [history.columns[source] for source in calm]
    cap = np.max([one.state.log_needed for one in limited], axis=0)
    free = _evidence(make, history, limited[0].base, columns, (calm, struck), onset, horizon, cap)
    parts: list[_Copies] = []
    states: list[State] = []
    places: list[Told] = []
    out: list[dict[str, tuple[Told, Told]]] = []
    n_runs = len(onset)
    for one in limited:
        needed, told = one.state.log_needed, {}
        scaled = replace(
            one.state,
            budget=limited[0].state.budget,
            weight=one.state.weight * (one.state.budget / limited[0].state.budget),
        )
        for at, column in enumerate(columns):
            known = bool(one.alike[column.at].all())
            crossed, later = (np.asarray(found >= needed[column.at]) for found in free[at])
            first = _first(np.any(crossed, axis=2))
            alone = np.flatnonzero((first < crossed.shape[1]) | (not known))
            before = np.flatnonzero((first < onset) | (not known))
            opens = later & (np.arange(later.shape[1]) == _first(np.any(later, axis=2))[:, None])[:, :, None]
            none = np.zeros_like(crossed)
            told[column.source] = Told(none, none.copy()), Told(opens, opens.copy())
            faults = np.arange(len(later) // n_runs)[:, None] * n_runs
            numbers = (alone, (faults + before).ravel())
            for is_struck, some in enumerate(numbers):
                replays = (calm, struck)[is_struck][column.source]
                if len(some):
                    parts.append(_Copies(at, column, some, replays.coarse(column), bool(is_struck)))
                    states.append(copies(scaled, column.rows, column.at, some % n_runs))
                    places.append(told[column.source][is_struck])
        out.append(told)
    if parts:
        start = next(iter(calm.values())).start
        _judge_alone(held(make), history, joined(states), parts, places, start)
    return out


def _first(some: Any) -> Ints:
    """int64[N]: the first window [N, T] of each; T where there is none."""
    return np.asarray(np.where(some.any(axis=1), some.argmax(axis=1), some.shape[1]))


def _evidence(
    make: Callable[[], EDetector],
    history: History,
    base: State,
    columns: Sequence[Column],
    replays: tuple[Mapping[str, Replays], Mapping[str, Replays]],
    onset: Ints,
    horizon: int,
    cap: Floats,
) -> list[tuple[Floats, Floats]]:
    """The log evidence [N, T, K] of each column's calm and struck replays; -inf where nothing was judged."""
    n_runs = len(onset)
    start = replays[0][columns[0].source].start
    calm, struck, out = [], [], []
    for at, column in enumerate(columns):
        coarse, later = (one[column.source].coarse(column) for one in replays)
        calm.append(_Copies(at, column, np.arange(n_runs), coarse, False))
        struck.append(_Copies(at, column, np.arange(len(later)), later, True))
        shape = (len(start), len(column.watches))
        out.append((np.full((n_runs, *shape), -np.inf), np.full((len(later), *shape), -np.inf)))
    detector, groups = held(make), list(calm)
    state = joined([copies(base, one.column.rows, one.column.at, one.numbers) for one in calm])
    state = replace(state, budget=np.full(1, NEVER))
    for t in range(len(start)):
        due = np.flatnonzero(onset == t)
        if len(due):
            state, groups = _begun(state, groups, calm, struck, due)
        evidence, state = _step(detector, history, state, groups, float(start[t]), t)
        log_evidence = np.where(evidence.judged, evidence.log_evidence, -np.inf)
        stays, low = [], 0
        for one in groups:
            high = low + len(one.numbers) * one.n_watches
            found = log_evidence[low:high].reshape(-1, one.n_watches)
            out[one.at][one.struck][one.numbers, t] = found
            over = (found >= cap[one.column.at]).any(axis=1) | (
                t + 1 >= onset[one.numbers % n_runs] + horizon
            )
            stays.append(~over if one.struck else np.ones(n_runs, dtype=np.bool_))
            low = high
        if not all(bool(one.all()) for one in stays):
            rows = [np.repeat(some, one.n_rows) for one, some in zip(groups, stays, strict=True)]
            watches = [np.repeat(some, one.n_watches) for one, some in zip(groups, stays, strict=True)]
            state = taken(
                state, np.flatnonzero(np.concatenate(rows)), np.flatnonzero(np.concatenate(watches))
            )
            groups = [one.but(some) for one, some in zip(groups, stays, strict=True) if some.any()]
    return out


def _begun(
    state: State, groups: list[_Copies], calm: Sequence[_Copies], struck: Sequence[_Copies], due: Ints
) -> tuple[State, list[_Copies]]:
    """With copies of those calm replays in which faults begin now, one for each fault; the calm ones lie first."""
    rows, watches, more = [np.arange(len(state.key))], [np.arange(len(state.first))], []
    row = watch = 0
    for one, other in zip(calm, struck, strict=True):
        n_runs = len(one.numbers)
        n_faults = len(other.numbers) // n_runs
        if n_faults:
            again = np.tile(due, n_faults)[:, None]
            rows.append((row + again * one.n_rows + np.arange(one.n_rows)).ravel())
            watches.append((watch + again * one.n_watches + np.arange(one.n_watches)).ravel())
            more.append(
                replace(other, numbers=again[:, 0] + np.repeat(np.arange(n_faults), len(due)) * n_runs)
            )
        row, watch = row + n_runs * one.n_rows, watch + n_runs * one.n_watches
    return taken(state, np.concatenate(rows), np.concatenate(watches)), [*groups, *more]


def _step(
    detector: EDetector, history: History, state: State, groups: Sequence[_Copies], start: float, t: int
) -> tuple[Evidence, State]:
    """A window of all copies."""
    counts = np.concatenate([one.coarse[one.numbers, t].reshape(-1, one.coarse.shape[-1]) for one in groups])
    return detector.judge(Step(counts, state.key, round(start / history.window_s), start), state)


def _judge_alone(
    detector: EDetector,
    history: History,
    state: State,
    parts: Sequence[_Copies],
    places: Sequence[Told],
    start: Floats,
) -> None:
    """Judge copies with limits, and enter where their alarms open and stand."""
    for t in range(len(start)):
        evidence, state = _step(detector, history, state, parts, float(start[t]), t)
        low = 0
        for one, told in zip(parts, places, strict=True):
            high = low + len(one.numbers) * one.n_watches
            told.opens[one.numbers, t] = evidence.alarm[low:high].reshape(-1, one.n_watches)
            told.stands[one.numbers, t] = state.latched[low:high].reshape(-1, one.n_watches)
            low = high
