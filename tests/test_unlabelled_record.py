"""The record of estimates without labels: what it adds to them, which estimator it asks, and labels that come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from vedette.statistics.unlabelled import (
    Loss,
    LossTable,
    Measure,
    Mismatch,
    Rehearsal,
    Support,
    blend,
    follow,
    loss_leaves,
    pull_of,
)
from vedette.statistics.unlabelled.interval import Reach, limits

Floats = np.ndarray
SD = 0.015


def measure(value: Floats, calibration: float = 1e-6) -> Measure:
    """Values whose chance has the same variance in all windows."""
    n = len(value)
    return Measure(value, np.full(n, SD**2), np.full(n, calibration), np.zeros(n), np.full(n, np.inf))


def errors(n: int, seed: int, tau: float = 0.0, wander: float = 0.0) -> Floats:
    """Errors of windows: chance, what windows differ by, and a level that wanders; in units of chance."""
    random = np.random.default_rng(seed)
    level = np.cumsum(random.normal(size=n) * wander)
    return SD * (random.normal(size=n) * np.sqrt(1 + tau**2) + level)


@pytest.mark.parametrize(("tau", "wander"), [(0.0, 0.0), (2.0, 0.0), (0.0, 0.3), (1.0, 0.1)])
@pytest.mark.parametrize("delay", [1, 14])
def test_intervals_hold_nine_in_ten_whatever_errors_are_like(tau: float, wander: float, delay: int) -> None:
    """Chance alone, windows that differ, levels that wander: 0.9 of the intervals hold, labels soon or late."""
    held = []
    for seed in range(4):
        off = errors(500, seed, tau, wander)
        found = follow({"a": {"mae": measure(np.full(500, 5.0))}}, {"mae": 5 + off}, delay=delay)["mae"]
        held.append(((5 + off >= found.low) & (5 + off <= found.high))[50:].mean())
    assert 0.87 < np.mean(held) < 0.985


def test_an_interval_is_no_wider_than_chance_needs() -> None:
    """Where chance is all there is, the half width comes to within a sixth of 1.645 standard deviations."""
    off = errors(600, 5)
    found = follow({"a": {"mae": measure(np.full(600, 5.0))}}, {"mae": 5 + off})["mae"]
    assert np.mean((found.high - found.low)[300:] / 2) < 1.17 * 1.645 * SD


def test_what_an_estimate_is_always_off_by_is_taken_off() -> None:
    """A lasting error of two standard deviations is learned from the windows whose labels have come."""
    off = 2 * SD + errors(200, 6)
    found = follow({"a": {"accuracy": measure(np.full(200, 0.8))}}, {"accuracy": 0.8 + off}, delay=3)[
        "accuracy"
    ]
    assert found.value[:3] == pytest.approx(0.8)  # none has come yet
    assert found.value[100:].mean() == pytest.approx(0.8 + 2 * SD, abs=SD / 3)


def test_labels_that_have_not_come_are_not_known() -> None:
    """What is said of a window depends on no label of it or of those within the delay."""
    truth = 0.8 + errors(120, 7)
    other = truth.copy()
    other[80:] = 0.1
    for delay in (1, 10):
        one, two = (
            follow({"a": {"f1": measure(np.full(120, 0.8))}}, {"f1": values}, delay=delay)["f1"]
            for values in (truth, other)
        )
        assert np.array_equal(one.value[: 80 + delay], two.value[: 80 + delay])
        assert one.value[80 + delay] != two.value[80 + delay]


def test_never_means_never() -> None:
    """Without delay given as a number no label is looked at."""
    truth = 0.8 + errors(60, 8)
    found = follow({"a": {"f1": measure(np.full(60, 0.8))}}, {"f1": truth}, delay=None)["f1"]
    assert (found.value == 0.8).all()
    assert (found.n == 0).all()
    assert found.words(5) == "a; no record yet"


def test_a_better_estimator_is_asked_once_there_is_evidence() -> None:
    """Of a poor and a good one the good is asked after some windows; of two that are as good mostly the first."""
    random = np.random.default_rng(9)
    truth = 0.8 + 0.05 * random.normal(size=300)
    poor, good = measure(np.full(300, 0.8)), measure(truth + SD * random.normal(size=300))
    found = follow({"poor": {"f1": poor}, "good": {"f1": good}}, {"f1": truth})["f1"]
    assert found.estimator[0] == "poor"
    assert (found.estimator[60:] == "good").all()
    stayed = []
    for seed in range(8):
        noise = SD * np.random.default_rng(seed).normal(size=(2, 200))
        two = {name: {"f1": measure(truth[:200] + one)} for name, one in zip("ab", noise, strict=True)}
        stayed.append((follow(two, {"f1": truth[:200]})["f1"].estimator == "a").mean())
    assert np.mean(stayed) > 0.6


def test_a_rehearsal_is_the_first_record() -> None:
    """What the reference has shown chooses the estimator and widens the interval from the first window on."""
    random = np.random.default_rng(10)
    past = 0.8 + 0.1 * random.normal(size=80)
    rehearsal = Rehearsal(
        {
            "poor": {"f1": measure(np.full(80, 0.8))},
            "good": {"f1": measure(past + SD * random.normal(size=80))},
        },
        {"f1": past},
    )
    now = {"poor": {"f1": measure(np.full(3, 0.8))}, "good": {"f1": measure(np.full(3, 0.9))}}
    found = follow(now, {"f1": np.full(3, np.nan)}, rehearsal=rehearsal)["f1"]
    assert found.estimator.tolist() == ["good"] * 3
    assert found.rehearsed.all()
    assert (found.n == 80).all()
    assert "over 80 windows of the reference off by 0.01" in found.words(0)
    poor = {"poor": now["poor"]}
    only = Rehearsal({"poor": rehearsal.measures["poor"]}, {"f1": past})
    wide = follow(poor, {"f1": np.full(3, np.nan)}, rehearsal=only)["f1"]
    narrow = follow(poor, {"f1": np.full(3, np.nan)})["f1"]
    assert (wide.high - wide.low)[0] > 3 * (narrow.high - narrow.low)[0]


def rehearsed(one: Floats, other: Floats, delay: int | None) -> str:
    """Which of two estimators, of these errors in a rehearsal, is asked of a window after it."""
    values = {"one": 0.5 - one, "other": 0.5 - other}
    rehearsal = Rehearsal(
        {name: {"mae": measure(value)} for name, value in values.items()}, {"mae": np.full(len(one), 0.5)}
    )
    now = {name: {"mae": measure(np.full(3, 0.5))} for name in values}
    found = follow(now, {"mae": np.full(3, np.nan)}, delay=delay, rehearsal=rehearsal)["mae"]
    return str(found.estimator[2])


def test_without_labels_the_values_as_they_are_choose_the_estimator() -> None:
    """One is always off by one and a half standard deviations, which the rehearsal's labels teach: where no more come, and
    nothing is taken off, the other is asked."""
    both = errors(60, 20)
    assert rehearsed(both + 1.5 * SD, both, None) == "other"
    assert rehearsed(both, both + 1.5 * SD, None) == "one"


def test_chance_alone_seldom_chooses_another_estimator() -> None:
    """Of 300 rehearsals with errors alike, by themselves or each like the one before, the other is asked in 0.1 and less;
    were neighbours taken for independent, more often in the second."""
    asked, plainly = np.zeros(2), 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        parts = random.normal(size=(2, 100))
        asked[0] += rehearsed(*SD * parts, None) == "other"
        alike = np.zeros((2, 100))
        alike[:, 0] = parts[:, 0]
        for window in range(1, 100):
            alike[:, window] = 0.7 * alike[:, window - 1] + np.sqrt(0.51) * parts[:, window]
        asked[1] += rehearsed(*SD * alike, None) == "other"
        apart = np.abs(alike[0]) - np.abs(alike[1])
        plainly += apart.mean() > 2 * apart.std(ddof=1) / 10
    assert (asked / 300 < 0.1).all(), asked
    assert asked[1] < plainly


def test_refused_windows_have_a_reason_and_teach_nothing() -> None:
    """A window outside the support has no value, and its labels change nothing of what comes."""
    truth = 0.8 + errors(40, 11)
    outside = np.zeros(40)
    outside[10] = 0.5
    support = Support(outside, np.full(40, 1e4))
    odd = truth.copy()
    odd[10] = 0.0
    one, two = (
        follow({"a": {"f1": measure(np.full(40, 0.8))}}, {"f1": values}, support=support)["f1"]
        for values in (truth, odd)
    )
    assert np.isnan(one.value[10])
    assert "50% of the rows outside" in one.reason[10]
    assert np.array_equal(one.value, two.value, equal_nan=True)
    assert one.reason[11] is None


def test_the_record_counts_what_came() -> None:
    """Windows without labels leave the record as it is; the rest are counted, with what held and how far off they were."""
    truth = 0.8 + errors(30, 12)
    truth[::3] = np.nan
    found = follow({"a": {"f1": measure(np.full(30, 0.8))}}, {"f1": truth})["f1"]
    assert found.n[-1] == 19  # of the first 29, those whose number is no multiple of three
    known = np.isfinite(truth[:29])
    assert found.off[-1] == pytest.approx(np.abs(truth[:29] - found.value[:29])[known].mean())


def test_arguments_of_follow_are_checked() -> None:
    """Delays, lengths and empty panels."""
    one = {"a": {"f1": measure(np.full(3, 0.8))}}
    with pytest.raises(ValueError, match="delay=0: must be 1 or more windows"):
        follow(one, {"f1": np.zeros(3)}, delay=0)
    with pytest.raises(ValueError, match="4 windows, estimates and support of"):
        follow(one, {"f1": np.zeros(4)})
    with pytest.raises(ValueError, match="no estimator"):
        follow({}, {"f1": np.zeros(4)})
    assert len(follow({"a": {"f1": measure(np.zeros(0))}}, {"f1": np.zeros(0)})["f1"].value) == 0


def test_the_bank_has_the_level_of_a_kalman_filter() -> None:
    """With one pair left likely, the level is that of the textbook's recursion."""
    mismatch = Mismatch(np.array([1.0]), np.array([0.5]))
    mismatch._weight[:] = -1e9
    mismatch._weight[0, 2] = 0.0  # tau 0, omega^2 1e-3
    level, spread, random = 0.0, 0.5, np.random.default_rng(13)
    for _ in range(50):
        error = float(random.normal(2.0))
        mismatch.update([error], [1.0], mismatch.outlook())
        spread += 1e-3
        gain = spread / (spread + 1.0)
        level, spread = level + gain * (error - level), spread * (1 - gain)
    assert mismatch._level[0, 2] == pytest.approx(level)
    assert mismatch._spread[0, 2] == pytest.approx(spread)


def test_reach_is_the_conformal_quantile_and_never_below_the_normal() -> None:
    """Long tails reach further, short ones no less than normal ones; NaN is no error."""
    reach = Reach(0.9)
    off = np.abs(np.random.default_rng(14).standard_t(2, size=150))
    for one in off:
        reach.add(float(one))
    assert reach.now == np.sort(off)[int(np.ceil(151 * 0.9)) - 1]
    for _ in range(200):
        reach.add(0.1)
    reach.add(float("nan"))
    assert reach.now == pytest.approx(stats.norm.ppf(0.95))
    assert limits("f1", np.array([0.99]), np.array([1.0]), np.array([1.0]))[2].tolist() == [1.0]


SCORES = np.array([0.05, 0.3, 0.5, 0.7, 0.95])


def labelled_world(seed: int, n: int, wrong: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Bins, predictions and labels of rows, and the chances that an estimator holds for true."""
    random = np.random.default_rng(seed)
    bins = random.integers(0, 5, n)
    label = (random.random(n) < np.clip(SCORES[bins] + wrong, 0, 1)).astype(int)
    return bins, (bins >= 2).astype(int), label, np.repeat(SCORES[:, None], 2, axis=1)


def counts_of(bins: Floats, prediction: Floats, label: Floats) -> Floats:
    out = np.zeros((1, 5, 2, 2))
    np.add.at(out, (0, bins, prediction, label), 1)
    return out


@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc_auc", "brier"])
def test_a_blend_collapses_to_either_end(metric: str) -> None:
    """Without labels it is the label-free figure, with all of them the plain one."""
    bins, prediction, label, chance = labelled_world(15, 400, 0.1)
    told = counts_of(bins, prediction, label)
    none = blend(metric, told.sum(axis=3), np.zeros_like(told), chance, SCORES, [0.7], [4e-4])
    whole = blend(metric, told.sum(axis=3), told, chance, SCORES, [0.7], [4e-4])
    assert (none.value[0], none.labelled[0], none.weight[0]) == (0.7, 0.0, 0.0)
    assert none.high[0] - 0.7 == pytest.approx(1.645 * 0.02, rel=1e-3)
    assert whole.value[0] == pull_of(metric, told, SCORES)[0][0]
    assert whole.labelled[0] == 1.0


def test_all_labels_give_the_interval_of_a_share() -> None:
    """With every label the interval of the accuracy is the normal one of a share, nearly."""
    bins, prediction, label, chance = labelled_world(16, 2000, 0.0)
    told = counts_of(bins, prediction, label)
    whole = blend("accuracy", told.sum(axis=3), told, chance, SCORES, [0.5], [1.0])
    share = float((prediction == label).mean())
    assert whole.high[0] - share == pytest.approx(1.645 * np.sqrt(share * (1 - share) / 2000), rel=0.05)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc_auc"])
def test_a_blend_is_right_and_held_where_the_estimate_is_wrong(metric: str) -> None:
    """Chances that are off by 0.15 say little against 300 of 1,000 labels; 0.9 of the intervals hold what comes."""
    held, off_blend, off_labels = [], [], []
    for seed in range(250):
        bins, prediction, label, chance = labelled_world(100 + seed, 1000, 0.15)
        told = counts_of(bins, prediction, label)
        truth = pull_of(metric, told, SCORES)[0][0]
        some = np.random.default_rng(seed).random(1000) < 0.3
        part = counts_of(bins[some], prediction[some], label[some])
        expected = told.sum(axis=3)[..., None] * np.stack([1 - chance, chance], axis=-1)
        free = pull_of(metric, expected, SCORES)[0]
        found = blend(metric, told.sum(axis=3), part, chance, SCORES, free, [0.08**2])
        held.append(found.low[0] <= truth <= found.high[0])
        off_blend.append(abs(found.value[0] - truth))
        off_labels.append(abs(pull_of(metric, part, SCORES)[0][0] - truth))
    assert 0.86 < np.mean(held) <= 0.99
    assert np.mean(off_blend) < np.mean(off_labels)


def test_labels_that_come_by_a_known_chance_are_weighted() -> None:
    """Where positive predictions' labels come four times as often, inverse chances mend it."""
    values, truths = [], []
    for seed in range(150):
        bins, prediction, label, _ = labelled_world(400 + seed, 2000, 0.1)
        told = counts_of(bins, prediction, label)
        chance_of = np.where(prediction == 1, 0.4, 0.1)
        some = np.random.default_rng(seed).random(2000) < chance_of
        weights = np.zeros((2, 1, 5, 2, 2))
        for power in (1, 2):
            at = (0, bins[some], prediction[some], label[some])
            np.add.at(weights[power - 1], at, chance_of[some] ** -float(power))
        found = blend(
            "accuracy",
            told.sum(axis=3),
            weights[0],
            np.full((5, 2), 0.5),
            SCORES,
            [0.5],
            [1e6],
            squares=weights[1],
        )
        values.append(found.value[0])
        truths.append((prediction == label).mean())
    assert np.mean(values) == pytest.approx(np.mean(truths), abs=0.006)


def test_lambda_is_one_for_good_chances_and_none_for_useless_ones() -> None:
    """What the chances help to read the labels by is tuned."""
    bins, prediction, label, chance = labelled_world(17, 5000, 0.0)
    told = counts_of(bins, prediction, label)
    part = counts_of(bins[:2000], prediction[:2000], label[:2000])
    good = blend("accuracy", told.sum(axis=3), part, chance, SCORES, [0.8], [1.0])
    useless = blend("accuracy", told.sum(axis=3), part, 1 - chance, SCORES, [0.8], [1.0])
    assert good.power[0] > 0.9
    assert useless.power[0] == 0.0


def test_more_labels_than_rows_are_an_error() -> None:
    """So are shapes that do not fit."""
    counts, told = np.ones((1, 5, 2)), np.ones((1, 5, 2, 2))
    with pytest.raises(ValueError, match="more rows than counts"):
        blend("f1", counts, told, np.full((5, 2), 0.5), SCORES, [0.5], [0.1])
    with pytest.raises(ValueError, match=r"must be \[W, bin, 2\]"):
        blend("f1", counts, told[:, :3], np.full((5, 2), 0.5), SCORES, [0.5], [0.1])


def regression(seed: int, n: int, centre: float) -> tuple[Floats, Floats, Floats]:
    random = np.random.default_rng(seed)
    x = random.normal(centre, 1.0, size=(n, 2))
    prediction = 2 * x[:, 0]
    return x, prediction, prediction + random.normal(size=n) * (0.5 + np.abs(x[:, 1]))


def test_expected_losses_follow_the_features() -> None:
    """Where the window has rows that are hard, expected errors are as large as they turn out; the constant's are not."""
    x, prediction, label = regression(18, 20_000, 0.0)
    leaves = loss_leaves(x, prediction, label)
    table = LossTable.of(len(leaves), leaves.leaves(x, prediction), prediction - label)
    new, told, truth = regression(19, 4000, 0.8)
    counts = np.bincount(leaves.leaves(new, told), minlength=len(leaves))[None]
    found = Loss(table).estimate(counts)
    mae, rmse = sk.mean_absolute_error(truth, told), float(np.sqrt(sk.mean_squared_error(truth, told)))
    assert float(found["mae"].value[0]) == pytest.approx(mae, rel=0.05)
    assert float(found["rmse"].value[0]) == pytest.approx(rmse, rel=0.07)
    constant = Loss(table.pooled()).estimate(counts.sum(axis=1, keepdims=True))
    assert float(constant["mae"].value[0]) < 0.85 * mae


def test_losses_vary_as_they_say() -> None:
    """Windows of the reference scatter about what is expected of them by the variance that is told."""
    x, prediction, label = regression(20, 40_000, 0.0)
    leaves = loss_leaves(x[:20_000], prediction[:20_000], label[:20_000])
    leaf, off = leaves.leaves(x, prediction), prediction - label
    found = Loss(LossTable.of(len(leaves), leaf[:20_000], off[:20_000])).estimate(
        np.stack([np.bincount(part, minlength=len(leaves)) for part in np.split(leaf[20_000:], 40)])
    )
    parts = np.stack(np.split(off[20_000:], 40))
    square = (parts**2).mean(axis=1)
    for metric, truth in (("mae", np.abs(parts).mean(axis=1)), ("rmse", np.sqrt(square)), ("mse", square)):
        one = found[metric]
        assert 0.4 < ((truth - one.value) ** 2 / (one.outcome + one.calibration)).mean() < 2.0, metric


def test_losses_of_no_rows_are_nan_and_tables_add() -> None:
    """An empty window has no loss; shards add to the whole; an unknown loss is named."""
    one, two = LossTable.of(2, [0, 1], [1.0, 2.0]), LossTable.of(2, [1, 1], [3.0, np.nan])
    assert (one + two).rows.tolist() == [1.0, 2.0]
    assert (one + two).absolute.tolist() == [1.0, 5.0]
    assert np.isnan(Loss(one).estimate([[0, 0]])["rmse"].value[0])
    with pytest.raises(ValueError, match="metric='mape'"):
        Loss(one).estimate([[0, 0]], ["mape"])
    with pytest.raises(ValueError, match="no labelled rows"):
        LossTable.of(1, [0], [np.nan])
