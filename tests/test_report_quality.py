"""How good the predictions of two files are: figures against scikit-learn, and what is judged."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from vedette.engine.two_files.run import report
from vedette.output.comparison import Comparison
from vedette.records import Status

N = 3000


def value(found: Comparison, metric: str, segment: str = "") -> float:
    """The current value of a figure."""
    one = next(one for one in found.figures if (one.metric, one.segment) == (metric, segment))
    assert one.current.value is not None, one.current.reason
    return one.current.value


def binary(seed: int, noise: float = 1.0) -> dict[str, np.ndarray]:
    """Labels, probabilities that know of them, and the predictions they lead to."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, N)
    label = (rng.random(N) < 1 / (1 + np.exp(-logit))).astype(int)
    seen = 1 / (1 + np.exp(-(logit + rng.normal(0, noise, N))))
    return {"label": label, "probability": seen, "prediction": (seen > 0.5).astype(int)}


def test_a_regression_is_told_as_scikit_learn_does() -> None:
    """Errors and explained variance to 1e-9, of all rows and of a segment."""
    rng = np.random.default_rng(0)
    label = rng.normal(50, 10, N)
    prediction, side = label + rng.normal(1, 3, N), rng.choice(["a", "b"], N)
    found = report({"label": label, "prediction": prediction, "side": side}, by="side")
    for metric, wanted in (
        ("mae", metrics.mean_absolute_error(label, prediction)),
        ("rmse", np.sqrt(metrics.mean_squared_error(label, prediction))),
        ("r2", metrics.r2_score(label, prediction)),
        ("mape", metrics.mean_absolute_percentage_error(label, prediction)),
        ("quantile_loss_p90", metrics.mean_pinball_loss(label, prediction, alpha=0.9)),
    ):
        assert value(found, metric) == pytest.approx(wanted, rel=1e-9)
    held = side == "b"
    wanted = metrics.mean_absolute_error(label[held], prediction[held])
    assert value(found, "mae", "side=b") == pytest.approx(wanted, rel=1e-9)


def test_three_classes_are_told_as_scikit_learn_does() -> None:
    """Averages, classes, log loss to 1e-9; the area to a thousandth."""
    rng = np.random.default_rng(1)
    chances = rng.dirichlet([2, 2, 2], N)
    label = np.array([rng.choice(3, p=one) for one in chances])
    prediction, names = chances.argmax(axis=1), np.array(list("abc"))
    scores = {f"probability_{name}": chances[:, at] for at, name in enumerate(names)}
    found = report({"label": names[label], "prediction": names[prediction], **scores})
    for metric, wanted in (
        ("accuracy", metrics.accuracy_score(label, prediction)),
        ("f1_macro", metrics.f1_score(label, prediction, average="macro")),
        ("precision_weighted", metrics.precision_score(label, prediction, average="weighted")),
        ("recall[b]", metrics.recall_score(label, prediction, average=None)[1]),
        ("log_loss", metrics.log_loss(label, chances)),
        ("matthews", metrics.matthews_corrcoef(label, prediction)),
    ):
        assert value(found, metric) == pytest.approx(wanted, rel=1e-9)
    area = metrics.roc_auc_score(label, chances, multi_class="ovr")
    assert value(found, "roc_auc") == pytest.approx(area, abs=1e-3)
    assert found.confusion is not None
    assert found.confusion.counts == tuple(map(tuple, metrics.confusion_matrix(label, prediction).tolist()))


def test_worse_scores_are_an_alarm_without_predictions() -> None:
    """Labels and probabilities alone: a model that knows less is named by its areas and its losses."""
    now, before = ({k: v for k, v in binary(*a).items() if k != "prediction"} for a in ((0, 4.0), (1, 0.5)))
    found = report(now, before)
    named = {one.metric for one in found.figures if one.changed}
    assert (found.verdict, named) == (Status.ALARM, {"roc_auc", "average_precision", "log_loss", "brier"})


def test_scores_of_the_same_quality_are_not_named() -> None:
    """Of 40 reports of one model on two months, at most 4 name any figure (0.05 each are meant to)."""
    loud = [
        any(one.changed for one in report(binary(seed), binary(1000 + seed)).figures) for seed in range(40)
    ]
    assert sum(loud) <= 4


def test_scores_of_the_other_class_are_told() -> None:
    """An area below chance asks whose probability it is."""
    now = binary(0)
    found = report({**now, "probability": 1 - now["probability"]}, binary(1))
    assert any("is the probability that of the other class?" in one.words for one in found.findings)


@pytest.mark.parametrize("name", ["probability_of_rain", "probabilityx"])
def test_features_with_such_a_name_are_features(name: str) -> None:
    """What a regression is given may be a probability; it makes no classes."""
    rng = np.random.default_rng(0)
    label = rng.normal(size=N)
    found = report({"label": label, "prediction": label + rng.normal(size=N), name: rng.random(N)})
    assert value(found, "mae") > 0


def test_segments_whose_spelling_is_alike_stay_apart() -> None:
    """A value that holds a comma and an equals sign is quoted."""
    now = binary(0)
    half = np.arange(N) < N // 2
    x, y = np.where(half, "1, y=2", "1"), np.where(half, "3", "2, y=3")
    found = report({**now, "x": x, "y": y}, by=("x", "y"))
    assert len({one.segment for one in found.figures} - {""}) == 2


def test_a_page_cannot_take_the_place_of_its_data(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The file that is compared is refused as the page's, and left as it was."""
    file = tmp_path / "a.csv"
    file.write_text("x\n1\n2\n")
    with pytest.raises(ValueError, match="is one of the files that are compared"):
        report(file, html=file)
    assert file.read_text() == "x\n1\n2\n"


def test_segments_that_are_numbers_stand_by_size_and_missing_ones_last() -> None:
    """Nine comes before ten, as in figures of a lake."""
    store = np.tile([10.0, 9.0, np.nan], N // 3)
    found = report({**binary(5), "store": store}, by="store")
    told = list(dict.fromkeys(one.segment for one in found.figures))
    assert told == ["", "store=9", "store=10", "store=null"]


def three(recall: tuple[float, float, float], seed: int) -> dict[str, np.ndarray]:
    """Three classes of 1,000 labels, each found so often, else called the class after it."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(3), 1000)
    right = rng.random(3000) < np.array(recall)[label]
    names = np.array(list("abc"))
    order = rng.permutation(3000)
    return {"label": names[label][order], "prediction": names[np.where(right, label, (label + 1) % 3)][order]}


def test_a_class_that_is_found_less_is_an_alarm_at_the_same_accuracy() -> None:
    """What one class loses another may gain: the accuracy does not say so, the recalls do."""
    found = report(three((0.5, 0.75, 1.0), 0), three((1.0, 0.75, 0.5), 1))
    named = {one.metric for one in found.figures if one.changed}
    assert found.verdict is Status.ALARM
    assert {"recall[a]", "recall[c]"} <= named
    assert "accuracy" not in named


def series(seed: int, phi: float) -> np.ndarray:
    """Normal numbers of which each is like the one before it."""
    noise = np.random.default_rng(seed).normal(0, np.sqrt(1 - phi**2), N)
    for place in range(1, N):
        noise[place] += phi * noise[place - 1]
    return noise


def test_a_bias_is_judged_by_the_dependence_of_signed_errors() -> None:
    """Errors that stay on one side for long depend more than their sizes do: of 40 quiet reports 4 name it at most."""
    loud = 0
    for seed in range(40):
        now, before = (
            {"label": np.arange(N) % 97 * 1.5, "prediction": np.arange(N) % 97 * 1.5 + series(at, 0.9)}
            for at in (seed, 1000 + seed)
        )
        loud += any(one.metric == "bias" and one.changed for one in report(now, before).figures)
    assert loud <= 4


def test_scores_without_predictions_are_judged_by_their_dependence() -> None:
    """Probabilities alone tell how far rows depend on each other, too."""
    rng, logit = np.random.default_rng(0), series(3, 0.99)
    label = (rng.random(N) < 1 / (1 + np.exp(-(2 * series(4, 0.99))))).astype(int)
    now = {"label": label, "probability": 1 / (1 + np.exp(-logit))}
    assert any("log_loss" in note for note in report(now, now).notes)


def test_a_regression_may_have_a_feature_named_probability() -> None:
    """Fractional labels and predictions are no classes whatever else there is; a note says so."""
    rng = np.random.default_rng(0)
    label = rng.normal(size=N)
    found = report({"label": label, "prediction": label + rng.normal(size=N), "probability": rng.random(N)})
    assert value(found, "mae") > 0
    assert any("`probability` is not used" in note for note in found.notes)


def test_a_score_in_the_place_of_predictions_is_said() -> None:
    """Labels of 0 and 1 with fractions as predictions are a regression, and a note names the place of scores."""
    now = binary(0)
    found = report({"label": now["label"], "prediction": now["probability"]})
    assert value(found, "mae") > 0
    assert any("a score goes into `probability`" in note for note in found.notes)


def test_percent_are_said_to_lie_outside() -> None:
    """Scores of 0 to 100 are no probabilities; how many rows are left out is told."""
    now = binary(0)
    found = report({**now, "probability": 100 * now["probability"]})
    assert any("lie outside 0 to 1" in note for note in found.notes)


def test_segments_without_labels_are_said_to_be_none() -> None:
    """Segments are those of the model's figures, of which there are none."""
    found = report({"x": np.arange(N) * 0.5, "side": np.tile(["a", "b"], N // 2)}, by="side")
    assert any("The segments of side" in note for note in found.notes)


def test_the_probability_of_the_first_class_tells_that_of_the_second() -> None:
    """With ``probability_<first>`` alone the second class has what is left of 1; a named column comes before a plain one."""
    now = binary(0)
    p = now.pop("probability")
    wanted = value(report({**now, "probability": p}), "log_loss")
    assert value(report({**now, "probability_0": 1 - p}), "log_loss") == pytest.approx(wanted)
    both = {**now, "probability_1": p, "probability": np.full(N, 0.5)}
    assert value(report(both), "log_loss") == pytest.approx(wanted)


def test_a_small_error_beside_a_large_one_is_not_called_none() -> None:
    """Labels in another unit: the reference's error keeps its own digits."""
    rng = np.random.default_rng(3)
    label = rng.gamma(2, 10, N)
    rows = {"label": label, "prediction": label + rng.normal(size=N)}
    found = report(rows | {"label": 1000 * label}, rows)
    told = next(one.words for one in found.findings if one.about == "mae")
    assert told.startswith(f"{np.abs(rows['prediction'] - label).mean():.2f}"[:3])


@pytest.mark.parametrize("names", [(0, 1), ("no", "yes")], ids=["numbers", "names"])
def test_scores_in_the_place_of_predictions_leave_the_figures_of_probabilities(
    names: tuple[object, object],
) -> None:
    """Labels are classes, predictions are fractions: they are left out and said to be, the probabilities are judged."""
    rng = np.random.default_rng(1)
    truth = rng.random(2000) < 0.3
    score = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1)
    rows = {"label": np.where(truth, names[1], names[0]), "prediction": score, "probability": score}
    found = report(rows, rows)
    values = {one.metric: one.current.value for one in found.figures}
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, score), abs=0.001)
    assert values["accuracy"] is None
    assert any(note.startswith("`prediction` holds fractions and labels are classes") for note in found.notes)


def test_a_feature_that_is_called_probability_takes_no_figures() -> None:
    """Ratings and fractional predictions are a regression, whatever the probability of rain."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 2000)
    rows = {
        "label": label,
        "prediction": label * 0.5 + rng.random(2000),
        "probability_of_rain": rng.random(2000),
    }
    found = report(rows, rows)
    assert value(found, "mae") == pytest.approx(np.abs(rows["prediction"] - label).mean())
    assert found.verdict is Status.OK


def test_segments_of_predictions_that_are_left_out_have_no_accuracy() -> None:
    """Rounded scores are no classes, though 0 and 1 are among them."""
    rng = np.random.default_rng(1)
    truth = rng.random(3000) < 0.4
    score = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1)
    rows = {"label": truth.astype(int), "prediction": np.round(score, 1), "probability": score}
    found = report(rows, rows, by=["prediction"])
    assert all(one.current.value is None for one in found.figures if one.metric == "accuracy")
