"""``fit``: a model of any framework is trained by the framework's own ``fit``, watched.

Which framework it is, the names in the object's classes say; none is imported to find that out.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from vedette.capture.arguments import check_mapping
from vedette.capture.rejected import type_name
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping

__all__ = ["FITS", "fit"]

FITS: dict[str, tuple[tuple[str, str], ...]] = {
    "keras": (("keras", "Model"),),
    "transformers": (("transformers", "Trainer"),),
    "lightning": (("lightning", "LightningModule"), ("pytorch_lightning", "LightningModule")),
    "torch": (("torch", "Module"),),
    "xgboost": (("xgboost", "XGBModel"),),
    "lightgbm": (("lightgbm", "LGBMModel"),),
    "catboost": (("catboost", "CatBoost"),),
    "sklearn": (("sklearn", "BaseEstimator"),),
}
"""For each framework the classes that ``fit`` knows, as the package and the name of any of an object's classes."""


def fit(
    run: TrainingRun,
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    early_stopping: EarlyStopping | None = None,
    **arguments: Any,
) -> Any:
    """Train a model, watched, and return what its own ``fit`` returns.

    ``x``, ``y`` and ``validation_data`` are what that takes, ``arguments`` go to it. ``watched={...}`` are arguments of the
    framework's callback (``every``, ``names`` ...). ``early_stopping`` ends the training, and puts the best weights back where it
    keeps checkpoints and the weights can be. Of Lightning ``trainer=`` is needed; a Trainer of transformers has its data
    already. Raises ``TypeError`` for what is none of the models that are known.
    """
    if "watched" in arguments:
        check_mapping("watched", arguments["watched"], "{'every': 10}")
    classes = {
        (one.__module__.partition(".")[0], one.__qualname__.rpartition(".")[2]) for one in type(model).__mro__
    }
    for name, known in FITS.items():
        if classes.intersection(known):
            if early_stopping is None:
                return _HOW[name](run, model, x, y, validation_data, arguments)
            if name in ("torch", "sklearn"):
                arguments["early_stopping"] = early_stopping
            else:
                arguments["watched"] = {**arguments.get("watched", {}), "early_stopping": early_stopping}
            found = _HOW[name](run, model, x, y, validation_data, arguments)
            if name in ("xgboost", "lightgbm", "catboost"):
                early_stopping.fitted(found)
            return found
    raise TypeError(f"fit: model of type {type_name(type(model))}: must be one of {', '.join(FITS)}")


def _callback(run: TrainingRun, framework: str, watched: dict[str, Any]) -> Any:
    return import_module(f"vedette.capture.training.{framework}").callback(run, **watched)


def _keras(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    watched = arguments.pop("watched", {})
    given = arguments.pop("callbacks", None) or []
    given = list(given) if isinstance(given, list | tuple) else [given]
    callbacks = [*given, _callback(run, "keras", watched)]
    return model.fit(x, y, validation_data=held, callbacks=callbacks, **arguments)


def _transformers(
    run: TrainingRun, trainer: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]
) -> Any:
    if x is not None or y is not None or held is not None:
        raise TypeError("fit: a Trainer has its data already: x, y and validation_data must be left out")
    call = _callback(run, "transformers", arguments.pop("watched", {}))
    trainer.add_callback(call)
    try:
        return trainer.train(**arguments)
    finally:
        trainer.remove_callback(call)
        call.close()


def _lightning(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    trainer = arguments.pop("trainer", None)
    if trainer is None:
        raise TypeError("fit: a LightningModule is trained by a Trainer: trainer= must be one")
    if y is not None:
        raise TypeError("fit: x must be a loader or a data module, and y be left out")
    call = _callback(run, "lightning", arguments.pop("watched", {}))
    trainer.callbacks.append(call)
    try:
        return trainer.fit(model, x, held, **arguments)
    finally:
        trainer.callbacks.remove(call)
        call.close()


def _torch(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    from vedette.capture.training.torch_loop import fit as loop

    watched = arguments.pop("watched", {})
    return loop(run, model, x, y, validation_data=held, **arguments, **watched)


def _xgboost(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    watched, sets, names = _sets(x, y, held, arguments, "validation")
    before = model.get_params().get("callbacks")
    model.set_params(callbacks=[*(before or []), _callback(run, "xgboost", {"names": names, **watched})])
    try:
        return model.fit(x, y, eval_set=sets, **{"verbose": False, **arguments})
    finally:
        model.set_params(callbacks=before)


def _lightgbm(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    watched, sets, names = _sets(x, y, held, arguments, "valid")
    # it calls the set that is the data of the training by this name, whatever its number
    names = {**names, "training": ""}
    callbacks = [
        *(arguments.pop("callbacks", None) or []),
        _callback(run, "lightgbm", {"names": names, **watched}),
    ]
    return model.fit(x, y, eval_set=sets, callbacks=callbacks, **arguments)


def _sets(
    x: Any, y: Any, held: Any, arguments: dict[str, Any], numbered: str
) -> tuple[dict[str, Any], list[Any], dict[str, str]]:
    """The callback's arguments, the sets to be looked at in the order of a ``fit``, and what stands before their metrics."""
    watched = arguments.pop("watched", {})
    given = arguments.pop("eval_set", None)
    if given is not None and held is not None:
        raise TypeError("fit: validation_data and eval_set are both given: must be one of them")
    if given is not None:
        return watched, list(given), {}
    sets = [(x, y)] if held is None else [(x, y), held]
    return watched, sets, {f"{numbered}_0": "", f"{numbered}_1": "val"}


def _catboost(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    callbacks = [
        *(arguments.pop("callbacks", None) or []),
        _callback(run, "catboost", arguments.pop("watched", {})),
    ]
    if held is not None:
        arguments["eval_set"] = held
    return model.fit(x, y, callbacks=callbacks, **arguments)


def _sklearn(run: TrainingRun, model: Any, x: Any, y: Any, held: Any, arguments: dict[str, Any]) -> Any:
    from vedette.capture.training.sklearn import fit as fit_estimator

    if arguments.pop("watched", None):
        raise TypeError("fit: watched: scikit-learn has no callback that takes arguments")
    return fit_estimator(run, model, x, y, validation_data=held, **arguments)


_HOW: dict[str, Callable[[TrainingRun, Any, Any, Any, Any, dict[str, Any]], Any]] = {
    "keras": _keras,
    "transformers": _transformers,
    "lightning": _lightning,
    "torch": _torch,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "sklearn": _sklearn,
}
