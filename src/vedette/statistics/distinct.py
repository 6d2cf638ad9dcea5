"""The number of distinct values of a column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, check_kind, check_level, reasons_of
from vedette.statistics.hashes import FREE
from vedette.statistics.summary import Summary

__all__ = ["Distinct"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STEPS = 60  # halvings of the logarithm of a count up to 2^63


class Distinct:
    """How many different finite values, or levels, the window held.

    Exact, with the count itself as its interval, while there are fewer than the 256 hashes that a summary keeps.
    Beyond, hashes are as good as uniform numbers: of D values the k-th smallest of them, U in (0, 1), follows
    Beta(k, D - k + 1). The value is (k - 1)/U, whose expectation is D and whose deviation at k = 256 is 6 %; the
    interval holds every D under which neither so small nor so great a U has less than half of 1 - level, and no D
    below k or above the number of rows. It is of the values that came in this window, not of a population that
    they come from. Null, NaN and infinities are no values; -0.0 is 0.0.

    After corrections the count is of all values that ever were there, and where these are more than there are rows,
    there is a reason. Where hashes were not kept, the reason is ``distinct values were not kept``.

    Source: Z. Bar-Yossef, T. S. Jayram, R. Kumar, D. Sivakumar and L. Trevisan (2002), RANDOM 2002, 1-10,
    algorithm 2; K. Beyer, P. J. Haas, B. Reinwald, Y. Sismanis and R. Gemulla (2007), SIGMOD 2007, 199-210
    (unbiased for k - 1, the law of U).

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, numeric_grid, summarise_numeric
    >>> x = np.array([3.0, 3.0, 0.0, -0.0, 7.0, np.nan])
    >>> STATISTICS["distinct"].figures(summarise_numeric(numeric_grid("x", x), x)).value.tolist()
    [3.0]
    """

    name = "distinct"
    kinds: tuple[str, ...] = ("numeric", "category", "latency")
    needs_reference = False
    needs_hashes = True  # they are most of a stored summary, and read for those alone that say so

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The number by window; ``ValueError`` for a summary of quality or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        tail = (1 - check_level(level)) / 2
        reasons, n, room = reasons_of(current), current.used, current.hashes.shape[1]
        reasons.add(np.full(len(current), room == 0), "distinct values were not kept")
        held = (current.hashes != FREE).sum(axis=1).astype(np.int64)
        reasons.add(held == 0, "distinct values were not kept")
        reasons.add(held > n, "values were taken back, and which are left is not known")
        value, low, high = (held.astype(np.float64) for _ in range(3))
        full = np.flatnonzero((held == room) & (n > room) & ~reasons.given)
        if len(full):
            most = n[full].astype(np.float64)
            u = (current.hashes[full, -1].astype(np.float64) + 1.0) / 2.0**64
            value[full] = np.clip((room - 1) / u, room, most)
            low[full] = np.minimum(_least(u, room, most, tail), most)
            high[full] = np.maximum(_least(u, room, most, 1 - tail) - 1, room)
        return Estimates.of(value, low, high, n, reasons)


def _least(u: Floats, k: int, most: Floats, chance: float) -> Floats:
    """The least D from k to most + 1 of which the k-th smallest hash lies below u with at least this chance."""
    low, high = np.full(len(u), float(k)), most + 1
    for _ in range(STEPS):
        middle = np.floor(np.sqrt(low) * np.sqrt(high))
        middle = np.where((middle <= low) & (high - low > 1), low + 1, middle)
        enough = special.betainc(float(k), middle - k + 1, u) >= chance
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        if (high - low <= 1).all():
            break
    first = special.betainc(float(k), np.ones(len(u)), u) >= chance
    return np.where(first, float(k), high)
