"""What a report says of itself: how far its columns could be compared, beside what was found in them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from vedette.engine.two_files.described import Compared
from vedette.lake.files import TableFile
from vedette.output.comparison import Column

__all__ = ["notes_of"]

_Drafts = Sequence[tuple[Column, Compared | None]]


def notes_of(tables: Sequence[TableFile], drafts: _Drafts) -> tuple[str, ...]:
    """The notes on the tables and the columns of both, each of one or two sentences."""
    return (*_zones(tables), *_dependent(drafts), *_vectors(drafts))


def _zones(tables: Sequence[TableFile]) -> tuple[str, ...]:
    """A word about times of which one file has the zone and the other has not."""
    times = [
        {name: one.time_zone for name, one in table.schema.items() if isinstance(one, pl.Datetime)}
        for table in tables
    ]
    mixed = [name for name in times[0] if (times[0][name] is None) != (times[-1].get(name) is None)]
    mixed = [name for name in mixed if name in times[-1]]
    if not mixed:
        return ()
    return (
        f"{', '.join(mixed[:5])}: with a time zone in one file only; times without one are taken as UTC.",
    )


def _dependent(drafts: _Drafts) -> tuple[str, ...]:
    """A word about columns whose rows depend on those before them."""
    found = sorted(
        (
            (one.inflated, column.name)
            for column, one in drafts
            if one and one.inflated > 1 and column.p_value is not None
        ),
        reverse=True,
    )
    if not found:
        return ()
    names = ", ".join(f"{name} ({value:.1f})" for value, name in found[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    return (
        f"Rows are like those before them in {names}{more}: so many rows were taken as one in judging whether these "
        "columns changed. The intervals of figures take rows as independent.",
    )


def _vectors(drafts: _Drafts) -> tuple[str, ...]:
    """A word about columns of vectors, and what is compared of them."""
    found = [(column.name, one.lengths) for column, one in drafts if one and one.lengths]
    if not found:
        return ()
    names = ", ".join(f"{name} ({n[0]:,})" for name, n in found[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    return (
        f"Of vectors are compared how many are missing, their Euclidean norms, and their directions (mean, covariance, MMD): "
        f"{names}{more}. The picture, PSI, Wasserstein and other distances of one number are those of the norms.",
    )
