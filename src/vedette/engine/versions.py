"""The versions of a model as what was deployed: when each came, and its part of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from vedette.lake.events import settings_of
from vedette.lake.tables import ModelTables

__all__ = ["Deployed", "newest_version", "versions_of"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A version with rows: its first window, the end of its last, its rows, and their share of all rows between the two."""

    version: str
    first: datetime
    last: datetime
    rows: int
    share: float


def versions_of(tables: ModelTables) -> list[Deployed]:
    """The versions of a model with rows, the newest first."""
    rows = _predictions(tables).group_by("version", "start").agg(pl.col("rows").sum()).sort("start").collect()
    by = (
        rows.group_by("version")
        .agg(pl.col("start").min().alias("first"), pl.col("start").max().alias("last"), pl.col("rows").sum())
        .sort("first", "last", "version", descending=True)
    )
    width = timedelta(seconds=settings_of(tables).window_s)
    found = []
    for one in by.iter_rows(named=True):
        beside = rows.filter(pl.col("start").is_between(one["first"], one["last"]))["rows"].sum()
        found.append(
            Deployed(
                one["version"], one["first"], one["last"] + width, one["rows"], one["rows"] / max(1, beside)
            )
        )
    return found


def newest_version(tables: ModelTables) -> str | None:
    """The version whose predictions came last, None where none came; labels that come late are no news of theirs."""
    last = _predictions(tables).sort("arrival", "known", "start").tail(1).select("version").collect()
    return None if last.is_empty() else str(last.item())


def _predictions(tables: ModelTables) -> pl.LazyFrame:
    of_all = (pl.col("part") == "live") & (pl.col("column") == "prediction") & (pl.col("segment") == "")
    return tables["summaries"].scan().filter(of_all)
