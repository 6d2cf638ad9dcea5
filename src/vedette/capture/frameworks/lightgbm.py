"""LightGBM boosters. Its scikit-learn classes are scikit-learn's."""

from __future__ import annotations

from functools import cache
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.methods import recorded
from vedette.capture.frameworks.outputs import Outputs, outputs_of, probabilities
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]

_OF_CLASSES = ("binary", "multiclass", "multiclassova", "cross_entropy", "softmax", "ova")


def watch(booster: Any, calls: Calls) -> Any:
    """A booster whose ``predict`` is recorded; what a classifier gives are probabilities."""

    objective = cache(lambda: str(booster.params.get("objective") or _stored(booster)).split(" ")[0])

    def read(value: Any, n_rows: int) -> Outputs:
        if objective() in _OF_CLASSES:
            return probabilities(value, () if value.ndim == 1 else range(value.shape[1]), n_rows)
        return outputs_of(value, n_rows)

    return proxy(booster, {"predict": recorded(calls, booster.predict, cache(booster.feature_name), read)})


def _stored(booster: Any) -> str:
    """The objective that the model's own text says: a booster from a file has no parameters."""
    for line in booster.model_to_string(num_iteration=1).splitlines()[:20]:
        if line.startswith("objective="):
            found: str = line.partition("=")[2]
            return found
    return ""
