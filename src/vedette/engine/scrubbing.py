"""What is left of a deleted subject's value where no rows lie: names of levels and segments, words of verdicts and alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from vedette.engine.naming import Words
from vedette.lake.deleting import purge
from vedette.lake.tables import Lake, ModelTables, Table
from vedette.statistics.grid import Grid

__all__ = ["grids_of", "names", "scrub", "texts_of", "told_in"]

_TEXTS = {
    "events": {"name": "text", "detail": "json"},
    "verdicts": {"segment": "text", "evidence": "text", "reason": "text"},
    "alerts": {"segment": "text", "evidence": "text", "reason": "text"},
    "deliveries": {"error": "text", "detail": "json"},
    "state": {"verdicts": "json", "changes": "json", "rules": "json", "guarantee": "text"},
    "summaries": {"segment": "text"},
    "maintenance": {"definition": "json"},
    "channels": {"reason": "text"},
}
"""By table the columns in which the value may stand, and how: no states, kinds, names of watches, keys or versions. The last
two are of the lake as a whole."""

_SETTINGS = ("settings", "rules", "deployment", "forgotten", "report", "channels")
"""Kinds of events that say what holds, or are chained: of these segments' names alone are changed, of chained ones nothing."""
_CHAINED = ("forgotten",)


def scrub(lake: Lake, model: str, words: Words, token: str) -> dict[str, int]:
    """Put ``token`` in the place of the value; returns the rows changed by table. Done twice it changes nothing more.

    A level of a grid keeps its cell under the token, so that counts stay comparable; its hash is taken out of the summaries.
    The caller holds the work lock.
    """
    tables = lake.model(model)
    own = {name: tables[name] for name in _TEXTS if name not in ("summaries", "maintenance", "channels")}
    own |= {"maintenance": lake.maintenance, "channels": lake.channels}
    changed = {name: n for name, table in own.items() if (n := _texts(table, name, words, token))}
    changed |= _grids(tables, words, token)
    return changed


def texts_of(name: str) -> frozenset[str] | None:
    """The columns of a table in which the value may stand; None for a table that it knows no texts of."""
    return frozenset(_TEXTS[name]) if name in _TEXTS else None


def told_in(name: str, frame: pl.DataFrame, words: Words) -> list[str] | None:
    """The columns of a table that name the value, as ``scrub`` would change them; None for a table that it knows no texts of."""
    if name not in _TEXTS:
        return None
    found = {
        column
        for column, rows, into in _changes(name, words, "\0")
        if column in frame.columns and _replaced(frame.filter(rows)[column], into)
    }
    return sorted(found)


def grids_of(frame: pl.DataFrame, words: Words) -> dict[str, Grid]:
    """The grids of the value's own column among the rows of the table ``grids``, by id: levels of others are other values."""
    own = frame.filter(pl.col("column").map_elements(words.is_column, return_dtype=pl.Boolean))
    return {name: Grid.from_json(text) for name, text in own.select("grid", "definition").iter_rows()}


def names(grid: Grid, words: Words) -> bool:
    """Whether a grid names the value as a level or a class."""
    return bool({*grid.levels, *grid.known, *grid.classes} & set(words.values))


def _changes(name: str, words: Words, token: str) -> Iterator[tuple[str, pl.Expr, Callable[[str], str]]]:
    """Of a table each column, of which rows, and what becomes of a text there."""
    text, document = partial(words.replaced, token=token), partial(words.replaced_json, token=token)
    for column, way in _TEXTS[name].items():
        if name != "events":
            yield column, pl.lit(True), text if way == "text" else document
            continue
        settled = pl.col("kind").is_in(_SETTINGS)
        yield column, ~settled, text if way == "text" else document
        if way == "json":  # the name of such an event is that of a rule, or a version
            of_segments = partial(words.replaced_json, token=token, segments_only=True)
            yield column, settled & ~pl.col("kind").is_in(_CHAINED), of_segments


def _replaced(texts: pl.Series, into: Callable[[str], str]) -> dict[str, str]:
    """The texts that hold the value, and what they become."""
    found = ((text, into(text)) for text in texts.unique().drop_nulls())
    return {text: made for text, made in found if made != text}


def _texts(table: Table, name: str, words: Words, token: str) -> int:
    if table.snapshot() is None:
        return 0
    frame = table.scan().collect()
    touched = pl.Series([False] * frame.height, dtype=pl.Boolean)
    for column, rows, into in _changes(name, words, token):
        mapping = _replaced(frame.filter(rows)[column], into)
        if mapping:
            own = rows & pl.col(column).is_in(list(mapping)).fill_null(False)
            touched |= frame.select(own.alias("own"))["own"]
            frame = frame.with_columns(pl.when(own).then(pl.col(column).replace(mapping)).otherwise(column))
    n = int(touched.sum())
    if n:
        table.write(frame, {}, replace=True)
        purge(table)
    return n


def _grids(tables: ModelTables, words: Words, token: str) -> dict[str, int]:
    """Levels of grids and names of segments: grids under their new names first, then what was counted on them."""
    table = tables["grids"]
    if table.snapshot() is None:
        return {}
    rows = table.scan().collect()
    renamed: dict[str, tuple[str, str]] = {}  # of each grid that names the value: its new id and definition
    for old, grid in grids_of(rows, words).items():
        if names(grid, words):
            new = _renamed(grid, words.values, token)
            renamed[old] = (new.id, new.to_json())
    ids = {old: new for old, (new, _) in renamed.items()}
    out = {}
    if renamed:
        known = set(rows["grid"].to_list())
        again = rows.filter(pl.col("grid").is_in([old for old in renamed if ids[old] not in known]))
        definitions = {old: text for old, (_, text) in renamed.items()}
        fresh = again.with_columns(
            definition=pl.col("grid").replace(definitions), grid=pl.col("grid").replace(ids)
        )
        if fresh.height:
            table.write(fresh, {})
    n = _summaries(tables, ids, words, token)
    if n:
        out["summaries"] = n
    if renamed:
        kept = table.scan().filter(~pl.col("grid").is_in(list(renamed))).collect()
        table.write(kept, {}, replace=True)
        purge(table)
        out["grids"] = len(renamed)
    return out


def _renamed(grid: Grid, values: Sequence[str], token: str) -> Grid:
    """The grid with the token for the value."""
    there = {*grid.levels, *grid.known, *grid.classes}
    gone = {
        value: token if at == 0 else f"{token}.{at}"
        for at, value in enumerate(v for v in values if v in there)
    }

    def of(held: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(gone.get(one, one) for one in held)

    return replace(grid, levels=of(grid.levels), known=of(grid.known), classes=of(grid.classes))


def _summaries(tables: ModelTables, ids: dict[str, str], words: Words, token: str) -> int:
    table = tables["summaries"]
    if table.snapshot() is None:
        return 0
    scan = table.scan()
    segments = _replaced(
        scan.select(pl.col("segment").unique()).collect()["segment"], partial(words.replaced, token=token)
    )
    hashes = words.hashes()
    own = scan.filter(pl.col("column") == words.column).select(pl.col("hashes").unique()).collect()["hashes"]
    thinner = {held: less for held in own.drop_nulls() if (less := _without(held, hashes)) != held}
    if not ids and not segments and not thinner:
        return 0
    of_column = pl.col("column") == words.column
    touched = pl.col("grid").is_in(list(ids)) | pl.col("segment").is_in(list(segments))
    touched |= of_column & pl.col("hashes").is_in(pl.Series(list(thinner), dtype=pl.Binary).implode())
    frame = scan.collect()
    n = int(frame.select(touched.fill_null(False).sum()).item())
    held = frame["hashes"].to_list()
    mine = (frame["column"] == words.column).to_list()
    fresh = [thinner.get(one, one) if own_row else one for one, own_row in zip(held, mine, strict=True)]
    frame = frame.with_columns(
        pl.col("grid").replace(ids),
        pl.col("segment").replace(segments),
        pl.Series("hashes", fresh, dtype=pl.Binary),
    )
    table.write(frame, {}, replace=True)
    purge(table)
    return n


def _without(held: bytes, gone: set[bytes]) -> bytes:
    """Hashes of eight bytes each without some of them."""
    parts = [held[at : at + 8] for at in range(0, len(held), 8)]
    return b"".join(one for one in parts if one not in gone)
