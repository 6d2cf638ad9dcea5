"""Whose rows came when: the windows in which two versions can be compared, and whether traffic was split as it was set."""

from __future__ import annotations

import numpy as np
import polars as pl

from vedette.config.comparing import CompareSettings
from vedette.engine.comparing.counted import Both
from vedette.engine.summarise import LABELLED
from vedette.engine.view import View
from vedette.strategy.versions import mismatch

__all__ = ["both_of", "labelled_of", "predictions_of", "rows_within", "split_of"]

MISMATCH_ALPHA = 0.001
"""How often a split that is as it was set may be called another one, whenever one looks."""


def rows_within(both: Both, version: str) -> pl.Expr:
    """The rows of a version in the windows in which both have rows."""
    return (pl.col("version") == version) & both.within()


def predictions_of(seen: View, settings: CompareSettings) -> pl.DataFrame:
    """The rows of the two versions by window."""
    rows = seen.summaries.filter(
        (pl.col("part") == "live")
        & (pl.col("column") == "prediction")
        & (pl.col("segment") == "")
        & pl.col("version").is_in([settings.champion, settings.challenger])
    )
    if settings.since is not None:
        rows = rows.filter(pl.col("start") >= settings.since)
    by = rows.group_by("version", "start").agg((pl.col("rows") * pl.col("weight")).sum().alias("rows"))
    return by.sort("start", "version")


def both_of(told: pl.DataFrame, settings: CompareSettings) -> Both | None:
    """The windows in which both have rows; None where there is none."""
    versions = settings.champion, settings.challenger
    starts = [
        set(told.filter((pl.col("version") == one) & (pl.col("rows") > 0))["start"]) for one in versions
    ]
    common = tuple(sorted(starts[0] & starts[1]))
    return Both(versions, common) if common else None


def split_of(told: pl.DataFrame, both: Both, settings: CompareSettings) -> tuple[str | None, bool]:
    """Whether traffic is split by the shares that were set, in words; of mode shadow both have all of it, and rows of one unit
    go the same way together, so that they say less than so many."""
    if not settings.shares or settings.mode == "shadow" or settings.unit is not None:
        return None, False
    wide = told.filter(pl.col("start").is_between(both.first, both.last)).pivot(
        on="version", index="start", values="rows"
    )
    n = wide.sort("start").select(both.versions).fill_null(0).to_numpy()
    shares = np.array([settings.shares[version] for version in both.versions])
    evidence = mismatch(n, shares / shares.sum())
    came = n[:, 1].sum() / max(n.sum(), 1.0)
    asked = shares[1] / shares.sum()
    wrong = bool((evidence > -np.log(MISMATCH_ALPHA)).any())
    words = f"{came:.2%} of the rows went to version {both.versions[1]}, where {asked:.2%} was set"
    return (f"{words}: not by chance" if wrong else words), wrong


def labelled_of(seen: View, both: Both, rows: dict[str, int]) -> dict[str, float | None]:
    """The share of the rows of each version whose label is known; None of a model whose labels never came."""
    of_labels = seen.summaries.filter(both.keep() & pl.col("column").is_in(sorted(LABELLED)))
    if of_labels.is_empty():
        return dict.fromkeys(both.versions)
    counted = of_labels.group_by("version").agg((pl.col("rows") * pl.col("weight")).sum().alias("n"))
    known = dict(counted.iter_rows())
    return {version: float(known.get(version, 0.0)) / max(rows[version], 1) for version in both.versions}
