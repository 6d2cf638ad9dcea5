"""Errors of a regression in windows whose labels have not come, through the monitor."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.statistics.unlabelled import mixed_losses

ROWS = 200


class Prices:
    """A regression whose errors have another size from day to day, by 15 %; days come with as many labels as are said."""

    def __init__(self, folder: Path, *, reference: bool = True) -> None:
        self.now, self.folder = START, folder
        self.random = np.random.default_rng(8)
        self.monitor = vedette.Monitor(
            "m", lake=folder, window="1d", task="regression", clock=lambda: self.now.timestamp()
        )
        if reference:
            days = [
                self.rows().with_columns(
                    time=pl.Series([START + DAY * (day - 40 + i / ROWS) for i in range(ROWS)])
                )
                for day in range(30)
            ]
            self.monitor.reference(pl.concat(days).drop("id", "region"))
        self.days: list[pl.DataFrame] = []

    def rows(self, shift: float = 0.0) -> pl.DataFrame:
        n = ROWS
        prediction = 50 + shift + 10 * self.random.normal(size=n)
        size = 4 * np.exp(0.15 * self.random.normal())
        return pl.DataFrame(
            {
                "id": [f"{self.random.integers(1 << 60)}" for _ in range(n)],
                "region": self.random.choice([*"abcdef"], n),
                "prediction": prediction,
                "label": prediction + size * self.random.normal(size=n),
            }
        )

    def day(self, share: float, shift: float = 0.0) -> None:
        frame = self.rows(shift)
        at = [self.now + DAY * (i / ROWS) for i in range(ROWS)]
        some = frame.head(round(share * ROWS)).select("id", "label")
        self.now += DAY - timedelta(minutes=1)
        self.monitor.log_many(frame.drop("label").with_columns(time=pl.Series(at)))
        if some.height:
            self.monitor.label_many(some)
        self.now += timedelta(minutes=1)
        self.days.append(frame)

    def figures(self, **said: object) -> pl.DataFrame:
        cycle.once(Lake.at(self.folder), models=["m"])
        return self.monitor.figures(["mae", "rmse", "mse"], estimate=True, **said)  # type: ignore[arg-type]


def truth(frame: pl.DataFrame, metric: str) -> float:
    off = (frame["prediction"] - frame["label"]).to_numpy()
    square = float((off**2).mean())
    return {"mae": float(np.abs(off).mean()), "rmse": float(np.sqrt(square)), "mse": square}[metric]


def test_errors_are_measured_blended_or_estimated(tmp_path: Path) -> None:
    """Labels of 30 days came, some of 2, none of 6 more: of eight 95 % intervals seven or all hold what the day has come to."""
    model = Prices(tmp_path)
    for share in [1.0] * 30 + [0.5] * 2 + [0.0] * 6:
        model.day(share)
    found = model.figures()
    for metric in ("mae", "rmse", "mse"):
        own = found.filter(pl.col("metric") == metric)
        assert own["kind"].to_list() == ["measured"] * 30 + ["blended"] * 2 + ["estimated"] * 6
        held = [
            row["low"] <= truth(day, metric) <= row["high"]
            for row, day in zip(own.iter_rows(named=True), model.days, strict=True)
        ]
        assert sum(held[30:]) >= 7
        # as wide as days differ by, 1.96 * 0.15 of the error, or wider: 30 days tell the 0.95 quantile poorly
        assert (own["high"] - own["low"])[36] / 2 > 0.25 * own["value"][36]
        assert "constant; over 30 windows whose labels have come off by" in own["note"][37]
    model.monitor.close()


def test_the_reference_rehearses_before_any_label(tmp_path: Path) -> None:
    """What days of the reference differ by is the first record; predictions unlike it are refused."""
    model = Prices(tmp_path)
    model.day(0.0)
    model.day(0.0, shift=500.0)
    fresh = model.monitor.figures(["mae", "rmse", "mse"], estimate=True)
    found = model.figures()
    assert fresh.equals(found)
    first, second = found.filter(pl.col("metric") == "mae").iter_rows(named=True)
    assert "over 25 windows of the reference" in first["note"]
    assert first["low"] <= truth(model.days[0], "mae") <= first["high"]
    assert re.fullmatch(
        r"no labels, no estimate, it would rest on \d+ rows of the reference", second["reason"]
    )
    model.monitor.close()


def test_by_segment_and_without_a_reference(tmp_path: Path) -> None:
    """Segments have a record of their own; without a reference the reason says what is missing."""
    model = Prices(tmp_path)
    for share in [1.0] * 12 + [0.0]:
        model.day(share)
    last = model.figures(by="region").filter((pl.col("labelled") == 0) & (pl.col("metric") == "mae"))
    assert last["segment"].to_list() == [f"region={name}" for name in "abcdef"]
    told = last.filter(pl.col("value").is_not_null())
    assert told.height >= 5
    assert all("windows of this segment whose labels have come" in note for note in told["note"])
    model.monitor.close()
    folder = tmp_path / "other"
    folder.mkdir()
    bare = Prices(folder, reference=False)
    bare.day(0.0)
    assert bare.figures()["reason"].unique().to_list() == [
        "no labels, and no reference with labels to estimate by"
    ]
    bare.monitor.close()


def test_losses_pass_from_the_estimate_into_what_labels_say() -> None:
    """Without labels the estimate with its own reach, with all of them the labels; between, 0.9 of the intervals hold."""
    ends = mixed_losses(
        "mae", [np.nan, 3.0], [np.nan, 2.5], [np.nan, 3.5], [0, 1], [2.0] * 2, [0.01] * 2, reach=[2.0] * 2
    )
    assert [part[0] for part in ends] == pytest.approx([2.0, 1.8, 2.2])
    assert [part[1] for part in ends] == pytest.approx([3.0, 2.5, 3.5])
    random = np.random.default_rng(0)
    windows, n = 3000, 200
    size = 4 + 0.4 * random.normal(size=windows)
    loss = np.abs(size[:, None] * random.normal(size=(windows, n)))
    right = loss.mean(axis=1)
    free = np.full(windows, 4 * np.sqrt(2 / np.pi))
    spread = np.full(windows, (0.4**2) * 2 / np.pi + 16 * (1 - 2 / np.pi) / n)
    for share in (0.1, 0.3, 0.6):
        some = loss[:, : int(share * n)]
        half = 1.645 * some.std(axis=1, ddof=1) / np.sqrt(some.shape[1])
        plain = some.mean(axis=1)
        value, low, high = mixed_losses(
            "mae",
            plain,
            plain - half,
            plain + half,
            np.full(windows, share),
            free,
            spread,
            reach=np.full(windows, 1.645),
        )
        assert 0.87 < ((low <= right) & (right <= high)).mean() <= 1
        assert np.abs(value - right).mean() < min(np.abs(plain - right).mean(), np.abs(free - right).mean())
