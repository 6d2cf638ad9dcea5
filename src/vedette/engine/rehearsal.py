"""Stretches of a reference's time, on which estimates without labels are rehearsed: each is told by what the rest tells."""

from __future__ import annotations

import numpy as np
import polars as pl

from vedette.engine.stored import Increment
from vedette.engine.summarise import summarise_levels, window_starts
from vedette.statistics.grid import Grid

__all__ = ["FOLDS", "REHEARSAL", "Stretches", "counted_stretches", "in_order", "stretched"]

REHEARSAL = "rehearsal"
"""The part of the table ``summaries`` that has a reference's labelled rows by stretches of its time."""

FOLDS = 5
"""Parts of the stretches, in order; each is estimated by the others."""

STRETCHES, STRETCHES_MIN, PARTS = 200, 10, 30
STRETCH_ROWS = 100

Stretches = tuple[np.ndarray, int]
"""The number of the stretch int64 [N] of each row, and how many there are."""


def stretched(frame: pl.DataFrame, window_us: int) -> Stretches | None:
    """The stretches of the labelled rows of a reference, in order of time; None where there are fewer than ten.

    They are the model's windows, as many joined as make no more than ``STRETCHES``; where there are not ten of those (rows
    without times), equal parts of the rows as they come, a hundred or more each.
    """
    _, window = np.unique(window_starts(frame["time"], window_us), return_inverse=True)
    n = int(window.max(initial=-1)) + 1
    if n < STRETCHES_MIN or frame.height < n * STRETCH_ROWS:
        n = min(frame.height // STRETCH_ROWS, PARTS)
        window = np.arange(frame.height) * n // max(frame.height, 1)
    if n < STRETCHES_MIN:
        return None
    joined = -(-n // STRETCHES)
    return window // joined, -(-n // joined)


def counted_stretches(
    column: str, frame: pl.DataFrame, grid: Grid, version: str, stretches: Stretches | None
) -> list[Increment]:
    """The labelled rows by stretch; nothing where there are none."""
    if stretches is None:
        return []
    summary = summarise_levels(frame, column, grid, *stretches).effective
    order = in_order(frame, np.arange(stretches[1]))
    return [Increment(version, column, order, order, summary)]


def in_order(frame: pl.DataFrame, number: np.ndarray) -> np.ndarray:
    """Times that stand for the numbers of some windows of a reference: their order is all that is told of them."""
    first = np.asarray(frame["time"].dt.timestamp("us").min(), dtype=np.int64)
    return np.asarray(first + number)
