"""How well two spans of a model's rows can be told apart, for a terminal or as one JSON document."""

from __future__ import annotations

import polars as pl

from vedette.output.console import print_figures, print_json

__all__ = ["print_domain"]


def print_domain(frame: pl.DataFrame, *, as_json: bool = False) -> None:
    """Print what ``Monitor.domain`` returns: the area, then the columns by what they tell; each against which span."""
    if as_json:
        print_json({"domain": frame.to_dicts()})
        return
    ends = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M") for name in ("against_start", "against_end")]
    chance = pl.when(pl.col("p_value") < 0.0001).then(pl.lit("p < 0.0001"))
    said = chance.otherwise(pl.format("p = {}", pl.col("p_value").round(4)))
    print_figures(
        frame.with_columns(
            pl.when(pl.col("feature").is_null())
            .then(pl.format("against {} to {}", *ends))
            .otherwise(pl.lit(""))
            .alias("segment"),
            pl.coalesce("reason", pl.concat_str([said, "note"], separator="; ", ignore_nulls=True)).alias(
                "reason"
            ),
            pl.lit(None, pl.String).alias("part"),
        )
    )
