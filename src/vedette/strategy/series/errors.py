"""What the errors of one forecaster say: their running scale, their bag, and the words they are told in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette.strategy.series.baseline import Baseline
from vedette.strategy.series.hourly import Hours, take_in
from vedette.strategy.series.method import Told
from vedette.strategy.series.residuals import Bag, bets, copied, put_in, ranked

__all__ = ["Errors", "forget", "judge_error"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_SCALE_SHARE = 0.02  # of a new error in the scale: a memory of fifty steps
_SCALE_MIN = 0.02  # of the reference's spread
_MEAN_OF_NORMAL = 0.8  # the mean of |x| of a standard normal number


@dataclass(frozen=True, slots=True)
class Errors:
    """Past errors of one forecaster of K series: how many ``seen`` [K], their running ``scale`` [K], that of ``hours`` over
    it, and their ``bag``.
    """

    seen: Ints
    scale: Floats
    hours: Hours
    bag: Bag

    @classmethod
    def none(cls, n_series: int) -> Errors:
        """No error yet."""
        seen = np.zeros(n_series, dtype=np.int64)
        return cls(seen, np.ones(n_series), Hours.none(n_series), Bag.empty(n_series))

    def copy(self) -> Errors:
        """The same in arrays of its own."""
        return Errors(self.seen.copy(), self.scale.copy(), copied(self.hours), copied(self.bag))

    def unit(self, hour: Ints) -> Floats:
        """What errors at hours [K] are measured in, [K]."""
        return np.maximum(self.scale * self.hours.now(hour), _SCALE_MIN)


def judge_error(
    errors: Errors,
    base: Baseline,
    x: Floats,
    hour: Ints,
    forecast: Floats,
    sd: Floats,
    plain: Bools,
    stream: int,
) -> Told:
    """What numbers ``x`` [K] at hours [K] say in view of a ``forecast`` [K], which is taken into errors of one's own.

    ``sd`` [K]: the forecast's standard deviation by its own account, in units of the running scale. ``plain`` [K]: the
    numbers themselves are ranked. ``stream`` numbers the forecaster, for the breaking of ties.
    """
    usual = errors.unit(hour)
    unit = np.where(plain, 1.0, usual * sd)
    from_ = np.where(plain, 0.0, forecast)
    with np.errstate(over="ignore"):
        error = (x - from_) / unit
    counted = ~np.isnan(error) & (plain | (errors.seen >= base.burn))
    above, below = ranked(errors.bag, np.where(counted, error, np.nan), stream)
    log_e, z = bets(above, below, base.widen)
    told = Told(
        log_e,
        base.back(forecast),
        base.back(from_ + unit * errors.bag.low),
        base.back(from_ + unit * errors.bag.high),
        z,
    )
    put_in(errors.bag, error, counted, ~plain)
    errors.seen[:] += ~np.isnan(x)
    size = np.minimum(np.abs(x - forecast) / (sd * _MEAN_OF_NORMAL), 5.0 * usual)
    of_hour = errors.hours.now(hour)
    take_in(errors.hours, size / errors.scale, hour, _SCALE_SHARE)
    size = size / of_hour
    share = np.where(np.isnan(size), 0.0, np.maximum(_SCALE_SHARE, 1.0 / (errors.seen + 1.0)))
    moved = errors.scale + share * (np.nan_to_num(size) - errors.scale)
    errors.scale[:] = np.maximum(moved, _SCALE_MIN)
    return told


def forget(errors: Errors, rows: Ints) -> Errors:
    """Errors without those of some series."""
    out = errors.copy()
    for array in (out.bag.ring, out.bag.scale, out.bag.low, out.bag.high):
        array[rows] = np.nan
    out.bag.n[rows] = out.bag.held[rows] = 0
    return out
