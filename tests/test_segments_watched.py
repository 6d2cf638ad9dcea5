"""Segments and columns under the budget: watched beside the whole, and joined when they come later."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from tests.world import DAY, START, World
from vedette import strategy
from vedette.engine import alerts, cycle, judge
from vedette.engine.health import health as model_health
from vedette.engine.joining import JOIN_WINDOWS
from vedette.engine.state import kept_row
from vedette.lake.tables import Lake
from vedette.records import AlertState, Status


class Regions:
    """A model with a region, fed by batches of a day."""

    def __init__(self, folder: Path, segments: list[str] | None = None, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.day = START
        self.lake = Lake.at(folder)
        self.monitor = vedette.Monitor(
            "m", lake=folder, window="1d", task="classification", segments=segments,
            clock=lambda: self.day.timestamp(),
        )  # fmt: skip

    def rows(self, size: int, regions: str = "nsew", **shift: float) -> pl.DataFrame:
        """Rows whose x moves by so much in each region named; a tenth of predictions is wrong."""
        region = self.rng.choice(list(regions), size)
        label = self.rng.integers(0, 2, size)
        wrong = self.rng.random(size) < 0.1
        moved = np.array([shift.get(one, 0.0) for one in region])
        return pl.DataFrame(
            {
                "x": self.rng.normal(size=size) + moved,
                "region": region,
                "prediction": np.where(wrong, 1 - label, label),
                "label": label,
            }
        )

    def log(self, rows: pl.DataFrame, *, often: bool = True) -> None:
        """A day of rows, at its noon, and the round after it (unless ``often`` is False)."""
        self.day += DAY
        noon = self.day - DAY / 2
        self.monitor.log_many(rows.with_columns(pl.lit(noon).alias("time")))
        if often:
            cycle.once(self.lake, models=["m"])

    def alarms(self) -> set[tuple[str, str]]:
        """The watches and segments that alarm."""
        return {
            (one.watch, one.segment)
            for one in model_health(self.lake, "m").verdicts
            if one.verdict is Status.ALARM
        }

    def state(self) -> strategy.State:
        """The state of the detectors."""
        kept = kept_row(self.lake.model("m"))
        assert kept is not None
        return strategy.State.from_bytes(kept.block)


def test_a_change_in_one_segment_is_named_with_it(tmp_path: Path) -> None:
    """One region of four moves by a sd: its own watch alarms, the other regions' do not."""
    world = Regions(tmp_path, ["region"])
    world.monitor.reference(world.rows(6000))
    for day in range(12):
        world.log(world.rows(1200, n=1.0 if day >= 6 else 0.0), often=day == 11)
    found = world.alarms()
    assert ("x.location", "region=n") in found
    assert {segment for _, segment in found} <= {"", "region=n"}
    opened = alerts.alerts(world.lake.model("m"))
    told = next(one for one in opened if (one.watch, one.segment) == ("x.location", "region=n"))
    assert START + 6 * DAY <= told.opened <= START + 8 * DAY
    assert "mean went from" in told.evidence


def test_a_segments_accuracy_is_watched(tmp_path: Path) -> None:
    """Labels count in the segment of their row."""
    world = Regions(tmp_path, ["region"])
    world.monitor.reference(world.rows(6000))
    for day in range(10):
        rows = world.rows(1200)
        bad = (pl.col("region") == "s") & pl.lit(day >= 5)
        world.log(
            rows.with_columns(
                pl.when(bad).then(1 - pl.col("label")).otherwise("prediction").alias("prediction")
            ),
            often=day == 9,
        )
    assert ("accuracy", "region=s") in world.alarms()
    assert not {segment for watch, segment in world.alarms() if watch == "accuracy"} - {"", "region=s"}


def test_figures_of_the_whole_are_the_same_with_segments(tmp_path: Path) -> None:
    """Each row counts once."""
    found = []
    for segments in (None, ["region"]):
        world = Regions(tmp_path / str(segments is None), segments)
        world.monitor.reference(world.rows(2000))
        for _ in range(3):
            world.log(world.rows(300))
        found.append(world.monitor.figures(["rows", "mean", "accuracy"]))
    assert found[0].equals(found[1])
    assert found[0].filter(pl.col("metric") == "rows")["value"].to_list() == [300.0] * 3


def test_a_segment_that_comes_later_joins_with_its_share_of_the_reserve(tmp_path: Path) -> None:
    """A region that the reference lacks: a reference of its own after some windows, watched from then on; all shares
    together stay within the budget, and the others keep all they had."""
    world = Regions(tmp_path, ["region"])
    world.monitor.reference(world.rows(6000, "nse"))
    for day in range(4):
        world.log(world.rows(800, "nse"), often=day == 3)
    before = world.state()
    for day in range(JOIN_WINDOWS + 2):
        world.log(world.rows(800), often=day == JOIN_WINDOWS + 1)
    after = world.state()
    assert len(after.watch_key) > len(before.watch_key)
    assert float(after.weight.sum()) <= 1.0 + 1e-12
    own = np.isin(after.watch_key, before.watch_key)
    assert np.array_equal(np.sort(after.weight[own]), np.sort(before.weight))
    for day in range(8):
        world.log(world.rows(800, w=1.0), often=day == 7)
    assert ("x.location", "region=w") in world.alarms()
    assert ("x.location", "region=n") not in world.alarms()


def test_a_column_that_comes_later_joins_too(tmp_path: Path) -> None:
    """A feature that the reference lacks is watched once its first windows are a reference."""
    world = Regions(tmp_path)
    world.monitor.reference(world.rows(6000))

    def rows(level: float) -> pl.DataFrame:
        return world.rows(400).with_columns(pl.Series("late", world.rng.normal(level, 1.0, 400)))

    for day in range(JOIN_WINDOWS + 6):
        world.log(rows(0.0), often=day == JOIN_WINDOWS + 5)
    watched = {one.watch for one in model_health(world.lake, "m").verdicts}
    assert "late.location" in watched
    for day in range(6):
        world.log(rows(1.0), often=day == 5)
    assert ("late.location", "") in world.alarms()


def test_a_crash_after_something_joined_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What joins is written, the state is not, and late rows come before the next round: the first word holds."""
    world = Regions(tmp_path)
    world.monitor.reference(world.rows(3000))
    keep = judge._keep

    def dying(*_: object) -> None:
        raise OSError("power")

    def rows(size: int) -> pl.DataFrame:
        return world.rows(size).with_columns(pl.Series("late", world.rng.normal(size=size)))

    for _ in range(JOIN_WINDOWS):
        world.log(rows(300))
    monkeypatch.setattr(judge, "_keep", dying)
    with pytest.raises(OSError, match="power"):
        world.log(rows(300))
    monkeypatch.setattr(judge, "_keep", keep)
    world.monitor.log_many(rows(300).with_columns(pl.lit(START + DAY / 2).alias("time")))
    for _ in range(3):
        world.log(rows(300))
    joined = world.lake.model("m")["summaries"].scan().filter(pl.col("part") == "joined").collect()
    assert joined.filter(pl.col("column") == "late").height == 1
    assert "late.location" in {one.watch for one in model_health(world.lake, "m").verdicts}


def test_one_round_or_many_come_to_the_same(tmp_path: Path) -> None:
    """Segments, one of which comes later, judged day by day and all at once: the same state to the bit."""
    found = []
    for often in (True, False):
        world = Regions(tmp_path / str(often), ["region"], seed=7)
        world.monitor.reference(world.rows(3000, "ns"))
        for day in range(JOIN_WINDOWS + 6):
            world.log(world.rows(900, "nsw", w=2.0 if day > JOIN_WINDOWS + 2 else 0.0), often=often)
        world.log(world.rows(50))
        kept = kept_row(world.lake.model("m"))
        assert kept is not None
        every = alerts.alerts(world.lake.model("m"))
        found.append((kept.block, sorted((one.id, one.state, one.opened, one.closed) for one in every)))
    assert found[0] == found[1]
    assert found[0][1]


def test_a_new_reference_while_an_alarm_fires_tells_the_next(tmp_path: Path) -> None:
    """The old alert closes with the reference, and what goes wrong after it is an alert of its own."""
    world = Regions(tmp_path)
    world.monitor.reference(world.rows(3000))
    for day in range(8):
        world.log(world.rows(400, n=2.0, s=2.0, e=2.0, w=2.0) if day > 3 else world.rows(400))
    assert ("x.location", "") in world.alarms()
    world.monitor.reference(world.rows(3000, n=2.0, s=2.0, e=2.0, w=2.0))
    for _ in range(9):
        world.log(world.rows(400), often=False)
    world.log(world.rows(400))
    told = [one for one in alerts.alerts(world.lake.model("m")) if one.watch == "x.location"]
    assert [one.state for one in told] == [AlertState.FIRING, AlertState.RESOLVED]
    assert told[0].opened > told[1].opened


def test_a_segment_that_is_no_longer_named_is_no_longer_watched(tmp_path: Path) -> None:
    """Its alarm closes, and says why; the whole goes on with all it had."""
    world = Regions(tmp_path, ["region"])
    world.monitor.reference(world.rows(6000))
    for day in range(8):
        world.log(world.rows(1200, n=1.0 if day >= 4 else 0.0), often=day == 7)
    assert ("x.location", "region=n") in world.alarms()
    world.monitor.close()
    other = Regions(tmp_path, [], seed=9)
    other.day = world.day
    for _ in range(2):
        other.log(other.rows(1200))
    assert {one.segment for one in model_health(world.lake, "m").verdicts} == {""}
    told = [one for one in alerts.alerts(world.lake.model("m")) if one.segment]
    assert {(one.state, "no longer watched" in str(one.reason)) for one in told} == {
        (AlertState.RESOLVED, True)
    }


def test_a_column_of_names_that_comes_later_tells_of_no_unseen_ones(tmp_path: Path) -> None:
    """Its levels were cut on the rows that are its reference: each day's new names are no change."""
    world = Regions(tmp_path)
    world.monitor.reference(world.rows(3000))
    for day in range(JOIN_WINDOWS + 8):
        names = [f"{day}-{at // 4}" for at in range(400)]
        world.log(world.rows(400).with_columns(pl.Series("who", names)), often=day in (0, JOIN_WINDOWS + 7))
    assert {watch for watch, _ in world.alarms() if watch.startswith("who.unseen")} == set()


def test_a_new_reference_makes_what_joined_void(tmp_path: Path) -> None:
    """Everything is judged against the new reference, and the whole budget is shared out anew."""
    world = Regions(tmp_path)
    world.monitor.reference(world.rows(3000))
    for _ in range(JOIN_WINDOWS + 3):
        world.log(world.rows(400).with_columns(late=pl.lit(1.0)))
    assert int(world.state().joined[0]) == 1
    world.monitor.reference(world.rows(3000).with_columns(late=pl.lit(1.0)))
    for _ in range(2):
        world.log(world.rows(400).with_columns(late=pl.lit(1.0)))
    assert int(world.state().joined[0]) == 0
    assert float(world.state().weight.sum()) == pytest.approx(0.9)


def test_an_identifier_named_as_segments_is_refused(tmp_path: Path) -> None:
    """A thousand values: none is watched, and a verdict says how many there are and what would be right."""
    world = Regions(tmp_path, ["user"])
    world.monitor.reference(world.rows(3000).with_columns(user=pl.int_range(3000) // 3))
    for _ in range(3):
        world.log(world.rows(400).with_columns(user=pl.int_range(400)))
    verdicts = {one.watch: one for one in model_health(world.lake, "m").verdicts}
    assert verdicts["segments:user"].verdict is Status.UNKNOWN
    assert str(verdicts["segments:user"].reason).startswith("1,000 values: at most 100 segments are watched")
    assert {one.segment for one in verdicts.values()} == {""}


def test_no_more_segments_are_watched_than_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """40 users of the reference and 80 others that come later: a hundred are watched, and the log says who is not."""
    world = Regions(tmp_path, ["user"])
    world.monitor.reference(world.rows(2000).with_columns(user=pl.int_range(2000) % 40))
    few = world.rows(400).with_columns(user=pl.int_range(400) % 40)
    many = world.rows(2000).with_columns(user=40 + pl.int_range(2000) % 80)
    with caplog.at_level(logging.WARNING, "vedette"):
        world.log(few)
        assert "not watched" not in caplog.text
        world.log(many)
    events = world.lake.model("m")["events"].scan().filter(pl.col("kind") == "segment").collect()
    names = events["name"].to_list()
    assert (len(names), len(set(names))) == (100, 100)
    assert {f"user={one}" for one in range(40)} <= set(names)
    left = {f"user={one}" for one in range(120)} - set(names)
    [said] = [one.getMessage() for one in caplog.records if "not watched" in one.getMessage()]
    assert said.endswith("and 19 more are not watched: at most 100 are")
    assert said.split()[1] in left
    world.log(many)
    assert world.lake.model("m")["events"].scan().filter(pl.col("kind") == "segment").collect().height == 100


@pytest.mark.parametrize("segments", ["region", [3], [""]])
def test_segments_are_a_list_of_columns(segments: object) -> None:
    """A text, a number or an empty name is refused with what would be right."""
    with pytest.raises(ValueError, match="must be a list of columns, such as"):
        vedette.Monitor("m", segments=segments)  # type: ignore[arg-type]


def test_a_column_that_never_comes_gives_no_segments(tmp_path: Path) -> None:
    """The whole is watched as ever, and a verdict says so."""
    world = Regions(tmp_path, ["nowhere"])
    world.monitor.reference(world.rows(3000))
    for _ in range(3):
        world.log(world.rows(400))
    verdicts = {one.watch: one for one in model_health(world.lake, "m").verdicts}
    assert {one.segment for one in verdicts.values()} == {""}
    assert verdicts["segments:nowhere"].reason == "no column 'nowhere' has come"


def test_the_world_is_quiet(world: World) -> None:
    """A latency that the reference lacks joins without an alarm."""
    world.monitor.reference(world.rows(2000))
    for _ in range(JOIN_WINDOWS + 4):
        world.log_day(world.rows(200))
        world.round()
    verdicts = {one.watch: one.verdict for one in world.health().verdicts}
    assert verdicts["latency.location"] is Status.OK
    assert Status.ALARM not in verdicts.values()


def test_latencies_that_are_one_value_a_day_join_without_an_alarm(tmp_path: Path) -> None:
    """A batch a day has one latency: days differ, rows do not; what the first days show of that is allowed for."""
    alarmed = set()
    for seed in range(2):
        world = Regions(tmp_path / str(seed), seed=seed)
        world.monitor.reference(world.rows(3000))
        for _ in range(JOIN_WINDOWS + 26):
            latency = float(world.rng.lognormal(-6.0, 0.3))
            world.log(world.rows(400).with_columns(latency_s=pl.lit(latency)), often=False)
        world.log(world.rows(400))
        alarmed |= world.alarms() | {(one.watch, "") for one in alerts.alerts(world.lake.model("m"))}
    assert {watch for watch, _ in alarmed if watch.startswith("latency")} == set()
