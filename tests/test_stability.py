"""The stability of a model through the lake: objectives, crash loops and their alerts, latency, memory, load, equal inputs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.test_cli import run as command
from vedette import Monitor, config
from vedette.config.slo import slo_of
from vedette.engine import alerts as engine
from vedette.engine import cycle
from vedette.engine.alert_pictures import pictures_of
from vedette.engine.explain import explain
from vedette.engine.false_alarms import measured
from vedette.engine.health import health, health_with_kin
from vedette.engine.stability import facts
from vedette.engine.stability.objectives import buckets
from vedette.engine.stability.stability import stability
from vedette.errors import AlertError
from vedette.lake.tables import Lake
from vedette.records import AlertState, Status

START = datetime(2026, 5, 1, tzinfo=UTC)
ANSWERS = {"objective": 0.99, "of": "error_rate"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = START.timestamp()

    def __call__(self) -> float:
        return self.now_s

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def judged(lake: Lake, clock: Clock, said: dict[str, Any]) -> None:
    """A round of all models, with these tables in vedette.toml."""
    cycle.once(lake, clock=clock, written=config.Config(models=said))


def serve(
    monitor: Monitor, clock: Clock, minutes: int, *, bad: float = 0.0, n: int = 20, **more: Any
) -> None:
    """Minutes of n calls each, of which a share fails."""
    for _ in range(minutes):
        for at in range(n):
            failed = at < round(bad * n)
            monitor.log(
                {"x": float(at)}, None if failed else 1, error="Boom" if failed else None,
                **{"latency_s": 0.1, **more}, time=clock.now_s + at * 60 / n,
            )  # fmt: skip
        clock.now_s += 60.0


def states(lake: Lake, model: str, watch: str) -> list[AlertState]:
    """The states of the alerts of a watch, the oldest first."""
    return [one.state for one in engine.alerts(lake.model(model))[::-1] if one.watch == watch]


# --- objectives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"of": "error_rate"}, "objective=None: must lie above 0 and below 1"),
        ({"objective": 0.9}, "of=None: must be 'error_rate', 'available', or a column below a limit"),
        ({"objective": 0.9, "of": "latency_s > 1"}, "must be 'error_rate', 'available', or a column"),
        ({"objective": 0.9, "of": "latency_s < 0"}, "must be a limit above 0"),
        ({"objective": 0.9, "of": "error_rate", "period": "1m"}, "must be an hour or longer"),
        ({"objective": 0.9, "of": "error_rate", "endpoint": "a"}, "goes with of = 'available' alone"),
        ({"objective": 0.9, "of": "error_rate", "window": "1h"}, "unknown key 'window'"),
        ({"objective": 0.9, "of": "error_rate", "min_rows": 0}, "must be a whole number from 1"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(table: dict[str, Any], words: str) -> None:
    """With its name, the value, and what is right."""
    with pytest.raises(ValueError) as caught:
        slo_of("answers", table)
    assert str(caught.value).startswith("slo.answers: ")
    assert words in str(caught.value)


def test_a_burning_budget_fires_and_resolves_once(tmp_path: Path, clock: Clock) -> None:
    """OK while all is well; ALARM and one alert while most fail, whatever the rounds; resolved when it has ended."""
    lake, said = Lake.at(tmp_path), {"m": {"slo": {"answers": ANSWERS}}}
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        seen, since = [], []
        for minutes, bad in ((60, 0.0), (20, 0.6), (10, 0.6), (40, 0.0)):
            serve(monitor, clock, minutes, bad=bad)
            judged(lake, clock, said)
            judged(lake, clock, said)
            found = {one.watch: one for one in health(lake, "m", clock.now).verdicts}["slo:answers"]
            seen.append((found.verdict, states(lake, "m", "slo:answers")))
            since.append(found.since)
    firing, over = [AlertState.FIRING], [AlertState.RESOLVED]
    assert seen == [(Status.OK, []), (Status.ALARM, firing), (Status.ALARM, firing), (Status.WARN, over)]
    (one,) = engine.alerts(lake.model("m"))
    assert "burns at" in one.evidence
    assert since == [None, one.opened, one.opened, None]  # what tells this alarm from the next
    assert one.reason == "recovered"


def test_a_hole_is_no_recovery_and_a_budget_that_is_removed_is(tmp_path: Path, clock: Clock) -> None:
    """Without rows for days it cannot be told: the alert stays. Taken out of the file, it is resolved with that reason."""
    lake, said = Lake.at(tmp_path), {"m": {"slo": {"answers": ANSWERS}}}
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        serve(monitor, clock, 30, bad=0.5)
        judged(lake, clock, said)
        clock.now_s += 5 * 86_400.0
        judged(lake, clock, said)
    assert states(lake, "m", "slo:answers") == [AlertState.FIRING]
    (verdict,) = [one for one in health(lake, "m", clock.now).verdicts if one.watch == "slo:answers"]
    assert (verdict.verdict, verdict.reason) == (
        Status.UNKNOWN,
        "0 rows in the longest window: 50 are needed",
    )
    with pytest.raises(AlertError, match="which knows no normal"):
        engine.check_acceptable(lake.model("m"), engine.alerts(lake.model("m"))[0].id)
    judged(lake, clock, {"m": {"slo": {}}})
    (one,) = engine.alerts(lake.model("m"))
    assert (one.state, one.reason) == (AlertState.RESOLVED, "the rule was changed or removed")


def test_an_alert_of_a_budget_is_explained_and_is_no_part_of_the_false_alarms(
    tmp_path: Path, clock: Clock
) -> None:
    """In its own words, by its name and its id, beside a deployment of then; the budget of false alarms is not touched."""
    lake, said = Lake.at(tmp_path), {"m": {"slo": {"answers": ANSWERS}, "rules": {"any": "rows < 1"}}}
    with Monitor("m", lake=tmp_path, clock=clock, resources=False, window="5m") as monitor:
        serve(monitor, clock, 30, bad=0.5)
        event = {"time": clock.now, "kind": "deployment", "name": "d1", "version": "5", "detail": "{}"}
        judged(lake, clock, said)
        tables = lake.model("m")
        tables["events"].write(pl.DataFrame([event], schema_overrides={"time": pl.Datetime("us", "UTC")}), {})
    (one,) = [one for one in engine.alerts(lake.model("m")) if one.watch == "slo:answers"]
    for asked in ("slo:answers", one.id):
        found = explain(lake, "m", asked)
        assert found is not None
        assert (found.verdict, found.evidence) == ("ALARM", one.evidence)
        assert [each.kind for each in found.events if each.kind == "deployment"] == ["deployment"]
    with pytest.raises(ValueError, match="nothing was told of it"):
        explain(lake, "m", "slo:other")
    counted = measured(lake.model("m"), engine.alerts(lake.model("m")))
    assert counted is None or counted.told == 0
    assert pictures_of(lake, "m", [one]) == ()


def test_rows_of_long_ago_wake_nobody(tmp_path: Path, clock: Clock) -> None:
    """A replay of last month's outage: by the wall's clock nothing burns now."""
    lake = Lake.at(tmp_path)
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        serve(monitor, clock, 30, bad=0.5)
        clock.now_s += 30 * 86_400.0
        judged(lake, clock, {"m": {"slo": {"answers": ANSWERS}}})
    assert states(lake, "m", "slo:answers") == []


def test_buckets_hold_every_row_with_its_weight(tmp_path: Path, clock: Clock) -> None:
    """All rows and all that were bad are in the buckets; sampled ones stand for as many as they were drawn from."""
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        serve(monitor, clock, 10, bad=0.25, inclusion=0.5)
        serve(monitor, clock, 10, bad=0.0, latency_s=0.3)
        monitor.flush()
    tables, since = Lake.at(tmp_path).model("m"), START - timedelta(minutes=1)
    for of, bad, total in (("error_rate", 100.0, 600.0), ("latency_s < 0.25", 200.0, 600.0)):
        found = buckets(tables, slo_of("a", {"objective": 0.9, "of": of}), since, clock.now)
        assert not isinstance(found, str)
        assert (found["bad"].sum(), found["total"].sum(), found.height) == (bad, total, 20)
    slo = slo_of("a", {"objective": 0.9, "of": "stage_model_s < 0.1"})
    assert buckets(tables, slo, since, clock.now) == "no row has a column 'stage_model_s'"


# --- endpoints ------------------------------------------------------------------------------------------------------


def looks(
    monitor: Monitor, clock: Clock, n: int, *, up: bool = True, start: float | None = None, **more: Any
) -> None:
    """Looks at an endpoint, 15 s apart, as they are recorded."""
    for _ in range(n):
        row = {
            "endpoint": "live",
            "up": int(up),
            "every_s": 15.0,
            "start_time": start,
            "restarted": 0,
            **more,
        }
        monitor.log(row, "up" if up else None, error=None if up else "no answer", time=clock.now_s)
        clock.now_s += 15.0


def test_an_objective_of_looks_is_told_beside_the_model(tmp_path: Path, clock: Clock) -> None:
    """The objective stands in the model's table, its alert is one of the looks', and the model's health has it."""
    lake = Lake.at(tmp_path)
    said = {"m": {"slo": {"up": {"objective": 0.99, "of": "available"}, "answers": ANSWERS}}}
    with (
        Monitor("m", lake=tmp_path, clock=clock, resources=False) as model,
        Monitor("m.endpoint", lake=tmp_path, clock=clock, resources=False) as monitor,
    ):
        model.log({"x": 1.0}, 1, time=clock.now_s)
        looks(monitor, clock, 200)
        looks(monitor, clock, 60, up=False)
        written = config.Config(models=said)
        cycle.once(lake, clock=clock, written=written)
    assert states(lake, "m.endpoint", "slo:up") == [AlertState.FIRING]
    assert states(lake, "m", "slo:up") == []
    found = {one.watch: one.verdict for one in health_with_kin(lake, "m", clock.now).verdicts}
    assert found["endpoint: slo:up"] is Status.ALARM
    assert found["slo:answers"] is Status.UNKNOWN
    rule = found["endpoint: rule:down"]
    assert rule in (Status.WARN, Status.ALARM)


def test_a_crash_loop_is_told_and_ends(tmp_path: Path, clock: Clock) -> None:
    """A restart a day for ten days, then one every 30 s: an alert, with the chance; over when it has been quiet."""
    lake = Lake.at(tmp_path)
    with Monitor("m.endpoint", lake=tmp_path, clock=clock, resources=False) as monitor:
        for _ in range(10):
            looks(monitor, clock, 20, start=clock.now_s - 5.0)
            clock.now_s += 86_000.0
        cycle.once(lake, clock=clock, written=config.Config())
        assert states(lake, "m.endpoint", "crash_loop:live") == []
        for _ in range(5):
            looks(monitor, clock, 2, start=clock.now_s - 5.0)
        cycle.once(lake, clock=clock, written=config.Config())
        assert states(lake, "m.endpoint", "crash_loop:live") == [AlertState.FIRING]
        (one,) = engine.alerts(lake.model("m.endpoint"))
        assert "chance at that rate explains it with p" in one.evidence
        looks(monitor, clock, 200, start=clock.now_s - 30.0)
        cycle.once(lake, clock=clock, written=config.Config())
        assert states(lake, "m.endpoint", "crash_loop:live") == [AlertState.RESOLVED]
        found = stability(lake, "m", clock.now)
    restarts = found.figure("restarts_per_day")
    assert restarts is not None
    assert (restarts.n, restarts.reason) == (14 + 1, None)
    assert restarts.completeness is not None
    assert restarts.completeness < 0.05  # twenty looks a day


def test_restarts_by_a_deployment_are_no_crash_loop(tmp_path: Path, clock: Clock) -> None:
    """The same restarts around a deployment that is told of are left out, and said to be."""
    lake = Lake.at(tmp_path)
    with Monitor("m.endpoint", lake=tmp_path, clock=clock, resources=False) as monitor:
        for _ in range(10):
            looks(monitor, clock, 20, start=clock.now_s - 5.0)
            clock.now_s += 86_000.0
        at = clock.now
        for _ in range(5):
            looks(monitor, clock, 1, start=clock.now_s - 5.0)
        event = {
            "time": at,
            "kind": "deployment",
            "name": "d1",
            "version": "5",
            "detail": '{"status": "serving"}',
        }
        lake.model("m")["events"].write(
            pl.DataFrame([event], schema_overrides={"time": pl.Datetime("us", "UTC")}), {}
        )
        cycle.once(lake, clock=clock, written=config.Config(), models=["m.endpoint"])
    assert states(lake, "m.endpoint", "crash_loop:live") == []
    found = stability(lake, "m", clock.now).figure("crash_loop")
    assert found is not None
    assert "5 restarts by deployments are left out" in (found.note or found.reason or "")


def test_a_gap_in_looking_is_told(tmp_path: Path, clock: Clock) -> None:
    """Half of a day without a look: the availability is of what was seen, with a completeness of a half."""
    with Monitor("m.endpoint", lake=tmp_path, clock=clock, resources=False) as monitor:
        looks(monitor, clock, 240)
        clock.now_s += 3600.0
        looks(monitor, clock, 1)
        monitor.flush()
    found = stability(Lake.at(tmp_path), "m", clock.now).figure("availability", "live")
    assert found is not None
    assert (found.value, found.n) == (1.0, 241)
    assert found.completeness == pytest.approx(0.5, abs=0.01)


def test_an_objective_is_read_once_a_minute(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rounds and pages ask: days of rows are gone through once, and again in the next minute."""
    lake, reads = Lake.at(tmp_path), []
    whole = facts.burning
    monkeypatch.setattr(facts, "burning", lambda *given: reads.append(given[1].name) or whole(*given))
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        serve(monitor, clock, 5)
        for _ in range(3):
            judged(lake, clock, {"m": {"slo": {"answers": ANSWERS}}})
            health(lake, "m", clock.now)
        assert reads == ["answers"]
        clock.now_s += 60.0
        judged(lake, clock, {"m": {"slo": {"answers": ANSWERS}}})
    assert reads == ["answers"] * 2


def test_a_model_without_objectives_and_endpoints_has_no_facts(tmp_path: Path, clock: Clock) -> None:
    """Nothing is told, and nothing is written."""
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        serve(monitor, clock, 2, bad=1.0)
        judged(Lake.at(tmp_path), clock, {})
    assert facts.facts_of(Lake.at(tmp_path).model("m"), clock.now) == []


# --- how it runs ----------------------------------------------------------------------------------------------------


def test_a_slower_version_is_named_by_stage(tmp_path: Path, clock: Clock) -> None:
    """Version 2 takes 30 ms longer in its model and no longer before it: the stage is named, with an interval."""
    rng = np.random.default_rng(5)
    for version, model_s in (("1", 0.05), ("2", 0.08)):
        with Monitor("m", version, lake=tmp_path, window="1m", clock=clock, resources=False) as monitor:
            for _ in range(40):
                for at in range(25):
                    parts = {
                        "stage_model_s": model_s + rng.exponential(0.01),
                        "stage_read_s": rng.exponential(0.02),
                    }
                    seconds = sum(parts.values())
                    monitor.log({"x": 1.0, **parts}, 1, latency_s=seconds, time=clock.now_s + at)
                clock.now_s += 60.0
            monitor.flush()
    found = stability(Lake.at(tmp_path), "m", clock.now)
    model, read = (found.figure("slower_s", f"stage_{name}_s: 1 to 2") for name in ("model", "read"))
    assert model is not None
    assert read is not None
    assert (model.verdict, model.note) == (Status.WARN, "slower")
    assert model.low is not None
    assert model.high is not None
    assert model.low <= 0.03 <= model.high
    assert (read.verdict, read.note) == (Status.OK, None)
    one = stability(Lake.at(tmp_path), "m", clock.now, version="1").figure("slower_s")
    assert one is not None
    assert one.reason == "no version came before '1' in this span"


def test_equal_inputs_with_other_answers_are_found(tmp_path: Path, clock: Clock) -> None:
    """Of eight inputs that come again two flip by themselves: their share, of the predictions and not of the probe."""
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        for turn in range(5):
            for x in range(8):
                answer = 0.1 * x + (0.5 if x < 2 and turn % 2 else 0.0)
                monitor.log({"x": float(x), "c": "a"}, answer, time=clock.now_s)
                clock.now_s += 1.0
            monitor.log({"x": 100.0 + turn, "c": "a"}, 1.0, time=clock.now_s)  # comes once: tells nothing
        monitor.flush()
        found = stability(Lake.at(tmp_path), "m", clock.now)
        within = found.figure("answers_differ_within", "predictions")
        apart = found.figure("answers_apart_max", "predictions")
        assert within is not None
        assert apart is not None
        assert (within.value, within.n, within.verdict) == (0.25, 8, Status.WARN)
        assert apart.value == pytest.approx(0.5)
        kind = stability(Lake.at(tmp_path), "m", clock.now, tolerance=0.6).figure("answers_differ_within")
        assert kind is not None
        assert kind.value == 0.0


def test_the_probe_tells_of_versions_that_differ(tmp_path: Path) -> None:
    """Two versions asked the same: all inputs differ between them, none by itself."""
    for version in ("1", "2"):
        with Monitor("m", version, lake=tmp_path, resources=False) as monitor:
            probe = monitor.probe(lambda x, by=float(version): x * by, [1.0, 2.0, 3.0], every_s=3600.0)
            probe.run()
            probe.run()
            monitor.flush()
    found = stability(Lake.at(tmp_path), "m", datetime.now(UTC))
    within, versions = (found.figure(f"answers_differ_{one}", "probe") for one in ("within", "versions"))
    assert within is not None
    assert versions is not None
    assert (within.value, versions.value, versions.n, versions.verdict) == (0.0, 1.0, 3, Status.OK)


def test_the_load_at_which_latency_rises_is_found(tmp_path: Path, clock: Clock) -> None:
    """Minutes of 0.2 to 3 calls a second whose latency doubles from 2 on: the knee, in calls a second."""
    rng = np.random.default_rng(7)
    times, seconds = [], []
    for _ in range(150):
        n = int(rng.integers(12, 180))
        level = 0.05 * math.exp(1.5 * max(0.0, n / 60 - 2.0)) * math.exp(0.03 * rng.standard_normal())
        times += (clock.now_s + np.sort(rng.uniform(0, 60, n))).tolist()
        seconds += (level * np.exp(0.1 * rng.standard_normal(n))).tolist()
        clock.now_s += 60.0
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        data = {"time": [datetime.fromtimestamp(one, UTC) for one in times], "latency_s": seconds}
        monitor.log_many({**data, "x": [1.0] * len(times), "prediction": [1] * len(times)})
        monitor.flush()
    found = stability(Lake.at(tmp_path), "m", clock.now).figure("saturation_per_s")
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 2.0 <= found.high
    assert found.high - found.low < 0.5


def test_a_leaking_process_is_told_when_it_is_full(tmp_path: Path, clock: Clock) -> None:
    """After a restart only the process that runs now counts; it grows 100 MB an hour towards 4 GB."""
    rng = np.random.default_rng(3)
    with Monitor("m.process", lake=tmp_path, clock=clock, resources=False) as monitor:
        for grown in (0.0, 1e8):
            peak = 0.0
            for at in range(200):
                rss = 1e9 + grown * at / 60 + 2e6 * rng.standard_normal()
                peak = max(peak, rss)
                row = {"rss_bytes": rss, "rss_peak_bytes": peak, "memory_limit_bytes": 4e9}
                monitor.log(row, "read", time=clock.now_s)
                clock.now_s += 60.0
            if not grown:
                monitor.log({"rss_bytes": 5e8, "rss_peak_bytes": 5e8, "memory_limit_bytes": 4e9}, "read")
        monitor.flush()
    found = stability(Lake.at(tmp_path), "m", clock.now)
    growth, full = found.figure("memory_growth_bytes_per_day"), found.figure("memory_full_in_s")
    assert growth is not None
    assert full is not None
    assert growth.value == pytest.approx(24e8, rel=0.05)
    assert growth.verdict in (Status.WARN, Status.ALARM)
    assert full.low is not None
    assert full.high is not None
    truth = (4e9 - 1e9 - 1e8 * 199 / 60) / (1e8 / 3600)
    assert full.low <= truth <= full.high


def test_a_real_process_that_leaks_is_found(tmp_path: Path) -> None:
    """A process that keeps 2 MB every tenth of a second, read by itself: growth surely above 0, and a limit that is known."""
    code = (
        "import time, vedette\n"
        f"with vedette.Monitor('m', lake={str(tmp_path)!r}) as monitor:\n"
        "    monitor.resources(every_s=0.1)\n"
        "    kept = []\n"
        "    for _ in range(60):\n"
        "        kept.append(bytearray(b'x' * 2_000_000))\n"
        "        time.sleep(0.1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    cycle.once(Lake.at(tmp_path), written=config.Config())
    found = stability(Lake.at(tmp_path), "m", datetime.now(UTC))
    growth, full = found.figure("memory_growth_bytes_per_day"), found.figure("memory_full_in_s")
    assert growth is not None
    assert growth.low is not None
    assert growth.low > 0
    assert full is not None
    assert full.low is not None
    assert full.low > 0


def test_everything_is_unknown_with_a_reason_where_nothing_came(tmp_path: Path, clock: Clock) -> None:
    """One row without a latency: no figure has a value, each says why."""
    with Monitor("m", lake=tmp_path, clock=clock, resources=False) as monitor:
        monitor.log({"x": 1.0}, 1, time=clock.now_s)
        clock.now_s += 1.0
        found = monitor.stability()
    assert all(one.value is None and one.reason and one.verdict is Status.UNKNOWN for one in found.figures)
    assert str(found).splitlines()[0].startswith("m: 2026-04-01")
    with pytest.raises(ValueError, match="must be before until="):
        stability(Lake.at(tmp_path), "m", clock.now, since="2026-06-01", until="2026-05-01")


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_shows_it_and_gives_it_as_json(tmp_path: Path) -> None:
    """The table names each objective and figure; the document has them all; an unknown model is refused."""
    (tmp_path / "vedette.toml").write_text(
        '[models.m.slo.answers]\nobjective = 0.99\nof = "error_rate"\n', "utf-8"
    )
    with Monitor("m", lake=tmp_path / "lake", resources=False) as monitor:
        for at in range(200):
            failed = at % 4 == 0
            monitor.log(
                {"x": float(at)}, None if failed else 1, error="Boom" if failed else None, latency_s=0.1
            )
    done = command("stability", "m", "--lake", str(tmp_path / "lake"), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (slo,) = document["slos"]
    assert (slo["name"], slo["bad"], slo["total"], slo["verdict"]) == ("answers", 50.0, 200.0, "ALARM")
    assert {one["name"] for one in document["figures"]} >= {
        "slower_s",
        "saturation_per_s",
        "answers_differ_within",
    }
    done = command("stability", "m", "--lake", str(tmp_path / "lake"), cwd=tmp_path)
    assert "ALARM" in done.stdout
    assert "slower_s" in done.stdout
    alerts = command("alerts", "m", "--lake", str(tmp_path / "lake"), "--json", cwd=tmp_path)
    assert [one["watch"] for one in json.loads(alerts.stdout)] == ["slo:answers"]
    check = command("check", "m", "--lake", str(tmp_path / "lake"), cwd=tmp_path)
    assert check.returncode == 1
    assert command("stability", "other", "--lake", str(tmp_path / "lake"), cwd=tmp_path).returncode != 0
