"""Keras 3 models on any backend, TensorFlow's among them: ``predict``, ``predict_on_batch`` and the call itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.outputs import Outputs, outputs_of
from vedette.capture.frameworks.proxy import proxy

__all__ = ["watch"]


def watch(model: Any, calls: Calls) -> Any:
    """A model whose predictions are recorded; a single sigmoid output is the probability of the second class."""

    def read(value: Any, n_rows: int) -> Outputs:
        array = _numpy(value)
        if array.ndim == 2 and array.shape[1] == 1 and _is_sigmoid(model):
            return [(int(one >= 0.5), one) for one in array[:, 0].tolist()]
        return outputs_of(array, n_rows)

    def recorded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            def asked() -> Rows:
                return rows_of(_inputs(x), calls.names)

            if kwargs.get("training"):
                return method(x, *args, **kwargs)
            return calls.run(lambda: method(x, *args, **kwargs), asked, (x, *args), kwargs, read)

        return call

    methods = {name: recorded(getattr(model, name)) for name in ("predict", "predict_on_batch")}
    return proxy(model, {**methods, "__call__": recorded(model)})


def _inputs(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _numpy(one) for name, one in x.items()}
    return _numpy(x) if hasattr(x, "shape") else x


def _numpy(value: Any) -> Any:
    from keras import ops

    return ops.convert_to_numpy(value)


def _is_sigmoid(model: Any) -> bool:
    layers = getattr(model, "layers", None) or [None]
    return getattr(getattr(layers[-1], "activation", None), "__name__", "") == "sigmoid"
