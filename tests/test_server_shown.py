"""What the pages show of a model that is not as it should be: a span that cannot be read, no reference, rows not kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import vedette
from tests.dashboard import app_of, chromium, client_of, site_of
from vedette.engine import cycle
from vedette.engine.charts import Asked, chart
from vedette.lake.tables import Lake


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("since=yesterday", "since=&#39;yesterday&#39;: must be a datetime"),
        ("since=2026-01-09&until=2026-01-03", "until=&#39;2026-01-03&#39;: must be later than"),
        ("window=often", "often"),
    ],
)
def test_a_span_that_cannot_be_read_is_said(dashboard_lake: Path, asked: str, said: str) -> None:
    """The page is there, and says above its pictures what is wrong with the address."""
    with client_of(dashboard_lake) as client:
        answer = client.get(f"/models/flights?{asked}")
        told = re.search(r'role="alert">Nothing is drawn: (.*?)</p>', answer.text)
        assert answer.status_code == 200
        assert told is not None
        assert said in told[1]
        assert 'role="alert"' not in client.get("/models/flights?since=2026-01-03").text


def test_a_model_without_a_reference_shows_its_figures(dashboard_lake: Path) -> None:
    """Nothing of it is watched, and its columns are drawn all the same."""
    with client_of(dashboard_lake) as client:
        drawn = re.findall(
            r'data-source="[^"]*metric=(\w+)(?:&amp;feature=(\w+))?', client.get("/models/quiet").text
        )
    assert drawn == [
        ("mean", "age"),
        ("rows", ""),
        ("missing_share", "device"),
        ("missing_share", "prediction"),
    ]


def test_segments_of_two_versions_are_lines_of_their_own(dashboard_lake: Path) -> None:
    """Each line has the rows of one version in one segment, and no row is in two."""
    asked = Asked("rows", by="device", versions=("1", "2"))
    lines = chart(Lake.at(dashboard_lake), "flights", asked).lines
    devices = ("phone", "tv", "web")
    assert set(lines) == {f"version {version}, device={one}" for version in "12" for one in devices}
    assert sum(int(frame["value"].sum()) for frame in lines.values()) == 9600


@pytest.fixture(scope="module")
def now_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose window goes on, and a third of whose rows are of an impossible time."""
    folder = tmp_path_factory.mktemp("now") / "lake"
    start = datetime.now(UTC) - timedelta(hours=26)
    with vedette.Monitor("web", "7", folder, window="1d") as monitor:
        times = [start + timedelta(minutes=26 * row) for row in range(60)]
        times += [start + timedelta(days=30)] * 30
        monitor.log_many(
            pl.DataFrame({"age": [30.0 + row for row in range(90)], "prediction": [0, 1] * 45, "time": times})
        )
    cycle.once(Lake.at(folder))
    return folder


def test_rows_that_were_not_kept_are_on_the_overview(now_lake: Path) -> None:
    """How many, with the way to the ledger; and the version of a model without a reference."""
    with client_of(now_lake) as client:
        text = client.get("/").text
        assert re.search(r'href="/models/web/ledger">30 rows not kept</a>', text)
        assert re.search(r"version [^/]*7", text)
        assert re.search(r"version [^/]*7", client.get("/models/web").text)


def test_a_window_that_goes_on_is_no_part_of_the_line(now_lake: Path) -> None:
    """The newest window is told as so far, and the line ends before it."""
    with site_of(app_of(Lake.at(now_lake))) as site, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{site}/models/web?figure=rows")
        page.locator(".chart[data-state=drawn]").wait_for()
        assert page.locator(".readout").inner_text().split("\n")[1].startswith("so far ")
        assert "so far" in page.locator("#live table").inner_text()
        page.locator(".numbers summary").click()
        rows = page.locator(".numbers tbody tr").all_inner_texts()
        assert ["so far" in row for row in rows if "all rows" in row] == [False] * (len(rows) - 1) + [True]
        page.close()
