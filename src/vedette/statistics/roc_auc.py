"""The area under the ROC curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.confusion import is_binary
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.ranking import macro_limits, paired, ranked, widened
from vedette.statistics.summary import Summary

__all__ = ["RocAuc", "area_by_class"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class RocAuc:
    """The chance that a row labelled positive has a higher score than one labelled negative.

    P(X > Y) + P(X = Y)/2, with scores in one bin counted as equal: off by at most half the chance that a
    positive and a negative row fall into one bin. With V(b) the share of negatives below bin b and half of
    those in it, AUC is the mean of V over positives; DeLong's variance is var(V over positives)/P + var(the
    like over negatives)/N, and gives an interval that is symmetric in the logit of the AUC. Near 1 that is
    too short, for the variance is taken where the estimate happens to be; so the limits are at least those at
    which Hanley and McNeil's variance, in Newcombe's form, puts the estimate z standard errors away.

    Of 3 to 32 classes it is the plain average over classes of the area of each against the rest, scikit-learn's
    ``roc_auc_score`` with ``multi_class="ovr"``, on 128 bins up to 8 classes and 32 from 17 on. The classes' intervals
    are added up as if the rows of other classes were the same for all, which is on the safe side, and widened by half
    of what joining each two bins would change.

    ``n`` counts rows with a valid score and one of the classes for a label. Fewer than 50 rows of a class are a reason,
    so are no scores at all, one class, and more than 32. Of two classes so is a fifth of the pairs of a positive and a
    negative row within one bin, unless each bin holds a single score.

    Sources: E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson (1988), Biometrics 44, 837-845; G. Qin and L.
    Hotilovac (2008), Statistical Methods in Medical Research 17, 207-221 (logit); R. G. Newcombe (2006),
    Statistics in Medicine 25, 559-573, method 5.

    >>> import numpy as np
    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> label = np.repeat([0, 1], 100)
    >>> score = np.concatenate([np.tile([0.1, 0.3], 50), np.tile([0.3, 0.5], 50)])
    >>> grid = quality_grid(("no", "yes"), score)
    >>> figures = STATISTICS["roc_auc"].figures(summarise_quality(grid, label, label, ("no", "yes"), score))
    >>> figures.value.tolist()     # by hand: 1 - 1/4 * 1/2
    [0.875]
    """

    name = "roc_auc"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The area by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        positive, negative, n, reasons = ranked(current, self.name)
        value, low, high, own, others = area_by_class(positive, negative, level)
        limits = macro_limits(value, low, high, own, others)
        if not is_binary(current):
            limits = widened(*limits, _delong(paired(positive), paired(negative))[0].mean(axis=1))
        return Estimates.of(*limits, n, reasons)


def area_by_class(
    positive: Integers, negative: Integers, level: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """The area, its limits, and the parts of its variance of positives and of negatives, from counts [..., bins].

    Bins come by score, lowest first; without positives or negatives the area is 0.
    """
    value, own, others = _delong(positive, negative)
    low, high = _limits(value, own + others, positive.sum(axis=-1), negative.sum(axis=-1), level)
    return value, low, high, own, others


def _delong(positive: Integers, negative: Integers) -> tuple[Floats, Floats, Floats]:
    n_positive = np.maximum(positive.sum(axis=-1, keepdims=True), 1)
    n_negative = np.maximum(negative.sum(axis=-1, keepdims=True), 1)
    below = (np.cumsum(negative, axis=-1) - negative / 2) / n_negative
    above = 1 - (np.cumsum(positive, axis=-1) - positive / 2) / n_positive
    value = (positive * below).sum(axis=-1, keepdims=True) / n_positive
    own, others = (
        (counts * (share - value) ** 2).sum(axis=-1) / np.maximum(n - 1, 1)[..., 0] / n[..., 0]
        for counts, share, n in ((positive, below, n_positive), (negative, above, n_negative))
    )
    return value[..., 0], own, others


def _limits(
    value: Floats, variance: Floats, positive: Integers, negative: Integers, level: float
) -> tuple[Floats, Floats]:
    z = float(special.ndtri((1 + level) / 2))
    inside = (value > 0) & (value < 1)
    middle = np.where(inside, value, 0.5)
    logit, half = special.logit(middle), z * np.sqrt(variance) / (middle * (1 - middle))
    low = np.where(inside, special.expit(logit - half), value)
    high = np.where(inside, special.expit(logit + half), value)
    score_low = _score_limit(value, np.zeros_like(value), positive, negative, z)
    score_high = _score_limit(value, np.ones_like(value), positive, negative, z)
    return np.minimum(low, score_low), np.maximum(high, score_high)


def _score_limit(value: Floats, end: Floats, positive: Integers, negative: Integers, z: float) -> Floats:
    """By bisection, the area towards ``end`` that lies z standard errors, its own, from the value."""
    pairs, rows = np.maximum(positive * negative, 1), np.maximum((positive + negative) / 2 - 1, 0)
    inner, outer = value.copy(), end.copy()
    for _ in range(40):  # to 1e-12
        area = (inner + outer) / 2
        more = rows * ((1 - area) / (2 - area) + area / (1 + area))
        near = np.abs(value - area) < z * np.sqrt(area * (1 - area) * (1 + more) / pairs)
        inner, outer = np.where(near, area, inner), np.where(near, outer, area)
    return outer
