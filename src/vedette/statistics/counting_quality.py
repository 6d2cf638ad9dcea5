"""Counting of labels against predictions and scores, for classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting_rows import (
    check_grid,
    checked_codes,
    checked_signs,
    count_signed,
    windows_of,
)
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.sums import CALIBRATION_BINS

__all__ = ["ROW_SUM_OFF", "summarise_quality"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROW_SUM_OFF = 1e-3
"""The probabilities of all classes may add up to this much more or less than 1: they come rounded, or as float16."""

CLIP = float(np.finfo(np.float64).eps)  # as scikit-learn clips float64, so that the log loss is the same

_CHUNK_NUMBERS = 2**17  # probabilities at once: a few arrays of 1 MB each
_CALIBRATION_EDGES = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS


def summarise_quality(
    grid: Grid,
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    names: Sequence[str],
    score: npt.ArrayLike | None = None,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    weight: npt.ArrayLike = 1,
) -> Summary:
    """The summary of labels against predictions and scores.

    ``labels`` and ``predictions`` int [N] are places in ``names``, -1 where null. ``score`` are probabilities: of two
    classes float64 [N], that of the positive one; of more float64 [N, K], those of all ``grid.classes`` in their order.
    A row has no score where one of its probabilities is NaN or outside [0, 1], or where they add up to less than 0.999
    or more than 1.001; of other than two classes one score a row says nothing and counts as none. ``weight`` int64 is 1
    for a row that is added and -1 for one that is taken away: a corrected label is both, the old row and the new. Rows
    without a label are counted in ``missing``.

    ``sums`` are those of the rows with a score whose label is one of the classes. ``scored`` is their number;
    ``log_loss_1`` to ``_3`` and ``brier_1`` to ``_3`` add up the loss of a row, its square and cube, and
    ``..._doubted_1`` to ``_3`` what they are expected to be, were labels drawn from the probabilities' square roots:
    what a model twice as sure as it should be has to expect. ``confident_0`` to ``_9`` counts rows by ten equal steps
    of their confidence, of which ``confidence_k`` is the sum, ``hits_k`` the number that were right, and ``gaps_k`` the
    sum of squared differences. Confidence is, of two classes, the score, right where the label is positive; of more
    the greatest probability, right where its class is the label.

    Raises ``ValueError`` where lengths differ, a code or a window is out of range, or the grid is not one of
    quality.
    """
    check_grid(grid, ("quality",))
    label, prediction = (
        checked_codes("labels", labels, len(names)),
        checked_codes("predictions", predictions, len(names)),
    )
    n = len(label)
    if prediction.shape != label.shape:
        raise ValueError(f"{n} labels and {len(prediction)} predictions: must be as many")
    scores = _scores(grid, score, n)
    into, signs = windows_of(window, n, n_windows), checked_signs(weight, n)
    n_classes = len(grid.classes)
    places = {name: place for place, name in enumerate(grid.classes)}
    # one place more than names, so that code -1 finds the last: no prediction
    place_of = np.array([*(places.get(name, n_classes) for name in names), n_classes + 1], dtype=np.int64)
    truth = place_of[label]
    told = label >= 0
    cell = _bins(grid, scores) * (n_classes + 1) + truth
    cell = cell * (n_classes + 2) + place_of[prediction]
    out = Summary.empty(grid, n_windows, 0)
    out.rows[:] = count_signed(into, signs, n_windows)
    out.missing[:] = count_signed(into[~told], signs[~told], n_windows)
    flat = (into * grid.row_cells + cell)[told]
    counted = count_signed(flat, signs[told], n_windows * grid.row_cells)
    out.counts[:, : grid.row_cells] = counted.reshape(n_windows, grid.row_cells)
    if scores is not None and n_classes:
        # counting some rows costs as much as the counts that they are added to
        step = 1 + max(_CHUNK_NUMBERS, n_windows * grid.cells // 4) // n_classes
        for start in range(0, n, step):
            part = slice(start, start + step)
            _add_scores(out, truth[part], scores[part], into[part], signs[part])
    return out


def _scores(grid: Grid, score: npt.ArrayLike | None, n: int) -> Floats | None:
    """The scores [N] of two classes, or [N, K]; None where no row has one."""
    if score is None:
        return None
    scores = np.asarray(score, dtype=np.float64)
    classes = len(grid.classes)
    shapes = ((n,),) if classes == 2 else ((n,), (n, classes))
    if scores.shape not in shapes:
        raise ValueError(
            f"scores of shape {scores.shape}: must be {' or '.join(str(shape) for shape in shapes)}, as many as labels"
        )
    return scores if classes == 2 or scores.ndim == 2 else None


def _bins(grid: Grid, scores: Floats | None) -> Integers:
    """The score bin of each row of two classes, the last where there is no score; of other numbers of classes 0."""
    n_scores = grid.shape[0]
    if n_scores == 1:
        return np.zeros(1, dtype=np.int64)
    if scores is None:
        return np.full(1, n_scores - 1)
    valid = (scores >= 0) & (scores <= 1)
    bins = np.searchsorted(grid.score_edges, scores, side="right")
    return np.where(valid, bins, n_scores - 1)


def _add_scores(out: Summary, truth: Integers, scores: Floats, window: Integers, sign: Integers) -> None:
    """Add the sums and the counts by score and class of some rows, all of whose windows are known."""
    classes = len(out.grid.classes)
    inside = (scores >= 0) & (scores <= 1)
    valid = truth < classes
    if scores.ndim == 2:
        valid &= inside.all(axis=1) & (np.abs(scores.sum(axis=1) - 1) <= ROW_SUM_OFF)
    else:
        valid &= inside
    truth, scores, window, sign = truth[valid], scores[valid], window[valid], sign[valid]
    # classes first: sums over them then run along rows
    p = np.ascontiguousarray(scores.T) if scores.ndim == 2 else np.stack([1 - scores, scores])
    if classes == 2:
        confidence, right = scores, truth == 1
    else:
        best = p.argmax(axis=0)
        confidence, right = p[best, np.arange(len(truth))], best == truth
    signs, n_windows = sign.astype(np.float64), len(out)
    place = 0
    for column in (np.ones(len(truth)), *_losses(p, truth)):
        out.sums[:, place] += np.bincount(window, column * signs, n_windows)
        place += 1
    at = window * CALIBRATION_BINS + np.searchsorted(_CALIBRATION_EDGES, confidence, side="right")
    for column in (signs, confidence * signs, right * signs, (confidence - right) ** 2 * signs):
        sums = np.bincount(at, column, n_windows * CALIBRATION_BINS).reshape(n_windows, CALIBRATION_BINS)
        out.sums[:, place : place + CALIBRATION_BINS] += sums
        place += CALIBRATION_BINS
    _add_one_vs_rest(out, truth, p, window, sign)


def _losses(p: Floats, truth: Integers) -> Iterator[Floats]:
    """The log loss of each row, its square and cube, what they are expected to be in doubt, and the same of Brier's."""
    rows = np.arange(len(truth))
    likely = np.clip(p, CLIP, 1 - CLIP)
    doubted = np.sqrt(likely)
    doubted /= doubted.sum(axis=0)
    if len(p) == 2:
        brier = np.square(p[::-1])  # half of the sum over both
    else:
        squares = np.square(p)
        brier = squares.sum(axis=0) - squares + np.square(1 - p)
    for loss in (-np.log(likely), brier):
        own = loss[truth, rows]
        yield own
        yield own * own
        yield own * own * own
        expected = doubted
        for _ in range(3):
            expected = expected * loss
            yield expected.sum(axis=0)


def _add_one_vs_rest(out: Summary, truth: Integers, p: Floats, window: Integers, sign: Integers) -> None:
    """Count each row once for each class, by the probability [K, N] of the class and whether it is the label."""
    classes, bins, sides = out.grid.one_vs_rest
    if not classes:
        return
    cell = np.searchsorted(out.grid.score_edges, p, side="right") * sides
    cell += np.arange(classes)[:, np.newaxis] * (bins * sides)
    cell[truth, np.arange(len(truth))] += 1
    size = classes * bins * sides
    flat = (window * size + cell).ravel()
    counted = count_signed(flat, np.tile(sign, classes), len(out) * size)
    out.counts[:, out.grid.row_cells :] += counted.reshape(len(out), size)
