"""Figures of sampled rows: each kept row stands for as many as its inclusion probability says.

Rows that were kept with the probability ``pi`` count ``w = 1/pi`` times (Horvitz and Thompson 1952); means and shares are
divided by the sum of the weights (Hajek 1971). The summaries of a window are kept apart by weight (:class:`Levels`), so that
the interval needs no rows. With one weight in a window it is that of the rows as they are. With several:

* a figure that is the mean of something over rows (``mean_of_rows``): the value is ``sum_h W_h p_h``, with ``p_h`` the figure
  of the rows of weight ``w_h`` and ``W_h = w_h n_h / sum w n``; the limits are those of the levels, recovered as variances
  (MOVER, Zou and Donner 2008): ``low = p - sqrt(sum_h W_h^2 (p_h - l_h)^2 + B)``, with
  ``B = z^2 sum_h W_h^2 (p_h - p)^2 (1 - s_h) / n_h``, since how many of a level's rows the figure rests on is chance too;
  ``s_h`` is their share of the level's rows, 0 of a segment or of labelled rows;
* a quantile: that of the weighted counts, with as many rows as give the share of rows up to it the variance that it has,
  ``sum_h w_h^2 (k_h (1 - p)^2 + (n_h - k_h) p^2) / (sum w n)^2`` (Woodruff 1952);
* any other: the value of the weighted counts; the limits those of the rows counted as if all had the largest weight of the
  window. No function of the counts has a larger variance: ``conservative``.

All take the rows of a weight as drawn at random. Where they were drawn within strata, intervals are as wide or wider than
they would have to be.

Sources: D. G. Horvitz and D. J. Thompson (1952), JASA 47, 663-685; J. Hajek (1971), in Foundations of Statistical Inference,
236; R. S. Woodruff (1952), JASA 47, 635-646; G. Y. Zou and A. Donner (2008), Statistics in Medicine 27, 1693-1702.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, Reasons
from vedette.statistics.grid import LABELLED_KINDS
from vedette.statistics.intervals import garwood
from vedette.statistics.quantile import Quantile
from vedette.statistics.summary import Summary

if TYPE_CHECKING:
    from vedette.statistics import Breakdown, Statistic

__all__ = ["CONSERVATIVE", "WEIGHTED", "Levels", "sampled_figures", "weights_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

WEIGHTED = "weighted"
"""What is said of figures whose rows were weighted, with an interval that is right."""

CONSERVATIVE = "conservative"
"""And of those whose interval is right or too wide."""

_SAME = 1e-9  # relative; as near as a mean of levels comes to the mean of all by rounding


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Summaries of W windows, kept apart by the weight of their rows.

    ``summary`` has a window for each pair of a window and a weight: ``window`` (int64 [P]) is its number, from 0 to
    ``n_windows - 1``, and ``weight`` (float64 [P], 1 or more) the rows that each of its rows stands for. ``of_all`` is false
    for a segment: how many of the rows of a weight are its own is chance, where that of all rows is not.

    >>> from vedette.statistics import numeric_grid, summarise_numeric
    >>> grid = numeric_grid("x", [0.0, 1.0] * 5)
    >>> some = summarise_numeric(grid, np.array([0.0, 1.0, 1.0]), window=np.array([0, 1, 1]), n_windows=2)
    >>> levels = Levels(some, np.array([0, 0]), np.array([1.0, 10.0]), 1)
    >>> levels.kept.rows.tolist(), levels.stands_for.tolist()
    ([3], [21.0])
    """

    summary: Summary
    window: Integers
    weight: Floats
    n_windows: int
    of_all: bool = True

    @property
    def kept(self) -> Summary:
        """The rows as they are, by window."""
        if len(self.window) == self.n_windows and (self.window == np.arange(self.n_windows)).all():
            return self.summary
        return self.summary.grouped(self.window, self.n_windows)

    @property
    def _there(self) -> npt.NDArray[np.bool_]:
        """The pairs that hold anything: corrected labels may take away as many rows as they add."""
        one = self.summary
        found: npt.NDArray[np.bool_] = (one.rows != 0) | (one.missing != 0) | (one.counts != 0).any(axis=1)
        return found

    @property
    def stands_for(self) -> Floats:
        """The rows that those of each window stand for."""
        return self.sum_of(self.summary.rows * self.weight)

    @property
    def heaviest(self) -> Floats:
        """The largest weight of each window; 1 of a window without rows."""
        most = np.ones(self.n_windows)
        np.maximum.at(most, self.window[self._there], self.weight[self._there])
        return most

    @property
    def mixed(self) -> npt.NDArray[np.bool_]:
        """The windows whose rows have more than one weight."""
        least = np.full(self.n_windows, np.inf)
        np.minimum.at(least, self.window[self._there], self.weight[self._there])
        return least < self.heaviest

    def scaled(self, by: Floats) -> Summary:
        """The weighted counts and sums of each window, times a number of its own."""
        return self.summary.scaled(self.weight * by[self.window]).grouped(self.window, self.n_windows)

    @property
    def surety(self) -> Floats:
        """By what weighted counts are to be multiplied to be as many as the rows that are worth as much (Kish 1965)."""
        squares = self.sum_of(self.summary.rows * self.weight**2)
        return self.stands_for / np.where(squares > 0, squares, 1.0)

    @property
    def effective(self) -> Summary:
        """The windows as so many rows of equal weight as no figure of them is surer than: for what counts rows."""
        return self.whole(1.0 / self.heaviest) if self.mixed.any() else self.kept

    def whole(self, by: Floats) -> Summary:
        """The weighted counts of each window, times a number of its own, as whole numbers.

        What the cells hold up to each is rounded, so that none is lost for being rare.
        """
        found, row_cells = self.scaled(by), self.summary.grid.row_cells
        upto = [np.rint(np.cumsum(part, axis=1)) for part in np.split(found.counts, [row_cells], axis=1)]
        counts = np.concatenate([np.diff(part, axis=1, prepend=0) for part in upto], axis=1).astype(np.int64)
        missing, nan, inf = (np.rint(part).astype(np.int64) for part in (found.missing, found.nan, found.inf))
        used, wanted = counts[:, :row_cells].sum(axis=1), found.used
        rows = missing + nan + inf + used
        # sums go with the counts that are left: means stay what they are
        share = np.divide(used, wanted, out=np.ones(len(used)), where=wanted != 0)
        sums = {name: getattr(found, name) * share for name in ("total", "squares", "cubes", "fourths")}
        sums["sums"] = found.sums * share[:, np.newaxis]
        return replace(found, rows=rows, missing=missing, nan=nan, inf=inf, counts=counts, **sums)

    def with_length(self, window_s: float) -> Levels:
        """The same, of windows of a known length."""
        return replace(self, summary=replace(self.summary, window_s=window_s))

    def sum_of(self, of: npt.NDArray[Any]) -> Floats:
        """The sums of numbers [P] by window."""
        found: Floats = np.bincount(self.window, weights=of, minlength=self.n_windows).astype(np.float64)
        return found


def weights_of(inclusion: npt.ArrayLike) -> Floats:
    """The rows that each of rows stands for that was kept with these probabilities: one over them.

    One over a whole number, and what has three digits or fewer, is taken as it is. Others are rounded to two digits first, up
    and down as often, so that there are not as many weights as rows.

    >>> weights_of([1.0, 0.01, 0.125, 1 / 49]).tolist()
    [1.0, 100.0, 8.0, 49.0]
    >>> weights_of([0.123456]).round(3).tolist()     # one over 0.12
    [8.333]
    """
    chance = np.asarray(inclusion, dtype=np.float64)
    weight = 1.0 / chance
    whole = np.rint(weight)
    digits = 10.0 ** np.floor(np.log10(chance))
    few = np.rint(chance / digits * 100) / 100 * digits
    two = np.rint(chance / digits * 10) / 10 * digits
    weight = np.where(np.abs(few - chance) <= 1e-9 * chance, 1.0 / few, 1.0 / two)
    found: Floats = np.where(np.abs(whole * chance - 1.0) <= 1e-9, whole, weight)
    return np.maximum(found, 1.0)


def sampled_figures(
    statistic: Statistic | Breakdown, levels: Levels, reference: Summary | None = None, level: float = 0.95
) -> tuple[Estimates | dict[str, Estimates], Objects]:
    """The figures of sampled rows, and for each window what is said of its interval: weighted, conservative or None.

    ``n`` of the estimates is the number of rows that were kept.
    """
    kept, heaviest, mixed = levels.kept, levels.heaviest, levels.mixed
    said = np.full(len(kept), None, dtype=np.object_)
    said[heaviest > 1] = WEIGHTED
    plain = statistic.figures(kept, reference, level)
    if statistic.name in _COUNTS:
        assert isinstance(plain, Estimates)
        return _COUNTS[statistic.name](levels, plain, level), said
    if not mixed.any():
        return plain, said
    if isinstance(statistic, Quantile):
        assert isinstance(plain, Estimates)
        found = statistic.figures(levels.whole(np.ones(levels.n_windows)), reference, level)
        limits = statistic.figures(levels.whole(_scale_of_quantile(levels, statistic.p)), reference, level)
        return _only(mixed, _between(plain, found, limits), plain), said
    # a distance is corrected for what it is by chance, which goes by the number of rows
    by = levels.surety if getattr(statistic, "needs_reference", False) else np.ones(levels.n_windows)
    whole = statistic.figures(levels.whole(by), reference, level)
    wide = statistic.figures(levels.effective, reference, level)
    apart = (
        statistic.figures(levels.summary, reference, level)
        if getattr(statistic, "mean_of_rows", False)
        else None
    )
    if isinstance(plain, Estimates):
        found, sure = _combined(levels, plain, whole, wide, apart, level)
        said[mixed & ~sure] = CONSERVATIVE
        return _only(mixed, found, plain), said
    parts = {}
    every = np.ones(len(kept), dtype=np.bool_)
    for name, one in plain.items():
        own = None if apart is None else cast(dict[str, Estimates], apart)[name]
        found, sure = _combined(
            levels,
            one,
            cast(dict[str, Estimates], whole)[name],
            cast(dict[str, Estimates], wide)[name],
            own,
            level,
        )
        parts[name] = _only(mixed, found, one)
        every &= sure
    said[mixed & ~every] = CONSERVATIVE
    return parts, said


def _combined(
    levels: Levels, plain: Estimates, whole: Any, wide: Any, apart: Any, level: float
) -> tuple[Estimates, npt.NDArray[np.bool_]]:
    """The estimates of mixed windows, and where their interval is right rather than too wide."""
    found = _between(plain, whole, wide)
    value, known = found.value, ~np.isnan(found.value)
    if apart is None:
        return found, np.zeros(len(value), dtype=np.bool_)
    own = apart.n * levels.weight
    total = levels.sum_of(own)
    unknown = levels.sum_of(((apart.n > 0) & np.isnan(apart.value)).astype(np.float64)) > 0
    share = np.divide(own, total[levels.window], out=np.zeros_like(own), where=total[levels.window] > 0)
    p, low, high = (np.nan_to_num(getattr(apart, name)) for name in ("value", "low", "high"))
    mean = levels.sum_of(share * p)
    z = float(special.ndtri((1 + level) / 2))
    rows = np.maximum(levels.summary.rows, 1)
    labelled = levels.summary.grid.kind in LABELLED_KINDS
    part = apart.n / rows if levels.of_all and not labelled else np.zeros(len(own))
    between = levels.sum_of(
        share**2 * (p - mean[levels.window]) ** 2 * (1 - np.minimum(part, 1.0)) / np.maximum(apart.n, 1)
    )
    below = np.sqrt(levels.sum_of(share**2 * (p - low) ** 2) + z**2 * between)
    above = np.sqrt(levels.sum_of(share**2 * (high - p) ** 2) + z**2 * between)
    least, most = np.full(levels.n_windows, np.inf), np.full(levels.n_windows, -np.inf)
    there = apart.n > 0
    np.minimum.at(least, levels.window[there], low[there])
    np.maximum.at(most, levels.window[there], high[there])
    # a figure that is no mean of rows on this grid (an average over classes) is not the mean of its levels
    same = np.abs(mean - np.nan_to_num(whole.value)) <= _SAME * np.maximum(np.abs(mean), 1e-12) + 1e-12
    sure = same & ~unknown & (total > 0) & known
    return (
        Estimates(
            found.value,
            np.where(sure, np.fmin(np.maximum(mean - below, least), found.value), found.low),
            np.where(sure, np.fmax(np.minimum(mean + above, most), found.value), found.high),
            found.n,
            found.reason,
        ),
        sure,
    )


def _between(plain: Estimates, whole: Estimates, limits: Estimates) -> Estimates:
    """The value of all that the rows stand for, between limits of fewer; as many rows as were kept."""
    known = ~np.isnan(limits.value) & ~np.isnan(whole.value)
    value = np.where(known, whole.value, np.nan)
    low, high = np.fmin(limits.low, value), np.fmax(limits.high, value)
    reason = np.where(np.isnan(limits.value), limits.reason, whole.reason)
    reason[known] = None
    return Estimates(value, np.where(known, low, np.nan), np.where(known, high, np.nan), plain.n, reason)


def _scale_of_quantile(levels: Levels, p: float) -> Floats:
    """By what to multiply the weighted counts so that the share of rows up to the quantile is as sure as it is.

    As it is there, or where its lower limit lies, whichever is less: above the one few rows have been seen, if any.
    """
    counts = levels.summary.counts
    n, upto = counts.sum(axis=1), np.cumsum(counts, axis=1)
    weighted = np.zeros((levels.n_windows, counts.shape[1]))
    np.add.at(weighted, levels.window, counts * levels.weight[:, np.newaxis])
    total = weighted.sum(axis=1)
    weighted = np.cumsum(weighted, axis=1)

    def spread(edge: Integers) -> Floats:
        """The variance of the weighted rows up to the end of a cell, less p of all."""
        at = np.clip(edge, 0, counts.shape[1] - 1)[levels.window]
        k = np.where(edge[levels.window] < 0, 0, np.take_along_axis(upto, at[:, np.newaxis], axis=1)[:, 0])
        # half a row more on either side: what is seldom may not have been seen
        each = (k + 0.5) * (1 - p) ** 2 + (n - k + 0.5) * p**2
        return levels.sum_of(levels.weight**2 * each * (n > 0))

    def cell(share: Floats) -> Integers:
        found: Integers = (weighted < (share * total)[:, np.newaxis]).sum(axis=1)
        return found

    middle = cell(np.full(levels.n_windows, p))
    most = np.maximum(spread(middle), spread(middle - 1))
    size = np.maximum(total, 1.0)
    lower = cell(np.maximum(p - 2 * np.sqrt(most) / size, 0.0))
    most = np.maximum(most, spread(lower))
    rows = p * (1 - p) * size**2 / np.where(most > 0, most, 1.0)
    return np.where(total > 0, np.minimum(rows / size, 1.0), 1.0)


def _rows(levels: Levels, plain: Estimates, level: float) -> Estimates:
    """The rows that those kept stand for."""
    z = float(special.ndtri((1 + level) / 2))
    labelled = levels.summary.grid.kind in LABELLED_KINDS
    n = levels.summary.rows - levels.summary.missing if labelled else levels.summary.rows
    value = levels.sum_of(n * levels.weight)
    half = z * np.sqrt(np.maximum(levels.sum_of(n * levels.weight * (levels.weight - 1)), 0.0))
    reasons = Reasons(len(value))
    reasons.text, reasons.given = plain.reason, np.isnan(plain.value)
    return Estimates.of(value, np.maximum(value - half, plain.n), value + half, plain.n, reasons)


def _throughput(levels: Levels, plain: Estimates, level: float) -> Estimates:
    """The rate of the rows that those kept stand for: a Poisson rate of as many as have its variance."""
    length = levels.summary.window_s or 1.0
    total = levels.stands_for
    squares = levels.sum_of(levels.summary.rows * levels.weight**2)
    ratio = np.where(total > 0, squares / np.maximum(total, 1.0), levels.heaviest)
    low, high = garwood(total / ratio, level)
    reasons = Reasons(len(total))
    reasons.text, reasons.given = plain.reason, np.isnan(plain.value)
    return Estimates.of(total / length, low * ratio / length, high * ratio / length, plain.n, reasons)


def _distinct(levels: Levels, plain: Estimates, level: float) -> Estimates:  # noqa: ARG001 - as the others
    """No figure: what the rows that were left out held is not known."""
    reasons = Reasons(len(plain))
    reasons.text, reasons.given = plain.reason.copy(), np.isnan(plain.value)
    reasons.add(levels.heaviest > 1, "rows were left out: which values they had is not known")
    return Estimates.of(plain.value, plain.low, plain.high, plain.n, reasons)


_COUNTS = {"rows": _rows, "throughput_per_s": _throughput, "distinct": _distinct}


def _only(mixed: npt.NDArray[np.bool_], found: Estimates, plain: Estimates) -> Estimates:
    """The estimates of mixed windows beside those of the others."""
    if mixed.all():
        return found
    return Estimates(
        *(
            np.where(mixed, getattr(found, name), getattr(plain, name))
            for name in ("value", "low", "high", "n", "reason")
        )
    )
