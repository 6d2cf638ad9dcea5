"""A column of categories in two files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from vedette.engine.two_files.described import (
    KEPT,
    LEVEL,
    LEVELS_DRAWN,
    Compared,
    distances,
    missing,
    rounded,
    sides,
    too_few,
)
from vedette.engine.two_files.source import Source, dependence, gaps, names_of
from vedette.engine.two_files.texts import compare_texts
from vedette.output.comparison import Estimate, Picture, Side
from vedette.statistics.counting_levels import summarise_levels
from vedette.statistics.grid import category_grid
from vedette.statistics.intervals import share
from vedette.strategy import two_samples

__all__ = ["compare_levels", "level_score"]

LEVELS_MAX = 100_000
TRUTHS = {"0": "false", "1": "true"}
"""The levels of a column of truths as a person reads them; as classes they have one spelling with 0 and 1."""

CONTRASTS = 6  # levels in which neighbouring rows are looked at: more would find likeness in noise
TEXT_LEVELS = 1000
"""A column with more values than this in the pilot rows is a text or an identifier: its values are not told by name."""


def compare_levels(name: str, kind: str, sources: Sequence[Source]) -> Compared:
    """Count the levels of a column of one or two files, and compare; a text where there are too many."""
    if (
        kind == "text"
        and pl.concat([names_of(source.pilot()) for source in sources]).n_unique() > TEXT_LEVELS
    ):
        return compare_texts(sources)
    found = [_count(source) for source in sources]
    if any(len(levels) > LEVELS_MAX for levels, _ in found):
        return compare_texts(sources)  # what the pilot took for a category: its levels would fill the memory
    table = {
        level: (found[0][0].get(level, 0), found[-1][0].get(level, 0) if len(found) > 1 else 0)
        for level in dict.fromkeys(level for levels, _ in found for level in levels)
    }
    order = sorted(table, key=lambda level: (-sum(table[level]), level))
    inflated = dependence([level_score(order, names_of(one.stretch().drop_nulls())) for one in sources])
    if kind == "boolean":
        order = [TRUTHS.get(level, level) for level in order]
        table = {TRUTHS.get(level, level): counts for level, counts in table.items()}
        found = [
            ({TRUTHS.get(level, level): n for level, n in levels.items()}, nulls) for levels, nulls in found
        ]
    grid = category_grid(name, {level: sum(counts) for level, counts in table.items()}, table)
    both = [summarise_levels(grid, levels, nulls, KEPT) for levels, nulls in found]
    described = [
        _exact(side, levels, found[-1][0]) for side, (levels, _) in zip(sides(both), found, strict=True)
    ]
    parts: dict[str, float | None] = {}
    reason = None
    if len(both) > 1:
        reason = too_few(both, inflated)
        if reason is None:
            counts = np.array([table[level] for level in order], dtype=np.int64)
            values = two_samples.levels(counts[:, 0], counts[:, 1], inflated)
            parts["values"] = 1.0 if values is None and len(order) == 1 else values
        parts["missing"] = missing(described, gaps(sources))
    return Compared(
        "boolean" if kind == "boolean" else "category",
        described,
        distances(both),
        _drawn(order, table, sources),
        parts,
        {level: table[level] for level in order},
        reason,
        inflated,
    )


def _exact(side: Side, levels: dict[str, int], known: dict[str, int]) -> Side:
    """The side with the figures that the levels themselves tell and the cells of a grid only nearly."""
    n = sum(levels.values())
    if not n:
        return side
    unseen = sum(times for level, times in levels.items() if level not in known)
    low, high = (float(limit) for limit in share(unseen, n, LEVEL))
    count = float(len(levels))
    exact = {"distinct": Estimate(count, count, count, n), "unseen_share": Estimate(unseen / n, low, high, n)}
    return replace(side, figures={name: exact.get(name, one) for name, one in side.figures.items()})


def _drawn(
    order: Sequence[str], table: dict[str, tuple[int, int]], sources: Sequence[Source]
) -> Picture | None:
    """The most frequent levels; the others as one share."""
    if not order:
        return None
    counts = np.array([table[level] for level in order], dtype=np.float64)
    shares = [counts[:, place] / max(source.rows, 1) for place, source in enumerate(sources)]
    bars = [rounded(one[:LEVELS_DRAWN]) for one in shares]
    rest = [float(one[LEVELS_DRAWN:].sum()) for one in shares]
    return Picture(
        (),
        tuple(order[:LEVELS_DRAWN]),
        bars[0],
        bars[1] if len(bars) > 1 else (),
        others=(max(len(order) - LEVELS_DRAWN, 0), rest[0], rest[1] if len(rest) > 1 else 0.0),
    )


def level_score(order: Sequence[str], levels: pl.Series) -> np.ndarray:
    """Of consecutive levels, a number for each such that neighbours are as alike as can be.

    With C the covariances of the indicators of the most frequent levels and D those of one row with the next, it is the
    combination of indicators with the greatest autocorrelation: the first eigenvector of D relative to C.
    """
    names = levels.drop_nulls()
    known = pl.Series(list(order[:CONTRASTS]), dtype=pl.String)
    place = names.replace_strict(
        known, np.arange(len(known)), default=len(known), return_dtype=pl.Int64
    ).to_numpy()
    runs = 1 + int((names != names.shift()).sum() or 0)
    if len(place) < two_samples.DEPENDENT_MIN or runs <= names.n_unique() + 1:
        return np.zeros(0)  # too few, or grouped by the column itself
    held = np.stack([place == level for level in range(len(known))], axis=1).astype(np.float64)
    held -= held.mean(axis=0)
    size, vectors = np.linalg.eigh(held.T @ held / len(held))
    whitened = held @ (vectors[:, size > 1e-9] / np.sqrt(size[size > 1e-9]))
    if not whitened.shape[1]:
        return np.zeros(0)
    lagged = whitened[1:].T @ whitened[:-1] / len(held)
    return np.asarray(whitened @ np.linalg.eigh(lagged + lagged.T)[1][:, -1])


def _count(source: Source) -> tuple[dict[str, int], int]:
    """How often each level comes up, and the rows without one; NaN is no level."""
    counts: dict[str, int] = {}
    nulls = 0
    for column in source.slices():
        table = column.drop_nulls().value_counts(name="_n")
        names, times = names_of(table.to_series(0)), table.to_series(1)
        there = names.is_not_null()
        nulls += len(column) - int(times.filter(there).sum())
        for level, n in zip(names.filter(there).to_list(), times.filter(there).to_list(), strict=True):
            counts[level] = counts.get(level, 0) + n
        if len(counts) > LEVELS_MAX:
            break
    return counts, nulls
