"""What is expected of the next number: seven forecasters side by side, and their blend by what each has lost so far.

The mean; the last number; simple and damped-trend exponential smoothing; the same time of day and the same time of the
week, each moved by how far the series lies from it now; and a regression on the last two numbers, the level, and both
times, by recursive least squares. Numbers are in units of the reference's spread, around its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORECASTERS", "Forecasters", "blend", "learn", "predict", "slots"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORECASTERS = ("mean", "last", "smoothed", "trend", "day", "week", "regression")

_DAY_S, _SLOT_S = 86400.0, 900.0
DAY_SLOTS, WEEK_SLOTS = 96, 672
_MONDAY_S = 4 * _DAY_S  # 1970 began on a Thursday

_SMOOTH, _TREND, _DAMP = 0.1, 0.02, 0.9
_DAY, _WEEK, _NEAR = (
    0.25,
    0.5,
    0.1,
)  # of a new number in its slot of the day, of the week, and in the distance from both
_N = 8  # numbers of the regression
_REMEMBER = 0.9995  # of the regression's squares, a step
_SURE_MAX = 1e4  # the regression's prior variance, and its limit: where nothing moves, nothing is forgotten
_LOSS_KEPT, _RATE, _LOSS_MAX = 0.99, 0.5, 5.0


@dataclass(frozen=True, slots=True)
class Forecasters:
    """What the forecasters of K series remember; arrays [K, ...], NaN where nothing was seen."""

    n: Ints
    mean: Floats
    last: Floats
    before: Floats
    smoothed: Floats
    level: Floats
    trend: Floats
    day: Floats
    week: Floats
    near_day: Floats
    near_week: Floats
    day_before: Floats
    week_before: Floats
    theta: Floats
    spread: Floats
    loss: Floats

    @classmethod
    def empty(cls, n_series: int) -> Forecasters:
        """Forecasters that have seen nothing."""
        k, d = n_series, _N
        theta = np.zeros((k, d))
        theta[:, 3] = 1.0  # the level
        return cls(
            n=np.zeros(k, dtype=np.int64),
            mean=np.zeros(k),
            last=np.zeros(k),
            before=np.zeros(k),
            smoothed=np.zeros(k),
            level=np.zeros(k),
            trend=np.zeros(k),
            day=np.full((k, DAY_SLOTS), np.nan),
            week=np.full((k, WEEK_SLOTS), np.nan),
            near_day=np.zeros(k),
            near_week=np.zeros(k),
            day_before=np.zeros(k),
            week_before=np.zeros(k),
            theta=theta,
            spread=np.broadcast_to(np.eye(d), (k, d, d)).copy(),
            loss=np.zeros((k, len(FORECASTERS))),
        )


def slots(time: float | Floats, n_series: int) -> tuple[Ints, Ints]:
    """The quarter of an hour of the day and of the week (from Monday) of a time, of each series [K].

    >>> slots(1767571200.0 + 3600.0, 1)                             # Monday 5 January 2026, one o'clock
    (array([4]), array([4]))
    """
    at = np.broadcast_to(np.asarray(time, dtype=np.float64), (n_series,))
    of_week = np.floor(((at - _MONDAY_S) % (7 * _DAY_S)) / _SLOT_S).astype(np.int64) % WEEK_SLOTS
    return of_week % DAY_SLOTS, of_week


def _features(own: Forecasters, day: Floats, week: Floats) -> Floats:
    out = np.empty((len(own.n), _N))
    out[:, 0] = 1.0
    out[:, 1], out[:, 2], out[:, 3] = own.last, own.before, own.smoothed
    out[:, 4] = np.where(np.isnan(day), own.smoothed, day)
    out[:, 5] = np.where(np.isnan(week), out[:, 4], week)
    out[:, 6], out[:, 7] = own.day_before, own.week_before
    return out


def predict(own: Forecasters, of_day: Ints, of_week: Ints) -> tuple[Floats, Floats]:
    """What each forecaster expects [K, F], NaN where it has seen nothing of that time, and the regression's numbers [K, 8]."""
    rows = np.arange(len(own.n))
    day, week = own.day[rows, of_day], own.week[rows, of_week]
    features = _features(own, day, week)
    out = np.empty((len(own.n), len(FORECASTERS)))
    out[:, 0], out[:, 1], out[:, 2] = own.mean, own.last, own.smoothed
    out[:, 3] = own.level + _DAMP * own.trend
    out[:, 4], out[:, 5] = day + own.near_day, week + own.near_week
    out[:, 6] = (own.theta * features).sum(axis=1)
    return out, features


def blend(own: Forecasters, predicted: Floats) -> Floats:
    """The mean of forecasts weighted by exp(-rate x loss), over those that are known [K].

    Source: Cesa-Bianchi and Lugosi (2006), "Prediction, learning, and games", section 2.2, with discounted losses (2.11).
    """
    weight = np.exp(-_RATE * (own.loss - own.loss.min(axis=1, keepdims=True)))
    known = ~np.isnan(predicted)
    weight *= known
    return np.asarray((weight * np.where(known, predicted, 0.0)).sum(axis=1) / weight.sum(axis=1))


def learn(
    own: Forecasters, x: Floats, predicted: Floats, features: Floats, at: tuple[Ints, Ints], scale: Floats
) -> None:
    """Takes in numbers ``x`` [K], in forecasters of one's own; NaN leaves a series as it is.

    ``scale`` [K] is what an error is measured in: a number counts as at most 8 of them away from what was expected, so that
    one spike moves no level.
    """
    rows = np.flatnonzero(~np.isnan(x))
    if not len(rows):
        return
    x, scale = x[rows], scale[rows]
    first = own.n[rows] == 0
    middle = np.where(first, x, own.smoothed[rows])
    clipped = np.where(first, x, middle + np.clip(x - middle, -20.0 * scale, 20.0 * scale))
    own.n[rows] += 1
    own.mean[rows] += (clipped - own.mean[rows]) / own.n[rows]
    _learn_times(own, rows, clipped, (at[0][rows], at[1][rows]))
    _learn_regression(own, rows, x, features[rows], scale)
    own.smoothed[rows] = middle + _SMOOTH * (clipped - middle)
    ahead = np.where(first, x, own.level[rows] + _DAMP * own.trend[rows])
    error = np.clip(x - ahead, -20.0 * scale, 20.0 * scale)
    own.level[rows] = ahead + 3.0 * _SMOOTH * error
    own.trend[rows] = _DAMP * own.trend[rows] + _TREND * error
    own.before[rows] = np.where(first, x, own.last[rows])
    own.last[rows] = x
    own.day_before[rows], own.week_before[rows] = features[rows, 4], features[rows, 5]
    lost = np.minimum(np.abs(x[:, None] - predicted[rows]) / scale[:, None], _LOSS_MAX)
    lost = np.where(np.isnan(lost), _LOSS_MAX / 2.0, lost)
    own.loss[rows] = _LOSS_KEPT * own.loss[rows] + lost


def _learn_times(own: Forecasters, rows: Ints, x: Floats, at: tuple[Ints, Ints]) -> None:
    for held, near, slot, share in (
        (own.day, own.near_day, at[0], _DAY),
        (own.week, own.near_week, at[1], _WEEK),
    ):
        old = held[rows, slot]
        new = np.isnan(old)
        away = np.where(new, 0.0, x - old)
        near[rows] += np.where(new, 0.0, _NEAR * (away - near[rows]))
        held[rows, slot] = np.where(new, x, old + share * away)


def _learn_regression(own: Forecasters, rows: Ints, x: Floats, features: Floats, scale: Floats) -> None:
    """theta += k e, P <- (P - k (P f)')/remember, k = P f/(remember + f' P f): Ljung (1999), System identification, 11.13."""
    p = own.spread[rows]
    pf = np.einsum("kij,kj->ki", p, features)
    gain = pf / (_REMEMBER + (pf * features).sum(axis=1))[:, None]
    error = np.clip(x - (own.theta[rows] * features).sum(axis=1), -8.0 * scale, 8.0 * scale)
    own.theta[rows] += gain * error[:, None]
    p = p - gain[:, :, None] * pf[:, None, :]
    forget = np.trace(p, axis1=1, axis2=2) < _SURE_MAX
    own.spread[rows] = np.where(forget[:, None, None], p / _REMEMBER, p)
