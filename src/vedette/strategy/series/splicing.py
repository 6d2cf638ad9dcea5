"""Some of the series of a state: put in the place of those of another, or taken by themselves."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["splice", "taken"]

State = TypeVar("State")
Ints = NDArray[np.int64]


def splice(state: State, fresh: State, rows: Ints) -> State:
    """``state``, a record of arrays [K, ...] and tuples of K, with the series of ``fresh`` as its series ``rows``.

    Arrays of different widths are made as wide as the wider, by zeros, or by what stands last in edges and sums
    (``edges``, ``cum``), which leaves their meaning as it is. Numbers and texts stay those of ``state``.
    """
    changed: dict[str, Any] = {}
    for field in fields(state):  # type: ignore[arg-type]  # of records alone
        old, new = getattr(state, field.name), getattr(fresh, field.name)
        if is_dataclass(old):
            changed[field.name] = splice(old, new, rows)
        elif isinstance(old, np.ndarray):
            changed[field.name] = _put(old, new, rows, field.name)
        elif isinstance(old, tuple):
            parts = list(old)
            for at, row in enumerate(rows.tolist()):
                parts[row] = new[at]
            changed[field.name] = tuple(parts)
    return replace(state, **changed)  # type: ignore[type-var]


def taken(state: State, rows: Ints) -> State:
    """The series ``rows`` [N] of ``state``, a record of arrays [K, ...], tuples of K and mappings of such records; a row that
    is there more than once is so many series. Numbers and texts stay. No array is shared with ``state``.
    """
    changed: dict[str, Any] = {}
    for field in fields(state):  # type: ignore[arg-type]  # of records alone
        old = getattr(state, field.name)
        if is_dataclass(old):
            changed[field.name] = taken(old, rows)
        elif isinstance(old, dict):
            changed[field.name] = {name: taken(one, rows) for name, one in old.items()}
        elif isinstance(old, np.ndarray):
            changed[field.name] = old[rows]
        elif isinstance(old, tuple):
            changed[field.name] = tuple(old[row] for row in rows.tolist())
    return replace(state, **changed)  # type: ignore[type-var]


def _put(old: NDArray[Any], new: NDArray[Any], rows: Ints, name: str) -> NDArray[Any]:
    width = max(old.shape[1], new.shape[1]) if old.ndim == 2 else 0
    out, new = (_wide(one, width, name) for one in (old, new))
    out = out.copy()
    out[rows] = new
    return out


def _wide(array: NDArray[Any], width: int, name: str) -> NDArray[Any]:
    if array.ndim != 2 or array.shape[1] == width:
        return array
    more = ((0, 0), (0, width - array.shape[1]))
    if name == "cum":
        return np.pad(array, more, mode="edge")
    return np.pad(array, more, constant_values=np.inf if name == "edges" else 0.0)
