"""States as bytes: records of arrays, tuples, numbers and texts, written down without anything that could run."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from vedette.errors import DataError

__all__ = ["from_bytes", "is_older", "to_bytes"]

_MAGIC = b"VDSERIES2"  # the last character is the version of the format


def to_bytes(state: Any) -> bytes:
    """A state as bytes: a line of its shape in JSON, then its arrays in one file of numpy's.

    Raises ``TypeError`` for what is no record of this package, array, tuple, list, mapping by text, number, text or None.
    """
    arrays: dict[str, np.ndarray] = {}
    head = json.dumps(_written(state, arrays)).encode()
    body = io.BytesIO()
    np.savez(body, **arrays)  # type: ignore[arg-type]  # its other arguments are not named a0, a1 ...
    return _MAGIC + len(head).to_bytes(8, "little") + head + body.getvalue()


def is_older(data: bytes) -> bool:
    """True for the state of a format before this one: it cannot be read any more, and is no damage.

    >>> is_older(b"VDSERIES1 and so on"), is_older(to_bytes(None)), is_older(b"something else")
    (True, False, False)
    """
    return data.startswith(_MAGIC[:-1]) and data[len(_MAGIC) - 1 : len(_MAGIC)] < _MAGIC[-1:]


def from_bytes(data: bytes) -> Any:
    """The state that ``to_bytes`` wrote. Raises ``DataError`` for bytes that are none."""
    if not data.startswith(_MAGIC):
        raise DataError(f"state of a series: starts with {data[:9]!r}, must start with {_MAGIC!r}")
    start = len(_MAGIC) + 8
    size = int.from_bytes(data[len(_MAGIC) : start], "little")
    try:
        head = json.loads(data[start : start + size])
        with np.load(io.BytesIO(data[start + size :]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return _read(head, arrays)
    except (
        ValueError,
        KeyError,
        TypeError,
        OSError,
        EOFError,
        AttributeError,
        ImportError,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(f"state of a series: cannot be read, {error}") from error


def _written(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value) and type(value).__module__.startswith("vedette."):
        kept = {field.name: _written(getattr(value, field.name), arrays) for field in fields(value)}
        return {"record": f"{type(value).__module__}:{type(value).__qualname__}", "fields": kept}
    if isinstance(value, (tuple, list)):
        return {type(value).__name__: [_written(one, arrays) for one in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): _written(one, arrays) for key, one in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"state of a series: {type(value).__name__} cannot be written down")


def _read(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "tuple" in value:
        return tuple(_read(one, arrays) for one in value["tuple"])
    if "list" in value:
        return [_read(one, arrays) for one in value["list"]]
    if "dict" in value:
        return {key: _read(one, arrays) for key, one in value["dict"].items()}
    module, _, name = value["record"].partition(":")
    if not module.startswith("vedette."):
        raise ValueError(f"{module} is no part of vedette")
    kind: Any = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"{module}.{name} is no record")
    make: Any = kind
    return make(**{key: _read(one, arrays) for key, one in value["fields"].items()})
