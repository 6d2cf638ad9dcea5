"""Predictions and labels put together by id, however late, once each.

The rule: within a version, a label belongs to the first prediction that was received with its id; of several labels
for an id the one known last counts (of two known at the same time, the one received last). What was known at a moment
is decided by the labels known by then, whenever they were received. A label that changes what was counted before
therefore takes rows away and adds some, each at the moment it was known: every count stays a sum.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import polars as pl

from vedette.lake.classes import class_names
from vedette.lake.tables import UTC, ModelTables
from vedette.records import Physical

__all__ = ["base_of", "label_text", "matches", "variants"]

_KEY = ["_producer", "_sequence"]
_COMPARED = frozenset({"id", "version", "time", "received", "prediction", "label", "inclusion"})
_PHYSICALS = frozenset(physical.value for physical in Physical)


def variants(columns: list[str], base: str) -> list[str]:
    """The columns that hold a field: its own and those of its further types, the first type first."""
    return [name for name in columns if base_of(name) == base]


def base_of(column: str) -> str:
    """The field that a column of the lake belongs to: ``x`` for ``x`` and for its further types, ``x__int64``."""
    base, _, kind = column.rpartition("__")
    return base if base and kind in _PHYSICALS else column


def label_text(frame: pl.DataFrame, base: str) -> pl.Series:
    """The class names of a field over the columns of all its types, null where none has a value."""
    names = variants(frame.columns, base)
    if not names:
        return pl.Series(base, [None] * frame.height, dtype=pl.String)
    texts = [class_names(frame[name]).rename(name) for name in names]
    return pl.select(pl.coalesce(texts).alias(base)).to_series()


def matches(
    tables: ModelTables | None,
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    beside: Collection[str] = (),
) -> pl.DataFrame:
    """What these new predictions and labels change in the set of labelled predictions, as signed rows.

    ``tables`` hold what was counted before (None: nothing was). Both frames are new: not counted before, whether or
    not the tables hold them by now. Returns the columns of the predictions that labels are compared with (what the
    model gave, of its features only those ``beside``), with ``label`` and its further types, ``_known`` (when the
    label was known) and ``_sign`` (+1 a row to count, -1 a row that was counted under a label that no longer holds).
    """
    if labels.is_empty() and predictions.is_empty():
        return pl.DataFrame()
    old_labels = _others(tables, "labels", labels)
    if labels.is_empty() and old_labels is None:
        return pl.DataFrame()
    old_predictions = _others(tables, "predictions", predictions)
    ids = labels.lazy().select("id") if not labels.is_empty() else pl.LazyFrame(schema={"id": pl.String})
    if old_labels is not None and not predictions.is_empty():
        early = old_labels.select("id").join(predictions.lazy().select("id"), on="id", how="semi")
        ids = pl.concat([ids, early])
    wanted: pl.DataFrame = ids.drop_nulls().unique().collect()
    if wanted.is_empty():
        return pl.DataFrame()

    def touched(new: pl.DataFrame, old: pl.LazyFrame | None) -> pl.DataFrame:
        frames = [] if old is None else [old.with_columns(_new=pl.lit(False))]
        frames += [] if new.is_empty() else [new.lazy().with_columns(_new=pl.lit(True))]
        kept = [
            one.select(_compared(one, beside)).join(wanted.lazy(), on="id", how="semi").collect()
            for one in frames
        ]
        return pl.concat(kept, how="diagonal") if kept else pl.DataFrame()

    rows = touched(predictions, old_predictions)
    if rows.is_empty():
        return pl.DataFrame()
    first = _one_of_each(rows, ["version", "id"], ["_new", "received", *_KEY], keep="first")
    truth = touched(labels, old_labels)
    value = variants(truth.columns, "label")
    truth = truth.filter(pl.any_horizontal(pl.col(value).is_not_null()))

    after = first.join(_steps(truth, value), on="id", how="inner")
    old_first = first.filter(~pl.col("_new"))
    before = old_first.join(_steps(truth.filter(~pl.col("_new")), value), on="id", how="inner")
    if before.is_empty():  # nothing was counted yet that could change
        return after.drop("_text", "_new").with_columns(pl.col("_known").cast(UTC))
    both = pl.concat([after, before.with_columns(-pl.col("_sign"))], how="diagonal")
    return _net(both).drop("_text", "_new").with_columns(pl.col("_known").cast(UTC))


def _steps(labels: pl.DataFrame, value: Sequence[str]) -> pl.DataFrame:
    """What was known of each id, as steps: a label at the moment from which it held (+1), and at that at which it was
    replaced (-1).
    """
    kept = labels.select("id", *value, pl.col("time").alias("_known"), "received", *_KEY)
    kept = kept.with_columns(label_text(kept, "label").alias("_text"))
    wanted = ["id", *value, "_text", "_known", "_sign"]
    if kept["id"].n_unique() == kept.height:
        return kept.with_columns(_sign=pl.lit(1, pl.Int64)).select(wanted)
    kept = kept.sort("id", "_known", "received", *_KEY)
    again = (pl.col("id") == pl.col("id").shift(1)) & (pl.col("_text") == pl.col("_text").shift(1))
    kept = kept.filter(~again.fill_null(False))  # the same label again says nothing new
    follows = pl.col("id") == pl.col("id").shift(-1)
    kept = kept.with_columns(pl.when(follows).then(pl.col("_known").shift(-1)).alias("_end"))
    gone = kept.filter(pl.col("_end").is_not_null()).with_columns(pl.col("_end").alias("_known"))
    steps = [kept.with_columns(_sign=pl.lit(1, pl.Int64)), gone.with_columns(_sign=pl.lit(-1, pl.Int64))]
    return pl.concat([one.select(wanted) for one in steps])


def _net(steps: pl.DataFrame) -> pl.DataFrame:
    """Steps of one label of a row at one moment, added up: a row for each that is left."""
    same = ["version", "id", "_text", "_known"]
    net = steps.with_columns(pl.col("_sign").sum().over(same).alias("_sign"))
    left = net.unique(same, keep="first", maintain_order=True).filter(pl.col("_sign") != 0)
    each = left.with_columns(
        pl.col("_sign").sign(), pl.lit(1).repeat_by(pl.col("_sign").abs()).alias("_times")
    )
    return each.explode("_times").drop("_times")


def _compared(rows: pl.LazyFrame, beside: Collection[str]) -> list[str]:
    """The columns of rows that say what they are and what the model, or the truth, was; and those beside."""
    names = rows.collect_schema().names()
    kept = _COMPARED | set(beside)
    return [name for name in names if name.startswith(("_", "probability")) or base_of(name) in kept]


def _one_of_each(
    rows: pl.DataFrame, key: Sequence[str], order: Sequence[str], *, keep: Literal["first", "last"]
) -> pl.DataFrame:
    """The first or the last row of each key; sorted only where a key comes twice, which is seldom."""
    several = [name for name in key if name == "id" or rows[name].n_unique() > 1]
    if (
        rows.select(pl.struct(several).n_unique() if len(several) > 1 else pl.col("id").n_unique()).item()
        == rows.height
    ):
        return rows
    return rows.sort(order).unique(key, keep=keep, maintain_order=True)


def _others(tables: ModelTables | None, stream: str, new: pl.DataFrame) -> pl.LazyFrame | None:
    """The rows that a table holds besides the new ones."""
    if tables is None or tables[stream].snapshot() is None:
        return None
    rows = tables[stream].scan()
    return rows if new.is_empty() else rows.join(new.lazy().select(_KEY), on=_KEY, how="anti")
