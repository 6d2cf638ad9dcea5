"""The best way to cut a series into segments, exactly: PELT on cumulative sums.

The best cut has the least sum of the segments' costs (minus twice their log-likelihood) and of a penalty for each
change. F(t) = min over s of F(s) + cost(s, t) + penalty; a start s whose F(s) + cost(s, t) lies above F(t) is never best
again, and is forgotten, so that the answer is exact.

Source: Killick, Fearnhead and Eckley (2012), "Optimal detection of changepoints with a linear computational cost",
JASA 107, theorem 3.1 and the algorithm in section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["COSTS", "Cost", "best_cuts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COSTS = ("mean", "mean_variance", "poisson", "bernoulli")
_VARIANCE_MIN = 1e-8  # of the variance of all rows: what is less is rounding, or rows that are all equal


class Cost:
    """Minus twice the log-likelihood of any segment of ``values`` [n], all finite, in O(1).

    *mean*: rows of one known variance 1, so scale them first; *mean_variance*: normal rows; *poisson*; *bernoulli*. What does
    not depend on how the series is cut is left out.
    """

    def __init__(self, values: Floats, name: str) -> None:
        self.name = name
        if name in ("mean", "mean_variance"):
            values = values - np.median(values)  # sums of squares keep their digits
        self.sums = np.concatenate([[0.0], np.cumsum(values)])
        self.squares = np.concatenate([[0.0], np.cumsum(values * values)])
        self._least = max(_VARIANCE_MIN * float(values.var()), 1e-300) if len(values) else 1e-300

    def __call__(self, start: Ints, stop: Ints | int) -> Floats:
        """Of the segments of rows ``start`` to ``stop`` - 1; no segment is empty."""
        n = np.asarray(stop - start, dtype=np.float64)
        total = self.sums[stop] - self.sums[start]
        if self.name == "poisson":
            return np.asarray(2.0 * (total - special.xlogy(total, total / n)))
        if self.name == "bernoulli":
            rest = n - total
            return np.asarray(-2.0 * (special.xlogy(total, total / n) + special.xlogy(rest, rest / n)))
        left = self.squares[stop] - self.squares[start] - total * total / n
        if self.name == "mean":
            return np.asarray(left)
        return np.asarray(n * (np.log(np.maximum(left / n, self._least)) + 1.0))


def best_cuts(cost: Cost, n: int, penalty: float, min_length: int = 1) -> Ints:
    """Where the segments after the first begin, in the cut of ``n`` rows with the least cost and penalties.

    Segments have ``min_length`` rows or more. A start is forgotten ``min_length`` rows after the row that shows it is
    never best again: until then there is no segment to take its place.

    >>> rows = np.array([0.0, 0.1, -0.1, 0.0, 5.0, 5.1, 4.9, 5.0])
    >>> best_cuts(Cost(rows, "mean"), 8, penalty=3.0).tolist()
    [4]
    """
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    came_from = np.zeros(n + 1, dtype=np.int64)
    starts: Ints = np.zeros(1, dtype=np.int64)
    forget: Ints = np.full(1, n + 1, dtype=np.int64)
    for t in range(min_length, n + 1):
        if t > min_length and np.isfinite(best[t - min_length]):  # a segment may begin there now
            starts = np.append(starts, t - min_length)
            forget = np.append(forget, n + 1)
        alive = forget > t
        if not alive.all():
            starts, forget = starts[alive], forget[alive]
        sums = best[starts] + cost(starts, t)
        at = int(sums.argmin())
        best[t], came_from[t] = sums[at] + penalty, starts[at]
        beaten = sums > best[t]
        forget[beaten] = np.minimum(forget[beaten], t + min_length)
    cuts = []
    t = n
    while t > 0:
        t = int(came_from[t])
        cuts.append(t)
    return np.array(cuts[::-1][1:] if len(cuts) > 1 else [], dtype=np.int64)
