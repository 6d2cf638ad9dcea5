"""Private columns of a frame: dropped, hashed or encrypted before it is written anywhere."""

from __future__ import annotations

import polars as pl

from vedette.capture.private import Private
from vedette.capture.rejected import Rejected
from vedette.errors import DataError

__all__ = ["private_rows"]


def private_rows(frame: pl.DataFrame, private: Private) -> pl.DataFrame:
    """The frame as it may be recorded; ``DataError``, without the value, where a value cannot be hashed or encrypted."""
    columns = []
    for column in frame.get_columns():
        treatment = private.treatment(column.name)
        if treatment is None:
            columns.append(column)
        elif treatment != "drop":
            dtype = pl.String() if treatment == "hash" else pl.Binary()
            try:
                values = [private.value(column.name, one, treatment) for one in column.to_list()]
            except Rejected as reason:
                raise DataError(f"column {reason}") from None
            columns.append(pl.Series(column.name, values, dtype=dtype))
    return pl.DataFrame(columns)
