"""What the verdict of a report says of columns that could not be judged, and of identifiers and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import vedette
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
