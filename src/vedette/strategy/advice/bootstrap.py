"""Replays of a clean history: blocks of its windows in new orders, and new rows in each window.

Blocks of neighbouring windows are drawn with replacement (Kuensch 1989), so that what hangs together over a few windows
still does; with a season a block begins at a window of the same phase of the day or week. Within a window the rows are
drawn anew. That alone would let windows differ by sampling twice, so the shares of a window lie between those of all
windows and its own::

    p_w = p + s (phat_w - p),    s^2 = (D+ - 1) / D

with D the dispersion of the windows (variance of their scores over that of independent rows) and D+ the upper limit of
it that is in force. For independent rows s is about 0 and a replay is a new sample, tails and all; where days differ s is
about 1 and a replay has the days that were. Windows of so short a history show fewer rare days than are to come; D+ is
what allows for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from vedette.strategy.advice.history import Column, History
from vedette.strategy.records import Floats, Ints, Measure
from vedette.strategy.scores import reference_scores

__all__ = ["CAUTION", "FAIR", "Noise", "block_length", "draw", "length_of", "noises_of", "orders"]

CAUTION = 0.8
"""Level of the upper limit of the dispersion where thresholds are set: a history of few windows, which happened to be alike,
sets them too low, and nothing is left of the budget."""

FAIR = 0.5
"""The same where false alarms and delays are measured: as likely too large as too small."""


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How windows of a column differ: ``shares`` [W, cells + 1] are what a replay of each window draws from."""

    dispersion: float
    limit: float
    shares: Floats
    rows: Ints


def block_length(series: Floats) -> float:
    """The length of blocks for a series [W], from how it hangs together: 1 for independent values.

    With R(k) the autocovariances, lambda the flat-top window (1 up to a half, then falling to 0 at 1) and M twice the lag
    after which no autocorrelation is above 1.96 sqrt(log10(W) / W)::

        b = (2 G^2 / D)^(1/3) W^(1/3),  G = sum lambda(k/M) |k| R(k),  D = 4/3 (sum lambda(k/M) R(k))^2

    at least 1, at most min(3 sqrt(W), W/3). A constant series has 1.

    >>> block_length(np.array([1.0, -1.0] * 20)) > 1.0
    True

    Sources: D. N. Politis and H. White (2004), Econometric Reviews 23, 53-70; A. Patton, D. N. Politis and H. White
    (2009), "Correction", Econometric Reviews 28, 372-375.
    """
    x = np.asarray(series, dtype=np.float64)
    n = len(x)
    if n < 8:
        return 1.0
    x = x - x.mean()
    power = float(x @ x)
    if not power > 0:
        return 1.0
    n_clear = max(5, math.ceil(math.sqrt(math.log10(n))))
    lags_max = min(math.ceil(math.sqrt(n)) + n_clear, n - 1)
    covariance = np.array([x[k:] @ x[: n - k] for k in range(lags_max + 1)]) / n
    small = np.abs(covariance[1:] / covariance[0]) < 1.96 * math.sqrt(math.log10(n) / n)
    runs = [at for at in range(len(small) - n_clear + 1) if small[at : at + n_clear].all()]
    if runs:
        half = max(runs[0], 1)
    else:
        large = np.flatnonzero(~small)
        half = int(large[-1]) + 1 if len(large) else 1
    m = min(2 * half, lags_max)
    k = np.arange(1, m + 1)
    window = np.clip(2.0 * (1.0 - k / m), 0.0, 1.0)
    g = 2.0 * float((window * k * covariance[1 : m + 1]).sum())
    spectrum = covariance[0] + 2.0 * float((window * covariance[1 : m + 1]).sum())
    d = 4.0 / 3.0 * spectrum * spectrum
    most = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    if not d > 0:
        return float(most)
    return float(min(max((2.0 * g * g / d) ** (1 / 3) * n ** (1 / 3), 1.0), most))


def length_of(history: History) -> int:
    """The length of blocks for all columns together: the upper quartile of those of their rows, about the phases."""
    found = []
    phase = history.phase(history.start)
    for column in history.columns.values():
        for series in _series(column).T:
            known = ~np.isnan(series)
            if known.sum() >= 8:
                values, own = series[known], phase[known]
                total = np.bincount(own, values, history.period)
                n = np.maximum(np.bincount(own, minlength=history.period), 1)
                found.append(block_length(values - (total / n)[own]))
    return max(1, round(float(np.quantile(found, 0.75)))) if found else 1


def orders(
    history: History, n_runs: int, n_windows: int, random: np.random.Generator, length: int | None = None
) -> Ints:
    """int64[R, T]: which window of the history each window of each replay is.

    Windows of the replay follow on the history. With a season, a block begins at a window of the phase that it stands
    for, and a window whose phase does not fit (rows were missing for a while) is drawn by itself.
    """
    n, block = len(history.start), length or length_of(history)
    begin = history.start[-1] + history.window_s * (1 + np.arange(n_windows))
    wanted = history.phase(begin)
    have = history.phase(history.start)
    of_phase = [np.flatnonzero(have == one) for one in range(history.period)]
    every = np.arange(n)
    out = np.empty((n_runs, n_windows), dtype=np.int64)
    left = np.zeros(n_runs, dtype=np.int64)
    for t in range(n_windows):
        follow = out[:, t - 1] + 1 if t else np.zeros(n_runs, dtype=np.int64)
        fits = (left > 0) & (follow < n)
        fits &= have[np.minimum(follow, n - 1)] == wanted[t]
        some = of_phase[int(wanted[t])]
        some = some if len(some) else every
        fresh = some[(random.random(n_runs) * len(some)).astype(np.int64)]
        out[:, t] = np.where(fits, np.minimum(follow, n - 1), fresh)
        left = np.where(fits, left, block) - 1
    return out


def noises_of(history: History, caution: float = FAIR) -> dict[str, Noise]:
    """How the windows of each column differ, and what their replays are drawn from.

    Columns whose dispersion is like that of most have a limit in common, from all of them: one alone tells little.
    """
    phase, every = history.phase(history.start), list(history.columns.values())
    finite = [_dispersion(history, one) for one in every]
    gone = [_pearson(_missing(one), phase, history.period) for one in every]
    limits, gone_limits = (
        _limits(np.array([d for d, _ in some]), np.array([n for _, n in some]), caution).tolist()
        for some in (finite, gone)
    )
    return {
        one.source: _noise_of(history, one, (finite[at][0], limits[at]), (gone[at][0], gone_limits[at]))
        for at, one in enumerate(every)
    }


def _missing(column: Column) -> Floats:
    """float64[W, 2]: rows of each window with and without a finite value."""
    inside = column.counts[:, : column.grid.row_cells].sum(axis=1)
    return np.stack([inside, column.counts[:, -1]], axis=1).astype(np.float64)


def _limits(d: Floats, free: Floats, caution: float) -> Floats:
    """The upper limits of dispersions [C]: in common for those that do not differ from the middle one (chi-square, 1 %
    over all), of the others their own.
    """
    middle = float(np.sort(d)[(len(d) - 1) // 2])
    upper = special.chdtrc(free, free * d / max(middle, 1e-9))
    alike = 2.0 * np.minimum(upper, 1.0 - upper) > 0.01 / len(d)
    own = np.array([_limit(one, n, caution) for one, n in zip(d.tolist(), free.tolist(), strict=True)])
    if alike.sum() < 2:
        return own
    # columns that move together tell less than their number: as much as four of them at most
    known = min(float(free[alike].sum()), 4.0 * float(free[alike].max()))
    return np.where(alike, _limit(float(np.average(d[alike], weights=free[alike])), known, caution), own)


def _noise_of(
    history: History, column: Column, finite: tuple[float, float], gone: tuple[float, float]
) -> Noise:
    """What the windows of a column are drawn from; of finite and of missing values D and its limit."""
    phase = history.phase(history.start)
    kept = column.counts[:, :-1].astype(np.float64)
    kept[:, column.grid.row_cells :] = 0.0
    away = _missing(column)
    shares = _shrunk(kept, phase, history.period, *finite)
    split = _shrunk(away, phase, history.period, *gone)
    whole = np.concatenate([shares * split[:, :1], split[:, 1:]], axis=1)
    return Noise(*finite, whole, np.rint(away.sum(axis=1)).astype(np.int64))


def draw(noise: Noise, order: Ints, random: np.random.Generator) -> Ints:
    """int64[R, T, cells + 1]: the counts of replays, of the windows ``order`` [R, T], with new rows."""
    flat = order.ravel()
    found = random.multinomial(noise.rows[flat], noise.shares[flat])
    return np.asarray(found, dtype=np.int64).reshape(*order.shape, -1)


def _series(column: Column) -> Floats:
    """float64[W, S]: the mean score of each row in each window, in standard deviations; NaN without rows."""
    coarse = column.past.astype(np.float64)
    scores = reference_scores(coarse.sum(axis=0).astype(np.int64), column.measure.astype(np.int8))
    n = coarse.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("wsb,sb->ws", coarse, scores) / n)


def _dispersion(history: History, column: Column) -> tuple[float, float]:
    """D of what the column is mainly watched for, with its degrees of freedom."""
    phase = history.phase(history.start)
    if column.grid.kind == "category":
        return _pearson(column.counts[:, : column.grid.cells].astype(np.float64), phase, history.period)
    main = int(np.flatnonzero((column.measure == Measure.LOCATION) | (column.measure == Measure.SHARE))[0])
    series, n = _series(column)[:, main], column.past[:, main].sum(axis=1)
    known = n >= 2
    return _spread(series[known], n[known].astype(np.float64), phase[known], history.period)


def _spread(mean: Floats, n: Floats, phase: Ints, period: int) -> tuple[float, float]:
    """Variance of means times rows about the phases' means, for scores of unit variance, and degrees of freedom."""
    weight = np.bincount(phase, n, period)
    centre = np.bincount(phase, n * mean, period) / np.maximum(weight, 1e-300)
    free = float(len(mean) - (weight > 0).sum())
    return (float((n * (mean - centre[phase]) ** 2).sum()) / free, free) if free >= 1 else (1.0, 1.0)


def _pearson(counts: Floats, phase: Ints, period: int) -> tuple[float, float]:
    """Pearson's chi-square of windows against their phase, over its degrees of freedom; of cells with 5 rows a window."""
    together = counts.sum(axis=0)
    fair = together >= 5.0 * len(counts)
    table = np.concatenate([counts[:, fair], counts[:, ~fair].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, float(max(len(counts) - period, 1))
    of_phase = np.zeros((period, table.shape[1]))
    np.add.at(of_phase, phase, table)
    p = of_phase / np.maximum(of_phase.sum(axis=1, keepdims=True), 1.0)
    expected = p[phase] * table.sum(axis=1, keepdims=True)
    terms = np.divide((table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0)
    held = int((of_phase.sum(axis=1) > 0).sum())
    free = max((len(counts) - held) * (table.shape[1] - 1), 1)
    return float(terms.sum()) / free, float(free)


def _limit(d: float, free: float, caution: float) -> float:
    """The upper limit of a dispersion by chi-square, at least 1."""
    return max(1.0, d * free / (2.0 * float(special.gammaincinv(free / 2.0, 1.0 - caution))))


def _shrunk(counts: Floats, phase: Ints, period: int, d: float, limit: float) -> Floats:
    """The shares p_w of each window [W, cells]."""
    of_phase = np.zeros((period, counts.shape[1]))
    np.add.at(of_phase, phase, counts)
    whole = counts.sum(axis=0) / max(float(counts.sum()), 1.0)
    n_phase = of_phase.sum(axis=1, keepdims=True)
    p = np.where(n_phase > 0, of_phase / np.maximum(n_phase, 1.0), whole)[phase]
    n = counts.sum(axis=1, keepdims=True)
    own = np.where(n > 0, counts / np.maximum(n, 1.0), p)
    s = math.sqrt(max(limit - 1.0, 0.0) / max(d, 1e-9))
    found = np.maximum(p + s * (own - p), 0.0)
    total = found.sum(axis=1, keepdims=True)
    if not counts.sum() > 0:  # nothing was ever there: all in the first cell, of no rows
        found = np.eye(1, counts.shape[1]).repeat(len(counts), axis=0)
        total = found.sum(axis=1, keepdims=True)
    return np.asarray(found / total)
