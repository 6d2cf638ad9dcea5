"""Concept drift with labels: how far the chances of labels have moved for what the model says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.comparison import VALUES_MIN, compared
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid, merge_cells
from vedette.statistics.summary import Summary

__all__ = ["ConceptShift"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

GROUPS = 10  # of scores, as many as a calibration error has; each more costs noise
FINER = 8  # parts of a group, within which the reference is weighted as the window is
ROWS_A_PART = 25  # of the reference
SHARE_MIN = 0.02  # of the reference: rarer predictions are one group
EXPECTED_MIN = 2.0  # rows of a label in a group of the window: rarer labels are one
PRIOR_ROWS = 2.0  # by which a share with few rows is drawn to that of both sides together
FLOOR = 0.01  # of a variance: a change is looked for where none is seen too
STEPS = 30  # of bisection: 1e-8 of the greatest change looked at
HALF_NORMAL = float(np.sqrt(2 / np.pi))
HALF_NORMAL_VARIANCE = 1 - 2 / np.pi
HALF_NORMAL_SKEWNESS = float(HALF_NORMAL * (4 / np.pi - 1) / HALF_NORMAL_VARIANCE**1.5)
WITHIN_MIN = 0.05  # of few rows it may seem to be nothing
LEAST = 1e-40  # of a variance: nothing is divided by 0
COMPARABLE_MIN = 0.5  # of the rows: else the figure would be of other rows than the window's
_AT_ONCE = 2**19  # numbers of an array of windows x groups x labels: 4 MB


class ConceptShift:
    """By how much the chance of a label has changed for the same score: 0.05 is five points on average.

    The model says the same and something else comes of it. Rows are put into groups by what the model said: of two
    classes, ten of about equal counts of scores in the reference, and the predictions where there is no score; of more,
    the predictions, those under 2 % of the reference together. With p_g and q_g the chances of the labels in group g of
    the window and of the reference, and w_g the share of the window's rows in it, the figure is sum_g w_g TV(p_g, q_g), TV
    the total variation distance, which of two classes is |p_g - q_g| of the positive one. Scores that move, while what
    comes of each stays, are no change: within a group the reference's parts (of up to 80 in all, with 25 rows or more) are
    weighted as the window's rows are.

    Chance alone makes the sum S of the seen distances greater than 0. With s the standard deviations of differences and
    a their seen sizes (for the upper limit the root of their squares and s^2, since noise hides small ones), the value is
    that of the change t a, t >= 0, whose expected sum is S (0 where chance alone is expected to make S), and the limits
    are those of the t at which S is the quantile, by the mean, variance and skewness of a sum of folded normal numbers.
    Labels that are expected in under two rows of a group are taken together.

    Scores and predictions that the reference never had have no part; where they are more than half of the rows, that is
    the reason. ``n`` counts the labelled rows compared. Under 50 labelled rows on either side are a reason. Labels that
    come late or only of some rows move the figure as they move the labelled rows.

    Sources: G. Widmer and M. Kubat (1996), Machine Learning 23, 69-101 (concept drift as a change of P(y | x)); F. C. Leone,
    L. S. Nelson and R. B. Nottingham (1961), Technometrics 3, 543-550 (the folded normal); E. A. Cornish and R. A. Fisher
    (1938), Revue de l'Institut International de Statistique 5, 307-320.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> said = [0, 1] * 50_000
    >>> before = summarise_quality(grid, [0, 1] * 50_000, said, names)
    >>> now = summarise_quality(grid, [0, 1, 0, 1, 0, 1, 0, 0] * 12_500, said, names)
    >>> STATISTICS["concept_shift"].figures(now, before).value.round(3).tolist()     # by hand: 1/2 of 1/4
    [0.125]
    """

    name = "concept_shift"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = True

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The change by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or another kind of
        summary.
        """
        check_kind(self.name, self.kinds, current)
        z = float(special.ndtri((1 + check_level(level)) / 2))
        counts, base, reasons = compared(current, reference)
        ours, theirs = _tables(current.grid, counts), _tables(current.grid, base[np.newaxis])[0]
        if reference is None or not base.any():
            nothing = np.zeros(len(current))
            return Estimates.of(nothing, nothing, nothing, current.used, reasons)
        part, group = _parts(current.grid, theirs.sum(axis=1))
        ours, theirs = _added(ours, part), _added(theirs[np.newaxis], part)[0]
        known = theirs.sum(axis=1) > 0.5
        n = ours[:, known].sum(axis=(1, 2))
        reasons.add(
            n < COMPARABLE_MIN * ours.sum(axis=(1, 2)), "most rows have scores that the reference has not"
        )
        few = np.rint(n).astype(np.int64)
        reasons.add(n < VALUES_MIN, f"fewer than {VALUES_MIN} values to compare", few)
        ours[:, ~known] = 0.0
        told = np.zeros((3, len(current)))
        step = max(1, _AT_ONCE // max(1, (int(group.max(initial=0)) + 1) * theirs.shape[1]))
        for start in range(0, len(current), step):
            some = slice(start, start + step)
            told[:, some] = _differences(ours[some], theirs, group).estimates(z)
        return Estimates.of(told[0], told[1], told[2], few, reasons)


def _tables(grid: Grid, counts: Integers) -> Floats:
    """Labelled rows [W, what the model said, label]: score bins, and the predictions where there is no score."""
    scores, labels, predictions = grid.shape
    cube = counts[:, : grid.row_cells].reshape(len(counts), scores, labels, predictions).astype(np.float64)
    unscored = cube[:, -1].swapaxes(1, 2)
    return np.concatenate([cube[:, :-1].sum(axis=3), unscored], axis=1)


def _parts(grid: Grid, reference: Floats) -> tuple[Integers, Integers]:
    """The part in which each row of a table stands, and the group of each part, given the reference's counts."""
    bins = grid.shape[0] - 1
    scored, unscored = reference[:bins], reference[bins:]
    finer = int(np.clip(scored.sum() // (GROUPS * ROWS_A_PART), 1, FINER))
    part, group = np.zeros(len(reference), dtype=np.int64), []
    if bins:
        whole = np.rint(scored).astype(np.int64)
        part[:bins] = merge_cells(whole, GROUPS * finer)
        coarse = merge_cells(whole, GROUPS)  # its bounds are among the finer ones
        group = [
            int(coarse[np.flatnonzero(part[:bins] == one)[0]]) for one in range(int(part[:bins].max()) + 1)
        ]
    part[bins:] = len(group) + np.arange(len(unscored))
    frequent = unscored >= SHARE_MIN * max(float(reference.sum()), 1.0)
    own = max(group, default=-1) + 1
    places = np.where(frequent, own + np.cumsum(frequent) - 1, own + int(frequent.sum()))
    return part, np.concatenate([np.array(group, dtype=np.int64), places])


def _added(table: Floats, into: Integers) -> Floats:
    """The rows of tables [W, rows, labels] added up by where they belong."""
    return np.asarray(np.einsum("rk,wrl->wkl", np.eye(int(into.max()) + 1)[into], table))


@dataclass(frozen=True, slots=True)
class _Differences:
    """Differences of shares [W, groups, labels] with what their noise is made of.

    ``noise`` and ``most`` are variances, ``most`` those were there one more row of each label. ``p`` and ``q`` [W, groups,
    labels] over the roots of the rows are what ties the labels of a group; ``weight`` is [W, groups], ``n`` [W] the rows.
    """

    gap: Floats
    noise: Floats
    most: Floats
    p: Floats
    q: Floats
    weight: Floats
    n: Floats

    def estimates(self, z: float) -> tuple[Floats, Floats, Floats]:
        """Value, lower and upper limit [W] of the weighted sum of distances."""
        seen = self._sum(np.abs(self.gap))
        sizes = []
        for variance, at in ((self.noise, 0.0), (self.noise, z), (self.most, -z)):
            sd = np.sqrt(variance)
            shape = np.sqrt(self.gap**2 + (variance if at < 0 else FLOOR * variance))
            low, high = np.zeros(len(seen)), np.full(len(seen), 12.0 + 10 * z)
            for _ in range(STEPS):
                middle = (low + high) / 2
                below = self._quantile(middle[:, np.newaxis, np.newaxis] * shape, sd, at) < seen
                low, high = np.where(below, middle, low), np.where(below, high, middle)
            none = self._quantile(np.zeros_like(shape), sd, at) >= seen
            sizes.append(np.where(none, 0.0, low * self._sum(shape)))
        return sizes[0], np.minimum(sizes[1], sizes[0]), np.minimum(np.maximum(sizes[2], sizes[0]), 1.0)

    def _sum(self, sizes: Floats) -> Floats:
        return np.asarray((self.weight * sizes.sum(axis=2)).sum(axis=1) / 2)

    def _quantile(self, size: Floats, sd: Floats, z: float) -> Floats:
        """The quantile, that of ``z``, of the sum were the changes of ``size``; its mean for 0."""
        away = np.divide(size, sd, out=np.zeros_like(size), where=sd > 0)
        once = 2 * special.ndtr(away) - 1
        bend = np.exp(-(away**2) / 2)
        mean = size * once + sd * HALF_NORMAL * bend
        middle = self._sum(mean)
        if z == 0.0:
            return middle
        own = np.maximum(size**2 + sd**2 - mean**2, 0.0)
        signed = np.sign(self.gap) * once
        within = own.sum(axis=2) + self._tied(
            signed, np.divide(bend, sd, out=np.zeros_like(sd), where=sd > 0)
        )
        variance = self.weight**2 * np.maximum(within, 0.0) / 4
        spread = self._sum(size)
        shares = (self.weight * (size.sum(axis=2) / 2 - spread[:, np.newaxis]) ** 2).sum(axis=1) / self.n
        skewed = HALF_NORMAL_SKEWNESS * (variance**1.5 * bend.min(axis=2)).sum(axis=1)
        total = np.maximum(variance.sum(axis=1) + shares, LEAST)
        skewness = skewed / total**1.5
        return np.asarray(middle + np.sqrt(total) * (z + (z * z - 1) * skewness / 6))

    def _tied(self, once: Floats, bend: Floats) -> Floats:
        """The covariances of the sizes of differences within a group, added up: [W, groups].

        Of normal numbers with correlation r, c and c' sd from 0 to either side, the sizes have covariance
        r (2 Phi(c) - 1)(2 Phi(c') - 1) and (1 - 2/pi) r^2 exp(-(c^2 + c'^2)/2), to the second order of Hermite's expansion,
        the second term raised so that the sum is right for r = 1 or -1. Labels of a group have the covariance
        -(p p' + q q'), products of their own.
        """

        def pairs(one: Floats) -> Floats:
            return np.asarray(one.sum(axis=2) ** 2 - (one**2).sum(axis=2))

        p, q = self.p, self.q
        first = -pairs(p * once) - pairs(q * once)
        second = pairs(p * p * bend) + 2 * pairs(p * q * bend) + pairs(q * q * bend)
        return np.asarray(first + HALF_NORMAL_VARIANCE * second)


def _differences(ours: Floats, theirs: Floats, group: Integers) -> _Differences:
    """Differences of the windows' parts [W, parts, labels] from the reference's [parts, labels] by group."""
    rows = ours.sum(axis=2)
    into = np.eye(int(group.max()) + 1)[group]
    n = rows @ into
    size = np.maximum(n, 1.0)[:, :, np.newaxis]
    share = rows / np.maximum(n, 1.0)[:, group]
    known = np.maximum(theirs.sum(axis=1), 1.0)
    counts = _added(ours, group)
    q = np.einsum("wk,kg,kl->wgl", share, into, theirs / known[:, np.newaxis])
    worth = (1.0 / np.maximum((share**2 / known) @ into, 1e-300))[
        :, :, np.newaxis
    ]  # rows that q is as good as
    worth = np.where(n[:, :, np.newaxis] > 0, worth, 1.0)
    both = (counts + q * worth) / (size + worth)
    within = _within(theirs, share, into, q)
    rare = (both * size < EXPECTED_MIN) & (n[:, :, np.newaxis] > 0)
    rest = np.where(rare, both, 0.0).sum(axis=2, keepdims=True)
    mixed = np.where(rare, both * within, 0.0).sum(axis=2, keepdims=True)
    within = np.concatenate([within, np.divide(mixed, rest, out=np.ones_like(rest), where=rest > 0)], axis=2)
    counts, q, both = (_together(one, rare) for one in (counts, q, both))
    p = counts / size
    there = n[:, :, np.newaxis] > 0
    held = (both > 0) & there

    def variance(ours: Floats, theirs: Floats) -> Floats:
        return np.where(held, within * (ours * (1 - ours) / size + theirs * (1 - theirs) / worth), 0.0)

    prior = PRIOR_ROWS
    near_p, near_q = (p * size + prior * both) / (size + prior), (q * worth + prior * both) / (worth + prior)
    far_p, far_q = (p * size + 1) / (size + 2), (q * worth + 1) / (worth + 2)
    noise = variance(near_p, near_q)
    least = held & (noise <= 0)
    alone = there & (held.sum(axis=2, keepdims=True) == 1)
    most = np.where(held | alone, np.maximum(noise, variance(far_p, far_q)), 0.0)
    noise = np.where(least, 0.0, noise)
    total = np.maximum(n.sum(axis=1), 1.0)
    return _Differences(
        np.where(held, p - q, 0.0),
        noise,
        most,
        np.where(held, near_p * np.sqrt(within / size), 0.0),
        np.where(held, near_q * np.sqrt(within / worth), 0.0),
        n / total[:, np.newaxis],
        total,
    )


def _within(theirs: Floats, share: Floats, into: Floats, q: Floats) -> Floats:
    """The part of a share's variance [W, groups, labels] that is within parts: how many rows each part has is known."""
    rows = theirs.sum(axis=1, keepdims=True)
    chance = theirs / np.maximum(rows, 1.0)
    known = rows[:, 0] >= 2
    own = np.where(known[:, np.newaxis], chance * (1 - chance) * rows / np.maximum(rows - 1, 1.0), 0.0)
    sure = np.einsum("wk,kg,kl->wgl", np.where(known, share, 0.0), into, own)
    alone = (np.where(known, 0.0, share) @ into)[
        :, :, np.newaxis
    ]  # a part of one row says nothing of its own
    whole = q * (1 - q)
    told = sure + alone * whole
    part = np.divide(told, whole, out=np.ones_like(whole), where=whole > 0)
    return np.asarray(np.clip(part, WITHIN_MIN, 1.0))


def _together(table: Floats, rare: npt.NDArray[np.bool_]) -> Floats:
    """Tables [W, groups, labels] with one label more, in which the rare ones are."""
    rest = np.where(rare, table, 0.0).sum(axis=2, keepdims=True)
    return np.concatenate([np.where(rare, 0.0, table), rest], axis=2)
