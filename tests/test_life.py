"""The life of a version: sections from a real training and real rows, what is not known, and the card in its forms."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

import vedette
from vedette.engine import cycle
from vedette.engine.chain.told import write
from vedette.engine.commands_life import story
from vedette.errors import NotThereError
from vedette.lake.tables import Lake
from vedette.output.model_card import card_json, card_markdown
from vedette.output.model_card_page import page
from vedette.records import Life
from vedette.records.actions import ActionStatus, Occasion, Taken

START = datetime(2026, 11, 20, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> | `x` **b**"
N = 1200


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a version that was trained, evaluated, deployed and served with labels, and one that was only requested."""
    folder, random = tmp_path_factory.mktemp("life"), np.random.default_rng(3)

    def rows(n: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
        x = random.normal(size=n)
        return pl.DataFrame({"x": x}), (x > 0).astype(int), (x + random.normal(size=n) > 0).astype(int)

    trainer = vedette.Monitor("net", "4", folder, resources=False)
    frame, predicted, truth = rows(500)
    with trainer.run("night", params={"lr": 0.1, "note": HOSTILE}, diff=False) as run:
        for step in range(20):
            run.log(step, loss=1 / (1 + step))
        run.evaluate("val", truth, predicted)
        run.reference(frame, truth, prediction=predicted)
    trainer.close()
    server = vedette.Monitor("net", "4", folder, resources=False, clock=(START + timedelta(days=1)).timestamp)
    server.deploy(stage="canary", by="ann", status="serving", note=HOSTILE, time=START)
    server.deploy("5", stage="canary", environment=False)
    frame, predicted, truth = rows(N)
    ids = [str(n) for n in range(N)]
    times = [START + timedelta(seconds=30 * n) for n in range(N)]
    served = frame.with_columns(
        prediction=predicted, id=pl.Series(ids), time=pl.Series(times), latency_s=pl.lit(0.01)
    )
    server.log_many(served)
    server.label_many(pl.DataFrame({"id": ids[:900], "label": truth[:900], "time": [times[-1]] * 900}))
    (folder / "truth.json").write_text(json.dumps([int((predicted[:900] == truth[:900]).sum()), 900]))
    server.close()
    cycle.once(Lake.at(folder))
    occasion = Occasion(
        "net", "guard", "k", "roll back canary", "accuracy 2 points worse", START, "3", "3", "4"
    )
    plan, said = ("route to 3",), ("routed",)
    did = Taken("a1", occasion, ActionStatus.DONE, plan, said, None, None, None, START, START, 1, ())
    write(Lake.at(folder), did)
    return folder


@pytest.fixture(scope="module")
def life(lake: Path) -> Life:
    """The life of the version that served."""
    return story(lake, "net", "4")


def test_the_figures_are_those_of_the_rows(life: Life, lake: Path) -> None:
    """The accuracy is that of a count by hand, in Wilson's interval as scipy has it, of the rows with a label."""
    right, n = json.loads((lake / "truth.json").read_text())
    [found] = [one for one in life.section("quality").figures if one.name == "accuracy"]
    assert (found.value, found.n) == (pytest.approx(right / n), n)
    assert found.low is not None
    assert found.high is not None
    wilson = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=0.01)
    [rows] = [one for one in life.section("traffic").figures if one.name == "rows"]
    assert rows.value == N
    labelled = {fact.name: fact.value for fact in life.section("labels").facts}
    assert labelled["rows of this version with a label"] == "75.0%"


def test_each_section_tells_what_was_recorded(life: Life) -> None:
    """Code, data, run, validation, deployment and action are those that were told."""
    facts = {
        name: {one.name: one.value for one in life.section(name).facts}
        for name in ("code", "data", "runs", "deployments")
    }
    assert facts["code"]["run"] == "night"
    assert facts["data"]["reference"] == "500 rows"
    assert "lr=0.1" in facts["runs"]["parameters"]
    assert facts["runs"]["run night"].startswith("finished")
    assert facts["deployments"]["in canary"].startswith("serving since 2026-11-20 00:00:00")
    evaluated = {one.name: one for one in life.section("validation").figures}
    assert evaluated["val accuracy"].n == 500
    [did] = life.section("actions").happened
    words = "done: route to 3; routed; on roll back canary; accuracy 2 points worse"
    assert (did.words, did.by) == (words, "policy guard")
    assert life.section("deployments").happened[0].by == "ann"


def test_what_is_not_known_is_said(lake: Path, life: Life) -> None:
    """A version that was only requested has no figure, and each section says why; one that served says what was not told."""
    asked = story(lake, "net", "5")
    assert [one.figures for one in asked.sections] == [()] * 11
    assert [one.name for one in asked.sections if not one.unknown] == ["actions"]
    assert "no prediction of it came yet" in " ".join(asked.unknown)
    assert "which data went in was not told (run.data)" in life.section("data").unknown


def test_a_version_that_nothing_tells_of_is_named_with_those_there_are(lake: Path) -> None:
    """A wrong name is no empty card."""
    with pytest.raises(NotThereError, match=r"version='9'.*there are 4,"):
        story(lake, "net", "9")


def test_the_card_is_text_and_no_markup(life: Life) -> None:
    """What a user wrote is shown in Markdown and HTML, and is neither; the page has no script and loads nothing."""
    markdown, html = card_markdown(life), page(life)
    assert "<script" not in markdown
    assert "<script" not in html
    assert "&lt;script&gt;" in markdown
    assert "&lt;script&gt;" in html
    assert re.search(r"(src|href)=[\"']?http", html) is None
    for section in life.sections:
        assert f"## {section.title}" in markdown
        assert f"<h2>{section.title}</h2>" in html
    rows = [line for line in markdown.splitlines() if line.startswith("| accuracy")]
    assert len(rows) == 1
    assert rows[0].count("|") == 6


def test_the_markdown_is_read_by_a_parser_as_it_is_meant(life: Life) -> None:
    """A reader of CommonMark finds the headings and tables, and no bold or code of the user's."""
    parser = pytest.importorskip("markdown_it")
    found = parser.MarkdownIt("commonmark").enable("table").render(card_markdown(life))
    assert found.count("<h2>") == 12
    assert found.count("<table>") == sum(1 for one in life.sections if one.figures)
    assert "<strong>b</strong>" not in found
    assert "<code>x</code>" not in found


def test_the_command_writes_its_forms(lake: Path, tmp_path: Path) -> None:
    """One process prints the document and writes both files; the document is that of the same life."""
    files = tmp_path / "card.md", tmp_path / "card.html"
    command = [sys.executable, "-m", "vedette", "story", "net", "4", "--lake", lake]
    written = ["--markdown", files[0], "--html", files[1]]
    done = subprocess.run([*command, "--json", *written], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    again = json.loads(json.dumps(card_json(story(lake, "net", "4")), default=str))
    assert told["sections"].keys() == again["sections"].keys()
    assert told["sections"]["quality"] == again["sections"]["quality"]
    assert all(path.read_text("utf-8") for path in files)
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Quality in service" in plain.stdout


def test_the_server_shows_it(lake: Path) -> None:
    """The page and the document of a version with any name; one that is not there is 404."""
    pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("sqlalchemy", reason="the extra 'server' is not installed")
    from tests.server_running import running
    from vedette.server import api, pages

    monitor = vedette.Monitor("net", "a/b ü", lake, resources=False)
    monitor.deploy(environment=False)
    monitor.close()
    with running(lake, routers=[*api.routers, *pages.routers], services=[api.watch]) as server:
        shown = httpx.get(f"{server.url}/models/net/versions/4", timeout=30)
        assert (shown.status_code, "Quality in service" in shown.text, "<script>alert" in shown.text) == (
            200,
            True,
            False,
        )
        odd = httpx.get(f"{server.url}/models/net/versions/a%2Fb%20%C3%BC", timeout=30)
        assert (odd.status_code, "a/b ü" in odd.text) == (200, True)
        assert httpx.get(f"{server.url}/models/net/versions/9", timeout=30).status_code == 404
        document = httpx.get(f"{server.url}/v1/models/net/story", params={"version": "4"}, timeout=30).json()
        assert document["sections"]["traffic"]["figures"][0]["value"] == N
        card = httpx.get(
            f"{server.url}/v1/models/net/story", params={"version": "4", "form": "markdown"}, timeout=30
        )
        assert card.text.startswith("# Model card")
