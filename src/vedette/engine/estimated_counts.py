"""What estimates without labels are read off: the reference, and windows by what scores, predictions and labels they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.query import Span
from vedette.engine.segments import Segments
from vedette.engine.stored import labels_by_score, of_frame, score_middles
from vedette.engine.summarise import QUALITY, SCORES
from vedette.engine.view import Cells, View, reference_of, windows
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import (
    Measure,
    Panel,
    Rehearsal,
    Support,
    Table,
    Windows,
    realised,
    support_of,
)

__all__ = ["ASKED", "TOLD", "Known", "known_by_segment", "known_of", "reference_table", "rehearsal_of"]

ASKED = ("confidence", "halfway", "constant")
"""The estimators that score x prediction counts suffice to, the one to ask first of all first."""

TOLD = 0.9
"""From this share of labels on a window tells what the estimate was off by."""

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of W windows of a segment, or of all rows, in order of time.

    ``start`` int64 [W] in microseconds, ``rows`` float64 [W] of the two classes, ``labels`` [W] those of them whose label
    has come. ``measures`` are what each estimator says by metric, ``truth`` what the metric came out as where the window
    ``told`` (bool [W], it has 0.9 of its labels), NaN elsewhere. Windows with some labels have their ``counts`` [P, score
    bin, prediction] and ``labelled`` [P, score bin, prediction, label]; ``place`` int64 [W] is which, -1 where none.
    """

    start: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    told: np.ndarray
    measures: Mapping[str, Mapping[str, Measure]]
    truth: Mapping[str, np.ndarray]
    support: Support
    counts: np.ndarray
    labelled: np.ndarray
    place: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        """True where rows were counted by their scores at all, bool [W]."""
        return (self.rows > 0) | (self.support.outside > 0)

    @classmethod
    def of(
        cls,
        reference: Table,
        start: np.ndarray,
        every: np.ndarray,
        labelled: np.ndarray,
        metrics: Sequence[str],
    ) -> Known:
        """From the counts of all rows [W, bin, prediction of two classes, another or none], and of those labelled."""
        # of sampled rows both are so many rows of equal weight, each by its own: rounding leaves no label without a row
        rows = np.maximum(every[:, :, :2], labelled.sum(axis=3))
        other = every[:, :, 2:].sum(axis=(1, 2)) / np.maximum(every.sum(axis=(1, 2)), 1)
        n, known = rows.sum(axis=(1, 2)), labelled.sum(axis=(1, 2, 3))
        each = Windows(np.rint(rows[:, np.newaxis]).astype(np.int64))
        inside = support_of(reference, each)
        told = (known >= TOLD * n) & (known > 0)
        truth = {
            metric: np.where(told, values, np.nan)
            for metric, values in realised(labelled, reference.scores, metrics).items()
        }
        some = (known > 0) & (known < n)
        return cls(
            start,
            n,
            known,
            told,
            Panel.of_table(reference, ASKED).estimate(each, metrics),
            truth,
            Support(1 - (1 - inside.outside) * (1 - other), inside.effective),
            rows[some],
            labelled[some],
            np.where(some, np.cumsum(some) - 1, -1),
        )


def reference_table(seen: View) -> Table | str:
    """What labels meant in the reference, or why nothing is known of it."""
    grid = seen.shape.grids.get(QUALITY)
    summary = reference_of(seen, QUALITY)
    if grid is None or summary is None or summary.grid != grid:
        return "and no reference with labels to estimate by"
    if SCORES not in seen.shape.grids:
        return "and no reference with probabilities of two classes to estimate by"
    counts = labels_by_score(summary).sum(axis=0)
    if not counts.sum():
        return "and no reference with labels to estimate by"
    return Table(counts[np.newaxis].astype(np.int64), score_middles(grid))


def known_of(seen: View, span: Span, starts: np.ndarray, reference: Table, metrics: Sequence[str]) -> Known:
    """What is known of windows by their starts, of all rows; 0 where nothing was counted."""
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
        labelled[at[there]] = labels_by_score(quality)[there]
    return Known.of(reference, starts, every, labelled, metrics)


def known_by_segment(
    seen: View, source: Segments, reference: Table, metrics: Sequence[str]
) -> Iterator[tuple[str, Known]]:
    """What is known of the windows of each segment, by its name; one is held at a time, but for what is kept of it."""
    grids = seen.shape.grids[SCORES], seen.shape.grids[QUALITY]
    bins, _, predictions = grids[0].shape
    for name, begin, end in source.spans():
        scored, quality = (
            source.part(column, grid, begin, end)
            for column, grid in zip((SCORES, QUALITY), grids, strict=True)
        )
        every = _effective(scored).counts.reshape(-1, bins, predictions)
        labelled = labels_by_score(_effective(quality))
        yield name, Known.of(reference, scored.start, every.astype(np.float64), labelled, metrics)


def _effective(cells: Cells) -> Summary:
    return cells.summary if cells.levels is None else cells.levels.effective


def rehearsal_of(seen: View, reference: Table, metrics: Sequence[str]) -> Rehearsal | None:
    """Stretches of the reference, each estimated by the four fifths that it is not of; None where it was not cut."""
    rows = seen.summaries.filter((pl.col("part") == "rehearsal") & (pl.col("column") == QUALITY)).sort(
        "start"
    )
    grid = seen.shape.grids[QUALITY]
    rows = rows.filter(pl.col("grid") == grid.id)
    if rows.is_empty():
        return None
    labelled = labels_by_score(of_frame(rows, grid))
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
