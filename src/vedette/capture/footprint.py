"""How much memory a model takes by itself: the arrays and objects that hang on it."""

from __future__ import annotations

import gc
import sys
import time
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["footprint"]

_SECONDS_MAX = 0.5
_OBJECTS_MAX = 500_000
_SHARED = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)  # not the model's own

_PLAIN = (None, getattr(object, "__getstate__", None))  # an object's own way to be pickled: its attributes


def footprint(thing: Any) -> int:
    """The bytes of all objects that can be reached from a model and are its own, each once; arrays and tensors by their data.

    What lies outside Python's sight is asked for where there is a way (XGBoost's and LightGBM's boosters, scikit-learn's trees).
    Of a model of very many objects what was found within half a second.

    >>> import numpy as np
    >>> class Model: weights = None
    >>> model = Model(); model.weights = np.zeros(1_000_000)
    >>> 8_000_000 <= footprint(model) < 8_010_000
    True
    """
    total, waiting = 0, [thing]
    seen = {id(sys.modules), id(globals())}
    until = time.monotonic() + _SECONDS_MAX
    while waiting and len(seen) < _OBJECTS_MAX:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _SHARED):
            continue
        seen.add(id(one))
        total += _size(one)
        waiting += gc.get_referents(one)
        if not len(seen) % 1000 and time.monotonic() > until:
            break
    return total


def _size(one: Any) -> int:
    """An object's own bytes."""
    kind = type(one)
    package = kind.__module__.partition(".")[0]
    try:
        if package == "numpy" and kind.__name__ == "ndarray":
            return 0 if one.base is not None and type(one.base) is kind else int(one.nbytes)
        if package == "torch" and hasattr(one, "element_size"):
            return int(one.element_size() * one.nelement())
        if package == "xgboost" and kind.__name__ == "Booster":
            return len(one.save_raw("ubj"))
        if package == "lightgbm" and kind.__name__ == "Booster":
            return len(one.model_to_string())
        if package == "sklearn" and getattr(kind, "__getstate__", None) not in _PLAIN:
            return _compiled(one)
        return sys.getsizeof(one, 0)
    except Exception:  # noqa: BLE001 - an object whose size cannot be told counts as none
        return 0


def _compiled(one: Any) -> int:
    """The bytes of a compiled object of scikit-learn (a fitted tree, a k-d tree): of the arrays that it would be pickled as."""
    if isinstance(type(one).__getstate__, FunctionType):  # Python's own: what it gives is met as an attribute
        return sys.getsizeof(one, 0)
    state = one.__getstate__()
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, tuple) else ()
    return sys.getsizeof(one, 0) + sum(int(getattr(part, "nbytes", 0)) for part in parts)
