"""Precision and recall of boxes at one overlap and one score, and how many boxes there are, and how large."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt

from vedette.statistics.bounded_mean import mean_between
from vedette.statistics.clusters import Clustered, effective_rows, jaccard_to_f1
from vedette.statistics.detection.matching import AREA_NAMES, AREAS, DETECTIONS_MOST, THRESHOLDS
from vedette.statistics.detection.summary import DetectionSummary
from vedette.statistics.estimates import check_level
from vedette.statistics.intervals import share
from vedette.statistics.measured import CONSERVATIVE, Measured, unknown

__all__ = ["box_figures", "precision_recall"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def precision_recall(
    summary: DetectionSummary,
    iou: float = 0.5,
    score: float = 0.5,
    label: Hashable | None = None,
    level: float = 0.95,
) -> dict[str, Measured]:
    """``precision``, ``recall`` and ``f1`` of boxes with this score or a higher one, where ``iou`` makes two the same.

    Precision is the share of boxes found that are matched to one there (``n`` counts boxes found), recall the share of those
    there that are found (``n``: boxes there), F1 = 2 TP/(found + there). Boxes are matched as COCO does, highest score
    first; crowds and ignored boxes, and what is matched to them, count for nothing. Over all classes, or of one ``label``.

    Boxes of one image hang together, so the interval is a share's with as many rows as give it the variance that it has over
    images (``clusters.effective_rows``); of F1 it is carried over from TP/(TP + FP + FN). Fewer than 10 images with boxes
    are a reason.

    Raises ``ValueError`` where ``iou`` is none of 0.50, 0.55, ... 0.95, ``score`` is NaN, there is no such label, or the
    level is outside (0, 1).
    """
    check_level(level)
    steps = np.flatnonzero(np.abs(THRESHOLDS - iou) < 1e-6)
    if not len(steps):
        raise ValueError(f"iou={iou!r}: must be one of 0.5, 0.55, ... 0.95")
    if np.isnan(score):
        raise ValueError(f"score={score!r}: must be a number")
    if label is not None and label not in summary.classes:
        raise ValueError(f"label={label!r}: must be one of {', '.join(map(repr, summary.classes))}")
    step, area = int(steps[0]), AREA_NAMES.index("all")
    own, there = _of_label(summary, label)
    shown = own & (summary.score >= score) & (summary.rank < DETECTIONS_MOST)
    counts = shown & ~summary.left_out[:, area, step]
    right = _by_image(summary, counts & summary.matched[:, area, step])
    found = _by_image(summary, counts)
    wanted = _by_image(summary, there & ~summary.there_left_out[:, area], there=True)
    n = int(found.sum() + wanted.sum())
    union = Clustered.of(right, found + wanted - right).share(level, "images", "boxes")
    return {
        "precision": Clustered.of(right, found).share(level, "images", "boxes found"),
        "recall": Clustered.of(right, wanted).share(level, "images", "boxes there"),
        "f1": jaccard_to_f1(union, n),
    }


def box_figures(summary: DetectionSummary, score: float = 0.0, level: float = 0.95) -> dict[str, Measured]:
    """How many boxes there are and how large, of those found (with this score or a higher one) and those there.

    For ``found`` and ``there``: ``found_per_image`` the mean number of boxes (``n`` counts images; the interval is that of
    ``bounded_mean.mean_between`` up to the most boxes seen in one); ``found_small_share``, ``_medium_share`` and
    ``_large_share``, of boxes under 32^2, under 96^2, and from there on square pixels; and ``found_area_p50``, the median area
    (``n`` counts boxes). Shares and the median have intervals over images: ``clusters.effective_rows``, for the median of the
    share of boxes up to it (Woodruff 1952). Crowds and ignored boxes are not among those there. Fewer than 10 images are a
    reason.

    Raises ``ValueError`` for a level outside (0, 1).

    Source: R. S. Woodruff (1952), JASA 47, 635-646.
    """
    check_level(level)
    shown, counted = summary.score >= score, ~summary.there_ignored
    return {
        **_numbers(summary, "found", shown, summary.area, level),
        **_numbers(summary, "there", counted, summary.there_area, level),
    }


def _numbers(
    summary: DetectionSummary, name: str, which: Booleans, area: Floats, level: float
) -> dict[str, Measured]:
    there = name == "there"
    every = _by_image(summary, which, there=there)
    images, most = len(summary), float(every.max(initial=0))
    powers = every.astype(np.float64)
    sums = (float(powers.sum()), float((powers**2).sum()), float((powers**3).sum()))
    # no image need ever hold more than one box: then the number is a share of images
    mean = mean_between(images, sums, level, 0.0, max(most, 1.0))
    out = {f"{name}_per_image": mean if mean.known else unknown(f"{mean.reason} images", images)}
    for place, size in enumerate(AREA_NAMES[1:], 1):
        low, high = AREAS[place]
        within = which & (area >= low) & (area < high)
        hits = Clustered.of(_by_image(summary, within, there=there), every)
        out[f"{name}_{size}_share"] = hits.share(level, "images", f"boxes {name}")
    out[f"{name}_area_p50"] = _median(summary, which, area, every, there, level)
    return out


def _median(
    summary: DetectionSummary, which: Booleans, area: Floats, every: Integers, there: bool, level: float
) -> Measured:
    """The median of areas, with limits at the shares between which a half lies."""
    values = np.sort(area[which])
    if not len(values):
        return unknown(f"no boxes {'there' if there else 'found'}")
    middle = float(values[(len(values) - 1) // 2])
    upto = Clustered.of(_by_image(summary, which & (area <= middle), there=there), every)
    known = upto.share(level, "images", f"boxes {'there' if there else 'found'}")
    if not known.known:
        return known
    rows = effective_rows(upto, level) if upto.hits < upto.rows else float(upto.clusters)
    low, high = (float(one) for one in share(rows / 2, rows, level))
    at = (int(np.floor(low * len(values))) - 1, int(np.ceil(high * len(values))))
    limits = values[np.clip(at, 0, len(values) - 1)]
    return Measured.of(middle, float(limits[0]), float(limits[1]), len(values), known.note and CONSERVATIVE)


def _of_label(summary: DetectionSummary, label: Hashable | None) -> tuple[Booleans, Booleans]:
    if label is None:
        return np.ones(len(summary.label), dtype=np.bool_), np.ones(len(summary.there_label), dtype=np.bool_)
    place = summary.classes.index(label)
    return summary.label == place, summary.there_label == place


def _by_image(summary: DetectionSummary, which: Booleans, *, there: bool = False) -> Integers:
    image = summary.there_image if there else summary.image
    return np.bincount(image[which], minlength=len(summary)).astype(np.int64)
