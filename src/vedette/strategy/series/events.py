"""What is known beforehand of a series' time: its clock, holidays, and events after which its level may be another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calendar", "seconds"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_DAY_S = 86400.0
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Calendar:
    """The clock that seasons go by, and the days that are no days like others.

    ``timezone``: hours and weekdays are of this zone. ``holidays``: on these days, by that clock, numbers are neither judged
    nor learnt. Raises ``ValueError`` for a zone that is not known.

    >>> calendar = Calendar("Europe/Berlin", [date(2026, 12, 25)])
    >>> calendar.local(np.array([1798153200.0])) - 1798153200.0            # an hour ahead in winter
    array([3600.])
    >>> calendar.is_holiday(np.array([1798153200.0 - 1, 1798153200.0]))    # from midnight in Berlin, not in London
    array([False,  True])
    """

    timezone: str = "UTC"
    holidays: Iterable[date] = field(default=())

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"timezone={self.timezone!r}: is not known, must be a name like Europe/Berlin"
            ) from error
        object.__setattr__(self, "holidays", frozenset(self.holidays))

    def local(self, times: Floats) -> Floats:
        """Seconds since 1970 by the clock on the wall."""
        if self.timezone == "UTC":
            return times
        zone = ZoneInfo(self.timezone)
        hours, inverse = np.unique(
            np.floor(times / 900.0), return_inverse=True
        )  # clocks change at quarters of an hour
        shifts = np.array([_shift(zone, hour * 900.0) for hour in hours.tolist()])
        return np.asarray(times + shifts[inverse].reshape(times.shape))

    def is_holiday(self, times: Floats) -> Bools:
        """True for times on a holiday."""
        days = np.array([day.toordinal() - _EPOCH for day in self.holidays], dtype=np.float64)
        return np.isin(np.floor(self.local(times) / _DAY_S), days)


def _shift(zone: ZoneInfo, at: float) -> float:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def seconds(times: Any) -> Floats:
    """Seconds since 1970 of times: numbers, ``datetime64``, or datetimes (without a zone: UTC), as float64.

    Raises ``ValueError`` for other things, and times that are not finite.

    >>> seconds(np.array(["1970-01-02"], dtype="datetime64[D]"))
    array([86400.])
    """
    array = np.asarray(times)
    if array.dtype.kind == "M":
        out = np.where(np.isnat(array), np.nan, array.astype("datetime64[us]").astype(np.int64) / 1e6)
    elif array.dtype.kind in "iuf":
        out = array.astype(np.float64)
    elif array.dtype.kind == "O" and all(isinstance(one, datetime) for one in array.ravel()):
        flat = [one if one.tzinfo else one.replace(tzinfo=UTC) for one in array.ravel()]
        out = np.array([one.timestamp() for one in flat]).reshape(array.shape)
    else:
        raise ValueError(
            f"times of type {array.dtype}: must be seconds since 1970, datetime64 or datetime objects"
        )
    if not np.isfinite(out).all():
        raise ValueError("times: must all be known, and finite")
    return np.asarray(out, dtype=np.float64)
