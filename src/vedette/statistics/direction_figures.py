"""How far the vectors of windows moved from the reference's, read off their summaries."""

from __future__ import annotations

import numpy as np

from vedette.statistics.comparison import compared
from vedette.statistics.direction_grid import directions_of
from vedette.statistics.direction_shift import direction_shifts
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.summary import Summary

__all__ = ["DirectionShift"]


class DirectionShift:
    """One distance of a column's vectors from those of the reference: ``mmd_sd``, ``mean_shift_sd`` or ``covariance_change``.

    What each means, its unit and its sources stand in ``direction_shifts``, which computes it. Of a text column the vectors are
    the shares of its character n-grams (``text_sketch``). Summaries keep the means and variances of features; how features go
    together is what it was in the pilot rows. A window in which they go together otherwise has its value all the same, and
    an interval that is right for the variances it has, not for their mix.

    Under 50 vectors on either side are a reason.

    >>> from vedette.statistics.direction_grid import directions_grid, summarise_vectors
    >>> rows = np.random.default_rng(0).normal(size=(6000, 4))
    >>> grid = directions_grid("emb", rows[:1000])
    >>> before = summarise_vectors(grid, rows[1000:3500], np.ones(2500, bool))
    >>> now = summarise_vectors(grid, rows[3500:] + [0.5, 0, 0, 0], np.ones(2500, bool))
    >>> found = DirectionShift("mean_shift_sd").figures(now, before)
    >>> bool(found.low[0] < 0.5 < found.high[0])
    True
    """

    kinds: tuple[str, ...] = ("directions",)
    needs_reference = True

    def __init__(self, name: str) -> None:
        self.name = name

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:
        """The distance by window; a reference of several windows counts as one.

        Raises ``GridError`` where the grids differ, ``ValueError`` for a level outside (0, 1) or another kind of summary.
        """
        check_kind(self.name, self.kinds, current)
        check_level(level)
        _, _, reasons = compared(current, reference)
        n_windows = len(current)
        value, low, high = (np.full(n_windows, np.nan) for _ in range(3))
        if reference is not None and not reasons.given.all():
            of_reference = directions_of(reference.merged(), 0)
            for window in np.flatnonzero(~reasons.given).tolist():
                one = direction_shifts(directions_of(current, window), of_reference, level)[self.name]
                value[window], low[window], high[window] = one.value, one.low, one.high
                if one.reason is not None:
                    reasons.add(np.arange(n_windows) == window, one.reason)
        return Estimates.of(value, low, high, current.used, reasons)
