"""What fitted estimators remember becomes series: losses, stages, candidates, folds, epochs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.training_runs import BrokenRun, MemoryRun
from vedette.capture.training.sklearn import cross_validate

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(n_samples=200, n_features=6, random_state=3)
X, XV, Y, YV = X[:140], X[140:], Y[:140], Y[140:]


def test_the_loss_curve_of_a_network_is_kept() -> None:
    """By epoch, with the scores of early stopping, and the metrics of the end at its last step."""
    run = MemoryRun()
    model = MLPClassifier((5,), max_iter=12, early_stopping=True, random_state=0)
    assert run.fit(model, X, Y, validation_data=(XV, YV)) is model
    assert run.history["loss"] == pytest.approx(model.loss_curve_)
    assert run.steps["loss"] == list(range(1, model.n_iter_ + 1))
    assert run.history["val_score"] == pytest.approx(model.validation_scores_)
    assert run.history["val_accuracy"] == [accuracy_score(YV, model.predict(XV))]
    assert run.history["val_log_loss"] == pytest.approx([log_loss(YV, model.predict_proba(XV))])
    assert run.steps["val_accuracy"] == [model.n_iter_]
    assert run.given["hidden_layer_sizes"] == "tuple"
    assert run.given["early_stopping"] is True


def test_boosting_has_a_metric_for_each_stage() -> None:
    """The loss on the training rows and the staged predictions on those of validation."""
    run = MemoryRun()
    model = run.fit(
        GradientBoostingClassifier(n_estimators=7, random_state=0), X, Y, validation_data=(XV, YV)
    )
    assert run.history["loss"] == pytest.approx(model.train_score_)
    staged = [log_loss(YV, one) for one in model.staged_predict_proba(XV)]
    assert run.history["val_log_loss"][:7] == pytest.approx(staged)
    x, y = make_regression(n_samples=90, n_features=3, noise=1.0, random_state=0)
    run = MemoryRun()
    pipeline = make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=5, random_state=0))
    run.fit(pipeline, x[:60], y[:60], validation_data=(x[60:], y[60:]))
    rows = pipeline[:-1].transform(x[60:])
    staged = [mean_squared_error(y[60:], one) ** 0.5 for one in pipeline[-1].staged_predict(rows)]
    assert run.history["val_rmse"][:5] == pytest.approx(staged)
    assert run.history["val_r2"] == pytest.approx([r2_score(y[60:], pipeline.predict(x[60:]))])


def test_histogram_boosting_with_and_without_early_stopping() -> None:
    """With it the losses that it kept, without it those of its stages."""
    run = MemoryRun()
    model = HistGradientBoostingClassifier(max_iter=6, early_stopping=True, random_state=0)
    run.fit(model, X, Y)
    assert run.history["loss"] == pytest.approx([-one for one in model.train_score_])
    assert run.history["val_loss"] == pytest.approx([-one for one in model.validation_score_])
    run = MemoryRun()
    model = HistGradientBoostingClassifier(max_iter=6, early_stopping=False, random_state=0)
    run.fit(model, X, Y)
    assert run.history["log_loss"][:6] == pytest.approx(
        [log_loss(Y, one) for one in model.staged_predict_proba(X)]
    )


def test_a_search_has_a_step_for_each_candidate() -> None:
    """Scores in the order of the candidates, their parameters as events, the best one named."""
    run = MemoryRun()
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=3)
    run.fit(search, X, Y, validation_data=(XV, YV))
    assert run.history["mean_val_score"] == pytest.approx(search.cv_results_["mean_test_score"])
    assert [one["params"] for one in run.of("candidate")] == [{"max_depth": 1}, {"max_depth": 3}]
    assert run.of("best_candidate")[0]["step"] == search.best_index_ + 1


def test_epochs_of_partial_fit_have_metrics_each() -> None:
    """In batches, with the same model as a loop of one's own makes."""
    run = MemoryRun()
    model = SGDClassifier(loss="log_loss", random_state=0)
    run.fit(model, X, Y, validation_data=(XV, YV), epochs=4, batch_size=32)
    assert run.steps["accuracy"] == run.steps["val_accuracy"] == [1, 2, 3, 4]
    twin, rng = SGDClassifier(loss="log_loss", random_state=0), np.random.default_rng(0)
    for _ in range(4):
        order = rng.permutation(len(Y))
        for start in range(0, len(Y), 32):
            rows = order[start : start + 32]
            twin.partial_fit(X[rows], Y[rows], classes=[0, 1])
    np.testing.assert_array_equal(model.coef_, twin.coef_)
    assert run.history["val_accuracy"][-1] == accuracy_score(YV, twin.predict(XV))


def test_cross_validation_has_a_step_for_each_fold() -> None:
    """What it returns is what scikit-learn returns."""
    run = MemoryRun()
    found = cross_validate(run, LogisticRegression(), X, Y, cv=4, return_train_score=True)
    assert run.history["val_score"] == pytest.approx(found["test_score"])
    assert run.history["score"] == pytest.approx(found["train_score"])
    assert run.steps["fit_s"] == [1, 2, 3, 4]


def test_what_fit_raises_is_raised_and_what_the_run_raises_is_not() -> None:
    """A training error is the caller's, an error of the run is not."""
    with pytest.raises(ValueError, match="NaN"):
        MemoryRun().fit(LogisticRegression(), np.full((4, 1), np.nan), [0, 1, 0, 1])
    model: Any = BrokenRun().fit(LogisticRegression(), X, Y)
    assert model.predict(XV).shape == (60,)


def test_what_cannot_be_fitted_is_refused_in_words() -> None:
    """With what would be right."""
    with pytest.raises(TypeError, match=r"LogisticRegression has no partial_fit, which epochs=3 asks for"):
        MemoryRun().fit(LogisticRegression(), X, Y, epochs=3)
    with pytest.raises(ValueError, match=r"batch_size=0: must be 1 or more"):
        MemoryRun().fit(SGDClassifier(), X, Y, epochs=3, batch_size=0)
    with pytest.raises(TypeError, match=r"fit: model of type dict: must be one of keras, transformers"):
        MemoryRun().fit({}, X, Y)
