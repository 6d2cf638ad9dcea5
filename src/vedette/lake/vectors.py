"""Vectors in frames: columns of lists of numbers, by the same table as those that are logged one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.values import Rejected, resolve
from vedette.capture.vectors import EXACT_INTEGER_MAX, LENGTHS_MAX, VECTOR_ELEMENTS_MAX
from vedette.errors import DataError, SchemaError
from vedette.records import Physical

__all__ = [
    "closed_vectors",
    "holds_vectors",
    "is_vector",
    "lengths",
    "series_of_vectors",
    "spread_classes",
    "unfit_vectors",
]

_INNER = {Physical.VECTOR32: pl.Float32(), Physical.VECTOR64: pl.Float64()}
_DTYPES = {Physical.VECTOR32: "<f4", Physical.VECTOR64: "<f8"}


def is_vector(kind: pl.DataType) -> bool:
    """True for lists and arrays of numbers, of one dimension.

    >>> is_vector(pl.List(pl.Float32())), is_vector(pl.Array(pl.Int8(), (2, 2))), is_vector(pl.List(pl.String()))
    (True, False, False)
    """
    if isinstance(kind, pl.Array) and len(kind.shape) > 1:
        return False
    return isinstance(kind, pl.List | pl.Array) and kind.inner.is_numeric()


def holds_vectors(values: Sequence[Any]) -> bool:
    """True where the first value that is not None is a list, a tuple or an array."""
    first = next((value for value in values if value is not None), None)
    return isinstance(first, list | tuple) or (isinstance(first, np.ndarray) and first.ndim > 0)


def series_of_vectors(name: str, values: Sequence[Any]) -> pl.Series:
    """Lists and arrays as a column, float64 where any of them is; ``DataError`` with the row of one that is no vector."""
    found: list[tuple[Physical | None, Any]] = []
    for row, value in enumerate(values):
        try:
            physical, plain = resolve(value)
        except Rejected as reason:
            raise DataError(f"column {name!r}, row {row}: {reason}") from None
        if physical is not None and physical not in _INNER:
            raise DataError(
                f"column {name!r}, row {row}: {value!r:.60} among vectors: one column holds one type"
            )
        found.append((physical, plain))
    kinds = {physical for physical, _ in found}
    wide = Physical.VECTOR64 if Physical.VECTOR64 in kinds else Physical.VECTOR32
    if (
        len({(physical, len(plain)) for physical, plain in found if physical is not None}) == 1
        and None not in kinds
    ):
        matrix = np.frombuffer(b"".join(plain for _, plain in found), _DTYPES[wide]).reshape(len(found), -1)
        return pl.Series(
            name, matrix
        ).arr.to_list()  # as most are: a row at a time would take ten times as long
    read = [
        None if physical is None else pl.Series(np.frombuffer(plain, _DTYPES[physical])).cast(_INNER[wide])
        for physical, plain in found
    ]
    return pl.Series(name, read, dtype=pl.List(_INNER[wide]))


def closed_vectors(column: pl.Series) -> pl.Series:
    """A column of lists or arrays as lists of float32 or float64; ``SchemaError`` where there are no numbers in them."""
    kind = column.dtype
    assert isinstance(kind, pl.List | pl.Array)
    if not is_vector(kind):
        nested = isinstance(kind.inner, pl.List | pl.Array) or (
            isinstance(kind, pl.Array) and len(kind.shape) > 1
        )
        right = (
            "one of numbers (of images give what is to be watched: vedette.image)" if nested else "numbers"
        )
        raise SchemaError(f"column {column.name!r} has the type {kind}: a list must be {right}")
    if isinstance(kind, pl.Array):
        column = column.arr.to_list()
    narrow = kind.inner.is_float() and kind.inner != pl.Float64
    if not kind.inner.is_float():
        flat = column.explode().drop_nulls()
        if len(flat) and max(abs(int(flat.min())), abs(int(flat.max()))) > EXACT_INTEGER_MAX:  # type: ignore[arg-type]
            raise DataError(
                f"column {column.name!r} holds vectors with integers beyond 2**53: give them as float64"
            )
    return column.cast(pl.List(pl.Float32() if narrow else pl.Float64()))


def unfit_vectors(column: pl.Series) -> Iterator[tuple[str, pl.Expr]]:
    """Why rows of a column of vectors cannot be taken, and which they are: as ``log`` refuses them."""
    name = column.name
    own = pl.col(name)
    n = own.list.len()
    known = list(islice(lengths(column, fit=True), LENGTHS_MAX))
    yield f"{name}: vector without elements", n == 0
    yield f"{name}: vector longer than {VECTOR_ELEMENTS_MAX} elements", n > VECTOR_ELEMENTS_MAX
    yield f"{name}: vector holds a value of type NoneType", own.list.drop_nulls().list.len() < n
    yield f"{name}: vector of another length: a column has at most {LENGTHS_MAX}", ~n.is_in(known)


def lengths(column: pl.Series, *, fit: bool = False) -> Iterator[int]:
    """The lengths of the vectors of a column, in the order in which they come; with ``fit`` only those that can be kept."""
    found = column.list.len().drop_nulls().unique(maintain_order=True).to_list()
    return (n for n in found if not fit or 0 < n <= VECTOR_ELEMENTS_MAX)


def spread_classes(frame: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """The frame with a column for each class in place of ``probability``, where that is a list or a matrix.

    ``SchemaError`` where the classes are not known, or a row has not one number for each.
    """
    kind = frame.schema.get("probability")
    if not isinstance(kind, pl.List | pl.Array):
        return frame
    if not classes:
        raise SchemaError(
            f"column 'probability' has the type {kind}: a list needs the classes in their order: Monitor(..., classes=[...])"
        )
    column = closed_vectors(frame["probability"])
    unlike = [n for n in lengths(column) if n != len(classes)]
    if unlike:
        raise SchemaError(
            f"column 'probability' holds lists of {unlike[0]} numbers: must have {len(classes)}, one for each of the classes"
        )
    taken = [f"probability_{name}" for name in classes if f"probability_{name}" in frame.columns]
    if taken:
        raise SchemaError(f"columns 'probability' and {taken[0]!r} are both given: drop one")
    return frame.drop("probability").with_columns(
        column.list.get(place, null_on_oob=True).cast(pl.Float64).alias(f"probability_{name}")
        for place, name in enumerate(classes)
    )
