"""The table of labels against predictions, as accuracy, precision, recall and F1 read it."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from vedette.statistics.estimates import Reasons, reasons_of
from vedette.statistics.summary import Summary

__all__ = ["confusion", "is_binary"]

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
