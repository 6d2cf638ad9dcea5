"""The closed table of types: what is kept as what, and what is refused with which reason."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.capture import values
from vedette.capture.values import Rejected
from vedette.records import Physical


class Grade(IntEnum):
    LOW = 1


class Carrier(StrEnum):
    AA = "AA"


class Liar(float):
    """A float that says it is another one."""

    def __float__(self) -> float:
        return -1.0

    def __pos__(self) -> float:
        return -1.0

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = float.__hash__


def reason(value: Any, function: Callable[[Any], Any] = values.resolve) -> str:
    with pytest.raises(Rejected) as refused:
        function(value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("value", "physical", "plain"),
    [
        (1.5, Physical.FLOAT64, 1.5),
        (np.float32(1.5), Physical.FLOAT64, 1.5),
        (np.float64(1.5), Physical.FLOAT64, 1.5),
        (np.float16(1.5), Physical.FLOAT64, 1.5),
        (math.inf, Physical.FLOAT64, math.inf),
        (Decimal("0.1"), Physical.FLOAT64, 0.1),
        (Decimal("-Infinity"), Physical.FLOAT64, -math.inf),
        (Liar(2.5), Physical.FLOAT64, 2.5),
        (7, Physical.INT64, 7),
        (-(2**63), Physical.INT64, -(2**63)),
        (2**63 - 1, Physical.INT64, 2**63 - 1),
        (np.int8(-7), Physical.INT64, -7),
        (Grade.LOW, Physical.INT64, 1),
        (2**63, Physical.UINT64, 2**63),
        (2**64 - 1, Physical.UINT64, 2**64 - 1),
        (np.uint64(2**64 - 1), Physical.UINT64, 2**64 - 1),
        (True, Physical.BOOL, True),
        (np.bool_(False), Physical.BOOL, False),
        ("", Physical.TEXT, ""),
        ("é", Physical.TEXT, "é"),
        (np.str_("a"), Physical.TEXT, "a"),
        (Carrier.AA, Physical.TEXT, "AA"),
        (b"\0\xff", Physical.BYTES, b"\0\xff"),
        (np.bytes_(b"a"), Physical.BYTES, b"a"),
        (datetime(1970, 1, 2, tzinfo=UTC), Physical.TIMESTAMP, 86_400_000_000),
        (datetime(1970, 1, 2), Physical.TIMESTAMP, 86_400_000_000),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), Physical.TIMESTAMP, 0),
        (date(1969, 12, 31), Physical.TIMESTAMP, -86_400_000_000),
        (pd.Timestamp("1970-01-01T00:00:01.000001Z"), Physical.TIMESTAMP, 1_000_001),
        (np.datetime64("1970-01-01T00:00:01.000001999", "ns"), Physical.TIMESTAMP, 1_000_001),
        (np.datetime64("1970-01-02", "D"), Physical.TIMESTAMP, 86_400_000_000),
    ],
    ids=repr,
)
def test_a_value_of_the_table_is_kept_as_its_type(value: Any, physical: Physical, plain: Any) -> None:
    """Each Python and numpy type of the table has one stored type and keeps its value."""
    found, kept = values.resolve(value)
    assert (found, kept, type(kept)) == (physical, plain, type(plain))


@pytest.mark.parametrize("value", [None, pd.NA, pd.NaT, np.datetime64("NaT")], ids=repr)
def test_what_stands_for_nothing_is_a_null(value: Any) -> None:
    """None, pandas' NA and NaT are nulls and have no type."""
    assert values.resolve(value) == (None, None)


@pytest.mark.parametrize("value", [math.nan, np.float32("nan"), Decimal("NaN"), Decimal("sNaN")], ids=repr)
def test_nan_is_a_number_and_not_a_null(value: Any) -> None:
    """NaN of any kind is kept as a float64 NaN."""
    physical, kept = values.resolve(value)
    assert physical is Physical.FLOAT64
    assert math.isnan(kept)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, "type dict"),
        (1j, "type complex"),
        (np.complex128(1j), "type complex128"),
        (np.timedelta64(1, "s"), "type timedelta64"),
        (Fraction(1, 3), "type Fraction"),
        pytest.param(object(), "type object", id="object"),
        (timedelta(1), "type timedelta"),
        (Decimal("0.1000000000000000055511151231257827"), "Decimal that no float64 equals"),
        (Decimal(2**53 + 1), "Decimal that no float64 equals"),
        (2**64, "integer beyond 64 bits"),
        (-(2**63) - 1, "integer beyond 64 bits"),
        ("\ud800", "text is not valid Unicode"),
        ("x" * 65_537, "text longer than 65536 bytes"),
        ("é" * 40_000, "text longer than 65536 bytes"),
        (b"x" * 65_537, "text longer than 65536 bytes"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_outside_the_table_is_refused_with_the_reason(value: Any, why: str) -> None:
    """A value that cannot be kept exactly is refused, and the reason names its type or its fault."""
    assert reason(value) == why


def test_a_longdouble_that_no_python_type_holds_is_refused() -> None:
    """numpy's longdouble has digits that a float64 would lose."""
    assert reason(np.longdouble(1)) == "type longdouble" or np.finfo(np.longdouble).nmant == 52


@given(st.integers(-(2**64), 2**65))
def test_an_integer_is_kept_exactly_or_refused(number: int) -> None:
    """No integer is ever rounded: 64 bits with or without sign, and nothing beyond."""
    try:
        physical, kept = values.resolve(number)
    except Rejected:
        assert not -(2**63) <= number < 2**64
    else:
        assert kept == number
        assert physical is (Physical.INT64 if number < 2**63 else Physical.UINT64)


@given(st.decimals(allow_nan=False))
def test_a_decimal_is_kept_only_where_its_digits_are(number: Decimal) -> None:
    """A Decimal that is kept reads back, from the shortest spelling of its float, as the same Decimal."""
    try:
        _, kept = values.resolve(number)
    except Rejected:
        assert Decimal(repr(float(number))) != number
    else:
        assert Decimal(repr(kept)) == number


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_goes_into_a_float_column_only_unrounded(number: int) -> None:
    """Among floats an integer is kept up to 2**53, where every integer has a float of its own."""
    kept = values.convert(number, Physical.INT64, Physical.FLOAT64, declared=False)
    assert kept is None if abs(number) > 2**53 else int(kept) == number


def test_a_float_goes_into_an_integer_column_only_where_that_was_declared() -> None:
    """3.0 among integers is a change of type, unless a reference said that the column is one of integers."""
    learned = values.convert(3.0, Physical.FLOAT64, Physical.INT64, declared=False)
    declared = values.convert(3.0, Physical.FLOAT64, Physical.INT64, declared=True)
    assert (learned, declared) == (None, 3)


@pytest.mark.parametrize("value", [2.5, math.nan, math.inf, 2.0**54])
def test_a_float_that_is_no_exact_integer_never_becomes_one(value: float) -> None:
    """Halves, NaN, infinities and floats beyond 2**53 are not integers even where integers were declared."""
    assert values.convert(value, Physical.FLOAT64, Physical.INT64, declared=True) is None


@pytest.mark.parametrize("value", [True, 1.0])
def test_booleans_and_numbers_do_not_mix(value: Any) -> None:
    """True is not 1.0."""
    physical, other = (
        (Physical.BOOL, Physical.FLOAT64) if value is True else (Physical.FLOAT64, Physical.BOOL)
    )
    assert values.convert(value, physical, other, declared=True) is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a1", b"a1"),
        (17, b"17"),
        (np.int64(17), b"17"),
        (np.uint64(2**64 - 1), b"18446744073709551615"),
        (uuid.UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (b"a1", b"a1"),
        ("", b""),
        (None, None),
    ],
    ids=repr,
)
def test_an_id_is_kept_as_text(value: Any, kept: bytes | None) -> None:
    """Text, integers, UUIDs and UTF-8 bytes are ids, by their usual spelling."""
    assert values.identifier(value) == kept


@pytest.mark.parametrize(
    "value",
    [1.0, True, (1,), b"\xff", "x" * 70_000, datetime(2026, 1, 1)],
    ids=lambda value: repr(value)[:30],
)
def test_an_id_that_a_label_would_not_find_is_refused(value: Any) -> None:
    """Floats, booleans and containers are not ids."""
    assert reason(value, values.identifier)


@pytest.mark.parametrize("value", ["0.5", True, 2**60, b"1", [0.5], datetime(2026, 1, 1)], ids=repr)
def test_a_score_is_a_number(value: Any) -> None:
    """A probability or a latency that is no number, or that a float64 would round, is refused."""
    assert reason(value, values.score)


def test_a_score_out_of_range_is_kept() -> None:
    """A probability above 1 is the model's fault and must be seen."""
    assert [values.score(value) for value in (1.5, 1, np.float32(0.5), None)] == [1.5, 1.0, 0.5, None]


@pytest.mark.parametrize(
    "value",
    [
        1e9,
        10**9,
        np.float64(1e9),
        datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
        datetime(2001, 9, 9, 1, 46, 40),
        "2001-09-09T01:46:40Z",
        "2001-09-09T03:46:40+02:00",
        "2001-09-09 01:46:40",
        np.datetime64("2001-09-09T01:46:40"),
        pd.Timestamp("2001-09-09T01:46:40Z"),
    ],
    ids=repr,
)
def test_a_time_is_seconds_a_moment_or_iso_text(value: Any) -> None:
    """However it is said, the same moment is the same number of seconds; without a zone it is UTC."""
    assert values.event_time(value, 2e9)[0] == 1e9


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "time is not a number"),
        (-1, "time outside the years 1970 to 9999"),
        (1e12, "time outside the years 1970 to 9999"),
        (math.inf, "time outside the years 1970 to 9999"),
        (10**400, "time: integer beyond 64 bits"),
        (1_000_301.0, "time in the future"),
        ("yesterday", "time is not an ISO 8601 date"),
        (True, "time: type bool"),
        ([], "time: type list"),
        (Decimal("NaN"), "time is not a number"),
        (pd.NaT, "time: type NaTType"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_time_that_cannot_be_is_refused(value: Any, why: str) -> None:
    """NaN, other millennia, the future and what is no time are refused with the reason."""
    assert reason(value, lambda value: values.event_time(value, 1e6)) == why


def test_a_row_five_minutes_ahead_is_not_from_the_future() -> None:
    """Clocks differ: up to five minutes ahead is now."""
    assert values.event_time(1_000_300.0, 1e6) == (1_000_300.0, False)


class Hostile:
    """Everything it can do is to raise."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __float__(self) -> float:
        raise RuntimeError

    __int__ = __index__ = __bool__ = __str__ = __repr__ = __hash__ = __eq__ = __len__ = __float__  # type: ignore[assignment]


class HostileName(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class Nameless(metaclass=HostileName):
    pass


class HostileZone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        raise RuntimeError


@pytest.mark.parametrize("function", [values.resolve, values.identifier, values.score])
@pytest.mark.parametrize(
    "make",
    [Hostile, Nameless, lambda: datetime(2026, 1, 1, tzinfo=HostileZone())],
    ids=["all", "name", "zone"],
)
def test_an_object_that_raises_is_refused_quietly(
    function: Callable[[Any], Any], make: Callable[[], Any]
) -> None:
    """Whatever the caller's object raises, what comes out is a refusal."""
    assert reason(make(), function)
