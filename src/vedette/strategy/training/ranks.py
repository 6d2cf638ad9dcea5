"""What the diagnoses of distributed trainings read: one series of all ranks, at the steps that all of them have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from vedette.strategy.training.records import Floats, Ints

__all__ = ["OF_RANKS", "beyond_others", "together"]

OF_RANKS = (
    "loss",
    "batch/loss",
    "weight_norm",
    "data_s",
    "forward_s",
    "backward_s",
    "sync_s",
    "step_s",
)
"""The series by which ranks are compared."""


def together(curves: Mapping[int, tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    """The steps that all ranks have, and their values [ranks, steps], in the order of the ranks.

    >>> one, two = (np.array([0, 1, 2]), np.array([5.0, 6.0, 7.0])), (np.array([1, 2]), np.array([8.0, 9.0]))
    >>> together({0: one, 1: two})
    (array([1, 2]), array([[6., 7.],
           [8., 9.]]))
    """
    steps: Ints = reduce(np.intersect1d, [one for one, _ in curves.values()])
    # of a step that is there twice the later value
    rows = [values[np.searchsorted(one, steps, side="right") - 1] for one, values in curves.values()]
    return steps, np.array(rows, dtype=np.float64).reshape(len(rows), len(steps))


def beyond_others(values: Floats) -> Floats:
    """By how much each rank's values [ranks, steps] are above the mean of the other ranks' at the same step.

    >>> beyond_others(np.array([[1.0], [1.0], [4.0]]))
    array([[-1.5],
           [-1.5],
           [ 3. ]])
    """
    found: Floats = values - (values.sum(axis=0) - values) / (len(values) - 1)
    return found
