"""Blocks: the mean of twelve numbers against what was expected of it, so that what comes slowly is seen as well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.method import Told
from vedette.strategy.series.residuals import WEIGHTS
from vedette.strategy.series.time_step import TimeStep, TimeStepState

__all__ = ["SIZE", "Blocks", "BlocksState"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SIZE = 12
"""Numbers of a block: an hour of five minutes, half a day of hours, two phases or more of a day in either."""
_THERE_MIN = SIZE // 2  # numbers of a block below which it is missing
_BLOCKS_MIN = 50  # of a reference, as of numbers that are judged one by one


class _Step(Protocol):
    def __call__(
        self, state: TimeStepState, value: Floats, time: float | Floats
    ) -> tuple[Told, TimeStepState]: ...


@dataclass(frozen=True, slots=True)
class BlocksState:
    """What the method remembers of K series.

    ``inner``: of their blocks. ``total``, ``n`` [K] and ``rows``: the block that is not full yet, the sum and number of
    its numbers, and its rows. ``expected``, ``low``, ``high``, ``mean`` [K]: the last full block. ``told`` [K]: whether the
    reference had enough of them.
    """

    inner: TimeStepState
    total: Floats
    n: Ints
    rows: int
    expected: Floats
    low: Floats
    high: Floats
    mean: Floats
    told: Bools


class Blocks:
    """The mean of each twelve numbers against what was expected of it: "expected 212 (205 to 219), was 240".

    A forecast of the next number follows whatever comes slower than a few steps, so its errors say little of a day that is
    twice as busy as others, when numbers come every five minutes. To the mean of an hour that day is far from yesterday's
    same hour. Blocks are forecast and judged as numbers are by ``TimeStep``; rows that fill no block say nothing.

    A series whose reference has fewer than 50 blocks (600 numbers) is not judged, and leaves its share to other methods.
    """

    name = "blocks"
    guarantee = "calibrated"
    weights = WEIGHTS

    def __init__(self) -> None:
        self._of_blocks = TimeStep()

    def begin(self, past: Floats, times: Floats) -> BlocksState:
        """The state after the reference: ``past`` [n, K] (NaN where missing), at ``times`` [n] or [n, K]."""
        n_blocks, k = len(past) // SIZE, past.shape[1]
        first = len(past) - n_blocks * SIZE  # the last row of the reference ends a block
        parts = past[first:].reshape(n_blocks, SIZE, k)
        there = np.isfinite(parts)
        means = _mean(np.where(there, parts, 0.0).sum(axis=1), there.sum(axis=1))
        inner = self._of_blocks.begin(means, times[first + SIZE - 1 :: SIZE])
        told = np.isfinite(means).sum(axis=0) >= _BLOCKS_MIN
        nothing = np.full(k, np.nan)
        return BlocksState(
            inner, np.zeros(k), np.zeros(k, dtype=np.int64), 0, nothing, nothing, nothing, nothing, told
        )

    def step(self, state: BlocksState, value: Floats, time: float | Floats) -> tuple[Told, BlocksState]:
        """What a new number of each series [K] says, and the state after it."""
        return _step(state, value, time, self._of_blocks.step)

    def advance(self, state: BlocksState, value: Floats, time: float | Floats) -> tuple[Told, BlocksState]:
        """``step`` in a state of one's own, whose arrays are written over."""
        return _step(state, value, time, self._of_blocks.advance)

    def guarantees(self, state: BlocksState) -> tuple[str, ...]:
        """What stands behind the evidence of each series."""
        return self._of_blocks.guarantees(state.inner)

    def speaks(self, state: BlocksState) -> Bools:
        """Whether anything is ever said of each series [K]."""
        return state.told

    def relearn(self, state: BlocksState, rows: Ints) -> BlocksState:
        """The state that learns a new level of some series."""
        return replace(state, inner=self._of_blocks.relearn(state.inner, rows))


def _step(state: BlocksState, value: Floats, time: float | Floats, do: _Step) -> tuple[Told, BlocksState]:
    there = np.isfinite(value)
    total, n = state.total + np.where(there, value, 0.0), state.n + there
    surprise = np.full(len(value), np.nan)
    log_e = np.zeros((len(value), len(WEIGHTS)))
    if state.rows + 1 < SIZE:
        state = replace(state, total=total, n=n, rows=state.rows + 1)
    else:
        mean = _mean(total, n)
        told, inner = do(state.inner, mean, time)
        log_e, surprise = told.log_e, told.surprise
        nothing = np.zeros_like(total), np.zeros_like(n), 0
        state = BlocksState(inner, *nothing, told.expected, told.low, told.high, mean, state.told)
    log_e = np.where(state.told[:, None], log_e, -np.inf)  # evidence that never grows, not even by waiting
    return Told(log_e, state.expected, state.low, state.high, surprise, state.mean), state


def _mean(total: Floats, n: Ints) -> Floats:
    return np.where(n >= _THERE_MIN, total / np.maximum(n, 1), np.nan)
