"""Vectors: what an array or a list of numbers is kept as, what is refused and why, on both ways into a slot."""

from __future__ import annotations

import array
import ctypes
import math
import re
import struct
import tracemalloc
from collections import namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journals import MODEL, read
from vedette.capture import Recorder, producers, values, vectors
from vedette.capture import recorder as recorder_module
from vedette.capture.core import core
from vedette.capture.values import Rejected
from vedette.records import Field, Physical, Role, Settings

Point = namedtuple("Point", "x y")


@pytest.fixture(params=["core", "python"])
def make(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Recorder]]:
    """Makes recorders whose ``log`` is the core's, or the one compiled in Python."""
    if request.param == "core" and core is None:
        pytest.skip("the core is not built, or is switched off")
    if request.param == "python":
        monkeypatch.setattr(recorder_module, "core", None)
    made: list[Recorder] = []

    def maker(root: Path, settings: Settings | None = None) -> Recorder:
        made.append(Recorder(root, MODEL, "1", settings or Settings(), segment_bytes=65_536))
        return made[-1]

    yield maker
    for one in made:
        one.close()


def reason(value: Any) -> str:
    with pytest.raises(Rejected) as refused:
        values.resolve(value)
    return str(refused.value)


def numbers(value: Any) -> tuple[Physical, list[float]]:
    physical, data = values.resolve(value)
    assert physical is not None
    return physical, list(vectors.numbers_of(physical, data))


ONE_TWO = [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "physical"),
    [
        (np.array([1, 2], np.float32), Physical.VECTOR32),
        (np.array([1, 2], np.float16), Physical.VECTOR32),
        (np.array([1, 2], ">f4"), Physical.VECTOR32),
        (np.array([1, 2], np.float64), Physical.VECTOR64),
        (np.array([1, 2], ">f8"), Physical.VECTOR64),
        (np.array([1, 2], np.int8), Physical.VECTOR64),
        (np.array([1, 2], np.uint8), Physical.VECTOR64),
        (np.array([1, 2], ">i2"), Physical.VECTOR64),
        (np.array([1, 2], np.int64), Physical.VECTOR64),
        (np.array([1, 2], np.uint64), Physical.VECTOR64),
        (np.array([2.0, 9.0, 1.0])[::-2], Physical.VECTOR64),
        (np.array([[1.0, 0.0], [2.0, 0.0]])[:, 0], Physical.VECTOR64),
        (array.array("f", [1, 2]), Physical.VECTOR32),
        (array.array("d", [1, 2]), Physical.VECTOR64),
        (array.array("B", [1, 2]), Physical.VECTOR64),
        (memoryview(array.array("d", [1, 2])), Physical.VECTOR64),
        ((ctypes.c_float * 2)(1, 2), Physical.VECTOR32),
        ([1.0, 2.0], Physical.VECTOR64),
        ([1, 2], Physical.VECTOR64),
        ((1, 2.0), Physical.VECTOR64),
        (Point(1, 2), Physical.VECTOR64),
        ([np.float32(1), np.float64(2)], Physical.VECTOR64),
        ([np.int64(1), Decimal(2)], Physical.VECTOR64),
    ],
    ids=lambda value: re.sub(" at 0x.*", "", repr(value))[:50],
)
def test_arrays_and_lists_of_numbers_are_vectors(value: Any, physical: Physical) -> None:
    """float32 and float16 arrays are kept as float32, all other arrays, lists and tuples of numbers as float64."""
    assert numbers(value)[0] is physical
    assert sorted(numbers(value)[1]) == ONE_TWO


class Liar(list):  # type: ignore[type-arg]
    """A list that raises whatever it is asked."""

    def __len__(self) -> int:
        raise RuntimeError

    __getitem__ = __iter__ = __bool__ = __repr__ = __reversed__ = __len__  # type: ignore[assignment]


def test_a_list_cannot_answer_for_its_own_elements() -> None:
    """Of a subclass of list the list's own elements are taken, whatever its methods do."""
    assert numbers(Liar(ONE_TWO)) == (Physical.VECTOR64, ONE_TWO)


@given(st.lists(st.floats(), min_size=1, max_size=50))
def test_any_floats_are_kept_to_the_bit(elements: list[float]) -> None:
    """NaN, infinities and zeros of either sign inside a vector stay what they are, of a list as of an array."""
    bits = struct.pack(f"{len(elements)}d", *elements)
    assert values.resolve(elements) == values.resolve(np.array(elements)) == (Physical.VECTOR64, bits)


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=8))
def test_integers_in_a_vector_are_kept_exactly_or_refused(elements: list[int]) -> None:
    """No integer of a list is ever rounded: up to 2**53 it has a float of its own, beyond it is refused."""
    if max(map(abs, elements)) <= 2**53:
        assert numbers(elements)[1] == elements
    else:
        assert reason(elements) == "vector holds an integer beyond 2**53"


cyclic: list[Any] = [1.0]
cyclic.append(cyclic)
released = memoryview(array.array("d", ONE_TWO))
released.release()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "vector without elements"),
        ((), "vector without elements"),
        (np.zeros(0, np.float32), "vector without elements"),
        ([0.0] * 16_385, "vector longer than 16384 elements"),
        (np.zeros(16_385), "vector longer than 16384 elements"),
        (np.broadcast_to(np.float64(1), 10**12), "vector longer than 16384 elements"),
        ([1.0, None], "vector holds a value of type NoneType"),
        ([1.0, pd.NA], "vector holds a value of type NAType"),
        ([1.0, True], "vector holds a value of type bool"),
        ([1.0, "2"], "vector holds a value of type str"),
        ([1.0, 1j], "vector holds a value of type complex"),
        ([[1.0]], "vector holds a value of type list"),
        ([np.zeros(2)], "vector holds a value of type ndarray"),
        ([Decimal("0.1000000000000000055511151231257827")], "vector holds a value of type Decimal"),
        ([object()], "vector holds a value of type object"),
        (cyclic, "vector holds a value of type list"),
        (np.array([2**60]), "vector holds an integer beyond 2**53"),
        (np.array([2**63], np.uint64), "vector holds an integer beyond 2**53"),
        (
            np.zeros((2, 2)),
            "array of 2 dimensions: a vector has one; of an image give vedette.image(...)",
        ),
        (
            np.zeros((2, 2, 3), np.uint8),
            "array of 3 dimensions: a vector has one; of an image give vedette.image(...)",
        ),
        (np.array([True]), "array of '?': must hold real numbers"),
        (np.array([1j]), "array of 'Zd': must hold real numbers"),
        (np.array(["a"]), "array of '1w': must hold real numbers"),
        (np.array([1.0], object), "array of 'O': must hold real numbers"),
        (np.array(["2026-01-01"], "M8[D]"), "type ndarray"),
        (np.ma.masked_array(ONE_TWO, [True, False]), "type MaskedArray"),
        (released, "type memoryview"),
        (memoryview(b"ab"), "type memoryview"),
        (bytearray(b"ab"), "type bytearray"),
        ((x for x in ONE_TWO), "type generator"),
        (range(2), "type range"),
        ({1.0}, "type set"),
    ],
    ids=lambda value: (
        re.sub(" at 0x.*", "", repr(value))[:40] if not isinstance(value, list) else f"list of {len(value)}"
    ),
)
def test_what_is_no_vector_is_refused_with_the_reason(value: Any, why: str) -> None:
    """Empty, long, nested, cyclic and masked ones, those of other things than numbers, and what raises, are refused."""
    assert reason(value) == why


def test_bytes_are_bytes() -> None:
    """A bytes object is a buffer too, and stays what it is."""
    assert values.resolve(b"abcdefgh") == (Physical.BYTES, b"abcdefgh")


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        (np.array(1.5, np.float32), (Physical.FLOAT64, 1.5)),
        (np.array(7), (Physical.INT64, 7)),
        (np.array(True), (Physical.BOOL, True)),
        (np.array("a"), (Physical.TEXT, "a")),
        (np.array(None, object), (None, None)),
        (np.array("1970-01-02", "M8[D]"), (Physical.TIMESTAMP, 86_400_000_000)),
    ],
    ids=repr,
)
def test_an_array_of_no_dimension_is_its_value(value: Any, resolved: Any) -> None:
    """What indexing or reducing an array leaves is a single value."""
    assert values.resolve(value) == resolved


def test_an_array_that_holds_itself_is_refused() -> None:
    """An array of no dimension whose value is that array comes to an end."""
    own = np.empty((), object)
    own[()] = own
    assert reason(own) == "type ndarray"


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_a_float32_vector_goes_into_a_float64_column_unchanged(elements: list[float]) -> None:
    """Every float32 is a float64; the way back would round, and is none."""
    narrow, wide = (values.resolve(np.array(elements, kind))[1] for kind in ("f4", "f8"))
    assert values.convert(narrow, Physical.VECTOR32, Physical.VECTOR64, declared=False) == wide
    assert values.convert(wide, Physical.VECTOR64, Physical.VECTOR32, declared=True) is None


# --- into the journal -----------------------------------------------------------------------------------------------


def test_vectors_read_back_as_they_were_given(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """Arrays and lists come back to the bit, the first rows and the usual ones, odd lengths too."""
    made, rng = make(tmp_path), np.random.default_rng(0)
    given_rows = [
        {
            "e": rng.normal(size=5).astype(np.float32),
            "d": rng.normal(size=3),
            "l": rng.normal(size=2).tolist(),
        }
        for _ in range(5)
    ]
    given_rows[2]["e"][:] = math.nan
    for row in given_rows:
        made.log(row, 1)
    made.close()
    for row, kept in zip(given_rows, read(tmp_path).rows, strict=True):
        assert np.array(kept["e"], np.float32).tobytes() == row["e"].tobytes()
        assert (kept["d"], kept["l"]) == (row["d"].tolist(), row["l"])


def test_the_values_are_those_at_the_time_of_the_call(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """An array or a list that is changed after ``log`` has returned changes nothing in the journal."""
    made = make(tmp_path)
    array_, list_ = np.zeros(4), [0.0] * 4
    for k in range(4):
        array_[:], list_[0] = k, float(k)
        made.log({"a": array_, "l": list_}, 1)
        array_[:], list_[0] = -1, -1.0
    made.close()
    assert [(row["a"][3], row["l"][0]) for row in read(tmp_path).rows] == [
        (float(k), float(k)) for k in range(4)
    ]


def test_a_missing_vector_is_a_null(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """None among vectors is missing, and the column keeps its one field."""
    made = make(tmp_path)
    for value in (np.ones(3), None, np.ones(3), None):
        made.log({"e": value}, 1)
    made.close()
    assert read(tmp_path).column["e"] == [[1.0] * 3, None, [1.0] * 3, None]


def test_a_feature_may_change_between_a_vector_and_a_number(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    """A vector that becomes a number, and the other way round, has a field for each."""
    made = make(tmp_path)
    given_values: list[Any] = [np.ones(3), 1.5, 1.5, np.ones(3), 2.5, None]
    for value in given_values:
        made.log({"e": value}, 1)
    made.close()
    rows = [[value for name, value in row.items() if name[0] == "e"] for row in read(tmp_path).rows]
    assert rows == [[[1.0] * 3], [1.5], [1.5], [[1.0] * 3], [2.5], []]


elements = st.floats(width=32)
anything = st.one_of(
    st.none(),
    elements,
    *(
        st.lists(elements, min_size=1, max_size=4).map(kind)
        for kind in (
            list,
            tuple,
            np.array,
            lambda one: np.array(one, np.float32),
            lambda one: array.array("f", one),
        )
    ),
)


@given(rows=st.lists(anything, max_size=12))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_vectors_reads_back(
    make: Callable[..., Recorder], tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    """Whatever lengths and types a feature goes through, each value comes back to the bit, nothing torn or void."""
    root = tmp_path_factory.mktemp("journal")
    made = make(root)
    for row in rows:
        made.log({"e": row})
    made.close()
    back = read(root)
    assert (back.torn, back.void, back.rejected, back.dropped, len(back.rows)) == (0, {}, {}, 0, len(rows))
    for row, kept in zip(rows, back.rows, strict=True):
        found = [value for name, value in kept.items() if name[0] == "e"]
        wanted = [] if row is None else [row if isinstance(row, float) else list(row)]
        assert repr(found) == repr([np.array(one).tolist() for one in wanted])


def test_every_kind_of_array_reaches_a_column_of_its_length(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    """In a column of float64 whatever fits without loss is taken: float32, integers, strided, foreign byte order."""
    made = make(tmp_path)
    given_values: list[Any] = [
        np.array(ONE_TWO),
        np.array(ONE_TWO, np.float32),
        np.array(ONE_TWO, np.float16),
        np.array([1, 2]),
        np.array(ONE_TWO, ">f8"),
        np.array([1.0, 0.0, 2.0])[::2],
        array.array("d", ONE_TWO),
        memoryview(array.array("d", ONE_TWO)),
        [1.0, 2],
        (1.0, np.float64(2)),
    ]
    for value in given_values:
        made.log({"e": value}, 1)
    made.close()
    assert read(tmp_path).column["e"] == [ONE_TWO] * len(given_values)


def test_a_masked_array_never_shows_what_is_under_its_mask(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    """Once plain arrays have made the column, a masked one is refused all the same."""
    made = make(tmp_path)
    for value in (np.array(ONE_TWO), np.ma.masked_array(ONE_TWO, [True, False]), np.array(ONE_TWO)):
        made.log({"e": value}, 1)
    made.close()
    assert read(tmp_path).rejected == {"e: type MaskedArray": 1}


def test_a_vector_of_another_length_has_a_field_of_its_own(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    """Lengths are kept apart like types, in whatever order they come."""
    made = make(tmp_path)
    for n in (2, 2, 3, 2, 3, 3):
        made.log({"e": np.full(n, float(n))}, 1)
    made.close()
    fields, rows = [], []
    for chunk in producers(tmp_path, MODEL)[0].read("predictions", 0):
        fields = [one for one in chunk.fields if one.role is Role.FEATURE]
        for place in range(len(chunk.sequence)):
            rows.append(
                [v[place].tolist() for v, there in chunk.columns.values() if there[place] and v.ndim > 1]
            )
    assert fields == [Field(Role.FEATURE, "e", Physical.VECTOR64, n) for n in (2, 3)]
    assert rows == [[[float(n)] * n] for n in (2, 2, 3, 2, 3, 3)]


def test_a_column_has_at_most_four_lengths(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """The fifth length is refused with the reason; the four go on, and other features with them."""
    made = make(tmp_path)
    for n in (1, 2, 3, 4, 5, 6, 2):
        made.log({"e": np.zeros(n), "x": 1.0}, 1)
    made.log({"e": np.zeros(2, np.float32), "x": 1.0}, 1)  # another type of a known length
    made.close()
    found = read(tmp_path)
    assert len(found.rows) == 6
    assert found.rejected == {"e: vector of another length: a column has at most 4": 2}


def test_a_row_wider_than_a_mebibyte_is_refused(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """Long vectors in many columns do not make files of any size."""
    made = make(tmp_path)
    made.log({f"e{k}": np.zeros(16_384) for k in range(9)}, 1)
    made.log({"e0": np.zeros(16_384)}, 1)
    made.close()
    found = read(tmp_path)
    assert found.rejected == {"row wider than 1048576 bytes": 1}
    assert found.column["e0"] == [[0.0] * 16_384]


def hostile() -> dict[str, Any]:
    class Element:
        def __float__(self) -> float:
            raise RuntimeError

        __index__ = __float__  # type: ignore[assignment]

    class Buffer:
        def __buffer__(self, flags: int) -> memoryview:
            raise RuntimeError

        def __array__(self) -> Any:
            raise RuntimeError

    class Array(np.ndarray):  # type: ignore[type-arg]
        @property
        def ndim(self) -> int:  # type: ignore[override]
            raise RuntimeError

    def endless() -> Iterator[float]:
        while True:
            yield 1.0

    return {
        "an element that raises": [1.0, Element()],
        "a buffer that raises": Buffer(),
        "an array that raises": np.zeros(2).view(Array),
        "a released view": released,
        "a cycle": cyclic,
        "a hundred million": [None] * 10**8,
        "endless": endless(),
        "lists in lists in lists": [[[[[[1.0]]]]]],
    }


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_sequence_costs_its_row_alone(
    make: Callable[..., Recorder], tmp_path: Path, name: str
) -> None:
    """Whatever is given in a vector's place is counted with a reason that names the feature; the others are kept."""
    made, value = make(tmp_path), hostile()[name]
    for one in (np.zeros(2), value, np.zeros(2)):
        made.log({"e": one, "x": 1.0}, 1)
        made.log({"x": one if one is value else 1.0}, 1)
    made.close()
    found = read(tmp_path)
    assert len(found.rows) == 4
    assert sum(found.rejected.values()) == 2
    assert {reason[:2] for reason in found.rejected} == {"e:", "x:"}


@pytest.mark.parametrize("place", ["prediction", "label", "latency_s"])
def test_a_vector_is_no_prediction_label_or_latency(
    make: Callable[..., Recorder], tmp_path: Path, place: str
) -> None:
    """What is to be one class or one number is refused where it is a list."""
    made = make(tmp_path)
    if place == "label":
        made.label("a", [1, 2])
    else:
        made.log({}, **{"prediction": 1, place: [1, 2]})
    made.close()
    stream = "labels" if place == "label" else "predictions"
    assert read(tmp_path, stream).rejected == {f"{place}: type list": 1}


# --- probabilities --------------------------------------------------------------------------------------------------

CLASSES = ("c", "a", "b")


@pytest.mark.parametrize(
    "spell",
    [list, tuple, np.array, lambda p: np.array(p, np.float32), lambda p: array.array("d", p)],
    ids=["list", "tuple", "float64", "float32", "array"],
)
@pytest.mark.parametrize("first", ["list", "mapping"])
def test_probabilities_in_the_order_of_the_classes(
    make: Callable[..., Recorder], tmp_path: Path, spell: Callable[[Any], Any], first: str
) -> None:
    """A list or an array has the probabilities of the classes as the settings order them, whoever made the columns."""
    made = make(tmp_path, settings=Settings(classes=CLASSES))
    if first == "mapping":
        made.log({}, "a", probability={"a": 0.5, "b": 0.25, "c": 0.25})
    for _ in range(3):
        made.log({}, "a", probability=spell([0.125, 0.625, 0.25]))
    made.log({}, "a", probability={"b": 0.25, "c": 0.125, "a": 0.625})
    made.close()
    rows = read(tmp_path).rows[first == "mapping" :]
    assert [[row[f"probability_{name}"] for name in CLASSES] for row in rows] == [[0.125, 0.625, 0.25]] * 4


@pytest.mark.parametrize(
    ("classes", "probability", "why"),
    [
        ((), [0.5, 0.5], "a list needs the classes in their order: Monitor(..., classes=[...])"),
        (CLASSES, [0.5, 0.5], "must have 3 numbers, one for each of the classes"),
        (CLASSES, np.zeros(4), "must have 3 numbers, one for each of the classes"),
        (CLASSES, [0.5, 0.5, None], "vector holds a value of type NoneType"),
        (CLASSES, [0.5, 0.5, True], "vector holds a value of type bool"),
        (CLASSES, [], "vector without elements"),
        (
            CLASSES,
            np.zeros((1, 3)),
            "array of 2 dimensions: a vector has one; of an image give vedette.image(...)",
        ),
    ],
    ids=repr,
)
def test_a_list_of_probabilities_that_does_not_fit_is_refused(
    make: Callable[..., Recorder], tmp_path: Path, classes: tuple[str, ...], probability: Any, why: str
) -> None:
    """Without known classes, of another length, or not of numbers: refused, before and after the columns are there."""
    made = make(tmp_path, settings=Settings(classes=classes))
    made.log({}, "a", probability=probability)
    made.log({}, "a", probability=dict.fromkeys(CLASSES, 0.25))
    made.log({}, "a", probability=probability)
    made.close()
    assert read(tmp_path).rejected == {f"probability: {why}": 2}


def test_classes_in_another_order_are_heeded_at_once(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """Settings that change the order of the classes hold from the next row on."""
    made = make(tmp_path, settings=Settings(classes=("a", "b")))
    for _ in range(2):
        made.log({}, "a", probability=[0.25, 0.75])
    made.settings = Settings(classes=("b", "a"))
    for _ in range(2):
        made.log({}, "a", probability=[0.25, 0.75])
    made.close()
    assert read(tmp_path).column["probability_a"] == [0.25, 0.25, 0.75, 0.75]


def test_probabilities_out_of_range_are_kept(make: Callable[..., Recorder], tmp_path: Path) -> None:
    """A probability above 1, or one that is not a number, is the model's fault and must be seen."""
    made = make(tmp_path, settings=Settings(classes=("a", "b")))
    for _ in range(2):
        made.log({}, "a", probability=[1.5, math.nan])
    made.close()
    assert [row["probability_a"] for row in read(tmp_path).rows] == [1.5, 1.5]


# --- long texts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "giant", ["x" * 50_000_000, b"x" * 50_000_000, "é" * 25_000_000], ids=["a", "b", "é"]
)
def test_a_giant_is_refused_before_it_is_read(
    make: Callable[..., Recorder], tmp_path: Path, giant: str | bytes
) -> None:
    """Fifty megabytes as a text or as an id are neither hashed nor copied: whoever does neither does not go through them."""
    made = make(tmp_path)
    small = giant[:3]
    for _ in range(3):
        made.log({"s": small}, 1, id="x")
    tracemalloc.start()
    made.log({"s": giant}, 1, id="x")
    made.log({"s": small}, 1, id=giant)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    hash_at = id(giant) + 24  # in CPython's text and bytes; -1 until it is asked for
    hashed = ctypes.c_ssize_t.from_address(hash_at).value != -1
    made.close()
    assert (peak < 1_000_000, hashed) == (True, False)
    assert read(tmp_path).rejected == {
        "s: text longer than 65536 bytes": 1,
        "id: text longer than 65536 bytes": 1,
    }
