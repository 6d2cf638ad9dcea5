"""What the verdict of a report says of columns that could not be judged, and of identifiers and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import vedette
from vedette.errors import DataError
from vedette.records import Status

N = 3000


def quiet(seed: int) -> np.ndarray:
    """A column that does not change."""
    return np.random.default_rng(seed).normal(size=N)


def walk(seed: int) -> np.ndarray:
    """A column whose rows are so much like those before them that 3,000 are worth a few."""
    return np.cumsum(np.random.default_rng(seed).normal(size=N)) / 50


def test_what_could_not_be_judged_is_not_green() -> None:
    """A column that moved out of reach, and cannot be judged, beside one that has not changed."""
    found = vedette.report({"x": walk(1) + 500, "y": quiet(2)}, {"x": walk(3), "y": quiet(4)})
    assert next(one for one in found.columns if one.name == "x").changed is None
    assert found.verdict is Status.UNKNOWN


@pytest.mark.parametrize("name", ["id", "time"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_identifiers_and_times_that_go_missing_are_seen(name: str, share: float) -> None:
    """Their values are not compared; whether they are there is."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    values = [f"u{k}" if name == "id" else start + timedelta(minutes=k) for k in range(N)]
    gone = np.random.default_rng(5).random(N) < share
    now = [None if out else value for out, value in zip(gone, values, strict=True)]
    if share == 1.0 and name == "time":
        now[0] = start  # a column of nothing has no type
    found = vedette.report({name: now, "y": quiet(2)}, {name: values, "y": quiet(4)})
    one = next(one for one in found.columns if one.name == name)
    assert (one.changed, one.matters) == (True, True)
    assert "missing" in one.words
    assert found.verdict in (Status.WARN, Status.ALARM)


def test_identifiers_and_times_that_are_there_are_not_compared() -> None:
    """New ids and later times are what is to be expected."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    sides = [
        {
            "id": [f"{side}{k}" for k in range(N)],
            "time": [start + timedelta(days=40 * side, minutes=k) for k in range(N)],
        }
        for side in (1, 0)
    ]
    found = vedette.report({**sides[0], "y": quiet(2)}, {**sides[1], "y": quiet(4)})
    assert found.verdict is Status.OK
    assert {one.name: one.changed for one in found.columns} == {"id": None, "time": None, "y": False}


def test_a_column_that_vanished_is_a_fact_without_rows_too() -> None:
    """A file without rows cannot be judged; what it lacks can be told."""
    found = vedette.report({"y": quiet(2)[:0]}, {"x": quiet(3), "y": quiet(4)})
    assert found.verdict is Status.ALARM


def test_an_index_that_one_file_was_written_with_is_no_finding() -> None:
    """pandas writes its index as a first column without a name, or not."""
    found = vedette.report({"Unnamed: 0": np.arange(N), "y": quiet(2)}, {"y": quiet(4)})
    assert found.verdict is Status.OK
    assert (
        found.columns[-1].reason
        == "pandas' index, which only the current file was written with: not compared"
    )


@pytest.mark.parametrize("by", [5, ["a", 5], "a,,b", ""])
def test_segments_that_are_no_names_are_a_wrong_call(by: object) -> None:
    """Said with what is right, not by an error of Python's own."""
    with pytest.raises(ValueError, match="must be the name of a column, or two with a comma between"):
        vedette.report({"a": quiet(1)}, by=by)  # type: ignore[arg-type]


def test_spaces_beside_the_comma_are_no_part_of_a_name() -> None:
    """``by="s, f"`` are two columns."""
    label = np.tile([0, 1], N // 2)
    rows = {"label": label, "prediction": label, "s": np.tile(["a", "b"], N // 2), "f": np.tile(["c"], N)}
    assert "s=a, f=c" in {one.segment for one in vedette.report(rows, by="s, f").figures}


def test_an_index_of_a_parquet_file_is_an_index() -> None:
    """pandas keeps one that is not a range as a column of its own name."""
    found = vedette.report({"__index_level_0__": np.arange(N), "y": quiet(2)}, {"y": quiet(4)})
    assert found.verdict is Status.OK


@pytest.mark.parametrize("name", ["current", "reference", "html"])
def test_an_empty_path_is_said_to_be_empty(name: str) -> None:
    """Not to be the folder one stands in."""
    call = {"current": {"y": quiet(1)}, "reference": None, "html": None} | {name: ""}
    with pytest.raises(ValueError, match=f"{name}='': must be the path of a file"):
        vedette.report(**call)


def test_a_page_makes_no_folders(tmp_path: Path) -> None:
    """A folder that is not there is a slip of the pen."""
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        vedette.report({"y": quiet(1)}, html=tmp_path / "nowhere" / "a.html")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("gaps", "length"), [(1, 20), (3, 20), (6, 5)])
def test_a_few_gaps_more_or_less_are_not_told_from_chance(gaps: int, length: int) -> None:
    """Of two files one has up to six gaps and the other half as many: their number decides, not their rows."""
    n = 400
    sides = []
    for count, seed in ((gaps, 1), (gaps // 2, 2)):
        x = quiet(seed)[:n].copy()
        for at in range(count):
            x[17 + at * 60 : 17 + at * 60 + length] = np.nan
        sides.append(x)
    for now, before in (sides, sides[::-1]):
        found = vedette.report({"x": now, "y": quiet(3)[:n]}, {"x": before, "y": quiet(4)[:n]})
        assert not any(one.changed for one in found.columns)


def test_many_gaps_where_there_were_few_are_told() -> None:
    """Thirty gaps of ten rows against two: no chance."""
    x = quiet(1).copy()
    x.reshape(30, 100)[:, 40:50] = np.nan
    before = quiet(2).copy()
    before[100:110] = before[500:510] = np.nan
    one = vedette.report({"x": x}, {"x": before}).columns[0]
    assert (one.changed, one.words) == (True, "missing 0.7 % to 10.0 %")
