"""Quantiles of a column, and of the latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import Estimates, check_kind, check_level, reasons_of
from vedette.statistics.intervals import quantile_ranks
from vedette.statistics.summary import Summary

__all__ = ["Quantile"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value that a share ``p`` of the finite values does not exceed, in the unit of the column.

    The order statistic of rank ceil(p n), read off the cells: the cell that holds the rank is known, and the
    value is put at the place of the rank within it. It is off by less than the width of the cell (a discrete
    column: exact; a latency: 8.5 %). The interval runs between the order statistics that hold the quantile
    with the level asked for by the binomial distribution, widened to the bounds of their cells; it is exact
    or wider for every distribution of independent rows. Too few values to bound it,
    log((1-level)/2)/log(max(p, 1-p)) or less, are a reason: 368 for p99.

    Source: W. R. Thompson (1936), Annals of Mathematical Statistics 7, 122-128.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.repeat(np.arange(1.0, 11.0), 10)
    >>> figures = STATISTICS["p50"].figures(summarise_numeric(numeric_grid("x", x), x))
    >>> figures.value.tolist(), figures.low.tolist(), figures.high.tolist()  # order statistics 50, 40, 61
    ([5.0], [4.0], [7.0])
    """

    name: str
    p: float
    kinds: tuple[str, ...] = ("numeric", "vector")
    needs_reference: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.p < 1.0:
            raise ValueError(f"p={self.p}: must lie between 0 and 1")

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The quantile by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        tail = (1 - check_level(level)) / 2
        reasons = reasons_of(current)
        n = np.where(reasons.given, 0, current.used)
        low_rank, high_rank = quantile_ranks(n, self.p, level)
        least = int(np.ceil(np.log(tail) / np.log(max(self.p, 1 - self.p))))
        reasons.add((low_rank < 1) | (high_rank > n), f"fewer than {least} finite values", n)
        cumulated = np.cumsum(np.where(reasons.given[:, np.newaxis], 0, current.counts), axis=1)
        # a hair less, since p * n in floats can come out above the whole number that it is
        rank = np.clip(np.ceil(self.p * n * (1 - 1e-12)).astype(np.int64), 1, np.maximum(n, 1))
        lower, upper = current.grid.bounds
        cell = _cell_of(cumulated, rank)
        start, end = _bounded(lower, cell, current), _bounded(upper, cell, current)
        inside = np.take_along_axis(current.counts, cell[:, np.newaxis], axis=1)[:, 0]
        before = np.take_along_axis(cumulated, cell[:, np.newaxis], axis=1)[:, 0] - inside
        place = (rank - before - 0.5) / np.maximum(inside, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            value = start + place * (end - start)
        low = _bounded(lower, _cell_of(cumulated, low_rank), current)
        high = _bounded(upper, _cell_of(cumulated, high_rank), current)
        return Estimates.of(value, low, high, n, reasons)


def _cell_of(cumulated: Integers, rank: Integers) -> Integers:
    """The cell that holds each window's value of a rank, given counts cumulated over cells."""
    cell = (cumulated < rank[:, np.newaxis]).sum(axis=1)
    return cast(Integers, np.minimum(cell, cumulated.shape[1] - 1))


def _bounded(bounds: Floats, cell: Integers, current: Summary) -> Floats:
    """A bound of each window's cell, no further out than the window's least and greatest value."""
    return np.clip(bounds[cell], current.minimum, current.maximum)
