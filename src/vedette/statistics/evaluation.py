"""The figures of a data set whose labels and predictions are at hand as arrays, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.records import class_name, in_order
from vedette.statistics import STATISTICS, error_grid, quality_grid, summarise_error, summarise_quality
from vedette.statistics.estimates import check_level
from vedette.statistics.grid import CLASSES_MAX, Grid
from vedette.statistics.summary import Summary

__all__ = ["Rows", "Value", "evaluate", "figures_of", "on_host", "rows_of"]

Floats = npt.NDArray[np.float64]
Value = tuple[float, float, float, int, str | None]
"""A value, the limits of its interval, the rows it rests on, and why there is no value (NaN then) or None."""

_ROUNDING = 1e-6  # of single-precision softmaxes
FEW = 50  # as where files are compared: of more whole numbers than this nobody made classes
_NOT_OF_A_SET = ("rows", "throughput_per_s", "error_rate")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Labels and predictions of N rows as they were understood.

    Of a regression ``true`` and ``told`` are numbers [N], NaN where there is none, and ``classes`` is empty. Of a
    classification they are codes [N], -1 where there is none, of ``classes``, the first ``n_known`` of which the model has;
    ``scores`` are probabilities [N] of the second of two classes, or [N, n_known].
    """

    true: npt.NDArray[Any]
    told: npt.NDArray[Any]
    classes: tuple[str, ...] = ()
    n_known: int = 0
    scores: Floats | None = None

    @property
    def task(self) -> str:
        """classification or regression."""
        return "classification" if self.classes else "regression"


def evaluate(
    y_true: Any,
    y_pred: Any = None,
    *,
    probability: Any = None,
    task: str = "",
    classes: Sequence[Any] | None = None,
    metrics: Sequence[str] | None = None,
    level: float = 0.95,
) -> dict[str, Value]:
    """The figures of a classifier or of a regression on N rows, by the names that ``STATISTICS`` has.

    ``y_true`` and ``y_pred`` are arrays [N]; labels may be missing (None or NaN). ``probability`` is that of the second of two
    classes [N], or of all [N, K] in the order of ``classes``, each from 0 to 1; without ``y_pred`` the likeliest class is the
    prediction. ``classes`` are those of the labels and predictions, in order, where they are not given (of 0 or 1 alone, both).
    ``task`` is ``classification`` or ``regression``; left out, numbers that are no more than 50 whole ones on both sides, texts
    and booleans are classes. ``metrics`` names the figures that are wanted, all by default.

    Figures are read off a summary of the rows, by the code that every window of a model goes through. Raises ``ValueError``
    for arrays of other shapes and numbers of rows, for more classes than can be told apart, and for unknown names.

    >>> found = evaluate([0, 0, 1, 1], [0, 1, 1, 1])
    >>> value, low, high, n, reason = found["accuracy"]        # scipy.stats.binomtest(3, 4).proportion_ci()
    >>> value, round(low, 4), n, reason
    (0.75, 0.1941, 4, None)
    >>> evaluate([1.0, 2.5], [1.5, 2.5], metrics=["mae"])["mae"][0]
    0.25
    """
    check_level(level)
    rows = rows_of(y_true, y_pred, probability=probability, task=task, classes=classes)
    return figures_of(rows, metrics=metrics, level=level)


def rows_of(
    y_true: Any,
    y_pred: Any = None,
    *,
    probability: Any = None,
    task: str = "",
    classes: Sequence[Any] | None = None,
) -> Rows:
    """Labels and predictions as :func:`evaluate` understands them, which says what each may be and raises the same."""
    if task not in ("", "classification", "regression"):
        raise ValueError(f"task={task!r}: must be classification or regression, or left out")
    labels = _column("y_true", y_true, None)
    predictions = None if y_pred is None else _column("y_pred", y_pred, len(labels))
    if not task and classes is None and probability is None and predictions is not None:
        _check_fractions(labels, predictions)
    if not task:
        told = classes is not None or probability is not None
        task = "classification" if told or _are_classes(labels, predictions) else "regression"
    if task == "classification":
        return _classified(labels, predictions, probability, classes)
    if predictions is None:
        raise ValueError("y_pred: a regression has predictions, and none were given")
    return Rows(_numbers("y_true", labels), _numbers("y_pred", predictions))


def figures_of(rows: Rows, *, metrics: Sequence[str] | None = None, level: float = 0.95) -> dict[str, Value]:
    """The figures of rows, see :func:`evaluate`."""
    if rows.task == "regression":
        summary = summarise_error(error_grid(rows.true, rows.told), rows.true, rows.told)
    else:
        grid: Grid = quality_grid(rows.classes[: rows.n_known], rows.scores)
        summary = summarise_quality(grid, rows.true, rows.told, rows.classes, rows.scores)
    return _figures(summary, metrics, level)


def _figures(summary: Summary, metrics: Sequence[str] | None, level: float) -> dict[str, Value]:
    kind = summary.grid.kind
    known = [
        name
        for name, one in STATISTICS.items()
        if kind in one.kinds and not one.needs_reference and name not in _NOT_OF_A_SET
    ]
    if isinstance(metrics, str):
        raise ValueError(f"metrics={metrics!r}: must be a list of names, such as [{metrics!r}]")
    odd = sorted(set(metrics or ()) - set(known), key=str)
    if odd:
        raise ValueError(f"metrics: {odd[0]!r}: must be of {', '.join(known)}")
    found: dict[str, Value] = {}
    for name in known if metrics is None else metrics:
        one = STATISTICS[name].figures(summary, level=level)
        value, low, high = float(one.value[0]), float(one.low[0]), float(one.high[0])
        found[name] = value, low, high, int(one.n[0]), one.reason[0]
    return found


def _classified(labels: Any, predictions: Any, probability: Any, classes: Sequence[Any] | None) -> Rows:
    scores = None if probability is None else np.asarray(on_host(probability), dtype=np.float64)
    n = len(labels)
    if scores is not None and (scores.ndim not in (1, 2) or len(scores) != n):
        raise ValueError(
            f"probability of shape {scores.shape}: must be [{n}] or [{n}, classes], as many as y_true"
        )
    if scores is not None:
        odd = int(np.count_nonzero((scores < -_ROUNDING) | (scores > 1 + _ROUNDING)))
        if odd:
            raise ValueError(
                f"probability: {odd:,} of {scores.size:,} numbers lie outside 0 to 1, so that they are none: give a softmax or "
                "sigmoid of them"
            )
        scores = np.clip(scores, 0.0, 1.0)
    true, told = _names(labels), None if predictions is None else _names(predictions)
    if classes is not None:
        names = tuple(class_name(one) for one in classes)
    else:
        seen = {one for one in (*true, *(told or ())) if one is not None}
        names = ("0", "1") if seen <= {"0", "1"} else tuple(in_order(seen))
    if len(set(names)) != len(names) or not 2 <= len(names) <= CLASSES_MAX:
        raise ValueError(
            f"classes: {len(names)} names, {len(set(names))} different: must be 2 to {CLASSES_MAX} different ones"
        )
    if scores is not None and scores.ndim == 2:
        if scores.shape[1] != len(names):
            raise ValueError(
                f"probability of shape {scores.shape}: must have a column for each of the classes {', '.join(names[:10])}"
            )
        unknown: list[bool] = np.asarray(np.isnan(scores).any(axis=1)).tolist()
        pairs = zip(scores.argmax(axis=1).tolist(), unknown, strict=True)
        likeliest: list[str | None] = [None if gone else names[place] for place, gone in pairs]
        scores = scores[:, 1] if len(names) == 2 else scores
    elif scores is not None:
        if len(names) != 2:
            raise ValueError(
                f"probability of shape {scores.shape}: must be [{n}, {len(names)}], a column a class"
            )
        likeliest = [None if math.isnan(one) else names[int(one >= 0.5)] for one in scores]
    elif told is None:
        raise ValueError("y_pred and probability: must be one of them at least")
    told = told if told is not None else likeliest
    every = (*names, *in_order({one for one in (*true, *told) if one is not None} - set(names)))
    place = {name: number for number, name in enumerate(every)}
    codes = [
        np.array([-1 if one is None else place[one] for one in part], dtype=np.int64) for part in (true, told)
    ]
    return Rows(codes[0], codes[1], every, len(names), scores)


def _check_fractions(labels: Any, predictions: Any) -> None:
    """Raise ``ValueError`` for fractions that stand for labels 0 and 1: scores, where classes were meant."""
    numbers = [part for part in (labels, predictions) if part.dtype.kind in "biuf"]
    if len(numbers) < 2 or not set(np.unique(labels[~_missing(labels)]).tolist()) <= {0, 1}:
        return
    told = predictions[~_missing(predictions)].astype(np.float64)
    if ((told >= 0) & (told <= 1)).all() and (told != np.round(told)).any():
        raise ValueError(
            "y_pred: fractions from 0 to 1 for labels 0 and 1: give them as probability=, or say task='regression'"
        )


def _are_classes(labels: Any, predictions: Any) -> bool:
    for part in (labels, predictions):
        if part is None or part.dtype.kind in "bUS":
            continue
        if part.dtype.kind == "O" and any(isinstance(one, str | bytes) for one in part):
            continue
        numbers = part[~_missing(part)].astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if (numbers != np.round(numbers)).any() or len(np.unique(numbers)) > FEW:
            return False
    return True


def _column(name: str, values: Any, n: int | None) -> Any:
    """One dimension of values; a column [N, 1] is one."""
    found = np.asarray(on_host(values))
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1 or (n is not None and len(found) != n):
        raise ValueError(
            f"{name} of shape {found.shape}: must be [{'N' if n is None else n}], one for each row"
        )
    return found


def on_host(values: Any) -> Any:
    """Tensors as arrays; anything else as it is."""
    for method in ("detach", "cpu"):
        if hasattr(values, method):
            values = getattr(values, method)()
    return values


def _missing(values: Any) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=np.bool_)
    return np.array(
        [one is None or (isinstance(one, float) and math.isnan(one)) for one in values], dtype=np.bool_
    )


def _numbers(name: str, values: Any) -> Floats:
    try:
        return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of type {values.dtype}: must be numbers for a regression") from error


def _names(values: Any) -> list[str | None]:
    """The classes by name, None where there is none: 1, 1.0, True and "1" are one class."""
    missing = _missing(values)
    distinct: dict[Any, str] = {}
    found: list[str | None] = []
    for one, gone in zip(values.tolist(), missing.tolist(), strict=True):
        if gone:
            found.append(None)
            continue
        if one not in distinct:
            distinct[one] = class_name(one)
        found.append(distinct[one])
    return found
