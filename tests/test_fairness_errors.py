"""Fairness by group of a regression: errors against scikit-learn, intervals against a bootstrap, and through the monitor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

import vedette
from tests.world import DAY, START
from vedette.errors import GridError
from vedette.statistics.fairness import Gap
from vedette.statistics.fairness_errors import (
    ERROR_FAIRNESS,
    ErrorTable,
    error_fairness_figures,
    error_table,
)
from vedette.statistics.grid import error_grid
from vedette.statistics.measured import Measured

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def rows(n: int = 3000, seed: int = 3) -> Rows:
    """Labels, predictions and groups; group a has larger errors and is told too much, c lies between."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n)
    label = rng.normal(50, 10, n)
    size = np.select([group == "a", group == "b"], [3.0, 1.0], 2.0)
    return label, label + size * (0.4 + rng.normal(size=n)), group


def by_hand(label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    return {
        "mean_error": float(np.mean(prediction - label)),
        "mae": float(sk.mean_absolute_error(label, prediction)),
        "rmse": float(np.sqrt(sk.mean_squared_error(label, prediction))),
    }


def of(gaps: list[Gap], metric: str, group: str | None) -> Measured:
    return next(gap.figure for gap in gaps if gap.metric == metric and gap.group == group)


def test_differences_and_ratios_are_those_of_the_errors() -> None:
    """Each figure is that of scikit-learn's errors by group, the widest that of the greatest and least."""
    label, prediction, group = rows()
    gaps = error_fairness_figures(error_table(label, prediction, group), against="b")
    errors = {name: by_hand(label[group == name], prediction[group == name]) for name in "abc"}
    for name in ("mean_error", "mae", "rmse"):
        values = [errors[one][name] for one in "abc"]
        expected = {
            ("difference", "a"): values[0] - values[1],
            ("ratio", "c"): values[2] / values[1],
            ("difference", None): max(values) - min(values),
            ("ratio", None): min(values) / max(values),
        }
        for (kind, one), value in expected.items():
            figure = of(gaps, f"{name}_{kind}", one)
            assert figure.value == pytest.approx(value, rel=1e-9), (name, kind, one)
            assert figure.low <= figure.value <= figure.high
    assert {gap.metric for gap in gaps} == {*ERROR_FAIRNESS}


@pytest.mark.parametrize("metric", [name for name in ERROR_FAIRNESS if not name.startswith("rmse")])
def test_intervals_of_pairs_are_those_of_resampled_rows(metric: str) -> None:
    """Of 1,000 rows a group, percentile limits of 4,000 bootstraps, to a sixth of their width."""
    label, prediction, group = rows()
    error = {name: (prediction - label)[group == name] for name in "ab"}
    rng = np.random.default_rng(0)
    drawn = {name: one[rng.integers(0, len(one), (4000, len(one)))] for name, one in error.items()}
    mean = {
        name: (one if metric.startswith("mean_error") else np.abs(one)).mean(axis=1)
        for name, one in drawn.items()
    }
    again = mean["a"] - mean["b"] if metric.endswith("difference") else mean["a"] / mean["b"]
    expected = np.quantile(again, [0.025, 0.975])
    figure = of(error_fairness_figures(error_table(label, prediction, group), against="b"), metric, "a")
    np.testing.assert_allclose([figure.low, figure.high], expected, atol=np.diff(expected)[0] / 6)


def test_intervals_hold_the_truth() -> None:
    """Of 400 pairs of groups of 60 and 200 rows, 0.93 and more of each figure hold it, less what chance may take."""
    rng = np.random.default_rng(1)
    grid = error_grid(np.zeros(1000), rng.normal(0.5, 1, 1000))
    one, root = rng.normal(0.5, 1, 1_000_000), np.sqrt(1.25)
    truth = {"mean_error": 0.5, "mae": float(np.abs(one).mean()), "rmse": float(root)}
    held = dict.fromkeys(ERROR_FAIRNESS, 0)
    known = dict.fromkeys(ERROR_FAIRNESS, 0)
    for _ in range(400):
        error = np.r_[rng.normal(0.5, 1, 60), 2 * rng.normal(0.5, 1, 200)]
        table = error_table(np.zeros(260), error, np.repeat(["a", "b"], [60, 200]), grid)
        for gap in error_fairness_figures(table, against="b"):
            if gap.group is not None and gap.figure.known:
                name, _, kind = gap.metric.rpartition("_")
                value = -truth[name] if kind == "difference" else 0.5
                known[gap.metric] += 1
                held[gap.metric] += gap.figure.low <= value <= gap.figure.high
    for metric, n in known.items():
        assert n > 350, metric
        assert held[metric] / n >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / n), metric


def test_a_ratio_of_mean_errors_may_have_either_sign() -> None:
    """Turned errors turn the ratio, and one that may be below 0 has limits of both signs, as resampled rows have."""
    rng = np.random.default_rng(2)
    error = np.r_[rng.normal(0.05, 1, 500), rng.normal(2, 1, 500)]
    group = np.repeat(["a", "b"], 500)

    def ratio(signs: tuple[int, int]) -> Measured:
        turned = error * np.repeat(signs, 500)
        found = error_fairness_figures(
            error_table(np.zeros(1000), turned, group), "mean_error_ratio", against="b"
        )
        return of(found, "mean_error_ratio", "a")

    plain = ratio((1, 1))
    drawn = [one[rng.integers(0, 500, (4000, 500))].mean(axis=1) for one in np.split(error, 2)]
    expected = np.quantile(drawn[0] / drawn[1], [0.025, 0.975])
    assert plain.low < 0 < plain.high
    np.testing.assert_allclose([plain.low, plain.high], expected, atol=np.diff(expected)[0] / 8)
    for signs in ((-1, 1), (1, -1)):
        turned = ratio(signs)
        assert (turned.low, turned.value, turned.high) == pytest.approx(
            (-plain.high, -plain.value, -plain.low), rel=1e-6
        )
    both = ratio((-1, -1))
    assert (both.low, both.high) == pytest.approx((plain.low, plain.high), rel=1e-6)


def test_what_cannot_be_compared_has_a_reason() -> None:
    """Few errors, a base that may be 0 on average, one group, equal groups of both signs; and what is left out is named."""
    rng = np.random.default_rng(4)
    error, group = rng.normal(size=409), np.r_[np.repeat(["a", "b"], 200), np.repeat(["c"], 9)]
    gaps = error_fairness_figures(error_table(np.zeros(409), error, group), against="a")
    assert of(gaps, "mae_difference", "c").reason == "fewer than 10 errors of a group: 9"
    assert of(gaps, "mean_error_ratio", "b").reason is not None
    assert "may be 0" in str(of(gaps, "mean_error_ratio", "b").reason)
    assert of(gaps, "mae_difference", None).note == "conservative; without c"
    assert of(gaps, "mean_error_ratio", None).reason is not None
    alone = error_fairness_figures(error_table(np.zeros(50), error[:50], ["a"] * 50), "mae_ratio")
    assert [gap.figure.reason for gap in alone] == ["fewer than two groups with 10 errors"]


def test_mean_errors_of_both_signs_have_no_widest_ratio() -> None:
    """One group is told too much and one too little; of two that are told too little the ratio is that of the sizes."""
    rng = np.random.default_rng(6)
    group = np.repeat(["a", "b"], 200)
    for centres, reason in (((2.0, -2.0), "mean errors above 0 and below it"), ((-1.0, -2.0), None)):
        error = np.repeat(centres, 200) + rng.normal(size=400)
        figure = of(
            error_fairness_figures(error_table(np.zeros(400), error, group), "mean_error_ratio"),
            "mean_error_ratio",
            None,
        )
        if reason is not None:
            assert str(figure.reason).startswith(reason)
        else:
            assert figure.value == pytest.approx(error[:200].mean() / error[200:].mean(), rel=1e-9)


def test_the_widest_gap_of_several_groups_holds_together() -> None:
    """Of 300 times five groups alike, no difference is surely above 0, and no ratio surely below 1, in 0.95 and more."""
    rng = np.random.default_rng(5)
    group = np.repeat([*"abcde"], 80)
    grid = error_grid(np.zeros(1000), rng.normal(size=1000))
    sure = np.zeros(2)
    for _ in range(300):
        table = error_table(np.zeros(400), rng.normal(size=400), group, grid)
        gaps = error_fairness_figures(table, ["mae_difference", "mae_ratio"])
        sure += [of(gaps, "mae_difference", None).low > 0, of(gaps, "mae_ratio", None).high < 1]
    assert (sure <= 300 * 0.05 + 2 * np.sqrt(300 * 0.05 * 0.95)).all()


def test_adding_tables_is_the_table_of_both() -> None:
    """Shards in any order give the figures of all rows; tables of two grids do not add up."""
    label, prediction, group = rows()
    grid = error_grid(label[:500], prediction[:500])
    whole = error_table(label, prediction, group, grid)
    parts = [
        error_table(label[part], prediction[part], group[part], grid) for part in (group == "a", group != "a")
    ]
    for both in (parts[0] + parts[1], parts[1] + parts[0]):
        assert both.groups == ("a", "b", "c")
        for one, other in zip(error_fairness_figures(both), error_fairness_figures(whole), strict=True):
            assert (one.figure.value, one.figure.low) == pytest.approx((other.figure.value, other.figure.low))
    with pytest.raises(GridError):
        _ = whole + error_table(label, prediction, group)


def test_wrong_arguments_are_named() -> None:
    """A metric, a group, lengths, and a summary that there is not."""
    table = error_table(*rows(60))
    with pytest.raises(ValueError, match="metric='accuracy_ratio': must be one of mean_error_difference"):
        error_fairness_figures(table, "accuracy_ratio")
    with pytest.raises(ValueError, match="against='x'"):
        error_fairness_figures(table, against="x")
    with pytest.raises(ValueError, match="as many of each"):
        error_table([1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="names, a window each"):
        ErrorTable(("a", "a", "b"), table.errors)


def recorded(folder: Path, inclusion: float | None = None) -> tuple[vedette.Monitor, Rows]:
    label, prediction, group = rows(600)
    monitor = vedette.Monitor(
        "m", lake=folder, window="1d", task="regression", clock=lambda: (START + DAY).timestamp()
    )
    for i in range(600):
        said = {} if inclusion is None else {"inclusion": inclusion if i % 2 else 1.0}
        monitor.log({"sex": str(group[i])}, float(prediction[i]), id=f"a{i}", time=START, **said)  # type: ignore[arg-type]
        monitor.label(f"a{i}", float(label[i]), time=START)
    return monitor, (label, prediction, group)


def test_a_monitor_compares_the_errors_of_groups(tmp_path: Path) -> None:
    """Values are those of the rows, from the journal and from the lake; a metric of classifiers is refused by name."""
    monitor, (label, prediction, group) = recorded(tmp_path)
    fresh = monitor.fairness("sex", against="b", window="all")
    assert set(fresh["metric"]) == {*ERROR_FAIRNESS}
    expected = error_fairness_figures(error_table(label, prediction, group), against="b")
    for row, gap in zip(fresh.to_dicts(), expected, strict=True):
        assert row["group"] == (None if gap.group is None else f"sex={gap.group}")
        assert row["value"] == pytest.approx(gap.figure.value, rel=1e-9)
        assert row["low"] <= row["value"] <= row["high"]
    with pytest.raises(ValueError, match="metric='accuracy_ratio': model 'm' predicts numbers"):
        monitor.fairness("sex", "accuracy_ratio")
    monitor.flush()
    assert monitor.fairness("sex", against="b", window="all").equals(fresh)
    monitor.close()


def test_sampled_errors_are_said_to_be_conservative(tmp_path: Path) -> None:
    """Rows of two weights have weighted errors: those of the one kept by half count twice."""
    monitor, (label, prediction, group) = recorded(tmp_path, 0.5)
    found = monitor.fairness("sex", "mae_difference", against="b", window="all")
    monitor.close()
    weight = np.where(np.arange(600) % 2, 2.0, 1.0)
    error = np.abs(prediction - label)
    mean = {name: np.average(error[group == name], weights=weight[group == name]) for name in "ab"}
    assert found["value"][0] == pytest.approx(mean["a"] - mean["b"], rel=1e-6)
    assert found["note"].str.starts_with("conservative").all()
