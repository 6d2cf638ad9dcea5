"""Rows of a span of a model's life for what needs rows and not summaries: a bounded number of them, evenly from all over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.engine.segments import rows_of
from vedette.engine.view import View

__all__ = ["DRAWN_ROWS", "STRETCH_ROWS", "Side", "side_of"]

DRAWN_ROWS = 4096  # as many as a report of two files draws
STRETCH_ROWS = 4000  # that follow each other: they tell how far rows depend on each other
POOL_ROWS = (
    16 * DRAWN_ROWS
)  # of which every 16th in order of time is drawn: chance places would lie too close together
_KEY = ("_producer", "_sequence")
_ORDER = ("time", *_KEY)


@dataclass(frozen=True, slots=True)
class Side:
    """Of the ``n`` rows of a span those ``drawn`` from all over it, in order of time; and its first rows, one after another."""

    n: int
    drawn: pl.DataFrame
    stretch: pl.DataFrame

    @property
    def apart(self) -> float:
        """How many rows lie between one drawn row and the next."""
        return max(1.0, self.n / max(self.drawn.height, 1))


def side_of(seen: View, columns: Sequence[str], since: datetime, until: datetime) -> Side:
    """The rows of a model with event times from ``since`` to before ``until``, fresh ones included, each once.

    However many rows there are, no more than their times and names are gone through, a part at a time; 65,536 names and 4,096
    rows are held. Which they are depends on nothing but the rows. Of rows that a sampler kept by chance each is drawn by
    the number of rows that it stands for, so that those drawn are like all there were; there may be fewer of them.
    """
    within = (pl.col("time") >= since) & (pl.col("time") < until)
    names = _names(seen).filter(within)
    weight = pl.col("_weight")
    n, total, most = (
        names.select(pl.len(), weight.sum().alias("total"), weight.max().alias("most"))
        .collect(engine="streaming")
        .row(0)
    )
    if not n:
        none = rows_of(seen, "predictions", columns, within & pl.lit(False))
        return Side(0, none, none)
    chance = min(POOL_ROWS / total, 1 / most)
    pool = (
        names.filter(pl.col("_hash") / 2.0**64 < chance * weight)
        .select(*_ORDER, "_hash")
        .collect(engine="streaming")
        .sort(_ORDER)
    )
    places = np.linspace(0, max(pool.height - 1, 0), min(pool.height, DRAWN_ROWS)).round().astype(np.int64)
    drawn = pool["_hash"].gather(places)
    reached = pool["time"].head(
        max(1, -(-2 * STRETCH_ROWS * pool.height // n))
    )  # twice: the pool tells it by chance
    first = names.filter(pl.col("time") <= reached.max()) if pool.height else names
    stretch = first.select(*_ORDER, "_hash").bottom_k(STRETCH_ROWS, by=list(_ORDER))
    following = stretch.collect(engine="streaming")["_hash"]
    wanted = pl.concat([drawn, following]).unique()
    rows = rows_of(seen, "predictions", columns, within & _hash().is_in(wanted.implode())).sort(_ORDER)
    told = rows.select(_hash().alias("_hash")).to_series()
    return Side(n, rows.filter(told.is_in(drawn.implode())), rows.filter(told.is_in(following.implode())))


def _hash() -> pl.Expr:
    """A number of 64 bits by which rows are drawn: the same for a row wherever it lies."""
    return pl.struct(_KEY).hash(seed=20261128)


def _names(seen: View) -> pl.LazyFrame:
    """The time, name and weight of every row, those of the lake and those still in the journals."""
    fresh, table = seen.fresh.predictions, seen.tables["predictions"]

    def of(rows: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
        kept = pl.col("inclusion").cast(pl.Float64).fill_null(1.0) if "inclusion" in columns else pl.lit(1.0)
        return rows.select(*_ORDER, _hash().alias("_hash"), (1 / kept).alias("_weight"))

    old = of(table.scan(), list(table.columns()))
    if fresh.is_empty():
        return old
    return pl.concat(
        [old.join(fresh.lazy().select(_KEY), on=list(_KEY), how="anti"), of(fresh.lazy(), fresh.columns)]
    )
