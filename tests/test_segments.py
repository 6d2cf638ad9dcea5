"""Figures by segment are those of the rows of that segment, whatever the column and however many there are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import vedette
from tests.world import DAY, START, World
from vedette.engine import cycle
from vedette.lake.tables import Lake

CLOCK = (START + 10 * DAY).timestamp()


def rows(n: int = 3000) -> pl.DataFrame:
    """Rows of two days with columns of several types to cut by, one pair of them rare."""
    rng = np.random.default_rng(4)
    label = rng.integers(0, 2, n)
    region = rng.choice(["north", "south", "west"], n)
    new = rng.uniform(size=n) < 0.3
    new[region == "west"] = False
    region[5], new[5] = "west", True  # the only row of its pair
    return pl.DataFrame(
        {
            "id": [f"a{i}" for i in range(n)],
            "time": pl.Series(np.sort(rng.integers(0, 172_800_000_000, n))).cast(pl.Duration("us")) + START,
            "x": np.where(rng.uniform(size=n) < 0.05, np.nan, rng.normal(size=n)),
            "region": region,
            "new": new,
            "floor": rng.integers(-2, 11, n),
            "prediction": np.where(rng.uniform(size=n) < 0.2, 1 - label, label),
            "probability": rng.uniform(size=n).round(3),
            "label": label,
        }
    )


def monitor_of(folder: Path, frame: pl.DataFrame) -> vedette.Monitor:
    """A model with a reference, the same for all, and these rows in its journal."""
    monitor = vedette.Monitor("m", lake=folder, window="1d", task="classification", clock=lambda: CLOCK)
    monitor.reference(rows(1000).drop("id", "time"))
    cycle.once(Lake.at(folder), models=["m"])  # so that all count on its grids
    assert monitor.log_many(frame) == frame.height
    return monitor


def without(frame: pl.DataFrame) -> pl.DataFrame:
    """What is compared: all but the name of the segment."""
    return frame.drop("segment", "completeness").sort("metric", "feature", "start", nulls_last=True)


@pytest.mark.parametrize("window", ["1d", "all"])
def test_a_pair_of_columns_is_the_rows_of_both_values(tmp_path: Path, window: str) -> None:
    """Every figure of every pair is the figure of a model that saw only the rows of that pair."""
    frame = rows()
    pairs = monitor_of(tmp_path / "all", frame).figures(by=("region", "new"), window=window, since=START)
    expected = [f"region={r}, new={n}" for r in ("north", "south", "west") for n in (0, 1)]
    assert pairs["segment"].unique(maintain_order=True).to_list() == expected
    for i, (region, new) in enumerate([("north", False), ("south", True), ("west", False)]):
        own = frame.filter((pl.col("region") == region) & (pl.col("new") == new))
        alone = monitor_of(tmp_path / f"one{i}", own).figures(window=window)
        segment = pairs.filter(pl.col("segment") == f"region={region}, new={int(new)}")
        # both models cut their windows at the same days; only "all" could begin at another one
        one, other = without(segment), without(alone)
        assert_frame_equal(one, other)
        for name in ("value", "low", "high"):  # sums are in another order
            np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), rtol=1e-12, atol=1e-12)


def test_a_segment_of_one_row_says_why_it_has_no_figure(tmp_path: Path) -> None:
    """Few rows are shown as such: rows 1, and reasons where more are needed."""
    found = monitor_of(tmp_path, rows()).figures(["rows", "mean", "roc_auc"], by=["region", "new"])
    rare = found.filter(pl.col("segment") == "region=west, new=1")
    assert rare.filter(pl.col("metric") == "rows")["n"].to_list() == [1]
    assert rare.filter((pl.col("metric") == "mean") & (pl.col("feature") == "x"))["reason"][0].startswith(
        "fewer than 2"
    )
    assert rare.filter(pl.col("metric") == "roc_auc")["reason"].null_count() == 0


def test_segments_are_in_order(tmp_path: Path) -> None:
    """Numbers by size, booleans and texts by name, what is missing last; each row is in one segment."""
    frame = rows(400).with_columns(pl.when(pl.col("floor") != 3).then(pl.col("floor")).alias("floor"))
    monitor = monitor_of(tmp_path, frame)
    found = monitor.figures("rows", by="floor", window="all")
    counts = dict(frame.group_by("floor").len().rows())
    assert dict(found.select("segment", "n").rows()) == {
        f"floor={'null' if floor is None else floor}": n for floor, n in counts.items()
    }
    levels = [name.removeprefix("floor=") for name in found["segment"].to_list()]
    assert levels == [*(str(n) for n in range(-2, 11) if n != 3), "null"]
    assert monitor.figures("rows", by="new", window="all")["segment"].to_list() == ["new=0", "new=1"]


def test_no_two_values_are_one_segment(tmp_path: Path) -> None:
    """The text "null" is not a missing value, and a value that looks like a pair of columns is no pair."""
    left = ["null", None, None, "x, b=y", "x", "x", "x", 'q"']
    right = ["u", "u", "u", "z", "y, b=z", "y", "y", "u"]
    n = len(left)
    with vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: CLOCK) as monitor:
        monitor.log_many(
            pl.DataFrame({"time": [START] * n, "a": left, "b": right, "prediction": [0] * n}),
        )
        one = monitor.figures("rows", by="a").select("segment", "n").rows()
        two = monitor.figures("rows", by=["a", "b"]).select("segment", "n").rows()
    assert dict(one) == {'a="null"': 1, "a=null": 2, 'a="x, b=y"': 1, "a=x": 3, r'a="q\""': 1}
    assert one[-1][0] == "a=null"
    assert dict(two) == {
        'a="null", b=u': 1,
        "a=null, b=u": 2,
        'a="x, b=y", b=z': 1,
        'a=x, b="y, b=z"': 1,
        "a=x, b=y": 2,
        r'a="q\"", b=u': 1,
    }
    assert len(one) == 5
    assert len(two) == 6


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (("region", "region"), r"by=\('region', 'region'\): names a column twice"),
        ("x", r"by='x': has 1,\d\d\d values; at most 1,000 segments.*log a column of its bands .*x // 10"),
        ("id", r"by='id': has 1,200 values; .*is it an identifier\?"),
        (("region", "nowhere"), "by='nowhere': the model has no such column; it has .*region"),
        (("region", "new", "floor"), "must be one column or two"),
        ((), "must be a name, or a list of names"),
    ],
)
def test_what_is_no_segment_is_refused(tmp_path: Path, by: str | tuple[str, ...], said: str) -> None:
    """Numbers without levels, identifiers and strangers are a ValueError that says what to do."""
    with pytest.raises(ValueError, match=said):
        monitor_of(tmp_path, rows(1200)).figures("rows", by=by)


def test_segments_as_of_a_day_know_no_later_label(world: World) -> None:
    """By segment too, a figure as of a date rests on the rows and labels that were known then."""
    frame = world.rows(80)
    ids = world.log_day(frame, labels=False)
    world.now += 2 * DAY
    for name, label in zip(ids, frame["label"].to_list(), strict=True):
        world.monitor.label(name, label, time=world.now)
    world.log_day(world.rows(20), labels=False)
    before = world.monitor.figures(["rows", "accuracy"], by="c", as_of=START + timedelta(days=1, hours=5))
    after = world.monitor.figures(["rows", "accuracy"], by="c")
    for frame_, labelled in ((before, 0), (after, 80)):
        assert frame_.filter(pl.col("metric") == "accuracy")["n"].sum() == labelled
    assert (before["start"].max(), after["start"].max()) == (START, START + 3 * DAY)
    assert before.filter(pl.col("metric") == "rows")["n"].sum() == 80


@pytest.mark.parametrize("stored", [True, False], ids=["in the lake", "in the journal"])
def test_a_label_belongs_to_the_first_row_with_its_id_whatever_is_asked_for(
    tmp_path: Path, stored: bool
) -> None:
    """A hundred ids of the first day come again on the second: their labels are the first day's, asked for or not."""
    frame = rows()
    again = frame.head(100).with_columns(time=pl.col("time") + pl.duration(days=2), label=None)
    monitor = monitor_of(tmp_path, frame)
    if stored:
        cycle.once(Lake.at(tmp_path), models=["m"])
    monitor.log_many(again)
    if stored:
        cycle.once(Lake.at(tmp_path), models=["m"])
    for since in (START, START + 2 * DAY):
        whole = monitor.figures("accuracy", since=since, window="1d")
        parts = monitor.figures("accuracy", by="region", since=since, window="1d")
        summed = parts.group_by("start").agg(pl.col("n").sum()).sort("start")
        assert summed.rows() == whole.select("start", "n").sort("start").rows()
    assert summed["n"].to_list() == [0]
