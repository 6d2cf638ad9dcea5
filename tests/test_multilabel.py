"""Several labels a row: scikit-learn's figures, shards, intervals that hold, and what is refused."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn import metrics

from vedette.statistics.clusters import Clustered
from vedette.statistics.multilabel import MultilabelSummary, multilabel_figures, summarise_multilabel


def rows(n: int = 300, labels: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, predictions and scores; labels of a row hang together, scores tie, some rows have none of all labels."""
    rng = np.random.default_rng(seed)
    mood = rng.normal(size=(n, 1))
    chance = 1 / (1 + np.exp(-(mood + np.linspace(-2, 1, labels))))
    truth = rng.uniform(size=(n, labels)) < chance
    scores = np.round(0.6 * truth + 0.3 * chance + rng.normal(0, 0.2, (n, labels)), 1)
    truth[0], scores[1] = False, 0.5
    return truth.astype(int), (scores > 0.45).astype(int), scores


SKLEARN = {
    "subset_accuracy": metrics.accuracy_score,
    "hamming_loss": metrics.hamming_loss,
    **{
        f"{name}_{average}": lambda t, p, f=function, a=average: f(t, p, average=a, zero_division=0)
        for name, function in (
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
            ("f1", metrics.f1_score),
            ("jaccard", metrics.jaccard_score),
        )
        for average in ("micro", "macro", "weighted", "samples")
    },
}


@pytest.mark.parametrize("name", SKLEARN)
def test_figures_of_labels_are_those_of_scikit_learn(name: str) -> None:
    """On random rows, some without a label."""
    truth, prediction, _ = rows()
    found = multilabel_figures(summarise_multilabel(truth, prediction))[name]
    assert found.value == pytest.approx(SKLEARN[name](truth, prediction), abs=1e-12)
    assert found.low < found.value < found.high


def test_figures_of_scores_are_those_of_scikit_learn() -> None:
    """Ties, and rows with no label or all of them, included."""
    truth, prediction, scores = rows()
    truth[5] = 1
    found = multilabel_figures(summarise_multilabel(truth, prediction, scores))
    expected = metrics.label_ranking_average_precision_score(truth, scores)
    assert found["label_ranking_average_precision"].value == pytest.approx(expected, abs=1e-12)
    assert found["coverage_error"].value == pytest.approx(metrics.coverage_error(truth, scores), abs=1e-12)


def test_figures_of_scores_are_those_of_loops() -> None:
    """By the definitions, row by row."""
    truth, prediction, scores = rows(60, 4, seed=3)
    average, coverage = [], []
    for true, score in zip(truth, scores, strict=True):
        own = np.flatnonzero(true)
        each = [(score[own] >= score[j]).sum() / (score >= score[j]).sum() for j in own]
        average.append(np.mean(each) if 0 < len(own) < 4 else 1.0)
        coverage.append(max(((score >= score[j]).sum() for j in own), default=0))
    found = multilabel_figures(summarise_multilabel(truth, prediction, scores))
    assert found["label_ranking_average_precision"].value == pytest.approx(np.mean(average), abs=1e-12)
    assert found["coverage_error"].value == pytest.approx(np.mean(coverage), abs=1e-12)


def test_a_label_that_does_not_occur_is_in_no_plain_average() -> None:
    """As scikit-learn has it over the labels that do."""
    truth, prediction, _ = rows()
    truth[:, 2], prediction[:, 2] = 0, 0
    found = multilabel_figures(summarise_multilabel(truth, prediction))["f1_macro"].value
    kept = [0, 1, 3, 4, 5]
    assert found == pytest.approx(
        metrics.f1_score(truth, prediction, labels=kept, average="macro"), abs=1e-12
    )


def test_shards_in_any_order_are_the_whole() -> None:
    """Counts to the bit, sums to rounding."""
    truth, prediction, scores = rows()
    whole = summarise_multilabel(truth, prediction, scores)
    parts = [summarise_multilabel(truth[i::3], prediction[i::3], scores[i::3]) for i in range(3)]
    expected = multilabel_figures(whole)
    for order in permutations(parts):
        added = order[0] + order[1] + order[2]
        assert (added.rows, added.exact, added.clustered) == (whole.rows, whole.exact, whole.clustered)
        assert np.array_equal(added.counts, whole.counts)
        assert added.crossed is not None
        assert np.array_equal(added.crossed, whole.crossed)
        for name, figure in multilabel_figures(added).items():
            assert (figure.value, figure.low) == pytest.approx(
                (expected[name].value, expected[name].low), abs=1e-12
            )


def drawn(rng: np.random.Generator, n: int) -> MultilabelSummary:
    """Rows of five labels that hang together, the first of 70 % of rows and the last of 10 %, guessed right mostly."""
    mood = rng.normal(size=(n, 1))
    truth = mood + rng.normal(size=(n, 5)) > np.array([-0.75, -0.3, 0.4, 1.0, 1.8])
    wrong = rng.uniform(size=(n, 5)) < np.where(mood > 0, 0.25, 0.1)
    return summarise_multilabel(truth, truth ^ wrong)


def test_intervals_hold_the_truth() -> None:
    """Of 120 samples of 120 rows, at least 0.89 do, whatever the figure."""
    rng = np.random.default_rng(6)
    truth = multilabel_figures(drawn(rng, 400_000))
    held = dict.fromkeys(SKLEARN, 0)
    for _ in range(120):
        found = multilabel_figures(drawn(rng, 120))
        for name in held:
            held[name] += found[name].low <= truth[name].value <= found[name].high
    assert {name: count / 120 for name, count in held.items() if count < 0.89 * 120} == {}


def test_rows_of_a_cluster_that_are_all_alike_are_one() -> None:
    """The interval of 100 rows in 20 clusters is that of about 20 rows, of 100 rows apart that of 100."""
    alike = Clustered.of([5] * 12 + [0] * 8, [5] * 20).share(0.95)
    apart = Clustered.of([1] * 60 + [0] * 40, [1] * 100).share(0.95)
    assert alike.value == apart.value == 0.6
    assert alike.high - alike.low > 2 * (apart.high - apart.low)


def test_many_labels_are_not_crossed() -> None:
    """The average over 201 labels has an interval that takes them as always, wider than it need be."""
    truth, prediction, _ = rows(200, 201)
    wide = summarise_multilabel(truth, prediction)
    assert wide.crossed is None
    found = multilabel_figures(wide)["precision_macro"]
    kept = metrics.precision_score(truth, prediction, average="macro", zero_division=0)
    assert found.value == pytest.approx(kept, abs=1e-12)
    few = multilabel_figures(summarise_multilabel(truth[:, :200], prediction[:, :200]))["precision_macro"]
    assert found.high - found.low > few.high - few.low


def test_few_rows_are_reasons() -> None:
    """Nine rows, no rows, no labels, and few rows to a label."""
    truth, prediction, _ = rows(9)
    found = multilabel_figures(summarise_multilabel(truth, prediction))
    assert found["subset_accuracy"].reason == "fewer than 10: 9 rows"
    assert found["coverage_error"].reason == "fewer than 10: 0 rows with scores"
    assert (found["f1_macro"].reason or "").startswith("fewer than 10 rows")
    empty = multilabel_figures(summarise_multilabel(np.zeros((0, 3)), np.zeros((0, 3))))
    assert not any(figure.known for figure in empty.values())
    nothing = multilabel_figures(summarise_multilabel(np.zeros((50, 3)), np.zeros((50, 3))))
    assert nothing["precision_micro"].reason == "no predicted labels"
    assert nothing["recall_macro"].reason == "no label occurs"
    assert nothing["f1_weighted"].reason == "no true labels"
    once = np.eye(20, dtype=int)
    assert multilabel_figures(summarise_multilabel(once, once))["recall_macro"].reason == (
        "fewer than 5 rows to a label that occurs"
    )


def test_a_nan_score_leaves_its_row_out() -> None:
    """Of figures of scores alone."""
    truth, prediction, scores = rows()
    scores[7, 2] = np.nan
    found = multilabel_figures(summarise_multilabel(truth, prediction, scores))
    assert (found["coverage_error"].n, found["hamming_loss"].n) == (299, 300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 2]], [[0, 1]]), "truth: 2: must be 0 or 1"),
        (([[0, 1]], [[0, np.nan]]), "predictions: nan: must be 0 or 1"),
        (([[0, 1]], [[0, 1, 1]]), "must be the same"),
        (([0, 1], [0, 1]), r"truth of shape \(2,\): must be \[rows, labels\]"),
        (([[0, 1]], [[0, 1]], [[0.5]]), r"scores of shape \(1, 1\): must be \(1, 2\)"),
        (([[0, 1]], [[0, 1]], None, ["a", "a"]), "must be 2 different names"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple, message: str) -> None:
    """What is wrong, its value, and what would be right."""
    with pytest.raises(ValueError, match=message):
        summarise_multilabel(*arguments)


def test_other_labels_do_not_add_up() -> None:
    """Nor do the same in another order."""
    one = summarise_multilabel([[0, 1]], [[0, 1]], labels=["a", "b"])
    with pytest.raises(ValueError, match="must be the same"):
        one + summarise_multilabel([[0, 1]], [[0, 1]], labels=["b", "a"])
