"""Numbers as a person reads them: rounded by what is known of them, with thousands separators and units."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from vedette.output.comparison import Estimate

__all__ = ["estimate", "number", "percent", "span", "tick", "unit_of", "values", "width"]

PERCENTS = frozenset({"accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity", "mape"})
COUNTS = frozenset({"rows", "distinct", "count", "n"})
PLAIN = frozenset(
    {
        "psi",
        "jensen_shannon",
        "hellinger",
        "chi_square",
        "kolmogorov_smirnov",
        "total_variation",
        "wasserstein_sd",
        "skewness",
        "kurtosis",
    }
)
SPREADS = frozenset({"sd", "iqr", "wasserstein", "range"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
_LONGEST = (("days", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))


def unit_of(metric: str, kind: str = "") -> str:
    """The unit a metric is told in: ``%``, ``s``, ``count``, for columns of times ``time`` or ``duration``, else none.

    >>> unit_of("missing_share"), unit_of("latency_p99_s"), unit_of("sd", "time"), unit_of("mean", "numeric")
    ('%', 's', 'duration', '')
    """
    if metric.endswith(("_share", "_rate", "_change")) or _base(metric) in PERCENTS:
        return "%"
    if metric in COUNTS:
        return "count"
    if kind == "time" and metric not in PLAIN:
        return "duration" if metric in SPREADS else "time"
    return "s" if metric.endswith("_s") else ""


def _base(metric: str) -> str:
    """The metric without its class or the way of averaging: ``precision`` for ``precision_macro`` and ``precision[a]``."""
    name = metric.partition("[")[0]
    for average in ("_macro", "_micro", "_weighted"):
        name = name.removesuffix(average)
    return name


def number(value: float | None, unit: str = "") -> str:
    """A number alone, to three significant digits, whole from 1,000 on; "" for None.

    >>> number(1234567.8), number(0.012345), number(0.4567, "%"), number(1e12)
    ('1,234,568', '0.0123', '45.7 %', '1e12')
    """
    return "" if value is None else values((value,), unit)[0]


def percent(share: float | None) -> str:
    """A share of rows in percent, to a tenth; only what is nothing is told as 0, only what is all as 100.

    >>> percent(0.1234), percent(0.0), percent(0.0001), percent(1.0), percent(0.9999), percent(None)
    ('12.3 %', '0 %', '< 0.1 %', '100 %', '> 99.9 %', '')
    """
    if share is None:
        return ""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return "< 0.1 %" if share < 5e-4 else "> 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"


def width(*many: Estimate | None) -> float:
    """The widest of some intervals: what ``estimate`` is to round by where they are read side by side."""
    return max(
        (one.high - one.low for one in many if one and one.high is not None and one.low is not None),
        default=0.0,
    )


def estimate(one: Estimate | None, unit: str = "", by: float = 0.0) -> tuple[str, str]:
    """A value and its interval in brackets; the interval is "" where there is none, the value where there is a reason.

    Rounded to two digits of the interval's width, or of ``by`` where that is wider, but what is known not to be 0 is
    not said to be: 0.8 beside 20,000.

    >>> estimate(Estimate(0.91234, 0.905, 0.919, 6000), "%")
    ('91.2 %', '[90.5, 91.9]')
    >>> estimate(Estimate(7240653.0, 5792522.0, 8688784.0, 6000))
    ('7,200,000', '[5,800,000, 8,700,000]')
    """
    if one is None or one.value is None:
        return "", ""
    counted = unit == "count" and one.low == one.high
    if one.low is None or one.high is None or counted:
        return number(one.value, unit), ""
    value, low, high = values((one.value, one.low, one.high), unit, by)
    suffix = f" {value.rpartition(' ')[2]}" if unit in ("%", "s", "duration") else ""
    if not one.low <= 0 <= one.high and not any(digit in value for digit in "123456789"):
        value = number(one.value, unit)
    return value, f"[{low.removesuffix(suffix)}, {high.removesuffix(suffix)}]"


def values(many: tuple[float, ...], unit: str = "", by: float = 0.0) -> tuple[str, ...]:
    """Numbers that are read together, all to the same decimals: two digits of the distance between the utmost two.

    A greater distance than theirs can be given as ``by``.
    """
    if not all(map(math.isfinite, many)):
        return tuple(f"{one:g}" for one in many)
    if unit == "time":
        return _times(many)
    if unit == "duration":
        return _durations(many)
    if unit == "count":
        return tuple(f"{one:,.0f}" for one in many)
    if unit == "%":
        return tuple(f"{one} %" for one in _plain(tuple(100 * one for one in many), 100 * by))
    if unit == "s":
        return tuple(f"{one} s" for one in _plain(many, by))
    return _plain(many, by)


def _plain(many: tuple[float, ...], by: float = 0.0) -> tuple[str, ...]:
    largest, apart = max(map(abs, many)), max(max(many) - min(many), by)
    if largest == 0:
        return ("0",) * len(many)
    if not math.isfinite(apart) or not math.isfinite(largest):
        return tuple(f"{one:.3g}" for one in many)
    magnitude = math.floor(math.log10(largest))
    if apart > largest * 1e-9:
        decimals = min(1 - math.floor(math.log10(apart)), 5 - magnitude)
    else:
        decimals = 2 - magnitude
    if magnitude >= 9 or magnitude < -4:
        digits = max(0, min(decimals + magnitude, 4))
        plain = [0 < abs(one) < 1e6 and abs(one) >= 1e-3 and largest >= 1e9 for one in many]
        return tuple(
            f"{one:.3g}" if short else _scientific(one, digits)
            for one, short in zip(many, plain, strict=True)
        )
    if decimals < 0 and apart:
        many = tuple(round(one, decimals) for one in many)
    decimals = max(0, decimals)
    said = (f"{one:,.{decimals}f}" for one in many)
    if len(many) == 1 and decimals:
        said = (one.rstrip("0").rstrip(".") for one in said)
    return tuple(
        "0" if not one.strip("-0.,") and (one[0] == "-" or not exact) else one
        for one, exact in zip(said, many, strict=True)
    )


def _scientific(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def _times(many: tuple[float, ...]) -> tuple[str, ...]:
    """Microseconds since 1970 UTC as dates, with the time of day where they lie within three days."""
    try:
        dates = [_EPOCH + timedelta(microseconds=one) for one in many]
    except OverflowError:
        return _plain(many)
    near = max(many) - min(many) < 3 * 86400e6
    return tuple(f"{one:%Y-%m-%d %H:%M}" if near else f"{one:%Y-%m-%d}" for one in dates)


def _durations(many: tuple[float, ...]) -> tuple[str, ...]:
    """Microseconds as days, hours, minutes, seconds or milliseconds, all in one unit."""
    longest = max(map(abs, many)) / 1e6
    name, size = next(((name, size) for name, size in _LONGEST if longest >= 2 * size), _LONGEST[-1])
    return tuple(f"{one} {name}" for one in _plain(tuple(one / 1e6 / size for one in many)))


def span(seconds: float, digits: int = 3) -> str:
    """A length of time in its largest unit.

    >>> span(2592000.0), span(300.0), span(5400.0), span(0.4), span(250_000.0, 2)
    ('30 d', '5 min', '1.5 h', '0.4 s', '2.9 d')
    """
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(seconds) >= size), (1.0, "s"))
    value = seconds / size
    return f"{value:.{digits}g} {unit}" if abs(value) < 10**digits else f"{value:,.0f} {unit}"


def tick(value: float, step: float) -> str:
    """A number for an axis with ticks ``step`` apart: no more digits than tell its ticks apart.

    >>> [tick(one, 0.5) for one in (0.0, 0.5, 1.0)], tick(1500000, 500000), tick(20000, 10000)
    (['0', '0.5', '1.0'], '1.5M', '20k')
    """
    largest = max(abs(value), step)
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if largest >= (size if size > 1e3 else 1e4):
            if largest >= 1e13:
                break
            return "0" if value == 0 else f"{_fixed(value / size, step / size)}{mark}"
    if largest >= 1e13 or largest < 1e-4:
        return _scientific(value, 2)
    return "0" if abs(value) < step * 1e-6 else _fixed(value, step)


def _fixed(value: float, step: float) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}"
