"""CatBoost models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.methods import recorded
from vedette.capture.frameworks.outputs import Outputs, predictions, probabilities
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(model: Any, calls: Calls) -> Any:
    """A model whose ``predict`` and ``predict_proba`` are recorded, each call as predictions of its own."""

    def chances(value: Any, n_rows: int) -> Outputs:
        return probabilities(value, list(model.classes_), n_rows)

    def names() -> Sequence[str] | None:
        found: Sequence[str] | None = model.feature_names_
        return found

    def rows(batch: Any, names: Sequence[str] | None) -> Rows:
        return rows_of(batch.get_features() if hasattr(batch, "get_features") else batch, names)  # a Pool

    methods = {"predict": recorded(calls, model.predict, names, predictions, rows)}
    if hasattr(model, "predict_proba"):
        methods["predict_proba"] = recorded(calls, model.predict_proba, names, chances, rows)
    return proxy(model, methods)
