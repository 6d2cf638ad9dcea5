"""A column of texts or identifiers in two files: values too many to be told apart by name.

How many there are, whether both files repeat the same ones, what share of rows has a value that the reference does not
have, and how long they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special

from vedette.engine.two_files.described import LEVEL, Compared, drawn, estimate, missing, too_few
from vedette.engine.two_files.source import Source, dependence, gaps
from vedette.output.comparison import Estimate, Side
from vedette.statistics import STATISTICS
from vedette.statistics.counting import summarise_numeric
from vedette.statistics.grid import Grid, numeric_grid
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary
from vedette.strategy import two_samples

__all__ = ["compare_texts"]

VALUES_MAX = 8_000_000
"""Rows of a file whose values are kept apart; of a longer one, the rows of every second, fourth ... value."""


@dataclass(frozen=True, slots=True)
class _Counted:
    hashes: np.ndarray  # of the rows whose values were chosen
    fresh: np.ndarray  # of each of these, whether the row before has another value
    lengths: Summary
    nulls: int


def compare_texts(sources: Sequence[Source]) -> Compared:
    """Compare a column of texts of one or two files."""
    rows = max(source.rows for source in sources)
    halvings = max(0, int(np.ceil(np.log2(max(rows, 1) / VALUES_MAX))))
    grid = numeric_grid("length", np.concatenate([_lengths(source.pilot()) for source in sources]))
    counted = [_count(source, grid, halvings) for source in sources]
    times = _times([one.hashes for one in counted])
    fresh = times[0] * (times[1] == 0) if len(sources) > 1 else None
    found = [
        _side(source, one, own, fresh if place == 0 else None, 2**halvings)
        for place, (source, one, own) in enumerate(zip(sources, counted, times, strict=False))
    ]
    lengths = [one.lengths for one in counted]
    if len(sources) < 2:
        return Compared("text", found, picture=drawn(grid, lengths))
    parts: dict[str, float | None] = {}
    inflated = dependence([_lengths(source.stretch()) for source in sources])
    reason = too_few(lengths, inflated)
    if reason is None:
        alone = all(one.fresh.all() for one in counted)
        once = times if alone else _times([one.hashes[one.fresh] for one in counted])
        n, m = (int(own.sum()) for own in once)
        parts["values"] = two_samples.repeats(once[0], once[1], n, m)
        parts["length"] = two_samples.numbers(lengths[0].counts[0], lengths[1].counts[0], inflated)
        if parts["values"] is None and parts["length"] is None:
            parts["values"] = 1.0  # hardly a value comes twice, and all have one length: nothing differs
    parts["missing"] = missing(found, gaps(sources))
    many = Estimate(None, None, None, int(lengths[0].used[0]), "more values than can be compared by name")
    told = {"psi": many, "unseen_share": found[0].figures["unseen_share"]}
    return Compared("text", found, told, drawn(grid, lengths), parts, {}, reason, inflated)


def _present(column: pl.Series) -> pl.Series:
    """The values that are there: ids that are numbers have NaN for those that are not."""
    present = column.drop_nulls()
    return present.drop_nans() if present.dtype.is_float() else present


def _lengths(column: pl.Series) -> np.ndarray:
    """The lengths in bytes of the values that are not null."""
    present = _present(column)
    if present.dtype == pl.Binary:
        return present.bin.size().cast(pl.Float64).to_numpy()
    return present.cast(pl.String).str.len_bytes().cast(pl.Float64).to_numpy()


def _count(source: Source, grid: Grid, halvings: int) -> _Counted:
    hashes, changes, lengths, nulls = [], [], Summary.empty(grid, 1, 0), 0
    for column in source.slices():
        lengths = lengths + summarise_numeric(grid, _lengths(column), kept=0)
        present = _present(column)
        own = (present if present.dtype == pl.Binary else present.cast(pl.String)).hash().to_numpy()
        fresh = np.ones(len(own), dtype=np.bool_)
        fresh[1:] = own[1:] != own[:-1]
        if halvings:
            chosen = own <= np.uint64(2 ** (64 - halvings) - 1)
            own, fresh = own[chosen], fresh[chosen]
        hashes.append(own)
        changes.append(fresh)
        nulls += len(column) - len(present)
    return _Counted(np.concatenate(hashes), np.concatenate(changes), lengths, nulls)


def _times(hashes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of each distinct value, the rows in the first and in the second file; in place, since there are many."""
    one = np.uint64(1)
    value = np.concatenate(hashes)
    value &= ~one
    value[len(hashes[0]) :] |= np.uint64(len(hashes) - 1)
    value.sort()
    mark = np.empty(len(value), dtype=np.uint8)
    np.bitwise_and(value, one, out=mark, casting="unsafe")
    value >>= one
    change = np.ones(len(value), dtype=np.bool_)
    np.not_equal(value[1:], value[:-1], out=change[1:])
    del value
    first = np.flatnonzero(change)
    theirs = np.add.reduceat(mark, first, dtype=np.int32) if len(first) else np.zeros(0, dtype=np.int32)
    ours = np.diff(first, append=len(mark)).astype(np.int32)
    ours -= theirs
    return ours, theirs


def _side(
    source: Source, counted: _Counted, times: np.ndarray, fresh: np.ndarray | None, sampled: int
) -> Side:
    nothing = Summary.empty(counted.lengths.grid, 1, 0)
    nothing.rows[:] = nothing.missing[:] = counted.nulls
    figures = {
        "missing_share": estimate(STATISTICS["missing_share"].figures(counted.lengths + nothing), 0),
        "distinct": _distinct(int(np.count_nonzero(times)), source.rows - counted.nulls, sampled),
        "length_mean": estimate(STATISTICS["mean"].figures(counted.lengths), 0),
    }
    if fresh is not None:
        figures["unseen_share"] = _unseen(fresh, times, sampled)
    return Side(source.rows, counted.nulls, 0, 0, None, None, figures)


def _distinct(chosen: int, n: int, sampled: int) -> Estimate:
    """Distinct values: counted, or where one of ``sampled`` was kept, that many times as many (of a binomial share)."""
    if not n:
        return Estimate(None, None, None, 0, "no values")
    half = special.ndtri((1 + LEVEL) / 2) * np.sqrt(chosen * sampled * (sampled - 1.0))
    value = float(chosen * sampled)
    return Estimate(value, max(value - half, float(chosen)), min(value + half, float(n)), n)


def _unseen(fresh: np.ndarray, times: np.ndarray, sampled: int) -> Estimate:
    """The share of rows whose value the reference does not have.

    Where values were sampled, their rows come in clusters: the variance of a ratio is added to that of the share.
    """
    n, k = int(times.sum()), int(fresh.sum())
    if not n:
        return Estimate(None, None, None, 0, "no values")
    low, high = (float(limit) for limit in share(k, n, LEVEL))
    value = k / n
    z = special.ndtri((1 + LEVEL) / 2)
    clusters = 0.0
    if sampled > 1:
        of_all, of_fresh = (float(np.square(part, dtype=np.float64).sum()) for part in (times, fresh))
        scatter = (
            1 - 2 * value
        ) * of_fresh + value**2 * of_all  # the sum of (fresh - value times)^2: fresh is 0 or times
        clusters = z**2 * (1 - 1 / sampled) * scatter / n**2
    low = max(0.0, value - np.sqrt((value - low) ** 2 + clusters))
    high = min(1.0, value + np.sqrt((high - value) ** 2 + clusters))
    return Estimate(value, low, high, n * sampled)
