"""Which box that was found is which box that is there: overlap, and the greedy matching of COCO."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["AREAS", "AREA_NAMES", "DETECTIONS_MOST", "THRESHOLDS", "match", "outside", "overlaps"]

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""How much two boxes must overlap (IoU) to be the same: 0.50 to 0.95 by 0.05."""

AREA_NAMES = ("all", "small", "medium", "large")
AREAS: Floats = np.array([[0.0, 1e10], [0.0, 32.0**2], [32.0**2, 96.0**2], [96.0**2, 1e10]])
"""The least and the greatest area in square pixels, both inclusive, by name."""

DETECTIONS_MOST = 100
"""How many boxes of one class in one image are looked at, those with the highest scores."""

_NEARLY_ONE = 1 - 1e-10  # no threshold is higher: boxes that are the same to rounding are the same


def overlaps(found: npt.ArrayLike, there: npt.ArrayLike, crowd: npt.ArrayLike | None = None) -> Floats:
    """Intersection over union of each of D boxes with each of G, [D, G]; of a crowd over the area of the box found.

    Boxes are [left, top, width, height].

    >>> overlaps([[0, 0, 10, 10]], [[5, 0, 10, 10], [20, 0, 5, 5]]).round(4).tolist()     # 50 of 150
    [[0.3333, 0.0]]
    """
    one, other = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (found, there))
    right = np.minimum((one[:, 0] + one[:, 2])[:, np.newaxis], other[:, 0] + other[:, 2])
    bottom = np.minimum((one[:, 1] + one[:, 3])[:, np.newaxis], other[:, 1] + other[:, 3])
    width = np.maximum(right - np.maximum(one[:, :1], other[:, 0]), 0.0)
    height = np.maximum(bottom - np.maximum(one[:, 1:2], other[:, 1]), 0.0)
    both = width * height
    own, others = (one[:, 2] * one[:, 3])[:, np.newaxis], other[:, 2] * other[:, 3]
    union = own + others - both
    if crowd is not None:
        union = np.where(np.asarray(crowd, dtype=np.bool_), own, union)
    shared: Floats = np.divide(both, union, out=np.zeros_like(both), where=both > 0)
    return shared


def outside(area: Floats) -> Booleans:
    """Which boxes of these areas [N] lie in none of a range: [N, ranges]."""
    size = area[:, np.newaxis]
    found: Booleans = (size < AREAS[:, 0]) | (size > AREAS[:, 1])
    return found


def match(
    overlap: Floats, ignored: Booleans, crowd: Booleans, out_of_range: Booleans
) -> tuple[Booleans, Booleans]:
    """Which boxes found are matched, and which count neither for nor against: [D, ranges, thresholds] each.

    ``overlap`` [D, G] is that of the boxes found, highest score first, with those there; ``ignored`` [G, ranges] are the
    latter that do not count, ``crowd`` [G] those that any number may be matched to; ``out_of_range`` [D, ranges].

    Each box found in turn takes the box there that it overlaps most, of those not taken yet that it overlaps by the
    threshold or more; one that counts goes before any that does not, the last of equals. What takes a box that does not
    count, or is out of range and takes none, does not count either.

    Source: T.-Y. Lin et al. (2014), ECCV, 740-755; the evaluation of the COCO API.
    """
    n_found, n_there = overlap.shape
    ranges, steps = ignored.shape[1], len(THRESHOLDS)
    matched = np.zeros((n_found, ranges, steps), dtype=np.bool_)
    left_out = np.zeros((n_found, ranges, steps), dtype=np.bool_)
    least = np.minimum(THRESHOLDS, _NEARLY_ONE)
    taken = np.zeros((ranges, steps, n_there), dtype=np.bool_)
    counts = ~ignored.T[:, np.newaxis]
    hopeful = np.flatnonzero(overlap.max(axis=1, initial=0.0) >= least[0])
    range_at, step_at = np.arange(ranges)[:, np.newaxis], np.arange(steps)
    for one in hopeful.tolist():
        row = overlap[one]
        place = np.empty(n_there, dtype=np.int64)
        place[np.argsort(row, kind="stable")] = np.arange(1, n_there + 1)
        may = (row >= least[:, np.newaxis]) & ~taken
        best = np.where(may, place + n_there * counts, 0).argmax(axis=2)
        any_left = may.any(axis=2)
        matched[one] = any_left
        left_out[one] = any_left & ignored.T[range_at, best]
        taken[range_at, step_at, best] |= any_left & ~crowd[best]
    left_out |= ~matched & out_of_range[:, :, np.newaxis]
    return matched, left_out
