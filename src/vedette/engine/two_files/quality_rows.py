"""The rows of a file as labels, predictions, probabilities and segments, a slice at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.segment_names import SEGMENTS_MAX, shown
from vedette.engine.two_files.source import STRETCH_ROWS, as_floats, names_of
from vedette.lake.classes import scores_of
from vedette.lake.files import TableFile
from vedette.records import in_order
from vedette.statistics import Grid

__all__ = [
    "Labels",
    "codes_of",
    "column_of",
    "numbers_of",
    "scores",
    "segment_of",
    "segments_of",
    "slices",
    "stretch",
]

SLICE_BYTES = 64_000_000
"""Columns that are in memory at once, as floats, with the copy that stands side by side."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the labels and predictions of both files are: numbers, or classes by name.

    ``stray`` are names that labels and predictions have besides: counted as another class, which is never right.
    """

    grid: Grid
    classes: tuple[str, ...]
    by: tuple[str, ...]
    segments: tuple[str, ...]
    stray: tuple[str, ...] = ()


def slices(table: TableFile, by: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The columns of the model and those of the segments, as many rows at once as fit ``SLICE_BYTES``."""
    names = list(dict.fromkeys([*_wanted(table), *by]))
    step = _at_once(len(names))
    for start in range(0, max(table.rows, 1), step):
        yield table.read(names, start, start + step)


def stretch(table: TableFile) -> pl.DataFrame:
    """The columns of the model of the first rows, as they follow each other."""
    return table.read(_wanted(table), 0, STRETCH_ROWS)


def _wanted(table: TableFile) -> list[str]:
    return [n for n in table.schema if n in ("label", "prediction") or n.startswith("probability")]


def _at_once(columns: int) -> int:
    return max(SLICE_BYTES // (16 * max(columns, 1)), 1)


def scores(rows: pl.DataFrame, classes: Sequence[str]) -> np.ndarray | None:
    """The probability of the second of two classes, those of all of more; None where there are none."""
    return scores_of(rows.columns, classes, lambda name: numbers_of(rows, name))


def numbers_of(rows: pl.DataFrame, name: str) -> np.ndarray:
    """A column as numbers, NaN where there is none."""
    if name not in rows.columns:
        return np.full(rows.height, np.nan)
    return as_floats(rows[name]).fill_null(float("nan")).to_numpy()


def column_of(rows: pl.DataFrame, name: str) -> pl.Series:
    """A column as names, null where there is none."""
    return names_of(rows[name]) if name in rows.columns else pl.Series([None] * rows.height, dtype=pl.String)


def codes_of(names: pl.Series, known: Sequence[str]) -> np.ndarray:
    """The places of names among those known, -1 of others."""
    places = pl.Series(np.arange(len(known), dtype=np.int32))
    known_names = pl.Series(list(known), dtype=pl.String)
    return (
        names.replace_strict(known_names, places, default=-1, return_dtype=pl.Int32).fill_null(-1).to_numpy()
    )


def segments_of(tables: Sequence[TableFile], by: tuple[str, ...]) -> tuple[str, ...]:
    """The names of all segments, numbers by size, rows without a value last."""
    if not by:
        return ()
    found: dict[tuple[str | None, ...], None] = {}
    for table in tables:
        step = _at_once(len(by))
        for start in range(0, max(table.rows, 1), step):
            rows = table.read(by, start, start + step).unique()
            if rows.height > 100 * SEGMENTS_MAX:
                raise ValueError(_too_many(by, rows.height))
            found |= dict.fromkeys(pl.DataFrame([names_of(rows[name]) for name in by]).rows())
    if len(found) > SEGMENTS_MAX:
        raise ValueError(_too_many(by, len(found)))
    order = [
        in_order({name for one in found if (name := one[place]) is not None}) for place in range(len(by))
    ]
    places = [{**dict(zip(names, range(len(names)), strict=True)), None: len(names)} for names in order]
    ordered = sorted(found, key=lambda one: [at[name] for at, name in zip(places, one, strict=True)])
    return tuple(
        ", ".join(f"{name}={shown(own)}" for name, own in zip(by, one, strict=True)) for one in ordered
    )


def _too_many(by: Sequence[str], count: int) -> str:
    names = ", ".join(by)
    return f"by={names!r}: has {count:,} values or more; at most {SEGMENTS_MAX:,} segments are shown (is it an identifier?)"


def segment_of(rows: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """The name of each row's segment."""
    told = [pl.lit(f"{name}=") + _told(names_of(rows[name])) for name in by]
    return pl.select(pl.concat_str(told, separator=", ").alias("segment")).to_series()


def _told(names: pl.Series) -> pl.Series:
    levels = names.unique().drop_nulls()
    as_shown = pl.Series([shown(one) for one in levels.to_list()], dtype=pl.String)
    return names.replace_strict(levels, as_shown, default=shown(None), return_dtype=pl.String)
