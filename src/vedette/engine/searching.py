"""Where a value still is: every file of a model's lake, journals and received logs, read as what it is, or as bytes."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from vedette.engine.naming import Words
from vedette.engine.scrubbing import grids_of, names, texts_of, told_in
from vedette.errors import LakeError
from vedette.lake.forgotten import spelled
from vedette.lake.received.index import logs_folder
from vedette.lake.stamps import glances_path
from vedette.lake.tables import Lake

__all__ = ["search"]

_RECORDED = (".seg", ".arrow", ".arrows", ".log")
_OF_ROWS = frozenset({"version", "_producer"})
_OWN = _OF_ROWS | {"part", "stream", "producer"}
"""Columns of tables that hold the product's own words and the names of versions, and no value; of rows, whose features have any
name, those alone that no feature can have."""


def search(lake: Lake, model: str, words: Words) -> list[str]:
    """The files that hold the value, relative to the lake, each with where in it; of tables the old files too.

    Of tables every column is looked through that can have a value, and in the log of a table the least and greatest values;
    of other files the bytes as they are, for values of four characters or more. Of a number every journal and received log is
    named that is still there: it lies in them as eight bytes among others. A file that goes meanwhile is none.
    """
    found = []
    for path in _files(lake, model):
        try:
            if path.suffix == ".parquet":
                places = _columns(path, words)
            elif path.parent.name == "_delta_log" and path.suffix == ".json":
                places = _in_log(path, words)
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
    of_lake = (lake.maintenance.path.parent, logs_folder(lake))
    for folder in (lake.path / model, lake.journal / model, *of_lake):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path
    # what a server keeps to show, and the log of an ingester
    for path in (glances_path(lake), *sorted(lake.journal.glob(".*"))):
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
    table = path.parent.name
    if table == "_delta_log":  # a checkpoint: what else is in it are names of files and columns
        of = path.parent.parent.name
        return ["stats"] if any(_in_stats(of, one, words) for one in _stats(frame)) else []
    if table == "grids":
        return ["definition"] if any(names(one, words) for one in grids_of(frame, words).values()) else []
    told = told_in(table, frame, words)
    if told is not None:
        return told
    own = _own_of(table)
    return [name for name in frame.columns if name not in own and _holds(frame[name], words)]


def _own_of(table: str) -> frozenset[str]:
    """The columns of a table that hold no value."""
    return _OF_ROWS if table in ("predictions", "labels") else _OWN


def _holds(column: pl.Series, words: Words) -> bool:
    if words.is_column(column.name) and not column.dtype.is_nested():
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


def _in_log(path: Path, words: Words) -> list[str]:
    """Of a commit of a table the least and greatest values of its files, and what a command was asked."""
    for line in path.read_text("utf-8", "surrogateescape").splitlines():
        entry = json.loads(line)
        told = entry.get("add", {}).get("stats")
        asked = entry.get("commitInfo", {}).get("operationParameters", {}).get("predicate")
        if any(
            isinstance(one, str) and _in_stats(path.parent.parent.name, one, words) for one in (told, asked)
        ):
            return [""]
    return []


def _in_stats(table: str, text: str, words: Words) -> bool:
    pattern = words.pattern()
    try:
        said = json.loads(text)
    except ValueError:
        return bool(pattern.search(text))
    if not isinstance(said, dict):
        return bool(pattern.search(text))
    ends = [said.get(which, {}) for which in ("minValues", "maxValues")]
    texts, own = texts_of(table), _own_of(table)

    def may_hold(name: str) -> bool:
        return name in texts if texts is not None else name not in own

    return any(
        spelled(value) in words.values
        if texts is None and words.is_column(name)
        else bool(pattern.search(value))
        for one in ends
        for name, value in one.items()
        if (texts is None and words.is_column(name)) or (isinstance(value, str) and may_hold(name))
    )


def _stats(frame: pl.DataFrame) -> list[str]:
    if "add" not in frame.columns or "stats" not in [one.name for one in frame.schema["add"].fields]:  # type: ignore[attr-defined]
        return []
    return frame["add"].struct.field("stats").drop_nulls().to_list()
