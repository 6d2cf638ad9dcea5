"""What a run is told of its data and its evaluations: kept, judged, and compared with the run before and with what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.errors import DataError, SchemaError
from vedette.statistics.evaluation import rows_of
from vedette.statistics.row_losses import facts_of

N = 1500


@pytest.fixture
def monitor(tmp_path: Path) -> Any:
    with vedette.Monitor("net", lake=tmp_path) as made:
        yield made


def table(seed: int, n: int = N) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    return {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": (x[:, 0] + random.normal(size=n) > 0).astype(int)}


def named(monitor: vedette.Monitor, run: str) -> dict[str, Any]:
    return {one.diagnosis: one for one in monitor.diagnose(run) if one.named}


def test_losses_of_rows_are_those_of_scikit_learn() -> None:
    """The mean over groups is the mean over rows; groups are of the same rows for two models."""
    random = np.random.default_rng(1)
    y, p = random.integers(0, 2, 777), random.random(777)
    facts = facts_of(rows_of(y, probability=p))
    assert facts.loss == "log_loss"
    assert facts.counts.sum() == 777
    assert len(facts.counts) == 200
    assert np.average(facts.means, weights=facts.counts) == pytest.approx(log_loss(y, p), abs=1e-12)
    many = random.dirichlet([1, 1, 1], 777)
    labels = random.integers(0, 3, 777)
    of_three = facts_of(rows_of(labels, probability=many, classes=[0, 1, 2]))
    assert np.average(of_three.means, weights=of_three.counts) == pytest.approx(
        log_loss(labels, many), abs=1e-12
    )
    truth, told = random.normal(size=90), random.normal(size=90)
    squares = facts_of(rows_of(truth, told))
    assert squares.loss == "squared_error"
    np.testing.assert_allclose(np.sort(squares.means), np.sort((truth - told) ** 2))
    assert facts_of(rows_of(y, probability=1 - p)).rows == facts.rows
    assert facts_of(rows_of(y[::-1], probability=p)).rows != facts.rows


def test_rows_without_label_or_prediction_are_left_out() -> None:
    """And counted as such: they are in no group."""
    facts = facts_of(rows_of(["a", None, "b", "b"], ["a", "a", None, "a"]))
    assert facts.counts.sum() == 2
    assert np.average(facts.means, weights=facts.counts) == 0.5
    assert facts.n_predicted == 3
    assert facts.label_shares == {"a": 1 / 3, "b": 2 / 3}


def test_a_version_that_is_worse_than_the_last_is_named(monitor: vedette.Monitor) -> None:
    """On the same test rows, with the interval of the paired differences; a better one is not, nor one on other rows."""
    train, test = table(1), table(2)
    x, xt = (np.column_stack([one["a"], one["b"], one["c"]]) for one in (train, test))
    good = LogisticRegression().fit(x, train["y"]).predict_proba(xt)[:, 1]
    bad = LogisticRegression().fit(x[:, 1:], train["y"]).predict_proba(xt[:, 1:])[:, 1]
    other = table(3)
    for name, labels, p in (
        ("first", test["y"], good),
        ("worse", test["y"], bad),
        ("elsewhere", other["y"], np.full(N, 0.5)),
        ("again", test["y"], good),
    ):
        with monitor.run(name, environment=False) as run:
            run.evaluate("test", labels, probability=p)
    found = named(monitor, "worse")["worse_than_last"]
    rows = -np.log(np.where(test["y"] == 1, bad, 1 - bad)) + np.log(np.where(test["y"] == 1, good, 1 - good))
    assert found.value == pytest.approx(rows.mean(), abs=1e-9)
    theirs = stats.ttest_1samp(rows, 0).confidence_interval(1 - 0.02 / 18)
    assert found.low == pytest.approx(theirs.low, abs=0.2 * (theirs.high - theirs.low))
    assert f"{N} rows" in found.evidence
    for name in ("first", "elsewhere"):
        told = {one.diagnosis: one for one in monitor.diagnose(name)}["worse_than_last"]
        assert told.verdict == "UNKNOWN"
    again = {one.diagnosis: one for one in monitor.diagnose("again")}["worse_than_last"]
    assert again.verdict == "OK"  # compared with "worse", past the run that was evaluated on other rows
    assert again.value == pytest.approx(-rows.mean(), abs=1e-9)


def test_only_runs_before_are_compared_with(monitor: vedette.Monitor) -> None:
    """A run that failed is not judged by the one that came after it."""
    y = np.random.default_rng(1).integers(0, 2, 400)
    run = monitor.run("failed", environment=False)
    run.evaluate("test", y, probability=np.where(y == 1, 0.4, 0.6))
    run.end("failed")
    with monitor.run("later", environment=False) as run:
        run.evaluate("test", y, probability=np.where(y == 1, 0.9, 0.1))
    for name in ("failed", "later"):
        found = {one.diagnosis: one for one in monitor.diagnose(name)}["worse_than_last"]
        assert found.verdict == "UNKNOWN"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"a": np.zeros(5)}, "column 'b' is in the reference alone"),
        ({"a": np.zeros(5), "b": np.zeros(5), "zz": np.zeros(5)}, "column 'zz' is in training alone"),
        ({"a": ["x"] * 5, "b": np.zeros(5)}, "column 'a' is of type String, in the reference of Float64"),
    ],
)
def test_training_rows_have_the_columns_of_the_reference(
    monitor: vedette.Monitor, training: dict[str, Any], message: str
) -> None:
    """Else they would change what is normal, or compare with nothing."""
    with pytest.raises(SchemaError, match=message):
        monitor.reference({"a": np.arange(50.0), "b": np.arange(50.0)}, training=training)


def test_several_classes_need_no_names(monitor: vedette.Monitor) -> None:
    """A column a class, in the order of the labels, as ``run.evaluate`` has it."""
    y = np.random.default_rng(1).integers(0, 3, 400)
    p = np.random.default_rng(2).dirichlet([1, 1, 1], 400)
    with monitor.run("made", environment=False) as run:
        run.reference({"a": np.arange(400.0)}, y, prediction=p.argmax(axis=1), probability=p)
        with pytest.raises(ValueError, match=r"probability of shape \(400, 3\) and 2 classes"):
            run.reference({"a": np.arange(400.0)}, y % 2, probability=p)
    monitor.log({"a": 1.0}, 2, probability={"0": 0.2, "1": 0.2, "2": 0.6})
    monitor.flush()
    assert monitor.figures("rows", window="all")["value"].to_list() == [1.0]
    assert {f"probability_{name}" for name in "012"} <= set(
        monitor._lake().model("net")["grids"].scan().collect()["column"]
    )


def test_a_class_that_was_given_up_is_named(monitor: vedette.Monitor) -> None:
    """By the predictions on the validation set."""
    labels = np.random.default_rng(1).integers(0, 3, 900)
    with monitor.run("collapsed", environment=False) as run:
        run.evaluate("val", labels, np.where(labels == 2, 0, labels))
    assert named(monitor, "collapsed")["class_collapse"].layer == "2"


def test_the_data_that_goes_in_is_told(monitor: vedette.Monitor) -> None:
    """Rows that are in both sets, and a column that knows the label, are named; clean sets are not."""
    train, val = table(1), table(2)
    mixed = {name: np.concatenate([val[name], train[name][:400]]) for name in val}
    with monitor.run("leaks", environment=False) as run:
        found = run.data(train, validation=mixed, target="y")
    assert found.rows == {"train": N, "validation": N + 400}
    told = named(monitor, "leaks")["leakage"]
    assert told.evidence == f"400 of {N + 400} validation rows are in the training set"
    with monitor.run("knows", environment=False) as run:
        run.data({**train, "late": train["y"] * 2.0}, validation={**val, "late": val["y"] * 2.0}, target="y")
    assert "feature late alone" in named(monitor, "knows")["leakage"].evidence
    with monitor.run("clean", environment=False) as run:
        run.data(train, validation=val, target="y")
    assert named(monitor, "clean") == {}
    clean = {one.diagnosis: one for one in monitor.diagnose("clean")}["leakage"]
    assert clean.verdict == "OK"
    shown = CliRunner().invoke(app, ["run", "net", "leaks", "--lake", str(monitor._location)])
    assert f"data: train {N:,}, validation {N + 400:,} rows; ALARM 400 of {N + 400:,} rows" in " ".join(
        shown.output.split()
    )


def test_the_validation_set_becomes_the_reference_in_one_line(monitor: vedette.Monitor) -> None:
    """Drift is measured from it; the skew between training and serving from the training rows that came with it."""
    train, val = table(1), table(2)
    val["a"] = val["a"] + 1.0  # the validation set is of another time than the training set
    features = [{name: one[name] for name in "abc"} for one in (train, val)]
    with monitor.run("made", environment=False) as run:
        p = 1 / (1 + np.exp(-val["a"]))
        run.reference(
            features[1], val["y"], probability=p, prediction=(p > 0.5).astype(int), training=features[0]
        )
    served = table(3)
    served["a"] = served["a"] + 1.0
    for at in range(N):
        monitor.log({name: float(served[name][at]) for name in "abc"}, 1, id=str(at))

    def shift(**asked: Any) -> float:
        frame = monitor.figures("wasserstein", feature="a", window="all", **asked)
        assert frame["reason"].to_list() == [None]
        return float(frame["value"][0])

    from_reference, from_training = shift(), shift(against="training")
    assert from_training == pytest.approx(stats.wasserstein_distance(served["a"], train["a"]), abs=0.05)
    assert abs(from_reference) < 0.15
    assert from_training == pytest.approx(1.0, abs=0.15)
    monitor.flush()
    assert shift() == pytest.approx(from_reference, abs=1e-12)
    assert shift(against="training") == pytest.approx(from_training, abs=1e-12)
    quiet = monitor.figures("wasserstein", feature="b", window="all", against="training")
    assert abs(quiet["value"][0]) < 0.15
    with pytest.raises(ValueError, match="against='train': must be reference or training"):
        monitor.figures("psi", against="train")


def test_a_reference_without_training_rows_says_so(monitor: vedette.Monitor) -> None:
    """And arrays need names, lengths that agree, and columns that are not given twice."""
    val = table(2)
    x = np.column_stack([val["a"], val["b"]])
    with monitor.run("made", environment=False) as run:
        run.reference(
            x, val["y"], probability=np.column_stack([1 - val["a"] * 0, val["a"] * 0]), names=["a", "b"]
        )
        with pytest.raises(DataError, match="the reference in force came without training rows"):
            monitor.figures("wasserstein", against="training")
        with pytest.raises(
            ValueError, match=r"x of shape \(1500, 2\) and no names: names must be the 2 columns'"
        ):
            run.reference(x, val["y"])
        with pytest.raises(ValueError, match="label of 10 rows: must be 1500"):
            run.reference(x, val["y"][:10], names=["a", "b"])
        with pytest.raises(ValueError, match="label: is given, and x has a column of that name"):
            run.reference({"a": val["a"], "label": val["y"]}, val["y"])
