"""Vectors in tables: every spelling of a column of vectors is one column of lists, or an error that names it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import DataError, SchemaError
from vedette.lake.frames import fields_of, prediction_rows
from vedette.lake.vectors import holds_vectors, series_of_vectors
from vedette.records import Field, Physical, Role

NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
VALUES = [[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]]
MATRIX = np.array(VALUES)
F32, F64 = pl.List(pl.Float32()), pl.List(pl.Float64())


def taken(data: object, **arguments: Any) -> Any:
    return prediction_rows(data, now_s=NOW_S, future_s=300.0, **arguments)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"e": MATRIX}, F64),
        ({"e": MATRIX.astype(np.float32)}, F32),
        ({"e": MATRIX.astype(np.float16)}, F32),
        ({"e": np.asfortranarray(MATRIX)}, F64),
        ({"e": VALUES}, F64),
        ({"e": list(map(tuple, VALUES))}, F64),
        ({"e": list(MATRIX.astype(np.float32))}, F32),
        ({"e": [MATRIX[0].astype(np.float32), MATRIX[1], VALUES[2]]}, F64),
        ({"e": pd.Series(list(MATRIX))}, F64),
        (pd.DataFrame({"e": list(MATRIX.astype(np.float32))}), F32),
        (pd.DataFrame({"e": VALUES}), F64),
        (pl.DataFrame({"e": VALUES}), F64),
        (pl.DataFrame({"e": VALUES}, schema={"e": pl.List(pl.Float32)}), F32),
        (pl.DataFrame({"e": MATRIX}), F64),
        (pl.DataFrame({"e": VALUES}, schema={"e": pl.Array(pl.Float32, 2)}), F32),
        (pa.table({"e": VALUES}), F64),
        (pa.table({"e": pa.FixedSizeListArray.from_arrays(pa.array(MATRIX.ravel(), pa.float32()), 2)}), F32),
    ],
    ids=range(17),
)
def test_every_spelling_is_one_column_of_lists(data: object, kind: pl.DataType) -> None:
    """Matrices, lists, tuples, arrays, pandas, Polars and Arrow give the same values; float32 stays float32."""
    column = taken(data).frame["e"]
    assert (column.to_list(), column.dtype) == (VALUES, kind)


@pytest.mark.parametrize(
    "data",
    [
        {"e": [VALUES[0], None, VALUES[2]]},
        {"e": [None, MATRIX[0], MATRIX[2]]},
        pd.DataFrame({"e": [VALUES[0], None, VALUES[2]]}),
        pl.DataFrame({"e": [VALUES[0], None, VALUES[2]]}),
    ],
)
def test_a_missing_vector_is_a_null(data: object) -> None:
    """None among vectors is null, wherever it stands."""
    column = taken(data).frame["e"]
    assert (column.dtype, column.null_count(), column.drop_nulls().to_list()) == (
        F64,
        1,
        [VALUES[0], VALUES[2]],
    )


def test_integers_in_lists_are_not_rounded() -> None:
    """A list of integers among those of fractions makes no integers of these, as Polars alone would."""
    assert taken({"e": [[1, 2], [1.5, 2.5]]}).frame["e"].to_list() == [[1.0, 2.0], [1.5, 2.5]]
    with pytest.raises(DataError, match=r"beyond 2\*\*53"):
        taken(pl.DataFrame({"e": [[2**60]]}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"e": [[1.0], ["a"]]}, "column 'e', row 1: vector holds a value of type str"),
        ({"e": [[1.0], [None]]}, "column 'e', row 1: vector holds a value of type NoneType"),
        ({"e": [[1.0], 2.0]}, "column 'e', row 1: 2.0 among vectors: one column holds one type"),
        ({"e": [[1.0], []]}, "column 'e', row 1: vector without elements"),
        ({"e": [[[1.0]]]}, "column 'e', row 0: vector holds a value of type list"),
        (
            {"e": np.zeros((3, 2, 2))},
            "column 'e', row 0: array of 2 dimensions: a vector has one; of an image give vedette",
        ),
        ({"e": np.zeros((3, 2), bool)}, "column 'e', row 0: array of '\\?': must hold real numbers"),
        ({"e": np.zeros((3, 0))}, "column 'e', row 0: vector without elements"),
        (pl.DataFrame({"e": [[[1.0]]]}), "column 'e' has the type List.*vedette.image"),
        (pl.DataFrame({"e": np.zeros((2, 2, 2))}), "column 'e' has the type Array.*vedette.image"),
        (pl.DataFrame({"e": [[True]]}), "column 'e' has the type List\\(Boolean\\): a list must be numbers"),
        ({"prediction": MATRIX}, "column 'prediction' has the type .*: must be a class or a number"),
        ({"label": VALUES}, "column 'label' has the type .*: must be a class or a number"),
        ({"latency_s": VALUES}, "column 'latency_s' has the type .*: must be numbers"),
        ({"id": VALUES, "x": [1, 2, 3]}, "column 'id' has the type"),
    ],
    ids=range(15),
)
def test_what_are_no_vectors_is_an_error_that_names_the_column(data: object, said: str) -> None:
    """Lists of other things, nested ones, and lists where one value is to be, are errors with column, row and reason."""
    with pytest.raises((DataError, SchemaError), match=said):
        taken(data)


def test_rows_with_vectors_that_cannot_be_kept_are_counted() -> None:
    """Of a typed column the rows that ``log`` would refuse are refused for the same reasons; the others are taken."""
    column = [[0.0] * n for n in (2, 3, 0, 4, 16_385, 5, 6, 2, 7)] + [[1.0, None], None]
    found = taken(pl.DataFrame({"e": column, "n": range(11)}))
    assert found.rejected == {
        "e: vector without elements": 1,
        "e: vector longer than 16384 elements": 1,
        "e: vector holds a value of type NoneType": 1,
        "e: vector of another length: a column has at most 4": 2,
    }
    assert found.frame["n"].to_list() == [0, 1, 3, 5, 7, 10]


def test_fields_say_the_lengths() -> None:
    """Each length of a column is a field, in the order in which they come."""
    found = fields_of(taken(pl.DataFrame({"e": [[1.0, 2.0], [1.0], [3.0, 4.0], None]})).frame)
    assert found == [Field(Role.FEATURE, "e", Physical.VECTOR64, n) for n in (2, 1)]


def test_a_column_of_no_vectors_at_all_tells_no_type() -> None:
    """Where every vector is null, or was refused, the column is left out like one of nothing but nulls."""
    found = taken(pl.DataFrame({"e": [None, []], "x": [1.0, 2.0]}, schema={"e": F64, "x": pl.Float64}))
    assert found.frame.columns == ["x", "id", "time", "received"]


@given(st.lists(st.one_of(st.none(), st.lists(st.floats(), min_size=1, max_size=3)), min_size=1, max_size=8))
def test_any_lists_of_floats_are_kept_to_the_bit(values: list[Any]) -> None:
    """NaN, infinities and nulls come through, whatever the lengths."""
    if holds_vectors(values):
        assert repr(series_of_vectors("e", values).to_list()) == repr(values)


def test_a_file_of_embeddings_is_read(tmp_path: Path) -> None:
    """Parquet and Arrow files have lists and fixed-size lists."""
    for name, frame in (
        ("a.parquet", pl.DataFrame({"e": VALUES})),
        ("b.parquet", pl.DataFrame({"e": MATRIX})),
    ):
        frame.write_parquet(tmp_path / name)
        assert taken(tmp_path / name).frame["e"].to_list() == VALUES


# --- probabilities --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [{"probability": MATRIX}, pd.DataFrame({"probability": VALUES}), pl.DataFrame({"probability": VALUES})],
)
def test_lists_of_probabilities_are_columns_of_the_classes(data: object) -> None:
    """What ``predict_proba`` gives is one column for each class, in the order of the classes."""
    frame = taken(data, classes=("b", "a")).frame
    assert (frame["probability_b"].to_list(), frame["probability_a"].to_list()) == (
        [0.5, 2.5, 4.5],
        [1.5, 3.5, 5.5],
    )
    assert "probability" not in frame.columns


@pytest.mark.parametrize(
    ("data", "classes", "said"),
    [
        ({"probability": MATRIX}, (), r"a list needs the classes in their order: Monitor\(..., classes="),
        (
            {"probability": MATRIX},
            ("a", "b", "c"),
            "holds lists of 2 numbers: must have 3, one for each of the classes",
        ),
        (
            {"probability": MATRIX, "probability_a": [1.0] * 3},
            ("a", "b"),
            "'probability' and 'probability_a' are both",
        ),
    ],
)
def test_probabilities_that_do_not_fit_the_classes_are_refused(data: object, classes: Any, said: str) -> None:
    """Without known classes, or with another number of them, the error says what is right."""
    with pytest.raises(SchemaError, match=said):
        taken(data, classes=classes)
