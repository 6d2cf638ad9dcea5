"""Predictions that are more than one value, as columns that can be watched without labels.

What the lake holds as one line of JSON becomes numbers beside it: of boxes how many there are, their mean score and median
area; of a ranking the number of items; of a set of labels the set itself, as a category, and how many it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

import numpy as np
import polars as pl

from vedette.capture.structured import OWN_COLUMNS
from vedette.lake.rows import variants
from vedette.lake.structured import boxes_of, items_of
from vedette.records import STRUCTURED, Settings
from vedette.statistics.grid import Grid
from vedette.statistics.structured import (
    loss_of_boxes,
    loss_of_labels,
    place_of_hit,
    summarise_boxes,
    summarise_labels,
    summarise_ranking,
)
from vedette.statistics.summary import Summary

__all__ = ["RAW", "document_texts", "is_structured", "loss_of", "own_columns", "spread", "summarise_outcomes"]

RAW = "_output"
"""The column in which the text of a prediction is kept once ``prediction`` is what is watched of it."""

_IMAGES_AT_ONCE = 2000
_MARKS_AT_ONCE = 2**21


def is_structured(settings: Settings) -> bool:
    """True where predictions are boxes, rankings or sets of labels."""
    return settings.task in STRUCTURED


def own_columns(settings: Settings) -> tuple[str, ...]:
    """The columns beside ``prediction`` that are read off the predictions of the task: outputs, not features."""
    return OWN_COLUMNS.get(settings.task or "", ())


def spread(frame: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The rows with what is watched of their predictions: ``prediction`` itself becomes a number or a category.

    Rows of other tasks, and rows that were spread already, are given back as they are.
    """
    if not is_structured(settings) or RAW in frame.columns or not variants(frame.columns, "prediction"):
        return frame
    texts = document_texts(frame, "prediction")
    kept = frame.drop(variants(frame.columns, "prediction"))
    return kept.with_columns(texts.alias(RAW), *_SPREAD[settings.task or ""](texts))


def _boxes(texts: pl.Series) -> list[pl.Series]:
    number: list[int | None] = []
    score: list[float | None] = []
    area: list[float | None] = []
    for one in boxes_of(texts, found=True):
        number.append(None if one is None else len(one["boxes"]))
        score.append(fmean(one["scores"]) if one and one["scores"] else None)
        area.append(
            median(width * height for *_, width, height in one["boxes"]) if one and one["boxes"] else None
        )
    return [
        pl.Series("prediction", number, dtype=pl.Int64),
        pl.Series("prediction_score", score, dtype=pl.Float64),
        pl.Series("prediction_area", area, dtype=pl.Float64),
    ]


def _ranking(texts: pl.Series) -> list[pl.Series]:
    number = [None if one is None else len(one) for one in items_of(texts, found=True)]
    return [pl.Series("prediction", number, dtype=pl.Int64)]


def _labels(texts: pl.Series) -> list[pl.Series]:
    every = items_of(texts, found=True)
    return [
        pl.Series("prediction", [None if one is None else ", ".join(one) for one in every], dtype=pl.String),
        pl.Series("prediction_labels", [None if one is None else len(one) for one in every], dtype=pl.Int64),
    ]


_SPREAD = {"detection": _boxes, "ranking": _ranking, "multilabel": _labels}


def document_texts(frame: pl.DataFrame, base: str) -> pl.Series:
    """The texts of a field, which may have further types where a process did not know the task; null where it has none."""
    texts = [frame[name] for name in variants(frame.columns, base) if frame.schema[name] == pl.String]
    return texts[0].rename(base) if texts else pl.Series(base, [None] * frame.height, dtype=pl.String)


def _raw(frame: pl.DataFrame) -> pl.Series:
    return frame[RAW] if RAW in frame.columns else document_texts(frame, "prediction")


def summarise_outcomes(
    frame: pl.DataFrame, grid: Grid, scores: np.ndarray | None, windows: np.ndarray, n_windows: int, sign: Any
) -> Summary:
    """The summaries of labelled rows by window, on a grid of one of these tasks; ``scores`` [N, L] of labels.

    A row whose label or prediction is no document of the task counts as missing.
    """
    if grid.kind == "ranking":
        return summarise_ranking(grid, *_lists(frame), windows, n_windows, sign)
    if grid.kind == "multilabel":
        return _labels_by_window(frame, grid, scores, windows, n_windows, sign)
    found, there = _images(frame)
    signs = np.broadcast_to(np.asarray(sign), (frame.height,))
    out = Summary.empty(grid, n_windows, 0)
    for begin in range(0, frame.height, _IMAGES_AT_ONCE):
        part = slice(begin, begin + _IMAGES_AT_ONCE)
        out = out + summarise_boxes(grid, found[part], there[part], windows[part], n_windows, signs[part])
    return out


def _labels_by_window(
    frame: pl.DataFrame, grid: Grid, scores: np.ndarray | None, windows: np.ndarray, n_windows: int, sign: Any
) -> Summary:
    """The summaries of sets of labels, so many rows at once that their marks take some 16 MB."""
    signs = np.broadcast_to(np.asarray(sign), (frame.height,))
    out = Summary.empty(grid, n_windows, 0)
    step = max(_MARKS_AT_ONCE // len(grid.classes), 1)
    for begin in range(0, frame.height, step):
        part = slice(begin, begin + step)
        truth, given, missing = _sets(frame[part], grid.classes)
        own = None if scores is None else scores[part]
        out = out + summarise_labels(grid, truth, given, own, missing, windows[part], n_windows, signs[part])
    return out


def loss_of(frame: pl.DataFrame, grid: Grid) -> np.ndarray:
    """What each labelled row lost, as its watch has it: of a ranking 1 where no hit is among the first 10, else 1 less
    the row's F1; NaN of a row without an answer."""
    if grid.kind == "ranking":
        recommended, relevant = _lists(frame)
        place = place_of_hit(recommended, relevant)
        place[[one is None for one in recommended]] = np.nan
        return np.where(np.isnan(place), np.nan, place > 10)
    if grid.kind == "multilabel":
        truth, given, missing = _sets(frame, grid.classes)
        return np.where(missing, np.nan, loss_of_labels(truth, given))
    found, there = _images(frame)
    return np.where([one is None for one in found], np.nan, loss_of_boxes(found, there))


def _images(frame: pl.DataFrame) -> tuple[list[Any], list[Any]]:
    """Boxes found, None where there is no value, and those there."""
    there = boxes_of(document_texts(frame, "label"), found=False)
    found = boxes_of(_raw(frame), found=True)
    pairs = zip(found, there, strict=True)
    nothing: dict[str, Any] = {"boxes": [], "labels": []}
    return [None if right is None else one for one, right in pairs], [one or nothing for one in there]


def _lists(frame: pl.DataFrame) -> tuple[list[Any], list[Any]]:
    """Items recommended, None where there is no value, and those that are relevant."""
    right = items_of(document_texts(frame, "label"), found=False)
    given = items_of(_raw(frame), found=True)
    pairs = zip(given, right, strict=True)
    return [None if wanted is None else one for one, wanted in pairs], [one or [] for one in right]


def _sets(frame: pl.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which labels rows have and were given, [N, L] each, and the rows without a value, or with a label that is none of
    the classes [N]."""
    place = {name: number for number, name in enumerate(classes)}
    marks = []
    missing = np.zeros(frame.height, dtype=np.bool_)
    for texts in (document_texts(frame, "label"), _raw(frame)):
        own = np.zeros((frame.height, len(classes)), dtype=np.bool_)
        for row, names in enumerate(items_of(texts, found=True)):
            if names is None or not set(names) <= set(place):
                missing[row] = True
            else:
                own[row, [place[name] for name in names]] = True
        marks.append(own)
    return marks[0], marks[1], missing
