"""Arrays by name, and pandas, as Polars frames: their values as they are, told apart by their own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from vedette.errors import DataError, SchemaError
from vedette.lake.vectors import holds_vectors, series_of_vectors

__all__ = ["check_names", "of_mapping", "of_pandas"]

_NULLABLE = ("string", "Int", "UInt", "Float", "boolean")  # pandas' own types that know null


def check_names(names: Sequence[str]) -> None:
    """``SchemaError`` for two columns of one name, and for a name that no encoding has."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SchemaError(f"two columns have one name: {twice}; rename one")
    for name in names:
        if not _is_text(name):
            raise SchemaError(f"column name {name!r}: is no text (half of a character); rename it")


def _is_text(value: str) -> bool:
    """False for a lone surrogate, the half of a character that no encoding has."""
    return value.encode("utf-8", "ignore").decode() == value


def of_mapping(data: Mapping[Any, Any]) -> pl.DataFrame:
    """Arrays by name as a frame; ``DataError`` where they are of unequal length or their values of no one type."""
    check_names([str(name) for name in data])
    columns = {str(name): _series(str(name), values) for name, values in data.items()}
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"columns of unequal length: {sizes}; all must have as many rows")
    return pl.DataFrame(columns)


def _series(name: str, values: Any) -> pl.Series:
    if isinstance(values, str | bytes | Mapping) or not np.iterable(values):
        raise DataError(f"column {name!r} is {values!r:.60}: must be an array, with a value for each row")
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()  # what is masked is None
    elif isinstance(values, np.ndarray):
        values = _array(values)
    elif not hasattr(values, "__len__") or str(getattr(values, "dtype", "")) == "object":
        values = list(values)
    if isinstance(values, list | tuple) and holds_vectors(values):
        return series_of_vectors(name, values)
    try:
        column = pl.Series(name, values)
        if column.dtype != pl.Object:
            return column
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        pass  # mixed or foreign objects: told apart below, by their own types
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    if kinds in (["UUID"], ["Interval"]):
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    if set(kinds) <= {"int", "float"}:
        return pl.Series(name, values, strict=False, dtype=pl.Float64)
    array = np.asarray(values)
    if array.dtype != object and array.dtype.kind not in "US":  # numpy's own scalars in a list
        return pl.Series(name, array.astype("datetime64[us]") if array.dtype.kind == "M" else array)
    if set(kinds) <= {"str", "str_"}:
        half = next(value for value in values if value is not None and not _is_text(value))
        raise DataError(f"column {name!r} holds {half!r:.60}: is no text (half of a character)")
    told = f"mixes values of the types {', '.join(kinds)}: one column holds one type"
    if len(kinds) == 1:
        told = f"holds values of the type {kinds[0]}: must be numbers, text or times"
    else:
        told += _odd_one(values)
    raise DataError(f"column {name!r} {told}")


def _odd_one(values: Sequence[Any]) -> str:
    """The first value of another kind than those before it, and its row; whole numbers and fractions are one kind."""

    def kind(value: Any) -> type:
        return float if isinstance(value, int) and not isinstance(value, bool) else type(value)

    there = [(row, value) for row, value in enumerate(values) if value is not None]
    row, value = next((one for one in there if kind(one[1]) is not kind(there[0][1])), there[0])
    return f" (row {row}: {value!r:.60})"


def _array(values: np.ndarray[Any, Any]) -> Any:
    """numpy's values as Polars takes them: objects and rows of a matrix as a list, long floats as floats."""
    if values.ndim > 1 and (values.ndim > 2 or values.dtype.kind not in "iuf" or not values.shape[1]):
        return list(values)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype == object:
        return values.tolist()
    return values.astype(np.float64) if values.dtype.kind == "f" and values.dtype.itemsize > 8 else values


def of_pandas(data: Any) -> pl.DataFrame:
    """pandas by column, so that pyarrow is not needed; NaN in a column of objects is pandas' way to say null.

    An index named ``id`` or ``time`` is a column.
    """
    if data.index.name in ("id", "time"):
        data = data.reset_index()
    for name in data.columns:
        if not isinstance(name, str):
            raise SchemaError(
                f"column name {name!r}: must be text (rename the columns, df.columns = map(str, df.columns))"
            )
    names = list(data.columns)
    check_names(names)
    columns = []
    for position, name in enumerate(names):
        column = data.iloc[:, position]
        if str(column.dtype).startswith("period["):
            column = column.dt.to_timestamp()
        kind = str(column.dtype)
        if kind in ("object", "category", "str") or kind.startswith(_NULLABLE) or "[pyarrow]" in kind:
            values = [
                None if missing else value
                for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True)
            ]
            columns.append(_series(name, values))
        elif kind.startswith("datetime64[") and "," in kind:
            columns.append(
                pl.Series(
                    name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
                ).dt.replace_time_zone("UTC")
            )
        else:
            columns.append(pl.Series(name, _array(column.to_numpy())))
    return pl.DataFrame({column.name: column for column in columns})  # of a list, "" would be renamed
