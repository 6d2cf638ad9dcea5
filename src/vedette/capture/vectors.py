"""Vectors (embeddings, probabilities): lists and arrays of numbers as the bytes of a slot, copied at the time of the call.

Arrays are read by the buffer protocol, so that numpy need not be loaded; lists and tuples by their own types' methods,
so that a subclass cannot answer with something else. All is bounded: what is too long is refused before it is copied.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from vedette.capture.rejected import Rejected, type_name
from vedette.records import Physical

__all__ = ["LENGTHS_MAX", "VECTOR_ELEMENTS_MAX", "length_of", "numbers_of", "vector", "widened"]

VECTOR_ELEMENTS_MAX = 16_384
"""A longer list or array is refused: it is a document or an image, not a feature."""

LENGTHS_MAX = 4
"""Vectors of more lengths than this in one column are no embeddings but lists of whatever there was."""

EXACT_INTEGER_MAX = 2**53

_CODES = {Physical.VECTOR32: "f", Physical.VECTOR64: "d"}
_FLOATS = {"e": Physical.VECTOR32, "f": Physical.VECTOR32, "d": Physical.VECTOR64}
_INTEGERS = "bBhHiIlLqQnN"
_AS_STORED = "@=<" if sys.byteorder == "little" else "<"


def vector(
    value: Any, bases: Sequence[type], number: Callable[[Any], int | float | None]
) -> tuple[Physical, bytes] | None:
    """Return a vector as its stored type and bytes, None where the value is neither a list nor an array.

    Arrays of float32 and float16 are kept as float32, all else as float64. ``bases`` are those of the value's type;
    ``number`` returns an element that is no plain float or integer as one, None where it is none. Raises
    :class:`Rejected` for what is empty, too long, of more dimensions than one, or holds anything but real numbers.
    """
    for base in (list, tuple):
        if base in bases:
            return Physical.VECTOR64, _of_list(
                base.__getitem__(value, slice(VECTOR_ELEMENTS_MAX + 1)), number
            )
    if bytearray in bases or any(base.__name__ == "MaskedArray" for base in bases):
        return None  # the buffer of a masked array says nothing of its mask
    try:
        view = memoryview(value)
    except TypeError:
        return None
    with view:
        return _of_buffer(view, raw=any(base.__name__ in ("ndarray", "array") for base in bases))


def _of_list(items: Any, number: Callable[[Any], int | float | None]) -> bytes:
    _check_length(len(items))
    kinds = set(map(type, items))
    if not kinds <= {float, int}:
        items = [one if type(one) is float or type(one) is int else _element(one, number) for one in items]
    if kinds != {float}:
        _check_exact([one for one in items if type(one) is int])
    return _packed(Physical.VECTOR64, items)


def _element(item: Any, number: Callable[[Any], int | float | None]) -> int | float:
    found = number(item)
    if found is None:
        raise Rejected(f"vector holds a value of type {type_name(type(item))}")
    return found


def _of_buffer(view: memoryview, *, raw: bool) -> tuple[Physical, bytes] | None:
    """``raw`` is true where single bytes are numbers, not a text or a file."""
    if not view.shape:
        return None
    if len(view.shape) > 1:
        raise Rejected(
            f"array of {len(view.shape)} dimensions: a vector has one; of an image give vedette.image(...)"
        )
    n, given = view.shape[0], view.format
    order, code = (given[0], given[1:]) if given[:1] in ("@", "=", "<", ">", "!") else ("@", given)
    if code in ("b", "B") and not raw:
        return None
    if code not in _FLOATS and (len(code) != 1 or code not in _INTEGERS):
        raise Rejected(f"array of {given[:20]!r}: must hold real numbers")
    _check_length(n)
    data = view.tobytes()
    physical = _FLOATS.get(code, Physical.VECTOR64)
    if code == _CODES[physical] and order in _AS_STORED:
        return physical, data
    numbers = struct.unpack(f"{order}{n}{code}", data)
    if view.itemsize == 8 and code in _INTEGERS:
        _check_exact(numbers)
    return physical, _packed(physical, numbers)


def _check_length(n: int) -> None:
    if n == 0:
        raise Rejected("vector without elements")
    if n > VECTOR_ELEMENTS_MAX:
        raise Rejected(f"vector longer than {VECTOR_ELEMENTS_MAX} elements")


def _check_exact(integers: Sequence[int]) -> None:
    """Beyond 2**53 two integers share a float64: none is ever rounded."""
    if integers and not -EXACT_INTEGER_MAX <= min(integers) <= max(integers) <= EXACT_INTEGER_MAX:
        raise Rejected("vector holds an integer beyond 2**53")


def _packed(physical: Physical, numbers: Sequence[float]) -> bytes:
    packed = array(_CODES[physical], numbers)
    if sys.byteorder != "little":
        packed.byteswap()
    return packed.tobytes()


def length_of(physical: Physical | None, value: Any) -> int:
    """The number of elements of a resolved value; 0 for one that is no vector.

    >>> length_of(Physical.VECTOR32, bytes(12)), length_of(Physical.TEXT, "abc")
    (3, 0)
    """
    return len(value) // (4 if physical is Physical.VECTOR32 else 8) if physical in _CODES else 0


def numbers_of(physical: Physical, data: bytes) -> tuple[float, ...]:
    """The elements of a resolved vector."""
    return struct.unpack(f"<{length_of(physical, data)}{_CODES[physical]}", data)


def widened(data: bytes) -> bytes:
    """A vector of float32 as one of float64, which holds each of its values."""
    return _packed(Physical.VECTOR64, numbers_of(Physical.VECTOR32, data))
