"""In which segments did an outcome change: a search over conjunctions of levels, with one error rate over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from vedette.strategy.discoveries import RATE
from vedette.strategy.records import Bools, Floats, Ints
from vedette.strategy.segment_lattice import Lattice, evidence, marks_of, recount

__all__ = ["DEPTH", "ROWS_MIN", "SEGMENTS_MAX", "Levels", "Search", "Segment", "search"]

DEPTH = 2
"""Columns in a conjunction at most, unless more are asked for."""

ROWS_MIN = 20
"""Rows that a segment needs on either side to be looked at."""

SEGMENTS_MAX = 10_000
"""Segments that are looked at, at most: more cost evidence, log(K) nats, as well as time."""

_TUPLES_MAX = 4000  # column tuples that are counted: a third of a millisecond each at 40,000 rows
_CUTS = (
    0.5,
    0.75,
    0.9,
)  # of a real outcome: three marks, above the median, the upper quarter, the upper tenth
_Z95 = float(ndtri(0.975))


class Levels(NamedTuple):
    """A column as the search takes it: ``codes`` int[N], 0 to L-1 (-1: in no segment), and the L levels' names."""

    codes: Ints
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that a conjunction of levels picks, before and after.

    ``levels`` are (column, level) pairs; none of them: all rows. ``before`` and ``after`` are the outcome's means,
    ``low`` to ``high`` is the 95 % interval of ``after - before`` of this segment looked at by itself. ``nats`` is the
    log of the e-value for "the outcome changed in here", ``nats_beside`` the same without the rows of the segments
    that are named before it (NaN where that was not asked). ``named``: reported as changed, at the rate of the search.
    """

    levels: tuple[tuple[str, str], ...]
    n_before: int
    n_after: int
    before: float
    after: float
    low: float
    high: float
    nats: float
    nats_beside: float
    named: bool

    @property
    def name(self) -> str:
        """``a=x, b=y``; ``all rows`` for the whole."""
        return ", ".join(f"{column}={level}" for column, level in self.levels) or "all rows"


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: the segments, the named ones first and then the rest in order of their nats, ten at least.

    ``n_looked`` is the number of segments that were tested (K of e-BH). Left out, never unseen: ``n_small`` had fewer
    rows than the minimum on a side, ``n_hopeless`` too few marks for any evidence, ``n_same`` the very rows of a
    shorter conjunction, ``n_beyond`` were beyond the largest number of segments, and ``n_uncounted`` are tuples of
    columns that were not counted. ``n_changed`` is the number of segments that e-BH alone names, among them those
    which another one explains.
    """

    segments: tuple[Segment, ...]
    rate: float
    n_looked: int
    n_small: int
    n_hopeless: int
    n_same: int
    n_beyond: int
    n_uncounted: int
    n_changed: int

    @property
    def named(self) -> tuple[Segment, ...]:
        """The segments that are reported as changed."""
        return tuple(one for one in self.segments if one.named)

    @property
    def left_out(self) -> str:
        """What was not looked at, in words; empty where nothing was left out."""
        said = [
            (self.n_small, "too small"),
            (self.n_hopeless, "with too few events to show anything"),
            (self.n_same, "the same rows as a shorter one"),
            (self.n_beyond, "beyond the largest number of segments"),
            (self.n_uncounted, "combinations of columns not counted"),
        ]
        return ", ".join(f"{n:,} {why}" for n, why in said if n)


def search(
    columns: Mapping[str, Levels],
    outcome: Floats,
    is_after: Bools,
    *,
    depth: int = DEPTH,
    rows_min: int = ROWS_MIN,
    segments_max: int = SEGMENTS_MAX,
    rate: float = RATE,
    reported_max: int = 5,
) -> Search:
    """The segments in which the outcome of the rows changed from before to after, those with most evidence first.

    ``columns`` are the levels of N rows by column, ``outcome`` float[N] is 0 or 1 (an error) or any real loss (NaN: the
    row is left out), ``is_after`` bool[N] tells the rows of after from those of before. Looked at are all rows and every
    conjunction of up to ``depth`` levels of different columns with ``rows_min`` rows on either side.

    *Evidence.* Where nothing changed in a segment its rows of before and of after are exchangeable, so that of the k
    marked ones the number that falls after is hypergeometric, whatever their rate: ``log_e_value`` tests exactly that, so
    E[e] = 1 with a finite reference, no estimate of a rate and no asymptotics. A real outcome is cut at the pooled
    median, upper quarter and upper tenth, and e is the mean of the three. *Names.* With K segments looked at, a list of
    R is reported only where each of them has e >= K / (``rate`` R) (the condition of e-BH), which holds the expected
    share of false names at ``rate`` however the segments overlap. *Which of those that overlap.* The one with most nats
    first; of C others one follows only where the rows that are left of it, without those of the segments named before, have
    e >= C / ``rate`` by themselves. A diluted parent and a partial child have fewer nats than the segment itself. Where
    the outcome changed everywhere, all rows come first, and a segment follows whose change differs from that of the rest
    by more standard errors than K normal ones exceed at ``rate``.

    What is looked at depends on the rows of both sides together alone, which leaves the e-values what they are: too
    small, hopeless (no split of its marks could give e = 1 / ``rate``), or, where there are more than ``segments_max``,
    the smallest of the deepest. Raises ``ValueError`` for arguments that do not fit.

    Sources: R. Wang and A. Ramdas (2022), JRSS B 84, 822-852, theorem 5.1 (e-BH, and any self-consistent list); S.
    Sagadeeva and M. Boehm (2021), SIGMOD, section 4 (support and bounds over a lattice); R. Tarone (1990), Biometrics
    46, 515-522 (hypotheses that no data could reject need not be counted).

    >>> random = np.random.default_rng(0)
    >>> region, device = random.integers(0, 4, (2, 8000))
    >>> after = np.arange(8000) >= 4000
    >>> wrong = random.uniform(size=8000) < np.where(after & (region == 2) & (device == 1), 0.4, 0.1)
    >>> columns = {"region": Levels(region, "nswe"), "device": Levels(device, "abcd")}
    >>> found = search(columns, wrong.astype(float), after)
    >>> [(one.name, round(one.before, 2), round(one.after, 2)) for one in found.named]
    [('region=w, device=b', 0.1, 0.37)]
    >>> found.n_looked
    25
    """
    _check(columns, outcome, is_after, depth, rows_min, segments_max, rate)
    kept = np.isfinite(outcome)
    outcome, is_after = outcome[kept], is_after[kept]
    codes = [np.asarray(one.codes, dtype=np.int64)[kept] for one in columns.values()]
    sizes = [len(one.names) for one in columns.values()]
    marks, n_cuts = marks_of(outcome)
    row = marks + (n_cuts + 1) * is_after  # what is counted of each row
    lattice = Lattice(codes, sizes, row, n_cuts, rows_min, segments_max, rate)
    lattice.count(depth)
    log_e = evidence(lattice.counts)
    depths = np.concatenate([np.full(len(one.cells), len(one.columns)) for one in lattice.blocks])
    order = np.lexsort((depths, -log_e))
    n_looked = len(log_e)
    ascending = np.arange(1, n_looked + 1)
    enough = np.flatnonzero(log_e[order] >= np.log(n_looked / (rate * ascending)))
    changed = order[: int(enough[-1]) + 1] if len(enough) else order[:0]
    chosen, beside = _reported(lattice, changed, log_e, codes, row, rate, reported_max)
    rest = [at for at in order[: 10 + len(chosen)].tolist() if at not in chosen]
    names = list(columns)
    segments = []
    for place, at in enumerate([*chosen, *rest]):
        which, cell = lattice.at(at)
        inside = np.ones(len(outcome), dtype=bool)
        for column, level in zip(which, cell, strict=True):
            inside &= codes[column] == level
        levels = tuple((names[c], columns[names[c]].names[v]) for c, v in zip(which, cell, strict=True))
        left = beside[place] if place < len(chosen) else float("nan")
        ends = outcome[inside & ~is_after], outcome[inside & is_after]
        segments.append(Segment(levels, *_effect(*ends), float(log_e[at]), left, place < len(chosen)))
    return Search(
        tuple(segments),
        rate,
        n_looked,
        lattice.n_small,
        lattice.n_hopeless,
        lattice.n_same,
        lattice.n_beyond,
        lattice.n_uncounted,
        len(changed),
    )


def _check(
    columns: Mapping[str, Levels],
    outcome: Floats,
    is_after: Bools,
    depth: int,
    rows_min: int,
    segments_max: int,
    rate: float,
) -> None:
    n = len(outcome)
    for name, one in columns.items():
        codes = np.asarray(one.codes)
        if codes.shape != (n,):
            raise ValueError(
                f"column {name!r}: has codes of shape {codes.shape}, must be ({n},) as the outcome"
            )
        if n and not -1 <= int(codes.min()) <= int(codes.max()) < len(one.names):
            raise ValueError(
                f"column {name!r}: codes must lie in -1 to {len(one.names) - 1}, the levels named"
            )
    if np.asarray(is_after).shape != (n,) or np.asarray(is_after).dtype != np.bool_:
        raise ValueError(f"is_after: must be {n} booleans, one for each row of the outcome")
    if not 1 <= depth <= 3:
        raise ValueError(f"depth={depth}: must be 1, 2 or 3 columns in a conjunction")
    if rows_min < 1 or segments_max < 1:
        raise ValueError(f"rows_min={rows_min}, segments_max={segments_max}: must be 1 or more")
    if not 0 < rate < 1:
        raise ValueError(f"rate={rate}: must lie between 0 and 1, such as 0.05")


def _reported(
    lattice: Lattice,
    changed: Ints,
    log_e: Floats,
    codes: Sequence[Ints],
    row: Ints,
    rate: float,
    reported_max: int,
) -> tuple[list[int], list[float]]:
    """The segments to report, each with the nats of its rows beside those named before it."""
    chosen: list[int] = []
    beside: list[float] = []
    left = np.ones(len(row), dtype=bool)
    whole = False  # all rows are named: then a segment has to have changed by more, or less, than the rest
    needed = float(ndtri(1 - rate / (2 * max(len(log_e), 1))))
    candidates, now = changed, log_e[changed]
    while len(candidates) and len(chosen) < reported_max:
        if whole:
            counts = recount(lattice, candidates, codes, row, left)
            excess = _excess(counts, np.bincount(row[left], minlength=lattice.width))
            best = int(np.argmax(excess))
            if not excess[best] >= needed:
                break
            nats = float(evidence(counts[best : best + 1])[0])
        else:
            best = int(np.argmax(now))
            nats = float(now[best])
            if nats < np.log((len(candidates) if chosen else 1) / rate):
                break
        chosen.append(int(candidates[best]))
        beside.append(nats)
        columns, cell = lattice.at(chosen[-1])
        candidates = np.delete(candidates, best)
        if not columns:
            whole = True
            continue
        inside = np.ones(len(row), dtype=bool)
        for column, level in zip(columns, cell, strict=True):
            inside &= codes[column] == level
        left &= ~inside
        if not whole and len(candidates):
            now = evidence(recount(lattice, candidates, codes, row, left))
    # a list of R needs e >= K / (rate R) of each: drop from its end until it holds
    while chosen and min(log_e[at] for at in chosen) < np.log(len(log_e) / (rate * len(chosen))):
        weakest = int(np.argmin([log_e[at] for at in chosen]))
        del chosen[weakest], beside[weakest]
    return chosen, beside


def _excess(counts: Ints, total: Ints) -> Floats:
    """By how many standard errors the change of each segment differs from that of the rows outside of it.

    Of the mean mark of a row: ``counts`` [S, 2, marks + 1] of segments, ``total`` the same of all rows, flat.
    """
    mark = np.arange(counts.shape[2])
    change, variance = np.zeros(len(counts)), np.zeros(len(counts))
    rest = total.reshape(2, -1)[None] - counts
    for sign, part in ((1.0, counts), (-1.0, rest)):
        for side, end in ((-1.0, 0), (1.0, 1)):
            own = part[:, end] + 1.0 / len(mark)  # no side has a variance of zero
            n = own.sum(axis=1)
            mean = own @ mark / n
            change += sign * side * mean
            variance += (own @ mark**2 / n - mean**2) / n
    return np.asarray(np.abs(change) / np.sqrt(np.maximum(variance, 1e-300)))


def _effect(before: Floats, after: Floats) -> tuple[int, int, float, float, float, float]:
    """Rows and means of either side, and the 95 % interval of the difference (Agresti and Caffo for 0 and 1, else Welch)."""
    n, m = len(before), len(after)
    mean, mean_after = (float(side.mean()) if len(side) else float("nan") for side in (before, after))
    if min(n, m) < 2:
        return n, m, mean, mean_after, float("nan"), float("nan")
    if np.isin(before, (0.0, 1.0)).all() and np.isin(after, (0.0, 1.0)).all():
        p, q = (before.sum() + 1) / (n + 2), (after.sum() + 1) / (m + 2)
        middle, se = q - p, np.sqrt(p * (1 - p) / (n + 2) + q * (1 - q) / (m + 2))
    else:
        middle, se = mean_after - mean, np.sqrt(before.var(ddof=1) / n + after.var(ddof=1) / m)
    return n, m, mean, mean_after, float(middle - _Z95 * se), float(middle + _Z95 * se)
