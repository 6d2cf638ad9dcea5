"""Labels that come by score and prediction: figures weighted to all rows, and the test of whether that is all they come by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.statistics.label_delay import delay_dependence
from vedette.statistics.post_stratified import post_stratified, strata_of
from vedette.statistics.unlabelled import pull_of

Floats = np.ndarray
BINS = 40
EDGES, SCORES = np.arange(1, BINS) / BINS, (np.arange(BINS) + 0.5) / BINS
LAW = 0.8, 0.05
"""Label 1 has the chance 0.8 score + 0.05: the score is not calibrated."""


def drawn(
    seed: int, n_windows: int, n: int, arrival: Callable[[Floats], Floats]
) -> tuple[Floats, Floats, Floats]:
    """Counts of all rows, of those whose label came, and of all with their labels, by window."""
    random = np.random.default_rng(seed)
    score = random.beta(1.2, 1.8, (n_windows, n))
    label = (random.random(score.shape) < LAW[0] * score + LAW[1]).astype(int)
    came = random.random(score.shape) < arrival(score)
    at = np.broadcast_to(np.arange(n_windows)[:, None], score.shape)
    cell = at, np.searchsorted(EDGES, score, side="right"), (score > 0.5).astype(int), label
    whole, some = np.zeros((2, n_windows, BINS, 2, 2))
    np.add.at(whole, cell, 1)
    np.add.at(some, tuple(part[came] for part in cell), 1)
    return whole.sum(axis=3), some, whole


def law_of(metric: str) -> float:
    """The metric of the law itself, from two million scores and their chances."""
    score = np.random.default_rng(99).beta(1.2, 1.8, 2_000_000)
    chance = LAW[0] * score + LAW[1]
    table = np.zeros((BINS, 2, 2))
    cell = np.searchsorted(EDGES, score, side="right"), (score > 0.5).astype(int)
    np.add.at(table[..., 0], cell, 1 - chance)
    np.add.at(table[..., 1], cell, chance)
    return float(pull_of(metric, table, SCORES)[0])


ARRIVALS: dict[str, Callable[[Floats], Floats]] = {
    "sure ones first": lambda score: 0.1 + 0.8 * np.abs(2 * score - 1),
    "high ones first": lambda score: 0.05 + 0.6 * score,
}


@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc_auc"])
@pytest.mark.parametrize("which", ARRIVALS)
def test_labels_that_come_by_score_are_no_bias(metric: str, which: str) -> None:
    """The weighted figure is unbiased and 0.95 of its intervals hold the law, where the plain one is off by 0.024 or more."""
    counts, some, _ = drawn(1, 400, 600, ARRIVALS[which])
    right = law_of(metric)
    found = post_stratified(metric, counts, some, SCORES)
    plain = pull_of(metric, some, SCORES)[0]
    off = found.value - right
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert abs(plain.mean() - right) > 0.024
    held = ((found.low <= right) & (right <= found.high)).mean()
    assert 0.925 < held < 0.985


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "f1", "roc_auc"])
def test_with_all_labels_it_is_the_metric_of_the_labels(metric: str) -> None:
    """To rounding; of the area under the curve to what scores within a stratum are ordered by."""
    counts, _, whole = drawn(2, 5, 3000, ARRIVALS["sure ones first"])
    found = post_stratified(metric, counts, whole, SCORES)
    tolerance = 0.004 if metric == "roc_auc" else 1e-9
    assert found.value == pytest.approx(pull_of(metric, whole, SCORES)[0], abs=tolerance)
    assert found.n.tolist() == [3000] * 5
    assert found.effective == pytest.approx(3000)
    if metric == "accuracy":  # the interval is that of a share
        share = found.value
        half = 1.96 * np.sqrt(share * (1 - share) / 3000)
        assert found.high - found.low == pytest.approx(2 * half, rel=0.02)


def test_a_prediction_with_few_labels_is_refused() -> None:
    """With the share of rows that it has."""
    counts, some, _ = drawn(3, 2, 1000, ARRIVALS["high ones first"])
    some[1, :, 1] = 0
    found = post_stratified("f1", counts, some, SCORES)
    share = counts[1, :, 1].sum() / 1000
    assert np.isfinite(found.value[0])
    assert np.isnan(found.value[1])
    assert found.reason.tolist() == [
        None,
        f"{share:.0%} of the rows have a prediction with fewer than 20 labels",
    ]
    with pytest.raises(ValueError, match="metric='mae'"):
        post_stratified("mae", counts, some, SCORES)
    with pytest.raises(ValueError, match="must be \\[W, bin, 2\\]"):
        post_stratified("f1", counts, some[:, :3], SCORES)


def test_strata_hold_as_many_labels_as_they_must() -> None:
    """Each, in order of scores, whatever the counts; fewer labels than one needs are one stratum."""
    random = np.random.default_rng(4)
    for _ in range(50):
        came = random.poisson(random.choice([0.2, 3, 30]), 60)
        strata = strata_of(came, 20)
        held = np.bincount(strata, came)
        assert (np.diff(strata) >= 0).all()
        assert (held >= min(20, came.sum())).all()


def delays_of(seed: int, slope: float, n: int = 40, n_windows: int = 20) -> Floats:
    """Labels [window, stratum, delay, 1, 2] that come by stratum, and by the label itself as far as ``slope``."""
    random = np.random.default_rng(seed)
    stratum = random.integers(0, 10, (n_windows, n * 10))
    label = random.random(stratum.shape) < (stratum + 0.5) / 10
    late = random.random(stratum.shape) < 0.2 + 0.06 * stratum + slope * (label - 0.5)
    out = np.zeros((n_windows, 10, 2, 1, 2))
    at = np.broadcast_to(np.arange(n_windows)[:, None], stratum.shape)
    np.add.at(out, (at, stratum, late.astype(int), 0, label.astype(int)), 1)
    return out


def test_labels_that_come_by_stratum_alone_are_alike_within() -> None:
    """The plain test rejects each time; of the one within strata p-values are uniform or greater."""
    within = [delay_dependence(delays_of(seed, 0.0), ("label",)) for seed in range(200)]
    plain = [delay_dependence(delays_of(seed, 0.0).sum(axis=1), ("label",)) for seed in range(20)]
    assert all(one.depends for one in plain)
    p_values = np.array([one.p_value for one in within])
    assert (p_values < 0.05).mean() < 0.09
    assert (p_values < 0.5).mean() < 0.6


def test_labels_that_come_by_themselves_within_strata_are_found() -> None:
    """Of 8,000 labels those of class 1 come late 6 points more often: nine times in ten at the level .05."""
    p_values = [delay_dependence(delays_of(seed, 0.06), ("label",)).p_value for seed in range(60)]
    assert np.mean(np.array(p_values) < 0.05) > 0.9


def test_one_stratum_is_no_stratum() -> None:
    """The test of before, bit for bit."""
    whole = delays_of(5, 0.1).sum(axis=1)
    assert delay_dependence(whole, ("label",)) == delay_dependence(whole[:, np.newaxis], ("label",))


class Review:
    """A model whose labels come early or late by score, and, as far as ``itself`` says, by the label."""

    def __init__(self, folder: Path, itself: float) -> None:
        self.now, self.folder = START, folder
        random = np.random.default_rng(6)
        self.monitor = vedette.Monitor(
            "m",
            lake=folder,
            window="1d",
            task="classification",
            classes=[0, 1],
            clock=lambda: self.now.timestamp(),
        )

        def rows(n: int) -> pl.DataFrame:
            score = random.beta(1.2, 1.8, n)
            return pl.DataFrame(
                {
                    "id": [f"{random.integers(1 << 60)}" for _ in range(n)],
                    "probability": score,
                    "prediction": (score > 0.5).astype(int),
                    "label": (random.random(n) < LAW[0] * score + LAW[1]).astype(int),
                }
            )

        self.monitor.reference(rows(5000).drop("id"))
        self.days, n = [], 700
        waiting = []
        for _ in range(14):
            frame = rows(n)
            at = [self.now + DAY * (i / n) for i in range(n)]
            self.now += DAY - timedelta(minutes=1)
            self.monitor.log_many(frame.drop("label").with_columns(time=pl.Series(at)))
            score, label = frame["probability"].to_numpy(), frame["label"].to_numpy()
            early = random.random(n) < 0.15 + 0.6 * np.abs(2 * score - 1) + itself * (label - 0.5)
            told = [frame.filter(pl.Series(early)), *waiting[-1:]]  # the rest a day later
            self.monitor.label_many(pl.concat(told).select("id", "label"))
            waiting.append(frame.filter(~pl.Series(early)))
            self.days.append(frame)
            self.now += timedelta(minutes=1)
        cycle.once(Lake.at(folder), models=["m"])


def test_a_window_is_weighted_where_labels_come_by_score_alone(tmp_path: Path) -> None:
    """The newest window, of which the sure ones are labelled, is near to what it is; its bounds stand in the note."""
    model = Review(tmp_path, 0.0)
    found = model.monitor.figures(["accuracy", "f1", "roc_auc"])
    last = {row["metric"]: row for row in found.filter(pl.col("labelled") < 1).iter_rows(named=True)}
    day = model.days[-1]
    right = float((day["label"] == day["prediction"]).mean())  # type: ignore[arg-type]
    row = last["accuracy"]
    assert {one["kind"] for one in last.values()} == {"weighted"}
    assert row["low"] <= right <= row["high"]
    assert row["high"] - row["low"] < 0.16
    assert row["note"].startswith("weighted to the scores and predictions of all rows, as if ")
    assert "bounds over all labels that may come" in row["note"]
    assert found.filter(pl.col("labelled") == 1)["kind"].unique().to_list() == ["measured"]
    estimated = model.monitor.figures(["accuracy", "f1", "roc_auc"], estimate=True)
    assert estimated.equals(found)
    model.monitor.close()


def test_bounds_stay_where_labels_come_by_themselves(tmp_path: Path) -> None:
    """Within like scores early labels are mostly 1: nothing can be weighted, and the note says so."""
    model = Review(tmp_path, 0.25)
    (row,) = model.monitor.figures("accuracy").filter(pl.col("labelled") < 1).iter_rows(named=True)
    assert row["kind"] == "measured"
    assert row["note"].startswith("bounds over all labels that may come")
    assert "among rows of like score and prediction too late ones differ from early ones" in row["note"]
    assert row["high"] - row["low"] > 0.3
    model.monitor.close()
