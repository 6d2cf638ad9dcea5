"""Figures of sampled rows: the value of all rows that those kept stand for, and intervals that hold what all rows say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.test_every_statistic import CASES, odd_windows, rows, summary
from vedette import Monitor, Status, sampling
from vedette.statistics import BREAKDOWNS, STATISTICS, Estimates, quality_grid, summarise_quality
from vedette.statistics.intervals import wilson
from vedette.statistics.sampled import CONSERVATIVE, WEIGHTED, Levels, sampled_figures, weights_of

COUNTS = ("rows", "throughput_per_s", "distinct")


def levels(kind, columns, weight, window=None, n_windows=1):
    """Rows with a weight each as levels."""
    window = np.zeros(len(weight), dtype=np.int64) if window is None else window
    found, place = np.unique(np.asarray(weight, dtype=np.float64), return_inverse=True)
    pairs, group = np.unique(window * len(found) + place, return_inverse=True)
    parts = summary(kind, columns, group, len(pairs))
    return Levels(parts, pairs // len(found), found[pairs % len(found)], n_windows)


def weights(n, seed=3):
    """Weights of 1, 3 and 10 in disorder."""
    return np.random.default_rng(seed).choice([1.0, 3.0, 10.0], n)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_one_weight_changes_no_figure(name, kind):
    """Where all rows stand for as many, value and interval are those of the rows as they are; counts are of all."""
    columns = rows(kind, 900)
    plain = STATISTICS[name].figures(summary(kind, columns), summary(kind, rows(kind, 900, 5)))
    found, said = sampled_figures(
        STATISTICS[name], levels(kind, columns, np.full(900, 7.0)), summary(kind, rows(kind, 900, 5))
    )
    assert said.tolist() == [WEIGHTED]
    if name in COUNTS:
        assert found.n.tolist() == plain.n.tolist()
        return
    for part in ("value", "low", "high", "n", "reason"):
        np.testing.assert_array_equal(getattr(found, part), getattr(plain, part))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_value_is_that_of_all_that_the_rows_stand_for(name, kind):
    """As if each row had come as often as its weight says; ``n`` is the number of rows that were kept."""
    if STATISTICS[name].needs_reference or name == "distinct":
        pytest.skip("corrected for the number of rows; not known where rows were left out")
    columns, weight = rows(kind, 2000), weights(2000)
    again = [np.repeat(column, weight.astype(int)) for column in columns]
    truth = STATISTICS[name].figures(summary(kind, again))
    kept = STATISTICS[name].figures(summary(kind, columns))
    found, said = sampled_figures(STATISTICS[name], levels(kind, columns, weight))
    np.testing.assert_allclose(found.value, truth.value, rtol=1e-9)
    assert found.n.tolist() == kept.n.tolist()
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    if name not in COUNTS:
        assert found.high - found.low >= truth.high - truth.low  # which has five times as many rows
    assert said[0] in (WEIGHTED, CONSERVATIVE)


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_parts_too_are_those_of_all_that_the_rows_stand_for(name):
    """Of every class: the value of the repeated rows."""
    columns, weight = rows("quality", 2000), weights(2000)
    truth = BREAKDOWNS[name].figures(
        summary("quality", [np.repeat(one, weight.astype(int)) for one in columns])
    )
    found, _ = sampled_figures(BREAKDOWNS[name], levels("quality", columns, weight))
    for part, one in truth.items():
        np.testing.assert_allclose(found[part].value, one.value, rtol=1e-9, err_msg=part)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_trouble_has_a_reason_and_never_an_error(name, kind):
    """Odd windows, at two weights each: finite with the value between the limits, or a reason."""
    for case, one in odd_windows(kind).items():
        both = dataclasses.replace(one.stack([one, one]), window_s=3600.0)
        given = Levels(both, np.zeros(2, dtype=np.int64), np.array([1.0, 20.0]), 1)
        found, _ = sampled_figures(STATISTICS[name], given, summary(kind, rows(kind, 300)))
        assert isinstance(found, Estimates)
        good = np.isfinite(found.value)
        assert (good == np.array([text is None for text in found.reason])).all(), case
        assert (found.low[good] <= found.value[good]).all(), case
        assert (found.value[good] <= found.high[good]).all(), case


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_order_of_rows_changes_nothing(name, kind):
    """Whole weights add up to the bit."""
    columns, weight = rows(kind, 800), weights(800)
    order = np.random.default_rng(9).permutation(800)
    one, _ = sampled_figures(STATISTICS[name], levels(kind, columns, weight), summary(kind, rows(kind, 500)))
    other, _ = sampled_figures(
        STATISTICS[name],
        levels(kind, [part[order] for part in columns], weight[order]),
        summary(kind, rows(kind, 500)),
    )
    for part in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=1e-9)


def test_the_interval_of_a_share_by_hand():
    """90 of 100 rows of weight 1 and 30 of 50 of weight 10 are right: MOVER of two Wilson intervals, and what chance adds."""
    right = np.concatenate([np.repeat([1, 0], [90, 10]), np.repeat([1, 0], [30, 20])])
    label = np.ones(150, dtype=int)
    found, said = sampled_figures(
        STATISTICS["accuracy"],
        levels("quality", (label, right, right * 0.5 + 0.2), np.repeat([1.0, 10.0], [100, 50])),
    )
    share = np.array([100, 500]) / 600
    p = np.array([0.9, 0.6])
    mean = share @ p
    low, high = wilson(np.array([90, 30]), np.array([100, 50]), 0.95)
    between = 1.959964**2 * (share**2 * (p - mean) ** 2 / np.array([100, 50])).sum()
    assert said.tolist() == [WEIGHTED]
    assert found.value[0] == pytest.approx(390 / 600)
    assert found.low[0] == pytest.approx(
        mean - np.sqrt((share**2 * (p - low) ** 2).sum() + between), rel=1e-6
    )
    assert found.high[0] == pytest.approx(
        mean + np.sqrt((share**2 * (high - p) ** 2).sum() + between), rel=1e-6
    )


@pytest.mark.parametrize("name", ["accuracy", "recall", "log_loss"])
def test_intervals_hold_what_all_rows_say(name):
    """Errors are seldom where rows are seldom kept: of 400 draws the intervals of a weighted figure hold 0.92 to 1."""
    rng = np.random.default_rng(5)
    n = 20_000
    score = rng.beta(0.6, 0.9, n)
    label = (rng.random(n) < score).astype(int)
    columns = label, (score > 0.5).astype(int), score
    truth = STATISTICS[name].figures(summary("quality", columns)).value[0]
    chance = np.where(np.abs(score - 0.5) < 0.2, 0.2, 0.02)
    kept = [np.flatnonzero(rng.random(n) < chance) for _ in range(400)]
    at, draw = np.concatenate(kept), np.repeat(np.arange(400), [len(one) for one in kept])
    given = levels("quality", [part[at] for part in columns], 1 / chance[at], draw, 400)
    found, _ = sampled_figures(STATISTICS[name], given)
    held = ((found.low <= truth) & (truth <= found.high)).mean()
    error = (found.value.mean() - truth) / (found.value.std(ddof=1) / 20)
    assert 0.92 <= held <= 1.0
    assert abs(error) < 4


def test_distinct_values_of_rows_that_were_left_out_are_not_known():
    """No figure, and the reason; where none was left out it is what it is."""
    columns = rows("numeric", 100)
    found, _ = sampled_figures(STATISTICS["distinct"], levels("numeric", columns, np.full(100, 2.0)))
    assert found.reason.tolist() == ["rows were left out: which values they had is not known"]
    found, said = sampled_figures(STATISTICS["distinct"], levels("numeric", columns, np.ones(100)))
    assert (found.value.tolist(), said.tolist()) == ([100.0], [None])


def test_rows_stand_for_as_many_as_they_say():
    """40 rows of weight 5 and 10 of weight 1: 210, give or take 1.96 sqrt(40 * 5 * 4), and no fewer than were kept."""
    given = levels("numeric", rows("numeric", 50), np.repeat([5.0, 1.0], [40, 10]))
    found, _ = sampled_figures(STATISTICS["rows"], given)
    half = 1.959964 * np.sqrt(800)
    assert found.value[0] == 210
    assert (found.low[0], found.high[0]) == (pytest.approx(210 - half), pytest.approx(210 + half))


def test_a_probability_is_the_same_weight_whenever_it_comes():
    """What is one over a whole number, or has three digits, is exact; others are near, right on average, and not many."""
    exact = np.array([1.0, 0.3, 0.7, 0.01, 0.125, 0.00123, 1 / 3, 1 / 49, 1 / 1001])
    np.testing.assert_allclose(weights_of(exact), 1 / exact, rtol=1e-12)
    chance = np.random.default_rng(2).uniform(0.01, 1, 50_000)
    found = weights_of(chance)
    assert len(np.unique(found)) < 300
    assert np.abs(found * chance - 1).max() < 0.06
    assert found.sum() == pytest.approx((1 / chance).sum(), rel=0.002)
    np.testing.assert_array_equal(weights_of(chance[:10]), found[:10])


def test_corrections_of_labels_take_back_what_they_gave():
    """A label that is corrected in a later window nets to no rows of its weight there, and is counted there all the same."""
    names, grid = ["no", "yes"], quality_grid(("no", "yes"))
    heavy = summarise_quality(grid, [1, 0], [1, 1], names, None, None, 1, np.array([-1, 1]))
    light = summarise_quality(grid, [1] * 30, [1] * 30, names)
    given = Levels(heavy.stack([light, heavy]), np.array([0, 0]), np.array([1.0, 100.0]), 1)
    assert (given.heaviest.tolist(), given.mixed.tolist(), given.kept.rows.tolist()) == (
        [100.0],
        [True],
        [30],
    )


def test_a_window_counts_as_so_many_rows_as_it_is_worth():
    """What compares windows sees whole counts in the weighted proportions, as many as if all had the largest weight."""
    weight = np.repeat([1.0, 10.0], [500, 200])
    given = levels("category", (np.repeat([0, 1, 2], [300, 200, 200]),), weight)
    found = given.effective
    assert found.rows.tolist() == [250]
    assert found.counts.sum() == 250
    np.testing.assert_allclose(found.counts[0][:3], [30, 20, 200], atol=1)
    assert found.counts.dtype == np.int64


def test_weighted_windows_raise_no_alarm_by_their_weights(tmp_path: Path) -> None:
    """Rare classes are all kept, of the others a fifth: shares, scores and accuracy are judged as those of all rows; a real
    change alarms all the same."""
    rng = np.random.default_rng(11)

    def some(n: int, start: float, shift: float = 0.0) -> dict[str, object]:
        x = rng.normal(shift, 1, n)
        score = 1 / (1 + np.exp(2.0 - x))
        label = (rng.random(n) < score).astype(int)
        answer = (score > 0.35).astype(int)
        times = start + np.sort(rng.random(n)) * 86_400
        return {
            "x": x, "probability": score, "prediction": answer, "label": label, "time": times,
            "id": [f"{start}-{i}" for i in range(n)],
        }  # fmt: skip

    begin = 1_600_000_000 // 86_400 * 86_400.0
    sampler = sampling.Stratified("prediction", rate={1: 1.0, None: 0.2})
    with Monitor(
        "m", lake=tmp_path, window="1d", sampler=sampler, clock=lambda: begin + 100 * 86_400
    ) as monitor:
        monitor.reference(some(8000, begin - 40 * 86_400))
        for day in range(30):
            monitor.log_many(some(2000, begin + day * 86_400))
        quiet = monitor.check()
        figures = monitor.figures("mean", feature="x", window="all")
        for day in range(30, 45):
            monitor.log_many(some(2000, begin + day * 86_400, 0.5))
        changed = {one.watch: one.verdict for one in monitor.check().verdicts}
    alarms = [one.watch for one in quiet.verdicts if one.verdict is Status.ALARM]
    assert alarms == []
    assert abs(figures["value"][0]) < 0.03
    assert Status.ALARM in changed.values()


def test_a_reference_may_be_sampled_too(tmp_path: Path) -> None:
    """Rows of a reference that bring a probability count for as many as they stand for."""
    x = np.repeat([0.0, 1.0], [400, 400])
    inclusion = np.repeat([1.0, 0.1], [400, 400])
    with Monitor("m", lake=tmp_path, window="1d", clock=lambda: 1.7e9) as monitor:
        order = np.random.default_rng(1).permutation(800)
        monitor.reference(
            {"x": x[order], "prediction": [1] * 800, "inclusion": inclusion[order], "time": [1.6e9] * 800}
        )
        monitor.flush()
        rows = monitor._lake().model("m")["summaries"].scan().collect()
    one = rows.filter((rows["part"] == "reference") & (rows["column"] == "x"))
    zeros, ones = (n for n in one["counts"].item().to_list() if n)
    assert (ones / zeros, one["rows"].item()) == (pytest.approx(10, rel=0.2), zeros + ones)


def test_rules_read_the_figures_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single value that no other weight has, a column with few values, failures of one weight, and distinct values."""
    monkeypatch.chdir(tmp_path)
    Path("vedette.toml").write_text(
        "[models.m.rules]\n"
        'far = "values(x) outside -100 to 100"\n'
        'shape = "schema changed"\n'
        'failing = { when = "error_rate > 0.3 %", min_rows = 20 }\n'
        'few = "distinct(k) < 300"\n'
    )
    begin = 1_600_000_000 // 86_400 * 86_400.0
    with Monitor("m", lake=tmp_path, window="1d", clock=lambda: begin + 50 * 86_400) as monitor:
        monitor.reference(
            {
                "x": np.arange(200.0),
                "k": np.arange(200.0),
                "prediction": [0, 1] * 100,
                "time": [begin - 9e5] * 200,
            }
        )
        for day in range(4):
            start = begin + day * 86_400
            for i in range(50):
                monitor.log({"x": None, "k": float(i)}, 1, inclusion=0.01, time=start + i)
            for i in range(20):
                monitor.log({"x": 999.0, "k": 500.0 + i}, None, time=start + 100 + i, error="TimeoutError")
        verdicts = {one.watch: one for one in monitor.check().verdicts}
        rate = monitor.figures("error_rate", window="all")["value"].item()
    assert rate == pytest.approx(20 / 5020)
    assert verdicts["rule:far"].verdict is Status.ALARM
    assert verdicts["rule:shape"].verdict is Status.OK
    assert verdicts["rule:failing"].verdict is Status.ALARM
    assert verdicts["rule:few"].verdict is Status.UNKNOWN
    assert "rows were left out" in str(verdicts["rule:few"].reason)


def test_corrected_labels_of_sampled_rows_raise_no_alarm(tmp_path: Path) -> None:
    """Labels that are corrected a day later, of rows of weight 1 and 50, judged in one round: no drift, no alarm."""
    rng = np.random.default_rng(4)
    begin = 1_600_000_000 // 86_400 * 86_400.0

    def some(n: int, start: float) -> dict[str, object]:
        score = rng.beta(2, 2, n)
        return {
            "x": score, "probability": score, "prediction": (score > 0.5).astype(int),
            "label": (rng.random(n) < score).astype(int), "id": [f"{start}-{i}" for i in range(n)],
            "time": start + np.sort(rng.random(n)) * 80_000,
        }  # fmt: skip

    now = [begin]
    with Monitor("m", lake=tmp_path, window="1d", clock=lambda: now[0]) as monitor:
        monitor.reference(some(4000, begin - 40 * 86_400))
        for day in range(15):
            start = begin + day * 86_400
            now[0] = start + 86_000
            rows = some(400, start)
            rows["inclusion"] = np.where(np.arange(400) % 2, 1.0, 0.02)
            monitor.log_many(rows)
            now[0] = start + 86_400 + 40_000
            corrected = [f"{start}-{i}" for i in range(6)]
            truth = [1 - int(rows["label"][i]) for i in range(6)]  # type: ignore[index]
            monitor.label_many({"id": corrected, "label": truth, "time": [now[0]] * 6})
        alarms = [one.watch for one in monitor.check().verdicts if one.verdict is Status.ALARM]
    assert alarms == []
