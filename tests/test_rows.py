"""Predictions and labels are put together by id, once each, however late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from vedette.lake.rows import matches
from vedette.lake.tables import Lake, ModelTables

START = datetime(2026, 1, 1, tzinfo=UTC)


def predictions(*items: tuple[str, int], first: int = 1, version: str = "1") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "version": [version] * len(items),
            "id": [name for name, _ in items],
            "time": [START] * len(items),
            "received": [START + timedelta(seconds=first + i) for i in range(len(items))],
            "prediction": [value for _, value in items],
            "_producer": ["p"] * len(items),
            "_sequence": [first + i for i in range(len(items))],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC"), "received": pl.Datetime("us", "UTC")},
    )


def labels(*items: tuple[str, int, int], first: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [name for name, _, _ in items],
            "time": [START + timedelta(hours=hour) for _, _, hour in items],
            "received": [START + timedelta(hours=hour) for _, _, hour in items],
            "label": [value for _, value, _ in items],
            "_producer": ["q"] * len(items),
            "_sequence": [first + i for i in range(len(items))],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC"), "received": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def tables(tmp_path: Path) -> ModelTables:
    return Lake.at(tmp_path).model("m")


def signed(frame: pl.DataFrame) -> list[tuple[str, int, int]]:
    return sorted((row["id"], row["label"], row["_sign"]) for row in frame.iter_rows(named=True))


def test_a_label_meets_its_prediction(tables: ModelTables) -> None:
    """New labels and new predictions with one id are one row; others are none."""
    found = matches(tables, predictions(("a", 1), ("b", 0)), labels(("a", 1, 1), ("z", 0, 1)))
    assert signed(found) == [("a", 1, 1)]


def test_a_label_may_come_first(tables: ModelTables) -> None:
    """A label that is in the lake before its prediction is counted when the prediction comes."""
    tables["labels"].write(labels(("a", 0, 1)), {"q/labels": 1})
    assert signed(matches(tables, predictions(("a", 1)), labels()))[0] == ("a", 0, 1)


def test_the_same_label_again_changes_nothing(tables: ModelTables) -> None:
    """A label that repeats what is known adds nothing."""
    tables["predictions"].write(predictions(("a", 1)), {"p/predictions": 1})
    tables["labels"].write(labels(("a", 1, 1)), {"q/labels": 1})
    found = matches(tables, pl.DataFrame(), labels(("a", 1, 2), first=2))
    assert found.is_empty()


def test_a_corrected_label_takes_the_old_row_away(tables: ModelTables) -> None:
    """A later label with another value is one row less and one row more, known when the correction was."""
    tables["predictions"].write(predictions(("a", 1)), {"p/predictions": 1})
    tables["labels"].write(labels(("a", 1, 1)), {"q/labels": 1})
    found = matches(tables, pl.DataFrame(), labels(("a", 0, 5), first=2))
    assert signed(found) == [("a", 0, 1), ("a", 1, -1)]
    assert found["_known"].unique().to_list() == [START + timedelta(hours=5)]


def test_an_older_label_that_comes_late_changes_what_was_known_before(tables: ModelTables) -> None:
    """Of two labels the one known last counts, whichever arrived last; until it was known the older one did."""
    tables["predictions"].write(predictions(("a", 1)), {"p/predictions": 1})
    tables["labels"].write(labels(("a", 1, 9)), {"q/labels": 1})
    found = matches(tables, pl.DataFrame(), labels(("a", 0, 5), first=2))
    told = [(row["label"], row["_known"], row["_sign"]) for row in found.iter_rows(named=True)]
    assert sorted(told) == [(0, START + timedelta(hours=5), 1), (0, START + timedelta(hours=9), -1)]


def test_a_repeated_id_is_labelled_once(tables: ModelTables) -> None:
    """A label belongs to the first prediction received with its id, once for each version."""
    both = pl.concat([predictions(("a", 1), ("a", 0)), predictions(("a", 0), first=3, version="2")])
    found = matches(tables, both, labels(("a", 1, 1)))
    assert sorted((row["version"], row["prediction"]) for row in found.iter_rows(named=True)) == [
        ("1", 1),
        ("2", 0),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_any_cutting_into_rounds_counts_the_same(tmp_path: Path, seed: int) -> None:
    """However predictions, labels and corrections are cut into rounds, in whatever order they come, the sum of the
    signed rows known by any moment is what the rule says of the labels known by then."""
    random = Random(seed)
    names = [f"id{i % 25}" for i in range(40)]
    all_predictions = predictions(*((name, random.randrange(2)) for name in names))
    all_labels = labels(
        *((random.choice([*names, "stranger"]), random.randrange(2), hour) for hour in range(60))
    )
    sent = all_labels
    all_labels = all_labels.with_columns(all_labels["received"].shuffle(seed=seed)).sort("received")
    tables = Lake.at(tmp_path).model("m")
    p, q, total = 0, 0, {}
    while p < all_predictions.height or q < all_labels.height:
        more_p, more_q = random.randrange(15), random.randrange(20)
        new_p, new_q = all_predictions[p : p + more_p], all_labels[q : q + more_q]
        for row in matches(tables, new_p, new_q).iter_rows(named=True):
            key = (row["_sequence"], row["label"], row["_known"])
            total[key] = total.get(key, 0) + row["_sign"]
        p, q = p + new_p.height, q + new_q.height
        if new_p.height:
            tables["predictions"].write(new_p, {"p/predictions": p})
        if new_q.height:
            tables["labels"].write(new_q, {"q/labels": q})
    first = {row["id"]: row["_sequence"] for row in reversed(all_predictions.to_dicts())}
    for moment in sent["time"].unique().sort().to_list():
        known = {}
        for (number, label, when), count in total.items():
            if when <= moment:
                known[number, label] = known.get((number, label), 0) + count
        told = {row["id"]: row["label"] for row in sent.sort("time").to_dicts() if row["time"] <= moment}
        expected = {(first[one], label): 1 for one, label in told.items() if one in first}
        assert {key: count for key, count in known.items() if count} == expected
