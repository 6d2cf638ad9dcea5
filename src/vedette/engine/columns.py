"""Columns of rows as arrays: numbers, codes of levels, and scores, over all types that a field has had."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from vedette.lake.classes import class_names, scores_of
from vedette.lake.rows import base_of, variants

__all__ = ["category_texts", "codes", "first_type", "numbers", "scores"]


def first_type(frame: pl.DataFrame, column: str) -> pl.DataType | None:
    """The type of a field's first column in a frame; None where it has none."""
    names = variants(frame.columns, column)
    return frame.schema[names[0]] if names else None


def numbers(frame: pl.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Values (float64) and presence of a numeric column over its numeric types; other types count as missing."""
    names = [name for name in variants(frame.columns, column) if frame.schema[name].is_numeric()]
    if not names:
        return np.zeros(frame.height), np.zeros(frame.height, dtype=bool)
    series = pl.select(
        pl.coalesce([frame[name].cast(pl.Float64) for name in names]).alias(column)
    ).to_series()
    present = series.is_not_null().to_numpy()
    return series.fill_null(0.0).to_numpy().astype(np.float64, copy=False), present


def codes(texts: pl.Series, names: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Codes (-1 for null) of texts into a list of their distinct values."""
    levels = list(names) if names is not None else texts.drop_nulls().unique(maintain_order=True).to_list()
    if not levels:
        return np.full(len(texts), -1, dtype=np.int32), []
    physical = texts.replace_strict(
        levels, np.arange(len(levels), dtype=np.int32), default=-1, return_dtype=pl.Int32
    )
    return physical.to_numpy(), levels


def category_texts(frame: pl.DataFrame, column: str) -> pl.Series:
    """The levels of a categorical column over all its types, as text; bytes and vectors are not looked into."""
    names = [name for name in variants(frame.columns, column) if not _opaque(frame.schema[name])]
    texts = [
        frame[name].cast(pl.String)
        if isinstance(frame.schema[name], pl.Datetime)
        else class_names(frame[name])
        for name in names
    ]
    if not texts:
        return pl.Series(column, [None] * frame.height, dtype=pl.String)
    return pl.select(pl.coalesce([text.rename(column) for text in texts]).alias(column)).to_series()


def _opaque(kind: pl.DataType) -> bool:
    return kind == pl.Binary or isinstance(kind, pl.List)


def scores(frame: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The probabilities, NaN where there is none: of two classes that of the positive one [N], else of all [N, K]."""

    def of(name: str) -> np.ndarray:
        values, present = numbers(frame, name)
        return np.where(present, values, np.nan)

    found = scores_of({base_of(name) for name in frame.columns}, classes, of)
    if found is not None:
        return found
    return np.full(frame.height if len(classes) == 2 else (frame.height, len(classes)), np.nan)
