"""Two spans of a model's rows by all columns together: the report's own answer, laws of known area, bounds, and faults."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import special

import vedette
from vedette.engine import domain_rows, questions
from vedette.engine.domain_rows import side_of
from vedette.engine.query import Query
from vedette.engine.view import view
from vedette.output.domain_console import print_domain

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def model(folder: Path, days: int = 20) -> vedette.Monitor:
    return vedette.Monitor("m", lake=folder, window="1d", clock=lambda: (START + days * DAY).timestamp())


def rows(rng: np.random.Generator, n: int, day: float, length: float, **moved: float) -> pl.DataFrame:
    """Rows over ``length`` days from ``day`` on: two numbers, a category, a vector, a text, a prediction."""
    at = pl.Series(((day + np.sort(rng.random(n)) * length) * 86_400e6).astype(np.int64))
    return pl.DataFrame(
        {
            "time": at.cast(pl.Duration("us")) + START,
            "x": rng.normal(moved.get("x", 0.0), 1, n),
            "y": rng.normal(size=n),
            "c": rng.choice(["a", "b", "c"], n),
            "v": pl.Series(list(rng.normal(moved.get("v", 0.0), 1, (n, 3))), dtype=pl.List(pl.Float64)),
            "t": [f"text {i} {'x' * int(k)}" for i, k in enumerate(rng.poisson(20, n))],
            "prediction": rng.integers(0, 2, n),
            "probability": rng.random(n),
        }
    )


def test_spans_of_one_law_are_not_told_apart_and_a_moved_column_is(tmp_path: Path) -> None:
    """The area of a column moved by one standard deviation is Phi(1/sqrt 2), it is named, fresh rows as those of the lake."""
    rng = np.random.default_rng(0)
    monitor = model(tmp_path)
    for day, moved in ((0, 0.0), (7, 0.0), (14, 1.0)):
        monitor.log_many(rows(rng, 1500, day, 6, x=moved))
    week = ["2026-01-01/2026-01-08", START + 7 * DAY, START + 14 * DAY]
    same = monitor.domain(since=week[1], until=week[2], against=week[0])
    fresh = monitor.domain(since=START + 14 * DAY, against=(START, START + 7 * DAY))
    assert same["metric"][0] == "domain_auc"
    assert same["low"][0] < 0.5 < same["high"][0]
    assert same["p_value"][0] > 0.01
    truth = special.ndtr(1 / np.sqrt(2))
    assert (
        fresh["low"][0] - 0.02 < truth < fresh["high"][0] + 0.02
    )  # the classifier learns eight columns of noise too
    assert fresh["p_value"][0] < 1e-6
    assert fresh.row(1, named=True)["feature"] == "x"
    assert fresh["low"][1] > 0.8
    assert (fresh["n"][0], fresh["against_n"][0]) == (1500, 1500)
    assert set(fresh["feature"][1:]) <= {"x", "y", "c", "v", "t", "prediction", "probability"}
    monitor.flush()
    assert monitor.domain(since=START + 14 * DAY, against=(START, START + 7 * DAY)).equals(fresh)
    # by default: the later half of the windows with rows against the earlier half, of 20 days 7 and 7
    chosen = monitor.domain()
    assert chosen.row(0, named=True)["against_start"] == START
    assert chosen["end"][0] - chosen["start"][0] == 7 * DAY
    assert chosen["value"][0] > 0.7
    monitor.close()


def test_no_more_rows_are_held_than_a_bound_evenly_from_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 9,000 rows and bounds of 640 and 40: 40 rows in order of time, none far from even; the first 50 follow each other."""
    for name, bound in (("DRAWN_ROWS", 40), ("POOL_ROWS", 640), ("STRETCH_ROWS", 50)):
        monkeypatch.setattr(domain_rows, name, bound)
    monitor = model(tmp_path)
    rng = np.random.default_rng(1)
    monitor.log_many(rows(rng, 4500, 4.5, 4.5))
    monitor.flush()
    monitor.log_many(rows(rng, 4500, 0, 4.5))  # fresh, and earlier
    seen = view(monitor._lake(), "m", Query(("rows",)))
    side = side_of(seen, ["x"], START, START + 9 * DAY)
    assert side.n == 9000
    assert side.drawn.height == 40
    at = (side.drawn["time"] - START).dt.total_seconds().to_numpy() / (9 * 86_400)
    assert np.abs(at - np.arange(40) / 39).max() < 0.12
    assert side.apart == 225
    assert side.stretch.height == 50
    every = monitor._lake().model("m")["predictions"].scan().collect().height
    first = seen.fresh.predictions.sort("time").head(50)
    assert every == 4500
    assert side.stretch["x"].to_list() == first["x"].to_list()
    assert side_of(seen, ["x"], START, START + 9 * DAY).drawn.equals(side.drawn)
    monitor.close()


def test_sampled_rows_are_drawn_by_what_they_stand_for(tmp_path: Path) -> None:
    """Where large values were kept one time in ten, drawn rows have the law of all rows: nothing is told apart."""
    rng = np.random.default_rng(2)
    monitor = model(tmp_path)
    every = rows(rng, 12_000, 0, 6)
    kept = np.where(every["x"].to_numpy() > 0, 0.1, 1.0)
    sampled = every.with_columns(inclusion=kept).filter(rng.random(12_000) < kept)
    for row in sampled.iter_rows(named=True):
        features = {name: row[name] for name in ("x", "y", "c")}
        monitor.log(features, row["prediction"], time=row["time"], inclusion=row["inclusion"])
    monitor.log_many(rows(rng, 1500, 7, 6).drop("v", "t", "probability"))
    found = monitor.domain(since=START + 7 * DAY, against=(START, START + 7 * DAY))
    assert found["p_value"][0] > 0.01
    assert found["against_n"][0] < 1400  # a tenth of some 6,600
    monitor.close()


def test_rows_like_those_before_them_are_thinned(tmp_path: Path) -> None:
    """Of an autoregression (0.95) with another path in each span nothing is told apart: 6,000 rows are worth some 150."""
    rng = np.random.default_rng(3)
    monitor = model(tmp_path)
    for day in (0, 7):
        frame = rows(rng, 6000, day, 6).select("time", "y", "prediction")
        noise, x = rng.normal(size=6000), np.zeros(6000)
        for i in range(1, 6000):
            x[i] = 0.95 * x[i - 1] + noise[i]
        monitor.log_many(frame.with_columns(x=x))
    found = monitor.domain()
    assert found["n"][0] < 400
    assert found["p_value"][0] > 0.01
    monitor.close()


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    """Few rows, none, a column of one side only: a reason or a note, never a number; impossible spans are errors."""
    monitor = model(tmp_path / "some")
    assert monitor.domain().is_empty()
    rng = np.random.default_rng(4)
    monitor.log_many(rows(rng, 30, 0, 0.9))
    with pytest.raises(ValueError, match="nothing to compare them with before: give since= and against="):
        monitor.domain()
    monitor.log_many(rows(rng, 300, 5, 1).drop("c"))
    monitor.log_many(rows(rng, 300, 8, 1))
    found = monitor.domain(since=START + 5 * DAY, until=START + 6 * DAY, against="2026-01-01/2026-01-02")
    assert found["value"].to_list() == [None]
    assert found["reason"][0] == "fewer than 50 rows in the reference: 30"
    assert found["note"][0] == "left out, of a side without values of it to compare: c"
    none = monitor.domain(since="2026-01-03", until="2026-01-04", against="2026-01-01/2026-01-02")
    assert none["reason"].to_list() == ["no rows from 2026-01-03T00:00 on"]
    for asked, said in (
        ({"against": "2026-01-01"}, "must be two moments"),
        ({"against": "2026-01-02/2026-01-01"}, "must begin before it ends"),
        ({"against": ("2026-01-02", None)}, "must be two moments"),
        ({"against": 3}, "must be two moments"),
        ({"against": "soon/2026-01-01"}, "against='soon'"),
        ({"since": "2026-01-05", "until": "2026-01-04"}, "must be before until="),
        ({"since": "2026-01-01"}, "none are before it"),
        ({"since": "2026-01-03", "against": "2026-01-01/2026-01-04"}, "must not overlap"),
    ):
        with pytest.raises(ValueError, match=said):
            monitor.domain(**asked)
    monitor.close()
    alone = model(tmp_path / "alone")
    for day in (0, 1):
        alone.log_many(rows(rng, 100, day, 0.9).select("time", "prediction"))
    assert "columns with values on both sides: 1, and it takes 2" in alone.domain()["reason"][0]
    alone.close()


def test_the_command_prints_what_the_monitor_returns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, and as one JSON document."""
    rng = np.random.default_rng(5)
    monitor = model(tmp_path)
    for day, moved in ((0, 0.0), (1, 2.0)):
        monitor.log_many(rows(rng, 200, day, 0.9, v=moved))
    monitor.flush()
    expected = monitor.domain()
    monitor.close()
    frame = questions.domain(str(tmp_path), "m", since=None, until=None, against=None)
    assert frame.equals(expected)
    print_domain(frame, as_json=True)
    told = json.loads(capsys.readouterr().out)["domain"]
    assert [one["value"] for one in told] == expected["value"].to_list()
    assert told[1]["feature"] == "v"
    print_domain(frame)
    said = capsys.readouterr().out
    assert "domain_auc [against 2026-01-01T00:00 to 2026-01-02T00:00]" in said
    assert "p < 0.0001" in said
    assert "domain_share of v" in said
