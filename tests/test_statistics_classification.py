"""Losses, calibration, ranking and averages of classifiers against scikit-learn, definitions and simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import integrate, special, stats
from sklearn import metrics

from vedette.statistics import STATISTICS, Grid, Summary, quality_grid, summarise_quality
from vedette.strategy.watches import plan

CLASSES = ["a", "b", "c", "d"]
NAMES = [*CLASSES, "x"]
FOUR = quality_grid(CLASSES)
TWO = quality_grid(("no", "yes"))
LOSSES = ("log_loss", "brier", "expected_calibration_error")


def figures(name, summary, level=0.95):
    """The figures of a statistic that needs no reference."""
    return STATISTICS[name].figures(summary, None, level)


def four(n, seed=0, sure=1.0):
    """Labels and probabilities of four classes."""
    rng = np.random.default_rng(seed)
    label = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    return label, special.softmax(sure * (rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[label]), axis=1)


def two(n, seed=0, share=0.3):
    """Labels and scores of two classes, a few of them 0 and 1."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < share).astype(int)
    score = special.expit(rng.normal(size=n) + 2 * label - 1)
    score[: n // 50] = label[: n // 50]
    return label, score


def scored(n=900, n_windows=3, seed=0):
    """Windows of four classes, and their labels and probabilities."""
    label, score = four(n, seed)
    window = np.arange(n) % n_windows
    summary = summarise_quality(FOUR, label, score.argmax(axis=1), NAMES, score, window, n_windows)
    return summary, [(label[window == w], score[window == w]) for w in range(n_windows)]


def calibration_error(confidence, right):
    """The definition, step by step."""
    error = 0.0
    for place in range(10):
        top = 1.1 if place == 9 else (place + 1) / 10
        held = (confidence >= place / 10) & (confidence < top)
        if held.any():
            error += held.mean() * abs(confidence[held].mean() - right[held].mean())
    return error


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_loss", lambda y, p: metrics.log_loss(y, p, labels=range(4))),
        ("brier", lambda y, p: ((p - np.eye(4)[y]) ** 2).sum(axis=1).mean()),
        (
            "expected_calibration_error",
            lambda y, p: calibration_error(p.max(axis=1), p.argmax(axis=1) == y),
        ),
    ],
)
def test_losses_of_several_classes_are_exact(name, expected):
    """They agree with scikit-learn and the definition to 1e-9, window by window."""
    summary, windows = scored()
    np.testing.assert_allclose(
        figures(name, summary).value, [expected(*window) for window in windows], atol=1e-9
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("log_loss", metrics.log_loss),
        ("brier", metrics.brier_score_loss),
        ("expected_calibration_error", lambda y, p: calibration_error(p, y == 1)),
    ],
)
def test_losses_of_two_classes_are_exact(name, expected):
    """The score is the positive class's probability; 0 and 1 are clipped as scikit-learn does."""
    label, score = two(1000)
    score[:3], label[:3] = [0.0, 1.0, 0.5], [1, 0, 1]
    found = figures(name, summarise_quality(TWO, label, label, ("no", "yes"), score))
    assert found.value[0] == pytest.approx(expected(label, score), abs=1e-9)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: np.where(np.arange(4) == 1, np.nan, p),
        lambda p: p * 1.002,
        lambda p: p * 0.998,
        lambda p: np.where(np.arange(4) == 0, -0.1, p),
        lambda p: np.where(np.arange(4) == 0, 1.1, p),
    ],
)
def test_rows_without_valid_probabilities_have_no_part(spoil):
    """NaN anywhere, a value outside [0, 1], a sum off 1 by more than a thousandth: the row has no score, and stays."""
    label, score = four(600)
    bad = np.concatenate([score[:500], spoil(score[500:])])
    with_bad = summarise_quality(FOUR, label, label, NAMES, bad)
    without = summarise_quality(FOUR, label[:500], label[:500], NAMES, score[:500])
    for name in (*LOSSES, "roc_auc", "average_precision"):
        one, other = figures(name, with_bad), figures(name, without)
        np.testing.assert_allclose([one.value, one.low, one.n], [other.value, other.low, other.n], rtol=1e-12)
    assert with_bad.used[0] == 600


def test_probabilities_rounded_to_three_places_are_valid():
    """What adds up to 1 within a thousandth counts."""
    label, score = four(300)
    summary = summarise_quality(FOUR, label, label, NAMES, np.round(score, 4))
    assert figures("brier", summary).n[0] == 300


def test_labels_of_other_classes_are_not_scored():
    """A row whose label the model does not know, or that has none, has no part in any loss."""
    label, score = four(600)
    odd = np.where(np.arange(600) < 100, 4, np.where(np.arange(600) < 150, -1, label))
    found = figures("log_loss", summarise_quality(FOUR, odd, label, NAMES, score))
    expected = metrics.log_loss(label[150:], score[150:], labels=range(4))
    assert (found.n[0], found.value[0]) == (450, pytest.approx(expected, abs=1e-9))


def test_one_score_a_row_says_nothing_of_several_classes():
    """Scores [N] of four classes count as none; any other shape is refused."""
    label, score = four(300)
    summary = summarise_quality(FOUR, label, label, NAMES, score[:, 0])
    assert figures("log_loss", summary).reason[0] == "no probabilities"
    with pytest.raises(ValueError, match=r"scores of shape \(300, 3\)"):
        summarise_quality(FOUR, label, label, NAMES, score[:, :3])


@pytest.mark.parametrize("grid", [FOUR, TWO], ids=["4 classes", "2 classes"])
def test_a_correction_is_as_if_the_label_had_come_right(grid):
    """Old row out, new row in: all sums and counts are those of the right labels."""
    label, score = four(500) if grid is FOUR else two(500)
    wrong = np.where(np.arange(500) < 60, (label + 1) % len(grid.classes), label)
    change = summarise_quality(
        grid,
        np.concatenate([wrong[:60], label[:60]]),
        np.concatenate([label[:60], label[:60]]),
        grid.classes,
        np.concatenate([score[:60], score[:60]]),
        weight=np.repeat([-1, 1], 60),
    )
    corrected = summarise_quality(grid, wrong, label, grid.classes, score) + change
    expected = summarise_quality(grid, label, label, grid.classes, score)
    np.testing.assert_array_equal(corrected.counts, expected.counts)
    # 36.04 is the loss of a probability of 0, whose cube leaves more of itself behind
    np.testing.assert_allclose(corrected.sums, expected.sums, rtol=1e-9, atol=1e-9)


def test_rows_are_counted_once_and_scores_for_each_class():
    """``used`` and ``cube`` know nothing of the cells that count a row for each class, which are its scores' bins."""
    label, score = four(400)
    summary = summarise_quality(FOUR, label, score.argmax(axis=1), NAMES, score)
    table = metrics.confusion_matrix(label, score.argmax(axis=1), labels=range(4))
    assert summary.used[0] == summary.rows[0] == 400
    np.testing.assert_array_equal(summary.cube[0, 0, :4, :4], table)
    bins = np.searchsorted(FOUR.score_edges, score, side="right")
    for place in range(4):
        expected = [
            np.bincount(bins[(label == place) == side, place], minlength=128) for side in (False, True)
        ]
        np.testing.assert_array_equal(summary.one_vs_rest[0, place].T, expected)


@pytest.mark.parametrize(("classes", "expected"), [(1, 0), (2, 0), (3, 3), (32, 32), (33, 0)])
def test_three_to_32_classes_have_their_scores_counted(classes, expected):
    """Two classes have score bins in the cube, more than 32 would need too many cells."""
    grid = quality_grid([str(place) for place in range(classes)])
    assert grid.one_vs_rest[0] == expected
    assert (
        Grid.from_json(grid.to_json()).cells
        == grid.cells
        == grid.row_cells + 2 * expected * (len(grid.score_edges) + 1)
    )


def test_the_watch_of_accuracy_counts_each_row_once():
    """Cells beyond those of label x prediction are no rows."""
    label, score = four(400)
    summary = summarise_quality(FOUR, label, score.argmax(axis=1), NAMES, score)
    counts = plan({"quality": summary}, "model").counts({"quality": summary})
    assert counts[0, :2].tolist() == [
        (score.argmax(axis=1) == label).sum(),
        (score.argmax(axis=1) != label).sum(),
    ]


@pytest.mark.parametrize("pilot", [None, four(1000, seed=5)[1]], ids=["no pilot", "pilot"])
@pytest.mark.parametrize("sure", [1.0, 3.0])
def test_ranking_of_several_classes_agrees_with_scikit_learn_nearly(pilot, sure):
    """One against the rest, plainly averaged: on 128 bins to 0.002 with 20,000 rows."""
    label, score = four(20_000, seed=1, sure=sure)
    summary = summarise_quality(quality_grid(CLASSES, pilot), label, label, NAMES, score)
    area = metrics.roc_auc_score(label, score, multi_class="ovr", average="macro")
    average = np.mean(
        [metrics.average_precision_score(label == place, score[:, place]) for place in range(4)]
    )
    found = [figures(name, summary).value[0] for name in ("roc_auc", "average_precision")]
    assert found == pytest.approx([area, average], abs=0.002)


def test_areas_of_few_distinct_probabilities_are_exact():
    """Where each probability has a bin of its own, ties included."""
    rng = np.random.default_rng(3)
    score = rng.permuted(np.tile([0.6, 0.3, 0.1], (900, 1)), axis=1)
    label = (rng.random((900, 1)) > np.cumsum(score, axis=1)).sum(axis=1)
    summary = summarise_quality(quality_grid("abc"), label, label, "abc", score)
    expected = metrics.roc_auc_score(label, score, multi_class="ovr", average="macro")
    assert figures("roc_auc", summary).value[0] == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_few_distinct_scores_is_exact():
    """Where each score has its own bin the value is scikit-learn's."""
    label, score = two(3000, share=0.1)
    score = np.round(score, 2)
    summary = summarise_quality(quality_grid(("no", "yes"), score), label, label, ("no", "yes"), score)
    expected = metrics.average_precision_score(label, score)
    assert figures("average_precision", summary).value[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n_pilot", [0, 1000])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_average_precision_agrees_with_scikit_learn_nearly(n_pilot, share):
    """On 128 bins it is right to 0.004, rare positives and their far scores included."""
    rng = np.random.default_rng(4)
    label = (rng.random(50_000) < share).astype(int)
    score = special.expit(special.logit(share) + 2 * rng.normal(size=50_000) + 4 * label - 2)
    summary = summarise_quality(
        quality_grid(("no", "yes"), score[:n_pilot]), label, label, ("no", "yes"), score
    )
    expected = metrics.average_precision_score(label, score)
    assert figures("average_precision", summary).value[0] == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("sure", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_average_precision_of_rare_positives_is_right_however_sure_the_model(share, sure):
    """Scores that are five times as sure as they should be, or a third as sure, leave it right to 0.01."""
    rng = np.random.default_rng(8)
    label = (rng.random(21_000) < share).astype(int)
    score = special.expit(sure * (special.logit(share) + 3 * rng.normal(size=21_000) + 9 * label - 4.5))
    grid = quality_grid(("no", "yes"), score[:1000])
    seen, told = score[1000:], label[1000:]
    found = figures("average_precision", summarise_quality(grid, told, told, ("no", "yes"), seen))
    assert found.value[0] == pytest.approx(metrics.average_precision_score(told, seen), abs=0.01)


def test_the_variance_of_average_precision_is_that_of_the_jackknife():
    """The influence of rows adds up to the variance that leaving each out gives, to 3 %."""
    label, score = two(400, seed=9)
    score = np.round(score, 1)
    grid = quality_grid(("no", "yes"), score)
    found = figures("average_precision", summarise_quality(grid, label, label, ("no", "yes"), score))
    left_out = [
        metrics.average_precision_score(np.delete(label, row), np.delete(score, row)) for row in range(400)
    ]
    sd = np.sqrt(399 * np.var(left_out))
    half = (special.logit(found.high[0]) - special.logit(found.low[0])) / 2
    value = found.value[0]
    assert half * value * (1 - value) / stats.norm.ppf(0.975) == pytest.approx(sd, rel=0.03)


AVERAGES = {
    f"{which}_{average}": (score, average)
    for which, score in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    )
    for average in ("macro", "micro", "weighted")
}


@pytest.mark.parametrize("others", [0.0, 0.1], ids=["no others", "others"])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", AVERAGES)
def test_averages_agree_with_scikit_learn(name, n_classes, others):
    """In 40 windows of 25 rows, with labels and predictions of other classes too: those of the model's that occur."""
    rng = np.random.default_rng(n_classes)
    label, window = rng.choice(n_classes, 1000), np.repeat(np.arange(40), 25)
    prediction = np.where(rng.random(1000) < 0.6, label, rng.choice(n_classes, 1000))
    label = np.where(rng.random(1000) < others, 4, label)
    prediction = np.where(rng.random(1000) < others, 4, prediction)
    grid = quality_grid(CLASSES[:n_classes])
    found = figures(name, summarise_quality(grid, label, prediction, NAMES, None, window, 40))
    score, average = AVERAGES[name]
    expected = [
        score(
            label[window == w],
            prediction[window == w],
            average=average,
            zero_division=0,
            labels=sorted({*label[window == w], *prediction[window == w]} - {4}),
        )
        for w in range(40)
    ]
    np.testing.assert_allclose(found.value, expected, atol=1e-9)


def spared(label, prediction, present):
    """The plain average of TN/(TN + FP) over classes, from scikit-learn's tables."""
    tables = metrics.multilabel_confusion_matrix(label, prediction, labels=present)
    return np.mean([table[0, 0] / table[0].sum() for table in tables])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("balanced_accuracy", lambda y, p, present: metrics.balanced_accuracy_score(y, p)),
        ("matthews", lambda y, p, present: metrics.matthews_corrcoef(y, p)),
        ("specificity", spared),
    ],
)
def test_other_figures_of_several_classes_agree_with_scikit_learn(name, expected):
    """Balanced accuracy over classes that are labels, specificity over those that occur, and Gorodkin's coefficient."""
    rng = np.random.default_rng(2)
    label, window = rng.choice(4, 1000, p=[0.5, 0.3, 0.15, 0.05]), np.repeat(np.arange(40), 25)
    prediction = np.where(rng.random(1000) < 0.6, label, rng.choice(4, 1000))
    found = figures(name, summarise_quality(FOUR, label, prediction, NAMES, None, window, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of predictions that are no label
        sides = [(label[window == w], prediction[window == w]) for w in range(40)]
        wanted = [expected(y, p, sorted({*y, *p})) for y, p in sides]
    np.testing.assert_allclose(found.value, wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("matthews", metrics.matthews_corrcoef),
        ("specificity", lambda y, p: metrics.recall_score(y, p, pos_label=0)),
    ],
)
def test_other_figures_of_two_classes_agree_with_scikit_learn(name, expected):
    """The second class is positive."""
    label, score = two(300, seed=7)
    prediction = (score > 0.6).astype(int)
    found = figures(name, summarise_quality(TWO, label, prediction, ("no", "yes")))
    assert found.value[0] == pytest.approx(expected(label, prediction), abs=1e-9)


def test_matthews_tells_other_labels_from_other_predictions():
    """A label and a prediction of other classes are never the same: as scikit-learn with a name of their own each."""
    rng = np.random.default_rng(8)
    label, prediction = rng.choice(5, 300), rng.choice(5, 300)
    found = figures("matthews", summarise_quality(FOUR, label, prediction, NAMES))
    expected = metrics.matthews_corrcoef(label, np.where(prediction == 4, 5, prediction))
    assert found.value[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("grid", [FOUR, quality_grid(CLASSES[:2])], ids=["4 classes", "2 classes"])
@pytest.mark.parametrize("name", ["f1_macro", "f1_micro", "f1_weighted", "precision_weighted", "matthews"])
def test_the_delta_method_is_the_jackknife(name, grid):
    """With 3,000 rows the interval has the width that leaving out each kind of row gives, to 4 %."""
    classes = len(grid.classes)
    rng = np.random.default_rng(5)
    label = rng.choice(classes, 3000, p=np.array([4, 3, 2, 1][:classes]) / sum([4, 3, 2, 1][:classes]))
    prediction = np.where(rng.random(3000) < 0.5, label, rng.choice(classes, 3000))
    summary = summarise_quality(grid, label, prediction, NAMES)
    times = np.bincount(label * classes + prediction, minlength=classes**2)
    left_out = Summary.stack(
        [
            summary + summarise_quality(grid, [kind // classes], [kind % classes], NAMES, weight=-1)
            for kind in range(classes**2)
        ]
    )
    values, found = figures(name, left_out).value, figures(name, summary)
    sd = np.sqrt(2999 * np.average((values - np.average(values, weights=times)) ** 2, weights=times))
    assert (found.high[0] - found.low[0]) / (2 * stats.norm.ppf(0.975)) == pytest.approx(sd, rel=0.04)


@pytest.mark.parametrize(
    ("name", "summary", "reason"),
    [
        (
            "log_loss",
            summarise_quality(TWO, [0], [0], ["no"], [0.5]),
            "fewer than 2 rows with a probability: 1",
        ),
        ("brier", summarise_quality(TWO, [0, 1], [0, 1], ["no", "yes"]), "no probabilities"),
        ("log_loss", summarise_quality(quality_grid(()), [0], [0], ["x"]), "no classes"),
        ("expected_calibration_error", Summary.empty(FOUR), "no labels"),
        ("average_precision", summarise_quality(FOUR, [0, 1], [0, 1], NAMES), "no probabilities"),
        ("specificity", summarise_quality(TWO, [1], [1], ["no", "yes"]), "no negative labels"),
        (
            "matthews",
            summarise_quality(TWO, [1, 0], [1, 1], ["no", "yes"]),
            "labels or predictions of one class only",
        ),
        ("recall_micro", summarise_quality(FOUR, [4, 4], [0, 1], NAMES), "no labels of the model's classes"),
        (
            "precision_micro",
            summarise_quality(FOUR, [0, 1], [4, 4], NAMES),
            "no predictions of the model's classes",
        ),
        ("f1_weighted", summarise_quality(FOUR, [4, 4], [0, 1], NAMES), "no labels of the model's classes"),
        (
            "balanced_accuracy",
            summarise_quality(FOUR, [4, 4], [0, 1], NAMES),
            "no labels of the model's classes",
        ),
        ("f1_macro", summarise_quality(FOUR, [0, 1, 2], [0, 1, 2], NAMES), "fewer than 2 rows to a class: 3"),
        ("specificity", summarise_quality(FOUR, [0, 0], [0, 0], NAMES), "no labels of another class"),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_precise(name, summary, reason):
    """The reason names what is missing, and how many there are of what there must be more of."""
    assert figures(name, summary).reason[0] == reason


def test_an_average_over_classes_needs_50_labels_of_each():
    """The rarest class decides, and is counted."""
    label, score = four(1000)
    label = np.where((label == 3) & (np.cumsum(label == 3) > 20), 0, label)
    summary = summarise_quality(FOUR, label, label, NAMES, score)
    assert figures("roc_auc", summary).reason[0] == "fewer than 50 labels of a class: 20"


def coverage(name, summary, truth):
    """The share of windows whose interval holds the truth; all must have a figure."""
    found = figures(name, summary)
    assert set(found.reason) == {None}
    return ((found.low <= truth) & (truth <= found.high)).mean()


@pytest.mark.parametrize("sure", [1.0, 2.0])
@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_the_interval_of_a_loss_holds_rare_surprises(name, sure):
    """30 rows, 5 % positive, a good model: Student's interval holds the truth 0.6 of the time, this 0.95 or more."""
    rng = np.random.default_rng(1)
    label = (rng.random(630_000) < 0.05).astype(int)
    score = special.expit(sure * (special.logit(0.05) + 3 * rng.normal(size=len(label)) + 9 * label - 4.5))
    truth = {"log_loss": metrics.log_loss, "brier": metrics.brier_score_loss}[name](label, score)
    window = np.repeat(np.arange(1000), 30)
    few = slice(0, 30_000)
    summary = summarise_quality(TWO, label[few], label[few], ("no", "yes"), score[few], window, 1000)
    assert coverage(name, summary, truth) >= 0.95


@pytest.mark.parametrize("n", [30, 1000])
@pytest.mark.parametrize("sure", [1.0, 2.0])
def test_the_interval_of_the_calibration_error_holds_the_truth(n, sure):
    """Of a calibrated model, whose error is 0, and of one that is too sure: 94 % of 500 windows or more."""
    rng = np.random.default_rng(6)
    right = special.expit(rng.normal(size=500 * n) * 2)
    label = (rng.random(500 * n) < right).astype(int)
    score = special.expit(sure * special.logit(right))
    grid = np.linspace(-12, 12, 1_000_001)
    weight = stats.norm.pdf(grid, scale=2) * (grid[1] - grid[0])
    told = special.expit(sure * grid)
    gaps = np.bincount((told * 10).astype(int), weight * (told - special.expit(grid)))
    summary = summarise_quality(TWO, label, label, ("no", "yes"), score, np.repeat(np.arange(500), n), 500)
    assert coverage("expected_calibration_error", summary, np.abs(gaps).sum()) >= 0.94


@pytest.mark.parametrize("name", ["precision_macro", "recall_macro", "f1_macro", "f1_weighted", "matthews"])
def test_intervals_of_ten_classes_hold_the_truth_with_30_rows(name):
    """Three rows to a class: 92 % of 1,500 intervals or more hold the average of the classes of the window."""
    chances = 0.7 * np.eye(10) / 10 + 0.3 / 100
    pair = np.random.default_rng(6).choice(100, 45_000, p=chances.ravel())
    names, window = [str(place) for place in range(10)], np.repeat(np.arange(1500), 30)
    summary = summarise_quality(quality_grid(names), pair // 10, pair % 10, names, None, window, 1500)
    truth = (0.73 - 0.1) / 0.9 if name == "matthews" else 0.73  # all classes are alike
    assert coverage(name, summary, truth) >= 0.92


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_the_interval_of_a_ranking_of_several_classes_holds_the_truth(name):
    """Four classes, 800 rows: 93 % of 300 windows or more."""
    label, score = four(240_000, seed=2)
    window = np.repeat(np.arange(300), 800)
    summary = summarise_quality(quality_grid(CLASSES, score[:1000]), label, label, NAMES, score, window, 300)
    one = {
        "roc_auc": metrics.roc_auc_score,
        "average_precision": metrics.average_precision_score,
    }[name]
    truth = np.mean([one(label == place, score[:, place]) for place in range(4)])
    assert coverage(name, summary, truth) >= 0.93


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_interval_of_average_precision_holds_the_truth(share):
    """2,000 rows: 92 % of 400 windows or more."""
    rng = np.random.default_rng(12)
    label = (rng.random(800_000) < share).astype(int)
    score = special.expit(special.logit(share) + 1.5 * rng.normal(size=len(label)) + 2.25 * label - 1.125)
    grid = quality_grid(("no", "yes"), score[:1000])
    window = np.repeat(np.arange(400), 2000)
    summary = summarise_quality(grid, label, label, ("no", "yes"), score, window, 400)
    assert coverage("average_precision", summary, metrics.average_precision_score(label, score)) >= 0.92


@pytest.mark.parametrize(("positive", "negative"), [(50, 50), (60, 140), (50, 1000)])
@pytest.mark.parametrize("distance", [4, 5])
def test_average_precision_knows_of_rows_that_are_seldom_out_of_order(distance, positive, negative):
    """Scores of N(d, 1) against N(0, 1), mostly separate: limits hold the integral of precision over recall."""
    rng, windows = np.random.default_rng(5), 300
    size, label = positive + negative, np.repeat([1, 0], [positive, negative])

    def drawn(label):
        return special.expit(rng.normal(size=len(label)) + distance * (label - 0.5))

    grid = quality_grid(("no", "yes"), drawn(np.repeat(label, 5)))
    label = np.tile(label, windows)
    window = np.repeat(np.arange(windows), size)
    summary = summarise_quality(grid, label, label, ("no", "yes"), drawn(label), window, windows)
    at = np.linspace(-8, 14, 40_001)
    right, wrong = positive * stats.norm.sf(at, distance), negative * stats.norm.sf(at)
    truth = integrate.trapezoid(stats.norm.pdf(at, distance) * right / (right + wrong), at)
    assert coverage("average_precision", summary, truth) >= 0.93


@pytest.mark.parametrize("name", ["log_loss", "brier"])
@pytest.mark.parametrize("n", [30, 100])
def test_losses_know_of_rare_mistakes(name, n):
    """Of scores 0 and 1, of which 1 % are wrong, most windows hold no mistake; their interval holds the loss."""
    rng, windows = np.random.default_rng(8), 1000
    label = rng.integers(0, 2, n * windows)
    score = np.where(rng.random(n * windows) < 0.01, 1 - label, label).astype(float)
    summary = summarise_quality(
        TWO, label, label, ("no", "yes"), score, np.repeat(np.arange(windows), n), windows
    )
    truth = {"brier": 0.01, "log_loss": -0.01 * np.log(np.finfo(float).eps)}[name]
    assert coverage(name, summary, truth) >= 0.95


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_small_scores_are_ranked_without_a_pilot(name):
    """Scores of about 1e-5 or 1e-7 fall into many bins of the grid that had no scores to be cut by."""
    rng, label = np.random.default_rng(6), np.repeat([1, 0], [300, 3000])
    exact = {"roc_auc": metrics.roc_auc_score, "average_precision": metrics.average_precision_score}[name]
    for middle in (1e-5, 1e-7):
        score = special.expit(special.logit(middle) + 2 * rng.normal(size=3300) + 4 * label)
        found = figures(name, summarise_quality(TWO, label, label, ("no", "yes"), score))
        assert found.value[0] == pytest.approx(exact(label, score), abs=0.01)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_scores_in_too_few_bins_are_not_ranked(name):
    """Scores below the least edge all lie in one bin: that is a reason, and no area of a half."""
    label = np.tile([0, 1], 100)
    score = np.where(label, 1e-11, 1e-12)
    found = figures(name, summarise_quality(TWO, label, label, ("no", "yes"), score))
    assert found.reason[0] == "scores lie in too few bins"


@pytest.mark.parametrize("n", [100, 300, 1000])
@pytest.mark.parametrize("table", [[[0.978, 0.002], [0.018, 0.002]], [[0.9025, 0.0475], [0.0475, 0.0025]]])
def test_matthews_of_rare_positives_holds_the_truth(table, n):
    """Of 400 windows in which hardly any of 2 or 5 % positives was found, 92 % or more of those that have a figure."""
    shares, names, windows = np.array(table), ["no", "yes"], 400
    labels, predictions = shares.sum(axis=1), shares.sum(axis=0)
    variance = labels.prod() * predictions.prod()
    true = (shares[0, 0] * shares[1, 1] - shares[0, 1] * shares[1, 0]) / np.sqrt(variance)
    cell = np.random.default_rng(3).choice(4, n * windows, p=shares.ravel())
    summary = summarise_quality(
        TWO, cell // 2, cell % 2, names, None, np.repeat(np.arange(windows), n), windows
    )
    found = figures("matthews", summary)
    known = np.isfinite(found.value)
    assert np.mean((found.low <= true)[known] & (true <= found.high)[known]) >= 0.92
