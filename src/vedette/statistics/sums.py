"""What summaries add up besides counts and moments, by the kind of their grid."""

from __future__ import annotations

from functools import cache

__all__ = ["CALIBRATION_BINS", "SUMS", "direction_sums"]

CALIBRATION_BINS = 10

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
}
"""The names of ``Summary.sums`` of a kind; a kind that is not here has none."""


@cache
def direction_sums(n_axes: int) -> tuple[str, ...]:
    """Those of vectors by their directions: of each feature (places along axes, products of the first six, a cosine and a sine
    of 64 frequencies) the total, and the total of its squares.
    """
    shaped = min(6, n_axes)
    features = n_axes + shaped * (shaped + 1) // 2 + 2 * 64
    return tuple(f"feature_{power}_{number}" for power in (1, 2) for number in range(features))
