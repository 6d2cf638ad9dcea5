"""Figures of boxes that need the images themselves: average precision, average recall, numbers and sizes of boxes.

Their values depend on the order of all boxes by score, so that no count of fixed size holds them: they are read off the
labelled rows, by ``statistics.detection``, each time they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from vedette.engine.outputs import document_texts
from vedette.engine.segments import Segments
from vedette.engine.summarise import row_weights
from vedette.lake.structured import boxes_of
from vedette.statistics.detection import (
    DetectionSummary,
    box_figures,
    detection_figures,
    figures_by_class,
    summarise_detection,
)
from vedette.statistics.estimates import Estimates
from vedette.statistics.measured import Measured, unknown
from vedette.statistics.structured.detection import BY_CLASS, COCO, OF_BOXES

__all__ = ["image_figures"]

_LEFT_OUT = "rows were left out by a sampler: the order of all boxes is not known"


def image_figures(
    source: Segments, metrics: Sequence[str], score: float
) -> Iterator[tuple[str, str | None, Estimates, np.ndarray]]:
    """Each metric, its part, and for every cell of the source the estimates and notes; ``score`` is of numbers and sizes."""
    found = [dict(_of_cell(source, cell, metrics, score)) for cell in range(len(source.cells))]
    for metric in metrics:
        every = [one.get(metric, {}) for one in found]
        parts = sorted(
            {part for one in every for part in one}, key=lambda part: (part is not None, str(part))
        )
        for part in parts:
            told = [one.get(part) or unknown("no boxes there" if one else "no labels") for one in every]
            notes = np.array([one.note for one in told], dtype=np.object_)
            yield metric, part, _estimates(told), notes


def _of_cell(
    source: Segments, cell: int, metrics: Sequence[str], score: float
) -> Iterator[tuple[str, Mapping[str | None, Measured]]]:
    """The figures of one segment in one window, by metric and part."""
    first, last = np.searchsorted(source.index_of_labelled, [cell, cell + 1])
    rows = _standing(source.labelled.slice(first, last - first))
    reason = "no labels" if rows.is_empty() else _LEFT_OUT if row_weights(rows) is not None else None
    whole: Mapping[str, Measured] = {}
    if reason is not None:
        whole = {metric: unknown(reason) for metric in metrics if not metric.endswith(BY_CLASS)}
    else:
        summary = _summary(rows)
        if set(metrics) & set(OF_BOXES):
            whole = {**whole, **box_figures(summary, score)}
        if set(metrics) & set(COCO):
            whole = {**whole, **detection_figures(summary)}
        by_class = [name for name in metrics if name.endswith(BY_CLASS)]
        apart = figures_by_class(summary) if by_class else {}
        for name in by_class:
            yield name, {str(label): own[name.removesuffix(BY_CLASS)] for label, own in apart.items()}
    for name, figure in whole.items():
        if name in metrics:
            yield name, {None: figure}


def _standing(rows: pl.DataFrame) -> pl.DataFrame:
    """The labels that hold in the end, of rows whose sign takes replaced ones away; only images with a prediction."""
    if rows.is_empty():
        return rows
    rows = rows.with_columns(document_texts(rows, "prediction"), document_texts(rows, "label"))
    beside = [pl.col("inclusion").first()] if "inclusion" in rows.columns else []
    same = ["version", "id", "label", "prediction"]
    net = rows.group_by(same, maintain_order=True).agg(pl.col("_sign").sum(), *beside)
    return net.filter((pl.col("_sign") > 0) & pl.col("prediction").is_not_null())


def _summary(rows: pl.DataFrame) -> DetectionSummary:
    there, found = boxes_of(rows["label"], found=False), boxes_of(rows["prediction"], found=True)
    names = [f"{version}/{name}" for version, name in rows.select("version", "id").iter_rows()]
    kept = [
        (one, other, name)
        for one, other, name in zip(found, there, names, strict=True)
        if one is not None and other is not None
    ]
    return summarise_detection(
        [one for one, _, _ in kept],
        [one for _, one, _ in kept],
        images=[n for _, _, n in kept],
        box_format="xywh",
    )


def _estimates(told: Sequence[Measured]) -> Estimates:
    def all_of(read: Callable[[Measured], float]) -> np.ndarray:
        return np.array([read(one) for one in told], dtype=np.float64)

    return Estimates(
        all_of(lambda one: one.value),
        all_of(lambda one: one.low),
        all_of(lambda one: one.high),
        np.array([one.n for one in told], dtype=np.int64),
        np.array([one.reason for one in told], dtype=np.object_),
    )
