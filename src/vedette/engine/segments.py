"""Figures by segment: counted from the rows themselves, on the same grids and by the same counting as the summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from vedette.engine.columns import category_texts, codes
from vedette.engine.direction_columns import feature_of
from vedette.engine.outputs import is_structured, spread
from vedette.engine.query import Span
from vedette.engine.segment_names import SEGMENTS_MAX, shown
from vedette.engine.summarise import (
    LABELLED,
    SCORES,
    row_weights,
    summarise_column,
    summarise_levels,
)
from vedette.engine.view import Cells, View
from vedette.lake.rows import base_of, matches, variants
from vedette.records import in_order
from vedette.statistics.grid import Grid
from vedette.statistics.hashes import KEPT, by_window

__all__ = ["Segments", "labelled_rows", "rows_of"]

_COUNTS_MAX = 2**22
"""Counts of windows that are held at once: 32 MB."""


class Segments:
    """The rows of a view by segment and window, each row read once.

    ``by`` are one column or two; their values, sorted, are the segments: ``a=x``, ``a=x, b=y``; ``a=null`` are the rows
    without a value, ``a="null"`` those with that text. Raises ``ValueError`` where there is no such column, or where it
    has more values than there are segments.
    """

    def __init__(self, seen: View, by: Sequence[str], span: Span, grids: Mapping[str, Grid]) -> None:
        asked = pl.col("time") < span.as_of if span.as_of is not None else pl.lit(True)
        within = _within(span) & asked
        wanted = {feature_of(one) for one in grids}
        scored = SCORES in grids  # read off predictions and probabilities
        settings = seen.shape.settings
        if is_structured(settings) and "prediction" in by:
            raise ValueError(
                f"by='prediction': of task {settings.task!r} it is no single value; name a feature"
            )
        read = ["prediction"] if is_structured(settings) else []
        rows = rows_of(seen, "predictions", [*by, *wanted, *read], within)
        for name in by:
            if not variants(rows.columns, name):
                columns = dict.fromkeys(
                    [*seen.tables["predictions"].columns(), *seen.fresh.predictions.columns]
                )
                names = ", ".join(column for column in columns if not column.startswith("_"))
                raise ValueError(f"by={name!r}: the model has no such column; it has {names}")
        if len(by) > 2:
            raise ValueError(f"by={list(by)!r}: must be one column or two")
        segment, self.names = _segments(rows, by)
        rows = rows.with_columns(pl.Series("_segment", segment, dtype=pl.Int64))
        matched = rows.clear()
        if LABELLED & set(grids):
            matched = labelled_rows(seen, rows, within, asked)
        rows = spread(rows, settings)
        kept = [
            "time",
            "_segment",
            *({"inclusion"} & set(rows.columns)),
            *(one for one in rows.columns if base_of(one) in wanted or (scored and _of_scores(one))),
        ]
        rows = rows.select(list(dict.fromkeys(kept)))
        first_us = seen.extent[0] if seen.extent is not None else 0
        self.starts, at = np.unique(span.starts(rows["time"], first_us), return_inverse=True)
        self.cells, index = np.unique(
            rows["_segment"].to_numpy() * len(self.starts) + at, return_inverse=True
        )
        weight = row_weights(rows)
        self.predictions = np.bincount(index, weights=weight, minlength=len(self.cells)).astype(np.float64)
        self.rows, self.index = _in_order(rows, index)
        if matched.height:
            at = np.searchsorted(self.starts, span.starts(matched["time"], first_us))
            index = np.searchsorted(self.cells, matched["_segment"].to_numpy() * len(self.starts) + at)
            self.labelled, self.index_of_labelled = _in_order(matched, index)
        else:
            self.labelled, self.index_of_labelled = matched, self.index[:0]

    def blocks(self, column: str, grid: Grid, *, hashes: bool) -> Iterator[Cells]:
        """The summaries of a column by segment and window, as many at once as memory is a small matter for."""
        if column not in LABELLED and not variants(self.rows.columns, feature_of(column)):
            return
        step = max(_COUNTS_MAX // grid.cells, 1)
        for begin in range(0, len(self.cells), step):
            yield self.part(column, grid, begin, min(begin + step, len(self.cells)), hashes=hashes)

    def part(self, column: str, grid: Grid, begin: int, end: int, *, hashes: bool = False) -> Cells:
        """The summaries of a column of the cells from one number up to another: those of a segment lie together."""
        told = column in LABELLED
        rows, index = (self.labelled, self.index_of_labelled) if told else (self.rows, self.index)
        cells = self.cells[begin:end]
        first, last = np.searchsorted(index, [begin, end])
        own, at = rows.slice(first, last - first), index[first:last] - begin
        levels, kept = None, KEPT if hashes else 0
        if row_weights(own) is None:
            summary = summarise_column(own, column, grid, at, len(cells), kept)
        else:
            levels = replace(summarise_levels(own, column, grid, at, len(cells), kept), of_all=False)
            summary = levels.kept
        segment, start = np.divmod(cells, len(self.starts))
        predictions = self.predictions[begin:end] if told else None
        return Cells(segment, self.starts[start], summary, levels, predictions)

    def spans(self) -> Iterator[tuple[str, int, int]]:
        """Each segment's name, and the numbers of its first cell and of the one after its last."""
        cuts = np.searchsorted(self.cells, np.arange(len(self.names) + 1) * len(self.starts)).tolist()
        yield from zip(self.names, cuts[:-1], cuts[1:], strict=True)


def _of_scores(column: str) -> bool:
    base = base_of(column)
    return base == "prediction" or base.startswith("probability")


def labelled_rows(
    seen: View, rows: pl.DataFrame, within: pl.Expr, asked: pl.Expr, beside: Sequence[str] = ()
) -> pl.DataFrame:
    """The rows that have a label, all labels new: by their rule from the start; with the features ``beside``.

    A label belongs to the first row with its id, which need not be one of those asked for.
    """
    ids = rows.lazy().select("id").drop_nulls().unique()
    elsewhere = rows_of(seen, "predictions", ["label"], ~within & asked, ids)
    every = pl.concat([rows, elsewhere], how="diagonal") if elsewhere.height else rows
    matched = matches(None, every, rows_of(seen, "labels", ["label"], asked, ids), beside)
    return matched.filter(within) if matched.height else matched


def rows_of(
    seen: View, stream: str, wanted: Sequence[str], kept: pl.Expr, ids: pl.LazyFrame | None = None
) -> pl.DataFrame:
    """The rows of a table and those that are still in the journals, each once, in the columns of the fields wanted.

    Only those for which ``kept`` holds, and of these ``ids`` where given.
    """
    fresh = seen.fresh.predictions if stream == "predictions" else seen.fresh.labels
    key = ["_producer", "_sequence"]
    own = {*key, "id", "version", "time", "received", "inclusion", *wanted}
    told = bool((LABELLED | {SCORES}) & own)  # labels are compared with predictions and probabilities

    def of(columns: Sequence[str]) -> list[str]:
        return [
            one
            for one in columns
            if base_of(one) in own
            or (told and (base_of(one) == "prediction" or one.startswith("probability")))
        ]

    def some(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(kept) if ids is None else rows.filter(kept).join(ids, on="id", how="semi")

    old = some(seen.tables[stream].scan().select(of(list(seen.tables[stream].columns()))))
    if fresh.is_empty():
        return old.collect()
    rest = old.join(fresh.lazy().select(key), on=key, how="anti").collect()
    return pl.concat([rest, some(fresh.lazy().select(of(fresh.columns))).collect()], how="diagonal")


def _within(span: Span) -> pl.Expr:
    kept = pl.lit(True)
    if span.version is not None:
        kept &= pl.col("version") == span.version
    if span.since is not None:
        kept &= pl.col("time") >= span.since
    if span.until is not None:
        kept &= pl.col("time") < span.until
    return kept


def _in_order(rows: pl.DataFrame, index: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows cell by cell, and the cell of each."""
    order = by_window(index, int(index.max(initial=0)) + 1)
    return rows[order], index[order]


def _segments(rows: pl.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The segment of each row by number, and the names of the segments, sorted by their values."""
    code = np.zeros(rows.height, dtype=np.int64)
    names = [""]
    for column in by:
        _check_few(rows, column)
        texts = category_texts(rows, column)
        levels = in_order(texts.drop_nulls().unique().to_list())
        own = codes(texts, levels)[0].astype(np.int64)
        own[own < 0] = len(levels)  # missing: last
        told = [*map(shown, levels), shown(None)]
        present, code = np.unique(code * len(told) + own, return_inverse=True)
        pairs = (divmod(place, len(told)) for place in present.tolist())
        names = [
            f"{names[before]}{', ' if names[before] else ''}{column}={told[one]}" for before, one in pairs
        ]
    if len(names) > SEGMENTS_MAX:
        raise ValueError(
            f"by={list(by)!r}: {len(names):,} pairs of values; at most {SEGMENTS_MAX:,} segments are shown"
        )
    return code, names


def _check_few(rows: pl.DataFrame, column: str) -> None:
    """Raise ``ValueError`` where a column has too many values to be segments, or holds vectors."""
    own = [rows[name] for name in variants(rows.columns, column)]
    own = [one for one in own if not isinstance(one.dtype, pl.List)]
    if not own:
        raise ValueError(f"by={column!r}: holds vectors: must be a column of single values")
    n = sum(one.n_unique() for one in own)
    if n <= SEGMENTS_MAX:
        return
    if any(one.dtype.is_float() for one in own):
        right = f"log a column of its bands beside it, such as {column} // 10, or a text"
    else:
        right = "is it an identifier?"
    raise ValueError(
        f"by={column!r}: has {n:,} values; at most {SEGMENTS_MAX:,} segments are shown ({right})"
    )
