"""Quality without labels of more than two classes: against scikit-learn, simulation, and through the monitor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.statistics.unlabelled import (
    SEVERAL_METRICS,
    ClassTable,
    Several,
    blend_several,
    pull_of_several,
)

N = 600
NAMES = np.array(["cat", "dog", "eel"])
CONFUSED = np.array(
    [[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.05, 0.25, 0.7]]
)  # chance of a label by prediction
MIX = np.array([0.5, 0.3, 0.2])


def drawn(
    random: np.random.Generator, n: int, mix: np.ndarray = MIX, chances: np.ndarray = CONFUSED
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels by number."""
    prediction = random.choice(3, n, p=mix)
    return prediction, (random.random(n)[:, np.newaxis] > np.cumsum(chances[prediction], axis=1)).sum(axis=1)


def table_of(prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
    counts = np.zeros((4, 4), dtype=np.int64)
    np.add.at(counts, (prediction, label), 1)
    return counts


def said_by_sklearn(metric: str, prediction: np.ndarray, label: np.ndarray) -> float:
    if metric == "accuracy":
        return float(sk.accuracy_score(label, prediction))
    if metric == "balanced_accuracy":
        return float(sk.recall_score(label, prediction, average="macro", labels=np.unique(label)))
    score = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}[metric]
    return float(score(label, prediction, average="macro", zero_division=0))


@pytest.mark.parametrize("metric", SEVERAL_METRICS)
def test_values_are_scikit_learn_s_and_derivatives_those_of_differences(metric: str) -> None:
    """Of 20 tables, some without a class among labels or predictions; a count more moves the metric by its derivative."""
    random = np.random.default_rng(0)
    for number in range(20):
        prediction, label = drawn(random, 60)
        prediction = np.where((prediction == 2) & (number % 3 == 0), 1, prediction)
        label = np.where((label == 0) & (number % 5 == 0), 1, label)
        table = table_of(prediction, label)
        value, pull = pull_of_several(metric, table)
        assert float(value) == pytest.approx(said_by_sklearn(metric, prediction, label), abs=1e-12)
        if number % 15:
            continue
        for cell in zip(*np.nonzero(table), strict=True):
            step = np.zeros((4, 4))
            step[cell] = 1e-4
            ends = [float(pull_of_several(metric, table + sign * step)[0]) for sign in (1, -1)]
            assert pull[cell] == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-7), cell


@pytest.mark.parametrize("metric", SEVERAL_METRICS)
def test_estimates_follow_the_predicted_classes_and_vary_as_they_say(metric: str) -> None:
    """With another mix of predictions 300 windows come out as expected, on average and in their squares; the constant
    stays where the reference is, and halfway lies between."""
    random = np.random.default_rng(1)
    reference = ClassTable(table_of(*drawn(random, 50_000)))
    mix = np.array([0.1, 0.2, 0.7])
    tables = np.stack([table_of(*drawn(random, 800, mix)) for _ in range(300)])
    truth, _ = pull_of_several(metric, tables)
    found = Several(reference).estimate(tables.sum(axis=2), [metric])
    one, middle, constant = (found[name][metric] for name in ("by_prediction", "halfway", "constant"))
    assert one.value.mean() == pytest.approx(truth.mean(), abs=0.004)
    assert 0.8 < ((truth - one.value) ** 2 / (one.outcome + one.calibration)).mean() < 1.25
    np.testing.assert_allclose(constant.value, pull_of_several(metric, reference.counts)[0])
    # of what was predicted as a class as much is right as ever: precision is the one that does not move
    assert (abs(constant.value[0] - truth.mean()) > 0.02) == (metric != "precision")
    np.testing.assert_allclose(middle.value, (one.value + constant.value) / 2)


def test_constant_varies_as_windows_of_the_reference_do() -> None:
    """Of 300 windows of the reference's own mix the squared errors are what the variance says, of each metric."""
    random = np.random.default_rng(2)
    reference = ClassTable(table_of(*drawn(random, 100_000)))
    tables = np.stack([table_of(*drawn(random, 800)) for _ in range(300)])
    for metric in SEVERAL_METRICS:
        one = Several(reference).estimate(tables.sum(axis=2), [metric])["constant"][metric]
        off = (pull_of_several(metric, tables)[0] - one.value) ** 2
        assert 0.8 < (off / (one.outcome + one.calibration)).mean() < 1.25, metric


def test_chances_add_up_whatever_was_seen() -> None:
    """A class that was never predicted, or is the only label, has chances that add up to 1, and tables add up."""
    never = np.zeros((4, 4), dtype=np.int64)
    never[0, 0], never[1, 1] = 40, 20
    alone = np.zeros((4, 4), dtype=np.int64)
    alone[0, 0] = 30
    for counts in (never, alone):
        chances = ClassTable(counts).chances
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        assert (chances >= 0).all()
    assert (ClassTable(never) + ClassTable(alone)).counts[0, 0] == 70
    with pytest.raises(ValueError, match="no labelled rows"):
        ClassTable(np.zeros((4, 4), dtype=np.int64))


def test_outside_of_what_the_reference_predicts_there_is_no_estimate() -> None:
    """A window of which a third is predicted as what the reference never says."""
    counts = table_of(*drawn(np.random.default_rng(3), 5000))
    counts[2] = 0
    (reason,) = Several(ClassTable(counts)).support([[200, 100, 150, 0]]).reasons
    assert reason == "no estimate, 33% of the rows outside the reference's support"


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_some_labels_pass_into_all_of_them(metric: str) -> None:
    """From the estimate without labels to the figure of all; of 400 windows 0.9 intervals hold 0.87 and more between."""
    random = np.random.default_rng(4)
    chances = ClassTable(table_of(*drawn(random, 50_000))).chances
    pairs = [drawn(random, 500) for _ in range(400)]
    whole = np.stack([table_of(*pair) for pair in pairs]).astype(np.float64)
    truth = pull_of_several(metric, whole)[0]
    free, spread = np.full(400, truth.mean()), np.full(400, truth.var())
    for share in (0.0, 0.1, 0.4, 1.0):
        part = np.stack([table_of(*(one[: int(share * 500)] for one in pair)) for pair in pairs])
        found = blend_several(metric, whole.sum(axis=2), part.astype(np.float64), chances, free, spread)
        held = ((found.low <= truth) & (truth <= found.high)).mean()
        assert held >= 0.87, share
        if share in (0.0, 1.0):
            np.testing.assert_allclose(found.value, truth if share else free)


class Animals:
    """A model of three classes without probabilities, with a reference, whose days have as many labels as are said."""

    def __init__(self, folder: Path) -> None:
        self.now, self.folder, self.random = START, folder, np.random.default_rng(5)
        self.monitor = vedette.Monitor("m", lake=folder, window="1d", clock=lambda: self.now.timestamp())
        self.monitor.reference(self.rows(6000).drop("id"))
        self.round()
        self.days: list[pl.DataFrame] = []

    def rows(self, n: int = N, mix: np.ndarray = MIX) -> pl.DataFrame:
        prediction, label = drawn(self.random, n, mix)
        return pl.DataFrame(
            {
                "id": [f"{self.random.integers(1 << 60)}" for _ in range(n)],
                "region": self.random.choice(["n", "s"], n),
                "prediction": NAMES[prediction],
                "label": NAMES[label],
            }
        )

    def day(self, share: float, mix: np.ndarray = MIX) -> None:
        frame = self.rows(mix=mix)
        at = [self.now + DAY * (i / N) for i in range(N)]
        some = frame.head(round(share * N)).select("id", "label")
        self.now += DAY - timedelta(minutes=1)
        self.monitor.log_many(frame.drop("label").with_columns(time=pl.Series(at)))
        if some.height:
            self.monitor.label_many(some)
        self.now += timedelta(minutes=1)
        self.days.append(frame)

    def round(self) -> None:
        cycle.once(Lake.at(self.folder), models=["m"])

    def truth(self, metric: str) -> list[float]:
        code = {name: number for number, name in enumerate(NAMES)}
        return [
            said_by_sklearn(
                metric,
                *(np.array([code[one] for one in day[column]]) for column in ("prediction", "label")),
            )
            for day in self.days
        ]


def test_windows_of_several_classes_are_measured_blended_or_estimated(tmp_path: Path) -> None:
    """Intervals hold the truth, a change of what is predicted is seen before labels, journals and lake say the same."""
    model = Animals(tmp_path)
    odd = np.array([0.05, 0.15, 0.8])
    for share, mix in ((1.0, MIX), (1.0, MIX), (0.4, MIX), (0.0, MIX), (0.0, odd)):
        model.day(share, mix)
    fresh = model.monitor.figures(SEVERAL_METRICS, estimate=True)
    model.round()
    found = model.monitor.figures(SEVERAL_METRICS, estimate=True)
    assert found.equals(fresh)
    for metric in SEVERAL_METRICS:
        own = found.filter(pl.col("metric") == metric)
        assert own["kind"].to_list() == ["measured"] * 2 + ["blended"] + ["estimated"] * 2
        truth = model.truth(metric)
        assert own["value"].to_list()[:2] == pytest.approx(truth[:2])
        held = [row["low"] <= right <= row["high"] for row, right in zip(own.to_dicts(), truth, strict=True)]
        assert all(held), (metric, own, truth)
        assert (own["high"] - own["low"])[4] < 0.3
        assert own["note"][3].startswith("by prediction; over")
    accuracy = found.filter(pl.col("metric") == "accuracy")["value"].to_list()
    assert accuracy[4] < accuracy[3] - 0.02
    model.monitor.close()


def test_several_classes_by_segment(tmp_path: Path) -> None:
    """A segment with ten windows of labels is told by its own record."""
    model = Animals(tmp_path)
    for share in [1.0] * 11 + [0.0]:
        model.day(share)
    model.round()
    found = model.monitor.figures("accuracy", estimate=True, by="region").filter(pl.col("labelled") == 0)
    assert found["segment"].to_list() == ["region=n", "region=s"]
    assert all("windows of this segment whose labels have come" in note for note in found["note"])
    last = model.days[-1]
    for row in found.to_dicts():
        own = last.filter(pl.col("region") == row["segment"].removeprefix("region="))
        assert row["low"] <= float((own["label"] == own["prediction"]).mean()) <= row["high"]  # type: ignore[arg-type]
    model.monitor.close()
