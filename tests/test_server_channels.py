"""The page of the channels: what would be sent is what is sent, no secret is shown, and who sent it is in the audit log."""

from __future__ import annotations

import html
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
from starlette.testclient import TestClient

from tests.dashboard_lake import HOSTILE
from tests.server_access import World, world_at
from tests.server_running import running
from vedette import config
from vedette.engine import channel_changes
from vedette.engine.glance import alerts_of
from vedette.lake.tables import Lake
from vedette.server import api, pages
from vedette.server.access import audit
from vedette.server.pages import channels

NOW = datetime(2026, 2, 1, tzinfo=UTC)
TOKEN, SECRET = "T0KEN-of-the-hook", "s1gning-secret"


@pytest.fixture(scope="module")
def received() -> Iterator[tuple[int, list[tuple[dict[str, str], bytes]]]]:
    """The port of a receiver, and what it was sent."""
    found: list[tuple[dict[str, str], bytes]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], found
        server.shutdown()
        thread.join()


@pytest.fixture
def world(
    dashboard_lake: Path, tmp_path: Path, received: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A server over a copy of the lake of the dashboard's tests, with channels of several types."""
    shutil.copytree(dashboard_lake, tmp_path / "lake")
    hook = f"http://127.0.0.1:{received[0]}/{TOKEN}"
    file = tmp_path / "vedette.toml"
    file.write_text(
        f'[channels.hook]\ntype = "webhook"\nurl = "{hook}"\nsecret = "{SECRET}"\n'
        f'[channels.away]\ntype = "webhook"\nurl = "http://127.0.0.1:9/{TOKEN}"\n'
        f'[channels.pager]\ntype = "alertmanager"\nurl = "http://ann:{SECRET}@127.0.0.1:9"\n'
        f'[channels.mail]\ntype = "apprise"\nurls = ["mailto://ann:{SECRET}@example.org"]\n'
        '[channels.here]\ntype = "terminal"\n'
    )
    monkeypatch.setenv("VEDETTE_CONFIG", str(file))
    with world_at(tmp_path) as made:
        yield made


@pytest.fixture
def admin(world: World) -> TestClient:
    world.user("root", every="admin")
    return world.login("root")


def firing(lake: Lake) -> str:
    """The id of an alert that fires."""
    return next(one.id for one in alerts_of(lake, "flights", NOW) if one.state == "firing")


def message(page: str) -> str:
    """The message that a page shows."""
    return html.unescape(page.partition("<pre>")[2].partition("</pre>")[0])


def test_what_is_shown_is_what_is_sent(
    world: World, admin: TestClient, received: tuple[int, list[Any]]
) -> None:
    """Nothing is sent to show it; the button sends it, and says what came back; the audit log has who did."""
    _, found = received
    found.clear()
    asked = {"channel": "hook", "model": "flights", "alert": firing(world.lake)}
    page = admin.get("/channels", params=asked).text
    shown = json.loads(message(page).partition("\n\n")[2])
    assert found == []
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    sent = admin.post("/channels", data=asked | {"csrf": token})
    assert "Sent: 204 No Content" in sent.text, sent.text
    [(headers, body)] = found
    told = json.loads(body)
    assert [one["id"] for one in told["alerts"]] == [asked["alert"]]
    assert headers["Vedette-Signature"]
    assert {**told, "key": "", "time": ""} == {**shown, "key": "", "time": ""}
    with world.access.database.reading() as session:
        entry = audit.entries(session)[0]
    assert (entry.actor, entry.action, entry.target) == ("user:root", "channel.try", "hook")
    assert json.loads(entry.detail) == {"model": "flights", "alert": asked["alert"], "taken": True}


def test_a_channel_that_does_not_answer_says_so(world: World, admin: TestClient) -> None:
    """On the page, without its address; that it was tried is in the audit log."""
    page = admin.get("/channels", params={"channel": "away"}).text
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    sent = admin.post("/channels", data={"channel": "away", "csrf": token}).text
    assert "Not sent: channel away: " in sent
    assert TOKEN not in sent
    with world.access.database.reading() as session:
        assert json.loads(audit.entries(session)[0].detail)["taken"] is False


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("hook", "Vedette-Signature: t=...,v1=..."),
        ("pager", '"alertname": "VedetteAlarm"'),
        ("mail", "flights: ALARM "),
        ("here", "vedette: flights: ALARM "),
    ],
)
def test_each_type_shows_its_own_message_and_no_secret(
    world: World, admin: TestClient, channel: str, words: str
) -> None:
    """As the receiver would get it; names from outside are text; nothing of an address, a login or a secret."""
    asked = {"channel": channel, "model": "flights", "alert": firing(world.lake)}
    page = admin.get("/channels", params=asked).text
    assert words in message(page)
    for hidden in (TOKEN, SECRET, HOSTILE, "127.0.0.1:9"):
        assert hidden not in page


def test_a_test_says_that_nothing_is_wrong(admin: TestClient) -> None:
    """Without an alert; an alert that there is not is said."""
    assert "a test of this channel" in message(admin.get("/channels", params={"channel": "mail"}).text)
    page = admin.get("/channels", params={"channel": "mail", "model": "flights", "alert": "nope"}).text
    assert "has none of that id" in html.unescape(page)
    page = admin.get("/channels", params={"channel": "nope"}).text
    assert "channel='nope': not in vedette.toml" in html.unescape(page)


def test_a_request_without_its_token_sends_nothing(
    admin: TestClient, received: tuple[int, list[Any]]
) -> None:
    """Another site's page cannot make an admin's browser send."""
    _, found = received
    found.clear()
    assert admin.post("/channels", data={"channel": "hook"}).status_code == 403
    assert found == []


def form(page: str, **given: str) -> dict[str, str]:
    """What the form of a page sends."""
    version = page.partition('name="version" value="')[2].partition('"')[0]
    return {"csrf": page.partition('name="csrf" value="')[2].partition('"')[0], "version": version} | given


def test_an_admin_sets_a_channel_on_the_page_and_undoes_it(world: World, admin: TestClient) -> None:
    """It is kept and audited; a secret is refused, shown to nobody; a change on an older page is told of the other."""
    first = form(admin.get("/channels").text)
    asked = first | {"action": "save", "name": "ops", "kind": "webhook", "where": "VEDETTE_CHANNEL_OPS"}
    assert admin.post("/channels/set", data=asked).status_code == 303
    assert "set here" in admin.get("/channels").text
    assert admin.post("/channels/set", data=asked | {"repeat": "1h"}).status_code == 409
    secret = form(admin.get("/channels").text, action="save", name="x", kind="webhook")
    refused = admin.post("/channels/set", data=secret | {"where": f"https://ann:{SECRET}@example.org"})
    assert refused.status_code == 400
    assert "must be the name of an environment variable" in refused.text
    assert SECRET not in refused.text
    page = admin.get("/channels").text
    assert admin.post("/channels/set", data=form(page, action="undo", number="1")).status_code == 303
    assert channel_changes.set_by_people(world.lake, config.read()) == []
    with world.access.database.reading() as session:
        said = [(one.actor, one.action, one.target) for one in audit.entries(session)[:2]]
    assert said == [("user:root", "channel.undo", "ops"), ("user:root", "channel.set", "ops")]


def test_channels_are_set_over_http(world: World, admin: TestClient) -> None:
    """With a version; the file's cannot be changed; a secret is refused with what to do instead."""
    where = "/v1/admin/channels"
    body = {"type": "webhook", "url_env": "VEDETTE_CHANNEL_OPS", "reason": "night shift"}
    token = form(admin.get("/channels").text)["csrf"]
    headers = {"X-CSRF-Token": token}
    told = admin.put(f"{where}/ops", json=body, params={"version": 0}, headers=headers)
    assert told.status_code == 200, told.text
    assert told.json()["version"] == 1
    [mine] = [one for one in told.json()["channels"] if one["source"] == "server"]
    assert mine["said"] == {"type": "webhook", "url_env": "VEDETTE_CHANNEL_OPS"}
    assert SECRET not in told.text
    assert TOKEN not in told.text
    assert admin.put(f"{where}/hook", json=body, headers=headers).status_code == 409
    for key, value in (("secret", SECRET), ("urls", [SECRET]), ("url", f"https://example.org/?key={SECRET}")):
        refused = admin.put(f"{where}/x", json={"type": "webhook", key: value}, headers=headers)
        assert refused.status_code == 400
        assert "name of an environment variable" in refused.text
        assert SECRET not in refused.text
    refused = admin.put(f"{where}/x", json={"type": "command"}, headers=headers)
    assert "belong into vedette.toml" in refused.text
    gone = admin.delete(f"{where}/ops", params={"version": 1}, headers=headers)
    assert gone.json()["version"] == 2
    assert admin.delete(f"{where}/ops", headers=headers).status_code == 404
    assert [one["change"] for one in admin.get(f"{where}/changes").json()] == ["removed", "added"]
    back = admin.post(f"{where}/changes/2/undo", headers=headers)
    assert back.json()["version"] == 3


@pytest.mark.parametrize("mode", ["light", "dark", "phone"])
def test_the_page_is_accessible(world: World, mode: str) -> None:
    """In a real browser: nothing in the console, nothing wider than the window, and no violation that axe-core finds."""
    from tests.dashboard import CHROMIUM
    from tests.test_server_pages import AXE

    if not CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{CHROMIUM} is not installed")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    routers = [channels.router(world.access), *pages.routers, *api.routers]
    said = {"type": "webhook", "url_env": "VEDETTE_CHANNEL_OPS"}
    channel_changes.put(world.lake, config.read(), "ops", said, by="user:ann", now=NOW, reason="night shift")
    asked = urlencode({"channel": "hook", "model": "flights", "alert": firing(world.lake)})
    with (
        running(world.lake.path, routers=routers, services=[api.watch]) as server,
        sync.sync_playwright() as engine,
    ):
        browser = engine.chromium.launch(executable_path=str(CHROMIUM))
        view = {"width": 390 if mode == "phone" else 1280, "height": 800}
        page = browser.new_page(viewport=view, color_scheme="dark" if mode == "dark" else "light")
        heard: list[str] = []
        page.on("console", lambda one: heard.append(one.text) if one.type in ("error", "warning") else None)
        page.goto(f"{server.url}/channels?{asked}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE + ";0"})
        tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
        run = f"axe.run(document, {{runOnly: {tags}}}).then(all => all.violations.map(one => one.id + one.nodes[0].target))"
        assert page.evaluate(run) == []
        assert heard == []
        browser.close()
