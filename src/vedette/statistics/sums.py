"""What summaries add up besides counts and moments, by the kind of their grid."""

from __future__ import annotations

from functools import cache

__all__ = [
    "CALIBRATION_BINS",
    "CROSSED_MAX",
    "RANKING_CUTS",
    "SCORES",
    "SUMS",
    "direction_sums",
    "multilabel_sums",
]

CALIBRATION_BINS = 10

RANKING_CUTS = (1, 3, 5, 10, 20, 50, 100, None)
"""How many of the first items figures of rankings look at; None: all of them."""

SCORES = tuple(step / 10 for step in range(10))
"""Scores from which on boxes are counted as found."""

CROSSED_MAX = 64
"""Up to so many labels it is kept how often two come together: 64 are 145 kB a window."""

_MEASURES = ("ndcg", "map", "mrr", "hit_rate", "precision", "recall")
_OF_BOXES = (
    "images",
    "unions",
    "right",
    "found",
    "right_2",
    "right_found",
    "found_2",
    "right_there",
    "found_there",
)


@cache
def multilabel_sums(labels: int) -> tuple[str, ...]:
    """The names of the sums of a multilabel grid of so many labels: those of ``MultilabelSummary``, one after another."""
    counts = [f"{what}_{place}" for what in ("right", "predicted", "true") for place in range(labels)]
    parts = ("clusters", "hits", "rows", "hits_2", "hits_rows", "rows_2")
    clustered = [f"{of}_{part}" for of in ("predicted", "true", "either") for part in parts]
    powers = [f"row_{kind}_{power}" for power in range(4) for kind in range(7)]
    pairs = 3 * labels * (3 * labels + 1) // 2 if labels <= CROSSED_MAX else 0
    return ("exact", *counts, *clustered, *powers, *(f"pair_{place}" for place in range(pairs)))


SUMS: dict[str, tuple[str, ...]] = {
    "quality": (
        "scored",
        *(
            f"{loss}{whose}_{power}"
            for loss in ("log_loss", "brier")
            for whose in ("", "_doubted")
            for power in (1, 2, 3)
        ),
        *(
            f"{what}_{place}"
            for what in ("confident", "confidence", "hits", "gaps")
            for place in range(CALIBRATION_BINS)
        ),
    ),
    "error": (
        *(f"{side}_{power}" for side in ("over", "under") for power in (1, 2, 3)),
        *(f"relative_{power}" for power in (1, 2, 3)),
        "inverse",
        "zeros",
        *(f"label_{power}" for power in (1, 2, 3, 4)),
        "squares_label_1",
        "squares_label_2",
    ),
    "ranking": tuple(
        f"{name}@{'all' if cut is None else cut}_{power}"
        for power in (1, 2, 3)
        for cut in RANKING_CUTS
        for name in _MEASURES
    ),
    "detection": (
        *("images_there", "there", "there_2"),
        *(f"{what}_{iou}_{score}" for what in _OF_BOXES for iou in range(10) for score in range(len(SCORES))),
    ),
}
"""The names of ``Summary.sums`` of a kind; a kind that is not here has none.

Of detection: images with boxes there, these boxes and their squares; then, for each of ten overlaps and of ``SCORES``, images
with boxes found, with either, and sums over images of right, found, and their products with one another and those there.
"""


@cache
def direction_sums(n_axes: int) -> tuple[str, ...]:
    """Those of vectors by their directions: of each feature (places along axes, products of the first six, a cosine and a sine
    of 64 frequencies) the total, and the total of its squares.
    """
    shaped = min(6, n_axes)
    features = n_axes + shaped * (shaped + 1) // 2 + 2 * 64
    return tuple(f"feature_{power}_{number}" for power in (1, 2) for number in range(features))
