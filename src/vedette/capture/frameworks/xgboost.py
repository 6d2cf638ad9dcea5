"""XGBoost boosters: ``predict`` of a ``DMatrix``, ``inplace_predict`` of an array. Its own classifiers are as scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.methods import recorded
from vedette.capture.frameworks.outputs import Outputs, outputs_of, probabilities
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(booster: Any, calls: Calls) -> Any:
    """A booster whose predictions are recorded; those of a logistic one are probabilities."""

    objective = cache(lambda: _objective(booster))  # asked for with the first call, when it is trained

    def read(value: Any, n_rows: int) -> Outputs:
        if objective() in ("binary:logistic", "reg:logistic", "multi:softprob"):
            return probabilities(value, () if value.ndim == 1 else range(value.shape[1]), n_rows)
        return outputs_of(value, n_rows)

    def rows(matrix: Any, names: Sequence[str] | None) -> Rows:
        if not hasattr(matrix, "get_data"):
            return rows_of(matrix, names)
        stored = matrix.get_data().tocoo()  # zeros are stored, what is missing is not
        full = _missing(stored.shape)
        full[stored.row, stored.col] = stored.data
        return rows_of(full, names or matrix.feature_names)

    def names() -> Sequence[str] | None:
        found: Sequence[str] | None = booster.feature_names
        return found

    methods = ("predict", "inplace_predict")
    return proxy(
        booster, {name: recorded(calls, getattr(booster, name), names, read, rows) for name in methods}
    )


def _missing(shape: tuple[int, int]) -> Any:
    import numpy as np

    return np.full(shape, np.nan)


def _objective(booster: Any) -> str:
    import json

    found: str = json.loads(booster.save_config())["learner"]["objective"]["name"]
    return found
