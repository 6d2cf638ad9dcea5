"""Boxes, rankings and sets of labels through ``log`` and ``label`` into the lake, and out of it as figures and verdicts.

What is right is what the functions of arrays say of the same rows: they are tested against other libraries in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import vedette
from vedette.engine import cycle
from vedette.engine.explain import explain
from vedette.engine.health import health
from vedette.engine.story import write_page
from vedette.errors import DataError, SchemaError
from vedette.lake.tables import Lake
from vedette.statistics.detection import (
    box_figures,
    detection_figures,
    figures_by_class,
    precision_recall,
    summarise_detection,
)
from vedette.statistics.measured import Measured
from vedette.statistics.multilabel import MULTILABEL, multilabel_figures, summarise_multilabel
from vedette.statistics.recommendation import MEASURES, rank_lists
from vedette.statistics.structured.ranking import RANKING_CUTS

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LABELS = ("a", "b", "c")
ITEMS = [f"i{number}" for number in range(30)]


class Shop:
    """A monitor of a task on a clock of its own, and the rows that it was told, by id."""

    def __init__(self, folder: Path, task: str, **options: Any) -> None:
        self.folder, self.task, self.now = folder, task, START
        self.rng = np.random.default_rng(5)
        classes = LABELS if task == "multilabel" else None
        options = {"window": "1d", "classes": classes, "clock": lambda: self.now.timestamp(), **options}
        self.monitor = vedette.Monitor("m", lake=folder, task=task, **options)
        self.given: dict[str, Any] = {}
        self.true: dict[str, Any] = {}
        self.group: dict[str, str] = {}
        self.probability: dict[str, Any] = {}

    def truth(self) -> Any:
        if self.task == "ranking":
            right = [str(one) for one in self.rng.choice(ITEMS, self.rng.integers(0, 4), replace=False)]
            return (
                right
                if self.rng.uniform() < 0.5
                else {one: float(place + 1) for place, one in enumerate(right)}
            )
        if self.task == "multilabel":
            return [one for one in LABELS if self.rng.uniform() < 0.4]
        return [
            {
                "box": [*self.rng.uniform(0, 100, 2), *self.rng.uniform(10, 120, 2)],
                "class": str(self.rng.choice(["car", "dog"])),
            }
            for _ in range(self.rng.integers(0, 5))
        ]

    def answer(self, truth: Any, wrong: float) -> Any:
        if self.task == "ranking":
            listed = [str(one) for one in self.rng.permutation(ITEMS)[:12]]
            for one in [one for one in truth if self.rng.uniform() > wrong and one not in listed]:
                listed[int(self.rng.integers(0, 4))] = one
            return list(dict.fromkeys(listed))
        if self.task == "multilabel":
            return [one for one in LABELS if (one in truth) != (self.rng.uniform() < wrong)]
        found = [
            {
                **one,
                "box": [*(np.array(one["box"][:2]) + self.rng.normal(0, 4, 2)), *one["box"][2:]],
                "score": self.rng.uniform(0.3, 1),
            }
            for one in truth
            if self.rng.uniform() > wrong
        ]
        return [
            *found,
            *([{"box": [0, 0, 9, 9], "class": "dog", "score": 0.6}] if self.rng.uniform() < wrong else []),
        ]

    def day(self, n: int, wrong: float = 0.2, label: bool = True) -> list[str]:
        """Log rows over the day that begins now, with their labels, and move to its end."""
        begin, ids = self.now, []
        for number in range(n):
            self.now = begin + DAY * number / n
            name = f"{begin:%m%d}-{number}"
            truth = self.truth()
            self.given[name], self.true[name], self.group[name] = (
                self.answer(truth, wrong),
                truth,
                "xy"[number % 2],
            )
            chances = (
                {one: float(self.rng.uniform()) for one in LABELS} if self.task == "multilabel" else None
            )
            self.probability[name] = chances
            self.monitor.log(
                {"g": self.group[name], "v": 1.0}, self.given[name], id=name, probability=chances
            )
            if label:
                self.monitor.label(name, truth)
            ids.append(name)
        self.now = begin + DAY
        return ids

    def round(self) -> None:
        cycle.once(Lake.at(self.folder), models=["m"], clock=lambda: self.now.timestamp())

    def of_arrays(self, ids: list[str]) -> dict[str, Measured]:
        """What the functions of arrays say of these rows."""
        given, true = [self.given[one] for one in ids], [self.true[one] for one in ids]
        if self.task == "ranking":
            return rank_lists(given, true, RANKING_CUTS).figures()
        if self.task == "multilabel":
            marks = [[[one in row for one in LABELS] for row in rows] for rows in (true, given)]
            scores = [[self.probability[one][label] for label in LABELS] for one in ids]
            return multilabel_figures(summarise_multilabel(marks[0], marks[1], scores, LABELS))
        summary = self.boxes(ids)
        return {**precision_recall(summary), **detection_figures(summary), **box_figures(summary)}

    def boxes(self, ids: list[str]) -> Any:
        def columns(rows: Any, found: bool) -> dict[str, Any]:
            out = {"boxes": [one["box"] for one in rows], "labels": [one["class"] for one in rows]}
            return {**out, "scores": [one["score"] for one in rows]} if found else out

        given = [columns(self.given[one], True) for one in ids]
        true = [columns(self.true[one], False) for one in ids]
        return summarise_detection(given, true, images=[f"1/{one}" for one in ids], box_format="xywh")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def make(task: str, **options: Any) -> Shop:
        made.append(Shop(tmp_path / f"lake{len(made)}", task, **options))
        return made[-1]

    yield make
    for one in made:
        one.monitor.close()


def agree(frame: pl.DataFrame, expected: dict[str, Measured], names: list[str]) -> None:
    """The figures are those of the library: value, limits, rows and reasons."""
    told = {one["metric"]: one for one in frame.iter_rows(named=True)}
    assert set(told) == set(names)
    for name in names:
        one, right = told[name], expected[name]
        if not right.known:
            assert (one["value"], one["reason"]) == (None, right.reason)
            continue
        assert (one["value"], one["low"], one["high"]) == pytest.approx(
            (right.value, right.low, right.high), abs=1e-9
        )
        assert one["n"] == right.n


NAMES = {
    "ranking": [*(f"{what}@{cut}" for what in MEASURES for cut in (1, 5, 10, "all")), "empty_queries"],
    "multilabel": list(MULTILABEL),
    "detection": [
        "precision",
        "recall",
        "f1",
        "map",
        "map_50",
        "map_small",
        "mar_100",
        "found_per_image",
        "there_area_p50",
    ],
}


@pytest.mark.parametrize("task", list(NAMES))
def test_figures_of_the_lake_are_those_of_the_library(task: str, shop: Callable[..., Shop]) -> None:
    """In the journals, in the lake, by window, by segment, and over all windows."""
    one = shop(task)
    first = one.day(60)
    agree(one.monitor.figures(NAMES[task], window="all"), one.of_arrays(first), NAMES[task])
    one.round()
    second = one.day(80, wrong=0.4)
    one.round()
    agree(one.monitor.figures(NAMES[task], window="all"), one.of_arrays(first + second), NAMES[task])
    agree(one.monitor.figures(NAMES[task], since=START + DAY), one.of_arrays(second), NAMES[task])
    apart = one.monitor.figures(NAMES[task], by="g", window="all")
    for group in "xy":
        own = [name for name in first + second if one.group[name] == group]
        agree(apart.filter(pl.col("segment") == f"g={group}"), one.of_arrays(own), NAMES[task])


@pytest.mark.parametrize("task", list(NAMES))
def test_late_and_corrected_labels_are_counted_as_of_any_day(task: str, shop: Callable[..., Shop]) -> None:
    """Labels that come days later count from then on; a corrected one takes the old one's place from then on."""
    one = shop(task)
    ids = one.day(60, label=False)
    names = NAMES[task]
    assert set(one.monitor.figures(names, window="all")["reason"]) == {"no labels"}
    one.round()
    told = ids[:55]
    for name in told:
        one.monitor.label(name, one.true[name])
    one.now += DAY
    one.round()
    before = one.of_arrays(told)
    agree(one.monitor.figures(names, window="all"), before, names)
    for name in told[::3]:
        one.true[name] = one.truth()
        one.monitor.label(name, one.true[name])
    corrected_at = one.now
    one.now += DAY
    for _ in range(2):  # in the journals, then in the lake
        after = one.monitor.figures(names, window="all")
        agree(after, one.of_arrays(told), names)
        assert after["labelled"].unique().to_list() == [55 / 60]
        agree(one.monitor.figures(names, window="all", as_of=corrected_at), before, names)
        one.round()


def test_precision_and_recall_at_other_overlaps_and_scores(shop: Callable[..., Shop]) -> None:
    """``iou`` and ``score`` say which; others are an error that says what they can be."""
    one = shop("detection")
    ids = one.day(60)
    for iou, score in ((0.5, 0.0), (0.75, 0.6), (0.95, 0.3)):
        found = one.monitor.figures(["precision", "recall", "f1"], iou=iou, score=score)
        agree(found, precision_recall(one.boxes(ids), iou, score), ["precision", "recall", "f1"])
    with pytest.raises(ValueError, match=r"iou=0.6000001: must be one of 0.5, 0.55|iou=0.61: must be"):
        one.monitor.figures("recall", iou=0.61)
    with pytest.raises(ValueError, match=r"score=0.55: must be one of 0, 0.1"):
        one.monitor.figures("recall", score=0.55)


def test_average_precision_of_each_class(shop: Callable[..., Shop]) -> None:
    """A part for each class, as ``figures_by_class`` has it."""
    one = shop("detection")
    ids = one.day(80)
    found = one.monitor.figures("map_50_per_class", window="all")
    right = figures_by_class(one.boxes(ids))
    assert found["part"].to_list() == ["car", "dog"]
    for part, value, low in found.select("part", "value", "low").iter_rows():
        assert (value, low) == pytest.approx(
            (right[part]["map_50"].value, right[part]["map_50"].low), abs=1e-9
        )


def test_a_measure_of_rankings_at_all_cuts(shop: Callable[..., Shop]) -> None:
    """Without a cut in the name there is a part for each."""
    one = shop("ranking")
    ids = one.day(40)
    found = dict(one.monitor.figures("ndcg", window="all").select("part", "value").iter_rows())
    right = one.of_arrays(ids)
    assert list(found) == ["1", "3", "5", "10", "20", "50", "100", "all"]
    assert found["20"] == pytest.approx(right["ndcg@20"].value)


def test_what_is_watched_of_predictions_without_labels(shop: Callable[..., Shop]) -> None:
    """Numbers of boxes, their mean score and median area; numbers of items; sets of labels and how many they have."""
    boxes = shop("detection")
    boxes.monitor.log(
        {},
        [
            {"box": [0, 0, 10, 10], "class": "a", "score": 0.5},
            {"box": [0, 0, 30, 10], "class": "a", "score": 0.9},
        ],
    )
    boxes.monitor.log({}, [])
    boxes.monitor.log({}, None, error=ValueError())
    figures = boxes.monitor.figures(["missing_share", "error_rate"], window="all")
    shares = {(m, f): v for m, f, v in figures.select("metric", "feature", "value").iter_rows()}
    assert shares["missing_share", "prediction"] == shares["error_rate", "prediction"] == pytest.approx(1 / 3)
    assert (
        shares["missing_share", "prediction_score"]
        == shares["missing_share", "prediction_area"]
        == pytest.approx(2 / 3)
    )
    for feature, value in (("prediction", 1.0),):
        assert boxes.monitor.figures("mean", feature=feature, window="all")["value"][0] == value
    boxes.monitor.log({"g": "x"}, [{"box": [0, 0, 30, 10], "class": "a", "score": 0.7}])
    area = boxes.monitor.figures("mean", feature="prediction_area", window="all")
    score = boxes.monitor.figures("mean", feature="prediction_score", window="all")
    assert (area["value"][0], score["value"][0]) == pytest.approx((250.0, 0.7))
    labels = shop("multilabel")
    for row in (["a"], ["b", "a"], ["a"], []):
        labels.monitor.log({"g": "x"}, row)
    assert labels.monitor.figures("mean", feature="prediction_labels", window="all")["value"][0] == 1.0
    lists = shop("ranking")
    lists.monitor.log({"g": "x"}, ["u", "v", "w"])
    lists.monitor.log({"g": "x"}, ["u"])
    assert lists.monitor.figures("mean", feature="prediction", by="g", window="all")["value"][0] == 2.0


def rows_of(one: Shop) -> list[Any]:
    """What the table of predictions holds, by id."""
    one.round()
    table = Lake.at(one.folder).model("m")["predictions"].scan().collect().sort("id")
    return table.select("id", "prediction").rows()


@pytest.mark.parametrize("task", list(NAMES))
def test_many_rows_at_once_are_the_same_as_one_by_one(task: str, shop: Callable[..., Shop]) -> None:
    """A mapping, a Polars frame (lists, structs, JSON in texts) and pandas become the same texts and figures."""
    single = shop(task)
    ids = single.day(30)
    expected, names = rows_of(single), NAMES[task]
    plain = {
        "id": ids,
        "prediction": [single.given[one] for one in ids],
        "g": [single.group[one] for one in ids],
    }
    if task == "multilabel":
        plain |= {f"probability_{label}": [single.probability[one][label] for one in ids] for label in LABELS}
    truth = {"id": ids, "label": [single.true[one] for one in ids]}
    frames: list[tuple[Any, Any]] = [(plain, truth), (pd.DataFrame(plain), pd.DataFrame(truth))]
    texts = {**plain, "prediction": [text for _, text in expected]}
    texts["prediction"] = [dict(expected)[one] for one in ids]
    frames.append((pl.DataFrame(texts), truth))
    if task == "multilabel":
        frames.append((pl.DataFrame(plain), pl.DataFrame(truth)))
    if task == "detection":
        numbers = {
            **plain,
            "prediction": [
                [{**box, "box": list(map(float, box["box"])), "score": float(box["score"])} for box in row]
                for row in plain["prediction"]
            ],
        }
        frames.append((pl.DataFrame(numbers), truth))
    for predictions, labels in frames:
        many = shop(task)
        assert many.monitor.log_many(predictions) == len(ids)
        assert many.monitor.label_many(labels) == len(ids)
        assert rows_of(many) == expected
        agree(many.monitor.figures(names, window="all"), single.of_arrays(ids), names)


def test_rows_that_cannot_be_are_counted_in_batches_too(shop: Callable[..., Shop]) -> None:
    """The others are taken; the ledger says why these were not."""
    one = shop("ranking")
    assert one.monitor.log_many({"id": ["a", "b", "c"], "prediction": [["x"], ["x", "x"], None]}) == 2
    assert one.monitor.label_many({"id": ["a", "b"], "label": [{"x": -1.0}, ["x"]]}) == 1
    reasons = [dict(part.reasons.get("rejected", {})) for part in one.monitor.ledger().producers]
    assert {"prediction: names an item twice": 1} in reasons
    assert {"label: relevance must lie between 0 and 1e+09": 1} in reasons
    with pytest.raises(
        SchemaError, match="'prediction_labels': is read off the predictions of task 'multilabel'"
    ):
        shop("multilabel").monitor.log_many({"prediction": [["a"]], "prediction_labels": [1]})


def test_a_fall_is_found_explained_and_drawn(shop: Callable[..., Shop]) -> None:
    """Each task against a reference: the main watch alarms, its beginning is told, and no other watch does."""
    for task, watch in (("detection", "f1"), ("ranking", "hit_rate"), ("multilabel", "f1")):
        one = shop(task)
        reference = Shop(one.folder / "none", task)
        ids = reference.day(500)
        data = {
            "prediction": [reference.given[name] for name in ids],
            "label": [reference.true[name] for name in ids],
            "g": [reference.group[name] for name in ids],
        }
        one.monitor.reference(data)
        for number in range(8):
            one.day(80, wrong=0.2 if number < 4 else 0.8)
        one.round()
        lake = Lake.at(one.folder)
        found = {
            verdict.watch: verdict.verdict for verdict in health(lake, "m").verdicts if not verdict.segment
        }
        assert found[watch] == "ALARM"
        assert {"prediction.missing", "g.mix"} <= set(found)
        why = explain(lake, "m", watch)
        assert why is not None
        assert why.began is not None
        assert abs(why.began.best - (START + 4 * DAY)) <= DAY
        page = write_page(lake, "m", one.folder / "page.html").read_text("utf-8")
        assert {"f1": "f1", "hit_rate": "hit_rate@10"}[watch] in page
        reference.monitor.close()


def test_what_is_read_off_predictions_is_no_feature(shop: Callable[..., Shop]) -> None:
    """A reference of features alone does not make it a column that appeared, nor does an outage make it vanish."""
    one = shop("detection")
    one.monitor.reference({"v": [1.0] * 100, "g": ["x", "y"] * 50})
    one.day(20)
    for number in range(20):
        one.monitor.log({"g": "x", "v": 1.0}, None, error=ValueError(), id=f"none{number}")
    one.round()
    events = Lake.at(one.folder).model("m")["events"].scan().collect()
    assert [
        row["kind"]
        for row in events.iter_rows(named=True)
        if row["kind"].startswith(("column_a", "column_v"))
    ] == []


def test_nothing_is_told_where_nothing_changed(shop: Callable[..., Shop]) -> None:
    """The same law on both sides."""
    one = shop("detection")
    ids = one.day(300)
    one.monitor.reference(
        {
            "prediction": [one.given[n] for n in ids],
            "label": [one.true[n] for n in ids],
            "g": [one.group[n] for n in ids],
        }
    )
    for _ in range(4):
        one.day(55)
    one.round()
    assert [v.watch for v in health(Lake.at(one.folder), "m").verdicts if v.verdict == "ALARM"] == []


def test_rows_that_a_sampler_left_out_are_weighted(shop: Callable[..., Shop]) -> None:
    """A row kept with the chance 1/4 counts four times; average precision, which needs all boxes, has a reason."""
    one = shop("detection")
    right = [{"box": [0, 0, 9, 9], "class": "a"}]
    for number in range(40):
        found = [{**right[0], "score": 0.9}] if number % 4 else []
        one.monitor.log({}, found, id=str(number), inclusion=0.25 if number % 4 else 1.0)
        one.monitor.label(str(number), right)
    frame = one.monitor.figures(["recall", "map"], window="all")
    recall, average = frame.rows(named=True)
    assert recall["value"] == pytest.approx(30 * 4 / (30 * 4 + 10), abs=1e-3)
    assert recall["sampled"] == "conservative"
    assert average["reason"] == "rows were left out by a sampler: the order of all boxes is not known"


def test_a_sampler_goes_before(shop: Callable[..., Shop]) -> None:
    """What it leaves out is counted, what it keeps carries the chance that it had."""
    one = shop("ranking", sampler=0.25)
    for number in range(100):
        one.monitor.log({"v": 1.0}, ["a", f"b{number}"])
    one.monitor.log({"v": 1.0}, ["a", "a"])
    ledger = one.monitor.ledger()
    assert (ledger.total("seen"), ledger.balanced) in {
        (100, True),
        (101, True),
    }  # a row that is left out is not looked at
    assert ledger.total("sampled_out") in range(70, 81)
    assert one.monitor.figures("rows", window="all")["value"][0] == pytest.approx(100, abs=4)


def test_files_of_lists_and_structs_are_read(shop: Callable[..., Shop], tmp_path: Path) -> None:
    """Parquet and Arrow as they stand, CSV with JSON in it; names may be mapped."""
    box = {"box": [0.0, 0.0, 5.0, 5.0], "class": "a", "score": 0.5}
    frame = pl.DataFrame({"id": ["1", "2", "3"], "found": [[box], [], None]}, strict=False)
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_ipc(tmp_path / "rows.arrow")
    texts = pl.DataFrame(
        {"id": ["1"], "prediction": ['{"boxes":[[0,0,5,5]],"classes":["a"],"scores":[0.5]}']}
    )
    texts.write_csv(tmp_path / "rows.csv")
    one = shop("detection")
    for given in (tmp_path / "rows.parquet", tmp_path / "rows.arrow", frame.lazy()):
        assert one.monitor.log_many(given, columns={"prediction": "found"}) == 3
    assert one.monitor.log_many(tmp_path / "rows.csv") == 1
    found = one.monitor.figures(["mean", "rows"], feature=["prediction"], window="all")
    assert found["value"].to_list() == [10.0, pytest.approx(4 / 7)]


def test_tables_that_are_none_are_errors(shop: Callable[..., Shop]) -> None:
    """Columns of unequal length, a text in the place of a column, labels without ids."""
    monitor = shop("ranking").monitor
    for data, said in (
        ({"prediction": [["a"]], "label": [["a"], {"a": -1.0}]}, "columns of unequal length"),
        ({"prediction": "ab"}, "must be an array, with a value for each row"),
    ):
        with pytest.raises(DataError, match=said):
            monitor.log_many(data)
    with pytest.raises(SchemaError, match="labels need the columns 'id' and 'label'"):
        monitor.label_many({"label": [["a"]]})


def test_what_is_not_for_a_task_is_refused(shop: Callable[..., Shop]) -> None:
    """Estimates, segments of predictions, overlaps of what has no boxes, figures of other tasks, fairness."""
    one = shop("ranking")
    one.day(12)
    for arguments, said in (
        ({"estimate": True}, "figures of task 'ranking' are not estimated without labels"),
        ({"by": "prediction"}, "by='prediction': of task 'ranking' it is no single value"),
        ({"iou": 0.5}, "iou=0.5: is of boxes, and the task of this model is ranking"),
    ):
        with pytest.raises(ValueError, match=said):
            one.monitor.figures("hit_rate@10", **arguments)
    with pytest.raises(
        ValueError, match="metric='map_50': is of boxes, and the task of this model is ranking"
    ):
        one.monitor.figures("map_50")
    with pytest.raises(ValueError, match="read off columns of the kind quality or multilabel"):
        one.monitor.figures("f1_micro")
    with pytest.raises(
        ValueError, match="fairness is of classifiers and regressions; the task of this one is 'ranking'"
    ):
        one.monitor.fairness("g")
    boxes = shop("detection")
    boxes.day(12)
    with pytest.raises(ValueError, match="figures of boxes are of the model: leave feature= out"):
        boxes.monitor.figures("map", feature="v")
    with pytest.raises(ValueError, match="metric='map_5': did you mean map_75 or map_50"):
        boxes.monitor.figures("map_5")


@pytest.mark.parametrize("task", list(NAMES))
def test_texts_that_only_look_like_documents_are_no_values(task: str, shop: Callable[..., Shop]) -> None:
    """JSON of another form, which a process that did not know the task wrote, stops nobody's round."""
    one = shop(task)
    ids = one.day(20)
    texts = [
        '{"boxes":[[1]],"classes":["a"],"scores":[1]}',
        '{"boxes":1,"classes":["a"],"scores":[1]}',
        '["a","a"]',
    ]
    texts += [
        '[["a"]]',
        '[{"a":1}]',
        "[1.5]",
        '{"a":-1}',
        '{"a":"b"}',
        "7",
        "null",
        '{"boxes":[]}',
        "NaN",
        '["a',
        "[1e999]",
    ]
    with vedette.Monitor("m", lake=one.folder, window="1d", clock=lambda: one.now.timestamp()) as other:
        for number, text in enumerate(texts):
            other.log({"v": 1.0}, text, id=f"odd{number}")
            other.label(f"odd{number}", text)
            one.monitor.log({"v": 1.0}, [], id=f"good{number}")
            other.label(f"good{number}", text)
    names = [name for name in NAMES[task] if name not in ("empty_queries", "found_per_image")]
    for _ in range(2):  # in the journals, where another process's settings come last; then in the lake
        agree(one.monitor.figures(names, window="all"), one.of_arrays(ids), names)
        one.round()


@pytest.mark.parametrize("first", [True, False])
def test_a_process_that_does_not_know_the_task_does_no_harm(first: bool, shop: Callable[..., Shop]) -> None:
    """What it logs is no list of items: it counts as missing, whichever type came first, and the others as ever."""
    one = shop("ranking")
    ids = one.day(20) if first else []
    one.round()
    with vedette.Monitor("m", lake=one.folder, window="1d", clock=lambda: one.now.timestamp()) as other:
        other.log({"v": 1.0}, 1, id="other")
        other.log({"v": 1.0}, "i1", id="text")
        other.label("text", "i1")
    one.round()
    ids += one.day(20)
    one.round()
    agree(one.monitor.figures(["hit_rate@10"], window="all"), one.of_arrays(ids), ["hit_rate@10"])
    if first:  # else what is watched of predictions was settled before anyone said the task
        missing = one.monitor.figures("missing_share", feature="prediction", window="all")
        assert missing["value"][0] == pytest.approx(2 / 42)


def test_a_rule_reads_the_figures_of_the_task(
    shop: Callable[..., Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``recall`` is that of boxes for a model of boxes, ``hit_rate@10`` of rankings alone."""
    path = tmp_path / "vedette.toml"
    path.write_text('[models.m.rules]\nlow = "recall < 0.99"\nhits = "hit_rate@10 < 0.5"\n')
    monkeypatch.setenv("VEDETTE_CONFIG", str(path))
    one = shop("detection")
    for _ in range(3):
        one.day(60, wrong=0.5)
    one.round()
    said = {verdict.watch: verdict for verdict in health(Lake.at(one.folder), "m").verdicts}
    assert said["rule:low"].verdict == "ALARM"
    assert (said["rule:hits"].verdict, said["rule:hits"].reason) == ("UNKNOWN", "no labels")
