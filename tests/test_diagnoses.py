"""What single diagnoses say, against answers found in another way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vedette.records import Status
from vedette.strategy.training import (
    DIAGNOSES,
    LEVEL,
    Split,
    Training,
    best,
    chance_loss,
    count_duplicates,
    diagnose,
    larger_is_better,
    should_stop,
)
from vedette.strategy.training.curves import blocks, difference, mean, slope, thinned
from vedette.strategy.training.split_gap import gap

OWN = LEVEL / len(DIAGNOSES)


def autoregression(random, r, runs, n):
    """Series of mean 0 in which neighbours correlate by r."""
    noise = random.normal(size=(runs, n))
    for at in range(1, n):
        noise[:, at] += r * noise[:, at - 1]
    return noise


@pytest.mark.parametrize("r", [0.0, 0.5, 0.8])
def test_means_hold_the_truth_whatever_hangs_together(r: float) -> None:
    """The 95 % interval of a mean holds the true one in 90 % or more of autoregressions."""
    rows = autoregression(np.random.default_rng(1), r, 600, 300)
    inside = [one.low <= 0 <= one.high for one in (mean(row[50:], 0.05) for row in rows)]
    assert np.mean(inside) > 0.90


@pytest.mark.parametrize("r", [0.0, 0.7])
def test_slopes_of_no_slope_are_rare(r: float) -> None:
    """The 95 % interval of a slope holds 0 in 92 % or more of autoregressions without one."""
    rows = autoregression(np.random.default_rng(2), r, 600, 300)
    assert np.mean([one.low <= 0 <= one.high for one in (slope(row[50:], 0.05) for row in rows)]) > 0.92


@pytest.mark.parametrize("large", [1e308, -1e308, 1e200, np.finfo(float).max])
def test_numbers_that_no_square_is_of_are_judged_as_infinite(large: float) -> None:
    """A loss that ran away to where its squares are no floats gets the findings of one that is infinite."""
    healthy = 1 / np.arange(1.0, 301.0) + np.random.default_rng(6).normal(0, 0.01, 300)

    def found(value: float) -> list[str]:
        loss = healthy.copy()
        loss[[150, 298, 299]] = value
        return [str(one) for one in diagnose(Training({"loss": (np.arange(300), loss)}, finished=True))]

    assert found(large) == found(math.copysign(math.inf, large))


def test_a_difference_is_welchs() -> None:
    """The interval is that which SciPy's Welch test gives for the means of blocks."""
    random = np.random.default_rng(3)
    first, second = random.normal(size=60), random.normal(1, 2, size=90)
    ours = difference(first, second, 0.05)
    theirs = stats.ttest_ind(blocks(second), blocks(first), equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], rtol=1e-9)


def test_a_p_value_is_students() -> None:
    """``above`` is the one-sided p-value of SciPy's t test on the means of blocks."""
    values = np.random.default_rng(4).normal(0.3, 1, 120)
    theirs = stats.ttest_1samp(blocks(values), 0.1, alternative="greater").pvalue
    assert mean(values, 0.05).above(0.1) == pytest.approx(theirs)


def test_thinning_keeps_the_mean() -> None:
    """A curve of 10,000 values has 2,000 afterwards, with the same mean and last step."""
    values = np.random.default_rng(5).normal(size=10_000)
    steps, kept = thinned(np.arange(10_000), values)
    assert (len(kept), int(steps[-1])) == (2000, 9999)
    assert kept.mean() == pytest.approx(values.mean())


def test_the_f1_case_depends_on_the_rows_behind_it() -> None:
    """F1 of .85, .80 and .82 is nothing with 200 rows; train .85 and test .60 of 500 rows is something."""
    few = {"train": Split(0.85, 2000), "validation": Split(0.80, 200), "test": Split(0.82, 200)}
    assert DIAGNOSES["split_gap"]().judge(Training(splits=few), OWN).verdict is Status.OK
    far = {"train": Split(0.85, 2000), "test": Split(0.60, 500)}
    assert DIAGNOSES["split_gap"]().judge(Training(splits=far), OWN).verdict is Status.WARN


def test_a_gap_holds_the_truth() -> None:
    """Newcombe's interval holds the true difference in 93 to 97.5 % of simulated pairs of splits."""
    random = np.random.default_rng(6)
    inside = []
    for one, two in zip(random.binomial(300, 0.9, 2000), random.binomial(100, 0.8, 2000), strict=True):
        _, low, high, _ = gap(Split(one / 300, 300), Split(two / 100, 100), 0.05)
        inside.append(low <= 0.1 <= high)
    assert 0.93 < np.mean(inside) < 0.975


def test_the_bootstrap_is_near_to_scipys() -> None:
    """The interval of the mean difference is that of SciPy's paired bootstrap to a twentieth of its length."""
    random = np.random.default_rng(7)
    before = random.exponential(1, 300)
    now = before + random.normal(0.02, 0.2, 300)
    found = DIAGNOSES["worse_than_last"]().judge(Training(row_losses=now, last_row_losses=before), 0.05)
    theirs = stats.bootstrap((now - before,), np.mean, n_resamples=9999, method="basic", random_state=1)
    limits = theirs.confidence_interval
    np.testing.assert_allclose(
        [found.low, found.high], [limits.low, limits.high], atol=0.05 * (limits.high - limits.low)
    )


def test_duplicates_are_those_of_a_loop() -> None:
    """Rows that are in both are counted as by comparing all pairs; -0 is 0, NaN is NaN."""
    random = np.random.default_rng(8)
    train, valid = random.integers(0, 3, (50, 3)), random.integers(0, 3, (40, 3))
    assert count_duplicates(train, valid) == sum(any((row == one).all() for one in train) for row in valid)
    assert count_duplicates([[0.0, math.nan]], [[-0.0, math.nan], [1.0, 1.0]]) == 1
    with pytest.raises(ValueError, match="train has 2 columns, validation 3"):
        count_duplicates([[1, 2]], [[1, 2, 3]])


def test_chance_loss_is_the_entropy() -> None:
    """The log loss of the base rates is SciPy's entropy."""
    assert chance_loss({"a": 0.2, "b": 0.3, "c": 0.5}) == pytest.approx(stats.entropy([0.2, 0.3, 0.5]))


def test_a_feature_that_knows_the_label_is_named() -> None:
    """An AUC of 1 of one feature of 1,000 rows is a leak, whichever way it orders; .95 is none."""
    for auc, named in ((1.0, True), (0.0, True), (0.95, False)):
        given = Training(feature_auc={"paid": auc, "age": 0.6}, n_positive=500, n_negative=500)
        assert DIAGNOSES["leakage"]().judge(given, OWN).named is named


def test_nan_is_traced_to_the_first_layer_of_the_first_step() -> None:
    """Of layers that are NaN at the same step, the first one is named; a NaN of the loss alone has no layer."""
    steps = np.arange(10)
    share = {
        "nan_share/late": (steps, (steps >= 6) * 0.1),
        "nan_share/b": (steps, (steps >= 4) * 0.1),
        "nan_share/c": (steps, (steps >= 4) * 1.0),
    }
    found = DIAGNOSES["nan_source"]().judge(Training(share), OWN)
    assert (found.layer, found.since_step) == ("b", 4)
    alone = {"loss": (steps, np.where(steps >= 3, np.nan, 1.0))}
    found = DIAGNOSES["nan_source"]().judge(Training(alone), OWN)
    assert (found.layer, found.since_step) == ("", 3)


def test_gradients_that_explode_before_the_training_breaks_off() -> None:
    """Two steps are enough where gradients are far longer than the weights; without weights nothing is known."""
    series = {"grad_norm/a": (np.arange(2), np.array([1e6, 1e9]))}
    assert DIAGNOSES["exploding_gradients"]().judge(Training(series), OWN).verdict is Status.UNKNOWN
    series["weight_norm/a"] = (np.arange(2), np.array([5.0, 5.0]))
    assert DIAGNOSES["exploding_gradients"]().judge(Training(series), OWN).verdict is Status.ALARM


def test_a_validation_loss_that_only_rises_is_overfitting() -> None:
    """Where nothing was ever gained the rise is held against the start."""
    steps = np.arange(40)
    series = {
        "val_loss": (steps, 0.7 + steps / 60 + 0.01 * np.sin(steps * 2.0)),
        "loss": (steps, np.exp(-steps / 9)),
    }
    assert DIAGNOSES["overfitting"]().judge(Training(series), OWN).named


def test_later_looks_have_less_of_the_level() -> None:
    """Looks share the level: what a first look names, a look at the ten-thousandth time may not."""
    splits = {"train": Split(0.9, 2000), "validation": Split(0.66, 250)}
    named = [
        any(one.named for one in diagnose(Training(splits=splits, finished=False), look=look))
        for look in (1, 10_000)
    ]
    assert named == [True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Split(1.2, 10), "value=1.2"),
        (lambda: Split(0.5, 0), "n=0"),
        (lambda: Training({"loss": (np.arange(3), np.zeros(2))}), "series 'loss': steps of shape"),
        (lambda: Training({"loss": (np.array([1, 0]), np.zeros(2))}), "steps must not go back"),
        (lambda: Training(label_shares={"a": 1.4}), "label_shares="),
        (lambda: Training(duplicates=5, n_validation=3), "duplicates=5"),
        (
            lambda: Training(row_losses=np.zeros(3), last_row_losses=np.zeros(2)),
            "must be of the same rows",
        ),
        (lambda: diagnose(Training(), level=0), "level=0"),
        (lambda: diagnose(Training(), look=0), "look=0"),
        (lambda: larger_is_better("thing"), "name='thing'"),
        (lambda: should_stop([1.0], "loss", patience=2), "patience=2"),
        (lambda: should_stop([1.0], "loss", level=2), "level=2"),
        (lambda: best([[1.0]], "loss"), "must be of one dimension"),
    ],
)
def test_wrong_arguments_are_named(call, message: str) -> None:
    """An error says which argument, its value, and what is right."""
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "larger"),
    [
        ("val_loss", False),
        ("val/accuracy", True),
        ("rmse", False),
        ("val_f1", True),
        ("mAP_50", True),
        ("mape", False),
        ("test-auc", True),
        ("error_rate", False),
        ("balanced_accuracy", True),
    ],
)
def test_which_way_is_better(name: str, larger: bool) -> None:
    """The name of a figure tells which way is better."""
    assert larger_is_better(name) is larger


def test_no_stop_inside_the_noise() -> None:
    """A level that stands still in noise stops at most 1 in 20 trainings, where patience of 8 stops nearly all."""
    random = np.random.default_rng(9)
    runs = random.normal(0.3, 0.02, (200, 40))
    assert np.mean([should_stop(row, "val_loss").stop for row in runs]) <= 0.05
    assert np.mean(np.argmin(runs, axis=1) < 40 - 8) > 0.5


def test_a_rise_stops_and_names_the_best() -> None:
    """A loss that rises for good is stopped, and the best evaluation is that of numpy's argmin; NaN is left out."""
    random = np.random.default_rng(10)
    loss = np.concatenate([np.linspace(1, 0.3, 20), np.linspace(0.3, 0.8, 24)]) + random.normal(0, 0.01, 44)
    loss[4] = np.nan
    stop = should_stop(loss, "val_loss")
    assert (stop.stop, stop.best_at) == (True, int(np.nanargmin(loss)))
    assert should_stop(1 - loss, "val_accuracy").stop


def test_what_gains_nothing_useful_stops() -> None:
    """Where a gain is told to be useful from .05 on, a level that stands still is stopped."""
    loss = np.full(40, 0.3) + np.random.default_rng(11).normal(0, 0.001, 40)
    assert not should_stop(loss, "val_loss").stop
    assert should_stop(loss, "val_loss", useful=0.05).stop


def test_a_real_training_with_a_rate_too_high_and_one_that_is_healthy() -> None:
    """Logistic regression in NumPy: a good rate is not named; one that is 10,000 times too high is."""
    random = np.random.default_rng(12)
    x = random.normal(size=(600, 5))
    y = (x @ np.array([2.0, -1, 1, 0, 0]) + random.logistic(size=600) * 0.5 > 0).astype(float)

    def run(rate: float) -> Training:
        w = random.normal(0, 0.1, 5)
        loss, ratio = [], []
        for _ in range(300):
            rows = random.integers(0, 600, 32)
            z = x[rows] @ w
            loss.append(float(np.mean(np.logaddexp(0, z) - y[rows] * z)))
            move = rate * x[rows].T @ (1 / (1 + np.exp(-np.clip(z, -500, 500))) - y[rows]) / 32
            ratio.append(float(np.linalg.norm(move) / np.linalg.norm(w)))
            w = w - move
        steps = np.arange(300)
        series = {"loss": (steps, np.array(loss)), "update_ratio/w": (steps, np.array(ratio))}
        return Training(series, label_shares={"0": 0.5, "1": 0.5})

    assert [one.diagnosis for one in diagnose(run(0.1)) if one.named] == []
    assert "rate_too_high" in [one.diagnosis for one in diagnose(run(1000.0)) if one.named]


STEPS, VALUES = np.arange(30), np.linspace(2, 1, 30)


@pytest.mark.parametrize(("given", "said"), [
    (lambda: Training([1]), r"series=\[1\]: must be a mapping"),
    (lambda: Training({"loss": VALUES}), "series 'loss': array.*: must be a pair"),
    (lambda: Training({"loss": (STEPS, ["a"] * 30)}), "series 'loss': values of <U1: must be numbers"),
    (lambda: Training({}, splits={"trian": Split(0.5, 5)}), "splits\\['trian'\\]=.*one of train, validation, test"),
    (lambda: Training({}, splits={"train": 0.5}), "splits\\['train'\\]=0.5: must be a Split"),
    (lambda: Split("a", 5), "value='a': must lie in"),
    (lambda: Split(0.5, "x"), "n='x': must be 1 row or more"),
    (lambda: should_stop(["a"], "val_loss"), r"values=\['a'\]: must be numbers"),
    (lambda: should_stop([1.0], 3), "name=3: must name a figure"),
    (lambda: should_stop([1.0] * 30, "val_loss", patience="x"), "patience='x': must be a whole number"),
    (lambda: should_stop([1.0] * 30, "val_loss", useful=-1), "useful=-1: must be 0 or more"),
])  # fmt: skip
def test_what_cannot_be_judged_is_named(given: Any, said: str) -> None:
    """The argument, its value, and what is right: a set that is written wrong is no set that is missing."""
    with pytest.raises(ValueError, match=said):
        given()


def test_a_mapping_is_no_training() -> None:
    """What is handed to ``diagnose`` by mistake is told so."""
    with pytest.raises(TypeError, match="must be a Training, such as"):
        diagnose({"loss": (STEPS, VALUES)})  # type: ignore[arg-type]
