"""Likely causes of a change in one column: faults of the pipeline that leave a mark in a summary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vedette.errors import GridError
from vedette.statistics.grid import LABELLED_KINDS
from vedette.statistics.summary import Summary
from vedette.strategy.records import Floats

__all__ = ["causes", "distance", "distribution"]

_ROWS_MIN = 50  # what a cause is worth with fewer is a guess
_MISSING_RISE = 0.05
_STUCK_SHARE = 0.9
_STUCK_SHARE_BEFORE = 0.5


class _Unit(NamedTuple):
    factor: float
    offset: float
    name: str


def _units() -> tuple[_Unit, ...]:
    """Unit changes seen in practice: y = factor x + offset, and back."""
    scales = (
        (1.609344, "miles", "kilometres"),
        (1.852, "nautical miles", "kilometres"),
        (0.3048, "feet", "metres"),
        (2.54, "inches", "centimetres"),
        (25.4, "inches", "millimetres"),
        (0.45359237, "pounds", "kilograms"),
        (28.349523125, "ounces", "grams"),
        (3.785411784, "gallons", "litres"),
        (3.6, "m/s", "km/h"),
        (np.pi / 180, "degrees", "radians"),
        (60.0, "hours or minutes", "minutes or seconds"),
        (3600.0, "hours", "seconds"),
        (24.0, "days", "hours"),
        (86400.0, "days", "seconds"),
        (100.0, "shares", "per cent"),
        (1e3, "a unit", "thousandths of it"),
        (1e6, "a unit", "millionths of it"),
        (1e9, "a unit", "billionths of it"),
    )
    units = [_Unit(factor, 0.0, f"{a} to {b}") for factor, a, b in scales]
    units += [_Unit(1.0 / factor, 0.0, f"{b} to {a}") for factor, a, b in scales]
    units += [_Unit(1.8, 32.0, "Celsius to Fahrenheit"), _Unit(1 / 1.8, -32 / 1.8, "Fahrenheit to Celsius")]
    units += [_Unit(1.0, 273.15, "Celsius to kelvin"), _Unit(1.0, -273.15, "kelvin to Celsius")]
    return (*units, _Unit(-1.0, 0.0, "sign turned round"))


_UNITS = _units()


def causes(reference: Summary, current: Summary) -> tuple[str, ...]:
    """The faults that would explain how ``current`` differs from ``reference``, none where nothing fits.

    Both are summaries of one column on one grid; several windows are taken together. In this order:

    - *missing*: the share of null, NaN or infinite values rose by 5 points or more;
    - *stuck*: one cell (numeric columns) holds 90 % of the rows and held half or less;
    - *unit change*: mean, standard deviation and distribution function of ``factor x + offset`` of the
    reference fit
      the current rows, and those of the reference itself do not. Known units first, else a fitted factor,
      which is said to be one, where the mean is a standard deviation or more from zero.

    Says nothing with fewer than 50 rows on either side. Raises ``GridError`` where the grids differ.

    >>> from vedette.statistics import numeric_grid, summarise_numeric
    >>> miles = np.linspace(100, 2000, 1000)
    >>> grid = numeric_grid("distance", miles[::5])
    >>> causes(summarise_numeric(grid, miles), summarise_numeric(grid, miles * 1.609344))
    ('unit change: values look multiplied by 1.609 (miles to kilometres)',)
    """
    if reference.grid != current.grid:
        raise GridError(
            f"current {current.grid.column!r} and the reference are on different grids: must be the same"
        )
    before, now = reference.merged(), current.merged()
    found = _missing(before, now)
    if (
        before.grid.kind not in ("numeric", "latency", "vector")
        or min(int(before.used[0]), int(now.used[0])) < _ROWS_MIN
    ):
        return found
    stuck = _stuck(before, now)
    return found + (stuck or _unit(before, now))


def _missing(before: Summary, now: Summary) -> tuple[str, ...]:
    rows_before, rows = int(before.rows[0]), int(now.rows[0])
    if min(rows_before, rows) < _ROWS_MIN or now.grid.kind in (*LABELLED_KINDS, "arrival", "directions"):
        return ()
    found = []
    for part, name in (("missing", "null"), ("nan", "NaN"), ("inf", "infinite")):
        share_before, share = int(getattr(before, part)[0]) / rows_before, int(getattr(now, part)[0]) / rows
        if share - share_before >= _MISSING_RISE:
            was = f"{100 * share_before:.3g} % in the reference"
            found.append(f"missing: {100 * share:.3g} % of the values are {name}, {was}")
    return tuple(found)


def _stuck(before: Summary, now: Summary) -> tuple[str, ...]:
    counts, n = now.counts[0], int(now.used[0])
    cell = int(counts.argmax())
    share, share_before = counts[cell] / n, before.counts[0, cell] / int(before.used[0])
    constant = bool(now.minimum[0] == now.maximum[0])
    if share_before > _STUCK_SHARE_BEFORE:
        return ()  # it never moved, or seldom did
    if constant:
        return (f"stuck at {now.minimum[0]:.6g} (one value in all rows)",)
    low, high = (bound[cell] for bound in now.grid.bounds)
    if share < _STUCK_SHARE or not np.isfinite([low, high]).all():
        return ()
    if low == high:
        return (f"stuck at {low:.6g} (one value in {100 * share:.0f} % of rows)",)
    return (f"stuck between {low:.6g} and {high:.6g} ({100 * share:.0f} % of rows)",)


def _moments(summary: Summary) -> tuple[float, float]:
    n = float(summary.used[0])
    away = float(summary.total[0]) / n
    return summary.grid.centre + away, float(np.sqrt(max(float(summary.squares[0]) / n - away * away, 0.0)))


def _unit(before: Summary, now: Summary) -> tuple[str, ...]:
    (mean, deviation), (mean_now, deviation_now) = _moments(before), _moments(now)
    if (
        not np.isfinite([mean, deviation, mean_now, deviation_now]).all()
        or deviation <= 0
        or deviation_now <= 0
    ):
        return ()
    noise = float(np.sqrt(1.0 / before.used[0] + 1.0 / now.used[0]))
    unchanged = distance(before, now, 1.0, 0.0)

    def misfit(unit: _Unit) -> float:
        """0 for a perfect fit, above 1 for none."""
        factor = abs(unit.factor)
        by_mean = (
            abs(mean_now - unit.factor * mean - unit.offset) / (factor * deviation) / (0.1 + 3.0 * noise)
        )
        by_deviation = abs(np.log(deviation_now / (factor * deviation))) / (0.03 + 2.0 * noise)
        if max(by_mean, by_deviation) > 1.0:
            return np.inf
        apart = distance(before, now, unit.factor, unit.offset)
        if apart > 0.03 + 1.6 * noise or unchanged < apart + 0.1:
            return np.inf
        return float(max(by_mean, by_deviation))

    best = min(_UNITS, key=misfit)
    if misfit(best) <= 1.0 and _told_apart(best.factor, mean, deviation):
        how = f"multiplied by {best.factor:.4g}" if best.offset == 0 else "converted"
        return (f"unit change: values look {how} ({best.name})",)
    fitted = _Unit(deviation_now / deviation, 0.0, "")
    if abs(mean) >= deviation and abs(np.log(fitted.factor)) > 0.2 and misfit(fitted) <= 1.0:
        return (f"scale change: values look multiplied by {fitted.factor:.3g} (fitted, no unit known)",)
    return ()


def _told_apart(factor: float, mean: float, deviation: float) -> bool:
    """About a mean of zero a small factor cannot be told from a wider spread, which has other causes."""
    return abs(mean) >= 0.5 * deviation or not 0.1 < factor < 10.0


def distance(before: Summary, now: Summary, factor: float, offset: float) -> float:
    """Kolmogorov's distance, at the grid's edges, of the rows of ``now`` from ``factor x + offset`` of those of ``before``.

    The two may be on different grids: the one's distribution is read at the other's edges, straight between its own.
    """
    edges = now.grid.edges
    at_edges = np.cumsum(now.counts[0])[:-1] / now.used[0]
    x = (edges - offset) / factor
    slack = 1e-9 * np.maximum(np.abs(x), 1e-300)  # a converted value and a converted edge round differently
    lower, upper = distribution(before, x - slack), distribution(before, x + slack)
    if factor < 0:
        lower, upper = 1.0 - upper, 1.0 - lower
    return float(np.maximum(np.maximum(lower - at_edges, at_edges - upper), 0.0).max())


def distribution(summary: Summary, x: Floats) -> Floats:
    """P(X <= x), straight between the edges, the least and the greatest value."""
    low, high = float(summary.minimum[0]), float(summary.maximum[0])
    inside = (summary.grid.edges > low) & (summary.grid.edges < high)
    below = np.cumsum(summary.counts[0])[:-1][inside] / summary.used[0]
    knots, heights = [low, *summary.grid.edges[inside], high], [0.0, *below, 1.0]
    return np.asarray(np.interp(x, knots, heights, left=0.0, right=1.0))
