"""Labels that come by score and prediction: whether that is all they come by, and figures weighted to all rows if so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.engine.late_labels import by_delay, words_of
from vedette.engine.query import Span
from vedette.engine.stored import labels_by_score, score_middles
from vedette.engine.summarise import QUALITY, SCORES
from vedette.engine.view import Cells, View, windows
from vedette.statistics import Estimates
from vedette.statistics.label_delay import Dependence, delay_dependence
from vedette.statistics.post_stratified import POST_STRATIFIED, post_stratified, strata_of

__all__ = ["WEIGHTED", "dependence_within", "weighted"]

WEIGHTED = "weighted"
"""The kind of figures that are weighted to the scores and predictions of all rows."""

ALIKE_LEVEL = 0.05
"""Of the test within strata, above that of the test of all labels: where it rejects falsely bounds are shown, which are
right too, and where it fails to reject a figure is off by more than it says."""

STRATA = 10
"""Of each prediction: as many as leave scores within one alike, and each with labels enough to compare."""


def dependence_within(seen: View) -> Dependence:
    """Whether labels that came late are others than those that came early among rows of like score and prediction.

    The strata are ten of neighbouring score bins for each prediction, with about as many labels in each; ``depends`` is at
    the level .05.
    """
    nothing = delay_dependence(np.zeros((0, 1, 0, 2)), ())
    found = by_delay(seen)
    if not {QUALITY, SCORES} <= set(seen.shape.grids) or found is None:
        return nothing
    summary, window, delay = found
    if summary.grid.kind != "quality":
        return nothing
    labelled = labels_by_score(summary)  # [rows, bin, prediction, label]
    pooled = labelled.sum(axis=(0, 3))
    answers = np.zeros((len(labelled), 2 * STRATA, 2, 2))
    for prediction in (0, 1):
        came = pooled[:, prediction]
        strata = np.minimum(strata_of(came, max(came.sum() / STRATA, 1.0)), STRATA - 1)
        into = (strata[:, np.newaxis] == np.arange(STRATA)).astype(np.float64)
        own = np.tensordot(labelled[:, :, prediction], into, axes=(1, 0)).swapaxes(1, 2)
        at = slice(prediction * STRATA, (prediction + 1) * STRATA)
        answers[:, at, 0] = own if prediction else own[..., ::-1]  # right or not
        answers[:, at, 1] = own
    n_delays = int(delay.max()) + 1
    table = np.zeros(((int(window.max()) + 1) * n_delays, *answers.shape[1:]))
    np.add.at(table, window * n_delays + delay, answers)
    table = table.reshape(-1, n_delays, *answers.shape[1:]).swapaxes(1, 2)
    found_within = delay_dependence(table, ("right", f"label {summary.grid.classes[1]}"))
    return replace(found_within, depends=found_within.p_value < ALIKE_LEVEL)


def weighted(
    metric: str, found: Estimates, note: np.ndarray, cells: Cells, seen: View, span: Span, within: Dependence
) -> tuple[Estimates, np.ndarray, np.ndarray]:
    """The figures of windows that have bounds (``note`` [W] is set), weighted to all rows where that is right; also the
    notes, and which windows are weighted, bool [W].

    It is right where late labels are tested to be like early ones among rows of like score and prediction, all rows of a
    window were counted by score and labels by the same classes, and each prediction has labels enough; else the window
    keeps its bounds, and the note says what stood against it.
    """
    told = note.copy()
    none = np.zeros(len(note), dtype=np.bool_)
    if metric not in POST_STRATIFIED or cells.levels is not None or cells.predictions is None:
        return found, told, none
    open_windows = note != None  # noqa: E711  (by element)
    if within.reason is not None or within.depends:
        if within.depends:
            told[open_windows] += f"; among rows of like score and prediction too {words_of(within)}"
        return found, told, none
    starts, scored = windows(seen, SCORES, span)
    grid = seen.shape.grids[SCORES]
    if scored is None or scored.grid != grid or cells.summary.grid != seen.shape.grids[QUALITY]:
        return found, told, none
    bins, _, predictions = grid.shape
    counts = np.zeros((len(note), bins, predictions))
    at = np.minimum(np.searchsorted(starts, cells.start), max(len(starts) - 1, 0))
    there = (starts[at] == cells.start) if span.window_us else np.ones(len(note), dtype=np.bool_)
    counts[there] = scored.counts[at[there]].reshape(-1, bins, predictions)
    labelled = labels_by_score(cells.summary)
    whole = (
        (counts[:, :, 2:].sum(axis=(1, 2)) == 0)
        & (counts.sum(axis=(1, 2)) == cells.predictions)
        & (labelled.sum(axis=(1, 2, 3)) == cells.summary.rows)
        & (labelled.sum(axis=3) <= counts[:, :, :2]).all(axis=(1, 2))
    )
    middles = score_middles(seen.shape.grids[QUALITY])
    one = post_stratified(metric, counts[:, :, :2], labelled, middles)
    good = open_windows & whole & np.isfinite(one.value)
    told[open_windows & ~good] = [
        f"{note[place]}; not weighted: {one.reason[place] if whole[place] else 'not all rows were counted by score'}"
        for place in np.flatnonzero(open_windows & ~good)
    ]
    told[good] = [
        f"weighted to the scores and predictions of all rows, as if {one.effective[place]:.0f} labels: late ones are like "
        f"early ones among rows of like score and prediction (p = {within.p_value:.1g}); {note[place]}: "
        f"{found.low[place]:.3g} to {found.high[place]:.3g}"
        for place in np.flatnonzero(good)
    ]
    parts = {
        name: np.where(good, getattr(one, name), getattr(found, name)) for name in ("value", "low", "high")
    }
    return replace(found, **parts), told, good
