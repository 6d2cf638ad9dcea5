"""Rules that people set on a server: what holds beside those of the file, each change a version, and an undo of any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.world import World
from vedette import config
from vedette.engine import cycle, rule_changes, written
from vedette.engine.audit import audit
from vedette.engine.rules_replay import replay_model
from vedette.errors import DataError, RuleError
from vedette.lake.tables import Lake, ModelTables
from vedette.records import Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def tables(tmp_path: Path) -> ModelTables:
    """Those of a model of which nothing is known yet."""
    return Lake.at(tmp_path / "lake").model("m")


def put(tables: ModelTables, name: str, said: Any, **given: Any) -> bool:
    return rule_changes.put(tables, name, said, **({"by": "ann", "now": NOW} | given))


def test_a_rule_set_on_a_server_is_judged_in_the_next_round(tmp_path: Path) -> None:
    """It fires as one of the file does; taken away it is judged no more."""
    world = World(tmp_path, seed=3)
    for _ in range(3):
        world.log_day(world.rows(300, wrong=0.4))
    cycle.once(world.lake, models=["m"], written=config.Config())
    put(world.lake.model("m"), "low", "accuracy < 0.8")
    cycle.once(world.lake, models=["m"], written=config.Config())
    assert world.verdict("rule:low").verdict is Status.ALARM
    rule_changes.remove(world.lake.model("m"), "low", by="ann", now=NOW)
    world.log_day(world.rows(300))
    cycle.once(world.lake, models=["m"], written=config.Config())
    assert "rule:low" not in [one.watch for one in world.monitor.check().verdicts]


def test_the_file_wins_and_neither_takes_the_other_away(tables: ModelTables) -> None:
    """A name in both is that of the file; where the file lets go of it, that of the server holds."""
    put(tables, "low", "accuracy < 0.7")
    put(tables, "slow", "latency_p99_s > 1")
    file = {"rules": {"low": "accuracy < 0.9", "few": "rows < 10"}}
    assert written.register(tables, file, "ci", NOW)
    assert not written.news(tables, file)
    both = {"low": "accuracy < 0.9", "slow": "latency_p99_s > 1", "few": "rows < 10"}
    assert dict(written.in_force(tables).rules) == both
    found = [(one.name, one.source, one.holds) for one in rule_changes.held(tables)]
    assert found == [
        ("few", "file", True), ("low", "file", True), ("low", "server", False), ("slow", "server", True)
    ]  # fmt: skip
    assert written.register(tables, {"rules": {}}, "ci", NOW + timedelta(days=1))
    assert dict(written.in_force(tables).rules) == {"low": "accuracy < 0.7", "slow": "latency_p99_s > 1"}


def test_a_name_of_the_file_cannot_be_set(tables: ModelTables) -> None:
    """It would not hold: who asks is told so, and nothing is written."""
    written.register(tables, {"rules": {"low": "accuracy < 0.9"}}, "ci", NOW)
    with pytest.raises(RuleError, match=r"rule low: vedette\.toml has one of this name"):
        put(tables, "low", "accuracy < 0.5")
    with pytest.raises(RuleError, match=r"rule low: is in vedette\.toml: must be taken away there"):
        rule_changes.remove(tables, "low", by="ann", now=NOW)
    assert rule_changes.version(tables) == 0


def test_each_change_is_a_version_with_what_was_before(tables: ModelTables) -> None:
    """Added, changed, removed, by whom and why, the newest first; to say the same again is no change."""
    assert put(tables, "low", "accuracy < 0.9", reason="after the outage")
    assert not put(tables, "low", {"when": "accuracy < 0.9", "severity": "alarm"})
    assert put(tables, "low", {"when": "accuracy < 0.9", "severity": "warn", "min_rows": 50})
    rule_changes.remove(tables, "low", by="bob", now=NOW)
    warn = {"when": "accuracy < 0.9", "severity": "warn"}
    found = [
        (one.number, one.change, one.by, one.before, one.after, one.reason)
        for one in rule_changes.changes(tables)
    ]
    assert found == [
        (3, "removed", "bob", warn, None, ""),
        (2, "changed", "ann", "accuracy < 0.9", warn, ""),
        (1, "added", "ann", None, "accuracy < 0.9", "after the outage"),
    ]
    told = audit(tables)
    assert told["by"].to_list() == ["ann", "ann", "bob"]
    assert told["detail"][0] == 'added rules.low = "accuracy < 0.9"; after the outage'


def test_any_change_can_be_undone(tables: ModelTables) -> None:
    """What is undone is the rule of that change alone; an undo can be undone."""
    put(tables, "low", "accuracy < 0.9")
    put(tables, "low", "accuracy < 0.8")
    put(tables, "few", "rows < 10")
    rule_changes.undo(tables, 2, by="bob", now=NOW)
    assert dict(written.set_by_people(tables)) == {"low": "accuracy < 0.9", "few": "rows < 10"}
    rule_changes.undo(tables, 4, by="bob", now=NOW)
    assert dict(written.set_by_people(tables)) == {"low": "accuracy < 0.8", "few": "rows < 10"}
    rule_changes.undo(tables, 1, by="bob", now=NOW)
    assert dict(written.set_by_people(tables)) == {"few": "rows < 10"}
    with pytest.raises(RuleError, match="change=1: rule low is already what it was before it"):
        rule_changes.undo(tables, 1, by="bob", now=NOW)
    with pytest.raises(DataError, match="change=9: there is none of that number; the newest is 6"):
        rule_changes.undo(tables, 9, by="bob", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda tables, seen: put(tables, "few", "rows < 20", seen=seen),
        lambda tables, seen: rule_changes.remove(tables, "few", by="ann", now=NOW, seen=seen),
        lambda tables, seen: rule_changes.undo(tables, 1, by="ann", now=NOW, seen=seen),
    ],
)
def test_a_change_made_on_what_is_no_longer_so_is_refused(
    tables: ModelTables, change: Callable[[ModelTables, int], object]
) -> None:
    """Of two who change at the same time the second is told; with the version that there is, it may."""
    put(tables, "few", "rows < 10")
    put(tables, "low", "accuracy < 0.9")
    with pytest.raises(
        RuleError, match="version=1: the rules were changed since: must be made again on version 2"
    ):
        change(tables, 1)
    assert rule_changes.version(tables) == 2
    change(tables, 2)
    assert rule_changes.version(tables) == 3


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("low", "accuracy < 7", "outside the possible"),
        ("low", "accurracy < 0.7", "did you mean accuracy"),
        ("Low!", "accuracy < 0.7", "the name must be"),
        ("low", {"when": "rows < 5", "severity": "red"}, "severity='red'"),
        ("low", "mean(" + "x" * 600 + ") > 1", "must be of 500 at most"),
    ],
)
def test_what_cannot_be_a_rule_is_not_kept(tables: ModelTables, name: str, said: Any, words: str) -> None:
    """The words of the file's errors; nothing is written."""
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        put(tables, name, said)
    assert rule_changes.version(tables) == 0


def test_there_is_an_end_to_the_rules_of_a_model(
    tables: ModelTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused; to change one of them is not."""
    monkeypatch.setattr(rule_changes, "RULES_MAX", 2)
    put(tables, "a", "rows < 1")
    put(tables, "b", "rows < 1")
    with pytest.raises(RuleError, match="rule c: there are 2 rules set here: must be 2 at most"):
        put(tables, "c", "rows < 1")
    assert put(tables, "a", "rows < 2")


def test_an_undo_brings_no_rule_back_that_could_not_be_set(
    tables: ModelTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than there may be, and one that the file has by now; what takes one away is no such thing."""
    monkeypatch.setattr(rule_changes, "RULES_MAX", 1)
    put(tables, "a", "rows < 1")
    rule_changes.remove(tables, "a", by="ann", now=NOW)
    put(tables, "b", "rows < 1")
    with pytest.raises(RuleError, match="rule a: there are 1 rules set here: must be 1 at most"):
        rule_changes.undo(tables, 2, by="bob", now=NOW)
    written.register(tables, {"rules": {"a": "rows < 1", "b": "rows < 2"}}, "ci", NOW)
    with pytest.raises(RuleError, match=r"rule a: vedette\.toml has one of this name"):
        rule_changes.undo(tables, 2, by="bob", now=NOW)
    assert dict(written.set_by_people(tables)) == {"b": "rows < 1"}
    rule_changes.undo(tables, 3, by="bob", now=NOW)
    assert dict(written.set_by_people(tables)) == {}


def test_a_clock_that_was_set_back_loses_no_change(tables: ModelTables) -> None:
    """The last that was written holds."""
    put(tables, "low", "accuracy < 0.9")
    put(tables, "low", "accuracy < 0.8", now=NOW - timedelta(days=1))
    assert written.set_by_people(tables)["low"] == "accuracy < 0.8"
    assert rule_changes.changes(tables)[0].after == "accuracy < 0.8"


@pytest.mark.parametrize(
    ("said", "watches"),
    [
        ("accuracy < 0.9", "accuracy"),
        ("latency_p99_s > 1", "latency_p99_s"),
        ("rows < 5", "rows"),
        ("psi(prediction) > 0.2", "psi(prediction)"),
        ("values(age) outside 0 to 120", "values(age)"),
        ("schema changed", "the columns"),
        ("no data for 2h", "whether rows come"),
    ],
)
def test_a_rule_says_what_it_watches(tables: ModelTables, said: str, watches: str) -> None:
    """A figure and its column, in the words of a rule."""
    put(tables, "one", said)
    [found] = rule_changes.held(tables)
    assert found.watches == watches


def test_a_dry_run_counts_as_the_rounds_do(tmp_path: Path) -> None:
    """A rule by its table fires in a replay as it does when it is judged; the rate's interval is that of a Poisson count."""
    from scipy import stats

    world = World(tmp_path, seed=5)
    for day in range(8):
        world.log_day(world.rows(300, wrong=0.4 if day in (2, 5) else 0.1))
    cycle.once(world.lake, models=["m"], written=config.Config())
    tables = world.lake.model("m")
    [found] = replay_model(tables, {"low": {"when": "accuracy < 0.8", "severity": "warn"}}).rules
    assert len(found.firings) == 2
    assert found.per_month is not None
    months = 8 / (30)
    low, high = stats.chi2.ppf(0.025, 4) / 2, stats.chi2.ppf(0.975, 6) / 2
    assert found.per_month == pytest.approx((2 / months, low / months, high / months), rel=1e-9)
    [few] = replay_model(tables, {"low": {"when": "accuracy < 0.8", "min_rows": 301}}).rules
    assert (len(few.firings), few.n_unknown) == (0, 8)
