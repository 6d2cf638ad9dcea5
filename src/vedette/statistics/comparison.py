"""What it takes to compare windows with a reference: the same grid, and enough values on both sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.errors import GridError
from vedette.statistics.estimates import Reasons, reasons_of
from vedette.statistics.summary import Summary

__all__ = ["VALUES_MIN", "compared"]

Integers = npt.NDArray[np.int64]

VALUES_MIN = 50
"""With fewer values the limit laws behind the intervals are not to be trusted."""


def compared(current: Summary, reference: Summary | None) -> tuple[Integers, Integers, Reasons]:
    """Counts [W, cells] of windows and [cells] of the reference, zero where there is a reason not to compare.

    Raises ``GridError`` where the grids differ.
    """
    reasons = reasons_of(current)
    n = current.used
    base = np.zeros(current.grid.cells, dtype=np.int64)
    if reference is None:
        reasons.add(np.ones(len(current), dtype=np.bool_), "no reference")
    else:
        if reference.grid != current.grid:
            raise GridError(
                f"current {current.grid.column!r} is counted on grid {current.grid.id}, the reference "
                f"{reference.grid.column!r} on {reference.grid.id}: must be the same grid"
            )
        whole = reference.merged()
        why = reasons_of(whole)
        why.add(whole.used < VALUES_MIN, f"fewer than {VALUES_MIN} finite values", whole.used)
        if why.given[0]:
            reasons.add(np.ones(len(current), dtype=np.bool_), f"in the reference: {why.text[0]}")
        else:
            base = whole.counts[0]
    reasons.add(n < VALUES_MIN, f"fewer than {VALUES_MIN} values to compare", n)
    return np.where(reasons.given[:, np.newaxis], 0, current.counts), base, reasons
