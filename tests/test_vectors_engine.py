"""Vectors from ``log`` to verdicts: in the lake as lists, in figures by their norms, and a change of length as an event."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vedette
from tests.world import DAY, World
from vedette.engine.vectors import norms, usual_length
from vedette.records import Status
from vedette.statistics.grid import Grid, vector_grid


def with_vectors(world: World, n: int, *, scale: float = 1.0, length: int = 6) -> pl.DataFrame:
    """Rows of the world with an embedding."""
    vectors = (scale * world.rng.normal(size=(n, length))).astype(np.float32)
    return world.rows(n).with_columns(pl.Series("e", vectors).arr.to_list())


def log_day(world: World, rows: pl.DataFrame) -> None:
    """A day of rows, their embeddings as arrays."""
    begin = world.now
    for i, row in enumerate(rows.iter_rows(named=True)):
        world.now = begin + DAY * (i / rows.height)
        features = {"x": row["x"], "e": None if row["e"] is None else np.array(row["e"], np.float32)}
        world.monitor.log(features, row["prediction"], id=i, time=world.now)
    world.now = begin + DAY


def events(world: World, kind: str) -> list[tuple[str, Any]]:
    """The events of a kind: the column and what is said of it."""
    rows = world.lake.model("m")["events"].scan().filter(pl.col("kind") == kind).collect()
    return [(row["name"], json.loads(row["detail"])) for row in rows.iter_rows(named=True)]


def test_vectors_are_lists_in_the_lake(world: World) -> None:
    """Rows that came one by one and those of a table are in one column, float32, to the bit; a null is a null."""
    rows = with_vectors(world, 20)
    rows = rows.with_columns(pl.when(pl.int_range(pl.len()) != 3).then(pl.col("e")))
    log_day(world, rows)
    world.monitor.log_many(rows.with_columns(pl.lit(world.now).alias("time")))
    world.round()
    stored = world.lake.model("m")["predictions"].scan().sort("received", "_sequence").collect()
    assert stored.schema["e"] == pl.List(pl.Float32())
    assert stored["e"].to_list() == rows["e"].to_list() * 2
    assert world.monitor.ledger().balanced


def test_figures_of_vectors_are_those_of_their_norms(world: World) -> None:
    """Mean, percentiles and shares tell of Euclidean norms; a vector with NaN is NaN, one with an infinity infinite."""
    rows = with_vectors(world, 400)
    vectors = np.array(rows["e"].to_list())
    vectors[0, 2], vectors[1, 3] = np.nan, np.inf
    rows = rows.with_columns(pl.Series("e", vectors.astype(np.float32)).arr.to_list())
    log_day(world, rows)
    wanted = np.linalg.norm(vectors[2:], axis=1)
    metrics = ["mean", "sd", "p50", "missing_share", "infinite_share", "rows"]
    for _ in range(2):  # before and after the rows come into the lake
        found = world.monitor.figures(metrics, feature="e", window="all")
        value = dict(zip(found["metric"], found["value"], strict=True))
        assert value["mean"] == pytest.approx(wanted.mean(), rel=1e-6)
        assert value["sd"] == pytest.approx(wanted.std(ddof=1), rel=1e-5)
        assert value["p50"] == pytest.approx(np.median(wanted), rel=0.05)
        assert (value["missing_share"], value["infinite_share"], value["rows"]) == (1 / 400, 1 / 400, 400)
        world.round()


def test_figures_that_vectors_have_not_say_what_they_are(world: World) -> None:
    """A figure of categories asked of a vector is refused with its kind, and so are segments by one."""
    log_day(world, with_vectors(world, 50))
    with pytest.raises(ValueError, match="'e' is of the kind vector"):
        world.monitor.figures("unseen_share", feature="e")
    with pytest.raises(ValueError, match="by='e': holds vectors"):
        world.monitor.figures("rows", by="e")
    assert "e" in set(world.monitor.figures()["feature"])


def test_vectors_are_watched_by_their_norms(world: World) -> None:
    """Embeddings that come twice as long are an alarm that speaks of norms; before that all is well."""
    world.monitor.reference(with_vectors(world, 2000))
    for _ in range(3):
        log_day(world, with_vectors(world, 300))
        world.round()
    assert {one.verdict for one in world.health().verdicts if one.watch.startswith("e.")} == {Status.OK}
    for _ in range(3):
        log_day(world, with_vectors(world, 300, scale=2.0))
        world.round()
    told = world.verdict("e.location")
    assert told.verdict is Status.ALARM
    assert "mean norm went from 2.3" in told.evidence


def test_vectors_that_go_missing_are_told(world: World) -> None:
    """A service that stops giving its embedding is told of by the watch of missing values."""
    world.monitor.reference(with_vectors(world, 2000))
    for day in range(6):
        rows = with_vectors(world, 300)
        log_day(world, rows.with_columns(pl.when(day < 3).then(pl.col("e"))))
        world.round()
    assert world.verdict("e.missing").verdict is Status.ALARM


def test_vectors_of_length_one_have_one_norm(world: World) -> None:
    """Embeddings that are scaled to length one in float32 differ in rounding only: that is no spread, and no alarm."""
    rows = with_vectors(world, 2400)
    vectors = np.array(rows["e"].to_list(), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = rows.with_columns(pl.Series("e", vectors).arr.to_list())
    world.monitor.reference(rows.head(2000))
    log_day(world, rows.tail(400))
    world.round()
    found = world.monitor.figures(["mean", "sd"], feature="e", window="all")
    assert found["value"].to_list() == [1.0, 0.0]
    assert world.verdict("e.location").verdict is not Status.ALARM


@pytest.mark.parametrize("reference", [True, False])
def test_a_change_of_length_is_an_event_and_is_not_summarised(world: World, reference: bool) -> None:
    """Vectors of another length are an event once, kept in the lake, and missing in the figures of the others."""
    if reference:
        world.monitor.reference(with_vectors(world, 500))
    log_day(world, with_vectors(world, 100))
    world.round()
    assert events(world, "type_changed") == []
    for _ in range(2):
        log_day(world, with_vectors(world, 100, length=9))
        world.round()
    assert events(world, "type_changed") == [("e", {"type": "vector32 of 9 elements"})]
    stored = world.lake.model("m")["predictions"].scan().collect()
    assert stored["e"].list.len().value_counts().sort("e").rows() == [(6, 100), (9, 200)]
    found = world.monitor.figures("missing_share", feature="e", since=world.now - DAY)
    assert found["value"].to_list() == [1.0]


def test_lengths_that_mix_from_the_start_are_an_event(world: World) -> None:
    """Two lengths in the very first rows are told as well; most decide which is the other one."""
    log_day(world, with_vectors(world, 60, length=4))
    log_day(world, with_vectors(world, 90))
    world.round()
    assert events(world, "type_changed") == [("e", {"type": "vector32 of 4 elements"})]


def test_a_vector_that_becomes_a_number_is_a_change_of_type(world: World) -> None:
    """The number has a column of its own in the lake, and the vectors are missing."""
    world.monitor.reference(with_vectors(world, 500))
    log_day(world, with_vectors(world, 50))
    world.round()
    for _ in range(50):
        world.monitor.log({"x": 1.0, "e": 2.5}, 1, time=world.now)
    world.now += DAY
    world.round()
    assert world.lake.model("m")["predictions"].columns()["e__float64"] == pl.Float64()
    assert events(world, "type_changed")[-1] == ("e", {"type": "float64"})


def test_a_number_that_becomes_a_vector_is_summarised_as_before(world: World) -> None:
    """A column of numbers stays one: vectors in it are missing numbers, in a column of their own."""
    for value in [1.0] * 30 + [np.ones(3)] * 10:
        world.monitor.log({"x": value}, 1, time=world.now)
    world.now += DAY
    world.round()
    assert world.lake.model("m")["predictions"].columns()["x__vector64"] == pl.List(pl.Float64())
    found = world.monitor.figures(["mean", "missing_share"], feature="x", window="all")
    assert found.sort("metric")["value"].to_list() == [1.0, 0.25]


def test_a_reference_without_a_vector_takes_any_length(world: World) -> None:
    """A reference whose embeddings are all missing says nothing of their length."""
    rows = with_vectors(world, 500)
    world.monitor.reference(rows.with_columns(pl.lit(None, pl.List(pl.Float32)).alias("e")))
    log_day(world, with_vectors(world, 100))
    world.round()
    assert world.monitor.figures("missing_share", feature="e", window="all")["value"].to_list() == [0.0]


def test_a_column_of_vectors_makes_no_segments(tmp_path: Path) -> None:
    """Segments by a column of vectors are not watched, and health says why; by another column they are."""
    world = World(tmp_path / "lake")
    world.monitor.close()
    world.monitor = vedette.Monitor(
        "m", lake=world.folder, window="1d", segments=["e", "c"], clock=lambda: world.now.timestamp()
    )
    world.monitor.reference(with_vectors(world, 500))
    world.monitor.log_many(with_vectors(world, 200).with_columns(pl.lit(world.now).alias("time")))
    world.now += DAY + timedelta(hours=1)
    world.round()
    health = world.health()
    assert {one.segment.partition("=")[0] for one in health.verdicts} == {"", "c"}
    assert "holds vectors: no segments are made of them" in str(health.verdicts)
    world.monitor.close()


def test_probabilities_by_list_and_by_matrix_make_the_same_figures(tmp_path: Path) -> None:
    """What is logged as a list in the order of the classes scores as what a table has as a matrix or by name."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.ones(3), 300)
    label = np.array(["a", "b", "c"])[[rng.choice(3, p=one) for one in probability]]
    found = []
    for way in ("log", "matrix", "names"):
        monitor = vedette.Monitor(way, lake=tmp_path, classes=["a", "b", "c"])
        if way == "log":
            for i, (one, truth) in enumerate(zip(probability, label, strict=True)):
                monitor.log({}, "a", probability=one if i % 2 else one.tolist(), id=i)
                monitor.label(i, truth)
        else:
            columns = {"probability": probability} if way == "matrix" else {}
            columns |= {} if columns else {f"probability_{c}": probability[:, k] for k, c in enumerate("abc")}
            monitor.log_many({"id": np.arange(300), "prediction": ["a"] * 300, "label": label, **columns})
        found.append(monitor.figures(["log_loss", "roc_auc"], window="all")["value"].to_list())
        monitor.close()
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert found[1] == found[2]


def test_images_and_texts_end_to_end(world: World) -> None:
    """Their columns have figures like any other; equal content is one value."""
    photo = np.zeros((4, 5, 3), np.uint8)
    for k in range(40):
        photo[0, 0, 0] = k % 4
        features = {
            "photo": vedette.image(photo, embedding=np.full(3, k, np.float32)),
            "prompt": vedette.text("a b c"),
        }
        world.monitor.log(features, 1, time=world.now)
    world.round()

    def value(metric: str, feature: str) -> float:
        found = world.monitor.figures(metric, feature=feature, window="all")
        return float(found["value"][0])

    assert (value("mean", "photo_width"), value("mean", "prompt_words")) == (5.0, 3.0)
    assert (value("distinct", "photo_hash"), value("distinct", "prompt_hash")) == (4.0, 1.0)
    assert value("mean", "photo_embedding") == pytest.approx(19.5 * 3**0.5, rel=1e-6)


# --- norms ----------------------------------------------------------------------------------------------------------

numbers = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(st.one_of(st.none(), st.lists(numbers, min_size=1, max_size=5)), min_size=1, max_size=9))
def test_norms_are_numpys_to_six_digits(rows: list[Any]) -> None:
    """Whatever the lengths, each norm is that of ``numpy.linalg.norm``; nulls have none."""
    found, present = norms(pl.Series(rows, dtype=pl.List(pl.Float64)))
    assert present.tolist() == [row is not None for row in rows]
    wanted = [0.0 if row is None else float(np.linalg.norm(row)) for row in rows]
    assert found.tolist() == pytest.approx(wanted, rel=5.1e-6, abs=0)


@pytest.mark.parametrize(
    ("row", "norm"),
    [
        ([3e200, 4e200], 5e200),
        ([3e-200, 4e-200], 5e-200),
        ([0.0, 0.0], 0.0),
        ([1e308, 1e308], 1.41421e308),
        ([float("nan"), float("inf")], float("nan")),
        ([1.0, float("-inf")], float("inf")),
        ([1.0, None], float("nan")),
    ],
)
def test_norms_neither_overflow_nor_vanish(row: list[Any], norm: float) -> None:
    """Squares that a float does not hold make no infinite norm and no norm of 0; NaN, null and infinity show."""
    found, _ = norms(pl.Series([row], dtype=pl.List(pl.Float64)))
    assert found[0] == pytest.approx(norm, rel=1e-5, nan_ok=True)


def test_norms_are_taken_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows fit at once, the norms are the same."""
    column = pl.Series(np.random.default_rng(0).normal(size=(100, 7))).arr.to_list()
    whole = norms(column)[0]
    monkeypatch.setattr("vedette.engine.vectors._AT_ONCE", 20)
    assert norms(column)[0].tolist() == whole.tolist()


def test_the_usual_length_is_the_most_frequent() -> None:
    """The length that most vectors have, the shorter of two that are as frequent, 0 without any."""
    columns = [[[1.0], [1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0, 2.0]], [[], None]]
    assert [usual_length(pl.Series("e", one, dtype=pl.List(pl.Float64))) for one in columns] == [2, 1, 0]


def test_the_grid_of_vectors_knows_their_length() -> None:
    """It comes back from its JSON with its length, which is part of its name; other grids' names are as they were."""
    grid = vector_grid("e", [1.0, 2.0, 3.0], 384)
    assert Grid.from_json(grid.to_json()) == grid
    assert Grid.from_json(grid.to_json()).length == 384
    assert grid != vector_grid("e", [1.0, 2.0, 3.0], 385)
    assert "length" not in json.loads(Grid("e", "numeric", edges=grid.edges).to_json())
