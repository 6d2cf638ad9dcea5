"""Whether numbers of several groups are alike, by their ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["kruskal_p"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def kruskal_p(x: Floats, group: Ints) -> float:
    """The p-value of Kruskal and Wallis' test that ``x`` [n] has one law in every ``group`` [n]; 1 where there is one group.

    Equal numbers have the mean of their ranks.

    >>> round(kruskal_p(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1])), 4)     # scipy.stats.kruskal
    0.1213

    Source: W. H. Kruskal and W. A. Wallis (1952), JASA 47, 583-621.
    """
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    _, place, n = np.unique(group, return_inverse=True, return_counts=True)
    spread = float(ranks.var())
    if len(n) < 2 or not spread > 0.0:
        return 1.0
    means = np.bincount(place, weights=ranks) / n
    h = (len(x) - 1) / len(x) * float((n * (means - ranks.mean()) ** 2).sum()) / spread
    return float(special.chdtrc(len(n) - 1, h))
