"""scikit-learn: it has no callbacks, so its ``fit`` is timed and what the fitted estimator remembers is read off it.

Curves of losses (``loss_curve_``, ``train_score_``, ``staged_predict``) become series with a step an iteration; a search one
with a step a candidate; estimators with ``partial_fit`` can be trained in epochs, each with its metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from vedette.capture.training.protocol import TrainingRun
from vedette.capture.training.stopping import EarlyStopping
from vedette.capture.training.told import Told, need

__all__ = ["cross_validate", "fit", "fit_partly"]


_STAGED_ROWS_MAX = 10_000  # rows whose predictions after each iteration are made again where no loss was kept


def fit(
    run: TrainingRun,
    estimator: Any,
    x: Any,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    epochs: int | None = None,
    early_stopping: EarlyStopping | None = None,
    **arguments: Any,
) -> Any:
    """Fit an estimator, a pipeline or a search, and keep what it tells; returns what its ``fit`` returns.

    With ``epochs`` it is trained by ``partial_fit`` instead (:func:`fit_partly`). ``arguments`` go to its own ``fit``. What
    ``fit`` raises is raised; what cannot be read off afterwards is told as an event. ``early_stopping`` needs ``epochs``.
    """
    if epochs is not None:
        arguments["early_stopping"] = early_stopping
        return fit_partly(run, estimator, x, y, validation_data=validation_data, epochs=epochs, **arguments)
    if early_stopping is not None:
        raise TypeError(
            "fit: early_stopping: an estimator's own fit cannot be ended: epochs= trains by partial_fit"
        )
    told = Told(run, "sklearn")
    told.guarded("parameters", _parameters, run, estimator)
    begun = time.perf_counter()
    fitted = estimator.fit(x, y, **arguments) if y is not None else estimator.fit(x, **arguments)
    seconds = time.perf_counter() - begun
    told.guarded("curves", _curves, run, estimator, x, y, validation_data, told)
    told.guarded("metrics", _ends, run, estimator, x, y, validation_data, seconds)
    return fitted


def fit_partly(
    run: TrainingRun,
    estimator: Any,
    x: Any,
    y: Any,
    *,
    validation_data: tuple[Any, Any] | None = None,
    epochs: int = 10,
    batch_size: int | None = None,
    seed: int = 0,
    early_stopping: EarlyStopping | None = None,
    **arguments: Any,
) -> Any:
    """Train by ``partial_fit``: so many epochs over rows in a new random order, in batches; metrics after each epoch.

    ``batch_size`` of None is all rows at once. ``arguments`` go to ``partial_fit``; ``classes`` of a classifier are those of
    ``y`` where they are not given. Raises ``ValueError`` for numbers under 1, ``TypeError`` without ``partial_fit``.
    """
    numpy = need("numpy")
    if not hasattr(estimator, "partial_fit"):
        raise TypeError(f"fit: {type(estimator).__name__} has no partial_fit, which epochs={epochs} asks for")
    for name, value in (("epochs", epochs), ("batch_size", 1 if batch_size is None else batch_size)):
        if value < 1:
            raise ValueError(f"{name}={value}: must be 1 or more")
    told = Told(run, "sklearn")
    told.guarded("parameters", _parameters, run, estimator)
    if _is_classifier(estimator) and "classes" not in arguments:
        arguments["classes"] = numpy.unique(y)
    n = len(y)
    size = batch_size or n
    rng = numpy.random.default_rng(seed)
    for epoch in range(epochs):
        order = rng.permutation(n)
        begun = time.perf_counter()
        for start in range(0, n, size):
            rows = order[start : start + size]
            estimator.partial_fit(_rows(x, rows), _rows(y, rows), **arguments)
        seconds = time.perf_counter() - begun
        row = told.guarded("metrics", _ends, run, estimator, x, y, validation_data, seconds, epoch + 1)
        if early_stopping is not None and row and early_stopping.see(epoch + 1, row, estimator):
            break
    return estimator


def cross_validate(run: TrainingRun, estimator: Any, x: Any, y: Any = None, **arguments: Any) -> Any:
    """``sklearn.model_selection.cross_validate``, its scores kept with a step a fold; returns what that returns."""
    selection = need("sklearn.model_selection", "scikit-learn")
    told = Told(run, "sklearn")
    told.guarded("parameters", _parameters, run, estimator)
    found = selection.cross_validate(estimator, x, y, **arguments)

    def log() -> None:
        series = {
            _fold_name(name): [float(one) for one in values]
            for name, values in found.items()
            if name.endswith(("_time", "_score")) or name.startswith(("test_", "train_"))
        }
        run.log_many(range(1, len(found["fit_time"]) + 1), series)

    told.guarded("metrics", log)
    return found


def _fold_name(name: str) -> str:
    if name in ("fit_time", "score_time"):
        return f"{name[:-5]}_s"
    return f"val_{name[5:]}" if name.startswith("test_") else name.removeprefix("train_")


def _parameters(run: TrainingRun, estimator: Any) -> None:
    plain = (str, int, float, bool, type(None))
    found = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    run.params({name: one if isinstance(one, plain) else type(one).__name__ for name, one in found.items()})
    steps = getattr(estimator, "steps", None)
    layers = [{"layer": name, "kind": type(one).__name__} for name, one in steps or [("", estimator)]]
    run.event("architecture", framework="sklearn", model=type(estimator).__name__, layers=layers)


def _curves(
    run: TrainingRun, estimator: Any, x: Any, y: Any, validation_data: tuple[Any, Any] | None, told: Told
) -> None:
    """Log what each iteration of the fit was remembered by."""
    if hasattr(estimator, "cv_results_"):
        _candidates(run, estimator)
        estimator = getattr(estimator, "best_estimator_", None)
        if estimator is None:
            return
    last, transform = _last_of(estimator)
    series = _remembered(last)
    for name, values in series.items():
        run.log_many(range(1, len(values) + 1), {name: values})
    if validation_data is not None and hasattr(last, "staged_predict"):
        for name, values in told.guarded("staged", _staged, last, transform, validation_data) or ():
            run.log_many(range(1, len(values) + 1), {name: values})
    if "loss" not in series and hasattr(last, "staged_predict") and y is not None:
        if len(y) > _STAGED_ROWS_MAX:
            told.say(
                "loss", f"the estimator keeps none, and {len(y):,} rows are more than it is found again for"
            )
            return
        for name, values in told.guarded("staged", _staged, last, transform, (x, y)) or ():
            run.log_many(range(1, len(values) + 1), {name.removeprefix("val_"): values})


def _last_of(estimator: Any) -> tuple[Any, Any]:
    """The last step of a pipeline and what the steps before make of rows; for anything else itself."""
    if hasattr(estimator, "steps"):
        before = estimator[:-1]
        return estimator.steps[-1][1], before.transform if len(before) else (lambda rows: rows)
    return estimator, lambda rows: rows


def _remembered(estimator: Any) -> dict[str, list[float]]:
    """The curves that a fitted estimator keeps, by the names of the field."""
    found: dict[str, list[float]] = {}

    def take(name: str, values: Any, sign: float = 1.0) -> None:
        if values is not None and len(values):
            found[name] = [sign * float(one) for one in values]

    take("loss", getattr(estimator, "loss_curve_", None))
    take("val_score", getattr(estimator, "validation_scores_", None))  # accuracy, or R2 of a regression
    train = getattr(estimator, "train_score_", None)
    if hasattr(
        estimator, "validation_score_"
    ):  # histogram boosting: scores are losses with their sign turned
        is_loss = getattr(estimator, "scoring", "loss") == "loss"
        take("loss" if is_loss else "score", train, -1.0 if is_loss else 1.0)
        take("val_loss" if is_loss else "val_score", estimator.validation_score_, -1.0 if is_loss else 1.0)
    else:
        take("loss", train)  # gradient boosting: the loss on the rows in the bag
        take("oob_score", getattr(estimator, "oob_scores_", None))
    take("estimator_error", getattr(estimator, "estimator_errors_", None))
    take("objective", getattr(estimator, "scores_", None) if hasattr(estimator, "lambda_") else None)
    take("lower_bound", getattr(estimator, "lower_bounds_", None))
    return found


def _staged(estimator: Any, transform: Any, data: tuple[Any, Any]) -> list[tuple[str, list[float]]]:
    """The metrics of a data set after each iteration."""
    metrics = need("sklearn.metrics", "scikit-learn")
    x, y = transform(data[0]), data[1]
    if hasattr(estimator, "staged_predict_proba"):
        stages = list(estimator.staged_predict_proba(x))
        labels = list(estimator.classes_)
        right = [metrics.accuracy_score(y, estimator.classes_[one.argmax(axis=1)]) for one in stages]
        return [
            ("val_log_loss", [float(metrics.log_loss(y, one, labels=labels)) for one in stages]),
            ("val_accuracy", [float(one) for one in right]),
        ]
    stages = list(estimator.staged_predict(x))
    if _is_classifier(estimator):
        return [("val_accuracy", [float(metrics.accuracy_score(y, one)) for one in stages])]
    return [("val_rmse", [float(metrics.mean_squared_error(y, one) ** 0.5) for one in stages])]


def _candidates(run: TrainingRun, search: Any) -> None:
    """A search: a step a candidate, in the order in which they were tried."""
    results = search.cv_results_
    n = len(results["params"])
    series = {
        name.replace("_test_", "_val_").replace("_time", "_s"): [float(one) for one in values]
        for name, values in results.items()
        if name.startswith(("mean_", "std_", "rank_")) and len(values) == n
    }
    run.log_many(range(1, n + 1), series)
    plain = (str, int, float, bool, type(None))
    for place, params in enumerate(results["params"]):
        run.event(
            "candidate",
            step=place + 1,
            params={name: one if isinstance(one, plain) else repr(one)[:100] for name, one in params.items()},
        )
    if hasattr(search, "best_index_"):
        run.event(
            "best_candidate",
            step=int(search.best_index_) + 1,
            score=float(getattr(search, "best_score_", "nan")),
        )


def _ends(
    run: TrainingRun,
    estimator: Any,
    x: Any,
    y: Any,
    validation_data: tuple[Any, Any] | None,
    seconds: float,
    step: int | None = None,
) -> dict[str, float]:
    """Log the time and the metrics of a fitted estimator at the step of its last iteration; returns what was logged."""
    row: dict[str, float] = {"fit_s": seconds}
    rows = x.shape[0] if hasattr(x, "shape") else len(x)
    if seconds > 0:
        row["samples_per_s"] = rows / seconds
    if y is not None:
        row.update(_metrics(estimator, x, y))
    if validation_data is not None:
        row.update({f"val_{name}": one for name, one in _metrics(estimator, *validation_data).items()})
    if step is None:
        last, _ = _last_of(getattr(estimator, "best_estimator_", estimator))
        counted = getattr(last, "n_iter_", getattr(last, "n_estimators_", None))
        counts = list(counted) if isinstance(counted, Iterable) else [counted]
        step = max((int(one) for one in counts if one is not None), default=1)
    run.log(step, **row)
    return row


def _metrics(estimator: Any, x: Any, y: Any) -> Mapping[str, float]:
    """Accuracy and log loss of a classifier, RMSE and R2 of a regression, else the estimator's own score."""
    metrics = need("sklearn.metrics", "scikit-learn")
    if _is_classifier(estimator):
        predicted = estimator.predict(x)
        found = {"accuracy": float(metrics.accuracy_score(y, predicted))}
        if hasattr(estimator, "predict_proba") and getattr(predicted, "ndim", 1) == 1:
            found["log_loss"] = float(
                metrics.log_loss(y, estimator.predict_proba(x), labels=list(estimator.classes_))
            )
        return found
    if need("sklearn.base", "scikit-learn").is_regressor(estimator):
        predicted = estimator.predict(x)
        return {
            "rmse": float(metrics.mean_squared_error(y, predicted) ** 0.5),
            "r2": float(metrics.r2_score(y, predicted)),
        }
    return {"score": float(estimator.score(x, y))} if hasattr(estimator, "score") else {}


def _is_classifier(estimator: Any) -> bool:
    return bool(need("sklearn.base", "scikit-learn").is_classifier(estimator))


def _rows(table: Any, rows: Any) -> Any:
    return table.iloc[rows] if hasattr(table, "iloc") else table[rows]
