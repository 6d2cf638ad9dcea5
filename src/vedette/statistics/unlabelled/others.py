"""Estimates in a segment that has no record of its own: what estimates were off by in the other segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import check_level
from vedette.statistics.unlabelled.backtest import Followed
from vedette.statistics.unlabelled.interval import limits
from vedette.statistics.unlabelled.support import Support
from vedette.statistics.unlabelled.tables import Measure

__all__ = ["SEGMENTS_MIN", "Others", "others_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

SEGMENTS_MIN = 5
"""Segments whose labels must have come before they say what another may be off by: of fewer the spread is hardly known."""


@dataclass(frozen=True, slots=True)
class Others:
    """What estimates of a metric were off by in the windows of segments whose labels have come.

    ``n`` windows of ``segments`` segments, each off by its own: ``level`` on average, with the ``variance`` of a segment's
    about that, what windows differ by in it, and the level's own noise. ``reach`` is Student's quantile of the segments.
    ``off`` is the mean of |realised - value| and ``held`` the share of windows within the limits that all this gives.
    """

    n: int
    segments: int
    level: float
    variance: float
    reach: float
    off: float
    held: float

    def tell(self, metric: str, name: str, measure: Measure, support: Support) -> Followed:
        """The windows of another segment as the estimator ``name`` measures them, with this record."""
        reasons = support.reasons
        n = len(reasons)
        spread = measure.outcome + measure.weights + self.variance
        value, low, high = limits(metric, measure.value + self.level, spread, np.full(n, self.reach))
        reasons[(reasons == None) & np.isnan(value)] = "no rows to take it of"  # noqa: E711  (by element)
        good = reasons == None  # noqa: E711  (by element)
        value, low, high, spread, reach = (
            np.where(good, part, np.nan) for part in (value, low, high, spread, np.full(n, self.reach))
        )
        return Followed(
            value,
            low,
            high,
            spread,
            reach,
            np.full(n, name, dtype=np.object_),
            np.full(n, self.n),
            np.full(n, self.off),
            np.full(n, self.held),
            np.zeros(n, dtype=np.bool_),
            reasons,
        )


def others_of(
    error: npt.ArrayLike, chance: npt.ArrayLike, segment: npt.ArrayLike, level: float = 0.9
) -> Others | None:
    """What errors of windows say of a segment that is none of theirs; None of fewer than five segments.

    ``error`` float64 [N] is realised less estimated, ``chance`` float64 [N] the variance that chance gives it, ``segment``
    int64 [N] whose window it is. Segments count alike, however many windows they have: with m_s the mean error of segment s
    the level is their mean m, and the variance that of (error - m)^2 - chance, averaged within segments and then over them,
    times (S + 1)/(S - 1): S/(S - 1) for the mean taken out, (S + 1)/S for the one that is added. It is 0 at least. A
    segment is taken to be like the others, drawn with them; which windows come when is not looked at.

    Raises ``ValueError`` where lengths differ or an error is not finite.

    Source: R. DerSimonian and N. Laird (1986), Controlled Clinical Trials 7, 177-188 (effects that differ, by moments).

    >>> errors = [0.1, 0.1, -0.1, -0.1, 0.0, 0.2, -0.2]
    >>> found = others_of(errors, [0.0] * 7, [0, 0, 1, 1, 2, 3, 4])     # means 0.1, -0.1, 0, 0.2, -0.2
    >>> found.segments, round(found.level, 9), round(found.variance, 9)      # 0.02 * 6/4
    (5, 0.0, 0.03)
    """
    check_level(level)
    off, given = np.asarray(error, dtype=np.float64), np.asarray(chance, dtype=np.float64)
    names, at = np.unique(np.asarray(segment), return_inverse=True)
    if off.ndim != 1 or not off.shape == given.shape == at.shape:
        raise ValueError(f"error {off.shape}, chance {given.shape}, segment {at.shape}: must be [N] each")
    if not (np.isfinite(off).all() and np.isfinite(given).all()):
        raise ValueError("error and chance: must be finite")
    n_segments = len(names)
    if n_segments < SEGMENTS_MIN:
        return None
    windows = np.bincount(at)
    middle = float((np.bincount(at, off) / windows).mean())
    apart = float((np.bincount(at, (off - middle) ** 2 - given) / windows).mean())
    variance = max(apart, 0.0) * (n_segments + 1) / (n_segments - 1)
    reach = float(special.stdtrit(n_segments - 1, (1 + level) / 2))
    left = np.abs(off - middle)
    held = float((left <= reach * np.sqrt(given + variance)).mean())
    return Others(len(off), n_segments, middle, variance, reach, float(left.mean()), held)
