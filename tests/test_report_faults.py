"""The report of two tables, given what nobody should give it: a clear error, a reason, or the fact as a finding."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.test_peers_faults import BEFORE, NOW, N, X, but, column, compared, figure
from vedette.engine.two_files.run import report
from vedette.errors import DataError, SchemaError
from vedette.output.comparison import Side, to_json
from vedette.output.comparison_page import page
from vedette.records import Status

HALF = slice(None, None, 2)
TEXTS = ["u", "v"] * (N // 2)

MIXED = np.random.default_rng(0).permutation(N)


def used(side: Side) -> int:
    """The rows that the figures of a column rest on."""
    name = next(one for one in ("mean", "length_mean", "distinct") if one in side.figures)
    return side.figures[name].n


ODD: dict[str, Any] = {
    "nan": but(X, np.nan, HALF),
    "inf": but(X, np.inf, HALF),
    "mixed": [1.5, None, float("nan"), float("inf"), -float("inf")] * (N // 5),
    "objects": np.array([1.5, None] * (N // 2), dtype=object),
    "text": np.array(["u", None] * (N // 2), dtype=object),
    "booleans": [True, None] * (N // 2),
    "no type": pl.Series([None] * N),
    "uint64": np.array([2**64 - 1, 1] * (N // 2), dtype=np.uint64),
    "int128": pl.Series([2**100] * N, dtype=pl.Int128),
    "decimal": pl.Series([Decimal("1.5"), None] * (N // 2)),
    "duration": pl.Series([dt.timedelta(seconds=5), None] * (N // 2)),
    "categorical": pl.Series(["u", None] * (N // 2), dtype=pl.Categorical),
    "enum": pl.Series(["u", None] * (N // 2), dtype=pl.Enum(["u", "v"])),
    "bytes": [b"\xff\x00", None] * (N // 2),
    "many texts": [f"{i}" if i % 3 else None for i in range(5 * N)],
    "many bytes": [bytes([i % 256, i // 256]) for i in range(5 * N)],
    "nullable": pd.array([1, None] * (N // 2), dtype="Int64"),
    "tiny": but(X, 5e-324, HALF) * 1e-300,
    "huge": np.clip(X, -1, 1) * 1.7e308,
    "constant": np.ones(N),
}


@pytest.mark.parametrize("name", ODD)
def test_no_row_of_a_column_is_lost(name: str) -> None:
    """Rows are missing, NaN, infinite or used, on both sides of a report, whatever the type."""
    values = ODD[name]
    rows = len(values)
    one = compared(values, values)[1]
    for side in (one.current, one.reference):
        assert side is not None
        counted = side.missing + side.nan + side.inf
        assert (side.rows, counted + (used(side) if side.figures else 0)) == (rows, rows)


@pytest.mark.parametrize("name", ODD)
def test_the_same_file_twice_has_not_changed(name: str) -> None:
    """Nothing has changed between a file and itself, and the report can be written as JSON and as a page."""
    found = report(
        {"a": ODD[name], "b": np.zeros(len(ODD[name]))}, {"a": ODD[name], "b": np.zeros(len(ODD[name]))}
    )
    assert not any(one.changed for one in found.columns)
    assert json.loads(to_json(found))["verdict"] == found.verdict.value
    assert "<svg" in page(found)


@pytest.mark.parametrize("name", ["nan", "inf", "mixed", "text", "booleans", "many texts", "no type"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_file_without_values_loses_no_row_of_the_other(name: str, turned: bool) -> None:
    """Against a column of nothing but nulls, which has no type, the counts of the other file stay whole."""
    values = ODD[name]
    nothing = pl.Series([None] * len(values))
    one = compared(nothing, values)[1] if turned else compared(values, nothing)[1]
    side = one.reference if turned else one.current
    plain = compared(values, values)[1].current
    assert side is not None
    assert plain is not None
    assert (side.missing, side.nan, side.inf) == (plain.missing, plain.nan, plain.inf)
    assert one.reason


@pytest.mark.parametrize(
    ("current", "reference"),
    [
        ([f"{value}" for value in X], X),
        (X, [f"{value}" for value in X]),
        ([True, False] * (N // 2), [1, 0] * (N // 2)),
        (pl.Series([dt.timedelta(seconds=5)] * N), X),
        ([b"u", b"v"] * (N // 2), TEXTS),
        (pl.Series([dt.time(1, 2)] * N), pl.Series([dt.datetime(2026, 1, 1)] * N)),
        (pl.Series([[1]] * N), pl.Series([{"q": 1}] * N)),
        (TEXTS, pl.Series([dt.date(2026, 1, 1)] * N)),
    ],
    ids=["numbers as text", "text as numbers", "bool", "duration", "bytes", "time of day", "nested", "date"],
)
def test_a_column_of_another_type_is_an_alarm(current: Any, reference: Any) -> None:
    """A type that cannot be compared with the other is a fact; both files keep their counts."""
    verdict, one = compared(current, reference)
    assert (verdict, one.changed, one.p_value) == (Status.ALARM, True, None)
    assert "has another type" in one.words
    for side in (one.current, one.reference):
        assert side is not None
        assert side.rows == N


@pytest.mark.parametrize(
    ("current", "reference"),
    [
        (np.arange(N), np.arange(N).astype(float)),
        (MIXED % 100, (MIXED % 100).astype(np.uint8)),
        (TEXTS, pl.Series(TEXTS, dtype=pl.Categorical)),
        (pl.Series(TEXTS, dtype=pl.Enum(["v", "u"])), TEXTS),
        ([Decimal("1.5")] * N, [1.5] * N),
    ],
)
def test_types_that_hold_the_same_values_have_not_changed(current: Any, reference: Any) -> None:
    """Integers as floats and texts as categories are the same column."""
    assert compared(current, reference)[1].changed is False


@pytest.mark.parametrize(
    "values", [pl.Series([["a", "b"]] * N), pl.Series([{"q": 1}] * N), np.ones(N, dtype=complex)]
)
def test_types_that_cannot_be_compared_say_so(values: Any) -> None:
    """Lists of texts, structs and complex numbers are UNKNOWN with their type; the other columns are judged."""
    found = report({"a": values, "b": X}, {"a": values, "b": X})
    assert (column(found).changed, column(found, "b").changed) == (None, False)
    assert str(column(found).reason).startswith("type ")


@pytest.mark.parametrize("changed", [True, False])
def test_what_was_hardly_compared_has_not_stayed_the_same(changed: bool) -> None:
    """With five values left in both files, unchanged missing values do not make the column unchanged."""
    few = but(np.full(N, np.nan), 1.0, slice(0, 5))
    verdict, one = compared(few, few if not changed else X)
    assert (one.changed, one.reason) == (True if changed else None, "fewer than 50 values: 5")
    assert verdict is (Status.WARN if changed else Status.UNKNOWN)


@pytest.mark.parametrize("rows", [1000, 2_100_000])
def test_a_small_file_against_a_large_one_keeps_its_rows(rows: int) -> None:
    """Files that are read as a whole and in slices meet: neither loses its rows."""
    large = np.resize(X, rows)
    one = compared(X + 3, large)[1]
    assert one.changed
    assert one.current is not None
    assert one.reference is not None
    assert (one.current.rows, one.reference.rows, used(one.current)) == (N, rows, N)


@pytest.mark.parametrize(
    "ids",
    [
        [2**62 + i for i in range(N)],
        [f"{i:05}" for i in range(N)],
        [*range(N - 1), None],
        [*map(float, range(N - 1)), float("nan")],
    ],
    ids=["great integers", "text", "with null", "with NaN"],
)
def test_ids_are_names(ids: list[Any]) -> None:
    """Ids that differ are different, also beyond 2**53 and beside a gap; and they are not compared."""
    found = report({"id": ids, "a": X}, {"id": [f"{one}" for one in ids], "a": X})
    one = column(found, "id")
    assert (found.verdict, one.changed, one.reason) == (Status.OK, None, "an identifier: not compared")
    assert not [words for words in found.findings if words.about == "id"]


def test_a_report_of_ids_alone_is_not_green() -> None:
    """Where nothing is compared, UNKNOWN says why."""
    found = report({"id": np.arange(N)}, {"id": np.arange(N)})
    assert (found.verdict, found.findings[0].words) == (
        Status.UNKNOWN,
        "no column can be judged: identifiers and times are not compared",
    )


NAMES = [
    "a\x00b",
    "\u202egnp.exe",
    "</script><script>alert(1)</script>",
    "a\nb",
    "\x1b[31mred",
    "",
    "  ",
    "n" * 60_000,
]


@pytest.mark.parametrize(
    "name", NAMES, ids=["nul", "rtl", "script", "newline", "ansi", "empty", "blank", "60 kB"]
)
def test_hostile_names_are_names(name: str) -> None:
    """Of columns and of levels: they are judged like others, and neither page nor JSON takes them for its own."""
    found = report({name: X, "c": [name, "z"] * (N // 2)}, {name: X + 1, "c": ["y", "z"] * (N // 2)})
    assert (column(found, name).changed, column(found, "c").changed) == (True, True)
    assert "<script>alert" not in page(found)
    assert name in json.loads(to_json(found))["columns"]


def test_a_million_levels_are_a_text() -> None:
    """A category of a million levels is compared by what can be compared, without telling each."""
    one = compared(np.arange(1_000_000).astype(str), np.arange(1_000_000).astype(str))[1]
    assert (one.kind, one.changed, one.distances["unseen_share"].value) == ("text", False, 0.0)


@pytest.mark.parametrize(
    "label",
    [
        NOW["label"].astype(str),
        NOW["label"].astype(float),
        NOW["label"] == 1,
    ],
    ids=["text", "float", "bool"],
)
def test_one_class_has_one_name_in_a_report(label: Any) -> None:
    """Labels as text against labels as numbers are the same labels, and the same accuracy."""
    found = report({**NOW, "label": label}, BEFORE)
    assert column(found, "label").changed is False
    assert figure(found, "accuracy").current == figure(report(NOW, BEFORE), "accuracy").current


def test_labels_of_bytes_are_no_classes() -> None:
    """Bytes are no spelling of a class: another type, and not a wrong answer each."""
    found = report({**NOW, "label": [b"1"] * 2000}, BEFORE)
    assert (found.verdict, column(found, "label").p_value) == (Status.ALARM, None)
    assert not found.figures


@pytest.mark.parametrize(
    ("prediction", "label", "mae"), [(X + 0.5, X, 0.5), (X, np.zeros(N), np.abs(X).mean()), (X, X, 0.0)]
)
def test_regressions_without_variance_have_figures(
    prediction: np.ndarray, label: np.ndarray, mae: float
) -> None:
    """A constant error, a target that is always 0, and no error at all: what can be computed is, the rest has a reason."""
    rows = {"prediction": prediction, "label": label}
    found = report(rows, rows)
    assert figure(found, "mae").current.value == pytest.approx(mae)
    assert all((one.current.value is None) == (one.current.reason is not None) for one in found.figures)
    assert found.verdict is Status.OK


@pytest.mark.parametrize("label", [None, float("nan")])
def test_labels_that_are_none_are_no_labels(label: object) -> None:
    """A third without a label: the figure rests on the others."""
    some = [label if i % 4 == 0 else int(one) for i, one in enumerate(NOW["label"])]
    found = figure(report({**NOW, "label": some}, BEFORE), "accuracy")
    assert (found.labelled, found.current.n) == (0.75, 1500)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("label", [[1]] * 2000, "holds neither numbers nor names of classes"),
        ("label", [dt.date(2026, 1, 1)] * 2000, "holds neither numbers nor names of classes"),
        ("probability", ["high", "low"] * 1000, "holds no numbers"),
        ("latency_s", ["fast"] * 2000, "holds no numbers"),
        (
            "probability",
            but(NOW["probability"], 1.7),
            "from 0.2 to 1.7: what lies outside 0 to 1 is left out",
        ),
        ("probability", NOW["probability"] * 100, "what lies outside 0 to 1 is left out"),
        ("latency_s", np.full(2000, -1.0), "a latency cannot be negative"),
    ],
)
def test_columns_that_cannot_be_what_their_name_says_are_told(name: str, values: Any, said: str) -> None:
    """The report is not lost: it says what is left out, and warns."""
    reference = {**BEFORE, "latency_s": np.ones(2000)} if name == "latency_s" else BEFORE
    found = report({**NOW, name: values}, reference)
    assert any(said in one.words and one.about == name for one in found.findings)
    assert found.verdict in (Status.WARN, Status.ALARM)


def test_probabilities_that_are_none_leave_the_figures() -> None:
    """Above 1, below 0, NaN and infinite: each is left out, and the figure says on how many rows it rests."""
    odd = NOW["probability"].copy()
    odd[:40] = np.repeat([1.7, -0.2, np.nan, np.inf], 10)
    found = report({**NOW, "probability": odd}, BEFORE)
    side = column(found, "probability").current
    assert side is not None
    assert (figure(found, "roc_auc").current.n, side.nan, side.inf) == (1960, 10, 10)


def test_infinite_values_are_said_beside_another_change() -> None:
    """Few infinite values in a column that changed in another way are told all the same."""
    found = report({"a": but(X + 3, np.inf)}, {"a": X})
    assert any(one.words.startswith("1 value is infinite") for one in found.findings)


@pytest.mark.parametrize(
    ("kwargs", "error", "said"),
    [
        ({"by": "z"}, SchemaError, "by='z': .* has no such column; it has label"),
        ({"by": "label,label"}, ValueError, "must be one column, or two different ones"),
        ({"by": "label,prediction,probability"}, ValueError, "must be one column, or two different ones"),
        ({"columns": {"lable": "label"}}, ValueError, "'lable' is none of vedette's names"),
        ({"columns": {"id": "z"}}, SchemaError, "has no column 'z'"),
    ],
)
def test_impossible_arguments_are_named(kwargs: dict[str, Any], error: type[Exception], said: str) -> None:
    """A wrong call says what was given and what would be right."""
    with pytest.raises(error, match=said):
        report(NOW, BEFORE, **kwargs)


def test_segments_of_lists_are_refused() -> None:
    """A column whose values are no names cannot cut segments."""
    with pytest.raises(SchemaError, match="by='g': has the type List"):
        report({**NOW, "g": [[1]] * 2000}, BEFORE | {"g": [[1]] * 2000}, by="g")


def test_segments_that_are_identifiers_are_refused() -> None:
    """More segments than anybody reads are a wrong call."""
    with pytest.raises(ValueError, match=r"at most 1,000 segments are shown \(is it an identifier\?\)"):
        report(NOW | {"g": np.arange(2000)}, BEFORE | {"g": np.arange(2000)}, by="g")


@pytest.mark.parametrize("data", [pl.DataFrame(), {}, pd.DataFrame(index=range(5))])
def test_a_table_without_columns_is_an_error(data: Any) -> None:
    """No columns is no table."""
    with pytest.raises(DataError, match="the current rows: has no columns"):
        report(data, {"a": X})


def test_one_file_alone_is_described() -> None:
    """Without a reference nothing can have changed: UNKNOWN, and all figures are there."""
    found = report({"a": X})
    assert (found.verdict, column(found).changed, column(found).distances) == (Status.UNKNOWN, None, {})
    side = column(found).current
    assert side is not None
    assert side.figures["mean"].value == pytest.approx(X.mean())


def test_a_header_without_rows_is_not_another_type(tmp_path: Path) -> None:
    """A CSV file of no rows tells no types: UNKNOWN, no alarm about types."""
    (tmp_path / "a.csv").write_text("a,b\n")
    (tmp_path / "b.csv").write_text("a,b\n" + "1,x\n" * 60)
    found = report(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (found.verdict, [one.changed for one in found.columns]) == (Status.UNKNOWN, [None, None])


def called(*words: str) -> subprocess.CompletedProcess[str]:
    """The command ``vedette`` with these words."""
    return subprocess.run(
        [sys.executable, "-m", "vedette", *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no.csv"], 70, "no such file"),
        (["empty.csv"], 70, "the file is empty"),
        (["cut.parquet"], 70, "cannot be read as parquet"),
        (["semi.csv"], 70, "its separator seems to be ';'"),
        (["good.csv", "--html", "good.csv/page.html"], 70, "cannot be written"),
        (["good.csv", "--reference", "dup.csv"], 70, "two columns have one name"),
        (["good.csv", "--by", "z"], 70, "has no such column"),
        (["good.csv", "--separator", ";;"], 64, "must be one character"),
        (["good.csv", "--column", "label"], 64, "must be like label=churned"),
        (["good.csv", "--column", "lable=a"], 64, "none of vedette's names"),
    ],
)
def test_errors_of_the_command_are_one_line(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """No traceback: one line on stderr, nothing on stdout, 64 for a wrong call and 70 for bad data."""
    for name, text in {
        "empty.csv": "", "cut.parquet": "PAR1x", "semi.csv": "a;b\n1;2\n", "good.csv": "a,b\n1,2\n", "dup.csv": "a,a\n1,2\n"
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / word) if "." in word else word for word in words]
    done = called("report", *paths)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert said in done.stderr


def test_the_command_gives_one_json_document(tmp_path: Path) -> None:
    """``--json`` of awkward files is one document without NaN; progress and words go elsewhere."""
    pl.DataFrame({"a": but(X, np.nan), "\x1b[31m": X}).write_parquet(tmp_path / "a.parquet")
    done = called("report", str(tmp_path / "a.parquet"), "--reference", str(tmp_path / "a.parquet"), "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "OK")
