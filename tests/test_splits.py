"""Sets that a model is trained and tested on: what was planted is found with its number, and healthy sets are left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import vedette
from vedette.cli import app
from vedette.engine.splits import Splits, splits
from vedette.errors import SchemaError

N = 1200


def rows(seed: int, n: int = N) -> dict[str, Any]:
    """Three inputs of which one tells half of a target of three classes; a patient for every four rows; times in order."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return {
        "x": x,
        "z": random.normal(size=n),
        "site": random.choice(["a", "b", "c", "d"], n),
        "patient": np.repeat(np.arange(n // 4), 4) + 10_000 * seed,
        "t": np.arange(n) + n * seed,
        "y": np.digitize(x + random.normal(size=n), [-0.5, 0.5]),
    }


def found(kind: str, one: Splits) -> list[Any]:
    return [finding for finding in one.findings if finding.kind == kind]


def test_healthy_sets_have_nothing_to_tell() -> None:
    """Rows of one law, split by patient and time: no finding at all."""
    told = splits(rows(0), validation=rows(1), test=rows(2), target="y", groups="patient", time="t")
    assert told.findings == ()
    assert told.verdict == "OK"
    assert told.rows == {"train": N, "validation": N, "test": N}
    assert {name: sum(one.values()) for name, one in told.classes.items()} == told.rows


def test_rows_that_were_learned_are_counted() -> None:
    """Ninety rows of the training set among those of the test: their number and share, whatever their types have become."""
    train, test = pl.DataFrame(rows(0)), pl.DataFrame(rows(2))
    test = pl.concat([test[90:], train[200:290]]).with_columns(
        pl.col("x", "z").cast(pl.Float64), pl.col("t").cast(pl.Float64)
    )
    (one,) = found("shared_rows", splits(train, test=test, target="y", ignore=["patient"], time="t"))
    assert (one.verdict, one.n, one.value) == ("ALARM", N, 90 / N)
    assert one.low < 90 / N < one.high
    assert one.words == "90 of 1,200 rows of test have the inputs of a row of train"


def test_columns_with_few_values_share_rows_by_chance() -> None:
    """Two columns of four levels: every row has a twin, and that is no leakage."""
    random = np.random.default_rng(5)

    def few() -> dict[str, Any]:
        return {"a": random.integers(0, 4, 500), "b": random.choice(["u", "v", "w"], 500)}

    told = splits(few(), test=few())
    (one,) = found("shared_rows", told)
    assert one.verdict == "OK"
    assert "by chance" in one.words


def test_groups_and_times_on_both_sides() -> None:
    """A patient in both sets, and rows that come before the last learned one."""
    train, test = pl.DataFrame(rows(0)), pl.DataFrame(rows(2))
    test = test.with_columns(
        pl.when(pl.int_range(N) < 8).then(pl.int_range(N) // 4).otherwise(pl.col("patient")).alias("patient"),
        pl.when(pl.int_range(N) < 30).then(5).otherwise(pl.col("t")).alias("t"),
    )
    told = splits(train, test=test, target="y", groups="patient", time="t")
    (group,), (order,) = found("shared_groups", told), found("time_order", told)
    assert group.words.startswith("2 of 300 patient of test are in train too (0, 1), with 8 rows")
    assert order.words.startswith("30 of 1,200 rows of test are no later than the last of train (1199)")
    assert told.verdict == "ALARM"


def test_repeated_rows_and_labels_that_contradict() -> None:
    """Sixty rows twice, twenty of them with another target."""
    train = pl.DataFrame(rows(0)).drop("patient", "t")
    twice = train[:60].with_columns(
        pl.when(pl.int_range(60) < 20).then((pl.col("y") + 1) % 3).otherwise(pl.col("y")).alias("y")
    )
    told = splits(pl.concat([train, twice]), test=pl.DataFrame(rows(2)).drop("patient", "t"), target="y")
    (again,), (torn,) = found("duplicates", told), found("conflicts", told)
    assert (again.value, again.n) == (60 / (N + 60), N + 60)
    assert torn.words.startswith("40 of 120 rows of train")


@pytest.mark.parametrize("target", ["classes", "number", "level"])
def test_a_column_that_tells_the_target_alone(target: str) -> None:
    """The target in another dress: as a noisy copy, in another unit, or as a level; other columns are left alone."""
    random = np.random.default_rng(8)

    def own(seed: int) -> dict[str, Any]:
        one = rows(seed)
        del one["patient"], one["t"]
        if target == "classes":
            one["copy"] = one["y"] * 10.0 + random.normal(size=N)
        elif target == "level":
            one["copy"] = np.array(
                [
                    f"code {value}{letter}"
                    for value, letter in zip(one["y"], random.choice(list("pq"), N), strict=True)
                ]
            )
        else:
            one["y"] = one["x"] * 2 + one["z"]
            one["copy"] = one["y"] ** 3
        return one

    told = splits(own(0), test=own(1), target="y")
    assert [one.words.split()[0] for one in found("target_leak", told)] == ["copy"]
    assert all(one.low >= 0.99 for one in found("target_leak", told))


def test_classes_that_are_rare_and_of_other_shares() -> None:
    """A class of three rows, and a test set of another balance."""
    train, test = pl.DataFrame(rows(0)).drop("patient", "t"), pl.DataFrame(rows(2)).drop("patient", "t")
    test = pl.concat([test.filter(pl.col("y") != 2), test.filter(pl.col("y") == 2)[:3]])
    told = splits(train, test=test, target="y")
    (rare,) = found("rare_class", told)
    assert rare.words == "test has fewer than 10 rows of 1 classes (2 3)"
    assert found("class_balance", told)


def test_columns_that_drifted_between_the_sets() -> None:
    """An input whose mean is another in the test set is named, and alone."""
    test = rows(2)
    test["z"] = test["z"] + 0.7
    told = splits(rows(0), test=test, target="y", groups="patient", time="t")
    assert [one.words.split()[0] for one in found("drift", told)] == ["z"]


def test_vectors_and_nulls_are_compared_too() -> None:
    """A row is the same where its vector is, and null equals null."""
    a = pl.DataFrame({"v": [[1.0, 2.0], [3.0, None], None], "s": ["p", None, "q"]})
    (one,) = found("shared_rows", splits(a, test=a[1:]))
    assert one.value == 1.0


def test_wrong_arguments_are_named() -> None:
    """One set alone, a column that is not there, an empty set, types that cannot be compared."""
    with pytest.raises(ValueError, match="needs train, and validation or test beside it"):
        splits(rows(0))
    with pytest.raises(SchemaError, match="train: has no column 'label'; it has x, z"):
        splits(rows(0), test=rows(1), target="label")
    with pytest.raises(SchemaError, match="test: has no rows"):
        splits(rows(0), test=pl.DataFrame(rows(1))[:0])
    other = pl.DataFrame(rows(1)).with_columns(pl.col("x").cast(pl.String))
    with pytest.raises(SchemaError, match="column 'x': is of type Float64 in train, String in test: must be"):
        splits(rows(0), test=other)


def test_the_command_and_the_face_say_the_same(tmp_path: Path) -> None:
    """``vedette splits TRAIN --test TEST`` prints the findings, gives them as JSON, and exits with 1 for an alarm."""
    train, test = pl.DataFrame(rows(0)), pl.DataFrame(rows(0))[:50]
    train.write_parquet(tmp_path / "train.parquet")
    test.write_parquet(tmp_path / "test.parquet")
    arguments = [
        "splits",
        str(tmp_path / "train.parquet"),
        "--test",
        str(tmp_path / "test.parquet"),
        "--target",
        "y",
    ]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 1, told.output
    assert "50 of 50 rows of test have the inputs of a row of train" in told.output
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert document["verdict"] == "ALARM"
    assert document == json.loads(json.dumps(vedette.splits(train, test=test, target="y").document()))
