"""Figures as they may be shown: those of fewer than ``k`` rows hidden, and those from which they could be reckoned.

This is the one place: :func:`vedette.engine.figures.figures`, which the interface, the pages, ``/metrics``, pictures of alerts
and the command line read, gives nothing that did not pass here.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from vedette.statistics.small_cells import hidden_in_line, hidden_in_table

__all__ = ["AVERAGED", "PER_CLASS", "SUPPRESSED", "suppressed"]

SUPPRESSED = "suppressed: fewer than {k} rows, or what would tell of so few"
"""The reason of a figure that is hidden. It does not say which of both: that would tell."""

PER_CLASS = ("precision_per_class", "recall_per_class")
"""The figures whose rows tell how many of each class there are, as predictions and as labels."""

AVERAGED = frozenset(
    {"balanced_accuracy"}
    | {f"{which}_{average}" for which in ("precision", "recall", "f1") for average in ("macro", "weighted")}
)
"""Averages of classes: of one less those of the other classes is that of the class."""

_FIGURE = ["metric", "feature", "part", "as_of"]
_HIDDEN = ["value", "low", "high", "n", "completeness", "labelled"]


def suppressed(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    """Rows of ``figures`` with those hidden that tell of fewer than ``k`` rows; ``k`` 0 hides none.

    Windows of the whole are a line, whose sum the window over all shows. Segments of windows are a table: the sum of each window
    is that of the whole, the sum of each segment that of the window over all; in a hidden block, cells without rows are there
    too, hidden: that there are none tells. Sums of segments are of those of one answer. Parts of a figure by windows are a table
    too. Averages of classes are hidden where a class is: the answer has to have ``PER_CLASS`` for that.
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
    return _of_averages(_of_parts(frame, ordered.sort("_figure", maintain_order=True).drop("_figure"), k), k)


def _of_parts(exact: pl.DataFrame, shown: pl.DataFrame, k: int) -> pl.DataFrame:
    """Hide more of what is shown: of the parts of each figure of a segment, by windows, a block as of segments."""
    cell = [*_FIGURE, "segment", "start", "end"]
    gone = []
    parted = exact.filter(pl.col("part").is_not_null())
    for _, own in parted.group_by("metric", "feature", "segment", "as_of", maintain_order=True):
        windows = own.select("start", "end").unique(maintain_order=True).with_row_index("_column")
        rows = _rows_of(own)
        placed = own.join(rows, on="part", how="left", maintain_order="left")
        placed = placed.join(
            windows, on=["start", "end"], how="left", maintain_order="left", nulls_equal=True
        )
        row, column = placed["_row"].to_numpy(), placed["_column"].to_numpy()
        counts = np.zeros((int(row.max()) + 1, windows.height), dtype=np.int64)
        counts[row, column] = _counts(own)
        gone.append(own.select(cell).filter(pl.Series(hidden_in_table(counts, k)[row, column])))
    if not gone:
        return shown
    marked = pl.concat(gone).unique().with_columns(_marked=True)
    found = shown.join(marked, on=cell, how="left", maintain_order="left", nulls_equal=True)["_marked"]
    return _hide(shown, found.fill_null(False).to_numpy(), k)


def _rows_of(own: pl.DataFrame) -> pl.DataFrame:
    """The row of the table that each part is in: cells of a confusion matrix have those of their label together."""
    parts = own.select("part").unique(maintain_order=True).with_row_index("_row")
    if own["metric"][0] != "confusion":
        return parts
    return parts.with_columns(pl.col("_row") // math.isqrt(parts.height))


def _of_averages(shown: pl.DataFrame, k: int) -> pl.DataFrame:
    place = ["segment", "start", "end", "as_of"]
    small = shown.filter(
        pl.col("metric").is_in(PER_CLASS) & pl.col("reason").eq_missing(SUPPRESSED.format(k=k))
    )
    if small.is_empty():
        return shown
    marked = small.select(place).unique().with_columns(_marked=True)
    found = shown.join(marked, on=place, how="left", maintain_order="left", nulls_equal=True)["_marked"]
    return _hide(shown, (found.fill_null(False) & shown["metric"].is_in(AVERAGED)).to_numpy(), k)


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
    """The rows that each figure tells of: of a share of labels those with the label, whose number it is."""
    n: np.ndarray = own["n"].fill_null(0).to_numpy().astype(np.int64)
    if own["metric"][0] != "support_per_class":
        return n
    labels: np.ndarray = np.rint(own["value"].fill_null(0.0).to_numpy() * n).astype(np.int64)
    return labels


def _hide(own: pl.DataFrame, hidden: np.ndarray, k: int) -> pl.DataFrame:
    gone = pl.Series("_gone", hidden, dtype=pl.Boolean)
    return own.with_columns(
        *(pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in _HIDDEN),
        pl.when(gone).then(pl.lit(SUPPRESSED.format(k=k))).otherwise(pl.col("reason")).alias("reason"),
        pl.when(gone).then(None).otherwise(pl.col("note")).alias("note"),
    )
