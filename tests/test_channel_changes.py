"""Channels that people set on a server: no secret in them, the file wins, versions, undo, and taken up by who tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.receivers import T0, Receiver, alert, receiver
from vedette import config
from vedette.config.public_channels import public_channel
from vedette.engine import alerts, channel_changes, commands, delivery, outbox
from vedette.errors import ChannelChangeError, ChannelError, DataError
from vedette.lake.tables import Lake
from vedette.output.channels import channel

HOOK = {"type": "webhook", "url_env": "VEDETTE_CHANNEL_OPS"}


@dataclass
class Desk:
    """A lake with an alert, a receiver whose address a variable holds, and a vedette.toml or none."""

    lake: Lake
    file: Path
    hook: Receiver

    def writes(self, text: str) -> None:
        self.file.write_text(text)

    def put(self, name: str = "ops", said: Any = HOOK, **more: Any) -> bool:
        return channel_changes.put(self.lake, config.read(), name, said, by="user:ann", now=T0, **more)

    def remove(self, name: str = "ops", **more: Any) -> None:
        channel_changes.remove(self.lake, config.read(), name, by="user:ann", now=T0, **more)

    def undo(self, number: int, **more: Any) -> None:
        channel_changes.undo(self.lake, config.read(), number, by="user:bob", now=T0, **more)

    def tell(self, minutes: float = 0.0) -> int:
        return delivery.deliver(
            self.lake, ["m"], clock=(T0 + timedelta(minutes=minutes)).timestamp, completed=False
        )

    def told(self) -> list[str]:
        return [one["id"] for *_, body in self.hook.got for one in json.loads(body)["alerts"]]

    def said(self) -> dict[str, Any]:
        return {one.name: one.said for one in channel_changes.set_by_people(self.lake, config.read())}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    lake = Lake.at(tmp_path / "lake")
    lake.path.mkdir()
    alerts.add_steps(lake.model("m"), [alert("a")])
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    with receiver() as hook:
        monkeypatch.setenv("VEDETTE_CHANNEL_OPS", hook.url)
        made = Desk(lake, tmp_path / "vedette.toml", hook)
        made.writes("[server]\nchannels_allow = ['127.0.0.0/8']\n")
        yield made


def test_one_that_is_set_is_told_in_the_next_turn_and_not_after_it_is_taken_away(desk: Desk) -> None:
    """Without a restart; alerts that are open are news to it; nothing is told twice."""
    desk.tell()
    assert desk.put()
    desk.tell()
    desk.tell()
    assert desk.told() == ["a"]
    desk.remove()
    alerts.add_steps(desk.lake.model("m"), [alert("b", incident="i2")])
    desk.tell()
    assert desk.told() == ["a"]
    assert not outbox.read(desk.lake.model("m"))["ops"].active
    history = [(one.change, one.before, one.after) for one in channel_changes.changes(desk.lake)]
    assert history == [("removed", HOOK, None), ("added", None, HOOK)]


def test_what_no_admin_may_reach_is_not_reached(desk: Desk) -> None:
    """A private address is told nothing, and its failure is shown; an explicit word of the file lets it through."""
    desk.writes("")
    desk.put()
    desk.tell()
    assert desk.hook.got == []
    [report] = commands.channels(str(desk.lake.path))
    assert report.deliveries[0].error is not None
    assert "is not a public address" in report.deliveries[0].error
    desk.writes("[server]\nchannels_allow = ['127.0.0.1']\n")
    desk.tell(1)
    assert desk.told() == ["a"]


def test_without_a_file_those_that_are_set_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what a file elsewhere names is not taken for removed."""
    desk.writes("[channels.filed]\ntype = 'terminal'\n[server]\nchannels_allow = ['127.0.0.1']\n")
    desk.put()
    desk.tell()
    monkeypatch.delenv("VEDETTE_CONFIG")
    monkeypatch.chdir(desk.lake.path)
    alerts.add_steps(desk.lake.model("m"), [alert("b", incident="i2")])
    desk.tell()
    boxes = outbox.read(desk.lake.model("m"))
    assert boxes["filed"].active
    assert boxes["ops"].tries == 1  # nothing allows this machine's own address any more
    assert desk.told() == ["a"]


def test_the_file_wins(desk: Desk) -> None:
    """One of its name cannot be set; one that was set before does not hold while the file has it."""
    desk.put()
    desk.writes("[channels.ops]\ntype = 'terminal'\n")
    [one] = channel_changes.in_force(desk.lake, config.read())
    assert (one.type, one.public) == ("terminal", False)
    with pytest.raises(ChannelChangeError, match="has one of this name"):
        desk.put(said=HOOK | {"repeat": "1h"})
    desk.remove()
    with pytest.raises(ChannelChangeError, match="must be taken away there"):
        desk.remove()
    desk.writes("")
    with pytest.raises(DataError, match="none of that name"):
        desk.remove()


def test_a_change_on_an_older_version_is_refused_and_each_can_be_undone(desk: Desk) -> None:
    """Who has not seen the last change is told of it; an undo is a change, too, and can be undone."""
    desk.put(seen=0)
    assert not desk.put(seen=1)  # the same again
    with pytest.raises(ChannelChangeError, match="version=0"):
        desk.put(said=HOOK | {"repeat": "1h"}, seen=0)
    desk.put(said=HOOK | {"repeat": "1h"}, seen=1)
    desk.undo(2, seen=2)
    assert desk.said() == {"ops": HOOK}
    with pytest.raises(ChannelChangeError, match="already"):
        desk.undo(2)
    desk.undo(1)
    assert desk.said() == {}
    desk.undo(4)
    assert desk.said() == {"ops": HOOK}
    newest = channel_changes.changes(desk.lake)[0]
    assert (newest.number, newest.by, newest.change, newest.reason) == (
        5, "user:bob", "undone", "undoes change 4"
    )  # fmt: skip
    times = [one.time for one in channel_changes.changes(desk.lake)]
    assert times == sorted(times, reverse=True)  # though the clock stood still
    with pytest.raises(DataError, match="change=9"):
        desk.undo(9)


def test_an_undo_is_held_to_what_a_change_is_held_to(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings back no channel more than there may be, and none that cannot be set any more."""
    desk.put()
    channel_changes.remove(desk.lake, config.read(), "ops", by="user:bob", now=T0)
    monkeypatch.setattr(channel_changes, "CHANNELS_MAX", 0)
    with pytest.raises(ChannelChangeError, match="must be 0 at most"):
        desk.undo(2)


SECRETS = {
    "a login": {"url": "https://ann:S3CRET@example.org/"},
    "a user": {"url": "https://S3CRET@example.org/"},
    "a query": {"url": "https://example.org/hook?key=S3CRET"},
    "a token in the path": {"url": "https://hooks.example.org/services/T01/B02/S3CRETabcdefghijklmnop"},
    "a long word in the path": {"url": "https://example.org/scretscretscretscret"},
    "a number in the path": {"url": "https://example.org/api/webhooks/8273645192837465"},
    "escapes": {"url": "https://example.org/%533CRET"},
    "a secret": {"url": "https://example.org/", "secret": "S3CRET"},
    "a URL for a variable": {"url_env": "https://example.org/S3CRET"},
    "URLs of apprise": {"type": "apprise", "urls": ["mailto://ann:S3CRET@example.org"]},
    "a URL of apprise for a variable": {"type": "apprise", "urls_env": "slack://S3CRET/a/b"},
}


@pytest.mark.parametrize("table", SECRETS.values(), ids=list(SECRETS))
def test_what_may_be_a_secret_is_refused_with_a_word_of_a_variable(desk: Desk, table: dict[str, Any]) -> None:
    """And nothing of it is shown or kept."""
    with pytest.raises(ValueError, match="name of an environment variable") as refused:
        desk.put(said={"type": "webhook"} | table)
    assert not [one for one in ("S3CRET", "scret", "8273645192837465") if one in str(refused.value)]
    assert channel_changes.changes(desk.lake) == []


@pytest.mark.parametrize(
    "url",
    ["https://example.org", "http://am:9093/", "https://example.org/api/v2/alert-hooks/ops_1", "https://[2001:db8::1]/Hook"],
)  # fmt: skip
def test_an_address_of_plain_words_is_taken(url: str) -> None:
    """A wall that nobody can get through is walked around."""
    assert public_channel("ops", {"type": "webhook", "url": url}).own == {"url": url, "allow": []}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"type": "command", "command": ["true"]}, "others belong into vedette.toml"),
        ({"type": "terminal"}, "others belong into vedette.toml"),
        ({}, "must be one of webhook, apprise, alertmanager"),
        (HOOK | {"allow": ["10.0.0.0/8"]}, "channels_allow"),
        (HOOK | {"secret_env": "VEDETTE_DATABASE"}, "begins with VEDETTE_CHANNEL_"),
        (HOOK | {"commands": 1}, "unknown key"),
        (HOOK | {"states": []}, "nothing is ever sent"),
    ],
)
def test_what_cannot_be_set_on_a_server_is_refused(table: dict[str, Any], words: str) -> None:
    """A program would run there; what may be reached is no word of who sets a channel."""
    with pytest.raises(ValueError, match=words):
        public_channel("ops", table)


def test_apprise_set_on_a_server_speaks_to_what_a_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the server chose it; of a variable that holds no URL nothing is shown."""
    pytest.importorskip("apprise")
    monkeypatch.setenv("VEDETTE_CHANNEL_PASSWORD", "correct-horse-battery-staple")
    made = channel(public_channel("ops", {"type": "apprise", "urls_env": "VEDETTE_CHANNEL_PASSWORD"}))
    from tests.receivers import notice

    with pytest.raises(ChannelError, match="none that Apprise can use") as refused:
        made.send(notice(alert()))
    assert "correct" not in str(refused.value)
