"""A column of texts or identifiers in two files: values too many to be told apart by name.

How many there are, whether both files repeat the same ones, what share of rows has a value that the reference does not
have, how long they are, and (``ngrams.py``) what they are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import special

from vedette.engine.two_files.described import LEVEL, Compared, drawn, estimate, missing, too_few
from vedette.engine.two_files.directions import estimate_of
from vedette.engine.two_files.ngrams import compare_ngrams
from vedette.engine.two_files.source import Source, dependence, gaps
from vedette.output.comparison import Estimate, Picture, Side
from vedette.statistics import STATISTICS
from vedette.statistics.counting import summarise_numeric
from vedette.statistics.grid import Grid, numeric_grid
from vedette.statistics.high_cardinality import new_level_share
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary
from vedette.strategy import two_samples

__all__ = ["compare_texts"]

VALUES_MAX = 8_000_000
"""Rows of a file whose values are kept apart; of a longer one, the rows of every second, fourth ... value."""

FREQUENT = 8
"""Values that come up so often in the pilot rows are counted each where others are sampled: taken whole or not at all,
they would decide what is estimated, and fill the memory."""


@dataclass(frozen=True, slots=True)
class _Counted:
    hashes: np.ndarray  # of the rows whose values were chosen
    fresh: np.ndarray  # of each of these, whether the row before has another value
    often: np.ndarray  # the rows of each frequent value, which are not among them
    lengths: Summary
    nulls: int

    @property
    def used(self) -> int:
        """The rows that have a value."""
        return int(self.lengths.rows[0])


def compare_texts(sources: Sequence[Source]) -> Compared:
    """Compare a column of texts of one or two files."""
    rows = max(source.rows for source in sources)
    halvings = max(0, int(np.ceil(np.log2(max(rows, 1) / VALUES_MAX))))
    grid = numeric_grid("length", np.concatenate([_lengths(source.pilot()) for source in sources]))
    frequent = _frequent(sources) if halvings else np.zeros(0, dtype=np.uint64)
    counted = [_count(source, grid, halvings, frequent) for source in sources]
    times = _times([one.hashes for one in counted])
    found = [
        _side(source, one, own, 2**halvings)
        for source, one, own in zip(sources, counted, times, strict=False)
    ]
    if len(sources) > 1:
        unseen = {"unseen_share": _unseen(times, counted, 2**halvings)}
        found[0] = replace(found[0], figures={**found[0].figures, **unseen})
    lengths = [one.lengths for one in counted]
    if len(sources) < 2:
        return Compared("text", found, picture=_drawn(grid, lengths))
    parts: dict[str, float | None] = {}
    told: dict[str, Estimate] = {}
    inflated = dependence([_lengths(source.stretch()) for source in sources])
    reason = too_few(lengths, inflated)
    pieces = compare_ngrams(sources)
    if reason is None:
        alone = all(one.fresh.all() for one in counted)
        once = times if alone else _times([one.hashes[one.fresh] for one in counted])
        ours, theirs = once
        told["new_share"] = _new(ours, theirs, halvings)
        if len(frequent):
            ours, theirs = (np.append(own, one.often) for own, one in zip(once, counted, strict=True))
        parts["values"] = two_samples.repeats(ours, theirs, int(ours.sum()), int(theirs.sum()))
        parts["length"] = two_samples.numbers(lengths[0].counts[0], lengths[1].counts[0], inflated)
        if parts["values"] is None and parts["length"] is None:
            parts["values"] = 1.0  # hardly a value comes twice, and all have one length: nothing differs
        if pieces.p_value is not None:
            parts["ngrams"] = pieces.p_value
    parts["missing"] = missing(found, gaps(sources))
    many = Estimate(None, None, None, int(lengths[0].used[0]), "more values than can be compared by name")
    if pieces.shift is not None:
        told["ngram_shift_sd"] = pieces.shift
    told |= {"psi": many, "unseen_share": found[0].figures["unseen_share"]}
    return Compared("text", found, told, _drawn(grid, lengths), parts, {}, reason, inflated)


def _drawn(grid: Grid, lengths: Sequence[Summary]) -> Picture | None:
    """The lengths of texts."""
    picture = drawn(grid, lengths)
    if picture is None or not picture.labels:
        return picture
    return replace(picture, labels=tuple(f"{length} bytes" for length in picture.labels))


def _present(column: pl.Series) -> pl.Series:
    """The values that are there: ids that are numbers have NaN for those that are not."""
    present = column.drop_nulls()
    return present.drop_nans() if present.dtype.is_float() else present


def _lengths(column: pl.Series) -> np.ndarray:
    """The lengths in bytes of the values that are not null."""
    present = _present(column)
    if present.dtype == pl.Binary:
        return present.bin.size().cast(pl.Float64).to_numpy()
    return _names(present).str.len_bytes().cast(pl.Float64).to_numpy()


def _hashes(column: pl.Series) -> np.ndarray:
    """The hashes of the values that are there, ids that are numbers as they are spelled."""
    present = _present(column)
    return (present if present.dtype == pl.Binary else _names(present)).hash().to_numpy()


def _names(column: pl.Series) -> pl.Series:
    """Values as text; ids that a null made floats of are spelled as the whole numbers that they are."""
    if not column.dtype.is_float():
        return column.cast(pl.String)
    value = pl.col(column.name)
    whole = value.cast(pl.Int64, strict=False)
    return (
        column.to_frame()
        .select(
            pl.when(whole.cast(column.dtype) == value)
            .then(whole.cast(pl.String))
            .otherwise(value.cast(pl.String))
        )
        .to_series()
    )


def _frequent(sources: Sequence[Source]) -> np.ndarray:
    """The hashes of values that come up often in the pilot rows of either file, in order."""
    often = []
    for source in sources:
        value, times = np.unique(_hashes(source.pilot()), return_counts=True)
        often.append(value[times >= FREQUENT])
    return np.unique(np.concatenate(often))


def _count(source: Source, grid: Grid, halvings: int, frequent: np.ndarray) -> _Counted:
    hashes, changes, lengths, nulls = [], [], Summary.empty(grid, 1, 0), 0
    often = np.zeros(len(frequent), dtype=np.int64)
    for column in source.slices():
        lengths = lengths + summarise_numeric(grid, _lengths(column), kept=0)
        own = _hashes(column)
        nulls += len(column) - len(own)
        fresh = np.ones(len(own), dtype=np.bool_)
        fresh[1:] = own[1:] != own[:-1]
        if halvings:
            chosen = own <= np.uint64(2 ** (64 - halvings) - 1)
            if len(frequent):
                place = np.minimum(np.searchsorted(frequent, own), len(frequent) - 1)
                known = frequent[place] == own
                often += np.bincount(place[known], minlength=len(frequent))
                chosen &= ~known
            own, fresh = own[chosen], fresh[chosen]
        hashes.append(own)
        changes.append(fresh)
    return _Counted(np.concatenate(hashes), np.concatenate(changes), often, lengths, nulls)


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


def _side(source: Source, counted: _Counted, times: np.ndarray, sampled: int) -> Side:
    nothing = Summary.empty(counted.lengths.grid, 1, 0)
    nothing.rows[:] = nothing.missing[:] = counted.nulls
    figures = {
        "missing_share": estimate(STATISTICS["missing_share"].figures(counted.lengths + nothing), 0),
        "distinct": _distinct(counted, times, sampled),
        "length_mean": estimate(STATISTICS["mean"].figures(counted.lengths), 0),
    }
    return Side(source.rows, counted.nulls, 0, 0, None, None, figures)


def _distinct(counted: _Counted, times: np.ndarray, sampled: int) -> Estimate:
    """Distinct values: counted, or where one of ``sampled`` was kept, that many times as many (of a binomial share)."""
    n, often = counted.used, int(np.count_nonzero(counted.often))
    if not n:
        return Estimate(None, None, None, 0, "no values")
    chosen = int(np.count_nonzero(times))
    half = special.ndtri((1 + LEVEL) / 2) * np.sqrt(chosen * sampled * (sampled - 1.0))
    value = float(often + chosen * sampled)
    return Estimate(value, max(value - half, float(often + chosen)), min(value + half, float(n)), n)


def _new(ours: np.ndarray, theirs: np.ndarray, halvings: int) -> Estimate:
    """The share of rows (or runs of one value) with values that are new, not just rare; of files whose rows all count."""
    if halvings:
        return Estimate(
            None, None, None, int(ours.sum()), f"over {VALUES_MAX} rows: not every value is counted"
        )
    return estimate_of(new_level_share(ours, theirs))


def _unseen(times: tuple[np.ndarray, np.ndarray], counted: Sequence[_Counted], sampled: int) -> Estimate:
    """The share of rows whose value the reference does not have.

    Where values were sampled, their rows come in clusters: the variance of a ratio is added to that of the share. The
    rows of frequent values are known, and so is the share ``rest`` of the others.
    """
    n, often = counted[0].used, counted[0].often
    if not n:
        return Estimate(None, None, None, 0, "no values")
    rest = 1 - int(often.sum()) / n
    own, fresh = times[0], times[0] * (times[1] == 0)
    chosen = max(int(own.sum()), 1)
    part = int(fresh.sum()) / chosen
    z, clusters = special.ndtri((1 + LEVEL) / 2), 0.0
    if sampled > 1:
        of_all, of_fresh = (float(np.square(one, dtype=np.float64).sum()) for one in (own, fresh))
        scatter = (1 - 2 * part) * of_fresh + part**2 * of_all  # of fresh - part times own; fresh is own or 0
        clusters = z**2 * (1 - 1 / sampled) * scatter / chosen**2
    value = rest * part + int(often[counted[1].often == 0].sum()) / n
    low, high = (float(limit) for limit in share(round(value * n), n, LEVEL))
    below, above = (float(limit) for limit in share(int(fresh.sum()), chosen, LEVEL))
    if sampled > 1:
        low = value - np.sqrt((value - low) ** 2 + rest**2 * ((part - below) ** 2 + clusters))
        high = value + np.sqrt((high - value) ** 2 + rest**2 * ((above - part) ** 2 + clusters))
    return Estimate(value, max(0.0, float(low)), min(1.0, float(high)), n)
