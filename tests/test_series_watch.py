"""All methods over series under one budget: what is found, what is not alarmed at, and that steps give what records give."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vedette.errors import DataError
from vedette.strategy.series import METHODS
from vedette.strategy.series.chain import Chain
from vedette.strategy.series.events import Calendar, seconds
from vedette.strategy.series.kept import to_bytes
from vedette.strategy.series.watch import SeriesWatch, WatchState, watch_series

HOUR = 3600.0
STEP = ["time_step"]  # where what is tested is no matter of the method
START = 1767571200.0  # Monday 5 January 2026


def hours(n: int) -> np.ndarray:
    return START + HOUR * np.arange(n)


def latency(n: int, k: int, seed: int) -> np.ndarray:
    """Milliseconds with a daily wave, autocorrelated noise, and nothing else."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(n, k)) * 5.0
    for row in range(1, n):
        noise[row] += 0.5 * noise[row - 1]
    return 200.0 + 30.0 * np.sin(2 * np.pi * np.arange(n) / 24.0)[:, None] + noise


@pytest.mark.parametrize("name", METHODS)
def test_steps_give_what_a_record_gives(name: str) -> None:
    """The same verdicts, evidence and alarms to the bit, by states that went through bytes."""
    x = latency(260, 2, 1)
    x[230:, 0] += 150.0
    x[210, 1] = np.nan
    whole = watch_series(x, hours(260), reference=200, names=["a", "b"], methods=[name])
    watch = SeriesWatch(["a", "b"], methods=[name])
    state = watch.begin(x[:200], hours(200))
    alarms = []
    for row in range(200, 260):
        kept = to_bytes(state)
        judged, after = watch.step(WatchState.from_bytes(kept), x[row], hours(260)[row])
        assert to_bytes(state) == kept  # the old state stays as it is
        again, _ = SeriesWatch(["a", "b"], methods=[name]).step(state, x[row], hours(260)[row])
        assert (again.strength == judged.strength).all()
        assert (judged.strength == whole.strength[row]).all()
        assert judged.verdict == tuple(whole.verdict[row])
        alarms += watch.alarms(judged, after, x[row], hours(260)[row], row)
        state = after
    assert repr(tuple(alarms)) == repr(whole.alarms)  # NaN is not equal to itself
    assert to_bytes(state) == to_bytes(whole.state)


def test_a_series_alone_is_judged_as_beside_others() -> None:
    """With the same budget a series, neighbours change nothing but the last digits."""
    x = latency(300, 3, 2)
    x[280:, 1] += 150.0
    beside = watch_series(x, hours(300), reference=240, names=list("abc"), budget_per_month=3.0)
    alone = watch_series(x[:, 1], hours(300), reference=240, names=["b"], budget_per_month=1.0)
    assert beside.strength[240:, 1] == pytest.approx(alone.strength[240:, 0], rel=1e-6)
    assert [alarm.row for alarm in beside.alarms if alarm.series == "b"] == [
        alarm.row for alarm in alone.alarms
    ]


def test_a_jump_is_told_in_words() -> None:
    """A latency of 340 where 200 or so was expected: within three hours, with the interval and the number."""
    x = latency(400, 1, 3)[:, 0]
    x[350:] += 140.0
    watched = watch_series(x, hours(400), reference=300, names=["latency_ms"])
    alarm = watched.alarms[0]
    assert 350 <= alarm.row <= 352
    assert alarm.series == "latency_ms"
    assert alarm.low < alarm.expected < alarm.high < alarm.value
    assert f"was {alarm.value:.4g}" in alarm.words
    assert "expected" in alarm.words
    assert alarm.guarantee in {"calibrated", "tracked"}
    assert START + 349 * HOUR <= alarm.since <= alarm.time
    assert watched.verdict[alarm.row, 0] == "ALARM"


def test_the_season_is_expected() -> None:
    """What is usual at night is an alarm at noon, though no number is out of the range of the day."""
    x = latency(24 * 20, 1, 4)[:, 0]
    noon = 24 * 18 + 6
    assert x[noon] > 220
    x[noon : noon + 3] = 165.0
    watched = watch_series(x, hours(len(x)), reference=24 * 15)
    assert any(noon <= alarm.row <= noon + 3 for alarm in watched.alarms)
    assert len(watched.alarms) <= 2


def test_a_restless_hour_is_no_news() -> None:
    """Where some hours are more restless than others each day, ten series of a week of five minutes alarm five times at most.

    The budget allows ten. With errors in one unit all day, twenty such series alarm 34 and 42 times (seeds 5 and 6).
    """
    random = np.random.default_rng(5)
    n = 750 + 2016
    wave = np.sin(2 * np.pi * (np.arange(n) / 12.0 - 8.0) / 24.0)[:, None]
    x = 3.0 * wave + np.exp(0.8 * wave) * random.normal(size=(n, 10))
    names = [str(one) for one in range(10)]
    times = 300.0 * np.arange(n)
    watched = watch_series(x, times, reference=750, names=names, budget_per_month=10 * 30 / 7)
    assert len(watched.alarms) <= 5


def test_a_busy_day_is_told_though_it_comes_slowly() -> None:
    """Of ten series that rise by half in four hours of five-minute steps blocks tell of most, the next number's errors of few."""
    random = np.random.default_rng(6)
    n, day = 288 * 8, 288 * 7
    wave = 1.0 + 0.5 * np.sin(2 * np.pi * np.arange(n) / 288.0)
    busy = np.interp(np.arange(n), [day, day + 48], [1.0, 1.6])
    x = random.gamma(4.0, (wave * busy)[:, None] * np.ones(10))
    names = [str(one) for one in range(10)]
    told = {}
    for method in ("blocks", "time_step"):
        watched = watch_series(
            x,
            300.0 * np.arange(n),
            reference=288 * 5,
            names=names,
            methods=[method],
            budget_per_month=10 * 30 / 7,
        )
        told[method] = [alarm for alarm in watched.alarms if alarm.row >= day]
    assert len({alarm.series for alarm in told["blocks"]}) >= 8
    assert len({alarm.series for alarm in told["time_step"]}) <= 4
    first = told["blocks"][0]
    assert first.value == pytest.approx(x[first.row - 11 : first.row + 1, int(first.series)].mean())
    assert f"was {first.value:.4g}" in first.words


def test_blocks_that_are_not_judged_leave_their_share() -> None:
    """With a reference of 300 numbers the evidence is that of the other methods, to the bit; with one of 600 it is not."""
    x, at = latency(660, 2, 9), hours(660)
    others = [name for name in METHODS if name != "blocks"]
    for reference, same in ((300, True), (600, False)):
        strength = [
            watch_series(x, at, reference=reference, methods=methods).strength for methods in (None, others)
        ]
        assert np.array_equal(*strength, equal_nan=True) == same


@pytest.mark.parametrize("kind", ["ar8", "rare"])
def test_the_budget_is_kept(kind: str) -> None:
    """In 20 series of half a month without a change there are at most 10 alarms; the mean is well below (see the benchmark)."""
    random = np.random.default_rng(20)
    n = 300 + 360
    x = random.normal(size=(n, 20))
    if kind == "ar8":
        for row in range(1, n):
            x[row] += 0.8 * x[row - 1]
    elif kind == "rare":
        x = (random.random(size=(n, 20)) < 0.001).astype(float)
    names = [str(one) for one in range(20)]
    watched = watch_series(x, hours(n), reference=300, names=names, budget_per_month=20.0)
    assert len(watched.alarms) <= 10


def test_the_limit_follows_the_budget_and_is_shared() -> None:
    """A_k = steps of a month x series / budget."""
    watch = SeriesWatch(["a", "b"], budget_per_month=4.0)
    state = watch.begin(latency(100, 2, 5), hours(100))
    assert state.limit == pytest.approx(np.full(2, 720 * 2 / 4.0))


def test_an_alarm_raises_the_limit_and_time_lowers_it() -> None:
    """Each alarm by e^1.5; after as many steps as the budget has for an alarm it is back, never below."""
    watch = SeriesWatch(budget_per_month=72.0, methods=["time_step"])  # one in ten hours
    x = latency(330, 1, 6)
    state = watch.begin(x[:300], hours(300))
    _, state = watch.step(state, np.array([2000.0]), hours(301)[-1])
    assert state.raised[0] == pytest.approx(1.5)
    for row in range(301, 306):
        _, state = watch.step(state, x[row], hours(330)[row])
    assert state.raised[0] == pytest.approx(0.75)
    for row in range(306, 316):
        _, state = watch.step(state, x[row], hours(330)[row])
    assert state.raised[0] == 0.0


def test_a_known_event_is_no_alarm() -> None:
    """After a deployment the level may be another: with it there is no alarm, without it there is."""
    x = np.random.default_rng(7).normal(size=400)
    x[300:] += 8.0
    told = watch_series(x, hours(400), reference=250, events=[hours(400)[300]], methods=STEP)
    not_told = watch_series(x, hours(400), reference=250, methods=STEP)
    assert told.alarms == ()
    assert len(not_told.alarms) >= 1


def test_holidays_are_not_judged() -> None:
    """On a holiday nothing is an alarm and nothing is learnt."""
    x = latency(24 * 40, 1, 8)[:, 0]
    day = slice(24 * 35, 24 * 36)
    x[day] -= 150.0
    holiday = datetime.fromtimestamp(hours(len(x))[day.start], UTC).date()
    with_ = watch_series(x, hours(len(x)), reference=600, calendar=Calendar(holidays=[holiday]), methods=STEP)
    without = watch_series(x, hours(len(x)), reference=600, methods=STEP)
    assert not [alarm for alarm in with_.alarms if day.start <= alarm.row < day.stop]
    assert [alarm for alarm in without.alarms if day.start <= alarm.row < day.stop]
    strength = with_.strength[day, 0]
    assert (strength == strength[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_skipped(bad: float) -> None:
    """Evidence stays, expectations are told, no warning, and the numbers after are judged."""
    x = latency(180, 1, 9)[:, 0]
    x[100:110] = bad
    x[160:170] = bad
    watched = watch_series(x, hours(180), reference=150)
    assert (watched.strength[160:170] == watched.strength[159]).all()
    assert np.isfinite(watched.expected[150:]).all()
    assert watched.alarms == ()


def test_gaps_and_uneven_steps_are_no_alarm() -> None:
    """A week without numbers, and steps of 40 to 80 minutes."""
    random = np.random.default_rng(10)
    times = START + np.cumsum(HOUR * random.uniform(0.67, 1.33, size=700))
    times[600:] += 7 * 86400.0
    x = 200.0 + 30.0 * np.sin(2 * np.pi * times / 86400.0) + random.normal(size=700) * 5.0
    assert watch_series(x, times, reference=500, methods=STEP).alarms == ()


@pytest.mark.parametrize("level", [0.0, 7.0, 1e300])
def test_a_constant_is_no_alarm_until_it_moves(level: float) -> None:
    """A series at rest is OK; that it moves for good is an alarm."""
    x = np.full(200, level)
    assert watch_series(x, hours(200), reference=120).alarms == ()
    x[150:] = level * 0.5 + 1.0
    assert watch_series(x, hours(200), reference=120).alarms[0].row >= 150


@pytest.mark.parametrize("reference", ["all missing", "short"])
def test_too_little_reference_is_unknown(reference: str) -> None:
    """Fewer than 50 numbers: UNKNOWN, and no alarm whatever comes."""
    x = latency(200, 1, 11)[:, 0]
    if reference == "all missing":
        x[:100] = np.nan
    x[150:] = 1e6
    watched = watch_series(x, hours(200), reference=100 if reference == "all missing" else 30)
    assert set(watched.verdict[100:, 0]) == {"UNKNOWN"}
    assert watched.alarms == ()


def test_values_of_any_size_give_the_same() -> None:
    """Units do not matter: the same alarms in seconds and in nanoseconds, and shifted."""
    x = latency(400, 1, 12)[:, 0]
    x[350] = 900.0
    rows = [
        [alarm.row for alarm in watch_series(x * by + to, hours(400), reference=300, methods=STEP).alarms]
        for by, to in ((1.0, 0.0), (1e-3, 0.0), (1e6, 5e7), (-1.0, 0.0))
    ]
    assert rows[0] == rows[1] == rows[2] == rows[3] != []


def test_the_chain_tells_how_long_until_it_fails() -> None:
    """Steps until a number over the cut that one number in six exceeds: independent, so six or so, and its regimes sum to 1."""
    x = np.random.default_rng(13).normal(size=(400, 1))
    method = Chain()
    state = method.begin(x, hours(400))
    cut = float(state.base.centre[0] + state.base.unit[0] * state.cuts[0, 5])
    expected, low, high = method.outlook(replace(state, at=np.array([3])), above=cut)[0]
    assert low < expected < high
    assert expected == pytest.approx(6.0, abs=2.0)
    assert method.regime(state).sum() == pytest.approx(1.0)
    far = method.outlook(state)[0]
    assert far[0] > expected


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"budget_per_month": 0.0}, "budget_per_month=0.0: must be a positive"),
        ({"budget_per_month": np.nan}, "budget_per_month=nan"),
        ({"methods": ["tea leaves"]}, "tea leaves.*must be one or more of"),
        ({"methods": []}, "must be one or more of"),
        ({"reference": 0}, "reference=0: must be 1 to 99"),
        ({"reference": 100}, "reference=100"),
        ({"quiet_steps": -1}, "quiet_steps=-1"),
        ({"names": ["a", "b"]}, "must be .rows, 2"),
        ({"events": ["noon"]}, "must be seconds since 1970"),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, object], match: str) -> None:
    """The error names the argument, its value and what would be right."""
    with pytest.raises(ValueError, match=match):
        watch_series(np.arange(100.0), hours(100), **wrong)  # type: ignore[arg-type]


def test_times_that_go_backwards_or_do_not_fit_are_refused() -> None:
    """One time a row, in order."""
    with pytest.raises(ValueError, match="backwards"):
        watch_series(np.arange(100.0), hours(100)[::-1])
    with pytest.raises(ValueError, match="one for each of 100 rows"):
        watch_series(np.arange(100.0), hours(99))
    with pytest.raises(ValueError, match="finite"):
        watch_series(np.arange(100.0), np.full(100, np.nan))


def test_times_may_be_of_any_kind() -> None:
    """datetime64, datetimes with and without a zone, and seconds are the same times."""
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    assert seconds([moment])[0] == START
    assert seconds([moment.replace(tzinfo=None)])[0] == START
    assert seconds(np.array(["2026-01-05T00:00"], dtype="datetime64[m]"))[0] == START


def test_a_calendar_follows_its_zone() -> None:
    """Berlin is an hour ahead in winter and two in summer, and an unknown zone is refused."""
    calendar = Calendar("Europe/Berlin", [date(2026, 1, 5)])
    times = np.array([START, START + 180 * 86400.0])
    assert (calendar.local(times) - times == [3600.0, 7200.0]).all()
    assert calendar.is_holiday(np.array([START - 3600.0, START - 3601.0])).tolist() == [True, False]
    with pytest.raises(ValueError, match="Atlantis"):
        Calendar("Atlantis")


@pytest.mark.parametrize("damage", ["empty", "other", "cut", "class"])
def test_bytes_that_are_no_state_are_refused(damage: str) -> None:
    """Nothing but a whole state of this package is read."""
    good = SeriesWatch(methods=["time_step"]).begin(latency(60, 1, 14), hours(60)).to_bytes()
    bad = {
        "empty": b"",
        "other": b"PK" + good,
        "cut": good[: len(good) // 2],
        "class": good.replace(
            b"vedette.strategy.series.watch:WatchState", b"subprocess.aaaaaaaaaaaaaaaaaaaaaa:Popen1"
        ),
    }[damage]
    with pytest.raises(DataError):
        WatchState.from_bytes(bad)


def test_the_code_of_the_page_runs() -> None:
    """docs/series.md: its alarm is found in the first hours, step by step as in the record, and states go through bytes."""
    text = (Path(__file__).parent.parent / "docs" / "series.md").read_text("utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/series.md", "exec"), names)
    assert WatchState.from_bytes(names["kept"]).to_bytes() == names["kept"]  # type: ignore[arg-type]
    assert 0.0 < names["low"] < names["expected"] < names["high"]  # type: ignore[operator]
    assert names["watched"].alarms == ()  # type: ignore[attr-defined]  # of the last block, which knew of the event


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_line_in_the_docs(name: str) -> None:
    """In the table of docs/series.md."""
    assert f"| `{name}` |" in (Path(__file__).parent.parent / "docs" / "series.md").read_text("utf-8")


@pytest.fixture(scope="module")
def nab() -> ModuleType:
    """The benchmark's scorer."""
    path = Path(__file__).parent.parent / "benchmarks" / "judgement" / "nab.py"
    spec = importlib.util.spec_from_file_location("nab_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nab_benchmark"] = module
    spec.loader.exec_module(module)
    return module


WINDOWS = ((200, 299), (600, 649))


def fired(*rows: int) -> np.ndarray:
    out = np.zeros(1000, dtype=bool)
    out[list(rows)] = True
    return out


@pytest.mark.parametrize("profile", ["standard", "reward_low_FP_rate", "reward_low_FN_rate"])
def test_never_is_0_and_perfect_is_100(nab: ModuleType, profile: str) -> None:
    """On every profile."""
    own = nab.PROFILES[profile]
    never = nab.score(fired(), WINDOWS, 150, own)[0]
    perfect = nab.score(fired(200, 600), WINDOWS, 150, own)[0]
    assert nab.normalised(never, 2, own) == pytest.approx(0.0)
    assert nab.normalised(perfect, 2, own) == pytest.approx(100.0)


def test_places_are_scored_by_the_definition(nab: ModuleType) -> None:
    """By hand: the middle of a window, twice in one, a detection before any window, one behind one, one far off."""
    own = nab.PROFILES["standard"]

    def place(y: float) -> float:
        return 2.0 / (1.0 + np.exp(5.0 * y)) - 1.0

    half = place(-0.5) / place(-1.0)
    assert nab.score(fired(250), WINDOWS, 150, own) == pytest.approx((half - 1.0, 1, 0))
    assert nab.score(fired(250, 251, 299), WINDOWS, 150, own) == pytest.approx((half - 1.0, 1, 0))
    assert nab.score(fired(160), WINDOWS, 150, own) == pytest.approx((-2.0 - 0.11, 0, 1))
    assert nab.score(fired(309), WINDOWS, 150, own) == pytest.approx((-2.0 + 0.11 * place(10 / 99), 0, 1))
    assert nab.score(fired(990), WINDOWS, 150, own) == pytest.approx((-2.0 - 0.11, 0, 1))
    assert nab.score(fired(10), WINDOWS, 150, own) == pytest.approx((-2.0, 0, 0))
    assert (nab.probation(4032), nab.probation(22695)) == (604, 750)


def test_a_folder_is_read_and_judged(nab: ModuleType, tmp_path: Path) -> None:
    """A series of the benchmark's form: its window is found early, and false alarms keep the budget."""
    x = latency(1000, 1, 15)[:, 0]
    x[800:] += 300.0
    times = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") for at in hours(1000)]
    (tmp_path / "data" / "own").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    lines = ["timestamp,value", *(f"{at},{value}" for at, value in zip(times, x, strict=True))]
    (tmp_path / "data" / "own" / "a.csv").write_text("\n".join(lines))
    label = [[f"{times[780]}.000000", f"{times[860]}.000000"]]
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps({"own/a.csv": label}))
    series = nab.read(tmp_path)
    assert series[0].windows == ((780, 860),)
    rows = nab.detect(series, 1.0, None)[0]
    total, found, outside = nab.score(rows, series[0].windows, series[0].probation, nab.PROFILES["standard"])
    assert found == 1
    assert outside <= 5  # a budget of one a week, in five weeks
    assert total > 0.8 - 0.11 * outside


def test_series_that_end_earlier_are_judged_as_if_alone(nab: ModuleType) -> None:
    """Side by side until each ends: the alarms of each alone, and of the last of them after the others ended."""
    series = []
    for number, rows in enumerate((560, 700, 620)):
        x = latency(rows, 1, 40 + number)[:, 0]
        x[rows - 50 :] += 300.0
        series.append(nab.Series(f"own/{number}", hours(rows), x, ()))
    for one, rows in zip(series, nab.detect(series, 1.0, None), strict=True):
        alone = watch_series(one.values, one.times, reference=one.probation, budget_per_month=30.0 / 7.0)
        assert np.flatnonzero(rows).tolist() == [alarm.row for alarm in alone.alarms]
        assert rows[len(one.values) - 50]
