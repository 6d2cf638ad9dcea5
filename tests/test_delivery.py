"""Telling: at least once with one key, whatever crashes, whoever does not answer."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import vedette
from tests.receivers import T0, Receiver, alert, receiver
from tests.test_cli import run as command
from vedette import cli, config
from vedette.engine import alerts as alerts_module
from vedette.engine import commands, cycle, delivery, outbox, requests
from vedette.engine.delivery import deliver
from vedette.engine.health import health
from vedette.engine.telling import Background
from vedette.errors import ConfigError, LakeError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake, Table
from vedette.output.channels import CHANNELS
from vedette.records import AlertState, Notice, Status

HOUR = timedelta(hours=1)


@dataclass
class Desk:
    """A lake with alerts by hand, a clock, a vedette.toml, and channels that keep what they are told."""

    folder: Path
    now: datetime = T0
    told: dict[str, list[Notice]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)  # channel -> what goes wrong
    during: Callable[[str], None] = lambda name: None

    @property
    def lake(self) -> Lake:
        return Lake.at(self.folder / "lake")

    def channels(self, *lines: str) -> None:
        """Write the file: each text is the name of a channel, and keys after it."""
        tables = []
        for line in lines:
            name, _, keys = line.partition(" ")
            said = keys.replace("; ", "\n")
            tables.append(f"[channels.{name}]\ntype = 'desk'\nname = '{name}'\n{said}\n")
        (self.folder / "vedette.toml").write_text("\n".join(tables))

    def says(self, *alerts: Any) -> None:
        """Steps of alerts, as a round writes them."""
        self.lake.path.mkdir(exist_ok=True)
        alerts_module.add_steps(self.lake.model("m"), alerts)

    def tell(self, after: timedelta = timedelta(0), **more: Any) -> int:
        """A turn of telling, some time later."""
        self.now += after
        return deliver(self.lake, ["m"], clock=self.now.timestamp, **more)

    def heard(self, name: str = "ops") -> list[list[tuple[str, str]]]:
        """What a channel was told: for each notice the alerts with their states."""
        return [[(one.id, one.state.value) for one in notice.alerts] for notice in self.told.get(name, [])]

    def rows(self, name: str = "ops") -> pl.DataFrame:
        """The rows of a channel in the lake."""
        return (
            self.lake.model("m")["deliveries"]
            .scan()
            .filter(pl.col("channel") == name)
            .sort("number")
            .collect()
        )


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)

    class Told:
        def __init__(self, *, timeout_s: float, name: str) -> None:
            self.name = name

        def send(self, notice: Notice) -> str:
            made.during(self.name)
            if self.name in made.broken:
                raise OSError(made.broken[self.name])
            made.told.setdefault(self.name, []).append(notice)
            return "heard"

    monkeypatch.setitem(CHANNELS, "desk", Told)
    monkeypatch.setitem(config.CHANNEL_TYPES, "desk", ("name",))
    monkeypatch.setitem(config.CHANNEL_KEYS, "name", "for tests")
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    made.channels("ops")
    return made


# --- what is told -------------------------------------------------------------------------------------------------


def test_each_incident_of_a_round_is_one_notice_and_told_once(desk: Desk) -> None:
    """Alerts that fire together are one message; nothing is told twice."""
    desk.tell()
    desk.says(alert("a"), alert("b", watch="accuracy"), alert("c", incident="i2"))
    desk.tell()
    desk.tell(HOUR)
    assert desk.heard() == [[("a", "firing"), ("b", "firing")], [("c", "firing")]]
    assert len({one.key for one in desk.told["ops"]}) == 2
    desk.says(alert("a", "resolved", at=desk.now))
    desk.tell()
    assert desk.heard()[2:] == [[("a", "resolved")]]


def test_states_models_and_watches_choose_what_is_told(desk: Desk) -> None:
    """A channel hears what its table names, and the end of nothing that it did not hear of."""
    desk.channels(
        "acks states = ['acknowledged', 'resolved']",
        "x watches = ['x.*', 'y']",
        "other models = ['n*']",
    )
    desk.tell()
    desk.says(alert("a"), alert("b", watch="accuracy"))
    desk.tell()
    desk.says(alert("a", "acknowledged", by="ada"), alert("b", "resolved"))
    desk.tell()
    desk.says(alert("a", "resolved"))
    desk.tell()
    assert desk.heard("acks") == [[("a", "acknowledged")], [("a", "resolved")]]
    assert desk.heard("x") == [[("a", "firing")], [("a", "resolved")]]
    assert desk.heard("other") == []


def test_an_alarm_that_came_and_went_between_rounds_is_one_notice(desk: Desk) -> None:
    """It is told with its end, and not as if it still fired."""
    desk.tell()
    desk.says(alert("a"), alert("a", "resolved"))
    desk.tell()
    assert desk.heard() == [[("a", "resolved")]]
    assert desk.rows().filter(pl.col("outcome") == "sent")["steps"].to_list() == [[1, 2]]


def test_a_new_channel_hears_of_what_is_open(desk: Desk) -> None:
    """Not of what was resolved before, nor of what was acknowledged; one that comes back hears what it missed."""
    desk.says(alert("a"), alert("b", incident="i2"), alert("c", incident="i3"))
    desk.says(alert("b", "resolved"), alert("c", "acknowledged", by="ada"))
    desk.tell()
    assert desk.heard() == [[("a", "firing")]]
    desk.channels("else")
    desk.tell()
    desk.says(alert("d", incident="i4"), alert("e", incident="i5"))
    desk.says(alert("d", "resolved"))
    desk.tell()
    desk.channels("ops")
    desk.tell()
    assert desk.heard() == [[("a", "firing")], [("e", "firing")]]
    desk.says(alert("a", "resolved"), alert("b", "resolved"))
    desk.tell()
    assert desk.heard()[2:] == [[("a", "resolved")]]


def test_a_channel_that_comes_back_hears_of_the_end_of_what_it_was_told(desk: Desk) -> None:
    """Of the end that waited when it went, and of one that came meanwhile; of nothing that it was told nothing of."""
    desk.channels("ops", "other")
    desk.says(alert("a"), alert("b", incident="i2"), alert("old", incident="i3"))
    desk.tell()
    desk.says(alert("old", "resolved", incident="i3", at=desk.now))
    desk.tell()
    before = desk.heard()
    desk.broken["ops"] = "down"
    desk.says(alert("a", "resolved", at=desk.now), alert("c", incident="i4"))
    desk.tell()
    desk.channels("other")
    desk.tell()
    desk.says(*(alert(name, "resolved", incident=at, at=desk.now) for name, at in (("b", "i2"), ("c", "i4"))))
    desk.says(alert("d", incident="i5"), alert("d", "resolved", incident="i5", at=desk.now))
    desk.tell()
    desk.broken.clear()
    desk.channels("ops", "other")
    desk.tell()
    desk.tell(HOUR)
    assert sorted(desk.heard()[len(before) :]) == [[("a", "resolved")], [("b", "resolved")]]


def test_an_alert_that_fires_on_is_told_again(desk: Desk) -> None:
    """Every ``repeat``, with another key and the word that it is a repeat, until someone has seen it."""
    desk.channels("ops repeat = '2h'", "never repeat = 'never'")
    desk.tell()
    desk.says(alert("a"), alert("b", watch="accuracy"))
    for _ in range(9):
        desk.tell(timedelta(minutes=30))
    assert [(one.time - T0, one.repeat) for one in desk.told["ops"]] == [
        (timedelta(hours=0.5), False),
        (timedelta(hours=2.5), True),
        (timedelta(hours=4.5), True),
    ]
    assert len({one.key for one in desk.told["ops"]}) == 3
    desk.says(alert("a", "acknowledged", by="ada"))
    desk.tell(2 * HOUR)
    desk.says(alert("b", "silenced", by="bob"))
    desk.tell(2 * HOUR)
    assert desk.heard()[3:] == [[("b", "firing")]]
    assert len(desk.told["never"]) == 1


def test_a_silence_that_ends_tells_again(desk: Desk) -> None:
    """What waits is not told while it is silenced; its end, and the end of its alert, are told."""
    desk.tell()
    desk.broken["ops"] = "down"
    desk.says(alert("a"))
    desk.tell()
    desk.says(alert("a", "silenced", by="bob"))
    desk.broken.clear()
    desk.tell(HOUR)
    assert desk.heard() == []
    assert desk.rows()["outcome"].to_list() == ["started", "waiting", "failed", "dropped"]
    desk.says(alert("a", at=desk.now, reason="the silence of bob ended"))
    desk.tell()
    assert desk.heard() == [[("a", "firing")]]
    desk.says(
        alert("a", "silenced", by="bob"), alert("b", incident="i2"), alert("b", "silenced", incident="i2")
    )
    desk.tell()
    assert desk.heard() == [[("a", "firing")]]
    desk.says(alert("a", "resolved"), alert("b", "resolved", incident="i2"))
    desk.tell()
    assert desk.heard() == [[("a", "firing")], [("a", "resolved")]]
    desk.says(alert("c"), alert("d"), alert("d", "silenced", by="bob"))
    desk.tell()
    assert desk.heard()[2:] == [[("c", "firing")]]


# --- whatever goes wrong ------------------------------------------------------------------------------------------


@pytest.fixture
def power(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[int]]:
    """Lets the process die before or after its n-th write of what is told: it neither writes nor sends, until the list
    of deaths is cleared.
    """
    write = Table.write

    def dies(at: int, when: str) -> list[int]:
        count, dead = [0], []

        def dying(self: Table, *arguments: Any, **more: Any) -> bool:
            if self.name not in ("deliveries", "events"):
                return write(self, *arguments, **more)
            count[0] += 1
            if not dead and count[0] != at:
                return write(self, *arguments, **more)
            if not dead and when == "after":
                write(self, *arguments, **more)
            dead.append(at)
            raise LakeError("the process died")

        monkeypatch.setattr(Table, "write", dying)
        desk.during = lambda name: pytest.fail("a dead process sends nothing") if dead else None
        return dead

    return dies


def arrived(desk: Desk) -> list[tuple[str, str]]:
    """What arrived by key: each alert with its state; at most one notice came twice, and none with two keys."""
    came = [(one.key, one.alerts) for one in desk.told["ops"]]
    once = list(dict.fromkeys(came))
    assert len(came) - len(once) <= 1
    told = [(one.id, one.state.value) for _, alerts in once for one in alerts]
    assert len(told) == len(set(told))
    return told


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_crash_repeats_at_most_what_was_under_way(
    desk: Desk, power: Callable[[int, str], list[int]], at: int, when: str
) -> None:
    """The process dies beside any of its writes: every alert arrives, its end last, at most one notice twice."""
    desk.tell()
    dead = power(at, when)
    desk.says(alert("a"), alert("b", incident="i2"), alert("c", incident="i3"))
    desk.tell()
    desk.says(alert("a", "resolved"), alert("d", incident="i4"))
    if not dead:
        desk.tell()
    assert dead
    dead.clear()
    desk.tell()
    desk.tell()
    assert dict(arrived(desk)) == {"a": "resolved", "b": "firing", "c": "firing", "d": "firing"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_at_a_channel_s_start_makes_it_start_once(
    desk: Desk, power: Callable[[int, str], list[int]], at: int, when: str
) -> None:
    """The event of its addition is there once, and it hears of what is open."""
    desk.says(alert("a"), alert("b", incident="i2"), alert("b", "resolved", incident="i2"))
    dead = power(at, when)
    desk.tell()
    assert dead
    dead.clear()
    desk.tell()
    desk.tell()
    assert arrived(desk) == [("a", "firing")]
    events = desk.lake.model("m")["events"].scan().filter(pl.col("kind") == "channels").collect()
    assert events.height == 1


def test_a_killed_process_sends_again_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``kill -9`` while the receiver has the notice and has not answered: it comes again, byte by byte."""
    with receiver() as got:
        got.hold = threading.Event()
        (tmp_path / "vedette.toml").write_text(
            f"[channels.ops]\ntype = 'webhook'\nurl = '{got.url}'\nsecret = 'k'\nmodels = ['m']\n"
        )
        lake = Lake.at(tmp_path / "lake")
        lake.path.mkdir()
        alerts_module.add_steps(lake.model("m"), [alert("a"), alert("b")])
        code = (
            "from vedette.engine.delivery import deliver; from vedette.lake.tables import Lake; "
            f"deliver(Lake.at({str(lake.path)!r}), ['m'])"
        )
        monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
        process = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 30
        while not got.got and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        got.hold.set()
        got.hold = None
        assert deliver(lake, ["m"]) == 0
        assert deliver(lake, ["m"]) == 0
        [first, second] = got.got
        assert first[2]["Idempotency-Key"] == second[2]["Idempotency-Key"]
        assert first[3] == second[3]
    assert outbox.read(lake.model("m"))["ops"].waiting == {}


def test_a_channel_that_does_not_answer_is_tried_ever_more_rarely(desk: Desk) -> None:
    """After 15 s, 30 s and so on up to an hour, with the same key, until it answers; others hear at once."""
    desk.channels("ops repeat = 'never'", "mail repeat = 'never'")
    desk.tell()
    desk.says(alert("a"))
    desk.broken["ops"] = "down"
    tried = []
    desk.during = lambda name: tried.append(desk.now) if name == "ops" else None
    desk.tell()
    gaps = []
    for n in range(1, 11):
        [letter] = outbox.read(desk.lake.model("m"))["ops"].waiting.values()
        assert letter.next is not None
        gaps.append((letter.next - desk.now).total_seconds())
        desk.tell(letter.next - desk.now - timedelta(seconds=1))
        assert len(tried) == n
        desk.tell(timedelta(seconds=1))
        assert len(tried) == n + 1
    assert gaps == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert desk.heard("mail") == [[("a", "firing")]]
    desk.broken.clear()
    desk.tell(HOUR)
    assert desk.heard() == [[("a", "firing")]]
    rows = desk.rows()
    assert rows["outcome"].to_list() == ["started", "waiting", *["failed"] * 11, "sent"]
    assert rows["attempt"].to_list() == [0, 0, *range(1, 13)]
    assert rows["error"].unique().to_list() in ([None, "OSError: down"], ["OSError: down", None])
    assert rows["key"].drop_nulls().n_unique() == 1


def test_incidents_keep_their_order_and_do_not_wait_for_each_other(desk: Desk) -> None:
    """While a notice of an incident cannot be sent, no later one of it is; those of other incidents are."""
    desk.tell()
    desk.broken["ops"] = "not this one"
    desk.says(alert("a"))
    desk.tell()
    desk.says(alert("a", "resolved"), alert("b", incident="i2"))
    desk.broken.clear()
    desk.tell(timedelta(seconds=1))
    assert desk.heard() == [[("b", "firing")]]
    desk.tell(timedelta(seconds=15))
    assert desk.heard() == [[("b", "firing")], [("a", "firing")], [("a", "resolved")]]


def test_new_settings_are_tried_at_once(desk: Desk) -> None:
    """Who mends a channel does not wait for an hour."""
    desk.tell()
    desk.says(alert("a"))
    desk.broken["ops"] = "down"
    for _ in range(6):
        desk.tell(HOUR)
    desk.broken.clear()
    desk.tell(timedelta(seconds=1))
    assert desk.heard() == []
    desk.channels("ops timeout_s = 3")
    desk.tell(timedelta(seconds=1))
    assert desk.heard() == [[("a", "firing")]]


def test_a_channel_that_hangs_holds_nobody_up(desk: Desk) -> None:
    """Others are told meanwhile, the lake is free for rounds, and its attempt ends in time."""
    desk.channels("ops timeout_s = 0.3", "mail")
    desk.tell()
    desk.says(alert("a"))
    seen: list[str] = []

    def during(name: str) -> None:
        with lock(requests.work_lock(desk.lake), wait_s=1.0):
            seen.append(name)
        if name == "ops":
            time.sleep(3)

    desk.during = during
    begun = time.monotonic()
    desk.tell()
    assert time.monotonic() - begun < 2.8
    assert sorted(seen) == ["mail", "ops"]
    assert desk.heard("mail") == [[("a", "firing")]]
    assert desk.rows()["error"].to_list()[-1] == "no answer within 0.3 s"


def test_two_processes_do_not_send_the_same_notice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each model has one teller at a time; who comes second waits, then finds nothing to do."""
    desk.tell()
    desk.says(alert("a"), alert("b", incident="i2"))
    desk.during = lambda name: time.sleep(0.1)
    threads = [threading.Thread(target=desk.tell) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert desk.heard() == [[("a", "firing")], [("b", "firing")]]
    monkeypatch.setattr(delivery, "TELL_WAIT_S", 0.05)
    desk.says(alert("c", incident="i3"))
    with lock(desk.lake.journal / ".telling-m.lock"):
        assert desk.tell() == 0
    assert len(desk.heard()) == 2
    desk.tell()
    assert len(desk.heard()) == 3


def test_without_a_file_nobody_is_told_and_nothing_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that knows of no vedette.toml does not take the channels for removed; it says that it tells nobody."""
    desk.tell()
    desk.says(alert("a"))
    monkeypatch.setattr(config, "read", lambda: config.Config())
    desk.tell()
    desk.tell()
    assert caplog.text.count("nobody is told from here") == 1
    monkeypatch.undo()
    monkeypatch.setitem(CHANNELS, "desk", CHANNELS.get("desk", CHANNELS["terminal"]))


def test_a_file_that_cannot_be_meant_stops_telling_and_not_the_round(desk: Desk) -> None:
    """The round is done, and the error names what is wrong."""
    desk.lake.path.mkdir()
    (desk.folder / "vedette.toml").write_text("[channels.ops]\ntype = 'pigeon'")
    with pytest.raises(ConfigError, match="type='pigeon'"):
        cycle.once(desk.lake, models=["m"])


def test_a_program_that_is_not_there_mutes_no_other_channel(desk: Desk) -> None:
    """The attempt says so and is tried again; whoever else is to be told is."""
    path = desk.folder / "vedette.toml"
    path.write_text(path.read_text() + "[channels.pager]\ntype = 'command'\ncommand = ['no-such-program']\n")
    desk.tell()
    desk.says(alert("a"))
    desk.tell()
    assert desk.heard() == [[("a", "firing")]]
    last = desk.rows("pager").row(-1, named=True)
    assert (last["outcome"], last["error"]) == ("failed", "cannot be started: No such file or directory")
    assert last["next"] > desk.now


def test_a_follower_tells_on_while_the_file_is_wrong(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """By what the file said before, which is logged once; health says what is wrong until it is mended."""
    telling = Background(desk.lake, lambda: desk.now.timestamp())

    def tells(*alerts: Any) -> None:
        desk.says(*alerts)
        telling.tell("m", completed=True)
        telling.close(20)

    tells(alert("a"))
    good = (desk.folder / "vedette.toml").read_text()
    (desk.folder / "vedette.toml").write_text("[channels.ops]\ntype = 'pigeon'")
    tells(alert("b", incident="i2"))
    tells(alert("c", incident="i3"))
    assert desk.heard() == [[("a", "firing")], [("b", "firing")], [("c", "firing")]]
    assert caplog.text.count("the channels stay as they were") == 1
    [one] = [one for one in health(desk.lake, "m").verdicts if one.watch == "vedette.toml"]
    assert (one.verdict, "type='pigeon'" in str(one.reason)) == (Status.UNKNOWN, True)
    (desk.folder / "vedette.toml").write_text(good)
    tells(alert("a", "resolved"))
    assert desk.heard()[3:] == [[("a", "resolved")]]
    assert [one.watch for one in health(desk.lake, "m").verdicts] == ["model"]


# --- what is wrong with telling is seen ---------------------------------------------------------------------------


def test_a_failing_channel_makes_health_unknown(desk: Desk) -> None:
    """After five minutes, with since when, how often and why; gone when it answers, or is removed."""
    desk.tell()
    desk.says(alert("a"))
    desk.broken["ops"] = "down"
    desk.tell()
    assert outbox.verdicts(desk.lake.model("m"), desk.now) == []
    desk.tell(timedelta(minutes=3))
    desk.tell(timedelta(minutes=3))
    found = health(desk.lake, "m", desk.now)
    [one] = [one for one in found.verdicts if one.watch == "channel:ops"]
    assert (one.verdict, one.guarantee, found.verdict) == (Status.UNKNOWN, "rule", Status.UNKNOWN)
    assert one.reason == "no answer since 2026-03-02 08:00 UTC (3 tries): OSError: down"
    desk.broken.clear()
    desk.tell(HOUR)
    assert outbox.verdicts(desk.lake.model("m"), desk.now + HOUR) == []
    desk.broken["ops"] = "down"
    desk.tell(10 * HOUR)  # a repeat
    assert len(outbox.verdicts(desk.lake.model("m"), desk.now + HOUR)) == 1
    desk.channels()
    desk.tell()
    assert outbox.verdicts(desk.lake.model("m"), desk.now + HOUR) == []


def test_changes_of_channels_are_events_without_secrets(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added, changed and removed, by whom and when; the secrets are in no table and no log."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    path = desk.folder / "vedette.toml"
    secret = "T0KEN-that-nobody-may-see"
    table = f"[channels.w]\ntype = 'webhook'\nurl = 'http://127.0.0.1:9/{secret}'\nsecret = '{secret}'\n"
    desk.says(alert("a"))
    for text in (
        table,
        table,
        table.replace("secret = ", "timeout_s = 1\nsecret = "),
        table.replace("KEN-", "KIN-"),
        "",
    ):
        path.write_text(text)
        desk.tell(HOUR)
    events = desk.lake.model("m")["events"].scan().filter(pl.col("kind") == "channels").sort("time").collect()
    details = [json.loads(one) for one in events["detail"]]
    assert [(one["change"], one["by"], one["file"]) for one in details] == [
        (change, "ada", str(path)) for change in ("added", "changed", "changed", "removed")
    ]
    assert events["name"].to_list() == ["w"] * 4
    assert events["time"].to_list() == [T0 + n * HOUR for n in (1, 3, 4, 5)]
    assert [one["settings"]["timeout_s"] for one in details] == [10.0, 1.0, 10.0, 10.0]
    digests = [one["settings"]["digest"] for one in details]
    assert digests[0] == digests[1] != digests[2]
    everything = caplog.text + "".join(
        str(desk.lake.model("m")[name].scan().collect().to_dicts()) for name in ("events", "deliveries")
    )
    assert "attempt 1 failed" in everything
    for word in (secret, secret.replace("KEN-", "KIN-"), "nobody-may-see"):
        assert word not in everything


# --- heartbeats ---------------------------------------------------------------------------------------------------


def test_a_heartbeat_follows_a_completed_round(desk: Desk) -> None:
    """At most every ``repeat``, not after a round that failed, and again soon where it was not taken."""
    desk.channels("ops heartbeat = true; repeat = '10m'")
    desk.says(alert("a"))
    desk.tell(completed=False)
    assert desk.told == {}
    for _ in range(5):
        desk.tell(timedelta(minutes=4))
    beats = desk.told["ops"]
    assert [(one.kind, one.alerts, one.time - T0) for one in beats] == [
        ("heartbeat", (), timedelta(minutes=minutes)) for minutes in (4, 16)
    ]
    desk.broken["ops"] = "down"
    desk.tell(timedelta(minutes=10))
    desk.tell(timedelta(seconds=10))
    assert desk.rows()["outcome"].to_list() == ["started", "sent", "sent", "failed"]
    desk.broken.clear()
    desk.tell(timedelta(seconds=10))
    assert desk.rows()["outcome"].to_list()[-1] == "sent"
    assert desk.rows()["key"].to_list()[-1] == desk.rows()["key"].to_list()[-2]


def test_many_heartbeats_stay_few_rows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old heartbeats go; what was told of alerts, and the order of the rows, stay."""
    monkeypatch.setattr(delivery, "_COMPACT_EVERY", 6)
    desk.channels("ops heartbeat = true; repeat = '1m'; states = ['firing', 'resolved']")
    desk.tell()
    desk.says(alert("a"))
    for _ in range(12):
        desk.tell(timedelta(minutes=1))
    rows = desk.rows()
    assert rows.filter(pl.col("kind") == "heartbeat").height < 8
    assert rows["number"].is_sorted()
    assert rows["number"].is_unique().all()
    assert rows.filter(pl.col("kind") != "heartbeat")["outcome"].to_list()[:2] == ["waiting", "sent"]
    desk.says(alert("a", "resolved"))
    desk.tell()
    assert [one for one in desk.heard() if one][-1] == [("a", "resolved")]


# --- rounds, and commands -----------------------------------------------------------------------------------------


def test_a_failed_round_tells_what_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the round is what is raised; a notice that waits does not wait for a good round."""
    desk.channels("ops", "alive heartbeat = true")
    desk.lake.path.mkdir()
    clock = desk.now.timestamp
    monkeypatch.setattr(cycle, "round_of", lambda *_: 0)
    assert cycle.once(desk.lake, clock=clock, models=["m"]) == 0
    assert [one.kind for one in desk.told["alive"]] == ["heartbeat"]
    desk.says(alert("a"))

    def failing(*_: object) -> int:
        raise LakeError("no room")

    monkeypatch.setattr(cycle, "round_of", failing)
    desk.now += 5 * HOUR
    with pytest.raises(LakeError, match="no room"):
        cycle.once(desk.lake, clock=desk.now.timestamp, models=["m"])
    assert desk.heard() == [[("a", "firing")]]
    assert len(desk.told["alive"]) == 1


def test_an_error_of_telling_does_not_hide_that_of_the_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both fail, as on a full disk: the round's error is raised, that of telling is in the log."""
    desk.says(alert())

    def breaks(*_: Any, **__: Any) -> None:
        raise LakeError("no room")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no room to tell")

    monkeypatch.setattr(cycle, "round_of", breaks)
    monkeypatch.setattr(delivery, "deliver", fails)
    with pytest.raises(LakeError, match=r"^no room$"), caplog.at_level(logging.ERROR, "vedette"):
        cycle.once(desk.lake, models=["m"])
    assert "telling failed after a round that failed" in caplog.text
    assert "no room to tell" in caplog.text


def test_a_follower_goes_on_while_a_channel_hangs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds come one after another; the notice is told when the channel answers at last."""
    desk.channels("ops timeout_s = 30")
    desk.says(alert("a"))
    (desk.lake.path / ".journal" / "m").mkdir(parents=True, exist_ok=True)
    free, rounds = threading.Event(), []
    desk.during = lambda name: None if free.wait(20) else pytest.fail("never let go")

    def count(*_: object) -> int:
        rounds.append(len(desk.told))
        if len(rounds) == 20:
            free.set()
        return 0

    monkeypatch.setattr(cycle, "round_of", count)
    deadline = time.monotonic() + 20
    cycle.follow(
        desk.lake,
        interval_s=0.01,
        clock=desk.now.timestamp,
        stop=lambda: bool(desk.told) or time.monotonic() > deadline,
    )
    assert rounds[:20] == [0] * 20
    assert desk.heard() == [[("a", "firing")]]
    assert outbox.read(desk.lake.model("m"))["ops"].waiting == {}


def test_check_sees_what_time_brought(desk: Desk) -> None:
    """Rows stopped, and no round has come since: a check that finds nothing new in the journals tells of it all the same."""
    monitor = vedette.Monitor("m", lake=desk.lake.path, window="1m", task="classification")
    rng = np.random.default_rng(1)
    before = datetime.now(UTC) - timedelta(hours=2)
    monitor._clock = before.timestamp
    frame = pl.DataFrame({"x": rng.normal(size=300), "prediction": rng.integers(0, 2, 300)})
    monitor.reference(frame)
    monitor.log_many(frame)
    monitor.close()
    for minutes in (0, 3):
        cycle.round_of(desk.lake, "m", before + timedelta(minutes=minutes))
    assert alerts_module.alerts(desk.lake.model("m")) == []
    commands.check(str(desk.lake.path), "m")
    [one] = alerts_module.alerts(desk.lake.model("m"))
    assert (one.watch, one.state) == ("no_data", AlertState.FIRING)
    assert desk.heard() == [[(one.id, "firing")]]
    commands.check(str(desk.lake.path), "m")
    assert len(desk.heard()) == 1
    now = datetime.now(UTC)
    alerts_module.silence(
        desk.lake.model("m"), one.id, by="ada", reason="x", until=now + timedelta(seconds=0.05), now=now
    )
    time.sleep(0.1)
    commands.check(str(desk.lake.path), "m")
    assert desk.heard()[1:] == [[(one.id, "firing")]]


def test_rows_that_waited_for_days_are_old(desk: Desk) -> None:
    """Rounds stopped, rows too, and a round comes two days later: what it brings is no news of today."""
    monitor = vedette.Monitor("m", lake=desk.lake.path, window="1m", task="classification")
    rng, now = np.random.default_rng(1), datetime.now(UTC)
    frame = pl.DataFrame({"x": rng.normal(size=300), "prediction": rng.integers(0, 2, 300)})
    monitor.reference(frame)
    monitor.log_many(frame)
    for minutes in (0, 3):
        cycle.round_of(desk.lake, "m", now + timedelta(minutes=minutes))
    monitor.log_many(frame)
    monitor.close()
    late = now + timedelta(days=2)
    for minutes in (0, 1):
        cycle.round_of(desk.lake, "m", late + timedelta(minutes=minutes))
    found = health(desk.lake, "m", late + timedelta(minutes=1)).verdicts
    assert {one.verdict for one in found} == {Status.UNKNOWN}
    assert {str(one.reason).partition(" 2")[0] for one in found} == {"no rows since"}
    assert [one.watch for one in alerts_module.alerts(desk.lake.model("m"))] == ["no_data"]


@pytest.fixture
def served() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def test_the_commands_show_and_try_channels(
    tmp_path: Path, served: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``channels`` lists what is sent and how it goes; ``--test`` says what came back, and 70 where it failed."""
    (tmp_path / "vedette.toml").write_text(
        f"[channels.ops]\ntype = 'webhook'\nurl = '{served.url}'\nsecret = 'k3y-of-the-hook'\n"
        "[channels.here]\ntype = 'terminal'\nmodels = ['n']\n"
    )
    lake = Lake.at(tmp_path / "lake")
    lake.path.mkdir()
    alerts_module.add_steps(lake.model("m"), [alert("a")])

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEDETTE_CONFIG", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vedette", *arguments, "--lake", str(lake.path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    served.answers = [(503, {})]
    done = command("check", "m", "--json", "--lake", str(lake.path), cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (2, "UNKNOWN")
    assert "channel ops: attempt 1 failed: answered 503 Service Unavailable" in done.stderr
    code, out, _ = run("channels", "--json")
    first, second = json.loads(out)["channels"]
    assert (code, first["name"], first["states"], second["deliveries"]) == (
        0,
        "ops",
        ["firing", "resolved"],
        [],
    )
    [one] = first["deliveries"]
    assert (one["model"], one["outcome"], one["tries"], one["waiting"]) == ("m", "failed", 1, 1)
    assert one["error"] == "answered 503 Service Unavailable"
    code, out, _ = run("channels")
    assert "ops (webhook): alerts firing, resolved, again every 4 h" in out
    assert "m: failed" in out
    assert "1 try: answered 503 Service Unavailable" in out
    assert run("channels", "--test", "ops")[::2] == (
        70,
        "vedette: channel ops: answered 503 Service Unavailable\n",
    )
    served.answers = [(202, {})]
    assert run("channels", "--test", "ops")[:2] == (0, "ops: 202 Accepted\n")
    assert json.loads(served.got[-1][3])["kind"] == "test"
    code, _, error = run("channels", "--test", "opps")
    assert (code, "channel='opps': not in vedette.toml; there are ops, here" in error) == (70, True)
    shown = "".join(run(*one)[1] for one in (["channels"], ["channels", "--json"]))
    assert "k3y" not in shown
    assert "T0KEN" not in shown


def test_alerts_names_channels_that_fail(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """On standard error (a warning of the log), so that its JSON is what it was."""
    desk.says(alert("a"))
    desk.broken["ops"] = "down"
    desk.tell()  # long ago by the wall's clock
    caplog.clear()
    with caplog.at_level(logging.WARNING, "vedette"):
        commands.alerts(str(desk.lake.path), "m")
    assert "channel:ops: no answer since 2026-03-02 08:00 UTC (2 tries): OSError: down" in caplog.text
