"""Quality of windows whose labels came by score and prediction: post-stratified to the rows that the window has.

Labels of doubtful rows may come first (they are looked at), or last (nobody dares): those that came are then no sample of the
window. Where a row's label comes by a chance that depends on its score and prediction alone, those of like rows that came are
a sample of those that have not. So each stratum of score and prediction counts as many rows as the window has of it, with
and without a label.

Sources: D. Holt and T. M. F. Smith (1979), Journal of the Royal Statistical Society A 142, 33-46 (post-stratification); C.-E.
Särndal, B. Swensson and J. Wretman (1992), Model Assisted Survey Sampling, 7.6; R. J. A. Little and D. B. Rubin (2019),
Statistical Analysis with Missing Data, 3.3 (weighting classes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import check_level
from vedette.statistics.unlabelled.confidence import calibrated
from vedette.statistics.unlabelled.metrics import pull_of

__all__ = ["POST_STRATIFIED", "PostStratified", "post_stratified", "strata_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

POST_STRATIFIED = ("accuracy", "precision", "recall", "f1", "roc_auc")
"""The metrics that can be told so."""

STRATUM_LABELS = 20
"""Labels that a stratum has at least: neighbouring score bins of a prediction are joined until it has."""

PRIOR_ROWS = 2.0
"""As many labels of a stratum are taken from all windows: of twenty that are all right the next may be wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class PostStratified:
    """A metric over W windows: ``value``, ``low``, ``high`` float64 [W], NaN where ``reason`` object [W] says why;
    ``n`` int64 [W] the labels that it rests on, ``effective`` float64 [W] the number of equal weight (Kish)."""

    value: Floats
    low: Floats
    high: Floats
    n: Integers
    effective: Floats
    reason: Objects


def strata_of(labelled: npt.ArrayLike, least: float = STRATUM_LABELS) -> Integers:
    """Strata int64 [B] of the score bins of a prediction, from the labels [B] that came in each: neighbours are joined until
    each stratum has the ``least`` or more; the bin of rows without a score, the last, is joined like the others.

    How labels were, and what they said, are apart: only how many came is looked at.

    >>> strata_of([3, 4, 5, 1, 9, 2], 7).tolist()
    [0, 0, 1, 1, 1, 1]
    """
    came = np.asarray(labelled, dtype=np.float64)
    out, number, held = np.zeros(len(came), dtype=np.int64), 0, 0.0
    for place, n in enumerate(came.tolist()):
        out[place] = number
        held += n
        if held >= least:
            number, held = number + 1, 0.0
    if held and number:  # what is left joins the last
        out[out == number] = number - 1
    return np.minimum(out, max(number - 1, 0)) if number else out


def post_stratified(
    metric: str,
    counts: npt.ArrayLike,
    labelled: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    level: float = 0.95,
) -> PostStratified:
    """What the metric of each window is, where labels came by score and prediction.

    ``counts`` [W, score bin, prediction] are all rows of W windows, ``labelled`` [W, score bin, prediction, label] those whose
    label has come, of two classes; ``scores`` float64 [B] one for each bin, NaN for rows without.

    With c the share of label 1 in a score bin and prediction over the labels of all windows, and r_s the mean of label - c over
    those of a stratum s of the window (20 labels or more of neighbouring scores and the same prediction), each row of the window
    is taken to have label 1 with the chance c + r_s; the metric is read off the table that this makes of all rows. c smooths what
    differs within a stratum, r_s mends c in the window. With every label there it is the metric of the labels.

    The variance is that of r_s, sum F_s^2 v_s/n_s, with F_s the pull of the stratum's rows on the metric and v_s the
    variance of label - c in it, two labels of it taken from all windows; and that of which rows the window happens to have, the
    sum over rows of the square of the pull expected of each. Limits are those of the metric's logit, at Student's quantile with
    as many degrees of freedom as labels less strata. They are about the law that made the window, as those of a measured
    figure: with every label there the variance is that of a share.

    Windows in which a prediction has rows, but fewer than 20 labels, have a reason with the share of rows in it.

    Raises ``ValueError`` for an unknown metric, a level outside (0, 1) or shapes that do not fit.

    >>> counts = np.array([[[100.0, 0.0], [0.0, 100.0]]])                     # a prediction 0 for low scores, 1 for high
    >>> came = np.zeros((1, 2, 2, 2))
    >>> came[0, 0, 0], came[0, 1, 1] = [45, 5], [8, 12]                       # 50 of the sure ones, 20 of the doubtful
    >>> found = post_stratified("accuracy", counts, came, [0.1, 0.6])
    >>> found.value.round(6).tolist(), found.n.tolist()                       # (0.9 + 0.6)/2, where 57/70 = 0.814 came
    ([0.75], [70])
    """
    check_level(level)
    n, came = np.asarray(counts, dtype=np.float64), np.asarray(labelled, dtype=np.float64)
    if metric not in POST_STRATIFIED:
        raise ValueError(f"metric={metric!r}: must be one of {', '.join(POST_STRATIFIED)}")
    if n.ndim != 3 or n.shape[2] != 2 or came.shape != (*n.shape, 2):
        raise ValueError(
            f"counts {n.shape}, labelled {came.shape}: must be [W, bin, 2] and [W, bin, 2, 2] of the same windows"
        )
    middles = np.asarray(scores, dtype=np.float64)
    pooled = came.sum(axis=0)
    chance, _ = calibrated(pooled[..., 1], pooled.sum(axis=-1), middles)
    parts = [_window(metric, one, own, chance, middles, level) for one, own in zip(n, came, strict=True)]
    value, low, high, effective = np.array([part[0] for part in parts]).reshape(-1, 4).T
    reason = np.array([part[1] for part in parts], dtype=np.object_)
    return PostStratified(
        value, low, high, np.rint(came.sum(axis=(1, 2, 3))).astype(np.int64), effective, reason
    )


_NOTHING = (np.nan, np.nan, np.nan, 0.0)


def _window(
    metric: str, n: Floats, came: Floats, chance: Floats, scores: Floats, level: float
) -> tuple[tuple[float, float, float, float], str | None]:
    """The value, its limits and the effective number of labels of one window, or why there is none."""
    by_cell = came.sum(axis=2)
    short = by_cell.sum(axis=0) < np.minimum(STRATUM_LABELS, n.sum(axis=0))
    if not n.sum():
        return _NOTHING, "no rows"
    if short.any():
        outside = float(n[:, short].sum() / n.sum())
        return (
            _NOTHING,
            f"{outside:.0%} of the rows have a prediction with fewer than {STRATUM_LABELS} labels",
        )
    place = np.stack([strata_of(by_cell[:, 0]), strata_of(by_cell[:, 1])], axis=1)
    place[:, 1] += place[:, 0].max() + 1
    size = int(place.max()) + 1

    def of(part: Floats) -> Floats:
        return np.bincount(place.ravel(), part.ravel(), size).astype(np.float64)

    labels = of(by_cell)
    some = np.maximum(labels, 1.0)
    mean = of(came[..., 1] - by_cell * chance) / some
    likely = chance + mean[place]
    table = np.stack([n * (1 - likely), n * likely], axis=-1)
    value, pull = (np.asarray(part) for part in pull_of(metric, table, scores))
    if not np.isfinite(value) or not np.isfinite(pull).all():
        return _NOTHING, "labels or predictions of one class alone"
    # (label - c - r)^2 added up over labels, and over as many taken from all windows
    off = 1 - likely, -likely
    squares = of(came[..., 1] * off[0] ** 2 + came[..., 0] * off[1] ** 2)
    usual = of(n * chance * (1 - chance)) / np.maximum(of(n), 1.0)
    spread = (squares + PRIOR_ROWS * usual) / np.maximum(labels + PRIOR_ROWS - 1, 1.0)
    reach = of(n * (pull[..., 1] - pull[..., 0]))
    of_labels = float((reach**2 * spread / some).sum())
    expected = pull[..., 0] * (1 - likely) + pull[..., 1] * likely
    middle = float((n * expected).sum() / n.sum())
    variance = of_labels + float((n * (expected - middle) ** 2).sum())
    freedom = max(float(labels.sum()) - size, 1.0)
    weight = of(n) / some
    effective = float((labels * weight).sum() ** 2 / max(float((labels * weight**2).sum()), 1e-300))
    middle_value = min(max(float(value), 0.0), 1.0)
    low, high = _limits(middle_value, variance, float(special.stdtrit(freedom, (1 + level) / 2)), effective)
    return (middle_value, low, high, effective), None


def _limits(value: float, variance: float, far: float, effective: float) -> tuple[float, float]:
    """Limits of the logit, about a value drawn half a label away from 0 and 1."""
    near = (value * effective + 0.5) / (effective + 1)
    half = far * np.sqrt(variance) / (near * (1 - near))
    middle = special.logit(near)
    low, high = special.expit(middle - half), special.expit(middle + half)
    return min(float(low), value), max(float(high), value)
