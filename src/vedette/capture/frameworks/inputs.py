"""What a model was asked, as rows: mappings from a feature's name to its value.

Frameworks are told by what their objects can do, so that none of them is imported here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vedette.capture.media import text
from vedette.capture.rejected import Rejected, type_name
from vedette.capture.values import resolve

__all__ = ["COLUMNS_MAX", "Rows", "plain", "rows_of", "rows_of_call", "to_array"]

COLUMNS_MAX = 256
"""A matrix without names for its columns that has more of them is a vector a row."""

_ELEMENTS_MAX = (
    4096  # of a row of an array of many dimensions, which is a vector up to here; images have more
)

Rows = list[dict[str, Any]]


def rows_of(value: Any, names: Sequence[str] | None = None) -> Rows:
    """The rows of a batch: a table, a matrix, a mapping of columns, a list of mappings or of texts; one for anything else.

    ``names`` are those of a matrix's columns, default ``x0``, ``x1`` and so on. A row of an array of more than two
    dimensions is a vector where it has 4,096 elements at most; of a larger one, of a sparse matrix, and of a table of objects
    only the number of rows is taken. Raises :class:`Rejected` for what has no rows.
    """
    if isinstance(value, str):
        return [{"text": text(value)}]
    if _is_table(value):
        return _rows_of_table(value)
    if isinstance(value, Mapping):
        return _rows_of_mapping(value)
    if hasattr(value, "tocsr"):  # scipy's sparse matrices
        return [{} for _ in range(value.shape[0])]
    if isinstance(value, list | tuple):
        if not value:
            return []
        if all(isinstance(one, Mapping) for one in value):
            return [dict(one) for one in value]
        if all(isinstance(one, str) for one in value):
            return [{"text": text(one)} for one in value]
    array = to_array(value)
    if array is None:
        raise Rejected(f"watch: no rows in type {type_name(type(value))}: give features=")
    return _rows_of_array(array, names)


def rows_of_call(arguments: Mapping[str, Any], names: Sequence[str] | None = None) -> Rows:
    """The rows of a call of a plain function: of its one argument where that holds rows, else one of all arguments.

    ``arguments`` are all of them by name. Those that cannot be kept (connections, settings) are no features.
    """
    if len(arguments) == 1:
        (value,) = arguments.values()
        if isinstance(value, Mapping):
            return [dict(value)]
        if (
            _is_table(value)
            or getattr(value, "ndim", 0) >= 2
            or (isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value))
        ):
            return rows_of(value, names)
    return [{name: value for name, value in arguments.items() if _is_kept(value)}]


def to_array(value: Any) -> Any:
    """A numpy array of a tensor, an array or a list of numbers; None for what is none, or would have to be fetched first."""
    import numpy as np

    if hasattr(value, "detach") and hasattr(value, "device"):  # torch
        if value.device.type != "cpu":
            raise Rejected(f"watch: a tensor on {value.device.type}: give features= and output=")
        value = value.detach()
        if value.dtype.is_floating_point and value.element_size() < 4:
            value = value.float()  # bfloat16, which numpy does not know
        return value.resolve_conj().resolve_neg().numpy()
    if not (hasattr(value, "__array__") or isinstance(value, list | tuple | bytearray | memoryview)):
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return array if array.ndim and array.dtype.kind in "biufSUOM" else None


def plain(value: Any) -> Any:
    """A scalar of an array or tensor as Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "size", None) in (1, None) else value


def _is_table(value: Any) -> bool:
    return hasattr(value, "columns") and (
        hasattr(value, "iloc") or hasattr(value, "iter_rows") or hasattr(value, "to_pylist")
    )


def _rows_of_table(table: Any) -> Rows:
    if hasattr(table, "iloc"):  # pandas
        names = [str(name) for name in table.columns]
        columns = [column.tolist() for _, column in table.items()]
        if not columns:
            return [{} for _ in range(len(table))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if hasattr(table, "iter_rows"):  # Polars
        return list(table.iter_rows(named=True))
    rows: Rows = table.to_pylist()  # Arrow
    return rows


def _rows_of_mapping(columns: Mapping[Any, Any]) -> Rows:
    """One row of single values; or a row for each place of the columns."""
    lists: dict[str, Iterable[Any]] = {}
    lengths = set()
    for name, value in columns.items():
        array = None if isinstance(value, str | bytes) else to_array(value)
        if array is None:
            return [{str(key): one for key, one in columns.items()}]
        lengths.add(len(array))
        lists[str(name)] = _elements(array)
    if len(lengths) != 1:
        raise Rejected("watch: the columns have different numbers of rows: give features=")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _rows_of_array(array: Any, names: Sequence[str] | None) -> Rows:
    if array.ndim == 1:
        return [{"x": value} for value in array.tolist()]
    if array.ndim == 2:
        n_columns = array.shape[1]
        if names is None and n_columns <= COLUMNS_MAX:
            names = [f"x{i}" for i in range(n_columns)]
        if names is not None:
            if len(names) != n_columns:
                raise Rejected(f"watch: {n_columns} columns, and {len(names)} names for them")
            return [dict(zip(names, row, strict=True)) for row in array.tolist()]
    return [{} if one is None else {"x": one} for one in _elements(array)]


def _elements(array: Any) -> list[Any]:
    """A value for each row: single ones, vectors, or None for what is too large to be one."""
    if array.ndim == 1:
        values: list[Any] = array.tolist()
        return values
    flat = array.reshape(len(array), -1)
    if flat.shape[1] > _ELEMENTS_MAX or flat.dtype.kind not in "biuf" or not flat.shape[1]:
        return list(itertools.repeat(None, len(array)))
    return list(flat.copy())


def _is_kept(value: Any) -> bool:
    try:
        resolve(value)
    except Rejected:
        return False
    return True


Features = Callable[..., Any] | Sequence[str] | None
"""What a user says of a call's features: a function of its arguments, or the names of a matrix's columns."""
