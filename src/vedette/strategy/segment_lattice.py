"""The lattice of segments that a search looks at: their counts, depth by depth, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from vedette.strategy.pooled_counts import log_e_most, log_e_value
from vedette.strategy.records import Bools, Floats, Ints

__all__ = ["Block", "Lattice", "evidence", "marks_of", "recount"]

_TUPLES_MAX = 4000  # column tuples that are counted: a third of a millisecond each at 40,000 rows
_CUTS = (
    0.5,
    0.75,
    0.9,
)  # of a real outcome: three marks, above the median, the upper quarter, the upper tenth


class Block(NamedTuple):
    """Segments of one tuple of columns: ``cells`` [S, D] level of each column, ``counts`` [S, 2, marks + 1]."""

    columns: tuple[int, ...]
    cells: Ints
    counts: Ints


def marks_of(outcome: Floats) -> tuple[Ints, int]:
    """How many cuts each outcome lies above, and how many cuts there are: one of 0 and 1, else three at most."""
    if not len(outcome):
        return np.zeros(0, dtype=np.int64), 1
    if np.isin(outcome, (0.0, 1.0)).all():
        return outcome.astype(np.int64), 1
    cuts = np.unique(np.quantile(outcome, _CUTS, method="inverted_cdf"))
    cuts = cuts[cuts < outcome.max()]  # a cut at the largest value marks nothing
    return np.searchsorted(cuts, outcome, side="left"), max(len(cuts), 1)


def evidence(counts: Ints) -> Floats:
    """log e of each segment from its counts [S, 2, marks + 1]: the mean of e over the cuts."""
    n_before, n_after = counts[:, 0].sum(axis=1), counts[:, 1].sum(axis=1)
    above = counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:]  # above each cut
    parts = [
        log_e_value(n_before, n_after, above[:, 0, cut], above[:, 1, cut]) for cut in range(above.shape[2])
    ]
    return np.asarray(np.logaddexp.reduce(parts, axis=0) - np.log(len(parts)))


def _most(counts: Ints) -> Floats:
    """The largest log e that any split of the marks over before and after could give."""
    n_before, n_after = counts[:, 0].sum(axis=1), counts[:, 1].sum(axis=1)
    marked = counts.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    parts = [log_e_most(n_before, n_after, marked[:, cut]) for cut in range(marked.shape[1])]
    return np.asarray(np.max(parts, axis=0))


class Lattice:
    """The segments that are looked at, depth by depth, and what was left out."""

    def __init__(
        self,
        codes: Sequence[Ints],
        sizes: Sequence[int],
        row: Ints,
        n_cuts: int,
        rows_min: int,
        segments_max: int,
        rate: float,
    ) -> None:
        self.codes, self.sizes, self.row = codes, sizes, row
        self.width, self.rows_min, self.segments_max = 2 * (n_cuts + 1), rows_min, segments_max
        self.log_least = -np.log(rate)
        self.counts, self.ends = np.zeros((0, 2, 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
        self.n_small = self.n_hopeless = self.n_same = self.n_beyond = self.n_uncounted = 0
        whole = np.bincount(row, minlength=self.width).reshape(1, 2, self.width // 2)
        self.blocks = [Block((), np.zeros((1, 0), dtype=np.int64), whole)]
        # the rows of each tuple of columns in its large enough cells, by the number of the cell; -1: in none
        self.compact: dict[tuple[int, ...], tuple[Ints, Ints, Ints]] = {}

    def count(self, depth: int) -> None:
        """Count the conjunctions of up to ``depth`` columns."""
        room, tuples = self.segments_max - 1, 0
        for size in range(1, depth + 1):
            found = []
            for columns in combinations(range(len(self.codes)), size):
                if tuples >= _TUPLES_MAX or (size > 1 and columns[:-1] not in self.compact):
                    self.n_uncounted += 1
                    continue
                tuples += 1
                found.append(self._cells(columns, keep=size < depth))
            sizes = np.concatenate([[0], *(one.counts.sum(axis=(1, 2)) for one in found)])[1:]
            if len(sizes) > room:  # the smallest are left out
                self.n_beyond += len(sizes) - room
                kept = np.zeros(len(sizes), dtype=bool)
                kept[np.argsort(-sizes, kind="stable")[:room]] = True
                ends = np.cumsum([len(one.cells) for one in found])[:-1]
                found = [
                    Block(one.columns, one.cells[mask], one.counts[mask])
                    for one, mask in zip(found, np.split(kept, ends), strict=True)
                ]
            room -= min(len(sizes), room)
            self.blocks += [one for one in found if len(one.cells)]
        self.counts = np.concatenate([one.counts for one in self.blocks])
        self.ends = np.cumsum([len(one.cells) for one in self.blocks])

    def at(self, number: int) -> tuple[tuple[int, ...], list[int]]:
        """The columns and levels of a segment."""
        place = int(np.searchsorted(self.ends, number, side="right"))
        block = self.blocks[place]
        cell = block.cells[number - (self.ends[place] - len(block.cells))]
        return block.columns, [int(one) for one in cell]

    def _cells(self, columns: tuple[int, ...], *, keep: bool) -> Block:
        """The cells of a tuple of columns that are worth a look."""
        head, last = columns[:-1], columns[-1]
        if head:
            code, cells, n_parent = self.compact[head]
            own, levels, n_own = self.compact[(last,)]
        else:
            code, cells = np.zeros(len(self.row), dtype=np.int64), np.zeros((1, 0), dtype=np.int64)
            n_parent = np.array([len(self.row)])
            own, levels = self.codes[last], np.arange(self.sizes[last])[:, None]
            n_own = np.full(self.sizes[last], -1)
        n_levels = len(levels)
        joint = np.where((code < 0) | (own < 0), len(cells) * n_levels, code * n_levels + own)
        n_cells = len(cells) * n_levels
        counts = np.bincount(joint * self.width + self.row, minlength=(n_cells + 1) * self.width)
        counts = counts[: n_cells * self.width].reshape(n_cells, 2, self.width // 2)
        n = counts.sum(axis=2)
        large = (n >= self.rows_min).all(axis=1)
        self.n_small += int(((n > 0).any(axis=1) & ~large).sum())
        total = n.sum(axis=1)
        same = large & ((total == np.repeat(n_parent, n_levels)) | (total == np.tile(n_own, len(cells))))
        worth = np.flatnonzero(large & ~same)
        hopeless = _most(counts[worth]) < self.log_least
        self.n_same += int(same.sum())
        self.n_hopeless += int(hopeless.sum())
        if keep:
            usable = np.flatnonzero(large)
            number = np.full(n_cells + 1, -1)
            number[usable] = np.arange(len(usable))
            pairs = np.concatenate([cells[usable // n_levels], levels[usable % n_levels]], axis=1)
            self.compact[columns] = number[joint], pairs, total[usable]
        looked = worth[~hopeless]
        cell = np.concatenate([cells[looked // n_levels], levels[looked % n_levels]], axis=1)
        return Block(columns, cell, counts[looked])


def recount(lattice: Lattice, candidates: Ints, codes: Sequence[Ints], row: Ints, left: Bools) -> Ints:
    """The counts of some segments in the rows that are left: each tuple of columns is counted once."""
    out = np.zeros((len(candidates), 2, lattice.width // 2), dtype=np.int64)
    places = np.searchsorted(lattice.ends, candidates, side="right")
    some = row[left]
    for place in np.unique(places):
        block = lattice.blocks[place]
        mine = np.flatnonzero(places == place)
        cells = block.cells[candidates[mine] - (lattice.ends[place] - len(block.cells))]
        joint, wanted = np.zeros(len(some), dtype=np.int64), np.zeros(len(mine), dtype=np.int64)
        for column, cell in zip(block.columns, cells.T, strict=True):
            joint = joint * (lattice.sizes[column] + 1) + codes[column][left] + 1
            wanted = wanted * (lattice.sizes[column] + 1) + cell + 1
        own, back = np.unique(wanted, return_inverse=True)
        at = np.minimum(np.searchsorted(own, joint), len(own) - 1)
        hit = own[at] == joint
        counts = np.bincount(at[hit] * lattice.width + some[hit], minlength=len(own) * lattice.width)
        out[mine] = counts.reshape(len(own), 2, -1)[back]
    return out
