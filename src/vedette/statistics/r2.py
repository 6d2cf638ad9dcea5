"""The coefficient of determination of a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.error_means import (
    EQUAL,
    OUTWEIGHED,
    errors_of,
    farthest,
    raised,
    sum_of,
    widened,
)
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import unlike
from vedette.statistics.moments import FOURTH_MIN, of_pilot
from vedette.statistics.summary import Summary

__all__ = ["R2"]

Floats = npt.NDArray[np.float64]


class R2:
    """The share of the labels' variance that the predictions explain: 1 is perfect, 0 as good as the mean label.

    1 - A/B with A = mean e^2, e = prediction - label, and B the variance of the labels; below 0 where the mean label
    would be the better prediction. The interval is by the delta method on ln(A/B), whose variance is that of e^2/A -
    d^2/B over n, d = label - mean. Both kurtoses of a sample are too small for heavy tails, so the variance is
    multiplied by the greater of (k'-1)/(k-1) of errors and labels, k' = k (1 + (5 + 150/n) max(x - 2.5, 0)/sqrt(n)), x
    being the k of errors, and of labels k and half their squared skewness. That is conservative: 0.97 to 0.99 hold for
    most labels and errors, 1.00 for errors that grow with log-normal labels, and 0.94 for 30 log-normal labels.

    Reasons: fewer than 4 errors; labels that do not vary, or so little for their distance from those that cut the
    grid that the sums do not tell; one or two errors or labels that outweigh all others. Where all errors
    are equal in size, a share 1 - (alpha/2)^(1/n) of what comes could be as wrong as the worst of the rows that cut
    the grid; no lower limit is above what that would give.

    Sources: S. Wright (1921), Journal of Agricultural Research 20, 557-585; D. G. Bonett (2006), Computational
    Statistics and Data Analysis 50, 775-782, for the factor n/(n-z).

    >>> from vedette.statistics import STATISTICS, error_grid, summarise_error
    >>> label, prediction = [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]
    >>> found = summarise_error(error_grid(label, prediction), label, prediction)
    >>> STATISTICS["r2"].figures(found).value.round(4).tolist()     # sklearn.metrics.r2_score
    [0.9486]
    """

    name = "r2"
    kinds: tuple[str, ...] = ("error",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The share by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        n, reasons = errors_of(current, 4)
        size = np.maximum(n, 4).astype(np.float64)
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # the estimates refuse what is not finite
            found = _moments(current, size)
            reasons.add(
                ~np.isfinite(found.fourth) | ~np.isfinite(found.heavy), "values too large to compute with"
            )
            alike = found.variance <= FOURTH_MIN * found.second
            reasons.add(alike, "labels do not vary, or too little for their distance from the grid's")
            equal = found.fourth - found.square**2 <= EQUAL * found.fourth
            tails = np.where(equal, 1.0, found.fourth / np.where(equal, 1.0, found.square**2))
            outweighed = np.maximum(tails, found.heavy) > OUTWEIGHED * size
            reasons.add(outweighed, "one or two errors or labels outweigh all others, of rows", n)
            ratio = found.square / found.variance
            half = widened(found.noise * _factor(tails, found, size), size, level)
            other = unlike(n, level)
            worst = farthest(current) ** 2 / found.variance
            least = np.where(equal, ratio * (1 - other), ratio) * np.exp(-half)
            rare = ratio + other * np.maximum(worst - ratio, 0.0)
            most = np.where(equal, rare, ratio) * np.exp(half)
            if of_pilot(current.grid):
                most = np.where(np.isfinite(rare), np.maximum(most, rare), most)
            return Estimates.of(1 - ratio, 1 - most, 1 - least, n, reasons)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Of errors, the mean ``square`` and ``fourth`` power; of labels the rest, ``second`` about the grid's centre.

    ``heavy`` is the labels' kurtosis, ``skewed`` their squared skewness. ``noise`` is the variance of a row's part in
    ln(A/B).
    """

    square: Floats
    fourth: Floats
    second: Floats
    variance: Floats
    heavy: Floats
    skewed: Floats
    noise: Floats


def _moments(current: Summary, size: Floats) -> _Moments:
    square, fourth = np.maximum(current.squares, 0.0) / size, current.fourths / size
    m1, m2, m3, m4, with_1, with_2 = (
        sum_of(current, name) / size
        for name in ("label_1", "label_2", "label_3", "label_4", "squares_label_1", "squares_label_2")
    )
    variance = np.maximum(m2 - m1**2, 0.0)
    spread = np.where(variance > 0, variance, 1.0)
    heavy = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / spread**2
    skewness = (m3 - 3 * m1 * m2 + 2 * m1**3) / spread**1.5
    both = (with_2 - 2 * m1 * with_1 + m1**2 * square) / spread
    some = np.where(square > 0, square, 1.0)
    # without errors only the labels have a part in it
    noise = np.where(square > 0, fourth / some**2 - 2 * both / some, -1.0) + heavy
    return _Moments(square, fourth, m2, variance, heavy, skewness**2, noise)


def _factor(tails: Floats, found: _Moments, size: Floats) -> Floats:
    """How much too small the variance of the logarithm is thought to be, where tails are heavy."""
    of_errors = (raised(tails, tails, size) - 1) / np.maximum(tails - 1, EQUAL)
    of_labels = (raised(found.heavy, found.heavy + found.skewed / 2, size) - 1) / np.maximum(
        found.heavy - 1, EQUAL
    )
    return np.maximum(np.maximum(of_errors, of_labels), 1.0)
