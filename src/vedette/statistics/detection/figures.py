"""The figures of boxes, read off a ``DetectionSummary``, with intervals over images."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
from scipy import special

from vedette.statistics.detection.average import ByScore, average_precision, by_score, recall_of
from vedette.statistics.detection.matching import AREA_NAMES
from vedette.statistics.detection.summary import DetectionSummary
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import unlike
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["detection_figures", "figures_by_class"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

IMAGES_MIN = 50
"""With 20 images, 20 boxes there of each class, the interval of average precision holds it only 0.92 of the time."""

POSITIVES_MIN = 20
"""Boxes there of a class, or on average of several; with 7 the interval of one class holds the truth 0.90 of the time."""

FEWEST_MIN = 5
"""Boxes there of any class that is averaged with others."""

RIGHT_MIN = 10
"""With fewer boxes found right the value is little but chance: of a true 0.002 the interval holds it 0.80 of the time."""

_BUCKETS = 32
_BIAS = 2.0  # times what the jackknife says: it takes a bias to go with 1/n, and that of an envelope falls more slowly
_STEPS = {"": slice(None), "_50": slice(0, 1), "_75": slice(5, 6)}


def detection_figures(summary: DetectionSummary, level: float = 0.95) -> dict[str, Measured]:
    """COCO's twelve figures over all classes that are there, with intervals.

    ``map`` is average precision averaged over ten thresholds of overlap (0.50 to 0.95) and over classes; ``map_50`` and
    ``map_75`` at one threshold; ``map_small``, ``map_medium`` and ``map_large`` of boxes under 32^2, up to 96^2 and above square
    pixels; ``mar_1``, ``mar_10`` and ``mar_100`` recall averaged in the same way with so many boxes of a class in an image;
    ``mar_small``, ``mar_medium`` and ``mar_large`` by size. Values are those of pycocotools to rounding.

    The interval is of images as independent draws. With images dealt into 32 buckets by a hash of their names (fewer than 64
    images: each its own), the figure is computed without each bucket in turn. The spread gives its variance (delete-a-group
    jackknife), Student's quantile on buckets - 1 the limits, and the mean by how much it comes out too high with as many images
    as there are: precision is made to fall from left to right, which raises it the more the fewer boxes there are. Twice that
    bias is taken off the lower limit. And a share 1 - (alpha/2)^(1/m) of images, which m images with boxes may well have missed
    (Clopper and Pearson), is taken to be able to have nothing right, or all. The interval is conservative.

    ``n`` counts the boxes there. Fewer than 50 images, 20 boxes there (of several classes: on average, and 5 of each), or 10
    boxes that were found right, are a reason.
    Raises ``ValueError`` for a level outside (0, 1).

    Sources: T.-Y. Lin et al. (2014), ECCV, 740-755; P. S. Kott (2001), Journal of Official Statistics 17, 521-526.
    """
    check_level(level)
    every = _Replicates(summary)
    return {name: _over(every, list(range(len(summary.classes))), name, level) for name in _NAMES}


def figures_by_class(summary: DetectionSummary, level: float = 0.95) -> dict[Hashable, dict[str, Measured]]:
    """The same figures of each class alone: ``{"cat": {"map": ..., ...}, ...}``."""
    check_level(level)
    every = _Replicates(summary)
    return {
        label: {name: _over(every, [place], name, level) for name in _NAMES}
        for place, label in enumerate(summary.classes)
    }


_ALL = slice(None)
_NAMES: dict[str, tuple[str, int | None, slice]] = {
    **{f"map{name}": ("all", None, steps) for name, steps in _STEPS.items()},
    **{f"map_{area}": (area, None, _ALL) for area in AREA_NAMES[1:]},
    **{f"mar_{most}": ("all", most, _ALL) for most in (1, 10, 100)},
    **{f"mar_{area}": (area, 100, _ALL) for area in AREA_NAMES[1:]},
}
"""The range of areas of each figure, of recall how many boxes an image, and the thresholds that it reads."""


class _Replicates:
    """The figures of each class with all images and without each bucket of them, each worked out once."""

    def __init__(self, summary: DetectionSummary) -> None:
        self.summary = summary
        self.bucket, self.buckets = _dealt(summary)
        self._boxes: dict[tuple[int, int], list[ByScore]] = {}
        self._done: dict[tuple[int, int, int | None], Floats] = {}

    def boxes(self, label: int, area: str) -> ByScore:
        """The boxes of a class in a range of areas, in all images."""
        return self._parts(label, AREA_NAMES.index(area))[0]

    def _parts(self, label: int, area: int) -> list[ByScore]:
        if (label, area) not in self._boxes:
            whole = by_score(self.summary, label, area)
            without = [whole.without(self.bucket == one) for one in range(self.buckets)]
            self._boxes[label, area] = [whole, *without]
        return self._boxes[label, area]

    def figures(self, label: int, area: str, most: int | None) -> Floats:
        """Average precision, or recall of so many boxes, [1 + buckets, thresholds]: of all images, and without each."""
        key = label, AREA_NAMES.index(area), most
        if key not in self._done:
            parts = self._parts(*key[:2])
            self._done[key] = np.array(
                [average_precision(one) if most is None else recall_of(one, most) for one in parts]
            )
        return self._done[key]


def _over(every: _Replicates, classes: list[int], name: str, level: float) -> Measured:
    """One figure averaged over those of the classes that are there."""
    area, most, steps = _NAMES[name]
    boxes = {place: every.boxes(place, area) for place in classes}
    boxes = {place: one for place, one in boxes.items() if one.positives.any()}
    positives = {place: int(one.positives.sum()) for place, one in boxes.items()}
    n = sum(positives.values())
    reason = _reason(every, boxes, positives, steps)
    if reason is not None:
        return unknown(f"no {area} boxes there" if not boxes and area != "all" else reason, n)
    found = np.array([every.figures(place, area, most)[:, steps] for place in boxes]).mean(axis=(0, 2))
    value, parts = float(found[0]), found[1:]
    buckets = every.buckets
    spread = float(np.sqrt((buckets - 1) / buckets * ((parts - parts.mean()) ** 2).sum()))
    bias = _BIAS * (buckets - 1) * float(parts.mean() - value)
    half = float(special.stdtrit(buckets - 1, (1 + level) / 2)) * spread
    with_any = np.any([one.positives > 0 for one in boxes.values()], axis=0).sum()
    missed = float(unlike(with_any, level))
    low = min(min(value, value - bias) - half, value * (1 - missed))
    high = max(max(value, value - bias) + half, value + (1 - value) * missed)
    return Measured.of(value, max(low, 0.0), min(high, 1.0), n, CONSERVATIVE)


def _reason(
    every: _Replicates, boxes: dict[int, ByScore], positives: dict[int, int], steps: slice
) -> str | None:
    """Why there is no figure, if so."""
    summary, n = every.summary, sum(positives.values())
    if not boxes:
        return "no boxes there"
    if len(summary) < IMAGES_MIN:
        return f"fewer than {IMAGES_MIN} images: {len(summary)}"
    if n < POSITIVES_MIN * len(boxes):
        return f"fewer than {POSITIVES_MIN} boxes there of a class on average, of {len(boxes)}: {n}"
    fewest = min(positives, key=lambda place: positives[place])
    if positives[fewest] < FEWEST_MIN:
        return f"fewer than {FEWEST_MIN} boxes there of {summary.classes[fewest]!r}: {positives[fewest]}"
    for place, one in boxes.items():
        if len(np.unique(every.bucket[one.positives > 0])) < 2:
            return f"the boxes there of {summary.classes[place]!r} lie in too few images"
    right = sum(int(one.right[:, steps].any(axis=1).sum()) for one in boxes.values())
    return f"fewer than {RIGHT_MIN} boxes found right: {right}" if right < RIGHT_MIN else None


def _dealt(summary: DetectionSummary) -> tuple[Integers, int]:
    """The bucket of each image, and how many there are: dealt in the order of hashes of names, whatever their own order."""
    hashes = [hashlib.blake2b(repr(one).encode(), digest_size=8).digest() for one in summary.images]
    order = np.argsort(
        np.array([int.from_bytes(one, "big") for one in hashes], dtype=np.uint64), kind="stable"
    )
    buckets = _BUCKETS if len(summary) >= 2 * _BUCKETS else len(summary)
    bucket = np.empty(len(summary), dtype=np.int64)
    bucket[order] = np.arange(len(summary)) % buckets
    return bucket, buckets
