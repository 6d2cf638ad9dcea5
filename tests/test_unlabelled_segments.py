"""Estimates by segment: whose record they have, and where there is none."""

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
from vedette.statistics.unlabelled import Measure, Support, others_of

REGIONS = [*"abcdef"]
OFF = dict(zip(REGIONS, [-0.08, 0.06, 0.0, 0.1, -0.05, 0.02], strict=True))
"""How much more or less likely label 1 is in a region than the score says."""

ROWS = 120


def test_intervals_hold_a_segment_that_is_drawn_like_the_others() -> None:
    """Of segments off by N(0.03, 0.05^2) each, and chance, 0.9 of the intervals of a new one hold."""
    random = np.random.default_rng(0)
    held, widths = [], []
    for _ in range(600):
        n_segments, sd = 8, 0.02
        level = 0.03 + 0.05 * random.normal(size=n_segments + 1)
        error = level[:, None] + sd * random.normal(size=(n_segments + 1, 12))
        past = error[:-1]
        segment = np.repeat(np.arange(n_segments), 12)
        found = others_of(past.ravel(), np.full(past.size, sd**2), segment)
        assert found is not None
        one = Measure(np.full(12, 0.5), np.full(12, sd**2), np.zeros(12), np.zeros(12), np.full(12, np.inf))
        told = found.tell("f1", "confidence", one, Support(np.zeros(12), np.full(12, 1e4)))
        held.append(((told.low <= 0.5 + error[-1]) & (0.5 + error[-1] <= told.high)).mean())
        widths.append(told.high[0] - told.low[0])
    assert 0.88 < np.mean(held) < 0.95
    # no wider than what a segment and a window differ by, at Student's quantile of 7 degrees, needs on average
    assert np.mean(widths) / 2 < 1.2 * 1.895 * np.hypot(0.05, 0.02)


def test_segments_count_alike_however_many_windows_they_have() -> None:
    """A segment with a hundred windows says no more of a new one than one with two."""
    few = others_of([0.1, 0.1, -0.1, 0.0, 0.05, -0.05], np.zeros(6), [0, 0, 1, 2, 3, 4])
    many = others_of([*[0.1] * 100, -0.1, 0.0, 0.05, -0.05], np.zeros(104), [*[0] * 100, 1, 2, 3, 4])
    assert few is not None
    assert many is not None
    assert (few.level, few.variance) == pytest.approx((many.level, many.variance))
    assert others_of([0.1, 0.2, 0.3, 0.4], np.zeros(4), [0, 1, 2, 3]) is None
    with pytest.raises(ValueError, match="must be finite"):
        others_of([np.nan] * 5, np.zeros(5), np.arange(5))


class Regions:
    """A model whose rows have a region; what labels mean differs from region to region."""

    def __init__(self, folder: Path) -> None:
        self.now, self.folder = START, folder
        self.random = np.random.default_rng(3)
        self.monitor = vedette.Monitor(
            "m",
            lake=folder,
            window="1d",
            task="classification",
            classes=[0, 1],
            clock=lambda: self.now.timestamp(),
        )
        reference = pl.concat([self.rows(region, 1500) for region in REGIONS])
        self.monitor.reference(reference.drop("id"))
        self.days: list[pl.DataFrame] = []

    def rows(self, region: str, n: int) -> pl.DataFrame:
        probability = self.random.beta(1.5, 1.5, n)
        chance = np.clip(probability + OFF.get(region, 0.0), 0, 1)
        return pl.DataFrame(
            {
                "id": [f"{self.random.integers(1 << 60)}" for _ in range(n)],
                "region": [region] * n,
                "probability": probability,
                "prediction": (probability > 0.5).astype(int),
                "label": (self.random.random(n) < chance).astype(int),
            }
        )

    def day(self, labels: dict[str, float], rows: int = ROWS) -> None:
        frame = pl.concat([self.rows(region, rows) for region in labels])
        at = [self.now + DAY * (i / len(frame)) for i in range(len(frame))]
        some = pl.concat(
            [part.head(round(labels[str(key[0])] * rows)) for key, part in frame.group_by("region")]
        )
        self.now += DAY - timedelta(minutes=1)
        self.monitor.log_many(frame.drop("label").with_columns(time=pl.Series(at)))
        if some.height:
            self.monitor.label_many(some.select("id", "label"))
        self.now += timedelta(minutes=1)
        self.days.append(frame)

    def figures(self, metric: str = "accuracy", **said: object) -> pl.DataFrame:
        cycle.once(Lake.at(self.folder), models=["m"])
        return self.monitor.figures(metric, estimate=True, by="region", **said)  # type: ignore[arg-type]

    def truth(self, day: int, region: str) -> float:
        frame = self.days[day].filter(pl.col("region") == region)
        return float((frame["label"] == frame["prediction"]).mean())  # type: ignore[arg-type]


def test_a_segment_is_told_by_its_own_record_or_by_that_of_others(tmp_path: Path) -> None:
    """Segments with ten labelled windows have their own record, a new one that of the others; all hold the truth."""
    model = Regions(tmp_path)
    for _ in range(12):
        model.day(dict.fromkeys(REGIONS, 1.0))
    for share in (0.3, 0.0):
        model.day({**dict.fromkeys(REGIONS, share), "new": 0.0})
    fresh = model.monitor.figures("accuracy", estimate=True, by="region")
    found = model.figures()
    assert fresh.equals(found)  # from the journals as from the lake
    last = found.filter(pl.col("start") == START + 13 * DAY)
    assert last["segment"].to_list() == [f"region={name}" for name in [*REGIONS, "new"]]
    assert last["kind"].unique().to_list() == ["estimated"]
    notes = dict(zip(last["segment"], last["note"], strict=True))
    assert "over 12 windows of this segment whose labels have come" in notes["region=a"]
    assert "over 72 windows of 6 segments whose labels have come" in notes["region=new"]
    partial = found.filter((pl.col("start") == START + 12 * DAY) & (pl.col("segment") != "region=new"))
    assert partial["kind"].unique().to_list() == ["blended"]
    assert found.filter(pl.col("start") < START + 12 * DAY)["kind"].unique().to_list() == ["measured"]
    for row in found.filter(pl.col("kind") != "measured").iter_rows(named=True):
        day = (row["start"] - START).days
        assert row["low"] <= model.truth(day, row["segment"].removeprefix("region=")) <= row["high"], row
        assert row["n"] == ROWS
    # what a region is always off by was learned: its positive predictions are right 0.18 more often than another's
    precision = model.figures("precision").filter(pl.col("start") == START + 13 * DAY)
    values = dict(zip(precision["segment"], precision["value"], strict=True))
    assert values["region=d"] - values["region=a"] == pytest.approx(0.18, abs=0.08)
    model.monitor.close()


def test_segments_without_any_record_are_refused(tmp_path: Path) -> None:
    """Where labels of too few segments have come, of a window of few rows, and without a reference, the reason says so."""
    model = Regions(tmp_path)
    for _ in range(3):
        model.day({"a": 1.0, "b": 1.0, "c": 0.0})
    found = model.figures().filter(pl.col("segment") == "region=c")
    assert found["value"].to_list() == [None] * 3
    assert found["reason"].unique().to_list() == [
        "no labels, and no labels of 5 segments have come to say how far off an estimate of one is"
    ]
    for _ in range(10):
        model.day(dict.fromkeys(REGIONS, 1.0))
    model.day({"a": 0.0, "b": 0.0}, rows=12)
    found = model.figures(since=START + 13 * DAY)
    assert found["reason"].to_list() == ["no labels, no estimate of fewer than 20 rows"] * 2
    model.monitor.close()
