"""Recorded series from a file: judged as if each number had just come, and searched for changes without their season."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.engine.series_file import judge_file
from vedette.errors import DataError
from vedette.strategy.series.seasonal import without_season

START = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 24 * 35
CHANGE = 24 * 24


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly numbers with a wave of a day twice as high as the change that comes after 24 days, and a quiet series."""
    random = np.random.default_rng(3)
    hours = np.arange(HOURS)
    latency = (
        200 + 30 * np.sin(2 * np.pi * hours / 24) + random.normal(0, 5, HOURS) + 25.0 * (hours >= CHANGE)
    )
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(hours=int(one)) for one in hours],
            "latency_ms": latency,
            "turnover": random.gamma(5, 100, HOURS),
        }
    )
    path = tmp_path_factory.mktemp("series") / "series.csv"
    frame.write_csv(path)
    return path


def test_what_was_expected_is_told_when_something_else_came(file: Path) -> None:
    """The change is an alarm at its first hours, in numbers, and looking back at its hour; the quiet series is neither."""
    found = judge_file(file, budget_per_month=0.1)
    first = found.watched.alarms[0]
    assert first.series == "latency_ms"
    assert CHANGE <= first.row <= CHANGE + 2
    assert "expected" in first.words
    change = found.changes["latency_ms"].changes
    assert [one.at for one in change] == [pytest.approx(CHANGE, abs=1)]
    assert change[0].size == pytest.approx(25, abs=1.5)
    assert found.seasons["latency_ms"] == ("day",)
    assert found.changes["turnover"].changes == ()
    assert not [one for one in found.watched.alarms if one.series == "turnover"]


def test_the_command_prints_and_gives_one_document(file: Path) -> None:
    """``vedette series`` tells alarms and changes; ``--json`` the same as one document."""
    runner = CliRunner()
    told = runner.invoke(app, ["series", str(file), "--column", "latency_ms"])
    assert told.exit_code == 0, told.output
    assert "looking back: changes of level" in told.output
    document = json.loads(runner.invoke(app, ["series", str(file), "--json", "--budget", "2"]).stdout)
    assert document["budget_per_month"] == 2.0
    assert document["rows"] == HOURS
    assert document["alarms"][0]["series"] == "latency_ms"
    assert document["changes"]["latency_ms"]["changes"][0]["row"] == pytest.approx(CHANGE, abs=1)


def test_rows_out_of_order_and_missing_numbers_are_taken(file: Path, tmp_path: Path) -> None:
    """Rows are put in the order of their times, and it is said; numbers that are missing or infinite say nothing."""
    frame = pl.read_csv(file).with_columns(
        pl.when(pl.int_range(HOURS) % 50 == 7).then(None).otherwise(pl.col("latency_ms")).alias("latency_ms")
    )
    path = tmp_path / "shuffled.parquet"
    frame.with_columns(pl.col("time").str.to_datetime(time_zone="UTC")).sample(
        fraction=1.0, shuffle=True, seed=1
    ).write_parquet(path)
    found = judge_file(path, columns=["latency_ms"])
    assert "rows were put in the order of their times" in found.notes
    assert CHANGE <= found.watched.alarms[0].row <= CHANGE + 4
    assert int(np.isnan(found.values).sum()) == len(range(7, HOURS, 50))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"columns": ["nope"]}, "column 'nope': .* has none; it has time, latency_ms, turnover"),
        ({"columns": ["time"]}, "column 'time' of .*: holds time values; a series must be of numbers"),
        ({"time": "when"}, "time='when': .* has no such column"),
        ({"holidays": ["soon"]}, "holidays: 'soon': must be like 2026-12-25"),
        ({"events": ["soon"]}, "events: 'soon': must be like 2026-05-03T10:00"),
        ({"methods": ["magic"]}, "methods="),
        ({"reference": HOURS}, f"reference={HOURS}: must be 1 to"),
        ({"budget_per_month": 0.0}, "budget_per_month=0.0: must be a positive number"),
        ({"timezone": "Mars"}, "timezone='Mars'"),
    ],
)
def test_wrong_arguments_are_named(file: Path, arguments: dict[str, object], said: str) -> None:
    """Each wrong argument is named with its value and what would be right."""
    with pytest.raises((DataError, ValueError), match=said):
        judge_file(file, **arguments)  # type: ignore[arg-type]


def test_a_file_without_numbers_or_times_is_told(tmp_path: Path) -> None:
    """Without a column of numbers there is nothing to judge; without times rows are an hour apart, and it is said."""
    texts = tmp_path / "texts.csv"
    texts.write_text("a,b\nx,y\nz,w\n")
    with pytest.raises(DataError, match="has no column of numbers; it has a, b"):
        judge_file(texts)
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("x\n" + "\n".join(f"{one:.3f}" for one in np.random.default_rng(0).normal(size=400)))
    found = judge_file(numbers)
    assert not found.timed
    assert found.watched.alarms == ()
    told = CliRunner().invoke(app, ["series", str(numbers)])
    assert "rows are taken to be an hour apart" in told.output
    assert "looking back: no change of level" in told.output


def test_what_is_not_as_it_should_be_is_said(tmp_path: Path) -> None:
    """Numbers of rows are no series, times twice and those of 1970 are told, and so are numbers too large to square."""
    random = np.random.default_rng(2)
    frame = pl.DataFrame(
        {
            "row": np.arange(300),
            "t": np.arange(300) // 2,
            "x": random.normal(size=300),
            "far": [1e300, 2.0] * 150,
        }
    )
    frame.write_parquet(tmp_path / "odd.parquet")
    found = judge_file(tmp_path / "odd.parquet", time="t")
    assert found.names == ("x", "far")
    assert found.notes == (
        "150 rows have the time of another one",
        "t: taken as seconds since 1970, which makes 1970-01-01 00:00 to 1970-01-01 00:02",
        "row: numbers its rows, and is not judged; name it to have it judged",
        "150 numbers that are infinite or beyond 1e+150 count as missing",
    )
    assert judge_file(tmp_path / "odd.parquet", columns=["row"]).names == ("row",)


def test_so_few_rows_are_told(tmp_path: Path) -> None:
    """Two rows are not judged, and one is refused in words."""
    (tmp_path / "two.csv").write_text("v\n1\n2\n")
    assert judge_file(tmp_path / "two.csv").watched.verdict.tolist() == [[""], ["UNKNOWN"]]
    with pytest.raises(ValueError, match="values: 1 row: must be 2 or more"):
        vedette.watch_series([1.0], [0.0])


def test_the_face_has_both() -> None:
    """``vedette.watch_series`` and ``vedette.change_points`` are there without the command line."""
    random = np.random.default_rng(4)
    values = np.concatenate([random.normal(0, 1, 300), random.normal(4, 1, 100)])
    assert [one.at for one in vedette.change_points(values).changes] == [300]
    alarms = vedette.watch_series(values, 3600.0 * np.arange(400), reference=200).alarms
    assert 300 <= alarms[0].row <= 310


def test_a_season_is_taken_away_and_a_level_is_not() -> None:
    """The wave of hours and of weekdays goes, a step stays, and of noise nothing is taken."""
    random = np.random.default_rng(5)
    hours = np.arange(24 * 42)
    noise = random.normal(size=len(hours))
    wave = 3 * np.sin(2 * np.pi * hours / 24) + 2.0 * (hours // 24 % 7 >= 5)
    step = 2.0 * (hours > 500)
    left, found = without_season(noise + wave + step, 3600.0 * hours)
    assert found == ("day", "week")
    assert abs(np.corrcoef(left, wave)[0, 1]) < 0.1
    assert left[501:].mean() - left[:500].mean() == pytest.approx(2.0, abs=0.3)
    for quiet in (noise, noise + step, np.zeros(len(hours)), np.full(len(hours), np.nan)):
        same, none = without_season(quiet, 3600.0 * hours)
        assert none == ()
        np.testing.assert_array_equal(same, quiet)
    days = np.arange(140)
    left, found = without_season(random.normal(size=140) + 3.0 * (days % 7 >= 5), 86400.0 * days)
    assert found == ("week",)
    with pytest.raises(ValueError, match=r"values of shape \(3,\), times of shape \(2,\)"):
        without_season(np.zeros(3), np.zeros(2))


def test_rows_without_times_are_told_by_number_and_the_unjudged_are_named(tmp_path: Path) -> None:
    """No date that nobody gave stands in the words, and a series with too little to learn from is UNKNOWN."""
    random = np.random.default_rng(8)
    values = np.concatenate([random.normal(0, 1, 400), random.normal(8, 1, 40)])
    path = tmp_path / "plain.csv"
    pl.DataFrame({"x": values, "y": [None] * 440}, schema_overrides={"y": pl.Float64}).write_csv(path)
    told = CliRunner().invoke(app, ["series", str(path), "--column", "x"]).output
    assert "1970" not in told
    assert "since row 4" in told or "since now" in told
    path = tmp_path / "few.parquet"
    pl.DataFrame({"x": values, "y": [None] * 400 + [1.0] * 40}).write_parquet(path)
    document = json.loads(CliRunner().invoke(app, ["series", str(path), "--json"]).stdout)
    assert document["unknown"] == ["y"]
    assert "1970" not in json.dumps(document)
    assert (
        "y: UNKNOWN: fewer than 50 numbers to learn from"
        in CliRunner().invoke(app, ["series", str(path)]).output
    )
