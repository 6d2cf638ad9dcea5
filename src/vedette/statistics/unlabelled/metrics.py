"""What a classifier's quality is, read off an expected table, and what one label more or less would change in it.

A table holds (expected) counts [..., score bin, prediction, label] of two classes, 1 being the positive one. The label
of a row in a cell is a coin; to first order a metric moves by ``flip`` where a row of the cell turns from label 0 to 1,
so that the variance of outcomes is the sum over rows of chance (1 - chance) flip^2 (Poisson-binomial).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["METRICS", "Pull", "pull_of"]

Floats = npt.NDArray[np.float64]

Pull = tuple[Floats, Floats]
"""The value [...] of a metric, and its derivative [..., bin, prediction, label] by the count of each cell."""


def _shape(pulls: dict[tuple[int, int], Floats], table: Floats) -> Floats:
    """The derivatives by (prediction, label), the same in each bin."""
    out = np.zeros(table.shape)
    for (prediction, label), pull in pulls.items():
        out[..., prediction, label] = pull[..., np.newaxis]
    return out


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def _accuracy(table: Floats, scores: Floats) -> Pull:  # noqa: ARG001
    n = table.sum(axis=(-3, -2, -1))
    right = table[..., 0, 0].sum(axis=-1) + table[..., 1, 1].sum(axis=-1)
    value = _ratio(right, n)
    hit, miss = _ratio(1 - value, n), _ratio(-value, n)
    return value, _shape({(0, 0): hit, (1, 1): hit, (0, 1): miss, (1, 0): miss}, table)


def _parts(table: Floats) -> tuple[Floats, Floats, Floats]:
    """True positives, predicted positives, positives."""
    true = table[..., 1, 1].sum(axis=-1)
    return true, table[..., 1, :].sum(axis=(-2, -1)), table[..., 1].sum(axis=(-2, -1))


def _precision(table: Floats, scores: Floats) -> Pull:  # noqa: ARG001
    true, predicted, _ = _parts(table)
    value = _ratio(true, predicted)
    return value, _shape({(1, 1): _ratio(1 - value, predicted), (1, 0): _ratio(-value, predicted)}, table)


def _recall(table: Floats, scores: Floats) -> Pull:  # noqa: ARG001
    true, _, positive = _parts(table)
    value = _ratio(true, positive)
    return value, _shape({(1, 1): _ratio(1 - value, positive), (0, 1): _ratio(-value, positive)}, table)


def _f1(table: Floats, scores: Floats) -> Pull:  # noqa: ARG001
    true, predicted, positive = _parts(table)
    size = predicted + positive
    value = _ratio(2 * true, size)
    miss = _ratio(-value, size)
    return value, _shape({(1, 1): _ratio(2 - 2 * value, size), (1, 0): miss, (0, 1): miss}, table)


def _roc_auc(table: Floats, scores: Floats) -> Pull:
    known = np.isfinite(scores)[:, np.newaxis]
    by_label = np.where(known, table.sum(axis=-2), 0.0)
    negative, positive = by_label[..., 0], by_label[..., 1]
    n, p = negative.sum(axis=-1, keepdims=True), positive.sum(axis=-1, keepdims=True)
    below = _ratio(np.cumsum(negative, axis=-1) - negative / 2, n)
    above = 1 - _ratio(np.cumsum(positive, axis=-1) - positive / 2, p)
    value = _ratio((positive * below).sum(axis=-1, keepdims=True), p)
    pull = np.stack([_ratio(above - value, n), _ratio(below - value, p)], axis=-1)
    pull = np.where(known, pull, 0.0)[..., np.newaxis, :]
    return value[..., 0], np.broadcast_to(pull, table.shape)


def _loss(table: Floats, loss: Floats) -> Pull:
    """The mean of a loss [bin, label] over rows with a score."""
    known = np.isfinite(loss)[:, np.newaxis, :]
    held = np.where(known, table, 0.0)
    n = held.sum(axis=(-3, -2, -1))
    of_cell = np.where(known, np.nan_to_num(loss)[:, np.newaxis, :], 0.0)
    value = _ratio((held * of_cell).sum(axis=(-3, -2, -1)), n)
    off = of_cell - value[..., np.newaxis, np.newaxis, np.newaxis]
    pull = np.where(known, off / np.maximum(n, 1e-300)[..., np.newaxis, np.newaxis, np.newaxis], 0.0)
    return value, np.broadcast_to(pull, table.shape)


def _log_loss(table: Floats, scores: Floats) -> Pull:
    return _loss(table, -np.stack([special.log1p(-scores), np.log(scores)], axis=-1))


def _brier(table: Floats, scores: Floats) -> Pull:
    return _loss(table, np.stack([scores**2, (1 - scores) ** 2], axis=-1))


METRICS: dict[str, Callable[[Floats, Floats], Pull]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "brier": _brier,
}
"""The metrics of two classes that a table gives, by name."""


def pull_of(metric: str, table: npt.ArrayLike, scores: npt.ArrayLike) -> Pull:
    """The value of a metric and its derivative by the count of each cell.

    ``table`` float64 [..., B, 2, 2] are counts by score bin (lowest first), prediction and label; ``scores`` float64
    [B] a score that stands for each bin, strictly between 0 and 1, NaN for rows without a score: the area under the ROC
    curve and the losses leave those out. With scores in one bin counted as tied, the area is that of
    ``statistics.roc_auc``. The losses take each bin's score for the scores in it. A value without rows to take it of
    (no positive labels or predictions, one class alone) is NaN.

    Raises ``ValueError`` for an unknown metric or shapes that do not fit.

    >>> table = np.array([[[30, 10], [0, 0]], [[0, 0], [20, 40]]])      # two bins, predictions 0 and 1
    >>> value, pull = pull_of("accuracy", table, [0.2, 0.8])
    >>> float(value), round(float(pull[1, 1, 1]), 6)                     # (1 - 0.7)/100: one more that is right
    (0.7, 0.003)
    """
    counts, middles = np.asarray(table, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r}: must be one of {', '.join(METRICS)}")
    if counts.ndim < 3 or counts.shape[-2:] != (2, 2) or counts.shape[-3:-2] != middles.shape:
        raise ValueError(
            f"table of shape {counts.shape} for {middles.shape} scores: must be [..., scores, prediction, label] of 2 classes"
        )
    return METRICS[metric](counts, middles)
