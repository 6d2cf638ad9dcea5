"""Pages in a real browser, under their own policy: no word of a name runs, the keys, the brush, accessibility."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import app_of, chromium, client_of, site_of
from tests.dashboard_lake import HOSTILE
from vedette.lake.tables import Lake

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
PATHS = ("/", "/alerts", "/maintenance", "/models/flights", "/models/flights/alerts/{alert}", "/models/flights/runs",
         "/models/flights/runs?run=base&run=wide", "/models/flights/versions", "/models/flights/actions",
         "/models/flights/versions/2",
         "/models/flights/ledger", "/models/flights/settings", "/models/flights/rules?name=low&when=accuracy+%3C+0.87",
         "/models/flights/rules?name=x&when=acuracy+%3C+1",
         "/models/quiet/rules?name=gone&when=no+data+for+2h", "/models/quiet", "/words",
         "/models/flights?since=yesterday")  # fmt: skip


def test_no_name_becomes_markup_and_nothing_is_inline(dashboard_lake: Path) -> None:
    """Hostile names of features, categories, runs and reasons are text; scripts and styles are files alone."""
    with client_of(dashboard_lake) as client:
        alert = client.get("/v1/models/flights/alerts").json()[-1]["id"]
        for path in PATHS:
            answer = client.get(path.format(alert=alert))
            assert answer.status_code == 200, path
            assert "script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
            assert HOSTILE not in answer.text
            assert "<img" not in answer.text
            assert " style=" not in answer.text
            assert " onclick=" not in answer.text
            assert answer.text.count("<script") == answer.text.count("<script src=") + answer.text.count(
                '<script type="module" src='
            )
        assert 'name="csrf" value="the-token"' in client.get(f"/models/flights/alerts/{alert}").text
        missing = client.get("/models/nope")
        assert (missing.status_code, "<h1>There is no such page" in missing.text) == (404, True)


@pytest.fixture(scope="module")
def site(dashboard_lake: Path) -> Iterator[str]:
    """The address of a server of the lake."""
    with site_of(app_of(Lake.at(dashboard_lake))) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as found:
        yield found


@pytest.mark.parametrize("mode", ["light", "dark", "phone", "narrow"])
def test_pages_load_without_an_error_and_are_accessible(browser: Any, site: str, mode: str) -> None:
    """Nothing in the console, nothing wider than the window, and no violation that axe-core finds."""
    view = {"width": {"phone": 390, "narrow": 320}.get(mode, 1280), "height": 800}
    context = browser.new_context(viewport=view, color_scheme="dark" if mode == "dark" else "light")
    page, said = context.new_page(), []
    page.on("console", lambda one: said.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda one: said.append(str(one)))
    alert = page.request.get(f"{site}/v1/models/flights/alerts").json()[0]["id"]
    for path in PATHS:
        page.goto(site + path.format(alert=alert))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        context.new_cdp_session(page).send("Runtime.evaluate", {"expression": AXE + ";0"})
        tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
        wrong = page.evaluate(
            f"axe.run(document, {{runOnly: {tags}}}).then(found => found.violations.map(one => one.id + one.nodes[0].target))"
        )
        assert wrong == [], path
    assert said == []
    context.close()


def test_keys_and_the_brush(browser: Any, site: str) -> None:
    """j and Enter open what is wrong; g o goes back; ? tells the keys; a drag over a picture is in the address."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site)
    page.locator("[data-item]").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/flights/alerts/*")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/models/flights")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    figure = page.locator(".chart").first
    figure.scroll_into_view_if_needed()
    page.locator(".chart[data-state=drawn] .u-over").first.wait_for()
    box = page.locator(".chart .u-over").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60, steps=6)
    page.mouse.up()
    page.wait_for_url("**since=2026-01-0*until=2026-01-1*")
    page.close()


def test_what_is_wrong_with_a_form_is_said_in_its_place(
    browser: Any, dashboard_lake: Path, tmp_path: Path
) -> None:
    """Without a reason the field says so, the page stays where it is, and its picture is not lost; with one the state changes.

    What cannot be taken back is asked once more in the same place.
    """
    shutil.copytree(dashboard_lake, tmp_path / "lake")  # what is done is not done to the lake of the others
    with site_of(app_of(Lake.at(tmp_path / "lake"))) as site:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        alerts = page.request.get(f"{site}/v1/models/flights/alerts").json()
        where = f"{site}/models/flights/alerts/{alerts[0]['id']}"
        page.goto(where)
        page.locator(".chart[data-state=drawn]").wait_for()
        page.get_by_role("button", name="Silence").click()
        page.locator("#wrong-reason").wait_for()
        assert page.url == where
        assert page.locator(".chart[data-state=drawn] canvas").count() == 1
        assert page.locator("[name=reason]").evaluate("one => one === document.activeElement")
        page.locator("[name=reason]").fill("a new lens")
        page.get_by_role("button", name="Silence").click()
        page.locator("#live .state", has_text="silenced").wait_for()
        assert "a new lens" in page.locator("#steps").inner_text()
        page.get_by_role("button", name="False alarm").click()
        page.get_by_role("button", name="Yes, it was false").click()
        page.locator("#live", has_text="marked as a false alarm").wait_for()
        assert page.url == where
        assert page.locator(".chart[data-state=drawn] canvas").count() == 1
        page.close()
