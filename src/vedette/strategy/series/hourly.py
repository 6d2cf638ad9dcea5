"""How much more restless some hours of the day are than others, so that an hour that always is says nothing new by it.

The sizes of errors of an hour of one day have a mean, one observation; the hour's own, over days, is pulled to that of all
hours as far as hours differ no more than days do: factor_h = 1 + s (mean_h/mean - 1), s = max(0, 1 - (V/n)/S^2), where V
is the variance of an hour's mean between days, n the days, and S^2 the variance of the hours' means.

Source: Efron and Morris (1973), "Stein's estimation rule and its competitors: an empirical Bayes approach".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hours", "hour_of", "take_in"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_HOUR_S, N_HOURS = 3600.0, 24
_SIZES = (0.1, 5.0)  # of an hour's errors over the usual: an hour at rest, or a spike, is no more than that
_TOLD_MIN = 12  # hours that came a second time, before what days differ by is known


@dataclass(frozen=True, slots=True)
class Hours:
    """What is known of the hours of K series.

    ``factor`` [K, 24]: the size of errors in an hour over that in all. ``mean`` and ``days`` [K, 24]: the mean size, over so
    many days. ``between`` and ``told`` [K]: the variance of an hour's mean between days, of so many differences. ``total``,
    ``n`` and ``hour`` [K]: sizes of the hour that is now, their number, and which it is (-1: none).
    """

    factor: Floats
    mean: Floats
    days: Ints
    between: Floats
    told: Ints
    total: Floats
    n: Ints
    hour: Ints

    @classmethod
    def none(cls, n_series: int) -> Hours:
        """Nothing is known."""
        k = n_series
        return cls(
            np.ones((k, N_HOURS)),
            np.zeros((k, N_HOURS)),
            np.zeros((k, N_HOURS), dtype=np.int64),
            np.zeros(k),
            np.zeros(k, dtype=np.int64),
            np.zeros(k),
            np.zeros(k, dtype=np.int64),
            np.full(k, -1, dtype=np.int64),
        )

    def now(self, hour: Ints) -> Floats:
        """The factor of each series [K] at hours [K]."""
        return np.asarray(self.factor[np.arange(len(hour)), hour])


def hour_of(time: float | Floats, n_series: int) -> Ints:
    """The hour of the day of a time, of each series [K].

    >>> hour_of(1767571200.0 + 7200.0, 1)
    array([2])
    """
    at = np.broadcast_to(np.asarray(time, dtype=np.float64), (n_series,))
    return np.floor((at % 86400.0) / _HOUR_S).astype(np.int64) % N_HOURS


def take_in(own: Hours, size: Floats, hour: Ints, share_min: float) -> None:
    """Takes in sizes [K] of errors at hours [K], over the usual one, NaN where there is none, in hours of one's own.

    ``share_min``: of a new day in the mean of an hour once there are many.
    """
    over = np.flatnonzero((own.hour != hour) & (own.n > 0))
    if len(over):
        _close(own, over, share_min)
    there = ~np.isnan(size)
    own.total[there] += size[there]
    own.n[there] += 1
    own.hour[there] = hour[there]


def _close(own: Hours, rows: Ints, share_min: float) -> None:
    hour, days = own.hour[rows], own.days[rows, own.hour[rows]]
    log_size = np.log(np.clip(own.total[rows] / own.n[rows], *_SIZES))
    again = days > 0
    away = np.where(again, log_size - own.mean[rows, hour], 0.0)
    own.told[rows] += again
    share = np.maximum(share_min / N_HOURS, 1.0 / np.maximum(own.told[rows], 1))
    own.between[rows] += np.where(again, share * (away**2 * days / (days + 1.0) - own.between[rows]), 0.0)
    own.mean[rows, hour] += np.where(again, np.maximum(share_min, 1.0 / (days + 1.0)) * away, log_size)
    own.days[rows, hour] = np.minimum(days + 1, int(1.0 / share_min))
    own.total[rows], own.n[rows] = 0.0, 0
    own.factor[rows] = _factors(own, rows)


def _factors(own: Hours, rows: Ints) -> Floats:
    seen = own.days[rows] > 0
    n_hours = seen.sum(axis=1)
    away = np.where(seen, own.mean[rows] - (own.mean[rows].sum(axis=1) / n_hours)[:, None], 0.0)
    spread = (away**2).sum(axis=1) / np.maximum(n_hours - 1, 1)
    chance = (
        own.between[rows] * np.where(seen, 1.0 / np.maximum(own.days[rows], 1), 0.0).sum(axis=1) / n_hours
    )
    known = (own.told[rows] >= _TOLD_MIN) & (spread > chance)
    shrink = np.where(known, 1.0 - chance / np.where(known, spread, 1.0), 0.0)
    return np.asarray(np.exp(shrink[:, None] * away))
