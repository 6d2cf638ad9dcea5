"""Figures of windows whose labels have not all come: estimated from their predictions and scores, from summaries alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.query import Span
from vedette.engine.stored import of_frame
from vedette.engine.summarise import QUALITY, SCORES
from vedette.engine.view import View, reference_of, windows
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import (
    Confidence,
    Followed,
    Measure,
    Panel,
    Rehearsal,
    Support,
    Table,
    Windows,
    bin_scores,
    blend,
    follow,
    realised,
    support_of,
)

__all__ = ["ESTIMATED", "estimated"]

ESTIMATED = ("accuracy", "precision", "recall", "f1", "roc_auc")
"""The metrics that are estimated where labels are missing."""

ASKED = ("confidence", "halfway", "constant")
"""The estimators that score x prediction counts suffice to, the one to ask first of all first."""

UNCOUNTED = "no labels, and its scores were counted before there was a reference to estimate by"
"""The reason of windows that were there before a reference said what scores mean."""

FOLDS = 5
LEVEL = 0.95  # as the statistics'
TOLD = 0.9
"""From this share of labels on a window tells what the estimate was off by."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """What is known of W windows: rows by score bin and prediction, and those whose label has come by label too."""

    rows: np.ndarray  # float64 [W, bin, prediction]
    labelled: np.ndarray  # float64 [W, bin, prediction, label]
    outside: np.ndarray  # float64 [W], the share of rows whose prediction is none of the two classes


def estimated(seen: View, span: Span, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame of figures, rows of windows whose labels are not all there replaced by estimates.

    A window without labels has a row of the kind ``estimated``, one with some ``blended``; the rest stay as they are. Each
    is told as the windows before it had taught by now, those that have 0.9 of their labels or more. ``note`` says which
    estimator it is and how it has done. Windows whose labels differ by when they come have bounds, and keep them: no blend
    is right there.
    """
    told = frame
    wanted = [name for name in ESTIMATED if name in set(frame["metric"].to_list())]
    if not wanted or frame.is_empty():
        return told
    reference = _reference(seen)
    if isinstance(reference, str):
        return _with_reason(told, wanted, f"no labels, {reference}")
    open_rows = (
        frame["metric"].is_in(wanted).to_numpy()
        & (frame["labelled"].fill_null(0.0).to_numpy() < 1.0)
        & frame["note"].is_null().to_numpy()
    )
    starts, window = np.unique(frame["start"].dt.timestamp("us").to_numpy(), return_inverse=True)
    counts = _counts(seen, span, starts)
    found = _followed(reference, counts, wanted, _rehearsal(seen, reference, wanted))
    chance = Confidence(reference).chance
    rows, metric = _Rows(frame), frame["metric"].to_numpy()
    for name in wanted:
        one, own = found[name], np.flatnonzero(open_rows & (metric == name))
        own = rows.tell(own, window[own], one, counts.rows.sum(axis=(1, 2)), counts.outside)
        some = own[rows.labelled[own] > 0]
        at = window[some]
        mixed = blend(
            name,
            counts.rows[at],
            counts.labelled[at],
            chance,
            reference.scores,
            one.value[at],
            one.variance[at],
            reach=one.reach[at],
            level=LEVEL,
        )
        rows.put(some, mixed.value, mixed.low, mixed.high, "blended")
    return rows.into(frame)


class _Rows:
    """The columns of a frame of figures that estimates change, as arrays."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.labelled = frame["labelled"].fill_null(0.0).to_numpy()
        self.numbers = {
            name: frame[name].to_numpy(allow_copy=True).copy() for name in ("value", "low", "high")
        }
        self.n = frame["n"].to_numpy().copy()
        self.texts = {name: frame[name].to_numpy().astype(object) for name in ("kind", "reason", "note")}

    def tell(
        self, rows: np.ndarray, window: np.ndarray, one: Followed, n: np.ndarray, outside: np.ndarray
    ) -> np.ndarray:
        """Put estimates into rows by number, of windows by number; returns the rows of windows that have one."""
        counted = n[window] + outside[window] > 0
        told = counted & (one.reason[window] == None)  # noqa: E711  (by element)
        for row, at, known in zip(rows[~told], window[~told], counted[~told], strict=True):
            if not self.labelled[row]:
                why = f"no labels, {one.reason[at]}" if known else UNCOUNTED
                self.texts["reason"][row] = why
        good: np.ndarray = rows[told]
        at = window[told]
        self.put(good, one.value[at], one.low[at], one.high[at], "estimated")
        self.n[good] = np.rint(n[at])
        self.texts["reason"][good] = None
        self.texts["note"][good] = [one.words(int(place)) for place in at]
        return good

    def put(self, rows: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> None:
        """Put values with their limits into rows by number."""
        for name, part in zip(("value", "low", "high"), (value, low, high), strict=True):
            self.numbers[name][rows] = part
        self.texts["kind"][rows] = kind

    def into(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with these columns."""
        parts = {**self.numbers, "n": self.n, **{name: one.tolist() for name, one in self.texts.items()}}
        found = [pl.Series(name, part, dtype=frame.schema[name]) for name, part in parts.items()]
        return frame.with_columns(one.fill_nan(None) if one.dtype.is_float() else one for one in found)


def _with_reason(told: pl.DataFrame, metrics: list[str], reason: str) -> pl.DataFrame:
    """The rows without labels of these metrics with a reason that says why they are not estimated."""
    unlabelled = (
        pl.col("metric").is_in(metrics) & pl.col("value").is_null() & (pl.col("reason") == "no labels")
    )
    return told.with_columns(pl.when(unlabelled).then(pl.lit(reason)).otherwise("reason").alias("reason"))


def _reference(seen: View) -> Table | str:
    """What labels meant in the reference, or why nothing is known of it."""
    grid = seen.shape.grids.get(QUALITY)
    summary = reference_of(seen, QUALITY)
    if grid is None or summary is None or summary.grid != grid:
        return "and no reference with labels to estimate by"
    if SCORES not in seen.shape.grids:
        return "and no reference with probabilities of two classes to estimate by"
    counts = _by_label(summary).sum(axis=0)
    if not counts.sum():
        return "and no reference with labels to estimate by"
    scores = bin_scores(grid.score_edges, missing=True)
    if grid.discrete:  # every score but the least has a bin of its own, which begins with it
        scores[1:-1] = np.clip(grid.score_edges, 1e-7, 1 - 1e-7)
    return Table(counts[np.newaxis].astype(np.int64), scores)


def _by_label(summary: Summary) -> np.ndarray:
    """Counts [W, score bin, prediction, label] of the two classes; corrections may leave none below 0."""
    return np.maximum(summary.cube[:, :, :2, :2], 0).swapaxes(2, 3)


def _counts(seen: View, span: Span, starts: np.ndarray) -> _Counts:
    """The counts of windows by their starts, 0 where nothing was counted."""
    grid = seen.shape.grids[SCORES]
    bins, _, predictions = grid.shape
    every = np.zeros((len(starts), bins, predictions))
    labelled = np.zeros((len(starts), bins, 2, 2))

    def places(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not span.window_us:
            return np.zeros(len(found), dtype=np.int64), np.ones(len(found), dtype=bool)
        at = np.minimum(np.searchsorted(starts, found), len(starts) - 1)
        return at, starts[at] == found

    found, scored = windows(seen, SCORES, span)
    if scored is not None and scored.grid == grid:
        at, there = places(found)
        every[at[there]] = scored.counts[there].reshape(-1, bins, predictions)
    found, quality = windows(seen, QUALITY, span)
    if quality is not None:
        at, there = places(found)
        labelled[at[there]] = _by_label(quality)[there]
    # of sampled rows both are so many rows of equal weight, each by its own: rounding leaves no label without a row
    rows = np.maximum(every[:, :, :2], labelled.sum(axis=3))
    total = np.maximum(every.sum(axis=(1, 2)), 1)
    return _Counts(rows, labelled, every[:, :, 2:].sum(axis=(1, 2)) / total)


def _followed(
    reference: Table, counts: _Counts, metrics: list[str], rehearsal: Rehearsal | None
) -> dict[str, Followed]:
    """Each window as the windows before it taught to tell it, as long ahead as the newest is of the last that was told."""
    each = Windows(np.rint(counts.rows[:, np.newaxis]).astype(np.int64))
    inside = support_of(reference, each)
    support = Support(1 - (1 - inside.outside) * (1 - counts.outside), inside.effective)
    rows, known = counts.rows.sum(axis=(1, 2)), counts.labelled.sum(axis=(1, 2, 3))
    told = (known >= TOLD * rows) & (known > 0)
    truth = {
        metric: np.where(told, values, np.nan)
        for metric, values in realised(counts.labelled, reference.scores, metrics).items()
    }
    after = len(told) - 1 - int(np.flatnonzero(told)[-1]) if told.any() else 0
    measures = Panel.of_table(reference, ASKED).estimate(each, metrics)
    delay = max(after, 1) if told.any() else None
    return follow(measures, truth, delay=delay, rehearsal=rehearsal, support=support, level=LEVEL)


def _rehearsal(seen: View, reference: Table, metrics: list[str]) -> Rehearsal | None:
    """Stretches of the reference, each estimated by the four fifths that it is not of; None where it was not cut."""
    rows = seen.summaries.filter((pl.col("part") == "rehearsal") & (pl.col("column") == QUALITY)).sort(
        "start"
    )
    grid = seen.shape.grids[QUALITY]
    rows = rows.filter(pl.col("grid") == grid.id)
    if rows.is_empty():
        return None
    labelled = _by_label(of_frame(rows, grid))
    fold = np.arange(len(labelled)) * FOLDS // len(labelled)
    parts: list[Mapping[str, Mapping[str, Measure]]] = []
    for number in range(FOLDS):
        rest = labelled[fold != number].sum(axis=0)[np.newaxis]
        if not rest.sum():
            return None
        own = labelled[fold == number].sum(axis=3)[:, np.newaxis]
        panel = Panel.of_table(Table(rest, reference.scores), ASKED)
        parts.append(panel.estimate(Windows(own), metrics))
    joined = {
        name: {metric: Measure.joined([part[name][metric] for part in parts]) for metric in metrics}
        for name in ASKED
    }
    return Rehearsal(joined, realised(labelled, reference.scores, metrics))
