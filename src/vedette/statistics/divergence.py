"""What PSI, the Jensen-Shannon and Hellinger distances and Cramér's V share: groups, noise, intervals.

Each is an f-divergence D of the shares p of a window from the shares q of the reference in B groups of cells. For
a small change D is about c times the sum of (p - q)^2/q, with c the curvature of D at p = q, so that of n values
against m it is s = c (1/n + 1/m) times a chi-square with B - 1 degrees of freedom, noncentral after a change:
without change D is not 0 but (B - 1) s. What is expected without change is taken off the value, and the interval
inverts the noncentral chi-square. For large changes the scale s is raised to what gives the variance of the delta
method; where that is smaller, the interval is wider than it had to be.

Sources: I. Csiszár (1967), Studia Scientiarum Mathematicarum Hungarica 2, 299-318; K. Zografos, K. Ferentinos and
T. Papaioannou (1990), Communications in Statistics A 19, 1785-1802 (limit laws of estimated f-divergences); I. J. Good
(1953), Biometrika 40, 237-264 (what a sample has not seen).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import compared
from vedette.statistics.estimates import Estimates, check_level
from vedette.statistics.grid import Grid, merge_cells
from vedette.statistics.intervals import noncentral_chi_square
from vedette.statistics.summary import Summary

__all__ = ["Divergence", "changed_levels", "psi_groups"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

GROUPS = 10  # the deciles of the textbooks; each more costs one unit of noise
LEVEL_SHARE_MIN = 0.02  # rarer levels are compared together: a cell should expect rows at a hundred
APART = 1e-12  # what stands alone must have changed far: what just passed would seem to have changed more
EXPECTED = np.geomspace(1e-3, 1e3, 121)  # of a group: where its noise is worked out; straight lines between


@dataclass(frozen=True, slots=True)
class Divergence:
    """One f-divergence, to be read off grouped cells.

    ``terms(p, q)`` gives its terms by group and their derivatives by p and by q, all [W, groups], for shares that
    are not both 0; ``curvature`` is c; ``added`` is added to the count of each group that holds anything. With
    ``root`` the figure is the square root, which lies in [0, 1].
    """

    terms: Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
    curvature: float
    added: float = 0.0
    root: bool = True

    def figures(self, current: Summary, reference: Summary | None, level: float) -> Estimates:
        """The divergence by window; ``GridError`` where grids differ, ``ValueError`` for a level outside (0, 1)."""
        check_level(level)
        counts, base, reasons = compared(current, reference)
        value, noise, scale, free = self._measured(*_grouped(current.grid, counts, base))
        x, df = value / scale, free * noise / scale  # what is expected without change stays free * noise
        low = noncentral_chi_square(x, df, level)[0] * scale
        high = noncentral_chi_square(np.maximum(x, df), df, level)[1] * scale
        value = np.maximum(value - free * noise, 0.0)
        if self.root:
            value, low, high = (np.sqrt(np.minimum(one, 1.0)) for one in (value, low, high))
        return Estimates.of(value, low, high, current.used, reasons)

    def _measured(self, current: Floats, reference: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """D, its noise c (1/n + 1/m), scale and degrees of freedom for counts [W, groups] against as many.

        For small changes the variance of D is 4 D c (1/n + 1/m), which is what a noncentral chi-square has.
        """
        held = (current + reference) > 0
        groups = held.sum(axis=1, keepdims=True)
        n = np.maximum(current.sum(axis=1, keepdims=True), 1.0)
        m = max(float(reference[:1].sum()), 1.0)  # the same in each window, however it is grouped
        p = np.where(held, (current + self.added) / (n + self.added * groups), 1.0)
        q = np.where(held, (reference + self.added) / (m + self.added * groups), 1.0)
        parts, by_p, by_q = self.terms(p, q)
        value = np.where(held, parts, 0.0).sum(axis=1)
        free = np.maximum(groups[:, 0] - 1.0, 1.0)
        noise = self.curvature * (1 / n[:, 0] + 1 / m)
        if not self.added:
            noise = self.curvature * self._sparse_noise(current, reference) / free
        variance = (
            _variance(np.where(held, p, 0.0), by_p) / n[:, 0] + _variance(np.where(held, q, 0.0), by_q) / m
        )
        scale = np.maximum(noise, variance / np.where(value > 0, 4 * value, np.inf))
        return value, noise, scale, free

    def _sparse_noise(self, current: Floats, reference: Floats) -> Floats:
        """What chance adds to D/c without change, by what both sides together expect in a group.

        Where a change leaves few of a side's values in a group, the noise of so few is taken instead if greater.
        """
        both = current + reference
        share = both / np.maximum(both.sum(axis=1, keepdims=True), 1.0)
        noise = np.zeros(len(current))
        for side in (current, reference):
            n = np.maximum(side.sum(axis=1, keepdims=True), 1.0)
            expected, seen = (
                np.interp(one, EXPECTED, _noise_of_counts(self), left=0.0) for one in (share * n, side + 0.5)
            )
            part = np.where(both > 0, (1 - share) * np.maximum(expected, seen), 0.0).sum(axis=1) / n[:, 0]
            noise += np.maximum(part, 1e-3 / n[:, 0])  # one group has no noise, and nothing is divided by it
        return noise


@lru_cache(maxsize=16)
def _noise_of_counts(measure: Divergence) -> Floats:
    """By ``EXPECTED``, the expectation of n D/c in a group whose count is Poisson and whose other side is sure."""
    seen = np.arange(2000.0)
    chance = np.exp(
        special.xlogy(seen, EXPECTED[:, np.newaxis]) - EXPECTED[:, np.newaxis] - special.gammaln(seen + 1)
    )
    parts = measure.terms(
        np.broadcast_to(seen, chance.shape), np.broadcast_to(EXPECTED[:, np.newaxis], chance.shape)
    )[0]
    noise: Floats = (chance * parts).sum(axis=1) / measure.curvature
    return noise


def _variance(share: Floats, slope: Floats) -> Floats:
    """The variance of one row's slope when its group has these chances."""
    mean = (share * slope).sum(axis=1)
    variance: Floats = np.maximum((share * slope**2).sum(axis=1) - mean**2, 0.0)
    return variance


def _grouped(grid: Grid, counts: Integers, base: Integers) -> tuple[Floats, Floats]:
    """Counts of windows and of the reference in groups, both [W, groups]; what a window does not group by holds none."""
    group = psi_groups(grid, base)
    into = (group[:, np.newaxis] == np.arange(group.max() + 1)).astype(np.float64)
    ours, theirs = counts @ into, np.broadcast_to(base @ into, (len(counts), into.shape[1]))
    if grid.kind != "category":
        return ours, theirs
    alone = changed_levels(grid, counts, base) & (group == group.max())
    places = np.flatnonzero(alone.any(axis=0))
    if not len(places):
        return ours, theirs
    own, before = counts * alone, base * alone
    return (
        np.hstack([ours - own @ into, own[:, places]]),
        np.hstack([theirs - before @ into, before[:, places]]),
    )


def changed_levels(grid: Grid, counts: Integers, base: Integers) -> npt.NDArray[np.bool_]:
    """Levels [W, cells] that hold 2 % of one side, and far more of it than chance gives it of the rows of both.

    Of c rows of the window and b of the reference, c would be binomial(b + c, n/(n + m)) without change. The reference
    has no row of unseen levels, since it is what made them so: of them the window could have as many as the reference
    has levels that it saw once, and so many in m it cannot have more than it has levels (Good 1953).
    """
    n, m = np.maximum(counts.sum(axis=1, keepdims=True), 1), max(int(base.sum()), 1)
    alone = np.zeros(counts.shape, dtype=np.bool_)
    share = n / (n + m)
    risen = counts >= np.maximum(LEVEL_SHARE_MIN * n, 1)
    window, cell = np.nonzero(risen)
    chance = special.betainc(counts[window, cell], base[cell] + 1, share[window, 0])
    alone[window, cell] = chance < APART
    window, cell = np.nonzero(~risen & (base >= LEVEL_SHARE_MIN * m))
    chance = special.betainc(np.maximum(base[cell], 1), counts[window, cell] + 1, 1 - share[window, 0])
    alone[window, cell] = chance < APART
    expected = n[:, 0] * (len(grid.levels) + len(grid.known)) / m
    unseen = counts[:, -1]
    alone[:, -1] &= special.gammainc(np.maximum(unseen, 1), expected) < APART
    return alone


def psi_groups(grid: Grid, reference: Integers) -> Integers:
    """The group in which each cell of a grid is compared, given the reference's counts.

    Ten groups of about equal counts in the reference; in a discrete column the values that fill more stand alone,
    and values that the grid does not have are one group; in a category as many levels as hold 2 % of the reference or
    more stand alone, and the others, unseen levels with them, are one group; ``changed_levels`` are taken out of it in
    their windows. Which of them stand alone is read off their
    order in the grid, by frequency in the pilot: those that chance made frequent in the reference would seem to
    have become rarer.
    """
    if grid.kind == "category":
        frequent = reference[: len(grid.levels)] >= LEVEL_SHARE_MIN * max(int(reference.sum()), 1)
        own = int(frequent.sum())
        group = np.minimum(np.arange(len(frequent)), own)
        return np.concatenate([group, [own, own]])
    if not grid.discrete:
        return merge_cells(reference, GROUPS)
    lower, upper = grid.bounds
    single = lower == upper
    group = np.zeros(grid.cells, dtype=np.int64)
    group[single] = merge_cells(reference[single], GROUPS)
    group[~single] = group.max() + 1
    return group
