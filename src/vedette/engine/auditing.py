"""Membership inference held against a table of scores."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from vedette.errors import DataError
from vedette.lake.files import open_table
from vedette.statistics.membership import Membership, membership

__all__ = ["document", "membership_of"]


def membership_of(
    path: str, score: str, member: str, *, higher: bool = False, delta: float = 0.0
) -> Membership:
    """The audit of a table with a column of scores and one that says which rows the model was trained on.

    ``higher``: those score higher (a confidence); else lower (a loss). Raises ``DataError`` for a column that is not there, of
    another kind, or with a value that is missing.
    """
    table = open_table(path)
    for name in (score, member):
        if name not in table.schema:
            raise DataError(f"{path}: has no column {name!r}; it has {', '.join(list(table.schema)[:20])}")
    frame = table.read([score, member])
    if not frame[score].dtype.is_numeric():
        raise DataError(f"{path}: {score!r} is of type {frame[score].dtype}: must be numbers")
    if frame[member].dtype == pl.String:
        frame = frame.with_columns(
            pl.col(member).str.to_lowercase().replace_strict({"true": 1, "false": 0}, default=None)
        )
    if not (frame[member].dtype == pl.Boolean or frame[member].dtype.is_numeric()):
        raise DataError(
            f"{path}: {member!r} is of type {frame[member].dtype}: must be 1 and 0, or true and false"
        )
    inside = frame[member].cast(pl.Float64)
    if not inside.is_in([0.0, 1.0]).fill_null(False).all() or frame[score].null_count():
        raise DataError(f"{path}: {member!r} must be 1 or 0 in every row, and {score!r} a number")
    scores = frame[score].cast(pl.Float64).to_numpy() * (1 if higher else -1)
    own = (inside == 1.0).to_numpy()
    return membership(scores[own], scores[~own], delta=delta)


def document(found: Membership) -> dict[str, Any]:
    """An audit as JSON has it."""
    return asdict(found) | {"leaks": found.leaks, "meaning": found.meaning}
