"""The expected calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.intervals import share
from vedette.statistics.losses import scored_rows
from vedette.statistics.summary import Summary
from vedette.statistics.sums import CALIBRATION_BINS

__all__ = ["ExpectedCalibrationError"]

Floats = npt.NDArray[np.float64]

CHANCE_ROWS = 1.0  # by which a step of confidence with few rows, all right or all wrong, is thought to vary


class ExpectedCalibrationError:
    """By how much the model's confidence is off, on average: 0.03 is three points too sure or not sure enough.

    Rows are put into ten equal steps of confidence, each with its lower end, the last with both; the error is the sum
    over steps of |confidence - share right| weighted by rows. Of two classes the confidence is the score and a row is
    right where its label is positive, of more it is the greatest probability and a row is right where its class is the
    label.

    The value is the textbook's, and lies too high: chance alone puts every step off. With d the true and D the seen
    differences by step, sum |D| - sum |d| is at most the sum of the absolute noise D - d, and sum |d| - sum |D| at most
    a sum of the noise with signs, whose standard deviation is the same whatever the signs. The lower limit takes off the
    quantile of the first, for normal noise, cut at 0; the upper adds what each step's |d| can be more than |D| by the
    interval of its share right, as squares (MOVER), and at least z standard deviations of the differences seen: where
    scores are near 0 and nobody was positive yet, these say nothing. Both are conservative, the lower much. The true
    value is that of the same ten steps in an endless window.

    ``n`` counts rows with probabilities whose label is one of the classes. ``no probabilities`` is the reason where
    there are none.

    Sources: M. P. Naeini, G. F. Cooper and M. Hauskrecht (2015), AAAI 29, 2901-2907; G. Y. Zou and A. Donner (2008),
    Statistics in Medicine 27, 1693-1702.

    >>> from vedette.statistics import STATISTICS, quality_grid, summarise_quality
    >>> names, grid = ("no", "yes"), quality_grid(("no", "yes"))
    >>> summary = summarise_quality(grid, [0, 1, 1, 1], [0, 1, 1, 0], names, [0.25, 0.75, 0.75, 0.25])
    >>> figures = STATISTICS["expected_calibration_error"].figures(summary)
    >>> figures.value.tolist()     # by hand: 2/4 |0.25 - 1/2| + 2/4 |0.75 - 1|
    [0.25]
    """

    name = "expected_calibration_error"
    kinds: tuple[str, ...] = ("quality",)
    needs_reference = False

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The error by window; ``ValueError`` for another kind of summary or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        z = float(special.ndtri((1 + check_level(level)) / 2))
        n, reasons = scored_rows(current)
        size = np.maximum(n, 1)[:, np.newaxis]
        first = current.grid.sums.index("confident_0")
        shape = (len(current), 4, CALIBRATION_BINS)
        rows, confidence, hits, gaps = current.sums[:, first:].reshape(shape).swapaxes(0, 1)
        value = np.abs(confidence - hits).sum(axis=1) / size[:, 0]
        noise = np.sqrt(_variance(rows, confidence, hits, gaps)) / size
        further = np.maximum(_further(rows, confidence, hits, level) / size, z * np.sqrt(gaps) / size)
        half = np.sqrt((further**2).sum(axis=1))
        low = np.maximum(value - _area(noise, z), 0.0)
        return Estimates.of(value, low, np.minimum(value + half, 1.0), n, reasons)


def _variance(rows: Floats, confidence: Floats, hits: Floats, gaps: Floats) -> Floats:
    """The variance of the sums of differences by step: of those seen, and no less than chance makes of them."""
    share = (hits + confidence + CHANCE_ROWS / 2) / np.maximum(2 * rows + CHANCE_ROWS, 1.0)
    return np.where(rows > 0.5, np.maximum(gaps, rows * share * (1 - share)), 0.0)


def _further(rows: Floats, confidence: Floats, hits: Floats, level: float) -> Floats:
    """By how much the absolute sums of differences by step can be greater than those seen."""
    low, high = share(hits, rows, level)
    most = np.maximum(rows * high - confidence, confidence - rows * low)
    return np.where(rows > 0.5, np.maximum(most - np.abs(confidence - hits), 0.0), 0.0)


def _area(noise: Floats, z: float) -> Floats:
    """The quantile, that of ``z``, of the sum of absolute normal noise with these standard deviations [W, steps].

    By Cornish and Fisher's expansion, with the mean, variance and skewness of half-normal numbers; 1 % too high at most
    where one step has all the noise.
    """
    mean = np.sqrt(2 / np.pi) * noise.sum(axis=1)
    sd = np.sqrt((1 - 2 / np.pi) * (noise**2).sum(axis=1))
    third = np.sqrt(2 / np.pi) * (4 / np.pi - 1) * (noise**3).sum(axis=1)
    skewness = third / np.where(sd > 0, sd, 1.0) ** 3
    quantile: Floats = mean + sd * (z + (z * z - 1) * skewness / 6)
    return quantile
