"""Whether labels that come late are others than those that come early, and what is left to say of figures if so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from vedette.engine.stored import of_frame
from vedette.engine.summarise import LABELLED, window_starts
from vedette.engine.view import Cells, View
from vedette.statistics import Breakdown, Estimates, Statistic
from vedette.statistics.bounds import has_bounds, worst_and_best
from vedette.statistics.label_delay import Dependence, delay_dependence
from vedette.statistics.summary import Summary

__all__ = ["bounded", "by_delay", "dependence_of", "words_of"]

_DELAYS_MAX = 64  # of a test whether late labels differ; later ones count as the last
_WINDOWS_MAX = 500  # the newest: what was so long ago says little of now
_ALL = 1.0 - 1e-9  # of the labels, but for rounding


def bounded(
    statistic: Statistic | Breakdown, found: Estimates, cells: Cells, labelled: np.ndarray, late: Dependence
) -> tuple[Estimates, np.ndarray]:
    """The figures with limits that hold whatever the labels are that have not come, and the words for it [W].

    ``labelled`` are the shares of predictions with a label. Windows that have all are left as they are, and all are where
    late labels are like early ones. Where no such limits are known the note says so, and the interval is that of the
    labels that are there.
    """
    note = np.full(len(cells.start), None, dtype=np.object_)
    open_windows = (labelled < _ALL) & ~np.isnan(found.value)
    if not (late.depends and open_windows.any()):
        return found, note
    missing = _unlabelled(cells) if has_bounds(statistic.name, cells.summary) else None
    if missing is not None and statistic.name != "accuracy" and bool((missing[:, -1] > 0).any()):
        missing = None  # of predictions outside the classes the worst label differs from figure to figure
    if missing is None:
        note[open_windows] = f"of the labels that are there: {words_of(late)}"
        return found, note
    worst, best = (statistic.figures(one) for one in worst_and_best(cells.summary, missing))
    assert isinstance(worst, Estimates)
    assert isinstance(best, Estimates)
    low = np.where(open_windows, np.fmin(found.low, worst.low), found.low)
    high = np.where(open_windows, np.fmax(found.high, best.high), found.high)
    note[open_windows] = f"bounds over all labels that may come: {words_of(late)}"
    return replace(found, low=low, high=high), note


def words_of(late: Dependence) -> str:
    """What differs, in words; what differs most, where nothing surely does."""
    much = f"{abs(late.slope) * 100:.2g} points {'less' if late.slope < 0 else 'more'} often"
    what = f"{late.of}: {much} in the later half of the labels, p = {late.p_value:.1g}"
    return (
        f"late ones differ from early ones ({what})"
        if late.depends
        else f"late ones are like early ones ({what})"
    )


def _unlabelled(cells: Cells) -> np.ndarray | None:
    """Rows without a label by predicted class [W, K + 1], another class last; None where they were not counted so."""
    told, classes = cells.predicted, cells.summary.grid.classes
    if cells.summary.grid.kind != "quality":
        return None
    if told is None or cells.levels is not None or told.grid.kind != "category":
        return None
    if cells.older is not None and (cells.older > 0).any():
        return None
    place = {level: number for number, level in enumerate(told.grid.levels)}
    rows = np.zeros((len(told), len(classes) + 1), dtype=np.int64)
    for number, name in enumerate(classes):
        if name in place:
            rows[:, number] = told.counts[:, place[name]]
    rows[:, -1] = told.counts.sum(axis=1) - rows[:, :-1].sum(axis=1)
    labelled = cells.summary.cube.sum(axis=(1, 2))  # by prediction: the classes, another, none
    rows[:, :-1] -= labelled[:, :-2]
    rows[:, -1] -= labelled[:, -2]
    return np.maximum(rows, 0)


def dependence_of(seen: View) -> Dependence:
    """Whether the labels of a view that came late are others than those that came early, and what of them."""
    found = by_delay(seen)
    if found is None:
        return delay_dependence(np.zeros((0, 1, 0, 2)), ())
    summary, window, delay = found
    names, answers = _questions(summary)
    table = np.zeros((int(window.max()) + 1, int(delay.max()) + 1, len(names), 2))
    np.add.at(table, (window, delay), answers)
    return delay_dependence(table, names)


def by_delay(seen: View) -> tuple[Summary, np.ndarray, np.ndarray] | None:
    """The increments of labels of the newest windows with, by number, the window and the rank of the delay of each."""
    rows = seen.summaries.filter((pl.col("part") == "live") & pl.col("column").is_in(LABELLED))
    column = next((one for one in LABELLED if one in seen.shape.grids), None)
    if column is None:
        return None
    grid = seen.shape.grids[column]
    rows = rows.filter((pl.col("column") == column) & (pl.col("grid") == grid.id)).drop(
        "hashes", strict=False
    )
    if rows.is_empty():
        return None
    newest = rows["start"].unique().sort().tail(_WINDOWS_MAX)[0]
    rows = rows.filter(pl.col("start") >= newest)
    starts, at = np.unique(_numbers(rows["start"], seen), return_inverse=True)
    delay = np.maximum(_numbers(rows["known"], seen) - starts[at], 0)
    _, rank = np.unique(delay, return_inverse=True)  # the test goes by ranks
    return of_frame(rows, grid), at, np.minimum(rank, _DELAYS_MAX - 1)


def _questions(of: Summary) -> tuple[tuple[str, ...], np.ndarray]:
    """What is asked of labels, and the counts [rows, questions, no or yes] of the answers."""
    if of.grid.kind == "quality":
        table = of.cube.sum(axis=1)
        both = table[:, :, :-1].sum(axis=(1, 2))
        right = np.trace(table, axis1=1, axis2=2)
        labels = table.sum(axis=2)
        classes = of.grid.classes
        asked = range(1, 2) if len(classes) == 2 else range(len(classes))
        names = ("right", *(f"label {classes[one]}" for one in asked))
        pairs = [
            (both - right, right),
            *((labels.sum(axis=1) - labels[:, one], labels[:, one]) for one in asked),
        ]
        return names, np.stack([np.stack(one, axis=1) for one in pairs], axis=1)
    if of.grid.kind != "error":
        # rows by what they lost, from nothing on: the half that lost more
        upto = np.cumsum(np.maximum(of.counts.sum(axis=0), 0))
        least = max(int(np.searchsorted(upto * 2, upto[-1], side="right")), 1)
        lost = of.counts[:, least:].sum(axis=1)
        return ("large loss",), np.stack([of.counts.sum(axis=1) - lost, lost], axis=1)[:, np.newaxis]
    middle = np.searchsorted(of.grid.edges, 0.0, side="right")
    above = of.counts[:, middle:].sum(axis=1)
    size = np.abs(np.concatenate([of.grid.edges[:1], of.grid.edges]))
    pooled = np.maximum(of.counts.sum(axis=0), 0)
    order = np.argsort(size, kind="stable")
    half = order[np.cumsum(pooled[order]) * 2 > pooled.sum()]
    large = of.counts[:, half].sum(axis=1)
    n = of.counts.sum(axis=1)
    pairs = [(n - above, above), (n - large, large)]
    return ("error above 0", "large error"), np.stack([np.stack(one, axis=1) for one in pairs], axis=1)


def _numbers(times: pl.Series, seen: View) -> np.ndarray:
    return window_starts(times, seen.shape.window_us) // seen.shape.window_us
