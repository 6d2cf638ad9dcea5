"""How likely the next row is in each of a few cells, when all that is known is the rows before it.

An urn holds a weight for each cell; the next row falls in a cell with a probability of its share of the weight, and
adds one to it. Two such urns are laws of rows whose distribution nobody knows:

*Ranks.* The order statistics of n0 rows of any continuous law cut the line into n0 + 1 cells, whose probabilities are
Dirichlet(1, ..., 1) whatever the law is. So the next row falls in each of them with probability 1/(n0 + 1), and an urn
that starts with 1 in each is the exact law of all rows to come, with what the reference does not tell included. Cells
that are joined add their weights.

*Counts.* Of categories with Jeffreys' prior, an urn that starts with 1/2 and the reference's count in each cell.

Rows that are equal (an hour, a price) are put in order by chance, which keeps the law exact: the reference once, a new
row where it meets an edge.

Sources: Wilks (1962), "Mathematical Statistics", chapter 8 (coverages are Dirichlet); Blackwell and MacQueen (1973),
"Ferguson distributions via Polya urn schemes"; Krichevsky and Trofimov (1981), "The performance of universal encoding".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Draw", "Ranks", "draw", "put", "rank_urn"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_N_CELLS = 128
"""Cells of an urn of ranks: each .055 wide in normal scores, which costs less than a thousandth of what a row tells."""
_Z_MAX = 3.6  # further out a cell has one order statistic each, as long as there are any


@dataclass(frozen=True, slots=True)
class Ranks:
    """Urns of ranks of K series side by side.

    ``edges`` [K, B - 1]: the order statistics that cut, ascending, inf beyond the last; ``ties`` [K, B - 1]: the
    order by chance among equal rows, in [0, 1]. ``cum`` [K, B + 1]: the weight below each edge, from 0 to all of it.
    ``n_steps``: numbers ties, with ``seed``.
    """

    edges: Floats
    ties: Floats
    cum: Floats
    n_steps: int
    seed: int


@dataclass(frozen=True, slots=True)
class Draw:
    """Where a row of each series fell [K]: its cell, and the weight below the cell, within it, and in all cells."""

    cell: Ints
    below: Floats
    within: Floats
    whole: Floats


def rank_urn(past: Floats, seed: int, shares: Floats | None = None) -> Ranks:
    """The urns of the rows ``past`` [n, K], NaN where missing; a series without rows has one cell.

    They are cut at the order statistics nearest to ``shares`` of the rows, by default 128 cells, fine in both tails.

    >>> urn = rank_urn(np.array([[3.0], [1.0], [2.0]]), seed=0)
    >>> urn.edges.tolist(), urn.cum.tolist()          # a quarter for each of the four gaps
    ([[1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0, 3.0, 4.0]])
    """
    n_series = past.shape[1]
    if shares is None:
        shares = special.ndtr(np.linspace(-_Z_MAX, _Z_MAX, _N_CELLS - 1))
    by_chance = np.random.default_rng([seed, 1]).random(past.shape)
    parts = []
    for k in range(n_series):
        there = ~np.isnan(past[:, k])
        values, chance = past[there, k], by_chance[there, k]
        order = np.lexsort((chance, values))
        n = len(values)
        at = (
            np.unique(np.clip(np.rint((n + 1) * shares), 1, n)).astype(np.int64)
            if n
            else np.zeros(0, np.int64)
        )
        parts.append((values[order][at - 1], chance[order][at - 1], at, n))
    width = max(len(at) for *_, at, _ in parts)
    edges, ties = np.full((n_series, width), np.inf), np.zeros((n_series, width))
    cum = np.zeros((n_series, width + 2))
    for k, (values, chance, at, n) in enumerate(parts):
        edges[k, : len(at)], ties[k, : len(at)] = values, chance
        cum[k, 1 : len(at) + 1] = at
        cum[k, len(at) + 1 :] = n + 1
    return Ranks(edges, ties, cum, 0, seed)


def draw(urn: Ranks, rows: Floats) -> Draw:
    """Where the finite ``rows`` [K] fall.

    >>> drawn = draw(rank_urn(np.array([[3.0], [1.0], [2.0]]), seed=0), np.array([2.5]))
    >>> drawn.cell.tolist(), drawn.below.tolist(), drawn.within.tolist(), drawn.whole.tolist()
    ([2], [2.0], [1.0], [4.0])
    """
    index = np.arange(len(rows))
    cell = (urn.edges < rows[:, None]).sum(axis=1)
    if urn.edges.shape[1]:
        met = urn.edges[index, np.minimum(cell, urn.edges.shape[1] - 1)] == rows
        if bool(met.any()):
            chance = np.random.default_rng([urn.seed, 2, urn.n_steps]).random(len(rows))
            equal = urn.edges == rows[:, None]
            cell = cell + (equal & (urn.ties < chance[:, None])).sum(axis=1)
    low = urn.cum[index, cell]
    return Draw(cell, low, urn.cum[index, cell + 1] - low, urn.cum[:, -1])


def put(urn: Ranks, drawn: Draw, there: Bools) -> Ranks:
    """The urns with what was drawn put in, one more in its cell, where ``there`` [K]."""
    more = np.arange(urn.cum.shape[1]) > drawn.cell[:, None]
    more &= there[:, None]
    return Ranks(urn.edges, urn.ties, urn.cum + more, urn.n_steps + 1, urn.seed)
