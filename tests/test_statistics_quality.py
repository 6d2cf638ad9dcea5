"""Accuracy, precision, recall, F1 and AUC against scikit-learn, definitions and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn import metrics

from vedette.statistics import STATISTICS, Summary, quality_grid, summarise_quality

BINARY = quality_grid(("no", "yes"))
NAMES = ["no", "yes", "maybe"]
SCORES = {
    "accuracy": lambda y, p, average: metrics.accuracy_score(y, p),
    "precision": lambda y, p, average: metrics.precision_score(y, p, average=average, zero_division=0),
    "recall": lambda y, p, average: metrics.recall_score(y, p, average=average, zero_division=0),
    "f1": lambda y, p, average: metrics.f1_score(y, p, average=average, zero_division=0),
}


def figure(name, summary, level=0.95):
    """The value, limits, number of rows and reason of a single window."""
    found = STATISTICS[name].figures(summary, None, level)
    return found.value[0], found.low[0], found.high[0], found.n[0], found.reason[0]


def binary(label, prediction, score=None):
    """One window of a model with two classes."""
    return summarise_quality(BINARY, label, prediction, NAMES, score)


def table(true_positive, false_positive, false_negative, true_negative):
    """One window with these four counts."""
    counts = [true_positive, false_positive, false_negative, true_negative]
    return binary(np.repeat([1, 0, 1, 0], counts), np.repeat([1, 1, 0, 0], counts))


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=40, deadline=None)  # scikit-learn takes 2 ms a call
@given(data=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_two_classes_agree_with_scikit_learn(name, data):
    """Where there is a figure it is scikit-learn's; where there is none, scikit-learn divides by zero."""
    label, prediction = np.array(data).T
    value, *_, reason = figure(name, binary(label, prediction))
    expected = SCORES[name](label, prediction, "binary")
    assert value == pytest.approx(expected, abs=1e-9) if reason is None else expected == 0


@pytest.mark.parametrize("n_classes", [1, 3, 7])
@pytest.mark.parametrize("name", SCORES)
def test_several_classes_agree_with_scikit_learn(name, n_classes):
    """Macro averages over the classes that occur are scikit-learn's, in 50 windows of 20 rows at once."""
    rng = np.random.default_rng(n_classes)
    names = [f"class {k}" for k in range(n_classes)]
    label = rng.integers(0, n_classes, 1000)
    prediction = np.where(rng.random(1000) < 0.6, label, rng.integers(0, n_classes, 1000))
    window = np.repeat(np.arange(50), 20)
    summary = summarise_quality(quality_grid(names), label, prediction, names, None, window, 50)
    expected = [SCORES[name](label[window == w], prediction[window == w], "macro") for w in range(50)]
    np.testing.assert_allclose(STATISTICS[name].figures(summary).value, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "k", "n"), [("accuracy", 60, 80), ("precision", 20, 30), ("recall", 20, 30)]
)
def test_a_share_has_wilsons_interval(name, k, n):
    """The interval is that of scipy's binomtest with method "wilson"."""
    _, low, high, rows, _ = figure(name, table(20, 10, 10, 40))
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (low, high, rows) == (pytest.approx(expected.low), pytest.approx(expected.high), n)


def test_the_interval_of_f1_is_that_of_the_share_behind_it():
    """F1 = 2J/(1 + J) with J = TP/(TP + FP + FN), so its limits are those of J carried over."""
    _, low, high, rows, _ = figure("f1", table(20, 10, 10, 40))
    expected = stats.binomtest(20, 40).proportion_ci(method="wilson")
    limits = [2 * limit / (1 + limit) for limit in (expected.low, expected.high)]
    assert ([low, high], rows) == (pytest.approx(limits), 40)


@pytest.mark.parametrize(
    ("name", "summary", "reason"),
    [
        ("accuracy", Summary.empty(BINARY), "no labels"),
        ("accuracy", binary([-1, -1], [0, 1]), "no labels"),
        ("accuracy", binary([0, 1], [-1, -1]), "no predictions"),
        ("precision", table(0, 0, 5, 5), "no positive predictions"),
        ("recall", table(0, 5, 0, 5), "no positive labels"),
        ("f1", table(0, 0, 0, 5), "no positive labels or predictions"),
        (
            "f1",
            summarise_quality(quality_grid("abc"), [1], [1], ["a", "x"]),
            "no rows of the model's classes",
        ),
        ("accuracy", summarise_quality(quality_grid(()), [0], [0], ["x"]), "no classes"),
        ("roc_auc", binary([0, 1] * 60, [0, 1] * 60), "no probabilities"),
        (
            "roc_auc",
            binary([0] * 100 + [1] * 12, [0] * 112, [0.5] * 112),
            "fewer than 50 positive labels: 12",
        ),
        (
            "roc_auc",
            binary([1] * 100 + [0] * 49, [0] * 149, [0.5] * 149),
            "fewer than 50 negative labels: 49",
        ),
        (
            "roc_auc",
            summarise_quality(quality_grid("a"), [0], [0], ["a"]),
            "roc_auc needs 2 to 32 classes, the model has 1",
        ),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_precise(name, summary, reason):
    """The reason names what is missing, and how many there are of what there must be more of."""
    assert figure(name, summary)[-1] == reason


def test_rows_that_cannot_be_judged_widen_the_accuracy():
    """Label and prediction both of other classes: wrong in the value, right in the upper limit."""
    label, prediction = [0] * 60 + [0] * 20 + [2] * 20, [0] * 60 + [1] * 20 + [2] * 20
    value, low, high, n, _ = figure("accuracy", binary(label, prediction))
    least = stats.binomtest(60, 100).proportion_ci(method="wilson").low
    most = stats.binomtest(80, 100).proportion_ci(method="wilson").high
    assert (value, low, high, n) == (0.6, pytest.approx(least), pytest.approx(most), 100)


def test_a_label_of_another_class_makes_a_prediction_wrong():
    """A row labelled with a class that the model does not know is a false positive of the class predicted."""
    assert figure("precision", binary([1, 1, 2], [1, 1, 1]))[0] == pytest.approx(2 / 3)


def test_corrected_labels_are_as_if_they_had_come_right():
    """Old row out, new row in: every figure is that of the corrected labels."""
    rng = np.random.default_rng(2)
    label, score = rng.integers(0, 2, 400), rng.random(400)
    prediction, wrong = (score > 0.5).astype(int), label.copy()
    wrong[:40] = 1 - wrong[:40]
    change = summarise_quality(
        BINARY,
        np.concatenate([wrong[:40], label[:40]]),
        np.tile(prediction[:40], 2),
        NAMES,
        np.tile(score[:40], 2),
        weight=np.repeat([-1, 1], 40),
    )
    corrected, expected = binary(wrong, prediction, score) + change, binary(label, prediction, score)
    for name in (*SCORES, "roc_auc"):
        assert figure(name, corrected) == figure(name, expected)


def test_corrections_alone_have_no_figures():
    """A window that holds only what was taken away says so."""
    summary = summarise_quality(BINARY, [0], [0], NAMES, weight=-1)
    assert figure("accuracy", summary)[-1] == "corrections without the rows that they correct"


@pytest.mark.parametrize("n_pilot", [0, 1000])
@pytest.mark.parametrize("power", [1, 4])
def test_auc_agrees_with_scikit_learn_within_its_bound(n_pilot, power):
    """It is off by at most half the chance that a positive and a negative row share a bin, in truth by far less."""
    rng = np.random.default_rng(n_pilot + power)
    label = rng.integers(0, 2, 3000)
    score = 1 / (1 + np.exp(-rng.normal(size=3000) - label)) ** power
    grid = quality_grid(("no", "yes"), score[:n_pilot])
    summary = summarise_quality(grid, label, label, NAMES, score)
    bins = summary.cube[0, :, :2].sum(axis=2)
    bound = (bins[:, 0] * bins[:, 1]).sum() / bins[:, 0].sum() / bins[:, 1].sum() / 2
    error = abs(figure("roc_auc", summary)[0] - metrics.roc_auc_score(label, score))
    assert error <= min(bound, 0.002)


def by_pairs(label, score):
    """AUC and DeLong's variance from all pairs of rows, as the paper's equations 3 to 5 have it."""
    x, y = score[label == 1], score[label == 0]
    psi = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    return psi.mean(), v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y)


def test_auc_of_few_distinct_scores_is_exact():
    """Where each score has its own bin, value and DeLong's logit interval are those of all pairs, ties included."""
    rng = np.random.default_rng(8)
    label = np.repeat([0, 1], [340, 60])
    # positives spread twice as wide, which Hanley and McNeil's variance does not allow for: DeLong's is greater
    score = np.round(np.clip(rng.normal(0.4 + 0.1 * label, 0.15 + 0.15 * label), 0, 1), 1)
    summary = summarise_quality(quality_grid(("no", "yes"), score), label, label, NAMES, score)
    area, variance = by_pairs(label, score)
    half = stats.norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    expected = [area, *(1 / (1 + np.exp(-(np.log(area / (1 - area)) + side * half))) for side in (-1, 1))]
    assert [*figure("roc_auc", summary)[:3]] == pytest.approx(expected, abs=1e-9)


def test_rows_without_a_score_have_no_part_in_auc():
    """Invalid scores are left out, and n says how many rows are left."""
    label = np.tile([0, 1], 200)
    score = np.where(np.arange(400) < 100, np.nan, 0.25 + 0.5 * label)
    assert figure("roc_auc", binary(label, label, score))[::3] == (1.0, 300)


def test_a_perfect_model_is_not_certain():
    """With no pair in the wrong order the lower limit is where 1 is 1.96 of Newcombe's standard errors away."""
    label = np.repeat([0, 1], [60, 80])

    def distance(area):
        rows = (60 + 80) / 2 - 1
        ties = rows * ((1 - area) / (2 - area) + area / (1 + area))
        return (1 - area) / np.sqrt(area * (1 - area) * (1 + ties) / (60 * 80)) - stats.norm.ppf(0.975)

    expected = (1.0, pytest.approx(optimize.brentq(distance, 0.5, 0.9999)), 1.0)
    assert figure("roc_auc", binary(label, label, label * 0.8 + 0.1))[:3] == expected


@pytest.mark.parametrize("area", [0.6, 0.8, 0.95])
def test_the_interval_of_auc_holds_the_truth(area):
    """With 50 positive rows 92 % of 600 intervals or more hold it (95 % are meant to, the standard error is 0.9 %)."""
    rng = np.random.default_rng(4)
    label = np.tile(np.repeat([0, 1], [150, 50]), 600)
    score = stats.norm.cdf(rng.normal(size=len(label)) + label * np.sqrt(2) * stats.norm.ppf(area))
    window = np.repeat(np.arange(600), 200)
    found = STATISTICS["roc_auc"].figures(summarise_quality(BINARY, label, label, NAMES, score, window, 600))
    assert ((found.low <= area) & (area <= found.high)).mean() >= 0.92


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_the_interval_of_a_macro_average_holds_the_truth(name):
    """Three classes, 100 rows: 92 % of 1,000 intervals or more hold the average of the whole population."""
    chances = 0.7 * np.diag([0.6, 0.3, 0.1]) + 0.3 * np.outer([0.6, 0.3, 0.1], [0.6, 0.3, 0.1])
    pair = np.random.default_rng(6).choice(9, 100_000, p=chances.ravel())
    names, window = ["a", "b", "c"], np.repeat(np.arange(1000), 100)
    found = STATISTICS[name].figures(
        summarise_quality(quality_grid(names), pair // 3, pair % 3, names, None, window, 1000)
    )
    hits, labelled, predicted = np.diag(chances), chances.sum(axis=1), chances.sum(axis=0)
    by_class = {
        "precision": hits / predicted,
        "recall": hits / labelled,
        "f1": 2 * hits / (labelled + predicted),
    }
    truth = by_class[name].mean()
    assert ((found.low <= truth) & (truth <= found.high)).mean() >= 0.92
