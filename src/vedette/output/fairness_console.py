"""Fairness by group for a terminal, or as one JSON document."""

from __future__ import annotations

import polars as pl

from vedette.output.console import print_figures, print_json

__all__ = ["print_fairness"]


def print_fairness(frame: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print what ``Monitor.fairness`` returns, one row each: the groups compared in brackets, ``widest`` over all."""
    if as_json:
        print_json({"fairness": frame.to_dicts()})
        return
    between = (
        pl.when(pl.col("metric").str.ends_with("_ratio")).then(pl.lit(" over ")).otherwise(pl.lit(" less "))
    )
    groups = pl.when(pl.col("group").is_null()).then(pl.lit("widest"))
    print_figures(
        frame.with_columns(
            groups.otherwise(pl.concat_str("group", between, "other")).alias("segment"),
            pl.coalesce("reason", "note").alias("reason"),
            pl.lit(None, pl.String).alias("feature"),
        )
    )
