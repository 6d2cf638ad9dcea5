"""The table of labels against predictions, as accuracy, precision, recall and F1 read it, and a share of it."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import Estimates, Reasons, reasons_of
from vedette.statistics.intervals import share
from vedette.statistics.summary import Summary

__all__ = ["confusion", "is_binary", "positive_share"]

Integers = npt.NDArray[np.int64]


def confusion(current: Summary) -> tuple[Integers, Reasons]:
    """Counts [W, label, prediction] of rows with both, any other class last; 0 where there is a reason."""
    reasons = reasons_of(current)
    if not current.grid.classes:
        reasons.add(np.ones(len(current), dtype=np.bool_), "no classes")
    table = cast(Integers, current.cube.sum(axis=1))[:, :, :-1]
    reasons.add(table.sum(axis=(1, 2)) == 0, "no predictions")
    return np.where(reasons.given[:, np.newaxis, np.newaxis], 0, table), reasons


def is_binary(current: Summary) -> bool:
    """True where there are two classes, of which the second is the positive one."""
    return len(current.grid.classes) == 2


def positive_share(current: Summary, level: float, *, of_labels: bool, nothing: str) -> Estimates:
    """The share of right rows among those predicted (or, ``of_labels``, labelled) as the second of two classes."""
    table, reasons = confusion(current)
    k, n = table[:, 1, 1], table[:, 1].sum(axis=1) if of_labels else table[:, :, 1].sum(axis=1)
    reasons.add(n == 0, nothing)
    return Estimates.of(k / np.maximum(n, 1), *share(k, n, level), n, reasons)
