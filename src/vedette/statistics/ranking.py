"""The counts by score that ROC AUC and average precision read, and their averages over classes."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.statistics.confusion import is_binary
from vedette.statistics.estimates import Reasons, reasons_of
from vedette.statistics.grid import ONE_VS_REST_CLASSES
from vedette.statistics.summary import Summary

__all__ = ["CLASS_MIN", "by_score", "macro_limits", "paired", "ranked", "widened"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CLASS_MIN = 50
"""With fewer rows of a class intervals hold the truth too seldom (DeLong's 0.78 of the time at 20)."""

TIED_MAX = 0.2
"""Of the pairs of a positive and a negative row, how many may lie within one bin, where their order is not known."""


def by_score(current: Summary, name: str) -> tuple[Integers, Integers, Reasons]:
    """Counts [W, classes, bins] by score, lowest first, of rows labelled as a class and as another.

    Of two classes only the positive one. Where there is a reason, and of other numbers of classes, all are 0.
    """
    reasons = reasons_of(current)
    classes = len(current.grid.classes)
    if is_binary(current):
        counts = cast(Integers, current.cube[:, :-1, :2].sum(axis=3))[:, np.newaxis]
    elif current.grid.one_vs_rest[0]:
        counts = current.one_vs_rest
    else:
        counts = np.zeros((len(current), 1, 1, 2), dtype=np.int64)
        if classes not in ONE_VS_REST_CLASSES:
            most = ONE_VS_REST_CLASSES[-1]
            reasons.add(
                np.ones(len(current), dtype=np.bool_),
                f"{name} needs 2 to {most} classes, the model has {classes}",
            )
    counts = np.where(reasons.given[:, np.newaxis, np.newaxis, np.newaxis], 0, counts)
    return counts[..., 1], counts[..., 0], reasons


def ranked(current: Summary, name: str) -> tuple[Integers, Integers, Integers, Reasons]:
    """``by_score``, the number of rows with a score, and the reasons why there is no average over all classes."""
    positive, negative, reasons = by_score(current, name)
    labelled, others = positive.sum(axis=2), negative.sum(axis=2)
    n = labelled[:, 0] + others[:, 0]
    reasons.add(n == 0, "no probabilities")
    if is_binary(current):
        reasons.add(labelled[:, 0] < CLASS_MIN, f"fewer than {CLASS_MIN} positive labels", labelled[:, 0])
        reasons.add(others[:, 0] < CLASS_MIN, f"fewer than {CLASS_MIN} negative labels", others[:, 0])
        blurred = (positive * negative)[:, 0, ~current.grid.single_scores].sum(axis=1)
        tied = blurred > TIED_MAX * np.maximum(labelled * others, 1)[:, 0]
        reasons.add(tied, "scores lie in too few bins")
    else:
        least = np.minimum(labelled, others).min(axis=1)
        reasons.add(least < CLASS_MIN, f"fewer than {CLASS_MIN} labels of a class", least)
    return positive, negative, n, reasons


def macro_limits(
    value: Floats, low: Floats, high: Floats, own: Floats, others: Floats
) -> tuple[Floats, Floats, Floats]:
    """The plain average over classes of values [W, classes], with limits.

    ``own`` and ``others`` are the variances that come of the rows of the class and of all others. The rows of classes
    are different ones and independent; the others, nearly the same rows for each class, are taken to go together, so
    that the sum over classes has the variance sum own + (sum sqrt(others))^2. The distances of the classes' limits,
    added up as squares, are widened by as much as this is more than sum own + others. The joint counts that would tell
    are not kept; in simulations with 3 to 20 classes limits come out between right and twice as wide as need be.
    """
    classes = value.shape[1]
    if classes == 1:
        return value[:, 0], low[:, 0], high[:, 0]
    apart = np.sqrt((own + others).sum(axis=1))
    together = np.sqrt(own.sum(axis=1) + np.sqrt(others).sum(axis=1) ** 2)
    factor = np.where(apart > 0, together / np.where(apart > 0, apart, 1.0), np.sqrt(2)) / classes
    mean = value.mean(axis=1)
    below = factor * np.sqrt(((value - low) ** 2).sum(axis=1))
    above = factor * np.sqrt(((high - value) ** 2).sum(axis=1))
    return mean, np.maximum(mean - below, 0.0), np.minimum(mean + above, 1.0)


def paired(counts: Integers) -> Integers:
    """Counts [..., bins] on half as many bins: each two neighbours are one."""
    room = [(0, 0)] * (counts.ndim - 1) + [(0, counts.shape[-1] % 2)]
    halves = np.pad(counts, room).reshape(*counts.shape[:-1], (counts.shape[-1] + 1) // 2, 2)
    return cast(Integers, halves.sum(axis=-1))


def widened(value: Floats, low: Floats, high: Floats, rough: Floats) -> tuple[Floats, Floats, Floats]:
    """Limits moved to where bins hide the truth, ``rough`` being the value on half as many bins.

    What bins hide goes with the square of their width, so a third of the difference is still missing; half of it is
    added, for bins are not of one width.
    """
    missing = (value - rough) / 2
    return value, low + np.minimum(missing, 0.0), high + np.maximum(missing, 0.0)
