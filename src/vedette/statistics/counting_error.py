"""Counting of the errors of a regression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.statistics.counting import summarise_numeric
from vedette.statistics.counting_rows import check_grid, checked_signs, windows_of
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary

__all__ = ["summarise_error"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ZERO = float(np.finfo(np.float64).eps)  # as in scikit-learn: a label nearer to 0 has no relative error

_CHUNK = 65_536  # rows at once: their few arrays stay in cache


def summarise_error(
    grid: Grid,
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    window: npt.ArrayLike | None = None,
    n_windows: int = 1,
    sign: npt.ArrayLike = 1,
) -> Summary:
    """The summary of a regression's errors, prediction - label.

    ``labels`` and ``predictions`` float64 [N], NaN where null; ``sign`` 1 for a row that is added and -1 for one
    that is taken away: a corrected label is both, the old row and the new. Rows without a label are counted in
    ``missing``, of the others those without a prediction in ``nan`` and those whose label, prediction or error is
    infinite in ``inf``; the rest has an error and is in ``counts``.

    ``sums`` are those of the rows with an error e: ``over_1`` to ``_3`` add up the powers of max(e, 0), ``under_1`` to
    ``_3`` those of max(-e, 0), ``relative_1`` to ``_3`` those of |e/y| and ``inverse`` |1/y|, both of labels y
    other than 0, ``zeros`` counts the labels of 0. With v = y - ``grid.label_centre``, ``label_1`` to ``_4`` add up
    the powers of v, ``squares_label_1`` and ``_2`` e^2 v and e^2 v^2.

    Raises ``ValueError`` where lengths differ, a window is out of range, or the grid is not one of errors.

    >>> from vedette.statistics import error_grid
    >>> grid = error_grid([1.0, 2.0], [1.0, 2.5])
    >>> found = summarise_error(grid, [1.0, 2.0, np.nan, 1.0], [1.5, 1.75, 1.0, np.nan])
    >>> found.rows.tolist(), found.missing.tolist(), found.nan.tolist(), found.total.tolist()
    ([4], [1], [1], [0.25])
    """
    check_grid(grid, ("error",))
    label, prediction = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    n = len(label)
    if prediction.shape != label.shape:
        raise ValueError(f"{label.shape} labels and {prediction.shape} predictions: must be as many")
    into, signs = windows_of(window, n, n_windows), checked_signs(sign, n)
    with np.errstate(over="ignore", invalid="ignore"):
        error = prediction - label
    # infinity less infinity is NaN too, but is no missing prediction
    error[np.isnan(error) & ~np.isnan(prediction)] = np.inf
    out = summarise_numeric(grid, error, ~np.isnan(label), into, n_windows, signs, kept=0)
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        done = np.isfinite(error[part])
        _add_sums(out, error[part][done], label[part][done], into[part][done], signs[part][done])
    return out


def _add_sums(out: Summary, error: Floats, label: Floats, window: Integers, sign: Integers) -> None:
    """Add what ``sums`` needs of rows with an error, in the order of ``Grid.sums``."""
    zero = np.abs(label) < ZERO
    with np.errstate(over="ignore", invalid="ignore"):  # huge values; figures say so
        inverse = np.where(zero, 0.0, 1 / np.where(zero, 1.0, np.abs(label)))
        columns: list[Floats] = []
        for loss in (np.maximum(error, 0.0), np.maximum(-error, 0.0), np.abs(error) * inverse):
            columns += [loss, loss * loss, loss * loss * loss]
        columns += [inverse, zero.astype(np.float64)]
        away, squares = label - out.grid.label_centre, error * error
        twice = away * away
        columns += [away, twice, twice * away, twice * twice, squares * away, squares * twice]
        for place, column in enumerate(columns):
            out.sums[:, place] += np.bincount(window, column * sign, len(out))
