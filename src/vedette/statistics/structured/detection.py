"""Precision and recall of boxes read off summaries: those of ``statistics.detection``, with counts by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.statistics.clusters import Clustered, jaccard_to_f1
from vedette.statistics.detection.matching import AREA_NAMES, DETECTIONS_MOST, THRESHOLDS
from vedette.statistics.detection.summary import DetectionSummary, summarise_detection
from vedette.statistics.estimates import Estimates, check_kind, check_level
from vedette.statistics.grid import Grid
from vedette.statistics.measured import Measured
from vedette.statistics.structured.losses import summary_of
from vedette.statistics.structured.reading import LOSS_EDGES, add_by_window, read, whole
from vedette.statistics.summary import Summary
from vedette.statistics.sums import SCORES

__all__ = [
    "BY_CLASS",
    "COCO",
    "IMAGE_METRICS",
    "IOU",
    "OF_BOXES",
    "SCORE",
    "BoxShare",
    "detection_grid",
    "loss_of_boxes",
    "summarise_boxes",
]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

IOU, SCORE = 0.5, 0.5
"""How much two boxes must overlap to be the same, and from which score on a box is found, where nobody says."""

COCO = (
    *("map", "map_50", "map_75", "map_small", "map_medium", "map_large"),
    *("mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"),
)
BY_CLASS = "_per_class"
OF_BOXES = tuple(
    f"{which}_{what}"
    for which in ("found", "there")
    for what in ("per_image", "small_share", "medium_share", "large_share", "area_p50")
)
IMAGE_METRICS = (*COCO, *(f"{name}{BY_CLASS}" for name in COCO), *OF_BOXES)
"""Figures of ``statistics.detection`` that need all boxes at once, so that no summary has them."""

_OF_THERE, _OF_FOUND = 3, 9
_NOTHING: Mapping[str, Any] = {"boxes": [], "labels": [], "scores": []}


def detection_grid(column: str = "detection") -> Grid:
    """The one grid of boxes: images by what they lost, 1 less the image's F1 at an overlap and a score of 0.5.

    >>> detection_grid().cells
    22
    """
    return Grid(column, "detection", edges=LOSS_EDGES)


def _matched(
    found: Sequence[Mapping[str, Any] | None], there: Sequence[Mapping[str, Any]]
) -> DetectionSummary:
    given = [_NOTHING if one is None else one for one in found]
    return summarise_detection(given, there, images=range(len(given)), box_format="xywh")


def loss_of_boxes(found: Sequence[Mapping[str, Any] | None], there: Sequence[Mapping[str, Any]]) -> Floats:
    """1 less the F1 of each image [N] at an overlap and a score of 0.5; 0 where nothing is there and nothing was found.

    >>> box = {"boxes": [[0, 0, 9, 9]], "labels": ["a"]}
    >>> loss_of_boxes([{**box, "scores": [0.9]}, {**box, "scores": [0.2]}], [box, box]).tolist()
    [0.0, 1.0]
    """
    counts = _Counts(_matched(found, there))
    return counts.loss()


class _Counts:
    """The boxes of images counted: there [N], found and right [N, overlaps, scores]."""

    def __init__(self, matched: DetectionSummary) -> None:
        n, area = len(matched), AREA_NAMES.index("all")
        counted = ~matched.there_left_out[:, area]
        self.there = np.bincount(matched.there_image[counted], minlength=n).astype(np.float64)
        shape = n, len(THRESHOLDS), len(SCORES)
        self.found, self.right = np.zeros(shape), np.zeros(shape)
        for place, score in enumerate(SCORES):
            shown = np.flatnonzero((matched.score >= score) & (matched.rank < DETECTIONS_MOST))
            counts = ~matched.left_out[shown, area]
            np.add.at(self.found[:, :, place], matched.image[shown], counts)
            np.add.at(self.right[:, :, place], matched.image[shown], counts & matched.matched[shown, area])

    def loss(self) -> Floats:
        step, place = _steps(IOU, SCORE)
        right, found = self.right[:, step, place], self.found[:, step, place]
        either = found + self.there
        return 1.0 - np.divide(2 * right, either, out=np.ones(len(either)), where=either > 0)

    def sums(self) -> Floats:
        """What each image adds to the sums of a summary, [N, sums]."""
        there = self.there[:, np.newaxis, np.newaxis]
        right, found = self.right, self.found
        of_boxes = (
            *(found > 0, found + there - right > 0, right, found),
            *(right**2, right * found, found**2, right * there, found * there),
        )
        flat = [np.broadcast_to(one, right.shape).reshape(len(right), -1) for one in of_boxes]
        own = np.stack([self.there > 0, self.there, self.there**2], axis=1)
        return np.concatenate([own, *flat], axis=1).astype(np.float64)


def summarise_boxes(
    grid: Grid,
    found: Sequence[Mapping[str, Any] | None],
    there: Sequence[Mapping[str, Any]],
    window: npt.ArrayLike = 0,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summaries of images by window: the boxes found in each (None: no prediction) and those that are there.

    They are mappings as ``summarise_detection`` has them, boxes as left, top, width, height; ``sign`` -1 takes an image
    away. Raises ``ValueError`` for another kind of grid.

    >>> box = {"boxes": [[0, 0, 9, 9]], "labels": ["a"]}
    >>> some = summarise_boxes(detection_grid(), [{**box, "scores": [0.9]}] * 15 + [None], [box] * 16)
    >>> BoxShare("recall").figures(some).value.tolist(), some.missing.tolist()
    ([1.0], [1])
    """
    if grid.kind != "detection":
        raise ValueError(f"grid of kind {grid.kind!r}: must be 'detection'")
    n = len(found)
    missing = np.array([one is None for one in found], dtype=np.bool_)
    of = np.broadcast_to(np.asarray(window, dtype=np.int64), (n,))
    signs = np.broadcast_to(np.asarray(sign, dtype=np.int64), (n,))
    counts = _Counts(_matched(found, there))
    sums = add_by_window(counts.sums()[~missing], of[~missing], n_windows, signs[~missing])
    return summary_of(grid, counts.loss(), missing, sums, of, n_windows, signs)


def _steps(iou: float, score: float) -> tuple[int, int]:
    """The numbers of an overlap and a score, or ``ValueError``."""
    step, place = np.abs(THRESHOLDS - iou).argmin(), np.abs(np.array(SCORES) - score).argmin()
    if not abs(THRESHOLDS[step] - iou) < 1e-6:
        raise ValueError(f"iou={iou!r}: must be one of 0.5, 0.55, ... 0.95")
    if not abs(SCORES[place] - score) < 1e-6:
        raise ValueError(f"score={score!r}: must be one of 0, 0.1, ... 0.9")
    return int(step), int(place)


@dataclass(frozen=True, slots=True)
class BoxShare:
    """``precision``, ``recall`` or ``f1`` of boxes over all classes, as ``detection.precision_recall`` has them.

    ``iou`` is how much two boxes must overlap to be the same (0.5, 0.55, ... 0.95), ``score`` from which score on one is
    found (0, 0.1, ... 0.9).
    """

    name: str
    iou: float = IOU
    score: float = SCORE
    kinds: tuple[str, ...] = ("detection",)
    needs_reference: bool = False

    def __post_init__(self) -> None:
        _steps(self.iou, self.score)

    def figures(self, current: Summary, reference: Summary | None = None, level: float = 0.95) -> Estimates:  # noqa: ARG002
        """The figure by window; ``ValueError`` for another kind of column or a level outside (0, 1)."""
        check_kind(self.name, self.kinds, current)
        check_level(level)
        return read(current, lambda at: self._of(current.sums[at], level))

    def _of(self, sums: Floats, level: float) -> Measured:
        step, place = _steps(self.iou, self.score)
        images, there, there_2 = map(int, whole(sums[:_OF_THERE]))
        of_boxes = sums[_OF_THERE:].reshape(_OF_FOUND, len(THRESHOLDS), len(SCORES))[:, step, place]
        shown, either, right, found, right_2, right_found, found_2, right_there, found_there = map(
            int, whole(of_boxes)
        )
        if self.name == "precision":
            return Clustered(shown, right, found, right_2, right_found, found_2).share(
                level, "images", "boxes found"
            )
        if self.name == "recall":
            return Clustered(images, right, there, right_2, right_there, there_2).share(
                level, "images", "boxes there"
            )
        n = found + there - right
        n_2 = found_2 + there_2 + right_2 + 2 * (found_there - right_found - right_there)
        union = Clustered(either, right, n, right_2, right_found + right_there - right_2, n_2)
        return jaccard_to_f1(union.share(level, "images", "boxes"), found + there)


FIGURES = {name: BoxShare(name) for name in ("precision", "recall", "f1")}
USUAL = tuple(FIGURES)
