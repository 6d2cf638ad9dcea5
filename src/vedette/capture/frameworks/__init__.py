"""Adapters: what ``Monitor.watch`` does with a model, by what the object is; one framework a file.

No framework is imported to find that out: the names in the object's classes say it. A package adds its own by an entry point
of the group ``vedette.frameworks``, a module or object with ``matches(thing)`` and ``watch(thing, calls)``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from vedette.capture.frameworks.calls import Calls
from vedette.capture.rejected import type_name

__all__ = ["FRAMEWORKS", "Calls", "watch"]

FRAMEWORKS: dict[str, tuple[tuple[str, str], ...]] = {
    "mlflow": (("mlflow", "PyFuncModel"),),
    "transformers": (("transformers", "Pipeline"),),
    "keras": (("keras", "Model"), ("tf_keras", "Model"), ("tensorflow", "Model")),
    "torch": (("torch", "Module"),),
    "tensorflow": (  # after Keras, whose models are some of these too
        ("tensorflow", "AutoTrackable"),
        ("tensorflow", "ConcreteFunction"),
        ("tensorflow", "PolymorphicFunction"),
    ),
    "xgboost": (("xgboost", "Booster"),),
    "lightgbm": (("lightgbm", "Booster"),),
    "catboost": (("catboost", "CatBoost"),),
    "onnxruntime": (("onnxruntime", "InferenceSession"),),
    "opencv": (("cv2", "Net"), ("cv2", "dnn_Net")),
    "sklearn": (("sklearn", "BaseEstimator"),),
}
"""For each adapter the classes that it is for, as the package and the name of any of an object's classes."""


def watch(thing: Any, calls: Calls) -> Any:
    """The same model or function, whose calls are recorded. Raises ``TypeError`` for what is neither."""
    return _adapter(thing)(thing, calls)


def _adapter(thing: Any) -> Callable[[Any, Calls], Any]:
    for point in entry_points(group="vedette.frameworks"):
        adapter = point.load()
        if adapter.matches(thing):
            found: Callable[[Any, Calls], Any] = adapter.watch
            return found
    classes = {
        (one.__module__.partition(".")[0], one.__qualname__.rpartition(".")[2]) for one in type(thing).__mro__
    }
    for name, known in FRAMEWORKS.items():
        if classes.intersection(known):
            return _built_in(name)
    if callable(thing):
        return _built_in("functions")
    raise TypeError(
        f"watch: type {type_name(type(thing))}: must be a callable, or a model of {', '.join(FRAMEWORKS)}"
    )


def _built_in(name: str) -> Callable[[Any, Calls], Any]:
    found: Callable[[Any, Calls], Any] = import_module(f"{__name__}.{name}").watch
    return found
