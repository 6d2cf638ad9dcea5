"""Files and frames that are not what they should be: a clear error, or what they do hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet

from vedette.errors import DataError, SchemaError, VedetteError
from vedette.lake import files
from vedette.lake.files import TableFile, open_frame, open_table
from vedette.lake.frames import frame_of, prediction_rows


def written(path: Path, content: bytes | str) -> Path:
    """A file with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def whole(table: TableFile) -> pl.DataFrame:
    """All of an open table."""
    return table.read(list(table.schema))


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    """The bytes of a Parquet file."""
    pl.DataFrame({"a": np.arange(2000.0)}).write_parquet(tmp_path / "good.parquet")
    return (tmp_path / "good.parquet").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.parquet", "", "the file is empty"),
        ("a.csv", "\n\n", "cannot be read as csv"),
        ("a.csv", b"\xef\xbb\xbf", "cannot be read as csv"),
        ("a.parquet", "a,b\n1,2\n", "cannot be read as parquet"),
        ("a.arrow", "abcdefgh" * 9, "cannot be read as arrow"),
        ("a.arrow", "ab", "cannot be read as arrow"),
        ("a.xlsx", "PK", "the ending '.xlsx' is not known; must be one of .parquet"),
        ("a", "a,b\n", "the ending '' is not known"),
        ("a.csv", "a;b\n1;2\n", "its separator seems to be ';': say so with --separator"),
        ("a.csv", "a\tb\n1\t2\n", r"its separator seems to be '\\t'"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header 2"),
        ("a.csv", "a,b\n" + "1,2\n" * 20_000 + "3,4,5\n1,2\n", "line 20002 has 3 fields, the header 2"),
        ("a.csv", "a;b;c\n" + "1,5;2,5;x\n" * 30, "it has 1 to 3 columns a line, .* seems to be ';'"),
        (
            "a.csv",
            "note, long;b\n" + "x;1,5\n1,5;2\nx;y\n" * 9,
            "it has 1 to 2 columns a line, .* seems to be ';'",
        ),
        ("a.csv", "a,b,c\n" + "1,2,3\n" * 200 + "1,2", "the last line has 2 of 3 fields .* cut off"),
        ("a.csv", 'a,b\n"x,2\n3,4\n', "cannot be read as csv"),
        ("a.csv", b"a,b\n\xe9t\xe9,2\n", "cannot be read as csv"),
        ("a.csv", b"\xe9,b\n1,2\n", "cannot be read as csv"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "cannot be read as csv"),
        ("a.csv", "a,b\r1,2\r", r"lines must end in \\n"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_and_why(
    tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    """Empty, of another format, ragged, not UTF-8: the file is named, and what is wrong with it."""
    with pytest.raises(DataError, match=said) as error:
        open_table(written(tmp_path / name, content))
    assert str(error.value).startswith(str(tmp_path / name))


def test_commas_are_decimal_points_where_another_separator_says_so(tmp_path: Path) -> None:
    """1,5 in a file with semicolons is a number; 1,234 alone could be a thousand and more, and stays a text."""
    lines = [f"{at},5;{at + 1},234;x,{at};-0,{at}25" for at in range(30)]
    path = written(tmp_path / "euro.csv", "\n".join(["a;thousands;text;negative", *lines]))
    frame = whole(open_table(path, separator=";"))
    assert frame["a"].to_list() == [at + 0.5 for at in range(30)]
    assert frame["negative"].to_list() == [float(f"-0.{at}25") for at in range(30)]
    assert frame["thousands"][0] == "1,234"
    assert frame["text"][3] == "x,3"


def test_a_last_line_without_an_end_is_a_row(tmp_path: Path) -> None:
    """Quotes, breaks within them and a last line that only lacks its end lose nothing."""
    path = written(tmp_path / "a.csv", 'a,b\n1,"x\ny"\n2,"z\n\nw"')
    assert whole(open_table(path)).rows() == [(1, "x\ny"), (2, "z\n\nw")]
    assert whole(open_table(written(tmp_path / "b.csv", "a,b\n1,2\n3,4"))).rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize("cut", [3, 100, 0.5, 1])
def test_a_truncated_parquet_file_is_an_error(tmp_path: Path, good: bytes, cut: float) -> None:
    """A file that was cut off anywhere is named."""
    kept = {0.5: len(good) // 2, 1: len(good) - 1}.get(cut, int(cut))
    with pytest.raises(DataError, match=r"cut\.parquet: cannot be read as parquet \(truncated"):
        open_table(written(tmp_path / "cut.parquet", good[:kept]))


def test_a_parquet_file_that_is_broken_inside_is_an_error_when_it_is_read(
    tmp_path: Path, good: bytes
) -> None:
    """Zeros in place of values: the footer is whole, the error comes with the rows and names the file."""
    table = open_table(written(tmp_path / "holed.parquet", good[:50] + bytes(200) + good[250:]))
    with pytest.raises(DataError, match=r"holed\.parquet: cannot be read"):
        whole(table)


@pytest.mark.parametrize("cut", [0.3, 0.6])
@pytest.mark.parametrize("stream", [True, False])
def test_a_truncated_arrow_file_is_an_error(tmp_path: Path, stream: bool, cut: float) -> None:
    """A file or a stream that ends too early is named."""
    frame, path = pl.DataFrame({"a": np.arange(2000.0)}), tmp_path / "a.arrow"
    (frame.write_ipc_stream if stream else frame.write_ipc)(path)
    content = path.read_bytes()
    with pytest.raises(DataError, match=r"a\.arrow: cannot be read as arrow"):
        open_table(written(path, content[: int(cut * len(content))]))


def test_an_arrow_stream_is_a_table_as_well(tmp_path: Path) -> None:
    """A stream of batches, under the ending of a file, gives the same rows."""
    frame = pl.DataFrame({"a": [1.0, None], "s": ["x", "y"]})
    frame.write_ipc_stream(tmp_path / "s.arrow")
    assert whole(open_table(tmp_path / "s.arrow")).equals(frame)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no.csv", "no such file"),
        ("", "is a folder, but not a Delta table"),
        ("x" * 5000 + ".csv", "File name too long"),
        ("a\0.csv", "no such file"),
    ],
)
def test_a_path_that_is_no_table_is_named(tmp_path: Path, path: str, said: str) -> None:
    """Not there, a folder of something else, or no path at all."""
    with pytest.raises(DataError, match=said):
        open_table(tmp_path / path)


def test_a_path_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """Bytes that are no text are told in a way that can be written anywhere."""
    path = written(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv")), "a,b\n1,2\n")
    with pytest.raises(DataError, match="the path is not UTF-8") as error:
        open_table(path)
    assert str(error.value).isascii()


def test_a_folder_with_an_empty_delta_log_is_no_table(tmp_path: Path) -> None:
    """A log without a commit is an error of ours, not of the library."""
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be read as a Delta table"):
        open_table(tmp_path / "t")


def test_a_delta_table_whose_files_are_gone_is_an_error(tmp_path: Path) -> None:
    """The log says rows that are not there: never fewer rows in silence."""
    pl.DataFrame({"a": [1, 2]}).write_delta(str(tmp_path / "t"))
    for part in (tmp_path / "t").glob("*.parquet"):
        part.unlink()
    with pytest.raises(DataError, match="cannot be read as a Delta table"):
        whole(open_table(tmp_path / "t"))


@pytest.mark.parametrize("separator", ["", ";;", "\n", '"', "é"])
def test_a_separator_is_one_plain_character(tmp_path: Path, separator: str) -> None:
    """What cannot separate is a wrong call, not a table of one column."""
    with pytest.raises(ValueError, match="must be one character"):
        open_table(written(tmp_path / "a.csv", "a,b\n1,2\n"), separator=separator)


def test_later_rows_of_another_type_make_the_column_what_holds_them(tmp_path: Path) -> None:
    """Text after 20,000 numbers makes a text column, a fraction a column of floats; no value is lost."""
    rows = "1,1\n" * 20_000
    frame = whole(open_table(written(tmp_path / "a.csv", f"s,x\n{rows}later,1.5\n")))
    assert (frame["s"][-1], frame["x"][-1], frame["x"].sum()) == ("later", 1.5, 20_001.5)


def test_a_csv_column_without_values_has_no_type(tmp_path: Path) -> None:
    """No rows, or empty cells only: that is no text, and compares with any type."""
    table = open_table(written(tmp_path / "a.csv", "a,b\n,1\n,2\n"))
    assert table.schema == {"a": pl.Null(), "b": pl.Int64()}
    assert open_table(written(tmp_path / "b.csv", "a,b\n")).schema == {"a": pl.Null(), "b": pl.Null()}


def test_short_rows_and_quoted_line_breaks_are_csv(tmp_path: Path) -> None:
    """A row that ends early has nulls; a line break inside quotes is part of the value; a BOM is no name."""
    frame = whole(open_table(written(tmp_path / "a.csv", '\ufeffa,b\r\n"x\ny",2\r\nz\r\n')))
    assert frame.rows() == [("x\ny", 2), ("z", None)]


def test_a_large_csv_file_reads_like_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By way of the disk the rows are the same, and the folder goes when the table does."""
    path = written(tmp_path / "a.csv", "a,b\n" + "1,x\n2,y\n" * 500 + "2.5,z\n")
    small = whole(open_table(path))
    monkeypatch.setattr(files, "_HELD_BYTES_MAX", 10)
    table = open_table(path)
    assert whole(table).equals(small)
    assert table.read(["b"], 999, 1001)["b"].to_list() == ["y", "z"]
    folder = table._held.path
    assert folder.is_dir()
    del table
    assert not folder.exists()


def parquet_of_two(path: Path) -> Path:
    """A Parquet file with two columns of one name."""
    parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), path / "a.parquet")
    return path / "a.parquet"


@pytest.mark.parametrize(
    "make",
    [
        parquet_of_two,
        lambda path: written(path / "a.csv", "a,a\n1,2\n"),
        lambda _: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        lambda _: pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]),
        lambda _: {1: [1.0], "1": [2.0]},
    ],
    ids=["parquet", "csv", "pandas", "arrow", "dict"],
)
def test_two_columns_of_one_name_are_an_error(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """Which of them is meant cannot be known."""
    if make is parquet_of_two and tuple(map(int, pl.__version__.split(".")[:2])) < (2, 0):
        pytest.skip("Polars before 2.0 reads one of two columns of a name without a word")
    with pytest.raises(SchemaError, match=r"two columns have one name.*rename one"):
        frame_of(make(tmp_path))


@pytest.mark.parametrize("header", ["a,,b", ",a", "a,  ,b"])
def test_a_csv_column_without_a_name_is_an_error(tmp_path: Path, header: str) -> None:
    """The place of the column is said."""
    place = [name.strip() for name in header.split(",")].index("") + 1
    with pytest.raises(SchemaError, match=f"column {place} has no name"):
        open_table(written(tmp_path / "a.csv", f"{header}\n1,2,3\n"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.DataFrame({0: [1.0]}), "column name 0: must be text"),
        (pd.DataFrame({("a", "b"): [1.0]}), "must be text"),
        (pd.DataFrame([[1.0]], columns=pd.Index(["\ud800"], dtype=object)), "is no text"),
        ({"\ud800": [1.0]}, "is no text"),
    ],
)
def test_names_are_text(data: Any, said: str) -> None:
    """Numbers, tuples and halves of characters are no names; the error says how to rename."""
    with pytest.raises(SchemaError, match=said):
        frame_of(data)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (1.0, "column 'a' is 1.0: must be an array"),
        ("abc", "column 'a' is 'abc': must be an array"),
        (None, "column 'a' is None: must be an array"),
        ({"x": 1}, "must be an array"),
        (np.array(5.0), "must be an array"),
        ([1, "x"], "column 'a' mixes values of the types int, str"),
        ([object()] * 3, "column 'a' holds values of the type object"),
        (["\ud800", "b"], r"column 'a' holds '\\ud800': is no text"),
        (np.array(["\ud800", "b"]), "is no text"),
        (pd.Series(["\ud800", None], dtype=object).to_numpy(), "is no text"),
    ],
)
def test_a_column_that_is_none_is_named(values: Any, said: str) -> None:
    """What is no array, or holds several types or halves of characters, is an error with the column's name."""
    with pytest.raises(DataError, match=said):
        frame_of({"a": values})


def test_a_lone_surrogate_in_pandas_is_named() -> None:
    """pandas can hold what no file can."""
    with pytest.raises(DataError, match=r"column 'a' holds '\\ud800'"):
        frame_of(pd.DataFrame({"a": pd.Series(["\ud800", "b"], dtype=object)}))


def test_columns_of_unequal_length_are_an_error() -> None:
    """A column of one value is not repeated in silence."""
    with pytest.raises(DataError, match="'a': 5, 'b': 1"):
        frame_of({"a": np.arange(5), "b": [1]})


@pytest.mark.parametrize("data", [42, [1, 2], None, np.zeros(5), np.zeros((5, 2)), pd.Series([1, 2])])
def test_what_is_no_table_is_a_wrong_call(data: Any) -> None:
    """A number, a list or one column alone: the error says what would be right."""
    with pytest.raises(ValueError, match="must be a pandas, Polars or Arrow table"):
        frame_of(data)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array(["u", None], dtype=object), ["u", None]),
        (np.array([1.5, None], dtype=object), [1.5, None]),
        (np.array([True, None], dtype=object), [True, None]),
        (np.array([1.5, 2.0], dtype=np.longdouble), [1.5, 2.0]),
        (np.array([1.5, 2.0], dtype=np.float16), [1.5, 2.0]),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1.0, None]),
        ((i for i in range(2)), [0, 1]),
        (np.array([2**64 - 1, 1], dtype=np.uint64), [2**64 - 1, 1]),
    ],
)
def test_arrays_of_every_sort_keep_their_values(values: Any, expected: list[object]) -> None:
    """Arrays of objects, of long and short floats, masked and unsigned ones: no value is lost or wrapped."""
    assert frame_of({"a": values})["a"].to_list() == expected


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "Float64", "boolean", "string", "object"])
def test_null_in_pandas_own_types_is_null(dtype: str) -> None:
    """Whatever pandas keeps it in, a missing value is missing, not NaN."""
    values = {"string": ["u", None], "boolean": [True, None]}.get(dtype, [2**53 + 1, None])
    frame = frame_of(pd.DataFrame({"a": pd.Series(values, dtype=dtype)}))
    assert frame["a"].null_count() == 1
    assert dtype == "Float64" or frame["a"][0] == values[0]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "object", "float64", "boolean"])
def test_a_pandas_frame_of_no_rows_keeps_its_columns(dtype: str) -> None:
    """A column without rows has not vanished."""
    assert frame_of(pd.DataFrame({"a": pd.Series([], dtype=dtype)})).columns == ["a"]


def test_a_column_with_an_empty_name_keeps_it() -> None:
    """An empty name is refused where it cannot be kept, never replaced by another one."""
    assert frame_of(pd.DataFrame({"": [1.0]})).columns == [""]
    assert frame_of({"": [1.0]}).columns == [""]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label": "z"}, "has no column 'z'; it has a, b"),
        ({"b": "a"}, "has a column 'b' already"),
    ],
)
def test_a_mapping_to_what_is_not_there_is_an_error(columns: dict[str, str], said: str) -> None:
    """Names that are not there, or taken, are named."""
    with pytest.raises(SchemaError, match=said):
        open_frame(pl.DataFrame({"a": [1], "b": [2]}), "rows").renamed(columns)


@pytest.mark.parametrize(
    ("columns", "error", "said"),
    [
        ({"label": "a", "prediction": "a"}, ValueError, "one column can have one name only"),
        ({"lable": "a"}, ValueError, "'lable' is none of vedette's names"),
        ({"prediction": "a"}, VedetteError, "has a column 'prediction' already"),
    ],
)
def test_a_batch_with_an_impossible_mapping_is_refused(
    columns: dict[str, str], error: type[Exception], said: str
) -> None:
    """One column under two names would lose one of them; two columns under one name as well."""
    with pytest.raises(error, match=said):
        prediction_rows({"a": [1], "prediction": [2]}, now_s=0, future_s=1, columns=columns)


def test_renamed_columns_are_read_by_their_new_names(tmp_path: Path, good: bytes) -> None:
    """Whole columns and slices alike, and the others keep their names."""
    table = open_table(tmp_path / "good.parquet").renamed({"label": "a"})
    assert (table.read(["label"]).height, table.read(["label"], 5, 7)["label"].to_list()) == (
        2000,
        [5.0, 6.0],
    )


@pytest.mark.parametrize("limit", [10, 10**9], ids=["through columns on disk", "in memory"])
def test_exports_are_read_as_what_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Numbers beside NA and NULL are numbers, ISO times are times, blank columns nothing, an index has pandas' name."""
    monkeypatch.setattr("vedette.lake.files._HELD_BYTES_MAX", limit)
    rows = [",x,when,blank,kind", "0,1.5,2026-01-01 10:00:00,,NA", "1,NA,2026-01-02,,b", "2, NULL ,NaT,NA,b"]
    file = tmp_path / "a.csv"
    file.write_text("\n".join(rows) + "\n")
    table = open_table(file, exported=True)
    assert table.schema == {
        "Unnamed: 0": pl.Int64(),
        "x": pl.Float64(),
        "when": pl.Datetime("us"),
        "blank": pl.Null(),
        "kind": pl.String(),
    }
    assert table.read(["x", "kind"]).rows() == [(1.5, "NA"), (None, "b"), (None, "b")]
    assert table.nulls("when") == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["none"] * 3, ["none"] * 3),
        (["-", "-", ""], ["-", "-", None]),
        (["NA", "", "nan"], [None] * 3),
        (["1", "none", "2"], [1, None, 2]),
    ],
)
def test_words_for_nothing_are_words_where_there_is_nothing_else(
    tmp_path: Path, rows: list[str], expected: list[object]
) -> None:
    """A category whose only level is ``none`` is not missing; beside numbers the word is a missing one."""
    file = written(tmp_path / "a.csv", "a,b\n" + "".join(f"{row},x\n" for row in rows))
    assert open_table(file, exported=True).read(["a"])["a"].to_list() == expected


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_files_that_are_not_utf8_are_said_to_be_so(tmp_path: Path, encoding: str) -> None:
    """Not that they were truncated; and what to do."""
    file = tmp_path / "a.csv"
    file.write_bytes("name,x\nGéza,1\n".encode(encoding))
    with pytest.raises(DataError, match=r"is not UTF-8 .* save it as UTF-8"):
        open_table(file)


def test_a_delta_table_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many slices are read: reading the log costs more than the rows."""
    write_deltalake(str(tmp_path / "t"), pa.table({"x": [1, 2, 3]}))
    opened: list[str] = []
    scan = pl.scan_delta
    monkeypatch.setattr(pl, "scan_delta", lambda *told, **more: opened.append("") or scan(*told, **more))
    table = open_table(tmp_path / "t")
    assert [table.read(["x"], at, at + 1)["x"].to_list() for at in range(3)] == [[1], [2], [3]]
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a;b;c\n1;2;3\n4;5\n6;7;8\n", "its separator seems to be ';'"),
        ("a;b;c\n1,5;2;3\n4,5;5\n", "its separator seems to be ';'"),
        ("a,b\n1,2\r3,4", "cannot be read as csv"),
        (";".join(f"column{at:06}" for at in range(15_000)) + "\n", "is it another separator?"),
    ],
    ids=["short line", "short line, commas", "a return within", "a long header"],
)
def test_ragged_and_strange_files_are_named_errors(tmp_path: Path, content: str, said: str) -> None:
    """What the first lines do not tell, and what Python's reader refuses, ends in an error of ours."""
    with pytest.raises(DataError, match=said.replace("?", r"\?")):
        open_table(written(tmp_path / "a.csv", content.encode()))


@pytest.mark.parametrize("end", ["", "\n"])
def test_long_texts_and_late_types_are_read(tmp_path: Path, end: str) -> None:
    """A column that turns to text in row 10,501, and a text of 140,000 characters in the last line."""
    lines = ["a,b", *(f"{at},a" for at in range(10_500)), "x," + "y" * 140_000]
    frame = whole(open_table(written(tmp_path / "a.csv", "\n".join(lines) + end)))
    assert frame.height == 10_501
    assert len(frame["b"][-1]) == 140_000


def test_decimal_commas_have_exponents_and_no_points(tmp_path: Path) -> None:
    """As pandas writes them; where points part thousands the column stays as it is."""
    small = written(tmp_path / "a.csv", "p;q\n3,1257e-06;1\n0,5;2\n,25;3\n")
    assert whole(open_table(small, separator=";"))["p"].to_list() == [3.1257e-06, 0.5, 0.25]
    mixed = written(tmp_path / "b.csv", "p;q\n1.234;1\n12,5;3\n")
    assert whole(open_table(mixed, separator=";"))["p"].to_list() == ["1.234", "12,5"]
