"""Where a value still is: every file of a model's lake, journals and received logs, read as what it is, or as bytes."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from vedette.engine.naming import Words
from vedette.errors import LakeError
from vedette.lake.forgotten import spelled
from vedette.lake.received.index import logs_folder
from vedette.lake.rows import base_of
from vedette.lake.tables import Lake
from vedette.privacy import folded

__all__ = ["search"]

_RECORDED = (".seg", ".arrow", ".arrows", ".log")
_OWN_WORDS = ("kind", "state", "outcome", "verdict", "change", "part", "stream", "watch")
"""Columns of tables that hold the product's own words, and no value."""


def search(lake: Lake, model: str, words: Words) -> list[str]:
    """The files that hold the value, relative to the lake, each with where in it; of tables the old files too.

    Of Parquet files every column is looked through as values, of others the bytes as they are, for values of four
    characters or more. Of a number every journal and received log is named that is still there: it lies in them as eight bytes
    among others. A file that goes meanwhile is none.
    """
    found = []
    for path in _files(lake, model):
        try:
            if path.suffix == ".parquet":
                places = _columns(path, words)
            elif words.numeric:
                places = ["may hold the number"] if _records(path) else []
            else:
                places = _bytes(path, words.needles())
        except FileNotFoundError:
            continue
        name = path.relative_to(lake.path)
        found += [f"{name}: {place}" if place else str(name) for place in places]
    return found


def _files(lake: Lake, model: str) -> Iterator[Path]:
    for folder in (lake.path / model, lake.journal / model, logs_folder(lake), lake.path / ".forgotten"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path
    for path in sorted(lake.journal.glob(".*")):  # the log of an ingester
        if path.is_file():
            yield path


def _records(path: Path) -> bool:
    """True for a file that rows were recorded in, and not for a log of a program."""
    return path.suffix in _RECORDED and not path.name.startswith(".") and path.stat().st_size > 0


def _bytes(path: Path, needles: tuple[bytes, ...]) -> list[str]:
    if not needles or path.stat().st_size == 0:
        return []
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return [""] if any(data.find(one) >= 0 for one in needles) else []


def _columns(path: Path, words: Words) -> list[str]:
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        if not path.exists():
            raise FileNotFoundError(path) from error
        raise LakeError(f"{path}: cannot be searched: {error}") from error
    if {"column", "definition"} <= set(frame.columns):  # levels of other columns are no value of this one
        own = [one for one in frame["column"].unique() if folded(base_of(one)) == folded(words.column)]
        frame = frame.filter(pl.col("column").is_in(own))
    return [name for name in frame.columns if name not in _OWN_WORDS and _holds(frame[name], words)]


def _holds(column: pl.Series, words: Words) -> bool:
    if folded(base_of(column.name)) == folded(words.column) and not column.dtype.is_nested():
        values = column.unique().drop_nulls().to_list()
        return any(spelled(one) in words.values for one in values)
    if column.dtype == pl.String:
        pattern = words.pattern()
        return any(pattern.search(one) for one in column.unique().drop_nulls())
    if column.dtype == pl.Binary:
        return any(needle in one for one in column.drop_nulls() for needle in words.needles())
    if column.dtype.is_nested() and _texts_in(column.dtype):
        content = column.to_frame().write_json().encode()
        return any(needle in content for needle in words.needles())
    return False


def _texts_in(kind: pl.DataType) -> bool:
    """True where a nested type may hold texts; numbers, which vectors and counts are, hold none."""
    inner = getattr(kind, "inner", None)
    return inner is None or not inner.is_numeric()
