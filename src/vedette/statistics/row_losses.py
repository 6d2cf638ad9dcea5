"""What is kept of a data set that a model was evaluated on, so that another model can be compared with it row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette.statistics.evaluation import Rows

__all__ = ["GROUPS", "RowFacts", "facts_of"]

Floats = npt.NDArray[np.float64]

GROUPS = 200
"""Rows are kept as the mean losses of so many groups at most: their mean has the variance of the mean of all rows."""

_SEED = 20_240_229
_SHARES_MAX = 50  # classes whose shares are kept; of more nobody looks at single ones


@dataclass(frozen=True, slots=True, eq=False)
class RowFacts:
    """The losses of n rows by groups that are the same for every model on the same rows, and the shares of classes.

    ``loss`` is what a row's loss is: ``log_loss`` (-log of the probability of the label, clipped at the smallest step of a
    float64 from 0), ``error`` (0 or 1) where there are no probabilities, ``squared_error`` of a regression. ``means`` and
    ``counts`` are of the groups. ``rows`` is a digest of the labels in their order: two sets with one digest are one set.
    """

    loss: str
    means: Floats
    counts: npt.NDArray[np.int64]
    rows: str
    label_shares: Mapping[str, float]
    predicted_shares: Mapping[str, float]
    n_predicted: int


def facts_of(rows: Rows) -> RowFacts:
    """The facts of labels and predictions; rows without a label or a prediction have no loss and are left out.

    Groups are drawn once for a number of rows, by position, so that those of two models on the same rows are of the same rows.

    >>> from vedette.statistics.evaluation import rows_of
    >>> facts = facts_of(rows_of(["a", "b", "b"], ["a", "a", "b"]))
    >>> facts.loss, facts.counts.tolist(), float(facts.means.sum()), facts.predicted_shares["a"]
    ('error', [1, 1, 1], 1.0, 0.6666666666666666)
    """
    loss, values = _losses(rows)
    n = len(values)
    order = np.random.default_rng(_SEED).permutation(n)
    number = np.empty(n, dtype=np.int64)
    number[order] = np.arange(n) * min(n, GROUPS) // max(n, 1)
    there = np.isfinite(values)
    counts = np.bincount(number[there], minlength=min(n, GROUPS))
    sums = np.bincount(number[there], weights=values[there], minlength=min(n, GROUPS))
    kept = counts > 0
    labels, predicted = _shares(rows, rows.true), _shares(rows, rows.told)
    return RowFacts(
        loss,
        sums[kept] / counts[kept],
        counts[kept].astype(np.int64),
        _digest(rows),
        labels,
        predicted,
        int(np.count_nonzero(rows.told >= 0)) if rows.classes else 0,
    )


def _losses(rows: Rows) -> tuple[str, Floats]:
    if rows.task == "regression":
        return "squared_error", (rows.told - rows.true) ** 2
    known = (rows.true >= 0) & (rows.told >= 0)
    if rows.scores is None:
        return "error", np.where(known, (rows.true != rows.told).astype(np.float64), np.nan)
    scores = rows.scores if rows.scores.ndim == 2 else np.column_stack([1 - rows.scores, rows.scores])
    own = np.where((rows.true >= 0) & (rows.true < rows.n_known), rows.true, 0)
    p = scores[np.arange(len(own)), own]
    p = np.where(rows.true < rows.n_known, p, 0.0)  # a class that the model does not have
    p = np.where((rows.true >= 0) & np.isfinite(p), np.maximum(p, np.finfo(np.float64).eps), np.nan)
    return "log_loss", -np.log(p)


def _shares(rows: Rows, codes: npt.NDArray[np.int64]) -> dict[str, float]:
    if not 2 <= len(rows.classes) <= _SHARES_MAX:
        return {}
    counts = np.bincount(codes[codes >= 0], minlength=len(rows.classes))
    n = max(int(counts.sum()), 1)
    return {name: float(count / n) for name, count in zip(rows.classes, counts, strict=True)}


def _digest(rows: Rows) -> str:
    found = hashlib.blake2b(digest_size=12)
    if rows.classes:
        names = np.array([*rows.classes, ""])
        found.update("\x00".join(names[rows.true].tolist()).encode("utf-8", "surrogatepass"))
    else:
        found.update(np.ascontiguousarray(rows.true + 0.0).tobytes())
    return found.hexdigest()
