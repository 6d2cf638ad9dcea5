"""What the diagnoses read off curves: levels and slopes with intervals that allow for autocorrelation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from vedette.strategy.training.records import Floats, Ints, Training

__all__ = [
    "Estimate",
    "Progress",
    "blocks",
    "chance_loss",
    "difference",
    "estimate",
    "mean",
    "progress",
    "rise_of",
    "running_median",
    "slope",
    "thinned",
]

POINTS_MAX = 2000
"""Curves are averaged down to as many points: nothing a training shows is finer than a 2,000th of it."""

_BLOCKS_MIN, _BLOCKS_MAX = 4, 12
_AS_ONE = 3.0  # neighbouring evaluations of one network hang together
_TIMES = 4.0  # a block is as many times as long as rows hang together, so that means of blocks hardly do


class Estimate(NamedTuple):
    """A value with its interval and the standard error and degrees of freedom behind it."""

    value: float
    low: float
    high: float
    error: float
    df: float

    def above(self, bound: float) -> float:
        """The one-sided p-value of "no more than ``bound``"."""
        if self.error <= 0 or math.isnan(self.error):
            return 0.0 if self.value > bound else 1.0
        return float(special.stdtr(self.df, -(self.value - bound) / self.error))


def estimate(value: float, error: float, df: float, level: float) -> Estimate:
    """The estimate with Student's interval of confidence 1 - ``level``."""
    half = float(-special.stdtrit(df, level / 2)) * error
    return Estimate(value, value - half, value + half, error, df)


def thinned(steps: Ints, values: Floats, most: int = POINTS_MAX) -> tuple[Ints, Floats]:
    """The curve as at most ``most`` means of neighbours, each at the last of their steps.

    >>> thinned(np.arange(4), np.array([1.0, 3.0, 5.0, 7.0]), 2)
    (array([1, 3]), array([2., 6.]))
    """
    if len(values) <= most:
        return steps, values
    cuts = np.linspace(0, len(values), most + 1).astype(np.int64)
    return steps[cuts[1:] - 1], np.add.reduceat(values, cuts[:-1]) / np.diff(cuts)


def running_median(values: Floats, width: int) -> Floats:
    """The median of the ``width`` (odd) values about each; at the ends, of as many as there are.

    >>> running_median(np.array([1.0, 9.0, 2.0, 3.0]), 3)
    array([5. , 2. , 3. , 2.5])
    """
    half = width // 2
    padded = np.concatenate([np.full(half, np.nan), values, np.full(half, np.nan)])
    found: Floats = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    return found


def blocks(values: Floats) -> Floats:
    """Means of consecutive stretches, 4 to 12 of them, each as long that they hardly hang together.

    The length is four times (1 + r)/(1 - r), r the correlation of neighbours about the line through the values.
    """
    n = len(values)
    at = np.arange(n) - (n - 1) / 2
    rest = values - values.mean()
    if n > 2:
        rest = rest - at * (at @ rest) / (at @ at)
    power = float(rest @ rest)
    near = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
    r = min(max(near + (1 + 4 * near) / n, 0.0), 0.95)  # it comes out too low by so much (Kendall 1954)
    number = int(np.clip(n / (_TIMES * (1 + r) / (1 - r)), _BLOCKS_MIN, _BLOCKS_MAX))
    cuts = np.linspace(0, n, min(number, n) + 1).astype(np.int64)
    found: Floats = np.add.reduceat(values, cuts[:-1]) / np.diff(cuts)
    return found


def mean(values: Floats, level: float) -> Estimate:
    """The mean with a two-sided interval of confidence 1 - ``level``: Student's, of the means of blocks.

    A constant has an interval of no width; one value has one without limits.

    >>> [round(one, 3) for one in mean(np.array([1.0, 1, 1, 3, 3, 3, 2, 2, 2, 2, 2, 2]), 0.05)[:3]]  # 1, 3, 2, 2
    [2.0, 0.701, 3.299]
    """
    if len(values) < 2:
        value = float(values[0]) if len(values) else math.nan
        return Estimate(value, -math.inf, math.inf, math.inf, 1.0)
    parts = blocks(values)
    return estimate(
        float(parts.mean()), float(parts.std(ddof=1)) / math.sqrt(len(parts)), len(parts) - 1.0, level
    )


def difference(first: Floats, second: Floats, level: float) -> Estimate:
    """The mean of the second less that of the first: Welch's interval of the means of their blocks.

    Source: B. L. Welch (1947), Biometrika 34, 28-35.
    """
    one, two = mean(first, level), mean(second, level)
    error = math.hypot(one.error, two.error)
    if not math.isfinite(error):
        return Estimate(two.value - one.value, -math.inf, math.inf, math.inf, 1.0)
    parts = one.error**4 / one.df + two.error**4 / two.df
    df = error**4 / parts if parts > 0 else one.df + two.df
    return estimate(two.value - one.value, error, df, level)


def rise_of(values: Floats, low: Floats, last: Floats, smooth: Floats, level: float) -> Estimate:
    """The mean of the last stretch of a curve less that of its lowest one, with the noise of the whole curve.

    ``smooth`` is the curve's running median. The noise is the greater of that about it and of that of second
    differences (of which a trend is no part), both robust; three neighbours count as one.
    """
    slow = 1.4826 * float(np.median(np.abs(values - smooth)))
    fast = 1.4826 * float(np.median(np.abs(np.diff(values, 2)))) / math.sqrt(6)
    error = max(slow, fast) * math.sqrt(_AS_ONE / len(low) + _AS_ONE / len(last))
    return estimate(float(last.mean() - low.mean()), error, max(len(values) / _AS_ONE - 1, 2.0), level)


def slope(values: Floats, level: float) -> Estimate:
    """By how much the values change from their first to their last, along the line through the means of blocks.

    >>> round(slope(np.linspace(0.0, 10.0, 101), 0.05).value, 1)
    10.0
    """
    if len(values) < _BLOCKS_MIN:
        return Estimate(math.nan, -math.inf, math.inf, math.inf, 1.0)
    parts = blocks(values)
    m = len(parts)
    at = np.arange(m) - (m - 1) / 2
    squares = float(at @ at)
    by = float(at @ parts) / squares
    rest = parts - parts.mean() - by * at
    error = math.sqrt(max(float(rest @ rest), 0.0) / (m - 2) / squares)
    across = m * (len(values) - 1) / len(values)
    return estimate(by * across, error * across, m - 2.0, level)


def chance_loss(label_shares: Mapping[str, float]) -> float:
    """The log loss in nats of always saying the shares of the classes: their entropy.

    >>> round(chance_loss({"a": 0.5, "b": 0.5}), 4)
    0.6931
    """
    return -sum(share * math.log(share) for share in label_shares.values() if share > 0)


class Progress(NamedTuple):
    """What a training loss has gained: ``chance`` is where it began, ``end`` its level over the last tenth.

    ``best`` is the least level of a tenth, ``best_at`` the step where that ends; ``tenths`` are the slices' values.
    """

    steps: Ints
    values: Floats
    chance: float
    end: Estimate
    best: float
    best_at: int

    @property
    def gained(self) -> float:
        """The share of what there was to lose that is lost at the end; 1: no loss is left."""
        return 1 - self.end.value / self.chance if self.chance > 0 else math.nan

    @property
    def gained_words(self) -> str:
        """That share as text; what is as good as nothing is 0 %, from below too."""
        return f"{round(self.gained, 2) + 0.0:.0%}"


def progress(training: Training, level: float, name: str = "loss", least: int = 20) -> Progress | str:
    """The progress of a loss, or why it is not known."""
    steps, values = thinned(*training.curve(name))
    if len(values) < least:
        return f"{len(values)} finite values of series {name}: {least} are needed"
    chance = training.chance_loss
    if chance is None and training.label_shares:
        chance = chance_loss(training.label_shares)
    if chance is None or not chance > 0:
        chance = float(np.median(values[: max(3, len(values) // 50)]))
    width = max(len(values) // 10, 4)
    levels = np.convolve(values, np.full(width, 1 / width), mode="valid")
    at = int(np.argmin(levels))
    return Progress(
        steps, values, chance, mean(values[-width:], level), float(levels[at]), int(steps[at + width - 1])
    )
