"""Predictions and labels put together by id, however late, once each.

The rule: within a version, a label belongs to the first prediction that was received with its id; of several labels
for an id the one known last counts (of two known at the same time, the one received last). A label that changes what
was counted before therefore takes one row away and adds one: every count stays a sum.
"""

from __future__ import annotations

import polars as pl

from vedette.lake.frames import class_names
from vedette.lake.tables import UTC, ModelTables
from vedette.records import Physical

__all__ = ["base_of", "label_text", "matches", "variants"]

_KEY = ["_producer", "_sequence"]
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


def matches(tables: ModelTables | None, predictions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """What these new predictions and labels change in the set of labelled predictions, as signed rows.

    ``tables`` hold what was counted before (None: nothing was). Both frames are new: not counted before, whether or
    not the tables hold them by now. Returns the columns of the predictions with ``label`` and its further types,
    ``_known`` (when the label was known) and ``_sign`` (+1 a row to count, -1 a row that was counted under a label that
    no longer holds).
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
        parts = (
            [new.lazy().join(wanted.lazy(), on="id", how="semi").with_columns(_new=pl.lit(True))]
            if not new.is_empty()
            else []
        )
        if old is not None:
            parts.insert(0, old.join(wanted.lazy(), on="id", how="semi").with_columns(_new=pl.lit(False)))
        return pl.concat([part.collect() for part in parts], how="diagonal") if parts else pl.DataFrame()

    rows = touched(predictions, old_predictions)
    if rows.is_empty():
        return pl.DataFrame()
    first = rows.sort("_new", "received", *_KEY).unique(["version", "id"], keep="first", maintain_order=True)
    truth = touched(labels, old_labels).sort("time", "received", *_KEY)
    value = variants(truth.columns, "label")
    truth = truth.select("id", *value, pl.col("time").alias("_known"), "_new").filter(
        pl.any_horizontal(pl.col(value).is_not_null())
    )
    after = first.join(
        truth.drop("_new").unique("id", keep="last", maintain_order=True), on="id", how="inner"
    )
    before = first.filter(~pl.col("_new")).join(
        truth.filter(~pl.col("_new")).drop("_new").unique("id", keep="last", maintain_order=True),
        on="id",
        how="inner",
    )
    # The same label again, or an older one, changes nothing.
    after = after.with_columns(label_text(after, "label").alias("_text"))
    before = before.with_columns(label_text(before, "label").alias("_text"))
    same = ["version", "id", "_text"]
    added = after.join(before.select(same), on=same, how="anti").with_columns(_sign=pl.lit(1, pl.Int64))
    gone = before.join(after.select(same), on=same, how="anti").drop("_known")
    taken = gone.join(
        added.select("version", "id", "_known"), on=["version", "id"], how="inner"
    ).with_columns(_sign=pl.lit(-1, pl.Int64))
    changed: pl.DataFrame = pl.concat([added, taken], how="diagonal")
    return changed.drop("_text", "_new").with_columns(pl.col("_known").cast(UTC))


def _others(tables: ModelTables | None, stream: str, new: pl.DataFrame) -> pl.LazyFrame | None:
    """The rows that a table holds besides the new ones."""
    if tables is None or tables[stream].snapshot() is None:
        return None
    rows = tables[stream].scan()
    return rows if new.is_empty() else rows.join(new.lazy().select(_KEY), on=_KEY, how="anti")
