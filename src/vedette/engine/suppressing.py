"""Figures as they may be shown: those of fewer than ``k`` rows hidden, and those from which they could be reckoned.

This is the one place: :func:`vedette.engine.figures.figures`, which the interface, the pages, ``/metrics``, pictures of alerts
and the command line read, gives nothing that did not pass here.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from vedette.statistics.small_cells import hidden_in_line, hidden_in_table

__all__ = ["SUPPRESSED", "suppressed"]

SUPPRESSED = "suppressed: fewer than {k} rows, or what would tell of so few"
"""The reason of a figure that is hidden. It does not say which of both: that would tell."""

_FIGURE = ["metric", "feature", "part", "as_of"]
_HIDDEN = ["value", "low", "high", "n", "completeness", "labelled"]


def suppressed(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """Rows of ``figures`` with those hidden that tell of fewer than ``k`` rows; ``k`` 0 hides none.

    Windows of the whole are a line, whose sum the window over all shows. Segments of windows are a table: the sum of each window
    is that of the whole, the sum of each segment that of the window over all; in a hidden block, cells without rows are there
    too, hidden: that there are none tells. Sums of segments are of those of one answer.
    """
    if k < 1 or frame.is_empty():
        return frame
    parts = []
    for _, own in frame.group_by(_FIGURE, maintain_order=True):
        whole = own.filter(pl.col("segment") == "")
        parts += [_of_segments(own.filter(pl.col("segment") != ""), k), _of_whole(whole, k)]
    order = pl.concat([one for one in parts if one.height])
    # in the order in which they came: figures, then segments and windows
    rank = frame.select(_FIGURE).unique(maintain_order=True).with_row_index("_figure")
    ordered = order.join(rank, on=_FIGURE, how="left", nulls_equal=True, maintain_order="left")
    return ordered.sort("_figure", maintain_order=True).drop("_figure")


def _of_whole(own: pl.DataFrame, k: int) -> pl.DataFrame:
    if own.is_empty():
        return own
    return _hide(own, hidden_in_line(_counts(own), k), k)


def _of_segments(own: pl.DataFrame, k: int) -> pl.DataFrame:
    if own.is_empty():
        return own
    keys = ["start", "end"]
    windows = own.select(keys).unique(maintain_order=True).with_row_index("_column")
    segments = own.select("segment").unique(maintain_order=True).with_row_index("_row")
    placed = own.join(windows, on=keys, how="left", maintain_order="left", nulls_equal=True)
    placed = placed.join(segments, on="segment", how="left", maintain_order="left")
    row, column = placed["_row"].to_numpy(), placed["_column"].to_numpy()
    counts = np.zeros((segments.height, windows.height), dtype=np.int64)
    np.add.at(counts, (row, column), _counts(own))
    there = np.zeros(counts.shape, dtype=np.bool_)
    there[row, column] = True
    hidden = hidden_in_table(counts, k)
    shown = _hide(own, hidden[row, column], k)
    absent = np.argwhere(hidden & ~there)
    if not len(absent):
        return shown
    more = pl.DataFrame({"_row": absent[:, 0], "_column": absent[:, 1]})
    more = more.with_columns(pl.col("_row").cast(pl.UInt32), pl.col("_column").cast(pl.UInt32))
    more = more.join(segments, on="_row", maintain_order="left").join(
        windows, on="_column", maintain_order="left"
    )
    like = own.head(1).drop("segment", *keys)
    filled = more.drop("_row", "_column").join(like, how="cross").select(own.columns)
    return pl.concat([shown, _hide(filled, np.ones(filled.height, dtype=np.bool_), k)])


def _counts(own: pl.DataFrame) -> np.ndarray:
    return own["n"].fill_null(0).to_numpy().astype(np.int64)


def _hide(own: pl.DataFrame, hidden: np.ndarray, k: int) -> pl.DataFrame:
    gone = pl.Series("_gone", hidden, dtype=pl.Boolean)
    return own.with_columns(
        *(pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in _HIDDEN),
        pl.when(gone).then(pl.lit(SUPPRESSED.format(k=k))).otherwise(pl.col("reason")).alias("reason"),
        pl.when(gone).then(None).otherwise(pl.col("note")).alias("note"),
    )
