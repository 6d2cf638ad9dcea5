"""What is not told now: maintenances, and alerts that another one explains; told when that ends, once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.receivers import T0, alert
from tests.test_delivery import HOUR, Desk, desk
from vedette import config
from vedette.cli import app as cli
from vedette.config import AlertingSettings, Inhibition, Match, maintenance_of
from vedette.engine import delivery, outbox
from vedette.engine import maintenance as maintenance_module
from vedette.engine.delivery import _row, deliver
from vedette.engine.inhibition import causes, root_of
from vedette.errors import AlertError, ConfigError
from vedette.records import Alert

__all__ = ["desk"]  # a fixture


def maintained(own: Desk, start: timedelta, length: str, **more: object) -> str:
    """A maintenance that begins some time after ``T0``; its id."""
    table = {"reason": "moving", "from": (T0 + start).isoformat(), "for": length, **more}
    return maintenance_module.add(own.lake, table, by="ada", now=own.now).id


# --- maintenance --------------------------------------------------------------------------------------------------


def test_in_a_maintenance_nobody_is_told_and_what_is_open_after_it_is_told_once(desk: Desk) -> None:
    """What came and went in it is not; the end of what was told before is told after."""
    desk.says(alert("before", incident="i0"))
    desk.tell()
    maintained(desk, HOUR, "2h")
    desk.now += HOUR
    desk.says(alert("open"), alert("gone", incident="i2"), alert("seen", incident="i3"))
    desk.says(alert("before", "resolved", incident="i0", at=desk.now))
    desk.tell(0.5 * HOUR)
    desk.says(alert("gone", "resolved", incident="i2", at=desk.now))
    desk.says(alert("seen", "acknowledged", incident="i3", by="ada"))
    desk.tell(HOUR)
    assert desk.heard() == [[("before", "firing")]]
    desk.tell(0.5 * HOUR)
    desk.tell(HOUR)
    assert sorted(desk.heard()[1:]) == [[("before", "resolved")], [("open", "firing")]]


def test_a_maintenance_is_of_its_models_watches_and_segments(desk: Desk) -> None:
    """What it is not for is told."""
    maintained(desk, -HOUR, "3h", watches=["x.*"], segments=["a=*"])
    maintained(desk, -HOUR, "3h", models=["other*"])
    desk.says(alert("in", segment="a=1", incident="i1"))
    desk.says(alert("whole", incident="i2"), alert("else", watch="accuracy", segment="a=1", incident="i3"))
    desk.tell()
    assert desk.heard() == [[("whole", "firing")], [("else", "firing")]]


def test_what_waits_to_be_tried_again_does_not_come_in_a_maintenance(desk: Desk) -> None:
    """A retry whose time comes in it is sent after it, with the key that it had; and the channel's health is no fault."""
    desk.tell()
    desk.broken["ops"] = "down"
    desk.says(alert("a"))
    desk.tell()
    key = desk.rows()["key"].drop_nulls()[0]
    desk.broken.clear()
    maintained(desk, timedelta(0), "1h")
    desk.tell(0.5 * HOUR)
    assert desk.heard() == []
    assert desk.rows()["outcome"].to_list() == ["started", "waiting", "failed", "held"]
    desk.tell(0.5 * HOUR)
    assert [one.key for one in desk.told["ops"]] == [key]
    assert outbox.verdicts(desk.lake.model("m"), desk.now + HOUR) == []


def test_the_end_of_what_may_have_been_sent_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died after the sending, and the alert was over in a maintenance: whoever has it open closes it."""
    desk.tell()
    desk.says(alert("a"))
    with monkeypatch.context() as dying:
        dying.setattr(delivery, "_row", _dies)
        desk.tell()
    maintained(desk, timedelta(0), "1h")
    desk.tell(0.25 * HOUR)
    desk.says(alert("a", "resolved", at=desk.now))
    desk.tell(0.25 * HOUR)
    desk.tell(0.5 * HOUR)
    assert desk.heard() == [[("a", "firing")], [("a", "resolved")]]


def _dies(now: datetime, name: str, outcome: outbox.Outcome, *more: Any, **given: Any) -> dict[str, Any]:
    """The rows of a process that dies when it would write what came of a notice."""
    if outcome is outbox.Outcome.SENT:
        raise RuntimeError("the process died")
    return _row(now, name, outcome, *more, **given)


def test_a_maintenance_that_begins_while_it_is_told_stops_what_is_not_sent_yet(desk: Desk) -> None:
    """The clock is asked before each notice, not once a turn."""
    desk.tell()
    maintained(desk, 0.5 * HOUR, "1h")

    def passes(_: str) -> None:
        desk.now = max(desk.now, T0 + 0.75 * HOUR)

    desk.during = passes
    desk.says(alert("a"), alert("b", incident="i2"))
    deliver(desk.lake, ["m"], clock=lambda: desk.now.timestamp())
    assert desk.heard() == [[("a", "firing")]]
    desk.tell(HOUR)
    assert desk.heard() == [[("a", "firing")], [("b", "firing")]]


def test_one_that_is_ended_early_tells_at_once(desk: Desk) -> None:
    """Ended by its id, by whom is kept; one that is over cannot be ended, and none is made for the past."""
    name = maintained(desk, timedelta(0), "8h", every="day")
    assert maintained(desk, timedelta(0), "8h", every="day") == name
    desk.says(alert("a"))
    desk.tell(HOUR)
    ended = maintenance_module.end(desk.lake, name, by="bob", now=desk.now)
    assert (ended.by, ended.ended) == ("ada", desk.now)
    assert [one.over(desk.now) for one in maintenance_module.made(desk.lake)] == [True]
    assert list(ended.spans(T0, T0 + 48 * HOUR)) == [(T0, T0 + HOUR)]
    desk.tell()
    assert desk.heard() == [[("a", "firing")]]
    with pytest.raises(AlertError, match="none of that id goes on or comes"):
        maintenance_module.end(desk.lake, name, by="bob", now=desk.now)
    with pytest.raises(ValueError, match="must be a time to come"):
        maintained(desk, -8 * HOUR, "1h")


def test_a_maintenance_of_vedette_toml_holds_for_whoever_tells(desk: Desk) -> None:
    """As a table of the file, with TOML's own times and those of a place."""
    desk.channels("ops")
    path = desk.folder / "vedette.toml"
    path.write_text(
        path.read_text()
        + "[[alerts.maintenance]]\nreason = 'night'\nfrom = 2026-03-01T09:00:00\nto = 2026-03-01T10:30:00\n"
        "every = 'day'\ntimezone = 'Europe/Vienna'\n"
    )
    desk.says(alert("a"))
    desk.tell(0.5 * HOUR)  # 09:30 in Vienna
    assert desk.heard() == []
    desk.tell(HOUR)
    assert desk.heard() == [[("a", "firing")]]


@given(
    first=st.datetimes(datetime(2025, 1, 1), datetime(2026, 1, 1)),
    hours=st.integers(1, 20),
    period=st.sampled_from(["day", "week"]),
    zone=st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe"]),
    at=st.datetimes(datetime(2025, 1, 1), datetime(2027, 6, 1)),
)
def test_it_comes_again_by_the_clock_on_the_wall(
    first: datetime, hours: int, period: str, zone: str, at: datetime
) -> None:
    """As a walk over all days from the first finds it, over changes of the clock too."""
    first = first.replace(microsecond=0)
    one = maintenance_of(
        {"reason": "r", "from": first.isoformat(), "for": f"{hours}h", "every": period, "timezone": zone}
    )
    moment = at.replace(tzinfo=UTC)
    wall, expected = one.begins.astimezone(ZoneInfo(zone)).replace(tzinfo=None), None
    while True:
        start = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if start > moment:
            break
        if moment < start + timedelta(hours=hours) and expected is None:
            expected = start + timedelta(hours=hours)
        wall += timedelta(days=1 if period == "day" else 7)
    assert one.end_of(moment) == expected


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"from": "2026-01-01", "for": "1h"}, "reason=None: must say what is done"),
        ({"reason": "r", "from": "soon", "for": "1h"}, "from='soon': must be a time such as"),
        ({"reason": "r", "from": "9999-12-31", "for": "1d"}, "from='9999-12-31': must be a time such as"),
        ({"reason": "r", "from": "0001-01-01", "for": "1d", "timezone": "Asia/Tokyo"}, "from 1970 to 2499"),
        ({"reason": "r", "from": "2026-01-01", "for": "1h", "timezone": "../etc"}, "timezone='../etc'"),
        ({"reason": "r", "from": "2026-01-01", "for": "1h", "timezone": "America"}, "timezone='America'"),
        ({"reason": "r", "from": "2026-01-01"}, "to and for: one of them"),
        ({"reason": "r", "from": "2026-01-02", "to": "2026-01-01"}, "must be later than from='2026-01-02'"),
        ({"reason": "r", "from": "2026-01-01", "for": "2d", "every": "day"}, "must be at most 1 days"),
        (
            {"reason": "r", "from": "2026-01-01", "for": "1h", "every": "year"},
            "every='year': must be day or week",
        ),
        ({"reason": "r", "from": "2026-01-01", "for": "1h", "timezone": "Mars"}, "timezone='Mars'"),
        ({"reason": "r", "from": "2026-01-01", "for": "1h", "models": []}, "models=[]"),
        ({"reason": "r", "from": "2026-01-01", "for": "1h", "when": 1}, "unknown key 'when'"),
    ],
)
def test_a_maintenance_that_cannot_be_meant_is_refused(table: dict[str, object], words: str) -> None:
    """The thing, its value, and what is right."""
    with pytest.raises(ValueError, match=re.escape(words)):
        maintenance_of(table)


def test_an_end_holds_whatever_the_clock_of_who_puts_it(desk: Desk) -> None:
    """That of another machine is seconds behind; the time of the end is that at which it holds."""
    name = maintained(desk, timedelta(0), "8h")
    maintained(desk, timedelta(0), "8h", models=["other"])
    ended = maintenance_module.end(desk.lake, name, by="bob", now=desk.now - timedelta(seconds=3))
    found = {one.id: one.ended for one in maintenance_module.made(desk.lake)}
    assert found.pop(name) == ended.ended == desk.now + timedelta(microseconds=1)
    assert list(found.values()) == [None]
    assert maintained(desk, timedelta(0), "8h") == name  # made again by a clock that is behind that end
    assert {one.ended for one in maintenance_module.made(desk.lake)} == {None}
    desk.says(alert("a"))
    desk.tell(HOUR)
    assert desk.heard() == []


# --- what explains what -------------------------------------------------------------------------------------------


def explained(*alerts: Alert, settings: AlertingSettings | None = None) -> dict[str, str]:
    return causes("m", alerts, settings or AlertingSettings())


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        (("x.missing", ""), ("x.location", "")),
        (("x.missing", ""), ("x.mix", "a=1")),
        (("x.missing", ""), ("prediction.mix", "")),
        (("x.missing", "a=1"), ("accuracy", "a=1")),
        (("x.location", ""), ("x.location", "a=1")),
        (("x.location", ""), ("x.spread", "")),
        (("labels.late", ""), ("accuracy", "")),
        (("no_data", ""), ("anything", "a=1")),
        (("rule:memory_full", ""), ("latency.slow", "")),
        (("latency.location", ""), ("latency.slow", "")),
    ],
)
def test_the_usual_causes(cause: tuple[str, str], effect: tuple[str, str]) -> None:
    """Each explains its effect, whichever came first, and is explained by nothing of it."""
    one, other = alert("c", watch=cause[0], segment=cause[1]), alert("e", watch=effect[0], segment=effect[1])
    assert explained(one, other) == explained(other, one) == {"e": "c"}
    assert explained(other) == {}
    assert explained(one, other, settings=AlertingSettings(inhibit_usual=False)) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("x.missing", ""), ("y.location", "")),
        (("x.missing", "a=1"), ("x.location", "a=2")),
        (("x.missing", "a=1"), ("x.location", "")),
        (("x.location", ""), ("x.mix", "")),
        (("accuracy", "a=1"), ("accuracy", "a=2")),
    ],
)
def test_what_explains_nothing(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Another column, another segment, and what is true of a part and not of the whole."""
    assert (
        explained(alert("a", watch=one[0], segment=one[1]), alert("b", watch=other[0], segment=other[1]))
        == {}
    )


def test_a_cause_that_nobody_was_told_of_explains_nothing() -> None:
    """One that is pending, and one that is over."""
    for state in ("pending", "resolved"):
        assert explained(alert("c", state, watch="x.missing"), alert("e")) == {}
    for state in ("acknowledged", "silenced"):
        assert explained(alert("c", state, watch="x.missing"), alert("e")) == {"e": "c"}


def test_what_is_explained_is_told_where_its_cause_is_in_a_maintenance(desk: Desk) -> None:
    """Nobody hears of the cause, so that what it explains is told; the cause after the maintenance, each once."""
    maintained(desk, timedelta(0), "2h", watches=["*.missing"])
    desk.says(alert("c", watch="age.missing"), alert("e", watch="accuracy"))
    desk.tell()
    assert desk.heard() == [[("e", "firing")]]
    desk.tell(2 * HOUR)
    desk.tell(HOUR)
    assert desk.heard() == [[("e", "firing")], [("c", "firing")]]


def test_what_is_explained_is_told_when_its_cause_is_over(desk: Desk) -> None:
    """Not before, by itself; and not where it is over too."""
    desk.tell()
    desk.says(alert("c", watch="x.missing"), alert("e"), alert("f", watch="x.spread"))
    desk.tell()
    desk.tell(HOUR)
    assert desk.heard() == [[("c", "firing")]]
    desk.says(alert("f", "resolved", watch="x.spread"))
    desk.says(alert("c", "resolved", watch="x.missing"))
    desk.tell(HOUR)
    desk.tell(HOUR)
    assert desk.heard()[1:] == [[("e", "firing"), ("c", "resolved")]]


def test_a_channel_that_does_not_hear_of_the_cause_is_told(desk: Desk) -> None:
    """Somebody must know: the cause is told to others alone."""
    desk.channels("ops", "x watches = ['x.location']")
    desk.says(alert("c", watch="x.missing"), alert("e"))
    desk.tell()
    assert desk.heard("ops") == [[("c", "firing")]]
    assert desk.heard("x") == [[("e", "firing")]]


def test_what_was_told_before_its_cause_came_is_closed_where_it_was_told(desk: Desk) -> None:
    """The cause stops its repeats, not its end."""
    desk.channels("ops repeat = '1h'")
    desk.says(alert("e"))
    desk.tell()
    desk.says(alert("c", watch="x.missing", incident="i2"))
    desk.tell()
    desk.tell(2 * HOUR)
    assert [one for one in desk.heard() if one[0][0] == "e"] == [[("e", "firing")]]
    desk.says(alert("e", "resolved"))
    desk.tell()
    assert desk.heard()[-1] == [("e", "resolved")]


def test_rules_of_vedette_toml_are_held_as_well(desk: Desk) -> None:
    """Source, target, and what must be equal; two that explain each other leave one to be told."""
    desk.channels("ops")
    path = desk.folder / "vedette.toml"
    text = (
        "[[alerts.inhibit]]\nsource = {{ watch = '{}' }}\ntarget = {{ watch = '{}' }}\nequal = ['segment']\n"
    )
    path.write_text(path.read_text() + text.format("rule:a", "rule:b") + text.format("rule:b", "rule:a"))
    desk.says(alert("a", watch="rule:a"), alert("b", watch="rule:b", incident="i2"))
    desk.says(alert("c", watch="rule:a", segment="s=1", incident="i3"))
    desk.tell()
    assert len([one for notice in desk.heard() for one in notice]) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["a.missing", "a.location", "a.spread", "prediction.mix", "accuracy", "labels.late", "rule:r"]
            ),
            st.sampled_from(["", "s=1", "s=2"]),
            st.integers(0, 3),
        ),
        max_size=12,
        unique_by=lambda one: one[:2],
    ),
    st.lists(
        st.tuples(st.sampled_from(["a.*", "*", "acc*", "rule:*"]), st.sampled_from(["a.*", "*", "*.mix"])),
        max_size=3,
    ),
)
def test_causes_are_a_forest(said: list[tuple[str, str, int]], rules: list[tuple[str, str]]) -> None:
    """Whatever the rules: no alert is its own cause, each hangs on one that is told, in whatever order they come."""
    alerts = [
        alert(f"{watch} {segment}", watch=watch, segment=segment, at=T0 + at * HOUR)
        for watch, segment, at in said
    ]
    own = tuple(Inhibition(Match(watch=(one,)), Match(watch=(other,))) for one, other in rules)
    found = causes("m", alerts, AlertingSettings(inhibit=own))
    for one in alerts:
        assert root_of(found, one.id) not in found
    assert found == causes("m", alerts[::-1], AlertingSettings(inhibit=own))
    assert not alerts or len(found) < len(alerts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[alerts.inhibit]]\nsource = { watch = 'a' }", "target=None: must be a table"),
        ("[[alerts.inhibit]]\nsource = { watches = 'a' }\ntarget = {}", "unknown key 'watches'"),
        (
            "[[alerts.inhibit]]\nsource = {}\ntarget = {}\nequal = ['model']",
            "equal=['model']: must be a list of",
        ),
        ("[alerts]\ninhibit = 3", "inhibit=3: must be an array of tables"),
        ("[alerts]\ninhibit_usual = 'no'", "inhibit_usual='no': must be true or false"),
        ("[[alerts.maintenance]]\nreason = 'r'", "[[alerts.maintenance]] number 1: from=None"),
        ("[[alerts.escalate]]\nchannels = ['ops']", "after: is missing"),
        (
            "[[alerts.escalate]]\nafter = '5m'\nchannels = ['no']",
            "'no': there is no such channel; there are ops",
        ),
        ("[[alerts.escalate]]\nafter = '5m'\nchannels = ['ops']\ntimes = 2", "times=2: needs 'repeat'"),
        ("[[alerts.escalate]]\nafter = '5m'\nchannels = ['ops']\n" * 2, "'ops' is in two levels after 300 s"),
    ],
)
def test_what_cannot_be_meant_in_the_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """With where it stands."""
    path = tmp_path / "vedette.toml"
    path.write_text(f"[channels.ops]\ntype = 'terminal'\n{text}\n")
    with pytest.raises(ConfigError) as error:
        config.read(path)
    assert words in str(error.value)


def test_what_is_kept_of_a_maintenance_makes_the_same_again(desk: Desk) -> None:
    """Its row in the lake is a table of the file."""
    name = maintained(desk, HOUR, "2h", every="week", watches=["x.*"], timezone="Europe/Vienna")
    (row,) = desk.lake.maintenance.scan().collect().to_dicts()
    again = maintenance_of(json.loads(row["definition"]), row["by"])
    assert (again.id, [again]) == (name, maintenance_module.made(desk.lake))


def test_the_tables_of_the_documentation_are_read(tmp_path: Path) -> None:
    """Each block of TOML of docs/alerts.md about ``[alerts]`` means something, beside channels of the names that it uses."""
    text = (Path(__file__).parent.parent / "docs" / "alerts.md").read_text("utf-8")
    blocks = [
        one
        for one in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        if "alerts" in one and "[server]" not in one
    ]
    assert len(blocks) == 3
    path = tmp_path / "vedette.toml"
    path.write_text(
        "".join(f"[channels.{name}]\ntype = 'terminal'\n" for name in ("oncall", "head")) + "".join(blocks)
    )
    read = config.read(path).alerting
    assert [len(one) for one in (read.maintenance, read.inhibit, read.escalate)] == [1, 1, 2]


def test_the_command_line_plans_lists_and_ends(desk: Desk) -> None:
    """As JSON and in words; what was ended is listed no more, and who did it is kept."""
    desk.lake.path.mkdir(exist_ok=True)
    where = ["--lake", str(desk.lake.path)]
    run = CliRunner().invoke
    made = run(
        cli,
        [
            "maintenance",
            "add",
            "--reason",
            "moving",
            "--for",
            "2h",
            "--model",
            "delays*",
            "--by",
            "ada",
            "--json",
            *where,
        ],
    )
    (one,) = json.loads(made.stdout)
    assert (one["by"], one["models"], one["ended"]) == ("ada", ["delays*"], None)
    assert json.loads(run(cli, ["maintenance", "list", "--json", *where]).stdout) == [one]
    assert "models delays*: moving" in run(cli, ["maintenance", "list", *where]).stdout
    assert run(cli, ["maintenance", "end", one["id"], "--by", "bob", *where]).exit_code == 0
    assert run(cli, ["maintenance", "list", *where]).stdout == "no maintenance\n"
    rows = desk.lake.maintenance.scan().sort("time").select("change", "by").collect().rows()
    assert rows == [("made", "ada"), ("ended", "bob")]
    assert run(cli, ["maintenance", "end", one["id"], *where]).exit_code != 0
