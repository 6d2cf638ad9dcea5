"""When a series changed: the dates, by how much, and how sure both are; of a series that is all there.

``change_points`` cuts a series exactly (``segments``). What a cut must gain is scaled by the noise, and by how far rows
hang together, both measured on differences, which changes hardly touch. ``focus`` does the same row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from vedette.strategy.series.segments import COSTS, Cost, best_cuts

__all__ = ["ChangePoint", "ChangePoints", "change_points"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_N_MIN = 10  # of fewer differences noise is a guess
_MAD_NORMAL = 0.6744897501960817  # the median of |z| of a normal z
_LENGTHS = {"mean": 1, "mean_variance": 10, "poisson": 1, "bernoulli": 1}
_PARAMETERS = {"mean": 1, "mean_variance": 2, "poisson": 1, "bernoulli": 1}
_CORRELATION_MAX = 0.99
_BATCH, _BATCHES_MIN = 10, 20
_AROUND, _CALM = 5, 2.5
_KEPT, _KEPT_NORMAL = 0.95, 0.7588  # the mean of the least 95 % of chi-square on one degree of freedom


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """One change of a series.

    ``at``: the row that is the first after it; ``dates``: all rows that may be, at the level asked for, ascending.
    ``before``, ``after``: the means of the rows on both sides, as far as the next change. ``size``: after less before,
    in the unit of the series, between ``low`` and ``high``. ``spread``: by how much the standard deviation was
    multiplied, of cost *mean_variance*, else NaN.
    """

    at: int
    dates: tuple[int, ...]
    before: float
    after: float
    size: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True, slots=True)
class ChangePoints:
    """The changes of a series of ``n`` known rows, and what they were held against.

    ``noise``: the standard deviation of a row about its level; ``correlation``: of a row with the one before it, as
    measured; ``inflation``: rows that count as one; ``penalty``: what twice the log-likelihood of a series must gain by a
    change. ``reason``: why nothing can be said, "" where it can.
    """

    changes: tuple[ChangePoint, ...]
    n: int
    noise: float
    correlation: float
    inflation: float
    penalty: float
    reason: str


def change_points(
    values: ArrayLike,
    *,
    cost: str = "mean",
    level: float = 0.95,
    penalty: float | None = None,
    min_length: int | None = None,
) -> ChangePoints:
    """The changes of the series ``values`` [n]: the exact best cut at a penalty for each change.

    ``cost``: what may change. *mean*: the level of rows whose noise stays the same; *mean_variance*: level and noise;
    *poisson*: the mean of counts; *bernoulli*: the share of ones. ``level``: of the set of dates and of the interval of the size.
    ``penalty``: by default 2 log n, or 3 log n with two parameters, times ``inflation``, and of numbers times
    1 + 2/sqrt(n) for what the noise is not known. ``min_length``: rows of a segment, by default 1, 10 for *mean_variance*.

    The noise is that of differences of rows one and two apart, m_1 and m_2 their mean squares without the largest 5 %,
    which steps are among: sd = sqrt(m_1/(2 (1 - r))) with r = m_2/m_1 - 1 the correlation of an autoregression, and
    (1 + r)/(1 - r) rows count as one. Of counts and shares it is that of rows, and of means of 10 rows, side by side
    against what the family says. Of cost *mean* the cut, not the size, is that of rows held to 2.5 sd about the median of
    the 11 around them, so that a lone spike is no change, whatever its size.

    A date t is in the set where the log-likelihood of the change there is no more than -log(1 - sqrt(level)) below
    the best: the law of a small change, and for large ones on the safe side. The interval of the size spans those of all
    these dates. Both hold given that the change was found and its neighbours are right.

    NaN is left out; rows keep their numbers. With fewer than 10 known rows there are no changes, and a reason. Raises
    ``ValueError`` for infinite rows, for rows a cost does not take, and for wrong arguments.

    >>> random = np.random.default_rng(1)
    >>> found = change_points(np.concatenate([random.normal(0, 1, 200), random.normal(3, 1, 100)]))
    >>> [(one.at, 200 in one.dates, one.low < 3 < one.high) for one in found.changes]
    [(200, True, True)]

    Sources: Killick, Fearnhead and Eckley (2012), JASA 107; Chakar, Lebarbier, Levy-Leduc and Robin (2017), "A robust
    approach for estimating change-points in the mean of an AR(1) process", Bernoulli 23; Siegmund (1988),
    "Confidence sets in change-point problems"; Yao (1988), "Estimating the number of change-points via
    Schwarz' criterion".
    """
    if cost not in COSTS:
        raise ValueError(f"cost={cost!r}: must be one of {', '.join(COSTS)}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level={level}: must lie between 0 and 1")
    if penalty is not None and not (np.isfinite(penalty) and penalty > 0):
        raise ValueError(f"penalty={penalty}: must be above 0 and finite")
    shortest = _LENGTHS[cost] if min_length is None else min_length
    if shortest < (2 if cost == "mean_variance" else 1):
        raise ValueError(f"min_length={min_length}: must be 1 or more, 2 or more of mean_variance")
    row, known = _known(values, cost)
    n = len(known)
    if n < max(_N_MIN, 2 * shortest):
        nan = float("nan")
        return ChangePoints((), n, nan, nan, nan, nan, f"{n} known rows: too few to tell a change from noise")
    counts = cost in ("poisson", "bernoulli")
    calm = _calmed(known) if cost == "mean" else known
    noise, correlation, inflation = _noise_of_counts(known, cost) if counts else _noise(calm)
    uncertain = 1.0 + (0.0 if counts else 2.0 / np.sqrt(n))  # two standard errors of a variance, or nearly
    asked = (1 + _PARAMETERS[cost]) * np.log(n) * inflation * uncertain if penalty is None else penalty
    if noise == 0.0:
        return ChangePoints((), n, noise, correlation, inflation, float(asked), "")
    of = Cost(calm / noise if cost == "mean" else known, cost)
    cuts = best_cuts(of, n, float(asked), shortest)
    ends = [0, *cuts.tolist(), n]
    changes = tuple(
        _change(of, known, row, ends[i - 1 : i + 2], shortest, level, inflation)
        for i in range(1, len(ends) - 1)
    )
    return ChangePoints(changes, n, noise, correlation, inflation, float(asked), "")


def _known(values: ArrayLike, cost: str) -> tuple[Ints, Floats]:
    """The numbers of the rows that are known, and these."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values has shape {array.shape}: must be one series of rows")
    wrong = np.isinf(array)
    if cost == "poisson":
        wrong |= array < 0
    elif cost == "bernoulli":
        wrong |= ~np.isnan(array) & (array != 0) & (array != 1)
    if bool(wrong.any()):
        at = int(wrong.argmax())
        right = {"poisson": "finite and 0 or more", "bernoulli": "0 or 1"}.get(cost, "finite")
        raise ValueError(f"values[{at}]={array[at]:g}: must be {right}, or NaN")
    row = np.flatnonzero(~np.isnan(array))
    return row, array[row]


def _calmed(values: Floats) -> Floats:
    """The rows, none further than 2.5 sd from the median of the 11 around it: a lone spike is no change of level.

    A step keeps its size: the median of a window steps in its middle.
    """
    padded = np.pad(values, _AROUND, mode="reflect")
    centre = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
    away = values - centre
    reach = _CALM * float(np.median(np.abs(away))) / _MAD_NORMAL
    return centre + np.clip(away, -reach, reach) if reach > 0.0 else values


def _least_squares(differences: Floats) -> float:
    """The mean square of ``differences``, of their least 95 %: steps of the level are among the others."""
    squares = np.sort(differences**2)
    return float(squares[: max(int(_KEPT * len(squares)), 1)].mean()) / _KEPT_NORMAL


def _noise(values: Floats) -> tuple[float, float, float]:
    """The standard deviation of a row about its level, its correlation with the one before, rows that count as one."""
    one, two = (_least_squares(values[lag:] - values[:-lag]) for lag in (1, 2))
    if (
        one == 0.0
    ):  # nearly all rows are equal to the one before: what steps there are is all there is to go by
        return float(np.sqrt(np.mean((values[1:] - values[:-1]) ** 2) / 2.0)), 0.0, 1.0
    n_root = float(np.sqrt(len(values)))
    correlation = float(np.clip(two / one - 1.0, -_CORRELATION_MAX, _CORRELATION_MAX))
    # rows that swing back tell more than independent ones, which is not counted on; what is less than two standard
    # errors is chance, and what is more counts with one added
    used = min(correlation + 1.0 / n_root, _CORRELATION_MAX) if correlation > 2.0 / n_root else 0.0
    noise = float(np.sqrt(one / (2.0 * (1.0 - max(correlation, 0.0) * (used > 0.0)))))
    return noise, correlation, (1.0 + used) / (1.0 - used)


def _noise_of_counts(values: Floats, cost: str) -> tuple[float, float, float]:
    """The same by the family's mean; rows that count as one by how much rows, and means of rows, differ from the next."""
    mean = float(values.mean())
    usual = mean if cost == "poisson" else mean * (1.0 - mean)
    if usual <= 0.0:
        return 0.0, 0.0, 1.0
    centred = values - mean
    power = float(centred @ centred)
    correlation = float(centred[1:] @ centred[:-1]) / power if power > 0.0 else 0.0
    ratios = [1.0]
    for size in (1, max(_BATCH, len(values) // 200)):
        k = len(values) // size
        if k < _BATCHES_MIN:
            continue
        means = values[: k * size].reshape(k, size).mean(axis=1)
        level = (means[1:] + means[:-1]) / 2.0
        expected = float(np.mean(level if cost == "poisson" else level * (1.0 - level)))
        if (
            size == 1
        ):  # few values: no part of them stands for all; of a row of ones and zeros level says nothing
            differ, expected = float(np.mean((means[1:] - means[:-1]) ** 2)), usual
        else:
            differ = _least_squares(means[1:] - means[:-1]) * size
        ratio = differ / 2.0 / max(expected, 1e-12)
        if ratio > 1.0 + 3.0 / np.sqrt(k):
            ratios.append(ratio * (1.0 + 1.0 / float(np.sqrt(k))))
    return float(np.sqrt(usual)), correlation, max(ratios)


def _change(
    of: Cost,
    values: Floats,
    row: Ints,
    ends: list[int],
    shortest: int,
    level: float,
    inflation: float,
) -> ChangePoint:
    """The change between two neighbours ``ends``, with all dates that may be it."""
    start, at, stop = ends
    tried = np.arange(start + shortest, stop - shortest + 1)
    whole = of(np.full(len(tried), start), tried) + of(tried, stop)
    reach = -np.log1p(-np.sqrt(level)) * inflation
    dates = tried[0.5 * (whole - whole.min()) <= reach]
    low, high = _size_limits(of.name, values, start, dates, stop, level, inflation)
    left, right = values[start:at], values[at:stop]
    spread = float("nan")
    if of.name == "mean_variance" and left.std() > 0:
        spread = float(right.std() / left.std())
    return ChangePoint(
        int(row[at]),
        tuple(int(one) for one in row[dates]),
        float(left.mean()),
        float(right.mean()),
        float(right.mean() - left.mean()),
        low,
        high,
        spread,
    )


def _size_limits(
    name: str, values: Floats, start: int, dates: Ints, stop: int, level: float, inflation: float
) -> tuple[float, float]:
    """The least and the largest size that one of the dates allows."""
    part = values[start:stop]
    if name in ("mean", "mean_variance"):  # the size is the same, and squares keep their digits
        part = part - np.median(part)
    sums, squares = (np.concatenate([[0.0], np.cumsum(one)]) for one in (part, part**2))
    cut, n = dates - start, stop - start
    n_left, n_right = cut.astype(np.float64), (n - cut).astype(np.float64)
    left, right = sums[cut] / n_left, (sums[n] - sums[cut]) / n_right
    variances = squares[cut] / n_left - left**2, (squares[n] - squares[cut]) / n_right - right**2
    if name == "mean":  # one noise on both sides, of all that the two means leave over
        both = (n_left * variances[0] + n_right * variances[1]) / max(n - 2.0, 1.0)
        variances = both, both
    elif name == "poisson":
        variances = left + 0.5 / n_left, right + 0.5 / n_right
    elif name == "bernoulli":  # Agresti and Caffo (2000): one of each more, so that 0 of n is no certainty
        p, q = (sums[cut] + 1.0) / (n_left + 2.0), (sums[n] - sums[cut] + 1.0) / (n_right + 2.0)
        variances = p * (1.0 - p), q * (1.0 - q)
    deviation = np.sqrt(inflation * np.maximum(variances[0] / n_left + variances[1] / n_right, 0.0))
    reach = float(special.ndtri(0.5 + 0.5 * level)) * deviation
    return float((right - left - reach).min()), float((right - left + reach).max())
