"""How models of each framework are written to a file and read back, by the framework's own format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.capture.rejected import type_name
from vedette.capture.training.told import need

__all__ = ["SAVERS", "Saver", "saver_named", "saver_of"]


@dataclass(frozen=True, slots=True)
class Saver:
    """A format: the classes that it is for, the file's name, how it is written, and how it is read.

    ``write(model, path)`` writes one file. ``read(path, model)`` gives the model: where the format holds weights alone, they are
    put into ``model``. ``finite(model)`` is False where a weight is NaN or infinite; True where nobody can tell.
    """

    name: str
    classes: tuple[tuple[str, str], ...]
    file: str
    write: Callable[[Any, Path], None]
    read: Callable[[Path, Any], Any]
    finite: Callable[[Any], bool] = lambda _: True


def _write_torch(module: Any, path: Path) -> None:
    # save_model keeps one copy of tensors that layers share, which save_file refuses
    need("safetensors.torch", "safetensors").save_model(_plain(module), str(path))


def _read_torch(path: Path, module: Any) -> Any:
    if module is None:
        raise ValueError(f"{path}: holds weights alone: a module must be given that they are put into")
    need("safetensors.torch", "safetensors").load_model(_plain(module), str(path))
    return module


def _plain(module: Any) -> Any:
    """What is within DataParallel and torch.compile, so that names do not depend on them."""
    for _ in range(4):
        if type(module).__name__ == "OptimizedModule":
            module = module._orig_mod
        elif type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
            module = module.module
    return module


def _finite_torch(module: Any) -> bool:
    torch = need("torch")
    numbers = (one for one in module.state_dict().values() if one.is_floating_point() or one.is_complex())
    return all(bool(torch.isfinite(one).all()) for one in numbers)


def _write_keras(model: Any, path: Path) -> None:
    model.save(path)


def _read_keras(path: Path, model: Any) -> Any:
    if model is None:
        return need("keras").saving.load_model(path)
    model.load_weights(path)
    return model


def _finite_keras(model: Any) -> bool:
    numpy = need("numpy")
    return all(bool(numpy.isfinite(one.astype("float64")).all()) for one in model.get_weights())


def _write_booster(model: Any, path: Path) -> None:
    model.save_model(str(path))


def _read_xgboost(path: Path, model: Any) -> Any:
    found = model if model is not None else need("xgboost", "xgboost-cpu").Booster()
    found.load_model(str(path))
    return found


def _write_lightgbm(model: Any, path: Path) -> None:
    getattr(model, "booster_", model).save_model(str(path))


def _read_lightgbm(path: Path, model: Any) -> Any:
    if model is not None and hasattr(model, "booster_"):
        raise ValueError(f"{path}: holds a booster: it is read without a model, as a lightgbm.Booster")
    return need("lightgbm").Booster(model_file=str(path))


def _read_catboost(path: Path, model: Any) -> Any:
    found = model if model is not None else need("catboost").CatBoost()
    return found.load_model(str(path))


def _write_joblib(model: Any, path: Path) -> None:
    need("joblib").dump(model, path)


def _read_joblib(path: Path, model: Any) -> Any:  # noqa: ARG001
    return need("joblib").load(path)


SAVERS: dict[str, Saver] = {
    one.name: one
    for one in (
        Saver("keras", (("keras", "Model"),), "model.keras", _write_keras, _read_keras, _finite_keras),
        Saver("torch", (("torch", "Module"),), "model.safetensors", _write_torch, _read_torch, _finite_torch),
        Saver(
            "xgboost",
            (("xgboost", "XGBModel"), ("xgboost", "Booster")),
            "model.ubj",
            _write_booster,
            _read_xgboost,
        ),
        Saver(
            "lightgbm",
            (("lightgbm", "LGBMModel"), ("lightgbm", "Booster")),
            "model.txt",
            _write_lightgbm,
            _read_lightgbm,
        ),
        Saver("catboost", (("catboost", "CatBoost"),), "model.cbm", _write_booster, _read_catboost),
        Saver("sklearn", (("sklearn", "BaseEstimator"),), "model.joblib", _write_joblib, _read_joblib),
    )
}
"""The formats, by the name of the framework. That of scikit-learn is a pickle: read only files that you wrote yourself."""


def saver_of(model: Any) -> Saver:
    """The format for a model, by what it is; ``TypeError`` where there is none."""
    classes = {
        (one.__module__.partition(".")[0], one.__qualname__.rpartition(".")[2]) for one in type(model).__mro__
    }
    for saver in SAVERS.values():
        if classes.intersection(saver.classes):
            return saver
    raise TypeError(f"checkpoint: model of type {type_name(type(model))}: must be one of {', '.join(SAVERS)}")


def saver_named(name: str) -> Saver:
    """The format of that name; ``ValueError`` where there is none."""
    if name not in SAVERS:
        raise ValueError(f"format={name!r}: must be one of {', '.join(SAVERS)}")
    return SAVERS[name]
