"""Whether a reference can say anything of a window: how many of its rows are unlike any row of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.unlabelled.tables import Table, Windows, score_steps

__all__ = ["EFFECTIVE_MIN", "OUTSIDE_MAX", "Support", "support_of", "support_of_cells"]

Floats = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]

OUTSIDE_MAX = 0.1
"""Of the rows of a window, how many may be outside; what their labels are is not known, which the interval says."""

EFFECTIVE_MIN = 100.0
"""Rows of the reference, of equal weight, that an estimate must rest on at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """Of W windows, the share of rows ``outside`` float64 [W] of what the reference has seen, and the ``effective``
    number float64 [W] of its rows that an estimate rests on."""

    outside: Floats
    effective: Floats

    @property
    def reasons(self) -> Objects:
        """Why windows have no estimate, object [W]; None where they have one."""
        out = np.full(len(self.outside), None, dtype=np.object_)
        for window in np.flatnonzero(self.effective < EFFECTIVE_MIN):
            out[window] = f"no estimate, it would rest on {self.effective[window]:.0f} rows of the reference"
        for window in np.flatnonzero(self.outside > OUTSIDE_MAX):
            out[window] = (
                f"no estimate, {self.outside[window]:.0%} of the rows outside the reference's support"
            )
        out[np.isnan(self.outside)] = "no rows"
        return out


def support_of(reference: Table, windows: Windows) -> Support:
    """How far windows lie within the reference, from counts.

    A row is outside where the reference has no row of its leaf, step of scores and prediction; the last leaf of a
    ``Partition`` is of rows with a value that the reference has not. With n rows of the window and N of the reference in
    a cell, the reference's rows count n/N each, and as much as n^2/sum(n^2/N) of equal weight (Kish 1965).

    >>> reference = Table(np.full((2, 1, 2, 2), 500), np.array([0.5]))
    >>> empty = Table(np.array([[[[500, 500], [500, 500]]], [[[0, 0], [0, 0]]]]), np.array([0.5]))
    >>> window = Windows(np.array([[[[40, 23]], [[20, 17]]]]))
    >>> support_of(reference, window).reasons[0], support_of(empty, window).reasons[0]
    (None, "no estimate, 37% of the rows outside the reference's support")
    """
    step = score_steps(reference)
    first = np.flatnonzero(np.diff(step, prepend=-1))
    held = np.add.reduceat(reference.counts.sum(axis=3), first, axis=1).astype(np.float64)
    n = np.add.reduceat(windows.counts, first, axis=2).astype(np.float64)
    cells = len(held.ravel())
    return support_of_cells(n.reshape(-1, cells), held.ravel())


def support_of_cells(counts: Floats, held: Floats) -> Support:
    """The like of windows with ``counts`` float64 [W, cells], where the reference has ``held`` float64 [cells] rows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        outside = (counts * (held == 0)).sum(axis=1) / counts.sum(axis=1)
        inside = (counts * (held > 0)).sum(axis=1)
        effective = inside**2 / (counts**2 / np.where(held > 0, held, np.inf)).sum(axis=1)
    return Support(outside, np.where(np.isfinite(effective), effective, 0.0))
