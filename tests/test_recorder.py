"""The recorder keeps each row as it was given, or counts it with the reason; and the model never feels it."""

from __future__ import annotations

import decimal
import itertools
import logging
import math
import sys
import threading
import uuid
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journals import MODEL, read, record
from vedette.capture import Recorder, producers
from vedette.capture.core import core
from vedette.errors import JournalError, SchemaError
from vedette.records import Field, Physical, Role, Settings

NOW = 1_800_000_000.0


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = record(tmp_path, clock=lambda: NOW)
    yield made
    made.close()


def test_a_row_reads_back_as_it_was_given(recorder: Recorder, tmp_path: Path) -> None:
    """Features, prediction, probability, latency, id and times come out as they went in."""
    recorder.log(
        {"a": 1.5, "b": 7, "c": True, "d": "x"}, 1, probability=0.93, id="a1", latency_s=0.004, time=NOW - 9
    )
    assert read(tmp_path).rows == [
        {"a": 1.5, "b": 7, "c": True, "d": "x", "prediction": 1, "probability": 0.93, "latency_s": 0.004}
        | {"_sequence": 1, "_time": NOW - 9, "_received": NOW}
    ]
    assert read(tmp_path).ids == ["a1"]


def test_the_usual_and_the_general_way_keep_the_same(recorder: Recorder, tmp_path: Path) -> None:
    """The first row of a layout goes the general way, the second the compiled one: both read back alike."""
    for _ in range(3):
        recorder.log(
            {"a": 1.5, "b": 7, "c": True, "d": "x"}, "late", probability=0.5, id="a", latency_s=0.1, time=NOW
        )
    first, *others = ({**row, "_sequence": 0} for row in read(tmp_path).rows)
    assert others == [first, first]


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=60).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    st.binary(max_size=60),
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),
)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), plain), max_size=12),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_of_the_table_read_back(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    """Whatever types a feature goes through, each value comes back exactly, and nothing is rejected or torn."""
    root = tmp_path_factory.mktemp("journal")
    made = record(root)
    for row in rows:
        made.log(row)
    made.close()
    back = read(root)
    assert (back.torn, back.void, back.rejected, back.dropped) == (0, {}, {}, 0)
    for given_row, kept in zip(rows, back.rows, strict=True):
        values = {name.split(" ")[0]: value for name, value in kept.items() if not name.startswith("_")}
        expected = {name: value for name, value in given_row.items() if value is not None}
        assert values.keys() == expected.keys()
        assert all(_same(values[name], expected[name]) for name in expected)


def _same(one: Any, other: Any) -> bool:
    """Equal, NaN equal to NaN, the signs of zeros too; an integer may have become the float of the same value."""
    if isinstance(one, float) and isinstance(other, (int, float)) and not isinstance(other, bool):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and (isinstance(other, int) or math.copysign(1, one) == math.copysign(1, other))
        )
    return type(one) is type(other) and bool(one == other)


def test_nan_inf_null_and_absent_are_four_things(recorder: Recorder, tmp_path: Path) -> None:
    """NaN and the infinities are values; None is a null; a feature that is not given is a null and counted apart."""
    for features in (
        {"a": 1.0, "b": 1.0},
        {"a": math.nan, "b": math.inf},
        {"a": None, "b": -math.inf},
        {"b": 0.0},
    ):
        recorder.log(features)
    back = read(tmp_path)
    assert repr([row.get("a", "null") for row in back.rows]) == "[1.0, nan, 'null', 'null']"
    assert back.column["b"] == [1.0, math.inf, -math.inf, 0.0]
    assert back.absent == {"a": 1, "b": 0}


def test_rows_without_some_of_the_features_go_the_usual_way_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row has what it was given and no more, null and absent stay two things; the core asks the general way no more
    than once for each name and type."""
    asked = []
    general = Recorder._general
    monkeypatch.setattr(Recorder, "_general", lambda self, *row: asked.append(row) or general(self, *row))
    made = record(tmp_path, clock=lambda: NOW)
    whole = {"a": 1.5, "b": 7, "c": "x", "d": True, "e": None, "v": [1.0, 2.0]}
    rows = [
        {name: whole[name] for place, name in enumerate(whole) if n >> place & 1}
        for n in (63, *range(64), 63)
    ]
    for row in rows:
        made.log(row, 1)
    made.log({"a": 1.5, "other": 1}, 1)  # as many as some, and not the same
    back = read(tmp_path).rows
    own = {"prediction", "_sequence", "_time", "_received"}
    found = [{name: value for name, value in row.items() if name not in own} for row in back]
    plain = [{**row, "v": list(row["v"])} if "v" in row else row for row in found]
    assert plain == [{name: value for name, value in row.items() if value is not None} for row in rows] + [
        {"a": 1.5, "other": 1}
    ]
    if core is not None:
        assert len(asked) <= 4
    made.close()


def test_integers_are_exact_to_64_bits(recorder: Recorder, tmp_path: Path) -> None:
    """Beyond the signed 64 bits an integer goes to an unsigned field of the same feature; no value is rounded."""
    numbers = [0, -(2**63), 2**63 - 1, 2**63, 2**64 - 1, 2**53 + 1]
    for number in numbers:
        recorder.log({"a": number})
    back = [row.get("a", row.get("a int64", row.get("a uint64"))) for row in read(tmp_path).rows]
    assert back == numbers


def test_the_last_row_of_a_segment_is_what_was_given(tmp_path: Path) -> None:
    """A row that finds its segment full goes into the next one with its own values: a text is no offset, None no zero."""
    made = record(tmp_path, segment_bytes=4096)
    predictions = ["late", None, "on time"]
    for n in range(900):
        made.log({"a": 1.0}, predictions[n % 3], probability=None if n // 3 % 2 else 0.5)
    made.close()
    back = read(tmp_path)
    assert len(list(producers(tmp_path, MODEL)[0].read("predictions", 0))) > 10
    assert back.column["prediction"] == predictions * 300
    assert back.column["probability"] == ([0.5] * 3 + [None] * 3) * 150


def test_a_value_of_another_type_gets_a_field_of_its_own(recorder: Recorder, tmp_path: Path) -> None:
    """A feature keeps its first field; text, booleans and floats among integers go beside it."""
    for value in (1, 2.5, "x", True, 3):
        recorder.log({"a": value})
    assert [{k: v for k, v in row.items() if k[0] == "a"} for row in read(tmp_path).rows] == [
        {"a": 1},
        {"a float64": 2.5},
        {"a text": "x"},
        {"a bool": True},
        {"a int64": 3},
    ]


def test_the_probability_of_being_kept_is_kept(recorder: Recorder, tmp_path: Path) -> None:
    """A number above 0 and at most 1, on the general way and the usual one; anything else is refused with the reason."""
    for _ in range(4):
        for inclusion in (0.01, 1.0, 1, np.float32(0.5), None):
            recorder.log({"a": 1.0}, 1, inclusion=inclusion)
    back = read(tmp_path)
    assert [row.get("inclusion") for row in back.rows] == [0.01, 1.0, 1.0, 0.5, None] * 4
    for inclusion in (0.0, -0.5, 1.5, float("nan"), float("inf"), 0, "0.5", True):
        recorder.log({"a": 1.0}, 1, inclusion=inclusion)
    assert read(tmp_path).rejected == {
        "inclusion: must be above 0 and at most 1": 6,
        "inclusion: type str": 1,
        "inclusion: type bool": 1,
    }
    assert len(read(tmp_path).rows) == 20


def test_what_went_wrong_is_kept_by_its_type(recorder: Recorder, tmp_path: Path) -> None:
    """An exception, its class or a text that names it becomes a text; no message is kept; the usual way keeps the same."""
    for _ in range(2):
        for error in (KeyError("a secret"), TimeoutError, decimal.InvalidOperation("x"), "no answer", None):
            recorder.log({"a": 1.0}, None, error=error)
        recorder.log({"a": 1.0}, 1)
    expected = ["KeyError", "TimeoutError", "decimal.InvalidOperation", "no answer", None, None] * 2
    back = read(tmp_path)
    assert [row.get("error") for row in back.rows] == expected
    assert [row.get("prediction") for row in back.rows] == [None, None, None, None, None, 1] * 2
    for error in (3, b"x", [], Exception):
        recorder.log({"a": 1.0}, None, error=error)
    assert read(tmp_path).rejected == {
        "error: type int: must be an exception, or text that names it": 1,
        "error: type bytes: must be an exception, or text that names it": 1,
        "error: type list": 1,
    }


def test_an_array_of_one_element_is_its_element(recorder: Recorder, tmp_path: Path) -> None:
    """What ``predict`` of one row gives: a prediction, a probability or a label."""
    for prediction, probability in (
        (np.array([1]), np.array([0.25])),
        (np.array([[0]]), np.array([[0.5]])),
    ):
        recorder.log({"a": 1.0}, prediction, probability=probability, id="x")
        recorder.label("x", prediction)
    recorder.log({"a": 1.0}, np.array([1, 2]))
    back = read(tmp_path)
    assert [(row["prediction"], row["probability"]) for row in back.rows] == [(1, 0.25), (0, 0.5)]
    assert [row["label"] for row in read(tmp_path, stream="labels").rows] == [1, 0]
    assert back.rejected == {"prediction: type ndarray": 1}


def test_an_integer_among_floats_stays_a_float(recorder: Recorder, tmp_path: Path) -> None:
    """Where nothing is lost a number goes into the field that is there, and no segment is sealed for it."""
    for value in (1.5, 2, np.int64(3), np.float32(0.5), -(2**53)):
        recorder.log({"a": value})
    assert read(tmp_path).column["a"] == [1.5, 2.0, 3.0, 0.5, -(2.0**53)]


def test_declared_types_hold_from_the_first_row(recorder: Recorder, tmp_path: Path) -> None:
    """With the types known from a reference, an integral float in an integer column is the integer."""
    recorder.declare([Field(Role.FEATURE, "a", Physical.INT64), Field(Role.PREDICTION, "", Physical.TEXT)])
    for value in (3.0, 4, 2.5):
        recorder.log({"a": value}, "late")
    assert [row.get("a", row.get("a int64", row.get("a float64"))) for row in read(tmp_path).rows] == [
        3,
        4,
        2.5,
    ]


def test_declared_names_that_collide_are_refused(recorder: Recorder) -> None:
    """A reference whose columns cannot be told apart raises, with both names."""
    with pytest.raises(SchemaError, match="'a' and 'A'"):
        recorder.declare([Field(Role.FEATURE, "a", Physical.INT64), Field(Role.FEATURE, "A", Physical.INT64)])


def test_a_model_with_several_classes_has_a_probability_for_each(recorder: Recorder, tmp_path: Path) -> None:
    """A mapping of class to probability makes one field a class, however the class is spelt."""
    recorder.log({"a": 1.0}, "x", probability={"x": 0.2, True: 0.5, 2.0: 1, "y": None})
    row = read(tmp_path).rows[0]
    assert {name: value for name, value in row.items() if name.startswith("probability")} == {
        "probability_x": 0.2,
        "probability_1": 0.5,
        "probability_2": 1.0,
    }


@pytest.mark.parametrize("spelt", [("x", "y", "z"), (0, 1, 2), ("0", 1, "2")], ids=repr)
def test_probabilities_of_classes_are_kept_in_every_row(
    recorder: Recorder, tmp_path: Path, spelt: tuple[Any, ...]
) -> None:
    """Rows after the first, which need not be looked at in full, keep each class's probability, nulls and numbers."""
    x, y, z = spelt
    mappings: list[Any] = [
        {x: 0.2, y: 0.5, z: 0.3},
        {z: 0.1, x: 0.4, y: 0.5},
        {x: np.float32(0.5), y: 1, z: None},
        {x: 0.75, y: 0.25},
        None,
        UserDict({x: 0.1, y: 0.2, z: 0.7}),
        {x: 0.2, y: 0.5, z: 0.3},
    ]
    for mapping in mappings:
        recorder.log({"a": 1.0}, "x", probability=mapping, id="a")
    back = read(tmp_path)
    names = [f"probability_{one}" for one in spelt]
    kept = [tuple(row.get(name) for name in names) for row in back.rows]
    wanted = [(None, None, None) if one is None else tuple(one.get(key) for key in spelt) for one in mappings]
    assert (kept, back.rejected) == (wanted, {})


def test_a_model_may_give_now_a_probability_and_now_one_for_each_class(
    recorder: Recorder, tmp_path: Path
) -> None:
    """A number and a mapping have fields of their own, in whatever order they come."""
    for probability in (0.9, {"x": 0.2, "y": 0.8}, 0.7, {"x": 0.3, "y": 0.7}, None):
        recorder.log({"a": 1.0}, "x", probability=probability)
    column = read(tmp_path).column
    assert column["probability"] == [0.9, None, 0.7, None, None]
    assert column["probability_x"] == [None, 0.2, None, 0.3, None]


def test_a_wrong_probability_of_a_class_is_rejected_in_every_row(recorder: Recorder, tmp_path: Path) -> None:
    """A class whose probability is no number rejects the row, and the next row is kept."""
    for value in (0.5, "high", True, 0.5):
        recorder.log({"a": 1.0}, probability={"x": 0.5, "y": value})
    back = read(tmp_path)
    assert back.column["probability_y"] == [0.5, 0.5]
    assert back.rejected == {"probability of y: type str": 1, "probability of y: type bool": 1}


def test_two_spellings_of_one_class_are_rejected(recorder: Recorder, tmp_path: Path) -> None:
    """1 and "1" are the same class: which probability is meant cannot be known."""
    recorder.log({"a": 1.0}, probability={1: 0.2, "1": 0.3})
    assert read(tmp_path).rejected == {"probability: 1 and '1' are the same class": 1}


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"a": 1, "A": 2}, "feature names 'a' and 'A' differ only by case or normalisation: rename one"),
        (
            {"é": 1, "e\u0301": 2},
            "feature names 'é' and 'e\u0301' differ only by case or normalisation: rename one",
        ),
        ({"id": 1}, "feature name 'id' is one of vedette's own column names: rename the feature"),
        ({"": 1}, "feature name '': must be a non-empty string"),
        ({1: 1}, "feature name 1: must be a non-empty string"),
        ([1.0], "features: type list, must be a mapping"),
        (None, "features: type NoneType, must be a mapping"),
        ({"a": {}}, "a: type dict"),
        ({"a": 1j}, "a: type complex"),
        ({"a": 2**64}, "a: integer beyond 64 bits"),
        ({"a": Decimal("0.1") + Decimal(1) / 3}, "a: Decimal that no float64 equals"),
        ({"a": "x" * 65_537}, "a: text longer than 65536 bytes"),
        ({"a": "\udcff"}, "a: text is not valid Unicode"),
        ({f"f{n}": 1.0 for n in range(4097)}, "more than 4096 fields"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_row_that_cannot_be_kept_is_counted_with_its_reason(
    recorder: Recorder, tmp_path: Path, features: Any, reason: str
) -> None:
    """Nothing is raised; the reason names the feature and what is wrong with it."""
    recorder.log(features)
    assert (read(tmp_path).rows, read(tmp_path).rejected) == ([], {reason: 1})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"prediction": [1]}, "prediction: type list"),
        ({"probability": "0.5"}, "probability: type str"),
        ({"probability": True}, "probability: type bool"),
        ({"probability": {"x": "high"}}, "probability of x: type str"),
        ({"latency_s": timedelta(1)}, "latency_s: type timedelta"),
        ({"id": 1.0}, "id: type float: must be an integer, a text or a UUID"),
        ({"id": "x" * 65_537}, "id: text longer than 65536 bytes"),
        ({"id": 2**64}, "id: integer beyond 64 bits"),
        ({"id": True}, "id: type bool: must be an integer, a text or a UUID"),
        ({"time": NOW + 301}, "time in the future"),
        ({"time": math.nan}, "time is not a number"),
        ({"time": -1.0}, "time outside the years 1970 to 9999"),
        ({"time": "soon"}, "time is not an ISO 8601 date"),
        ({"time": []}, "time: type list"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_argument_is_counted_with_its_reason(
    recorder: Recorder, tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    """Wrong arguments of the call are rejected rows too, on the compiled way as on the general one."""
    recorder.log({"a": 1.0}, **arguments)
    recorder.log({"a": 1.0}, 1, probability=0.5, id="x", latency_s=0.1)
    recorder.log({"a": 1.0}, **arguments)
    assert (len(read(tmp_path).rows), read(tmp_path).rejected) == (1, {reason: 2})


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("a1", "a1"),
        (17, "17"),
        (-(2**63), str(-(2**63))),
        (2**64 - 1, str(2**64 - 1)),
        (np.int64(17), "17"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("x" * 39, "x" * 39),
        ("x" * 40, "x" * 40),
        ("é" * 19, "é" * 19),
        ("é" * 20, "é" * 20),
        ("ends in zeros\0\0", "ends in zeros\0\0"),
        ("é\0", "é\0"),
        ("", ""),
        (None, None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_id_of_any_length_is_kept_whole(
    recorder: Recorder, tmp_path: Path, given_id: Any, kept: str | None
) -> None:
    """Short ids lie in the slot, long ones among the texts; nothing is cut."""
    for _ in range(2):
        recorder.log({"a": 1.0}, id=given_id)
    assert read(tmp_path).ids == [kept, kept]


def test_what_the_caller_does_to_the_mapping_afterwards_changes_nothing(
    recorder: Recorder, tmp_path: Path
) -> None:
    """The row is the one at the time of the call."""
    features: dict[str, Any] = {"a": 1.0, "b": "x"}
    for _ in range(2):
        recorder.log(features)
        features["a"], features["b"] = features["a"] + 1, "y"
    features.clear()
    assert (read(tmp_path).column["a"], read(tmp_path).column["b"]) == ([1.0, 2.0], ["x", "y"])


@pytest.mark.parametrize(
    "kind", [dict, OrderedDict, MappingProxyType, UserDict, pd.Series], ids=lambda k: k.__name__
)
def test_any_mapping_will_do(recorder: Recorder, tmp_path: Path, kind: Any) -> None:
    """Mappings of other types than dict, and pandas rows, are taken as well."""
    for _ in range(2):
        recorder.log(kind({"a": 1.0, "b": 2.0}))
    assert [(row["a"], row["b"]) for row in read(tmp_path).rows] == [(1.0, 2.0)] * 2


def test_a_mapping_with_defaults_is_not_asked_for_what_it_lacks(recorder: Recorder, tmp_path: Path) -> None:
    """A defaultdict would invent the missing feature: it is absent, and the caller's mapping is left alone."""
    recorder.log({"a": 1.0, "b": 2.0})
    given_row = defaultdict(float, {"a": 3.0, "c": 4.0})
    recorder.log(given_row)
    assert (sorted(given_row), read(tmp_path).column["b"]) == (["a", "c"], [2.0, None])


def test_a_text_that_is_too_long_is_rejected_among_others(tmp_path: Path) -> None:
    """Where a feature is known as a text, one over 65,536 bytes is refused with the reason and torn nowhere."""
    made = record(tmp_path, segment_bytes=2**20)
    texts = ["x", "x" * 65_536, "x" * 65_537, "\u00e9" * 32_768, "\u00e9" * 32_769, "y"]
    for text in texts:
        made.log({"a": text, "b": text.encode()[:65_536]})
        made.log({"a": "short", "b": text.encode()})
    made.close()
    back = read(tmp_path)
    fit = [text for text in texts if len(text.encode()) <= 65_536]
    assert [text for text in back.column["a"] if text != "short"] == fit
    assert [row["b"] for row in back.rows if row["a"] == "short"] == [text.encode() for text in fit]
    assert (back.torn, back.rejected) == (
        0,
        {"a: text longer than 65536 bytes": 2, "b: text longer than 65536 bytes": 2},
    )


def test_the_layout_grows_with_new_features(recorder: Recorder, tmp_path: Path) -> None:
    """A feature that appears is kept from then on, one that vanishes is absent, and earlier rows are untouched."""
    for features in ({"a": 1.0}, {"a": 2.0, "b": "x"}, {"b": "y"}, {"a": None, "c": None}, {"c": 5}):
        recorder.log(features)
    back = read(tmp_path)
    assert back.column["a"] == [1.0, 2.0, None, None, None]
    assert back.column["b"] == [None, "x", "y", None, None]
    assert back.column["c"] == [None, None, None, None, 5]
    assert [row["_sequence"] for row in back.rows] == [1, 2, 3, 4, 5]


def test_a_wide_model_is_kept(recorder: Recorder, tmp_path: Path) -> None:
    """Six hundred features, beyond what is compiled, and several words of flags."""
    features = {f"f{n}": float(n) if n % 3 else None for n in range(600)}
    for _ in range(2):
        recorder.log(features, 1)
    row = read(tmp_path).rows[1]
    assert {name: row.get(name) for name in features} == features


def test_flags_beyond_the_first_word_are_kept(recorder: Recorder, tmp_path: Path) -> None:
    """With forty features, nulls in the second word of flags come out as nulls, on the compiled way too."""
    full = {f"f{n}": float(n) for n in range(40)}
    recorder.log(full)
    recorder.log({**full, "f39": None, "f0": None})
    row = read(tmp_path).rows[1]
    assert [name for name in full if name not in row] == ["f0", "f39"]


def test_many_texts_are_kept(tmp_path: Path) -> None:
    """A text column with more values than are remembered, and more than one file of them, comes back whole."""
    made = record(tmp_path, segment_bytes=2**14)
    texts = [f"{n}-" + "é" * (n % 90) for n in range(3000)]
    for text in texts:
        made.log({"a": text, "b": text.encode()})
    back = read(tmp_path)
    made.close()
    assert (back.column["a"], back.column["b"]) == (texts, [text.encode() for text in texts])


def test_times_are_kept_with_the_time_of_receipt(recorder: Recorder, tmp_path: Path) -> None:
    """Event time is the caller's, however it is said, else the clock; received is always the clock."""
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    for time in (
        None,
        moment,
        moment.replace(tzinfo=None),
        moment.isoformat(),
        moment.timestamp(),
        int(moment.timestamp()),
    ):
        recorder.log({"a": 1.0}, time=time)
    rows = read(tmp_path).rows
    assert [row["_time"] for row in rows] == [NOW] + [moment.timestamp()] * 5
    assert {row["_received"] for row in rows} == {NOW}


def test_a_naive_time_is_taken_as_utc_and_said_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Naive datetimes are UTC; the logger says so, once."""
    for _ in range(5):
        recorder.log({"a": 1.0}, time=datetime(2026, 1, 1))
    assert [message for message in caplog.messages if "without a time zone" in message] == [
        caplog.messages[0]
    ]


def test_a_problem_is_said_once_a_minute(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand rejected rows are one line in the log, with the reason, and a thousand in the counters."""
    for _ in range(1000):
        recorder.log({"a": {}})
    assert len(caplog.messages) == 1
    assert "a: type dict" in caplog.messages[0]


def test_a_log_handler_that_raises_or_logs_is_harmless(recorder: Recorder, tmp_path: Path) -> None:
    """A handler of the user's that raises, or records a row itself, disturbs nothing."""

    class Handler(logging.Handler):
        def handle(self, line: logging.LogRecord) -> bool:
            recorder.log({"a": 1.0})
            raise RuntimeError

    handler = Handler()
    logging.getLogger("vedette").addHandler(handler)
    try:
        recorder.log({"a": {}})
    finally:
        logging.getLogger("vedette").removeHandler(handler)
    assert (len(read(tmp_path).rows), read(tmp_path).rejected) == (1, {"a: type dict": 1})


class Raises:
    """An object all of whose methods raise."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError

    __float__ = __int__ = __index__ = __eq__ = __hash__ = __str__ = __repr__ = __len__ = __iter__ = _raise  # type: ignore[assignment]
    __getitem__ = keys = _raise


class Key(str):
    """A text whose comparison raises."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = str.__hash__


class Endless(UserDict[str, float]):
    """A mapping whose keys never end."""

    def keys(self) -> Any:
        return (f"f{n}" for n in itertools.count())

    def __getitem__(self, name: str) -> float:
        return 1.0


def _cycle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


HOSTILE: dict[str, Any] = {
    "value raises": lambda: {"a": Raises()},
    "mapping raises": Raises,
    "cyclic": lambda: {"a": _cycle()},
    "giant text": lambda: {"a": "x" * 10**8},
    "giant integer": lambda: {"a": 10**5000},
    "endless mapping": Endless,
    "frame": lambda: {"a": pd.DataFrame({"x": [1]})},
    "array": lambda: {"a": np.zeros((10, 2))},
    "class": lambda: {"a": Raises},
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("warm", [False, True], ids=["first", "later"])
def test_a_hostile_row_is_counted_and_the_next_is_kept(
    recorder: Recorder, tmp_path: Path, make: Any, warm: bool
) -> None:
    """Whatever the objects do, the caller sees nothing, the row is counted, and recording goes on."""
    if warm:
        recorder.log({"a": 0.0})
    recorder.log(make())
    recorder.log({"a": 1.0}, Raises(), probability=Raises(), id=Raises(), latency_s=Raises(), time=Raises())
    recorder.log({"a": 1.0})
    back = read(tmp_path)
    assert (back.column["a"][-1], sum(back.rejected.values()), back.torn) == (1.0, 2, 0)


def test_a_key_whose_comparison_raises_is_counted(recorder: Recorder, tmp_path: Path) -> None:
    """Even a feature's name can be hostile."""
    recorder.log({"a": 1.0})
    recorder.log({Key("a"): 1.0, "b": 2.0})
    back = read(tmp_path)
    assert len(back.rows) + sum(back.rejected.values()) == 2


def test_keyboard_interrupt_passes_through(recorder: Recorder, tmp_path: Path) -> None:
    """Ctrl-C in the middle of a row reaches the caller, and the next row is kept."""

    class Interrupting(UserDict[str, float]):
        def keys(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recorder.log(Interrupting({"a": 1.0}))
    recorder.log({"a": 1.0})
    assert len(read(tmp_path).rows) == 1


def test_a_store_that_fails_makes_a_void_slot(recorder: Recorder, tmp_path: Path) -> None:
    """A slot that was taken and could not be written is void with its reason, never a hole that stops the reader."""
    recorder.log({"a": 1.0})
    segment = recorder._predictions.segment
    assert segment is not None
    kept = segment.store
    failures: list[BaseException] = [MemoryError(), KeyboardInterrupt()]

    def store(*arguments: Any) -> None:
        if failures:
            kept(*arguments[:-1], 0)  # all but the second sequence
            raise failures.pop(0)
        kept(*arguments)

    segment.store = store
    recorder._changed(recorder._predictions)
    recorder.log(UserDict({"a": 2.0}))  # not the core's way, where nothing can come in between
    with pytest.raises(KeyboardInterrupt):
        recorder.log(UserDict({"a": 3.0}))
    recorder.log({"a": 4.0})
    back = read(tmp_path)
    assert back.column["a"] == [1.0, 4.0]
    assert back.void == {"could not be written": 1, "interrupted while it was written": 1}


def test_at_the_end_of_the_stack_nothing_is_raised(recorder: Recorder, tmp_path: Path) -> None:
    """Called with hardly any stack left, log keeps the row or counts it."""
    recorder.log({"a": 1.0})
    calls = raised = 0

    def dive(depth: int) -> None:
        nonlocal calls, raised
        if depth:
            dive(depth - 1)
            return
        calls += 1
        try:
            log({"a": []})
        except RecursionError:
            raised += 1  # there was no room for the call of any function

    log = recorder.log
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        try:
            dive(depth)
        except RecursionError:
            pass
    log({"a": []})
    back = read(tmp_path)
    assert (len(back.rows), sum(back.rejected.values()) + back.dropped) == (1, calls + 1 - raised)
    assert raised <= 2


def test_labels_have_a_stream_of_their_own(recorder: Recorder, tmp_path: Path) -> None:
    """Labels of any type are kept with id and time, and counted apart."""
    for label in (1, "late", 0.5, True):
        recorder.label("a1", label, time=NOW - 5)
    recorder.label(None, 1)
    recorder.label("a1", None)
    recorder.label("a1", float("nan"))
    recorder.label("a1", [])
    back = read(tmp_path, "labels")
    values = [
        next((value for name, value in row.items() if name.startswith("label")), None) for row in back.rows
    ]
    assert (values, back.ids) == ([1, "late", 0.5, True], ["a1"] * 4)
    assert back.rejected == {"id missing": 1, "label missing": 2, "label: type list": 1}
    assert read(tmp_path).rejected == {}


def test_threads_lose_nothing(tmp_path: Path) -> None:
    """Sixteen threads, with texts, changing types and rolling segments: each row is there once, and whole."""
    made = record(tmp_path, segment_bytes=32_768)

    def work(thread: int) -> None:
        for i in range(400):
            made.log({"a": float(i) if i % 50 else i, "b": f"t{i % 37}"}, thread, id=f"{thread}-{i}")
            if i % 100 == 0:
                made.label(f"{thread}-{i}", 1)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(16)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    made.close()
    back = read(tmp_path)
    assert sorted(back.ids) == sorted(f"{thread}-{i}" for thread in range(16) for i in range(400))
    assert [row["_sequence"] for row in back.rows] == list(range(1, 6401))
    assert all(
        row["prediction"] == int(name.split("-")[0]) for row, name in zip(back.rows, back.ids, strict=True)
    )
    assert all(
        row["b"] == f"t{int(name.split('-')[1]) % 37}" for row, name in zip(back.rows, back.ids, strict=True)
    )
    assert (back.torn, back.void, back.dropped, back.rejected) == (0, {}, 0, {})


def test_log_may_be_kept_and_called_for_ever(recorder: Recorder, tmp_path: Path) -> None:
    """``log`` taken before the first row goes on to work over layouts, segments and closing."""
    log = recorder.log
    for n in range(1500):
        log({"a": float(n)} if n < 1000 else {"a": float(n), "b": n})
        if n == 500:
            recorder.close()
    assert read(tmp_path).column["a"] == [float(n) for n in range(1500)]
    assert log is recorder.log


def test_the_position_says_how_far_recording_has_come(recorder: Recorder) -> None:
    """The highest sequences and the batch number, for whoever waits until all is in the lake."""
    assert (recorder.position(), recorder.producer) == ({"predictions": 0, "labels": 0, "batches": 0}, None)
    recorder.log({"a": 1.0})
    recorder.log({"a": 1.0, "b": 1})
    recorder.label("x", 1)
    recorder.write_batch("labels", 3, lambda path: path.write_bytes(b"arrow"))
    position = recorder.position()
    recorder.close()
    assert position == recorder.position() == {"predictions": 2, "labels": 1, "batches": 1}


def test_batches_are_numbered_over_all_streams(recorder: Recorder, tmp_path: Path) -> None:
    """A batch has a number, a stream and its rows in its name, and is read in order."""
    for stream, rows in (("reference", 10), ("predictions", 20), ("labels", 5)):
        recorder.write_batch(stream, rows, lambda path: path.write_bytes(b"arrow"))
    folder = producers(tmp_path, MODEL)[0]
    batches = folder.batches(1)
    assert [(b.number, b.stream, b.n_rows, b.path.read_bytes()) for b in batches] == [
        (2, "predictions", 20, b"arrow"),
        (3, "labels", 5, b"arrow"),
    ]
    assert (folder.free_batches(2), [b.number for b in folder.batches(0)]) == (2, [3])


def test_a_batch_that_cannot_be_written_leaves_nothing(recorder: Recorder, tmp_path: Path) -> None:
    """What ``write`` raises passes through, and no half batch is ever seen."""

    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("bad frame")

    with pytest.raises(ValueError, match="bad frame"):
        recorder.write_batch("predictions", 5, write)
    folder = producers(tmp_path, MODEL)[0]
    assert (folder.batches(0), list(folder.path.glob("batch*"))) == ([], [])


def test_a_batch_without_room_is_dropped_and_counted(tmp_path: Path) -> None:
    """Beyond the bound of the journal the rows of a batch are counted as dropped; a reference raises."""
    made = record(tmp_path, journal_bytes_max=200_000)
    big = b"x" * 200_000
    assert made.write_batch("predictions", 70, lambda path: path.write_bytes(big) and None) == 0
    with pytest.raises(JournalError, match="reference"):
        made.write_batch("reference", 70, lambda path: path.write_bytes(big) and None)
    made.close()
    assert read(tmp_path).dropped == 70


def test_the_journal_is_bounded(tmp_path: Path) -> None:
    """Rows beyond the bound are dropped and counted; once the reader has freed room, recording goes on."""
    made = record(tmp_path, journal_bytes_max=400_000)
    for n in range(6000):
        made.log({"a": float(n)})
    folder = producers(tmp_path, MODEL)[0]
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    first = read(tmp_path)
    assert size <= 400_000
    assert len(first.rows) + first.dropped == 6000
    assert folder.free("predictions", len(first.rows)) > 0
    made._predictions.retry_at = 0.0  # the second that passes between two attempts
    made.log({"a": 1.0})
    assert [row["_sequence"] for row in read(tmp_path, folders=[folder]).rows][-1] == len(first.rows) + 1
    made.close()


def test_counters_of_every_kind(recorder: Recorder, tmp_path: Path) -> None:
    """Dropped, sampled out and rejected rows are counted for each stream, with reasons."""
    recorder.log({"a": 1.0})
    recorder.drop("predictions", "too busy", 3)
    recorder.sample_out("predictions", 4)
    recorder.reject("predictions", "ugly", 5)
    recorder.reject("labels", "ugly", 6)
    back, labels = read(tmp_path), read(tmp_path, "labels")
    assert (back.dropped, back.sampled_out, back.rejected, labels.rejected) == (
        3,
        4,
        {"ugly": 5},
        {"ugly": 6},
    )


def test_reasons_are_bounded(recorder: Recorder, tmp_path: Path) -> None:
    """However many reasons there are, their number is bounded, and the rows are all counted."""
    recorder.log({"a": 1.0})
    for n in range(2000):
        recorder.reject("predictions", f"reason {n} " + "é" * 300)
    rejected = read(tmp_path).rejected
    assert (sum(rejected.values()), len(rejected) < 300, rejected["other reasons"] > 1000) == (
        2000,
        True,
        True,
    )


def test_decimals_traps_of_the_caller_do_not_matter(recorder: Recorder, tmp_path: Path) -> None:
    """A caller's decimal context that raises on everything changes no answer."""
    with decimal.localcontext() as context:
        for trap in context.traps:
            context.traps[trap] = True
        recorder.log({"a": Decimal("0.1")})
    assert read(tmp_path).column["a"] == [0.1]


def test_dates_are_timestamps(recorder: Recorder, tmp_path: Path) -> None:
    """Dates and datetimes are kept to the microsecond, naive ones as UTC."""
    moments = [
        datetime(2026, 1, 1, 12, 0, 0, 1),
        date(2026, 1, 1),
        datetime(1, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    for moment in moments:
        recorder.log({"a": moment})
    assert read(tmp_path).column["a"] == [
        datetime(2026, 1, 1, 12, 0, 0, 1),
        datetime(2026, 1, 1),
        datetime(1, 1, 1),
        datetime(2026, 1, 1),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "Bad Name"}, "model='Bad Name'"),
        ({"segment_bytes": 10}, "segment_bytes=10: must be at least 4096"),
        ({"sync_s": -1}, "sync_s=-1: must be"),
    ],
)
def test_a_bad_setting_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    """A recorder that cannot be made says which argument is wrong."""
    model = arguments.pop("model", MODEL)
    with pytest.raises(ValueError, match=message):
        Recorder(tmp_path, model, "1", Settings(), **arguments)


def test_settings_travel_with_the_rows(tmp_path: Path) -> None:
    """Version and settings are in each segment; settings that change are in the segments after."""
    made = record(tmp_path)
    made.log({"a": 1.0})
    made.settings = Settings(window_s=60.0, classes=("no", "yes"), task="classification")
    made.log({"a": 1.0, "b": 1.0})
    made.close()
    chunks = list(producers(tmp_path, MODEL)[0].read("predictions", 0))
    assert [(chunk.version, chunk.settings) for chunk in chunks] == [
        ("1", Settings()),
        ("1", Settings(window_s=60.0, classes=("no", "yes"), task="classification")),
    ]
