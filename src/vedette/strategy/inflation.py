"""How much more the sums of neighbouring rows of a reference vary than those of independent ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special

from vedette.statistics.summary import Summary
from vedette.strategy.records import Floats, Ints
from vedette.strategy.scores import reference_scores
from vedette.strategy.watches import BINS, ROWS_MIN, Plan, with_missing

__all__ = ["batch_numbers", "coarse_counts", "inflation"]

_BATCH_ROWS = 100
_BATCHES_LEAST, _BATCHES_MIN, _BATCHES_MAX = 4, 8, 5000
_LONG_MEMORY = (
    10.0  # an inflation seen with autocorrelations of .8 and more, for which 100 rows are too short
)
_INFLATION_UNKNOWN = 2.5  # that of four batches which show none


def batch_numbers(n_rows: int) -> tuple[Ints, int]:
    """For ``inflation``: the batch of each of ``n_rows`` reference rows in time order, and the number of
    batches.

    Batches of 100 rows; shorter where that would be fewer than 8, longer where it would be more than 5,000.

    >>> batch_numbers(1000)[1], batch_numbers(200)[1]
    (10, 8)
    """
    size = max(min(_BATCH_ROWS, n_rows // _BATCHES_MIN), n_rows // _BATCHES_MAX, 1)
    n_batches = max(n_rows // size, 1)
    return np.minimum(np.arange(n_rows) // size, n_batches - 1), n_batches


def inflation(
    plan: Plan, batches: Mapping[str, Summary], windows: Mapping[str, Summary] | None = None
) -> Floats:
    """v0 [S]: how much more the sums of neighbouring rows vary than those of independent ones, with a margin.

    ``batches`` has for each column the summary of the reference over W batches of consecutive rows
    (``batch_numbers``). v = sum n_b (mean_b - mean)^2 / (W - 1) / variance, times (W - 1)/chi2_.25(W - 1),
    its upper 75 % limit, at least 1. Where v exceeds 10, three batches are taken as one. A column with
    fewer than 4 batches, or none, has 2.5; a row that never varies 1.

    ``windows`` has the same over the reference's windows of time, where the reference has times. Days that
    differ inflate the more, the more rows a window has; hours that differ do not inflate days. So where 8
    windows or more have 50 rows, and the 95 % interval of v over windows does not hold v over batches, the
    windows decide, with the margin of their number. Without batches they decide alone: fewer than 8 say no less than
    2.5, fewer than 4 nothing.

    Source: batch means as in Law (2015), Simulation Modeling and Analysis, section 9.5.3.
    """
    out = np.full(len(plan.key), _INFLATION_UNKNOWN)
    for column in plan.grids:  # or a column in a segment
        part = plan.rows_of(column)
        rows = range(part.start, part.stop)
        if column in batches:
            out[part] = [_by_batches(*one) for one in _sums(plan, rows, batches[column])]
        if windows is not None and column in windows:
            of_windows = _sums(plan, rows, windows[column])
            if column in batches:
                out[part] = [_by_windows(*one, out[row]) for row, one in zip(rows, of_windows, strict=True)]
            else:
                out[part] = [_by_windows_alone(*one) for one in of_windows]
    return out


def coarse_counts(plan: Plan, row: int, summary: Summary) -> tuple[Floats, Ints]:
    """Of a row of a plan the standardised scores of its cells [B], and their counts in each window of a summary [B, W]."""
    scores, coarse = _scored(plan, range(row, row + 1), summary)
    return scores[0], coarse[0]


def _scored(plan: Plan, rows: range, summary: Summary) -> tuple[Floats, Ints]:
    """The same of the rows of a source: [R, B] and [R, B, W]."""
    fine = with_missing(summary).T
    coarse = np.zeros((len(rows), BINS, len(summary)), dtype=np.int64)
    for counts, row in zip(coarse, rows, strict=True):
        cells = plan.cells[row]
        kept = np.flatnonzero(cells >= 0)
        kept = kept[np.argsort(cells[kept], kind="stable")]
        heads = np.flatnonzero(np.diff(cells[kept], prepend=-1))
        counts[cells[kept[heads]]] = np.add.reduceat(fine[kept], heads, axis=0)
    return reference_scores(coarse.sum(axis=2), plan.measure[rows.start : rows.stop]), coarse


def _sums(plan: Plan, rows: range, summary: Summary) -> list[tuple[Floats, Ints]]:
    """Of each row the sums of standardised scores, and how many values, in each window of a summary."""
    scores, coarse = _scored(plan, rows, summary)
    return [(one @ counts, counts.sum(axis=0)) for one, counts in zip(scores, coarse, strict=True)]


def _by_batches(sums: Floats, n: Ints) -> float:
    value, k = _between(sums, n)
    if value * _margin(k, 0.25) > _LONG_MEMORY and len(n) >= 12:
        heads = np.arange(0, len(n) - 2, 3)
        value, k = _between(np.add.reduceat(sums, heads), np.add.reduceat(n, heads))
    return max(1.0, value * _margin(k, 0.25)) if k >= _BATCHES_LEAST else _INFLATION_UNKNOWN


def _by_windows(sums: Floats, n: Ints, by_batches: float) -> float:
    large = n >= ROWS_MIN
    value, k = _between(sums[large], n[large])
    if k < _BATCHES_MIN or value * _margin(k, 0.975) <= by_batches <= value * _margin(k, 0.025):
        return by_batches
    return max(1.0, value * _margin(k, 0.25))


def _by_windows_alone(sums: Floats, n: Ints) -> float:
    large = n >= ROWS_MIN
    value, k = _between(sums[large], n[large])
    if k < _BATCHES_LEAST:
        return _INFLATION_UNKNOWN
    return max(1.0 if k >= _BATCHES_MIN else _INFLATION_UNKNOWN, value * _margin(k, 0.25))


def _between(sums: Floats, n: Ints) -> tuple[float, int]:
    """The variance of the means times rows, in units of the variance of rows, and the number of means."""
    held = n > 0
    k = int(held.sum())
    if k < 2:
        return 1.0, k
    mean = sums.sum() / n.sum()
    return float((np.square(sums[held] - mean * n[held]) / n[held]).sum()) / (k - 1), k


def _margin(k: int, level: float) -> float:
    """(k - 1) / chi2_level(k - 1): an estimated variance times this is its limit at 1 - level."""
    return (k - 1) / (2.0 * float(special.gammaincinv((k - 1) / 2.0, level))) if k > 1 else 1.0
