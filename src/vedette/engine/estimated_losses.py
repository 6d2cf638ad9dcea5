"""What the errors of a regression are estimated by without labels: those of the reference, and what they were off by since.

A lake keeps errors apart from what they go with: no feature and no prediction tells in which rows they are large. So the
reference's mean error is what is expected of every window, and the record says how far windows go from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.engine.estimated_counts import TOLD, Known, effective, placed, rehearsed, stretches
from vedette.engine.query import Span
from vedette.engine.segments import Segments
from vedette.engine.summarise import ERROR
from vedette.engine.view import View, reference_of, windows
from vedette.statistics.error_means import sum_of
from vedette.statistics.grid import Grid
from vedette.statistics.summary import Summary
from vedette.statistics.unlabelled import (
    LOSSES,
    Loss,
    LossTable,
    Measure,
    Rehearsal,
    Support,
    support_of_cells,
)

__all__ = ["Losses"]

CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Losses:
    """The errors of a reference, and how many of its predictions lie in each cell of their grid."""

    table: LossTable
    held: np.ndarray  # float64 [cells]
    errors: Grid
    predictions: Grid

    metrics = LOSSES

    @classmethod
    def of(cls, seen: View) -> Losses | str:
        """What is known of a model's reference, or why nothing is."""
        grids = seen.shape.grids
        errors, told = (reference_of(seen, column) for column in (ERROR, "prediction"))
        missing = "and no reference with labels to estimate by"
        if errors is None or told is None or errors.grid != grids.get(ERROR) or not errors.used.sum():
            return missing
        if told.grid != grids.get("prediction") or told.grid.kind != "numeric":
            return missing
        return cls(_table(errors), told.counts[0].astype(np.float64), errors.grid, told.grid)

    def known(self, seen: View, span: Span, starts: np.ndarray, metrics: Sequence[str]) -> Known:
        """What is known of windows by their starts, of all rows; 0 where nothing was counted."""
        told = placed(*windows(seen, "prediction", span), self.predictions, starts, span)
        return self._of(starts, told, placed(*windows(seen, ERROR, span), self.errors, starts, span), metrics)

    def by_segment(self, seen: View, source: Segments, metrics: Sequence[str]) -> Iterator[tuple[str, Known]]:  # noqa: ARG002
        """What is known of the windows of each segment, by its name."""
        for name, begin, end in source.spans():
            told = source.part("prediction", self.predictions, begin, end)
            errors = source.part(ERROR, self.errors, begin, end)
            yield name, self._of(told.start, effective(told), effective(errors), metrics)

    def _of(self, start: np.ndarray, told: Summary, errors: Summary, metrics: Sequence[str]) -> Known:
        n, labels = np.maximum(told.rows, errors.used).astype(np.float64), errors.used.astype(np.float64)
        ready = (labels >= TOLD * n) & (labels > 0)
        nothing = np.zeros(0)
        return Known(
            start,
            n,
            labels,
            ready,
            {CONSTANT: Loss(self.table).estimate(n[:, np.newaxis], metrics)},
            {metric: np.where(ready, _realised(errors, metric), np.nan) for metric in metrics},
            self._support(told),
            nothing,
            nothing,
            np.full(len(start), -1, dtype=np.int64),
        )

    def _support(self, told: Summary) -> Support:
        """How far predictions lie where the reference has some: the cells at either end have no bound, so that it counts how
        many rows of the reference the rows of a window are like (Kish, as in ``support_of``)."""
        inside = support_of_cells(told.counts.astype(np.float64), self.held)
        out = (told.counts * (self.held == 0)).sum(axis=1) + told.missing + told.nan + told.inf
        outside = np.where(told.rows > 0, out / np.maximum(told.rows, 1), np.nan)
        return Support(outside, inside.effective)

    def rehearsal(self, seen: View, metrics: Sequence[str]) -> Rehearsal | None:
        """Stretches of the reference, each estimated by the four fifths that it is not of; None where it was not cut."""
        parts = stretches(seen, ERROR)
        if parts is None:
            return None

        def measures(rest: np.ndarray, own: np.ndarray) -> dict[str, dict[str, Measure]]:
            loss = Loss(_table(parts.take(rest).merged()))
            return {CONSTANT: dict(loss.estimate(parts.take(own).used[:, np.newaxis], metrics))}

        return rehearsed(measures, len(parts), {metric: _realised(parts, metric) for metric in metrics})


def _table(errors: Summary) -> LossTable:
    """The errors of a summary of one window, as one leaf."""
    absolute = sum_of(errors, "over_1") + sum_of(errors, "under_1")
    return LossTable(errors.used.astype(np.float64), absolute, errors.squares, errors.fourths)


def _realised(errors: Summary, metric: str) -> np.ndarray:
    n = np.maximum(errors.used, 1)
    absolute = sum_of(errors, "over_1") + sum_of(errors, "under_1")
    square = np.maximum(errors.squares, 0.0) / n
    value = {"mae": absolute / n, "mse": square, "rmse": np.sqrt(square)}[metric]
    return np.where(errors.used > 0, value, np.nan)
