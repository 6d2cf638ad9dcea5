"""Labels that came and estimates of the rest in one figure: prediction-powered, and the label-free figure where few came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import check_level
from vedette.statistics.unlabelled.interval import limits
from vedette.statistics.unlabelled.metrics import Pull, pull_of

__all__ = ["Blended", "blend", "blend_tables"]

Floats = npt.NDArray[np.float64]

DOUBT_ROWS = 50.0
"""As many labels' worth the variance of what labels say is taken from the chances: of a handful all may be alike."""


@dataclass(frozen=True, slots=True, eq=False)
class Blended:
    """A metric over W windows some of whose labels have come, float64 [W] each.

    ``value`` lies between ``low`` and ``high``; ``labelled`` is the share of rows with a label, ``power`` (lambda) how far
    the chances helped to read the labels, ``weight`` what the labels count for against the label-free figure.
    """

    value: Floats
    low: Floats
    high: Floats
    labelled: Floats
    power: Floats
    weight: Floats


def blend(
    metric: str,
    counts: npt.ArrayLike,
    labelled: npt.ArrayLike,
    chance: npt.ArrayLike,
    scores: npt.ArrayLike,
    free: npt.ArrayLike,
    variance: npt.ArrayLike,
    *,
    squares: npt.ArrayLike | None = None,
    reach: npt.ArrayLike | None = None,
    level: float = 0.9,
) -> Blended:
    """What the metric will be once all labels of a window have come.

    ``counts`` [W, score bin, prediction] are all rows of the windows, ``labelled`` [W, score bin, prediction, label] those
    whose label has come; ``chance`` [bin, prediction] that of label 1. ``free`` and ``variance`` [W] are the label-free
    figure and its variance (``Followed``). With n of N rows labelled, T = lambda E + (N/n)(L - lambda E_L) are the counts
    that labels and chances together expect: E by the chances of all rows, E_L of those labelled, L what labels say. The
    metric is read off T; to first order it is the prediction-powered mean of each row's pull on it, with the variance
    (1 - n/N) var(pull - lambda expected pull)/n, and lambda = cov/var(expected pull) within [0, 1] makes that least. It
    and the label-free figure are weighed by the inverse of their variances: without labels the figure is the label-free
    one, with all of them the plain one of the labels, bit for bit. The interval's variance is that of the mean of both,
    and (n/N) var(pull)/N for what the window itself is a sample of, so that it passes into that of the plain figure.

    Labels are taken to come whatever the row; where they come by a known chance that differs, ``labelled`` are sums of
    inverse chances, ``squares`` of their squares, and n is the effective number (sum w)^2/sum w^2.

    ``reach`` [W] is how many of its standard deviations the label-free figure has proved to be off by at ``level``
    (``Followed``), the normal quantile where not given. What it goes beyond that quantile widens the label-free figure's
    variance, before both are weighed: labels count for more against an estimate that errs by more than it says, and what
    they say themselves is as sure as before. Without labels the limits are those of the label-free figure.

    Raises ``ValueError`` where shapes do not fit or labelled rows are more than rows.

    Sources: A. N. Angelopoulos, J. C. Duchi and T. Zrnic (2023), arXiv 2311.01453 (PPI++); C.-E. Särndal, B. Swensson
    and J. Wretman (1992), Model Assisted Survey Sampling, 6.3 (difference estimator, finite population).

    >>> counts, chance = np.array([[[50.0, 0.0], [0.0, 50.0]]]), np.array([[0.1, 0.5], [0.5, 0.8]])
    >>> some = np.zeros((1, 2, 2, 2))
    >>> blend("accuracy", counts, some, chance, [0.2, 0.7], [0.85], [1e-3]).value.tolist()     # no labels
    [0.85]
    >>> some[0, 0, 0], some[0, 1, 1] = [40, 10], [30, 20]
    >>> blend("accuracy", counts, some, chance, [0.2, 0.7], [0.85], [1e-3]).value.tolist()     # all of them
    [0.6]
    """
    middles = np.asarray(scores, dtype=np.float64)
    of_1 = np.asarray(chance, dtype=np.float64)
    chances = np.stack([1 - of_1, of_1], axis=-1)

    def pull(table: Floats) -> Pull:
        return pull_of(metric, table, middles)

    return blend_tables(
        metric, pull, counts, labelled, chances, free, variance, squares=squares, reach=reach, level=level
    )


def blend_tables(
    metric: str,
    pull_at: Callable[[Floats], Pull],
    counts: npt.ArrayLike,
    labelled: npt.ArrayLike,
    chances: Floats,
    free: npt.ArrayLike,
    variance: npt.ArrayLike,
    *,
    squares: npt.ArrayLike | None = None,
    reach: npt.ArrayLike | None = None,
    level: float = 0.9,
) -> Blended:
    """As ``blend``, of any number P of predictions and L of labels, and of any metric that a table of them gives.

    ``counts`` [W, bin, P], ``labelled`` [W, bin, P, L], ``chances`` [bin, P, L] those of labels; ``pull_at`` gives the
    metric and its derivatives for tables [W, bin, P, L].
    """
    check_level(level)
    n, told = np.asarray(counts, dtype=np.float64), np.asarray(labelled, dtype=np.float64)
    by_cell = np.broadcast_to(chances, (*n.shape, chances.shape[-1]))
    value, spread = np.asarray(free, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    normal = float(special.ndtri((1 + level) / 2))
    if reach is not None:
        far = np.asarray(reach, dtype=np.float64)
        if far.shape != n.shape[:1] or not (far > 0).all():
            raise ValueError(f"reach of shape {far.shape}: must be [{len(n)}], each above 0")
        spread = spread * (far / normal) ** 2
    if (
        n.ndim != 3
        or told.shape != by_cell.shape
        or value.shape != n.shape[:1]
        or spread.shape != value.shape
    ):
        raise ValueError(
            f"counts {n.shape}, labelled {told.shape}, free {value.shape}, variance {spread.shape}: must be [W, bin, "
            f"{chances.shape[-2]}], [W, bin, {chances.shape[-2]}, {chances.shape[-1]}], [W] and [W]"
        )
    size, weight = n.sum(axis=(1, 2)), told.sum(axis=(1, 2, 3))
    if squares is None:
        if (told.sum(axis=3) > n + 1e-9).any():
            raise ValueError("labelled: more rows than counts in a cell")
        few = weight
    else:
        square = np.asarray(squares, dtype=np.float64).sum(axis=(1, 2, 3))
        few = weight**2 / np.maximum(square, 1e-300)
    some = (few > 0) & (size > 0)
    all_of = n[..., None] * by_cell
    share = np.where(some, few / np.maximum(size, 1), 0.0)
    scale = np.where(some, size / np.maximum(weight, 1e-300), 0.0)
    pull = pull_at(all_of)[1]
    of_model, both, _ = _moments(pull, n, told, by_cell, few)
    power = np.clip(both / np.maximum(of_model, 1e-300), 0.0, 1.0)
    among = told.sum(axis=3, keepdims=True) * by_cell
    at = power[:, None, None, None]
    table = np.where(
        (share >= 1)[:, None, None, None],
        told,
        at * all_of + scale[:, None, None, None] * (told - at * among),
    )
    powered, there = pull_at(table)
    # what a label moves is read off where the labels say the figure is, not where the chances have it: of few positives
    # the two differ by half
    pull = np.where(np.isfinite(there), there, pull)
    of_model, both, own = _moments(pull, n, told, by_cell, few)
    noise = np.maximum(own - 2 * power * both + power**2 * of_model, 0.0)
    good = some & np.isfinite(powered)
    # in counts: a pull is by row, the figure moves by N times the mean of pulls
    powered_variance = size**2 * noise * np.maximum(1 - share, 0) / np.maximum(few, 1e-300)
    total = powered_variance + spread
    weigh = np.where(good, np.where(total > 0, spread / np.maximum(total, 1e-300), 1.0), 0.0)
    weigh = np.where(good & ((share >= 1) | ~np.isfinite(value)), 1.0, weigh)
    mixed = np.where(weigh >= 1, powered, np.where(weigh <= 0, value, weigh * powered + (1 - weigh) * value))
    left = np.where(weigh >= 1, powered_variance, np.where(weigh <= 0, spread, weigh * powered_variance))
    width = left + np.where(good, share * size * own, 0.0)
    return Blended(
        *limits(metric, mixed, width, np.full(len(n), normal)), share, np.where(some, power, np.nan), weigh
    )


def _moments(
    pull: Floats, n: Floats, told: Floats, chances: Floats, few: Floats
) -> tuple[Floats, Floats, Floats]:
    """The variance of what chances expect a row to pull, its covariance with the pull, and the variance of that; [W]."""
    axes = (1, 2, 3)
    by_cell = n[..., None] * chances
    prior = by_cell * (DOUBT_ROWS / np.maximum(by_cell.sum(axis=axes, keepdims=True), 1e-300))
    scale = few / np.maximum(told.sum(axis=axes), 1e-300)
    cells = told * scale[:, None, None, None] + prior
    share = cells / np.maximum(cells.sum(axis=axes, keepdims=True), 1e-300)
    model = np.broadcast_to((pull * chances).sum(axis=-1, keepdims=True), pull.shape)

    def moment(one: Floats, other: Floats) -> Floats:
        middle = (share * one).sum(axis=axes) * (share * other).sum(axis=axes)
        return np.asarray((share * one * other).sum(axis=axes) - middle)

    return moment(model, model), moment(pull, model), np.maximum(moment(pull, pull), 0.0)
