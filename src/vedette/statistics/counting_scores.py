"""Counting of predictions by score, for classifiers of two classes: what estimates without labels read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting_rows import check_grid, checked_codes, windows_of
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["scored_grid", "summarise_scores"]


def scored_grid(quality: Grid, column: str) -> Grid | None:
    """The grid on which predictions are counted by the score bins of a quality grid; None where it has not two classes
    or no score bins.

    >>> from vedette.statistics import quality_grid
    >>> scored_grid(quality_grid(("no", "yes")), "_scores").cells     # 128 bins and none, times two, another, none
    516
    """
    if quality.kind != "quality" or len(quality.classes) != 2 or not len(quality.score_edges):
        return None
    return Grid(
        column,
        "scored",
        classes=quality.classes,
        score_edges=quality.score_edges,
        discrete=quality.discrete,
    )


def summarise_scores(
    grid: Grid,
    predictions: npt.ArrayLike,
    names: Sequence[str],
    score: npt.ArrayLike,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
) -> Summary:
    """The summary of predictions by score bin: each row is counted, whether its label is known or not.

    ``predictions`` int [N] are places in ``names``, -1 where null; ``score`` float64 [N] the probability of the second
    class, NaN or outside [0, 1] where there is none.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not of the kind.
    """
    check_grid(grid, ("scored",))
    prediction, scores = (
        checked_codes("predictions", predictions, len(names)),
        np.asarray(score, dtype=np.float64),
    )
    n = len(prediction)
    if scores.shape != (n,):
        raise ValueError(f"scores of shape {scores.shape} for {n} predictions: must be one for each")
    into = windows_of(window, n, n_windows)
    places = {name: place for place, name in enumerate(grid.classes)}
    place_of = np.array([*(places.get(name, 2) for name in names), 3], dtype=np.int64)
    n_scores, _, n_predictions = grid.shape
    valid = (scores >= 0) & (scores <= 1)
    bins = np.where(valid, np.searchsorted(grid.score_edges, scores, side="right"), n_scores - 1)
    flat = (into * n_scores + bins) * n_predictions + place_of[prediction]
    out = Summary.empty(grid, n_windows, 0)
    out.rows[:] = np.bincount(into, minlength=n_windows)
    out.counts[:] = np.bincount(flat, minlength=n_windows * grid.cells).reshape(n_windows, grid.cells)
    return out
