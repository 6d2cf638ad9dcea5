"""TensorFlow: saved models, their signatures, ``tf.function`` and ``tf.Module``, by each call; Keras models are Keras's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.frameworks.inputs import Rows, rows_of
from vedette.capture.frameworks.outputs import Outputs, outputs_of
from vedette.capture.frameworks.proxy import proxy
from vedette.capture.rejected import Rejected

__all__ = ["watch"]

_CLASSES = ("prediction", "predictions", "class", "classes", "class_ids", "label", "labels")
_CHANCES = ("probability", "probabilities")


def watch(model: Any, calls: Calls) -> Any:
    """A model whose calls, and those of the signatures of a saved model, are recorded.

    Of an answer with several parts the one called ``predictions``, ``classes`` or ``labels`` is the prediction and the one called
    ``probabilities`` the probability; what has one part is that.
    """

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("training"):
                return function(*args, **kwargs)
            return calls.run(
                lambda: function(*args, **kwargs),
                lambda: _asked(args, kwargs, calls.names),
                args,
                kwargs,
                _read,
            )

        return call

    methods: dict[str, Any] = {}
    if callable(model):
        methods["__call__"] = recorded(model)
    signatures = getattr(model, "signatures", None)
    if isinstance(signatures, Mapping):
        methods["signatures"] = {
            name: proxy(one, {"__call__": recorded(one)}) for name, one in signatures.items()
        }
    if not methods:
        raise TypeError(f"watch: type {type(model).__name__}: has neither a call nor signatures")
    return proxy(model, methods)


def _asked(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str] | None) -> Rows:
    """The rows of the tensors of a call: of one its rows, of several by name a column for each."""
    given = {**{f"x{i}": one for i, one in enumerate(args)}, **kwargs}
    given = {name: one for name, one in given.items() if one is not None and not isinstance(one, bool)}
    if len(given) == 1:
        (value,) = given.values()
        return rows_of(_columns(value) if isinstance(value, Mapping) else _numpy(value), names)
    return rows_of(_columns(given))


def _columns(tensors: Mapping[str, Any]) -> dict[str, Any]:
    arrays = {name: _numpy(one) for name, one in tensors.items()}
    return {
        name: one.reshape(-1) if getattr(one, "ndim", 0) == 2 and one.shape[1] == 1 else one
        for name, one in arrays.items()
    }


def _read(value: Any, n_rows: int) -> Outputs:
    if not isinstance(value, Mapping):
        return outputs_of(_flat(value), n_rows)
    if len(value) == 1:
        return outputs_of(_flat(next(iter(value.values()))), n_rows)
    found = {str(name).lower(): _flat(one) for name, one in value.items()}
    told = next((found[name] for name in _CLASSES if name in found), None)
    chance = next((found[name] for name in _CHANCES if name in found), None)
    if told is None and chance is None:
        raise Rejected(f"watch: an answer of {', '.join(map(str, value))}: give output=")
    if told is None:
        return outputs_of(chance, n_rows)
    if chance is None:
        return outputs_of(told, n_rows)
    if getattr(chance, "ndim", 1) == 2:  # of each class: the label's own place says which
        chances = [one for _, one in outputs_of(chance, n_rows)]
    else:
        chances = [one for one, _ in outputs_of(chance, n_rows)]
    return [(one, chance) for (one, _), chance in zip(outputs_of(told, n_rows), chances, strict=True)]


def _flat(value: Any) -> Any:
    array = _numpy(value)
    return array.reshape(-1) if getattr(array, "ndim", 0) == 2 and array.shape[1] == 1 else array


def _numpy(value: Any) -> Any:
    """A tensor as an array, texts decoded; what is none as it is."""
    array = value.numpy() if hasattr(value, "numpy") else value
    if getattr(getattr(array, "dtype", None), "kind", "") == "O":
        import numpy as np

        array = np.array(
            [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in array.reshape(-1)]
        )
    return array
