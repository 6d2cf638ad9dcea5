"""Did the inputs move or did their meaning: a change of a mean loss as covariate shift, concept shift, and what is new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from vedette.statistics.cells import Cells, sampling_variance
from vedette.statistics.decomposition import Part

__all__ = ["ROWS_SHARED", "Concept", "concept"]

_Complex = npt.NDArray[np.complex128]

ROWS_SHARED = 20
"""Rows that a cell needs on either side to be compared: with fewer its mean is noise and its weight a guess."""


@dataclass(frozen=True, slots=True)
class Concept:
    """The change of a mean loss in three parts that add up to ``total``.

    ``covariate``: other inputs came, within what both sides have; ``concept``: the same inputs fare differently;
    ``outside``: inputs that one side alone has (or nearly so). ``shared_before`` and ``shared_after`` are the shares of
    either side's rows that can be compared. The parts are NaN, with a ``reason``, where nothing is shared.
    """

    total: Part
    covariate: Part
    concept: Part
    outside: Part
    shared_before: float
    shared_after: float
    reason: str | None = None


def concept(before: Cells, after: Cells, level: float = 0.95, rows_shared: int = ROWS_SHARED) -> Concept:
    """Split the change of a mean loss over cells of the inputs (segments, leaves of a tree): DISDE on cells.

    With p_x, q_x the shares of cell x before and after among the cells that both have, R_x and R'_x its mean losses,
    and the shared law s_x in proportion to p_x q_x / (p_x + q_x), which lives where both do:

    covariate = sum_x (s_x - p_x) R_x + sum_x (q_x - s_x) R'_x,    concept = sum_x s_x (R'_x - R_x),

    and outside is the rest: what the cells that are not shared add to the mean of either side. An identity: the parts
    add up to the change up to rounding. Within a cell inputs may differ too, so that cells which are too wide give to
    concept what is covariate. Intervals are those of the delta method; cells with fewer than ``rows_shared`` rows on a
    side count as outside.

    Raises ``ValueError`` as ``decompose`` does. Source: T. Cai, H. Namkoong and S. Yadlowsky (2023), Diagnosing model
    performance under distribution shift, arXiv 2303.02011, equations 1 and 2.

    >>> before = Cells(*np.array([[800.0, 200], [80, 100], [80, 100]]))
    >>> moved = Cells(*np.array([[500.0, 500], [50, 250], [50, 250]]))
    >>> found = concept(before, moved)
    >>> round(found.total.value, 12), round(found.covariate.value, 12), abs(round(found.concept.value, 12))
    (0.12, 0.12, 0.0)
    """
    if before.n.shape != after.n.shape:
        raise ValueError(f"{len(before.n)} cells before, {len(after.n)} after: must be the same cells")
    if not (before.n.sum() > 0 and after.n.sum() > 0):
        raise ValueError("change of a loss: either side must have rows")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: must lie between 0 and 1, such as 0.95")
    shared = (before.n >= rows_shared) & (after.n >= rows_shared)
    n = before.n[shared].sum() / before.n.sum(), after.n[shared].sum() / after.n.sum()

    def figure(n: _Complex, total: _Complex, n_after: _Complex, total_after: _Complex) -> _Complex:
        whole = total.sum(axis=-1) / n.sum(axis=-1)
        whole_after = total_after.sum(axis=-1) / n_after.sum(axis=-1)
        if not shared.any():
            nothing = np.full_like(whole, np.nan)
            return np.stack([whole_after - whole, nothing, nothing, nothing], axis=-1)
        own, own_after = n[..., shared], n_after[..., shared]
        p, q = (one / one.sum(axis=-1, keepdims=True) for one in (own, own_after))
        s = p * q / (p + q)
        s = s / s.sum(axis=-1, keepdims=True)
        loss, loss_after = total[..., shared] / own, total_after[..., shared] / own_after
        covariate = ((s - p) * loss + (q - s) * loss_after).sum(axis=-1)
        meaning = (s * (loss_after - loss)).sum(axis=-1)
        within = (q * loss_after - p * loss).sum(axis=-1)
        outside = whole_after - whole - within if bool((before.n + after.n)[~shared].any()) else 0.0 * whole
        return np.stack([whole_after - whole, covariate, meaning, outside], axis=-1)

    point = [one.astype(np.complex128)[None] for one in (before.n, before.total, after.n, after.total)]
    value = figure(*point)[0].real
    se = np.sqrt(sampling_variance(figure, before, after))
    z = float(ndtri((1 + level) / 2))
    total, covariate, meaning, outside = (
        Part(float(v), float(v - z * e), float(v + z * e)) for v, e in zip(value, se, strict=True)
    )
    reason = None if shared.any() else f"no cell has {rows_shared} rows on either side"
    return Concept(total, covariate, meaning, outside, float(n[0]), float(n[1]), reason)
