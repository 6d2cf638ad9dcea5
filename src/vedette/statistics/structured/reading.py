"""What the figures of boxes, rankings and sets of labels have in common: how they are read off summaries, window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import Estimates, Reasons
from vedette.statistics.measured import Measured
from vedette.statistics.summary import Summary

__all__ = ["LOSS_EDGES", "add_by_window", "read", "whole"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LOSS_EDGES: Floats = np.array([1e-12, *(step / 20 for step in range(1, 20)), 1.0 - 1e-12])
"""What a row lost, 1 less its F1: nothing, all, or in between in steps of 0.05."""


def read(current: Summary, figure: Callable[[int], Measured]) -> Estimates:
    """The figure of each window, by its number; no labels, and corrections without their rows, are a reason."""
    n = len(current)
    reasons = Reasons(n)
    negative = (current.rows < 0) | (current.missing < 0) | (current.counts < 0).any(axis=1)
    reasons.add(negative, "corrections without the rows that they correct")
    reasons.add((current.rows == 0) | (current.rows == current.missing), "no labels")
    value, low, high = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    rests = np.zeros(n, dtype=np.int64)
    for place in np.flatnonzero(~reasons.given):
        found = figure(int(place))
        value[place], low[place], high[place], rests[place] = found.value, found.low, found.high, found.n
        if found.reason is not None:
            reasons.add(np.arange(n) == place, found.reason)
    return Estimates.of(value, low, high, rests, reasons)


def whole(numbers: npt.ArrayLike) -> Integers:
    """Counts kept as float64, as whole numbers again; of weighted rows the nearest ones."""
    return np.rint(np.asarray(numbers, dtype=np.float64)).astype(np.int64)


def add_by_window(values: Floats, window: Integers, n_windows: int, sign: npt.ArrayLike = 1) -> Floats:
    """The sums of rows of numbers [N, M] by window, [W, M]; ``sign`` -1 takes a row away."""
    out = np.zeros((n_windows, values.shape[1]))
    signs = np.broadcast_to(np.asarray(sign, dtype=np.float64), (len(values),))
    np.add.at(out, window, values * signs[:, np.newaxis])
    return out
