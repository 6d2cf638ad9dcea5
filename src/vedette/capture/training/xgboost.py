"""XGBoost: a callback for ``train``, ``cv`` and the scikit-learn classes; a metric of each iteration and data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vedette.capture.training.boosters import Iterations
from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import need

__all__ = ["callback"]


def callback(
    run: TrainingRun,
    *,
    names: Mapping[str, str] | None = None,
    step: int = 0,
    early_stopping: EarlyStopping | None = None,
) -> Any:
    """An ``xgboost.callback.TrainingCallback`` for ``train(callbacks=[...])``.

    Metrics of the data set ``train`` have their own name (``logloss``), those of ``eval`` or of a single ``eval_set`` begin
    with ``val_``; ``names`` says it otherwise (``{"validation_1": "val", "validation_0": ""}``). Of a cross-validation the mean
    has the name and the standard deviation ``..._std``. ``step`` is the number of iterations before this training.
    ``early_stopping`` (``run.early_stopping``) ends it.
    """
    xgboost = need("xgboost", "xgboost-cpu")
    base: Any = xgboost.callback.TrainingCallback
    iterations = Iterations(run, "xgboost", names, step, early_stopping)

    class Watching(base):  # type: ignore[misc] # its class is known only when it is loaded
        """Hands what XGBoost says to the run; nothing of it raises."""

        def before_training(self, model: Any) -> Any:
            iterations.told.guarded("parameters", _begins, iterations, model)
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:  # noqa: ARG002
            iterations.told.guarded("metrics", _logs, iterations, epoch, evals_log)
            return iterations.stop

    return Watching()


def _begins(iterations: Iterations, model: Any) -> None:
    if not hasattr(model, "save_config"):  # a cross-validation has a model for each fold
        iterations.begins(now=True, framework="xgboost", model="cv")
        return
    learner = json.loads(model.save_config())["learner"]
    iterations.begins(
        now=True,
        framework="xgboost",
        model=learner["learner_train_param"]["booster"],
        objective=learner["learner_train_param"]["objective"],
        features=int(learner["learner_model_param"]["num_feature"]),
    )


def _logs(iterations: Iterations, epoch: int, evals_log: Mapping[str, Any]) -> None:
    found = []
    for data, metrics in evals_log.items():
        for metric, values in metrics.items():
            last = values[-1]
            if isinstance(last, tuple):
                fold = "val" if data == "test" else data  # what a cross-validation calls its validation
                found += [(fold, metric, last[0]), (fold, f"{metric}_std", last[1])]
            else:
                found.append((data, metric, last))
    iterations.log(epoch, found)
