"""What is left of a deleted subject's value where no rows lie: names of levels and segments, words of verdicts and alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from vedette.engine.naming import Words
from vedette.lake.deleting import purge
from vedette.lake.rows import base_of
from vedette.lake.tables import ModelTables
from vedette.privacy import folded
from vedette.statistics.grid import Grid

__all__ = ["scrub"]

_TEXTS = {
    "events": {"name": "text", "detail": "json"},
    "verdicts": {"segment": "text", "evidence": "text", "reason": "text"},
    "alerts": {"segment": "text", "evidence": "text", "reason": "text"},
    "deliveries": {"error": "text", "detail": "json"},
    "state": {"verdicts": "json", "changes": "json", "rules": "json", "guarantee": "text"},
}
"""By table the columns in which the value may stand, and how: no states, kinds, names of watches, keys or versions."""

_SETTINGS = ("settings", "rules", "deployment", "forgotten", "report", "channels")
"""Kinds of events that say what holds, or are chained: of these segments' names alone are changed, of chained ones nothing."""
_CHAINED = ("forgotten",)


def scrub(tables: ModelTables, words: Words, token: str) -> dict[str, int]:
    """Put ``token`` in the place of the value; returns the rows changed by table. Done twice it changes nothing more.

    A level of a grid keeps its cell under the token, so that counts stay comparable; its hash is taken out of the summaries.
    The caller holds the work lock.
    """
    changed = {name: n for name in _TEXTS if (n := _texts(tables, name, words, token))}
    changed |= _grids(tables, words, token)
    return changed


def _replaced(texts: pl.Series, into: Callable[[str], str]) -> dict[str, str]:
    """The texts that hold the value, and what they become."""
    found = ((text, into(text)) for text in texts.unique().drop_nulls())
    return {text: made for text, made in found if made != text}


def _texts(tables: ModelTables, name: str, words: Words, token: str) -> int:
    table = tables[name]
    if table.snapshot() is None:
        return 0
    frame = table.scan().collect()
    touched = pl.Series([False] * frame.height, dtype=pl.Boolean)
    spans = {"": pl.lit(True)}
    if name == "events":
        settled = pl.col("kind").is_in(_SETTINGS)
        spans = {"": ~settled, "settings": settled & ~pl.col("kind").is_in(_CHAINED)}
    for column, way in _TEXTS[name].items():
        for span, rows in spans.items():
            if way == "text" and span == "settings":  # the name of a rule, a version
                continue
            into = (
                partial(words.replaced, token=token)
                if way == "text"
                else partial(words.replaced_json, token=token, segments_only=span == "settings")
            )
            mapping = _replaced(frame.filter(rows)[column], into)
            if mapping:
                own = rows & pl.col(column).is_in(list(mapping)).fill_null(False)
                touched |= frame.select(own.alias("own"))["own"]
                frame = frame.with_columns(
                    pl.when(own).then(pl.col(column).replace(mapping)).otherwise(column)
                )
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
    own = [one for one in rows["column"].unique() if folded(base_of(one)) == folded(words.column)]
    for old, text in rows.filter(pl.col("column").is_in(own)).select("grid", "definition").iter_rows():
        grid = Grid.from_json(text)
        new = _renamed(grid, words.values, token)
        if new is not None:
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


def _renamed(grid: Grid, values: Sequence[str], token: str) -> Grid | None:
    """The grid with the token for the value, None where it does not name it."""
    names = {*grid.levels, *grid.known, *grid.classes}
    if not names & set(values):
        return None
    gone = {
        value: token if at == 0 else f"{token}.{at}"
        for at, value in enumerate(v for v in values if v in names)
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
