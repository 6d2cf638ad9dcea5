"""What is left of a deleted subject's value where no rows lie: names of levels and segments, words of verdicts and alerts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from vedette.engine.segment_names import shown
from vedette.lake.deleting import purge
from vedette.lake.tables import ModelTables
from vedette.statistics.grid import Grid
from vedette.statistics.hashes import hashes_of_names, hashes_of_numbers

__all__ = ["BYTES_MIN", "Words", "scrub"]

BYTES_MIN = 4
"""A shorter value is looked for only where it stands as a value: as bytes it is everywhere."""

_TEXTS = ("events", "verdicts", "alerts", "deliveries", "maintenance", "state")


@dataclass(frozen=True, slots=True)
class Words:
    """The spellings of a subject's value in a column, as they can stand in texts."""

    column: str
    values: tuple[str, ...]

    def pattern(self) -> re.Pattern[str]:
        """The value as a word of its own, or (of any length) as the level of a segment; as JSON escapes it, too."""
        found = [f"{self.column}={shown(value)}" for value in self.values]
        found += [value for value in self.values if len(value) >= BYTES_MIN]
        escaped = [json.dumps(one)[1:-1] for one in found]
        parts = sorted({re.escape(one) for one in (*found, *escaped)}, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")

    def needles(self) -> tuple[bytes, ...]:
        """The bytes to look for in files that hold no columns."""
        long = [value for value in self.values if len(value) >= BYTES_MIN]
        spellings = {*long, *(json.dumps(value)[1:-1] for value in long)}
        return tuple(sorted(one.encode("utf-8", "surrogatepass") for one in spellings))

    def hashes(self) -> set[bytes]:
        """The hashes by which summaries know that the value was there."""
        numbers = [float(value) for value in self.values if _is_number(value)]
        found = [*hashes_of_names(self.values), *hashes_of_numbers(np.array(numbers, dtype=np.float64))]
        return {np.asarray(one).astype("<u8").tobytes() for one in found}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def scrub(tables: ModelTables, words: Words, token: str) -> dict[str, int]:
    """Put ``token`` in the place of the value; returns the rows changed by table. Done twice it changes nothing more.

    A level of a grid keeps its cell under the token, so that counts stay comparable; its hash is taken out of the summaries.
    The caller holds the work lock.
    """
    changed = {name: n for name in _TEXTS if (n := _texts(tables, name, words, token))}
    changed |= _grids(tables, words, token)
    return changed


def _replaced(
    texts: Iterable[str | None], pattern: re.Pattern[str], words: Words, token: str
) -> dict[str, str]:
    """The texts that hold the value, and what they become."""
    level = f"{words.column}="
    out = {}
    for text in texts:
        if text is not None and pattern.search(text):
            out[text] = pattern.sub(lambda m: level + token if m[0].startswith(level) else token, text)
    return out


def _texts(tables: ModelTables, name: str, words: Words, token: str) -> int:
    table = tables[name]
    if table.snapshot() is None:
        return 0
    frame = table.scan().collect()
    pattern = words.pattern()
    touched = pl.Series([False] * frame.height, dtype=pl.Boolean)
    for column in [one for one, kind in frame.schema.items() if kind == pl.String]:
        mapping = _replaced(frame[column].unique(), pattern, words, token)
        if mapping:
            touched |= frame[column].is_in(list(mapping)).fill_null(False)
            frame = frame.with_columns(pl.col(column).replace(mapping))
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
    for old, text in rows.select("grid", "definition").iter_rows():
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
        scan.select(pl.col("segment").unique()).collect()["segment"], words.pattern(), words, token
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
