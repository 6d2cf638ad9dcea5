"""Figures of windows are held against what was expected of them at their hour, and tell when it is another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import vedette
from vedette import config
from vedette.engine import cycle
from vedette.engine.alerts import accept, alerts
from vedette.engine.health import health
from vedette.engine.series_watched import SERIES_WINDOWS, SeriesStanding, accept_series, series_verdicts
from vedette.engine.state import kept_row
from vedette.lake.tables import Lake
from vedette.strategy import State

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = 60


class Hours:
    """A model with windows of an hour, whose feature and latency have a wave of a day; ``text`` is its vedette.toml."""

    def __init__(self, folder: Path, text: str = "", seed: int = 0) -> None:
        self.folder, self.random, self.hour = folder, np.random.default_rng(seed), 0
        path = folder / "vedette.toml"
        path.write_text(f"[models.m]\nseries = true\n{text}")
        self.written = config.read(path)
        self.monitor = vedette.Monitor(
            "m", lake=folder / "lake", window="1h", clock=lambda: (START + HOUR * self.hour).timestamp()
        )

    def run(self, hours: int, *, shift: float = 0.0, version: str = "1", rounds: int = 1) -> None:
        """So many hours, in so many rounds."""
        for part in np.array_split(np.arange(self.hour, self.hour + hours), rounds):
            frames = []
            for hour in part.tolist():
                wave = 2.0 * np.sin(2 * np.pi * hour / 24)
                x = self.random.normal(size=ROWS) + wave + shift
                times = [START + HOUR * hour + HOUR / 2] * ROWS
                frames.append(
                    pl.DataFrame(
                        {
                            "x": x,
                            "prediction": self.random.normal(size=ROWS),
                            "time": times,
                            "version": version,
                        }
                    )
                )
            self.hour += len(part)
            with vedette.Monitor(
                "m",
                version=version,
                lake=self.folder / "lake",
                window="1h",
                clock=lambda: (START + HOUR * self.hour).timestamp(),
            ) as monitor:
                monitor.log_many(pl.concat(frames).drop("version"))
            cycle.once(self.lake, models=["m"], written=self.written)

    @property
    def lake(self) -> Lake:
        return Lake.at(self.folder / "lake")

    def verdicts(self) -> dict[str, vedette.Verdict]:
        return {one.watch: one for one in health(self.lake, "m").verdicts if one.watch.endswith(".expected")}

    def opened(self) -> list[datetime]:
        """When alarms of the feature opened."""
        rows = (
            self.lake.model("m")["alerts"]
            .scan()
            .filter(pl.col("watch") == "x.expected", pl.col("state") == "firing")
        )
        return rows.select("opened").unique().sort("opened").collect()["opened"].to_list()


def test_a_shift_smaller_than_the_wave_is_told_with_what_was_expected(tmp_path: Path) -> None:
    """A shift of half the wave's height is an alarm within three hours, without a reference, in numbers."""
    model = Hours(tmp_path)
    model.run(24 * 8)
    told = {name: one.verdict for name, one in model.verdicts().items()}
    assert told == dict.fromkeys(("x.expected", "prediction.expected", "error_rate.expected"), "OK")
    assert model.opened() == []
    model.run(3, shift=1.0)
    found = model.verdicts()["x.expected"]
    assert found.verdict == "ALARM"
    assert "expected" in found.evidence
    assert ", was " in found.evidence
    assert START + HOUR * 24 * 8 <= model.opened()[0] <= START + HOUR * (24 * 8 + 2)
    assert model.verdicts()["prediction.expected"].verdict == "OK"


def test_an_alarm_closes_when_the_new_level_is_learned(tmp_path: Path) -> None:
    """A level that stays is normal in the end; the alert is resolved, and its reason says so."""
    model = Hours(tmp_path, seed=1)
    model.run(24 * 4)
    model.run(24 * 3, shift=3.0)
    assert model.verdicts()["x.expected"].verdict == "OK"
    rows = model.lake.model("m")["alerts"].scan().filter(pl.col("watch") == "x.expected").collect()
    assert "resolved" in rows["state"].to_list()
    assert any("new level was learned" in (one or "") for one in rows["reason"].to_list())


def test_nothing_is_watched_before_fifty_windows(tmp_path: Path) -> None:
    """A series has no verdict until it has a past: it is not UNKNOWN for two days."""
    model = Hours(tmp_path, seed=2)
    model.run(SERIES_WINDOWS - 1)
    assert model.verdicts() == {}
    model.run(3)
    assert set(model.verdicts()) == {"x.expected", "prediction.expected", "error_rate.expected"}


@pytest.mark.parametrize("rounds", [3, 7])
def test_how_rounds_are_cut_changes_nothing(tmp_path: Path, rounds: int) -> None:
    """The windows decide, not the rounds that look: the same verdicts and the same state."""
    kept = []
    for number, cut in enumerate((1, rounds)):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = Hours(folder, seed=3)
        model.run(24 * 3 + 5, rounds=cut)
        model.run(4, shift=1.5, rounds=min(cut, 3))
        kept.append(({name: one.verdict for name, one in model.verdicts().items()}, model.opened()))
    assert kept[0] == kept[1]


def test_a_new_version_is_a_known_event(tmp_path: Path) -> None:
    """After another version came the level may be another: it is learned, and no alarm."""
    model = Hours(tmp_path, seed=4)
    model.run(24 * 4)
    model.run(24, shift=3.0, version="2")
    assert model.opened() == []


def test_an_event_that_was_written_down_is_known(tmp_path: Path) -> None:
    """A time in ``events`` does what a new version does; a holiday is neither judged nor learned."""
    told = Hours(tmp_path, f"events = [{(START + HOUR * 24 * 4).isoformat()}]", seed=5)
    told.run(24 * 4)
    told.run(12, shift=3.0)
    assert told.opened() == []
    other = tmp_path / "holiday"
    other.mkdir()
    holiday = Hours(other, f"holidays = [{(START + HOUR * 24 * 4).date()}]", seed=5)
    holiday.run(24 * 4)
    holiday.run(24, shift=3.0)
    holiday.run(12)
    assert holiday.opened() == []


def test_series_can_be_turned_off(tmp_path: Path) -> None:
    """With ``series = false`` there are no such verdicts, and the detectors have the whole budget."""
    model = Hours(tmp_path, "rules.low = 'rows < 1'\n", seed=6)
    model.written.models["m"]["series"] = False  # type: ignore[index]
    model.run(60)
    assert model.verdicts() == {}
    kept = kept_row(model.lake.model("m"))
    assert kept is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("series = 1", "series=1: must be true or false"),
        ("holidays = ['soon']", "holidays: 'soon': must be like 2026-12-25"),
        ("events = '2026-05-03'", "events='2026-05-03': must be a list"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, line: str, said: str) -> None:
    """Wrong values are named, with what would be right."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[models.m]\n{line}\n")
    with pytest.raises(vedette.errors.ConfigError, match=said):
        config.read(path)


def test_the_budget_is_split_as_long_as_series_are_on(tmp_path: Path) -> None:
    """The detectors have 0.8 of the budget with series and all of it without, from the round in which that is said."""
    model = Hours(tmp_path, seed=7)
    model.monitor.reference(
        pl.DataFrame({"x": model.random.normal(size=400), "prediction": model.random.normal(size=400)})
    )
    model.run(4)

    def budget() -> float:
        kept = kept_row(model.lake.model("m"))
        assert kept is not None
        return float(State.from_bytes(kept.block).budget[0])

    assert budget() == pytest.approx(0.8)
    model.written.models["m"]["series"] = False  # type: ignore[index]
    model.run(2)
    assert budget() == pytest.approx(1.0)


def test_a_series_that_no_longer_comes_is_unknown(tmp_path: Path) -> None:
    """After two days without a number there is a reason in place of an OK that says nothing of now."""
    model = Hours(tmp_path, seed=8)
    model.run(60)
    standing = SeriesStanding.read(kept_row(model.lake.model("m")).series)  # type: ignore[union-attr]
    assert standing is not None
    later = replace(standing, known=standing.known + timedelta(hours=49))
    found = {one.watch: one for one in series_verdicts(later, HOUR)}
    assert found["x.expected"].verdict == "UNKNOWN"
    assert found["x.expected"].reason == "no figure since 2026-01-07 11:00 UTC"


def test_a_person_may_say_that_a_level_is_normal(tmp_path: Path) -> None:
    """An accepted alarm closes, and the level is learned anew; of another watch nothing is known here."""
    model = Hours(tmp_path, seed=9)
    model.run(24 * 8)
    model.run(3, shift=4.0)
    assert model.verdicts()["x.expected"].verdict == "ALARM"
    found = [one for one in alerts(model.lake.model("m")) if one.watch == "x.expected"]
    accept(model.lake.model("m"), found[0].id, by="ada", reason=None, now=START)
    assert model.verdicts()["x.expected"].verdict == "OK"
    standing = SeriesStanding.read(kept_row(model.lake.model("m")).series)  # type: ignore[union-attr]
    assert standing is not None
    assert accept_series(standing, "x.expected") is None


def test_a_holiday_in_the_past_is_not_learned_from(tmp_path: Path) -> None:
    """Fifty windows without the holiday's are what a series begins with, and it is judged then."""
    model = Hours(tmp_path, f"holidays = [{START.date()}]", seed=10)
    model.run(60)
    assert model.verdicts() == {}
    model.run(20)
    assert model.verdicts()["x.expected"].verdict == "OK"
    model.run(24 * 6)
    model.run(3, shift=4.0)
    assert model.verdicts()["x.expected"].verdict == "ALARM"


def test_series_of_an_older_version_begin_anew_and_judge_nothing_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The state of a format before this one is no damage: it is said, and watching goes on from where judging is."""
    import base64
    import json
    import zlib
    from datetime import UTC, datetime

    from vedette.engine.judge import _series
    from vedette.engine.series_watched import SeriesStanding
    from vedette.engine.state import Kept

    cohort = {
        "names": [],
        "share": 1.0,
        "state": base64.b64encode(b"VDSERIES1....").decode(),
        "open": {},
        "words": {},
        "seen": 0,
    }
    known = datetime(2026, 3, 1, tzinfo=UTC)
    held = {"arrival": 3, "known": known.isoformat(), "cohorts": [cohort], "past": {}}
    data = zlib.compress(json.dumps(held).encode())
    assert SeriesStanding.read(data) is None
    assert "older version of vedette" in caplog.text
    kept = Kept(7, "", -1, 5, known, None, "3", b"", "[]", "[]", "", series=data)
    assert _series(kept) == SeriesStanding(5, known)
