"""Small cells suppressed: counts of fewer than ``k`` rows, and as many others as it takes that they cannot be reckoned back.

A count that is hidden beside a published sum is the sum less what is shown. So more cells are hidden until every one that had
to be is known no better than to an interval ``k`` wide, whatever is added or taken away of what is published:

* along a *line* of cells with a published sum, h hidden ones sum up to S, and none is 0: each is known to lie in [1, S - h + 1],
  where there are two or more. That is made ``k`` wide at least;
* in a *table* with published sums of rows and columns, a whole block of rows and columns is hidden, in which each cell is known
  to lie in [max(0, r + c - N), min(r, c)] by the block's row sum, column sum and total (Fréchet's bounds, which are reached). The
  block grows by the row or column of the least sum until that is ``k`` wide for each small cell.

Sources: L. Willenborg, T. de Waal, Elements of Statistical Disclosure Control (2001), chapter 4; M. Fréchet, Sur les tableaux de
corrélation dont les marges sont données (1951).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["hidden_in_line", "hidden_in_table"]

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def hidden_in_line(counts: Counts, k: int) -> Mask:
    """Which of some counts with a published sum are hidden: those from 1 to ``k - 1``, and the smallest others if need be.

    ``counts`` [N] of rows, 0 or more; ``k`` 1 or more. A count of no rows is shown, as nobody is in it, where it need not help.
    All are hidden where they are fewer than ``k`` together. Raises ``ValueError`` for a negative count or ``k`` below 1.

    >>> hidden_in_line(np.array([100, 3, 40, 0, 70]), 10).tolist()
    [False, True, True, False, False]
    """
    _check(counts, k)
    hidden = (counts > 0) & (counts < k)
    if not hidden.any():
        return hidden
    for at in np.argsort(np.where(counts > 0, counts, np.iinfo(np.int64).max), kind="stable"):
        n = int(hidden.sum())
        if n >= 2 and counts[hidden].sum() - n >= k:
            break
        hidden[at] = True
    return hidden


def hidden_in_table(counts: Counts, k: int) -> Mask:
    """Which cells of a table with published sums of its rows and columns are hidden: a block that covers all small ones.

    ``counts`` [rows, columns], 0 or more. Where no block protects them all cells are hidden. A table of one row or one column
    is a line. Cells of 0 within the block are hidden with it. Raises ``ValueError`` as :func:`hidden_in_line`.

    >>> hidden_in_table(np.array([[50, 3, 40], [60, 70, 80], [30, 20, 90]]), 10).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0], [1, 1, 0]]
    """
    _check(counts, k)
    if 1 in counts.shape:
        return hidden_in_line(counts.reshape(-1), k).reshape(counts.shape)
    small = (counts > 0) & (counts < k)
    rows, columns = np.asarray(small.any(axis=1)), np.asarray(small.any(axis=0))
    while small.any():
        block = np.ix_(rows, columns)
        if _narrowest(counts[block], small[block]) >= k or (rows.all() and columns.all()):
            break
        row, column = _least(counts.sum(axis=1), rows), _least(counts.sum(axis=0), columns)
        # the side that is shorter grows first: a block of one row or column protects nothing
        if column is None or (row is not None and rows.sum() <= columns.sum()):
            rows[row] = True
        else:
            columns[column] = True
    return np.asarray(rows[:, np.newaxis] & columns[np.newaxis, :])


def _least(sums: Counts, taken: Mask) -> int | None:
    """The free row or column of the least sum that is not 0, of 0 where there is no other; None where all are taken."""
    free = np.flatnonzero(~taken)
    if not len(free):
        return None
    own = np.where(sums[free] > 0, sums[free], np.iinfo(np.int64).max)
    return int(free[np.argmin(own)])


def _narrowest(block: Counts, small: Mask) -> int:
    """The width of the narrowest interval in which a small cell of a hidden block is known to lie."""
    r, c = block.sum(axis=1, keepdims=True), block.sum(axis=0, keepdims=True)
    width = np.minimum(r, c) - np.maximum(0, r + c - block.sum())
    return int(width[small].min())


def _check(counts: Counts, k: int) -> None:
    if k < 1:
        raise ValueError(f"k={k}: must be 1 or more")
    if counts.size and counts.min() < 0:
        raise ValueError(f"counts: {counts.min()} is among them: must be 0 or more")
