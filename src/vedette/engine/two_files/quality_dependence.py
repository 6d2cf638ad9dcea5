"""How far the rows of a file depend on those before them, as each figure of a model feels it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from vedette.engine.two_files.quality_rows import Labels, codes_of, column_of, numbers_of, scores, stretch
from vedette.engine.two_files.source import dependence
from vedette.lake.files import TableFile

__all__ = ["inflations"]

Series = dict[str, np.ndarray]

_SMALL = 1e-15  # of a probability, before its logarithm


def inflations(tables: Sequence[TableFile], labels: Labels) -> Mapping[str, float]:
    """How many rows are worth one, by figure; what depends on several series takes the greatest of them.

    Each series is what a row adds to a figure: the signed error to ``bias``, right or wrong to ``accuracy``, and so on.
    """
    series = [_series(stretch(table), labels) for table in tables]
    found = {
        name: dependence([one[name][np.isfinite(one[name])] for one in series if name in one])
        for name in dict.fromkeys(name for one in series for name in one)
    }
    shares = [value for name, value in found.items() if name.startswith(("accuracy", "recall", "precision"))]
    found["f1"] = max(shares, default=1.0)
    if "average_precision" in found:
        found["average_precision"] = max(found["average_precision"], found["roc_auc"])
    return found


def _series(rows: pl.DataFrame, labels: Labels) -> Series:
    if not labels.classes:
        return _of_errors(numbers_of(rows, "label"), numbers_of(rows, "prediction"))
    label, prediction = (codes_of(column_of(rows, name), labels.classes) for name in ("label", "prediction"))
    both = (label >= 0) & (prediction >= 0)
    found = _of_classes(label[both], prediction[both], labels.classes) if both.any() else {}
    score = scores(rows, labels.classes)
    if score is not None:
        p = np.stack([1 - score, score], axis=1) if score.ndim == 1 else score
        valid = (label >= 0) & ((p >= 0) & (p <= 1)).all(axis=1)
        if valid.any():
            found |= _of_scores(label[valid], p[valid])
    return found


def _of_errors(label: np.ndarray, prediction: np.ndarray) -> Series:
    with np.errstate(all="ignore"):
        error = prediction - label
        kept = np.isfinite(error)
        error, label = error[kept], label[kept]
        away = label - label.mean() if len(label) else label
        explained = error**2 / np.mean(error**2) - away**2 / np.mean(away**2) if len(label) else label
        found = {
            "bias": error,
            "mae": np.abs(error),
            "rmse": error**2,
            "mape": np.abs(error / label),
            "r2": explained,
        }
    for p in (0.1, 0.5, 0.9):
        found[f"quantile_loss_p{round(100 * p)}"] = np.where(error > 0, (1 - p) * error, -p * error)
    return found


def _of_classes(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> Series:
    right = (label == prediction).astype(np.float64)
    found = {"accuracy": right}
    for place, name in enumerate(classes):
        for metric, held in (("recall", label == place), ("precision", prediction == place)):
            share = right[held].mean() if held.any() else 0.0
            found[f"{metric}[{name}]"] = np.where(held, right - share, 0.0)
    if len(classes) == 2:
        negative, positive = classes
        found |= {
            "specificity": found[f"recall[{negative}]"],
            "recall": found[f"recall[{positive}]"],
            "precision": found[f"precision[{positive}]"],
        }
    return found


def _of_scores(label: np.ndarray, p: np.ndarray) -> Series:
    own = p[np.arange(len(label)), label]
    squares = (p**2).sum(axis=1) - own**2 + (1 - own) ** 2
    areas, hits = [], []
    for place in range(1 if p.shape[1] == 2 else 0, p.shape[1]):
        positive = label == place
        areas.append(_ranked(positive, p[:, place]))
        hits.append(positive - p[:, place])
    return {
        "log_loss": -np.log(np.maximum(own, _SMALL)),
        "brier": squares,
        "roc_auc": np.mean(areas, axis=0),
        "average_precision": np.mean(hits, axis=0) if len(hits) == 1 else hits[0],
    }


def _ranked(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """What each row adds to the area: the share of rows of the other side that it is ranked rightly against."""
    own, others = np.sort(score[positive]), np.sort(score[~positive])
    if not len(own) or not len(others):
        return np.zeros(len(score))

    def below(values: np.ndarray) -> np.ndarray:
        sides = [np.searchsorted(values, score, side=side) for side in ("left", "right")]
        return (sides[0] + sides[1]) / 2 / len(values)

    told = np.where(positive, below(others), 1 - below(own))
    area = told[positive].mean()
    return np.asarray((told - area) / np.where(positive, positive.mean(), 1 - positive.mean()))
