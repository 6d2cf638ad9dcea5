"""Scheduled reports: due by the calendar of a zone, made once whoever looks, whole or not at all, and told where they fail."""

from __future__ import annotations

import html
import json
import os
import shutil
import threading
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from typer.testing import CliRunner

from vedette import config
from vedette.cli import app
from vedette.config import ReportSettings
from vedette.engine import report_events
from vedette.engine.glance import alerts_of
from vedette.engine.health import health
from vedette.engine.scheduled import make_due
from vedette.errors import ConfigError
from vedette.lake.tables import Lake
from vedette.output.names import visible
from vedette.records import Status

NOW = datetime(2026, 1, 21, 12, tzinfo=UTC)  # a Wednesday
FILE = '[[reports]]\nname = "weekly"\nmodels = ["flights", "calm"]\nfolder = "reports"\nkeep = 2\n'


@pytest.fixture
def lake(dashboard_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A copy of the lake of the dashboard's tests, and a file with a report of two of its models."""
    shutil.copytree(dashboard_lake, tmp_path / "lake")
    (tmp_path / "vedette.toml").write_text(FILE)
    monkeypatch.setenv("VEDETTE_CONFIG", str(tmp_path / "vedette.toml"))
    return Lake.at(tmp_path / "lake")


def made(lake: Lake, now: datetime = NOW) -> list[tuple[str, bool]]:
    return [(Path(one.path).name, one.error is None) for one in make_due(lake, clock=lambda: now.timestamp())]


def test_a_report_is_made_once_a_period(lake: Lake) -> None:
    """At the first look, also of what was missed, but only the last; not again until the next is due."""
    first = [("calm-2026-01-19-0700.html", True), ("flights-2026-01-19-0700.html", True)]
    assert made(lake) == first
    assert made(lake) == []
    assert made(lake, NOW + timedelta(days=4)) == []
    later = made(lake, NOW + timedelta(days=21))
    assert later == [("calm-2026-02-09-0700.html", True), ("flights-2026-02-09-0700.html", True)]


def test_several_who_look_at_the_same_time_make_it_once(lake: Lake) -> None:
    """A lock and an event of the model: each page is made by one of them."""
    found: list[tuple[str, bool]] = []
    threads = [threading.Thread(target=lambda: found.extend(made(lake))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [("calm-2026-01-19-0700.html", True), ("flights-2026-01-19-0700.html", True)]


def test_the_page_tells_of_its_period_and_needs_nothing_else(lake: Lake, tmp_path: Path) -> None:
    """The alerts that were open in it and no others; one file without a script, and nothing half-written beside it."""
    made(lake)
    folder = tmp_path / "reports" / "weekly"
    text = (folder / "flights-2026-01-19-0700.html").read_text("utf-8")
    assert "Alerts from 2026-01-12 07:00 to 2026-01-19 07:00 UTC" in text
    start, end = datetime(2026, 1, 12, 7, tzinfo=UTC), datetime(2026, 1, 19, 7, tzinfo=UTC)
    every = alerts_of(lake, "flights", NOW)
    expected = [one for one in every if one.opened < end and (one.closed is None or one.closed >= start)]
    table = text.partition("<h2>Alerts from")[2].partition("<h2>Verdicts")[0]
    assert table.count("<tr>") - 1 == len(expected) > 0
    assert all(html.escape(visible(one.evidence)) in table for one in expected)
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "None was open." in (folder / "calm-2026-01-19-0700.html").read_text("utf-8")
    assert sorted(path.suffix for path in folder.iterdir()) == [".html", ".html"]


def test_the_newest_pages_are_kept(lake: Lake, tmp_path: Path) -> None:
    """Of each model as many as it says; what else lies there stays."""
    folder = tmp_path / "reports" / "weekly"
    folder.mkdir(parents=True)
    (folder / "calm-notes.html").write_text("mine")
    for weeks in range(4):
        made(lake, NOW + timedelta(weeks=weeks))
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "calm-2026-02-02-0700.html", "calm-2026-02-09-0700.html", "calm-notes.html",
        "flights-2026-02-02-0700.html", "flights-2026-02-09-0700.html",
    ]  # fmt: skip


def test_one_that_cannot_be_made_is_told_and_tried_again(lake: Lake, tmp_path: Path) -> None:
    """A verdict of the model, after an hour another try, and none is left once it succeeds."""
    (tmp_path / "reports").write_text("a file where a folder should be")
    assert made(lake) == [("calm-2026-01-19-0700.html", False), ("flights-2026-01-19-0700.html", False)]
    [told] = [one for one in health(lake, "calm", NOW).verdicts if one.watch == "report:weekly"]
    assert told.verdict is Status.UNKNOWN
    assert told.reason is not None
    assert "cannot be written" in told.reason
    assert made(lake, NOW + timedelta(minutes=59)) == []
    (tmp_path / "reports").unlink()
    assert made(lake, NOW + timedelta(minutes=61)) == [
        ("calm-2026-01-19-0700.html", True), ("flights-2026-01-19-0700.html", True)
    ]  # fmt: skip
    assert report_events.verdicts(lake.model("calm")) == []


def command(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--lake", str(Path("lake").absolute())])


def test_the_command_makes_what_is_due(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the wall's clock; with a fault it exits with 1."""
    monkeypatch.chdir(tmp_path)
    assert lake.path == tmp_path / "lake"
    listed = json.loads(command("reports", "--json").stdout)
    assert [(one["name"], one["every"], one["keep"]) for one in listed["reports"]] == [("weekly", "week", 2)]
    done = command("reports", "--run", "--json")
    assert [one["model"] for one in json.loads(done.stdout)["made"]] == ["calm", "flights"]
    assert done.exit_code == 0
    assert "no report is due" in command("reports", "--run").stdout
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "vedette.toml").write_text(FILE.replace('"reports"', '"file"').replace("weekly", "other"))
    failed = command("reports", "--run")
    assert (failed.exit_code, "FAILED: report " in failed.stdout) == (1, True)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Vienna", "America/New_York", "Pacific/Chatham", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_each_period_begins_where_the_last_one_ended(zone: str, every: str) -> None:
    """Over a year with its changes of the clock, looked at every hour: no gap and no overlap, each at its local time."""
    one = ReportSettings("r", Path("r"), every, time(2, 30), {"day": 0, "week": 6, "month": 1}[every], zone)
    seen: list[tuple[datetime, datetime]] = []
    now = datetime(2026, 1, 1, tzinfo=UTC)
    while now < datetime(2027, 1, 1, tzinfo=UTC):
        end, start = one.due(now)
        assert start < end <= now
        if not seen or seen[-1][1] != end:
            seen.append((start, end))
        now += timedelta(hours=1 if every == "day" else 7)
    assert all(before[1] == after[0] for before, after in pairwise(seen))
    assert len(seen) in {"day": (365, 366), "week": (52, 53, 54), "month": (12, 13)}[every]
    local = [end.astimezone(ZoneInfo(zone)) for _, end in seen]
    odd = [at for at in local if at.time() != time(2, 30)]
    assert len(odd) <= 1  # the night in which that time does not exist


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[reports]]\nfolder = 'r'", "name=None: must be 1 to 63"),
        ("[[reports]]\nname = '../up'\nfolder = 'r'", r"name='\.\./up'"),
        ("[[reports]]\nname = 'r'", "folder=None: must be a folder"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nevery = 'hour'", "every='hour': must be day, week or month"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nat = '7 am'", "at='7 am': must be a time such as '07:00'"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\non = 3", "on=3: must be one of monday"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nevery = 'month'\non = 31", "on=31: must be a day from 1 to 28"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nevery = 'day'\non = 1", "on=1: a report of every day has none"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\ntimezone = 'Vienna'", "timezone='Vienna': must be a name"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nkeep = 0", "keep=0: must be a whole number"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\nmodels = []", r"models=\[\]: must be a list"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\ncolour = 'red'", "unknown key 'colour'"),
        ("[[reports]]\nname = 'r'\nfolder = 'r'\n" * 2, "name='r': there are two of it"),
        ("[reports]\nname = 'r'", r"must be tables, each begun with \[\[reports\]\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """With the report, the key, the value, and what is right."""
    (tmp_path / "vedette.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        config.read(tmp_path / "vedette.toml")


@pytest.mark.parametrize("mode", ["light", "dark", "phone"])
def test_the_page_is_accessible(lake: Lake, tmp_path: Path, mode: str) -> None:
    """From the disk, in a real browser: nothing wider than the window, and no violation that axe-core finds."""
    chromium, axe = Path("/usr/bin/chromium"), Path(__file__).parent / "axe" / "axe.min.js"
    if not chromium.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{chromium} is not installed")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    [path] = [
        Path(one.path) for one in make_due(lake, clock=lambda: NOW.timestamp()) if one.model == "flights"
    ]
    with sync.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=str(chromium))
        view = {"width": 390 if mode == "phone" else 1280, "height": 800}
        context = browser.new_context(
            viewport=view, color_scheme="dark" if mode == "dark" else "light", offline=True
        )
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe.read_text("utf-8") + ";0"})
        tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
        run = f"axe.run(document, {{runOnly: {tags}}}).then(all => all.violations.map(one => one.id + one.nodes[0].target))"
        assert page.evaluate(run) == []
        browser.close()
