"""What is kept of images whose boxes were matched: scores and what became of each box, so that shards add up exactly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.statistics.detection.inputs import Boxes, BoxFormat, boxes_of, checked_images, order_key
from vedette.statistics.detection.matching import (
    AREAS,
    DETECTIONS_MOST,
    THRESHOLDS,
    match,
    outside,
    overlaps,
)

__all__ = ["DetectionSummary", "summarise_detection"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DetectionSummary:
    """The boxes of some images, matched.

    ``images`` and ``classes`` are names, sorted. Of each box found, [D]: the place of its image and class, its score, its
    rank among those of its image and class (0: the highest score), its area, and [D, ranges, thresholds] whether it was
    matched and whether it counts for nothing (``matching.match``); those beyond the first 100 were not matched and are in no
    figure but those of numbers and sizes. Of each box there, [G]: image, class, area, whether it is a crowd or to be
    ignored, and [G, ranges] whether it counts for nothing there.

    Adding two is the summary of all images: boxes are put side by side and sorted, so that any order and any shards give
    the same to the bit. An image must be in one summary as a whole.
    """

    images: tuple[Hashable, ...]
    classes: tuple[Hashable, ...]
    image: Integers
    label: Integers
    score: Floats
    rank: Integers
    area: Floats
    matched: Booleans
    left_out: Booleans
    there_image: Integers
    there_label: Integers
    there_area: Floats
    there_ignored: Booleans
    there_left_out: Booleans

    def __len__(self) -> int:
        return len(self.images)

    def __add__(self, other: DetectionSummary) -> DetectionSummary:
        """The summary of both sets of images; ``ValueError`` where one is in both."""
        if not isinstance(other, DetectionSummary):
            return NotImplemented
        both = set(self.images) & set(other.images)
        if both:
            one = sorted(both, key=order_key)[0]
            raise ValueError(f"image {one!r}: is in both summaries; each must be in one as a whole")
        classes = {*self.classes, *other.classes}
        return _sorted(
            {
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in (*_FOUND, *_THERE)
                if name not in _PLACES
            }
            | {
                name: [
                    part[place]
                    for one in (self, other)
                    for part in (getattr(one, of),)
                    for place in getattr(one, name)
                ]
                for name, of in _PLACES.items()
            },
            {*self.images, *other.images},
            classes,
        )


_FOUND = ("image", "label", "score", "rank", "area", "matched", "left_out")
_THERE = ("there_image", "there_label", "there_area", "there_ignored", "there_left_out")
_PLACES = {"image": "images", "label": "classes", "there_image": "images", "there_label": "classes"}


def _sorted(parts: dict[str, Any], images: set[Hashable], classes: set[Hashable]) -> DetectionSummary:
    """The summary of columns in which images and labels are names: all in the order of images, classes and ranks."""
    names = {"images": tuple(sorted(images, key=order_key)), "classes": tuple(sorted(classes, key=order_key))}
    places = {of: {name: place for place, name in enumerate(every)} for of, every in names.items()}
    for name, of in _PLACES.items():
        parts[name] = np.array([places[of][one] for one in parts[name]], dtype=np.int64)
    found = np.lexsort((parts["rank"], parts["label"], parts["image"]))
    # of one image and class those there keep the order they came in: no sum depends on it
    there = np.lexsort((parts["there_area"], parts["there_label"], parts["there_image"]))
    columns = {name: parts[name][found] for name in _FOUND} | {name: parts[name][there] for name in _THERE}
    return DetectionSummary(names["images"], names["classes"], **columns)


def summarise_detection(
    predictions: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
    *,
    images: Sequence[Hashable] | None = None,
    box_format: BoxFormat = "xyxy",
) -> DetectionSummary:
    """The summary of images: the boxes found in each, and those that are there.

    An image's prediction has ``boxes`` [N, 4], ``scores`` [N] and ``labels`` [N] (whole numbers or texts), its truth
    ``boxes`` and ``labels``, and where there are any ``iscrowd`` (1: a region with many, to which any number may be matched
    without counting), ``ignore`` (1: one that may be found but need not be) and ``area`` (where it is not that of the box).
    ``images`` are their names, by which summaries that are added are told apart (default: their places). ``box_format`` is
    ``xyxy`` (left, top, right, bottom), ``xywh`` (left, top, width, height) or ``cxcywh`` (centre, width, height), in pixels.

    Raises ``ValueError`` where lengths differ, a name is there twice, a box is not finite or has a negative size, or a score
    is NaN.

    >>> found = [{"boxes": [[0, 0, 10, 10]], "scores": [0.9], "labels": ["cat"]}]
    >>> there = [{"boxes": [[0, 0, 10, 8]], "labels": ["cat"]}]
    >>> summary = summarise_detection(found, there)
    >>> summary.matched[0, 0].tolist()[:7]     # they overlap by 80 of 100: matched up to 0.80
    [True, True, True, True, True, True, True]
    """
    if len(predictions) != len(truths):
        raise ValueError(f"{len(predictions)} predictions and {len(truths)} truths: must be as many")
    if box_format not in ("xyxy", "xywh", "cxcywh"):
        raise ValueError(f"box_format={box_format!r}: must be 'xyxy', 'xywh' or 'cxcywh'")
    names = checked_images(images, len(predictions))
    parts: dict[str, list[Any]] = {name: [] for name in (*_FOUND, *_THERE)}
    classes: set[Hashable] = set()
    for place, name in enumerate(names):
        found = boxes_of(predictions[place], f"predictions[{place}]", box_format, found=True)
        there = boxes_of(truths[place], f"truths[{place}]", box_format, found=False)
        own = {*found.labels, *there.labels}
        classes |= own
        for label in sorted(own, key=order_key):
            _add(parts, name, label, found, there)
    shapes = {"matched": (0, len(AREAS), len(THRESHOLDS)), "there_left_out": (0, len(AREAS))}
    shapes["left_out"] = shapes["matched"]
    kinds = dict.fromkeys(("matched", "left_out", "there_ignored", "there_left_out"), np.bool_)
    columns = {
        name: list(some)
        if name in _PLACES
        else np.concatenate([np.zeros(shapes.get(name, (0,)), dtype=kinds.get(name, np.float64)), *some])
        for name, some in parts.items()
    }
    columns["rank"] = columns["rank"].astype(np.int64)  # type: ignore[union-attr]
    return _sorted(columns, set(names), classes)


def _add(parts: dict[str, list[Any]], name: Hashable, label: Hashable, found: Boxes, there: Boxes) -> None:
    """Match the boxes of one class in one image, and add them to the columns."""
    own = np.array([place for place, one in enumerate(found.labels) if one == label], dtype=np.int64)
    own = own[np.argsort(-found.scores[own], kind="stable")]
    other = np.array([place for place, one in enumerate(there.labels) if one == label], dtype=np.int64)
    there_left_out = there.ignored[other, np.newaxis] | outside(there.area[other])
    area = found.boxes[own, 2] * found.boxes[own, 3]
    first = own[:DETECTIONS_MOST]
    overlap = overlaps(found.boxes[first], there.boxes[other], there.crowd[other])
    matched = np.zeros((len(own), len(AREAS), len(THRESHOLDS)), dtype=np.bool_)
    left_out = np.zeros_like(matched)
    matched[: len(first)], left_out[: len(first)] = match(
        overlap, there_left_out, there.crowd[other], outside(area[: len(first)])
    )
    parts["image"] += [name] * len(own)
    parts["label"] += [label] * len(own)
    parts["there_image"] += [name] * len(other)
    parts["there_label"] += [label] * len(other)
    for column, some in (
        ("score", found.scores[own]),
        ("rank", np.arange(len(own))),
        ("area", area),
        ("matched", matched),
        ("left_out", left_out),
        ("there_area", there.area[other]),
        ("there_ignored", there.ignored[other]),
        ("there_left_out", there_left_out),
    ):
        parts[column].append(some)
