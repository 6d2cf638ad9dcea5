"""What estimates without labels are read off: the reference, and windows by what scores, predictions and labels they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from vedette.engine.estimated_leaves import ByLeaf
from vedette.engine.query import Span
from vedette.engine.rehearsal import FOLDS, REHEARSAL
from vedette.engine.segments import Segments
from vedette.engine.stored import labels_by_score, of_frame, score_middles
from vedette.engine.summarise import QUALITY, SCORES
from vedette.engine.view import Cells, View, reference_of, windows
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import (
    Blended,
    Confidence,
    Followed,
    Measure,
    Panel,
    Rehearsal,
    Support,
    Table,
    Windows,
    blend,
    realised,
    support_of,
)

__all__ = ["ASKED", "TOLD", "Known", "TwoClasses", "effective", "placed", "rehearsed", "stretches"]

ASKED = ("confidence", "halfway", "constant")
"""The estimators that score x prediction counts suffice to, the one to ask first first; leaves are asked before them."""

TOLD = 0.9
"""From this share of labels on a window tells what the estimate was off by."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of W windows of a segment, or of all rows, in order of time.

    ``start`` int64 [W] in microseconds, ``rows`` float64 [W] of the classes, ``labels`` [W] those of them whose label
    has come. ``measures`` are what each estimator says by metric, ``truth`` what the metric came out as where the window
    ``told`` (bool [W], it has 0.9 of its labels), NaN elsewhere. Windows of classes with some labels have their ``counts`` [P,
    score bin, prediction] and ``labelled`` [P, score bin, prediction, label], of more than two classes without the score
    bin; ``place`` int64 [W] is which, -1 where none.
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
        by_leaf: tuple[ByLeaf, np.ndarray] | None = None,
    ) -> Known:
        """From the counts of all rows [W, bin, prediction of two classes, another or none], and of those labelled; where
        they were counted ``by_leaf`` with these counts [W, leaf, step, prediction] too.
        """
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
            _measures(reference, each, metrics, by_leaf),
            truth,
            Support(1 - (1 - inside.outside) * (1 - other), inside.effective),
            rows[some],
            labelled[some],
            np.where(some, np.cumsum(some) - 1, -1),
        )


def _measures(
    reference: Table, each: Windows, metrics: Sequence[str], by_leaf: tuple[ByLeaf, np.ndarray] | None
) -> dict[str, Mapping[str, Measure]]:
    """What each estimator says of windows, the one to ask first of all first: ``leaves``, where there are some."""
    plain = Panel.of_table(reference, ASKED).estimate(each, metrics)
    if by_leaf is None:
        return plain
    leaves, counts = by_leaf
    return {"leaves": leaves.measures(counts, each.counts[:, 0], metrics, plain["confidence"]), **plain}


@dataclass(frozen=True, slots=True)
class TwoClasses:
    """What labels meant in a reference of two classes with probabilities, by score bin and prediction, and by leaf where it
    cut some."""

    reference: Table
    leaves: ByLeaf | None = None

    metrics = ("accuracy", "precision", "recall", "f1", "roc_auc")

    @classmethod
    def of(cls, seen: View) -> TwoClasses | str:
        """What is known of a model's reference, or why nothing is."""
        grid = seen.shape.grids.get(QUALITY)
        summary = reference_of(seen, QUALITY)
        if grid is None or summary is None or summary.grid != grid:
            return "and no reference with labels to estimate by"
        if SCORES not in seen.shape.grids:
            return "and no reference with probabilities of two classes to estimate by"
        counts = labels_by_score(summary).sum(axis=0)
        if not counts.sum():
            return "and no reference with labels to estimate by"
        return cls(Table(counts[np.newaxis].astype(np.int64), score_middles(grid)), ByLeaf.of(seen))

    def known(self, seen: View, span: Span, starts: np.ndarray, metrics: Sequence[str]) -> Known:
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
        if self.leaves is None:
            return Known.of(self.reference, starts, every, labelled, metrics)
        found, own = self.leaves.windows(seen, span)
        by_leaf = np.zeros((len(starts), *own.shape[1:]))
        at, there = places(found)
        by_leaf[at[there]] = own[there]
        return Known.of(self.reference, starts, every, labelled, metrics, (self.leaves, by_leaf))

    def by_segment(self, seen: View, source: Segments, metrics: Sequence[str]) -> Iterator[tuple[str, Known]]:
        """What is known of the windows of each segment, by its name; one is held at a time, but for what is kept of it."""
        grids = seen.shape.grids[SCORES], seen.shape.grids[QUALITY]
        bins, _, predictions = grids[0].shape
        for name, begin, end in source.spans():
            scored, quality = (
                source.part(column, grid, begin, end)
                for column, grid in zip((SCORES, QUALITY), grids, strict=True)
            )
            every = effective(scored).counts.reshape(-1, bins, predictions)
            labelled = labels_by_score(effective(quality))
            yield name, Known.of(self.reference, scored.start, every.astype(np.float64), labelled, metrics)

    def rehearsal(self, seen: View, metrics: Sequence[str]) -> Rehearsal | None:
        """Stretches of the reference, each estimated by the four fifths that it is not of; None where it was not cut."""
        parts = stretches(seen, QUALITY)
        if parts is None:
            return None
        labelled, scores = labels_by_score(parts), self.reference.scores

        fold = np.arange(len(labelled)) * FOLDS // len(labelled)

        def measures(rest: np.ndarray, own: np.ndarray) -> Mapping[str, Mapping[str, Measure]]:
            table = Table(labelled[rest].sum(axis=0)[np.newaxis], scores)
            each = Windows(labelled[own].sum(axis=3)[:, np.newaxis])
            leaves = None if self.leaves is None else self.leaves.folds[fold[own.argmax()]]
            return _measures(table, each, metrics, leaves)

        if any(not labelled[fold != number].sum() for number in range(FOLDS)):
            return None
        return rehearsed(measures, len(labelled), realised(labelled, scores, metrics))

    def blended(self, metric: str, known: Known, at: np.ndarray, one: Followed, level: float) -> Blended:
        """Windows, by number, some of whose labels have come."""
        place = known.place[at]
        return blend(
            metric,
            known.counts[place],
            known.labelled[place],
            Confidence(self.reference).chance,
            self.reference.scores,
            one.value[at],
            one.variance[at],
            reach=one.reach[at],
            level=level,
        )


def effective(cells: Cells) -> Summary:
    """The counts of cells, of sampled rows as so many rows of equal weight."""
    return cells.summary if cells.levels is None else cells.levels.effective


def placed(found: np.ndarray, summary: Summary | None, grid: Grid, starts: np.ndarray, span: Span) -> Summary:
    """A summary of windows with one for each start, without rows where there was nothing on this grid."""
    if summary is None or summary.grid != grid:
        return Summary.empty(grid, len(starts), 0)
    if not span.window_us:
        return summary
    at = np.minimum(np.searchsorted(starts, found), len(starts) - 1)
    there = starts[at] == found
    return summary.take(there).grouped(at[there], len(starts))


def stretches(seen: View, column: str) -> Summary | None:
    """The labelled rows of the reference by stretches of its time, in order; None where it was not cut."""
    grid = seen.shape.grids[column]
    rows = seen.summaries.filter(
        (pl.col("part") == REHEARSAL) & (pl.col("column") == column) & (pl.col("grid") == grid.id)
    ).sort("start")
    return None if rows.is_empty() else of_frame(rows, grid)


def rehearsed(
    measures: Callable[[np.ndarray, np.ndarray], Mapping[str, Mapping[str, Measure]]],
    n_stretches: int,
    truth: Mapping[str, np.ndarray],
) -> Rehearsal:
    """Stretches, each estimated by the four fifths that it is not of.

    ``measures`` gives, for masks of the stretches to learn from and of those to estimate, the measures of each estimator.
    """
    fold = np.arange(n_stretches) * FOLDS // n_stretches
    parts = [measures(fold != number, fold == number) for number in range(FOLDS)]
    joined = {
        name: {metric: Measure.joined([part[name][metric] for part in parts]) for metric in truth}
        for name in parts[0]
    }
    return Rehearsal(joined, dict(truth))
