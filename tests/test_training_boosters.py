"""Callbacks of the boosters keep what the booster's own record has, iteration by iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training_runs import BrokenRun, MemoryRun
from vedette.capture.training.boosters import prefix_of

pytestmark = pytest.mark.filterwarnings("ignore")  # the boosters' own, of NumPy and of scikit-learn

rng = np.random.default_rng(8)
X = rng.normal(size=(200, 4))
Y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
XV, YV = X[120:], Y[120:]
XT, YT = X[:120], Y[:120]


def package(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed")


def test_xgboost_train_is_as_its_own_record() -> None:
    """Both data sets, at the steps 1 to 6, and the model as an event."""
    xgboost, run, record = package("xgboost"), MemoryRun(), {}  # type: ignore[var-annotated]
    train, val = xgboost.DMatrix(XT, YT), xgboost.DMatrix(XV, YV)
    options = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "nthread": 1}
    xgboost.train(
        options, train, 6, evals=[(train, "train"), (val, "eval")],
        callbacks=[run.callback("xgboost")], verbose_eval=False, evals_result=record,
    )  # fmt: skip
    for metric in ("logloss", "auc"):
        assert run.history[metric] == pytest.approx(record["train"][metric])
        assert run.history[f"val_{metric}"] == pytest.approx(record["eval"][metric])
    assert run.steps["logloss"] == [1, 2, 3, 4, 5, 6]
    assert len(run.history["step_s"]) == 6
    (event,) = run.of("architecture")
    assert (event["objective"], event["features"]) == ("binary:logistic", 4)


def test_xgboost_cross_validation_has_mean_and_deviation() -> None:
    """As the table that it returns."""
    xgboost, run = package("xgboost"), MemoryRun()
    table = xgboost.cv(
        {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 4, nfold=3, seed=1,
        callbacks=[run.callback("xgboost")], as_pandas=False,
    )  # fmt: skip
    assert run.history["val_logloss"] == pytest.approx(table["test-logloss-mean"])
    assert run.history["val_logloss_std"] == pytest.approx(table["test-logloss-std"])
    assert run.history["logloss"] == pytest.approx(table["train-logloss-mean"])


def test_lightgbm_train_is_as_its_own_record() -> None:
    """With the learning rate, and with early stopping, which comes after."""
    lightgbm, run, record = package("lightgbm"), MemoryRun(), {}  # type: ignore[var-annotated]
    train = lightgbm.Dataset(XT, YT)
    val = lightgbm.Dataset(XV, YV, reference=train)
    call = run.callback("lightgbm")
    lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "learning_rate": 0.5}, train, 50,
        valid_sets=[train, val], callbacks=[lightgbm.record_evaluation(record), lightgbm.early_stopping(3, verbose=False), call],
    )  # fmt: skip
    assert run.history["binary_logloss"] == pytest.approx(record["training"]["binary_logloss"])
    assert run.history["val_binary_logloss"] == pytest.approx(record["valid_1"]["binary_logloss"])
    assert len(run.history["binary_logloss"]) < 50
    assert set(run.history["lr"]) == {0.5}
    assert call.told == {}


def test_lightgbm_cross_validation_has_mean_and_deviation() -> None:
    """As the dictionary that it returns."""
    lightgbm, run = package("lightgbm"), MemoryRun()
    found = lightgbm.cv(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 4, nfold=3,
        callbacks=[run.callback("lightgbm")],
    )  # fmt: skip
    assert run.history["val_binary_logloss"] == pytest.approx(found["valid binary_logloss-mean"])
    assert run.history["val_binary_logloss_std"] == pytest.approx(found["valid binary_logloss-stdv"])


def test_catboost_fit_is_as_its_own_record() -> None:
    """Learn and validation, at the steps 1 to 5."""
    catboost, run = package("catboost"), MemoryRun()
    model = catboost.CatBoostClassifier(
        iterations=5, verbose=False, allow_writing_files=False, thread_count=1
    )
    model.fit(XT, YT, eval_set=(XV, YV), callbacks=[run.callback("catboost")])
    record = model.get_evals_result()
    assert run.history["Logloss"] == pytest.approx(record["learn"]["Logloss"])
    assert run.history["val_Logloss"] == pytest.approx(record["validation"]["Logloss"])
    assert run.steps["Logloss"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_fit_knows_which_set_is_which(name: str) -> None:
    """The training's own metrics have plain names, those of validation begin with val_; the model is fitted."""
    found, run = package(name), MemoryRun()
    model, metric = {
        "xgboost": lambda: (found.XGBClassifier(n_estimators=4, n_jobs=1), "logloss"),
        "lightgbm": lambda: (found.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1), "binary_logloss"),
        "catboost": lambda: (
            found.CatBoostClassifier(iterations=4, verbose=False, allow_writing_files=False, thread_count=1),
            "Logloss",
        ),
    }[name]()
    assert run.fit(model, XT, YT, validation_data=(XV, YV)) is model
    assert len(run.history[metric]) == len(run.history[f"val_{metric}"]) == 4
    chance = np.clip(model.predict_proba(XV)[:, 1], 1e-15, 1)
    loss = -np.mean(np.where(YV == 1, np.log(chance), np.log1p(-chance)))
    assert run.history[f"val_{metric}"][-1] == pytest.approx(loss, rel=1e-4)
    chance = model.predict_proba(XT)[:, 1]
    loss = -np.mean(np.where(YT == 1, np.log(chance), np.log1p(-chance)))
    assert run.history[metric][-1] == pytest.approx(loss, rel=1e-4)
    if name == "xgboost":
        assert model.get_params()["callbacks"] is None


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_a_run_that_fails_does_not_stop_a_booster(name: str) -> None:
    """All iterations are trained."""
    found, run = package(name), BrokenRun()
    if name == "xgboost":
        model = run.fit(found.XGBClassifier(n_estimators=3, n_jobs=1), XT, YT)
        assert model.get_booster().num_boosted_rounds() == 3
    elif name == "lightgbm":
        model = run.fit(found.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1), XT, YT)
        assert model.booster_.num_trees() == 3
    else:
        plain = found.CatBoostClassifier(
            iterations=3, verbose=False, allow_writing_files=False, thread_count=1
        )
        assert run.fit(plain, XT, YT).tree_count_ == 3


def test_sets_with_numbers_alone_keep_their_names() -> None:
    """Two of them may be in any order; one can only be that of validation."""
    assert [prefix_of("validation_0", None, n) for n in (1, 2)] == ["val_", "validation_0_"]
    run = MemoryRun()
    xgboost = package("xgboost")
    model = xgboost.XGBClassifier(
        n_estimators=2, n_jobs=1, callbacks=[run.callback("xgboost", names={"validation_1": "test"})]
    )
    model.fit(XT, YT, eval_set=[(XT, YT), (XV, YV)], verbose=False)
    assert {"validation_0_logloss", "test_logloss"} <= set(run.history)
    with pytest.raises(TypeError, match="validation_data and eval_set are both given"):
        run.fit(xgboost.XGBClassifier(), XT, YT, validation_data=(XV, YV), eval_set=[(XV, YV)])


def test_a_loss_that_is_none_is_told() -> None:
    """A metric of one's own gives NaN from the third iteration on."""
    xgboost, run = package("xgboost"), MemoryRun()
    data, calls = xgboost.DMatrix(XT, YT), [0]

    def odd(_: Any, __: Any) -> tuple[str, float]:
        calls[0] += 1
        return "odd", 1.0 if calls[0] < 3 else float("nan")

    options = {"objective": "binary:logistic", "nthread": 1, "disable_default_eval_metric": True}
    xgboost.train(
        options,
        data,
        5,
        evals=[(data, "train")],
        custom_metric=odd,
        callbacks=[run.callback("xgboost")],
        verbose_eval=False,
    )
    (event,) = run.of("nan")
    assert (event["where"], event["step"], event["last_finite_step"]) == ("loss", 3, 2)
