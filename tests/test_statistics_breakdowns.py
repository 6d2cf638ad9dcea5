"""Figures of single classes against scikit-learn and against figures of two classes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics

from vedette.statistics import BREAKDOWNS, STATISTICS, quality_grid, summarise_quality

CLASSES = ["a", "b", "c"]
NAMES = [*CLASSES, "x"]
SCORES = {
    "precision_per_class": metrics.precision_score,
    "recall_per_class": metrics.recall_score,
    "f1_per_class": metrics.f1_score,
}


def drawn(n=600, seed=0):
    """Labels, predictions and probabilities of three classes, a tenth of labels and predictions of others."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    score = special.softmax(2 * (rng.normal(size=(n, 3)) + np.eye(3)[label]), axis=1)
    prediction = np.where(rng.random(n) < 0.1, 3, score.argmax(axis=1))
    return np.where(rng.random(n) < 0.1, 3, label), prediction, score


def parts(name, label, prediction, score=None, classes=CLASSES):
    """The parts of a breakdown of one window: value, low, high, n and reason."""
    summary = summarise_quality(quality_grid(classes), label, prediction, NAMES, score)
    found = BREAKDOWNS[name].figures(summary)
    return {
        part: (one.value[0], one.low[0], one.high[0], one.n[0], one.reason[0]) for part, one in found.items()
    }


@pytest.mark.parametrize("name", SCORES)
def test_shares_of_classes_agree_with_scikit_learn(name):
    """Each class against all others, those of other classes among them."""
    label, prediction, _ = drawn()
    expected = SCORES[name](label, prediction, labels=range(3), average=None)
    found = parts(name, label, prediction)
    assert list(found) == CLASSES
    np.testing.assert_allclose([part[0] for part in found.values()], expected, atol=1e-12)


@pytest.mark.parametrize("which", ["precision", "recall", "f1"])
def test_a_class_has_the_figures_of_a_model_that_knows_two(which):
    """Value, interval, rows and all: the class is the positive one, everything else the negative."""
    label, prediction, _ = drawn()
    one = summarise_quality(quality_grid(("no", "yes")), label == 1, prediction == 1, ("no", "yes"))
    found = STATISTICS[which].figures(one)
    expected = (found.value[0], found.low[0], found.high[0], found.n[0], None)
    assert parts(f"{which}_per_class", label, prediction)["b"] == pytest.approx(expected)


def test_support_is_the_share_of_labels():
    """Of rows with a label, those without a prediction too; what is none of the classes is ``other``."""
    label = np.repeat([0, 1, 2, 3, -1], [50, 30, 15, 5, 20])
    found = parts("support_per_class", label, np.full(120, -1), classes=CLASSES)
    interval = stats.binomtest(30, 100).proportion_ci(method="wilson")
    assert [part[0] for part in found.values()] == [0.5, 0.3, 0.15, 0.05]
    assert list(found) == [*CLASSES, "other"]
    assert found["b"][1:4] == (pytest.approx(interval.low), pytest.approx(interval.high), 100)


def test_confusion_is_the_normalised_matrix():
    """Rows of scikit-learn's matrix divided by their sums, all pairs and ``other``."""
    label, prediction, _ = drawn()
    expected = metrics.confusion_matrix(label, prediction, labels=range(4), normalize="true")
    found = parts("confusion", label, prediction)
    names = [*CLASSES, "other"]
    assert list(found) == [f"{one}>{other}" for one in names for other in names]
    np.testing.assert_allclose([part[0] for part in found.values()], expected.ravel(), atol=1e-12)
    assert [found[f"{one}>a"][3] for one in names] == np.bincount(label).tolist()


def test_a_class_called_other_keeps_its_name():
    """What is none of the classes gets a name that none of them has."""
    found = BREAKDOWNS["support_per_class"].figures(
        summarise_quality(quality_grid(("other", "a", "b")), [0, 1, 1], [0, 1, 1], ("other", "x"))
    )
    assert {name: part.value[0] for name, part in found.items()} == pytest.approx(
        {"other": 1 / 3, "a": 0, "b": 0, "other_": 2 / 3}
    )


def test_areas_of_classes_agree_with_scikit_learn():
    """Each class's probability against the rest, on 128 bins, of rows whose label is one of the classes."""
    label, prediction, score = drawn(5000)
    found = parts("roc_auc_per_class", label, prediction, score)
    known = label < 3
    expected = [metrics.roc_auc_score(label[known] == place, score[known, place]) for place in range(3)]
    assert [part[0] for part in found.values()] == pytest.approx(expected, abs=5e-4)
    assert found["a"][3] == known.sum()


def test_the_average_of_the_areas_is_the_figure():
    """``roc_auc`` is the plain average of what the breakdown shows."""
    label, prediction, score = drawn(5000)
    summary = summarise_quality(quality_grid(CLASSES), label, prediction, NAMES, score)
    found = [part.value[0] for part in BREAKDOWNS["roc_auc_per_class"].figures(summary).values()]
    assert STATISTICS["roc_auc"].figures(summary).value[0] == pytest.approx(np.mean(found))


def test_both_of_two_classes_have_the_same_area():
    """Of two classes one's scores are the other's turned round; each counts its own labels."""
    label = np.repeat([0, 1], [200, 30])
    score = np.linspace(0.05, 0.95, 230)
    found = parts("roc_auc_per_class", label, label, score, classes=["a", "b"])
    assert found["a"][4] == "fewer than 50 labels other than 'a': 30"
    assert found["b"][4] == "fewer than 50 labels of 'b': 30"
    label = np.tile([0, 1], 115)
    found = parts("roc_auc_per_class", label, label, score, classes=["a", "b"])
    assert found["a"] == found["b"]


@pytest.mark.parametrize(
    ("name", "part", "reason"),
    [
        ("precision_per_class", "c", "no predictions of 'c'"),
        ("recall_per_class", "c", "no labels of 'c'"),
        ("f1_per_class", "c", "no labels or predictions of 'c'"),
        ("confusion", "c>a", "no labels of 'c'"),
        ("roc_auc_per_class", "c", "no probabilities"),
    ],
)
def test_a_class_that_does_not_occur_has_a_reason(name, part, reason):
    """The others have their figures."""
    found = parts(name, [0, 1] * 60, [0, 1] * 60)
    assert found[part][4] == reason
    assert name == "roc_auc_per_class" or found["a>a" if name == "confusion" else "a"][0] == 1.0
