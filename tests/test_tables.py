"""Tables are appended to exactly once, and say clearly what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

import vedette
from tests.world import World
from vedette.errors import LakeError, LockedError
from vedette.lake.locks import held, lock
from vedette.lake.tables import SCHEMAS, Lake, Table

EVENT = {
    "time": [datetime(2026, 1, 1, tzinfo=UTC)],
    "kind": ["settings"],
    "name": [""],
    "version": ["1"],
    "detail": ["{}"],
}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Lake.at(tmp_path).model("m")["events"]


def test_the_same_sequence_is_written_once(table: Table) -> None:
    """A commit that is repeated after a crash adds nothing: the watermark is compared before the commit."""
    frame = pl.DataFrame(EVENT)
    first, again = table.write(frame, {"p/x": 7}), table.write(frame, {"p/x": 7})
    assert (first, again, table.scan().collect().height, table.through("p/x")) == (True, False, 1, 7)


def test_an_unknown_producer_has_no_watermark(table: Table) -> None:
    """A producer that never wrote is at 0, in a table that is not there too."""
    assert table.through("p/x") == 0
    table.write(pl.DataFrame(EVENT), {})
    assert table.through("p/x") == 0


def test_replacing_leaves_one_row(tmp_path: Path) -> None:
    """The state table holds the last row only, and one commit replaces it."""
    state = Lake.at(tmp_path).model("m")["state"]
    for step in (1, 2):
        state.write(pl.DataFrame({"step": [step], "block": [b"x"]}), {}, replace=True)
    assert state.scan().collect()["step"].to_list() == [2]


def test_a_table_is_readable_by_others(table: Table) -> None:
    """What is written is a Delta table that DuckDB's, Spark's and Polars' readers know (here: delta-rs and Polars)."""
    table.write(pl.DataFrame(EVENT), {})
    assert pl.read_delta(str(table.path))["kind"].to_list() == ["settings"]


def test_an_unknown_table_is_named(tmp_path: Path) -> None:
    """Asking for a table that vedette does not have names those it has."""
    with pytest.raises(KeyError, match="predictions, labels"):
        Lake.at(tmp_path).model("m")["prediction"]


def test_a_lake_cannot_be_a_file(tmp_path: Path) -> None:
    """A file in the lake's place is refused with its name."""
    path = tmp_path / "lake"
    path.write_text("x")
    with pytest.raises(LakeError, match="is a file; must be a folder"):
        Lake.at(path)


def test_a_lake_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the place of a table's folder is a LakeError that names the table."""
    lake = Lake.at(tmp_path)
    (tmp_path / "m").write_text("in the way")
    with pytest.raises(LakeError, match="events: cannot be written"):
        lake.model("m")["events"].write(pl.DataFrame(EVENT), {})


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    """A lock that is held is refused with its holder, and free again after."""
    path = tmp_path / "x.lock"
    with lock(path):
        with pytest.raises(LockedError, match="held by process"), lock(path):
            pass
        assert held(path)
    assert not held(path)


def test_a_lake_of_another_layout_is_told(tmp_path: Path) -> None:
    """A table that lacks a column, or has it in another type, is a LakeError for readers and writers alike."""
    summaries = Lake.at(tmp_path).model("m")["summaries"]
    old = pl.DataFrame(schema={name: kind for name, kind in SCHEMAS["summaries"].items() if name != "cubes"})
    write_deltalake(summaries.path, old)
    with pytest.raises(LakeError, match=r"summaries: the column 'cubes' is missing: .*lake of its own"):
        summaries.scan()
    with pytest.raises(LakeError, match="'cubes' is missing"):
        summaries.write(pl.DataFrame(schema=SCHEMAS["summaries"]), {"p/predictions": 1})
    events = Lake.at(tmp_path).model("m")["events"]
    write_deltalake(events.path, pl.DataFrame(EVENT).with_columns(version=1))
    with pytest.raises(LakeError, match="events: the column 'version' is of type integer and not string"):
        events.write(pl.DataFrame(EVENT), {})
    assert pl.read_delta(str(summaries.path)).columns == old.columns  # as it was


def test_summaries_of_another_version_are_told(world: World) -> None:
    """Counts that are laid out otherwise than this version counts them are a LakeError, not a traceback of arrays."""
    world.log_day(world.rows(20))
    world.round()
    table = world.lake.model("m")["summaries"]
    rows = table.scan().collect().with_columns(pl.col("counts").list.head(3))
    table.write(rows, {}, replace=True)
    with pytest.raises(LakeError, match="table summaries: the column 'counts' of 'x' holds 3 numbers a row"):
        world.monitor.figures("mean", feature="x")


@pytest.mark.parametrize("name", ["my lake", "Übung é", "plain"])
def test_a_lake_can_be_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """Blanks and accents, which a URL encodes."""
    world = World(tmp_path / name)
    for _ in range(2):
        world.log_day(world.rows(20))
        world.round()
    world.log_day(world.rows(20))
    assert world.monitor.figures("rows")["value"].to_list() == [20.0] * 3
    assert world.count("predictions") == 40
    world.monitor.close()


@pytest.mark.parametrize("name", ["a[1]", "a|b", "a^b", "50%", "a#1", "what?"])
def test_a_folder_that_delta_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    """At once and with the character, not by a panic of a library when the first rows come in."""
    with pytest.raises(LakeError, match="is what Delta tables cannot have"):
        vedette.Monitor("m", lake=tmp_path / name)
