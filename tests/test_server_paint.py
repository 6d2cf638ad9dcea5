"""How heavy the pages are, and how soon they are painted, in a real browser: of one model, and of many."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import app_of, chromium, site_of
from vedette.lake.tables import Lake

WEIGHT_MAX = 300_000
MANY = 100
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as found:
        yield found


def opened(browser: Any, url: str) -> tuple[int, float]:
    """Bytes over the wire and milliseconds to the first paint of a page that nobody has opened before."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wire, weight = context.new_cdp_session(page), [0]
    wire.on("Network.loadingFinished", lambda event: weight.append(event["encodedDataLength"]))
    wire.send("Network.enable")
    page.goto(url, wait_until="load")
    page.wait_for_timeout(500)
    while (paint := page.evaluate(PAINT)) is None:
        page.wait_for_timeout(20)
    context.close()
    return int(sum(weight)), float(paint)


def test_pages_are_light_with_one_model_and_with_many(
    browser: Any, dashboard_lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that a page loads is over 300 kB, whatever the number of models; times are printed, not judged."""
    one, many = tmp_path / "one", tmp_path / "many"
    shutil.copytree(dashboard_lake / "flights", one / "flights", copy_function=os.link)
    for number in range(MANY):
        kind = "calm" if number % 10 else "flights"
        shutil.copytree(dashboard_lake / kind, many / f"m{number:04d}", copy_function=os.link)
    said = []
    with site_of(app_of(Lake.at(one))) as small, site_of(app_of(Lake.at(many))) as large:
        opened(browser, small)  # a browser that is warm
        for page, first, second in (
            ("overview", small, large),
            ("model", f"{small}/models/flights", f"{large}/models/m0000"),
        ):
            costs = [opened(browser, url) for url in (first, second)]
            said.append(
                f"{page}: first paint {costs[0][1]:.0f} ms with 1 model, {costs[1][1]:.0f} ms with {MANY}, "
                f"ratio {costs[1][1] / costs[0][1]:.2f}; {costs[0][0] / 1000:.0f} and {costs[1][0] / 1000:.0f} kB"
            )
            assert max(weight for weight, _ in costs) < WEIGHT_MAX
            assert min(weight for weight, _ in costs) > 10_000  # the files were loaded
    with capsys.disabled():
        print("\n" + "\n".join(said))
