"""Delays of which some were not seen to end: Kaplan and Meier's curve, its median and its mean up to a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vedette.statistics.intervals import garwood
from vedette.strategy.records import Bools, Floats, Ints

__all__ = ["Delay", "delay_of", "kaplan_meier", "median_of", "poisson_limits", "restricted_mean"]

_RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Delay:
    """How many windows it takes to see a fault, the first being 1.

    ``median`` is infinite where less than half was seen within the horizon; ``low`` and ``high`` are its 95 % interval.
    ``seen`` is the share seen by the horizon, ``mean`` the mean delay where what was not seen counts as the horizon, ``n``
    the replays behind it.
    """

    median: float
    low: float
    high: float
    seen: float
    mean: float
    n: int


def kaplan_meier(time: Floats, seen: Bools) -> tuple[Floats, Floats]:
    """The times [J] at which something was seen, and the share [J] that is not seen after each.

    S(t) = product over t_j <= t of (1 - d_j/n_j), with d_j seen at t_j of n_j that were still under watch: what was
    censored at t_j was.

    >>> kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, True]))[1].round(3).tolist()
    [0.75, 0.5, 0.0]

    Source: E. L. Kaplan and P. Meier (1958), Journal of the American Statistical Association 53, 457-481.
    """
    times, place = np.unique(time, return_inverse=True)
    died = np.bincount(place, seen.astype(np.float64), len(times))
    left = np.bincount(place, minlength=len(times))
    at_risk = left[::-1].cumsum()[::-1]
    curve = np.cumprod(1.0 - died / np.maximum(at_risk, 1))
    return times[died > 0], curve[died > 0]


def median_of(time: Floats, seen: Bools) -> float:
    """The first time after which at most half is not seen; infinite where more than half never is."""
    times, curve = kaplan_meier(time, seen)
    half = np.flatnonzero(curve <= 0.5 + 1e-12)
    return float(times[half[0]]) if len(half) else float("inf")


def restricted_mean(time: Floats, seen: Bools, horizon: float) -> float:
    """The mean of min(delay, horizon): the area under the curve up to there.

    >>> restricted_mean(np.array([1.0, 3.0, 9.0]), np.array([True, True, False]), 9.0).__round__(6)
    4.333333
    """
    times, curve = kaplan_meier(time, seen)
    inside = times < horizon
    ends = np.concatenate([[0.0], times[inside], [horizon]])
    return float(np.diff(ends) @ np.concatenate([[1.0], curve[inside]]))


def delay_of(time: Floats, seen: Bools, horizon: float, random: np.random.Generator) -> Delay:
    """The delay of replays; the interval of its median by the bootstrap over them. Infinite and NaN without any."""
    n = len(time)
    if not n:
        nan = float("nan")
        return Delay(nan, nan, nan, nan, nan, 0)
    times, curve = kaplan_meier(time, seen)
    again = random.integers(0, n, (_RESAMPLES, n))
    if bool(seen[time < horizon].all()):  # nothing was censored early: the median is that of the sample
        held = np.where(seen, time, np.inf)
        medians = np.sort(held[again], axis=1)[:, (n + 1) // 2 - 1]
    else:
        medians = np.array([median_of(time[one], seen[one]) for one in again])
    low, high = np.quantile(medians, [0.025, 0.975], method="closest_observation")
    share = 1.0 - float(curve[times <= horizon][-1]) if bool((times <= horizon).any()) else 0.0
    return Delay(
        median_of(time, seen), float(low), float(high), share, restricted_mean(time, seen, horizon), n
    )


def poisson_limits(count: float | Ints, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Exact limits of a rate, of so many events in an exposure.

    >>> [round(limit, 4) for limit in poisson_limits(3, 1.0)]          # Garwood's table
    [0.6187, 8.7673]

    Source: F. Garwood (1936), Biometrika 28, 437-442.
    """
    low, high = garwood(count, level)
    return float(low) / exposure, float(high) / exposure
