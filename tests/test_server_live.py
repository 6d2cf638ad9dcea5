"""An open page in a real browser while rows come in: it changes by itself, and stays where its reader was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import Open, chromium, site_of
from tests.dashboard_lake import DAY, DAYS, START
from vedette.engine import cycle
from vedette.lake.tables import Lake
from vedette.server import api, pages
from vedette.server.application import application
from vedette.server.ingest import ingest_router, ingest_service

WAIT_MS = 20_000


@pytest.fixture
def lake(dashboard_lake: Path, tmp_path: Path) -> Lake:
    """A copy of the lake, to write to."""
    return Lake.at(shutil.copytree(dashboard_lake, tmp_path / "lake"))


@pytest.fixture
def site(lake: Lake) -> Iterator[str]:
    """The address of a server that shows it and takes rows."""
    routers = [ingest_router(), *api.routers, *pages.routers]
    with site_of(application(lake, Open(), routers, [ingest_service(), api.watch])) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as found:
        yield found


def ingest(page: Any, site: str, lake: Lake, day: int) -> None:
    """Rows of a day, sent over HTTP and brought into the lake."""
    rows = [
        {
            "features": {"age": 40.0 + row % 7, "device": "web", "region": "north"},
            "prediction": row % 2,
            "time": (START + DAY * day + timedelta(minutes=row)).isoformat(),
        }
        for row in range(300)
    ]
    answer = page.request.post(f"{site}/v1/models/flights/predictions", data={"rows": rows, "version": "2"})
    assert answer.ok, answer.text()
    cycle.once(lake, models=["flights"])


def test_a_model_changes_on_the_open_page_and_stays_where_it_was(browser: Any, site: str, lake: Lake) -> None:
    """After rows came in, the page shows them without being loaded again; place, zoom, focus and what is open stay."""
    page = browser.new_page(viewport={"width": 1100, "height": 600})
    page.goto(f"{site}/models/flights")
    page.locator(".pulse[data-state=on]").wait_for(state="attached")
    figure = page.locator(".chart").first
    figure.scroll_into_view_if_needed()
    over = page.locator(".chart[data-state=drawn] .u-over").first
    over.wait_for()
    box = over.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 60, steps=6)
    page.mouse.up()
    page.wait_for_url("**since=*until=*")
    page.locator("#live details summary").first.click()
    page.evaluate("document.querySelector('#live .main-link').focus({ preventScroll: true })")
    page.evaluate("window.neverLoadedAgain = true; scrollTo(0, 120)")
    opened = "document.querySelector('#live details').open"
    top = "Math.round(document.activeElement.getBoundingClientRect().top)"
    where = f"[{top}, location.search, document.activeElement.getAttribute('href'), {opened}]"
    before = page.evaluate(where)
    assert 0 < before[0] < 600
    ingest(page, site, lake, DAYS)
    day = f"{START + DAY * DAYS:%Y-%m-%d}"
    page.locator("#live .facts time", has_text=day).wait_for(timeout=WAIT_MS)
    page.locator(".live-word", has_text="changed").wait_for(timeout=WAIT_MS, state="attached")
    assert page.evaluate("window.neverLoadedAgain") is True
    assert page.evaluate(where) == before
    page.close()


def test_what_is_being_written_is_not_lost(browser: Any, site: str, lake: Lake) -> None:
    """A reason that was begun on the page of an alert outlives a change of its model, which is shown beside it."""
    page = browser.new_page()
    alert = page.request.get(f"{site}/v1/models/flights/alerts").json()[0]["id"]
    page.goto(f"{site}/models/flights/alerts/{alert}")
    page.locator(".pulse[data-state=on]").wait_for(state="attached")
    reason = page.locator("[name=reason]")
    reason.fill("looked at it, and")
    page.evaluate("document.getElementById('live').dataset.mark = 'old'")
    ingest(page, site, lake, DAYS)
    page.locator("#live:not([data-mark])").wait_for(timeout=WAIT_MS)
    assert reason.input_value() == "looked at it, and"
    page.close()


def test_a_form_that_was_begun_in_what_is_fetched_anew_waits(browser: Any, site: str, lake: Lake) -> None:
    """The overview catches up once the reason that was begun is gone."""
    page = browser.new_page()
    page.goto(f"{site}/")
    page.locator(".pulse[data-state=on]").wait_for(state="attached")
    page.evaluate(
        """() => {
            const live = document.getElementById("live");
            live.dataset.mark = "old";
            live.insertAdjacentHTML("beforeend", '<form method="post"><input name="begun" aria-label="begun"></form>');
        }"""
    )
    begun = page.locator("[name=begun]")
    begun.fill("upgrade")
    begun.evaluate("one => one.blur()")
    ingest(page, site, lake, DAYS)
    page.wait_for_timeout(4000)  # the change is told within one round, of a second
    assert page.locator("#live[data-mark=old]").count() == 1
    begun.fill("")
    begun.evaluate("one => one.blur()")
    page.locator("#live:not([data-mark])").wait_for(timeout=WAIT_MS)
    page.close()
