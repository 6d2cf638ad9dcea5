"""Figures of arrays are those that scikit-learn has, each with an interval, whatever the labels are called."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tests.training_runs import MemoryRun
from vedette.statistics.evaluation import evaluate

rng = np.random.default_rng(11)
Y = rng.integers(0, 2, 400)
P = np.clip(0.3 + 0.4 * Y + rng.normal(0, 0.2, 400), 0.01, 0.99).round(3)
GUESS = (P >= 0.5).astype(int)


def values(found: dict[str, Any]) -> dict[str, float]:
    return {name: one[0] for name, one in found.items() if one[4] is None}


def test_two_classes_are_as_scikit_learn_finds_them() -> None:
    """With the interval of a share around accuracy."""
    found = values(evaluate(Y, probability=P))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(Y, GUESS))
    assert found["precision"] == pytest.approx(metrics.precision_score(Y, GUESS))
    assert found["recall"] == pytest.approx(metrics.recall_score(Y, GUESS))
    assert found["f1"] == pytest.approx(metrics.f1_score(Y, GUESS))
    assert found["matthews"] == pytest.approx(metrics.matthews_corrcoef(Y, GUESS))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(Y, P))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(Y, P))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(Y, P), abs=0.002)  # read off 128 bins
    interval = stats.binomtest(int((Y == GUESS).sum()), 400).proportion_ci(method="wilson")
    assert evaluate(Y, GUESS)["accuracy"][1:3] == pytest.approx(tuple(interval))


def test_several_classes_of_any_name() -> None:
    """Texts, with a matrix of probabilities in the order of the classes."""
    names = np.array(["cat", "dog", "eel"])
    code = rng.integers(0, 3, 300)
    chance = rng.dirichlet([1, 1, 1], 300) * 0.5 + 0.5 * np.eye(3)[code]
    found = values(evaluate(names[code], probability=chance, classes=names))
    guess = names[chance.argmax(axis=1)]
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(names[code], guess))
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(names[code], guess, average="macro"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(names[code], chance))


def test_one_class_has_one_name() -> None:
    """1, 1.0, True and "1" are the same, and so are the figures."""
    truths: list[Any] = [Y, Y.astype(float), Y.astype(bool), [str(one) for one in Y], Y[:, np.newaxis]]
    found = [evaluate(one, GUESS, metrics=["f1"]) for one in truths]
    assert all(one == found[0] for one in found)


def test_a_regression_is_as_scikit_learn_finds_it() -> None:
    """Fractions are numbers; a mean has the interval that holds it."""
    y = rng.normal(10, 2, 250)
    guess = y + rng.normal(0.3, 1, 250)
    found = evaluate(y, guess)
    assert found["mae"][0] == pytest.approx(metrics.mean_absolute_error(y, guess))
    assert found["rmse"][0] == pytest.approx(metrics.root_mean_squared_error(y, guess))
    assert found["r2"][0] == pytest.approx(metrics.r2_score(y, guess))
    assert found["bias"][0] == pytest.approx((guess - y).mean())
    assert all(low <= value <= high for value, low, high, _, reason in found.values() if reason is None)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Accuracy of 0.8 on 300 rows, 400 times; 0.95 less four standard errors."""
    right = rng.random((400, 300)) < 0.8
    held = 0
    for row in right:
        _, low, high, _, _ = evaluate(np.ones(300, int), row.astype(int), metrics=["accuracy"])["accuracy"]
        held += low <= 0.8 <= high
    assert held >= 400 * 0.95 - 4 * math.sqrt(400 * 0.95 * 0.05)


def test_what_is_missing_is_left_out_and_what_cannot_be_told_has_a_reason() -> None:
    """Labels that are None or NaN, probabilities that are NaN, one class, no rows."""
    found = evaluate([0.0, 1.0, math.nan, 1.0], [0, 1, 1, 0], metrics=["accuracy"])["accuracy"]
    assert (found[0], found[3]) == (pytest.approx(2 / 3), 3)
    found = evaluate([0, 1, 1], probability=[0.2, math.nan, 0.9], metrics=["accuracy", "roc_auc"])["accuracy"]
    assert (found[0], found[3]) == (1.0, 2)
    assert evaluate([1, 1], [1, 1])["roc_auc"][4]
    empty = evaluate([], [])
    assert all(one[4] is not None and math.isnan(one[0]) for one in empty.values())


def test_whether_numbers_are_classes_can_be_said() -> None:
    """Few whole numbers are taken as classes."""
    assert "accuracy" in evaluate([1, 2, 3], [1, 2, 2])
    assert "mae" in evaluate([1, 2, 3], [1, 2, 2], task="regression")
    assert "mae" in evaluate(np.arange(100), np.arange(100))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y_true": [0, 1], "y_pred": [1]}, r"y_pred of shape \(1,\): must be \[2\]"),
        (
            {"y_true": [0, 1], "probability": [[0.1], [0.2], [0.3]]},
            r"probability of shape \(3, 1\): must be \[2\]",
        ),
        ({"y_true": [0, 1, 2], "probability": [0.1, 0.2, 0.3]}, r"must be \[3, 3\], a column a class"),
        ({"y_true": [0, 1], "y_pred": [0, 1], "task": "ranking"}, "task='ranking': must be classification"),
        ({"y_true": [0, 1], "y_pred": [0, 1], "metrics": ["mae"]}, "metrics: 'mae': must be of accuracy"),
        ({"y_true": [0, 1], "y_pred": [0, 1], "level": 95}, "level=95: must lie between 0 and 1"),
        ({"y_true": [0.5, 1]}, "y_pred: a regression has predictions"),
        ({"y_true": [0, 1], "task": "classification"}, "y_pred and probability: must be one of them"),
        (
            {"y_true": ["a", "b"], "y_pred": ["a", "b"], "task": "regression"},
            "y_true of type .*: must be numbers",
        ),
        ({"y_true": ["a", "a"], "y_pred": ["a", "a"]}, "classes: 1 names"),
        ({"y_true": [0, 1], "probability": [-3.0, 2.5]}, "probability: 2 of 2 numbers lie outside 0 to 1"),
        (
            {"y_true": [0, 1], "y_pred": [0.2, 0.7]},
            "y_pred: fractions from 0 to 1 for labels 0 and 1: give them as",
        ),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    """With the name, what was given, and what would be right."""
    with pytest.raises(ValueError, match=message):
        evaluate(**given)


def test_a_run_keeps_the_figures_of_a_split_with_their_intervals() -> None:
    """As metrics of the step; reasons are in an event."""
    run = MemoryRun()
    found = run.evaluate("val", Y, probability=P, step=7)
    assert run.history["val_accuracy"] == [found["accuracy"][0]]
    assert run.history["val_accuracy_low"] == [found["accuracy"][1]]
    assert run.history["val_accuracy_high"] == [found["accuracy"][2]]
    assert run.steps["val_f1"] == [7]
    run.evaluate("test", [1, 1], [1, 1], metrics=["accuracy", "matthews"])
    assert "test_matthews" not in run.history
    assert run.of("evaluated")[1]["figures"]["matthews"]["reason"]
    run.tools = None
    with pytest.raises(RuntimeError, match="made without a Monitor"):
        run.evaluate("val", Y, GUESS)


def test_tensors_are_read_from_their_device() -> None:
    """Those that have gradients too."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    chance = torch.tensor(P, requires_grad=True)
    assert evaluate(torch.tensor(Y), probability=chance) == evaluate(Y, probability=P)
