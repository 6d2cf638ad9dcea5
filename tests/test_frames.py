"""What users have becomes one kind of frame, or a clear error."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from vedette.errors import DataError, SchemaError
from vedette.lake.classes import class_names
from vedette.lake.frames import frame_of, label_rows, prediction_rows

NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
COLUMNS = {"x": [1.0, None, 3.0], "n": [1, 2, 3], "s": ["a", None, "c"], "b": [True, False, True]}


def rows(data: object, **kwargs: object) -> pl.DataFrame:
    return prediction_rows(data, now_s=NOW_S, future_s=300.0, **kwargs).frame  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.DataFrame(COLUMNS),
        lambda: pl.LazyFrame(COLUMNS),
        lambda: pa.table(COLUMNS),
        lambda: COLUMNS,
        lambda: pd.DataFrame(COLUMNS),
        lambda: pd.DataFrame(COLUMNS).astype({"s": "category"}),
    ],
    ids=["polars", "lazy", "arrow", "dict", "pandas", "categories"],
)
def test_all_tables_give_the_same_values(make: object) -> None:
    """pandas, Polars, Arrow and dicts of arrays give the same frame; pandas' NaN in a float column stays NaN."""
    frame = frame_of(make())  # type: ignore[operator]
    assert [frame["n"].to_list(), frame["s"].to_list(), frame["b"].to_list()] == [
        [1, 2, 3],
        ["a", None, "c"],
        [True, False, True],
    ]
    assert frame["x"].fill_nan(None).to_list() == [1.0, None, 3.0]


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow"])
def test_files_give_the_same_values(tmp_path: Path, ending: str) -> None:
    """Parquet, CSV and Arrow files give the same frame."""
    path = tmp_path / f"data{ending}"
    frame = pl.DataFrame(COLUMNS)
    {".parquet": frame.write_parquet, ".csv": frame.write_csv, ".arrow": frame.write_ipc}[ending](path)
    assert frame_of(str(path)).equals(frame)


def test_a_delta_table_is_read(tmp_path: Path) -> None:
    """A folder with a Delta log is a table."""
    pl.DataFrame(COLUMNS).write_delta(str(tmp_path / "t"))
    assert frame_of(tmp_path / "t").height == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.parquet", None, "no such file"),
        ("empty.parquet", b"", "is empty"),
        ("empty.csv", b"", "is empty"),
        ("torn.parquet", b"PAR1\x00\x00\x01\x02", "cannot be read as parquet"),
        ("data.xlsx", b"x", "ending '.xlsx' is not known"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """No such file, an empty one, a truncated one and an unknown kind each get their own words."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        frame_of(tmp_path / name)


def test_a_truncated_parquet_is_named(tmp_path: Path) -> None:
    """A Parquet file cut in the middle is an error that names it."""
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"x": np.arange(1000)}).write_parquet(whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"cut\.parquet"):
        frame_of(cut)


def test_two_columns_of_one_name_are_refused() -> None:
    """Two pandas columns of one name are named."""
    with pytest.raises(SchemaError, match="two columns have one name: \\['a'\\]"):
        frame_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Age", "age"], "'Age' and 'age' differ only by case"),
        (["é", "e\u0301"], "differ only by case or normalisation"),
        (["_x"], "one of vedette's own"),
        (["x__int64"], "one of vedette's own"),
        ([""], "non-empty"),
    ],
)
def test_names_that_cannot_be_kept_are_refused(names: list[str], said: str) -> None:
    """Names alike but for case or normalisation, reserved and empty ones are refused, both named."""
    with pytest.raises(SchemaError, match=said):
        rows({name: [1.0] for name in names})


def test_a_nested_column_is_refused_by_name() -> None:
    """A type outside the closed table is refused with the column's name."""
    with pytest.raises(SchemaError, match="column 'v' has the type List"):
        rows(pl.DataFrame({"v": [["a"], ["b"]]}))


def test_mixed_objects_are_refused_by_name() -> None:
    """A column of text and numbers is refused, its types named."""
    with pytest.raises(DataError, match="column 'm' mixes values of the types"):
        rows({"m": [1, "a", object()]})


def test_rows_from_the_future_are_rejected_and_counted() -> None:
    """A row more than five minutes ahead of the clock is rejected with that reason; one at four is not."""
    times = [datetime.fromtimestamp(NOW_S + ahead, UTC) for ahead in (0, 240, 301)]
    found = prediction_rows({"x": [1.0, 2.0, 3.0], "time": times}, now_s=NOW_S, future_s=300.0)
    assert (found.frame["x"].to_list(), found.rejected) == ([1.0, 2.0], {"time in the future": 1})


def test_times_without_a_zone_are_utc_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    """A naive time is taken as UTC, and the log says so."""
    with caplog.at_level(logging.WARNING, "vedette"):
        frame = rows({"x": [1.0], "time": [datetime(2025, 5, 1, 12)]})
    assert frame["time"].to_list() == [datetime(2025, 5, 1, 12, tzinfo=UTC)]
    assert "taken as UTC" in caplog.text


@pytest.mark.parametrize(
    "time", ["2025-05-01T12:00:00", 1746100800, 1746100800.0, np.datetime64("2025-05-01T12:00:00")]
)
def test_times_in_other_forms_are_understood(time: object) -> None:
    """ISO text, seconds since 1970 and numpy times mean the same instant."""
    assert rows({"x": [1.0], "time": [time]})["time"].to_list() == [datetime(2025, 5, 1, 12, tzinfo=UTC)]


def test_nan_and_null_stay_apart() -> None:
    """NaN, infinity and null come through as they are."""
    frame = rows(pl.DataFrame({"x": [float("nan"), float("inf"), None]}))
    assert [frame["x"].is_nan().sum(), frame["x"].is_infinite().sum(), frame["x"].null_count()] == [1, 1, 1]


def test_labels_need_their_two_columns() -> None:
    """A frame of labels without ids is refused, its columns named."""
    with pytest.raises(SchemaError, match="need the columns 'id' and 'label'; the data has 'y'"):
        label_rows({"y": [1]}, now_s=NOW_S, future_s=300.0)


def test_a_label_without_id_or_value_is_counted() -> None:
    """Labels that lack their id or their value are rejected, each with its reason."""
    found = label_rows({"id": ["a", None, "c"], "label": [1, 0, None]}, now_s=NOW_S, future_s=300.0)
    assert (found.frame["id"].to_list(), found.rejected) == (["a"], {"id missing": 1, "label missing": 1})


def test_columns_are_renamed_by_a_mapping() -> None:
    """``columns`` maps vedette's names to the data's own; one that is not there is named."""
    assert rows({"y_hat": [1]}, columns={"prediction": "y_hat"}).columns[0] == "prediction"
    with pytest.raises(SchemaError, match="no column 'yhat'"):
        rows({"y_hat": [1]}, columns={"prediction": "yhat"})


@pytest.mark.parametrize("values", [[1, 0], [1.0, 0.0], [True, False], ["1", "0"]])
def test_a_class_has_one_name(values: list[object]) -> None:
    """However a class is spelled, it is one class."""
    assert class_names(pl.Series("label", values)).to_list() == ["1", "0"]


def test_periods_are_times_and_intervals_are_names() -> None:
    """What pandas makes of dates by month and of ``cut`` is taken."""
    periods = pd.period_range("2020-01", periods=3, freq="M")
    frame = frame_of(pd.DataFrame({"p": periods, "i": pd.cut([1.0, 2.0, 3.0], [0, 2, 4])}))
    assert [str(one)[:10] for one in frame["p"]] == ["2020-01-01", "2020-02-01", "2020-03-01"]
    assert frame["i"].to_list() == ["(0, 2]", "(0, 2]", "(2, 4]"]


def test_what_no_column_can_hold_is_named_with_where_it_is() -> None:
    """Values of several types by the first row that differs; decimals of 256 bits by their column."""
    with pytest.raises(DataError, match=r"'a' mixes values of the types float, str.*\(row 1: 'x'\)"):
        frame_of(pd.DataFrame({"a": [1.0, "x", None]}))
    wide = pa.table({"d": pa.array([Decimal(1)], pa.decimal256(60, 2))})
    with pytest.raises(SchemaError, match=r"'d' has the type decimal256\(60, 2\): cast it to decimal128"):
        frame_of(wide)
