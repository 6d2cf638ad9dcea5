"""Plain rules from vedette.toml to verdicts and alerts, through the lake."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.test_cli import run as command
from tests.world import DAY, START, World
from vedette import config
from vedette.engine import alerts as engine
from vedette.engine import cycle
from vedette.engine.audit import audit
from vedette.engine.health import health as model_health
from vedette.lake.tables import Lake
from vedette.records import AlertState, Status


def judged(world: World, said: dict[str, Any] | None = None) -> None:
    """A round with these rules in vedette.toml; None: a file that says nothing of the model."""
    written = config.Config(models={} if said is None else {"m": {"rules": said}})
    cycle.once(world.lake, models=["m"], written=written)


def of(world: World, name: str) -> vedette.Verdict:
    return world.verdict(f"rule:{name}")


def alerts_of(world: World, name: str) -> list[tuple[AlertState, datetime, datetime | None]]:
    found = engine.alerts(world.lake.model("m"))[::-1]
    return [(one.state, one.opened, one.closed) for one in found if one.watch == f"rule:{name}"]


def test_a_rule_is_pending_fires_and_closes(world: World) -> None:
    """Days of bad accuracy: a WARN while pending, an ALARM after the third, OK after one good day; one alert."""
    said = {"low": "accuracy < 0.8 for 3 windows"}
    world.monitor.reference(world.rows(2000))
    seen = []
    for day in range(8):
        world.log_day(world.rows(300, wrong=0.4 if 2 <= day < 6 else 0.1))
        judged(world, said)
        seen.append((of(world, "low").verdict, [state for state, _, _ in alerts_of(world, "low")]))
    assert [status for status, _ in seen] == [  # a day is judged when the next has begun
        Status.UNKNOWN, *[Status.OK] * 2, *[Status.WARN] * 2, *[Status.ALARM] * 2, Status.OK,
    ]  # fmt: skip
    assert [states for _, states in seen[3:6]] == [
        [AlertState.PENDING], [AlertState.PENDING], [AlertState.FIRING],
    ]  # fmt: skip
    assert alerts_of(world, "low") == [(AlertState.RESOLVED, START + 4 * DAY, START + 7 * DAY)]
    steps = engine.history(world.lake.model("m")).filter(pl.col("watch") == "rule:low")
    assert steps["state"].to_list() == ["pending", "firing", "resolved"]
    assert steps["alert"].n_unique() == 1


def test_one_round_or_many_come_to_the_same(tmp_path: Path) -> None:
    """Each window is judged once, whenever somebody looks."""
    said = {
        "low": "accuracy < 0.8 for 2 windows",
        "few": "rows < 100",
        "skew": "psi(x) > 0.2",
        "shape": "schema changed for 2 windows",
    }
    found = []
    for each in (True, False):
        world = World(tmp_path / str(each), seed=4)
        judged(world, said)
        world.monitor.reference(world.rows(2000))
        for day in range(7):
            n = 60 if day == 4 else 300
            rows = world.rows(n, wrong=0.4 if day in (1, 2, 3) else 0.1, shift=2.0 if day == 5 else 0.0)
            world.log_day(rows.drop("c") if day in (3, 4) else rows)
            if each:
                judged(world, said)
        judged(world, said)
        found.append([alerts_of(world, name) for name in said] + [of(world, name).since for name in said])
        world.monitor.close()
    assert found[0] == found[1]
    assert [len(one) for one in found[0][:4]] == [1, 1, 1, 1]


def test_rules_need_no_reference(world: World) -> None:
    """Without a reference rules are judged all the same, and that nothing else is watched is said."""
    for day in range(4):
        world.log_day(world.rows(200, wrong=0.5 if day in (1, 2) else 0.1))
        judged(world, {"low": "accuracy < 0.8"})
    assert of(world, "low").verdict is Status.ALARM
    assert "no reference: rules alone are watched" in world.verdict("model").evidence
    world.monitor.reference(world.rows(2000))
    for _ in range(2):  # of the day before the grids were those of its rows
        world.log_day(world.rows(200))
        judged(world, {"low": "accuracy < 0.8"})
    assert [state for state, _, _ in alerts_of(world, "low")] == [AlertState.RESOLVED]
    assert "x.location" in {one.watch for one in world.health().verdicts}
    assert "model" not in {one.watch for one in world.health().verdicts}


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("acuracy < 0.9", "figure 'acuracy': there is none of that name"),
        ("mean(y) > 3", "no column 'y': the model has"),
        (
            "mean(c) > 3",
            "mean is read off columns of the kind numeric or vector; 'c' is of the kind category",
        ),
        ("mae > 3", "no labels"),
        ("accuracy < 0.9", "no labels"),
        ("schema changed", "no reference: what the columns should be is not known"),
        ("psi(x) > 0.2", "no reference"),
        ({"when": "mean(x) > 3", "min_rows": 500}, "fewer than 500 rows: 200"),
        ("no data for 2h", "the rows' clock is not the wall's"),
    ],
)
def test_what_cannot_be_judged_is_unknown_with_its_reason(world: World, when: Any, reason: str) -> None:
    """A rule naming no figure, no column, without labels or rows: never green, and the others are judged."""
    for _ in range(2):
        world.log_day(world.rows(200), labels=False)
        judged(world, {"r": when, "other": "mean(x) < 10"})
    told = of(world, "r")
    assert told.verdict is Status.UNKNOWN
    assert reason in str(told.reason)
    assert of(world, "other").verdict is Status.ALARM


def test_a_column_of_nan_alone_is_unknown(world: World) -> None:
    """All NaN: there is no mean, and the missing share is a fact."""
    world.log_day(world.rows(200))
    judged(world, {"m": "mean(x) > 3", "gaps": "missing_share(x) > 0.5"})
    world.log_day(world.rows(200).with_columns(pl.lit(float("nan")).alias("x")))
    judged(world, {"m": "mean(x) > 3", "gaps": "missing_share(x) > 0.5"})
    told = of(world, "m")
    assert (told.verdict, told.reason) == (
        Status.OK,
        None,
    )  # of the day before: an answer outlives its window
    for _ in range(5):
        world.log_day(world.rows(200).with_columns(pl.lit(float("nan")).alias("x")))
    judged(world, {"m": "mean(x) > 3", "gaps": "missing_share(x) > 0.5"})
    told = of(world, "m")
    assert (told.verdict, told.reason) == (Status.UNKNOWN, "all values missing or NaN")
    assert of(world, "gaps").verdict is Status.ALARM


def test_windows_without_rows_are_no_rows(world: World) -> None:
    """Two days without any row break a rule on rows as soon as the next row shows that they are over."""
    said = {"few": "rows < 100 for 2 windows"}
    world.log_day(world.rows(200))
    judged(world, said)
    world.now += 2 * DAY
    world.log_day(world.rows(200))
    world.log_day(world.rows(200))
    judged(world, said)
    found = alerts_of(world, "few")
    assert found == [(AlertState.RESOLVED, START + 2 * DAY, START + 4 * DAY)]


def test_schema_changed_fires_until_the_column_is_back(world: World) -> None:
    """A column that vanished is named; when it comes again the alert closes."""
    said = {"shape": "schema changed"}
    world.monitor.reference(world.rows(2000))
    seen = []
    for day in range(6):
        rows = world.rows(200)
        world.log_day(rows.drop("c") if day in (2, 3) else rows)
        judged(world, said)
        seen.append(of(world, "shape"))
    assert [one.verdict for one in seen] == [  # a day is judged when the next has begun
        Status.UNKNOWN, *[Status.OK] * 2, *[Status.ALARM] * 2, Status.OK,
    ]  # fmt: skip
    assert seen[3].since == START + 2 * DAY
    assert "column 'c' no longer comes" in seen[3].evidence
    assert [state for state, _, _ in alerts_of(world, "shape")] == [AlertState.RESOLVED]


def test_a_column_that_is_new_for_a_day_is_told_for_that_day(world: World) -> None:
    """It fires with the day that had it, and closes with the next."""
    said = {"shape": "schema changed"}
    world.monitor.reference(world.rows(2000))
    for day in range(6):
        rows = world.rows(200)
        world.log_day(rows.with_columns(extra=pl.lit(1.0)) if day == 2 else rows)
        judged(world, said)
    assert alerts_of(world, "shape") == [(AlertState.RESOLVED, START + 2 * DAY, START + 4 * DAY)]


def test_rows_are_counted_whatever_the_grid(world: World) -> None:
    """A reference that replaces the grids in the middle leaves no window without its rows."""
    said = {"few": "rows < 100", "low": "mean(x) > 5"}
    for _ in range(3):
        world.log_day(world.rows(300))
    world.monitor.reference(world.rows(2000))
    world.log_day(world.rows(300))
    world.log_day(world.rows(300))
    judged(world, said)
    assert alerts_of(world, "few") == []
    assert of(world, "few").verdict is Status.OK


def test_a_rule_that_becomes_a_warn_pages_no_more(world: World) -> None:
    """Its alert closes with the change, though it is broken still."""
    for severity in ("alarm", "alarm", "warn", "warn"):
        world.log_day(world.rows(200))
        judged(world, {"r": {"when": "mean(x) < 10", "severity": severity}})
    assert of(world, "r").verdict is Status.WARN
    assert [state for state, _, _ in alerts_of(world, "r")] == [AlertState.RESOLVED]


def test_late_rows_are_not_lost_to_a_change_of_rules(world: World) -> None:
    """A round that closes no window leaves what came to the next one."""
    said = {"range": "values(x) outside -50 to 50"}
    for _ in range(2):
        world.log_day(world.rows(200))
        judged(world, said)
    world.monitor.log({"x": 999.0, "c": "a"}, 1, time=START + DAY / 2)
    judged(world, {**said, "other": "rows < 1"})
    world.log_day(world.rows(200))
    world.log_day(world.rows(200))
    judged(world, {**said, "other": "rows < 1"})
    assert len(alerts_of(world, "range")) == 1


def test_a_warn_pages_nobody(world: World) -> None:
    """Severity warn makes a WARN and no alert."""
    for _ in range(2):
        world.log_day(world.rows(200))
        judged(world, {"r": {"when": "mean(x) < 10", "severity": "warn"}})
    assert of(world, "r").verdict is Status.WARN
    assert alerts_of(world, "r") == []


def test_rules_that_change_are_an_event_and_begin_anew(world: World) -> None:
    """Added, changed and removed with who and when; an alert of the old text closes and says why; a file without
    the model changes nothing."""
    for said in (
        {"r": "mean(x) < 10"},
        {"r": "mean(x) < 10"},
        None,
        {"r": "mean(x) < -10", "s": "rows < 1"},
        {},
    ):
        world.log_day(world.rows(200))
        judged(world, said)
    events = world.lake.model("m")["events"].scan().filter(pl.col("kind") == "judging").sort("time").collect()
    details = [json.loads(one) for one in events["detail"]]
    assert [tuple(sorted(one[word]) for word in ("added", "changed", "removed")) for one in details] == [
        (["rules.r"], [], []),
        (["rules.s"], ["rules.r"], []),
        ([], [], ["rules.r", "rules.s"]),
    ]
    assert all(one["by"] for one in details)
    last = [one for one in engine.alerts(world.lake.model("m")) if one.watch == "rule:r"]
    assert [(one.state, one.reason) for one in last] == [
        (AlertState.RESOLVED, "the rule was changed or removed")
    ]
    told = audit(world.lake.model("m")).filter(pl.col("what") == "judging")["detail"].to_list()
    assert told[0] == 'added rules.r = "mean(x) < 10"'
    assert told[2] == 'removed rules.r = "mean(x) < -10"; removed rules.s = "rows < 1"'


def test_a_crash_before_the_alert_is_made_good(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round dies after judging; the next one writes the alert once."""
    said = {"r": "mean(x) < 10"}
    world.log_day(world.rows(200))
    judged(world, said)
    write = engine.add_steps

    def dying(*_: object) -> None:
        raise OSError("power")

    monkeypatch.setattr(engine, "add_steps", dying)
    world.log_day(world.rows(200))
    with pytest.raises(OSError, match="power"):
        judged(world, said)
    monkeypatch.setattr(engine, "add_steps", write)
    judged(world, said)
    judged(world, said)
    steps = engine.history(world.lake.model("m"))
    assert steps.select("watch", "state").rows() == [("rule:r", "firing")]


def test_a_rule_knows_no_normal(world: World) -> None:
    """An alert of a rule can be acknowledged and silenced, not accepted; a pending one neither."""
    for _ in range(2):
        world.log_day(world.rows(200))
        judged(world, {"r": "mean(x) < 10", "p": "mean(x) < 10 for 9 windows"})
    tables, now = world.lake.model("m"), datetime.now(UTC)
    ids = {one.watch: one.id for one in engine.alerts(tables)}
    with pytest.raises(vedette.errors.AlertError, match="is a rule, which knows no normal"):
        engine.accept(tables, ids["rule:r"], by="ada", reason=None, now=now)
    with pytest.raises(vedette.errors.AlertError, match="is pending: nobody was told"):
        engine.acknowledge(tables, ids["rule:p"], by="ada", reason=None, now=now)
    assert engine.acknowledge(tables, ids["rule:r"], by="ada", reason=None, now=now).by == "ada"


def test_no_data_goes_by_the_clock(tmp_path: Path) -> None:
    """Rows by the wall's clock stop: the rule fires after as long as it says, and closes when they come again."""
    monitor = vedette.Monitor("m", lake=tmp_path, window="1m", task="classification")
    rng = np.random.default_rng(1)
    lake, now = Lake.at(tmp_path), datetime.now(UTC)
    written = config.Config(models={"m": {"rules": {"gone": "no data for 2h", "never": "no data for 300d"}}})

    def rows() -> pl.DataFrame:
        return pl.DataFrame({"x": rng.normal(size=200), "prediction": rng.integers(0, 2, 200)})

    monitor.log_many(rows())
    seen = []
    for minutes in (0, 119, 121, 240):
        at = now + timedelta(minutes=minutes)
        cycle.round_of(lake, "m", at, written)
        verdicts = {one.watch: one.verdict for one in model_health(lake, "m", at).verdicts}
        states = [one.state for one in engine.alerts(lake.model("m")) if one.watch == "rule:gone"]
        seen.append((verdicts["rule:gone"], verdicts["rule:never"], states))
    quiet, fired = (Status.OK, Status.OK, []), (Status.ALARM, Status.OK, [AlertState.FIRING])
    assert seen == [quiet, quiet, fired, fired]
    monitor.log_many(rows())
    cycle.round_of(lake, "m", now + timedelta(minutes=2), written)
    assert [one.state for one in engine.alerts(lake.model("m")) if one.watch == "rule:gone"] == [
        AlertState.RESOLVED
    ]
    monitor.close()


def test_the_commands_read_the_file(world: World, tmp_path: Path) -> None:
    """``check`` takes the rules of vedette.toml and exits with 1; ``rules show`` and ``audit`` tell of them."""
    world.log_day(world.rows(200))
    judged(world)
    world.log_day(world.rows(200))
    (tmp_path / "vedette.toml").write_text('[models.m.rules]\nr = "mean(x) < 10"\n', "utf-8")
    world.log_day(world.rows(200))
    lake = str(world.folder)
    found = command("check", "m", "--lake", lake, "--json", cwd=tmp_path)
    assert found.returncode == 1
    assert {one["watch"]: one["verdict"] for one in json.loads(found.stdout)["verdicts"]}["rule:r"] == "ALARM"
    shown = command("rules", "show", "m", "--lake", lake, cwd=tmp_path)
    assert "ALARM r  mean(x) < 10" in shown.stdout
    told = json.loads(command("audit", "m", "--lake", lake, "--json").stdout)
    assert [one["detail"] for one in told if one["what"] == "judging"] == ['added rules.r = "mean(x) < 10"']
    (tmp_path / "vedette.toml").write_text('[models.m.rules]\nr = { wen = "mean(x) < 10" }\n', "utf-8")
    wrong = command("check", "m", "--lake", lake, cwd=tmp_path)
    assert (wrong.returncode, "must be text, or a table with the key 'when'" in wrong.stderr) == (70, True)


def test_a_file_that_is_wrong_while_a_model_runs_is_a_verdict(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules and channels stay what they were, and what is wrong is said: never green, never silent."""
    world.log_day(world.rows(200))
    judged(world, {"r": "mean(x) > 9"})
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    (tmp_path / "vedette.toml").write_text("[models.m\n", "utf-8")
    told = world.verdict("vedette.toml")
    assert (told.verdict, "cannot be read" in str(told.reason)) == (Status.UNKNOWN, True)


def test_rows_are_counted_of_a_model_that_gives_no_predictions(tmp_path: Path) -> None:
    """Batches of features alone: a rule on rows holds for them too."""
    now = [START]
    monitor = vedette.Monitor("m", lake=tmp_path, window="1d", clock=lambda: now[0].timestamp())
    written = config.Config(models={"m": {"rules": {"few": "rows < 100"}}})
    for n in (300, 40, 300):
        now[0] += DAY
        at = pl.lit(now[0] - DAY / 2)
        monitor.log_many(pl.DataFrame({"x": np.arange(float(n))}).with_columns(at.alias("time")))
        cycle.once(Lake.at(tmp_path), models=["m"], written=written)
    found = [one for one in engine.alerts(Lake.at(tmp_path).model("m")) if one.watch == "rule:few"]
    assert [(one.state, one.opened) for one in found] == [(AlertState.RESOLVED, START + DAY)]
    monitor.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules = 3", "rules=3: must be a table"),
        ("rules.low = 3", "rules.low=3: must be text, or a table with the key 'when'"),
        (
            "rules.low = {when = 'rows < 1', windows = 3}",
            "rules.low: unknown key 'windows': must be one of when",
        ),
    ],
)
def test_a_file_with_wrong_rules_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file, the model, the rule and the key."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[models.delays]\n{text}\n", "utf-8")
    with pytest.raises(vedette.errors.ConfigError, match=r"models\.delays") as told:
        config.read(path)
    assert words in str(told.value)


def test_a_follower_goes_on_with_the_rules_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in vedette.toml stops no rows: what it said before holds."""
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    (tmp_path / "vedette.toml").write_text("lakee = 3\n", "utf-8")
    before = config.Config(models={"m": {}})
    assert cycle._written(before) is before
