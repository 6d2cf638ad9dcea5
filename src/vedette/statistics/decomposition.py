"""Why a mean moved: other rows came (mix), or the same rows fare differently (within), exactly and by segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from vedette.statistics.cells import Cells, Floats, sampling_variance

__all__ = ["Decomposition", "Part", "decompose"]

_Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Part:
    """One term of a decomposition with its interval; ``low`` and ``high`` are NaN where nothing varies."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The change of a mean, ``after - before``, in parts that add up to it.

    ``mix`` comes of segments that were there before and are there after, ``within`` of what changed inside of
    them; ``new`` are segments that only came after, ``vanished`` those that were there before alone. The same by segment:
    ``mix_by`` and ``within_by`` float64[S] with their standard errors; the ``new`` and ``vanished`` segments have their
    part in ``mix_by``, and ``status`` of each says which it is: both, new, vanished or empty.
    """

    before: float
    after: float
    total: Part
    mix: Part
    within: Part
    new: Part
    vanished: Part
    mix_by: Floats
    within_by: Floats
    mix_se: Floats
    within_se: Floats
    status: tuple[str, ...]


def decompose(before: Cells, after: Cells, level: float = 0.95) -> Decomposition:
    """The change of a mean from before to after as mix and within, segment by segment.

    With q_s, q'_s the shares of segment s before and after, m_s, m'_s its means and m the mean of all rows before:

    m' - m = sum_s (q'_s - q_s)(m_s - m) + sum_s q'_s (m'_s - m_s).

    It is an identity: the parts add up to the change up to rounding. A segment that only came after has no m_s: its
    part is q'_s (m'_s - m), a change of the mix; one that vanished has -q_s (m_s - m). Both are said apart. What a segment
    does to the mean by being larger or smaller is measured against the mean of all rows, so shares and means may be moved
    by any constant. Intervals are normal with the standard error of the delta method; rows are taken as independent.

    Raises ``ValueError`` where a side has no rows, the sides have different segments, or the level is not in (0, 1).

    >>> one = decompose(Cells(*np.array([[80.0, 20], [8, 10], [8, 10]])), Cells(*np.array([[50.0, 50], [5, 25], [5, 25]])))
    >>> round(one.total.value, 12), round(one.mix.value, 12), round(one.within.value, 12)     # .18 to .30 by the mix alone
    (0.12, 0.12, 0.0)
    """
    if before.n.shape != after.n.shape:
        raise ValueError(f"{len(before.n)} segments before, {len(after.n)} after: must be the same segments")
    if not (before.n.sum() > 0 and after.n.sum() > 0):
        raise ValueError("decomposition of a change: either side must have rows")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: must lie between 0 and 1, such as 0.95")
    there, there_after = before.n > 0, after.n > 0
    size = len(before.n)

    def figure(n: _Complex, total: _Complex, n_after: _Complex, total_after: _Complex) -> _Complex:
        share, share_after = _shares(n), _shares(n_after)
        mean = _means(total, n, there)
        mean_after = _means(total_after, n_after, there_after)
        whole = total.sum(axis=-1, keepdims=True) / n.sum(axis=-1, keepdims=True)
        old = np.where(there, mean, mean_after)  # a new segment fares as it does
        mix = (share_after - share) * (old - whole)
        within = np.where(there & there_after, share_after * (mean_after - mean), 0.0)
        groups = (
            (mix, there & there_after),
            (within, there & there_after),
            (mix, there_after & ~there),
            (mix, there & ~there_after),
        )
        sums = [(part * mask).sum(axis=-1, keepdims=True) for part, mask in groups]
        whole_after = total_after.sum(axis=-1, keepdims=True) / n_after.sum(axis=-1, keepdims=True)
        return np.concatenate([whole_after - whole, *sums, mix, within], axis=-1)

    point = [one.astype(np.complex128)[None] for one in (before.n, before.total, after.n, after.total)]
    value = figure(*point)[0].real
    se = np.sqrt(sampling_variance(figure, before, after))
    z = float(ndtri((1 + level) / 2))
    total, mix, within, new, vanished = (
        Part(float(v), float(v - z * s), float(v + z * s)) for v, s in zip(value[:5], se[:5], strict=True)
    )
    status = {(True, True): "both", (False, True): "new", (True, False): "vanished", (False, False): "empty"}
    return Decomposition(
        float(before.total.sum() / before.n.sum()),
        float(after.total.sum() / after.n.sum()),
        total,
        mix,
        within,
        new,
        vanished,
        mix_by=value[5 : 5 + size],
        within_by=value[5 + size :],
        mix_se=se[5 : 5 + size],
        within_se=se[5 + size :],
        status=tuple(status[bool(a), bool(b)] for a, b in zip(there, there_after, strict=True)),
    )


def _shares(n: _Complex) -> _Complex:
    return np.asarray(n / n.sum(axis=-1, keepdims=True))


def _means(total: _Complex, n: _Complex, there: npt.NDArray[np.bool_]) -> _Complex:
    """The means of the segments that have rows, 0 for the others."""
    return np.asarray(np.where(there, total / np.where(there, n, 1.0), 0.0))
