"""A round of a race: new replays, calm and struck, judged by all who are in it and entered into their books."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.strategy.advice.detectors import Detectors
from vedette.strategy.advice.expected import judge_series
from vedette.strategy.advice.faults import faults_of, inject
from vedette.strategy.advice.history import Column
from vedette.strategy.advice.replays import Replays
from vedette.strategy.advice.runners import Cell, Runner
from vedette.strategy.advice.together import judge_together
from vedette.strategy.advice.track import Track
from vedette.strategy.records import Bools, Floats, Ints

__all__ = ["RUNS", "delays", "more_calm", "run", "watch"]

RUNS = 16
"""Replays in a round."""

_TOGETHER_MAX = 3000  # struck replays that are judged side by side: some 20 MiB, and about a second between looks at the clock
_CALM_MONTHS = 12.0  # of a round: where windows are short, more calm replays than struck ones
_CALM_RUNS_MAX = 128


def run(
    track: Track,
    runners: Sequence[Runner],
    cells: Sequence[Cell],
    calm: Mapping[str, Replays],
    random: np.random.Generator,
    late: Callable[[], bool] = lambda: False,
    *,
    keep: bool = False,
) -> tuple[str, ...]:
    """Let those who are in the race run over calm replays of each column, and over the same with each fault.

    ``late`` is asked between the parts of it, and whether to leave it. Then nothing is entered, or with ``keep`` what there is
    of the columns that were through; these are returned. Raises ``TimeoutError`` where there is nothing to keep.
    """
    n_runs = next(iter(calm.values())).counts.shape[0]
    onset: Ints = np.asarray(random.integers(0, track.lead, n_runs), dtype=np.int64)
    racing = [one for one in runners if one.out is None]
    found: dict[str, _Told] = {}
    for part in _parts(track, n_runs):
        struck = {
            source: _struck(track, track.history.columns[source], calm[source], onset, random)
            for source in part
        }
        own = {source: calm[source] for source in part}
        if late() or not _together(track, racing, own, struck, onset, late):
            break
        for source in part:
            if late():
                break
            found[source] = _Told.of(track, racing, source, calm[source], struck.pop(source), onset)
            calm[source].forget()
    if len(found) == len(track.history.columns) or (keep and found):
        struck_by = {cell for told in found.values() for own in told.delays.values() for cell in own}
        _enter(racing, [one for one in cells if one in struck_by], found, n_runs, track)
    elif keep:
        raise TimeoutError("the time was over before a column was replayed")
    return tuple(found)


def watch(track: Track, runners: Sequence[Runner], calm: Mapping[str, Replays]) -> None:
    """Let those who are in the race run over more calm replays of each column."""
    n_runs = next(iter(calm.values())).counts.shape[0]
    racing = [one for one in runners if one.out is None]
    nothing = {source: Replays(one.counts[:0], one.start) for source, one in calm.items()}
    _together(track, racing, calm, nothing, np.full(n_runs, track.n_windows))
    for runner in racing:
        runner.windows += n_runs * track.n_windows
        runner.false_alarms += sum(
            int(runner.ready.opens(column, calm[source]).opens.sum())
            for source, column in track.history.columns.items()
        )


def more_calm(track: Track) -> int:
    """How many calm replays a round has beside those that are struck."""
    wanted = math.ceil(_CALM_MONTHS / (track.n_windows * track.history.months))
    return min(wanted, _CALM_RUNS_MAX) - RUNS


def delays(opens: Bools, stands: Bools, onset: Ints, horizon: int) -> tuple[Floats, Bools]:
    """Of replays [R, T, K] of a column the windows until an alarm of it opens after the fault began, and whether one did.

    What was not seen is censored at the horizon; where an alarm stood when the fault began, and none opened later, at once.
    """
    t = np.arange(opens.shape[1])[None, :]
    after = t - onset[:, None]
    own = opens.any(axis=2) & (after >= 0) & (after < horizon)
    seen: Bools = np.asarray(own.any(axis=1), dtype=np.bool_)
    first = np.argmax(own, axis=1) - onset + 1.0
    before = np.maximum(onset - 1, 0)
    stood = stands[np.arange(len(onset)), before].any(axis=1) & (onset > 0)
    return np.where(seen, first, np.where(stood, 0.0, float(horizon))), seen


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What those in the race told of the replays of a column: false alarms of each, and of each cell time and whether it was
    seen [R].
    """

    false_alarms: Mapping[str, int]
    delays: Mapping[str, Mapping[Cell, tuple[Floats, Bools]]]

    @classmethod
    def of(
        cls, track: Track, racing: Sequence[Runner], source: str, calm: Replays, struck: Replays, onset: Ints
    ) -> _Told:
        column, n_runs = track.history.columns[source], len(onset)
        faults = faults_of(track.history, column)
        false_alarms, found = {}, {}
        for runner in racing:
            false_alarms[runner.name] = int(runner.ready.opens(column, calm).opens.sum())
            own: dict[Cell, tuple[Floats, Bools]] = {}
            if faults:
                told = runner.ready.opens(column, struck)
                for at, (fault, size) in enumerate(faults):
                    some = slice(at * n_runs, (at + 1) * n_runs)
                    own[fault.name, size] = delays(told.opens[some], told.stands[some], onset, track.horizon)
            found[runner.name] = own
        return cls(false_alarms, found)


def _enter(
    racing: Sequence[Runner], cells: Sequence[Cell], found: Mapping[str, _Told], n_runs: int, track: Track
) -> None:
    """Enter what was told of all columns into the books of those in the race."""
    place = {cell: at for at, cell in enumerate(cells)}
    for runner in racing:
        total, times = np.zeros((n_runs, len(cells))), np.zeros(len(cells))
        runner.windows += n_runs * track.n_windows
        for told in found.values():
            runner.false_alarms += told.false_alarms[runner.name]
            for cell, (time, seen) in told.delays[runner.name].items():
                runner.add(cell, time, seen)
                total[:, place[cell]] += np.where(seen, time, track.horizon)
                times[place[cell]] += 1
        runner.losses.append(total / np.maximum(times, 1))


def _parts(track: Track, n_runs: int) -> list[list[str]]:
    """The columns in parts that are judged together, of so many struck replays at most."""
    parts: list[list[str]] = [[]]
    size = 0
    for source, column in track.history.columns.items():
        own = n_runs * max(len(faults_of(track.history, column)), 1)
        if parts[-1] and size + own > _TOGETHER_MAX:
            parts.append([])
            size = 0
        parts[-1].append(source)
        size += own
    return parts


def _together(
    track: Track,
    racing: Sequence[Runner],
    calm: Mapping[str, Replays],
    struck: Mapping[str, Replays],
    onset: Ints,
    late: Callable[[], bool] = lambda: False,
) -> bool:
    """Let the detectors of those in the race judge replays, those of a kind together; False where time is over."""
    kinds: dict[Any, list[Detectors]] = {}
    for runner in racing:
        if runner.ready.detectors is not None:
            kinds.setdefault(runner.ready.detectors.make, []).append(runner.ready.detectors)
    for make, some in kinds.items():
        if late():
            return False
        limited = [one.limited for one in some]
        told = judge_together(make, track.history, limited, calm, struck, onset, track.horizon)
        for one, by_source in zip(some, told, strict=True):
            for source, (of_calm, of_struck) in by_source.items():
                calm[source].told[one] = of_calm
                struck[source].told[one] = of_struck
    columns = track.history.columns
    for series in {one.ready.series: None for one in racing if one.ready.series is not None}:
        if late():
            return False
        judge_series(series, {source: (columns[source], one) for source, one in calm.items()})
        judge_series(
            series, {source: (columns[source], one) for source, one in struck.items()}, onset, track.horizon
        )
    return True


def _struck(track: Track, column: Column, calm: Replays, onset: Ints, random: np.random.Generator) -> Replays:
    """The calm replays of a column with each of its faults, one after another."""
    found = [
        inject(track.history, column, fault, size, calm.counts, onset, random)
        for fault, size in faults_of(track.history, column)
    ]
    return Replays(np.concatenate(found) if found else calm.counts[:0], calm.start)
