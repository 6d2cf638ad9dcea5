"""Windows of the ledger: where they are of one length, and what becomes of them where some counts are coarser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from vedette.records import Window

__all__ = ["Blocks", "window_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def window_of(begin_us: int, end_us: int) -> Window:
    """A window of microseconds since 1970 in datetimes."""
    start, end = (
        _EPOCH + timedelta(microseconds=one) if one < 253e15 else _LAST for one in (begin_us, end_us)
    )
    return Window(start, end)


class Blocks:
    """The windows of a model in which its ledger can be told.

    They are of the model's length. Where something was counted by a longer one (by a producer that was told another
    length, or whose table of windows was full), all windows that it touches are one block: nothing is known of them apart.
    """

    def __init__(self, outcomes: pl.DataFrame, window_us: int) -> None:
        self.window_us = window_us
        coarse = (
            outcomes.filter(pl.col("length") > window_us).select("start", "length").unique().sort("start")
        )
        start, length = coarse["start"].to_numpy(), coarse["length"].to_numpy()
        begin, end = start // window_us * window_us, -(-(start + length) // window_us) * window_us
        reached = np.maximum.accumulate(end) if len(end) else end
        new = (
            np.flatnonzero(np.concatenate([[True], begin[1:] >= reached[:-1]]))
            if len(end)
            else np.zeros(0, int)
        )
        self.begin = begin[new]
        self.end = np.maximum.reduceat(end, new) if len(end) else end

    def of(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Begin and end of the block of each start, in microseconds."""
        begin = starts // self.window_us * self.window_us
        end = begin + self.window_us
        if len(self.begin):
            at = np.searchsorted(self.begin, starts, side="right") - 1
            inside = (at >= 0) & (starts < self.end[at])
            begin, end = np.where(inside, self.begin[at], begin), np.where(inside, self.end[at], end)
        return begin, end

    def placed(self, outcomes: pl.DataFrame) -> pl.DataFrame:
        """Outcomes with the block of each, in the columns ``begin`` and ``end``."""
        begin, end = self.of(outcomes["start"].to_numpy())
        return outcomes.with_columns(pl.Series("begin", begin, pl.Int64), pl.Series("end", end, pl.Int64))
