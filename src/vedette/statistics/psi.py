"""The population stability index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.comparison import compared
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid, merge_cells
from vedette.statistics.intervals import noncentral_chi_square
from vedette.statistics.summary import Summary

__all__ = ["Psi", "psi_groups"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

GROUPS = 10  # the deciles of the textbooks; each more costs one unit of noise
LEVEL_SHARE_MIN = 0.01  # rarer levels are compared together: a cell should expect rows at a few hundred


class Psi:
    """How far the distribution of a column has moved from the reference: 0 is not at all, above 0.25 much.

    PSI = sum over cells of (p - q) ln(p/q), p the share of the window's and q of the reference's values in a
    cell. Cells: ten of about equal counts in the reference, in a discrete column the values that fill more on
    their own and one for values that the grid does not have; in a category the levels that hold 1 % of the
    reference or more, one for the others, one for unseen levels. Half a count is added to each cell that
    holds anything, so that none makes it infinite. Null, NaN and infinities have no cell: ``n`` counts what
    was compared.

    Without any change PSI is not 0 but about (1/n + 1/m) times a chi-square with B - 1 degrees of freedom (n
    values against m, B cells); after a change the chi-square is noncentral. So the value is corrected by its
    expectation, max(0, PSI - (B - 1)(1/n + 1/m)), and the interval inverts the noncentral chi-square, the
    upper limit never taken from less than its expectation: agreement closer than chance is no proof. For
    large changes its scale is raised from 1/n + 1/m to what gives the variance of the delta method. Where a
    change empties cells, PSI is understated, for the half count. Fewer than 50 values on either side are a
    reason.

    Sources: S. Lewis (1994), An Introduction to Credit Scoring; B. Yurdakul and J. Naranjo (2020), Journal of
    Risk Model Validation 14(4), 89-100; E. S. Venables (1975), Journal of the Royal Statistical Society B 37,
    406-412.

    >>> from vedette.statistics import STATISTICS, category_grid, summarise_category
    >>> grid, names = category_grid("c", {"a": 1, "b": 1}), ("a", "b")
    >>> reference = summarise_category(grid, [0, 1] * 500, names)
    >>> current = summarise_category(grid, [0] * 700 + [1] * 300, names)
    >>> figures = STATISTICS["psi"].figures(current, reference)
    >>> figures.value.round(4).tolist()     # by hand: 200/1001 ln(700.5/300.5) - 2/1000
    [0.1671]
    """

    name = "psi"
    kinds: tuple[str, ...] = ("numeric", "category", "latency")
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """PSI by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or a summary of
        quality.
        """
        check_kind(self.name, self.kinds, current)
        check_level(level)
        counts, base, reasons = compared(current, reference)
        group = psi_groups(current.grid, base)
        into = (group[:, np.newaxis] == np.arange(group.max() + 1)).astype(np.float64)
        value, noise, scale, free = _psi(counts @ into, base @ into)
        x, df = value / scale, free * noise / scale  # what is expected without change stays free * noise
        low = noncentral_chi_square(x, df, level)[0]
        high = noncentral_chi_square(np.maximum(x, df), df, level)[1]
        corrected = np.maximum(value - free * noise, 0.0)
        return Estimates.of(corrected, low * scale, high * scale, current.used, reasons)


def psi_groups(grid: Grid, reference: Integers) -> Integers:
    """The group in which PSI counts each cell of a grid, given the reference's counts."""
    if grid.kind == "category":
        held = reference[: len(grid.levels)]
        own = held >= LEVEL_SHARE_MIN * max(int(reference.sum()), 1)
        group = np.where(own, np.cumsum(own) - 1, own.sum())
        return np.concatenate([group, [own.sum(), own.sum() + 1]])
    if not grid.discrete:
        return merge_cells(reference, GROUPS)
    lower, upper = grid.bounds
    single = lower == upper
    group = np.zeros(grid.cells, dtype=np.int64)
    group[single] = merge_cells(reference[single], GROUPS)
    group[~single] = group.max() + 1
    return group


def _psi(current: Floats, reference: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """PSI, its noise 1/n + 1/m, the scale and the degrees of freedom for counts [W, groups] against [groups].

    For small changes the variance of PSI is 4 PSI (1/n + 1/m), which is what a noncentral chi-square has; for
    large ones it is the delta method's, and the scale of the chi-square is raised to have it.
    """
    held = (current + reference) > 0
    groups = held.sum(axis=1, keepdims=True)
    n = np.maximum(current.sum(axis=1, keepdims=True), 1.0)
    m = max(float(reference.sum()), 1.0)
    p = np.where(held, (current + 0.5) / (n + 0.5 * groups), 1.0)
    q = np.where(held, (reference + 0.5) / (m + 0.5 * groups), 1.0)
    ratio = np.log(p / q)
    value = ((p - q) * ratio).sum(axis=1)
    noise = 1 / n[:, 0] + 1 / m
    by_p, by_q = ratio + 1 - q / p, 1 - p / q - ratio  # derivatives of PSI; 0 for cells that hold nothing
    variance = ((p * by_p**2).sum(axis=1) - (np.where(held, p, 0) * by_p).sum(axis=1) ** 2) / n[:, 0]
    variance += ((q * by_q**2).sum(axis=1) - (np.where(held, q, 0) * by_q).sum(axis=1) ** 2) / m
    scale = np.maximum(noise, variance / np.where(value > 0, 4 * value, np.inf))
    return value, noise, scale, np.maximum(groups[:, 0] - 1.0, 1.0)
