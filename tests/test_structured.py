"""Boxes, rankings and sets of labels on their way into the journal: kept as one text each, or refused with the reason."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.journals import MODEL, Read, read
from vedette.capture import Recorder
from vedette.capture.core import core
from vedette.capture.structured import label_json, prediction_json
from vedette.capture.values import Rejected
from vedette.records import Settings

CLASSES = ("car", "person")
BOX = {"box": [1, 2, 30.5, 40], "class": "car", "score": 0.9}


def recorded(
    folder: Path, task: str, *rows: Any, labels: tuple[Any, ...] = (), **options: Any
) -> tuple[Read, Read]:
    """Rows and labels logged one by one, read back."""
    recorder = Recorder(
        folder, MODEL, "1", Settings(task=task, classes=CLASSES), segment_bytes=65_536, **options
    )
    for number, row in enumerate(rows):
        recorder.log({"x": float(number)}, row, id=f"a{number}")
    for number, label in enumerate(labels):
        recorder.label(f"a{number}", label)
    recorder.close()
    return read(folder), read(folder, "labels")


def test_boxes_one_by_one_and_as_arrays_are_the_same_text(tmp_path: Path) -> None:
    """A list of mappings, a mapping of lists and a mapping of arrays say the same."""
    columns = {"boxes": np.array([[1, 2, 30.5, 40]]), "classes": ["car"], "scores": np.array([0.9])}
    named = {"boxes": [(1, 2, 30.5, 40)], "labels": ("car",), "scores": [0.9]}
    rows, _ = recorded(tmp_path, "detection", [BOX], columns, named)
    assert set(rows.column["prediction"]) == {'{"boxes":[[1,2,30.5,40]],"classes":["car"],"scores":[0.9]}'}


def test_boxes_of_other_formats_become_left_top_width_height() -> None:
    """xyxy and cxcywh are turned; 2 to 12 by 3 to 23 are 10 by 20."""
    for kind, box in (("xyxy", [2, 3, 12, 23]), ("cxcywh", [7, 13, 10, 20]), ("xywh", [2, 3, 10, 20])):
        text = prediction_json(
            "detection", {"boxes": [box], "classes": ["car"], "scores": [1], "format": kind}, CLASSES
        )
        assert json.loads(text or "")["boxes"] == [[2, 3, 10, 20]]


def test_values_come_back_to_the_bit() -> None:
    """A float32 is kept as the float64 that it is, whatever digits that takes."""
    value = np.float32(0.1)
    text = prediction_json("detection", [{**BOX, "score": value}])
    assert json.loads(text or "")["scores"] == [float(value)]


def test_no_boxes_are_a_prediction_and_none_is_none(tmp_path: Path) -> None:
    """An image in which nothing was found is told from one without an answer."""
    rows, _ = recorded(tmp_path, "detection", [], None, np.zeros((0, 4)))
    nothing = '{"boxes":[],"classes":[],"scores":[]}'
    assert rows.column["prediction"] == [nothing, None, nothing]


def test_labels_of_boxes_have_no_scores_and_may_be_crowds(tmp_path: Path) -> None:
    """What nobody gave is not there; a flag that is 0 everywhere says nothing."""
    there = {"box": [0, 0, 5, 5], "class": "car"}
    _, labels = recorded(
        tmp_path,
        "detection",
        labels=([there], [{**there, "iscrowd": 1}, there], [{**there, "iscrowd": False}]),
    )
    plain, crowd, flagged = (json.loads(one) for one in labels.column["label"])
    assert (plain, crowd["iscrowd"], flagged) == (
        {"boxes": [[0, 0, 5, 5]], "classes": ["car"]},
        [1, 0],
        plain,
    )


def test_a_ranking_keeps_its_order_and_its_relevances(tmp_path: Path) -> None:
    """Items are names, 7 and "7" one; labels are sorted, so that one truth has one text."""
    rows, labels = recorded(
        tmp_path,
        "ranking",
        ["b", 7, "a"],
        np.array([3, 1]),
        labels=(["b", "a"], {"b", "a"}, "a", {"b": 2.5, "a": 1.0}, [], 7),
    )
    assert rows.column["prediction"] == ['["b","7","a"]', '["3","1"]']
    assert labels.column["label"] == ['["a","b"]', '["a","b"]', '["a"]', '{"a":1,"b":2.5}', "[]", '["7"]']


def test_labels_are_in_the_order_of_the_classes_and_may_come_as_marks(tmp_path: Path) -> None:
    """Sets, lists and arrays of 0 and 1 are the same; probabilities go beside them."""
    rows, _ = recorded(tmp_path, "multilabel", {"person", "car"}, ["person", "car"], np.array([1, 1]), [])
    assert rows.column["prediction"] == ['["car","person"]'] * 3 + ["[]"]


WRONG = [
    ("detection", [{**BOX, "score": 1.5}], "score outside 0 to 1"),
    ("detection", [{**BOX, "score": math.nan}], "score is NaN"),
    ("detection", [{**BOX, "score": True}], "score: type bool: must be a number"),
    ("detection", [{**BOX, "box": [0, 0, -1, 5]}], "box with a negative width or height"),
    ("detection", [{**BOX, "box": [0, 0, math.inf, 5]}], "box with NaN or infinity"),
    ("detection", [{**BOX, "box": [0, 0, 1e300, 5]}], "box beyond 1e9"),
    ("detection", [{**BOX, "box": [0, 0, 5]}], "a box must have 4 numbers"),
    ("detection", [{**BOX, "class": "bus"}], "'bus' is none of the classes"),
    ("detection", [{**BOX, "class": 0.5}], "class: type float: must be text or a whole number"),
    ("detection", [{"box": [0, 0, 5, 5], "class": "car"}], "a box has no score"),
    ("detection", [{**BOX, "colour": 1}], "a box must have no keys but box, class, score"),
    ("detection", [[0, 0, 5, 5]], "type list among boxes: must be mappings with box, class, score"),
    ("detection", "car", "type str: must be a list of boxes"),
    ("detection", {"boxes": [[0, 0, 5, 5]], "scores": [0.5]}, "has no classes"),
    ("detection", {"boxes": [], "classes": ["car"], "scores": []}, "must have as many classes as boxes"),
    (
        "detection",
        {"boxes": [], "classes": [], "scores": [], "format": "yx"},
        "format must be one of xywh, xyxy, cxcywh",
    ),
    ("ranking", ["a", "b", "a"], "names an item twice"),
    ("ranking", [1, "1"], "names an item twice"),
    ("ranking", ["a", None], "item: type NoneType: must be text or a whole number"),
    ("ranking", {"a": 1.0}, "type dict: must be a list of items"),
    ("ranking", ["a", ""], "item: must be text without NUL or half of a surrogate pair, and not empty"),
    ("multilabel", ["dog"], "'dog' is none of the classes"),
    ("multilabel", ["car", "car"], "names a label twice"),
    ("multilabel", np.array([1, 0, 1]), "an array must have 2 numbers, 0 or 1 for each of the classes"),
    ("multilabel", "car", "type str: must be a list of labels"),
]


@pytest.mark.parametrize(("task", "value", "reason"), WRONG)
def test_what_cannot_be_is_refused_and_counted(tmp_path: Path, task: str, value: Any, reason: str) -> None:
    """``log`` does not raise: the row is counted as rejected with what is wrong, and a good one after it is kept."""
    good = [BOX] if task == "detection" else ["car"]
    rows, _ = recorded(tmp_path, task, value, good)
    assert (rows.rejected, rows.ids) == ({f"prediction: {reason}": 1}, ["a1"])


@pytest.mark.parametrize(
    ("task", "value", "reason"),
    [
        ("detection", [BOX], "a box must have no keys but area, box, class, ignore, iscrowd"),
        ("detection", [{"box": [0, 0, 1, 1], "class": "car", "iscrowd": 2}], "iscrowd must be 0 or 1"),
        (
            "detection",
            [{"box": [0, 0, 1, 1], "class": "car", "area": -1}],
            "area must lie between 0 and 1e+18",
        ),
        ("ranking", {"a": -1.0}, "relevance must lie between 0 and 1e+09"),
        ("ranking", {"a": math.nan}, "relevance must lie between 0 and 1e+09"),
        ("ranking", {"a": "much"}, "relevance: type str: must be a number"),
        ("multilabel", {"car": 1}, "type dict: must be a list of labels"),
    ],
)
def test_labels_that_cannot_be_are_refused_and_counted(
    tmp_path: Path, task: str, value: Any, reason: str
) -> None:
    """As predictions are."""
    _, labels = recorded(tmp_path, task, labels=(value,))
    assert (labels.rejected, labels.ids) == ({f"label: {reason}": 1}, [])


def test_an_object_that_raises_is_refused(tmp_path: Path) -> None:
    """Whatever the caller's object does, the caller is not troubled."""

    class Odd:
        def tolist(self) -> list[Any]:
            raise RuntimeError("no")

    rows, _ = recorded(tmp_path, "ranking", Odd())
    assert rows.rejected == {"prediction: reading it raised RuntimeError": 1}


def test_more_boxes_than_a_text_holds_are_refused(tmp_path: Path) -> None:
    """65,536 bytes of JSON are the most."""
    rows, _ = recorded(tmp_path, "detection", [{**BOX, "score": 0.123456789}] * 4000)
    assert list(rows.rejected) == ["prediction: text longer than 65536 bytes"]


def test_a_feature_cannot_have_the_name_of_what_is_read_off_predictions(tmp_path: Path) -> None:
    """Else two things would be one column."""
    recorder = Recorder(tmp_path, MODEL, "1", Settings(task="detection"))
    recorder.log({"prediction_area": 1.0}, [])
    recorder.close()
    assert list(read(tmp_path).rejected) == [
        "feature name 'prediction_area': is read off the predictions of task detection"
    ]


def test_all_else_of_a_row_goes_its_usual_way(tmp_path: Path) -> None:
    """Probabilities by class, latency, errors and inclusion are columns as ever."""
    recorder = Recorder(tmp_path, MODEL, "1", Settings(task="multilabel", classes=CLASSES))
    recorder.log({}, ["car"], probability={"car": 0.9, "person": 0.2}, latency_s=0.5, inclusion=0.25)
    recorder.log({}, None, error=ValueError("secret"))
    recorder.close()
    first, second = (
        {name: value for name, value in row.items() if not name.startswith("_")}
        for row in read(tmp_path).rows
    )
    assert first == {
        "prediction": '["car"]',
        "probability_car": 0.9,
        "probability_person": 0.2,
        "latency_s": 0.5,
        "inclusion": 0.25,
    }
    assert second == {"error": "ValueError"}


def test_a_task_that_is_none_is_an_error() -> None:
    """Of the functions themselves, which are our own."""
    with pytest.raises(ValueError, match="task='sorting': must be one of detection, ranking, multilabel"):
        label_json("sorting", [])
    with pytest.raises(Rejected, match="the names of the labels are not known"):
        prediction_json("multilabel", ["a"])


def test_long_texts_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Texts of one segment are remembered up to 16 MiB; what comes after is written all the same."""
    from vedette.capture.texts import TextWriter

    texts = TextWriter(tmp_path / "t", 1, 2**25, mapped=False)
    values = [f"{number:08d}" * 8000 for number in range(300)]
    offsets = [texts.refer(value) for value in values]
    assert len(set(offsets)) == 300
    assert 2**24 <= sum(map(len, texts.known)) < 2**24 + 70_000
    assert texts.refer(values[0]) == offsets[0]


CODE = """
import os, signal
from pathlib import Path
from vedette.capture import Recorder
from vedette.records import Settings
recorder = Recorder(Path({folder!r}), "delays", "1", Settings(task="detection"), clock=lambda: 1.8e9)
for i in range(500):
    recorder.log({{"x": float(i)}}, [{{"box": [i, 0.5, 3, 4], "class": "car", "score": i / 500}}] * (i % 4), id=str(i))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_logged_before_a_kill_are_there_and_the_same_both_ways(tmp_path: Path) -> None:
    """A killed process has lost nothing; the core and the fallback wrote the same rows."""
    found = []
    for way in ["off"] if core is None else ["on", "off"]:
        folder = tmp_path / way
        folder.mkdir()
        environment = {**os.environ, **({"VEDETTE_CORE": "off"} if way == "off" else {})}
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(folder=str(folder))], env=environment, check=False
        )
        assert done.returncode == -signal.SIGKILL
        rows = read(folder)
        assert (rows.ids, rows.torn) == ([str(i) for i in range(500)], 0)
        found.append(rows.rows)
    assert found[0] == found[-1]
