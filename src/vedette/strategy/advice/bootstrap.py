"""Replays of a clean history: blocks of its windows in new orders, and new rows in each window.

Blocks of neighbouring windows are drawn with replacement (Kuensch 1989), so that what hangs together over a few windows
still does; with a season a block begins at a window of the same phase of the day or week. Within a window the rows are
drawn anew. That alone would let windows differ by sampling twice, so a window is known by its mean scores m_j in a few directions
phi_j (of numbers the six first polynomials of the mid-rank, orthonormal under the shares p of all: location, spread,
and so on), and its shares are::

    p_w = p (1 + sum_j (c_j + o_j + s_j l_jw) phi_j)
    l_jw = a l_j,w-1 + e_jv,    e_jv = m_jv - r_j m_j,v-1,    s_j^2 = (D_j+ - 1)(1 - a^2) / mean(n e_j^2)

with c_j the mean of its phase, m_j beside it, D_j the dispersion of the windows about their P phases (variance of m_j
over that of independent rows) and D_j+ the upper limit of it that is in force. For independent rows s is about 0 and a
replay is a new sample, tails and all; where days differ s is about 1 and a replay has the days that were.

Levels that hang together do so beyond the end of a block, and a short history shows too little of it, since its own mean
is taken off. So blocks are those of the innovations e, of the windows v that were drawn, and the levels l are made of them
(prewhitening and post-blackening: Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 8.2.3); a is
the autocorrelation of levels (``lasting``), 0 where windows do not differ, and then l = m in blocks of neighbours. r_j is that
of the m_j as they are, since with the raised a neighbours of e would be correlated negatively, and a block of them would take
back what was raised. The phases' means are known from few windows: o_j is drawn for each replay, the mean over the phase of
levels made as above, and of as many rows.

The next months' mean is known from the reference too. Where it and the history do not surely differ (1 % over the directions of
a column), both are samples of one law, and by their variances v_r and v_h the mean moves by w r_j from the history's, r_j
the reference's mean score, w = v_h/(v_h + v_r), and what is drawn of it has variance (1 - w) v_h. Otherwise replays would lie
further from what is watched for, which is of reference and history together, than new windows of the same law do.
"""

from __future__ import annotations

import math

import numpy as np

from vedette.strategy.advice.history import Column, History
from vedette.strategy.advice.noise import LASTING_MAX, Noise
from vedette.strategy.records import Floats, Ints
from vedette.strategy.scores import reference_scores

__all__ = ["block_length", "draw", "length_of", "orders"]

_BLOCK_MIN = 7


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
    """The length of blocks for all columns together: the upper quartile of those of their rows, about the phases; a week of
    days, or a quarter of the history, at least: a short one shows too little of what hangs together.
    """
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
    least = min(_BLOCK_MIN, max(len(history.start) // 4, 1))
    return max(least, round(float(np.quantile(found, 0.75)))) if found else least


def _series(column: Column) -> Floats:
    """float64[W, S]: the mean score of each row in each window, in standard deviations; NaN without rows."""
    coarse = column.past.astype(np.float64)
    scores = reference_scores(coarse.sum(axis=0).astype(np.int64), column.measure.astype(np.int8))
    n = coarse.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("wsb,sb->ws", coarse, scores) / n)


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


def draw(history: History, noise: Noise, order: Ints, again: Ints, random: np.random.Generator) -> Ints:
    """int64[R, T, cells + 1]: the counts of replays, of the windows ``order`` [R, T], with new rows; what is drawn of the
    phases' means is that of the windows ``again`` [R, W].
    """
    n_runs, n_windows = order.shape
    phase = history.phase(history.start[-1] + history.window_s * (1 + np.arange(n_windows)))
    have = history.phase(history.start)
    levels = np.concatenate([_levels(history, noise, one) for one in (again, order)], axis=1)
    past, levels = levels[:, : len(have)], levels[:, len(have) :]
    offset = np.zeros((n_runs, history.period, past.shape[2]))
    for one in np.unique(have):
        own = have == one
        rows = max(float(noise.rows[own].sum()), 1.0)
        offset[:, one] = past[:, own].mean(axis=1) + random.normal(size=offset[:, one].shape) / math.sqrt(
            rows
        )
    of_phase = np.bincount(have, noise.rows, history.period) / max(float(noise.rows.sum()), 1.0)
    common = np.einsum("p,rpj->rj", of_phase, offset)  # which the reference tells of too
    offset -= ((1.0 - np.sqrt(1.0 - noise.anchored)) * common)[:, None]
    scores = (noise.centre + offset)[:, phase] + levels
    shares = np.maximum(noise.shares * (1.0 + scores.reshape(-1, len(noise.basis)) @ noise.basis), 0.0)
    shares /= shares.sum(axis=1, keepdims=True)
    found = random.multinomial(noise.rows[order.ravel()], shares)
    return np.asarray(found, dtype=np.int64).reshape(n_runs, n_windows, -1)


def _levels(history: History, noise: Noise, order: Ints) -> Floats:
    """float64[R, T, J]: levels of windows, made of the innovations of the windows ``order`` [R, T]."""
    a, own = noise.lasting, noise.own
    joined = np.flatnonzero(np.diff(history.start) < 1.5 * history.window_s) + 1
    before, after = own[joined - 1], own[joined]
    r = (before * after).sum(axis=0) / np.maximum((before * before).sum(axis=0), 1e-300)
    r = np.clip(r, -LASTING_MAX, LASTING_MAX) if a > 0.0 else np.zeros_like(r)
    innovation = own * np.sqrt(1.0 - r * r)  # where no window is before it
    innovation[joined] = after - r * before
    power = (noise.rows[:, None] * np.square(innovation)).mean(axis=0)
    scale = np.sqrt(np.maximum(noise.limit - 1.0, 0.0) * (1.0 - a * a) / np.maximum(power, 1e-9))
    found = innovation[order] * scale
    found[:, 0] /= math.sqrt(1.0 - a * a)  # the first has no past: a level of its own
    for t in range(1, order.shape[1] if a > 0.0 else 0):
        found[:, t] += a * found[:, t - 1]
    return np.asarray(found)
