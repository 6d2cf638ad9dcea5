"""Two versions by their rows: on the same rows (shadow), or on different ones that hang together by a unit (a user)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from vedette.engine.columns import category_texts, numbers
from vedette.engine.comparing.counted import Both
from vedette.engine.comparing.looks import Seen, nothing
from vedette.engine.comparing.naming import DISAGREEMENT, MEAN_LATENCY, Named
from vedette.engine.segments import labelled_rows, rows_of
from vedette.engine.summarise import outcomes, row_weights, window_starts
from vedette.engine.view import View
from vedette.lake.rows import label_text, variants
from vedette.lake.tables import UTC
from vedette.strategy.versions import Estimates, PairedRates

__all__ = ["BY_ROWS", "of_pairs", "of_units"]

BY_ROWS = frozenset({"accuracy", "error_rate", "mae", "mean", MEAN_LATENCY, DISAGREEMENT})
"""Figures that are the mean of something that each row has."""

_LABELLED = frozenset({"accuracy", "mae"})
_SHARES = frozenset({"accuracy", "error_rate"})
LOOKS = 40
"""Looks at which units are added up."""


def of_pairs(seen: View, figure: Named, both: Both) -> Seen:
    """A figure of two versions on rows that both answered: those with the same ``id``."""
    rows = _rows(seen, figure, both, ())
    if isinstance(rows, str):
        return nothing(rows)
    one, other = (
        rows.filter(pl.col("version") == version)
        .sort("received")
        .unique("id", keep="first", maintain_order=True)
        for version in both.versions
    )
    pairs = one.join(other, on="id", suffix="_other")
    if figure.metric == DISAGREEMENT:
        pairs = pairs.with_columns(
            pl.lit(0.0).alias("_x"),
            (pl.col("_text") != pl.col("_text_other")).cast(pl.Float64).alias("_x_other"),
        )
    pairs = pairs.filter(pl.col("_x").is_finite() & pl.col("_x_other").is_finite())
    if pairs.is_empty():
        return nothing(
            "no row has an id that both versions answered" + (", and a label" * (figure.metric in _LABELLED))
        )
    if row_weights(pairs) is not None:
        return nothing("rows were sampled: pairs of them are not compared")
    pairs = pairs.with_columns(pl.max_horizontal("_when", "_when_other").alias("_when")).sort("_when")
    x, y = pairs["_x"].to_numpy(), pairs["_x_other"].to_numpy()
    n = (pairs.height, pairs.height)
    champion, challenger = float(x.mean()), float(y.mean())
    if figure.metric in (*_SHARES, DISAGREEMENT):
        at = window_starts(pairs["_when"], seen.shape.window_us)
        _, look = np.unique(at, return_inverse=True)
        only, other_only, every = (
            np.bincount(look, weights=part).astype(np.int64) for part in (x > y, y > x, np.ones(len(x)))
        )
        apart = figure.metric == DISAGREEMENT  # which neither version has of its own
        looks = PairedRates(only, other_only, every)
        return Seen(looks, None if apart else champion, None if apart else challenger, n, proved=True)
    count = np.arange(1, len(x) + 1)
    mean = np.cumsum(y - x) / count
    spread = np.sqrt(np.maximum(np.cumsum((y - x) ** 2) / count - mean**2, 0.0) / np.maximum(count - 1, 1))
    kept = np.unique(np.linspace(0, len(x) - 1, 400).round().astype(np.int64))
    return Seen(Estimates(mean[kept], spread[kept], count[kept].astype(np.float64)), champion, challenger, n)


def of_units(seen: View, figure: Named, both: Both, unit: str) -> Seen:
    """A figure of two versions whose traffic is split by a unit: units are independent of each other, their rows are not.

    The mean of the rows is a ratio of sums over units, with the variance that these show (the delta method of cluster
    sampling; Deng, Knoblich and Lu 2018, "Applying the delta method in metric analytics", KDD).
    """
    rows = _rows(seen, figure, both, (unit,))
    if isinstance(rows, str):
        return nothing(rows)
    if not variants(rows.columns, unit):
        raise ValueError(f"unit={unit!r}: the model has no such column")
    if row_weights(rows) is not None:
        return nothing("rows were sampled: they are not compared by a unit")
    rows = rows.with_columns(category_texts(rows, unit).alias("_unit"))
    rows = rows.filter(pl.col("_x").is_finite() & pl.col("_unit").is_not_null()).sort("_when")
    cuts = np.unique(np.linspace(0, rows.height, LOOKS + 1).round().astype(np.int64))[1:]
    sides = []
    for version in both.versions:
        own = (rows["version"] == version).to_numpy()
        if not own.any():
            return nothing(f"no row of version {version} has {unit} and what {figure.text} is of")
        sides.append(_of_clusters(rows, own, cuts))
    (mean_a, var_a, n_a), (mean_b, var_b, n_b) = sides
    looks = Estimates(mean_b - mean_a, np.sqrt(var_a + var_b), np.minimum(n_a, n_b))
    counted = [int((rows["version"] == version).sum()) for version in both.versions]
    return Seen(looks, float(mean_a[-1]), float(mean_b[-1]), (counted[0], counted[1]))


def _of_clusters(
    rows: pl.DataFrame, own: np.ndarray, cuts: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the rows, its variance, and the units, over all rows before each cut."""
    codes = rows["_unit"].cast(pl.Categorical).to_physical().to_numpy()
    x = rows["_x"].to_numpy()
    size = int(codes.max()) + 1
    sums, counts = np.zeros(size), np.zeros(size)
    out = np.full((3, len(cuts)), np.nan)
    begin = 0
    for at, end in enumerate(cuts):
        some = np.flatnonzero(own[begin:end]) + begin
        sums += np.bincount(codes[some], weights=x[some], minlength=size)
        counts += np.bincount(codes[some], minlength=size)
        begin = int(end)
        units = int((counts > 0).sum())
        if units > 1:
            mean = sums.sum() / counts.sum()
            off = (sums - mean * counts)[counts > 0]
            out[:, at] = mean, units / (units - 1) * (off**2).sum() / counts.sum() ** 2, units
    out[2] = np.nan_to_num(out[2])
    return out[0], out[1], out[2]


def _rows(seen: View, figure: Named, both: Both, beside: Sequence[str]) -> pl.DataFrame | str:
    """The rows of the two versions with ``_x``, what the figure is the mean of, and ``_when``, when it was known; else why
    there are none."""
    window_us = seen.shape.window_us
    start = pl.from_epoch(pl.col("time").dt.epoch("us") // window_us * window_us, "us").dt.replace_time_zone(
        "UTC"
    )
    within = pl.col("version").is_in(both.versions) & (pl.col("time") >= both.first)
    within &= start.is_in(pl.Series(both.starts, dtype=UTC).implode())
    wanted = {MEAN_LATENCY: MEAN_LATENCY, "mean": figure.feature or "prediction"}.get(
        figure.metric, "prediction"
    )
    rows = rows_of(seen, "predictions", [wanted, "prediction", *beside], within)
    if rows.is_empty():
        return "no rows"
    if figure.metric not in _LABELLED:
        rows = rows.with_columns(pl.col("received").alias("_when"))
        if figure.metric == DISAGREEMENT:
            return rows.with_columns(label_text(rows, "prediction").alias("_text"), pl.lit(0.0).alias("_x"))
        if figure.metric == "error_rate":
            return rows.with_columns(label_text(rows, "prediction").is_null().cast(pl.Float64).alias("_x"))
        if not variants(rows.columns, wanted):
            raise ValueError(f"{figure.text}: the model has no column {wanted!r}")
        values, there = numbers(rows, wanted)
        return rows.with_columns(pl.Series("_x", np.where(there, values, np.nan)))
    rows = labelled_rows(seen, rows, within, pl.lit(True), tuple(beside))
    if rows.is_empty():
        return "no labels have come"
    # of labels that were corrected the last
    rows = rows.filter(pl.col("_sign") > 0).sort("_known")
    rows = rows.unique(["version", "id"], keep="last", maintain_order=True).with_columns(
        pl.col("_known").alias("_when")
    )
    if figure.metric == "accuracy":
        label, prediction = label_text(rows, "label"), label_text(rows, "prediction")
        return rows.with_columns((label == prediction).cast(pl.Float64).alias("_x"))
    value, predicted = outcomes(rows)
    return rows.with_columns(pl.Series("_x", np.abs(predicted - value)))
