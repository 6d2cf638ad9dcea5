"""Tombstones: whose rows were deleted for good, so that what comes late, or back from a backup, is deleted again.

A tombstone holds no value, only its HMAC-SHA-256 with a key of the lake's own: who has the lake can test a guess, and
reads nothing. They lie beside the tables, in ``<lake>/.forgotten``: one JSON document a line in ``<model>.jsonl``, and
``key``. Whoever restores an older backup of a lake puts that folder back as it was last; the next round does the rest.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from vedette.capture.folder import sync_folder
from vedette.capture.shipping.desk import put
from vedette.errors import LakeError
from vedette.lake.lines import append, whole
from vedette.lake.rows import variants
from vedette.lake.tables import Lake
from vedette.privacy import folded
from vedette.records import check_model_name

__all__ = ["LABELS", "ROWS", "Tombstones", "add", "forget_ids", "spelled", "tombstones"]

ROWS, LABELS = "rows", "labels"
"""What a tombstone is of: rows with a value in a column, or labels with the id of a row that is gone."""

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The tombstones of a model: digests by column (folded) and of the ids of labels, and the last number of each kind."""

    key: bytes = field(default=b"", repr=False)
    rows: dict[str, frozenset[str]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    last: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.last)

    def number(self, stream: str) -> int:
        """The last tombstone that says something of a stream (predictions or labels); 0 where there is none."""
        kinds = (ROWS, LABELS) if stream == "labels" else (ROWS,)
        return max((self.last.get(kind, 0) for kind in kinds), default=0)

    def digests(self, stream: str, column: str) -> frozenset[str]:
        """The digests of the values of a column (as the model names it) whose rows of a stream are to go."""
        own = self.rows.get(folded(column), frozenset())
        return own | self.labels if stream == "labels" and column == "id" else own

    def condition(self, stream: str, frame: pl.LazyFrame | pl.DataFrame) -> pl.Expr | None:
        """Which rows of a frame are to go; None where none is.

        Each distinct value of a column that has tombstones is looked at once.
        """
        names = frame.lazy().collect_schema().names()
        bases = {*self.rows, *(("id",) if stream == "labels" and self.labels else ())}
        found: list[pl.Expr] = []
        for name in names:
            base = next((one for one in bases if folded(name) == one or _variant(name, one)), None)
            if base is None:
                continue
            wanted = self.digests(stream, base)
            values = frame.lazy().select(pl.col(name).unique()).collect()[name].drop_nulls()
            hit = [one for one in values.to_list() if digest(self.key, base, one) in wanted]
            if hit:
                found.append(
                    pl.col(name).is_in(pl.Series(hit, dtype=values.dtype).implode()).fill_null(False)
                )
        return pl.any_horizontal(found) if found else None


def _variant(name: str, base: str) -> bool:
    """True for a further column of a field, such as ``x__int64`` of ``x``."""
    return bool(variants([folded(name)], base))


def spelled(value: Any) -> str:
    """The one spelling of a value by which it is known again: 17, 17.0 and "17" are one subject.

    >>> spelled(17), spelled(17.0), spelled("17"), spelled(True)
    ('17', '17', '17', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def digest(key: bytes, column: str, value: Any) -> str:
    """What a tombstone keeps of a value: the first 128 bits of HMAC-SHA-256 over the column and the value."""
    text = f"{folded(column)}\0{spelled(value)}"
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def _folder(lake: Lake) -> Path:
    return lake.path / ".forgotten"


def tombstones(lake: Lake, model: str) -> Tombstones:
    """The tombstones of a model as they are now. Raises ``LakeError`` where they cannot be read."""
    path = _folder(lake) / f"{check_model_name(model)}.jsonl"
    try:
        state = path.stat()
    except FileNotFoundError:
        return Tombstones()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int, _size: int) -> Tombstones:
    rows: dict[str, set[str]] = {}
    labels: set[str] = set()
    last: dict[str, int] = {}
    for line in whole(path):
        try:
            one = json.loads(line)
            last[one["of"]] = max(last.get(one["of"], 0), int(one["number"]))
            (labels if one["of"] == LABELS else rows.setdefault(one["column"], set())).add(one["digest"])
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(f"tombstones {path}: a line is none: {error}; restore the file") from error
    key = _key(path.parent)
    return Tombstones(key, {name: frozenset(held) for name, held in rows.items()}, frozenset(labels), last)


def _key(folder: Path, *, make: bool = False) -> bytes:
    path = folder / "key"
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        if not make:
            raise LakeError(f"{path}: is missing: no tombstone can be read without it; restore it") from None
        found = secrets.token_bytes(_KEY_BYTES)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        put(path, found, sync=True)
        sync_folder(folder)
    if len(found) != _KEY_BYTES:
        raise LakeError(f"{path}: has {len(found)} bytes: must be {_KEY_BYTES}; restore it")
    return found


def add(lake: Lake, model: str, of: str, column: str, values: Iterable[Any], now: datetime) -> int:
    """Write tombstones of values that have none yet, synced; returns the number of the last one of the model.

    The caller holds the lake's work lock.
    """
    folder = _folder(lake)
    # a key that is missing beside tombstones was lost: with another one they would all be void
    key = _key(folder, make=not any(folder.glob("*.jsonl")))
    before = tombstones(lake, model)
    known = before.labels if of == LABELS else before.rows.get(folded(column), frozenset())
    path = folder / f"{check_model_name(model)}.jsonl"
    number = max(before.last.values(), default=0)
    lines = []
    for found in dict.fromkeys(digest(key, column, value) for value in values):
        if found not in known:
            number += 1
            one = {
                "number": number,
                "time": now.isoformat(),
                "of": of,
                "column": folded(column),
                "digest": found,
            }
            lines.append(json.dumps(one, sort_keys=True).encode())
    if lines:
        append(path, lines)
    return number


def forget_ids(lake: Lake, model: str, rows: pl.DataFrame, stay: pl.LazyFrame, now: datetime) -> None:
    """Write tombstones of the ids of rows that are gone, by which their labels go too, whenever they come.

    Not of an id that a row which is to ``stay`` has as well: its labels are that row's.
    """
    if "id" not in rows.columns:
        return
    gone = rows["id"].drop_nulls().unique(maintain_order=True)
    kept = stay.filter(pl.col("id").is_in(gone.implode())).select(pl.col("id").unique()).collect()["id"]
    add(lake, model, LABELS, "id", gone.filter(~gone.is_in(kept.implode())).to_list(), now)
