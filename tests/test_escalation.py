"""Levels that are told when nobody reacts: in time, as often as was set, over restarts, until somebody does."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.receivers import T0, alert
from tests.test_delivery import HOUR, Desk, desk
from vedette import config
from vedette.engine import commands, commands_alerting, outbox
from vedette.engine import maintenance as maintenance_module
from vedette.errors import AlertError

__all__ = ["desk"]  # a fixture

MINUTES = timedelta(minutes=1)
LEVELS = """
[[alerts.escalate]]
after = '30m'
channels = ['boss']
repeat = '20m'
times = 2

[[alerts.escalate]]
after = '2h'
channels = ['boss', 'chief']
"""


@pytest.fixture
def levels(desk: Desk) -> Desk:
    """Three channels: one for all, two for what nobody reacts to."""
    desk.channels("ops repeat = 'never'", "boss", "chief")
    path = desk.folder / "vedette.toml"
    path.write_text(path.read_text() + LEVELS)
    desk.tell()
    return desk


def when(own: Desk, name: str) -> list[tuple[int, str]]:
    """Minutes since ``T0`` at which a channel was told, and of what kind."""
    return [(int((one.time - T0) / MINUTES), one.kind) for one in own.told.get(name, [])]


def test_levels_are_told_in_their_time_and_as_often_as_was_set(levels: Desk) -> None:
    """The first after half an hour and again, then the second; none again, however long it fires on."""
    levels.says(alert("a"))
    for _ in range(60):
        levels.tell(5 * MINUTES)
    assert when(levels, "ops") == [(5, "alerts")]
    assert when(levels, "boss") == [(35, "escalation"), (55, "escalation"), (125, "escalation")]
    assert when(levels, "chief") == [(125, "escalation")]
    assert len({one.key for one in levels.told["boss"]}) == 3


@pytest.mark.parametrize("state", ["acknowledged", "silenced", "resolved"])
def test_whoever_reacts_ends_it(levels: Desk, state: str) -> None:
    """And those who were told are told of its end, where it has one."""
    levels.says(alert("a"))
    levels.tell()
    levels.tell(31 * MINUTES)
    levels.says(alert("a", state, by="ada", at=levels.now))
    for _ in range(20):
        levels.tell(20 * MINUTES)
    told = [("escalation")] + (["alerts"] if state == "resolved" else [])
    assert [kind for _, kind in when(levels, "boss")] == told
    assert when(levels, "chief") == []


def test_what_waits_to_be_tried_again_is_dropped_when_somebody_reacts(levels: Desk) -> None:
    """Of two alerts of a notice the other is told on without it."""
    levels.broken["boss"] = "down"
    levels.says(alert("a"), alert("b", watch="y.location"))
    levels.tell()
    levels.tell(30 * MINUTES)
    levels.says(alert("a", "acknowledged", by="ada"))
    levels.broken.clear()
    levels.tell(MINUTES)
    assert levels.heard("boss") == [[("b", "firing")]]


def test_a_firing_after_a_silence_begins_anew(levels: Desk) -> None:
    """Its time runs from then, and all levels hold again."""
    levels.says(alert("a"))
    levels.tell()
    levels.tell(30 * MINUTES)
    levels.says(alert("a", "silenced", by="ada", at=levels.now))
    levels.tell(4 * HOUR)
    levels.says(alert("a", at=levels.now))
    levels.tell()
    begun = int((levels.now - T0) / MINUTES)
    levels.tell(29 * MINUTES)
    levels.tell(MINUTES)
    assert when(levels, "boss") == [(30, "escalation"), (begun + 30, "escalation")]


def test_a_maintenance_stops_the_time_and_it_begins_anew_after(levels: Desk) -> None:
    """Nobody is told on of what nobody was told."""
    table = {"reason": "r", "from": T0.isoformat(), "for": "3h"}
    maintenance_module.add(levels.lake, table, by="ada", now=T0)
    levels.says(alert("a"))
    for _ in range(24):
        levels.tell(10 * MINUTES)
    assert when(levels, "ops") == [(180, "alerts")]
    assert when(levels, "boss") == [(210, "escalation"), (230, "escalation")]


def test_a_level_s_models_and_watches_choose(desk: Desk) -> None:
    """So do those of its channels."""
    desk.channels("ops", "boss", "chief watches = ['y.*']")
    path = desk.folder / "vedette.toml"
    path.write_text(
        path.read_text() + "[[alerts.escalate]]\nafter = '5m'\nchannels = ['boss']\nwatches = ['x.*']\n"
        "[[alerts.escalate]]\nafter = '6m'\nchannels = ['chief']\n"
        "[[alerts.escalate]]\nafter = '7m'\nchannels = ['boss', 'chief']\nmodels = ['other']\n"
    )
    desk.says(alert("a", incident="i1"), alert("b", watch="y.location", incident="i2"))
    desk.tell()
    desk.tell(10 * MINUTES)
    assert desk.heard("boss") == [[("a", "firing")]]
    assert desk.heard("chief") == [[("b", "firing")]]


def test_a_crash_after_the_sending_sends_once_more_with_the_same_key(
    levels: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then no more: what was sent counts, whatever time the restart took."""
    levels.says(alert("a"))
    levels.tell()
    write = outbox.Outcome.SENT
    with monkeypatch.context() as dying:
        dying.setattr("vedette.engine.delivery._row", _dies_at(write))
        levels.tell(30 * MINUTES)
    assert len(levels.told["boss"]) == 1
    levels.tell(timedelta(hours=1))
    levels.tell(MINUTES)
    first, second, *more = levels.told["boss"]
    assert (first.key, first.alerts) == (second.key, second.alerts)
    assert [one.key == first.key for one in more] == [False]  # the repeat that was set


def _dies_at(outcome: outbox.Outcome) -> object:
    from vedette.engine import delivery

    real = delivery._row

    def row(now: object, name: str, said: outbox.Outcome, *more: object, **given: object) -> object:
        if said is outcome and name == "boss":
            raise RuntimeError("the process died")
        return real(now, name, said, *more, **given)  # type: ignore[arg-type]

    return row


def test_a_person_tells_the_next_level_at_once(levels: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the one after it; no level is told twice for it, and none is left in the end."""
    monkeypatch.setattr("time.time", lambda: levels.now.timestamp())
    levels.says(alert("a"))
    levels.tell()
    where = str(levels.lake.path)
    [told] = commands_alerting.escalate(where, "a", by="ada", reason="customers call", model="m")
    assert told.id == "a"
    levels.tell(MINUTES)
    assert when(levels, "boss") == [(1, "escalation")]
    commands_alerting.escalate(where, "a", by="ada", reason="they call again", model="m")
    levels.tell(MINUTES)
    assert when(levels, "boss")[1:] == [(2, "escalation")]
    assert when(levels, "chief") == [(2, "escalation")]
    said = commands.history(where, "m").filter(pl.col("what") == "escalation").select("by", "on", "detail")
    assert said.rows() == [
        ("ada", "alert a", "boss: customers call"),
        ("ada", "alert a", "boss, chief: they call again"),
    ]
    with pytest.raises(AlertError, match="every level was told"):
        commands_alerting.escalate(where, "a", by="ada", reason="and again", model="m")
    for _ in range(20):
        levels.tell(20 * MINUTES)
    assert [at for at, _ in when(levels, "boss")] == [1, 2, 22]
    assert when(levels, "chief") == [(2, "escalation")]


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("firing", " ", "must say why"),
        ("acknowledged", "r", "only what fires"),
        ("firing", "r", "maintenance"),
    ],
)
def test_what_cannot_be_told_on_is_refused(
    levels: Desk, state: str, reason: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reason, what does not fire, and in a maintenance."""
    monkeypatch.setattr("time.time", lambda: levels.now.timestamp())
    levels.says(alert("a"), alert("a", state))
    if words == "maintenance":
        table = {"reason": "r", "from": T0.isoformat(), "for": "3h"}
        maintenance_module.add(levels.lake, table, by="ada", now=T0)
    with pytest.raises((AlertError, ValueError), match=words):
        commands_alerting.escalate(str(levels.lake.path), "a", by="ada", reason=reason, model="m")


def test_without_levels_there_is_nobody_to_tell_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to write."""
    monkeypatch.setattr("time.time", lambda: desk.now.timestamp())
    desk.says(alert("a"))
    with pytest.raises(AlertError, match=r"\[\[alerts.escalate\]\]"):
        commands_alerting.escalate(str(desk.lake.path), "a", by="ada", reason="r", model="m")


def test_an_escalation_says_what_it_is(levels: Desk) -> None:
    """In the title, and in the JSON as its kind."""
    from vedette.output.channels import words

    levels.says(alert("a"))
    levels.tell()
    levels.tell(30 * MINUTES)
    [notice] = levels.told["boss"]
    assert words.title(notice) == "m: nobody has reacted: ALARM x.location since 2026-03-02 07:00 UTC"
    assert words.document(notice)["kind"] == "escalation"
    assert config.read().alerting.levels_of("ops") == ()
