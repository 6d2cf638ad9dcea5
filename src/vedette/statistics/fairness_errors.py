"""Fairness by group of a regression: how far the errors of groups of rows lie apart.

An ``ErrorTable`` holds the errors by group as a summary; adding two is the table of both, so that rows may come in any order
and in shards. ``error_fairness_figures`` reads off it, for each pair of groups and over all of them, differences and ratios
of the mean error, the mean absolute error and its root mean square, with intervals.

>>> label = np.arange(80.0)
>>> table = error_table(label, label + np.tile([1.0, -1.0, 2.0, -2.0], 20), ["a", "a", "b", "b"] * 20)
>>> found = error_fairness_figures(table, "mae_difference")
>>> [(gap.group, gap.other, gap.figure.value, gap.figure.n) for gap in found]
[('b', 'a', 1.0, 80), (None, None, 1.0, 80)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.bias import Bias
from vedette.statistics.counting_error import summarise_error
from vedette.statistics.estimates import Estimates, check_level
from vedette.statistics.fairness import ROWS_MIN, Gap
from vedette.statistics.gaps import (
    Limited,
    difference_of,
    largest_of,
    pairs_level,
    ratio_of,
    smallest_of,
)
from vedette.statistics.grid import Grid, error_grid
from vedette.statistics.mae import MeanAbsoluteError
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown
from vedette.statistics.rmse import RootMeanSquaredError
from vedette.statistics.summary import Summary

__all__ = ["ERROR_FAIRNESS", "ROWS_SURE", "ErrorTable", "error_fairness_figures", "error_table"]

_OF: dict[str, Bias | MeanAbsoluteError | RootMeanSquaredError] = {
    "mean_error": Bias(),
    "mae": MeanAbsoluteError(),
    "rmse": RootMeanSquaredError(),
}

ERROR_FAIRNESS: tuple[str, ...] = tuple(f"{name}_{kind}" for name in _OF for kind in ("difference", "ratio"))
"""The names of the figures: differences and ratios of the mean error, the mean absolute error and its root mean square."""

ROWS_SURE = 200
"""With fewer errors of a group intervals hold the truth more often than they say: of 30, 0.97 of normal errors and 0.99 of
exponential ones (``benchmarks/judgement/coverage_tasks.py``)."""

_MAY_BE_0 = "the errors of a group may be 0 on average, which nothing is a multiple of"


@dataclass(frozen=True, slots=True, eq=False)
class ErrorTable:
    """Errors by group: ``errors`` is a summary on a grid of errors with a window for each of ``groups``."""

    groups: tuple[str, ...]
    errors: Summary

    def __post_init__(self) -> None:
        if self.errors.grid.kind != "error":
            raise ValueError(f"errors of the kind {self.errors.grid.kind}: must be of the kind error")
        if len(self.errors) != len(self.groups) or len(set(self.groups)) < len(self.groups):
            raise ValueError(
                f"groups={list(self.groups)!r}: must be {len(self.errors)} names, a window each, none twice"
            )

    def __add__(self, other: ErrorTable) -> ErrorTable:
        """The table of both sets of rows; ``GridError`` where they were counted on different grids."""
        if not isinstance(other, ErrorTable):
            return NotImplemented
        groups = tuple(sorted({*self.groups, *other.groups}))
        both = Summary.stack([self.errors, other.errors])
        return ErrorTable(
            groups, both.grouped([groups.index(name) for name in (*self.groups, *other.groups)], len(groups))
        )


def error_table(
    labels: npt.ArrayLike, predictions: npt.ArrayLike, groups: npt.ArrayLike, grid: Grid | None = None
) -> ErrorTable:
    """The table of rows: label, prediction and group of each, [N]; NaN where there is none.

    ``grid`` is what errors are counted on (default: cut on these rows); tables of one grid add up. Raises ``ValueError``
    where the lengths differ.
    """
    label, prediction = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    group = np.asarray(groups)
    if not (label.shape == prediction.shape == group.shape and label.ndim == 1):
        raise ValueError(
            f"labels, predictions and groups of shapes {label.shape}, {prediction.shape} and {group.shape}: must be "
            "two rows of numbers and one of names, as many of each"
        )
    names, at = np.unique(np.array([str(one) for one in group.tolist()], dtype=np.str_), return_inverse=True)
    cut = error_grid(label, prediction) if grid is None else grid
    return ErrorTable(tuple(names.tolist()), summarise_error(cut, label, prediction, at, len(names)))


def error_fairness_figures(
    table: ErrorTable,
    metric: str | Sequence[str] | None = None,
    *,
    against: str | None = None,
    level: float = 0.95,
) -> list[Gap]:
    """Differences and ratios of errors between groups, with intervals.

    ``mean_error`` (prediction - label, so that below 0 a group is told too little), ``mae`` and ``rmse`` are the figures of
    those names (``mean_error`` is ``bias``), each with ``_difference`` and ``_ratio``. Each group is compared with one
    other: ``against``, or the group with the most errors. The interval of a pair is made of those of its two groups, whose
    distances from the value are recovered as variances: that of a difference p - q from the limits (l, u) and (l', u') is
    p - q - sqrt((p - l)^2 + (u' - q)^2) to p - q + sqrt((u - p)^2 + (q - l')^2), that of a ratio what this leaves of r where
    p - r q is 0. The last row of each metric, ``group`` None, is the widest gap over all groups: the greatest less the least,
    or the least over the greatest in size, with what the intervals of all pairs leave of it at a level raised so that
    they hold together (Bonferroni), which is conservative; with it the value itself lies too high where groups are small.

    ``n`` is the number of errors of both groups, or of all. Fewer than 10 errors of a group, errors that a group's own
    figure has a reason for, or a ratio to errors that may be 0 on average by their interval (mean errors often may), are
    reasons; groups with such are left out of the widest gap, and its note names them. ``conservative`` is said of ``rmse`` and
    of pairs with fewer than 200 errors of either side. A ratio over all groups whose mean
    errors are of both signs is none.

    Raises ``ValueError`` for a metric that there is not, a group that there is not, or a level outside (0, 1).

    Sources: G. Y. Zou and A. Donner (2008), Statistics in Medicine 27, 1693-1702 (the difference); A. Donner and G. Y. Zou
    (2012), Statistical Methods in Medical Research 21, 347-359 (the ratio); A. Agarwal, M. Dudík and Z. S. Wu (2019), ICML
    (fair regression: bounded group loss).
    """
    check_level(level)
    names = ERROR_FAIRNESS if metric is None else (metric,) if isinstance(metric, str) else tuple(metric)
    for name in names:
        if name not in ERROR_FAIRNESS:
            raise ValueError(f"metric={name!r}: must be one of {', '.join(ERROR_FAIRNESS)}")
    if against is not None and against not in table.groups:
        raise ValueError(f"against={against!r}: must be one of the groups {', '.join(table.groups)}")
    used = table.errors.used
    base = table.groups.index(against) if against is not None else int(used.argmax()) if len(used) else 0
    out = []
    for name in dict.fromkeys(names):
        measure, _, kind = name.rpartition("_")
        each = _OF[measure].figures(table.errors, None, level)
        for group in range(len(table.groups)):
            if group != base:
                figure = _pair(each, kind, measure, group, base)
                out.append(Gap(name, None, table.groups[group], table.groups[base], figure))
        out.append(Gap(name, None, None, None, _widest(table, measure, kind, level)))
    return out


def _limits(each: Estimates, at: npt.ArrayLike) -> Limited:
    value, low, high = (part[np.asarray(at)] for part in (each.value, each.low, each.high))
    return value, low, high


def _why(each: Estimates, group: int) -> str | None:
    """Why a group has no figure to compare."""
    if each.n[group] < ROWS_MIN:
        return f"fewer than {ROWS_MIN} errors of a group: {each.n[group]}"
    reason = each.reason[group]
    return None if reason is None else str(reason)


def _pair(each: Estimates, kind: str, measure: str, group: int, base: int) -> Measured:
    size = int(each.n[group] + each.n[base])
    for place in (group, base):
        why = _why(each, place)
        if why is not None:
            return unknown(why, size)
    one, other = _limits(each, group), _limits(each, base)
    well = measure != "rmse" and min(each.n[group], each.n[base]) >= ROWS_SURE
    note = None if well else CONSERVATIVE
    if kind == "difference":
        least, most = difference_of(one, other)
        return Measured.of(float(one[0] - other[0]), float(least), float(most), size, note)
    if other[1] <= 0 <= other[2]:
        return unknown(_MAY_BE_0, size)
    low, high = _ratio(one, other)
    return Measured.of(float(one[0] / other[0]), low, high, size, note)


def _ratio(one: Limited, other: Limited) -> tuple[float, float]:
    """The interval of one/other, whose interval does not hold 0; either may be below 0."""
    if other[0] < 0:
        one, other = _turned(one), _turned(other)
    if one[0] < 0:
        least, most = _ratio(_turned(one), other)
        return -most, -least
    (p, low, high), (q, other_low, _) = one, other
    if low >= 0:
        below, above = ratio_of(one, other)
        return float(below), float(above)
    # a ratio below 0 is furthest where the other is least: the lower limits of both
    above = ratio_of((p, np.zeros_like(p), high), other)[1]
    squares, constant = other_low * (2 * q - other_low), low * (2 * p - low)
    return float((p * q - np.sqrt((p * q) ** 2 - constant * squares)) / squares), float(above)


def _turned(one: Limited) -> Limited:
    value, low, high = one
    return -value, -high, -low


def _widest(table: ErrorTable, measure: str, kind: str, level: float) -> Measured:
    """The widest gap over all groups that have errors enough."""
    groups, total = table.groups, int(table.errors.used.sum())
    each = _OF[measure].figures(table.errors, None, pairs_level(len(groups), level))
    kept = np.array([_why(each, place) is None for place in range(len(groups))], dtype=np.bool_)
    if kept.sum() < 2:
        return unknown(f"fewer than two groups with {ROWS_MIN} errors", total)
    without = [name for name, there in zip(groups, kept, strict=True) if not there]
    note = f"{CONSERVATIVE}; without {', '.join(without)}" if without else CONSERVATIVE
    n = int(each.n[kept].sum())
    limits = _limits(each, kept)
    if kind == "difference":
        return Measured.of(*largest_of(limits), n, note)
    if (limits[2] < 0).any() and (limits[1] > 0).any():
        return unknown("mean errors above 0 and below it, of which neither is a multiple of the other", n)
    if (limits[2] < 0).all():
        limits = _turned(limits)
    if not (limits[1] > 0).all():
        return unknown(_MAY_BE_0, n)
    return Measured.of(*smallest_of(limits), n, note)
