"""Fairness by group: rates, their differences and ratios, how sure they are, and where there is nothing to say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix

import vedette
from tests.world import DAY, START
from vedette.statistics.fairness import FAIRNESS, Gap, GroupTable, fairness_figures, group_table
from vedette.statistics.gaps import difference, largest_difference, pairs_level, ratio, smallest_ratio

LEVEL = 0.95


def rows(n: int = 900, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and groups; group a is served worse than b, c between."""
    rng = np.random.default_rng(seed)
    label, group = rng.integers(0, 2, n), rng.choice(["a", "b", "c"], n)
    wrong = rng.uniform(size=n) < np.select([group == "a", group == "b"], [0.35, 0.1], 0.2)
    return label, np.where(wrong, 1 - label, label), group


def of(gaps: list[Gap], metric: str, group: str | None) -> Gap:
    return next(gap for gap in gaps if gap.metric == metric and gap.group == group)


def by_hand(label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """The rates of a group, from scikit-learn's table."""
    tn, fp, fn, tp = confusion_matrix(label, prediction, labels=[0, 1]).ravel().tolist()
    return {
        "demographic_parity": (tp + fp) / (tp + fp + fn + tn),
        "equal_opportunity": tp / (tp + fn),
        "false_positive_rate": fp / (fp + tn),
        "false_negative_rate": fn / (tp + fn),
        "predictive_parity": tp / (tp + fp),
        "accuracy": (tp + tn) / (tp + fp + fn + tn),
    }


def test_differences_and_ratios_are_those_of_the_rates() -> None:
    """Each figure is the difference or the ratio of rates computed by hand, the widest that of the greatest and least."""
    label, prediction, group = rows()
    gaps = fairness_figures(group_table(label, prediction, group), against="b")
    rates = {name: by_hand(label[group == name], prediction[group == name]) for name in "abc"}
    for measure in rates["a"]:
        values = [rates[name][measure] for name in "abc"]
        expected = {
            ("difference", "a"): values[0] - values[1],
            ("ratio", "c"): values[2] / values[1],
            ("difference", None): max(values) - min(values),
            ("ratio", None): min(values) / max(values),
        }
        for (kind, name), value in expected.items():
            assert of(gaps, f"{measure}_{kind}", name).figure.value == pytest.approx(value, abs=1e-12)


def test_equalised_odds_is_the_wider_of_both_rates() -> None:
    """As fairlearn has it: the larger difference, the smaller ratio, of true and false positive rates."""
    label, prediction, group = rows()
    gaps = fairness_figures(group_table(label, prediction, group))
    both = ("equal_opportunity", "false_positive_rate")
    widest = max(of(gaps, f"{rate}_difference", None).figure.value for rate in both)
    smallest = min(of(gaps, f"{rate}_ratio", None).figure.value for rate in both)
    assert of(gaps, "equalised_odds_difference", None).figure.value == widest
    assert of(gaps, "equalised_odds_ratio", None).figure.value == smallest


@pytest.mark.parametrize(
    ("counts", "expected"),
    [  # R. G. Newcombe (1998), Statistics in Medicine 17, table II, method 10
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
    ],
)
def test_the_difference_has_newcombes_interval(
    counts: tuple[int, ...], expected: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Wilson's limits of either share it is his method 10, to the digits of his table."""
    from vedette.statistics import gaps
    from vedette.statistics.intervals import wilson

    monkeypatch.setattr(gaps, "share", wilson)
    monkeypatch.setattr(gaps, "clopper_pearson", wilson)
    assert [round(float(x), 4) for x in gaps.difference(*counts, LEVEL)] == list(expected)


@pytest.mark.parametrize(("n", "m"), [(12, 30), (50, 50), (40, 150)])
def test_intervals_of_pairs_hold_over_all_outcomes(n: int, m: int) -> None:
    """Over every outcome of two binomial counts, differences and ratios hold the truth 0.94 of the time or more."""
    k, other = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
    low, high = difference(k, n, other, m, LEVEL)
    least, most = ratio(k, n, other, m, LEVEL)
    for p in (0.05, 0.3, 0.6, 0.9):
        for q in (0.1, 0.5, 0.95):
            chance = stats.binom.pmf(k, n, p) * stats.binom.pmf(other, m, q)
            assert (chance * ((low <= p - q) & (p - q <= high))).sum() > 0.935
            shown = other > 0
            held = (least <= p / q) & (p / q <= most) & shown
            assert (chance * held).sum() / (chance * shown).sum() > 0.935


def test_the_ratio_turned_round_has_the_interval_turned_round() -> None:
    """The limits of q/p are one over those of p/q."""
    low, high = map(float, ratio(30, 70, 11, 44, LEVEL))
    other_low, other_high = map(float, ratio(11, 44, 30, 70, LEVEL))
    assert (1 / other_high, 1 / other_low) == pytest.approx((low, high), rel=1e-12)


def test_the_widest_gap_of_two_groups_is_the_size_of_their_difference() -> None:
    """Limits that lie on both sides of 0 leave 0 as the lower one."""
    low, high = difference(30, 100, 28, 100, LEVEL)
    value, least, most = largest_difference([30, 28], [100, 100], LEVEL)
    assert (value, least, most) == (pytest.approx(0.02), 0.0, pytest.approx(max(high, -low)))
    assert smallest_ratio([30, 28], [100, 100], LEVEL)[2] == 1.0


def test_the_widest_gap_of_several_groups_holds_together() -> None:
    """Of five equal groups, and of five unequal ones, the interval holds the widest gap 0.95 of the time or more."""
    rng = np.random.default_rng(8)
    for rates in (np.full(5, 0.3), np.array([0.2, 0.3, 0.35, 0.4, 0.6])):
        held = 0
        for _ in range(400):
            k = rng.binomial(80, rates)
            _, low, high = largest_difference(k, np.full(5, 80), pairs_level(5, LEVEL))
            held += low <= np.ptp(rates) <= high
        assert held / 400 > 0.95


def test_adding_tables_is_the_table_of_both() -> None:
    """Shards in any order, and groups that only some of them have."""
    label, prediction, group = rows()
    whole = group_table(label, prediction, group, [0, 1])
    parts = [group_table(label[i::3], prediction[i::3], group[i::3], [0, 1]) for i in range(3)]
    only = group == "c"
    apart = group_table(label[only], prediction[only], group[only], [0, 1])
    rest = group_table(label[~only], prediction[~only], group[~only], [0, 1])
    for added in (parts[0] + parts[1] + parts[2], parts[2] + parts[0] + parts[1], apart + rest):
        assert added.groups == whole.groups
        assert (added.counts == whole.counts).all()


def test_more_classes_are_told_one_against_the_rest() -> None:
    """Accuracy is one for all; the other rates are those of each class, as if it were the positive one."""
    rng = np.random.default_rng(5)
    label, group = rng.integers(0, 3, 600), rng.choice(["a", "b"], 600)
    prediction = np.where(rng.uniform(size=600) < 0.3, rng.integers(0, 3, 600), label)
    gaps = fairness_figures(group_table(label, prediction, group), against="a")
    for place in range(3):
        alone = fairness_figures(group_table(label == place, prediction == place, group), against="a")
        own = [gap for gap in gaps if gap.part == str(place)]
        expected = [gap for gap in alone if not gap.metric.startswith("accuracy")]
        assert [(one.metric, one.figure) for one in own] == [(one.metric, one.figure) for one in expected]
    assert [gap.part for gap in gaps if gap.metric == "accuracy_difference"] == [None, None]


def test_few_rows_are_a_reason() -> None:
    """A group with nine rows has no figure, and is named as left out of the widest gap."""
    label, prediction, group = rows()
    kept = np.flatnonzero(group != "c").tolist() + np.flatnonzero(group == "c")[:9].tolist()
    gaps = fairness_figures(group_table(label[kept], prediction[kept], group[kept]), "accuracy_difference")
    assert of(gaps, "accuracy_difference", "c").figure.reason == "fewer than 10 rows of a group: 9"
    assert of(gaps, "accuracy_difference", None).figure.note == "conservative; without c"


@pytest.mark.parametrize("metric", FAIRNESS)
def test_one_group_alone_is_compared_with_nothing(metric: str) -> None:
    """No pairs, and a reason for the widest gap."""
    found = fairness_figures(group_table([0, 1] * 50, [0, 1] * 50, ["a"] * 100), metric)
    assert len(found) == 1
    assert (found[0].figure.reason or "").startswith("fewer than two groups with 10 ")


def test_a_rate_of_0_is_nothing_to_take_a_ratio_to() -> None:
    """Where the other group has no hits the ratio has a reason, the difference a value."""
    table = group_table([1] * 60, [1] * 10 + [0] * 50, ["a"] * 20 + ["b"] * 40, [0, 1])
    found = fairness_figures(table, ["equal_opportunity_ratio", "equal_opportunity_difference"], against="b")
    assert (
        of(found, "equal_opportunity_ratio", "a").figure.reason == "a true positive rate of 0 to compare with"
    )
    assert of(found, "equal_opportunity_ratio", None).figure.value == 0.0
    assert of(found, "equal_opportunity_difference", "a").figure.value == 0.5


def test_wrong_arguments_are_named() -> None:
    """A metric, a group, a level, lengths and classes that cannot be."""
    table = group_table([0, 1], [0, 1], ["a", "b"])
    with pytest.raises(ValueError, match="metric='fair': must be one of demographic_parity_difference"):
        fairness_figures(table, "fair")
    with pytest.raises(ValueError, match="against='z': must be one of the groups a, b"):
        fairness_figures(table, against="z")
    with pytest.raises(ValueError, match="level=2"):
        fairness_figures(table, level=2)
    with pytest.raises(ValueError, match="must be three rows"):
        group_table([0, 1], [0], ["a", "b"])
    with pytest.raises(ValueError, match="must be the same"):
        table + group_table([0, 1], [0, 2], ["a", "b"])
    with pytest.raises(ValueError, match="names a group twice"):
        GroupTable(("a", "a"), ("0", "1"), np.zeros((2, 3, 3), dtype=np.int64))


def recorded(folder: Path) -> tuple[vedette.Monitor, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    label, prediction, group = rows()
    monitor = vedette.Monitor("m", lake=folder, window="1d", clock=lambda: (START + 3 * DAY).timestamp())
    times = (
        pl.Series(np.arange(len(label)) * (2 * 86_400_000_000 // len(label))).cast(pl.Duration("us")) + START
    )
    columns = {"id": [f"a{i}" for i in range(len(label))], "time": times, "sex": group}
    monitor.log_many(pl.DataFrame({**columns, "prediction": prediction, "label": label}))
    return monitor, (label, prediction, group)


def test_a_monitor_compares_the_groups_of_a_column(tmp_path: Path) -> None:
    """Its figures are those of the rows, by window, whether they are in the journal or in the lake."""
    monitor, (label, prediction, group) = recorded(tmp_path)
    fresh = monitor.fairness("sex", "accuracy_difference", against="b", window="all")
    expected = fairness_figures(group_table(label, prediction, group), "accuracy_difference", against="b")
    assert fresh["value"].to_list() == [gap.figure.value for gap in expected]
    assert fresh["low"].to_list() == [gap.figure.low for gap in expected]
    assert fresh["group"].to_list() == ["sex=a", "sex=c", None]
    days = monitor.fairness("sex", "accuracy_difference", against="b", since=START + DAY)
    half = slice(len(label) // 2, None)
    second = fairness_figures(
        group_table(label[half], prediction[half], group[half]), "accuracy_difference", against="b"
    )
    assert days["value"].to_list() == [gap.figure.value for gap in second]
    assert days["start"].unique().to_list() == [START + DAY]
    monitor.flush()
    assert monitor.fairness("sex", "accuracy_difference", against="b", window="all").equals(fresh)
    monitor.close()


def test_what_a_monitor_cannot_compare_is_said(tmp_path: Path) -> None:
    """A column, a metric or a group that there is not; and no rows are no figures."""
    monitor, _ = recorded(tmp_path / "some")
    with pytest.raises(ValueError, match="by='age': the model has no such column"):
        monitor.fairness("age")
    with pytest.raises(ValueError, match="metric='fair'"):
        monitor.fairness("sex", "fair")
    with pytest.raises(ValueError, match="metric='mae_ratio': model 'm' is a classifier"):
        monitor.fairness("sex", "mae_ratio")
    with pytest.raises(ValueError, match="against='x': 'sex' has the values a, b, c"):
        monitor.fairness("sex", against="x")
    with pytest.raises(ValueError, match="by=''"):
        monitor.fairness("")
    monitor.close()
    empty = vedette.Monitor("m", lake=tmp_path / "none")
    assert empty.fairness("sex").is_empty()
    empty.close()


def test_the_command_prints_what_the_monitor_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, and as one JSON document."""
    from vedette.engine import questions
    from vedette.output.fairness_console import print_fairness

    monitor, _ = recorded(tmp_path)
    monitor.flush()
    expected = monitor.fairness("sex", "accuracy_ratio", window="all")
    monitor.close()
    frame = questions.fairness(
        str(tmp_path), "m", "sex", "accuracy_ratio", window="all", since=None, until=None, against=None
    )
    assert frame.equals(expected)
    print_fairness(frame, as_json=True)
    told = json.loads(capsys.readouterr().out)["fairness"]
    assert [one["value"] for one in told] == expected["value"].to_list()
    print_fairness(frame)
    assert "accuracy_ratio [widest]" in capsys.readouterr().out


def test_sampled_rows_are_compared_as_so_many_as_are_sure(tmp_path: Path) -> None:
    """Rows of several weights have the weighted rates, with an interval that is said to be conservative."""
    rng = np.random.default_rng(2)
    label, prediction, group = rows(2000)
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: (START + DAY).timestamp())
    chance = np.where(label == prediction, 0.25, 1.0)
    for i in np.flatnonzero(rng.uniform(size=2000) < chance).tolist():
        monitor.log(
            {"sex": str(group[i])}, int(prediction[i]), id=f"a{i}", time=START, inclusion=float(chance[i])
        )
        monitor.label(f"a{i}", int(label[i]), time=START)
    found = monitor.fairness("sex", "accuracy_difference", against="b", window="all")
    monitor.close()
    whole = fairness_figures(group_table(label, prediction, group), "accuracy_difference", against="b")
    for row, gap in zip(found.iter_rows(named=True), whole, strict=True):
        assert row["note"] == "conservative"
        assert row["low"] < gap.figure.value < row["high"]
        assert row["high"] - row["low"] > gap.figure.high - gap.figure.low
