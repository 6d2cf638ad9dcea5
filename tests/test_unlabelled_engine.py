"""Figures of a model whose labels have not come, through the monitor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.lake.tables import Lake

N = 600
CLASSES = [0, 1]


def rows(seed: int, n: int = N, sharp: float = 2.0) -> pl.DataFrame:
    """Rows whose probabilities are true; the sharper, the more is right."""
    random = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-sharp * random.normal(size=n)))
    return pl.DataFrame(
        {
            "id": [f"{seed}-{i}" for i in range(n)],
            "x": random.normal(size=n),
            "probability": probability,
            "prediction": (probability > 0.5).astype(int),
            "label": (random.random(n) < probability).astype(int),
        }
    )


class Model:
    """A model with a reference, whose days come one by one, with as many of the labels as are said."""

    def __init__(self, folder: Path, *, reference: bool = True, window: str = "1d") -> None:
        self.now, self.folder = START, folder
        self.monitor = vedette.Monitor(
            "m",
            lake=folder,
            window=window,
            task="classification",
            classes=CLASSES,
            clock=lambda: self.now.timestamp(),
        )
        if reference:
            self.monitor.reference(rows(1, 6000).drop("id"))
            self.round()
        self.days: list[pl.DataFrame] = []

    def day(self, share: float, sharp: float = 2.0) -> None:
        frame = rows(100 + len(self.days), sharp=sharp)
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

    def figures(self, metric: object = "accuracy", **said: object) -> pl.DataFrame:
        self.round()
        return self.monitor.figures(metric, estimate=True, **said)  # type: ignore[arg-type]


def truth(frame: pl.DataFrame) -> float:
    return float((frame["label"] == frame["prediction"]).mean())  # type: ignore[arg-type]


def test_windows_are_measured_blended_or_estimated(tmp_path: Path) -> None:
    """One row a window, whatever labels came; what is measured stays as it was, and every interval holds the truth."""
    model = Model(tmp_path)
    for share in (1.0, 1.0, 1.0, 0.4, 0.0, 0.0):
        model.day(share)
    found = model.figures()
    assert found["kind"].to_list() == ["measured"] * 3 + ["blended"] + ["estimated"] * 2
    plain = model.monitor.figures("accuracy")
    assert plain.columns == found.columns
    assert plain["kind"].unique().to_list() == ["measured"]
    assert found.head(3).equals(plain.head(3))
    assert found["note"].null_count() == 3
    assert "over" in found["note"][5]
    for row, day in zip(found.iter_rows(named=True), model.days, strict=True):
        assert row["low"] <= truth(day) <= row["high"], row
        assert row["n"] == N
    width = (found["high"] - found["low"]).to_list()
    assert max(width[3:]) < 0.16
    model.monitor.close()


def test_a_change_of_scores_is_seen_before_labels(tmp_path: Path) -> None:
    """Doubtful scores mean a lower accuracy, which the estimate says on the day."""
    model = Model(tmp_path)
    model.day(0.0)
    model.day(0.0, sharp=0.3)
    found = model.figures(["accuracy", "f1", "roc_auc"])
    assert found["kind"].unique().to_list() == ["estimated"]
    first, second = found.filter(pl.col("metric") == "accuracy")["value"].to_list()
    assert second < first - 0.15
    assert second == pytest.approx(truth(model.days[1]), abs=0.06)
    model.monitor.close()


def test_a_reference_whose_days_differ_makes_wide_intervals(tmp_path: Path) -> None:
    """Before any label has come, what days of the reference differ by is what is to be expected of those that follow."""
    widths = []
    for name, apart in (("alike", 0.0), ("apart", 0.8)):
        folder = tmp_path / name
        folder.mkdir()
        model = Model(folder, reference=False)
        days = []
        for day in range(20):
            frame = rows(500 + day, 300)
            probability = frame["probability"].to_numpy()
            odds = np.log(probability / (1 - probability)) * (
                1 + apart * (-1) ** day
            )  # surer or less than it says
            label = np.random.default_rng(day).random(300) < 1 / (1 + np.exp(-odds))
            at = pl.Series([START + DAY * (day - 30 + i / 300) for i in range(300)])
            days.append(frame.with_columns(label=pl.Series(label.astype(int)), time=at).drop("id"))
        model.monitor.reference(pl.concat(days))
        model.day(0.0)
        (row,) = model.figures().iter_rows(named=True)
        assert "windows of the reference" in row["note"], row
        widths.append(row["high"] - row["low"])
        model.monitor.close()
    assert widths[1] > 1.5 * widths[0]


def test_journals_and_lake_give_the_same(tmp_path: Path) -> None:
    """Rows that are still in the journals are estimated as those of the lake are."""
    model = Model(tmp_path)
    model.day(1.0)
    model.day(0.0)
    fresh = model.monitor.figures("accuracy", estimate=True)
    assert model.figures().equals(fresh)
    model.monitor.close()


def test_longer_windows_bounds_and_all(tmp_path: Path) -> None:
    """Estimates go with the window asked for; ``since`` leaves windows out of the frame, not out of the record."""
    model = Model(tmp_path)
    for share in (1.0, 1.0, 1.0, 1.0, 0.0, 0.0):
        model.day(share)
    two = model.figures(window="2d")
    assert two["kind"].to_list() == ["measured"] * 2 + ["estimated"]
    assert two["n"].to_list() == [2 * N] * 3
    every, late = model.figures(), model.figures(since=START + 4 * DAY)
    assert late.equals(every.tail(2))
    assert model.figures(window="all")["kind"].to_list() == ["blended"]
    model.monitor.close()


def test_without_a_reference_the_reason_says_so(tmp_path: Path) -> None:
    """Nothing is known of what scores mean without labels somewhere."""
    model = Model(tmp_path, reference=False)
    model.day(0.0)
    found = model.figures()
    assert found["value"].to_list() == [None]
    assert found["reason"].to_list() == ["no labels, and no reference with labels to estimate by"]
    model.monitor.close()


def test_predictions_unlike_the_reference_are_refused(tmp_path: Path) -> None:
    """A model that no longer gives a probability is outside of what the reference tells of."""
    model = Model(tmp_path)
    frame = rows(9).drop("label", "probability")
    model.now += DAY
    model.monitor.log_many(frame.with_columns(time=pl.Series([START + DAY * (i / N) for i in range(N)])))
    (reason,) = model.figures()["reason"].to_list()
    assert reason == "no labels, no estimate, 100% of the rows outside the reference's support"
    model.monitor.close()
