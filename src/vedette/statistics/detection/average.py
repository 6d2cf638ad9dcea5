"""Average precision and recall of the boxes of one class, as COCO computes them, with or without some of the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.detection.matching import DETECTIONS_MOST
from vedette.statistics.detection.summary import DetectionSummary

__all__ = ["RECALLS", "ByScore", "average_precision", "by_score", "recall_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

RECALLS: Floats = np.linspace(0.0, 1.0, 101)
"""At which recalls precision is read: 0 to 1 by 0.01."""


@dataclass(frozen=True, slots=True, eq=False)
class ByScore:
    """The boxes of one class in one range of areas, highest score first.

    ``image`` and ``rank`` [D], ``right`` and ``wrong`` [D, thresholds]: what counts for and against. ``positives`` are the
    boxes there that count, by image [images].
    """

    image: Integers
    rank: Integers
    right: Booleans
    wrong: Booleans
    positives: Integers

    def without(self, images: Booleans) -> ByScore:
        """The same without some images [images]."""
        kept = ~images[self.image]
        return ByScore(
            self.image[kept],
            self.rank[kept],
            self.right[kept],
            self.wrong[kept],
            np.where(images, 0, self.positives),
        )


def by_score(summary: DetectionSummary, label: int, area: int) -> ByScore:
    """The boxes of the class and range with these numbers; equal scores in the order of images and ranks."""
    own = np.flatnonzero((summary.label == label) & (summary.rank < DETECTIONS_MOST))
    own = own[np.argsort(-summary.score[own], kind="stable")]
    matched, left_out = summary.matched[own, area], summary.left_out[own, area]
    counted = (summary.there_label == label) & ~summary.there_left_out[:, area]
    positives = np.bincount(summary.there_image[counted], minlength=len(summary))
    return ByScore(
        summary.image[own], summary.rank[own], matched & ~left_out, ~matched & ~left_out, positives
    )


def average_precision(boxes: ByScore) -> Floats:
    """Average precision by threshold, [thresholds]; NaN where no box there counts.

    Precision at each box, made to fall only from left to right (the greatest of any recall as high or higher), read at 101
    recalls, 0 where none is as high, and averaged.
    """
    n = boxes.positives.sum()
    steps = boxes.right.shape[1]
    if not n:
        return np.full(steps, np.nan)
    right, wrong = np.cumsum(boxes.right, axis=0, dtype=np.float64), np.cumsum(boxes.wrong, axis=0)
    recall = right / n
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    out = np.zeros(steps)
    for step in range(steps):
        at = np.searchsorted(recall[:, step], RECALLS, side="left")
        out[step] = precision[at[at < len(recall)], step].sum() / len(RECALLS)
    return out


def recall_of(boxes: ByScore, most: int) -> Floats:
    """The share of the boxes there that were found, by threshold, with so many boxes an image; NaN where none counts."""
    n = boxes.positives.sum()
    found: Floats = (
        boxes.right[boxes.rank < most].sum(axis=0) / n if n else np.full(boxes.right.shape[1], np.nan)
    )
    return found
