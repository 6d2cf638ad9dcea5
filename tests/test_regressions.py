"""Faults that were found by use and by review, each with the story that showed it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import vedette
from tests.world import DAY, START, World
from vedette.engine import cycle, requests
from vedette.errors import DataError, LakeError, SchemaError
from vedette.lake.events import settings_of
from vedette.records import Settings, Status


def accuracy(world: World) -> tuple[float, int, float]:
    return world.monitor.figures("accuracy", window="all").select("value", "n", "labelled").row(0)


def test_nan_labels_are_no_labels(world: World) -> None:
    """pandas says a missing label as NaN: it is not a wrong answer, in batches as in single rows."""
    world.monitor.log_many(
        pd.DataFrame({"x": [1.0, 2, 3, 4], "prediction": [1, 1, 0, 0], "label": [1, np.nan, 0, np.nan]})
    )
    assert accuracy(world) == (1.0, 2, 0.5)
    world.monitor.log({"x": 1.0}, 1, id="n", time=START)
    world.monitor.label("n", float("nan"), time=START)
    assert accuracy(world)[1] == 2


def test_ids_that_pandas_made_floats_of_are_the_same_ids(world: World) -> None:
    """Whole numbers in a column with a gap are spelled as whole numbers, so that labels find them; NaN is no id."""
    world.monitor.log_many(pd.DataFrame({"id": [1, 2, None, 4], "prediction": 1, "x": 1.0}))
    world.monitor.label_many({"id": [1, 2, 4], "label": [1, 1, 0]})
    assert accuracy(world)[:2] == (pytest.approx(2 / 3), 3)


def test_ids_of_a_csv_keep_their_zeros(world: World, tmp_path: Path) -> None:
    """007 in a file is the id that ``label("007", 1)`` means."""
    (tmp_path / "rows.csv").write_text("id,x,prediction\n007,1.5,1\n")
    world.monitor.log_many(tmp_path / "rows.csv")
    world.monitor.label("007", 1)
    assert accuracy(world)[1] == 1


def test_uuids_in_a_frame_are_ids(world: World) -> None:
    """A column of UUIDs is a column of ids; one of other objects is refused by name."""
    name = uuid.uuid4()
    world.monitor.log_many(pd.DataFrame({"id": [name], "x": [1.0], "prediction": [1]}))
    world.monitor.label(name, 1)
    assert accuracy(world)[1] == 1
    with pytest.raises(SchemaError, match="ids must be text, whole numbers or UUIDs"):
        world.monitor.log_many({"id": [1.5], "x": [1.0]})


def test_ambiguous_dates_are_refused(world: World) -> None:
    """Whether 01/02 is January or February cannot be known, and is not guessed."""
    with pytest.raises(DataError, match="'01/02/2026 10:00': times must be ISO 8601"):
        world.monitor.log_many({"x": [1.0], "time": ["01/02/2026 10:00"]})


def test_a_misspelt_mapping_is_refused(world: World) -> None:
    """A key of ``columns`` that vedette does not know is an error, not a feature."""
    with pytest.raises(ValueError, match="'predicton' is none of vedette's names"):
        world.monitor.log_many({"y_hat": [1]}, columns={"predicton": "y_hat"})


def test_a_lake_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A monitor whose journal has no place says so when it is made."""
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match="cannot be written"):
        vedette.Monitor("m", lake=tmp_path / "file" / "lake")


@pytest.mark.parametrize(
    "names", [("n", "known"), ("sign", "rows"), ("level", "column"), ("label__age", "price__log")]
)
def test_features_may_have_names_that_vedette_uses_inside(world: World, names: tuple[str, str]) -> None:
    """Names of columns that only vedette's own tables use are good names for features, text or numbers."""
    one, other = names
    world.monitor.reference(
        {one: ["a", "b"] * 200, other: np.arange(400.0), "prediction": [0, 1] * 200, "label": [0, 1] * 200}
    )
    for i in range(60):
        world.monitor.log({one: "a", other: float(i)}, i % 2, id=str(i), time=START)
        world.monitor.label(str(i), i % 2, time=START)
    world.round()
    assert accuracy(world)[:2] == (1.0, 60)
    assert world.monitor.figures("mean", feature=other)["n"].to_list() == [60]


def test_a_feature_with_a_double_underscore_is_not_a_type(world: World) -> None:
    """``price__log`` is a feature of its own: it does not fill the gaps of ``price``."""
    for i in range(100):
        world.monitor.log({"price": float(i) if i % 2 else None, "price__log": 1.0}, 1, time=START)
    assert world.monitor.figures("missing_share", feature="price")["value"].to_list() == [0.5]


def test_a_feature_spelled_otherwise_by_another_version_stops_nothing(world: World) -> None:
    """Delta's columns may not differ by case alone: the second spelling goes to the first one's column."""
    world.monitor.log({"Age": 1.0}, 1, time=START)
    with vedette.Monitor("m", version="2", lake=world.folder, clock=lambda: START.timestamp()) as other:
        other.log({"age": 2.0}, 1, time=START)
        world.round()
    assert world.lake.model("m")["predictions"].scan().sort("version").collect()["Age"].to_list() == [
        1.0,
        2.0,
    ]


def test_an_arrival_of_the_second_type_alone_is_the_same_feature(world: World) -> None:
    """Integers one day and fractions the next are one feature; no day of the rows is lost."""
    world.monitor.log_many({"x": [1, 2], "prediction": [0, 1], "time": [START] * 2})
    world.round()
    world.now += DAY
    world.monitor.log_many({"x": [3.5, 4.5], "prediction": [0.0, 1.0], "time": [START + DAY] * 2})
    world.round()
    assert world.monitor.figures("rows")["n"].to_list() == [2, 2]
    assert world.monitor.figures("mean", feature="x")["value"].to_list() == [1.5, 4.0]


def test_settings_travel_with_batches(world: World) -> None:
    """A model that only ever sends batches has the settings it was given."""
    with vedette.Monitor(
        "b", lake=world.folder, window="1d", task="classification", classes=["on", "late"], budget_per_month=5
    ) as one:
        one.log_many({"x": [1.0], "prediction": ["on"]})
        cycle.once(world.lake, models=["b"])
    kept = settings_of(world.lake.model("b"))
    assert (kept.window_s, kept.classes, kept.budget_per_month) == (86400.0, ("on", "late"), 5.0)


def test_a_process_that_only_labels_changes_no_settings(world: World) -> None:
    """Labels may come from a process that knows nothing but the model's name; and defaults override nothing."""
    world.log_day(world.rows(10))
    world.round()
    for act in (lambda m: m.label("id1", 1), lambda m: m.log({"x": 1.0}, 1)):
        with vedette.Monitor("m", lake=world.folder) as other:
            act(other)
        world.round()
    assert settings_of(world.lake.model("m")).window_s == 86400.0


def test_the_length_of_a_window_stays(world: World) -> None:
    """A producer that says another length is not followed: summaries are counted by the first."""
    world.log_day(world.rows(10))
    world.round()
    with vedette.Monitor("m", version="2", lake=world.folder, window="1h", budget_per_month=7) as other:
        other.log({"x": 1.0}, 1)
        world.round()
    kept = settings_of(world.lake.model("m"))
    assert (kept.window_s, kept.budget_per_month) == (86400.0, 7.0)


def test_the_same_reference_again_changes_nothing(world: World) -> None:
    """A service that gives its reference at every start does not erase an alarm, nor count the reference twice."""
    reference = world.rows(3000)
    world.monitor.reference(reference)
    for day in range(8):
        world.log_day(world.rows(400, shift=1.0 if day >= 4 else 0.0))
    world.round()
    for _ in range(3):
        world.monitor.reference(reference)
    world.round()
    assert world.verdict("x.location").verdict is Status.ALARM


def test_two_references_in_one_round_are_the_last(world: World) -> None:
    """Of two references with different columns the last is in force, whole and alone."""
    world.monitor.reference(world.rows(500))
    world.monitor.reference(world.rows(600).drop("c"))
    for _ in range(3):
        world.log_day(world.rows(100).drop("c"))
    world.round()
    assert world.health().verdict is Status.OK
    assert not [one for one in world.health().verdicts if one.watch.startswith("c.")]


def test_a_grid_cut_on_a_few_early_rows_gives_way_to_the_reference(world: World) -> None:
    """Rows that came before the reference do not decide the cells for ever."""
    world.monitor.log({"x": 0.0, "c": "a"}, 1, time=START)
    world.round()
    world.monitor.reference(world.rows(1000))
    world.round()
    world.log_day(world.rows(500))
    figure = world.monitor.figures("p50", feature="x", since=START).row(-1, named=True)
    assert figure["high"] - figure["low"] < 0.5


def test_a_damaged_batch_is_torn_and_stops_nothing(world: World) -> None:
    """A batch whose file is cut off counts as torn; rows beside it come in, and the ledger balances."""
    world.monitor.log_many(world.rows(40).drop("label"))
    (batch,) = (world.folder / ".journal").rglob("*.arrow")
    batch.write_bytes(batch.read_bytes()[:100])
    world.log_day(world.rows(30), labels=False)
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.total("torn"), ledger.total("in_lake"), ledger.balanced) == (40, 30, True)


def test_impossible_times_in_a_batch_are_rejected(world: World) -> None:
    """A time before 1970 is rejected with its reason, and no round fails over it."""
    world.monitor.log_many({"x": [1.0, 2.0], "time": [datetime(1900, 1, 1), datetime(2025, 12, 31)]})
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.total("rejected"), ledger.total("in_lake"), ledger.balanced) == (1, 1, True)


@pytest.mark.parametrize("name", ["requests", "ingest.lock", "follow.lock"])
def test_a_model_may_have_the_name_of_a_file(tmp_path: Path, name: str) -> None:
    """What vedette keeps beside the journals has names that no model can have."""
    world = World(tmp_path, model=name)
    world.log_day(world.rows(10))
    assert world.round() == 20
    world.monitor.close()


def test_one_models_trouble_is_not_anothers(world: World) -> None:
    """A model that cannot be ingested, and a stray folder, stop no other model's flush."""
    (world.folder / "Old Stuff").mkdir()
    with vedette.Monitor("sick", lake=world.folder) as other:
        other.log({"x": 1.0}, 1)
    (world.folder / "sick").write_text("in the way")
    world.log_day(world.rows(10))
    requests.ask(world.lake, "m", timeout_s=60)
    assert world.count("predictions") == 10


def test_the_ledger_balances_in_the_middle_of_a_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are in the table but not yet in its ledger are counted once."""
    world.log_day(world.rows(30))
    monkeypatch.setattr("vedette.engine.cycle.ingest.close", lambda *_: None)
    world.round()
    ledger = world.monitor.ledger()
    assert (ledger.balanced, ledger.total("in_journal"), ledger.total("in_lake")) == (True, 30, 0)


def test_as_of_does_not_tell_the_future(world: World) -> None:
    """As of the middle of a day, that day's rows are not known; by segment as on the whole."""
    world.log_day(world.rows(40))
    world.log_day(world.rows(40))
    noon = START + DAY + timedelta(hours=12)
    whole, by = (
        world.monitor.figures("accuracy", as_of=noon),
        world.monitor.figures("accuracy", by="c", as_of=noon),
    )
    assert (whole["n"].sum(), by["n"].sum()) == (40, 40)


def test_a_change_from_the_first_window_is_never_green(world: World) -> None:
    """A model that is bad from the start, with many rows a window, is at least a WARN."""
    world.monitor.reference(world.rows(3000, wrong=0.1))
    for _ in range(6):
        world.log_day(world.rows(1500, wrong=0.3))
    world.round()
    assert world.verdict("accuracy").verdict in (Status.WARN, Status.ALARM)


def test_labels_that_wait_for_their_window_are_not_missing(world: World) -> None:
    """Labels that came in a window that is still open are not "no labels"."""
    world.monitor.reference(world.rows(1000))
    for _ in range(3):
        world.log_day(world.rows(100), labels=False)
    for i in range(200):
        world.monitor.label(f"id{i}", 1, time=world.now)
    world.round()
    assert world.verdict("accuracy").reason == "no window with its rows has ended yet"


def test_a_type_change_against_the_reference_is_said(world: World) -> None:
    """A numeric feature of the reference that comes as text is a type change, not nulls."""
    world.monitor.reference(world.rows(1000))
    for _ in range(5):
        world.log_day(world.rows(200).with_columns(x=pl.lit("n/a")))
    world.round()
    events = world.lake.model("m")["events"].scan().select("kind", "name").collect().rows()
    assert ("type_changed", "x") in events
    assert "changed its type to text" in world.verdict("x.missing").evidence


def test_settings_know_what_was_given() -> None:
    """Defaults and what was said are told apart."""
    assert Settings().given == ()
