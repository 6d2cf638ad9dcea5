"""Small trees on binned features: what cuts the feature space into leaves, and boosts the odds of two sets of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["Binned", "Boosted", "Tree", "boost", "cut_of", "grow"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CODES = 32
"""Cells at most of a feature, where a tree may cut; a cell more holds missing values."""


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Where features are cut: ``edges`` [D] ascending float64 arrays; a value's code is the number of edges at or below
    it, and a missing one's the number of all edges and one.

    ``seen`` [D] are the values that there were, where they were few, else the least and the greatest of them;
    ``missing`` bool [D] says whether some were missing.
    """

    edges: tuple[Floats, ...]
    seen: tuple[Floats, ...]
    missing: tuple[bool, ...]

    def codes(self, features: npt.ArrayLike) -> Integers:
        """The codes int64 [D, N] of features [N, D]; infinities are values, NaN is missing."""
        rows = self._checked(features)
        out = np.empty((len(self.edges), len(rows)), dtype=np.int64)
        for feature in range(len(self.edges)):
            out[feature] = self.code(feature, rows[:, feature])[0]
        return out

    def outside(self, features: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether rows of features [N, D] have a value unlike any that there was, bool [N]."""
        rows = self._checked(features)
        out = np.zeros(len(rows), dtype=np.bool_)
        for feature in range(len(self.edges)):
            out |= self.code(feature, rows[:, feature])[1]
        return out

    def code(self, feature: int, column: Floats) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """The codes int64 [N] of one feature's values [N], and which are unlike any that there was."""
        cut, seen = self.edges[feature], self.seen[feature]
        code = np.searchsorted(cut, column, side="right")
        if len(seen) == len(cut) + 1:  # each value seen begins its own cell
            new = seen[code] != column
        elif len(seen):
            new = (column < seen[0]) | (column > seen[-1])
        else:
            new = np.ones(len(column), dtype=np.bool_)
        absent = np.isnan(column)
        if absent.any():
            code[absent], new[absent] = len(cut) + 1, not self.missing[feature]
        return code, new

    def _checked(self, features: npt.ArrayLike) -> Floats:
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.edges):
            raise ValueError(f"features of shape {rows.shape}: must be [rows, {len(self.edges)}]")
        return rows


def cut_of(features: npt.ArrayLike) -> Binned:
    """Cuts at quantiles of features [N, D], so that each cell holds about as many rows; values that are frequent alone.

    >>> cut_of([[0.0], [1.0], [1.0], [2.0]]).codes([[0.5], [2.0], [float("nan")]]).tolist()
    [[0, 2, 3]]
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"features of shape {rows.shape}: must be [rows, features]")
    edges, seen = [], []
    for column in rows.T:
        known = np.sort(column[~np.isnan(column)])
        distinct = np.unique(known)
        if len(distinct) > CODES:
            ranks = (np.arange(1, CODES) * len(known)) // CODES
            cut = np.unique(known[ranks])
            edges.append(cut[cut > known[0]])
            seen.append(distinct[[0, -1]])
        else:
            edges.append(distinct[1:])
            seen.append(distinct)
    return Binned(tuple(edges), tuple(seen), tuple(bool(np.isnan(column).any()) for column in rows.T))


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A tree of cuts: node i asks whether the code of ``feature[i]`` is at most ``cut[i]`` and goes to ``left[i]``, else
    to ``right[i]``; where ``feature[i]`` is -1 it is the leaf ``leaf[i]``, whose value is ``value[leaf]``."""

    feature: Integers
    cut: Integers
    left: Integers
    right: Integers
    leaf: Integers
    value: Floats

    def leaves(self, codes: Integers) -> Integers:
        """The leaf int64 [N] of each row, by its codes [D, N]."""
        out = np.empty(codes.shape[1], dtype=np.int64)
        waiting = [(0, np.arange(codes.shape[1]))]
        while waiting:  # rows part at each node: each is looked at once a level
            node, rows = waiting.pop()
            feature = int(self.feature[node])
            if feature < 0:
                out[rows] = self.leaf[node]
                continue
            low = codes[feature][rows] <= self.cut[node]
            waiting += [(int(self.left[node]), rows[low]), (int(self.right[node]), rows[~low])]
        return out


def grow(
    codes: Integers,
    gradient: Floats,
    curvature: Floats,
    *,
    leaves: int,
    rows_min: float,
    ridge: float,
    group: Integers | None = None,
) -> Tree:
    """The tree of at most so many leaves whose leaf means gradient/(curvature + ridge) explain a gradient best.

    Best first: of all leaves that one is cut whose cut gains most in G^2/(H + ridge), each side keeping ``rows_min`` rows
    or more; ``codes`` int64 [D, N], ``gradient`` and ``curvature`` float64 [N]. A missing value goes with the high ones. With
    a ``group`` int64 [N] of each row, 0 or 1, a leaf has a mean for each, and the gain is the sum of both.

    Source: J. H. Friedman (2001), Annals of Statistics 29, 1189-1232; T. Chen and C. Guestrin (2016), KDD, eq. 7.
    """
    width = int(codes.max(initial=0)) + 1
    features, n = codes.shape
    groups = 1 if group is None else 2
    size = groups * features * width
    flat = codes + np.arange(features)[:, np.newaxis] * width
    if group is not None:
        flat = flat + group * (features * width)

    def sums(rows: Integers) -> Floats:
        """Rows, gradient and curvature by group, feature and code."""
        some = flat[:, rows].ravel()
        parts = [np.bincount(some, minlength=size)]
        for part in (gradient, curvature):
            parts.append(np.bincount(some, np.tile(part[rows], features), size))
        return np.array(parts, dtype=np.float64).reshape(3, groups, features, width)

    def best(held: Floats) -> tuple[float, int, int]:
        below = np.cumsum(held, axis=3)
        rows, (g, h) = below[0].sum(axis=0), below[1:]
        total = rows[0, -1]
        total_g, total_h = (part[:, :1, -1:] for part in (g, h))
        gain = (
            g**2 / (h + ridge) + (total_g - g) ** 2 / (total_h - h + ridge) - total_g**2 / (total_h + ridge)
        ).sum(axis=0)
        gain[(rows < rows_min) | (total - rows < rows_min)] = -np.inf
        place = int(gain.argmax())
        return float(gain.flat[place]), place // width, place % width

    nodes = [[-1, 0, 0, 0]]
    held_by = {0: np.arange(n, dtype=np.int64)}
    counts = {0: sums(held_by[0])}
    waiting = {0: best(counts[0])}
    while len(held_by) < leaves:
        node = max(waiting, key=lambda one: waiting[one][0])
        gain, feature, cut = waiting.pop(node)
        if not gain > 1e-12:
            break
        rows, whole = held_by.pop(node), counts.pop(node)
        low = codes[feature, rows] <= cut
        first, second = rows[low], rows[~low]
        small = sums(first if len(first) <= len(second) else second)
        pair = (small, whole - small) if len(first) <= len(second) else (whole - small, small)
        nodes[node] = [feature, cut, len(nodes), len(nodes) + 1]
        for part, held in zip((first, second), pair, strict=True):
            held_by[len(nodes)], counts[len(nodes)] = part, held
            waiting[len(nodes)] = best(held)
            nodes.append([-1, 0, 0, 0])
    leaf, value = np.zeros(len(nodes), dtype=np.int64), np.zeros(len(held_by))
    for number, (node, rows) in enumerate(sorted(held_by.items())):
        leaf[node] = number
        value[number] = gradient[rows].sum() / (curvature[rows].sum() + ridge)
    feature_, cut_, left, right = np.array(nodes, dtype=np.int64).T
    return Tree(feature_, cut_, left, right, leaf, value)


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """The log odds of a row: ``start`` and ``rate`` times what each tree says."""

    start: float
    rate: float
    trees: tuple[Tree, ...]

    def log_odds(self, codes: Integers) -> Floats:
        """The log odds float64 [N] of rows by their codes [D, N]."""
        out = np.full(codes.shape[1], self.start)
        for tree in self.trees:
            out += self.rate * tree.value[tree.leaves(codes)]
        return out


def boost(
    codes: Integers,
    label: Integers,
    *,
    rounds: int = 20,
    leaves: int = 4,
    rate: float = 0.3,
    rows_min: float = 20,
) -> Boosted:
    """A classifier of rows by boosted trees: ``codes`` int64 [D, N], ``label`` 0 or 1 [N].

    Source: J. H. Friedman (2001), Annals of Statistics 29, 1189-1232, 4.5 (logistic loss, Newton's leaf values).

    >>> model = boost(np.repeat([[0, 1]], 50, axis=1), np.repeat([0, 1], 50))
    >>> bool(model.log_odds(np.array([[0, 1]]))[1] > 3)
    True
    """
    truth = np.asarray(label, dtype=np.float64)
    share = (truth.sum() + 0.5) / (len(truth) + 1)
    odds = np.full(len(truth), float(special.logit(share)))
    trees = []
    for _ in range(rounds):
        chance = special.expit(odds)
        tree = grow(codes, truth - chance, chance * (1 - chance), leaves=leaves, rows_min=rows_min, ridge=1.0)
        trees.append(tree)
        odds += rate * tree.value[tree.leaves(codes)]
    return Boosted(float(special.logit(share)), rate, tuple(trees))
