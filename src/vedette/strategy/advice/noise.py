"""How the windows of a history differ, beyond what sampling does: measured for the replays that are drawn from it.

``bootstrap`` has the model, of which this measures c, m, D, D+, a and w.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from vedette.strategy.advice.history import Column, History
from vedette.strategy.records import Floats, Ints
from vedette.strategy.watches import BINS

__all__ = ["CAUTION", "FAIR", "LASTING_MAX", "Noise", "noises_of"]

CAUTION = 0.65
"""Level of the upper limits of autocorrelation and of dispersion where thresholds are set: a history of few windows, which
happened to be alike, sets them too low, and nothing is left of the budget. False alarms depend on both about alike, and their
estimates are about independent, so that both at 0.65 are an upper limit of 0.7 of the number: Phi(sqrt 2 * 0.385) = 0.707."""

FAIR = 0.5
"""The same where false alarms and delays are measured: as likely too large as too small."""

LASTING_MAX = 0.95
"""The most that is taken for the autocorrelation of levels: beyond it a history is one level."""

_DIRECTIONS = 6
_MORE_LEVEL = 0.05  # over the directions of a column: at which a dispersion speaks for levels that differ
_DIFFER_LEVEL = 0.01  # of a direction's dispersion, over all of a column: where levels differ at all


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How windows of a column differ: ``shares`` [cells + 1] of all, ``basis`` [J, cells + 1] the directions, ``centre``
    [P, J] the mean scores of each phase, ``own`` [W, J] those of each window beside it, ``dispersion`` and ``limit`` [J]
    their D and D+, ``rows`` [W] the rows of each window; ``anchored`` [J] is the weight w of the reference in their mean,
    ``lasting`` the autocorrelation of the column's levels.
    """

    shares: Floats
    basis: Floats
    centre: Floats
    own: Floats
    dispersion: Floats
    limit: Floats
    rows: Ints
    anchored: Floats
    lasting: float = 0.0


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
    return {
        source: _anchored(history, history.columns[source], replace(one, limit=limits[source]))
        for source, one in found.items()
    }


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
    return Noise(
        shares, basis, centre, own, d, np.ones(len(basis)), np.rint(n).astype(np.int64), np.zeros(len(basis))
    )


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


def _lasting(history: History, noises: Mapping[str, Noise], free: float, caution: float) -> dict[str, float]:
    """The autocorrelation of the levels of each column's windows, halfway between its own and that of all columns.

    Of the scores x = m sqrt(n), which are levels and sampling of variance 1, where the dispersion D is surely above 1::

        a = mean of x_w x_w-1 / (D - 1),    raised by (1 + 3 a)/W

    since it is too low in so short a series (Kendall 1954, Biometrika 41, 403-404). With P phases the products are about P means,
    which take as much off them as off squares: they are divided by (W - P)/W as these are, and what is left is 2 a/W. And up
    to the upper limit of level ``caution``, of a normal law of variance (1 - a^2)/W.
    """
    begun = history.start
    joined = np.flatnonzero(np.diff(begun) < 1.5 * history.window_s) + 1
    left = free / len(begun) if history.period > 1 else 1.0
    together: list[tuple[float, float]] = []
    own: dict[str, tuple[float, float]] = {}
    for source, one in noises.items():
        x = one.own * np.sqrt(one.rows)[:, None]
        differ = special.chdtrc(free, free * one.dispersion) < _DIFFER_LEVEL / max(len(one.dispersion), 1)
        product = float((x[joined] * x[joined - 1])[:, differ].sum()) / max(len(joined) * left, 1.0)
        own[source] = product, float((one.dispersion[differ] - 1.0).sum())
        together.append(own[source])
    whole = np.sum(together, axis=0)
    n = float(len(begun))

    def of(product: float, power: float) -> float:
        if not power > 0:
            return 0.0
        a = min(max(product / power, 0.0), LASTING_MAX)
        a += (1.0 + 3.0 * a if history.period == 1 else 2.0 * a) / n
        a += float(special.ndtri(caution)) * math.sqrt(max(1.0 - a * a, 0.0) / n)
        return min(max(a, 0.0), LASTING_MAX)

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
    at 5 % over the directions of a column: that windows do not differ at all is likely beforehand.
    """
    if caution <= FAIR and float(special.chdtrc(free, free * d)) > _MORE_LEVEL / (_DIRECTIONS + 1):
        return 1.0
    return max(1.0, d * free / (2.0 * float(special.gammaincinv(free / 2.0, 1.0 - caution))))


def _anchored(history: History, column: Column, noise: Noise) -> Noise:
    """The noise with its centre moved towards the reference, where history and reference do not surely differ.

    Where levels of windows differ, the reference is taken to be worth one of them: how many it has is not known.
    """
    counts = np.append(column.reference.counts[0], column.reference.missing[0]).astype(np.float64)
    counts[column.grid.row_cells : -1] = 0.0
    n_reference, n = float(counts.sum()), float(noise.rows.sum())
    if not n_reference > 0 or not n > 0:
        return noise
    a, level = noise.lasting, np.maximum(noise.limit - 1.0, 0.0)
    of_history = (1.0 + level * (1.0 + a) / (1.0 - a)) / n
    inflation = float(history.state.inflation[column.rows].max(initial=1.0))
    of_reference = inflation / n_reference + level / max(float(noise.rows.mean()), 1.0)
    apart = noise.basis @ (counts / n_reference)
    p = 2.0 * special.ndtr(-np.abs(apart) / np.sqrt(of_history + of_reference))
    weight = np.where(p < _DIFFER_LEVEL / len(p), 0.0, of_history / (of_history + of_reference))
    return replace(noise, centre=noise.centre + weight * apart, anchored=weight)
