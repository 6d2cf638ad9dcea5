"""Telling a real Alertmanager: an alert fires there while it is open here, and is resolved when it is here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest

from tests.programs import alertmanager, asked, needed, until
from tests.receivers import T0, alert, notice, receiver
from tests.world import World
from vedette import config
from vedette.config import ChannelSettings
from vedette.engine import alerts as alerts_module
from vedette.engine import outbox, requests
from vedette.engine.delivery import deliver
from vedette.errors import ChannelError, ConfigError
from vedette.lake.locks import lock
from vedette.lake.tables import Lake
from vedette.output.channels import channel
from vedette.output.channels.alertmanager import RENEWALS, Alertmanager


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needed("prometheus-alertmanager")
    with alertmanager(tmp_path_factory.mktemp("am") / "am") as url:
        yield url


def alerts_of(manager: str, model: str) -> list[Any]:
    """The alerts of a model that are not resolved there."""
    wanted = urlencode({"filter": f'model="{model}"'})
    return asked(f"{manager}/api/v2/alerts?{wanted}")  # type: ignore[no-any-return]


def made(manager: str, **more: Any) -> Any:
    return channel(ChannelSettings("am", "alertmanager", own={"url": manager}, **more))


def test_an_alarm_lives_in_alertmanager_as_it_lives_here(
    manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From rows to a real Alertmanager: fires, is told again before it would be forgotten, acknowledged, silenced, resolved."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vedette.toml").write_text(
        f'[server]\nurl = "https://v.example.org"\n'
        f'[channels.am]\ntype = "alertmanager"\nurl = "{manager}"\nrepeat = "1s"\nwatches = ["x.location"]\n'
    )
    world = World(tmp_path / "lake", model="lived")
    world.monitor.reference(world.rows(2000))
    for shift in (0.0, 0.0, 3.0, 3.0):
        world.log_day(world.rows(200, shift=shift))
        world.round()
    world.monitor.close()
    tables = world.lake.model("lived")
    here = next(one for one in alerts_module.alerts(tables) if one.watch == "x.location")
    (there,) = alerts_of(manager, "lived")
    assert there["labels"] == {
        "alertname": "VedetteAlarm", "model": "lived", "watch": "x.location", "severity": "critical", "vedette_alert": here.id
    }  # fmt: skip
    assert there["generatorURL"] == f"https://v.example.org/models/lived/alerts/{here.id}"
    assert there["annotations"]["description"] == here.evidence
    assert datetime.fromisoformat(there["startsAt"]) == here.opened

    def turn(act: Any = None, **said: Any) -> Any:
        with lock(requests.work_lock(world.lake), wait_s=5):
            if act is not None:
                act(world.lake.model("lived"), here.id, by="ada", now=datetime.now(UTC), **said)
        deliver(world.lake, ["lived"])
        found = alerts_of(manager, "lived")
        return found[0] if found else None

    first = there["endsAt"]
    ended = time.monotonic() + RENEWALS + 0.5  # longer than it lives untold
    while time.monotonic() < ended:
        assert turn()["status"]["state"] == "active"
        time.sleep(0.2)
    assert turn()["endsAt"] > first
    acknowledged = turn(alerts_module.acknowledge, reason="looking")
    assert (acknowledged["annotations"]["state"], acknowledged["annotations"]["by"]) == (
        "acknowledged",
        "ada",
    )
    assert acknowledged["fingerprint"] == there["fingerprint"]
    until_then = datetime.now(UTC) + timedelta(hours=1)
    turn(alerts_module.silence, reason="known", until=until_then)
    silenced = until(
        lambda: [one for one in alerts_of(manager, "lived") if one["status"]["state"] == "suppressed"],
        "silence",
    )
    assert silenced[0]["annotations"]["reason"] == "known"
    time.sleep(1.1)
    assert turn()["status"]["state"] == "suppressed"  # told again, and silenced once
    matched = [one for one in asked(f"{manager}/api/v2/silences") if one["matchers"][0]["value"] == here.id]
    assert [(one["createdBy"], one["comment"]) for one in matched] == [("ada", "known")]
    assert turn(alerts_module.accept, reason="the new normal") is None
    box = outbox.read(world.lake.model("lived"))["am"]
    assert not box.waiting


def test_what_is_not_told_again_is_forgotten(manager: str) -> None:
    """Without renewals the alert would be resolved there while it is open here: they are needed."""
    assert made(manager, repeat_s=0.3).send(replace(notice(alert()), model="forgotten")).startswith("200")
    assert alerts_of(manager, "forgotten")
    until(lambda: not alerts_of(manager, "forgotten"), "end of an alert that nobody renews", 10)


def test_hostile_names_and_odd_times_are_taken(manager: str) -> None:
    """What no label should hold is shown; a window of the future, and an end before the beginning, are no errors."""
    odd = "bad\x1b[31m\ud800\n\u202e\"name'{}"
    now = datetime.now(UTC)
    one = alert("odd1", watch=odd, segment=odd, evidence=odd, reason=odd, by=odd)
    ahead = replace(alert("odd2"), opened=now + timedelta(hours=2))
    ends = replace(alert("odd3", state="resolved"), closed=T0 - timedelta(days=9))
    said = made(manager).send(replace(notice(one, ahead, ends), model="odd"))
    assert said == "200 OK: 3 alerts"
    watches = {each["labels"]["watch"] for each in alerts_of(manager, "odd")}
    assert "x.location" in watches
    assert any("⟨U+001B⟩" in watch for watch in watches)


def test_a_heartbeat_is_an_alert_that_always_fires(manager: str) -> None:
    """The dead man's switch of Alertmanager: a route that pages when it stops firing."""
    beat = replace(notice(kind="heartbeat"), model="alive")
    assert made(manager).send(beat).startswith("200")
    (first,) = alerts_of(manager, "alive")
    assert first["labels"]["alertname"] == "VedetteWatchdog"
    made(manager).send(beat)
    (again,) = alerts_of(manager, "alive")
    assert (again["fingerprint"], again["startsAt"]) == (first["fingerprint"], first["startsAt"])


def test_answers_that_are_none_are_failures() -> None:
    """What is no Alertmanager takes no alert, and its words are not shown."""
    with receiver() as listening:
        listening.answers = [(400, {})]
        with pytest.raises(ChannelError, match=r"^answered 400 Bad Request to 1 alerts$"):
            Alertmanager(url=f"http://127.0.0.1:{listening.port}/prefix/").send(notice(alert()))
        assert listening.got[0][1] == "/prefix/api/v2/alerts"
        listening.answers = [(200, {})]
        until_then = replace(alert(state="silenced"), until=datetime.now(UTC) + timedelta(hours=1))
        with pytest.raises(ChannelError, match="no list of silences"):
            Alertmanager(url=f"http://127.0.0.1:{listening.port}").send(notice(until_then))


def test_renewals_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of them is a few rows once the table is compacted, and when an alert was told last is still known."""
    with receiver() as listening:
        listening.answers = [(200, {})]
        monkeypatch.chdir(tmp_path)
        (tmp_path / "vedette.toml").write_text(
            f'[channels.am]\ntype = "alertmanager"\nurl = "http://127.0.0.1:{listening.port}"\nrepeat = "1m"\n'
        )
        lake = Lake.at(tmp_path / "lake")
        lake.path.mkdir()
        alerts_module.add_steps(lake.model("m"), [alert()])
        for minute in range(25):
            deliver(lake, ["m"], clock=(T0 + timedelta(minutes=minute)).timestamp)
        assert len(listening.got) == 25
        assert {json.loads(body)[0]["labels"]["vedette_alert"] for _, _, _, body in listening.got} == {"a1"}
        rows = lake.model("m")["deliveries"].scan().collect()
        assert rows.filter(pl.col("kind") == "renewal").height == 2 * 24
        kept = outbox.compacted(rows)
        assert kept.filter(pl.col("kind") == "renewal").height == 2
        before, after = (_box(one) for one in (rows, kept))
        assert (before.told, before.waiting) == (after.told, after.waiting)


def _box(rows: pl.DataFrame) -> outbox.Box:
    box = outbox.Box()
    for row in rows.sort("number").iter_rows(named=True):
        box.add(row)
    return box


def test_a_renewal_is_not_sent_for_what_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for an Alertmanager that was away is dropped when its alert is closed by then."""
    with receiver() as listening:
        listening.answers = [(200, {})]
        monkeypatch.chdir(tmp_path)
        (tmp_path / "vedette.toml").write_text(
            f'[channels.am]\ntype = "alertmanager"\nurl = "http://127.0.0.1:{listening.port}"\nrepeat = "1m"\n'
        )
        lake = Lake.at(tmp_path / "lake")
        lake.path.mkdir()
        alerts_module.add_steps(lake.model("m"), [alert()])
        deliver(lake, ["m"], clock=T0.timestamp)
        listening.answers = [(503, {})]
        deliver(lake, ["m"], clock=(T0 + timedelta(minutes=2)).timestamp)
        alerts_module.add_steps(lake.model("m"), [alert(state="resolved", at=T0 + timedelta(minutes=3))])
        listening.answers = [(200, {})]
        deliver(lake, ["m"], clock=(T0 + timedelta(minutes=5)).timestamp)
        ends = [json.loads(body)[0]["endsAt"] for _, _, _, body in listening.got]
        assert len(ends) == 3  # told, refused, and its end
        assert ends[-1] == "2026-03-02T08:03:00.000Z"
        outcomes = lake.model("m")["deliveries"].scan().sort("number").collect()["outcome"].to_list()
        assert "dropped" in outcomes


def test_it_repeats_by_itself_and_never_is_refused(tmp_path: Path) -> None:
    """Every five minutes where nothing is said, of all states; a channel that never repeats would resolve what is open."""
    path = tmp_path / "vedette.toml"
    path.write_text("[channels.am]\ntype = 'alertmanager'\nurl = 'http://am:9093'")
    (one,) = config.read(path).channels
    assert (one.repeat_s, one.renewed) == (300.0, True)
    assert set(one.states) == {"firing", "acknowledged", "silenced", "resolved"}
    path.write_text("[channels.am]\ntype = 'alertmanager'\nurl = 'http://am:9093'\nrepeat = 'never'")
    with pytest.raises(
        ConfigError, match="repeat='never': the receiver takes an alert that is not told again"
    ):
        config.read(path)
