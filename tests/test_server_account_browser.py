"""The pages of accounts in a real browser, through the whole server: a person's first login, and every page's accessibility."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
pytest.importorskip("argon2", reason="the extra 'server' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'server' is not installed")
pytest.importorskip("joserfc", reason="the extra 'server' is not installed")
import uvicorn

from tests.server_access import PASSWORD, World, world_at
from tests.test_server_pages import AXE, browser
from vedette.config import ServingSettings
from vedette.config.provider import ProviderSettings

__all__ = ["browser"]

LONG = "a.user.with.a.name.as.long.as.some.organisations.make.them@a-division.of.example.org"
PATHS = ("/account", "/users", "/users/ann", f"/users/{LONG}", "/keys", "/users?q=nobody", "/users/ghost")
TAGS = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with users and keys, and a provider that nobody asks."""
    provider = ProviderSettings("https://login.example.org", "vedette", name="Example")
    with world_at(tmp_path_factory.mktemp("account"), serving=ServingSettings(provider=provider)) as made:
        made.user("root", every="admin")
        made.user("ann", delays="viewer", churn="editor")
        made.user(LONG)
        now = made.access.now()
        made.access.users.set_disabled(LONG, True, actor="test", now=now)
        made.access.users.add("first", {}, None, actor="test", now=now)
        for name in ("sender of delays", "<img src=x onerror=alert(1)> " + "w" * 90):
            made.access.keys.add(
                name, ["ingest", "read"], ["delays", "churn"], actor="user:root", now=now,
                expires=now + timedelta(days=365),
            )  # fmt: skip
        ended, _ = made.key("admin")
        made.access.keys.revoke(ended, actor="test", now=now)
        yield made


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[str]:
    """The address of the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(world.front, log_level="error", lifespan="off"))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def log_in(page: Any, site: str, name: str, password: str, to: str = "/account") -> None:
    page.goto(f"{site}{to}")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("mode", ["light", "dark", "phone"])
def test_pages_are_accessible_and_say_nothing_in_the_console(browser: Any, site: str, mode: str) -> None:
    """No violation that axe-core finds, nothing wider than the window, no script error, on every page of accounts."""
    view = {"width": 390 if mode == "phone" else 1280, "height": 800}
    context = browser.new_context(viewport=view, color_scheme="dark" if mode == "dark" else "light")
    page, said = context.new_page(), []
    page.on("console", lambda one: said.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda one: said.append(str(one)))
    page.goto(f"{site}/login")
    _check(context, page, f"{mode}-login")
    log_in(page, site, "root", PASSWORD)
    page.wait_for_url("**/account")
    for path in PATHS:
        page.goto(site + path)
        assert page.locator("h1").count() == 1
        _check(context, page, f"{mode}{path.replace('/', '-')}"[:40])
    page.goto(f"{site}/keys")
    page.get_by_label("What for", exact=True).fill("one more")
    page.get_by_label("read", exact=True).check()
    page.get_by_role("button", name="Add", exact=True).click()
    assert page.locator(".secret").inner_text().startswith("vdt_")
    _check(context, page, f"{mode}-once")
    assert [one for one in said if "404" not in one] == []  # of the user who is not there
    context.close()


def _check(context: Any, page: Any, name: str) -> None:
    if folder := os.environ.get("VEDETTE_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name.strip('-')}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE + ";0"})
    wrong = page.evaluate(
        f"axe.run(document, {{runOnly: {TAGS}}}).then(found => found.violations.map(one => one.id + one.nodes[0].target))"
    )
    assert wrong == [], name


def test_a_person_is_added_logs_in_and_chooses_a_password(browser: Any, site: str) -> None:
    """An admin adds them on the page; they come in with what was shown once, must choose, and are then let everywhere."""
    admin, person = browser.new_context().new_page(), browser.new_context().new_page()
    log_in(admin, site, "root", PASSWORD, "/users")
    admin.wait_for_url("**/users")
    admin.get_by_label("Name").last.fill("newcomer")
    admin.get_by_label("Roles").fill("viewer")
    admin.get_by_role("button", name="Add", exact=True).click()
    first = admin.locator(".secret").inner_text()
    log_in(person, site, "newcomer", first, "/keys")
    person.wait_for_url("**/account")
    assert person.get_by_role("alert").inner_text().startswith("This password was made for you")
    person.get_by_label("The one that holds").fill(first)
    for label in ("A new one", "The new one again"):
        person.get_by_label(label).fill("a passphrase of one's own")
    person.get_by_role("button", name="Change it").click()
    person.get_by_role("heading", name="Sessions").wait_for()
    assert person.get_by_role("alert").count() == 0
    assert "newcomer" in person.locator(".who").inner_text()
    for page in (admin, person):
        page.context.close()


def test_ending_another_session_puts_that_browser_out(browser: Any, site: str) -> None:
    """What one browser ends, the other finds ended at its next page."""
    here, there = browser.new_context().new_page(), browser.new_context().new_page()
    for page in (here, there):
        log_in(page, site, "ann", PASSWORD)
        page.wait_for_url("**/account")
    here.reload()
    here.get_by_role("button", name="End all others").click()
    here.get_by_text("this one").wait_for()
    assert here.get_by_role("button", name="End the session").count() == 0
    there.reload()
    there.wait_for_url("**/login?next=**")
    for page in (here, there):
        page.context.close()
