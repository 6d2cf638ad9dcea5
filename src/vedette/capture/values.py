"""The closed table of types: which values a journal keeps, as what, and why the others are refused.

Nothing here trusts the caller's objects: types are compared by identity, subclasses are reduced to the plain type
they extend by that type's own methods, and whatever such an object raises ends as a :class:`Rejected` row.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from vedette.capture.rejected import Rejected, type_name
from vedette.capture.vectors import EXACT_INTEGER_MAX, vector, widened
from vedette.records import FUTURE_S, Physical

__all__ = [
    "EXACT_INTEGER_MAX",
    "TEXT_BYTES_MAX",
    "Rejected",
    "convert",
    "event_time",
    "fit_float",
    "fit_integer",
    "identifier",
    "resolve",
    "score",
]

TEXT_BYTES_MAX = 65_536
"""A longer text or bytes value is refused: it is a document, not a feature."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_10000_S = 253_402_300_800.0
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**63, 2**64)


def resolve(value: Any, *, vectors: bool = True) -> tuple[Physical | None, Any]:
    """Return the stored type of a value and the value itself in its plainest form; ``(None, None)`` is a null.

    Text comes back as ``str`` or ``bytes``, timestamps as microseconds since 1970-01-01 UTC, vectors (lists, tuples and
    arrays of one dimension) as the bytes of their elements. Naive datetimes are taken as UTC; ``NaT`` and pandas' ``NA``
    are nulls; NaN and the infinities are floats and stay what they are; an array of no dimension is its value. Without
    ``vectors`` only single values are in the table.

    Raises :class:`Rejected` for a type outside the table, an integer beyond 64 bits, a ``Decimal`` that no float64
    equals, text over 65,536 bytes or with lone surrogates, a vector that is empty, too long or of no real numbers.

    >>> resolve(2**63), resolve(None)
    ((<Physical.UINT64: 'uint64'>, 9223372036854775808), (None, None))
    """
    kind = type(value)
    if kind is float:
        return Physical.FLOAT64, value
    if kind is int:
        return _integer(value)
    if kind is str or kind is bytes:
        return _text(value)
    if kind is bool:
        return Physical.BOOL, value
    if value is None:
        return None, None
    try:
        bases = type.mro(kind)
        if _numpys(bases, "ndarray") and value.ndim == 0 and type(value[()]) is not kind:
            return resolve(value[()], vectors=vectors)
        found = _uncommon(kind, value, bases)
        if found is None and vectors:
            found = vector(value, bases, _element)
    except Rejected:
        raise
    except Exception:  # noqa: BLE001 - the caller's object raised: its row is refused, the caller is not troubled
        raise Rejected(f"type {type_name(kind)}") from None
    if found is None:
        raise Rejected(f"type {type_name(kind)}")
    return found


def _numpys(bases: list[type], name: str) -> bool:
    """True where one of the types is numpy's, recognised without importing numpy, which is loaded where one exists."""
    return any(base.__module__ == "numpy" and base.__name__ == name for base in bases)


def _element(value: Any) -> int | float | None:
    """An element of a list as a plain number, None where it is none; lists in lists are none."""
    kind = type(value)
    try:
        found = None if value is None or kind is bool else _uncommon(kind, value, type.mro(kind))
    except Exception:  # noqa: BLE001 - refused by its type, whatever else is wrong with it
        return None
    if found is None or found[0] is None or not found[0].numeric:
        return None
    plain: int | float = found[1]
    return plain


def _uncommon(kind: type, value: Any, bases: list[type]) -> tuple[Physical | None, Any] | None:
    """The stored type and the value of what is a single value; None for lists, arrays and all that is unknown."""
    if _numpys(bases, "generic"):
        return _numpy(kind, value)
    if kind.__module__.startswith("pandas.") and kind.__name__ in ("NAType", "NaTType"):
        return None, None
    if datetime in bases:
        return Physical.TIMESTAMP, _microseconds(value)
    if date in bases:
        return Physical.TIMESTAMP, _microseconds(datetime(value.year, value.month, value.day))
    if Decimal in bases:
        return Physical.FLOAT64, _decimal(value)
    if int in bases:
        return _integer(int.__pos__(value))  # int's own method: a subclass cannot answer with something else
    if float in bases:
        return Physical.FLOAT64, float.__pos__(value)
    if str in bases:
        return _text(str.__str__(value))
    if bytes in bases:
        return _text(bytes.__getitem__(value, slice(None)))
    return None


def _numpy(kind: type, value: Any) -> tuple[Physical | None, Any]:
    """A numpy scalar."""
    match value.dtype.kind:
        case (
            "M"
        ):  # the unit decides what item() gives, nanoseconds even a bare integer: go through microseconds
            moment = value.astype("datetime64[us]").item()
            return (None, None) if moment is None else (Physical.TIMESTAMP, _microseconds(moment))
        case "b" | "i" | "u" | "f" | "S" | "U":
            plain = value.item()
            if type(plain) in (bool, int, float, str, bytes):  # a longdouble stays what it is
                return resolve(plain)
    raise Rejected(f"type {type_name(kind)}")


def _integer(value: int) -> tuple[Physical, int]:
    if value in _INT64:
        return Physical.INT64, value
    if value in _UINT64:
        return Physical.UINT64, value
    raise Rejected("integer beyond 64 bits")


def _text(value: str | bytes) -> tuple[Physical, str | bytes]:
    # the count of characters bounds the bytes from below, so that a giant is refused without a copy of it
    if len(value) > TEXT_BYTES_MAX or (isinstance(value, str) and len(_encode(value)) > TEXT_BYTES_MAX):
        raise Rejected(f"text longer than {TEXT_BYTES_MAX} bytes")
    return (Physical.TEXT if isinstance(value, str) else Physical.BYTES), value


def _encode(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Rejected("text is not valid Unicode") from None


def _decimal(value: Decimal) -> float:
    if value.is_nan():
        return float("nan")
    number = float(value)
    if value.is_finite() and Decimal(repr(number)) != value:
        raise Rejected("Decimal that no float64 equals")
    return number


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def convert(value: Any, physical: Physical, into: Physical, *, declared: bool) -> Any:
    """Return a resolved value as another stored type, where that loses nothing, else None.

    An integer goes into a float64 column up to 2**53 and into a uint64 column if it is not negative. A float goes
    into an int64 column only where that type was declared (by a reference), the float is integral and not beyond
    2**53; elsewhere a float among integers is a change of type that must be seen. A vector of float32 goes into a
    column of vectors of float64.

    >>> convert(3, Physical.INT64, Physical.FLOAT64, declared=False)
    3.0
    >>> convert(3.0, Physical.FLOAT64, Physical.INT64, declared=False)
    """
    if physical is into:
        return value
    match physical, into:
        case Physical.INT64, Physical.FLOAT64 if -EXACT_INTEGER_MAX <= value <= EXACT_INTEGER_MAX:
            return float(value)
        case Physical.INT64, Physical.UINT64 if value >= 0:
            return value
        case Physical.FLOAT64, Physical.INT64 if (
            declared and abs(value) <= EXACT_INTEGER_MAX and value.is_integer()
        ):
            return int(value)
        case Physical.VECTOR32, Physical.VECTOR64:
            return widened(value)
    return None


def fit_float(value: Any) -> float:
    """Return the float64 that an uncommon number is, for a column of floats only; raise where it has none.

    >>> fit_float(3)
    3.0
    """
    physical, plain = resolve(value, vectors=False)
    fitted = None if physical is None else convert(plain, physical, Physical.FLOAT64, declared=False)
    if fitted is None:
        raise Rejected("does not fit float64")
    return float(fitted)


def fit_integer(value: Any) -> int:
    """Return the int64 that an uncommon integer is (numpy's, a subclass); raise where it is none."""
    physical, plain = resolve(value, vectors=False)
    if physical is not Physical.INT64:
        raise Rejected("does not fit int64")
    return int(plain)


def score(value: Any) -> float | None:
    """Return a probability or a latency as float64, or None; anything but a number is refused.

    Values outside 0 to 1 are kept: that a model gives them is something to be seen.
    """
    physical, plain = resolve(value, vectors=False)
    if physical is None:
        return None
    if physical is Physical.UINT64 or not physical.numeric:
        raise Rejected(f"type {type_name(type(value))}")
    fitted = convert(plain, physical, Physical.FLOAT64, declared=False)
    if fitted is None:
        raise Rejected("integer beyond 2**53")
    return float(fitted)


def identifier(value: Any) -> bytes | None:
    """Return an id as UTF-8: text as it is, integers and UUIDs as their usual spelling, None as None.

    Floats and booleans are refused: ``1.0`` and ``1`` would be two ids for one row, and no label would find it.

    >>> identifier(17), identifier("é")
    (b'17', b'\\xc3\\xa9')
    """
    if type(value) is uuid.UUID:
        return str(value).encode()
    physical, plain = resolve(value, vectors=False)
    match physical:
        case None:
            return None
        case Physical.TEXT:
            return _encode(plain)
        case Physical.INT64 | Physical.UINT64:
            return b"%d" % plain
        case Physical.BYTES:
            try:
                plain.decode()
            except UnicodeDecodeError:
                raise Rejected("bytes that are not UTF-8") from None
            return bytes(plain)
    raise Rejected(f"type {type_name(type(value))}: must be an integer, a text or a UUID")


def event_time(value: Any, now: float) -> tuple[float, bool]:
    """Return an event time in seconds since 1970-01-01 UTC, and whether it was a naive datetime, taken as UTC.

    Numbers are seconds; datetimes, dates and ISO 8601 text are moments. Raises :class:`Rejected` for NaN, for a
    year outside 1970 to 9999, and for what lies more than five minutes after ``now``.

    >>> event_time("2026-11-22T00:00:00+00:00", now=2e9)
    (1795305600.0, False)
    """
    if type(value) is str:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Rejected("time is not an ISO 8601 date") from None
    try:
        physical, plain = resolve(value, vectors=False)
    except Rejected as reason:
        raise Rejected(f"time: {reason}") from None
    naive = False
    if physical is Physical.TIMESTAMP:
        naive = getattr(value, "tzinfo", UTC) is None
        seconds = plain / 1e6
    elif physical in (Physical.FLOAT64, Physical.INT64):
        seconds = float(plain)
    else:
        raise Rejected(f"time: type {type_name(type(value))}")
    if seconds != seconds:
        raise Rejected("time is not a number")
    if not 0.0 <= seconds < _YEAR_10000_S:
        raise Rejected("time outside the years 1970 to 9999")
    if seconds > now + FUTURE_S:
        raise Rejected("time in the future")
    return seconds, naive
