"""Figures released with differential privacy: counts with discrete Laplace noise (OpenDP), and what is made of them.

The unit of privacy is a subject, all rows with one value of a column; of each subject the first rows in time count, up to
``rows_each``. All is reckoned in integers, so that no floating-point number of the noise tells of the data.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from vedette.errors import LakeError, MissingExtraError, PrivacyError
from vedette.lake.classes import class_names
from vedette.lake.deleting import anew
from vedette.lake.events import settings_of
from vedette.lake.spent import claim
from vedette.lake.tables import Lake
from vedette.records import Settings

__all__ = ["KINDS", "Question", "Released", "release"]

LABELLED_KINDS = ("accuracy", "precision", "recall")
KINDS = ("count", "histogram", "mean", *LABELLED_KINDS)
STEPS = 2**20
"""Steps into which the bounds of a mean are cut: values are whole numbers of them."""
SCALE_MAX = 2.0**52
"""Of noise: what 64 bits hold is 2,048 times as much, so that noise reaches their end with probability e^-2048 alone."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be released: a kind of ``KINDS``, and what goes with it.

    ``levels`` are those of a histogram of ``column``, and ``low`` and ``high`` the bounds of a mean, to which values are clipped:
    they must not come from the data. ``positive`` is the class of precision and recall. ``since`` and ``until`` bound the time.
    Raises ``ValueError`` for a kind that lacks what it needs.

    >>> Question("mean", "amount", low=0.0, high=100.0).said
    'mean of amount in [0, 100]'
    """

    kind: str
    column: str | None = None
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    positive: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(KINDS)}")
        if (self.kind in ("histogram", "mean")) != (self.column is not None):
            raise ValueError(
                f"column={self.column!r}: a {self.kind} {'needs' if self.column is None else 'has no'} column"
            )
        if (self.kind == "histogram") != bool(self.levels) or len(set(self.levels)) < len(self.levels):
            raise ValueError(
                f"levels={self.levels!r}: a histogram needs its levels, each once; others have none"
            )
        if self.kind == "mean" and not (
            self.low is not None
            and self.high is not None
            and math.isfinite(self.high - self.low)
            and self.low < self.high
        ):
            raise ValueError(f"low={self.low}, high={self.high}: a mean needs bounds, low below high")
        if (self.kind in ("precision", "recall")) != (self.positive is not None):
            raise ValueError(
                f"positive={self.positive!r}: must be the positive class of precision and recall, and of no other"
            )
        for name, one in (("since", self.since), ("until", self.until)):
            if one is not None and one.tzinfo is None:
                raise ValueError(f"{name}={one}: must have a time zone")

    @property
    def said(self) -> str:
        """What is asked, as the ledger of the budget has it."""
        of = f" of {self.column}" if self.column else f" of {self.positive}" if self.positive else ""
        bounds = f" in [{self.low:g}, {self.high:g}]" if self.kind == "mean" else ""
        times = "".join(
            f", {word} {one:%Y-%m-%d %H:%M}"
            for word, one in (("since", self.since), ("until", self.until))
            if one
        )
        return f"{self.kind}{of}{bounds}{times}"


@dataclass(frozen=True, slots=True)
class Released:
    """One released number: the interval holds the exact one of the rows that count, at 95 %: it is that of the noise."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def release(
    lake: Lake,
    model: str,
    question: Question,
    *,
    subject: str,
    epsilon: float,
    budget: float,
    delta: float,
    by: str,
    now: datetime,
    rows_each: int = 1,
    level: float = 0.95,
) -> list[Released]:
    """Release figures with (``epsilon``, 0) differential privacy for a ``subject``, and spend that of the budget.

    What is wrong with the question is told before anything is spent. Rows without a subject are left out. Raises ``PrivacyError``
    where the budget would be broken, ``MissingExtraError`` without OpenDP, ``LakeError`` for a column that is not there.
    """
    if rows_each < 1:
        raise ValueError(f"rows_each={rows_each}: must be 1 or more")
    _check_columns(lake, model, question, subject)
    noises = [_noise(scale) for scale in _scales(question, epsilon, rows_each)]
    anew(lambda: _plan(lake, model, question, subject, rows_each).collect_schema())
    claim(
        lake,
        model,
        by=by,
        what=question.said,
        subject=subject,
        epsilon=epsilon,
        budget=budget,
        delta=delta,
        now=now,
    )
    rows = anew(lambda: _rows(lake, model, question, subject, rows_each))
    if question.kind == "mean":
        return [_mean(rows, question, noises[0], noises[1], level)]
    names, counts = _counts(rows, question)
    noised = noises[0].on(counts)
    if question.kind in ("count", "histogram"):
        off = _off(noises[0].scale, (1 - level) / len(counts))
        return [
            Released(*one)
            for one in zip(names, noised, (n - off for n in noised), (n + off for n in noised), strict=True)
        ]
    return [_share(question.kind, noised[0], noised[1], _off(noises[0].scale, (1 - level) / 2))]


def _check_columns(lake: Lake, model: str, question: Question, subject: str) -> None:
    """Raise ``LakeError`` for a column that is not there, or of which the figure cannot be had."""
    tables = lake.model(model)
    there = tables["predictions"].columns()
    for name in filter(None, (subject, question.column)):
        if name not in there:
            raise LakeError(
                f"column {name!r}: {model!r} has no such column; it has {', '.join(list(there)[:20])}"
            )
    single = {name: there[name] for name in filter(None, (subject, question.column))}
    if question.kind in LABELLED_KINDS:
        labels = tables["labels"].columns()
        if not {"prediction", "id"} <= set(there) or "label" not in labels:
            raise LakeError(f"{question.kind} of {model!r}: needs predictions with ids, and labels")
        single |= {"prediction": there["prediction"], "label": labels["label"]}
        _check_classes(settings_of(tables), model, question, there["prediction"])
    for name, dtype in single.items():
        if dtype.is_nested():
            raise LakeError(f"column {name!r}: is of type {dtype}: must have one value a row")
    if question.kind == "mean" and not there[str(question.column)].is_numeric():
        raise LakeError(
            f"column {question.column!r}: is of type {there[str(question.column)]}: a mean is of numbers"
        )


def _check_classes(settings: Settings, model: str, question: Question, dtype: pl.DataType) -> None:
    """Raise ``LakeError`` for a share of right answers of what has no classes, or of a class that is none of them."""
    task = settings.task or ("regression" if dtype.is_float() else "classification")
    if task != "classification":
        raise LakeError(f"{question.kind} of {model!r}: is of classes, and the model's task is {task}")
    if question.positive is not None and settings.classes and question.positive not in settings.classes:
        raise LakeError(
            f"positive={question.positive!r}: must be a class of {model!r}: {', '.join(settings.classes)}"
        )


def _scales(question: Question, epsilon: float, rows_each: int) -> list[float]:
    """The scale of each noise; of a mean, of its count and of its sum in steps. Raises ``ValueError`` for one out of bounds."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon={epsilon}: must be above 0")
    parts = (2, STEPS) if question.kind == "mean" else (1,)  # of a mean, each has half of epsilon
    least = parts[-1] * rows_each / SCALE_MAX
    if epsilon < least:
        raise ValueError(
            f"epsilon={epsilon:g}: must be {least:.3g} or more for a {question.kind} of {rows_each} rows each: "
            "the noise of less has no room in 64 bits"
        )
    return [part * rows_each / epsilon for part in parts]


@dataclass(frozen=True, slots=True)
class _Noise:
    """Discrete Laplace noise of a scale, independent for each of some whole numbers."""

    scale: float
    measurement: Callable[[list[int]], list[int]]

    def on(self, exact: Sequence[int]) -> list[int]:
        """The numbers with noise. Raises ``PrivacyError`` where none could be drawn: it does not say of what."""
        # whatever it is: its words and its traceback may have the exact numbers, so it is not even the context of ours
        with contextlib.suppress(Exception):
            return [int(one) for one in self.measurement(list(exact))]
        raise PrivacyError("noise: could not be drawn, and nothing is released; what was claimed stays spent")


def _noise(scale: float) -> _Noise:
    """Noise of OpenDP, on integers of 64 bits: its ``int`` has 32, and what has no room there is told in the clear."""
    try:
        import opendp.prelude as dp
    except ImportError:
        raise MissingExtraError(
            "releasing needs the extra 'release': pip install 'vedette[release]'"
        ) from None
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return _Noise(scale, dp.m.make_laplace(*space, scale=scale))


def _plan(lake: Lake, model: str, question: Question, subject: str, rows_each: int) -> pl.LazyFrame:
    """The rows that count, of each subject so many; with the label known last, where the figure needs one."""
    tables = lake.model(model)
    scan = tables["predictions"].scan().filter(pl.col(subject).is_not_null())
    if question.since is not None:
        scan = scan.filter(pl.col("time") >= question.since)
    if question.until is not None:
        scan = scan.filter(pl.col("time") < question.until)
    wanted = list(dict.fromkeys(one for one in (subject, question.column) if one is not None))
    if question.kind in LABELLED_KINDS:
        last = tables["labels"].scan().sort("received").group_by("id").agg(pl.col("label").last())
        scan, wanted = scan.join(last, on="id"), ["prediction", "label"]
    return scan.sort("time").group_by(subject).head(rows_each).select(wanted)


def _rows(lake: Lake, model: str, question: Question, subject: str, rows_each: int) -> pl.DataFrame:
    found = _plan(lake, model, question, subject, rows_each).collect()
    if question.kind not in LABELLED_KINDS:
        return found
    return found.select(
        class_names(found["prediction"]).alias("prediction"), class_names(found["label"]).alias("label")
    )


def _counts(rows: pl.DataFrame, question: Question) -> tuple[list[str], list[int]]:
    """Disjoint counts: a row is in one of them at most."""
    if question.kind == "count":
        return ["count"], [rows.height]
    if question.kind == "histogram":
        texts = class_names(rows[str(question.column)])
        return list(question.levels), [int((texts == level).sum()) for level in question.levels]
    right = rows["prediction"] == rows["label"]
    if question.kind == "accuracy":
        return ["right", "wrong"], [int(right.sum()), int((~right).sum())]
    of = rows["prediction" if question.kind == "precision" else "label"] == question.positive
    return ["right", "wrong"], [int((right & of).sum()), int((~right & of).sum())]


def _off(scale: float, alpha: float) -> int:
    """How far a count may lie from its noised one, with probability ``1 - alpha``.

    P(|X| > t) = 2 q^(t+1) / (1 + q) with q = e^(-1/scale).
    """
    return max(0, math.ceil(-scale * math.log(alpha * (1 + math.exp(-1 / scale)) / 2) - 1))


def _share(name: str, right: int, wrong: int, off: int) -> Released:
    """The share of right ones, each of the counts as far off as it may be."""

    def of(hits: int, rest: int) -> float | None:
        hits, rest = max(hits, 0), max(rest, 0)
        return hits / (hits + rest) if hits + rest else None

    value, low, high = of(right, wrong), of(right - off, wrong + off), of(right + off, wrong - off)
    return Released(name, value, 0.0 if low is None else low, 1.0 if high is None else high)


def _mean(rows: pl.DataFrame, question: Question, of_count: _Noise, of_sum: _Noise, level: float) -> Released:
    """A mean as a noised sum of steps off the middle over a noised count, each for half of epsilon."""
    assert question.low is not None
    assert question.high is not None
    given = rows[str(question.column)].cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    width = question.high - question.low
    steps = (
        np.rint((np.clip(given, question.low, question.high) - question.low) / width * STEPS).astype(np.int64)
        - STEPS // 2
    )
    n, total = of_count.on([len(given)])[0], of_sum.on([int(steps.sum())])[0]
    off_n, off_sum = _off(of_count.scale, (1 - level) / 2), _off(of_sum.scale, (1 - level) / 2)

    def at(steps_sum: float, count: int) -> float:
        share = min(max(steps_sum / max(count, 1), -STEPS / 2), STEPS / 2) / STEPS + 0.5
        return question.low + width * share  # type: ignore[operator]

    ends = [at(total + a, n + b) for a in (-off_sum, off_sum) for b in (-off_n, off_n)]
    return Released(f"mean of {question.column}", at(total, n) if n > 0 else None, min(ends), max(ends))
