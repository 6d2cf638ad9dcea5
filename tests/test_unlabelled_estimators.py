"""Estimates of a classifier's quality without labels: metrics and estimators, each against an independent answer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from vedette.statistics.unlabelled import (
    ESTIMATORS,
    METRICS,
    Confidence,
    Constant,
    Leaves,
    Panel,
    Rows,
    Table,
    Windows,
    bin_scores,
    counted,
    partition,
    pull_of,
    realised,
    rehearse,
    support_of,
)
from vedette.statistics.unlabelled.importance import Weighting
from vedette.statistics.unlabelled.metrics import Floats
from vedette.statistics.unlabelled.panel import BY_COUNTS

EDGES = np.arange(1, 40) / 40
SCORES = bin_scores(EDGES)
ALL = tuple(METRICS)


def world(n: int, seed: int, shift: float = 0.0, wrong: float = 1.0) -> Rows:
    """Rows of two features: the score knows both, but is too sure by ``wrong`` where the second is above 0."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 2)) + np.array([0.0, shift])
    odds = 1.5 * features[:, 0]
    score = 1 / (1 + np.exp(-odds))
    truth = 1 / (1 + np.exp(-np.where(features[:, 1] > 0, odds * (1 - wrong / 1.25), odds)))
    return Rows(
        features,
        np.searchsorted(EDGES, score, side="right"),
        (score > 0.5).astype(np.int64),
        (random.random(n) < truth).astype(np.int64),
    )


def table_of(rows: Rows) -> Floats:
    """Labelled counts [bin, prediction, label] of rows."""
    return counted(1, len(SCORES), np.zeros_like(rows.bin), rows.bin, rows.prediction, rows.label)[0, 0]


@pytest.mark.parametrize(
    ("metric", "own"),
    [
        ("accuracy", lambda y, p, s: sk.accuracy_score(y, p)),
        ("precision", lambda y, p, s: sk.precision_score(y, p)),
        ("recall", lambda y, p, s: sk.recall_score(y, p)),
        ("f1", lambda y, p, s: sk.f1_score(y, p)),
        ("roc_auc", lambda y, p, s: sk.roc_auc_score(y, s)),
        ("log_loss", lambda y, p, s: sk.log_loss(y, s)),
        ("brier", lambda y, p, s: sk.brier_score_loss(y, s)),
    ],
)
def test_a_metric_of_a_table_is_that_of_its_rows(metric: str, own: object) -> None:
    """With every score that of its bin, each metric is scikit-learn's."""
    rows = world(3000, 1)
    assert callable(own)
    expected = own(rows.label, rows.prediction, SCORES[rows.bin])
    assert float(pull_of(metric, table_of(rows), SCORES)[0]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_a_pull_is_the_derivative(metric: str) -> None:
    """What one row more in a cell changes is the pull, to first order."""
    table = table_of(world(5000, 2)).astype(np.float64)
    value, pull = pull_of(metric, table, SCORES)
    for cell in [(3, 0, 0), (3, 0, 1), (35, 1, 0), (35, 1, 1), (22, 1, 1)]:
        more = table.copy()
        more[cell] += 1e-3
        moved = (pull_of(metric, more, SCORES)[0] - value) / 1e-3
        assert float(pull[cell]) == pytest.approx(float(moved), rel=1e-3, abs=1e-9)


def test_rows_without_a_score_have_no_part_in_the_area() -> None:
    """The last bin, of rows without a score, leaves the area under the curve as it is."""
    rows = world(2000, 3)
    without = np.concatenate([table_of(rows), np.full((1, 2, 2), 50)])
    told = pull_of("roc_auc", without, np.append(SCORES, np.nan))
    assert float(told[0]) == pytest.approx(float(pull_of("roc_auc", table_of(rows), SCORES)[0]))
    assert (told[1][-1] == 0).all()


def test_a_metric_without_rows_is_nan() -> None:
    """No rows, no positive predictions and one class give NaN, not 0."""
    nothing = np.zeros((len(SCORES), 2, 2))
    assert all(np.isnan(pull_of(metric, nothing, SCORES)[0]) for metric in ALL)
    one = nothing.copy()
    one[3, 0, 0] = 10
    assert np.isnan(pull_of("precision", one, SCORES)[0])
    assert np.isnan(pull_of("roc_auc", one, SCORES)[0])


def test_wrong_arguments_are_named() -> None:
    """Errors say what was wrong, and what would be right."""
    with pytest.raises(ValueError, match=r"metric='mcc': must be one of accuracy"):
        pull_of("mcc", np.ones((1, 2, 2)), [0.5])
    with pytest.raises(ValueError, match=r"must be \[\.\.\., scores, prediction, label\]"):
        pull_of("f1", np.ones((2, 2, 2)), [0.5])
    with pytest.raises(ValueError, match="no labelled rows"):
        Table(np.zeros((1, 2, 2, 2), dtype=np.int64), np.array([0.2, 0.8]))
    with pytest.raises(ValueError, match="must ascend strictly"):
        bin_scores([0.5, 0.5])
    with pytest.raises(ValueError, match=r"codes from 7 to 7: must lie in 0 to 1"):
        counted(1, 2, [0], [7], [0])


def test_outcomes_vary_as_the_variance_says() -> None:
    """Labels drawn from the chances scatter every metric about its estimate with the variance of outcomes."""
    random = np.random.default_rng(4)
    reference = Table(table_of(world(200_000, 5, wrong=0.0))[np.newaxis], SCORES)
    estimator = Confidence(reference)
    window = counted(1, len(SCORES), np.zeros(500, dtype=int), *_cells(world(500, 6)))[0]
    measures = estimator.estimate(Windows(window[np.newaxis]), ALL)
    positive = random.binomial(window[0], estimator.chance, size=(4000, *window[0].shape))
    drawn = np.stack([window[0] - positive, positive], axis=-1)
    for metric in ALL:
        values = pull_of(metric, drawn, SCORES)[0]
        assert values.mean() == pytest.approx(float(measures[metric].value[0]), abs=3e-3), metric
        assert values.var() == pytest.approx(float(measures[metric].outcome[0]), rel=0.12), metric


def test_the_reference_scatters_estimates_as_the_calibration_says() -> None:
    """References drawn again and again scatter the estimate with the variance of calibration."""
    window = counted(1, len(SCORES), np.zeros(800, dtype=int), *_cells(world(800, 7)))
    values, told = [], []
    for seed in range(150):
        reference = Table(table_of(world(3000, 1000 + seed, wrong=0.0))[np.newaxis], SCORES)
        measure = Confidence(reference).estimate(Windows(window), ["accuracy"])["accuracy"]
        values.append(float(measure.value[0]))
        told.append(float(measure.calibration[0]))
    assert np.var(values) == pytest.approx(np.mean(told), rel=0.5)


def _cells(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return rows.bin, rows.prediction


def test_confidence_is_right_where_scores_change_and_constant_is_not() -> None:
    """More doubtful scores lower the accuracy: the calibrated scores say by how much."""
    reference = Table(table_of(world(50_000, 8, wrong=0.0))[np.newaxis], SCORES)
    rows = world(50_000, 9, wrong=0.0)
    rows = rows.take(np.abs(rows.features[:, 0]) < 0.7)
    windows = Windows(counted(1, len(SCORES), np.zeros_like(rows.bin), rows.bin, rows.prediction))
    truth = float((rows.label == rows.prediction).mean())
    told = {
        one.name: one(reference).estimate(windows, ["accuracy"])["accuracy"] for one in (Confidence, Constant)
    }
    assert float(told["confidence"].value[0]) == pytest.approx(truth, abs=0.01)
    assert abs(float(told["constant"].value[0]) - truth) > 0.1


@pytest.mark.parametrize("name", ["leaves", "importance", "doubly_robust"])
def test_a_change_of_features_is_seen_through_them(name: str) -> None:
    """Where the window has more of the rows in which scores mislead, those that know the features say so."""
    reference, window = world(30_000, 10), world(2000, 11, shift=1.0)
    panel = Panel.of_rows(reference, SCORES, (name, "confidence"))
    windows = panel.windows(window, np.zeros_like(window.bin), 1)
    truth = realised(table_of(window)[np.newaxis], SCORES, ["accuracy", "roc_auc"])
    told = panel.estimate(windows, ["accuracy", "roc_auc"])
    for metric, value in truth.items():
        off = {one: abs(float(told[one][metric].value[0] - value[0])) for one in told}
        assert 0.03 < off["confidence"] > off[name] / 0.6, (metric, off)


def test_halfway_lies_halfway() -> None:
    """The mean of leaves and constant, metric by metric."""
    reference = world(5000, 12)
    panel = Panel.of_rows(reference, SCORES, tuple(BY_COUNTS))
    rows = world(600, 13)
    told = panel.estimate(panel.windows(rows, np.zeros_like(rows.bin), 1), ALL)
    for metric in ALL:
        ends = told["leaves"][metric].value + told["constant"][metric].value
        assert told["halfway"][metric].value == pytest.approx(ends / 2)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_keeps_its_word(name: str) -> None:
    """On windows like the reference each is unbiased, with variances of 0 or more, and NaN where there are no rows."""
    reference, n = world(20_000, 14), 30 if name in BY_COUNTS else 8
    rows = world(400 * n, 15)
    panel = Panel.of_rows(reference, SCORES, (name,))
    window = np.arange(400 * n) // 400
    windows = panel.windows(rows, window, n + 1)  # the last is empty
    labelled = counted(
        1, len(SCORES), np.zeros_like(rows.bin), rows.bin, rows.prediction, rows.label, window, n + 1
    )[:, 0]
    truth = realised(labelled, SCORES, ALL)
    before = windows.counts.copy()
    for metric, measure in panel.estimate(windows, ALL)[name].items():
        assert np.isnan(measure.value[-1])
        off = (truth[metric] - measure.value)[:-1]
        variance = (measure.outcome + measure.calibration + measure.weights)[:-1]
        assert (measure.outcome[:-1] > 0).all()
        assert (measure.calibration[:-1] >= 0).all()
        assert abs(off.mean()) < 5 * np.sqrt(variance.mean() / n) + 0.01, metric
        assert 0.15 < (off**2 / variance).mean() < 2.5, metric
    assert np.array_equal(before, windows.counts)


def test_tables_and_windows_add_up() -> None:
    """Counts of shards are those of the whole, and an estimator of their sum is that of all rows."""
    rows = world(4000, 16)
    leaves = partition(rows, SCORES)

    def table(part: Rows) -> Table:
        leaf = leaves.leaves(part.features)
        return Table(
            counted(len(leaves), len(SCORES), leaf, part.bin, part.prediction, part.label)[0], SCORES
        )

    odd = np.arange(4000) % 2 == 1
    both = table(rows.take(odd)) + table(rows.take(~odd))
    assert np.array_equal(both.counts, table(rows).counts)
    assert np.array_equal(Leaves(both).chance, Leaves(table(rows)).chance)


def test_weights_are_the_ratio_of_densities() -> None:
    """Between two normals a sd apart the weights follow exp(x - 1/2)."""
    reference, window = world(8000, 17), world(4000, 18, shift=1.0)
    weighting = Weighting.of(reference)
    weight = weighting.weights(window)
    truth = np.exp(weighting.rows.features[:, 1] - 0.5)
    assert weight.mean() == pytest.approx(1.0)
    assert np.corrcoef(np.log(weight), np.log(truth))[0, 1] > 0.95


def test_rows_unlike_the_reference_are_told_and_refused() -> None:
    """A value beyond the reference's, a new code and a value missing where none was put a row outside."""
    reference = world(5000, 19)
    coded = Rows(
        np.column_stack([reference.features, np.arange(5000) % 3]),
        reference.bin,
        reference.prediction,
        reference.label,
    )
    panel = Panel.of_rows(coded, SCORES, ("leaves",))
    rows = coded.take(np.arange(100))
    features = rows.features.copy()
    features[:10, 0], features[10:20, 1], features[20:37, 2] = 99.0, np.nan, 7.0
    window = Rows(features, rows.bin, rows.prediction, rows.label)
    support = support_of(panel.table, panel.windows(window, np.zeros(100, dtype=np.int64), 1))
    assert float(support.outside[0]) == pytest.approx(0.37)
    assert support.reasons[0] == "no estimate, 37% of the rows outside the reference's support"
    inside = support_of(panel.table, panel.windows(rows, np.zeros(100, dtype=np.int64), 2))
    assert inside.reasons.tolist() == [None, "no rows"]


def test_an_estimate_that_rests_on_few_rows_is_refused() -> None:
    """Where the window sits in a corner of which the reference has 40 rows, they are too few."""
    counts = np.zeros((2, 1, 2, 2), dtype=np.int64)
    counts[0, 0, 1], counts[1, 0, 1] = 5000, 20
    support = support_of(Table(counts, np.array([0.7])), Windows(np.array([[[[0, 0]], [[0, 500]]]])))
    assert support.reasons[0] == "no estimate, it would rest on 40 rows of the reference"


def test_a_rehearsal_sees_only_the_rest_of_the_reference() -> None:
    """Windows come in order, all of them, and what they came out as is what their rows say."""
    reference = world(6000, 20)
    told = rehearse(reference, SCORES, 300, ["accuracy"], ("confidence",))
    right = (reference.prediction == reference.label).reshape(20, 300).mean(axis=1)
    assert told.realised["accuracy"] == pytest.approx(right)
    assert len(told.measures["confidence"]["accuracy"].value) == 20
    with pytest.raises(ValueError, match="must make 10 windows"):
        rehearse(reference, SCORES, 1000, ["accuracy"], ("confidence",))
