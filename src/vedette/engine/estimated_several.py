"""What estimates without labels of more than two classes are read off: how many rows were predicted as each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.engine.estimated_counts import TOLD, Known, effective, placed, rehearsed, stretches
from vedette.engine.query import Span
from vedette.engine.segments import Segments
from vedette.engine.summarise import QUALITY
from vedette.engine.view import View, reference_of, windows
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import (
    SEVERAL_METRICS,
    Blended,
    ClassTable,
    Followed,
    Measure,
    Rehearsal,
    Several,
    blend_several,
    pull_of_several,
)

__all__ = ["SeveralClasses"]


@dataclass(frozen=True, slots=True)
class SeveralClasses:
    """What labels meant in a reference of more than two classes, by prediction, and where predictions are counted."""

    reference: ClassTable
    quality: Grid
    predictions: Grid

    metrics = SEVERAL_METRICS

    @classmethod
    def of(cls, seen: View) -> SeveralClasses | str:
        """What is known of a model's reference, or why nothing is."""
        missing = "and no reference with labels to estimate by"
        grid, told = (seen.shape.grids.get(column) for column in (QUALITY, "prediction"))
        summary = reference_of(seen, QUALITY)
        if grid is None or summary is None or summary.grid != grid or told is None or told.kind != "category":
            return missing
        table = _table(summary)[0]
        return cls(ClassTable(table), grid, told) if table.sum() else missing

    def known(self, seen: View, span: Span, starts: np.ndarray, metrics: Sequence[str]) -> Known:
        """What is known of windows by their starts, of all rows; 0 where nothing was counted."""
        told = placed(*windows(seen, "prediction", span), self.predictions, starts, span)
        return self._of(
            starts, told, placed(*windows(seen, QUALITY, span), self.quality, starts, span), metrics
        )

    def by_segment(self, seen: View, source: Segments, metrics: Sequence[str]) -> Iterator[tuple[str, Known]]:  # noqa: ARG002
        """What is known of the windows of each segment, by its name."""
        for name, begin, end in source.spans():
            told = source.part("prediction", self.predictions, begin, end)
            labels = source.part(QUALITY, self.quality, begin, end)
            yield name, self._of(told.start, effective(told), effective(labels), metrics)

    def _of(self, start: np.ndarray, told: Summary, labels: Summary, metrics: Sequence[str]) -> Known:
        labelled = _table(labels).astype(np.float64)
        # of sampled rows both are so many rows of equal weight, each by its own: rounding leaves no label without a row
        rows = np.maximum(self._by_class(told), labelled.sum(axis=2))
        n, known = rows.sum(axis=1), labelled.sum(axis=(1, 2))
        ready = (known >= TOLD * n) & (known > 0)
        some = (known > 0) & (known < n)
        several = Several(self.reference)
        return Known(
            start,
            n,
            known,
            ready,
            several.estimate(rows, metrics),
            {name: np.where(ready, _realised(labelled, name), np.nan) for name in metrics},
            several.support(rows),
            rows[some],
            labelled[some],
            np.where(some, np.cumsum(some) - 1, -1),
        )

    def _by_class(self, told: Summary) -> np.ndarray:
        """Rows by predicted class [W, K + 1], any other last.

        Classes that no row of the pilot was predicted as have no cell of their own: of the rows in the cells that they
        share as many are taken to be of each as there are in the reference.
        """
        place = {level: number for number, level in enumerate(told.grid.levels)}
        own = [name in place for name in self.quality.classes]
        out = np.zeros((len(told), len(own) + 1))
        for number, name in enumerate(self.quality.classes):
            if name in place:
                out[:, number] = told.counts[:, place[name]]
        rest = np.append(~np.array(own), True)
        held = np.where(rest, self.reference.counts.sum(axis=1), 0.0)
        if not held.sum():
            held[-1] = 1.0
        left = told.counts.sum(axis=1) - out.sum(axis=1)
        return np.asarray(out + left[:, np.newaxis] * held / held.sum())

    def rehearsal(self, seen: View, metrics: Sequence[str]) -> Rehearsal | None:
        """Stretches of the reference, each estimated by the four fifths that it is not of; None where it was not cut."""
        parts = stretches(seen, QUALITY)
        if parts is None:
            return None
        labelled = _table(parts)

        def measures(rest: np.ndarray, own: np.ndarray) -> Mapping[str, Mapping[str, Measure]]:
            several = Several(ClassTable(labelled[rest].sum(axis=0)))
            return several.estimate(labelled[own].sum(axis=2), metrics)

        return rehearsed(measures, len(labelled), {name: _realised(labelled, name) for name in metrics})

    def blended(self, metric: str, known: Known, at: np.ndarray, one: Followed, level: float) -> Blended:
        """Windows, by number, some of whose labels have come."""
        place = known.place[at]
        return blend_several(
            metric,
            known.counts[place],
            known.labelled[place],
            self.reference.chances,
            one.value[at],
            one.variance[at],
            reach=one.reach[at],
            level=level,
        )


def _table(summary: Summary) -> np.ndarray:
    """Counts int64 [W, prediction, label] of labelled rows with a prediction, any other class last."""
    return np.asarray(np.maximum(summary.cube.sum(axis=1)[:, :, :-1], 0).swapaxes(1, 2))


def _realised(labelled: np.ndarray, metric: str) -> np.ndarray:
    return pull_of_several(metric, labelled)[0]
