"""LightGBM: a callback for ``train``, ``cv`` and the scikit-learn classes; a metric of each iteration and data set."""

from __future__ import annotations

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
    """A callable for ``train(callbacks=[...])``.

    Metrics of the data set ``training`` have their own name (``binary_logloss``), those of ``valid_0`` begin with ``val_``;
    ``names`` says it otherwise. Of a cross-validation the mean has the name and the standard deviation ``..._std``. ``step`` is
    the number of iterations before this training. ``early_stopping`` (``run.early_stopping``) ends it.
    """
    lightgbm = need("lightgbm")
    return _Watching(
        Iterations(run, "lightgbm", names, step, early_stopping), lightgbm.callback.EarlyStopException
    )


class _Watching:
    """LightGBM calls it with what it knows after each iteration; nothing of it raises but what ends a training."""

    order = 20  # after the callbacks that record, before the one that stops early by an exception (30)
    before_iteration = False

    def __init__(self, iterations: Iterations, ends: type[Exception]) -> None:
        self._iterations, self._begun, self._ends = iterations, False, ends

    @property
    def told(self) -> dict[str, str]:
        """What could not be watched, and why."""
        return dict(self._iterations.told.reasons)

    def __call__(self, env: Any) -> None:
        self._iterations.told.guarded("metrics", self._call, env)
        if self._iterations.stop:  # which is how LightGBM is told
            raise self._ends(env.iteration, env.evaluation_result_list or [])

    def _call(self, env: Any) -> None:
        if not self._begun or env.iteration == env.begin_iteration:
            self._begun = True
            model = env.model
            self._iterations.begins(
                now=False,
                framework="lightgbm",
                model=str(env.params.get("boosting", "gbdt")),
                objective=str(env.params.get("objective", "")),
                features=int(model.num_feature())
                if hasattr(model, "num_feature") and type(model).__name__ == "Booster"
                else None,
            )
        found = []
        for data, metric, value, _, *spread in env.evaluation_result_list or []:
            # of a cross-validation older versions say data "cv_agg" and metric "valid auc"
            of, _, plain = metric.rpartition(" ")
            data = of if data == "cv_agg" and of else data
            found.append((data, plain, value))
            if spread:
                found.append((data, f"{plain}_std", spread[0]))
        rate = env.params.get("learning_rate")
        self._iterations.log(env.iteration, found, **({} if rate is None else {"lr": float(rate)}))
