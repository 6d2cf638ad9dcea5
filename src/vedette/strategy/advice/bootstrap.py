"""Replays of a clean history: blocks of its windows in new orders, and new rows in each window.

Blocks of neighbouring windows are drawn with replacement (Kuensch 1989), so that what hangs together over a few windows
still does; with a season a block begins at a window of the same phase of the day or week. Within a window the rows are
drawn anew. That alone would let windows differ by sampling twice, so a window is known by its mean scores m_j in a few directions
phi_j (of numbers the six first polynomials of the mid-rank, orthonormal under the shares p of all: location, spread,
and so on), and its shares are::

    p_w = p (1 + sum_j (c_j + o_j + s_j l_jw) phi_j)
    l_jw = a l_j,w-1 + e_jv,    e_jv = m_jv - a m_j,v-1,    s_j^2 = (D_j+ - 1)(1 - a^2) / mean(n e_j^2)

with c_j the mean of its phase, m_j beside it, D_j the dispersion of the windows about their P phases (variance of m_j
over that of independent rows) and D_j+ the upper limit of it that is in force. For independent rows s is about 0 and a
replay is a new sample, tails and all; where days differ s is about 1 and a replay has the days that were.

Levels that hang together do so beyond the end of a block, and a short history shows too little of it, since its own mean
is taken off. So blocks are those of the innovations e, of the windows v that were drawn, and the levels l are made of them
(prewhitening and post-blackening: Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 8.2.3); a is
the autocorrelation of levels (``lasting``), 0 where windows do not differ, and then l = m in blocks of neighbours. The
phases' means are known from few windows: o_j is drawn for each replay, the mean over the phase of levels made as above, and of
as many rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from vedette.strategy.advice.history import Column, History
from vedette.strategy.records import Floats, Ints
from vedette.strategy.scores import reference_scores
from vedette.strategy.watches import BINS

__all__ = ["CAUTION", "FAIR", "Noise", "block_length", "draw", "length_of", "noises_of", "orders"]

CAUTION = 0.8
"""Level of the upper limit of the dispersion where thresholds are set: a history of few windows, which happened to be alike,
sets them too low, and nothing is left of the budget."""

FAIR = 0.5
"""The same where false alarms and delays are measured: as likely too large as too small."""


_BLOCK_MIN = 7
_DIRECTIONS = 6
_LASTING_MAX = 0.95
_MORE_LEVEL = 0.05
_DIFFER_LEVEL = 0.01  # of a direction's dispersion, over all of a column: where levels differ at all


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How windows of a column differ: ``shares`` [cells + 1] of all, ``basis`` [J, cells + 1] the directions, ``centre``
    [P, J] the mean scores of each phase, ``own`` [W, J] those of each window beside it, ``dispersion`` and ``limit`` [J]
    their D and D+, ``rows`` [W] the rows of each window; ``lasting`` is the autocorrelation of the column's levels.
    """

    shares: Floats
    basis: Floats
    centre: Floats
    own: Floats
    dispersion: Floats
    limit: Floats
    rows: Ints
    lasting: float = 0.0


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
    phase = history.phase(history.start)
    free = float(max(len(phase) - len(np.unique(phase)), 1))
    found = {source: _measured(history, one) for source, one in history.columns.items()}
    lasting = _lasting(history, found, free, caution)
    found = {source: _unbiased(one, lasting[source], history.period) for source, one in found.items()}
    limits = {source: np.ones(len(one.dispersion)) for source, one in found.items()}
    kinds: dict[tuple[str, int], list[str]] = {}
    for source, one in found.items():
        numbers = history.columns[source].grid.kind not in ("category", "quality")
        for j in range(len(one.dispersion)):
            # directions of categories have no names that they share; missing values, the last, do
            last = j == len(one.dispersion) - 1
            kinds.setdefault(
                ("missing", 0) if last else ("number", j) if numbers else (source, j), []
            ).append(source)
    for (name, j), sources in kinds.items():
        at = -1 if name == "missing" else j
        d = np.array([found[source].dispersion[at] for source in sources])
        a = max(found[source].lasting for source in sources)
        known = (
            free * (1.0 - a * a) / (1.0 + a * a)
        )  # a variance of levels that hang together is known as of fewer
        for source, limit in zip(sources, _limits(d, max(known, 1.0), caution).tolist(), strict=True):
            limits[source][at] = limit
    return {source: replace(one, limit=limits[source]) for source, one in found.items()}


def _lasting(history: History, noises: Mapping[str, Noise], free: float, caution: float) -> dict[str, float]:
    """The autocorrelation of the levels of each column's windows, halfway between its own and that of all columns.

    Of the scores x = m sqrt(n), which are levels and sampling of variance 1, where the dispersion D is surely above 1::

        a = sum x_w x_w-1 / sum (D - 1),    raised by (1 + 3 a)/W

    since it is too low in so short a series (Kendall 1954, Biometrika 41, 403-404; for each phase alone without the
    series' own mean, by 2 a/W); and up to the upper limit of level ``caution``, of a normal law of variance (1 - a^2)/W.
    """
    begun = history.start
    joined = np.flatnonzero(np.diff(begun) < 1.5 * history.window_s) + 1
    together: list[tuple[float, float]] = []
    own: dict[str, tuple[float, float]] = {}
    for source, one in noises.items():
        x = one.own * np.sqrt(one.rows)[:, None]
        differ = special.chdtrc(free, free * one.dispersion) < _DIFFER_LEVEL / max(len(one.dispersion), 1)
        product = float((x[joined] * x[joined - 1])[:, differ].sum()) / max(len(joined), 1)
        own[source] = product, float((one.dispersion[differ] - 1.0).sum())
        together.append(own[source])
    whole = np.sum(together, axis=0)
    n = float(len(begun))

    def of(product: float, power: float) -> float:
        if not power > 0:
            return 0.0
        a = min(max(product / power, 0.0), _LASTING_MAX)
        a += (1.0 + 3.0 * a if history.period == 1 else 2.0 * a) / n
        a += float(special.ndtri(caution)) * math.sqrt(max(1.0 - a * a, 0.0) / n)
        return min(max(a, 0.0), _LASTING_MAX)

    middle = of(*whole.tolist())
    return {source: 0.5 * (middle + of(*one)) if one[1] > 0 else 0.0 for source, one in own.items()}


def _unbiased(noise: Noise, lasting: float, period: int) -> Noise:
    """The noise with what the mean of few windows that hang together takes off their dispersion: D - 1 is too small by
    the factor 1 - (1 + a)/(1 - a)/W, without which it is taken of independent windows.
    """
    n = len(noise.rows)
    if not lasting > 0.0 or period > 1:
        return replace(noise, lasting=lasting)
    part = min((1.0 + lasting) / (1.0 - lasting) / n, 0.5)
    more = np.maximum(noise.dispersion - 1.0, 0.0) * (1.0 - 1.0 / n) / (1.0 - part)
    return replace(
        noise, lasting=lasting, dispersion=np.where(noise.dispersion > 1.0, 1.0 + more, noise.dispersion)
    )


def _limits(d: Floats, free: float, caution: float) -> Floats:
    """The upper limits of dispersions [C]: in common for those that do not differ from the middle one (chi-square, 1 %
    over all), of the others their own.
    """
    middle = float(np.sort(d)[(len(d) - 1) // 2])
    upper = special.chdtrc(free, free * d / max(middle, 1e-9))
    alike = 2.0 * np.minimum(upper, 1.0 - upper) > 0.01 / len(d)
    own = np.array([_limit(one, free, caution) for one in d.tolist()])
    # columns that move together tell less than their number: as much as four of them at most
    known = free * min(int(alike.sum()), 4)
    return np.where(alike, _limit(float(d[alike].mean()), known, caution), own) if known else own


def _limit(d: float, free: float, caution: float) -> float:
    """The upper limit of a dispersion by chi-square, at least 1; 1 where no caution is asked for and nothing speaks for more,
    at 5 %: that windows do not differ at all is likely beforehand.
    """
    if caution <= FAIR and float(special.chdtrc(free, free * d)) > _MORE_LEVEL:
        return 1.0
    return max(1.0, d * free / (2.0 * float(special.gammaincinv(free / 2.0, 1.0 - caution))))


def _measured(history: History, column: Column) -> Noise:
    """The scores of the windows of a column, with limits still to come."""
    phase, period = history.phase(history.start), history.period
    counts = column.counts.astype(np.float64)
    counts[:, column.grid.row_cells : -1] = 0.0
    total = counts.sum(axis=0) if counts.sum() > 0 else np.eye(1, counts.shape[1])[0]
    shares = total / total.sum()
    basis = _basis(column, shares)
    n = counts.sum(axis=1)
    mean = np.divide(counts @ basis.T, n[:, None], out=np.zeros((len(n), len(basis))), where=n[:, None] > 0)
    weight = np.bincount(phase, n, period)
    centre = np.zeros((period, len(basis)))
    np.add.at(centre, phase, n[:, None] * mean)
    centre /= np.maximum(weight, 1e-300)[:, None]
    own = np.where(n[:, None] > 0, mean - centre[phase], 0.0)
    free = max(len(n) - int((weight > 0).sum()), 1)
    # a direction that no row moves in has no dispersion: as of independent rows
    d = np.where(np.abs(basis).sum(axis=1) > 0, (n[:, None] * own * own).sum(axis=0) / free, 1.0)
    return Noise(shares, basis, centre, own, d, np.ones(len(basis)), np.rint(n).astype(np.int64))


def _basis(column: Column, shares: Floats) -> Floats:
    """The directions [J, cells + 1], orthonormal under the shares: of the finite values, and last of the missing ones."""
    finite = shares[:-1] / max(float(shares[:-1].sum()), 1e-300)
    grid = column.grid
    match grid.kind:
        case "category":
            order = np.argsort(-finite, kind="stable")[: min(_DIRECTIONS, int((finite > 0).sum()) - 1)]
            functions = [(np.arange(grid.cells) == cell).astype(np.float64) for cell in order]
        case "quality":
            functions = [column.onto.reshape(grid.cells + 1, -1, BINS)[:-1, 0, 1]]
        case _:
            u = 2.0 * (np.cumsum(finite) - 0.5 * finite) - 1.0
            n = min(_DIRECTIONS, int((finite > 0).sum()) - 1)
            functions = [u**power for power in range(1, n + 1)]
    found: list[Floats] = []
    for one in functions:
        for before in (np.ones_like(finite), *found):
            one = one - float(finite @ (one * before)) * before
        size = math.sqrt(float(finite @ (one * one)))
        found.append(one / size if size > 1e-9 else np.zeros_like(one))
    p = float(shares[-1])
    rows = [np.append(one, 0.0) / math.sqrt(max(1.0 - p, 1e-300)) for one in found]
    gone = np.append(np.full(grid.cells, -p), 1.0 - p) / math.sqrt(p * (1.0 - p)) if 0.0 < p < 1.0 else None
    rows.append(np.zeros(grid.cells + 1) if gone is None else gone)
    return np.array(rows)


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
    scores = (noise.centre + offset)[:, phase] + levels
    shares = np.maximum(noise.shares * (1.0 + scores.reshape(-1, len(noise.basis)) @ noise.basis), 0.0)
    shares /= shares.sum(axis=1, keepdims=True)
    found = random.multinomial(noise.rows[order.ravel()], shares)
    return np.asarray(found, dtype=np.int64).reshape(n_runs, n_windows, -1)


def _levels(history: History, noise: Noise, order: Ints) -> Floats:
    """float64[R, T, J]: levels of windows, made of the innovations of the windows ``order`` [R, T]."""
    a, own = noise.lasting, noise.own
    innovation = own * math.sqrt(1.0 - a * a)  # where no window is before it
    joined = np.flatnonzero(np.diff(history.start) < 1.5 * history.window_s) + 1
    innovation[joined] = own[joined] - a * own[joined - 1]
    power = (noise.rows[:, None] * np.square(innovation)).mean(axis=0)
    scale = np.sqrt(np.maximum(noise.limit - 1.0, 0.0) * (1.0 - a * a) / np.maximum(power, 1e-9))
    found = innovation[order] * scale
    found[:, 0] /= math.sqrt(1.0 - a * a)  # the first has no past: a level of its own
    for t in range(1, order.shape[1] if a > 0.0 else 0):
        found[:, t] += a * found[:, t - 1]
    return np.asarray(found)


def _series(column: Column) -> Floats:
    """float64[W, S]: the mean score of each row in each window, in standard deviations; NaN without rows."""
    coarse = column.past.astype(np.float64)
    scores = reference_scores(coarse.sum(axis=0).astype(np.int64), column.measure.astype(np.int8))
    n = coarse.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("wsb,sb->ws", coarse, scores) / n)
