"""A long curve in few buckets that say what is in them: a picture of ten million points, mergeable.

Buckets are ``2**level`` steps wide and begin at multiples of that, so that two curves (parts of a run, other machines)
thinned to the same level add bucket by bucket, and a coarser level is the sum of pairs of a finer one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Thinned", "thin"]

_LEVEL_MAX = 62


@dataclass(frozen=True, slots=True)
class Thinned:
    """The buckets of a curve that have any points, in order of steps. All arrays are of one length.

    ``start`` is the first step of each bucket, ``width`` their width in steps; ``low``, ``high`` and ``total`` are of the
    finite values (NaN, NaN and 0 where there is none), ``first`` and ``last`` the values at the ends, whatever they are;
    ``count`` are all points, of which ``nan`` and ``inf`` are not numbers or infinite. ``first_step`` and ``last_step``
    are where ``first`` and ``last`` were.
    """

    level: int
    start: np.ndarray
    first_step: np.ndarray
    last_step: np.ndarray
    first: np.ndarray
    last: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: np.ndarray
    count: np.ndarray
    nan: np.ndarray
    inf: np.ndarray

    @property
    def width(self) -> int:
        """Steps in a bucket."""
        return 1 << self.level

    @property
    def mean(self) -> np.ndarray:
        """The mean of the finite values, NaN where there is none."""
        finite = self.count - self.nan - self.inf
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.where(finite > 0, self.total / np.maximum(finite, 1), np.nan)

    def __add__(self, other: Thinned) -> Thinned:
        """Both curves together; of equal steps at an end the other one's value is the last, this one's the first."""
        level = max(self.level, other.level)
        parts = [one.coarser(level) for one in (self, other)]
        return _gathered(level, *(np.concatenate([getattr(one, name) for one in parts]) for name in _ARRAYS))

    def coarser(self, level: int) -> Thinned:
        """The same curve at a coarser level. Raises ``ValueError`` for a finer one: that is gone."""
        if not self.level <= level <= _LEVEL_MAX:
            raise ValueError(f"level={level}: must be {self.level} to {_LEVEL_MAX}")
        if level == self.level:
            return self
        return _gathered(level, *(getattr(self, name) for name in _ARRAYS))


_ARRAYS = (
    "start", "first_step", "last_step", "first", "last", "low", "high", "total", "count", "nan", "inf",
)  # fmt: skip


def thin(steps: np.ndarray, values: np.ndarray, n: int) -> Thinned:
    """A curve in at most ``n`` buckets of equal width, the narrowest that are so few (2 where ``n`` is 1 and steps lie on
    both sides of 0).

    ``steps`` are whole numbers that do not fall (int64 [N]), ``values`` float64 [N]; of equal steps all points count.
    Raises ``ValueError`` where they differ in length, fall, or ``n`` is not 1 or more.

    >>> found = thin(np.arange(8), np.array([3.0, 1.0, 2.0, np.nan, 5.0, 5.0, np.inf, 0.0]), 2)
    >>> found.start.tolist(), found.low.tolist(), found.high.tolist(), found.mean.tolist(), found.nan.tolist()
    ([0, 4], [1.0, 0.0], [3.0, 5.0], [2.0, 3.3333333333333335], [1, 0])
    """
    steps, values = np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise ValueError(
            f"steps, values: must be one row each of one length, got {steps.shape}, {values.shape}"
        )
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n={n!r}: must be a whole number of buckets, 1 or more")
    if not len(steps):
        whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Thinned(0, whole, whole, whole, real, real, real, real, real, whole, whole, whole)
    if len(steps) > 1 and bool((steps[1:] < steps[:-1]).any()):
        raise ValueError("steps: must not fall; sort the points first")
    first, last = int(steps[0]), int(steps[-1])
    level = 0
    while (last >> level) - (first >> level) + 1 > n and level < _LEVEL_MAX:
        level += 1
    begins = _begins(steps >> level)
    ends = np.append(begins[1:], len(steps)) - 1
    is_nan = np.isnan(values)
    is_inf = np.isinf(values)
    plain = values
    if is_nan.any() or is_inf.any():
        bad = is_nan | is_inf
        low = np.minimum.reduceat(np.where(bad, np.inf, values), begins)
        high = np.maximum.reduceat(np.where(bad, -np.inf, values), begins)
        plain = np.where(bad, 0.0, values)
        nans = np.add.reduceat(is_nan.astype(np.int64), begins)
        infs = np.add.reduceat(is_inf.astype(np.int64), begins)
    else:
        low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
        nans, infs = np.zeros(len(begins), dtype=np.int64), np.zeros(len(begins), dtype=np.int64)
    empty = low > high
    with np.errstate(over="ignore"):
        total = np.add.reduceat(plain, begins)
    return Thinned(
        level,
        (steps[begins] >> level) << level,
        steps[begins],
        steps[ends],
        values[begins],
        values[ends],
        np.where(empty, np.nan, low),
        np.where(empty, np.nan, high),
        total,
        ends - begins + 1,
        nans,
        infs,
    )


def _begins(keys: np.ndarray) -> np.ndarray:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))


def _gathered(level: int, start: np.ndarray, first_step: np.ndarray, *arrays: np.ndarray) -> Thinned:
    """Buckets of any order added up at a level."""
    if not len(start):
        return Thinned(level, start, first_step, *arrays)
    last_step, first, last, low, high, total, count, nan, inf = arrays
    key = start >> level
    order = np.argsort(key, kind="stable")
    begins = _begins(key[order])
    group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(order))))
    by_first = order[np.lexsort((first_step[order], group))]
    by_last = order[np.lexsort((last_step[order], group))]
    ends = np.append(begins[1:], len(order)) - 1
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(total[order], begins)
    return Thinned(
        level,
        key[order][begins] << level,
        first_step[by_first[begins]],
        last_step[by_last[ends]],
        first[by_first[begins]],
        last[by_last[ends]],
        np.fmin.reduceat(low[order], begins),
        np.fmax.reduceat(high[order], begins),
        sums,
        np.add.reduceat(count[order], begins),
        np.add.reduceat(nan[order], begins),
        np.add.reduceat(inf[order], begins),
    )
