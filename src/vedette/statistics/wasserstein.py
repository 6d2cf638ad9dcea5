"""The Wasserstein distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import compared
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["Wasserstein"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DRAWS = 600  # 30 of them lie beyond a 95 % interval; its level is right to 0.6 %
WIDTHS = (160, 288, DRAWS)  # grids of numbers have up to 150 cells, of latency 256
SPREAD = 0.02  # of a window's rows beyond the grid: a grid leaves one in a thousand of its own rows there
SEED = 20261122  # any: the same draws serve every window, so a window's figure does not depend on its company


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """How far values would have to be carried on average to turn the window into the reference.

    In the unit of the column. W1 = integral of |F - G|, the area between the two distribution functions,
    which are known at the edges of the grid and taken to be straight between them; values beyond the grid lie
    where the mean of all values puts them, no further out than the furthest. It is off by at most the sum
    over cells of width times both shares; a discrete column without new values is exact. W1 is never less than the
    distance of the means, which is known exactly and is all of it where one side's values lie above the other's.
    ``wasserstein_sd`` is the same in standard deviations of the reference.

    W1 of two samples is never 0. F - G is the true difference plus the noise of both samples, so W1 is off by
    no more than the area under the absolute noise. The interval is W1 minus and plus the quantile of that
    area over seeded draws of the noise in its limit (Brownian bridges of the multinomial counts; each edge has
    its own variance, how edges go together is taken from the reference), cut at 0: it holds near 0, where the
    bootstrap of W1 does not, and costs little elsewhere; it is no narrower than that of the difference of the means. What
    the straight lines miss of that difference is added to either side, and so is, of windows with 2 % of rows beyond the
    grid, what their moments leave open: there it is wide. The draws are the same for each window, so that a figure does
    not depend on the figures beside it. Null, NaN and infinities have no part: ``n`` counts what was compared. Fewer
    than 50 values on either side are a reason.

    Sources: L. V. Kantorovich (1942); S. S. Vallender (1974), Theory of Probability and Its Applications 18,
    784-786 (area between distribution functions); E. del Barrio, E. Giné and C. Matrán (1999), Annals of
    Probability 27, 1009-1071 (its limit).

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.repeat(np.arange(10.0), 100)
    >>> grid = numeric_grid("x", x)
    >>> current, reference = summarise_numeric(grid, x[:900]), summarise_numeric(grid, x)
    >>> figures = STATISTICS["wasserstein"].figures(current, reference)
    >>> figures.value.round(6).tolist()     # scipy.stats.wasserstein_distance: means differ by 4.5 - 4
    [0.5]
    """

    name: str
    in_reference_sd: bool = False
    kinds: tuple[str, ...] = ("numeric", "latency", "vector")
    needs_reference: bool = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The distance by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or another kind
        of column.
        """
        check_kind(self.name, self.kinds, current)
        check_level(level)
        counts, base, reasons = compared(current, reference)
        unit = 1.0
        if self.in_reference_sd and reference is not None:
            unit = _sd(reference.merged())
            reasons.add(np.full(len(current), unit == 0), "the reference is constant")
            reasons.add(np.full(len(current), not np.isfinite(unit)), "values too large to compute with")
        unit = unit if unit > 0 and np.isfinite(unit) else 1.0
        value, half = np.zeros((2, len(current)))
        todo = np.flatnonzero(~reasons.given)
        if reference is not None and len(todo):
            some, whole = current.take(todo), reference.merged()
            inner, ours, theirs = _widths(current.grid, some, whole)
            ours, unsure = _spread_out(current.grid, some, ours)
            moved, noise = _distance(counts[todo], base, (inner, ours, theirs), level)
            value[todo], blurred = _sharpened(moved, some, whole)
            z = float(special.ndtri((1 + level) / 2))
            half[todo] = np.maximum(noise, z * np.hypot(_error(some), _error(whole))) + blurred + unsure
        with np.errstate(over="ignore", invalid="ignore"):  # the estimates refuse what is not finite
            low, high = np.maximum(value - half, 0.0) / unit, (value + half) / unit
            return Estimates.of(value / unit, low, high, current.used, reasons)


def _sd(reference: Summary) -> float:
    """The reference's standard deviation; 0 where it is constant."""
    n = max(int(reference.used[0]), 2)
    if reference.minimum[0] == reference.maximum[0]:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        variance = (reference.squares[0] - reference.total[0] ** 2 / n) / (n - 1)
    return float(np.sqrt(max(variance, 0.0)))


def _widths(grid: Grid, current: Summary, reference: Summary) -> tuple[Floats, Floats, Floats]:
    """The widths [cells - 2] of inner cells, and the reach of tails, [W, 2] and [1, 2], below and above."""
    with np.errstate(over="ignore"):
        inner = np.diff(grid.edges)
    return inner, _reach(grid, current), _reach(grid, reference)


def _reach(grid: Grid, side: Summary) -> Floats:
    """How far values in the lower and the upper tail lie beyond the last edge on average, [W, 2].

    A first guess: where a tail falls off exponentially, the greatest of c values is expected 1 + 1/2 + ... +
    1/c times as far out as their mean. What the guess, with inner cells at their middles, leaves of the total
    that is known goes to the tails, most to the one that can hold most.
    """
    count = side.counts[:, [0, -1]]
    outwards, harmonic = np.array([-1.0, 1.0]), special.digamma(np.maximum(count, 1) + 1.0) + np.euler_gamma
    with np.errstate(over="ignore", invalid="ignore"):  # of huge values the first guess stands
        edges = grid.edges - grid.centre
        furthest = np.stack([grid.edges[0] - side.minimum, side.maximum - grid.edges[-1]], axis=1)
        furthest = np.where(count > 0, np.maximum(furthest, 0.0), 0.0)
        reach = furthest / harmonic
        inside = side.counts[:, 1:-1] @ ((edges[:-1] + edges[1:]) / 2)
        rest = side.total - inside - (count * (edges[[0, -1]] + outwards * reach)).sum(axis=1)
        room = (count * furthest) ** 2
        part = room / np.maximum(room.sum(axis=1, keepdims=True), 1e-300)
        exact = reach + outwards * rest[:, np.newaxis] * part / np.maximum(count, 1)
    bounded: Floats = np.clip(np.where(np.isfinite(exact), exact, reach), 0.0, furthest)
    return bounded


def _spread_out(grid: Grid, side: Summary, reach: Floats) -> tuple[Floats, Floats]:
    """The reach of both tails of windows that have spread beyond the grid, and how unsure it leaves the distance.

    Of the y = x - centre of both tails the sums of y, y^2 and y^4 are known, as what inner cells leave. The sum of |y| lies
    between S2^(3/2)/S4^(1/2) and (S0 S2)^(1/2) (Hölder's inequality); in between it is taken from the parabola through
    ln S0, ln S2 and ln S4, which is right for a log-normal law and off by 3 % for a normal one.
    """
    edges, n = grid.edges - grid.centre, np.maximum(side.used, 1)
    c = side.counts[:, [0, -1]].astype(np.float64)
    e = np.array([-edges[0], edges[-1]])
    wide = (c > 0).all(axis=1) & (c.sum(axis=1) >= SPREAD * n) & bool((e >= 0).all())
    unsure = np.zeros(len(side))
    if not wide.any():
        return reach, unsure
    a, b = edges[:-1], edges[1:]
    inside = side.counts[:, 1:-1]
    with np.errstate(
        over="ignore", invalid="ignore", divide="ignore"
    ):  # of huge values the first guess stands
        first = side.total - inside @ ((a + b) / 2)
        second = side.squares - inside @ ((a**2 + a * b + b**2) / 3)
        fourth = side.fourths - inside @ ((a**4 + a**3 * b + (a * b) ** 2 + a * b**3 + b**4) / 5)
        all_of = c.sum(axis=1)
        furthest = np.stack([grid.edges[0] - side.minimum, side.maximum - grid.edges[-1]], axis=1)
        most = c * (e + np.maximum(furthest, 0.0))
        least = np.maximum.reduce([np.abs(first), second**1.5 / np.sqrt(fourth), c @ e])
        utmost = np.minimum.reduce([np.sqrt(all_of * second), first + 2 * most[:, 0], 2 * most[:, 1] - first])
        likely = np.exp(0.375 * np.log(all_of) + 0.75 * np.log(second) - 0.125 * np.log(fourth))
        likely = np.clip(likely, least, np.maximum(utmost, least))
        sums = np.stack([likely - first, likely + first], axis=1) / 2
        found = np.clip(sums / np.maximum(c, 1) - e, 0.0, np.maximum(furthest, 0.0))
        doubt = np.maximum(utmost - likely, likely - least) / n
    wide &= np.isfinite(found).all(axis=1) & np.isfinite(doubt)
    return np.where(wide[:, np.newaxis], found, reach), np.where(wide, np.maximum(doubt, 0.0), 0.0)


def _error(side: Summary) -> Floats:
    """The standard error of the mean of each window; 0 where it cannot be told."""
    n = np.maximum(side.used, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        variance = (side.squares - side.total**2 / n) / (n - 1) / n
    error: Floats = np.sqrt(np.where(np.isfinite(variance), np.maximum(variance, 0.0), 0.0))
    return error


def _sharpened(moved: tuple[Floats, Floats], current: Summary, reference: Summary) -> tuple[Floats, Floats]:
    """W1 no less than the distance of the means, and by how much the cells have that difference wrong."""
    value, signed = moved
    with np.errstate(over="ignore", invalid="ignore"):
        means = reference.total / np.maximum(reference.used, 1) - current.total / np.maximum(current.used, 1)
        blurred = np.abs(means - signed)
    known = np.isfinite(blurred)  # of huge values the cells' alone stands
    return np.where(known, np.maximum(value, np.abs(means)), value), np.where(known, blurred, 0.0)


def _distance(
    counts: Integers, base: Integers, widths: tuple[Floats, Floats, Floats], level: float
) -> tuple[tuple[Floats, Floats], Floats]:
    """W1 and the integral of F - G, and the half-width of the interval, for windows that all have values."""
    n, m = counts.sum(axis=1, keepdims=True), int(base.sum())
    p, q = counts / n, base / m
    inner, ours, theirs = widths
    gap = np.cumsum(p - q, axis=1)[:, :-1]  # F - G at each edge
    left, right = np.abs(gap[:, :-1]), np.abs(gap[:, 1:])
    crossing = gap[:, :-1] * gap[:, 1:] < 0
    both = np.where(crossing, left + right, 1.0)
    mean = np.where(crossing, (left**2 + right**2) / (2 * both), (left + right) / 2)
    ends = p[:, [0, -1]], q[np.newaxis, [0, -1]]
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = ends[0] * ours - ends[1] * theirs
        value = (inner * mean).sum(axis=1) + np.abs(beyond).sum(axis=1)
        signed = (inner * (gap[:, :-1] + gap[:, 1:])).sum(axis=1) / 2 + beyond[:, 0] - beyond[:, 1]
        tails = (ends[0] * ours + ends[1] * theirs) / np.maximum(ends[0] + ends[1], 1e-300)
        weights = np.zeros_like(gap)
        weights[:, :-1] += inner / 2
        weights[:, 1:] += inner / 2
        weights[:, [0, -1]] += tails
        weights = np.minimum(weights, np.finfo(np.float64).max)
        return (value, signed), np.quantile(_noise(p, n[:, 0], q, m, weights), level, axis=1)


def _noise(p: Floats, n: Integers, q: Floats, m: int, weights: Floats) -> Floats:
    """Draws [W, DRAWS] of the area under the absolute noise of F - G, whose edges have these weights.

    The noise at each edge has its own variance, of both sides; how edges go together is taken from the reference,
    so that one set of bridges serves all windows.
    """
    above, theirs = np.cumsum(p, axis=1)[:, :-1], np.cumsum(q)[:-1]
    variance = above * (1 - above) / n[:, np.newaxis] + theirs * (1 - theirs) / m
    # half a count in each cell: an edge beyond all of the reference is to have a noise that can be scaled
    held = (q * m + 0.5) / (m + 0.5 * len(q))
    until = np.cumsum(held)[:-1]
    scale = np.sqrt(np.maximum(variance, 0.0) / np.maximum(until * (1 - until), 1e-300))
    with np.errstate(over="ignore"):
        scaled = np.minimum(weights * scale, np.finfo(np.float64).max)
    size = scaled.max(axis=1, keepdims=True)  # widths may be beyond float32, their ratios are not
    part = (scaled / np.where(size > 0, size, 1.0)).astype(np.float32)
    # one product a window, not one for all: the rounding of a window must not depend on the others
    drawn = np.matmul(_bridge(held)[np.newaxis], part[:, :, np.newaxis])[:, :, 0]
    area: Floats = drawn * size
    return area


def _bridge(p: Floats) -> npt.NDArray[np.float32]:
    """The sizes of Brownian bridges of cumulated shares at the edges, [DRAWS, edges], for shares p [cells]."""
    steps = np.cumsum(_normals(len(p)) * np.sqrt(p), axis=1)
    return np.abs(steps[:, :-1] - steps[:, -1:] * np.cumsum(p)[:-1]).astype(np.float32)


def _normals(cells: int) -> Floats:
    """The same standard normal numbers, [DRAWS, cells], for every window and call."""
    wide = next((width for width in WIDTHS if cells <= width), cells)
    return _orthogonal(wide)[:, :cells]


@lru_cache(maxsize=8)
def _orthogonal(wide: int) -> Floats:
    """Standard normal numbers, made orthogonal where there are draws enough.

    Then they have the right variances to the bit, which halves the error of the quantiles that are read off them; any
    of the columns have them, so that columns of a report share a few sets.
    """
    normals = np.random.default_rng(SEED).standard_normal((DRAWS, wide))
    return np.linalg.qr(normals)[0] * np.sqrt(DRAWS) if wide <= DRAWS else normals
