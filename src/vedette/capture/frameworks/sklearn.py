"""scikit-learn estimators and pipelines, and what has their methods (XGBoost's, LightGBM's own classifiers)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.capture.frameworks.calls import Calls, Reader
from vedette.capture.frameworks.inputs import rows_of
from vedette.capture.frameworks.outputs import predictions, probabilities
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(model: Any, calls: Calls) -> Any:
    """A model whose ``predict`` and ``predict_proba`` are recorded, each call as predictions of its own."""
    readers: dict[str, Reader] = {
        "predict": predictions,
        "predict_proba": lambda value, n: probabilities(value, list(model.classes_), n),
    }

    def recorded(name: str, read: Reader) -> Callable[..., Any]:
        method = getattr(model, name)

        def call(X: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
            names = calls.names if calls.names is not None else getattr(model, "feature_names_in_", None)
            return calls.run(
                lambda: method(X, *args, **kwargs), lambda: rows_of(X, names), (X, *args), kwargs, read
            )

        return call

    return proxy(
        model, {name: recorded(name, read) for name, read in readers.items() if hasattr(model, name)}
    )
