"""What a sampler is shown of a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from vedette.records import class_name

__all__ = ["Row", "check_count", "check_rate", "key_of", "power_of_half"]


class Row(NamedTuple):
    """A prediction before it is recorded: the caller's own objects. ``time_s`` is its event time, seconds since 1970."""

    features: Mapping[str, Any]
    prediction: Any
    probability: Any
    error: Any
    time_s: float


def key_of(value: Any) -> str | None:
    """A value as one key, however it is spelt: numpy's numbers, 1, 1.0 and True are ``1``, every NaN is ``nan``.

    >>> key_of(1), key_of(True), key_of("north"), key_of(None)
    ('1', '1', 'north', None)
    """
    if value is None or type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) in (bool, float) or hasattr(value, "dtype"):
        return class_name(value)[:64]
    return str(value)[:64]


def power_of_half(wanted: float) -> float:
    """The least power of one half that is no smaller than a probability; one of what is larger.

    >>> power_of_half(0.2), power_of_half(0.25), power_of_half(3.0)
    (0.25, 0.25, 1.0)
    """
    mantissa, exponent = math.frexp(wanted)
    return math.ldexp(1.0, min(0, exponent - (mantissa == 0.5)))


def check_rate(name: str, rate: float) -> float:
    """Return a probability, or raise ``ValueError`` saying what it may be."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 < rate <= 1.0:
        raise ValueError(f"{name}={rate!r}: must be above 0 and at most 1")
    return float(rate)


def check_count(name: str, n: int) -> int:
    """Return a number of rows, or raise ``ValueError`` saying what it may be."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"{name}={n!r}: must be a whole number of rows, 1 or more")
    return n
