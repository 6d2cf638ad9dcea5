"""Shares of rows that come in clusters: boxes of an image, labels of a row. Rows of a cluster hang together, clusters do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.intervals import FEW, share
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["CLUSTERS_MIN", "Clustered", "effective_rows", "jaccard_to_f1"]

Floats = npt.NDArray[np.float64]

CLUSTERS_MIN = 10
"""With fewer clusters there is no telling how much rows of one hang together."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """Sums over clusters with h hits among r rows each: how many have rows, and sums of h, r, h^2, h r and r^2.

    All are whole numbers: adding two gives those of all clusters exactly, whatever the order.

    >>> Clustered.of(np.array([1, 2, 0]), np.array([2, 2, 0])) + Clustered.of(np.array([0]), np.array([3]))
    Clustered(clusters=3, hits=3, rows=7, hits_2=5, hits_rows=6, rows_2=17)
    """

    clusters: int
    hits: int
    rows: int
    hits_2: int
    hits_rows: int
    rows_2: int

    @classmethod
    def of(cls, hits: npt.ArrayLike, rows: npt.ArrayLike) -> Clustered:
        """Those of clusters with these hits among these rows, [N] each."""
        h, r = np.asarray(hits, dtype=np.int64), np.asarray(rows, dtype=np.int64)
        sums = (h.sum(), r.sum(), h @ h, h @ r, r @ r)
        return cls(int((r > 0).sum()), *(int(one) for one in sums))

    def __add__(self, other: Clustered) -> Clustered:
        """Those of both sets of clusters."""
        if not isinstance(other, Clustered):
            return NotImplemented
        return Clustered(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def share(self, level: float, clusters: str = "clusters", rows: str = "rows") -> Measured:
        """hits/rows, with the interval of a share of ``effective_rows``; ``n`` counts rows.

        No rows, or fewer than 10 clusters with any, are a reason, in the words that are given for both.
        """
        if not self.rows:
            return unknown(f"no {rows}")
        if self.clusters < CLUSTERS_MIN:
            return unknown(f"fewer than {CLUSTERS_MIN} {clusters} with {rows}: {self.clusters}", self.rows)
        p, size = self.hits / self.rows, effective_rows(self, level)
        low, high = share(p * size, size, level)
        sure = min(p, 1 - p) * size >= FEW
        return Measured.of(p, float(low), float(high), self.rows, None if sure else CONSERVATIVE)


def effective_rows(of: Clustered, level: float) -> float:
    """How many independent rows the share hits/rows of clusters is as sure as; never more than there are rows.

    p (1 - p)/V times (z/t)^2, where V = m/(m - 1) sum (h - p r)^2/(sum r)^2 over m clusters, z is the normal quantile and t
    Student's on m - 1 degrees of freedom. Where all rows are hits, or none is, nothing is known of V, and clusters count as
    one row each.

    Source: E. L. Korn and B. I. Graubard (1998), Survey Methodology 24, 193-201.

    >>> whole = Clustered.of([4] * 10 + [0] * 10, [4] * 20)     # rows of a cluster are all alike: as sure as 20 less one
    >>> z, t = special.ndtri(0.975), special.stdtrit(19, 0.975)
    >>> round(float(effective_rows(whole, 0.95) / (z / t) ** 2), 9)
    19.0
    """
    m, p = of.clusters, of.hits / of.rows
    squares = of.hits_2 - 2 * p * of.hits_rows + p**2 * of.rows_2
    variance = m / (m - 1) * squares / of.rows**2
    if min(of.hits, of.rows - of.hits) == 0 or variance <= 0:
        return float(m if min(of.hits, of.rows - of.hits) == 0 else of.rows)
    tail = (1 + level) / 2
    ratio = float(special.ndtri(tail) / special.stdtrit(m - 1, tail))
    return float(min(p * (1 - p) / variance * ratio**2, of.rows))


def jaccard_to_f1(found: Measured, n: int) -> Measured:
    """F1 from the share J of what is right among all that is there or was found: F1 = 2J/(1 + J), limits as well.

    >>> jaccard_to_f1(Measured.of(0.5, 0.2, 1.0, 12), 16).value     # 2/3
    0.6666666666666666
    """
    if not found.known:
        return unknown(found.reason or "", n)
    value, low, high = (2 * one / (1 + one) for one in (found.value, found.low, found.high))
    return Measured.of(value, low, high, n, found.note)
